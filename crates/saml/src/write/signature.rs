//! Enveloped signatures (SAML core 5.4): RSA with SHA-256 over the exclusive canonical form.
//!
//! The signature library parses a message several times and the private key once for every signature: parsing the key
//! takes longer (1.1 ms) than signing (0.6 ms). What is written here is canonical already, so that its text is digested,
//! and signed with a key that is parsed once. In the tests the library verifies what is signed here.

use aws_lc_rs::digest;
use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{Unsigned, WriteError};
use crate::{
    keys::SigningKey,
    names::{ENVELOPED, EXCLUSIVE_C14N, RSA_SHA256, SHA256},
};

/// The prefix of the types of attribute values: it stands in values, where exclusive canonicalization does not see it.
const PREFIXES_IN_VALUES: &str = "xs";

/// The element with its signature. `id` is the element's ID.
pub(super) fn sign(unsigned: Unsigned, id: &str, key: &SigningKey) -> Result<String, WriteError> {
    // In the reference it stands as it is.
    if !is_id(id) {
        return Err(WriteError::Id);
    }
    let Unsigned { mut xml, signature_at } = unsigned;
    let digest = STANDARD.encode(digest::digest(&digest::SHA256, xml.as_bytes()));
    let signed_info = format!(
        "<ds:CanonicalizationMethod Algorithm=\"{EXCLUSIVE_C14N}\"></ds:CanonicalizationMethod>\
         <ds:SignatureMethod Algorithm=\"{RSA_SHA256}\"></ds:SignatureMethod>\
         <ds:Reference URI=\"#{id}\"><ds:Transforms>\
         <ds:Transform Algorithm=\"{ENVELOPED}\"></ds:Transform>\
         <ds:Transform Algorithm=\"{EXCLUSIVE_C14N}\">\
         <ec:InclusiveNamespaces xmlns:ec=\"{EXCLUSIVE_C14N}\" PrefixList=\"{PREFIXES_IN_VALUES}\">\
         </ec:InclusiveNamespaces></ds:Transform></ds:Transforms>\
         <ds:DigestMethod Algorithm=\"{SHA256}\"></ds:DigestMethod>\
         <ds:DigestValue>{digest}</ds:DigestValue></ds:Reference></ds:SignedInfo>"
    );
    // Alone, the element declares the namespace that it has from the signature otherwise.
    let canonical = format!("<ds:SignedInfo xmlns:ds=\"{}\">{signed_info}", crate::names::DS);
    let signature = STANDARD.encode(key.sign(canonical.as_bytes())?);
    let certificate = key.certificate_base64();
    let element = format!(
        "<ds:Signature xmlns:ds=\"{}\"><ds:SignedInfo>{signed_info}\
         <ds:SignatureValue>{signature}</ds:SignatureValue>\
         <ds:KeyInfo><ds:X509Data><ds:X509Certificate>{certificate}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>\
         </ds:Signature>",
        crate::names::DS
    );
    xml.insert_str(signature_at, &element);
    Ok(xml)
}

/// Whether an ID is a name (XML Schema 1.1 part 2, 3.4.8) of ASCII letters, digits, `_`, `-` and `.`.
fn is_id(id: &str) -> bool {
    let is_name = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-' | '.');
    id.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_') && id.chars().all(is_name)
}
