//! Messages of service providers, read: what is understood, and what is refused.

use tenterhook_saml::{
    NameId,
    read::{
        AuthnRequest, Comparison, DOCUMENT_BYTES_MAX, DOCUMENT_DEPTH_MAX, DOCUMENT_NODES_MAX, ELEMENT_ATTRIBUTES_MAX,
        LogoutRequest, LogoutResponse, NAMESPACES_MAX, ReadError,
    },
};

use crate::support::{at, authn_request};

fn with_issuer(attributes: &str, content: &str) -> String {
    authn_request(attributes, &format!("<saml:Issuer>urn:example:sp</saml:Issuer>{content}"))
}

#[test]
fn a_request_is_read_with_all_that_it_says() {
    let xml = with_issuer(
        r#"Destination="https://idp.example/sso" AssertionConsumerServiceURL="https://sp.example/acs?a=1&amp;b=2"
           ProtocolBinding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" ForceAuthn="1" IsPassive="true""#,
        r#"<samlp:Extensions><x:anything xmlns:x="urn:x" id="i"><x:deeper/></x:anything></samlp:Extensions>
           <saml:Subject><saml:NameID Format="urn:f" SPNameQualifier="urn:q"> ada </saml:NameID></saml:Subject>
           <samlp:NameIDPolicy Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent" AllowCreate="true"/>
           <samlp:RequestedAuthnContext Comparison="minimum"><saml:AuthnContextClassRef>urn:c1</saml:AuthnContextClassRef>
           <saml:AuthnContextClassRef>urn:c2</saml:AuthnContextClassRef></samlp:RequestedAuthnContext>
           <samlp:Scoping ProxyCount="0"/>"#,
    );
    let request = AuthnRequest::parse(xml.as_bytes()).unwrap();
    assert_eq!((request.id.as_str(), request.issuer.as_str()), ("_r1", "urn:example:sp"));
    assert_eq!(request.issue_instant, at("2026-02-11T10:05:00Z"));
    assert_eq!(request.destination.as_deref(), Some("https://idp.example/sso"));
    assert_eq!(request.acs_url.as_deref(), Some("https://sp.example/acs?a=1&b=2"));
    assert_eq!(request.protocol_binding.as_deref(), Some("urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"));
    assert!(request.force_authn && request.is_passive && !request.is_signed);
    let subject = request.subject.unwrap();
    assert_eq!((subject.value.as_str(), subject.sp_name_qualifier.as_deref()), ("ada", Some("urn:q")));
    let policy = request.name_id_policy.unwrap();
    assert_eq!(policy.format.as_deref(), Some("urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"));
    assert!(policy.allow_create);
    let context = request.requested_authn_context.unwrap();
    assert_eq!((context.comparison, context.class_refs), (Comparison::Minimum, vec!["urn:c1".into(), "urn:c2".into()]));
}

#[test]
fn a_request_that_says_little_is_read() {
    let request = AuthnRequest::parse(with_issuer("", "").as_bytes()).unwrap();
    assert!(!request.force_authn && !request.is_passive);
    assert_eq!((request.acs_url, request.acs_index, request.subject), (None, None, None));
    let request = AuthnRequest::parse(with_issuer(r#"AssertionConsumerServiceIndex="65535""#, "").as_bytes()).unwrap();
    assert_eq!(request.acs_index, Some(65_535));
}

#[test]
fn dates_have_fractions_and_offsets() {
    for (text, expected) in [
        ("2026-02-11T10:05:00Z", Some("2026-02-11T10:05:00Z")),
        ("2026-02-11T10:05:00.1234567Z", Some("2026-02-11T10:05:00.123456Z")),
        ("2026-02-11T11:05:00+01:00", Some("2026-02-11T10:05:00Z")),
        ("2026-02-11T10:05:00", Some("2026-02-11T10:05:00Z")),
        (" 2026-02-11T10:05:00.5Z\n", Some("2026-02-11T10:05:00.5Z")),
        ("2026-02-11 10:05:00Z", None),
        ("2026-02-11", None),
        ("2026-02-31T10:05:00Z", None),
        ("2026-02-11T10:05:00Z[UTC]", None),
        ("1770804300", None),
        ("", None),
    ] {
        let xml = with_issuer("", "").replace("2026-02-11T10:05:00Z", text);
        let read = AuthnRequest::parse(xml.as_bytes()).map(|request| request.issue_instant);
        assert_eq!(read, expected.map(at).ok_or(ReadError::Invalid("IssueInstant")), "{text:?}");
    }
}

#[test]
fn only_the_white_space_of_xml_is_not_part_of_a_name() {
    let xml = authn_request("", "<saml:Issuer>\n\t\u{a0}urn:a\u{85} </saml:Issuer>");
    assert_eq!(AuthnRequest::parse(xml.as_bytes()).unwrap().issuer, "\u{a0}urn:a\u{85}");
}

/// A comment is not part of the canonical form, so that a signature does not protect it.
#[test]
fn a_comment_does_not_cut_a_name() {
    for name in ["admin<!-- -->@example.com", "<![CDATA[admin]]>@example<!---->.com", "&#97;dmin@example.com"] {
        let xml = authn_request(
            "",
            &format!("<saml:Issuer>{name}</saml:Issuer><saml:Subject><saml:NameID>{name}</saml:NameID></saml:Subject>"),
        );
        let request = AuthnRequest::parse(xml.as_bytes()).unwrap();
        assert_eq!(
            (request.issuer.as_str(), request.subject.unwrap().value.as_str()),
            ("admin@example.com", "admin@example.com")
        );
    }
    let xml = authn_request("", "<saml:Issuer>a<saml:b>c</saml:b></saml:Issuer>");
    assert_eq!(AuthnRequest::parse(xml.as_bytes()), Err(ReadError::NotText("Issuer")));
}

#[test]
fn what_is_not_a_request_is_refused() {
    let check = |xml: String, expected| assert_eq!(AuthnRequest::parse(xml.as_bytes()), Err(expected), "{xml:.300}");
    let plain = with_issuer("", "");
    check(String::new(), ReadError::NotWellFormed);
    check(plain.replace("</samlp:AuthnRequest>", ""), ReadError::NotWellFormed);
    check(format!("{plain}{plain}"), ReadError::NotWellFormed);
    check(with_issuer("Consent=a", ""), ReadError::NotWellFormed);
    check(with_issuer(r#"Consent="a" Consent="b""#, ""), ReadError::NotWellFormed);
    check(with_issuer("", "<nobody:x/>"), ReadError::NotWellFormed);
    check(with_issuer("", "&unknown;"), ReadError::NotWellFormed);
    check(with_issuer("", "\u{1}"), ReadError::NotWellFormed);
    check(plain.replace(":protocol", ":PROTOCOL"), ReadError::WrongRoot("AuthnRequest"));
    check(plain.replace("samlp:AuthnRequest", "samlp:LogoutRequest"), ReadError::WrongRoot("AuthnRequest"));
    check(plain.replace(":assertion", ":1.0:assertion"), ReadError::Missing("Issuer"));
    check(plain.replace(r#"Version="2.0""#, r#"Version="1.1""#), ReadError::WrongVersion);
    check(plain.replace(r#"Version="2.0""#, ""), ReadError::Missing("Version"));
    check(plain.replace(r#"ID="_r1""#, ""), ReadError::Missing("ID"));
    check(plain.replace(r#"ID="_r1""#, r#"ID="""#), ReadError::Invalid("ID"));
    check(plain.replace(r#"ID="_r1""#, r#"ID="a b""#), ReadError::Invalid("ID"));
    check(plain.replace("_r1", &"a".repeat(257)), ReadError::Invalid("ID"));
    check(plain.replace("IssueInstant", "Instant"), ReadError::Missing("IssueInstant"));
    check(authn_request("", "<saml:Issuer> </saml:Issuer>"), ReadError::Invalid("Issuer"));
    check(with_issuer("", "<saml:Issuer>urn:other</saml:Issuer>"), ReadError::Repeated("Issuer"));
    check(with_issuer(r#"ForceAuthn="yes""#, ""), ReadError::Invalid("ForceAuthn"));
    let index = ReadError::Invalid("AssertionConsumerServiceIndex");
    check(with_issuer(r#"AssertionConsumerServiceIndex="65536""#, ""), index);
    let encrypted = "<saml:Subject><saml:EncryptedID/></saml:Subject>";
    check(with_issuer("", encrypted), ReadError::Unsupported("EncryptedID"));
    let context = "<samlp:RequestedAuthnContext/>";
    check(with_issuer("", context), ReadError::Missing("AuthnContextClassRef"));
    check(with_issuer("", &context.replace("/>", " Comparison='most'/>")), ReadError::Invalid("Comparison"));
}

#[test]
fn document_types_entities_and_processing_instructions_are_refused() {
    let check = |xml: String, expected| assert_eq!(AuthnRequest::parse(xml.as_bytes()), Err(expected), "{xml:.300}");
    let plain = with_issuer("", "");
    let laughs = (1..10).map(|n| format!("<!ENTITY l{n} \"{}\">", format!("&l{};", n - 1).repeat(10)));
    let laughs = laughs.collect::<String>();
    for declaration in [
        "<!DOCTYPE x>".to_owned(),
        "<!DOCTYPE x SYSTEM \"http://attacker.example/x.dtd\">".to_owned(),
        "<!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">]>".to_owned(),
        format!("<!DOCTYPE x [<!ENTITY l0 \"ha\">{laughs}]>"),
    ] {
        check(format!("{declaration}{plain}"), ReadError::DocumentType);
        check(format!("<?xml version=\"1.0\"?>\n<!-- a -->{declaration}{plain}"), ReadError::DocumentType);
    }
    check(format!("<?xml-stylesheet href=\"x\"?>{plain}"), ReadError::ProcessingInstruction);
    check(with_issuer("", "<?php exit ?>"), ReadError::ProcessingInstruction);
    assert!(AuthnRequest::parse(format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{plain}\n").as_bytes()).is_ok());
}

#[test]
fn an_id_is_there_once() {
    for name in ["ID", "Id", "id", "AssertionID", "x:id"] {
        let xml = with_issuer("xmlns:x='urn:x'", &format!("<samlp:Extensions><x:a {name}='_r1'/></samlp:Extensions>"));
        assert_eq!(AuthnRequest::parse(xml.as_bytes()), Err(ReadError::DuplicateId), "{name}");
    }
}

#[test]
fn documents_are_read_up_to_their_bounds() {
    let fits = |xml: String| assert!(AuthnRequest::parse(xml.as_bytes()).is_ok(), "{xml:.300}");
    let refused = |xml: String, expected| assert_eq!(AuthnRequest::parse(xml.as_bytes()), Err(expected), "{xml:.300}");
    let length = with_issuer("", "").len();
    fits(with_issuer("", &" ".repeat(DOCUMENT_BYTES_MAX - length)));
    refused(with_issuer("", &" ".repeat(DOCUMENT_BYTES_MAX - length + 1)), ReadError::TooLarge);

    let nested =
        |depth: usize| with_issuer("", &format!("{}{}", "<samlp:a>".repeat(depth), "</samlp:a>".repeat(depth)));
    let below_root = usize::try_from(DOCUMENT_DEPTH_MAX).unwrap() - 1;
    fits(nested(below_root));
    refused(nested(below_root + 1), ReadError::NotWellFormed);

    // The root element with three attributes and two declarations, the issuer and its text.
    let own = 1 + 3 + 2 + 2;
    fits(with_issuer("", &"<a/>".repeat(DOCUMENT_NODES_MAX - own)));
    refused(with_issuer("", &"<a/>".repeat(DOCUMENT_NODES_MAX - own + 1)), ReadError::TooManyNodes);

    let attributes = |count: usize| (0..count).fold(String::new(), |all, n| all + &format!(" a{n}='='"));
    // Three attributes and two declarations are there.
    fits(with_issuer(&attributes(ELEMENT_ATTRIBUTES_MAX - 5), ""));
    refused(with_issuer(&attributes(ELEMENT_ATTRIBUTES_MAX - 4), ""), ReadError::TooManyNodes);
    let namespaces = |count: usize| with_issuer("", &"<a xmlns='urn:a'/>".repeat(count));
    fits(namespaces(NAMESPACES_MAX - 2));
    refused(namespaces(NAMESPACES_MAX - 1), ReadError::TooManyNodes);
    // As many as fit into the bytes are refused before they are parsed.
    refused(with_issuer(&attributes(9_000), ""), ReadError::TooManyNodes);
}

#[test]
fn other_encodings_are_refused() {
    let utf16 = with_issuer("", "").encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    assert!(AuthnRequest::parse(&utf16).is_err());
    assert_eq!(AuthnRequest::parse(b"<a>\xff</a>"), Err(ReadError::NotUtf8));
    for encoding in ["ISO-8859-1", "UTF-16", "windows-1252", "UTF-7", "utf8"] {
        let declared = format!("<?xml version=\"1.0\" encoding='{encoding}'?><a/>");
        assert_eq!(AuthnRequest::parse(declared.as_bytes()), Err(ReadError::OtherEncoding), "{encoding}");
    }
    let ascii = "<?xml version='1.0' encoding='us-ascii'?><a/>";
    assert_eq!(AuthnRequest::parse(ascii.as_bytes()), Err(ReadError::WrongRoot("AuthnRequest")));
    let beyond = ascii.replace("<a/>", "<a>é</a>");
    assert_eq!(AuthnRequest::parse(beyond.as_bytes()), Err(ReadError::OtherEncoding));
    let utf8 = beyond.replace("us-ascii", "Utf-8");
    assert_eq!(AuthnRequest::parse(utf8.as_bytes()), Err(ReadError::WrongRoot("AuthnRequest")));
}

#[test]
fn only_xml_1_0_is_read() {
    let of = |version: &str| AuthnRequest::parse(format!("<?xml version='{version}'?><a/>").as_bytes());
    assert_eq!(of("1.0"), Err(ReadError::WrongRoot("AuthnRequest")));
    assert_eq!(of("1.1"), Err(ReadError::OtherVersion));
    assert_eq!(of("1.2"), Err(ReadError::NotWellFormed));
}

const HEAD: &str = r#"xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"
    ID="_l1" Version="2.0" IssueInstant="2026-02-11T10:05:00Z""#;

#[test]
fn a_logout_request_is_read() {
    let xml = format!(
        "<samlp:LogoutRequest {HEAD} NotOnOrAfter='2026-02-11T10:10:00Z' Reason='urn:r'>
         <saml:Issuer>urn:sp</saml:Issuer><saml:NameID Format='urn:f' NameQualifier='urn:n'>ada</saml:NameID>
         <samlp:SessionIndex>id1</samlp:SessionIndex><samlp:SessionIndex>id2</samlp:SessionIndex></samlp:LogoutRequest>"
    );
    let request = LogoutRequest::parse(xml.as_bytes()).unwrap();
    let name_id = NameId {
        value: "ada".into(),
        format: Some("urn:f".into()),
        name_qualifier: Some("urn:n".into()),
        sp_name_qualifier: None,
    };
    assert_eq!(request.name_id, name_id);
    assert_eq!(request.session_indexes, ["id1", "id2"]);
    assert_eq!((request.not_on_or_after, request.reason.as_deref()), (Some(at("2026-02-11T10:10:00Z")), Some("urn:r")));
    let check = |xml: String, expected| assert_eq!(LogoutRequest::parse(xml.as_bytes()), Err(expected));
    check(xml.replace("NameID", "NoID"), ReadError::Missing("NameID"));
    check(xml.replace("saml:NameID", "saml:EncryptedID"), ReadError::Unsupported("EncryptedID"));
    check(xml.replace("2026-02-11T10:10:00Z", "soon"), ReadError::Invalid("NotOnOrAfter"));
    check(xml.replace("LogoutRequest", "LogoutResponse"), ReadError::WrongRoot("LogoutRequest"));
}

#[test]
fn a_logout_response_is_read() {
    let xml = format!(
        "<samlp:LogoutResponse {HEAD} InResponseTo='id9'><saml:Issuer>urn:sp</saml:Issuer><samlp:Status>
         <samlp:StatusCode Value='urn:oasis:names:tc:SAML:2.0:status:Responder'>
         <samlp:StatusCode Value='urn:oasis:names:tc:SAML:2.0:status:PartialLogout'/></samlp:StatusCode></samlp:Status>
         </samlp:LogoutResponse>"
    );
    let response = LogoutResponse::parse(xml.as_bytes()).unwrap();
    assert_eq!(response.in_response_to.as_deref(), Some("id9"));
    assert_eq!(response.second_status.as_deref(), Some("urn:oasis:names:tc:SAML:2.0:status:PartialLogout"));
    assert!(!response.is_success());
    let success = LogoutResponse::parse(xml.replace("Responder", "Success").as_bytes()).unwrap();
    assert!(success.is_success());
    let no_status = LogoutResponse::parse(xml.replace("samlp:Status>", "samlp:State>").as_bytes());
    assert_eq!(no_status, Err(ReadError::Missing("Status")));
}

#[test]
fn debug_of_a_logout_request_shows_nothing_of_the_user() {
    let name_id =
        NameId { value: "marked-secret".to_owned(), format: None, name_qualifier: None, sp_name_qualifier: None };
    let at = tenterhook_contract::Timestamp::from_micros(0);
    let written = tenterhook_saml::write::LogoutRequest {
        id: "_l".to_owned(),
        destination: "https://sp.example.com/slo".to_owned(),
        issuer: "urn:idp".to_owned(),
        issue_instant: at,
        not_on_or_after: None,
        name_id,
        session_indexes: vec!["index-marked-secret".to_owned()],
    };
    let read = LogoutRequest::parse(written.to_xml().unwrap().as_bytes()).unwrap();
    assert_eq!(read.session_indexes, ["index-marked-secret"]);
    let shown = format!("{written:?} {read:?}");
    assert!(shown.contains("urn:idp") && !shown.contains("marked-secret"), "{shown}");
}
