// The peer of `cargo xtask bench call`: what a platform team writes by hand with undici.
// Arguments: port, calls in flight, seconds. Prints one JSON line.
import { measure, pool } from './support/by-hand.mjs';

const document = { data: { filler: 'x'.repeat(3_000) } };

async function call() {
  const body = JSON.stringify(document);
  const answer = await pool.request({
    path: '/hook',
    method: 'POST',
    headers: { accept: 'application/json', 'content-type': 'application/json', authorization: 'secret' },
    body,
  });
  const { commands } = await answer.body.json();
  if (commands.length !== 2) throw new Error('the answer is not whole');
}

await measure(call);
