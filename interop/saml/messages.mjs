// Responses as text: what a test reads from them, how an attacker changes them, and what `xmlsec1` says of their signatures.

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const ASSERTION = /<((?:\w+:)?)Assertion[\s>][\s\S]*<\/\1Assertion>/;
const SIGNATURE = /<((?:\w+:)?)Signature[\s>][\s\S]*?<\/\1Signature>/;
const NAME_ID = /(<(?:\w+:)?NameID\b[^>]*>)[^<]*/;
const ATTRIBUTE_VALUE = /(<(?:\w+:)?AttributeValue\b[^>]*>)[^<]+/;

/** The XML of a form's response. */
export const decode = (fields) => Buffer.from(fields.get("SAMLResponse"), "base64").toString("utf8");

/** The same form with other XML. */
export function encode(fields, xml) {
  const changed = new URLSearchParams(fields);
  changed.set("SAMLResponse", Buffer.from(xml, "utf8").toString("base64"));
  return changed;
}

/** The value of an attribute of the first element with this name. */
export function read(xml, element, attribute) {
  return new RegExp(`<(?:\\w+:)?${element}\\b[^>]*?\\s${attribute}="([^"]*)"`).exec(xml)?.[1];
}

/** How often an element occurs. */
export const count = (xml, element) => [...xml.matchAll(new RegExp(`<(?:\\w+:)?${element}[\\s/>]`, "g"))].length;

/** Replaces the first place where `what` matches; there must be one. */
function replace(xml, what, replacement) {
  if (!what.test(xml)) throw new Error(`nothing to change: ${what} in ${xml}`);
  return xml.replace(what, replacement);
}

/** The assertion without its signature, with another ID and another user. */
function forge(assertion) {
  const unsigned = assertion.replace(SIGNATURE, "");
  const renamed = replace(unsigned, /(\sID=")[^"]*/, "$1_forged");
  return replace(renamed, NAME_ID, "$1eve@example.com");
}

/** What an attacker who has a response of his own may do to it. */
export const ATTACKS = {
  "an attribute's value is changed": (xml) => replace(xml, ATTRIBUTE_VALUE, "$1eve"),
  "the NameID is changed": (xml) => replace(xml, NAME_ID, "$1eve@example.com"),
  "an assertion of the attacker's is put in front of the signed one": (xml) =>
    replace(xml, ASSERTION, (assertion) => forge(assertion) + assertion),
  "the signed assertion is moved into the signature of the attacker's": (xml) =>
    replace(xml, ASSERTION, (assertion) => {
      const [signature, prefix] = SIGNATURE.exec(assertion);
      const wrapped = assertion.replace(SIGNATURE, "");
      const end = `</${prefix}Signature>`;
      const carrier = `${signature.slice(0, -end.length)}<${prefix}Object>${wrapped}</${prefix}Object>${end}`;
      return replace(forge(assertion), /(<\/(?:\w+:)?Issuer>)/, (issuer) => issuer + carrier);
    }),
  "the signatures are removed": (xml) => xml.replace(new RegExp(SIGNATURE, "g"), ""),
};

/**
 * Asks `xmlsec1` to verify the signature of the response or of its assertion.
 *
 * @returns {{ ok: boolean, said: string }}
 */
export function verifyWithXmlsec(xml, certificatePem, element) {
  const folder = mkdtempSync(join(tmpdir(), "tenterhook-xmlsec-"));
  try {
    const [document, certificate] = [join(folder, "response.xml"), join(folder, "certificate.pem")];
    writeFileSync(document, xml);
    writeFileSync(certificate, certificatePem);
    const at = `//*[local-name()='${element}']/*[local-name()='Signature']`;
    const { status, stdout, stderr } = spawnSync(
      "xmlsec1",
      [
        ["--verify", "--pubkey-cert-pem", certificate, "--enabled-reference-uris", "same-doc"],
        ["--id-attr:ID", "urn:oasis:names:tc:SAML:2.0:protocol:Response"],
        ["--id-attr:ID", "urn:oasis:names:tc:SAML:2.0:assertion:Assertion"],
        ["--node-xpath", at, document],
      ].flat(),
      { encoding: "utf8" },
    );
    return { ok: status === 0, said: `${stdout}${stderr}` };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
