//! Keys and messages that the tests share.

use std::sync::LazyLock;

use tenterhook_contract::{BuiltInType, Secret, Timestamp, saml::assertion::Assertion};
use tenterhook_saml::{
    Certificate,
    keys::{SigningKey, generate},
    write::{AssertionDraft, Outcome, Response},
};

/// A key pair with its certificate, in every form.
pub(crate) struct TestKey {
    pub(crate) private_key_pem: Secret,
    pub(crate) signing: SigningKey,
    pub(crate) certificate: Certificate,
}

fn test_key(common_name: &str) -> TestKey {
    let key = generate(common_name, at("2026-01-01T00:00:00Z"), at("2036-01-01T00:00:00Z")).unwrap();
    TestKey {
        signing: SigningKey::new(&key.private_key_pem, &key.certificate).unwrap(),
        certificate: Certificate::from_der(&key.certificate).unwrap(),
        private_key_pem: key.private_key_pem,
    }
}

/// The identity provider's key.
pub(crate) static OURS: LazyLock<TestKey> = LazyLock::new(|| test_key("idp.example.com"));
/// The service provider's key.
pub(crate) static THEIRS: LazyLock<TestKey> = LazyLock::new(|| test_key("sp.example.com"));

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The assertion of the sample request (`saml.md` section 2).
pub(crate) fn sample_assertion() -> Assertion {
    let sample = BuiltInType::Saml.kind().sample_requests()[0];
    let sample: serde_json::Value = serde_json::from_str(sample).unwrap();
    Assertion::from_json(&sample["data"]["assertion"]).unwrap()
}

pub(crate) fn draft(assertion: Assertion) -> AssertionDraft {
    AssertionDraft {
        id: "id2a7c".to_owned(),
        issuer: "http://idp.example.com/exk4mRt7yWqZ2cLb1d7".to_owned(),
        issue_instant: at("2026-02-11T10:05:00.250Z"),
        not_before: at("2026-02-11T10:00:00Z"),
        authn_instant: at("2026-02-11T09:02:11Z"),
        in_response_to: Some("_request1".to_owned()),
        name_qualifier: None,
        sp_name_qualifier: None,
        assertion,
    }
}

pub(crate) fn response(outcome: Outcome) -> Response {
    Response {
        id: "id1f60".to_owned(),
        in_response_to: Some("_request1".to_owned()),
        destination: "https://benefits.example.com/acs".to_owned(),
        issuer: "http://idp.example.com/exk4mRt7yWqZ2cLb1d7".to_owned(),
        issue_instant: at("2026-02-11T10:05:00.250Z"),
        outcome,
    }
}

/// A request with these attributes in addition to those that it must have, and this content.
pub(crate) fn authn_request(attributes: &str, content: &str) -> String {
    format!(
        r#"<samlp:AuthnRequest xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_r1" Version="2.0" IssueInstant="2026-02-11T10:05:00Z" {attributes}>{content}</samlp:AuthnRequest>"#
    )
}
