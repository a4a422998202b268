// The vendor's own SDKs, unmodified, judge the management API: `@okta/okta-sdk-nodejs` here, PyPI `okta` in `sdks.py`, which
// the last test runs. Both are generated from the vendor's API description; the Python one validates every answer.
// `@okta/okta-auth-js`, of the vendor's sign-in pages, judges the sign-in with a second factor.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash, createHmac, pbkdf2Sync } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { OktaAuth } from "@okta/okta-auth-js";
import okta from "@okta/okta-sdk-nodejs";

import { issueLoopbackCertificate } from "./support/certificates.mjs";
import { startServer } from "./support/server.mjs";
import { startService } from "./support/service.mjs";

const TOKEN_HOOK = "com.okta.oauth2.tokens.transform";
const TYPES = [
  TOKEN_HOOK,
  "com.okta.import.transform",
  "com.okta.saml.tokens.transform",
  "com.okta.telephony.provider",
  "com.okta.user.credential.password.import",
  "com.okta.user.pre-registration",
];
const COMMANDS = [{ type: "com.okta.access.patch", value: [{ op: "add", path: "/claims/tier", value: "gold" }] }];
const NAME_FORMAT = "urn:oasis:names:tc:SAML:2.0:attrname-format";
const PASSCODE_HOOK = "com.okta.telephony.provider";
const PASSWORD_HOOK = "com.okta.user.credential.password.import";
const OLD_PASSWORD = "U*U";
const TOKEN_URL = "https://idp.example.com/token";

let service;
let server;
let client;
let hooks;

before(async () => {
  // The SDKs would send calls to loopback through a proxy of the machine.
  for (const name of ["https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY"]) delete process.env[name];
  const certificate = await issueLoopbackCertificate();
  service = await startService(certificate, ({ eventType, data }) => {
    if (eventType === PASSCODE_HOOK) {
      const value = [{ status: "SUCCESSFUL", provider: "ACME-SMS", transactionId: "tx-1" }];
      return { commands: [{ type: "com.okta.telephony.action", value }] };
    }
    if (eventType !== PASSWORD_HOOK) return { commands: COMMANDS, debugContext: { note: "seen" } };
    const credential = data.context.credential.password === OLD_PASSWORD ? "VERIFIED" : "UNVERIFIED";
    return { commands: [{ type: "com.okta.action.update", value: { credential } }] };
  });
  server = await startServer(certificate.authorityPem);
  client = new okta.Client({ orgUrl: server.baseUrl, token: server.adminToken });
  hooks = client.inlineHookApi;
});

after(async () => {
  service?.stop();
  const status = await server?.stop();
  assert.equal(status, server && 0, "the server drains and ends with status 0");
});

const http = (secret, headers = [{ key: "X-Tenant", value: "north" }]) => ({
  type: "HTTP",
  version: "1.0.0",
  config: {
    uri: service.url,
    method: "POST",
    headers,
    authScheme: { type: "HEADER", key: "Authorization", value: secret },
  },
});

const oauth = (credentials) => ({
  type: "OAUTH",
  version: "1.0.0",
  config: { uri: service.url, method: "POST", clientId: "hook-caller", tokenUrl: TOKEN_URL, ...credentials },
});

const create = (name, channel, type = TOKEN_HOOK) =>
  hooks.createInlineHook({ inlineHook: { name, type, version: "1.0.0", channel } });

async function collected(collection) {
  const found = [];
  await (await collection).each((one) => void found.push(one));
  return found;
}

/** The SDK's exception. Its class says whether the SDK took the answer for one of the vendor's errors. */
async function refused(call, status, errorCode, ...causes) {
  await assert.rejects(call, (error) => {
    assert.equal(error.name, "OktaApiError", error.message);
    assert.deepEqual([error.status, error.errorCode], [status, errorCode], error.message);
    assert.deepEqual(error.errorCauses.map((cause) => cause.errorSummary.split(":")[0]), causes);
    assert.equal(error.errorLink, errorCode);
    assert.match(error.errorId, /^oae[\w-]{22}$/);
    return true;
  });
}

test("an HTTP hook lives from create to delete", async () => {
  const { id, ...created } = await create("Life", http("first"));
  assert.match(id, /^cal\w{17}$/);
  assert.equal(created.status, "ACTIVE");
  assert.equal(created.channel.constructor.name, "InlineHookChannelHttp");
  assert.deepEqual({ ...created.channel.config.authScheme }, { key: "Authorization", type: "HEADER" });
  assert.ok(created.created instanceof Date && created.created.getTime() > 0);
  assert.deepEqual(created._links.execute.hints.allow, ["POST"]);

  const got = await hooks.getInlineHook({ inlineHookId: id });
  assert.deepEqual(JSON.parse(JSON.stringify(got)), JSON.parse(JSON.stringify({ id, ...created })));
  assert.ok((await collected(hooks.listInlineHooks())).some((hook) => hook.id === id));
  assert.ok((await collected(hooks.listInlineHooks({ type: TOKEN_HOOK }))).some((hook) => hook.id === id));
  assert.deepEqual(await collected(hooks.listInlineHooks({ type: "com.okta.saml.tokens.transform" })), []);

  const inlineHook = { name: "Life, replaced", version: "1.0.0", channel: http("second", []) };
  const replaced = await hooks.replaceInlineHook({ inlineHookId: id, inlineHook });
  assert.equal(replaced.name, "Life, replaced");
  assert.deepEqual(replaced.channel.config.headers, [], "a PUT replaces the whole object");
  const merged = await hooks.updateInlineHook({ inlineHookId: id, inlineHook: { name: "Life, merged" } });
  assert.equal(merged.name, "Life, merged");
  assert.equal(merged.channel.config.uri, service.url, "a POST keeps what it does not say");

  const payloadData = { eventId: "interop", eventType: TOKEN_HOOK, source: "interop", data: {} };
  const answer = await hooks.executeInlineHook({ inlineHookId: id, payloadData });
  assert.deepEqual(JSON.parse(JSON.stringify(answer.commands)), COMMANDS);
  assert.deepEqual(service.calls.at(-1).document, payloadData);
  assert.equal(service.calls.at(-1).headers.authorization, "second", "the merge kept the secret");

  await refused(hooks.deleteInlineHook({ inlineHookId: id }), 400, "E0000001", "status");
  const inactive = await hooks.deactivateInlineHook({ inlineHookId: id });
  assert.equal(inactive.status, "INACTIVE");
  assert.deepEqual(inactive._links._delete.hints.allow, ["DELETE"]);
  await refused(hooks.executeInlineHook({ inlineHookId: id, payloadData }), 400, "E0000001", "status");
  assert.equal((await hooks.activateInlineHook({ inlineHookId: id })).status, "ACTIVE");
  await hooks.deactivateInlineHook({ inlineHookId: id });
  await hooks.deleteInlineHook({ inlineHookId: id });
  await refused(hooks.getInlineHook({ inlineHookId: id }), 404, "E0000007");
  await refused(hooks.deleteInlineHook({ inlineHookId: id }), 404, "E0000007");
});

test("a hook that was got can be put back whole, read-only members included", async () => {
  const { id } = await create("Whole", http("first"));
  const whole = await hooks.getInlineHook({ inlineHookId: id });
  whole.name = "Whole, again";
  const replace = () => hooks.replaceInlineHook({ inlineHookId: id, inlineHook: whole });
  await refused(replace(), 400, "E0000001", "channel.config.authScheme.value");
  whole.channel.config.authScheme.value = "second";
  const put = await replace();
  assert.deepEqual([put.name, put.status], ["Whole, again", "ACTIVE"]);
});

test("an OAUTH hook authenticates with a secret, which is never shown, or with a hook key", async () => {
  const withSecret = await create(
    "With secret",
    oauth({ authType: "client_secret_post", clientSecret: "never-shown", scope: "hooks.call" }),
  );
  assert.equal(withSecret.channel.constructor.name, "InlineHookChannelOAuth");
  const { authScheme, authType, clientId, headers, method, scope, tokenUrl } = withSecret.channel.config;
  assert.deepEqual(
    { authScheme, authType, clientId, headers, method, scope, tokenUrl },
    {
      authScheme: null,
      authType: "client_secret_post",
      clientId: "hook-caller",
      headers: [],
      method: "POST",
      scope: "hooks.call",
      tokenUrl: TOKEN_URL,
    },
  );
  assert.ok(!JSON.stringify(withSecret).includes("never-shown"));

  const keys = client.hookKeyApi;
  const key = await keys.createHookKey({ keyRequest: { name: "Interop" } });
  assert.match(key.id, /^HKY\w{17}$/);
  assert.deepEqual([key.isUsed, key._embedded.kid, key._embedded.kty], [false, key.keyId, "RSA"]);
  const withKey = await create("With key", oauth({ authType: "private_key_jwt", hookKeyId: key.id }));
  assert.deepEqual([withKey.channel.config.hookKeyId, withKey.channel.config.scope], [key.id, null]);
  const unknown = oauth({ authType: "private_key_jwt", hookKeyId: "HKY00000000000000000" });
  await refused(create("Unknown key", unknown), 400, "E0000001", "channel.config.hookKeyId");

  assert.deepEqual((await collected(keys.listHookKeys())).map(({ id, isUsed }) => [id, isUsed]), [[key.id, true]]);
  assert.equal((await keys.getHookKey({ hookKeyId: key.id }))._embedded, undefined);
  const renamed = await keys.replaceHookKey({ hookKeyId: key.id, keyRequest: { name: "Interop, renamed" } });
  assert.deepEqual([renamed.name, renamed._embedded.n], ["Interop, renamed", key._embedded.n]);
  const { alg, kid, n } = await keys.getPublicKey({ keyId: key.keyId });
  assert.deepEqual({ alg, kid, n }, { alg: "RSA", kid: key.keyId, n: key._embedded.n }, "a bare JWK");
  await refused(keys.deleteHookKey({ hookKeyId: key.id }), 400, "E0000001", "hookKey");
  await hooks.deactivateInlineHook({ inlineHookId: withKey.id });
  await hooks.deleteInlineHook({ inlineHookId: withKey.id });
  await keys.deleteHookKey({ hookKeyId: key.id });
  await refused(keys.getHookKey({ hookKeyId: key.id }), 404, "E0000007");
});

test("every type can be registered and listed alone", async () => {
  for (const type of TYPES) {
    const { id } = await create(`One of ${type}`, http("secret"), type);
    const alone = await collected(hooks.listInlineHooks({ type }));
    assert.ok(alone.every((hook) => hook.type === type) && alone.at(-1).id === id, "in the order of creation");
  }
  await refused(create("Second", http("secret"), "com.okta.user.credential.password.import"), 400, "E0000001", "type");
  // The one active hook that sends passcodes is that of the tests of factors.
  for (const { id: inlineHookId } of await collected(hooks.listInlineHooks({ type: PASSCODE_HOOK }))) {
    await hooks.deactivateInlineHook({ inlineHookId });
  }
});

test("what is refused is an exception of the SDK with code and causes", async () => {
  await create("Taken", http("secret"));
  await refused(create("Taken", http("secret")), 400, "E0000001", "name");
  const empty = ["type", "name", "version", "channel"];
  await refused(hooks.createInlineHook({ inlineHook: {} }), 400, "E0000001", ...empty);
  const plain = { ...http("secret"), config: { uri: "http://claims.example.com" } };
  await refused(create("Plain", plain), 400, "E0000001", "channel.config.uri");
  await refused(hooks.listInlineHooks({ type: "com.okta.no.such" }).then(collected), 400, "E0000001", "type");
  const stranger = new okta.Client({ orgUrl: server.baseUrl, token: "wrong" });
  await refused(stranger.inlineHookApi.getInlineHook({ inlineHookId: "cal" }), 401, "E0000011");
  await refused(client.eventHookApi.listEventHooks().then(collected), 404, "E0000008");
});

test("lists are followed from page to page", { timeout: 20_000 }, async () => {
  for (const name of ["ada", "bob", "eve"]) {
    const profile = { firstName: name, lastName: "Okoye", email: `${name}@example.com`, login: `${name}@example.com` };
    const user = { profile, credentials: { password: { value: "Corkscrew-7-orbit" } } };
    assert.equal((await client.userApi.createUser({ activate: true, body: user })).status, "ACTIVE");
  }
  const logins = (await collected(client.userApi.listUsers({ limit: 1 }))).map((user) => user.profile.login);
  assert.deepEqual(logins.sort(), ["ada@example.com", "bob@example.com", "eve@example.com"]);

  // Events are written a moment after their calls.
  const since = new Date(Date.now() - 3_600_000).toISOString();
  const wanted = ["inline_hook.created", "inline_hook.deleted", "inline_hook.response.processed", "system.hook.key.created"];
  let events;
  do {
    events = await collected(client.systemLogApi.listLogEvents({ since, limit: 5 }));
  } while (!wanted.every((type) => events.some((event) => event.eventType === type)));
  assert.equal(new Set(events.map((event) => event.uuid)).size, events.length);
  const created = events.find((event) => event.eventType === "inline_hook.created");
  assert.ok(created.published instanceof Date);
  assert.equal(created.outcome.result, "SUCCESS");
  assert.deepEqual([created.target[0].type, created.actor.type], ["InlineHook", "SystemPrincipal"]);
});

test("a rule of an authorization server names a hook, and can be put back as it was got", async () => {
  const servers = client.authorizationServerApi;
  const { id: inlineHookId } = await create("On a rule", http("secret"));
  const { id: authServerId } = await servers.createAuthorizationServer({
    authorizationServer: { name: "SDK", description: "Made by the SDK", audiences: ["https://orders.example.com"] },
  });
  assert.ok((await collected(servers.listAuthorizationServers())).some((one) => one.id === authServerId));
  await servers.createOAuth2Scope({ authServerId, oAuth2Scope: { name: "orders.read", description: "Read orders" } });
  assert.ok((await collected(servers.listOAuth2Scopes({ authServerId }))).some((scope) => scope.name === "orders.read"));
  await servers.createOAuth2Claim({
    authServerId,
    oAuth2Claim: { name: "tier", status: "ACTIVE", claimType: "RESOURCE", valueType: "EXPRESSION", value: '"gold"' },
  });
  assert.deepEqual((await collected(servers.listOAuth2Claims({ authServerId }))).map((claim) => claim.name), ["tier"]);
  const { id: policyId } = await servers.createAuthorizationServerPolicy({
    authServerId,
    policy: {
      type: "OAUTH_AUTHORIZATION_POLICY",
      status: "ACTIVE",
      name: "Everybody",
      description: "Every client",
      priority: 1,
      conditions: { clients: { include: ["ALL_CLIENTS"] } },
    },
  });
  const policyRule = {
    type: "RESOURCE_ACCESS",
    name: "Every grant",
    status: "ACTIVE",
    priority: 1,
    conditions: {
      people: { groups: { include: ["EVERYONE"] }, users: { include: [] } },
      grantTypes: { include: ["client_credentials"] },
      scopes: { include: ["*"] },
    },
    actions: {
      token: {
        accessTokenLifetimeMinutes: 60,
        refreshTokenLifetimeMinutes: 0,
        refreshTokenWindowMinutes: 10_080,
        inlineHook: { id: inlineHookId },
      },
    },
  };
  const of = { authServerId, policyId };
  const { id: ruleId } = await servers.createAuthorizationServerPolicyRule({ ...of, policyRule });
  assert.deepEqual((await collected(servers.listAuthorizationServerPolicyRules(of))).map((rule) => rule.id), [ruleId]);
  const got = await servers.getAuthorizationServerPolicyRule({ ...of, ruleId });
  assert.equal(got.actions.token.inlineHook.id, inlineHookId);
  got.actions.token.accessTokenLifetimeMinutes = 30;
  const put = await servers.replaceAuthorizationServerPolicyRule({ ...of, ruleId, policyRule: got });
  assert.deepEqual([put.actions.token.accessTokenLifetimeMinutes, put.actions.token.inlineHook.id], [30, inlineHookId]);
});

test("a SAML app with a hook and an assignment lives from create to delete", async () => {
  const apps = client.applicationApi;
  const { id: hookId } = await create("On an app", http("secret"), "com.okta.saml.tokens.transform");
  const acs = "https://benefits.example.com/acs";
  const statements = [
    { type: "EXPRESSION", name: "mail", namespace: `${NAME_FORMAT}:basic`, values: ["user.email", "user.login"] },
    { type: "GROUP", name: "groups", namespace: `${NAME_FORMAT}:unspecified`, filterType: "REGEX", filterValue: ".*" },
  ];
  const signOn = {
    defaultRelayState: "home",
    ssoAcsUrl: acs,
    recipient: acs,
    destination: acs,
    audience: "urn:example:benefits",
    idpIssuer: "http://idp.example.com/${org.externalKey}",
    subjectNameIdTemplate: "${user.userName}",
    subjectNameIdFormat: "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress",
    responseSigned: true,
    assertionSigned: true,
    signatureAlgorithm: "RSA_SHA256",
    digestAlgorithm: "SHA256",
    honorForceAuthn: true,
    authnContextClassRef: "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport",
    requestCompressed: false,
    attributeStatements: statements,
    inlineHooks: [{ id: hookId }],
  };
  const application = { label: "Benefits", signOnMode: "SAML_2_0", visibility: { hide: { web: true } }, settings: { signOn } };
  const created = await apps.createApplication({ application });
  assert.equal(created.constructor.name, "SamlApplication");
  assert.match(created.id, /^0oa\w{17}$/);
  assert.deepEqual([created.status, created.signOnMode, created.visibility.hide.web], ["ACTIVE", "SAML_2_0", true]);
  assert.ok(created.credentials.signing.kid && created._links.metadata.href && created._links.appLinks[0].href);
  const plain = (value) => JSON.parse(JSON.stringify(value));
  const said = plain(created.settings.signOn);
  // What was written comes back.
  for (const [member, value] of Object.entries(signOn)) assert.deepEqual(said[member], value, member);

  const got = await apps.getApplication({ appId: created.id });
  assert.deepEqual(plain(got), plain(created));
  const found = await collected(apps.listApplications({ q: "Bene", filter: 'status eq "ACTIVE"' }));
  assert.deepEqual(found.map(({ id }) => id), [created.id]);

  got.label = "Benefits, changed";
  got.settings.signOn.inlineHooks = [];
  got.settings.signOn.defaultRelayState = "elsewhere";
  const put = await apps.replaceApplication({ appId: created.id, application: got });
  assert.deepEqual([put.id, put.label, put.name], [created.id, "Benefits, changed", created.name]);
  assert.deepEqual(plain(put.settings.signOn), { ...said, inlineHooks: [], defaultRelayState: "elsewhere" });
  put.settings.signOn.inlineHooks = [{ id: "cal00000000000000000" }];
  const replace = () => apps.replaceApplication({ appId: created.id, application: put });
  await refused(replace(), 400, "E0000001", "settings.signOn.inlineHooks[0].id");
  put.settings.signOn.inlineHooks = [{ id: hookId }];
  await replace();

  const [key] = await collected(apps.listApplicationKeys({ appId: created.id }));
  assert.deepEqual([key.kid, key.kty, key.use], [created.credentials.signing.kid, "RSA", "sig"]);
  const profile = { login: "app@example.com", email: "app@example.com", firstName: "App", lastName: "User" };
  const user = await client.userApi.createUser({ activate: false, body: { profile } });
  const appId = created.id;
  await apps.assignUserToApplication({ appId, appUser: { id: user.id, scope: "USER" } });
  assert.deepEqual((await collected(apps.listApplicationUsers({ appId }))).map(({ id }) => id), [user.id]);
  const group = await client.groupApi.createGroup({ group: { profile: { name: "Benefits" } } });
  await apps.assignGroupToApplication({ appId, groupId: group.id });
  const groups = apps.listApplicationGroupAssignments({ appId });
  assert.deepEqual((await collected(groups)).map(({ id }) => id), [group.id]);

  // A hook that is deleted is cleared from the app.
  await hooks.deactivateInlineHook({ inlineHookId: hookId });
  await hooks.deleteInlineHook({ inlineHookId: hookId });
  assert.deepEqual((await apps.getApplication({ appId })).settings.signOn.inlineHooks, []);

  await refused(apps.deleteApplication({ appId }), 403, "E0000056", "Deactivate the app before you delete it");
  await apps.deactivateApplication({ appId });
  assert.equal((await apps.getApplication({ appId })).status, "INACTIVE");
  await apps.activateApplication({ appId });
  await apps.deactivateApplication({ appId });
  await apps.deleteApplication({ appId });
  await refused(apps.getApplication({ appId }), 404, "E0000007");
});

test("a profile enrollment policy with a hook lives from create to delete", async () => {
  const policies = client.policyApi;
  const type = "PROFILE_ENROLLMENT";
  const { id: inlineHookId } = await create("On a policy", http("secret"), "com.okta.user.pre-registration");
  const created = await policies.createPolicy({ policy: { type, name: "Customers", status: "ACTIVE" } });
  assert.deepEqual([created.type, created.name, created.status, created.system], [type, "Customers", "ACTIVE", false]);
  const { id: policyId } = created;
  const listed = await collected(await policies.listPolicies({ type }));
  assert.deepEqual(listed.map(({ id, system }) => [id === policyId, system]), [[false, true], [true, false]]);

  const [rule] = await collected(await policies.listPolicyRules({ policyId }));
  assert.equal(rule.constructor.name, "ProfileEnrollmentPolicyRule");
  const of = { policyId, ruleId: rule.id };
  const action = {
    access: "ALLOW",
    unknownUserAction: "REGISTER",
    activationRequirements: { emailVerification: true },
    profileAttributes: [
      { name: "email", label: "Email", required: true },
      { name: "inviteCode", label: "Invitation code", required: true },
    ],
    preRegistrationInlineHooks: [{ inlineHookId }],
    targetGroupIds: [],
    progressiveProfilingAction: "ENABLED",
  };
  rule.actions = { profileEnrollment: action };
  const put = await policies.replacePolicyRule({ ...of, policyRule: rule });
  const said = (rule) => JSON.parse(JSON.stringify(rule.actions.profileEnrollment));
  assert.deepEqual(said(put), action);
  const got = await policies.getPolicyRule(of);
  got.actions.profileEnrollment.unknownUserAction = "ASK";
  const replace = () => policies.replacePolicyRule({ ...of, policyRule: got });
  await refused(replace(), 400, "E0000001", "actions.profileEnrollment.unknownUserAction");
  got.actions.profileEnrollment.unknownUserAction = "DENY";
  await replace();
  assert.deepEqual(said(await policies.getPolicyRule(of)), { ...action, unknownUserAction: "DENY" });

  const credentials = { oauthClient: { token_endpoint_auth_method: "client_secret_basic" } };
  const settings = {
    oauthClient: {
      application_type: "web",
      redirect_uris: ["https://shop.example.com/cb"],
      response_types: ["code"],
      grant_types: ["authorization_code"],
    },
  };
  const application = { name: "oidc_client", label: "Shop", signOnMode: "OPENID_CONNECT", credentials, settings };
  const { id: appId } = await client.applicationApi.createApplication({ application });
  await client.applicationApi.assignApplicationPolicy({ appId, policyId });
  assert.deepEqual((await collected(await policies.listPolicyApps({ policyId }))).map(({ id }) => id), [appId]);

  // A hook in use stays.
  await refused(hooks.deactivateInlineHook({ inlineHookId }), 400, "E0000001", "status");
  created.description = "Who buys";
  const replaced = await policies.replacePolicy({ policyId, policy: created });
  assert.deepEqual([replaced.name, replaced.description], ["Customers", "Who buys"]);
  await policies.deactivatePolicy({ policyId });
  assert.equal((await policies.getPolicy({ policyId })).status, "INACTIVE");
  await policies.activatePolicy({ policyId });
  await policies.deletePolicy({ policyId });
  await refused(policies.getPolicy({ policyId }), 404, "E0000007");
  await hooks.deactivateInlineHook({ inlineHookId });
  await hooks.deleteInlineHook({ inlineHookId });
});

test("the script of the page about moving brings hooks over, and their secrets with them", async (context) => {
  const page = readFileSync(new URL("../docs/moving-from-okta.md", import.meta.url), "utf8");
  const [, script] = /^```js\n([\s\S]*?)^```$/m.exec(page);
  const old = await startServer((await issueLoopbackCertificate()).authorityPem);
  context.after(() => old.stop());
  const oldHooks = new okta.Client({ orgUrl: old.baseUrl, token: old.adminToken }).inlineHookApi;
  const oldHook = (name, channel) => ({ name, type: TOKEN_HOOK, version: "1.0.0", channel });
  const channels = {
    "Brought over": http("not shown"),
    "Brought over, OAUTH": oauth({ authType: "client_secret_post", clientSecret: "not shown either" }),
  };
  for (const [name, channel] of Object.entries(channels)) {
    await oldHooks.createInlineHook({ inlineHook: oldHook(name, channel) });
  }
  const node = spawn(process.execPath, ["--input-type=module", "--eval", script], {
    cwd: fileURLToPath(new URL(".", import.meta.url)),
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      ...process.env,
      OKTA: old.baseUrl,
      OKTA_TOKEN: old.adminToken,
      BASE: server.baseUrl,
      TOKEN: server.adminToken,
      SECRETS: JSON.stringify({ "Brought over": "from the page", "Brought over, OAUTH": "from the page" }),
    },
  });
  const said = { stdout: "", stderr: "" };
  for (const name of Object.keys(said)) node[name].setEncoding("utf8").on("data", (text) => (said[name] += text));
  const [status] = await once(node, "close");
  assert.equal(status, 0, said.stderr);
  const lines = said.stdout.trim().split("\n");
  assert.deepEqual(lines.map((line) => line.replace(/^cal\w{17} /, "")).sort(), Object.keys(channels));
  const id = lines.find((line) => line.endsWith("Brought over")).split(" ")[0];
  const payloadData = { eventId: "interop", eventType: TOKEN_HOOK, source: "interop", data: {} };
  await hooks.executeInlineHook({ inlineHookId: id, payloadData });
  assert.equal(service.calls.at(-1).headers.authorization, "from the page");
});

test("users come with hashes of each kind or with the password hook, and sign in with their old passwords", async () => {
  const [salt, iterationCount, keySize] = [Buffer.from("salt of the old system"), 4096, 32];
  const digested = (algorithm, name) => ({
    algorithm,
    salt: salt.toString("base64"),
    saltOrder: "PREFIX",
    value: createHash(name).update(salt).update(OLD_PASSWORD).digest("base64"),
  });
  const hashes = [
    digested("MD5", "md5"),
    digested("SHA-1", "sha1"),
    digested("SHA-256", "sha256"),
    digested("SHA-512", "sha512"),
    {
      algorithm: "PBKDF2",
      salt: salt.toString("base64"),
      iterationCount,
      keySize,
      digestAlgorithm: "SHA256_HMAC",
      value: pbkdf2Sync(OLD_PASSWORD, salt, iterationCount, keySize, "sha256").toString("base64"),
    },
    // The first test vector of crypt_blowfish, of which it is the hash of this password.
    { algorithm: "BCRYPT", workFactor: 5, salt: "CCCCCCCCCCCCCCCCCCCCC.", value: "E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW" },
  ];
  // An org has one such hook, and a test before leaves one.
  for (const { id: inlineHookId, status } of await collected(hooks.listInlineHooks({ type: PASSWORD_HOOK }))) {
    if (status === "ACTIVE") await hooks.deactivateInlineHook({ inlineHookId });
    await hooks.deleteInlineHook({ inlineHookId });
  }
  const inlineHook = { name: "Passwords", type: PASSWORD_HOOK, version: "1.0.0", channel: http("from-node") };
  const hook = await hooks.createInlineHook({ inlineHook });
  const passwords = [...hashes.map((hash) => ({ hash })), { hook: { type: "default" } }];
  for (const password of passwords) {
    const login = `${password.hash?.algorithm ?? "hook"}@node.example`.toLowerCase();
    const profile = { login, email: login, firstName: "Ada", lastName: "Okoye" };
    const user = await client.userApi.createUser({ activate: true, body: { profile, credentials: { password } } });
    const provider = password.hook ? "IMPORT" : "OKTA";
    assert.deepEqual([user.status, user.credentials.provider.type], ["ACTIVE", provider], login);
    const calls = service.calls.length;
    assert.deepEqual(await authenticate(login, "wrong"), [401, "E0000004"], login);
    for (let times = 0; times < 2; times += 1) assert.deepEqual(await authenticate(login, OLD_PASSWORD), [200, "SUCCESS"], login);
    assert.equal(service.calls.length - calls, password.hook ? 2 : 0, "the hook is retired after the first right password");
    assert.equal((await client.userApi.getUser({ userId: user.id })).credentials.provider.type, "OKTA", login);
  }
  const { url } = service.calls.at(-1).document.data.context.request;
  assert.equal(url.value, "/api/v1/authn");
  await hooks.deactivateInlineHook({ inlineHookId: hook.id });
  await hooks.deleteInlineHook({ inlineHookId: hook.id });
});

async function authenticate(username, password) {
  const headers = { "content-type": "application/json" };
  const body = JSON.stringify({ username, password });
  const answer = await fetch(`${server.baseUrl}/api/v1/authn`, { method: "POST", headers, body });
  const { status, errorCode } = await answer.json();
  return [answer.status, status ?? errorCode];
}

// What an authenticator app shows so many seconds from now (RFC 6238).
function shownBy(sharedSecret, seconds = 0) {
  const digits = [...sharedSecret].map((digit) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(digit));
  const bits = digits.map((digit) => digit.toString(2).padStart(5, "0")).join("");
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  const step = Buffer.alloc(8);
  step.writeBigUInt64BE(BigInt(Math.floor((Date.now() / 1000 + seconds) / 30)));
  const tag = createHmac("sha1", key).update(step).digest();
  const number = tag.readUInt32BE(tag.at(-1) & 15) & 0x7fffffff;
  return String(number % 1_000_000).padStart(6, "0");
}

const lastCode = () => service.calls.at(-1).document.data.messageProfile.otpCode;

test("a phone and an authenticator app are enrolled, activated, verified and reset", async () => {
  const { id: inlineHookId } = await create("Passcodes", http("secret"), PASSCODE_HOOK);
  const login = "mei@factors.example";
  const profile = { login, email: login, firstName: "Mei", lastName: "Tanaka" };
  const { id: userId } = await client.userApi.createUser({ body: { profile } });
  const factors = client.userFactorApi;
  const supported = async () => (await collected(factors.listSupportedFactors({ userId }))).map(({ status }) => status);
  const listed = async () => (await collected(factors.listFactors({ userId }))).map(({ id }) => id);
  assert.deepEqual(await supported(), ["NOT_SETUP", "NOT_SETUP", "NOT_SETUP"]);

  const body = { factorType: "sms", provider: "OKTA", profile: { phoneNumber: "+2348031234567" } };
  let sms = await factors.enrollFactor({ userId, body });
  assert.deepEqual([sms.status, sms.profile.phoneNumber], ["PENDING_ACTIVATION", "+2348031234567"]);
  let passCode = lastCode();
  const wrong = { passCode: passCode === "111111" ? "222222" : "111111" };
  await refused(factors.activateFactor({ userId, factorId: sms.id, body: wrong }), 403, "E0000068", "passCode");
  await factors.activateFactor({ userId, factorId: sms.id, body: { passCode } });
  assert.equal((await factors.getFactor({ userId, factorId: sms.id })).status, "ACTIVE");

  // Once more without a passcode, so that the next one need not wait for half a minute.
  await factors.unenrollFactor({ userId, factorId: sms.id });
  assert.deepEqual(await listed(), []);
  sms = await factors.enrollFactor({ userId, activate: true, body });
  assert.equal(sms.status, "ACTIVE");
  assert.equal((await factors.verifyFactor({ userId, factorId: sms.id })).factorResult, "CHALLENGE");
  passCode = lastCode();
  assert.equal((await factors.verifyFactor({ userId, factorId: sms.id, body: { passCode } })).factorResult, "SUCCESS");
  await refused(factors.verifyFactor({ userId, factorId: sms.id, body: { passCode } }), 403, "E0000068", "passCode");

  const app = { factorType: "token:software:totp", provider: "GOOGLE" };
  const totp = await factors.enrollFactor({ userId, body: app });
  const { sharedSecret } = totp._embedded.activation;
  const code = (seconds) => ({ userId, factorId: totp.id, body: { passCode: shownBy(sharedSecret, seconds) } });
  await factors.activateFactor(code(0));
  assert.equal((await factors.verifyFactor(code(30))).factorResult, "SUCCESS");
  await refused(factors.verifyFactor(code(0)), 403, "E0000068", "passCode");
  assert.deepEqual(await supported(), ["ACTIVE", "NOT_SETUP", "ACTIVE"]);
  assert.deepEqual(await listed(), [sms.id, totp.id]);
  await refused(factors.enrollFactor({ userId, body: { ...app, provider: "OKTA" } }), 400, "E0000001", "provider");

  await client.userApi.resetFactors({ userId });
  assert.deepEqual(await listed(), []);
  await hooks.deactivateInlineHook({ inlineHookId });
  await hooks.deleteInlineHook({ inlineHookId });
});

test("the SDK of the vendor's sign-in pages signs a user in with a phone and with an authenticator app", async () => {
  const { id: inlineHookId } = await create("Passcodes", http("secret"), PASSCODE_HOOK);
  const [login, password] = ["zoe@factors.example", "Old-1-lantern"];
  const profile = { login, email: login, firstName: "Zoe", lastName: "Adeyemi" };
  const { id: userId } = await client.userApi.createUser({ body: { profile, credentials: { password: { value: password } } } });
  const factors = client.userFactorApi;
  const phone = { factorType: "sms", provider: "OKTA", profile: { phoneNumber: "+2348031234567" } };
  await factors.enrollFactor({ userId, activate: true, body: phone });
  const totp = await factors.enrollFactor({ userId, body: { factorType: "token:software:totp", provider: "GOOGLE" } });
  const { sharedSecret } = totp._embedded.activation;
  await factors.activateFactor({ userId, factorId: totp.id, body: { passCode: shownBy(sharedSecret) } });

  const auth = new OktaAuth({ issuer: `${server.baseUrl}/oauth2/default`, clientId: "pages", redirectUri: `${server.baseUrl}/` });
  const begin = async () => {
    const transaction = await auth.signInWithCredentials({ username: login, password });
    assert.deepEqual([transaction.status, transaction.user.profile.login], ["MFA_REQUIRED", login]);
    return transaction;
  };
  const ends = async (transaction) => {
    assert.equal(transaction.status, "SUCCESS");
    const { sessionToken } = transaction;
    const session = await client.sessionApi.createSession({ createSessionRequest: { sessionToken } });
    assert.deepEqual([session.userId, session.status], [userId, "ACTIVE"]);
  };
  const is = (expected) => ({ errorCode }) => assert.equal(errorCode, expected) ?? true;
  let transaction = await begin();
  const kinds = transaction.factors.map(({ factorType, profile: { phoneNumber, credentialId } }) => [factorType, phoneNumber ?? credentialId]);
  assert.deepEqual(kinds, [["sms", "+XXXXXXXXXXX67"], ["token:software:totp", login]]);
  transaction = await transaction.factors[0].verify();
  assert.deepEqual([transaction.status, transaction.factor.factorType], ["MFA_CHALLENGE", "sms"]);
  await assert.rejects(transaction.resend("sms"), is("E0000109"));
  const passCode = lastCode();
  await assert.rejects(transaction.verify({ passCode: passCode === "111111" ? "222222" : "111111" }), is("E0000068"));
  transaction = await transaction.prev();
  assert.equal(transaction.status, "MFA_REQUIRED");
  await ends(await transaction.factors[0].verify({ passCode, rememberDevice: false }));

  transaction = await (await begin()).factors[1].verify();
  assert.deepEqual([transaction.status, transaction.factor.factorType, transaction.resend], ["MFA_CHALLENGE", "token:software:totp", undefined]);
  await ends(await transaction.verify({ passCode: shownBy(sharedSecret, 30) }));
  transaction = await begin();
  await transaction.cancel();
  await assert.rejects(transaction.factors[1].verify({ passCode }), is("E0000011"));
  await client.userApi.resetFactors({ userId });
  await hooks.deactivateInlineHook({ inlineHookId });
  await hooks.deleteInlineHook({ inlineHookId });
});

test("the Python SDK takes every answer, and its secret reaches the service", async () => {
  const key = await client.hookKeyApi.createHookKey({ keyRequest: { name: "For Python" } });
  const python = spawn(process.env.TENTERHOOK_PYTHON, [fileURLToPath(new URL("sdks.py", import.meta.url))], {
    stdio: ["ignore", "ignore", "pipe"],
    env: {
      ...process.env,
      // The SDK refuses `http://` otherwise.
      OKTA_TESTING_TESTINGDISABLEHTTPSCHECK: "true",
      INTEROP_SERVER: server.baseUrl,
      INTEROP_TOKEN: server.adminToken,
      INTEROP_SERVICE: service.url,
      INTEROP_HOOK_KEY: key.id,
      INTEROP_PUBLIC_KEY: key.keyId,
    },
  });
  const report = [];
  python.stderr.setEncoding("utf8").on("data", (text) => report.push(text));
  const [status] = await once(python, "close");
  assert.equal(status, 0, report.join(""));
  assert.equal(service.calls.at(-1).headers.authorization, "from-python");
});
