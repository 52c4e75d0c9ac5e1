#!/usr/bin/env node
import { isContainerdError, isInvalidArgument } from "../errors.js";
import { runCommand } from "./command.js";

const USAGE_EXIT = 2;

try {
  const { output, done } = await runCommand(process.argv.slice(2), process.env);
  process.stdout.write(output);
  if (!done) process.exitCode = 1;
} catch (reason) {
  if (!isContainerdError(reason)) throw reason;
  process.stderr.write(`${reason.message}\n`);
  if (reason.hint !== undefined) process.stderr.write(`${reason.hint}\n`);
  process.exitCode = isInvalidArgument(reason) ? USAGE_EXIT : 1;
}
