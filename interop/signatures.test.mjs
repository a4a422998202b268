// The `standardwebhooks` packages of npm and PyPI verify the signatures of our request bodies, over a rotation of the
// secret; they know `v1` only, so Node's own cryptography verifies `v1a` with the key of the JWKS endpoint.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createPublicKey, verify } from "node:crypto";
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

/** Whether the PyPI package accepts the signature. */
function verifiesInPython({ text, headers }, secret) {
  const program = `
import json, sys
from standardwebhooks.webhooks import Webhook, WebhookVerificationError
given = json.load(sys.stdin)
try:
    Webhook(given["secret"]).verify(given["text"], given["headers"])
except WebhookVerificationError:
    sys.exit(3)
`;
  const input = JSON.stringify({ text, headers, secret });
  const { status, stderr } = spawnSync(process.env.TENTERHOOK_PYTHON, ["-c", program], { input, encoding: "utf8" });
  assert.ok(status === 0 || status === 3, stderr);
  return status === 0;
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
  assert.ok(verifiesInPython(rotating, first) && verifiesInPython(rotating, second));
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
  assert.ok(!verifiesInPython({ text: text.replace("eventId", "eventID"), headers }, secret));
  assert.throws(() => verifies({ text: text.replace("eventId", "eventID"), headers }, secret));
  await call("DELETE", `${path}/signing`);
  assert.equal((await received()).headers["webhook-signature"], undefined);
});

test("an Ed25519 signature verifies with the key of the JWKS endpoint, beside an HMAC one", async () => {
  const { secret } = await call("POST", `${path}/signing/rotate`, { version: "v1" });
  const { jwksUri, publicKey } = await call("POST", `${path}/signing/rotate`, { version: "v1a" });
  const signed = await received();
  assert.ok(verifies(signed, secret) && verifiesInPython(signed, secret), "libraries pass over what they do not know");
  const { keys } = await (await fetch(jwksUri)).json();
  assert.deepEqual(keys, [publicKey]);
  const key = createPublicKey({ key: keys[0], format: "jwk" });
  const { "webhook-id": id, "webhook-timestamp": time, "webhook-signature": signatures } = signed.headers;
  const signature = signatures.split(" ").find((one) => one.startsWith("v1a,")).slice(4);
  const over = (text) => verify(null, Buffer.from(`${id}.${time}.${text}`), key, Buffer.from(signature, "base64"));
  assert.ok(over(signed.text));
  assert.ok(!over(`${signed.text} `));
});
