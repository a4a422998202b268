// A service provider on npm `@node-saml/node-saml`. Every service provider of this folder has the same routes:
//   POST /configure  metadata of the identity provider, signRequests, wantSigned=assertion|response|both, wantEncrypted
//   GET  /metadata   its own metadata
//   GET  /login      begins a sign-on: ?binding=redirect|post, relayState, forceAuthn, passive, context
//   POST /acs        takes a response: JSON of what the library made of it, or 403 and the library's words
//   GET  /logout     begins single logout
//   *    /slo        takes a logout request or response
//   GET  /session    whether somebody is signed in

import { readFileSync } from "node:fs";
import { createServer } from "node:http";

import { SAML, ValidateInResponseTo } from "@node-saml/node-saml";
import { DOMParser } from "@xmldom/xmldom";

const METADATA = "urn:oasis:names:tc:SAML:2.0:metadata";
const SIGNATURE = "http://www.w3.org/2000/09/xmldsig#";
const REDIRECT = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect";
const POST = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST";

const key = readFileSync(process.env.SP_KEY, "utf8");
const certificate = readFileSync(process.env.SP_CERTIFICATE, "utf8");
/** Requests that were sent, for all instances of the library. */
const sent = new Map();
const cacheProvider = {
  saveAsync: async (id, value) => (sent.set(id, value), { value, createdAt: Date.now() }),
  getAsync: async (id) => sent.get(id) ?? null,
  removeAsync: async (id) => (sent.delete(id), id),
};

let baseUrl;
let identityProvider;
let configuration = {};
let session;

/** The library reads no metadata of identity providers, so its user does. */
function readMetadata(xml) {
  const document = new DOMParser().parseFromString(xml, "text/xml");
  const find = (name, namespace = METADATA) => Array.from(document.getElementsByTagNameNS(namespace, name));
  const location = (name, binding) =>
    find(name).find((service) => service.getAttribute("Binding") === binding)?.getAttribute("Location");
  return {
    entityId: document.documentElement.getAttribute("entityID"),
    redirect: location("SingleSignOnService", REDIRECT),
    post: location("SingleSignOnService", POST),
    logout: location("SingleLogoutService", REDIRECT),
    certificates: find("X509Certificate", SIGNATURE).map((one) => one.textContent.trim()),
  };
}

function library({ binding = "redirect", forceAuthn, passive, context } = {}) {
  const { wantSigned = "both", signRequests } = configuration;
  const signing = { privateKey: key, publicCert: certificate, signatureAlgorithm: "sha256", digestAlgorithm: "sha256" };
  return new SAML({
    issuer: `${baseUrl}/metadata`,
    callbackUrl: `${baseUrl}/acs`,
    logoutCallbackUrl: `${baseUrl}/slo`,
    idpCert: identityProvider?.certificates ?? "not yet known",
    idpIssuer: identityProvider?.entityId,
    entryPoint: identityProvider?.[binding],
    logoutUrl: identityProvider?.logout,
    authnRequestBinding: binding === "post" ? "HTTP-POST" : "HTTP-Redirect",
    skipRequestCompression: binding === "post",
    identifierFormat: null,
    disableRequestedAuthnContext: !context,
    authnContext: [context],
    forceAuthn: Boolean(forceAuthn),
    passive: Boolean(passive),
    wantAssertionsSigned: wantSigned !== "response",
    wantAuthnResponseSigned: wantSigned !== "assertion",
    validateInResponseTo: ValidateInResponseTo.ifPresent,
    decryptionPvk: key,
    acceptedClockSkewMs: 0,
    cacheProvider,
    ...(signRequests !== "false" && signing),
  });
}

async function acs(form) {
  const { profile } = await library().validatePostResponseAsync(form);
  // The library's answer to a request that may not ask the user.
  if (!profile) throw new Error("NoPassive: nobody is signed in");
  const { Assertion } = profile.getAssertion();
  const [statement] = Assertion.AuthnStatement;
  session = profile;
  const attributes = Object.entries(profile.attributes ?? {}).map(([name, value]) => [name, [value].flat()]);
  return {
    nameId: profile.nameID,
    nameIdFormat: profile.nameIDFormat,
    sessionIndex: profile.sessionIndex,
    sessionNotOnOrAfter: statement.$.SessionNotOnOrAfter ?? null,
    authnContext: statement.AuthnContext[0].AuthnContextClassRef[0]._,
    inResponseTo: profile.inResponseTo ?? null,
    attributes: Object.fromEntries(attributes),
    relayState: form.RelayState ?? null,
  };
}

async function logout(response, relayState) {
  const url = await library().getLogoutUrlAsync(session, relayState, {});
  response.writeHead(302, { location: url }).end();
}

async function slo(response, query, originalQuery, form) {
  const saml = library();
  const told = form ?? query;
  const { profile } = told.SAMLResponse
    ? form ? await saml.validatePostResponseAsync(form) : await saml.validateRedirectAsync(query, originalQuery)
    : form ? await saml.validatePostRequestAsync(form) : await saml.validateRedirectAsync(query, originalQuery);
  const mine = profile && profile.nameID === session?.nameID;
  session = undefined;
  if (told.SAMLResponse) return json(response, { loggedOut: true, relayState: told.RelayState ?? null });
  const url = await saml.getLogoutResponseUrlAsync(profile, told.RelayState ?? "", {}, mine);
  response.writeHead(302, { location: url }).end();
}

function json(response, body) {
  page(response, "application/json", JSON.stringify(body, null, 2));
}

function page(response, contentType, text) {
  response.writeHead(200, { "content-type": contentType }).end(text);
}

async function serve(request, response) {
  const url = new URL(request.url, baseUrl);
  const query = Object.fromEntries(url.searchParams);
  let text = "";
  for await (const part of request.setEncoding("utf8")) text += part;
  const form = request.method === "POST" ? Object.fromEntries(new URLSearchParams(text)) : undefined;
  switch (`${request.method} ${url.pathname}`) {
    case "POST /configure":
      configuration = form;
      identityProvider = readMetadata(configuration.metadata);
      session = undefined;
      return json(response, { entityId: identityProvider.entityId });
    case "GET /metadata":
      return page(response, "application/samlmetadata+xml", library().generateServiceProviderMetadata(certificate, certificate));
    case "GET /login": {
      const saml = library(query);
      if (query.binding === "post") {
        return page(response, "text/html", await saml.getAuthorizeFormAsync(query.relayState ?? ""));
      }
      const location = await saml.getAuthorizeUrlAsync(query.relayState ?? "", undefined, {});
      return response.writeHead(302, { location }).end();
    }
    case "POST /acs":
      return json(response, await acs(form));
    case "GET /logout":
      return logout(response, query.relayState ?? "");
    case "GET /slo":
    case "POST /slo":
      return slo(response, query, url.search.slice(1), form);
    case "GET /session":
      return json(response, { signedIn: session !== undefined });
    default:
      return response.writeHead(404).end();
  }
}

const server = createServer((request, response) => {
  serve(request, response).catch((error) => {
    response.writeHead(403, { "content-type": "text/plain" }).end(`${error.message} ${error.xmlStatus ?? ""}`);
  });
});
server.listen(0, "127.0.0.1", () => {
  baseUrl = `http://127.0.0.1:${server.address().port}`;
  console.log(`listening on ${baseUrl}`);
});
process.on("SIGTERM", () => process.exit(0));
