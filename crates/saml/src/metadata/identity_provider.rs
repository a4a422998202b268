//! The identity provider's metadata (SAML metadata 2.4.3).

use super::super::names::{BINDING_HTTP_POST, BINDING_HTTP_REDIRECT, SAMLP};
use crate::{
    write::TextError,
    xml::writer::{DS, MD, NONE, Writer},
};

/// What the metadata of an identity provider says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityProvider<'a> {
    /// The entity id.
    pub entity_id: &'a str,
    /// Whether requests must be signed.
    pub want_authn_requests_signed: bool,
    /// The certificates of the keys that sign, DER in base64; the one in use first.
    pub signing_certificates: &'a [&'a str],
    /// Where logout requests and responses are sent, if there is single logout.
    pub single_logout_url: Option<&'a str>,
    /// The formats of name identifiers, URIs.
    pub name_id_formats: &'a [&'a str],
    /// Where requests are sent.
    pub single_sign_on_url: &'a str,
}

impl IdentityProvider<'_> {
    /// The document. Its elements stand in the order of the schema.
    ///
    /// # Errors
    /// When a text cannot be written in XML.
    pub fn to_xml(&self) -> Result<String, TextError> {
        let mut writer = Writer::default();
        writer.written("<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
        writer.element("md:EntityDescriptor", &[MD], &[("entityID", Some(self.entity_id))], |writer| {
            let signed = if self.want_authn_requests_signed { "true" } else { "false" };
            let role = [("WantAuthnRequestsSigned", Some(signed)), ("protocolSupportEnumeration", Some(SAMLP))];
            writer.element("md:IDPSSODescriptor", NONE, &role, |writer| self.role(writer))
        })?;
        Ok(writer.finish())
    }

    fn role(&self, writer: &mut Writer) -> Result<(), TextError> {
        for certificate in self.signing_certificates {
            writer.element("md:KeyDescriptor", NONE, &[("use", Some("signing"))], |writer| {
                writer.element("ds:KeyInfo", &[DS], &[], |writer| {
                    writer.element("ds:X509Data", NONE, &[], |writer| {
                        writer.text_element("ds:X509Certificate", NONE, &[], certificate)
                    })
                })
            })?;
        }
        if let Some(url) = self.single_logout_url {
            services(writer, "md:SingleLogoutService", url)?;
        }
        for format in self.name_id_formats {
            writer.text_element("md:NameIDFormat", NONE, &[], format)?;
        }
        services(writer, "md:SingleSignOnService", self.single_sign_on_url)
    }
}

fn services(writer: &mut Writer, name: &'static str, url: &str) -> Result<(), TextError> {
    for binding in [BINDING_HTTP_POST, BINDING_HTTP_REDIRECT] {
        writer.empty_element(name, NONE, &[("Binding", Some(binding)), ("Location", Some(url))])?;
    }
    Ok(())
}
