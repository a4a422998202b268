// The hosts of `examples/hosts/` (Node.js and Python by HTTP, Rust by the crates), each with the external service beside it.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { after, before, describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";

import { management } from "./support/management.mjs";
import { start } from "./support/program.mjs";

const SECRET = "the service's secret";
const POINT = "com.example.order.checkout";
const CARD_NUMBER = "4111111111111111";
const NOT_ANSWERED = "The hook did not answer";
const NOT_CHECKED = "The order was not checked";
/** The exit status of a checkout whose call Tenterhook did not accept. */
const NOT_ACCEPTED = 3;
/** The deadline of the checkouts, far longer than anything here takes: what ends early ends by the timeout of its hook. */
const DEADLINE_MS = "10000";
/** The timeout of the hook whose service hangs. */
const HANGS_MS = 1_000;
/** What a host may take from its start to its end, its wait for Tenterhook included. */
const HOST_MS_MAX = 20_000;
const TURN_MS = 20;
const TURNS_MAX = 1_000;

const root = fileURLToPath(new URL("..", import.meta.url));
const binary = process.env.TENTERHOOK_BINARY ?? `${root}/target/debug/tenterhook`;
const python = process.env.TENTERHOOK_PYTHON ?? "python3";
const HOSTS = {
  node: {
    checkout: [process.execPath, `${root}/examples/hosts/node/checkout.mjs`],
    service: [process.execPath, `${root}/examples/hosts/node/service.mjs`],
  },
  python: {
    checkout: [python, `${root}/examples/hosts/python/checkout.py`],
    service: [python, `${root}/examples/hosts/python/service.py`],
  },
};

const startService = (command) =>
  start(command, { HOOK_SECRET: SECRET, PORT: "0" }, (line) => /^listening on (http:\/\/\S+)$/.exec(line)?.[1]);

/** Runs a checkout to its end: its status, what became of the order, and its terminal. */
function order([command, ...words], variables, ...who) {
  const options = { env: { ...process.env, ...variables }, timeout: HOST_MS_MAX };
  return new Promise((resolve, reject) => {
    execFile(command, [...words, ...who.map(String)], options, (error, stdout, stderr) => {
      const status = error?.code ?? 0;
      if (status === NOT_ACCEPTED) return resolve({ status, outcome: stdout, said: stderr });
      if (!stdout) return reject(new Error(`${command} says nothing\n${stderr}`, { cause: error }));
      resolve({ status, outcome: JSON.parse(stdout), said: stderr });
    });
  });
}

/** An address of this machine where nobody listens any more. */
async function nobody() {
  const listener = createServer().listen(0, "127.0.0.1");
  await once(listener, "listening");
  const url = `http://127.0.0.1:${listener.address().port}`;
  listener.close();
  await once(listener, "close");
  return url;
}

/** The cart of the checkouts. */
const cart = (email, quantity = 1) => ({
  customer: { email },
  lines: [{ sku: "lamp", quantity, price: 4900 }],
  discounts: [],
});

/** What every host does with the answers of its service. `run` orders as a customer; `hanging` runs an order whose service hangs. */
function answered(run, hanging) {
  test("a cart is discounted", async () => {
    const { status, outcome } = await run("ada@example.com", 2);
    const discounts = [{ code: "GOLD", amount: 980 }];
    assert.deepEqual(outcome, { placed: true, order: { ...cart("ada@example.com", 2), discounts } });
    assert.equal(status, 0);
  });

  test("an order of which the service has nothing to say is placed as it is", async () => {
    const { outcome } = await run("linus@example.com");
    assert.deepEqual(outcome, { placed: true, order: cart("linus@example.com") });
  });

  test("an order is denied with the message of a field", async () => {
    const { status, outcome } = await run("ada@example.com", 11);
    const fields = { "/lines/0/quantity": "Only 10 are in stock" };
    assert.deepEqual(outcome, { placed: false, message: "Your order is too large", fields });
    assert.equal(status, 1);
  });

  test("an order is denied by a decision, in the host's own words", async () => {
    const { status, outcome } = await run("eve@example.com");
    assert.deepEqual(outcome, { placed: false, message: "We cannot accept this order.", fields: {} });
    assert.equal(status, 1);
  });

  test("the service hangs, and the order goes on with the fallback", async () => {
    const { outcome, said } = await hanging(() => run("slow@example.com"));
    assert.deepEqual(outcome, { placed: true, order: { ...cart("slow@example.com"), review: NOT_ANSWERED } });
    assert.match(said, /TIMEOUT_RESPONSE/);
  });
}

describe("hosts that call Tenterhook", () => {
  let dev;
  let ready;
  let api;
  let hook;
  let host;

  before(async () => {
    const words = [binary, "dev", "--ephemeral", "--json", "--port", "0"];
    dev = start(words, {}, (line) => line.startsWith('{"step":"ready"') && JSON.parse(line));
    ready = await dev.line;
    api = management(ready.baseUrl, ready.adminToken);
    // `dev` has the extension point, from the same file, a hook and its binding.
    const declared = JSON.parse(await readFile(`${root}/examples/hosts/order-checkout.json`, "utf8"));
    const point = await api("GET", `/api/v1/extensionPoints/${POINT}`);
    assert.deepEqual([point.operations, point.subjectSchema], [declared.operations, declared.subjectSchema]);
    [hook] = await api("GET", `/api/v1/inlineHooks?type=${POINT}`);
    host = { TENTERHOOK_URL: ready.baseUrl, TENTERHOOK_TOKEN: ready.hostToken, DEADLINE_MS };
  });

  after(async () => {
    assert.equal(await dev?.stop(), 0, "`dev` ends with status 0");
  });

  /** The hook of the development org, pointed at `uri`. */
  async function pointHook(uri, failurePolicy = "fallback", timeoutMs = Number(DEADLINE_MS)) {
    const { id, name, type, version } = hook;
    const authScheme = { type: "HEADER", key: "Authorization", value: SECRET };
    const channel = { type: "HTTP", version: "1.0.0", config: { uri, method: "POST", headers: [], authScheme } };
    const fallback = [{ type: `${POINT}.patch`, value: [{ op: "add", path: "/review", value: NOT_ANSWERED }] }];
    const fallbackCommands = failurePolicy === "fallback" ? fallback : undefined;
    const policy = { failurePolicy, fallbackCommands, timeoutMs };
    await api("PUT", `/api/v1/inlineHooks/${id}`, { name, type, version, channel, policy });
  }

  /** The log, once it has at least `count` events of calls. */
  async function log(count) {
    for (let turn = 0; turn < TURNS_MAX; turn += 1) {
      const events = await api("GET", "/api/v1/logs?sortOrder=DESCENDING&limit=200");
      const calls = events.filter(({ debugContext }) => debugContext?.debugData?.inlineHookType === POINT);
      if (calls.length >= count) return events;
      await pause(TURN_MS);
    }
    throw new Error("the log does not have the events of the calls");
  }

  for (const [name, { checkout, service }] of Object.entries(HOSTS)) {
    describe(`the checkout in ${name}`, () => {
      let running;
      let uri;
      const run = (...who) => order(checkout, host, ...who);

      before(async () => {
        running = startService(service);
        uri = await running.line;
        await pointHook(uri);
      });

      after(async () => {
        assert.equal(await running?.stop(), 0, "the service ends with status 0");
      });

      answered(run, async (slow) => {
        await pointHook(uri, "fallback", HANGS_MS);
        const result = await slow();
        await pointHook(uri);
        return result;
      });

      test("what is masked or sensitive is not in the log", async () => {
        await run("ada@example.com");
        const text = JSON.stringify(await log(1));
        assert.ok(text.includes(POINT) && text.includes("add /discounts/-"), text);
        for (const secret of [CARD_NUMBER, "GOLD", "linus@example.com"]) assert.ok(!text.includes(secret), text);
      });

      test("the policy to stop denies the order, and the cause is not for the customer", async () => {
        await pointHook(uri, "stop", HANGS_MS);
        const { status, outcome, said } = await run("slow@example.com");
        const message = "We cannot take orders at the moment. Please try again later.";
        assert.deepEqual([status, outcome], [1, { placed: false, message, fields: {} }]);
        assert.match(said, /TIMEOUT_RESPONSE/);
        await pointHook(uri);
      });

      test("a question that is not accepted ends the order, and is logged with its causes", async () => {
        const { status, outcome, said } = await run("ada@example.com", 0);
        assert.deepEqual([status, outcome], [NOT_ACCEPTED, ""]);
        assert.match(said, /Tenterhook answered 400: .*\/lines\/0\/quantity/);
      });

      test("a token that is not accepted ends the order, and is logged", async () => {
        const { status, outcome, said } = await order(checkout, { ...host, TENTERHOOK_TOKEN: "wrong" }, "ada@example.com");
        assert.deepEqual([status, outcome], [NOT_ACCEPTED, ""]);
        assert.match(said, /Tenterhook answered 401/);
      });

      test("a server that is stopped is not waited for, and the order goes on", async () => {
        const { status, outcome, said } = await order(checkout, { ...host, TENTERHOOK_URL: await nobody() }, "ada@example.com");
        assert.deepEqual(outcome, { placed: true, order: { ...cart("ada@example.com"), review: NOT_CHECKED } });
        assert.equal(status, 0);
        assert.match(said, /Tenterhook gives no answer/);
      });

      test("over capacity the body says what to do, and without one the order goes on", async () => {
        const result = { resume: "CONTINUE", outcome: "SKIPPED", subject: cart("of the body"), changes: [], failure: null };
        for (const [body, wanted] of [
          [result, { placed: true, order: cart("of the body") }],
          [{ ...result, resume: "STOP", error: null }, { placed: false, fields: {} }],
          [{ errorCode: "E0000047", errorSummary: "Too many requests", errorCauses: [] }, { placed: true }],
          // A server that takes the connection and never answers.
          [undefined, { placed: true }],
        ]) {
          const standIn = createServer((_, response) => {
            if (body) response.writeHead(429, { "retry-after": "1" }).end(JSON.stringify(body));
          });
          standIn.listen(0, "127.0.0.1");
          await once(standIn, "listening");
          const url = `http://127.0.0.1:${standIn.address().port}`;
          // The last one is not waited for longer than the host's own wait.
          const { DEADLINE_MS: _, ...hurried } = host;
          const { outcome } = await order(checkout, { ...(body ? host : hurried), TENTERHOOK_URL: url }, "ada@example.com");
          standIn.closeAllConnections();
          standIn.close();
          assert.equal(outcome.placed, wanted.placed);
          if (!body?.resume) assert.equal(outcome.order.review, NOT_CHECKED);
          else if (wanted.order) assert.deepEqual(outcome.order, wanted.order);
        }
      });
    });
  }
});

describe("a host that embeds the crates", () => {
  const checkout = process.env.TENTERHOOK_HOST_RUST ?? `${root}/target/debug/order-checkout`;
  const service = process.env.TENTERHOOK_HOST_RUST_SERVICE ?? `${root}/target/debug/order-service`;
  let running;
  let host;

  before(async () => {
    running = startService([service]);
    host = { HOOK_URL: await running.line, HOOK_SECRET: SECRET };
  });

  after(async () => {
    assert.equal(await running?.stop(), 0, "the service ends with status 0");
  });

  const run = (...who) => order([checkout], host, ...who);
  answered(run, (slow) => slow());

  test("a service that is stopped is not waited for, and the order goes on with the fallback", async () => {
    const { outcome, said } = await order([checkout], { ...host, HOOK_URL: await nobody() }, "ada@example.com");
    assert.deepEqual(outcome, { placed: true, order: { ...cart("ada@example.com"), review: NOT_ANSWERED } });
    assert.match(said, /CONNECTION_REFUSED/);
  });
});
