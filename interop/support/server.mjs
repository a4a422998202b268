// The built binary, serving from a folder of its own.

import { spawn, execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const BINARY = process.env.TENTERHOOK_BINARY ?? fileURLToPath(new URL("../../target/debug/tenterhook", import.meta.url));
const START_MS_MAX = 60_000;

/**
 * Starts `tenterhook serve` on a free loopback port, with an empty database.
 *
 * @param {string} certificateAuthorityPem trust anchor for external services on loopback
 * @param {string} [database] its URL; without, a file of SQLite
 * @param {object} [settings] further settings, as variables of the environment
 * @returns {Promise<{ baseUrl: string, adminToken: string, stop: () => Promise<number | null> }>}
 */
export async function startServer(certificateAuthorityPem, database, settings = {}) {
  const folder = mkdtempSync(join(tmpdir(), "tenterhook-interop-"));
  const file = (name) => join(folder, name);
  execFileSync(BINARY, ["keys", "generate", "--out", file("master.key")]);
  writeFileSync(file("ca.pem"), certificateAuthorityPem);
  writeFileSync(
    file("tenterhook.toml"),
    `
[server]
listen = "127.0.0.1:0"

[store]
database = ${JSON.stringify(database ?? `sqlite://${file("tenterhook.sqlite")}`)}

[keys]
master_key_file = ${JSON.stringify(file("master.key"))}

[egress]
allow = ["127.0.0.0/8"]
ca_files = [${JSON.stringify(file("ca.pem"))}]
`,
  );

  const how = { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...settings } };
  const server = spawn(BINARY, ["serve", "--config", file("tenterhook.toml")], how);
  const ended = new Promise((resolve) => server.once("exit", resolve));
  const errors = [];
  server.stderr.setEncoding("utf8").on("data", (text) => errors.push(text));
  const stop = async () => {
    server.kill("SIGTERM");
    const status = await ended;
    rmSync(folder, { recursive: true, force: true });
    return status;
  };
  try {
    return { ...(await readGreeting(server, ended)), stop };
  } catch (error) {
    await stop();
    throw new Error(`${error.message}\n${errors.join("")}`);
  }
}

/** The first start prints an admin token, and every start the address. */
function readGreeting(server, ended) {
  return new Promise((resolve, reject) => {
    const impatience = setTimeout(() => reject(new Error("the server does not listen")), START_MS_MAX);
    ended.then((status) => reject(new Error(`the server ended with ${status}`)));
    let adminToken;
    // Goes on reading for good, so that the pipe never fills.
    createInterface({ input: server.stdout }).on("line", (line) => {
      adminToken = /^bootstrap admin token: (\S+)$/.exec(line)?.[1] ?? adminToken;
      const baseUrl = /^listening on (http:\/\/\S+)$/.exec(line)?.[1];
      if (baseUrl) {
        clearTimeout(impatience);
        resolve({ baseUrl, adminToken });
      }
    });
  });
}
