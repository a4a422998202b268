//! Key pairs that sign SAML messages, with their X.509 certificates.

use std::{fmt, time::Duration};

use aws_lc_rs::{
    rand::SystemRandom,
    rsa::KeyPair as RsaKeyPair,
    signature::{KeyPair as _, RSA_PKCS1_SHA256},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, KeyUsagePurpose, PKCS_RSA_SHA256};
use rustls_pki_types::{PrivatePkcs8KeyDer, pem::PemObject as _};
use serde_json::{Map, Value};
use tenterhook_contract::{Secret, Timestamp};
use tenterhook_jose::SigningAlgorithm;

use crate::{Certificate, CertificateError};

/// Longest common name of a certificate (RFC 5280 appendix A.1, `ub-common-name`). Verifiers refuse a longer one.
pub const COMMON_NAME_CHARACTERS_MAX: usize = 64;

/// Why a key cannot be generated or used. The text contains nothing of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The cryptography library could not generate a key pair or a certificate.
    #[error("the key pair or its certificate cannot be made")]
    NotMade,
    /// The text is not an RSA private key of 2048 to 8192 bits, PKCS#8 in PEM.
    #[error("the private key cannot be parsed")]
    NotParsed,
    /// The certificate cannot be used.
    #[error("the certificate: {0}")]
    Certificate(CertificateError),
    /// The certificate is that of another key.
    #[error("the certificate is not that of the private key")]
    NotOfThisKey,
    /// The key cannot sign.
    #[error("the key pair cannot sign")]
    NotSigned,
}

/// A key pair with its certificate, parsed once, that signs with RSA and SHA-256. `Debug` shows nothing of it.
pub struct SigningKey {
    pair: RsaKeyPair,
    certificate_der: Vec<u8>,
    /// The certificate in base64, as each signature contains it.
    certificate_base64: String,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SigningKey").finish_non_exhaustive()
    }
}

impl SigningKey {
    /// The key pair of a private key, PKCS#8 in PEM, and its certificate in DER.
    ///
    /// # Errors
    /// [`KeyError::NotParsed`], [`KeyError::Certificate`], [`KeyError::NotOfThisKey`].
    pub fn new(private_key_pem: &Secret, certificate_der: &[u8]) -> Result<Self, KeyError> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(private_key_pem.expose().as_bytes());
        let der = der.map_err(|_| KeyError::NotParsed)?;
        let pair = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).map_err(|_| KeyError::NotParsed)?;
        let certificate = Certificate::from_der(certificate_der).map_err(KeyError::Certificate)?;
        if !certificate.has_rsa_key(pair.public_key().as_ref()) {
            return Err(KeyError::NotOfThisKey);
        }
        let certificate_base64 = STANDARD.encode(certificate_der);
        Ok(Self { pair, certificate_der: certificate_der.to_vec(), certificate_base64 })
    }

    /// The certificate, DER.
    pub fn certificate_der(&self) -> &[u8] {
        &self.certificate_der
    }

    /// The certificate, DER in base64 on one line.
    pub fn certificate_base64(&self) -> &str {
        &self.certificate_base64
    }

    /// The signature of `message`: RSA with PKCS#1 v1.5 and SHA-256.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        let signed = self.pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature);
        signed.map_err(|_| KeyError::NotSigned)?;
        Ok(signature)
    }
}

/// A new key pair with its certificate.
#[derive(Debug)]
pub struct GeneratedKey {
    /// The private key, PKCS#8 in PEM.
    pub private_key_pem: Secret,
    /// The certificate, DER.
    pub certificate: Vec<u8>,
    /// The public key in the members of a JWK (RFC 7518 section 6.3): `kty`, `e` and `n`.
    pub public: Map<String, Value>,
}

/// Generates an RSA key pair of 2048 bits, and a certificate for it that it signs itself. This takes up to a second of
/// one core: do not call it on a thread that serves requests.
///
/// # Errors
/// [`KeyError::NotMade`].
///
/// ```
/// # use tenterhook_contract::Timestamp;
/// use tenterhook_saml::keys::{SigningKey, generate};
/// let (start, end) = (Timestamp::from_micros(0), Timestamp::from_micros(0).plus_seconds(86_400));
/// let key = generate("idp.example.com", start, end).unwrap();
/// assert!(SigningKey::new(&key.private_key_pem, &key.certificate).is_ok());
/// assert_eq!(key.public["kty"], "RSA");
/// ```
pub fn generate(common_name: &str, not_before: Timestamp, not_after: Timestamp) -> Result<GeneratedKey, KeyError> {
    let generated = tenterhook_jose::generate(SigningAlgorithm::RS256).map_err(|_| KeyError::NotMade)?;
    let certificate = certificate(&generated.private_key_pem, common_name, not_before, not_after)?;
    Ok(GeneratedKey { private_key_pem: generated.private_key_pem, certificate, public: generated.public })
}

/// A certificate, DER, that the key signs itself with SHA-256, valid from `not_before` to `not_after`; both are cut to
/// whole seconds, and the common name to the [`COMMON_NAME_CHARACTERS_MAX`] characters that it can have. It says that the key signs, and that it is no certificate authority.
///
/// # Errors
/// [`KeyError::NotParsed`], and [`KeyError::NotMade`] when the library fails.
pub fn certificate(
    private_key_pem: &Secret,
    common_name: &str,
    not_before: Timestamp,
    not_after: Timestamp,
) -> Result<Vec<u8>, KeyError> {
    let pair = key_pair(private_key_pem)?;
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name.chars().take(COMMON_NAME_CHARACTERS_MAX).collect::<String>());
    let mut params = CertificateParams::default();
    params.distinguished_name = name;
    let since_epoch = |at: Timestamp| {
        let seconds = u64::try_from(at.as_seconds()).unwrap_or_default();
        rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds)
    };
    params.not_before = since_epoch(not_before);
    params.not_after = since_epoch(not_after);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    let certificate = params.self_signed(&pair).map_err(|_| KeyError::NotMade)?;
    Ok(certificate.der().to_vec())
}

fn key_pair(private_key_pem: &Secret) -> Result<KeyPair, KeyError> {
    KeyPair::from_pkcs8_pem_and_sign_algo(private_key_pem.expose(), &PKCS_RSA_SHA256).map_err(|_| KeyError::NotParsed)
}
