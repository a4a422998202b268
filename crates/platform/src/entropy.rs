//! Values drawn from randomness: ids, tokens that are shown once, their stored hashes.

use aws_lc_rs::digest;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use tenterhook_contract::{Secret, Timestamp};
use tenterhook_engine::Entropy;
pub use tenterhook_engine::SystemEntropy;
use tenterhook_model::Passcode;

/// `N` random bytes.
pub fn random_bytes<const N: usize>(entropy: &dyn Entropy) -> [u8; N] {
    let mut bytes = [0; N];
    entropy.fill(&mut bytes);
    bytes
}

/// The two arguments of every `Id::from_parts`.
pub fn id_parts(entropy: &dyn Entropy, now: Timestamp) -> (u64, [u8; 8]) {
    (u64::try_from(now.as_micros() / 1_000).unwrap_or(0), random_bytes(entropy))
}

/// A token of 256 random bits in base64url, to be shown once and stored as [`sha256_hex`].
pub fn random_token(entropy: &dyn Entropy) -> Secret {
    Secret::new(URL_SAFE_NO_PAD.encode(random_bytes::<32>(entropy)))
}

/// A one-time passcode of six digits.
pub fn passcode(entropy: &dyn Entropy) -> Passcode {
    Passcode::from_entropy(random_bytes(entropy))
}

/// A temporary password of 120 random bits, 20 characters long. A user types it once.
pub fn temporary_password(entropy: &dyn Entropy) -> Secret {
    Secret::new(URL_SAFE_NO_PAD.encode(random_bytes::<15>(entropy)))
}

/// The code challenge of a PKCE verifier with the method `S256` (RFC 7636 section 4.2).
///
/// ```
/// // RFC 7636 appendix B.
/// let challenge = tenterhook_platform::entropy::code_challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
/// assert_eq!(challenge, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
/// ```
pub fn code_challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()))
}

/// SHA-256 in base64url: the thumbprint of a certificate (RFC 7515 section 4.1.8).
pub fn sha256_base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, bytes))
}

/// SHA-256 in lower-case hexadecimal: how random tokens are stored and looked up.
pub fn sha256_hex(text: &str) -> String {
    use std::fmt::Write as _;
    digest::digest(&digest::SHA256, text.as_bytes()).as_ref().iter().fold(String::new(), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
