// Programs that a test starts and ends.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

const START_MS_MAX = 60_000;

/** A program that runs until `stop`; `line` resolves to the first line of its output that `wanted` accepts. */
export function start([command, ...words], variables, wanted) {
  const program = spawn(command, words, {
    env: { ...process.env, ...variables },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const said = [];
  program.stderr.setEncoding("utf8").on("data", (text) => said.push(text));
  const ended = once(program, "exit");
  const line = new Promise((resolve, reject) => {
    const impatience = setTimeout(() => reject(new Error(`${command} does not start\n${said.join("")}`)), START_MS_MAX);
    program.once("error", reject);
    ended.then(([status]) => reject(new Error(`${command} ended with ${status}\n${said.join("")}`)));
    // Goes on reading for good, so that the pipe never fills.
    createInterface({ input: program.stdout }).on("line", (text) => {
      const found = wanted(text);
      if (!found) return;
      clearTimeout(impatience);
      resolve(found);
    });
  });
  line.catch(() => {});
  const stop = async () => {
    program.kill("SIGTERM");
    return (await ended)[0];
  };
  return { line, stop, said };
}
