// npm `openid-client` and `jose` against `tenterhook serve`: discovery, every grant, and tokens that a hook patched,
// verified with the clients' own handling of keys.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { createRemoteJWKSet, jwtVerify } from "jose";
import * as oidc from "openid-client";

import { openBrowser } from "./support/browser.mjs";
import { issueLoopbackCertificate } from "./support/certificates.mjs";
import { provision } from "./support/management.mjs";
import { startServer } from "./support/server.mjs";
import { startService } from "./support/service.mjs";

const REDIRECT_URI = "http://127.0.0.1:9/callback";
const HOOK_SECRET = "interop-service-secret";
const NESTED = { tier: "gold", limits: [1, 2, 3] };

let server;
let service;
let world;
/** What the service answers; a test may replace it. */
let answer = patchBothTokens;

function patchBothTokens(document) {
  const add = (path, value) => ({ op: "add", path, value });
  const commands = [
    { type: "com.okta.access.patch", value: [add("/claims/partner", "acme"), add("/claims/contract", NESTED)] },
  ];
  if (document.data.identity) {
    commands.push({ type: "com.okta.identity.patch", value: [add("/claims/partner", "acme for the client")] });
  }
  return { commands };
}

before(async () => {
  const certificate = await issueLoopbackCertificate();
  service = await startService(certificate, (document) => answer(document));
  server = await startServer(certificate.authorityPem);
  const { baseUrl, adminToken } = server;
  const hookUrl = service.url;
  world = await provision({ baseUrl, adminToken, hookUrl, hookSecret: HOOK_SECRET, redirectUri: REDIRECT_URI });
});

after(async () => {
  service?.stop();
  const status = await server?.stop();
  assert.equal(status, server && 0, "the server drains and ends with status 0");
});

async function discover(client, document = "openid-configuration") {
  const url = new URL(`${world.issuer}/.well-known/${document}`);
  const authentication = client.client_secret ? oidc.ClientSecretBasic(client.client_secret) : oidc.None();
  // Plain HTTP is for loopback. The other one makes the client verify ID token signatures with the published keys.
  const execute = [oidc.allowInsecureRequests, oidc.enableNonRepudiationChecks];
  return oidc.discovery(url, client.client_id, undefined, authentication, { execute });
}

async function signIn(config, scope) {
  const pkceCodeVerifier = oidc.randomPKCECodeVerifier();
  const expectedState = oidc.randomState();
  const expectedNonce = oidc.randomNonce();
  const url = oidc.buildAuthorizationUrl(config, {
    redirect_uri: REDIRECT_URI,
    scope,
    code_challenge: await oidc.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: "S256",
    state: expectedState,
    nonce: expectedNonce,
  });
  const callback = await openBrowser().authorize(url, REDIRECT_URI, world.user);
  const checks = { pkceCodeVerifier, expectedState, expectedNonce, idTokenExpected: true };
  return { callback, redeem: () => oidc.authorizationCodeGrant(config, callback, checks) };
}

async function verifyAccessToken(config, token) {
  const keys = createRemoteJWKSet(new URL(config.serverMetadata().jwks_uri));
  const { payload } = await jwtVerify(token, keys, { issuer: world.issuer, audience: world.audience });
  return payload;
}

/** Matches the OAuth error `code` of openid-client. */
function oauthError(code) {
  return (error) => {
    assert.equal(error.error, code, error);
    return true;
  };
}

test("both discovery documents describe the same authorization server", async () => {
  const documents = ["openid-configuration", "oauth-authorization-server"];
  const [openid, oauth] = (await Promise.all(documents.map((name) => discover(world.service, name)))).map((config) =>
    config.serverMetadata(),
  );
  for (const metadata of [openid, oauth]) {
    assert.equal(metadata.issuer, world.issuer);
    assert.ok(metadata.code_challenge_methods_supported.includes("S256"));
    for (const grant of ["authorization_code", "client_credentials", "refresh_token"]) {
      assert.ok(metadata.grant_types_supported.includes(grant), grant);
    }
  }
  for (const endpoint of ["authorization_endpoint", "token_endpoint", "jwks_uri", "introspection_endpoint"]) {
    assert.equal(openid[endpoint], oauth[endpoint], endpoint);
  }
  assert.ok(openid.userinfo_endpoint.startsWith(world.issuer));
});

test("a client credentials token carries what the service added", async () => {
  const config = await discover(world.service);
  const tokens = await oidc.clientCredentialsGrant(config, { scope: "orders.read" });
  const claims = await verifyAccessToken(config, tokens.access_token);
  assert.equal(claims.partner, "acme");
  assert.deepEqual(claims.contract, NESTED);
  assert.equal(claims.cid, world.service.client_id);

  const { headers, document } = service.calls.at(-1);
  assert.equal(headers.authorization, HOOK_SECRET);
  assert.equal(document.eventType, "com.okta.oauth2.tokens.transform");
  assert.equal(document.source, config.serverMetadata().token_endpoint);
  assert.equal(document.data.identity, undefined);
});

test("a wrong client secret is refused", async () => {
  const config = await discover({ ...world.service, client_secret: "wrong" });
  // The client throws one of two errors, depending on whether the answer has a `WWW-Authenticate` challenge.
  await assert.rejects(oidc.clientCredentialsGrant(config, { scope: "orders.read" }), { status: 401 });
});

test("the code flow with PKCE issues two patched tokens, which refresh, describe the user, and can be revoked", async () => {
  const config = await discover(world.web);
  const { redeem } = await signIn(config, "openid profile email offline_access orders.read");
  const tokens = await redeem();

  const identity = tokens.claims();
  assert.equal(identity.sub, world.user.id);
  assert.equal(identity.partner, "acme for the client");
  assert.equal((await verifyAccessToken(config, tokens.access_token)).partner, "acme");

  const userInfo = await oidc.fetchUserInfo(config, tokens.access_token, identity.sub);
  assert.equal(userInfo.email, world.user.login);
  assert.equal((await oidc.tokenIntrospection(config, tokens.access_token)).active, true);

  const calls = service.calls.length;
  const renewed = await oidc.refreshTokenGrant(config, tokens.refresh_token);
  assert.equal(service.calls.length, calls + 1, "a renewal calls the service again");
  assert.equal((await verifyAccessToken(config, renewed.access_token)).partner, "acme");
  assert.notEqual(renewed.refresh_token, tokens.refresh_token);

  await oidc.tokenRevocation(config, renewed.refresh_token);
  assert.equal((await oidc.tokenIntrospection(config, renewed.refresh_token)).active, false);
  await assert.rejects(oidc.refreshTokenGrant(config, renewed.refresh_token), oauthError("invalid_grant"));
});

test("a refresh token gives the same successor until that one is used, and then ends its whole family", async () => {
  const config = await discover(world.web);
  const { redeem } = await signIn(config, "openid offline_access");
  const first = (await redeem()).refresh_token;
  const second = (await oidc.refreshTokenGrant(config, first)).refresh_token;
  assert.equal((await oidc.refreshTokenGrant(config, first)).refresh_token, second);
  const third = (await oidc.refreshTokenGrant(config, second)).refresh_token;
  await assert.rejects(oidc.refreshTokenGrant(config, first), oauthError("invalid_grant"));
  await assert.rejects(oidc.refreshTokenGrant(config, third), oauthError("invalid_grant"));
});

test("a code works once", async () => {
  const config = await discover(world.web);
  const { redeem } = await signIn(config, "openid");
  await redeem();
  await assert.rejects(redeem(), oauthError("invalid_grant"));
});

test("a public client signs in with PKCE alone", async () => {
  const config = await discover(world.browser);
  const { redeem } = await signIn(config, "openid orders.read");
  const tokens = await redeem();
  assert.equal(tokens.claims().aud, world.browser.client_id);
  assert.equal((await verifyAccessToken(config, tokens.access_token)).cid, world.browser.client_id);
});

test("the service's error stops the token and reaches the client", async (context) => {
  answer = () => ({ error: { errorSummary: "The partner is not known" } });
  context.after(() => (answer = patchBothTokens));
  const refused = (error) => {
    assert.equal(error.error, "server_error");
    assert.equal(error.error_description, "The partner is not known");
    return true;
  };
  await assert.rejects(oidc.clientCredentialsGrant(await discover(world.service), { scope: "orders.read" }), refused);

  const { callback, redeem } = await signIn(await discover(world.web), "openid");
  assert.equal(callback.searchParams.get("code"), null, "no code is issued");
  await assert.rejects(redeem(), refused);
});
