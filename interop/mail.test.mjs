// PyPI `aiosmtpd` takes a mail over STARTTLS with a login, and Python's own parser reads it; its link sets a new password.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { issueLoopbackCertificate } from "./support/certificates.mjs";
import { management } from "./support/management.mjs";
import { startServer } from "./support/server.mjs";

const PROGRAM = fileURLToPath(new URL("mail_server.py", import.meta.url));
const PASSWORD = "interop-mail-password";

let folder;
let mailServer;
let lines;
let server;
let call;

/** The next line of the mail server. */
const told = async () => JSON.parse((await lines.next()).value);

before(async () => {
  const certificate = await issueLoopbackCertificate();
  folder = mkdtempSync(join(tmpdir(), "tenterhook-mail-"));
  const file = (name, text) => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const files = [file("certificate.pem", certificate.certificatePem), file("key.pem", certificate.keyPem)];
  const options = { stdio: ["ignore", "pipe", "inherit"] };
  mailServer = spawn(process.env.TENTERHOOK_PYTHON, [PROGRAM, ...files, "mailer", PASSWORD], options);
  lines = createInterface({ input: mailServer.stdout })[Symbol.asyncIterator]();
  const { port } = await told();
  server = await startServer(certificate.authorityPem, undefined, {
    TENTERHOOK_MAIL__HOST: "127.0.0.1",
    TENTERHOOK_MAIL__PORT: String(port),
    TENTERHOOK_MAIL__USER: "mailer",
    TENTERHOOK_MAIL__PASSWORD_FILE: file("mail.password", PASSWORD),
    TENTERHOOK_MAIL__FROM: "Exämple, Inc. <no-reply@example.com>",
    TENTERHOOK_MAIL__CA_FILES: JSON.stringify([file("ca.pem", certificate.authorityPem)]),
  });
  call = management(server.baseUrl, server.adminToken);
});

after(async () => {
  const status = await server?.stop();
  mailServer?.kill();
  if (folder) rmSync(folder, { recursive: true, force: true });
  assert.equal(status, server && 0, "the server drains and ends with status 0");
});

test("a mail arrives after it was put off once, in both forms, and its link sets a new password", async () => {
  const profile = { login: "zoe@example.com", email: "zoë@bücher.example", firstName: "Zoë", lastName: "Okoye" };
  const user = await call("POST", "/api/v1/users", { profile, credentials: { password: { value: "Old-1-lantern" } } });
  const path = `/api/v1/users/${user.id}`;
  assert.deepEqual(await call("POST", `${path}/lifecycle/reset_password?sendEmail=true`), {});
  const mail = await told();
  assert.deepEqual(mail.defects, []);
  assert.equal(mail.encrypted, true);
  assert.deepEqual(mail.envelope, { from: "no-reply@example.com", to: ["zoë@xn--bcher-kva.example"] });
  assert.equal(mail.headers.From, '"Exämple, Inc." <no-reply@example.com>');
  assert.match(mail.headers.Subject, /^Set a new password \(/);
  assert.equal(mail.headers["Auto-Submitted"], "auto-generated");
  const [link] = /^http\S+$/m.exec(mail.text);
  assert.ok(mail.html.includes(`<a href="${link}">`), mail.html);
  assert.ok(link.startsWith(`${server.baseUrl}/reset_password?token=`), link);

  const page = await fetch(link);
  assert.equal(page.status, 200, await page.text());
  const body = new URLSearchParams({ token: new URL(link).searchParams.get("token"), password: "New-2-lantern" });
  const set = await fetch(new URL("/reset_password", link), { method: "POST", body });
  assert.equal(set.status, 200, await set.text());
  assert.equal((await call("GET", path)).status, "ACTIVE");
  assert.equal((await fetch(link)).status, 404, "it works once");
});
