//! Responses and logout messages: what they say, what of them is signed, and that a change anywhere is seen.

use std::slice::from_ref;

use bergshamra_dsig::{DsigContext, VerifyResult, verify::verify_all};
use bergshamra_enc::EncContext;
use bergshamra_keys::{
    KeysManager,
    loader::{load_rsa_private_pem, load_x509_cert_der},
};
use tenterhook_contract::saml::assertion::{Attribute, AttributeStatements, AttributeValue, AttributeXml, ValueXml};
use tenterhook_saml::{
    Failure, Fault, NameId, Reason, Status, read,
    verify::enveloped,
    write::{
        ContentEncryption, EncryptTo, EncryptionError, LogoutRequest, LogoutResponse, Outcome, Signed, TextError,
        WriteError,
    },
};

use crate::support::{OURS, THEIRS, at, draft, response, sample_assertion};

/// How many signatures of the document are valid by our key, and how many there are.
pub(crate) fn valid_signatures(xml: &str) -> (usize, usize) {
    let mut keys = KeysManager::new();
    keys.add_key(load_x509_cert_der(OURS.certificate.der()).unwrap());
    match verify_all(&DsigContext::new(keys), xml) {
        Ok(results) => {
            (results.iter().filter(|result| matches!(result, VerifyResult::Valid { .. })).count(), results.len())
        }
        Err(_) => (0, 0),
    }
}

/// The assertion of a response, as text.
fn assertion_of(response: &str) -> &str {
    let start = response.find("<saml:Assertion").unwrap();
    let end = response.find("</saml:Assertion>").unwrap() + "</saml:Assertion>".len();
    &response[start..end]
}

fn signed(signed: Signed) -> String {
    let outcome = Outcome::SignedOn(Box::new(draft(sample_assertion())));
    response(outcome).to_signed_xml(&OURS.signing, signed, None).unwrap()
}

#[test]
fn a_service_provider_reads_what_was_written() {
    let mut assertion = sample_assertion();
    assertion.authentication.session_lifetime = Some(900);
    assertion.subject.name_id = "a<&\"b".to_owned();
    let outcome = Outcome::SignedOn(Box::new(draft(assertion.clone())));
    let xml = response(outcome).to_signed_xml(&OURS.signing, Signed::Response, None).unwrap();
    enveloped(xml.as_bytes(), from_ref(&OURS.certificate)).unwrap();
    let read = read::SignOnResponse::parse(xml.as_bytes()).unwrap();
    assert_eq!(read.status, "urn:oasis:names:tc:SAML:2.0:status:Success");
    assert_eq!(read.in_response_to.as_deref(), Some("_request1"));
    let signed_on = read.assertion.unwrap();
    assert_eq!(signed_on.name_id.value, assertion.subject.name_id);
    assert_eq!(signed_on.recipient.as_ref(), Some(&assertion.subject.confirmation.data.recipient));
    assert_eq!(signed_on.audiences, assertion.conditions.audience_restriction);
    assert_eq!(signed_on.session_seconds, Some(900));
    let values = |attribute: &Attribute| attribute.values.iter().map(|value| value.value.clone()).collect();
    let attributes: Vec<(_, Vec<_>)> =
        assertion.claims.iter().map(|(name, attribute)| (name.to_owned(), values(attribute))).collect();
    assert_eq!(signed_on.attributes, attributes);
    assert!(!format!("{:?}", read::SignOnResponse::parse(xml.as_bytes())).contains("a<&"), "no name in `Debug`");

    let failed = response(Outcome::Failed(Failure { fault: Fault::Responder, reason: None, message: None }));
    let xml = failed.to_signed_xml(&OURS.signing, Signed::Response, None).unwrap();
    let read = read::SignOnResponse::parse(xml.as_bytes()).unwrap();
    assert_eq!((read.status.as_str(), read.assertion), ("urn:oasis:names:tc:SAML:2.0:status:Responder", None));
}

#[test]
fn each_part_that_is_to_be_signed_is_signed() {
    for (part, count) in [(Signed::Assertion, 1), (Signed::Response, 1), (Signed::Both, 2)] {
        assert_eq!(valid_signatures(&signed(part)), (count, count), "{part:?}");
    }
}

#[test]
fn an_assertion_is_encrypted_and_decrypted() {
    for content in [ContentEncryption::Aes128Gcm, ContentEncryption::Aes256Gcm] {
        let outcome = Outcome::SignedOn(Box::new(draft(sample_assertion())));
        let to = EncryptTo::new(&THEIRS.certificate, content).unwrap();
        let xml = response(outcome).to_signed_xml(&OURS.signing, Signed::Both, Some(&to)).unwrap();
        assert!(!xml.contains("ada@example.com"), "{xml}");
        assert_eq!(valid_signatures(&xml), (1, 1));
        let mut keys = KeysManager::new();
        keys.add_key(load_rsa_private_pem(THEIRS.private_key_pem.expose().as_bytes()).unwrap());
        let plain = bergshamra_enc::decrypt::decrypt(&EncContext::new(keys), &xml).unwrap();
        assert!(plain.contains("ada@example.com"), "{plain}");
        // The library puts the assertion in the place of the encrypted one, under the response's signature.
        assert_eq!(valid_signatures(&plain), (1, 2));
        assert_eq!(valid_signatures(assertion_of(&plain)), (1, 1));
    }
}

#[test]
fn only_an_rsa_key_can_be_encrypted_to() {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let certificate = rcgen::CertificateParams::default().self_signed(&pair).unwrap();
    let certificate = tenterhook_saml::Certificate::from_der(certificate.der()).unwrap();
    let refused = EncryptTo::new(&certificate, ContentEncryption::Aes128Gcm);
    assert_eq!(refused.unwrap_err(), EncryptionError::NotRsa);
}

#[test]
fn an_encrypted_assertion_names_the_algorithms_that_service_providers_decrypt() {
    for (content, uri) in [(ContentEncryption::Aes128Gcm, "aes128-gcm"), (ContentEncryption::Aes256Gcm, "aes256-gcm")] {
        let outcome = Outcome::SignedOn(Box::new(draft(sample_assertion())));
        let to = EncryptTo::new(&THEIRS.certificate, content).unwrap();
        let xml = response(outcome).to_signed_xml(&OURS.signing, Signed::Response, Some(&to)).unwrap();
        assert!(xml.contains(&format!("http://www.w3.org/2009/xmlenc11#{uri}")), "{xml}");
        assert!(xml.contains("http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p"), "{xml}");
        assert!(!xml.contains("<saml:Assertion"), "{xml}");
    }
}

/// The assertion of `saml.md` section 2, word by word.
#[test]
fn the_sample_assertion_is_written_in_the_order_of_the_schema() {
    let xml = signed(Signed::Response);
    let expected = concat!(
        r#"<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="id2a7c""#,
        r#" IssueInstant="2026-02-11T10:05:00.250Z" Version="2.0">"#,
        r"<saml:Issuer>http://idp.example.com/exk4mRt7yWqZ2cLb1d7</saml:Issuer><saml:Subject>",
        r#"<saml:NameID Format="urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress">ada@example.com</saml:NameID>"#,
        r#"<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml:SubjectConfirmationData"#,
        r#" InResponseTo="_request1" NotOnOrAfter="2026-02-11T10:10:00.250Z" Recipient="https://benefits.example.com/acs">"#,
        r"</saml:SubjectConfirmationData></saml:SubjectConfirmation></saml:Subject>",
        r#"<saml:Conditions NotBefore="2026-02-11T10:00:00.000Z" NotOnOrAfter="2026-02-11T10:10:00.250Z">"#,
        r"<saml:AudienceRestriction><saml:Audience>urn:example:benefits</saml:Audience></saml:AudienceRestriction>",
        r"</saml:Conditions>",
        r#"<saml:AuthnStatement AuthnInstant="2026-02-11T09:02:11.000Z" SessionIndex="id1770804300000.482910">"#,
        r"<saml:AuthnContext><saml:AuthnContextClassRef>",
        r"urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport",
        r"</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement><saml:AttributeStatement>",
        r#"<saml:Attribute Name="costCentre" NameFormat="urn:oasis:names:tc:SAML:2.0:attrname-format:unspecified">"#,
        r#"<saml:AttributeValue xmlns:xs="http://www.w3.org/2001/XMLSchema""#,
        r#" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="xs:integer">7301</saml:AttributeValue>"#,
        r#"</saml:Attribute><saml:Attribute Name="http://schemas.example.com/identity/claims/team""#,
        r#" NameFormat="urn:oasis:names:tc:SAML:2.0:attrname-format:uri">"#,
        r#"<saml:AttributeValue xmlns:xs="http://www.w3.org/2001/XMLSchema""#,
        r#" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="xs:string">payroll</saml:AttributeValue>"#,
        r#"<saml:AttributeValue xmlns:xs="http://www.w3.org/2001/XMLSchema""#,
        r#" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="xs:string">audit</saml:AttributeValue>"#,
        r"</saml:Attribute></saml:AttributeStatement></saml:Assertion>",
    );
    assert_eq!(assertion_of(&xml), expected);
    let start = concat!(
        r#"<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" Destination="https://benefits.example.com/acs""#,
        r#" ID="id1f60" InResponseTo="_request1" IssueInstant="2026-02-11T10:05:00.250Z" Version="2.0">"#,
        r#"<saml:Issuer xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion">http://idp.example.com/exk4mRt7yWqZ2cLb1d7"#,
        r#"</saml:Issuer><ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:SignedInfo>"#,
    );
    assert!(xml.starts_with(start), "{xml}");
    let status = r#"<samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"></samlp:StatusCode></samlp:Status>"#;
    assert!(xml.contains(&format!("</ds:Signature>{status}<saml:Assertion ")), "{xml}");
}

#[test]
fn an_assertion_has_its_signature_behind_its_issuer() {
    let xml = signed(Signed::Assertion);
    let assertion = assertion_of(&xml);
    assert!(assertion.contains("</saml:Issuer><ds:Signature "), "{assertion}");
    assert!(assertion.contains("</ds:Signature><saml:Subject>"), "{assertion}");
    assert_eq!(xml.matches("<ds:Signature ").count(), 1);
    assert!(xml.contains(&format!("<ds:X509Certificate>{}</ds:X509Certificate>", OURS.certificate.base64())));
}

#[test]
fn a_session_lifetime_counts_from_the_issue_instant() {
    let mut assertion = sample_assertion();
    assertion.authentication.session_lifetime = Some(900);
    let outcome = Outcome::SignedOn(Box::new(draft(assertion)));
    let xml = response(outcome).to_signed_xml(&OURS.signing, Signed::Both, None).unwrap();
    assert!(xml.contains(r#"SessionNotOnOrAfter="2026-02-11T10:20:00.250Z""#), "{xml}");
}

#[test]
fn what_the_schema_does_not_allow_to_be_empty_is_left_out() {
    let mut assertion = sample_assertion();
    assertion.claims = AttributeStatements::default();
    assertion.conditions.audience_restriction.clear();
    let mut draft = draft(assertion);
    draft.in_response_to = None;
    let mut response = response(Outcome::SignedOn(Box::new(draft)));
    response.in_response_to = None;
    let xml = response.to_signed_xml(&OURS.signing, Signed::Both, None).unwrap();
    for absent in ["AttributeStatement", "AudienceRestriction", "InResponseTo"] {
        assert!(!xml.contains(absent), "{absent}: {xml}");
    }
    assert_eq!(valid_signatures(&xml), (2, 2));
}

/// An attribute without a value must not break anything (`saml.md` section 2).
#[test]
fn an_attribute_may_have_no_value() {
    let mut assertion = sample_assertion();
    let attributes = AttributeXml { name_format: "urn:f".to_owned() };
    assertion.claims.insert("empty", Attribute { attributes, values: Vec::new() });
    let outcome = Outcome::SignedOn(Box::new(draft(assertion)));
    let xml = response(outcome).to_signed_xml(&OURS.signing, Signed::Both, None).unwrap();
    assert!(xml.contains(r#"<saml:Attribute Name="empty" NameFormat="urn:f"></saml:Attribute>"#), "{xml}");
    assert_eq!(valid_signatures(&xml), (2, 2));
}

#[test]
fn texts_that_xml_cannot_hold_are_refused_and_not_shown() {
    let mut assertion = sample_assertion();
    assertion.subject.name_id = "private\u{0}".to_owned();
    let refused = |assertion| {
        let outcome = Outcome::SignedOn(Box::new(draft(assertion)));
        response(outcome).to_signed_xml(&OURS.signing, Signed::Both, None).unwrap_err()
    };
    let error = refused(assertion);
    assert_eq!(error, WriteError::Text(TextError { member: "saml:NameID" }));
    assert!(!error.to_string().contains("private"), "{error}");
    let mut assertion = sample_assertion();
    assertion.subject.name_format = "\u{ffff}".to_owned();
    assert_eq!(refused(assertion), WriteError::Text(TextError { member: "Format" }));
}

#[test]
fn the_type_of_a_value_is_one_that_a_receiver_can_resolve() {
    let with_type = |kind: &str| {
        let mut assertion = sample_assertion();
        let value = AttributeValue { attributes: ValueXml { kind: kind.to_owned() }, value: "v".to_owned() };
        let attributes = AttributeXml { name_format: "urn:f".to_owned() };
        assertion.claims.insert("a", Attribute { attributes, values: vec![value] });
        let outcome = Outcome::SignedOn(Box::new(draft(assertion)));
        response(outcome).to_signed_xml(&OURS.signing, Signed::Both, None)
    };
    for (kind, written) in [
        ("xs:string", "xs:string"),
        ("xs:boolean", "xs:boolean"),
        ("xs:anyType", "xs:anyType"),
        ("xs:base64Binary", "xs:base64Binary"),
        ("xsd:dateTime", "xs:dateTime"),
        ("string", "xs:string"),
    ] {
        let xml = with_type(kind).unwrap();
        assert_eq!(valid_signatures(&xml), (2, 2), "{kind}");
        assert!(xml.contains(&format!("xsi:type=\"{written}\">v</saml:AttributeValue>")), "{kind}: {xml}");
    }
    for kind in ["", "xs:", "xsd:", "xs:level", "my:level", "xs:a b", "xs:1", "xs:a:b", "xs:xs:string"] {
        assert_eq!(with_type(kind), Err(WriteError::ValueType), "{kind}");
    }
}

#[test]
fn an_id_is_a_name() {
    for id in ["", "1a", "a b", "a\"b", "é"] {
        let mut response = response(Outcome::SignedOn(Box::new(draft(sample_assertion()))));
        response.id = id.to_owned();
        assert_eq!(response.to_signed_xml(&OURS.signing, Signed::Response, None), Err(WriteError::Id), "{id}");
    }
}

/// One change in each signed part.
#[test]
fn a_changed_response_is_not_valid() {
    let edits = [
        (">ada@example.com<", ">eve@example.com<"),
        (">payroll<", ">board<"),
        ("xs:integer", "xs:string"),
        (r#"xmlns:xs="http://www.w3.org/2001/XMLSchema""#, r#"xmlns:xs="urn:other""#),
        ("urn:example:benefits", "urn:example:other"),
        (r#"Recipient="https://benefits"#, r#"Recipient="https://attacker"#),
        ("SessionIndex=", "SessionNotOnOrAfter=\"2036-01-01T00:00:00Z\" SessionIndex="),
        ("</saml:AttributeStatement>", "<saml:Attribute Name=\"x\"/></saml:AttributeStatement>"),
    ];
    for part in [Signed::Assertion, Signed::Response] {
        let xml = signed(part);
        for (from, to) in edits {
            let changed = xml.replace(from, to);
            assert_ne!(changed, xml);
            assert_eq!(valid_signatures(&changed), (0, 1), "{part:?}: {from}");
        }
    }
    let xml = signed(Signed::Response);
    for (from, to) in [("status:Success", "status:Requester"), ("Destination=\"https://b", "Destination=\"https://a")] {
        assert_eq!(valid_signatures(&xml.replace(from, to)), (0, 1), "{from}");
    }
    // Outside of what is signed, a change is not seen: what each setting means.
    let xml = signed(Signed::Assertion);
    assert_eq!(valid_signatures(&xml.replace("status:Success", "status:Requester")), (1, 1));
}

#[test]
fn a_request_that_is_not_done_is_answered_with_its_status() {
    for (reason, name) in [
        (Reason::AuthnFailed, "AuthnFailed"),
        (Reason::InvalidNameIdPolicy, "InvalidNameIDPolicy"),
        (Reason::NoAuthnContext, "NoAuthnContext"),
        (Reason::NoPassive, "NoPassive"),
        (Reason::PartialLogout, "PartialLogout"),
        (Reason::RequestDenied, "RequestDenied"),
        (Reason::RequestUnsupported, "RequestUnsupported"),
        (Reason::UnknownPrincipal, "UnknownPrincipal"),
    ] {
        for (fault, first) in [(Fault::Requester, "Requester"), (Fault::Responder, "Responder")] {
            let failure = Failure { fault, reason: Some(reason), message: Some("Sign in <again>".to_owned()) };
            let xml = response(Outcome::Failed(failure)).to_signed_xml(&OURS.signing, Signed::Assertion, None).unwrap();
            let status = format!(
                "<samlp:Status><samlp:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:{first}\">\
                 <samlp:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:{name}\"></samlp:StatusCode>\
                 </samlp:StatusCode><samlp:StatusMessage>Sign in &lt;again&gt;</samlp:StatusMessage></samlp:Status>"
            );
            assert!(xml.contains(&status), "{xml}");
            // There is no assertion that could be signed.
            assert_eq!(enveloped(xml.as_bytes(), from_ref(&OURS.certificate)), Ok(()));
        }
    }
    let failure = Failure { fault: Fault::Responder, reason: None, message: None };
    let xml = response(Outcome::Failed(failure)).to_signed_xml(&OURS.signing, Signed::Response, None).unwrap();
    assert!(xml.ends_with("status:Responder\"></samlp:StatusCode></samlp:Status></samlp:Response>"), "{xml}");
}

#[test]
fn a_response_has_something_that_is_signed() {
    assert_eq!(Signed::of(true, true), Some(Signed::Both));
    assert_eq!(Signed::of(true, false), Some(Signed::Assertion));
    assert_eq!(Signed::of(false, true), Some(Signed::Response));
    assert_eq!(Signed::of(false, false), None);
}

#[test]
fn logout_messages_are_written_signed_and_read_back() {
    let name_id = NameId {
        value: "ada <ada@example.com>".to_owned(),
        format: Some("urn:f".to_owned()),
        name_qualifier: Some("urn:n".to_owned()),
        sp_name_qualifier: Some("urn:s".to_owned()),
    };
    let request = LogoutRequest {
        id: "id1".to_owned(),
        destination: "https://sp.example/slo?a=1&b=2".to_owned(),
        issuer: "urn:idp".to_owned(),
        issue_instant: at("2026-02-11T10:05:00Z"),
        not_on_or_after: Some(at("2026-02-11T10:10:00Z")),
        name_id: name_id.clone(),
        session_indexes: vec!["s1".to_owned(), "s2".to_owned()],
    };
    let signed = request.to_signed_xml(&OURS.signing).unwrap();
    assert_eq!(enveloped(signed.as_bytes(), from_ref(&OURS.certificate)), Ok(()));
    for (xml, is_signed) in [(signed, true), (request.to_xml().unwrap(), false)] {
        let expected = read::LogoutRequest {
            id: request.id.clone(),
            issuer: request.issuer.clone(),
            issue_instant: request.issue_instant,
            destination: Some(request.destination.clone()),
            not_on_or_after: request.not_on_or_after,
            reason: None,
            name_id: name_id.clone(),
            session_indexes: request.session_indexes.clone(),
            is_signed,
        };
        assert_eq!(read::LogoutRequest::parse(xml.as_bytes()), Ok(expected));
    }
    let response = LogoutResponse {
        id: "id2".to_owned(),
        in_response_to: Some("_l1".to_owned()),
        destination: "https://sp.example/slo".to_owned(),
        issuer: "urn:idp".to_owned(),
        issue_instant: at("2026-02-11T10:05:00Z"),
        status: Status::Success,
    };
    let signed = response.to_signed_xml(&OURS.signing).unwrap();
    assert_eq!(enveloped(signed.as_bytes(), from_ref(&OURS.certificate)), Ok(()));
    let read = read::LogoutResponse::parse(response.to_xml().unwrap().as_bytes()).unwrap();
    assert!(read.is_success() && !read.is_signed);
    assert_eq!(read.in_response_to.as_deref(), Some("_l1"));
}
