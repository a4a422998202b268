// The CPU that a peer of a benchmark uses, told to the benchmark on standard output.
import { createInterface } from 'node:readline';

/** Answers each line of standard input: `begin` starts the count, any other one tells what was used since. Ends with the input. */
export function tellCpu() {
  let before = process.cpuUsage();
  createInterface({ input: process.stdin })
    .on('line', (word) => {
      if (word === 'begin') {
        before = process.cpuUsage();
        console.log('{}');
      } else {
        const { user, system } = process.cpuUsage(before);
        console.log(JSON.stringify({ cpuUs: user + system, logUs: 0 }));
      }
    })
    .on('close', () => process.exit(0));
}
