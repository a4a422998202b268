//! Single logout (SAML core 3.7).

use tenterhook_contract::Timestamp;

use super::{
    ReadError,
    message::{Head, name_id, root, text},
};
use crate::{NameId, date::date_time, names::SAMLP, xml::tree::Tree};

/// A service provider's request to end the sessions of a user. Its `Debug` shows nothing of the user: a hook may have set the name and
/// the sessions.
#[derive(Clone, PartialEq, Eq)]
pub struct LogoutRequest {
    /// `ID`.
    pub id: String,
    /// `Issuer`: the service provider's entity id.
    pub issuer: String,
    /// `IssueInstant`.
    pub issue_instant: Timestamp,
    /// `Destination`.
    pub destination: Option<String>,
    /// When the request ends.
    pub not_on_or_after: Option<Timestamp>,
    /// `Reason`.
    pub reason: Option<String>,
    /// The user.
    pub name_id: NameId,
    /// The sessions that are to end; empty for all of the user's.
    pub session_indexes: Vec<String>,
    /// Whether it contains a signature, which is not verified by reading.
    pub is_signed: bool,
}

impl std::fmt::Debug for LogoutRequest {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut debug = formatter.debug_struct("LogoutRequest");
        debug.field("id", &self.id).field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

/// A service provider's answer to a logout request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogoutResponse {
    /// `ID`.
    pub id: String,
    /// `Issuer`: the service provider's entity id.
    pub issuer: String,
    /// `IssueInstant`.
    pub issue_instant: Timestamp,
    /// `Destination`.
    pub destination: Option<String>,
    /// The id of the request.
    pub in_response_to: Option<String>,
    /// The top-level status code, a URI.
    pub status: String,
    /// The second-level status code, a URI.
    pub second_status: Option<String>,
    /// Whether it contains a signature, which is not verified by reading.
    pub is_signed: bool,
}

impl LogoutRequest {
    /// Reads a request.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn parse(xml: &[u8]) -> Result<Self, ReadError> {
        let tree = Tree::parse(xml)?;
        let root = root(&tree, "LogoutRequest")?;
        let Head { id, issuer, issue_instant, destination, is_signed } = Head::of(root)?;
        let not_on_or_after = text(root, "NotOnOrAfter");
        let not_on_or_after =
            not_on_or_after.map(|text| date_time(&text).ok_or(ReadError::Invalid("NotOnOrAfter"))).transpose()?;
        let indexes = root.children_named(SAMLP, "SessionIndex");
        let indexes = indexes.map(|index| index.text("SessionIndex"));
        Ok(Self {
            id,
            issuer,
            issue_instant,
            destination,
            not_on_or_after,
            reason: text(root, "Reason"),
            name_id: name_id(root)?.ok_or(ReadError::Missing("NameID"))?,
            session_indexes: indexes.collect::<Result<_, ReadError>>()?,
            is_signed,
        })
    }
}

impl LogoutResponse {
    /// Reads a response.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn parse(xml: &[u8]) -> Result<Self, ReadError> {
        let tree = Tree::parse(xml)?;
        let root = root(&tree, "LogoutResponse")?;
        let Head { id, issuer, issue_instant, destination, is_signed } = Head::of(root)?;
        let status = root.child(SAMLP, "Status")?.ok_or(ReadError::Missing("Status"))?;
        let code = status.child(SAMLP, "StatusCode")?.ok_or(ReadError::Missing("StatusCode"))?;
        let second = code.child(SAMLP, "StatusCode")?;
        Ok(Self {
            id,
            issuer,
            issue_instant,
            destination,
            in_response_to: text(root, "InResponseTo"),
            status: code.required("Value")?.to_owned(),
            second_status: second.map(|code| code.required("Value").map(str::to_owned)).transpose()?,
            is_signed,
        })
    }

    /// Whether the service provider ended the sessions.
    pub fn is_success(&self) -> bool {
        self.status == "urn:oasis:names:tc:SAML:2.0:status:Success"
    }
}
