//! Authentication requests (SAML core 3.4.1).

use tenterhook_contract::Timestamp;

use super::{
    ReadError,
    message::{Head, name_id, root, text},
};
use crate::{
    NameId,
    names::{SAML, SAMLP},
    xml::tree::{Element, Tree},
};

/// A service provider's request to sign a user on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthnRequest {
    /// `ID`.
    pub id: String,
    /// `Issuer`: the service provider's entity id.
    pub issuer: String,
    /// `IssueInstant`.
    pub issue_instant: Timestamp,
    /// `Destination`.
    pub destination: Option<String>,
    /// `AssertionConsumerServiceURL`.
    pub acs_url: Option<String>,
    /// `AssertionConsumerServiceIndex`.
    pub acs_index: Option<u16>,
    /// `ProtocolBinding`: how the response is to be sent.
    pub protocol_binding: Option<String>,
    /// `ForceAuthn`.
    pub force_authn: bool,
    /// `IsPassive`.
    pub is_passive: bool,
    /// `NameIDPolicy`.
    pub name_id_policy: Option<NameIdPolicy>,
    /// `RequestedAuthnContext`.
    pub requested_authn_context: Option<RequestedAuthnContext>,
    /// The name of the user who is to sign on (`Subject`).
    pub subject: Option<NameId>,
    /// Whether it contains a signature, which is not verified by reading.
    pub is_signed: bool,
}

/// `NameIDPolicy` (SAML core 3.4.1.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameIdPolicy {
    /// `Format`.
    pub format: Option<String>,
    /// `SPNameQualifier`.
    pub sp_name_qualifier: Option<String>,
    /// `AllowCreate`.
    pub allow_create: bool,
}

/// `RequestedAuthnContext` (SAML core 3.3.2.2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestedAuthnContext {
    /// `Comparison`.
    pub comparison: Comparison,
    /// `AuthnContextClassRef` elements; empty where the request names declarations instead.
    pub class_refs: Vec<String>,
    /// `AuthnContextDeclRef` elements.
    pub declaration_refs: Vec<String>,
}

/// How the context of the authentication is compared with the requested ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Comparison {
    /// It is one of them.
    #[default]
    Exact,
    /// It is as strong as one of them.
    Minimum,
    /// It is as strong as possible, and not stronger than one of them.
    Maximum,
    /// It is stronger than one of them.
    Better,
}

impl AuthnRequest {
    /// Reads a request.
    ///
    /// # Errors
    /// [`ReadError`].
    ///
    /// ```
    /// use tenterhook_saml::read::AuthnRequest;
    /// let xml = br#"<p:AuthnRequest xmlns:p="urn:oasis:names:tc:SAML:2.0:protocol" ID="_1" Version="2.0"
    ///     IssueInstant="2026-02-11T10:05:00Z" ForceAuthn="true">
    ///   <a:Issuer xmlns:a="urn:oasis:names:tc:SAML:2.0:assertion">urn:example:sp</a:Issuer>
    /// </p:AuthnRequest>"#;
    /// let request = AuthnRequest::parse(xml).unwrap();
    /// assert_eq!((request.issuer.as_str(), request.force_authn), ("urn:example:sp", true));
    /// ```
    pub fn parse(xml: &[u8]) -> Result<Self, ReadError> {
        let tree = Tree::parse(xml)?;
        let root = root(&tree, "AuthnRequest")?;
        let Head { id, issuer, issue_instant, destination, is_signed } = Head::of(root)?;
        let subject = root.child(SAML, "Subject")?.map(name_id).transpose()?.flatten();
        let acs_index = text(root, "AssertionConsumerServiceIndex");
        let acs_index = acs_index.map(|index| index.parse::<u16>());
        let acs_index = acs_index.transpose().map_err(|_| ReadError::Invalid("AssertionConsumerServiceIndex"))?;
        Ok(Self {
            id,
            issuer,
            issue_instant,
            destination,
            acs_url: text(root, "AssertionConsumerServiceURL"),
            acs_index,
            protocol_binding: text(root, "ProtocolBinding"),
            force_authn: root.boolean("ForceAuthn")?,
            is_passive: root.boolean("IsPassive")?,
            name_id_policy: root.child(SAMLP, "NameIDPolicy")?.map(NameIdPolicy::of).transpose()?,
            requested_authn_context: root
                .child(SAMLP, "RequestedAuthnContext")?
                .map(RequestedAuthnContext::of)
                .transpose()?,
            subject,
            is_signed,
        })
    }
}

impl NameIdPolicy {
    fn of(element: Element<'_, '_>) -> Result<Self, ReadError> {
        Ok(Self {
            format: text(element, "Format"),
            sp_name_qualifier: text(element, "SPNameQualifier"),
            allow_create: element.boolean("AllowCreate")?,
        })
    }
}

impl RequestedAuthnContext {
    fn of(element: Element<'_, '_>) -> Result<Self, ReadError> {
        let comparison = match element.attribute("Comparison") {
            None | Some("exact") => Comparison::Exact,
            Some("minimum") => Comparison::Minimum,
            Some("maximum") => Comparison::Maximum,
            Some("better") => Comparison::Better,
            Some(_) => return Err(ReadError::Invalid("Comparison")),
        };
        let texts = |name: &'static str| {
            let found = element.children_named(SAML, name);
            found.map(|child| child.text(name)).collect::<Result<Vec<_>, ReadError>>()
        };
        let (class_refs, declaration_refs) = (texts("AuthnContextClassRef")?, texts("AuthnContextDeclRef")?);
        if class_refs.is_empty() && declaration_refs.is_empty() {
            return Err(ReadError::Missing("AuthnContextClassRef"));
        }
        Ok(Self { comparison, class_refs, declaration_refs })
    }
}
