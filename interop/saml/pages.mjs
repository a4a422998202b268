// The hosted pages in Chromium, one after the other as a person sees them: axe-core finds nothing, and they work without scripts.

import assert from "node:assert/strict";

import { checkAccessibility } from "../support/accessibility.mjs";

const PASSWORD_FIELD = "document.querySelector('input[type=password]')";
const IS_FOCUSED = (id) => `document.activeElement?.id === ${JSON.stringify(id)}`;

/** Walks from `signIn`, the address of a sign-on, through every page; `refuse` lets the hook refuse it, `accept` lets it pass. */
export async function checkPages(chromium, { signIn, signOut, user, brand, label, refuse, accept, pictures }) {
  const page = await chromium.newPage();
  const check = (name) => checkAccessibility(page, name, pictures);
  const title = () => page.evaluate("document.title");

  await page.go(signIn);
  await page.until("document.querySelector('.reveal')");
  await check("sign-in");
  assert.equal(await title(), `Sign in · ${brand}`);
  assert.equal(await page.evaluate("document.querySelector('.brand img').alt"), brand);
  assert.ok(await page.evaluate("document.querySelector('.brand img').naturalWidth > 0"), "the logo is shown");
  assert.match(await page.evaluate("document.body.innerText"), new RegExp(`to continue to ${label}`));
  assert.ok(await page.evaluate(IS_FOCUSED("login")), "the first empty field has the focus");

  // The browser would not send the form.
  await page.evaluate("document.forms[0].noValidate = true");
  await page.click("[type=submit]");
  await page.until("document.querySelectorAll('[role=alert] a').length === 2 && document.querySelector('.reveal')");
  await check("fields-are-missing");
  assert.equal(await title(), `Error: Sign in · ${brand}`);

  await page.type("#login", user.login);
  await page.type("#password", "wrong");
  await page.click(".reveal");
  assert.equal(await page.evaluate("document.querySelector('#password').type"), "text", "the password is shown");
  await page.click("[type=submit]");
  await page.until(`document.querySelector('[role=alert]')?.innerText.includes('wrong') && document.querySelector('.reveal')`);
  await check("password-is-wrong");
  assert.equal(await page.evaluate("document.querySelector('#login').value"), user.login, "what was typed is kept");
  assert.ok(await page.evaluate(IS_FOCUSED("password")), "the field that is empty has the focus");
  assert.match(await page.evaluate("document.activeElement.getAttribute('aria-describedby')"), /form-message/);

  // Without scripts from here on.
  await page.runScripts(false);
  refuse();
  await page.go(signIn);
  await page.until(`${PASSWORD_FIELD} && document.readyState === 'complete' && !document.querySelector('[role=alert]')`);
  assert.equal(await page.evaluate("document.querySelector('.reveal')"), null, "no button without its script");
  await page.type("#login", user.login);
  await page.type("#password", user.password);
  await page.click("[type=submit]");
  await page.until("document.querySelector('.code')");
  await check("problem");

  accept();
  await page.runScripts(false);
  await page.go(signIn);
  await page.until("document.querySelector('input[name=SAMLResponse]') && document.readyState === 'complete'");
  await check("form-post");

  // Somebody without a session: nobody has to be told.
  const stranger = await chromium.newPage();
  await stranger.go(signOut);
  await stranger.until("document.title.startsWith('Signed out') && document.readyState === 'complete'");
  await checkAccessibility(stranger, "signed-out", pictures);
}
