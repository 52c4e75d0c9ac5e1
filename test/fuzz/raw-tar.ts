const BLOCK = 512;

/** A member as somebody may write it who means harm: nothing of it need be true. */
export interface RawMember {
  readonly name: string;
  readonly type?: string | undefined;
  /** The size its header gives; that of the body when absent. */
  readonly size?: number | undefined;
  readonly body?: Uint8Array | undefined;
  readonly linkName?: string | undefined;
  readonly prefix?: string | undefined;
  readonly magic?: string | undefined;
  /** Added to the checksum. */
  readonly checksumOff?: number | undefined;
  /** Numbers written in base 256. */
  readonly isBinary?: boolean | undefined;
  /** Records of an extended header before it. */
  readonly pax?: readonly (readonly [string, string])[] | undefined;
  /** Records of one that is for all members to come. */
  readonly globalPax?: readonly (readonly [string, string])[] | undefined;
  /** The name in a header of GNU's before it. */
  readonly longName?: string | undefined;
}

export const USTAR = "ustar\u000000";
export const GNU = "ustar  \0";

/** Writes members, whatever they are, and as many empty blocks. */
export function rawTar(members: readonly RawMember[], emptyBlocks = 2): Buffer {
  return Buffer.concat([...members.map(rawMember), Buffer.alloc(BLOCK * emptyBlocks)]);
}

function rawMember(member: RawMember): Buffer {
  const { globalPax, pax, longName, body = new Uint8Array() } = member;
  const extended = (type: string, bytes: Buffer) =>
    Buffer.concat([header({ name: "extended", type }, bytes.length), padded(bytes)]);
  return Buffer.concat([
    ...(globalPax === undefined ? [] : [extended("g", records(globalPax))]),
    ...(longName === undefined ? [] : [extended("L", Buffer.from(`${longName}\0`))]),
    ...(pax === undefined ? [] : [extended("x", records(pax))]),
    header(member, member.size ?? body.length),
    padded(body),
  ]);
}

function header(member: RawMember, size: number): Buffer {
  const { name, type = "0", linkName = "", prefix = "", magic = USTAR, checksumOff = 0, isBinary = false } = member;
  const block = Buffer.alloc(BLOCK);
  block.write(name, 0, 100);
  block.write("0000644\0" + "0000000\0" + "0000000\0", 100, "latin1");
  if (isBinary) {
    block[124] = 0x80;
    block.writeUIntBE(size, 130, 6);
  } else block.write(`${size.toString(8).padStart(11, "0").slice(-11)}\0`, 124, "latin1");
  block.write("00000000000\0", 136, "latin1");
  block.write(type, 156, 1, "latin1");
  block.write(linkName, 157, 100);
  block.write(magic, 257, "latin1");
  block.write(prefix, 345, 155);
  block.fill(" ", 148, 156);
  const sum = block.reduce((total, byte) => total + byte, checksumOff);
  block.write(`${(sum & 0o777777).toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}

function records(list: readonly (readonly [string, string])[]): Buffer {
  return Buffer.concat(list.map(([key, value]) => record(key, value)));
}

function record(key: string, value: string): Buffer {
  const rest = Buffer.from(` ${key}=${value}\n`);
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

function padded(bytes: Uint8Array): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((BLOCK - (bytes.length % BLOCK)) % BLOCK)]);
}
