// Shows what happens to tasks as it happens; with the name of a container, until its task has ended.
// node watch.js [container]
import { connect, fromEnv } from "containerd-client";

const [until] = process.argv.slice(2);
await using client = await connect(fromEnv());
const events = client.events(["/tasks/start", "/tasks/paused", "/tasks/resumed", "/tasks/checkpointed", "/tasks/exit"]);
for await (const { topic, publishedAt, payload } of events) {
  const what = `${publishedAt.toISOString()} ${topic} ${payload.containerId}`;
  if (topic !== "/tasks/exit") {
    console.log(what);
    continue;
  }
  // The topic tells TypeScript what the payload holds.
  console.log(`${what} with ${payload.exitStatus}`);
  if (payload.containerId === until && payload.id === until) break;
}
