// What the hand-written peers of the benchmarks measure, and how they print it: one JSON line.
import { Pool } from 'undici';

const [port, inFlight, seconds] = process.argv.slice(2).map(Number);

/** Connections to the external service, one for each call in flight. */
export const pool = new Pool(`http://127.0.0.1:${port}`, { connections: inFlight, pipelining: 1 });

/** Calls again and again, a quarter of the time for warming up, and prints how long calls took. */
export async function measure(call) {
  const latencies = [];

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
}
