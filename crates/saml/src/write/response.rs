//! Responses to authentication requests (SAML core 3.3.3), and those that no request asked for.

use tenterhook_contract::Timestamp;

use super::{AssertionDraft, EncryptTo, Message, WriteError, encryption, signature, status};
use crate::{Failure, Status, keys::SigningKey};

/// A response.
#[derive(Clone, Debug, PartialEq)]
pub struct Response {
    /// `ID`: letters, digits, `_`, `-` and `.`, not beginning with a digit.
    pub id: String,
    /// The id of the request; `None` when the identity provider begins the sign-on.
    pub in_response_to: Option<String>,
    /// `Destination`: the assertion consumer service.
    pub destination: String,
    /// `Issuer`: the entity id of the identity provider for the app.
    pub issuer: String,
    /// `IssueInstant`.
    pub issue_instant: Timestamp,
    /// What it says.
    pub outcome: Outcome,
}

/// What a response says.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The user signed on.
    SignedOn(Box<AssertionDraft>),
    /// The request was not done.
    Failed(Failure),
}

/// What of a response is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signed {
    /// The assertion.
    Assertion,
    /// The response, and thereby all that it contains.
    Response,
    /// The assertion, then the response.
    Both,
}

impl Signed {
    /// From an app's two settings; `None` when neither is set, as a response that is not signed proves nothing.
    pub fn of(assertion: bool, response: bool) -> Option<Self> {
        match (assertion, response) {
            (true, true) => Some(Self::Both),
            (true, false) => Some(Self::Assertion),
            (false, true) => Some(Self::Response),
            (false, false) => None,
        }
    }

    fn assertion(self) -> bool {
        matches!(self, Self::Assertion | Self::Both)
    }

    fn response(self) -> bool {
        matches!(self, Self::Response | Self::Both)
    }
}

impl Response {
    /// The response as XML, signed: first the assertion is signed, then encrypted if `encrypt` says so, then the response
    /// is signed. A response without an assertion is always signed.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn to_signed_xml(
        &self,
        key: &SigningKey,
        signed: Signed,
        encrypt: Option<&EncryptTo>,
    ) -> Result<String, WriteError> {
        let (content, outcome, sign_response) = match &self.outcome {
            Outcome::SignedOn(draft) => {
                let unsigned = draft.write()?;
                let xml = if signed.assertion() { signature::sign(unsigned, &draft.id, key)? } else { unsigned.xml };
                let xml = match encrypt {
                    Some(encrypt) => encryption::encrypted_assertion(&xml, encrypt)?,
                    None => xml,
                };
                (xml, Status::Success, signed.response())
            }
            Outcome::Failed(failure) => (String::new(), Status::Failure(failure.clone()), true),
        };
        let issue_instant = self.issue_instant.to_string();
        let message = Message {
            name: "samlp:Response",
            id: &self.id,
            in_response_to: self.in_response_to.as_deref(),
            destination: &self.destination,
            issuer: &self.issuer,
            issue_instant: &issue_instant,
            not_on_or_after: None,
        };
        let unsigned = message.write(|writer| {
            status(writer, &outcome)?;
            writer.written(&content);
            Ok(())
        })?;
        if sign_response { signature::sign(unsigned, &self.id, key) } else { Ok(unsigned.xml) }
    }
}
