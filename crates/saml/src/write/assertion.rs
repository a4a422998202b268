//! Assertions (SAML core 2, SAML profiles 4.1.4.2).

use tenterhook_contract::{
    Timestamp,
    saml::assertion::{Assertion, Attribute, AttributeValue, schema_type},
};

use super::{TextError, Unsigned, WriteError};
use crate::xml::writer::{NONE, SAML, Writer, XS, XSI};

/// An assertion that is not signed yet, with what its signature makes of it: id, issuer and times.
#[derive(Clone, Debug, PartialEq)]
pub struct AssertionDraft {
    /// `ID`: letters, digits, `_`, `-` and `.`, not beginning with a digit.
    pub id: String,
    /// `Issuer`: the entity id of the identity provider for the app.
    pub issuer: String,
    /// `IssueInstant`. The lifetimes count from here.
    pub issue_instant: Timestamp,
    /// `NotBefore` of the conditions.
    pub not_before: Timestamp,
    /// `AuthnInstant`: when the user signed in.
    pub authn_instant: Timestamp,
    /// The id of the request that it answers.
    pub in_response_to: Option<String>,
    /// `NameQualifier` of the name identifier.
    pub name_qualifier: Option<String>,
    /// `SPNameQualifier` of the name identifier.
    pub sp_name_qualifier: Option<String>,
    /// What the hook has seen and may have changed.
    pub assertion: Assertion,
}

impl AssertionDraft {
    /// The element. Its children stand in the order of the schema.
    pub(super) fn write(&self) -> Result<Unsigned, WriteError> {
        let mut writer = Writer::default();
        let mut signature_at = 0;
        let issue_instant = self.issue_instant.to_string();
        let attributes =
            [("ID", Some(self.id.as_str())), ("IssueInstant", Some(issue_instant.as_str())), ("Version", Some("2.0"))];
        writer.element::<WriteError>("saml:Assertion", &[SAML], &attributes, |writer| {
            // The namespace is declared on the assertion.
            writer.text_element("saml:Issuer", NONE, &[], &self.issuer)?;
            signature_at = writer.len();
            self.subject(writer)?;
            self.conditions(writer)?;
            self.authn_statement(writer)?;
            self.attribute_statement(writer)
        })?;
        Ok(Unsigned { xml: writer.finish(), signature_at })
    }

    fn subject(&self, writer: &mut Writer) -> Result<(), TextError> {
        let subject = &self.assertion.subject;
        let name = [
            ("Format", Some(subject.name_format.as_str())),
            ("NameQualifier", self.name_qualifier.as_deref()),
            ("SPNameQualifier", self.sp_name_qualifier.as_deref()),
        ];
        let not_on_or_after = self.not_on_or_after();
        let data = [
            ("InResponseTo", self.in_response_to.as_deref()),
            ("NotOnOrAfter", Some(not_on_or_after.as_str())),
            ("Recipient", Some(subject.confirmation.data.recipient.as_str())),
        ];
        writer.element("saml:Subject", NONE, &[], |writer| {
            writer.text_element("saml:NameID", NONE, &name, &subject.name_id)?;
            let method = [("Method", Some(subject.confirmation.method.as_str()))];
            writer.element("saml:SubjectConfirmation", NONE, &method, |writer| {
                writer.empty_element("saml:SubjectConfirmationData", NONE, &data)
            })
        })
    }

    /// One restriction: the assertion is for whoever is one of its audiences (SAML core 2.5.1.4).
    fn conditions(&self, writer: &mut Writer) -> Result<(), TextError> {
        let (not_before, not_on_or_after) = (self.not_before.to_string(), self.not_on_or_after());
        let attributes = [("NotBefore", Some(not_before.as_str())), ("NotOnOrAfter", Some(not_on_or_after.as_str()))];
        let audiences = &self.assertion.conditions.audience_restriction;
        writer.element("saml:Conditions", NONE, &attributes, |writer| {
            // The schema allows no restriction without an audience.
            if audiences.is_empty() {
                return Ok(());
            }
            writer.element("saml:AudienceRestriction", NONE, &[], |writer| {
                audiences.iter().try_for_each(|audience| writer.text_element("saml:Audience", NONE, &[], audience))
            })
        })
    }

    fn authn_statement(&self, writer: &mut Writer) -> Result<(), TextError> {
        let authentication = &self.assertion.authentication;
        let authn_instant = self.authn_instant.to_string();
        let ends = authentication.session_lifetime;
        let ends = ends.map(|seconds| self.issue_instant.plus_seconds(i64::from(seconds)).to_string());
        let attributes = [
            ("AuthnInstant", Some(authn_instant.as_str())),
            ("SessionIndex", Some(authentication.session_index.as_str())),
            ("SessionNotOnOrAfter", ends.as_deref()),
        ];
        writer.element("saml:AuthnStatement", NONE, &attributes, |writer| {
            writer.element("saml:AuthnContext", NONE, &[], |writer| {
                let class = &authentication.authn_context.authn_context_class_ref;
                writer.text_element("saml:AuthnContextClassRef", NONE, &[], class)
            })
        })
    }

    fn attribute_statement(&self, writer: &mut Writer) -> Result<(), WriteError> {
        let claims = &self.assertion.claims;
        // The schema allows no statement without an attribute.
        if claims.is_empty() {
            return Ok(());
        }
        writer.element("saml:AttributeStatement", NONE, &[], |writer| {
            claims.iter().try_for_each(|(name, claim)| attribute(writer, name, claim))
        })
    }

    fn not_on_or_after(&self) -> String {
        self.issue_instant.plus_seconds(i64::from(self.assertion.lifetime.expiration)).to_string()
    }
}

fn attribute(writer: &mut Writer, name: &str, attribute: &Attribute) -> Result<(), WriteError> {
    let attributes = [("Name", Some(name)), ("NameFormat", Some(attribute.attributes.name_format.as_str()))];
    writer.element("saml:Attribute", NONE, &attributes, |writer| {
        attribute.values.iter().try_for_each(|own| value(writer, own))
    })
}

fn value(writer: &mut Writer, value: &AttributeValue) -> Result<(), WriteError> {
    // Written with the one prefix that is declared, whatever the hook called it.
    let kind = schema_type(&value.attributes.kind).ok_or(WriteError::ValueType)?;
    let kind = format!("xs:{kind}");
    writer.text_element("saml:AttributeValue", &[XS, XSI], &[("xsi:type", Some(&kind))], &value.value)?;
    Ok(())
}
