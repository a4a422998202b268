//! Key pairs that sign: the tokens of authorization servers and the client assertions of channels.
//!
//! A key pair is parsed once and kept. The JWT library parses an RSA key again for every signature, which costs more
//! than the signature itself. So this crate uses the library to read the PEM and to write the header, and signs with
//! the parsed pair. The library verifies. Start reading at [`TokenSigner`].

mod generate;
mod signer;

pub use generate::{Generated, generate};
pub use signer::{SigningAlgorithm, TokenSigner};

/// Why a key cannot be generated or used. The text contains nothing of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The cryptography library could not generate a key.
    #[error("the key pair cannot be made")]
    NotMade,
    /// The text is not a private key of the algorithm, in PEM.
    #[error("the private key cannot be parsed")]
    NotParsed,
    /// The key cannot sign this.
    #[error("the key pair cannot sign")]
    NotSigned,
}
