// The peer of `cargo xtask bench saml`: the npm package `samlp` with a hook by undici.
// Arguments: address to listen on, port of the external service (0: no hook). Prints where a sign-on begins as a JSON line; after
// `begin` and `end` on standard input, what it used in between.
import { createServer } from 'node:http';

import 'reflect-metadata';
import * as x509 from '@peculiar/x509';
import samlp from 'samlp';
import { Pool } from 'undici';

import { tellCpu } from './support/cpu.mjs';

const [address, servicePort] = process.argv.slice(2);
const hooks = servicePort === '0' ? undefined : new Pool(`http://127.0.0.1:${servicePort}`, { connections: 64, pipelining: 1 });
const issuer = 'http://idp.example.com/exk00000000100000001';
const audience = 'urn:example:benefits';
const consumer = 'https://benefits.example.com/acs';
const emailFormat = 'urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress';
const classRef = 'urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport';

/** A key of 2048 bits with its certificate, in PEM. */
async function generated() {
  const algorithm = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', publicExponent: new Uint8Array([1, 0, 1]), modulusLength: 2048 };
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({ name: 'CN=Benefits', keys, signingAlgorithm: algorithm });
  const der = Buffer.from(await crypto.subtle.exportKey('pkcs8', keys.privateKey));
  const lines = der.toString('base64').match(/.{1,64}/g).join('\n');
  return { key: `-----BEGIN PRIVATE KEY-----\n${lines}\n-----END PRIVATE KEY-----\n`, cert: certificate.toString('pem') };
}

// The attributes of our app.
function claimsOf(user) {
  return {
    email: user.email,
    firstName: user.firstName,
    lastName: user.lastName,
    displayName: `${user.firstName} ${user.lastName}`,
    department: user.department.toUpperCase(),
    'http://schemas.example.com/identity/claims/team': ['payroll', 'audit'],
  };
}

// As many members as our document of the same flow has.
function documentOf(user, sessionIndex, claims) {
  const attribute = (values) => ({
    attributes: { NameFormat: 'urn:oasis:names:tc:SAML:2.0:attrname-format:unspecified' },
    attributeValues: values.map((value) => ({ attributes: { 'xsi:type': 'xs:string' }, value })),
  });
  const source = 'https://org.example.com/app/benefits_1/exk00000000100000001/sso/saml';
  return JSON.stringify({
    eventId: crypto.randomUUID(),
    eventTime: new Date().toISOString(),
    eventType: 'com.okta.saml.tokens.transform',
    eventTypeVersion: '1.0',
    contentType: 'application/json',
    cloudEventVersion: '0.1',
    source,
    data: {
      context: {
        request: { id: crypto.randomUUID(), method: 'GET', url: { value: source }, ipAddress: '127.0.0.1' },
        protocol: { type: 'SAML2.0', issuer: { id: '0oa00000000100000001', name: 'Benefits', uri: issuer } },
        session: {
          id: sessionIndex, userId: user.id, login: user.email, createdAt: user.signedIn, expiresAt: user.signedIn, status: 'ACTIVE',
          lastPasswordVerification: user.signedIn, amr: ['PASSWORD'], idp: { id: '00o00000000100000001', type: 'OKTA' }, mfaActive: false,
        },
        user: {
          id: user.id,
          passwordChanged: user.signedIn,
          profile: {
            login: user.email, firstName: user.firstName, lastName: user.lastName, locale: 'en_US', timeZone: 'America/Los_Angeles',
            department: user.department,
          },
          _links: {
            groups: { href: `https://org.example.com/api/v1/users/${user.id}/groups` },
            factors: { href: `https://org.example.com/api/v1/users/${user.id}/factors` },
          },
        },
      },
      assertion: {
        subject: {
          nameId: user.email,
          nameFormat: emailFormat,
          confirmation: { method: 'urn:oasis:names:tc:SAML:2.0:cm:bearer', data: { recipient: consumer } },
        },
        authentication: { sessionIndex, authnContext: { authnContextClassRef: classRef } },
        conditions: { audienceRestriction: [audience] },
        claims: Object.fromEntries(Object.entries(claims).map(([name, value]) => [name, attribute([value].flat())])),
        lifetime: { expiration: 300 },
      },
    },
  });
}

async function hooked(user, sessionIndex, claims) {
  const answer = await hooks.request({
    path: '/saml',
    method: 'POST',
    headers: { accept: 'application/json', 'content-type': 'application/json', authorization: 'secret' },
    body: documentOf(user, sessionIndex, claims),
    signal: AbortSignal.timeout(3_000),
  });
  if (answer.statusCode !== 200) throw new Error(`status ${answer.statusCode}`);
  const patched = { ...claims };
  for (const command of (await answer.body.json()).commands) {
    for (const { op, path, value } of command.value) {
      const [, root, name, , index] = path.split('/').map((piece) => piece.replaceAll('~1', '/').replaceAll('~0', '~'));
      // `samlp` writes no end of the session, so that an operation on it has no place to go.
      if (root !== 'claims') continue;
      if (index === undefined && op === 'add') patched[name] = value.attributeValues.map((item) => item.value);
      else patched[name] = patched[name].with(Number(index), value);
    }
  }
  return patched;
}

const user = {
  id: '00u00000000100000001', email: 'ada@example.com', firstName: 'Ada', lastName: 'Okoye', department: 'Logistics',
  signedIn: new Date().toISOString(),
};
const authenticate = samlp.auth({
  ...await generated(),
  issuer,
  audience,
  recipient: consumer,
  destination: consumer,
  lifetimeInSeconds: 300,
  nameIdentifierFormat: emailFormat,
  authnContextClassRef: classRef,
  getPostURL: (_audience, _request, _http, callback) => callback(null, consumer),
  getUserFromRequest: (request) => request.user,
  profileMapper: (profile) => ({
    getClaims: () => profile.claims,
    getNameIdentifier: () => ({ nameIdentifier: profile.email }),
  }),
});

tellCpu();

function failed(response, error) {
  response.writeHead(500).end(String(error));
}

const server = createServer(async (request, response) => {
  // What express would add.
  request.query = {};
  response.set = (name, value) => response.setHeader(name, value);
  response.send = (body) => response.end(typeof body === 'number' ? String(body) : body);
  try {
    const sessionIndex = crypto.randomUUID();
    const claims = claimsOf(user);
    request.user = { email: user.email, claims: hooks ? await hooked(user, sessionIndex, claims) : claims };
    authenticate(request, response, (error) => failed(response, error));
  } catch (error) {
    failed(response, error);
  }
});
server.listen(0, address, () => {
  console.log(JSON.stringify({ url: `http://${address}:${server.address().port}/sso` }));
});
