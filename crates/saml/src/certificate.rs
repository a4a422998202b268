//! X.509 certificates of service providers, as holders of public keys.

use std::fmt;

use aws_lc_rs::{
    digest,
    rsa::{PublicEncryptingKey, PublicKey as RsaPublicKey},
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, RSA_PKCS1_2048_8192_SHA256,
        RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, UnparsedPublicKey, VerificationAlgorithm,
    },
};
use base64::{
    Engine as _,
    alphabet::STANDARD as ALPHABET,
    engine::{
        DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig,
        general_purpose::{STANDARD, URL_SAFE_NO_PAD},
    },
};
use bergshamra_keys::{Key, loader::load_x509_cert_der};

use crate::SignatureAlgorithm;

/// Bytes of a certificate, in DER, at most.
pub const CERTIFICATE_BYTES_MAX: usize = 16 * 1024;

/// Why a certificate cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// It is not base64, nor PEM.
    #[error("is not a certificate in base64 or PEM")]
    NotEncoded,
    /// It is not an X.509 certificate.
    #[error("is not an X.509 certificate with a key that is RSA or on one of the curves P-256, P-384 and P-521")]
    NotParsed,
    /// It is larger than [`CERTIFICATE_BYTES_MAX`].
    #[error("is larger than 16384 bytes")]
    TooLarge,
    /// The RSA key has fewer than 2048 bits, or more than 8192.
    #[error("has an RSA key of fewer than 2048 bits, or of more than 8192")]
    WeakKey,
    /// The kind of key cannot verify.
    #[error("has a key that is not RSA nor on one of the curves P-256, P-384 and P-521")]
    UnsupportedKey,
}

/// The certificate of a service provider. Only its public key is used: whether a certificate authority issued it and
/// whether it has expired do not matter, as an administrator registered this very certificate.
#[derive(Clone)]
pub struct Certificate {
    der: Vec<u8>,
    key: Key,
    kind: KeyKind,
    /// `SubjectPublicKeyInfo`, DER.
    public: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KeyKind {
    Rsa,
    P256,
    P384,
    P521,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Certificate").field("key", &self.kind).finish_non_exhaustive()
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

impl Eq for Certificate {}

/// Base64 as people paste it: with or without padding.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &ALPHABET,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What a text in base64, with or without padding, stands for.
pub(crate) fn decode_base64(text: &str) -> Option<Vec<u8>> {
    LENIENT.decode(text).ok()
}

impl Certificate {
    /// A certificate in DER.
    ///
    /// # Errors
    /// All but [`CertificateError::NotEncoded`].
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        if der.len() > CERTIFICATE_BYTES_MAX {
            return Err(CertificateError::TooLarge);
        }
        let key = load_x509_cert_der(der).map_err(|_| CertificateError::NotParsed)?;
        let public = key.to_spki_der().ok_or(CertificateError::NotParsed)?;
        let kind = match key.algorithm_name() {
            "RSA" => KeyKind::Rsa,
            "EC-P256" => KeyKind::P256,
            "EC-P384" => KeyKind::P384,
            "EC-P521" => KeyKind::P521,
            _ => return Err(CertificateError::UnsupportedKey),
        };
        // The provider refuses other sizes.
        if kind == KeyKind::Rsa && PublicEncryptingKey::from_der(&public).is_err() {
            return Err(CertificateError::WeakKey);
        }
        Ok(Self { der: der.to_vec(), key, kind, public })
    }

    /// A certificate in base64 (as `x5c` and metadata have it, with or without white space) or in PEM; of several in PEM
    /// the first.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn from_text(text: &str) -> Result<Self, CertificateError> {
        const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
        const END: &str = "-----END CERTIFICATE-----";
        let body = match text.split_once(BEGIN) {
            Some((_, rest)) => rest.split_once(END).ok_or(CertificateError::NotEncoded)?.0,
            None => text,
        };
        let body = body.split_ascii_whitespace().collect::<String>();
        // Four characters of base64 for three bytes.
        if body.len() / 4 * 3 > CERTIFICATE_BYTES_MAX {
            return Err(CertificateError::TooLarge);
        }
        let der = decode_base64(&body).ok_or(CertificateError::NotEncoded)?;
        Self::from_der(&der)
    }

    /// The certificate, DER.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The certificate, DER in base64 on one line.
    pub fn base64(&self) -> String {
        STANDARD.encode(&self.der)
    }

    /// Whether the key is RSA: the only kind to which an assertion can be encrypted.
    pub fn is_rsa(&self) -> bool {
        self.kind == KeyKind::Rsa
    }

    /// The key as the XML library has it.
    pub(crate) fn key(&self) -> &Key {
        &self.key
    }

    /// Whether its key is this RSA public key (RFC 8017, `RSAPublicKey`).
    pub(crate) fn has_rsa_key(&self, public: &[u8]) -> bool {
        RsaPublicKey::from_der(&self.public).is_ok_and(|own| own.as_ref() == public)
    }

    /// Whether `signature` is one of `message` by the key. ECDSA signatures are the two numbers, as XML Signature has
    /// them (XML Signature 1.1 section 6.4.3).
    pub(crate) fn verifies(&self, algorithm: SignatureAlgorithm, message: &[u8], signature: &[u8]) -> bool {
        let verification: &'static dyn VerificationAlgorithm = match (algorithm, self.kind) {
            (SignatureAlgorithm::RsaSha256, KeyKind::Rsa) => &RSA_PKCS1_2048_8192_SHA256,
            (SignatureAlgorithm::RsaSha384, KeyKind::Rsa) => &RSA_PKCS1_2048_8192_SHA384,
            (SignatureAlgorithm::RsaSha512, KeyKind::Rsa) => &RSA_PKCS1_2048_8192_SHA512,
            (SignatureAlgorithm::EcdsaSha256, KeyKind::P256) => &ECDSA_P256_SHA256_FIXED,
            (SignatureAlgorithm::EcdsaSha384, KeyKind::P384) => &ECDSA_P384_SHA384_FIXED,
            (SignatureAlgorithm::EcdsaSha512, KeyKind::P521) => &ECDSA_P521_SHA512_FIXED,
            _ => return false,
        };
        UnparsedPublicKey::new(verification, &self.public).verify(message, signature).is_ok()
    }
}

/// The SHA-256 thumbprint of a certificate in DER, base64url without padding (`x5t#S256`, RFC 7517 section 4.9).
pub fn thumbprint(certificate_der: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, certificate_der))
}
