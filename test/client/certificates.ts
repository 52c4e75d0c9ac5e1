import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { repositoryRoot } from "../../lab/repository.js";

/** A key and the certificate that goes with it, in PEM. */
interface KeyPair {
  readonly key: string;
  readonly cert: string;
}

/** An authority of our own and what it signed: a server's certificate for `localhost`, a client's. */
export interface Certificates {
  readonly ca: string;
  readonly server: KeyPair;
  readonly client: KeyPair;
}

/** The certificates of the tests. Nobody trusts their authority, its key is gone, and they are valid until 2126. */
export async function testCertificates(): Promise<Certificates> {
  const read = (name: string) => readFile(join(repositoryRoot(), "test/fixtures/tls", name), "utf8");
  const pair = async (name: string) => ({ key: await read(`${name}.key`), cert: await read(`${name}.crt`) });
  return { ca: await read("ca.crt"), server: await pair("server"), client: await pair("client") };
}
