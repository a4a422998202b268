// The external service of the checkout, with nothing but Node.js 20 or newer.
//
//   HOOK_SECRET='a long random text' node examples/hosts/node/service.mjs
//
// HOOK_SECRET is the value of the `Authorization` header with which the hook is registered. PORT (3000) and HOST (127.0.0.1)
// say where it listens. It is short; `samples/` has what a service in production needs in addition.

import { createHash, timingSafeEqual } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";

const PATH = "/hooks/order";
const POINT = "com.example.order.checkout";
/** Tenterhook reuses a connection for a minute at most: it must not find one that we are about to close. */
const KEEP_ALIVE_MS = 65_000;
const BODY_BYTES_MAX = 256 * 1024;

const { HOOK_SECRET, HOST = "127.0.0.1", PORT = "3000" } = process.env;
if (!HOOK_SECRET) {
  console.error("HOOK_SECRET is not set: the value of the Authorization header with which the hook is registered.");
  process.exit(1);
}

// Replace these with your own rules: who gets a discount, who may not order, how many articles are in stock.
const GOLD = new Set(["ada@example.com"]);
const BLOCKED = new Set(["eve@example.com"]);
const IN_STOCK = 10;

/** The answer to a document, or nothing if the order stays as it is. */
async function decide({ subject: order }) {
  const { email } = order.customer;
  // To see the deadline and the fallback at work.
  if (email === "slow@example.com") await new Promise(() => {});
  // A decision: the checkout has its own words for it.
  if (BLOCKED.has(email)) return { commands: [{ type: `${POINT}.decide`, value: { decision: "DENY" } }] };
  // An error: the checkout shows these words, each beside its field.
  const tooMany = order.lines.findIndex((line) => line.quantity > IN_STOCK);
  if (tooMany >= 0) {
    const cause = { errorSummary: `Only ${IN_STOCK} are in stock`, location: `/lines/${tooMany}/quantity` };
    return { error: { errorSummary: "Your order is too large", errorCauses: [cause] } };
  }
  if (!GOLD.has(email)) return undefined;
  const total = order.lines.reduce((sum, line) => sum + line.quantity * line.price, 0);
  const discount = { code: "GOLD", amount: Math.floor(total / 10) };
  return { commands: [{ type: `${POINT}.patch`, value: [{ op: "add", path: "/discounts/-", value: discount }] }] };
}

/** Compares without telling by its duration where two texts differ. */
function isSecret(sent) {
  const digest = (text) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(sent ?? ""), digest(HOOK_SECRET));
}

/** Status, and the object or the text of the body. */
async function respond(request) {
  const parts = [];
  let bytes = 0;
  for await (const part of request) if ((bytes += part.length) <= BODY_BYTES_MAX) parts.push(part);
  if (request.url !== PATH || request.method !== "POST") return [404, `The hook is POST ${PATH}`];
  if (!isSecret(request.headers.authorization)) return [401, "The Authorization header is not HOOK_SECRET"];
  if (bytes > BODY_BYTES_MAX) return [413, "The document is too long"];
  const document = JSON.parse(Buffer.concat(parts).toString("utf8"));
  const answer = document.eventType === POINT ? await decide(document.data) : undefined;
  return answer ? [200, answer] : [204];
}

const server = createServer(async (request, response) => {
  const [status, body] = await respond(request).catch((error) => {
    // A call that gets no answer would wait for its whole deadline.
    console.error(error);
    return [500, "The service failed"];
  });
  if (body === undefined) return response.writeHead(status).end();
  if (typeof body === "string") return response.writeHead(status, { "content-type": "text/plain" }).end(body);
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
});
server.keepAliveTimeout = KEEP_ALIVE_MS;
process.once("SIGTERM", () => process.exit(0));
server.listen(Number(PORT), HOST);
await once(server, "listening");
console.log(`listening on http://${HOST}:${server.address().port}${PATH}`);
