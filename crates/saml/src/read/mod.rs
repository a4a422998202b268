//! Messages of service providers, and the response that one gets, read within bounds: at most 128 KB, 64 elements deep, 10,000 nodes; no document type, no
//! entities, no processing instructions, no ID twice.
//!
//! Reading says nothing about who sent a message: see [`crate::verify`] and
//! [`DetachedSignature`](crate::binding::redirect::DetachedSignature).

mod authn_request;
mod logout;
mod message;
mod sign_on_response;

pub use authn_request::{AuthnRequest, Comparison, NameIdPolicy, RequestedAuthnContext};
pub use logout::{LogoutRequest, LogoutResponse};
pub use sign_on_response::{SignOnResponse, SignedOn};

pub use crate::xml::tree::{
    DOCUMENT_BYTES_MAX, DOCUMENT_DEPTH_MAX, DOCUMENT_NODES_MAX, ELEMENT_ATTRIBUTES_MAX, NAMESPACES_MAX,
};

/// Why a document is not what it should be. The text contains nothing of the document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// It is larger than [`DOCUMENT_BYTES_MAX`].
    #[error("the XML is larger than 131072 bytes")]
    TooLarge,
    /// It is not UTF-8.
    #[error("the XML is not UTF-8")]
    NotUtf8,
    /// It declares another encoding than UTF-8, or than US-ASCII where every character is one of it.
    #[error("the XML declares another encoding than UTF-8")]
    OtherEncoding,
    /// It declares another version of XML than 1.0.
    #[error("the XML declares another version of XML than 1.0")]
    OtherVersion,
    /// It has a document type or an entity declaration.
    #[error("the XML has a document type declaration (DOCTYPE), which is not accepted")]
    DocumentType,
    /// It has a processing instruction.
    #[error("the XML has a processing instruction, which is not accepted")]
    ProcessingInstruction,
    /// It is not well-formed, uses a prefix without a namespace, or is deeper than [`DOCUMENT_DEPTH_MAX`].
    #[error("the XML is not well-formed, or is deeper than 64 elements")]
    NotWellFormed,
    /// It has more nodes than [`DOCUMENT_NODES_MAX`], more declarations of namespaces than [`NAMESPACES_MAX`], or an
    /// element with more attributes than [`ELEMENT_ATTRIBUTES_MAX`].
    #[error(
        "the XML has more than 10000 nodes or 128 namespace declarations, or an element with more than 64 attributes"
    )]
    TooManyNodes,
    /// Two elements have one ID.
    #[error("two elements of the XML have the same ID")]
    DuplicateId,
    /// The root element is another one.
    #[error("the root element is not `{0}`")]
    WrongRoot(&'static str),
    /// `Version` is not `2.0`.
    #[error("`Version` is not `2.0`")]
    WrongVersion,
    /// An attribute or element is missing.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// An element that may be there once is there more than once.
    #[error("`{0}` is there more than once")]
    Repeated(&'static str),
    /// A value is not of its type.
    #[error("`{0}` is not valid")]
    Invalid(&'static str),
    /// An element that has a text has an element.
    #[error("`{0}` contains an element where only a text may be")]
    NotText(&'static str),
    /// An element is not supported.
    #[error("`{0}` is not supported")]
    Unsupported(&'static str),
}
