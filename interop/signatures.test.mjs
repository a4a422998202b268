// npm `standardwebhooks` verifies the signatures of our request bodies, over a rotation of the secret.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Webhook } from "standardwebhooks";

import { issueLoopbackCertificate } from "./support/certificates.mjs";
import { management } from "./support/management.mjs";
import { startServer } from "./support/server.mjs";
import { startService } from "./support/service.mjs";

let service;
let server;
let call;
let path;

before(async () => {
  const certificate = await issueLoopbackCertificate();
  service = await startService(certificate, () => ({ commands: [] }));
  server = await startServer(certificate.authorityPem);
  call = management(server.baseUrl, server.adminToken);
  const hook = await call("POST", "/api/v1/inlineHooks", {
    name: "Signed",
    type: "com.okta.oauth2.tokens.transform",
    version: "1.0.0",
    channel: { type: "HTTP", version: "1.0.0", config: { uri: service.url } },
  });
  path = `/api/v1/inlineHooks/${hook.id}`;
});

after(async () => {
  service?.stop();
  const status = await server?.stop();
  assert.equal(status, server && 0, "the server drains and ends with status 0");
});

async function received() {
  const { outcome, failure } = await call("POST", `${path}/preview`, {});
  assert.equal(outcome, "UNCHANGED", JSON.stringify(failure));
  return service.calls.at(-1);
}

const verifies = ({ text, headers }, secret) => new Webhook(secret).verify(text, headers);

test("a hook without a secret is not signed", async () => {
  const { headers } = await received();
  assert.equal(headers["webhook-signature"], undefined);
});

test("both secrets of a rotation verify, until the older one is retired", async () => {
  const { secret: first } = await call("POST", `${path}/signing/rotate`);
  assert.ok(verifies(await received(), first));
  const { secret: second } = await call("POST", `${path}/signing/rotate`);
  assert.notEqual(second, first);
  const rotating = await received();
  assert.equal(rotating.headers["webhook-signature"].split(" ").length, 2);
  assert.ok(verifies(rotating, first));
  assert.ok(verifies(rotating, second));
  await call("POST", `${path}/signing/retire`);
  const rotated = await received();
  assert.throws(() => verifies(rotated, first));
  assert.ok(verifies(rotated, second));
  assert.match(rotated.headers["webhook-id"], /^[\w-]{22}$/);
  const shown = JSON.stringify(await call("GET", path));
  assert.ok(!shown.includes("whsec_") && shown.includes('"signing"'), "shown once");
});

test("a changed body does not verify, and signing can be stopped", async () => {
  const { secret } = await call("POST", `${path}/signing/rotate`);
  const { text, headers } = await received();
  assert.throws(() => verifies({ text: text.replace("eventId", "eventID"), headers }, secret));
  await call("DELETE", `${path}/signing`);
  assert.equal((await received()).headers["webhook-signature"], undefined);
});
