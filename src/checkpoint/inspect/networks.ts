import { fieldOf, type JsonObject } from "../../oci/json.js";
import type { CheckpointInterface, CheckpointNetwork } from "./inspection.js";
import { objectIn, textIn } from "./loose-json.js";

/** Reads Podman's network status, networks and interfaces by name. What is not as it should be is left out. */
export function networksOf(status: JsonObject | undefined): readonly CheckpointNetwork[] {
  if (status === undefined) return [];
  return Object.keys(status)
    .toSorted()
    .map((name) => {
      const interfaces = objectIn(objectIn(status, name), "interfaces");
      const names = Object.keys(interfaces).toSorted();
      return { name, interfaces: names.map((each) => interfaceOf(each, objectIn(interfaces, each))) };
    });
}

function interfaceOf(name: string, status: JsonObject): CheckpointInterface {
  const subnets = fieldOf(status, "subnets");
  const list = (Array.isArray(subnets) ? subnets : []).map((subnet: unknown) => objectIn({ subnet }, "subnet"));
  const mac = textIn(status, "mac_address");
  const all = (field: string) => list.map((subnet) => textIn(subnet, field)).filter((text) => text !== undefined);
  return { name, addresses: all("ipnet"), ...(mac === undefined ? {} : { mac }), gateways: all("gateway") };
}
