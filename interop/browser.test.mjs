// People in Chromium: they sign up by a form that a hook refuses first, verify their address, and bring the password of an old system
// along. axe-core looks at every page on the way.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { after, before, test } from "node:test";

import { checkAccessibility } from "./support/accessibility.mjs";
import { authorization, byId, fillIn, signIn, startApplication, submit } from "./support/application.mjs";
import { issueLoopbackCertificate } from "./support/certificates.mjs";
import { startChromium } from "./support/chromium.mjs";
import { linkOf, startMailServer } from "./support/mail.mjs";
import { management, provision } from "./support/management.mjs";
import { startServer } from "./support/server.mjs";
import { startService } from "./support/service.mjs";

const REGISTRATION_HOOK = "com.okta.user.pre-registration";
const PASSWORD_HOOK = "com.okta.user.credential.password.import";
const BRAND = "Northwind & Sons";
const INVITATION = "SPRING-44";
const EXPIRED = "This invitation has expired.";
const NO_NUMBER = "An employee number has digits only.";
const TELEPHONY_HOOK = "com.okta.telephony.provider";
const OLD_PASSWORD = "U*U";
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
  const branding = { TENTERHOOK_BRANDING__NAME: BRAND, TENTERHOOK_BRANDING__COLOR: "#0b7a75" };
  server = await startServer(certificate.authorityPem, undefined, { ...mails.settings, ...branding });
  call = management(server.baseUrl, server.adminToken);
  const hook = { hookUrl: service.url, hookSecret: "interop-service-secret" };
  world = await provision({ ...server, ...hook, redirectUri: application.redirectUri });
  await call("POST", "/api/v1/inlineHooks", hookOf(PASSWORD_HOOK, "Old passwords"));
  await call("POST", "/api/v1/inlineHooks", hookOf(TELEPHONY_HOOK, "Passcodes"));
  await letPeopleSignUp();
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

/** The customer's service: people need an invitation, users a number, and it knows the password of the old system. */
function answer({ eventType, requestType, data }) {
  if (eventType === PASSWORD_HOOK) {
    const credential = data.context.credential.password === OLD_PASSWORD ? "VERIFIED" : "UNVERIFIED";
    return { commands: [{ type: "com.okta.action.update", value: { credential } }] };
  }
  if (eventType === TELEPHONY_HOOK) {
    const value = [{ status: "SUCCESSFUL", provider: "INTEROP" }];
    return { commands: [{ type: "com.okta.telephony.action", value }] };
  }
  if (eventType !== REGISTRATION_HOOK) return {};
  if (requestType === "progressive.profile") {
    const isNumber = /^[0-9]+$/.test(data.userProfileUpdate.employeeNumber);
    return isNumber ? {} : refusal("data.userProfileUpdate.employeeNumber", NO_NUMBER);
  }
  if (data.userProfile.inviteCode === INVITATION) {
    return { commands: [{ type: "com.okta.user.profile.update", value: { department: "Partners" } }] };
  }
  return refusal("data.userProfile.inviteCode", EXPIRED);
}

function refusal(location, errorSummary) {
  const cause = { errorSummary, reason: "REFUSED", locationType: "body", location, domain: "end-user" };
  return { error: { errorSummary: "Refused", errorCauses: [cause] } };
}

function hookOf(type, name) {
  const authScheme = { type: "HEADER", key: "Authorization", value: "interop-service-secret" };
  const config = { uri: service.url, method: "POST", headers: [], authScheme };
  return { name, type, version: "1.0.0", channel: { type: "HTTP", version: "1.0.0", config } };
}

/** The policy of the application, whose form asks for an invitation. */
async function letPeopleSignUp() {
  const hook = await call("POST", "/api/v1/inlineHooks", hookOf(REGISTRATION_HOOK, "Invitations"));
  const permissions = [{ principal: "SELF", action: "READ_WRITE" }];
  const newsletter = { title: "Newsletter", type: "boolean", permissions };
  const definitions = { custom: { id: "#custom", type: "object", properties: { newsletter } } };
  await call("POST", "/api/v1/meta/schemas/user/default", { definitions });
  const policy = { name: "Partners", status: "ACTIVE", type: "PROFILE_ENROLLMENT" };
  const { id } = await call("POST", "/api/v1/policies", policy);
  const [rule] = await call("GET", `/api/v1/policies/${id}/rules`);
  const attribute = (name, label, required = true) => ({ name, label, required });
  world.setPolicy = ({ emailVerification, asksUsers = false }) => {
    const profileEnrollment = {
      access: "ALLOW",
      unknownUserAction: "REGISTER",
      activationRequirements: { emailVerification },
      progressiveProfilingAction: asksUsers ? "ENABLED" : "DISABLED",
      profileAttributes: [
        attribute("firstName", "First name"),
        attribute("lastName", "Last name"),
        attribute("email", "Email"),
        attribute("newsletter", "Do you want our newsletter?", false),
        attribute("inviteCode", "Invitation code"),
        ...(asksUsers ? [attribute("employeeNumber", "Employee number")] : []),
      ],
      preRegistrationInlineHooks: [{ inlineHookId: hook.id }],
    };
    return call("PUT", `/api/v1/policies/${id}/rules/${rule.id}`, { actions: { profileEnrollment } });
  };
  await call("PUT", `/api/v1/apps/${world.browser.client_id}/policies/${id}`);
}

/** Waits until a page is shown, with its script where scripts run. */
function shown(page, title, { withScripts = true } = {}) {
  const wanted = JSON.stringify(`${title} · ${BRAND}`);
  const isReady = withScripts ? "[...document.querySelectorAll('.password')].every((it) => it.querySelector('.reveal'))" : "true";
  return page.until(`document.title === ${wanted} && document.readyState === 'complete' && ${isReady}`);
}

const valueOf = (page, id) => page.evaluate(`document.querySelector(${JSON.stringify(byId(id))}).value`);

/** What Noor writes, with an invitation that has expired. */
const formOf = (email, password) => ({
  "userProfile.firstName": "Noor",
  "userProfile.lastName": "Haddad",
  "userProfile.email": email,
  "userProfile.inviteCode": "WINTER-1",
  password,
});

/** What a page with a refused form shows about a field. */
const fieldOf = (page, id) =>
  page.evaluate(`(() => {
    const [field, error] = [${JSON.stringify(id)}, ${JSON.stringify(`${id}-error`)}].map((id) => document.getElementById(id));
    return {
      text: error?.innerText,
      isNextTo: error !== null && error.closest(".field") === field.closest(".field"),
      gap: error && Math.round(field.getBoundingClientRect().top - error.getBoundingClientRect().bottom),
      isTold: (field.getAttribute("aria-describedby") ?? "").split(" ").includes(${JSON.stringify(`${id}-error`)}),
      isInvalid: field.getAttribute("aria-invalid"),
    };
  })()`);

/** Waits until a field has the focus: browsers give it when they draw the page, which may be after it was loaded. */
const focused = (page, id) => page.until(`document.activeElement?.id === ${JSON.stringify(id)}`);

/** From the application's sign-in page to a form that the hook has let pass. `look` looks at each page. */
async function signUp(page, url, form, look, options) {
  await page.go(url);
  await shown(page, "Sign in", options);
  await look("sign-in");
  await page.click(".other a");
  await shown(page, "Create your account", options);
  await look("sign-up");
  await fillIn(page, form);
  await submit(page);
  await shown(page, "Error: Create your account", options);
  await focused(page, "userProfile.inviteCode");
  const { gap, ...field } = await fieldOf(page, "userProfile.inviteCode");
  assert.deepEqual(field, { text: EXPIRED, isNextTo: true, isTold: true, isInvalid: "true" });
  assert.ok(gap >= 0 && gap < 20, `the message is right above the field: ${gap}`);
  assert.equal((await fieldOf(page, "userProfile.email")).text, undefined, "the other fields have no message");
  for (const [id, text] of Object.entries(form)) {
    assert.equal(await valueOf(page, id), id === "password" ? "" : text, `${id} is kept, unless it is the password`);
  }
  await look("sign-up-refused");
  await page.evaluate("document.activeElement.blur()");
  await page.click(".message a");
  await focused(page, "userProfile.inviteCode");
  await fillIn(page, { "userProfile.inviteCode": INVITATION, password: form.password });
  await submit(page);
}

const lookOf = (page) => (name) => checkAccessibility(page, name, PICTURES);
const calls = (type) => service.calls.filter(({ document }) => document.eventType === type);

test("a person signs up, corrects what the hook refuses, verifies the address, and signs in", async () => {
  await world.setPolicy({ emailVerification: true });
  const page = await chromium.newPage();
  const look = lookOf(page);
  const person = { login: LONG_LOGIN, password: "Lantern-7-harbour" };
  await signUp(page, authorization(world, application).url, formOf(person.login, person.password), look);
  await shown(page, "Check your mail");
  assert.ok((await page.evaluate("document.body.innerText")).includes(LONG_LOGIN));
  await look("check-your-mail");
  assert.equal(calls(REGISTRATION_HOOK).length, 2);

  const mail = await mails.next();
  assert.deepEqual(mail.envelope.to, [LONG_LOGIN]);
  const link = linkOf(mail);
  await page.go(link);
  await shown(page, "Verify your email address");
  await look("verify-email");
  await fillIn(page, { password: "Not-this-one-7" });
  await submit(page);
  await shown(page, "Error: Verify your email address");
  await look("verify-email-refused");
  await fillIn(page, { password: person.password });
  await submit(page);
  await shown(page, "Your email address is verified");
  await look("email-verified");

  const { url, arrived } = authorization(world, application);
  await page.go(url);
  await shown(page, "Sign in");
  await signIn(page, person);
  const user = await call("GET", `/api/v1/users/${person.login}`);
  assert.equal(await arrived(page), user.id);
  assert.deepEqual([user.status, user.profile.department], ["ACTIVE", "Partners"]);
  await page.go(link);
  await shown(page, "This link does not work");
  await look("link-does-not-work");
});

test("without scripts, a person signs up and is at the application, signed in", async () => {
  await world.setPolicy({ emailVerification: false });
  const page = await chromium.newPage();
  await page.runScripts(false);
  const { url, arrived } = authorization(world, application);
  const options = { withScripts: false };
  await signUp(page, url, formOf("noor@partner.example", "Lantern-7-harbour"), async () => {}, options);
  const arrivedId = await arrived(page);
  assert.equal(arrivedId, (await call("GET", "/api/v1/users/noor@partner.example")).id);

  // Nobody sent this person here: the page says that the account is ready.
  await page.go(`${server.baseUrl}/signup/${(await policyOfApplication()).id}`);
  await shown(page, "Create your account", options);
  const own = { ...formOf("own@partner.example", "Lantern-7-harbour"), "userProfile.inviteCode": INVITATION };
  await fillIn(page, own);
  await submit(page);
  await shown(page, "Your account is ready", options);
  await lookOf(page)("signed-up");
});

async function policyOfApplication() {
  const policies = await call("GET", "/api/v1/policies?type=PROFILE_ENROLLMENT");
  return policies.find(({ name }) => name === "Partners");
}

test("a person signs in with the password of the old system, and again without its service", async () => {
  const login = "mei@legacy.example";
  const profile = { login, email: login, firstName: "Mei", lastName: "Tanaka" };
  const credentials = { password: { hook: { type: "default" } } };
  const { id } = await call("POST", "/api/v1/users?activate=true", { profile, credentials });
  const page = await chromium.newPage();
  const first = authorization(world, application);
  await page.go(first.url);
  await shown(page, "Sign in");
  await signIn(page, { login, password: "not this one" });
  await shown(page, "Error: Sign in");
  assert.equal(await valueOf(page, "login"), login, "what was typed is kept");
  await lookOf(page)("sign-in-refused");
  await fillIn(page, { password: OLD_PASSWORD });
  await submit(page);
  assert.equal(await first.arrived(page), id);
  assert.deepEqual(calls(PASSWORD_HOOK).map(({ document }) => document.data.context.credential.username), [login, login]);
  assert.equal((await call("GET", `/api/v1/users/${id}`)).credentials.provider.type, "OKTA");

  await page.go(`${server.baseUrl}/login/signout`);
  await shown(page, "Signed out");
  await lookOf(page)("signed-out");
  const second = authorization(world, application);
  await page.go(second.url);
  await shown(page, "Sign in");
  await signIn(page, { login, password: OLD_PASSWORD });
  assert.equal(await second.arrived(page), id);
  assert.equal(calls(PASSWORD_HOOK).length, 2, "the password is here, and nobody is asked");
});

test("a user is asked at sign-in for what the profile lacks, and corrects what the hook refuses", async (context) => {
  await world.setPolicy({ emailVerification: true, asksUsers: true });
  context.after(() => world.setPolicy({ emailVerification: true }));
  const user = { login: `asked.${LONG_LOGIN}`, password: "Lantern-7-harbour" };
  const profile = { login: user.login, email: "asked@partners.example", firstName: "Noor", lastName: "Haddad" };
  const credentials = { password: { value: user.password } };
  const { id } = await call("POST", "/api/v1/users?activate=true", { profile, credentials });
  const page = await chromium.newPage();
  const look = lookOf(page);
  const { url, arrived } = authorization(world, application);
  await page.go(url);
  await shown(page, "Sign in");
  await signIn(page, user);
  await shown(page, "Complete your profile");
  await look("profile");
  await fillIn(page, { "userProfile.inviteCode": INVITATION, "userProfile.employeeNumber": "none" });
  await submit(page);
  await shown(page, "Error: Complete your profile");
  await focused(page, "userProfile.employeeNumber");
  const { gap: _, ...field } = await fieldOf(page, "userProfile.employeeNumber");
  assert.deepEqual(field, { text: NO_NUMBER, isNextTo: true, isTold: true, isInvalid: "true" });
  assert.equal(await valueOf(page, "userProfile.inviteCode"), INVITATION, "what was typed is kept");
  await look("profile-refused");
  await fillIn(page, { "userProfile.employeeNumber": "4821" });
  await submit(page);
  assert.equal(await arrived(page), id);
  assert.equal((await call("GET", `/api/v1/users/${id}`)).profile.employeeNumber, "4821");
});

for (const [what, { title, create, lifecycle, member, name }] of Object.entries({
  "a new password": {
    title: "Set a new password",
    create: { activate: true, credentials: { password: { value: "Old-1-lantern" } } },
    lifecycle: "reset_password",
    member: "resetPasswordUrl",
    name: "reset-password",
  },
  "the first password": {
    title: "Activate your account",
    create: { activate: false },
    lifecycle: "activate",
    member: "activationUrl",
    name: "welcome",
  },
})) {
  test(`a person sets ${what} with a link`, async () => {
    const login = `${name}.${LONG_LOGIN}`;
    const profile = { login, email: "wilhelmina@partners.example", firstName: "Wilhelmina", lastName: "Featherstonehaugh" };
    const { activate, credentials } = create;
    const user = await call("POST", `/api/v1/users?activate=${activate}`, { profile, credentials });
    const answer = await call("POST", `/api/v1/users/${user.id}/lifecycle/${lifecycle}?sendEmail=false`);
    const page = await chromium.newPage();
    const look = lookOf(page);
    await page.go(answer[member]);
    await shown(page, title);
    await look(name);
    await fillIn(page, { password: "short" });
    await submit(page);
    await shown(page, `Error: ${title}`);
    await focused(page, "password");
    const { text, isNextTo, isTold } = await fieldOf(page, "password");
    assert.match(text, /8 characters/);
    assert.deepEqual([isNextTo, isTold], [true, true]);
    await look(`${name}-refused`);
    await fillIn(page, { password: "New-2-lantern" });
    await submit(page);
    await shown(page, "Your password is set");
    await look(`${name}-done`);

    const { url, arrived } = authorization(world, application);
    await page.go(url);
    await shown(page, "Sign in");
    await signIn(page, { login, password: "New-2-lantern" });
    assert.equal(await arrived(page), user.id);
  });
}

/** A user with a password; `add` adds a factor. */
async function userWithFactors(login) {
  const password = "Lantern-7-harbour";
  const profile = { login, email: login, firstName: "Mei", lastName: "Tanaka" };
  const { id } = await call("POST", "/api/v1/users?activate=true", { profile, credentials: { password: { value: password } } });
  const add = (factor, query = "") => call("POST", `/api/v1/users/${id}/factors${query}`, factor);
  return { id, login, password, add };
}

const phone = { factorType: "sms", provider: "OKTA", profile: { phoneNumber: "+12025550164" } };

/** The code that an authenticator app shows, so many seconds from now (RFC 6238). */
function codeOfApp(sharedSecret, seconds = 0) {
  const bits = [...sharedSecret].map((it) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(it).toString(2).padStart(5, "0")).join("");
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  const step = Buffer.alloc(8);
  step.writeBigUInt64BE(BigInt(Math.floor((Date.now() / 1000 + seconds) / 30)));
  const tag = createHmac("sha1", key).update(step).digest();
  const number = tag.readUInt32BE(tag[19] & 15) & 0x7fffffff;
  return String(number % 1_000_000).padStart(6, "0");
}

const another = (code) => (code === "111111" ? "222222" : "111111");

test("a user enters the code that the hook has brought to the phone", async () => {
  const user = await userWithFactors(`phone.${LONG_LOGIN}`);
  await user.add(phone, "?activate=true");
  const page = await chromium.newPage();
  await page.runScripts(false);
  const look = lookOf(page);
  const { url, arrived } = authorization(world, application);
  await page.go(url);
  await shown(page, "Sign in", { withScripts: false });
  await signIn(page, user);
  await shown(page, "Enter the code");
  await focused(page, "passcode");
  const text = await page.evaluate("document.body.innerText");
  assert.ok(text.includes("ending in 64") && text.includes(user.login) && !text.includes("5550164"), text);
  await page.click("button.link[name=ask]");
  await page.until("document.body.innerText.includes('You asked for a code a moment ago')");
  await look("second-factor-too-soon");
  const [{ document }] = calls(TELEPHONY_HOOK).slice(-1);
  const { otpCode } = document.data.messageProfile;
  await fillIn(page, { passcode: another(otpCode) });
  await submit(page);
  await page.until("document.body.innerText.includes('The code is wrong')");
  await shown(page, "Error: Enter the code");
  const { gap, ...field } = await fieldOf(page, "passcode");
  assert.deepEqual(field, { text: "Enter the newest code.", isNextTo: true, isTold: true, isInvalid: "true" });
  await look("second-factor-refused");
  await fillIn(page, { passcode: otpCode });
  await submit(page);
  assert.equal(await arrived(page), user.id);
});

test("a user with several factors chooses the authenticator app", async () => {
  const user = await userWithFactors("app@partners.example");
  await user.add(phone, "?activate=true");
  const factor = await user.add({ factorType: "token:software:totp", provider: "GOOGLE" });
  const { sharedSecret } = factor._embedded.activation;
  const activate = `/api/v1/users/${user.id}/factors/${factor.id}/lifecycle/activate`;
  await call("POST", activate, { passCode: codeOfApp(sharedSecret, -30) });
  const before = calls(TELEPHONY_HOOK).length;
  const page = await chromium.newPage();
  const look = lookOf(page);
  const { url, arrived } = authorization(world, application);
  await page.go(url);
  await shown(page, "Sign in");
  await signIn(page, user);
  await shown(page, "Choose how to get the code");
  await look("factor-choice");
  await page.click(`button[value=${JSON.stringify(factor.id)}]`);
  await shown(page, "Enter the code");
  await look("second-factor-app");
  await page.click("button.link[name=state]");
  await shown(page, "Choose how to get the code");
  await page.click(`button[value=${JSON.stringify(factor.id)}]`);
  await shown(page, "Enter the code");
  await fillIn(page, { passcode: codeOfApp(sharedSecret) });
  await submit(page);
  assert.equal(await arrived(page), user.id);
  assert.equal(calls(TELEPHONY_HOOK).length, before, "nobody was sent a message");
});
