import { Stages } from "../stages.js";

/** ADDRESS NAMESPACE CONTAINER REF: a checkpoint, and how long each of its stages took. */
const [address, namespace, id = "", ref = ""] = process.argv.slice(2);
const stages = new Stages();
const { connect } = await import("containerd-client");
stages.end("import");
const client = await connect({ address, namespace });
stages.end("connect");
const ends = new Map([
  ["pause", "before the pause"],
  ["write", "pause, dump and resume"],
]);
await client.checkpoint(id, ref, [], {
  onProgress: ({ phase }) => {
    const stage = ends.get(phase);
    // A phase is told again when bytes are.
    if (stage !== undefined && ends.delete(phase)) stages.end(stage);
  },
});
stages.end("after the pause");
await client.close();
stages.end("close");
stages.print();
