// The peer of `cargo xtask bench host`: what a team writes by hand with undici to ask an external service about an order. It has a
// deadline, checks the answer, and applies all of its operations or none.
// Arguments: port, calls in flight, seconds. Prints one JSON line.
import { measure, pool } from './support/by-hand.mjs';


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

await measure(call);
