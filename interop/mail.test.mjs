// PyPI `aiosmtpd` takes a mail over STARTTLS with a login, and Python's own parser reads it; its link sets a new password.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { issueLoopbackCertificate } from "./support/certificates.mjs";
import { linkOf, startMailServer } from "./support/mail.mjs";
import { management } from "./support/management.mjs";
import { startServer } from "./support/server.mjs";

let mails;
let server;
let call;

before(async () => {
  const certificate = await issueLoopbackCertificate();
  mails = await startMailServer(certificate);
  server = await startServer(certificate.authorityPem, undefined, mails.settings);
  call = management(server.baseUrl, server.adminToken);
});

after(async () => {
  const status = await server?.stop();
  mails?.stop();
  assert.equal(status, server && 0, "the server drains and ends with status 0");
});

test("a mail arrives after it was put off once, in both forms, and its link sets a new password", async () => {
  const profile = { login: "zoe@example.com", email: "zoë@bücher.example", firstName: "Zoë", lastName: "Okoye" };
  const user = await call("POST", "/api/v1/users", { profile, credentials: { password: { value: "Old-1-lantern" } } });
  const path = `/api/v1/users/${user.id}`;
  assert.deepEqual(await call("POST", `${path}/lifecycle/reset_password?sendEmail=true`), {});
  const mail = await mails.next();
  assert.deepEqual(mail.defects, []);
  assert.equal(mail.encrypted, true);
  assert.deepEqual(mail.envelope, { from: "no-reply@example.com", to: ["zoë@xn--bcher-kva.example"] });
  assert.equal(mail.headers.From, '"Exämple, Inc." <no-reply@example.com>');
  assert.match(mail.headers.Subject, /^Set a new password \(/);
  assert.equal(mail.headers["Auto-Submitted"], "auto-generated");
  const link = linkOf(mail);
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
