// The peer of `cargo xtask bench host`: what a team writes by hand with undici to ask an external service about an order. It has a
// deadline, checks the answer, and applies all of its operations or none.
// Arguments: port, calls in flight, seconds. Prints one JSON line.
import { Pool } from 'undici';

const [port, inFlight, seconds] = process.argv.slice(2).map(Number);
const pool = new Pool(`http://127.0.0.1:${port}`, { connections: inFlight, pipelining: 1 });
const latencies = [];

function order() {
  const lines = Array.from({ length: 40 }, (_, number) => (
    { sku: `article-${String(number).padStart(5, '0')}`, quantity: 1, price: 4_900 }));
  return { customer: { email: 'ada@example.com' }, lines, discounts: [] };
}

function isOperation(operation) {
  return operation !== null && typeof operation === 'object' && operation.op === 'add'
    && (operation.path === '/discounts/-' || operation.path === '/review');
}

// The order after the commands; it throws when one of them is not acceptable.
function apply(before, answer) {
  if (answer === null || typeof answer !== 'object') throw new Error('the answer is no object');
  const after = structuredClone(before);
  for (const command of answer.commands ?? []) {
    if (command?.type !== 'com.example.order.checkout.patch') throw new Error('an unknown command');
    if (!Array.isArray(command.value) || !command.value.every(isOperation)) throw new Error('an unknown operation');
    for (const { path, value } of command.value) {
      if (path === '/review') {
        if (typeof value !== 'string') throw new Error('the review is no text');
        after.review = value;
      } else {
        if (typeof value?.code !== 'string' || !Number.isInteger(value.amount) || value.amount < 1) {
          throw new Error('the discount is none');
        }
        after.discounts.push(value);
      }
    }
  }
  return after;
}

async function call() {
  const subject = order();
  const body = JSON.stringify({
    eventType: 'com.example.order.checkout',
    eventTime: new Date().toISOString(),
    data: { context: { channel: 'web', card: { brand: 'visa' } }, subject },
  });
  const answer = await pool.request({
    path: '/order',
    method: 'POST',
    headers: { accept: 'application/json', 'content-type': 'application/json', authorization: 'secret' },
    body,
    signal: AbortSignal.timeout(3_000),
  });
  if (answer.statusCode !== 200) throw new Error(`status ${answer.statusCode}`);
  if (apply(subject, await answer.body.json()).discounts.length !== 1) throw new Error('not applied');
}

async function keepCalling(until) {
  while (performance.now() < until) {
    const began = performance.now();
    await call();
    latencies.push((performance.now() - began) * 1_000);
  }
}

async function run(length) {
  const until = performance.now() + length * 1_000;
  await Promise.all(Array.from({ length: inFlight }, () => keepCalling(until)));
}

await run(seconds / 4);
latencies.length = 0;
const cpu = process.cpuUsage();
const began = performance.now();
await run(seconds);
const took = (performance.now() - began) / 1_000;
const used = process.cpuUsage(cpu);
latencies.sort((a, b) => a - b);
const at = (fraction) => latencies[Math.round((latencies.length - 1) * fraction)];
console.log(JSON.stringify({
  callsPerSecond: latencies.length / took,
  cpuUs: (used.user + used.system) / latencies.length,
  p50Us: at(0.5),
  p99Us: at(0.99),
}));
await pool.close();
