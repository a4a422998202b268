// People in Chromium who cannot sign in: they recover a forgotten password with a passcode to their phone and with the link of a mail, and
// unlock themselves. axe-core looks at every page on the way.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { checkAccessibility } from "./support/accessibility.mjs";
import { authorization, fillIn, signIn, startApplication, submit } from "./support/application.mjs";
import { issueLoopbackCertificate } from "./support/certificates.mjs";
import { startChromium } from "./support/chromium.mjs";
import { linkOf, startMailServer } from "./support/mail.mjs";
import { management, provision } from "./support/management.mjs";
import { startServer } from "./support/server.mjs";
import { startService } from "./support/service.mjs";

const TELEPHONY_HOOK = "com.okta.telephony.provider";
const OLD = "Old-1-lantern";
const NEW = "New-2-lantern";
const WRONG_PASSWORDS_MAX = 3;
/** As long as no line of a phone. */
const LONG_LOGIN = "wilhelmina.featherstonehaugh-montgomery@research-and-development.partners.example";
/** A folder for pictures of the pages, for people to look at. */
const PICTURES = process.env.TENTERHOOK_PICTURES;

let service;
let application;
let mails;
let server;
let chromium;
let call;
let world;

before(async () => {
  const certificate = await issueLoopbackCertificate();
  service = await startService(certificate, answer);
  application = await startApplication();
  mails = await startMailServer(certificate);
  const signIn = {
    TENTERHOOK_SIGN_IN__RECOVERY: JSON.stringify(["email", "sms", "call"]),
    TENTERHOOK_SIGN_IN__LOCKOUT_ATTEMPTS: String(WRONG_PASSWORDS_MAX),
  };
  server = await startServer(certificate.authorityPem, undefined, { ...mails.settings, ...signIn });
  call = management(server.baseUrl, server.adminToken);
  const hook = { hookUrl: service.url, hookSecret: "interop-service-secret" };
  world = await provision({ ...server, ...hook, redirectUri: application.redirectUri });
  const authScheme = { type: "HEADER", key: "Authorization", value: hook.hookSecret };
  const config = { uri: service.url, method: "POST", headers: [], authScheme };
  const channel = { type: "HTTP", version: "1.0.0", config };
  await call("POST", "/api/v1/inlineHooks", { name: "Passcodes", type: TELEPHONY_HOOK, version: "1.0.0", channel });
  chromium = startChromium();
});

after(async () => {
  await chromium?.stop();
  const status = await server?.stop();
  mails?.stop();
  application?.stop();
  service?.stop();
  assert.equal(status, server && 0, "the server drains and ends with status 0");
});

/** The customer's service sends every passcode. */
function answer({ eventType }) {
  if (eventType !== TELEPHONY_HOOK) return {};
  return { commands: [{ type: "com.okta.telephony.action", value: [{ status: "SUCCESSFUL" }] }] };
}

/** A user with a phone. */
async function addUser(login, factorType) {
  const profile = { login, email: login, firstName: "Wilhelmina", lastName: "Featherstonehaugh" };
  const credentials = { password: { value: OLD } };
  const user = await call("POST", "/api/v1/users?activate=true", { profile, credentials });
  const phone = { factorType, provider: "OKTA", profile: { phoneNumber: "+2348031234567" } };
  if (factorType) await call("POST", `/api/v1/users/${user.id}/factors?activate=true`, phone);
  return user;
}

/** Waits until a page is shown. */
const shown = (page, title) => page.until(`document.title === ${JSON.stringify(title)} && document.readyState === 'complete'`);

/** Chooses from a list, as a person would. */
const choose = (page, id, value) =>
  page.evaluate(`(() => {
    const field = document.getElementById(${JSON.stringify(id)});
    field.value = ${JSON.stringify(value)};
    return field.dispatchEvent(new Event("change", { bubbles: true }));
  })()`);

const lookOf = (page) => (name) => checkAccessibility(page, name, PICTURES);
const passcodes = () => service.calls.filter(({ document }) => document.eventType === TELEPHONY_HOOK);

/** Follows the link with this text. */
const follow = (page, text) =>
  page.evaluate(`[...document.querySelectorAll("a")].find((it) => it.innerText === ${JSON.stringify(text)}).click()`);

/** The document of the passcode that the service got after so many. */
async function passcodeAfter(count) {
  for (let times = 0; passcodes().length <= count; times += 1) {
    assert.ok(times < 600, "the service got a passcode");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return passcodes()[count].document;
}

for (const scripts of [true, false]) {
  test(`a person recovers a password with a passcode ${scripts ? "and" : "without scripts and"} signs in with it`, async () => {
    const login = scripts ? LONG_LOGIN : "noor@partners.example";
    const user = await addUser(login, "sms");
    const page = await chromium.newPage();
    await page.runScripts(scripts);
    const look = scripts ? lookOf(page) : async () => {};
    const { url, arrived } = authorization(world, application);
    await page.go(url);
    await shown(page, "Sign in");
    await look("sign-in-with-recovery");
    await follow(page, "Forgot your password?");
    await shown(page, "Forgot your password?");
    await look("recovery");
    await fillIn(page, { login });
    await choose(page, "method", "sms");
    const count = passcodes().length;
    await submit(page);
    await shown(page, "Enter your code");
    await look("recovery-code");
    const { requestType, data } = await passcodeAfter(count);
    assert.equal(requestType, "com.okta.user.telephony.password-reset");
    const { otpCode } = data.messageProfile;
    await fillIn(page, { passcode: otpCode === "111111" ? "222222" : "111111" });
    await submit(page);
    await shown(page, "Error: Enter your code");
    await look("recovery-code-refused");
    await fillIn(page, { passcode: otpCode });
    await submit(page);
    await shown(page, "Set a new password");
    await look("recovery-password");
    await fillIn(page, { password: "short" });
    await submit(page);
    await shown(page, "Error: Set a new password");
    await look("recovery-password-refused");
    await fillIn(page, { password: NEW });
    await submit(page);
    await shown(page, "Your password is set");
    await look("recovery-done");
    await follow(page, "Go on to sign in");
    await shown(page, "Sign in");
    await signIn(page, { login, password: OLD });
    await shown(page, "Error: Sign in");
    await signIn(page, { login, password: NEW });
    // Whoever has a phone may be asked for a passcode at every sign-in.
    await page.until(`document.title !== "Error: Sign in" && document.title !== "Sign in"`);
    if (await page.evaluate(`document.querySelector("[name=factor]") !== null`)) {
      await call("DELETE", `/api/v1/users/${user.id}/factors/${(await call("GET", `/api/v1/users/${user.id}/factors`))[0].id}`);
      await page.go(url);
      await shown(page, "Sign in");
      await signIn(page, { login, password: NEW });
    }
    assert.equal(await arrived(page), user.id);
  });
}

test("a person recovers a password with the link of a mail", async () => {
  const login = "mei@partners.example";
  const user = await addUser(login);
  const page = await chromium.newPage();
  const look = lookOf(page);
  await page.go(authorization(world, application).url);
  await shown(page, "Sign in");
  await follow(page, "Forgot your password?");
  await shown(page, "Forgot your password?");
  await fillIn(page, { login });
  await choose(page, "method", "email");
  await submit(page);
  await shown(page, "Check your mail");
  await look("recovery-mailed");
  const mail = await mails.next();
  assert.deepEqual(mail.envelope.to, [login]);
  await page.go(linkOf(mail));
  await shown(page, "Set a new password");
  await fillIn(page, { password: NEW });
  await submit(page);
  await shown(page, "Your password is set");
  const { url, arrived } = authorization(world, application);
  await page.go(url);
  await shown(page, "Sign in");
  await signIn(page, { login, password: NEW });
  assert.equal(await arrived(page), user.id);
});

test("a person who is locked out unlocks themselves with a call and with the link of a mail", async () => {
  const login = "zoe@partners.example";
  const user = await addUser(login, "call");
  const page = await chromium.newPage();
  const look = lookOf(page);
  const lock = async () => {
    for (let times = 0; times < WRONG_PASSWORDS_MAX; times += 1) {
      const response = await fetch(`${server.baseUrl}/api/v1/authn`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ username: login, password: "wrong" }),
      });
      assert.equal(response.status, 401);
    }
    assert.equal((await call("GET", `/api/v1/users/${user.id}`)).status, "LOCKED_OUT");
    await page.go(authorization(world, application).url);
    await shown(page, "Sign in");
    await follow(page, "Forgot your password?");
    await shown(page, "Forgot your password?");
    await follow(page, "Unlock my account");
    await shown(page, "Unlock your account");
  };
  await lock();
  await look("unlock");
  await fillIn(page, { login });
  await choose(page, "method", "call");
  const count = passcodes().length;
  await submit(page);
  await shown(page, "Enter your code");
  await look("unlock-code");
  const { requestType, data } = await passcodeAfter(count);
  assert.equal(requestType, "com.okta.user.telephony.account-unlock");
  await fillIn(page, { passcode: data.messageProfile.otpCode });
  await submit(page);
  await shown(page, "Your account is unlocked");
  await look("unlocked");
  assert.equal((await call("GET", `/api/v1/users/${user.id}`)).status, "ACTIVE");

  await lock();
  await fillIn(page, { login });
  await choose(page, "method", "email");
  await submit(page);
  await shown(page, "Check your mail");
  await page.go(linkOf(await mails.next()));
  await shown(page, "Unlock your account");
  await look("unlock-link");
  await submit(page);
  await shown(page, "Your account is unlocked");
  assert.equal((await call("GET", `/api/v1/users/${user.id}`)).status, "ACTIVE");
});
