// The vendor's own SDKs for Node.js and Python, unmodified, as administrators of our server.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import okta from "@okta/okta-sdk-nodejs";

import { issueLoopbackCertificate } from "./support/certificates.mjs";
import { startServer } from "./support/server.mjs";
import { startService } from "./support/service.mjs";

const TOKEN_HOOK = "com.okta.oauth2.tokens.transform";
const EVERY_TYPE = [
  TOKEN_HOOK,
  "com.okta.import.transform",
  "com.okta.saml.tokens.transform",
  "com.okta.telephony.provider",
  "com.okta.user.credential.password.import",
  "com.okta.user.pre-registration",
];
const COMMANDS = [
  { type: "com.okta.access.patch", value: [{ op: "add", path: "/claims/tier", value: "gold" }] },
];

let service;
let server;
let client;

before(async () => {
  const certificate = await issueLoopbackCertificate();
  service = await startService(certificate, () => ({ commands: COMMANDS, debugContext: { plan: "gold" } }));
  server = await startServer(certificate.authorityPem);
  client = new okta.Client({ orgUrl: server.baseUrl, token: server.adminToken });
});

after(async () => {
  service?.stop();
  await server?.stop();
});

const channel = (value = "first-secret") => ({
  type: "HTTP",
  version: "1.0.0",
  config: {
    uri: service.url,
    method: "POST",
    headers: [{ key: "X-Tenant", value: "north" }],
    authScheme: { type: "HEADER", key: "Authorization", value },
  },
});

const create = (name, type = TOKEN_HOOK, own = channel()) =>
  client.inlineHookApi.createInlineHook({ inlineHook: { name, type, version: "1.0.0", channel: own } });

async function all(collection) {
  const items = [];
  await (await collection).each((item) => void items.push(item));
  return items;
}

/** What the SDK makes of a refusal. */
async function refusal(promise) {
  const error = await promise.then(
    () => assert.fail("it was not refused"),
    (error) => error,
  );
  return { status: error.status, code: error.errorCode, causes: error.errorCauses?.map((cause) => cause.errorSummary) };
}

test("a hook lives from creation to deletion", async () => {
  const api = client.inlineHookApi;
  const { id, status } = await create("Lifecycle");
  assert.equal(status, "ACTIVE");
  const inlineHookId = id;
  const replaced = await api.replaceInlineHook({
    inlineHookId,
    inlineHook: { name: "Replaced", version: "1.0.0", channel: channel("second-secret") },
  });
  assert.equal(replaced.name, "Replaced");
  const updated = await api.updateInlineHook({ inlineHookId, inlineHook: { name: "Updated" } });
  assert.deepEqual([updated.name, updated.channel.config.headers.length], ["Updated", 1]);

  // What was got can be put back; the secret, which is never shown, is said again.
  const got = await api.getInlineHook({ inlineHookId });
  assert.equal(got.channel.config.authScheme.value, undefined);
  got.name = "Round trip";
  got.channel.config.authScheme.value = "third-secret";
  assert.equal((await api.replaceInlineHook({ inlineHookId, inlineHook: got })).name, "Round trip");

  const answer = await api.executeInlineHook({ inlineHookId, payloadData: { source: "an SDK", data: {} } });
  assert.deepEqual(JSON.parse(JSON.stringify(answer)).commands, COMMANDS);
  const { headers, document } = service.calls.at(-1);
  assert.deepEqual([headers.authorization, headers["x-tenant"]], ["third-secret", "north"]);
  assert.deepEqual(document, { source: "an SDK", data: {} });

  assert.equal((await refusal(api.deleteInlineHook({ inlineHookId }))).code, "E0000001");
  assert.equal((await api.deactivateInlineHook({ inlineHookId })).status, "INACTIVE");
  assert.equal((await api.activateInlineHook({ inlineHookId })).status, "ACTIVE");
  await api.deactivateInlineHook({ inlineHookId });
  await api.deleteInlineHook({ inlineHookId });
  const gone = await refusal(api.getInlineHook({ inlineHookId }));
  assert.deepEqual([gone.status, gone.code], [404, "E0000007"]);
});

test("every type is created and listed, alone and with the others", async () => {
  for (const type of EVERY_TYPE) assert.equal((await create(`Of ${type}`, type)).type, type);
  for (const type of EVERY_TYPE) {
    const listed = await all(client.inlineHookApi.listInlineHooks({ type }));
    assert.deepEqual(new Set(listed.map((hook) => hook.type)), new Set([type]));
  }
  const types = new Set((await all(client.inlineHookApi.listInlineHooks())).map((hook) => hook.type));
  assert.deepEqual(types, new Set(EVERY_TYPE));
});

test("OAUTH channels and the keys that sign for them", async () => {
  const keys = client.hookKeyApi;
  const key = await keys.createHookKey({ keyRequest: { name: "Signer" } });
  assert.equal((await keys.getPublicKey({ publicKeyId: key.keyId, keyId: key.keyId })).kid, key.keyId);
  const config = { uri: service.url, method: "POST", clientId: "hooks", tokenUrl: "https://id.example.com/token", scope: "call" };
  const secret = { authType: "client_secret_post", clientSecret: "channel-secret" };
  const signed = { authType: "private_key_jwt", hookKeyId: key.id };
  for (const [name, own] of [["With a secret", secret], ["With a key", signed]]) {
    const created = await create(name, TOKEN_HOOK, { type: "OAUTH", version: "1.0.0", config: { ...config, ...own } });
    const got = await client.inlineHookApi.getInlineHook({ inlineHookId: created.id });
    assert.deepEqual([got.channel.type, got.channel.config.authType], ["OAUTH", own.authType]);
    assert.ok(!JSON.stringify(got).includes("channel-secret"));
  }
  assert.equal((await refusal(keys.deleteHookKey({ hookKeyId: key.id }))).status, 400, "it is in use");
  assert.equal((await keys.replaceHookKey({ hookKeyId: key.id, keyRequest: { name: "Renamed" } })).name, "Renamed");
  const spare = await keys.createHookKey({ keyRequest: { name: "Spare" } });
  assert.deepEqual((await all(keys.listHookKeys())).map((key) => key.name), ["Renamed", "Spare"]);
  await keys.deleteHookKey({ hookKeyId: spare.id });
  assert.equal((await refusal(keys.getHookKey({ hookKeyId: spare.id }))).status, 404);
});

test("refusals name every field that is wrong", async () => {
  const http = { type: "HTTP", version: "1.0.0", config: { uri: "http://plain.example.com" } };
  const bad = await refusal(create("", TOKEN_HOOK, http));
  assert.deepEqual([bad.status, bad.code], [400, "E0000001"]);
  assert.deepEqual(
    bad.causes.map((cause) => cause.split(":")[0]),
    ["name", "channel.config.uri"],
  );
  await create("Taken");
  assert.equal((await refusal(create("Taken"))).causes.length, 1);
  const stranger = new okta.Client({ orgUrl: server.baseUrl, token: "nobody" });
  const unknown = await refusal(stranger.inlineHookApi.getInlineHook({ inlineHookId: "cal" }));
  assert.deepEqual([unknown.status, unknown.code], [401, "E0000011"]);
});

test("a rule of an authorization server takes a hook, and gives it back as it was got", async () => {
  const api = client.authorizationServerApi;
  const hook = await create("On a rule");
  const { id: authServerId } = await api.createAuthorizationServer({
    authorizationServer: { name: "Orders", description: "Of the orders", audiences: ["https://orders.example.com"] },
  });
  await api.createOAuth2Scope({ authServerId, oAuth2Scope: { name: "orders.read", description: "Read orders" } });
  const { id: policyId } = await api.createAuthorizationServerPolicy({
    authServerId,
    policy: {
      type: "OAUTH_AUTHORIZATION_POLICY",
      name: "Everybody",
      description: "Every client",
      status: "ACTIVE",
      priority: 1,
      conditions: { clients: { include: ["ALL_CLIENTS"] } },
    },
  });
  const { id: ruleId } = await api.createAuthorizationServerPolicyRule({
    authServerId,
    policyId,
    policyRule: {
      type: "RESOURCE_ACCESS",
      name: "Every grant",
      status: "ACTIVE",
      priority: 1,
      conditions: {
        people: { groups: { include: ["EVERYONE"] }, users: { include: [] } },
        grantTypes: { include: ["client_credentials"] },
        scopes: { include: ["*"] },
      },
      actions: { token: { accessTokenLifetimeMinutes: 60, inlineHook: { id: hook.id } } },
    },
  });
  const place = { authServerId, policyId, ruleId };
  const rule = await api.getAuthorizationServerPolicyRule(place);
  assert.equal(rule.actions.token.inlineHook.id, hook.id);
  const put = await api.replaceAuthorizationServerPolicyRule({ ...place, policyRule: rule });
  assert.deepEqual(JSON.parse(JSON.stringify(put.actions)), JSON.parse(JSON.stringify(rule.actions)));
});

test("the System Log pages through what was done", async () => {
  const since = new Date(Date.now() - 3_600_000).toISOString();
  const until = new Date(Date.now() + 3_600_000).toISOString();
  let events = [];
  // What was just done is written behind the requests.
  for (let tries = 0; tries < 50 && !events.some((event) => event.eventType === "inline_hook.deleted"); tries += 1) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    events = await all(client.systemLogApi.listLogEvents({ since, until, limit: 3 }));
  }
  const types = new Set(events.map((event) => event.eventType));
  for (const type of ["inline_hook.created", "inline_hook.deleted", "inline_hook.response.processed", "system.hook.key.created"]) {
    assert.ok(types.has(type), type);
  }
  assert.equal(new Set(events.map((event) => event.uuid)).size, events.length);
  assert.ok(events.every((event) => event.published instanceof Date));
});

test("the SDK for Python does the same", () => {
  const script = fileURLToPath(new URL("sdks.py", import.meta.url));
  const env = {
    ...process.env,
    TENTERHOOK_BASE_URL: server.baseUrl,
    TENTERHOOK_ADMIN_TOKEN: server.adminToken,
    TENTERHOOK_HOOK_URL: service.url,
    // The SDK speaks to plain HTTP only when it is told so.
    OKTA_TESTING_TESTINGDISABLEHTTPSCHECK: "true",
  };
  const { status, stdout, stderr } = spawnSync(process.env.TENTERHOOK_PYTHON, [script], { env, encoding: "utf8" });
  assert.equal(status, 0, stdout + stderr);
});
