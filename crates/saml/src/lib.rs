//! SAML 2.0 messages of an identity provider: written, signed and encrypted, and those of service providers read and
//! verified. Pure and synchronous: no clock, no network, no database; ids and times come in as arguments.
//!
//! Start reading at [`write::Response`] for what goes out and at [`read::AuthnRequest`] for what comes in.
//!
//! Two decisions hold everywhere:
//!
//! - **What is verified is what is read.** The parser under the signature library reads the message too, so that no two
//!   parsers can see two documents in the same bytes. A signature is accepted only if it covers the root element.
//! - **What is written is canonical.** Exclusive canonicalization leaves each element that is written here as it is, so
//!   that its digest is taken from its text. The tests verify what is written with the signature library, which
//!   canonicalizes it again.

pub mod binding;
mod certificate;
mod date;
pub mod keys;
pub mod metadata;
mod name_id;
mod names;
pub mod read;
mod status;
pub mod verify;
pub mod write;
mod xml;

pub use certificate::{CERTIFICATE_BYTES_MAX, Certificate, CertificateError, thumbprint};
pub use name_id::NameId;
pub use names::{BINDING_HTTP_POST, BINDING_HTTP_REDIRECT, SignatureAlgorithm};
pub use status::{Failure, Fault, Reason, Status};
