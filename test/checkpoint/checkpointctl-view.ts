import type { CheckpointInspection, DumpedProcess } from "../../src/checkpoint/index.js";

const engines = { podman: "Podman", "cri-o": "CRI-O", containerd: "containerd", docker: "Docker", unknown: "" };
const states = { alive: "Alive", stopped: "Stopped", dead: "Dead", zombie: "Zombie", unknown: "Unknown" };

/** Our data as `checkpointctl inspect --all --format json` prints its own, without times. */
export function checkpointctlView(inspection: CheckpointInspection): object {
  const { networks, processes, sizes, statistics, pod, specAnnotations } = inspection;
  const interfaces = networks.flatMap((network) => network.interfaces);
  const all = processes.flatMap(withChildren);
  const [root] = processes;
  return {
    container_name: inspection.containerName,
    image: inspection.image.name,
    id: inspection.containerId,
    runtime: inspection.runtime.name,
    engine: engines[inspection.origin.engine],
    ...defined("ip", interfaces.flatMap(({ addresses }) => addresses.map((one) => one.replace(/\/.*/, ""))).join(", ")),
    ...defined("mac", interfaces.flatMap(({ mac }) => mac ?? []).join(", ")),
    ...(networks.some(({ name }) => name !== "") ? { networks: networks.map(networkView) } : {}),
    checkpoint_size: {
      total_size: sizes.checkpoint,
      memory_pages_size: sizes.memoryPages,
      ...defined("amd_gpu_memory_pages_size", sizes.amdGpuPages),
      ...defined("root_fs_diff_size", sizes.rootfsDiff),
    },
    statistics: {
      freezing_time: statistics?.freezingTimeUs,
      frozen_time: statistics?.frozenTimeUs,
      memdump_time: statistics?.memoryDumpTimeUs,
      memwrite_time: statistics?.memoryWriteTimeUs,
      pages_scanned: statistics?.pagesScanned,
      pages_written: statistics?.pagesWritten,
    },
    metadata: {
      ...defined("pod_name", pod?.name),
      ...defined("kubernetes_namespace", pod?.namespace),
      annotations: specAnnotations,
    },
    process_tree: root === undefined ? undefined : processView(root),
    file_descriptors: byPid(all.map(filesView)),
    ...defined("sockets", orNothing(byPid(all.map(socketsView).filter((view) => view.open_sockets.length > 0)))),
    mounts: inspection.mounts,
  };
}

/** What checkpointctl printed, in the same order. */
export function inPidOrder(printed: Printed): Printed {
  return {
    ...printed,
    process_tree: childrenByPid(printed.process_tree),
    file_descriptors: byPid(printed.file_descriptors),
    ...(printed.sockets === undefined ? {} : { sockets: byPid(printed.sockets) }),
  };
}

/** As much of checkpointctl's JSON as has an order. */
export interface Printed {
  readonly created: string;
  readonly checkpointed?: string;
  readonly process_tree: PrintedProcess;
  readonly file_descriptors: readonly { readonly pid: number }[];
  readonly sockets?: readonly { readonly pid: number }[];
}

interface PrintedProcess {
  readonly pid: number;
  readonly children?: readonly PrintedProcess[];
}

/** All processes of a tree. */
export function withChildren(process: DumpedProcess): readonly DumpedProcess[] {
  return [process, ...process.children.flatMap(withChildren)];
}

function networkView({ name, interfaces }: CheckpointInspection["networks"][number]): object {
  const views = interfaces.map((one) => [
    one.name,
    {
      ...defined("ip", one.addresses.at(-1)),
      ...defined("mac", one.mac),
      ...defined("gateway", one.gateways.at(-1)),
    },
  ]);
  return { name, interfaces: Object.fromEntries(views) as object };
}

function processView({ pid, command, state, args, env, children }: DumpedProcess): object {
  const variables = (env ?? []).map((text) => [text.slice(0, text.indexOf("=")), text.slice(text.indexOf("=") + 1)]);
  return {
    pid,
    command,
    ...defined("cmdline", args?.map((text) => `${text} `).join("")),
    task_state: states[state],
    environment_variables: Object.fromEntries(variables) as object,
    ...defined("children", orNothing(children.map(processView))),
  };
}

function filesView({ pid, files }: DumpedProcess): { readonly pid: number } {
  const open = files.map(({ fd, type, path }) =>
    typeof fd === "number" ? { type, fd: `${type} ${fd}`, path } : { type: "", fd, path },
  );
  return { pid, ...{ open_files: open } };
}

function socketsView({ pid, files }: DumpedProcess): { readonly pid: number; readonly open_sockets: object[] } {
  const sockets = files.flatMap(({ socket }) => {
    if (socket?.source === undefined || socket.destination === undefined) return [];
    const data = {
      type: socket.protocol,
      state: socket.state,
      src: asCheckpointctl(socket.source.address),
      src_port: socket.source.port,
      dst: asCheckpointctl(socket.destination.address),
      dst_port: socket.destination.port,
      send_buf: readable(socket.sendBuffer),
      recv_buf: readable(socket.receiveBuffer),
    };
    return [{ protocol: socket.protocol, data }];
  });
  return { pid, open_sockets: sockets };
}

/** checkpointctl 1.5.0 puts the last of an address' four words where the first belongs. */
function asCheckpointctl(address: string): string {
  const [, mapped] = /^::ffff:([\d.]+)$/.exec(address) ?? [];
  if (mapped === undefined) return address;
  const [a = 0, b = 0, c = 0, d = 0] = mapped.split(".").map(Number);
  return `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}::`;
}

/** Bytes as checkpointctl prints them. */
export function readable(bytes: number, units: readonly string[] = ["B", "KB", "MB", "GB"]): string {
  let [value, at] = [bytes, 0];
  for (; value >= 1024 && at < units.length - 1; at += 1) value /= 1024;
  return at === 0 ? `${bytes} B` : `${value.toFixed(1)} ${units[at]}`;
}

function byPid<T extends { readonly pid: number }>(list: readonly T[]): readonly T[] {
  return list.toSorted((left, right) => left.pid - right.pid);
}

function childrenByPid(process: PrintedProcess): PrintedProcess {
  if (process.children === undefined) return process;
  return { ...process, children: byPid(process.children).map(childrenByPid) };
}

function orNothing<T>(list: readonly T[]): readonly T[] | undefined {
  return list.length === 0 ? undefined : list;
}

function defined(key: string, value: unknown): object {
  return value === undefined || value === "" || value === 0 ? {} : { [key]: value };
}
