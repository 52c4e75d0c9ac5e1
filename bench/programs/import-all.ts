import * as client from "containerd-client";
import * as api from "containerd-client/api";
import * as checkpoint from "containerd-client/checkpoint";
import * as content from "containerd-client/content";
import * as embedded from "containerd-client/embedded";
import * as leases from "containerd-client/leases";
import * as oci from "containerd-client/oci";

/** Loads all there is. */
const rooms = [client, api, checkpoint, content, embedded, leases, oci];
const names = rooms.flatMap((room) => Object.keys(room)).length;
process.stdout.write(`${JSON.stringify({ names })}\n`);
