import { readFileSync } from "node:fs";

/** Bytes of a document that containerd's own tools wrote. */
export function fixture(name: string): Uint8Array {
  return new Uint8Array(readFileSync(new URL(`../../../test/fixtures/oci/${name}`, import.meta.url)));
}

/** The text of bytes. */
export function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

/** The lines of a fixture, each a JSON value. */
export function fixtureLines(name: string): unknown[] {
  return textOf(fixture(name))
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as unknown);
}
