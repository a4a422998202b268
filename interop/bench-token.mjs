// The peer of `cargo xtask bench token`: the npm package `oidc-provider` with a hook by undici.
// Arguments: address to listen on, port of the external service (0: no hook). Prints where it is as a JSON line; after
// `begin` and `end` on standard input, what it used in between.
import { generateKeyPairSync } from 'node:crypto';

import Provider from 'oidc-provider';
import { Pool } from 'undici';

import { tellCpu } from './support/cpu.mjs';

const [address, servicePort] = process.argv.slice(2);
const issuer = 'https://org.example.com';
const audience = 'api://orders';
const hooks = servicePort === '0' ? undefined : new Pool(`http://127.0.0.1:${servicePort}`, { connections: 64, pipelining: 1 });

// As many members as our document of the same flow has.
function documentOf(token) {
  return JSON.stringify({
    eventId: crypto.randomUUID(),
    eventTime: new Date().toISOString(),
    eventType: 'com.okta.oauth2.tokens.transform',
    eventTypeVersion: '1.0',
    contentType: 'application/json',
    cloudEventVersion: '0.1',
    source: `${issuer}/oauth2/default/v1/token`,
    data: {
      context: {
        request: { id: crypto.randomUUID(), method: 'POST', url: { value: `${issuer}/oauth2/default/v1/token` }, ipAddress: '127.0.0.1' },
        protocol: {
          type: 'OAUTH2.0',
          request: { scope: 'orders.read', grant_type: 'client_credentials' },
          issuer: { uri: issuer },
          client: { id: token.clientId, name: 'Bench', type: 'CONFIDENTIAL' },
        },
        policy: { id: '00p00000000100000001', rule: { id: '0pr00000000100000001' } },
      },
      access: {
        claims: { ver: 1, jti: token.jti, iss: issuer, aud: audience, cid: token.clientId, sub: token.clientId },
        token: { lifetime: { expiration: 3600 } },
        scopes: { 'orders.read': { id: 'scp00000000100000001', action: 'GRANT' } },
      },
    },
  });
}

async function hooked(token) {
  const answer = await hooks.request({
    path: '/access',
    method: 'POST',
    headers: { accept: 'application/json', 'content-type': 'application/json', authorization: 'secret' },
    body: documentOf(token),
  });
  const claims = {};
  for (const command of (await answer.body.json()).commands) {
    for (const { op, path, value } of command.value) {
      if (op === 'add' && path.startsWith('/claims/')) claims[path.slice('/claims/'.length)] = value;
    }
  }
  return claims;
}

const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const provider = new Provider(issuer, {
  clients: [{
    client_id: 'bench',
    client_secret: 'bench-client-secret',
    grant_types: ['client_credentials'],
    redirect_uris: [],
    response_types: [],
  }],
  jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), alg: 'RS256', use: 'sig', kid: 'bench' }] },
  scopes: ['orders.read'],
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => audience,
      getResourceServerInfo: () => ({
        scope: 'orders.read',
        audience,
        accessTokenFormat: 'jwt',
        accessTokenTTL: 3600,
        jwt: { sign: { alg: 'RS256' } },
      }),
    },
  },
  extraTokenClaims: hooks ? (_context, token) => hooked(token) : undefined,
});
provider.proxy = true;

tellCpu();

const server = provider.listen(0, address, () => {
  const authorization = `Basic ${Buffer.from('bench:bench-client-secret').toString('base64')}`;
  console.log(JSON.stringify({ url: `http://${address}:${server.address().port}/token`, authorization }));
});
