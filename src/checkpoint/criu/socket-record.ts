import type { Message } from "./message.js";

/** One end of a connection. */
export interface SocketAddress {
  /** The address, as it is written for its family. */
  readonly address: string;
  /** The port; 0 for none. */
  readonly port: number;
}

/** A socket as criu dumped it. */
export interface DumpedSocket {
  /** The family: `IPV4`, `IPV6`, `UNIX`, `NETLINK`, `PACKET`, or its number. */
  readonly family: string;
  /** The type: `STREAM`, `DGRAM`, `SEQPACKET`, `RAW`, or its number; empty for netlink, of which criu does not note it. */
  readonly type: string;
  /** The protocol: `TCP`, `UDP`, for netlink such as `ROUTE`; empty where there is none. */
  readonly protocol: string;
  /** The state as TCP has it, such as `ESTABLISHED`; empty where there is none. */
  readonly state: string;
  /** This end; absent for all but the internet's. */
  readonly source?: SocketAddress;
  /** The other end; absent for all but the internet's. */
  readonly destination?: SocketAddress;
  /** The path of a unix socket, or its abstract name, which begins with a zero. */
  readonly path?: string;
  /** Bytes its buffer for sending may hold. */
  readonly sendBuffer: number;
  /** Bytes its buffer for receiving may hold. */
  readonly receiveBuffer: number;
}

const families: Names = { 1: "UNIX", 2: "IPV4", 10: "IPV6", 16: "NETLINK", 17: "PACKET" };
const types: Names = { 1: "STREAM", 2: "DGRAM", 3: "RAW", 4: "RDM", 5: "SEQPACKET", 10: "PACKET" };
const protocols: Names = { 1: "ICMP", 2: "IGMP", 6: "TCP", 17: "UDP", 58: "ICMPV6", 136: "UDPLITE", 255: "RAW" };
const netlinkProtocols =
  "ROUTE 1 USERSOCK FIREWALL SOCK_DIAG NFLOG XFRM SELINUX ISCSI AUDIT FIB_LOOKUP CONNECTOR NETFILTER IP6_FW DNRTMSG KOBJECT_UEVENT GENERIC".split(
    " ",
  );
const states =
  " ESTABLISHED SYN_SENT SYN_RECEIVED FIN_WAIT_1 FIN_WAIT_2 TIME_WAIT CLOSE CLOSE_WAIT LAST_ACK LISTEN CLOSING NEW_SYN_RECV".split(
    " ",
  );

const MOST_ADDRESS_WORDS = 4;

type Names = Readonly<Record<number, string>>;

/** @see https://github.com/checkpoint-restore/criu/blob/v4.2.1/images/sk-inet.proto */
export function inetSocket(entry: Message): DumpedSocket {
  return {
    family: nameIn(families, entry.number(3)),
    type: nameIn(types, entry.number(4)),
    protocol: nameIn(protocols, entry.number(5)),
    state: stateOf(entry.number(6)),
    source: { address: addressOf(entry.numbers(11, MOST_ADDRESS_WORDS)), port: entry.number(7) },
    destination: { address: addressOf(entry.numbers(12, MOST_ADDRESS_WORDS)), port: entry.number(8) },
    ...buffersOf(entry.message(14)),
  };
}

/** @see https://github.com/checkpoint-restore/criu/blob/v4.2.1/images/sk-unix.proto */
export function unixSocket(entry: Message): DumpedSocket {
  return {
    family: "UNIX",
    type: nameIn(types, entry.number(3)),
    protocol: "",
    state: stateOf(entry.number(4)),
    path: entry.text(11),
    ...buffersOf(entry.message(10)),
  };
}

/** @see https://github.com/checkpoint-restore/criu/blob/v4.2.1/images/sk-netlink.proto */
export function netlinkSocket(entry: Message): DumpedSocket {
  const protocol = entry.number(3);
  return {
    family: "NETLINK",
    type: "",
    protocol: netlinkProtocols[protocol] ?? `${protocol}`,
    state: stateOf(entry.number(4)),
    ...buffersOf(entry.message(12)),
  };
}

/** @see https://github.com/checkpoint-restore/criu/blob/v4.2.1/images/packet-sock.proto */
export function packetSocket(entry: Message): DumpedSocket {
  return {
    family: "PACKET",
    type: nameIn(types, entry.number(2)),
    protocol: `${entry.number(3)}`,
    state: "",
    ...buffersOf(entry.message(7)),
  };
}

function buffersOf(options: Message): { readonly sendBuffer: number; readonly receiveBuffer: number } {
  return { sendBuffer: options.number(1), receiveBuffer: options.number(2) };
}

function nameIn(names: Names, number: number): string {
  return names[number] ?? (number === 0 ? "" : `${number}`);
}

function stateOf(number: number): string {
  return states[number] ?? `${number}`;
}

/** The words of an address are as the kernel keeps them: each one's bytes in the network's order, read as a number. */
function addressOf(words: readonly number[]): string {
  const bytes = words.flatMap((word) => [0, 8, 16, 24].map((shift) => (word >>> shift) & 0xff));
  if (words.length === 1) return bytes.join(".");
  if (words.length !== 4) return "";
  const groups = Array.from({ length: 8 }, (_, at) => (bytes[at * 2] ?? 0) * 256 + (bytes[at * 2 + 1] ?? 0));
  const isMapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff;
  if (isMapped) return `::ffff:${bytes.slice(12).join(".")}`;
  // A URL's host is written in the shortest form.
  return new URL(`http://[${groups.map((group) => group.toString(16)).join(":")}]`).hostname.slice(1, -1);
}
