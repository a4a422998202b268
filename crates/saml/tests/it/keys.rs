//! Key pairs and certificates.

use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519};
use tenterhook_contract::Secret;
use tenterhook_saml::{
    CERTIFICATE_BYTES_MAX, Certificate, CertificateError,
    keys::{COMMON_NAME_CHARACTERS_MAX, KeyError, SigningKey, certificate, generate},
    thumbprint,
};

use crate::support::{OURS, THEIRS, at};

/// A certificate with an RSA key of 1024 bits, made with OpenSSL.
const WEAK: &str = include_str!("../weak_certificate.pem");

#[test]
fn a_key_is_renewed_with_another_certificate() {
    let key = generate("a.example", at("2026-01-01T00:00:00Z"), at("2036-01-01T00:00:00Z")).unwrap();
    let renewed =
        certificate(&key.private_key_pem, "a.example", at("2026-06-01T00:00:00Z"), at("2046-01-01T00:00:00Z")).unwrap();
    assert_ne!(key.certificate, renewed);
    assert_eq!(SigningKey::new(&key.private_key_pem, &renewed).unwrap().certificate_der(), renewed);
    assert_eq!(key.public.keys().collect::<Vec<_>>(), ["kty", "e", "n"]);
}

#[test]
fn a_certificate_says_its_name_and_validity() {
    let key = generate("Tenterhook ä", at("2026-02-03T04:05:06.789Z"), at("2049-12-31T23:59:59Z")).unwrap();
    let text = String::from_utf8_lossy(&key.certificate).into_owned();
    for part in ["Tenterhook ä", "260203040506Z", "491231235959Z"] {
        assert!(text.contains(part), "{part}");
    }
}

/// A name is text in the certificate, not a list of attributes, and never longer than verifiers take.
#[test]
fn a_certificate_takes_any_name_of_an_org_and_cuts_it_to_what_a_common_name_can_have() {
    let (from, until) = (at("2026-01-01T00:00:00Z"), at("2036-01-01T00:00:00Z"));
    let cut = "ä".repeat(COMMON_NAME_CHARACTERS_MAX);
    for (name, shown) in [
        ("Acme, Inc.+CN=Other", "Acme, Inc.+CN=Other"),
        ("O=\"Q\"; <a&b>\\#", "O=\"Q\"; <a&b>\\#"),
        ("東京 🗼 Ünïcode", "東京 🗼 Ünïcode"),
        (cut.as_str(), cut.as_str()),
        ("ä".repeat(COMMON_NAME_CHARACTERS_MAX + 1).as_str(), cut.as_str()),
        ("ä".repeat(255).as_str(), cut.as_str()),
    ] {
        let der = certificate(&OURS.private_key_pem, name, from, until).unwrap();
        assert!(SigningKey::new(&OURS.private_key_pem, &der).is_ok(), "{name}");
        // The type of the attribute, then UTF8String and its length (X.690 8.1.3).
        let mut value = vec![0x55, 0x04, 0x03, 0x0c];
        let length = u8::try_from(shown.len()).unwrap();
        value.extend(if length < 0x80 { vec![length] } else { vec![0x81, length] });
        value.extend(shown.as_bytes());
        let subjects = der.windows(value.len()).filter(|part| *part == value).count();
        assert_eq!(subjects, 2, "{name}: subject and issuer");
        assert_eq!(der.windows(3).filter(|part| *part == [0x55, 0x04, 0x03]).count(), 2, "{name}: one name each");
    }
}

#[test]
fn a_key_and_a_certificate_that_do_not_belong_together_are_refused() {
    let other = SigningKey::new(&OURS.private_key_pem, THEIRS.certificate.der());
    assert_eq!(other.unwrap_err(), KeyError::NotOfThisKey);
    let no_key = SigningKey::new(&Secret::new("-----BEGIN PRIVATE KEY-----"), OURS.certificate.der());
    assert_eq!(no_key.unwrap_err(), KeyError::NotParsed);
    let no_certificate = SigningKey::new(&OURS.private_key_pem, b"DER");
    assert_eq!(no_certificate.unwrap_err(), KeyError::Certificate(CertificateError::NotParsed));
}

#[test]
fn certificates_are_read_in_every_form_in_which_people_paste_them() {
    let own = &OURS.certificate;
    let base64 = own.base64();
    let lines = base64.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line).into_owned());
    let lines = lines.collect::<Vec<_>>().join("\r\n");
    let pem = format!("-----BEGIN CERTIFICATE-----\r\n{lines}\r\n-----END CERTIFICATE-----\r\n");
    let theirs = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----", THEIRS.certificate.base64());
    for text in [
        base64.clone(),
        format!("\n  {lines}\n"),
        base64.trim_end_matches('=').to_owned(),
        pem.clone(),
        format!("Bag Attributes\n{pem}{theirs}"),
    ] {
        assert_eq!(Certificate::from_text(&text).as_ref(), Ok(own), "{text}");
    }
}

#[test]
fn certificates_that_cannot_be_used_are_refused() {
    let check = |text: &str, expected| assert_eq!(Certificate::from_text(text).unwrap_err(), expected, "{text:.80}");
    check("", CertificateError::NotParsed);
    check("not base64!", CertificateError::NotEncoded);
    check("-----BEGIN CERTIFICATE-----\nAAAA", CertificateError::NotEncoded);
    check("AAAA", CertificateError::NotParsed);
    check(WEAK, CertificateError::WeakKey);
    check(&"A".repeat(CERTIFICATE_BYTES_MAX / 3 * 4 + 8), CertificateError::TooLarge);
    check(&"A".repeat(CERTIFICATE_BYTES_MAX / 3 * 4), CertificateError::NotParsed);
    let ed25519 = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let ed25519 = CertificateParams::default().self_signed(&ed25519).unwrap();
    assert_eq!(Certificate::from_der(ed25519.der()).unwrap_err(), CertificateError::UnsupportedKey);
    let elliptic = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let elliptic = CertificateParams::default().self_signed(&elliptic).unwrap();
    assert!(!Certificate::from_der(elliptic.der()).unwrap().is_rsa());
    assert!(OURS.certificate.is_rsa());
}

#[test]
fn debug_shows_nothing_of_a_key() {
    assert_eq!(format!("{:?}", OURS.signing), "SigningKey { .. }");
    assert_eq!(format!("{:?}", OURS.certificate), "Certificate { key: Rsa, .. }");
    let key = generate("a.example", at("2026-01-01T00:00:00Z"), at("2036-01-01T00:00:00Z")).unwrap();
    assert!(format!("{key:?}").contains("Secret(…)"));
}

#[test]
fn a_thumbprint_is_the_sha_256_of_the_certificate() {
    // SHA-256 of nothing.
    assert_eq!(thumbprint(b""), "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU");
    assert_eq!(thumbprint(OURS.certificate.der()).len(), 43);
}
