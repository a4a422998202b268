//! The Redirect binding: a message in the query of a URL, compressed, with a signature over the query.

use std::{fmt, io::Read as _, io::Write as _};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::{Compression, read::DeflateDecoder, write::DeflateEncoder};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{BindingError, MessageKind, Parameters};
use crate::{
    Certificate, SignatureAlgorithm,
    keys::{KeyError, SigningKey},
    names::RSA_SHA256,
    read::DOCUMENT_BYTES_MAX,
    verify::{CERTIFICATES_MAX, VerifyError},
};

/// The one encoding of messages (SAML bindings 3.4.4.1).
const DEFLATE: &str = "urn:oasis:names:tc:SAML:2.0:bindings:URL-Encoding:DEFLATE";
/// What a value of a query escapes: all but the unreserved characters (RFC 3986 section 2.3).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A message from a query.
#[derive(Clone, PartialEq, Eq)]
pub struct RedirectMessage {
    /// The message.
    pub xml: Vec<u8>,
    /// Whether it asks or answers.
    pub kind: MessageKind,
    /// `RelayState`, decoded; to be given back as it is.
    pub relay_state: Option<String>,
    /// The signature over the query.
    pub signature: Option<DetachedSignature>,
}

impl fmt::Debug for RedirectMessage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("RedirectMessage").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// A signature over a query (SAML bindings 3.4.4.1).
#[derive(Clone, PartialEq, Eq)]
pub struct DetachedSignature {
    /// `None` for one that is not accepted, which matters only to who verifies.
    algorithm: Option<SignatureAlgorithm>,
    signature: Vec<u8>,
    /// The pieces of the query that are signed, byte for byte as they were sent, in the order of the specification.
    signed: String,
}

impl fmt::Debug for DetachedSignature {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("DetachedSignature").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

impl DetachedSignature {
    /// Verifies it with the key of one of `certificates`.
    ///
    /// # Errors
    /// [`VerifyError::Algorithm`], [`VerifyError::NoCertificate`], [`VerifyError::NotValid`].
    pub fn verify(&self, certificates: &[Certificate]) -> Result<(), VerifyError> {
        let algorithm = self.algorithm.ok_or(VerifyError::Algorithm)?;
        if certificates.is_empty() {
            return Err(VerifyError::NoCertificate);
        }
        let mut tried = certificates.iter().take(CERTIFICATES_MAX);
        let valid = tried.any(|own| own.verifies(algorithm, self.signed.as_bytes(), &self.signature));
        if valid { Ok(()) } else { Err(VerifyError::NotValid) }
    }
}

/// The message in a query, which is given as it was sent, without the `?`.
///
/// # Errors
/// [`BindingError`].
pub fn decode(query: &str) -> Result<RedirectMessage, BindingError> {
    let parameters = Parameters::of(query)?;
    let (kind, message) = parameters.message()?;
    if let Some(encoding) = parameters.piece("SAMLEncoding")?
        && encoding.text()? != DEFLATE
    {
        return Err(BindingError::UnknownEncoding);
    }
    let relay_state = parameters.relay_state()?;
    let signature = match (parameters.piece("SigAlg")?, parameters.piece("Signature")?) {
        (None, None) => None,
        (Some(algorithm), Some(signature)) => {
            let mut signed = message.whole.to_owned();
            for piece in [parameters.piece("RelayState")?, Some(algorithm)].into_iter().flatten() {
                signed.push('&');
                signed.push_str(piece.whole);
            }
            let algorithm = SignatureAlgorithm::of_uri(&algorithm.text()?);
            Some(DetachedSignature { algorithm, signature: signature.bytes()?, signed })
        }
        _ => return Err(BindingError::HalfSigned),
    };
    Ok(RedirectMessage { xml: inflate(&message.bytes()?)?, kind, relay_state, signature })
}

/// `RelayState` of a query without a message, with which an identity provider begins a sign-on.
///
/// # Errors
/// [`BindingError`].
pub fn relay_state(query: &str) -> Result<Option<String>, BindingError> {
    Parameters::of(query)?.relay_state()
}

/// The query of a message, without the `?`; signed with RSA and SHA-256 if there is a key.
///
/// # Errors
/// [`KeyError::NotSigned`].
pub fn encode(
    kind: MessageKind,
    xml: &str,
    relay_state: Option<&str>,
    key: Option<&SigningKey>,
) -> Result<String, KeyError> {
    let mut query = format!("{}={}", kind.parameter(), escaped(&STANDARD.encode(deflate(xml))));
    if let Some(state) = relay_state {
        query.push_str("&RelayState=");
        query.push_str(&escaped(state));
    }
    if let Some(key) = key {
        query.push_str("&SigAlg=");
        query.push_str(&escaped(RSA_SHA256));
        let signature = key.sign(query.as_bytes())?;
        query.push_str("&Signature=");
        query.push_str(&escaped(&STANDARD.encode(signature)));
    }
    Ok(query)
}

/// The URL to which the browser is sent: `query` appended to that of the service provider.
///
/// ```
/// use tenterhook_saml::binding::redirect::location;
/// assert_eq!(location("https://sp.example/slo", "a=b"), "https://sp.example/slo?a=b");
/// assert_eq!(location("https://sp.example/slo?tenant=1", "a=b"), "https://sp.example/slo?tenant=1&a=b");
/// ```
pub fn location(destination: &str, query: &str) -> String {
    let separator = if destination.contains('?') { '&' } else { '?' };
    format!("{destination}{separator}{query}")
}

fn escaped(value: &str) -> String {
    utf8_percent_encode(value, ESCAPED).to_string()
}

fn deflate(xml: &str) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    // Writing to memory does not fail.
    let _ = encoder.write_all(xml.as_bytes());
    encoder.finish().unwrap_or_default()
}

/// Inflates, and stops at the largest message that is read.
fn inflate(compressed: &[u8]) -> Result<Vec<u8>, BindingError> {
    let mut xml = Vec::new();
    let limit = u64::try_from(DOCUMENT_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
    DeflateDecoder::new(compressed).take(limit).read_to_end(&mut xml).map_err(|_| BindingError::NotDeflate)?;
    if xml.len() > DOCUMENT_BYTES_MAX { Err(BindingError::InflatedTooLarge) } else { Ok(xml) }
}
