//! Metadata in both directions.

use std::slice::from_ref;

use tenterhook_saml::{
    BINDING_HTTP_POST, BINDING_HTTP_REDIRECT, CertificateError,
    metadata::{IdentityProvider, MetadataError, ServiceProvider},
    read::ReadError,
};

use crate::support::{OURS, THEIRS};

const MD: &str = "urn:oasis:names:tc:SAML:2.0:metadata";

#[test]
fn the_identity_providers_metadata_says_where_and_how() {
    let (first, second) = (OURS.certificate.base64(), THEIRS.certificate.base64());
    let xml = IdentityProvider {
        entity_id: "http://idp.example.com/exk?a=1&b=\"2\"",
        want_authn_requests_signed: true,
        signing_certificates: &[&first, &second],
        single_logout_url: Some("https://idp.example.com/slo"),
        name_id_formats: &["urn:f1", "urn:f2"],
        single_sign_on_url: "https://idp.example.com/sso",
    };
    let xml = xml.to_xml().unwrap();
    let document = roxmltree::Document::parse(&xml).unwrap();
    let root = document.root_element();
    assert!(root.has_tag_name((MD, "EntityDescriptor")));
    assert_eq!(root.attribute("entityID"), Some("http://idp.example.com/exk?a=1&b=\"2\""));
    let role = root.first_element_child().unwrap();
    assert_eq!(role.attribute("WantAuthnRequestsSigned"), Some("true"));
    assert_eq!(role.attribute("protocolSupportEnumeration"), Some("urn:oasis:names:tc:SAML:2.0:protocol"));
    let children = role.children().map(|child| {
        let what = child.attribute("use").or(child.attribute("Binding")).or(child.text()).unwrap_or_default();
        format!("{} {what}", child.tag_name().name())
    });
    // The order of the schema (SAML metadata 2.4.2, 2.4.3).
    let expected = [
        "KeyDescriptor signing".to_owned(),
        "KeyDescriptor signing".to_owned(),
        format!("SingleLogoutService {BINDING_HTTP_POST}"),
        format!("SingleLogoutService {BINDING_HTTP_REDIRECT}"),
        "NameIDFormat urn:f1".to_owned(),
        "NameIDFormat urn:f2".to_owned(),
        format!("SingleSignOnService {BINDING_HTTP_POST}"),
        format!("SingleSignOnService {BINDING_HTTP_REDIRECT}"),
    ];
    assert_eq!(children.collect::<Vec<_>>(), expected);
    for certificate in [&first, &second] {
        assert!(xml.contains(&format!("<ds:X509Certificate>{certificate}</ds:X509Certificate>")));
    }
}

fn service_provider(certificate: &str) -> String {
    format!(
        r#"<?xml version="1.0"?>
<md:EntityDescriptor xmlns:md="{MD}" xmlns:ds="http://www.w3.org/2000/09/xmldsig#" entityID="urn:example:sp" validUntil="2030-01-01T00:00:00Z">
  <md:Extensions><x:a xmlns:x="urn:x"/></md:Extensions>
  <md:SPSSODescriptor AuthnRequestsSigned="true" WantAssertionsSigned="1" protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">
    <md:KeyDescriptor use="signing"><ds:KeyInfo><ds:X509Data><ds:X509Certificate>
      {certificate}
    </ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>
    <md:KeyDescriptor><ds:KeyInfo><ds:X509Data><ds:X509Certificate>{}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>
    <md:SingleLogoutService Binding="{BINDING_HTTP_REDIRECT}" Location="https://sp.example/slo" ResponseLocation="https://sp.example/slo/done"/>
    <md:NameIDFormat> urn:f1 </md:NameIDFormat>
    <md:AssertionConsumerService Binding="{BINDING_HTTP_POST}" Location="https://sp.example/acs/0" index="0" isDefault="false"/>
    <md:AssertionConsumerService Binding="{BINDING_HTTP_POST}" Location="https://sp.example/acs/1" index="1" isDefault="true"/>
  </md:SPSSODescriptor>
  <md:Organization><md:OrganizationName xml:lang="en">Example</md:OrganizationName></md:Organization>
</md:EntityDescriptor>"#,
        OURS.certificate.base64()
    )
}

#[test]
fn a_service_providers_metadata_is_read() {
    let provider = ServiceProvider::parse(service_provider(&THEIRS.certificate.base64()).as_bytes()).unwrap();
    assert_eq!(provider.entity_id, "urn:example:sp");
    assert!(provider.authn_requests_signed && provider.want_assertions_signed);
    assert_eq!(provider.signing_certificates, [THEIRS.certificate.clone(), OURS.certificate.clone()]);
    assert_eq!(provider.encryption_certificates.as_slice(), from_ref(&OURS.certificate));
    assert_eq!(provider.name_id_formats, ["urn:f1"]);
    let logout = &provider.single_logout_services[0];
    assert_eq!((logout.binding.as_str(), logout.location.as_str()), (BINDING_HTTP_REDIRECT, "https://sp.example/slo"));
    assert_eq!(logout.response_location.as_deref(), Some("https://sp.example/slo/done"));
    let services = provider.assertion_consumer_services.iter().map(|own| (own.index, own.location.as_str()));
    assert_eq!(services.collect::<Vec<_>>(), [(0, "https://sp.example/acs/0"), (1, "https://sp.example/acs/1")]);
    assert_eq!(provider.default_assertion_consumer_service().unwrap().index, 1);
}

/// SAML metadata 2.2.3.
#[test]
fn the_default_service_is_the_one_that_says_so_or_the_first_that_does_not_deny_it() {
    let read = |first: &str, second: &str| {
        let xml = service_provider(&THEIRS.certificate.base64());
        let xml = xml.replace(r#" isDefault="false""#, first).replace(r#" isDefault="true""#, second);
        ServiceProvider::parse(xml.as_bytes()).unwrap().default_assertion_consumer_service().unwrap().index
    };
    let (yes, no) = (" isDefault=\"1\"", " isDefault=\"0\"");
    assert_eq!(read("", yes), 1);
    assert_eq!(read(no, ""), 1);
    assert_eq!(read("", ""), 0);
    assert_eq!(read(no, no), 0);
    assert_eq!(read(yes, yes), 0);
}

#[test]
fn metadata_that_is_not_a_service_providers_is_refused() {
    let good = service_provider(&THEIRS.certificate.base64());
    let check = |xml: String, expected: MetadataError| {
        assert_eq!(ServiceProvider::parse(xml.as_bytes()).unwrap_err(), expected);
    };
    check(good.replace("EntityDescriptor", "EntitiesDescriptor"), ReadError::WrongRoot("EntityDescriptor").into());
    check(good.replace("SPSSODescriptor", "IDPSSODescriptor"), ReadError::Missing("SPSSODescriptor").into());
    let saml_1 = good.replace("SAML:2.0:protocol", "SAML:1.1:protocol");
    check(saml_1, ReadError::Invalid("protocolSupportEnumeration").into());
    check(good.replace("entityID", "id"), ReadError::Missing("entityID").into());
    check(good.replace("AssertionConsumerService", "Service"), ReadError::Missing("AssertionConsumerService").into());
    check(good.replace("index=\"0\"", "index=\"x\""), ReadError::Invalid("index").into());
    check(good.replace("<?xml version=\"1.0\"?>", "<!DOCTYPE x>"), ReadError::DocumentType.into());
    check(service_provider("AAAA"), CertificateError::NotParsed.into());
}
