//! Encryption of assertions (SAML core 2.3.4, XML Encryption 1.1): AES-GCM for the assertion, RSA-OAEP for its key.
//!
//! The key transport is `rsa-oaep-mgf1p` with SHA-1, which every service provider's library decrypts: with SHA-256 some
//! fail or expect it to be said in another way. The security of OAEP does not rest on collisions of its hash
//! (RFC 8017 section 7.1), unlike that of signatures.

use std::fmt;

use bergshamra_enc::EncContext;
use bergshamra_keys::KeysManager;

use crate::{Certificate, names};

/// How the assertion itself is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentEncryption {
    /// AES-128 in GCM.
    Aes128Gcm,
    /// AES-256 in GCM.
    Aes256Gcm,
}

/// Why an assertion cannot be encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncryptionError {
    /// The certificate's key is not RSA, and only RSA transports keys here.
    #[error("the certificate to encrypt to has no RSA key")]
    NotRsa,
    /// The cryptography library failed.
    #[error("the assertion cannot be encrypted")]
    Failed,
}

/// For whom assertions are encrypted, and how.
pub struct EncryptTo {
    context: EncContext,
    content: ContentEncryption,
}

impl fmt::Debug for EncryptTo {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("EncryptTo").field("content", &self.content).finish_non_exhaustive()
    }
}

impl EncryptTo {
    /// Encryption to the key of `certificate`.
    ///
    /// # Errors
    /// [`EncryptionError::NotRsa`].
    pub fn new(certificate: &Certificate, content: ContentEncryption) -> Result<Self, EncryptionError> {
        if !certificate.is_rsa() {
            return Err(EncryptionError::NotRsa);
        }
        let mut keys = KeysManager::new();
        keys.add_key(certificate.key().clone());
        Ok(Self { context: EncContext::new(keys), content })
    }
}

/// `saml:EncryptedAssertion` of the XML of an assertion.
pub(super) fn encrypted_assertion(assertion: &str, to: &EncryptTo) -> Result<String, EncryptionError> {
    let algorithm = match to.content {
        ContentEncryption::Aes128Gcm => "http://www.w3.org/2009/xmlenc11#aes128-gcm",
        ContentEncryption::Aes256Gcm => "http://www.w3.org/2009/xmlenc11#aes256-gcm",
    };
    let (saml, xenc, ds) = (names::SAML, names::XENC, names::DS);
    // The form is canonical: the response around it may be signed.
    let template = format!(
        "<saml:EncryptedAssertion xmlns:saml=\"{saml}\">\
         <xenc:EncryptedData xmlns:xenc=\"{xenc}\" Type=\"{xenc}Element\">\
         <xenc:EncryptionMethod Algorithm=\"{algorithm}\"></xenc:EncryptionMethod>\
         <ds:KeyInfo xmlns:ds=\"{ds}\"><xenc:EncryptedKey>\
         <xenc:EncryptionMethod Algorithm=\"{xenc}rsa-oaep-mgf1p\">\
         <ds:DigestMethod Algorithm=\"{ds}sha1\"></ds:DigestMethod></xenc:EncryptionMethod>\
         <xenc:CipherData><xenc:CipherValue></xenc:CipherValue></xenc:CipherData></xenc:EncryptedKey></ds:KeyInfo>\
         <xenc:CipherData><xenc:CipherValue></xenc:CipherValue></xenc:CipherData>\
         </xenc:EncryptedData></saml:EncryptedAssertion>"
    );
    bergshamra_enc::encrypt::encrypt(&to.context, &template, assertion.as_bytes()).map_err(|_| EncryptionError::Failed)
}
