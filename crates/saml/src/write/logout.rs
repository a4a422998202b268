//! Single logout (SAML core 3.7).

use tenterhook_contract::Timestamp;

use super::{Message, Unsigned, WriteError, signature, status};
use crate::{
    NameId, Status,
    keys::SigningKey,
    xml::writer::{NONE, SAML},
};

/// A request to a service provider to end the user's sessions there. Its `Debug` shows nothing of the user: a hook may have set the
/// name and the sessions.
#[derive(Clone, PartialEq, Eq)]
pub struct LogoutRequest {
    /// `ID`.
    pub id: String,
    /// `Destination`: the service provider's single logout service.
    pub destination: String,
    /// `Issuer`: the entity id of the identity provider for the app.
    pub issuer: String,
    /// `IssueInstant`.
    pub issue_instant: Timestamp,
    /// When the request ends.
    pub not_on_or_after: Option<Timestamp>,
    /// The user, as the assertion named the user.
    pub name_id: NameId,
    /// The sessions to be ended, as assertions named them; none for all of the user's.
    pub session_indexes: Vec<String>,
}

impl std::fmt::Debug for LogoutRequest {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut debug = formatter.debug_struct("LogoutRequest");
        debug.field("id", &self.id).field("destination", &self.destination).finish_non_exhaustive()
    }
}

/// The answer to a service provider's logout request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogoutResponse {
    /// `ID`.
    pub id: String,
    /// The id of the request.
    pub in_response_to: Option<String>,
    /// `Destination`: the service provider's single logout service.
    pub destination: String,
    /// `Issuer`: the entity id of the identity provider for the app.
    pub issuer: String,
    /// `IssueInstant`.
    pub issue_instant: Timestamp,
    /// How it went.
    pub status: Status,
}

impl LogoutRequest {
    /// The request as XML without a signature, for the Redirect binding, which signs the query.
    ///
    /// # Errors
    /// [`WriteError::Text`].
    pub fn to_xml(&self) -> Result<String, WriteError> {
        Ok(self.write()?.xml)
    }

    /// The request as signed XML, for the POST binding.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn to_signed_xml(&self, key: &SigningKey) -> Result<String, WriteError> {
        signature::sign(self.write()?, &self.id, key)
    }

    fn write(&self) -> Result<Unsigned, WriteError> {
        let (issue_instant, ends) = (self.issue_instant.to_string(), self.not_on_or_after.map(|at| at.to_string()));
        let message = Message {
            name: "samlp:LogoutRequest",
            id: &self.id,
            in_response_to: None,
            destination: &self.destination,
            issuer: &self.issuer,
            issue_instant: &issue_instant,
            not_on_or_after: ends.as_deref(),
        };
        let name = [
            ("Format", self.name_id.format.as_deref()),
            ("NameQualifier", self.name_id.name_qualifier.as_deref()),
            ("SPNameQualifier", self.name_id.sp_name_qualifier.as_deref()),
        ];
        message.write(|writer| {
            writer.text_element("saml:NameID", &[SAML], &name, &self.name_id.value)?;
            for index in &self.session_indexes {
                writer.text_element("samlp:SessionIndex", NONE, &[], index)?;
            }
            Ok(())
        })
    }
}

impl LogoutResponse {
    /// The response as XML without a signature, for the Redirect binding, which signs the query.
    ///
    /// # Errors
    /// [`WriteError::Text`].
    pub fn to_xml(&self) -> Result<String, WriteError> {
        Ok(self.write()?.xml)
    }

    /// The response as signed XML, for the POST binding.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn to_signed_xml(&self, key: &SigningKey) -> Result<String, WriteError> {
        signature::sign(self.write()?, &self.id, key)
    }

    fn write(&self) -> Result<Unsigned, WriteError> {
        let issue_instant = self.issue_instant.to_string();
        let message = Message {
            name: "samlp:LogoutResponse",
            id: &self.id,
            in_response_to: self.in_response_to.as_deref(),
            destination: &self.destination,
            issuer: &self.issuer,
            issue_instant: &issue_instant,
            not_on_or_after: None,
        };
        message.write(|writer| Ok(status(writer, &self.status)?))
    }
}
