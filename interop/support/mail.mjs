// The mail server of `mail_server.py`, and the settings by which `tenterhook serve` sends mails to it.

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const PROGRAM = fileURLToPath(new URL("../mail_server.py", import.meta.url));
const PASSWORD = "interop-mail-password";

/**
 * Starts it on a free loopback port. `next` resolves to the next mail that it takes: its envelope, headers, text and HTML.
 *
 * @returns {Promise<{ settings: object, next: () => Promise<object>, stop: () => void }>}
 */
export async function startMailServer({ certificatePem, keyPem, authorityPem }) {
  const folder = mkdtempSync(join(tmpdir(), "tenterhook-mail-"));
  const file = (name, text) => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const files = [file("certificate.pem", certificatePem), file("key.pem", keyPem)];
  const options = { stdio: ["ignore", "pipe", "inherit"] };
  const program = spawn(process.env.TENTERHOOK_PYTHON, [PROGRAM, ...files, "mailer", PASSWORD], options);
  const lines = createInterface({ input: program.stdout })[Symbol.asyncIterator]();
  const next = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error("the mail server has ended");
    return JSON.parse(value);
  };
  const stop = () => {
    program.kill();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const { port } = await next();
    const settings = {
      TENTERHOOK_MAIL__HOST: "127.0.0.1",
      TENTERHOOK_MAIL__PORT: String(port),
      TENTERHOOK_MAIL__USER: "mailer",
      TENTERHOOK_MAIL__PASSWORD_FILE: file("mail.password", PASSWORD),
      TENTERHOOK_MAIL__FROM: "Exämple, Inc. <no-reply@example.com>",
      TENTERHOOK_MAIL__CA_FILES: JSON.stringify([file("ca.pem", authorityPem)]),
    };
    return { settings, next, stop };
  } catch (error) {
    stop();
    throw error;
  }
}

/** The link of a mail: the line of its text that is one. */
export const linkOf = ({ text }) => /^http\S+$/m.exec(text)[0];
