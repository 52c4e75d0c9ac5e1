/** Prints how our description of the wire compares with the containerd binaries named on the command line. */
import { verifyBinary } from "./verify.js";

const paths = process.argv.slice(2);
if (paths.length === 0) {
  console.error("Give the paths of one or more containerd binaries.");
  process.exitCode = 2;
}
for (const path of paths) {
  const { version, compared, defects, onlyOurs, omitted } = await verifyBinary(path);
  console.log(`containerd ${version} (${path}): ${compared.length} symbols compared, ${defects.length} defects`);
  for (const defect of defects) console.log(`  DEFECT ${defect}`);
  for (const name of onlyOurs) console.log(`  not in this daemon: ${name}`);
  const apart = omitted.filter((name) => name.startsWith("containerd."));
  console.log(`  left out by us: ${apart.length} containerd symbols`);
  if (defects.length > 0) process.exitCode = 1;
}
