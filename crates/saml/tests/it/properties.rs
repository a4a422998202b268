//! Properties: any assertion that is written is read back by another parser and verified by another canonicalizer, and
//! readers are total.

use std::slice::from_ref;

use proptest::{collection::vec, prelude::*};
use roxmltree::Node;
use serde_json::{Value, json};
use tenterhook_contract::saml::assertion::{
    Assertion, Attribute, AttributeStatements, AttributeValue, AttributeXml, Authentication, AuthnContext, Conditions,
    Confirmation, ConfirmationData, Lifetime, Subject, ValueXml,
};
use tenterhook_saml::{
    Certificate,
    binding::{post, redirect},
    metadata::ServiceProvider,
    read::{AuthnRequest, LogoutRequest, LogoutResponse},
    verify::enveloped,
    write::{Outcome, Signed},
};

use crate::{
    support::{OURS, authn_request, draft, response},
    write::valid_signatures,
};

const SAML: &str = "urn:oasis:names:tc:SAML:2.0:assertion";
const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// Texts that XML can hold, with what must be escaped.
fn text() -> impl Strategy<Value = String> {
    let character = prop_oneof![
        4 => prop::char::range(' ', '~'),
        2 => prop::sample::select(vec!['<', '>', '&', '"', '\'', '\t', '\n', '\r', ']', '\u{85}', '\u{2028}', '\u{a0}']),
        1 => prop::char::range('\u{80}', '\u{d7ff}'),
        1 => prop::char::range('\u{e000}', '\u{fffd}'),
        1 => prop::char::range('\u{10000}', '\u{10ffff}'),
    ];
    vec(character, 0..12).prop_map(String::from_iter)
}

/// Texts that say something, as every one but a value must.
fn filled() -> impl Strategy<Value = String> {
    text().prop_filter("a text says something", |text| !text.trim().is_empty())
}

fn claims() -> impl Strategy<Value = Value> {
    let kind = prop::sample::select(vec!["xs:string", "xs:integer", "xs:boolean", "xs:anyType"]);
    let value = (kind, text()).prop_map(|(kind, value)| json!({ "attributes": { "xsi:type": kind }, "value": value }));
    let attribute = (filled(), vec(value, 0..3));
    let attribute = attribute
        .prop_map(|(format, values)| json!({ "attributes": { "NameFormat": format }, "attributeValues": values }));
    prop::collection::btree_map(text(), attribute, 0..4).prop_map(|claims| json!(claims))
}

/// Assertions in their JSON mapping, which unlike themselves show their values when a test fails.
fn assertion() -> impl Strategy<Value = Value> {
    let subject = (filled(), filled(), filled(), filled()).prop_map(|(name_id, name_format, method, recipient)| {
        let confirmation = json!({ "method": method, "data": { "recipient": recipient } });
        json!({ "nameId": name_id, "nameFormat": name_format, "confirmation": confirmation })
    });
    let authentication = (filled(), filled(), prop::option::of(1..10_000_u32)).prop_map(|(index, class, ends)| {
        json!({ "sessionIndex": index, "authnContext": { "authnContextClassRef": class }, "sessionLifetime": ends })
    });
    (subject, authentication, vec(filled(), 1..3), claims(), 1..10_000_u32).prop_map(
        |(subject, authentication, audiences, claims, expiration)| {
            json!({
                "subject": subject,
                "authentication": authentication,
                "conditions": { "audienceRestriction": audiences },
                "claims": claims,
                "lifetime": { "expiration": expiration },
            })
        },
    )
}

fn find<'a>(node: Node<'a, 'a>, name: &str) -> Node<'a, 'a> {
    node.descendants().find(|node| node.has_tag_name((SAML, name))).unwrap()
}

fn all<'a>(node: Node<'a, 'a>, name: &'static str) -> impl Iterator<Item = Node<'a, 'a>> {
    node.descendants().filter(move |node| node.has_tag_name((SAML, name)))
}

fn text_of(node: Node<'_, '_>) -> String {
    node.text().unwrap_or_default().to_owned()
}

fn attribute_of(node: Node<'_, '_>, name: &str) -> String {
    node.attribute(name).unwrap().to_owned()
}

/// Seconds from `IssueInstant`.
fn seconds(xml: Node<'_, '_>, at: &str) -> u32 {
    let issued = attribute_of(xml, "IssueInstant").parse::<tenterhook_contract::Timestamp>().unwrap();
    u32::try_from(at.parse::<tenterhook_contract::Timestamp>().unwrap().as_seconds() - issued.as_seconds()).unwrap()
}

/// The assertion that another parser reads.
fn read_back(xml: Node<'_, '_>) -> Assertion {
    let (name_id, confirmation) = (find(xml, "NameID"), find(xml, "SubjectConfirmation"));
    let (statement, conditions) = (find(xml, "AuthnStatement"), find(xml, "Conditions"));
    let mut claims = AttributeStatements::default();
    for attribute in all(xml, "Attribute") {
        let values = all(attribute, "AttributeValue").map(|value| {
            let kind = value.attribute((XSI, "type")).unwrap().to_owned();
            assert_eq!(value.lookup_namespace_uri(Some("xs")), Some("http://www.w3.org/2001/XMLSchema"));
            AttributeValue { attributes: ValueXml { kind }, value: text_of(value) }
        });
        let attributes = AttributeXml { name_format: attribute_of(attribute, "NameFormat") };
        claims.insert(attribute_of(attribute, "Name"), Attribute { attributes, values: values.collect() });
    }
    Assertion {
        subject: Subject {
            name_id: text_of(name_id),
            name_format: attribute_of(name_id, "Format"),
            confirmation: Confirmation {
                method: attribute_of(confirmation, "Method"),
                data: ConfirmationData { recipient: attribute_of(find(xml, "SubjectConfirmationData"), "Recipient") },
            },
        },
        authentication: Authentication {
            session_index: attribute_of(statement, "SessionIndex"),
            authn_context: AuthnContext { authn_context_class_ref: text_of(find(xml, "AuthnContextClassRef")) },
            session_lifetime: statement.attribute("SessionNotOnOrAfter").map(|ends| seconds(xml, ends)),
        },
        conditions: Conditions { audience_restriction: all(xml, "Audience").map(text_of).collect() },
        claims,
        lifetime: Lifetime { expiration: seconds(xml, &attribute_of(conditions, "NotOnOrAfter")) },
    }
}

/// Every reader on the same bytes; what matters is that it answers.
fn read_everything(bytes: &[u8]) {
    let _ = AuthnRequest::parse(bytes);
    let _ = LogoutRequest::parse(bytes);
    let _ = LogoutResponse::parse(bytes);
    let _ = ServiceProvider::parse(bytes);
    let _ = enveloped(bytes, from_ref(&OURS.certificate));
    let _ = Certificate::from_der(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = Certificate::from_text(text);
        let _ = redirect::decode(text);
        let _ = post::decode(text);
    }
}

proptest! {
    #[test]
    fn an_assertion_that_is_written_is_read_back_and_its_signatures_are_valid(json in assertion()) {
        let assertion = Assertion::from_json(&json).unwrap();
        let outcome = Outcome::SignedOn(Box::new(draft(assertion.clone())));
        let xml = response(outcome).to_signed_xml(&OURS.signing, Signed::Both, None).unwrap();
        let document = roxmltree::Document::parse(&xml).unwrap();
        prop_assert!(read_back(find(document.root_element(), "Assertion")) == assertion, "{xml}");
        prop_assert_eq!(valid_signatures(&xml), (2, 2));
    }

    #[test]
    fn readers_answer_to_any_bytes(bytes in vec(any::<u8>(), 0..256)) {
        read_everything(&bytes);
    }

    #[test]
    fn readers_answer_to_any_markup(pieces in vec(prop::sample::select(vec![
        "<", ">", "/", "=", "\"", "'", "&", ";", "#", "<!--", "-->", "<![CDATA[", "]]>", "<?", "?>", "xmlns", ":", "a", "ID",
        "samlp:AuthnRequest", "saml:Issuer", "ds:Signature", " ", "\n", "\u{0}", "é", "&amp;", "&#x0;", "&#xD;",
    ]), 0..64)) {
        read_everything(pieces.concat().as_bytes());
        read_everything(authn_request("", &pieces.concat()).as_bytes());
    }

    #[test]
    fn a_name_is_read_as_another_parser_reads_it(name in text()) {
        let white = [' ', '\t', '\n', '\r'];
        prop_assume!(!name.trim_matches(white).is_empty());
        let escaped = name.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\r', "&#13;");
        let xml = authn_request("", &format!("<saml:Issuer>{escaped}</saml:Issuer>"));
        let document = roxmltree::Document::parse(&xml).unwrap();
        let other = text_of(find(document.root_element(), "Issuer"));
        prop_assert_eq!(AuthnRequest::parse(xml.as_bytes()).unwrap().issuer, other.trim_matches(white));
    }
}
