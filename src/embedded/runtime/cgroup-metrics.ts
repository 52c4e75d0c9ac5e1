import { create } from "@bufbuild/protobuf";
import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { type Any, AnySchema } from "@bufbuild/protobuf/wkt";

/** What a task has used, as far as a runtime can tell. */
export interface Usage {
  readonly pids: bigint;
  readonly pidsLimit: bigint | undefined;
  readonly cpuMicroseconds: bigint;
  readonly memoryBytes: bigint;
  readonly memoryLimit: bigint | undefined;
}

// The message has a hundred fields for what the kernel counts; these are the ones a runtime knows.
const PIDS = 1;
const CPU = 2;
const MEMORY = 4;
const MEMORY_USAGE = 32;
const MEMORY_LIMIT = 33;

/**
 * Wraps usage the way a daemon on cgroup v2 does.
 *
 * @see https://github.com/containerd/cgroups/blob/v3.0.5/cgroup2/stats/metrics.proto
 */
export function cgroupMetrics(usage: Usage): Any {
  const writer = new BinaryWriter();
  writer.tag(PIDS, 2).fork().tag(1, 0).uint64(usage.pids);
  if (usage.pidsLimit !== undefined && usage.pidsLimit >= 0n) writer.tag(2, 0).uint64(usage.pidsLimit);
  writer.join();
  writer.tag(CPU, 2).fork().tag(1, 0).uint64(usage.cpuMicroseconds).join();
  writer.tag(MEMORY, 2).fork().tag(MEMORY_USAGE, 0).uint64(usage.memoryBytes);
  if (usage.memoryLimit !== undefined && usage.memoryLimit >= 0n) writer.tag(MEMORY_LIMIT, 0).uint64(usage.memoryLimit);
  writer.join();
  return create(AnySchema, { typeUrl: "io.containerd.cgroups.v2.Metrics", value: writer.finish() });
}
