//! A response to a sign-on (SAML core 3.3.3) as a service provider reads it: for sample service providers of ours.

use std::fmt;

use tenterhook_contract::Timestamp;

use super::{
    ReadError,
    message::{Head, name_id, root, text},
};
use crate::{
    NameId,
    date::date_time,
    names::{SAML, SAMLP},
    xml::tree::{Element, Tree},
};

/// An identity provider's answer to an authentication request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignOnResponse {
    /// `Issuer`: the identity provider's entity id.
    pub issuer: String,
    /// `Destination`.
    pub destination: Option<String>,
    /// The id of the request; none for a sign-on that the identity provider began.
    pub in_response_to: Option<String>,
    /// The top-level status code, a URI.
    pub status: String,
    /// The assertion, unless the status says why there is none.
    pub assertion: Option<SignedOn>,
}

/// What an assertion says. Its `Debug` shows nothing of the user.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedOn {
    /// The user.
    pub name_id: NameId,
    /// `Recipient` of the confirmation.
    pub recipient: Option<String>,
    /// `Audience` of the conditions.
    pub audiences: Vec<String>,
    /// `SessionIndex`.
    pub session_index: Option<String>,
    /// `AuthnContextClassRef`.
    pub class_ref: Option<String>,
    /// Seconds from `IssueInstant` to `SessionNotOnOrAfter`.
    pub session_seconds: Option<i64>,
    /// Names and values of the attributes, in their order.
    pub attributes: Vec<(String, Vec<String>)>,
}

impl fmt::Debug for SignedOn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SignedOn").field("audiences", &self.audiences).finish_non_exhaustive()
    }
}

impl SignOnResponse {
    /// Reads a response. An encrypted assertion is not supported.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn parse(xml: &[u8]) -> Result<Self, ReadError> {
        let tree = Tree::parse(xml)?;
        let root = root(&tree, "Response")?;
        let Head { issuer, destination, .. } = Head::of(root)?;
        let status = child(root, SAMLP, "Status")?;
        let code = child(status, SAMLP, "StatusCode")?;
        if root.child(SAML, "EncryptedAssertion")?.is_some() {
            return Err(ReadError::Unsupported("EncryptedAssertion"));
        }
        Ok(Self {
            issuer,
            destination,
            in_response_to: text(root, "InResponseTo"),
            status: code.required("Value")?.to_owned(),
            assertion: root.child(SAML, "Assertion")?.map(signed_on).transpose()?,
        })
    }
}

fn signed_on(assertion: Element<'_, '_>) -> Result<SignedOn, ReadError> {
    let subject = child(assertion, SAML, "Subject")?;
    let confirmation = child(subject, SAML, "SubjectConfirmation")?;
    let data = confirmation.child(SAML, "SubjectConfirmationData")?;
    let statement = child(assertion, SAML, "AuthnStatement")?;
    let context = child(statement, SAML, "AuthnContext")?;
    let class_ref = context.child(SAML, "AuthnContextClassRef")?;
    let mut audiences = Vec::new();
    for restriction in child(assertion, SAML, "Conditions")?.children_named(SAML, "AudienceRestriction") {
        for audience in restriction.children_named(SAML, "Audience") {
            audiences.push(audience.text("Audience")?);
        }
    }
    let mut attributes = Vec::new();
    if let Some(own) = assertion.child(SAML, "AttributeStatement")? {
        for attribute in own.children_named(SAML, "Attribute") {
            let values = attribute.children_named(SAML, "AttributeValue").map(|value| value.text("AttributeValue"));
            attributes.push((attribute.required("Name")?.to_owned(), values.collect::<Result<_, _>>()?));
        }
    }
    let ends = instant(statement, "SessionNotOnOrAfter")?;
    let issued = instant(assertion, "IssueInstant")?.ok_or(ReadError::Missing("IssueInstant"))?;
    Ok(SignedOn {
        name_id: name_id(subject)?.ok_or(ReadError::Missing("NameID"))?,
        recipient: data.and_then(|data| text(data, "Recipient")),
        audiences,
        session_index: text(statement, "SessionIndex"),
        class_ref: class_ref.map(|class| class.text("AuthnContextClassRef")).transpose()?,
        session_seconds: ends.map(|ends| ends.as_seconds().saturating_sub(issued.as_seconds())),
        attributes,
    })
}

fn child<'t, 'a>(parent: Element<'t, 'a>, namespace: &str, name: &'static str) -> Result<Element<'t, 'a>, ReadError> {
    parent.child(namespace, name)?.ok_or(ReadError::Missing(name))
}

fn instant(element: Element<'_, '_>, name: &'static str) -> Result<Option<Timestamp>, ReadError> {
    text(element, name).map(|text| date_time(&text).ok_or(ReadError::Invalid(name))).transpose()
}
