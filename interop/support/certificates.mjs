// A certificate authority that lives as long as the test.

import "reflect-metadata";
import * as x509 from "@peculiar/x509";

const KEYS = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const HOUR_MS = 3_600_000;

/**
 * A certificate for 127.0.0.1, and the authority that signed it.
 *
 * @returns {Promise<{ authorityPem: string, certificatePem: string, keyPem: string }>}
 */
export async function issueLoopbackCertificate() {
  const authorityKeys = await newKeys();
  const serviceKeys = await newKeys();
  const validity = { notBefore: new Date(Date.now() - HOUR_MS), notAfter: new Date(Date.now() + HOUR_MS) };
  const authority = await x509.X509CertificateGenerator.createSelfSigned({
    name: "CN=Interop authority",
    serialNumber: "01",
    keys: authorityKeys,
    signingAlgorithm: KEYS,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
      await x509.SubjectKeyIdentifierExtension.create(authorityKeys.publicKey),
    ],
    ...validity,
  });
  const certificate = await x509.X509CertificateGenerator.create({
    subject: "CN=Interop service",
    issuer: authority.subject,
    serialNumber: "02",
    publicKey: serviceKeys.publicKey,
    signingKey: authorityKeys.privateKey,
    signingAlgorithm: KEYS,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension([{ type: "ip", value: "127.0.0.1" }]),
      await x509.AuthorityKeyIdentifierExtension.create(authorityKeys.publicKey),
    ],
    ...validity,
  });
  const key = await crypto.subtle.exportKey("pkcs8", serviceKeys.privateKey);
  return {
    authorityPem: authority.toString("pem"),
    certificatePem: certificate.toString("pem"),
    keyPem: x509.PemConverter.encode(key, "PRIVATE KEY"),
  };
}

/**
 * An RSA key pair with a certificate that is its own authority, as SAML service providers have it.
 *
 * @returns {Promise<{ certificatePem: string, keyPem: string, der: string }>} `der` is the certificate in base64, as `x5c` has it
 */
export async function issueOwnCertificate(name) {
  const signingAlgorithm = {
    name: "RSASSA-PKCS1-v1_5",
    hash: "SHA-256",
    modulusLength: 2048,
    publicExponent: new Uint8Array([1, 0, 1]),
  };
  const keys = await crypto.subtle.generateKey(signingAlgorithm, true, ["sign", "verify"]);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: `CN=${name}`,
    serialNumber: "01",
    keys,
    signingAlgorithm,
    notBefore: new Date(Date.now() - HOUR_MS),
    notAfter: new Date(Date.now() + HOUR_MS),
  });
  const key = await crypto.subtle.exportKey("pkcs8", keys.privateKey);
  return {
    certificatePem: certificate.toString("pem"),
    keyPem: x509.PemConverter.encode(key, "PRIVATE KEY"),
    der: Buffer.from(certificate.rawData).toString("base64"),
  };
}

function newKeys() {
  return crypto.subtle.generateKey(KEYS, true, ["sign", "verify"]);
}
