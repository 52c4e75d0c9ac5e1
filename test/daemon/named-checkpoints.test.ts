import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { busyboxImage } from "../../lab/busybox-image.js";
import { connect } from "../../src/index.js";
import { homes, namedSuite } from "../suites/named-suite.js";
import { taskPrograms } from "../suites/task-bed.js";
import { describeOnEachDaemon } from "./releases.js";

const PROGRAMS = "docker.io/library/programs:1";

describeOnEachDaemon("named checkpoints", (daemon) => {
  for (const home of homes) {
    namedSuite("of the suite", home, async () => {
      const client = await connect({ address: daemon().address, namespace: `named-${home}` });
      await busyboxImage(client, PROGRAMS, { secondLayer: taskPrograms });
      const directory = await mkdtemp(join(tmpdir(), "named-"));
      const end = async () => {
        await client.close();
        await rm(directory, { recursive: true });
      };
      return { client, image: PROGRAMS, directory, end };
    });
  }
});
