// The application that people sign in to in Chromium, and what they do with the forms on the way.

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";

/** Starts the application, whose page is the end of every sign-in. */
export async function startApplication() {
  const page = "<!doctype html><title>Storefront</title><p>Welcome</p>";
  const program = createServer((_, response) => response.writeHead(200, { "content-type": "text/html" }).end(page));
  program.listen(0, "127.0.0.1");
  await once(program, "listening");
  const stop = () => {
    program.close();
    program.closeAllConnections();
  };
  return { redirectUri: `http://127.0.0.1:${program.address().port}/callback`, stop };
}

/** A request of the application for a user of `world`; `arrived` waits for its end, and resolves to the id of the user who has signed in. */
export function authorization(world, application) {
  const verifier = randomBytes(32).toString("base64url");
  const challenge = createHash("sha256").update(verifier).digest("base64url");
  const ofClient = { client_id: world.browser.client_id, redirect_uri: application.redirectUri };
  const ofCode = { response_type: "code", scope: "openid", state: "interop" };
  const ofProof = { code_challenge: challenge, code_challenge_method: "S256" };
  const url = `${world.issuer}/v1/authorize?${new URLSearchParams({ ...ofClient, ...ofCode, ...ofProof })}`;
  const arrived = async (page) => {
    await page.until(`location.href.startsWith(${JSON.stringify(application.redirectUri)})`);
    const code = new URL(await page.evaluate("location.href")).searchParams.get("code");
    const form = { grant_type: "authorization_code", code, code_verifier: verifier, ...ofClient };
    const response = await fetch(`${world.issuer}/v1/token`, { method: "POST", body: new URLSearchParams(form) });
    const tokens = await response.json();
    assert.equal(response.status, 200, JSON.stringify(tokens));
    return JSON.parse(Buffer.from(tokens.id_token.split(".")[1], "base64url")).sub;
  };
  return { url, arrived };
}

/** The selector of an element with this id. */
export const byId = (id) => `[id=${JSON.stringify(id)}]`;

/** Types into the fields with these ids. */
export async function fillIn(page, fields) {
  for (const [id, text] of Object.entries(fields)) await page.type(byId(id), text);
}

/** Sends the form of the page. */
export const submit = (page) => page.click("[type=submit]");

/** Fills the form of the sign-in page in, and sends it. */
export async function signIn(page, { login, password }) {
  await fillIn(page, { login, password });
  await submit(page);
}
