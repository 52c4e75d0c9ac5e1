import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** A key and the certificate that goes with it, in PEM. */
export interface KeyPair {
  readonly key: string;
  readonly cert: string;
}

/** An authority of our own and what it signed: a server's certificate for `localhost`, a client's. */
export interface Certificates {
  readonly ca: string;
  readonly server: KeyPair;
  readonly client: KeyPair;
}

/** Makes certificates with the openssl command in `directory`. */
export async function makeCertificates(directory: string): Promise<Certificates> {
  const at = (name: string) => join(directory, name);
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  await run("openssl", [
    "req",
    "-x509",
    ...key,
    "-days",
    "30",
    "-subj",
    "/CN=test authority",
    "-keyout",
    at("ca.key"),
    "-out",
    at("ca.crt"),
  ]);
  const signed = async (name: string, extensions: string): Promise<KeyPair> => {
    await writeFile(at(`${name}.ext`), extensions);
    await run("openssl", [
      "req",
      ...key,
      "-subj",
      `/CN=${name}`,
      "-keyout",
      at(`${name}.key`),
      "-out",
      at(`${name}.csr`),
    ]);
    await run("openssl", [
      ...["x509", "-req", "-days", "30", "-in", at(`${name}.csr`), "-extfile", at(`${name}.ext`)],
      ...["-CA", at("ca.crt"), "-CAkey", at("ca.key"), "-CAcreateserial", "-out", at(`${name}.crt`)],
    ]);
    return { key: await readFile(at(`${name}.key`), "utf8"), cert: await readFile(at(`${name}.crt`), "utf8") };
  };
  const server = await signed("server", "subjectAltName=DNS:localhost\n");
  const client = await signed("client", "extendedKeyUsage=clientAuth\n");
  return { ca: await readFile(at("ca.crt"), "utf8"), server, client };
}
