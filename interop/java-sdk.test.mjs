// The vendor's SDK for Java, unmodified, creates users whose passwords are in an old system; they sign in with these.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { issueLoopbackCertificate } from "./support/certificates.mjs";
import { management } from "./support/management.mjs";
import { startServer } from "./support/server.mjs";
import { startService } from "./support/service.mjs";

const PROGRAM = fileURLToPath(new URL("java-sdk/Users.java", import.meta.url));
const OLD_PASSWORD = "U*U";

let service;
let server;
let call;

before(async () => {
  const certificate = await issueLoopbackCertificate();
  service = await startService(certificate, ({ data }) => {
    const credential = data.context.credential.password === OLD_PASSWORD ? "VERIFIED" : "UNVERIFIED";
    return { commands: [{ type: "com.okta.action.update", value: { credential } }] };
  });
  server = await startServer(certificate.authorityPem);
  call = management(server.baseUrl, server.adminToken);
});

after(async () => {
  service?.stop();
  const status = await server?.stop();
  assert.equal(status, server && 0, "the server drains and ends with status 0");
});

async function authenticate(username, password) {
  const headers = { "content-type": "application/json" };
  const body = JSON.stringify({ username, password });
  const answer = await fetch(`${server.baseUrl}/api/v1/authn`, { method: "POST", headers, body });
  const { status, errorCode } = await answer.json();
  return [answer.status, status ?? errorCode];
}

test("users with a hash and with the password hook come by the Java SDK, and sign in with their old passwords", async () => {
  const authScheme = { type: "HEADER", key: "Authorization", value: "interop-service-secret" };
  const config = { uri: service.url, method: "POST", headers: [], authScheme };
  await call("POST", "/api/v1/inlineHooks", {
    name: "Old passwords",
    type: "com.okta.user.credential.password.import",
    version: "1.0.0",
    channel: { type: "HTTP", version: "1.0.0", config },
  });
  const salt = Buffer.from("salt of the old system");
  const value = createHash("sha256").update(salt).update(OLD_PASSWORD).digest("base64");
  const java = ["-Xshare:auto", "-XX:TieredStopAtLevel=1", "-cp", `${process.env.TENTERHOOK_JAVA_SDK}/*`, PROGRAM];
  const words = [server.baseUrl, server.adminToken, salt.toString("base64"), value];
  const { stdout } = await promisify(execFile)("java", [...java, ...words]);
  const users = stdout.trim().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual(users.map(({ id: _, ...user }) => user), [
    { login: "hash@java.example", status: "ACTIVE", provider: "OKTA" },
    { login: "hook@java.example", status: "ACTIVE", provider: "IMPORT" },
  ]);
  for (const [{ id, login }, calls] of [[users[0], 0], [users[1], 2]]) {
    const before = service.calls.length;
    assert.deepEqual(await authenticate(login, "wrong"), [401, "E0000004"], login);
    for (let times = 0; times < 2; times += 1) assert.deepEqual(await authenticate(login, OLD_PASSWORD), [200, "SUCCESS"], login);
    assert.equal(service.calls.length - before, calls, `${login}: the hook is retired after the first right password`);
    assert.equal((await call("GET", `/api/v1/users/${id}`)).credentials.provider.type, "OKTA", login);
  }
});
