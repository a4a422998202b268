// Service providers of four libraries against `tenterhook serve` as their identity provider: sign-on, an assertion that a hook
// patched, attacks on it, single logout; and Debian's `xmlsec1` and Chromium.

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import { ATTACKS, count, decode, encode, read, verifyWithXmlsec } from "./saml/messages.mjs";
import { checkPages } from "./saml/pages.mjs";
import { LIBRARIES } from "./saml/providers.mjs";
import * as worlds from "./saml/world.mjs";
import { openBrowser } from "./support/browser.mjs";
import { startChromium } from "./support/chromium.mjs";

const { EMAIL_ADDRESS, PATCH, PATCHED, PASSWORD_CONTEXT, SAML_HOOK, SESSION_SECONDS, X509_CONTEXT } = worlds;
const { changeSignOn, metadataOf } = worlds;
/** Every character that forms, URLs and HTML treat in a way of their own. */
const RELAY_STATE = `a b+c&d=e;%41"'<ü✓>/?#\\`;
const NODE_SAML = "@node-saml/node-saml";
/** In a signed query node-saml sends spaces and apostrophes in another encoding than the one that it signs. */
const relayStateOfQuery = (library) => (library === NODE_SAML ? RELAY_STATE.replaceAll(/[ ']/g, "_") : RELAY_STATE);
const BINDINGS = ["redirect", "post"];
/** The libraries that do not tell the context of an assertion. */
const CONTEXT_IS_NOT_TOLD = ["java-saml-core"];

/** Signs on to `at`: the form that the browser is about to post to the provider. */
async function signOn(browser, provider, at, user) {
  const { request, status, page } = await browser.follow(at, { stop: provider.acs, user });
  assert.ok(request, `nothing for ${provider.toolkit}: ${status} ${page}`);
  assert.equal(request.url.href, provider.acs);
  assert.ok(request.fields, "by the POST binding");
  return request.fields;
}

/** What the library makes of the form, which it must accept. */
async function accepted(provider, fields) {
  const { accepted, refused } = await provider.deliver(fields);
  assert.ok(accepted, `${provider.toolkit} refuses: ${refused}\n${decode(fields)}`);
  return accepted;
}

/** Follows `at` to a page of ours; nothing is about to be sent to the provider. */
async function errorPage(browser, provider, at, user) {
  const { request, status, page, url } = await browser.follow(at, { stop: provider.acs, user });
  assert.equal(request, undefined, "nothing is sent to the service provider");
  assert.ok(url.href.startsWith(provider.app.ssoUrl), url.href);
  return { status, page };
}

/** A browser in which the user has signed in. */
async function signedIn(provider, user) {
  const browser = openBrowser();
  await signOn(browser, provider, provider.app.ssoUrl, user);
  return browser;
}

function checkPatched(found, library) {
  assert.equal(found.nameId, PATCHED.nameId);
  assert.equal(found.nameIdFormat, EMAIL_ADDRESS);
  assert.equal(found.authnContext, CONTEXT_IS_NOT_TOLD.includes(library) ? null : X509_CONTEXT);
  assert.deepEqual({ ...found.attributes, groups: found.attributes.groups.toSorted() }, PATCHED.attributes);
}

/** The seconds from the issue of an assertion to the end of the session that it begins. */
function sessionSeconds(found, fields) {
  // python3-saml knows no fractions of a second.
  const seconds = (time) => Math.floor(new Date(time) / 1000);
  return seconds(found.sessionNotOnOrAfter) - seconds(read(decode(fields), "Assertion", "IssueInstant"));
}

/** What every library does with this identity provider. */
function behaves(library, worldOf) {
  describe(library, () => {
    let world;
    let provider;
    let app;
    let metadata;
    let browser;

    before(async () => {
      world = worldOf();
      provider = world.providers[library];
      app = provider.app;
      metadata = await metadataOf(app);
      await provider.configure(metadata);
      browser = openBrowser();
    });

    const change = (members) => changeSignOn(world, app, members);

    test("the library reads our metadata, which is that of the administrators, and is set up by it", async () => {
      assert.deepEqual(await provider.configure(metadata), { entityId: app.entityId });
      const link = `${app.path}/sso/saml/metadata?kid=${app.kid}`;
      const headers = { authorization: `SSWS ${world.server.adminToken}` };
      const same = await fetch(world.baseUrl + link, { headers });
      assert.equal(await same.text(), metadata);
      assert.equal(read(metadata, "IDPSSODescriptor", "WantAuthnRequestsSigned"), "true");
    });

    test("we read the library's metadata, by which its app is set up", () => {
      const { entityId, consumers, logouts, signingCertificates, encryptionCertificates, ...flags } = app.told;
      assert.equal(entityId, provider.entityId);
      assert.ok(consumers.some(({ location }) => location === provider.acs));
      assert.ok(logouts.every(({ location }) => location === `${provider.url}/slo`) && logouts.length > 0);
      assert.deepEqual(new Set([...signingCertificates, ...encryptionCertificates]), new Set([world.certificate.der]));
      assert.deepEqual(flags, { authnRequestsSigned: true, wantAssertionsSigned: true });
    });

    for (const binding of BINDINGS) {
      test(`a sign-on that begins with a signed request by ${binding} yields what the hook patched`, async () => {
        const relayState = binding === "redirect" ? relayStateOfQuery(library) : RELAY_STATE;
        const fields = await signOn(browser, provider, provider.login({ binding, relayState }), world.ada);
        assert.equal(fields.get("RelayState"), relayState);
        const found = await accepted(provider, fields);
        checkPatched(found, library);
        assert.equal(found.relayState, relayState);
        assert.equal(found.inResponseTo, read(decode(fields), "Response", "InResponseTo"));
        assert.ok(found.inResponseTo);
        assert.equal(found.sessionIndex, read(decode(fields), "AuthnStatement", "SessionIndex"));
        assert.equal(sessionSeconds(found, fields), SESSION_SECONDS);
        assert.equal(await provider.isSignedIn(), true);

        const { document } = world.service.calls.at(-1);
        assert.equal(document.eventType, SAML_HOOK);
        assert.equal(document.source, app.ssoUrl);
        const { context, assertion } = document.data;
        assert.deepEqual(context.protocol, {
          type: "SAML2.0",
          issuer: { id: app.id, name: app.label, uri: app.entityId },
        });
        assert.equal(context.session.login, world.ada.login);
        assert.equal(context.user.id, world.ada.id);
        assert.equal(assertion.subject.nameId, world.ada.login);
        assert.equal(assertion.subject.confirmation.data.recipient, provider.acs);
        assert.deepEqual(assertion.conditions.audienceRestriction, [provider.entityId]);
        assert.equal(assertion.claims.costCentre.attributeValues[0].value, "7301");
      });
    }

    test("a sign-on that the identity provider begins is accepted, with the RelayState of its link", async () => {
      const at = `${app.ssoUrl}?${new URLSearchParams({ RelayState: RELAY_STATE })}`;
      const fields = await signOn(browser, provider, at, world.ada);
      const found = await accepted(provider, fields);
      checkPatched(found, library);
      assert.equal(found.inResponseTo, null);
      assert.equal(found.relayState, RELAY_STATE);
    });

    for (const [what, attack] of Object.entries(ATTACKS)) {
      test(`a response is refused when ${what}`, async () => {
        await change({ responseSigned: false });
        await provider.configure(metadata, { wantSigned: "assertion" });
        const fields = await signOn(browser, provider, app.ssoUrl, world.ada);
        const { refused } = await provider.deliver(encode(fields, attack(decode(fields))));
        assert.ok(refused, "the attack succeeds");
        assert.equal(await provider.isSignedIn(), false);
        // As it came, it is accepted: the attack is what the library refuses.
        checkPatched(await accepted(provider, fields), library);
      });
    }

    for (const [wantSigned, responseSigned, assertionSigned] of [
      ["assertion", false, true],
      ["response", true, false],
      ["both", true, true],
    ]) {
      test(`signed: ${wantSigned}`, async () => {
        await change({ responseSigned, assertionSigned });
        await provider.configure(metadata, { wantSigned });
        const fields = await signOn(browser, provider, provider.login(), world.ada);
        assert.equal(count(decode(fields), "Signature"), Number(responseSigned) + Number(assertionSigned));
        checkPatched(await accepted(provider, fields), library);
        if (wantSigned === "both") return;
        // A provider that wants both does not take one of them.
        await provider.configure(metadata, { wantSigned: "both" });
        const again = await signOn(browser, provider, app.ssoUrl, world.ada);
        assert.ok((await provider.deliver(again)).refused);
      });
    }

    for (const encryptionAlgorithm of ["AES128_GCM", "AES256_GCM"]) {
      test(`an assertion that is encrypted with ${encryptionAlgorithm} is decrypted`, async (context) => {
        const x5c = [world.certificate.der];
        const keyTransportAlgorithm = "RSA_OAEP";
        await change({ assertionEncryption: { enabled: true, encryptionAlgorithm, keyTransportAlgorithm, x5c } });
        context.after(() => change({ assertionEncryption: { enabled: false } }));
        await provider.configure(metadata, { wantEncrypted: true });
        const fields = await signOn(browser, provider, provider.login(), world.ada);
        const xml = decode(fields);
        assert.deepEqual([count(xml, "EncryptedAssertion"), count(xml, "Assertion")], [1, 0]);
        assert.ok(!xml.includes("entitlementLevel"));
        checkPatched(await accepted(provider, fields), library);
        await provider.configure(metadata);
      });
    }

    for (const binding of BINDINGS) {
      test(`an app that wants signed requests refuses others by ${binding}, and sends nothing`, async (context) => {
        await provider.configure(metadata, { signRequests: false });
        context.after(() => provider.configure(metadata));
        const unsigned = await errorPage(browser, provider, provider.login({ binding }), world.ada);
        assert.equal(unsigned.status, 400);
        assert.match(unsigned.page, /signature/i);
        await change({ samlSignedRequestEnabled: false });
        await accepted(provider, await signOn(browser, provider, provider.login({ binding }), world.ada));
        await change({ samlSignedRequestEnabled: true });

        await provider.configure(metadata);
        await change({ spCertificate: { x5c: [world.otherCertificate.der] } });
        context.after(() => change({ spCertificate: { x5c: [world.certificate.der] } }));
        const wrong = await errorPage(browser, provider, provider.login({ binding }), world.ada);
        assert.equal(wrong.status, 400);
        assert.match(wrong.page, /signature/i);
      });
    }

    test("a request that was answered is not answered again", async () => {
      const login = await fetch(provider.login(), { redirect: "manual" });
      const at = login.headers.get("location");
      await accepted(provider, await signOn(browser, provider, at, world.ada));
      const { status, page } = await errorPage(browser, provider, at, world.ada);
      assert.equal(status, 400);
      assert.match(page, /answered already/);
    });

    test("the service's error is shown to the user, and nothing is sent to the provider", async (context) => {
      world.answer = { error: { errorSummary: "No active benefits <contract>" } };
      context.after(() => (world.answer = PATCH));
      for (const at of [provider.login(), app.ssoUrl]) {
        const { status, page } = await errorPage(browser, provider, at, world.ada);
        assert.equal(status, 403);
        assert.match(page, /No active benefits &#60;contract&#62;/);
      }
    });

    test("answers that are no commands leave the assertion as it is", async (context) => {
      context.after(() => (world.answer = PATCH));
      const [{ type, value }] = PATCH.commands;
      const broken = [...value, { op: "replace", path: "/claims/nowhere/attributeValues/0/value", value: "x" }];
      for (const answer of [{}, { commands: [] }, { commands: [{ type, value: broken }] }]) {
        world.answer = answer;
        const fields = await signOn(browser, provider, provider.login(), world.ada);
        const found = await accepted(provider, fields);
        assert.equal(found.nameId, world.ada.login);
        assert.deepEqual(found.attributes.costCentre, ["7301"]);
        assert.equal(found.attributes.entitlementLevel, undefined);
        assert.equal(found.sessionNotOnOrAfter, null);
        assert.ok(decode(fields).includes(PASSWORD_CONTEXT));
      }
    });

    test("ForceAuthn asks for the password of a user who is signed in, and IsPassive asks nobody", async () => {
      const forced = await browser.follow(provider.login({ forceAuthn: "1" }), { stop: provider.acs });
      assert.match(forced.page ?? "", /type="?password/, "the sign-in page");
      const again = await signOn(browser, provider, provider.login({ forceAuthn: "1" }), world.ada);
      await accepted(provider, again);

      await accepted(provider, await signOn(browser, provider, provider.login({ passive: "1" })));
      const relayState = relayStateOfQuery(library);
      const stranger = await signOn(openBrowser(), provider, provider.login({ passive: "1", relayState }));
      assert.equal(stranger.get("RelayState"), relayState);
      assert.equal(count(decode(stranger), "Assertion"), 0);
      assert.ok(decode(stranger).includes("urn:oasis:names:tc:SAML:2.0:status:NoPassive"));
      // java-saml-core tells the first of the two codes.
      assert.match((await provider.deliver(stranger)).refused, /NoPassive|status:Responder$/);
    });

    test("a user to whom the app is not assigned gets a page, and the provider nothing", async () => {
      const { status, page } = await errorPage(openBrowser(), provider, provider.login(), world.eve);
      assert.equal(status, 403);
      assert.match(page, /not assigned/);
      await world.call("POST", `${app.path}/users`, { id: world.eve.id, scope: "USER" });
      await accepted(provider, await signOn(openBrowser(), provider, provider.login(), world.eve));
      await world.call("DELETE", `${app.path}/users/${world.eve.id}`);
    });

    test("a logout that the service provider begins ends both sessions", async () => {
      const own = openBrowser();
      await accepted(provider, await signOn(own, provider, provider.login(), world.ada));
      const { status, page } = await own.follow(provider.logout(relayStateOfQuery(library)));
      assert.equal(status, 200, page);
      const { loggedOut, relayState } = JSON.parse(page);
      assert.equal(loggedOut, true);
      // pysaml2 sends a text of its own, and checks that it comes back.
      if (library !== "pysaml2") assert.equal(relayState, relayStateOfQuery(library));
      assert.equal(await provider.isSignedIn(), false);
      const after = await own.follow(provider.login(), { stop: provider.acs });
      assert.match(after.page ?? "", /type="?password/, "the user must sign in again");
    });

    test("a logout that the user begins at the identity provider reaches the service provider", async () => {
      const own = openBrowser();
      await accepted(provider, await signOn(own, provider, provider.login(), world.ada));
      assert.equal(await provider.isSignedIn(), true);
      const { status, page, url } = await own.follow(`${world.baseUrl}/login/signout`);
      assert.equal(status, 200, page);
      assert.ok(url.href.startsWith(world.baseUrl), url.href);
      assert.equal(await provider.isSignedIn(), false);
      const after = await own.follow(provider.login(), { stop: provider.acs });
      assert.match(after.page ?? "", /type="?password/, "the user must sign in again");
    });
  });
}

describe("with SQLite", () => {
  let world;

  before(async () => {
    world = await worlds.openWorld(Object.keys(LIBRARIES));
  });

  after(async () => {
    const statuses = (await world?.stop()) ?? [];
    assert.ok(statuses.includes(0), "the server drains and ends with status 0");
  });

  for (const library of Object.keys(LIBRARIES)) behaves(library, () => world);

  test("xmlsec1 verifies both signatures, and not those of a changed assertion", async () => {
    const provider = world.providers[NODE_SAML];
    const [{ x5c }] = await world.call("GET", `${provider.app.path}/credentials/keys`);
    const certificate = `-----BEGIN CERTIFICATE-----\n${x5c[0].match(/.{1,64}/g).join("\n")}\n-----END CERTIFICATE-----\n`;
    const xml = decode(await signOn(openBrowser(), provider, provider.app.ssoUrl, world.ada));
    for (const element of ["Response", "Assertion"]) {
      const { ok, said } = verifyWithXmlsec(xml, certificate, element);
      assert.ok(ok, said);
      const attacked = ATTACKS["an attribute's value is changed"](xml);
      assert.equal(verifyWithXmlsec(attacked, certificate, element).ok, false);
    }
  });

  test("an assertion consumer service that is not registered gets nothing", async () => {
    const provider = world.providers[NODE_SAML];
    const elsewhere = world.providers.pysaml2;
    const browser = await signedIn(provider, world.ada);
    // The request of one service provider at the app of another: its issuer and its URL are not the app's.
    const login = await fetch(elsewhere.login(), { redirect: "manual" });
    const { search } = new URL(login.headers.get("location"));
    await changeSignOn(world, provider.app, { samlSignedRequestEnabled: false });
    const { request, status } = await browser.follow(provider.app.ssoUrl + search, { stop: elsewhere.acs, user: world.ada });
    await changeSignOn(world, provider.app, { samlSignedRequestEnabled: true });
    assert.deepEqual([request, status], [undefined, 400]);
  });

  test("a request for a way to authenticate gets one that is true, or none", async (context) => {
    const provider = world.providers[NODE_SAML];
    await provider.configure(await metadataOf(provider.app));
    world.answer = {};
    context.after(() => (world.answer = PATCH));
    const browser = await signedIn(provider, world.ada);
    for (const wanted of [PASSWORD_CONTEXT, "urn:oasis:names:tc:SAML:2.0:ac:classes:Password"]) {
      const found = await accepted(provider, await signOn(browser, provider, provider.login({ context: wanted })));
      assert.equal(found.authnContext, wanted);
    }
    const none = await signOn(browser, provider, provider.login({ context: X509_CONTEXT }));
    assert.equal(count(decode(none), "Assertion"), 0);
    assert.match((await provider.deliver(none)).refused, /NoAuthnContext/);
  });

  test("a logout takes every service provider of the session along", async () => {
    const providers = Object.values(world.providers);
    const browser = openBrowser();
    for (const provider of providers) {
      await provider.configure(await metadataOf(provider.app));
      await accepted(provider, await signOn(browser, provider, provider.login(), world.ada));
    }
    const [first] = providers;
    const { status, page } = await browser.follow(first.logout(""));
    assert.equal(status, 200, page);
    assert.equal(JSON.parse(page).loggedOut, true);
    assert.deepEqual(await Promise.all(providers.map((provider) => provider.isSignedIn())), providers.map(() => false));
  });

  describe("in Chromium", () => {
    /** A folder for pictures of the pages, for people to look at. */
    const pictures = process.env.TENTERHOOK_PICTURES;
    const picture = (page, name) => pictures && page.screenshot(join(pictures, name));
    let chromium;

    before(() => {
      chromium = startChromium();
    });

    after(() => chromium?.stop());

    test("a person signs in on the hosted page and is at the service provider, with what the hook patched", async (context) => {
      const provider = world.providers[NODE_SAML];
      await provider.configure(await metadataOf(provider.app));
      const page = await chromium.newPage();
      await page.go(provider.login({ relayState: relayStateOfQuery(NODE_SAML) }));
      await page.until("document.querySelector('input[type=password]')");
      assert.ok((await page.evaluate("location.href")).startsWith(provider.app.ssoUrl));
      await picture(page, "sign-in.png");
      await page.type("input:not([type=hidden]):not([type=password])", world.ada.login);
      await page.type("input[type=password]", world.ada.password);
      await page.click("[type=submit]");
      await page.until(`location.href === ${JSON.stringify(provider.acs)} && document.readyState === 'complete'`);
      const found = JSON.parse(await page.evaluate("document.body.innerText"));
      checkPatched(found, provider.toolkit);
      assert.equal(found.relayState, relayStateOfQuery(NODE_SAML));
      await picture(page, "service-provider.png");

      world.answer = { error: { errorSummary: "No active benefits contract" } };
      context.after(() => (world.answer = PATCH));
      await page.go(provider.login());
      await page.until("document.body.innerText.includes('No active benefits contract')");
      assert.ok((await page.evaluate("location.href")).startsWith(provider.app.ssoUrl));
      await picture(page, "error.png");
    });

    test("axe-core finds nothing on the hosted pages, light and dark, on a phone and on a desktop", async (context) => {
      const { app, toolkit } = world.providers[NODE_SAML];
      const accept = () => (world.answer = PATCH);
      context.after(accept);
      await checkPages(chromium, {
        signIn: app.ssoUrl,
        signOut: `${world.baseUrl}/login/signout`,
        user: world.ada,
        brand: worlds.BRAND,
        label: `Benefits of ${toolkit}`,
        refuse: () => (world.answer = { error: { errorSummary: "No active benefits contract" } }),
        accept,
        pictures,
      });
    });
  });
});

const postgres = process.env.TENTERHOOK_TEST_POSTGRES;
describe("with PostgreSQL", { skip: postgres ? false : "no PostgreSQL server on this machine" }, () => {
  const library = NODE_SAML;
  let world;

  before(async () => {
    world = await worlds.openWorld([library], worlds.postgresDatabase());
  });

  after(async () => {
    const statuses = (await world?.stop()) ?? [];
    assert.ok(statuses.includes(0), "the server drains and ends with status 0");
  });

  behaves(library, () => world);
});
