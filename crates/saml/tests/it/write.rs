//! Responses: what is signed, and that a change anywhere in it is seen.

use bergshamra_dsig::{DsigContext, VerifyResult, verify::verify_all};
use bergshamra_enc::EncContext;
use bergshamra_keys::{KeysManager, loader::load_rsa_private_pem};
use tenterhook_saml::write::{ContentEncryption, EncryptTo, Outcome, Signed};

use crate::support::{OURS, THEIRS, draft, response, sample_assertion};

/// How many signatures of the document are valid by our key, and how many there are.
pub(crate) fn valid_signatures(xml: &str) -> (usize, usize) {
    let mut keys = KeysManager::new();
    keys.add_key(bergshamra_keys::loader::load_x509_cert_der(OURS.certificate.der()).unwrap());
    match verify_all(&DsigContext::new(keys), xml) {
        Ok(results) => {
            (results.iter().filter(|result| matches!(result, VerifyResult::Valid { .. })).count(), results.len())
        }
        Err(_) => (0, 0),
    }
}

/// The assertion of a response, as text.
fn assertion_of(response: &str) -> &str {
    let start = response.find("<saml:Assertion").unwrap();
    let end = response.find("</saml:Assertion>").unwrap() + "</saml:Assertion>".len();
    &response[start..end]
}

fn signed(signed: Signed) -> String {
    let outcome = Outcome::SignedOn(Box::new(draft(sample_assertion())));
    response(outcome).to_signed_xml(&OURS.signing, signed, None).unwrap()
}

#[test]
fn each_part_that_is_to_be_signed_is_signed() {
    for (part, count) in [(Signed::Assertion, 1), (Signed::Response, 1), (Signed::Both, 2)] {
        assert_eq!(valid_signatures(&signed(part)), (count, count), "{part:?}");
    }
}

#[test]
fn an_assertion_is_encrypted_and_decrypted() {
    for content in [ContentEncryption::Aes128Gcm, ContentEncryption::Aes256Gcm] {
        let outcome = Outcome::SignedOn(Box::new(draft(sample_assertion())));
        let to = EncryptTo::new(&THEIRS.certificate, content).unwrap();
        let xml = response(outcome).to_signed_xml(&OURS.signing, Signed::Both, Some(&to)).unwrap();
        assert!(!xml.contains("ada@example.com"), "{xml}");
        assert_eq!(valid_signatures(&xml), (1, 1));
        let mut keys = KeysManager::new();
        keys.add_key(load_rsa_private_pem(THEIRS.private_key_pem.expose().as_bytes()).unwrap());
        let plain = bergshamra_enc::decrypt::decrypt(&EncContext::new(keys), &xml).unwrap();
        assert!(plain.contains("ada@example.com"), "{plain}");
        // The library puts the assertion in the place of the encrypted one, under the response's signature.
        assert_eq!(valid_signatures(&plain), (1, 2));
        assert_eq!(valid_signatures(assertion_of(&plain)), (1, 1));
    }
}
