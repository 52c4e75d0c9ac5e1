import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { InvalidArgumentError, NotFoundError } from "../../src/errors.js";
import { defaultSpec } from "../../src/oci/default-spec.js";
import { parseUser, resolveUser, withUser } from "../../src/oci/spec-user.js";

const passwd =
  "root:x:0:0:root:/root:/bin/sh\n# comment\n\nnobody:x:65534:65534::/:/x\r\napp:x:1000:1001:App:/app:/bin/sh\n";
const group = "root:x:0:\nwheel:x:10:root,app\napp:x:1001:\naudio:x:29:app\nwheelish:x:11:apple\n";
const resolve = (text: string): unknown => resolveUser(parseUser(text), passwd, group);

describe("parseUser", () => {
  it("tells numbers from names", () => {
    assert.deepEqual(parseUser(""), { uid: 0 });
    assert.deepEqual(parseUser("app"), { username: "app" });
    assert.deepEqual(parseUser("1000"), { uid: 1000 });
    assert.deepEqual(parseUser("1000:10"), { uid: 1000, gid: 10 });
    assert.deepEqual(parseUser("app:wheel"), { username: "app", group: "wheel" });
    assert.deepEqual(parseUser("1000:wheel"), { uid: 1000, group: "wheel" });
  });

  it("refuses what would wrap around to root, and what is no user", () => {
    for (const text of ["2147483648", "4294967296", "1:4294967296", ":", ":1", "a:", "a:b:c"]) {
      assert.throws(() => parseUser(text), InvalidArgumentError, text);
    }
    assert.deepEqual(parseUser("2147483647"), { uid: 2147483647 });
  });
});

describe("resolveUser", () => {
  it("finds numbers and groups in the container's files", () => {
    assert.deepEqual(resolve(""), { uid: 0, gid: 0, additionalGids: [0, 10] });
    assert.deepEqual(resolve("app"), { uid: 1000, gid: 1001, additionalGids: [1001, 10, 29] });
    assert.deepEqual(resolve("1000"), { uid: 1000, gid: 1001, additionalGids: [1001, 10, 29] });
    assert.deepEqual(resolve("app:audio"), { uid: 1000, gid: 29, additionalGids: [29, 10] });
    assert.deepEqual(resolve("app:7"), { uid: 1000, gid: 7, additionalGids: [7, 10, 29] });
    assert.deepEqual(resolve("nobody"), { uid: 65534, gid: 65534, additionalGids: [65534] });
  });

  it("takes numbers that are not listed", () => {
    assert.deepEqual(resolve("4711"), { uid: 4711, gid: 0, additionalGids: [0] });
    assert.deepEqual(resolveUser(parseUser("4711:12"), "", ""), { uid: 4711, gid: 12, additionalGids: [12] });
  });

  it("refuses names that are not listed, and entries without numbers", () => {
    assert.throws(
      () => resolve("ghost"),
      new NotFoundError('Cannot find user "ghost" in the container\'s /etc/passwd'),
    );
    assert.throws(() => resolve("app:ghosts"), NotFoundError);
    assert.throws(() => resolveUser({ username: "a" }, "a:x:one:1", ""), InvalidArgumentError);
    assert.throws(() => resolveUser({ username: "a" }, "a:x", ""), InvalidArgumentError);
    assert.throws(() => resolveUser({ username: "a" }, "a:x:4294967296:0", ""), InvalidArgumentError);
  });
});

describe("withUser", () => {
  it("has the own group first among the additional ones", () => {
    const spec = defaultSpec({ id: "a", namespace: "n" });
    withUser(5, 6, [7, 6])(spec);
    assert.deepEqual(spec.process?.user, { uid: 5, gid: 6, additionalGids: [6, 7] });
  });

  it("refuses numbers that are none", () => {
    for (const id of [-1, 1.5, Number.NaN, 2 ** 31]) assert.throws(() => withUser(id, 0), InvalidArgumentError);
    assert.throws(() => withUser(0, 0, [-1]), InvalidArgumentError);
  });
});
