//! Messages in queries and forms.

use std::slice::from_ref;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use tenterhook_saml::{
    binding::{
        BindingError, FORM_BYTES_MAX, MessageKind, RELAY_STATE_BYTES_MAX, post,
        redirect::{self, location},
    },
    read::DOCUMENT_BYTES_MAX,
    verify::{CERTIFICATES_MAX, VerifyError},
};

use crate::support::{OURS, THEIRS};

const XML: &str = "<samlp:AuthnRequest>é</samlp:AuthnRequest>";

fn signed(relay_state: Option<&str>) -> String {
    redirect::encode(MessageKind::Request, XML, relay_state, Some(&THEIRS.signing)).unwrap()
}

fn is_valid(query: &str) -> bool {
    let signature = redirect::decode(query).unwrap().signature.unwrap();
    signature.verify(&[OURS.certificate.clone(), THEIRS.certificate.clone()]).is_ok()
}

#[test]
fn what_is_encoded_is_decoded() {
    for state in [None, Some(""), Some("a"), Some("https://sp.example/?a=b&c=d#e"), Some(" +%2B%\r\n\t\"<é€🎉")] {
        for kind in [MessageKind::Request, MessageKind::Response] {
            let query = redirect::encode(kind, XML, state, None).unwrap();
            let message = redirect::decode(&query).unwrap();
            assert_eq!((message.xml.as_slice(), message.kind), (XML.as_bytes(), kind));
            assert_eq!(message.relay_state.as_deref(), state);
            assert!(message.signature.is_none());
        }
        assert!(is_valid(&signed(state)));
    }
}

#[test]
fn a_signature_over_a_query_is_over_the_bytes_that_were_sent() {
    let query = signed(Some("a b/ä"));
    assert!(query.contains("RelayState=a%20b%2F%C3%A4"), "{query}");
    assert!(is_valid(&query));
    // The same values, written in another way, are not what was signed.
    for (from, to) in
        [("a%20b", "a+b"), ("%2F", "/"), ("%2F", "%2f"), ("a%20b%2F%C3%A4", "other"), ("RelayState", "relayState")]
    {
        let changed = query.replace(from, to);
        assert_ne!(changed, query);
        assert!(!is_valid(&changed), "{from} {to}");
    }
    // In any order of the query, and beside other parameters, as the signed text has an order of its own.
    let mut pieces = query.split('&').collect::<Vec<_>>();
    pieces.reverse();
    assert!(is_valid(&format!("tenant=1&{}&x", pieces.join("&"))));
}

/// A sender escapes as it likes: here with lower-case digits, `+` for a space, and without escaping `/` and `:`.
#[test]
fn a_sender_that_escapes_in_another_way_is_verified() {
    use rcgen::SigningKey as _;
    let pair = rcgen::KeyPair::from_pkcs8_pem_and_sign_algo(THEIRS.private_key_pem.expose(), &rcgen::PKCS_RSA_SHA256);
    let pair = pair.unwrap();
    let message =
        redirect::encode(MessageKind::Response, XML, None, None).unwrap().replace("%2B", "%2b").replace("%2F", "/");
    let text = format!("{message}&RelayState=a+b%c3%a4/:&SigAlg=http://www.w3.org/2001/04/xmldsig-more%23rsa-sha256");
    let signature = STANDARD.encode(pair.sign(text.as_bytes()).unwrap()).replace('+', "%2b").replace('=', "%3d");
    let query = format!("{text}&Signature={signature}");
    assert!(is_valid(&query));
    assert_eq!(redirect::decode(&query).unwrap().relay_state.as_deref(), Some("a bä/:"));
}

#[test]
fn a_signature_over_a_query_is_by_a_registered_key() {
    let signature = redirect::decode(&signed(None)).unwrap().signature.unwrap();
    assert_eq!(signature.verify(&[]), Err(VerifyError::NoCertificate));
    assert_eq!(signature.verify(from_ref(&OURS.certificate)), Err(VerifyError::NotValid));
    let many = |others: usize| [vec![OURS.certificate.clone(); others], vec![THEIRS.certificate.clone()]].concat();
    assert_eq!(signature.verify(&many(CERTIFICATES_MAX - 1)), Ok(()));
    assert_eq!(signature.verify(&many(CERTIFICATES_MAX)), Err(VerifyError::NotValid));
}

#[test]
fn a_query_that_contains_no_message_is_refused() {
    let check = |query: &str, expected| assert_eq!(redirect::decode(query).unwrap_err(), expected, "{query:.200}");
    let plain = redirect::encode(MessageKind::Request, XML, None, None).unwrap();
    check("", BindingError::NoMessage);
    check("RelayState=a", BindingError::NoMessage);
    check(&format!("{plain}&{plain}"), BindingError::Repeated("SAMLRequest"));
    check(&format!("{plain}&SAMLResponse=a"), BindingError::TwoMessages);
    check(&format!("{plain}&RelayState=a&RelayState=a"), BindingError::Repeated("RelayState"));
    check(&format!("{plain}&RelayState=%FF"), BindingError::NotUtf8("RelayState"));
    check(&format!("{plain}&SAMLEncoding=urn:other"), BindingError::UnknownEncoding);
    check(&format!("{plain}&SigAlg=a"), BindingError::HalfSigned);
    check(&format!("{plain}&Signature=a"), BindingError::HalfSigned);
    check("SAMLRequest=!", BindingError::NotBase64("SAMLRequest"));
    check("SAMLRequest=%FF", BindingError::NotUtf8("SAMLRequest"));
    // Base64 of XML that is not compressed, as the POST binding has it.
    check(&format!("SAMLRequest={}", STANDARD.encode(XML)), BindingError::NotDeflate);
    let deflate = "urn:oasis:names:tc:SAML:2.0:bindings:URL-Encoding:DEFLATE";
    assert!(redirect::decode(&format!("{plain}&SAMLEncoding={deflate}")).is_ok());
}

/// Who does not ask for signatures takes the message all the same.
#[test]
fn a_signature_with_sha_1_is_refused_by_who_verifies() {
    for algorithm in
        ["http://www.w3.org/2000/09/xmldsig%23rsa-sha1", "http://www.w3.org/2001/04/xmldsig-more%23rsa-md5", "", "none"]
    {
        let plain = redirect::encode(MessageKind::Request, XML, None, None).unwrap();
        let message = redirect::decode(&format!("{plain}&SigAlg={algorithm}&Signature=AAAA")).unwrap();
        assert_eq!(message.signature.unwrap().verify(from_ref(&THEIRS.certificate)), Err(VerifyError::Algorithm));
    }
}

#[test]
fn sizes_have_bounds() {
    let inflated = |bytes: usize| redirect::encode(MessageKind::Request, &" ".repeat(bytes), None, None).unwrap();
    assert_eq!(redirect::decode(&inflated(DOCUMENT_BYTES_MAX)).unwrap().xml.len(), DOCUMENT_BYTES_MAX);
    assert_eq!(redirect::decode(&inflated(DOCUMENT_BYTES_MAX + 1)).unwrap_err(), BindingError::InflatedTooLarge);
    // A bomb: some kilobytes that inflate to a thousand times as much.
    let bomb = inflated(20 * 1024 * 1024);
    assert!(bomb.len() < 40 * 1024);
    assert_eq!(redirect::decode(&bomb).unwrap_err(), BindingError::InflatedTooLarge);

    let state = |bytes: usize| redirect::encode(MessageKind::Request, XML, Some(&"a".repeat(bytes)), None).unwrap();
    assert!(redirect::decode(&state(RELAY_STATE_BYTES_MAX)).is_ok());
    assert_eq!(redirect::decode(&state(RELAY_STATE_BYTES_MAX + 1)).unwrap_err(), BindingError::RelayStateTooLarge);

    let plain = redirect::encode(MessageKind::Request, XML, None, None).unwrap();
    let padded = |bytes: usize| format!("{plain}{}", "&".repeat(bytes - plain.len()));
    assert!(redirect::decode(&padded(FORM_BYTES_MAX)).is_ok());
    assert_eq!(redirect::decode(&padded(FORM_BYTES_MAX + 1)).unwrap_err(), BindingError::TooLarge);
}

#[test]
fn a_form_contains_base64_with_line_breaks() {
    let base64 = post::encode(XML);
    let (first, second) = base64.split_at(20);
    for value in [
        base64.replace('+', "%2B").replace('=', "%3D"),
        // A `+` that was not escaped is a space.
        base64.clone(),
        format!("{first}%0D%0A{second}"),
        format!("{first}%0a{second}%0a"),
        base64.trim_end_matches('=').to_owned(),
    ] {
        let message = post::decode(&format!("SAMLResponse={value}&RelayState=a+b%2B")).unwrap();
        assert_eq!((message.xml.as_slice(), message.kind), (XML.as_bytes(), MessageKind::Response), "{value}");
        assert_eq!(message.relay_state.as_deref(), Some("a b+"));
    }
    let check = |form: &str, expected| assert_eq!(post::decode(form).unwrap_err(), expected);
    check("", BindingError::NoMessage);
    check("SAMLRequest=%25", BindingError::NotBase64("SAMLRequest"));
    check(&"a".repeat(FORM_BYTES_MAX + 1), BindingError::TooLarge);
}

#[test]
fn a_sign_on_that_the_identity_provider_begins_has_a_relay_state() {
    assert_eq!(redirect::relay_state("RelayState=%2Fhome&x=y"), Ok(Some("/home".to_owned())));
    assert_eq!(redirect::relay_state("x=y"), Ok(None));
    assert_eq!(location("https://sp.example/slo", &signed(None)).matches('?').count(), 1);
}

#[test]
fn debug_shows_no_message() {
    let message = redirect::decode(&signed(Some("state"))).unwrap();
    let shown = format!("{message:?} {:?}", message.signature);
    assert!(!shown.contains("state") && !shown.contains("60"), "{shown}");
}
