import type { Labels } from "../../oci/descriptor.js";
import type { CheckpointEngine } from "../description.js";

const families: Readonly<Record<string, CheckpointEngine | undefined>> = {
  "io.podman.annotations.checkpoint.": "podman",
  "io.kubernetes.cri-o.annotations.checkpoint.": "cri-o",
  "org.criu.checkpoint.": undefined,
};

/** What the annotations of an image say about the checkpoint in it, whoever wrote them. */
export interface ImageFacts {
  /** The engine whose annotations they are. */
  readonly engine?: CheckpointEngine | undefined;
  /** Looks a fact up by the names the three families have for it; undefined when none says anything. */
  readonly fact: (...names: readonly string[]) => string | undefined;
}

/**
 * Reads the three families of annotations: of Podman, of CRI-O, and those `checkpointctl build` writes for any engine.
 *
 * @see https://github.com/checkpoint-restore/checkpointctl/blob/v1.4.0/lib/annotations.go
 */
export function imageFacts(annotations: Labels): ImageFacts {
  const known = Object.keys(families).find((prefix) => Object.keys(annotations).some((key) => key.startsWith(prefix)));
  const fact = (...names: readonly string[]): string | undefined => {
    for (const prefix of Object.keys(families)) {
      for (const name of names) {
        const key = `${prefix}${name}`;
        const value = Object.hasOwn(annotations, key) ? annotations[key] : undefined;
        // They are written even where nothing is known.
        if (value !== undefined && value !== "") return value;
      }
    }
    return undefined;
  };
  const engine = known === undefined ? undefined : (families[known] ?? engineNamed(fact("engine.name")));
  return { engine, fact };
}

/** Those of an image's annotations that are of one of the families. */
export function archiveAnnotations(annotations: Labels): Labels {
  const isOne = (key: string) => Object.keys(families).some((prefix) => key.startsWith(prefix));
  return Object.fromEntries(Object.entries(annotations).filter(([key]) => isOne(key)));
}

const engines: Readonly<Record<string, CheckpointEngine>> = {
  podman: "podman",
  libpod: "podman",
  "cri-o": "cri-o",
  crio: "cri-o",
  containerd: "containerd",
  docker: "docker",
};

/** The engine by the name another program gives it. */
export function engineNamed(name = ""): CheckpointEngine | undefined {
  const known = name.toLowerCase();
  return Object.hasOwn(engines, known) ? engines[known] : undefined;
}

/** criu's version from its number: 40201 is 4.2.1. */
export function criuVersion(number: string | undefined): string | undefined {
  if (number === undefined || !/^\d{5,6}$/.test(number)) return number;
  const value = Number(number);
  return `${Math.floor(value / 10_000)}.${Math.floor(value / 100) % 100}.${value % 100}`.replace(/\.0$/, "");
}
