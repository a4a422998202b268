//! Messages of the identity provider.

mod assertion;
mod encryption;
mod logout;
mod response;
mod signature;

pub use assertion::AssertionDraft;
pub use encryption::{ContentEncryption, EncryptTo, EncryptionError};
pub use logout::{LogoutRequest, LogoutResponse};
pub use response::{Outcome, Response, Signed};

use crate::{
    keys::KeyError,
    xml::writer::{NONE, SAML, SAMLP, Writer},
};

pub use crate::xml::writer::TextError;

/// Why a message cannot be written. The text contains no value of the message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// A text cannot be written in XML.
    #[error(transparent)]
    Text(#[from] TextError),
    /// An ID is not a name of letters, digits, `_`, `-` and `.`.
    #[error("an ID is not a name of letters, digits, `_`, `-` and `.`")]
    Id,
    /// The `xsi:type` of a value of an attribute is not one of XML Schema, so that no receiver could resolve it.
    #[error("the `xsi:type` of a value of an attribute is not a type of XML Schema")]
    ValueType,
    /// The key cannot sign.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The assertion cannot be encrypted.
    #[error(transparent)]
    Encryption(#[from] EncryptionError),
}

/// The issuer of a message or an assertion.
fn issuer(writer: &mut Writer, issuer: &str) -> Result<(), TextError> {
    writer.text_element("saml:Issuer", &[SAML], &[], issuer)
}

/// The status of a response (SAML core 3.2.2).
fn status(writer: &mut Writer, status: &crate::Status) -> Result<(), TextError> {
    let (first, second) = status.codes();
    writer.element("samlp:Status", NONE, &[], |writer| {
        writer.element("samlp:StatusCode", NONE, &[("Value", Some(&first))], |writer| match &second {
            Some(second) => writer.empty_element("samlp:StatusCode", NONE, &[("Value", Some(second))]),
            None => Ok::<_, TextError>(()),
        })?;
        match status.message() {
            Some(message) => writer.text_element("samlp:StatusMessage", NONE, &[], message),
            None => Ok(()),
        }
    })
}

/// An element that can be signed: its text, and where the signature goes, behind the issuer.
struct Unsigned {
    xml: String,
    signature_at: usize,
}

/// What the root elements of messages have in common.
struct Message<'a> {
    name: &'static str,
    id: &'a str,
    in_response_to: Option<&'a str>,
    destination: &'a str,
    issuer: &'a str,
    issue_instant: &'a str,
    not_on_or_after: Option<&'a str>,
}

impl Message<'_> {
    /// The message with its content behind the issuer.
    fn write(&self, content: impl FnOnce(&mut Writer) -> Result<(), WriteError>) -> Result<Unsigned, WriteError> {
        let mut writer = Writer::default();
        let mut signature_at = 0;
        let attributes = [
            ("Destination", Some(self.destination)),
            ("ID", Some(self.id)),
            ("InResponseTo", self.in_response_to),
            ("IssueInstant", Some(self.issue_instant)),
            ("NotOnOrAfter", self.not_on_or_after),
            ("Version", Some("2.0")),
        ];
        writer.element::<WriteError>(self.name, &[SAMLP], &attributes, |writer| {
            issuer(writer, self.issuer)?;
            signature_at = writer.len();
            content(writer)
        })?;
        Ok(Unsigned { xml: writer.finish(), signature_at })
    }
}
