// What the suite works with: a server, the hook's service, users, a group, and a SAML app for each service provider.

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { issueLoopbackCertificate, issueOwnCertificate } from "../support/certificates.mjs";
import { management } from "../support/management.mjs";
import { startServer } from "../support/server.mjs";
import { startService } from "../support/service.mjs";
import { startProvider } from "./providers.mjs";

export const SAML_HOOK = "com.okta.saml.tokens.transform";
export const BASIC = "urn:oasis:names:tc:SAML:2.0:attrname-format:basic";
export const URI = "urn:oasis:names:tc:SAML:2.0:attrname-format:uri";
export const UNSPECIFIED = "urn:oasis:names:tc:SAML:2.0:attrname-format:unspecified";
export const EMAIL_ADDRESS = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress";
export const PASSWORD_CONTEXT = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport";
export const X509_CONTEXT = "urn:oasis:names:tc:SAML:2.0:ac:classes:X509";
export const TEAM = "http://schemas.example.com/identity/claims/team";
export const SESSION_SECONDS = 900;
/** The brand of the hosted pages. */
export const BRAND = "Northwind & Sons";
const LOGO = `<svg xmlns="http://www.w3.org/2000/svg" width="160" height="40"><circle cx="20" cy="20" r="18" fill="#0b7a75"/></svg>`;
const POST_BINDING = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST";
const PASSWORD = "Corkscrew-7-orbit";

const value = (text, type = "xs:string") => ({ attributes: { "xsi:type": type }, value: text });

/** The answer of the hook's service: every kind of change to an assertion. */
export const PATCH = {
  commands: [
    {
      type: "com.okta.assertion.patch",
      value: [
        {
          op: "add",
          path: "/claims/entitlementLevel",
          value: { attributes: { NameFormat: BASIC }, attributeValues: [value("L3")] },
        },
        {
          op: "add",
          path: `/claims/${TEAM.replaceAll("/", "~1")}`,
          value: { attributes: { NameFormat: URI }, attributeValues: [value("payroll"), value("Ünïcode & <audit>")] },
        },
        { op: "replace", path: "/claims/costCentre/attributeValues/0/value", value: "7302" },
        { op: "replace", path: "/subject/nameId", value: "ada@benefits.example.com" },
        { op: "add", path: "/authentication/sessionLifetime", value: SESSION_SECONDS },
      ],
    },
    {
      type: "com.okta.assertion.patch",
      value: [{ op: "replace", path: "/authentication/authnContext", value: { authnContextClassRef: X509_CONTEXT } }],
    },
  ],
};

/** The values that a service provider finds after it. */
export const PATCHED = {
  nameId: "ada@benefits.example.com",
  attributes: {
    costCentre: ["7302"],
    entitlementLevel: ["L3"],
    names: ["Ada", "Okoye"],
    groups: ["Everyone", "Payroll & pensions"],
    [TEAM]: ["payroll", "Ünïcode & <audit>"],
  },
};

/** What our reader of service providers' metadata makes of it. */
function readMetadata(xml) {
  const reader = process.env.TENTERHOOK_READ_METADATA;
  return JSON.parse(execFileSync(reader, { input: xml, encoding: "utf8" }));
}

/** A new database of the PostgreSQL server of the run. */
export function postgresDatabase() {
  const server = process.env.TENTERHOOK_TEST_POSTGRES;
  const name = `saml_interop_${process.pid}`;
  execFileSync("psql", [server, "--quiet", "--command", `CREATE DATABASE ${name}`], { stdio: ["ignore", "ignore", "inherit"] });
  const url = new URL(server);
  url.pathname = `/${name}`;
  return url.href;
}

/** Starts everything for these libraries. The caller stops it, also when a start failed half-way. */
export async function openWorld(libraries, database) {
  const world = { answer: PATCH, stops: [], providers: {} };
  world.stop = async () => {
    const statuses = [];
    for (const stop of world.stops.reverse()) statuses.push(await stop());
    return statuses;
  };
  try {
    await fill(world, libraries, database);
  } catch (error) {
    await world.stop();
    throw error;
  }
  return world;
}

async function fill(world, libraries, database) {
  const certificate = await issueLoopbackCertificate();
  world.service = await startService(certificate, () => world.answer);
  world.stops.push(async () => world.service.stop());
  const folder = mkdtempSync(join(tmpdir(), "tenterhook-saml-"));
  world.stops.push(async () => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, "logo.svg"), LOGO);
  world.server = await startServer(certificate.authorityPem, database, {
    TENTERHOOK_BRANDING__NAME: BRAND,
    TENTERHOOK_BRANDING__COLOR: "#0b7a75",
    TENTERHOOK_BRANDING__LOGO_FILE: join(folder, "logo.svg"),
  });
  world.stops.push(world.server.stop);
  world.baseUrl = world.server.baseUrl;
  world.call = management(world.baseUrl, world.server.adminToken);

  world.certificate = await issueOwnCertificate("Service provider");
  world.otherCertificate = await issueOwnCertificate("Somebody else");
  const files = { keyFile: join(folder, "key.pem"), certificateFile: join(folder, "certificate.pem") };
  writeFileSync(files.keyFile, world.certificate.keyPem);
  writeFileSync(files.certificateFile, world.certificate.certificatePem);

  await configure(world);
  const providers = await Promise.allSettled(libraries.map((library) => startProvider(library, files)));
  for (const { value: provider } of providers) if (provider) world.stops.push(provider.stop);
  for (const { value: provider, reason } of providers) {
    if (reason) throw reason;
    provider.app = await createApp(world, provider);
    world.providers[provider.toolkit] = provider;
  }
}

/** The hook, the people and their group. */
async function configure(world) {
  world.hook = await world.call("POST", "/api/v1/inlineHooks", {
    name: "Interop SAML hook",
    type: SAML_HOOK,
    version: "1.0.0",
    channel: {
      type: "HTTP",
      version: "1.0.0",
      config: {
        uri: world.service.url,
        method: "POST",
        headers: [],
        authScheme: { type: "HEADER", key: "Authorization", value: "interop-service-secret" },
      },
    },
  });
  const createUser = async (name) => {
    const login = `${name.toLowerCase()}@example.com`;
    const user = await world.call("POST", "/api/v1/users?activate=true", {
      profile: { firstName: name, lastName: "Okoye", email: login, login },
      credentials: { password: { value: PASSWORD } },
    });
    return { id: user.id, login, password: PASSWORD };
  };
  world.ada = await createUser("Ada");
  world.eve = await createUser("Eve");
  world.group = await world.call("POST", "/api/v1/groups", { profile: { name: "Payroll & pensions" } });
  await world.call("PUT", `/api/v1/groups/${world.group.id}/users/${world.ada.id}`);
}

async function createApp(world, provider) {
  const { call, group, hook } = world;
  const told = readMetadata(await provider.metadata());
  const acs = told.consumers.find(({ binding }) => binding === POST_BINDING).location;
  const created = await call("POST", "/api/v1/apps", {
    label: `Benefits of ${provider.toolkit}`,
    signOnMode: "SAML_2_0",
    settings: {
      signOn: {
        ssoAcsUrl: acs,
        recipient: acs,
        destination: acs,
        audience: told.entityId,
        subjectNameIdTemplate: "${user.userName}",
        subjectNameIdFormat: EMAIL_ADDRESS,
        responseSigned: true,
        assertionSigned: true,
        signatureAlgorithm: "RSA_SHA256",
        digestAlgorithm: "SHA256",
        honorForceAuthn: true,
        authnContextClassRef: PASSWORD_CONTEXT,
        samlSignedRequestEnabled: told.authnRequestsSigned,
        spCertificate: { x5c: told.signingCertificates },
        slo: { enabled: true, issuer: told.entityId, logoutUrl: told.logouts[0].location },
        attributeStatements: [
          { type: "EXPRESSION", name: "names", namespace: UNSPECIFIED, values: ["user.firstName", "user.lastName"] },
          { type: "EXPRESSION", name: "costCentre", namespace: BASIC, values: ['"7301"'] },
          { type: "GROUP", name: "groups", namespace: UNSPECIFIED, filterType: "REGEX", filterValue: ".*" },
        ],
        inlineHooks: [{ id: hook.id }],
      },
    },
  });
  await call("PUT", `/api/v1/apps/${created.id}/groups/${group.id}`, {});
  const ssoUrl = created._links.appLinks[0].href;
  const [externalKey] = /exk\w{17}/.exec(ssoUrl);
  return {
    id: created.id,
    name: created.name,
    label: created.label,
    told,
    path: `/api/v1/apps/${created.id}`,
    kid: created.credentials.signing.kid,
    ssoUrl,
    entityId: `${world.baseUrl}/${externalKey}`,
    metadataUrl: `${world.baseUrl}/app/${externalKey}/sso/saml/metadata`,
  };
}

/** Changes members of an app's `settings.signOn`, as an administrator's client does: it puts back what it got. */
export async function changeSignOn(world, { path }, change) {
  const whole = await world.call("GET", path);
  Object.assign(whole.settings.signOn, change);
  return world.call("PUT", path, whole);
}

/** The identity provider's metadata for an app, as everybody gets it. */
export async function metadataOf({ metadataUrl }) {
  const response = await fetch(metadataUrl);
  if (!response.ok) throw new Error(`${metadataUrl} answered ${response.status}`);
  return response.text();
}
