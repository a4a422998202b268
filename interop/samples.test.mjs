// The sample services of `samples/` (Node.js, Python, Rust), called by `tenterhook dev` in real flows: tokens are verified
// with `openid-client` and `jose`.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { Agent, request } from "node:http";
import { after, before, describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";

import { createRemoteJWKSet, jwtVerify } from "jose";
import * as oidc from "openid-client";

import { openBrowser } from "./support/browser.mjs";
import { management } from "./support/management.mjs";
import { start } from "./support/program.mjs";

const SECRET = "the sample's secret";
const TOKEN_HOOK = "com.okta.oauth2.tokens.transform";
const DEPARTMENT = "https://example.com/department";
const BODY_BYTES_MAX = 256 * 1024;
const TURN_MS = 20;
const TURNS_MAX = 1_000;

const root = fileURLToPath(new URL("..", import.meta.url));
const binary = process.env.TENTERHOOK_BINARY ?? `${root}/target/debug/tenterhook`;
const SAMPLES = {
  node: [process.execPath, `${root}/samples/node/token-hook.mjs`],
  python: [process.env.TENTERHOOK_PYTHON ?? "python3", `${root}/samples/python/token_hook.py`],
  rust: [process.env.TENTERHOOK_SAMPLE_RUST ?? `${root}/target/debug/token-hook-sample`],
};

/** One call past Tenterhook, on a connection that is kept. */
function post(url, agent, body, headers = {}) {
  return new Promise((resolve, reject) => {
    const call = request(url, { method: "POST", agent, headers: { authorization: SECRET, ...headers } }, (response) => {
      const parts = [];
      response.on("data", (part) => parts.push(part));
      response.on("end", () => {
        const text = Buffer.concat(parts).toString();
        resolve({ status: response.statusCode, headers: response.headers, text, reused: call.reusedSocket });
      });
    });
    call.on("error", reject);
    const bytes = Buffer.from(typeof body === "string" ? body : JSON.stringify(body));
    call.setHeader("content-length", bytes.length);
    call.end(bytes);
  });
}

let dev;
let ready;
let api;

before(async () => {
  const words = [binary, "dev", "--ephemeral", "--json", "--port", "0"];
  dev = start(words, {}, (line) => line.startsWith('{"step":"ready"') && JSON.parse(line));
  ready = await dev.line;
  api = management(ready.baseUrl, ready.adminToken);
});

after(async () => {
  assert.equal(await dev?.stop(), 0, "`dev` ends with status 0");
});

/** The hook of the development org, pointed at `uri`. */
async function pointHook(uri, secret) {
  const [hook] = await api("GET", `/api/v1/inlineHooks?type=${TOKEN_HOOK}`);
  const authScheme = { type: "HEADER", key: "Authorization", value: secret };
  const { name, version } = hook;
  const channel = { type: "HTTP", version: "1.0.0", config: { uri, method: "POST", headers: [], authScheme } };
  await api("PUT", `/api/v1/inlineHooks/${hook.id}`, { name, type: TOKEN_HOOK, version, channel });
}

async function discover(clientId, authentication) {
  // Plain HTTP is for loopback. The other one makes the client verify ID token signatures with the published keys.
  const execute = [oidc.allowInsecureRequests, oidc.enableNonRepudiationChecks];
  return oidc.discovery(new URL(ready.issuer), clientId, undefined, authentication, { execute });
}

async function clientCredentials() {
  const { id, secret } = ready.confidentialClient;
  const config = await discover(id, oidc.ClientSecretBasic(secret));
  const tokens = await oidc.clientCredentialsGrant(config, { scope: "orders.read" });
  return verify(config, tokens.access_token);
}

/** Signs in; answers with the client's configuration and a function that redeems the code. */
async function codeFlow(login) {
  const { id, redirectUri } = ready.publicClient;
  const config = await discover(id, oidc.None());
  const pkceCodeVerifier = oidc.randomPKCECodeVerifier();
  const expectedState = oidc.randomState();
  const url = oidc.buildAuthorizationUrl(config, {
    redirect_uri: redirectUri,
    scope: "openid profile orders.read",
    code_challenge: await oidc.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: "S256",
    state: expectedState,
  });
  const callback = await openBrowser().authorize(url, redirectUri, { login, password: ready.userPassword });
  return { config, redeem: () => oidc.authorizationCodeGrant(config, callback, { pkceCodeVerifier, expectedState }) };
}

async function verify(config, token) {
  const keys = createRemoteJWKSet(new URL(config.serverMetadata().jwks_uri));
  return (await jwtVerify(token, keys, { issuer: ready.issuer })).payload;
}

/** What the log says of calls without a usable answer, the newest first. */
async function failures() {
  const events = await api("GET", "/api/v1/logs?sortOrder=DESCENDING&limit=100");
  return events.filter(({ eventType }) => eventType === "inline_hook.executed");
}

/** The `debugData` of the newest failure after `known` of them: events are written a moment after the answer. */
async function failureAfter(known) {
  for (let turn = 0; turn < TURNS_MAX; turn += 1) {
    const found = await failures();
    if (found.length > known) return found[0].debugContext.debugData;
    await pause(TURN_MS);
  }
  throw new Error("the log has no event of the call");
}

/** Runs the demonstration once against `uri`; status and what it shows. */
function demonstrate(uri, ...words) {
  const all = ["dev", "--once", "--ephemeral", "--port", "0", "--hook", uri, ...words];
  return new Promise((resolve) => {
    execFile(binary, all, (error, stdout) => resolve({ status: error?.code ?? 0, text: stdout }));
  });
}

for (const [name, command] of Object.entries(SAMPLES)) {
  describe(`the sample service in ${name}`, () => {
    let sample;
    let uri;
    let agent;

    before(async () => {
      const listening = (line) => /^listening on (http:\/\/\S+)$/.exec(line)?.[1];
      sample = start(command, { HOOK_SECRET: SECRET, PORT: "0" }, listening);
      uri = await sample.line;
      agent = new Agent({ keepAlive: true, maxSockets: 1 });
      // Some hooks have a parameter in their URI.
      await pointHook(`${uri}?tenant=north`, SECRET);
    });

    after(async () => {
      agent?.destroy();
      await sample?.stop();
    });

    const call = (body, headers) => post(uri, agent, body, headers);
    const document = (data) => ({ eventType: TOKEN_HOOK, data });
    const ofUser = (login) => document({ context: { user: { profile: { login } } }, access: {} });

    test("a client's own token gets a claim and a lifetime", async () => {
      const claims = await clientCredentials();
      assert.equal(claims.tier, "service");
      assert.equal(claims[DEPARTMENT], undefined, "there is no user");
      assert.equal(claims.exp - claims.iat, 600);
    });

    test("both tokens of the code flow get the claims of their user", async () => {
      const { config, redeem } = await codeFlow("ada@example.com");
      const tokens = await redeem();
      const access = await verify(config, tokens.access_token);
      for (const claims of [access, tokens.claims()]) {
        assert.equal(claims.tier, "gold");
        assert.equal(claims[DEPARTMENT], "Logistics");
      }
      assert.equal(access.exp - access.iat, 900);
    });

    test("an account on hold is refused, and the application is told why", async () => {
      const { redeem } = await codeFlow("grace@example.com");
      await assert.rejects(redeem(), (error) => {
        assert.deepEqual([error.error, error.error_description], ["server_error", "Account is on hold"]);
        return true;
      });
    });

    test("with another secret it answers 401, which log, terminal and `dev` show", async () => {
      const known = (await failures()).length;
      await pointHook(uri, "another secret");
      assert.equal((await clientCredentials()).tier, undefined, "the token is issued as it was");
      assert.equal((await failureAfter(known)).failureCode, "STATUS_401");
      assert.match(sample.said.join(""), /401: The Authorization header is not HOOK_SECRET/);
      const { status, text } = await demonstrate(uri);
      assert.equal(status, 1);
      assert.match(text, /STATUS_401/);
      const right = await demonstrate(uri, "--header", `Authorization: ${SECRET}`);
      assert.equal(right.status, 0, right.text);
      await pointHook(uri, SECRET);
      assert.equal((await clientCredentials()).tier, "service");
    });

    test("it has nothing to say about a user it does not know, or about another type", async () => {
      for (const body of [ofUser("linus@example.com"), { eventType: "com.okta.saml.tokens.transform", data: {} }]) {
        const { status, text } = await call(body);
        assert.deepEqual([status, text], [204, ""]);
      }
    });

    test("what it does not know changes nothing, and only tokens that are issued are patched", async () => {
      const body = ofUser("ada@example.com");
      const { text } = await call(body);
      Object.assign(body, { preview: true, later: [1] });
      Object.assign(body.data, { later: {}, context: { ...body.data.context, later: null } });
      assert.equal((await call(body)).text, text);
      assert.deepEqual(JSON.parse(text).commands.map(({ type }) => type), ["com.okta.access.patch"]);
    });

    test("a decision that hangs is given up before Tenterhook does", async () => {
      const { status, text } = await call(ofUser("slow@example.com"));
      assert.equal(status, 503, text);
    });

    test("a connection outlives whatever goes wrong on it", async () => {
      const wrong = [
        [401, "{}", { authorization: "wrong" }],
        [401, "{}", { authorization: "" }],
        [400, "<html>"],
        [204, "{}"],
        [204, "[]"],
        [200, ofUser("ada@example.com")],
      ];
      await call("{}");
      for (const [wanted, body, headers] of wrong) {
        const { status, headers: answered, reused, text } = await call(body, headers);
        assert.equal(status, wanted, text);
        assert.equal(reused, true, `${wanted} on the connection of the call before`);
        assert.ok(Number(/^timeout=(\d+)$/.exec(answered["keep-alive"])[1]) > 60, answered["keep-alive"]);
      }
      const short = { eventType: TOKEN_HOOK, data: { later: "" } };
      const padding = BODY_BYTES_MAX - JSON.stringify(short).length;
      short.data.later = "x".repeat(padding);
      assert.equal((await call(short)).status, 200, "a document of the greatest length");
      short.data.later += "x";
      assert.equal((await call(short)).status, 413);
    });

    test("it does not start without a secret", async () => {
      const { line, said } = start(command, { HOOK_SECRET: "", PORT: "0" }, () => false);
      await assert.rejects(line, /ended with 1/);
      assert.match(said.join(""), /HOOK_SECRET is not set/);
    });
  });
}
