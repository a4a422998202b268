// npm `oidc-provider` as the token server of OAUTH channels: both ways a client authenticates, judged by a provider that
// nobody here wrote.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:https";
import { after, before, test } from "node:test";

import Provider from "oidc-provider";

import { issueLoopbackCertificate } from "./support/certificates.mjs";
import { management } from "./support/management.mjs";
import { startServer } from "./support/server.mjs";
import { startService } from "./support/service.mjs";

const TOKEN_HOOK = "com.okta.oauth2.tokens.transform";
const SECRET = "interop-client-secret-of-some-length";

let provider;
let tokenServer;
let tokenUrl;
let service;
let server;
let call;
let key;

before(async () => {
  const certificate = await issueLoopbackCertificate();
  service = await startService(certificate, () => ({ commands: [] }));
  server = await startServer(certificate.authorityPem);
  call = management(server.baseUrl, server.adminToken);
  key = await call("POST", "/api/v1/hook-keys", { name: "Interop" });

  tokenServer = createServer({ key: certificate.keyPem, cert: certificate.certificatePem });
  tokenServer.listen(0, "127.0.0.1");
  await once(tokenServer, "listening");
  const issuer = `https://127.0.0.1:${tokenServer.address().port}`;
  tokenUrl = `${issuer}/token`;
  // The vendor's JWK says `"alg": "RSA"`, which names no algorithm; who registers the key leaves it out.
  const { kty, kid, e, n } = key._embedded;
  const client = { grant_types: ["client_credentials"], redirect_uris: [], response_types: [] };
  provider = new Provider(issuer, {
    clients: [
      { ...client, client_id: "with-secret", client_secret: SECRET, token_endpoint_auth_method: "client_secret_post" },
      {
        ...client,
        client_id: "with-key",
        token_endpoint_auth_method: "private_key_jwt",
        token_endpoint_auth_signing_alg: "RS256",
        jwks: { keys: [{ kty, kid, e, n }] },
      },
    ],
    scopes: ["hooks.call"],
    features: { clientCredentials: { enabled: true }, devInteractions: { enabled: false } },
  });
  tokenServer.on("request", provider.callback());
});

after(async () => {
  service?.stop();
  tokenServer?.close();
  tokenServer?.closeAllConnections();
  const status = await server?.stop();
  assert.equal(status, server && 0, "the server drains and ends with status 0");
});

async function previewed(name, credentials) {
  const hook = await call("POST", "/api/v1/inlineHooks", {
    name,
    type: TOKEN_HOOK,
    version: "1.0.0",
    channel: {
      type: "OAUTH",
      version: "1.0.0",
      config: { uri: service.url, tokenUrl, scope: "hooks.call", ...credentials },
    },
  });
  return call("POST", `/api/v1/inlineHooks/${hook.id}/preview`, {});
}

for (const [name, credentials] of [
  ["with-secret", () => ({ authType: "client_secret_post", clientId: "with-secret", clientSecret: SECRET })],
  ["with-key", () => ({ authType: "private_key_jwt", clientId: "with-key", hookKeyId: key.id })],
]) {
  test(`a client ${name} obtains a token and the service receives it`, async () => {
    const preview = await previewed(name, credentials());
    assert.equal(preview.outcome, "UNCHANGED", JSON.stringify(preview.failure));
    const { authorization } = service.calls.at(-1).headers;
    const token = await provider.ClientCredentials.find(authorization.replace("Bearer ", ""));
    assert.equal(token.clientId, name);
    assert.equal(token.scope, "hooks.call");
  });
}

test("a wrong secret is a failure that says what the provider said", async () => {
  const credentials = { authType: "client_secret_post", clientId: "with-secret", clientSecret: "wrong" };
  const { outcome, failure } = await previewed("wrong secret", credentials);
  assert.equal(outcome, "FAILED");
  assert.equal(failure.code, "TOKEN_REFUSED");
  assert.match(failure.message, /HTTP 401: invalid_client/);
});
