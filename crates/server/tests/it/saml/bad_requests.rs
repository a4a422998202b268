//! What is wrong with a request becomes a page, which leads nowhere: above all not to a place that the request names.

use serde_json::json;

use super::{AUDIENCE, Provider, authn_request, form_body, post_form, provider_certificate};
use crate::harness::World;

/// A place that no app has registered.
const EVIL: &str = "https://evil.example.com/acs";

#[tokio::test]
async fn a_bad_request_gets_a_page_and_no_unregistered_place_gets_anything() {
    let world = World::start().await;
    let provider = Provider::new(&world).await;
    let cookie = provider.session().await;
    let now = world.platform.now();
    let request = |attributes: &str| provider.request("_b", attributes, "");
    let at = |seconds| authn_request("_b", now.plus_seconds(seconds), AUDIENCE, "", "");
    let lookalike = |url: &str| request(&format!("AssertionConsumerServiceURL=\"{url}\""));
    let deep = format!("{}{}", "<a>".repeat(100), "</a>".repeat(100));
    let subject =
        "<saml:Subject xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\"><saml:EncryptedID/></saml:Subject>";
    for (xml, code) in [
        (lookalike(EVIL), "unknown_consumer_service"),
        (lookalike("https://benefits.example.com/other/"), "unknown_consumer_service"),
        (lookalike("https://benefits.example.com/OTHER"), "unknown_consumer_service"),
        (lookalike("https://benefits.example.com/other?x"), "unknown_consumer_service"),
        (lookalike("https://benefits.example.com/other#"), "unknown_consumer_service"),
        (lookalike("//evil.example.com"), "unknown_consumer_service"),
        (lookalike("javascript:alert(1)"), "unknown_consumer_service"),
        (request("AssertionConsumerServiceIndex=\"8\""), "unknown_consumer_service"),
        (
            request(
                "AssertionConsumerServiceIndex=\"7\" AssertionConsumerServiceURL=\"https://benefits.example.com/other\"",
            ),
            "unknown_consumer_service",
        ),
        (request("AssertionConsumerServiceIndex=\"x\""), "invalid_message"),
        (request(&format!("Destination=\"{EVIL}\"")), "wrong_destination"),
        (request(&format!("Destination=\"{}/\"", provider.sign_on_url())), "wrong_destination"),
        (authn_request("_b", now, "urn:other", "", ""), "unknown_issuer"),
        (authn_request("_b", now, "urn:example:benefits<!-- -->.evil", "", ""), "unknown_issuer"),
        (at(-320), "not_current"),
        (at(320), "not_current"),
        (request("ForceAuthn=\"maybe\""), "invalid_message"),
        (request("ID=\"_c\""), "invalid_message"),
        (request("").replace("Version=\"2.0\"", "Version=\"1.1\""), "invalid_message"),
        (request("").replace("AuthnRequest", "LogoutRequest"), "invalid_message"),
        (format!("<!DOCTYPE a [<!ENTITY b SYSTEM \"file:///etc/passwd\">]>{}", request("")), "invalid_message"),
        (format!("<?xml-stylesheet href=\"{EVIL}\"?>{}", request("")), "invalid_message"),
        (format!("<?xml version=\"1.1\"?>{}", request("")), "invalid_message"),
        (format!("<?xml version=\"1.0\" encoding=\"UTF-16\"?>{}", request("")), "invalid_message"),
        (provider.request("_b", "", &deep), "invalid_message"),
        (provider.request("_b", "", subject), "invalid_message"),
        (provider.request("_b", "", &"<a/>".repeat(11_000)), "invalid_message"),
        ("not xml".to_owned(), "invalid_message"),
        (String::new(), "invalid_message"),
    ] {
        for session in [cookie.as_str(), ""] {
            let page = provider.get(&provider.redirect(&xml, Some(EVIL)), session).await;
            let html = page.text();
            assert_eq!(page.status, 400, "{xml:.300}: {html}");
            assert!(html.contains(&format!("<p class=\"code\">{code}</p>")), "{xml:.300}: {html}");
            assert!(!html.contains("<form") && !html.contains("evil") && !html.contains("SAMLResponse"), "{html}");
            assert!(page.header("location").is_empty());
        }
    }
    assert!(world.events("user.authentication.sso").await.iter().all(|event| event["outcome"]["result"] == "FAILURE"));
    // A message whose characters are all of US-ASCII has the same bytes in UTF-8.
    let ascii = format!("<?xml version=\"1.0\" encoding=\"US-ASCII\"?>{}", request(""));
    provider.response(&provider.redirect(&ascii, None), &cookie).await;
}

/// Bindings: what is no message at all.
#[tokio::test]
async fn a_query_or_form_without_a_message_of_its_kind_is_refused() {
    let world = World::start().await;
    let provider = Provider::new(&world).await;
    let cookie = provider.session().await;
    let path = provider.path();
    let request = provider.redirect(&provider.request("_b", "", ""), None);
    let large = provider.redirect(&provider.request("_b", "", &noise(12_000)), None);
    for (path, code) in [
        (format!("{path}?SAMLRequest=%%%"), "invalid_message"),
        (format!("{path}?SAMLRequest="), "invalid_message"),
        (format!("{path}?SAMLRequest=AAAA"), "invalid_message"),
        (format!("{request}&SAMLRequest=AAAA"), "invalid_message"),
        (format!("{request}&SAMLResponse=AAAA"), "invalid_message"),
        (format!("{request}&SAMLEncoding=urn:other"), "invalid_message"),
        (format!("{request}&RelayState=a&RelayState=b"), "invalid_message"),
        (format!("{request}&RelayState=%FF"), "invalid_message"),
        (format!("{request}&RelayState=a%0Ab"), "invalid_relay_state"),
        (format!("{request}&RelayState={}", "x".repeat(4_097)), "invalid_message"),
        (format!("{path}?RelayState={}", "x".repeat(7_168)), "too_large"),
        (request.replace("SAMLRequest", "SAMLResponse"), "invalid_message"),
        (large, "too_large"),
    ] {
        let page = provider.get(&path, &cookie).await;
        assert_eq!(page.status, 400, "{path:.200}: {}", page.text());
        assert!(page.text().contains(&format!(">{code}<")), "{path:.200}: {}", page.text());
        assert!(!page.text().contains("<form"));
    }
    provider.response(&format!("{request}&RelayState={}", "x".repeat(4_096)), &cookie).await;

    let encoded = |xml: &str| tenterhook_saml::binding::post::encode(xml);
    let good = encoded(&provider.request("_p", "", ""));
    for (fields, code) in [
        (&[("SAMLRequest", "%%%")][..], "invalid_message"),
        (&[("RelayState", "x")], "invalid_message"),
        (&[("SAMLRequest", &good), ("SAMLResponse", &good)], "invalid_message"),
        (&[("SAMLRequest", &encoded(&provider.request("_b", "", &noise(60_000))))], "too_large"),
        (&[("SAMLRequest", &"A".repeat(140_000))], "invalid_request"),
    ] {
        let page = post_form(&world, &path, fields).await;
        assert_eq!(page.status, 400, "{}", page.text());
        assert!(page.text().contains(&format!(">{code}<")), "{}", page.text());
    }
    // A form becomes a URL that is one of the longest at most that nginx accepts without settings.
    let state = "s".repeat(4_096);
    let mut longest = 0;
    for bytes in (0..8_192).step_by(128) {
        let message = encoded(&provider.request("_l", "", &noise(bytes)));
        let answer = post_form(&world, &path, &[("SAMLRequest", &message), ("RelayState", &state)]).await;
        if answer.status == 303 {
            longest = answer.header("location").len();
        } else {
            assert!(answer.text().contains(">too_large<") && answer.text().contains("7 KB"), "{}", answer.text());
        }
    }
    let line = "POST /sign-in HTTP/1.1\r\n".len() + longest;
    assert!((7_000..8_192).contains(&line), "{line}");
    for headers in [&[("content-type", "application/json")][..], &[("content-type", "")], &[]] {
        let page = world.send("POST", &path, headers, form_body(&[("SAMLRequest", &good)]).as_bytes()).await;
        assert_eq!(page.status, 400, "{headers:?}");
        assert!(page.text().contains(">invalid_request<"), "{headers:?}: {}", page.text());
    }
}

/// A child element whose text cannot be compressed.
fn noise(bytes: usize) -> String {
    let mut text = String::new();
    let mut number = 0_u32;
    while text.len() < bytes {
        text.push_str(&tenterhook_platform::entropy::sha256_hex(&number.to_string()));
        number += 1;
    }
    format!("<x>{text}</x>")
}

/// An app that asks for signed requests gets no others; whoever cannot verify says so.
#[tokio::test]
async fn an_app_that_asks_for_signed_requests_answers_no_others() {
    let world = World::start().await;
    let mut provider = Provider::with(&world, "benefits_1", |app| {
        app["signedRequests"] = json!(true);
        app["spCertificates"] = json!([provider_certificate()]);
    })
    .await;
    let cookie = provider.session().await;
    let request = provider.request("_q1", &provider.destination(), "");
    let signed = provider.signed_redirect(&request, None);
    let unsigned = provider.get(&provider.redirect(&request, None), &cookie).await;
    assert!(unsigned.status == 400 && unsigned.text().contains("not signed"), "{}", unsigned.text());
    let (head, signature) = signed.split_once("&Signature=").unwrap();
    let (_, other) = provider
        .signed_redirect(&provider.request("_q2", &provider.destination(), ""), None)
        .split_once("&Signature=")
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    let swapped = provider.get(&format!("{head}&Signature={other}"), &cookie).await;
    assert!(swapped.status == 400 && swapped.text().contains("not valid"), "{}", swapped.text());
    assert_ne!(signature, other);
    provider.response(&signed, &cookie).await;
    provider.change(|app| app.sp_certificates.clear()).await;
    let without_destination = provider.signed_redirect(&provider.request("_q3", "", ""), None);
    let page = provider.get(&without_destination, &cookie).await;
    assert!(page.status == 400 && page.text().contains(">wrong_destination<"), "{}", page.text());
    let request = provider.request("_q3", &provider.destination(), "");
    let nobody = provider.get(&provider.signed_redirect(&request, None), &cookie).await;
    assert!(nobody.status == 400 && nobody.text().contains("no certificate"), "{}", nobody.text());
}
