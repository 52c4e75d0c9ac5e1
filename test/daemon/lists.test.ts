import { connect } from "../../src/index.js";
import { listSuite } from "../suites/list-suite.js";
import { describeOnEachDaemon } from "./releases.js";

describeOnEachDaemon("a daemon that has grown", (daemon) => {
  listSuite("lists", async () => {
    // Nobody waits for a disk: it would take minutes to write what takes a moment to list.
    await daemon().kill();
    await daemon().inBox("mount", ["-t", "tmpfs", "tmpfs", daemon().root]);
    await daemon().start();
    const client = await connect({ address: daemon().address, namespace: "lists" });
    return { client, inside: false, blobs: daemon().release === "v21" ? 10_000 : 1_000, end: () => client.close() };
  });
});
