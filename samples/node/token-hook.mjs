// A whole external service for the token hook, with nothing but Node.js 20 or newer.
//
//   HOOK_SECRET='a long random text' node samples/node/token-hook.mjs
//
// HOOK_SECRET is the value of the `Authorization` header with which the hook is registered. PORT (3000) and HOST
// (127.0.0.1) say where the service listens. It speaks plain HTTP: put a proxy that ends TLS in front of it.

import { createHash, timingSafeEqual } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";

const PATH = "/hooks/token";
const TOKEN_HOOK = "com.okta.oauth2.tokens.transform";
/** Tenterhook waits three seconds for the answer. Past this time we give up and say so. */
const DEADLINE_MS = 1_000;
/** Tenterhook reuses a connection for a minute at most: it must not find one that we are about to close. */
const KEEP_ALIVE_MS = 65_000;
const BODY_BYTES_MAX = 256 * 1024;
/** Lifetimes that a token can get; one outside of them would discard the whole answer. */
const LIFETIME_SECONDS = { min: 300, max: 86_400 };

const { HOOK_SECRET, HOST = "127.0.0.1", PORT = "3000" } = process.env;
if (!HOOK_SECRET) {
  console.error("HOOK_SECRET is not set: the value of the Authorization header with which the hook is registered.");
  process.exit(1);
}

// What you replace: the tier of each account. Ask your database or another service instead of these four lines.
const ACCOUNTS = new Map([
  ["ada@example.com", { tier: "gold", lifetimeSeconds: 900 }],
  ["grace@example.com", { onHold: true }],
]);
const MACHINES = { tier: "service", lifetimeSeconds: 600 };

async function findAccount(login) {
  // To see the deadline at work.
  if (login === "slow@example.com") await new Promise(() => {});
  return ACCOUNTS.get(login);
}

/** The answer to a document: an object, or nothing if the tokens stay as they are. */
async function decide({ context, identity, access }) {
  // A client that gets a token for itself (client credentials) has no user.
  const user = context?.user;
  const account = user ? await findAccount(user.profile?.login) : MACHINES;
  if (!account) return undefined;
  if (account.onHold) return { error: { errorSummary: "Account is on hold" } };

  const add = (claim, value) => ({ op: "add", path: claimPath(claim), value });
  const claims = [add("tier", account.tier)];
  const department = user?.profile?.department;
  if (department) claims.push(add("https://example.com/department", department));
  const seconds = Math.min(Math.max(account.lifetimeSeconds, LIFETIME_SECONDS.min), LIFETIME_SECONDS.max);
  const lifetime = { op: "replace", path: "/token/lifetime/expiration", value: seconds };

  // A command for a token that is not issued would discard the whole answer.
  const commands = [];
  if (access) commands.push({ type: "com.okta.access.patch", value: [...claims, lifetime] });
  if (identity) commands.push({ type: "com.okta.identity.patch", value: claims });
  return { commands, debugContext: { service: "samples/node" } };
}

/** A claim's JSON Pointer: `~` and `/` in its name are escaped. */
function claimPath(name) {
  return `/claims/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`;
}

/** Compares without telling by its duration where two texts differ. */
function isSecret(sent) {
  const digest = (text) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(sent ?? ""), digest(HOOK_SECRET));
}

/** The body as text, or nothing if it is too long. It is read to its end, so that the connection can be used again. */
async function readBody(request) {
  const parts = [];
  let bytes = 0;
  for await (const part of request) {
    bytes += part.length;
    if (bytes <= BODY_BYTES_MAX) parts.push(part);
  }
  return bytes <= BODY_BYTES_MAX ? Buffer.concat(parts).toString("utf8") : undefined;
}

/** Status, and the object or the text of the body. */
async function respond(request) {
  const body = await readBody(request);
  if (request.url.split("?")[0] !== PATH) return [404, `The hook's path is ${PATH}`];
  if (request.method !== "POST") return [405, "The hook's method is POST"];
  if (!isSecret(request.headers.authorization)) return [401, "The Authorization header is not HOOK_SECRET"];
  if (body === undefined) return [413, "The document is too long"];
  let document;
  try {
    document = JSON.parse(body);
  } catch {
    return [400, "The document is not JSON"];
  }
  // Members that we do not know may come at any time: nothing here minds them. Another type is not for us.
  if (document?.eventType !== TOKEN_HOOK || !document.data) return [204];

  const late = Symbol("late");
  let timer;
  const deadline = new Promise((resolve) => (timer = setTimeout(resolve, DEADLINE_MS, late)));
  const answer = await Promise.race([decide(document.data), deadline]).finally(() => clearTimeout(timer));
  // Not an `error`, which would refuse the token: the failure policy of the hook decides.
  if (answer === late) return [503, `No decision within ${DEADLINE_MS} ms`];
  return answer ? [200, answer] : [204];
}

const server = createServer(async (request, response) => {
  let status, body;
  try {
    [status, body] = await respond(request);
  } catch (error) {
    // A call that gets no answer would wait for its whole deadline.
    console.error(error);
    [status, body] = [500, "The service failed"];
  }
  if (typeof body === "string") console.error(`${status}: ${body}`);
  const type = typeof body === "string" ? "text/plain" : "application/json";
  if (body === undefined) response.writeHead(status).end();
  else response.writeHead(status, { "content-type": type }).end(typeof body === "string" ? body : JSON.stringify(body));
});
server.keepAliveTimeout = KEEP_ALIVE_MS;
// Ends when the calls in progress are answered.
process.once("SIGTERM", () => server.close());
server.listen(Number(PORT), HOST);
await once(server, "listening");
console.log(`listening on http://${HOST}:${server.address().port}${PATH}`);
