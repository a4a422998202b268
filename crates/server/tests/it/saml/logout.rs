//! Single logout (SAML profiles 4.4): a service provider asks, or the user; the browser goes on to the others.

use serde_json::json;
use tenterhook_saml::{
    Certificate,
    binding::{MessageKind, redirect},
};

use super::{Provider, attribute, codes, own_key, post_form, provider_certificate, provider_key, signing, text};
use crate::harness::{Answer, Behaviour, Service, World};

/// An app with single logout, whose service provider signs.
async fn provider<'a>(world: &'a World, name: &str) -> Provider<'a> {
    Provider::with(world, name, |app| {
        app["singleLogout"] =
            json!({ "issuer": format!("urn:{name}"), "logoutUrl": format!("https://{name}.example.com/slo?a=b") });
        app["spCertificates"] = json!([provider_certificate()]);
    })
    .await
}

/// What a redirect takes to a service provider; its signature is verified.
#[derive(Debug)]
struct Carried {
    to: String,
    xml: String,
    relay_state: Option<String>,
}

fn carried(answer: &Answer, kind: MessageKind) -> Carried {
    assert_eq!(answer.status, 303, "{}", answer.text());
    let (to, query) = answer.header("location").split_once("?a=b&").unwrap();
    let message = redirect::decode(query).unwrap();
    assert_eq!(message.kind, kind);
    message.signature.unwrap().verify(&[Certificate::from_der(&own_key().certificate).unwrap()]).unwrap();
    Carried { to: to.to_owned(), xml: String::from_utf8(message.xml).unwrap(), relay_state: message.relay_state }
}

/// How an app's service provider knows a user.
struct Known {
    name_id: String,
    index: String,
}

async fn signed_on(provider: &Provider<'_>, cookie: &str) -> Known {
    let posted = provider.response(&provider.path(), cookie).await;
    Known {
        name_id: text(&posted.xml, "saml:NameID").to_owned(),
        index: attribute(&posted.xml, "saml:AuthnStatement", "SessionIndex").unwrap().to_owned(),
    }
}

/// A request with our `Destination`, unless `attributes` has one.
fn logout_request(provider: &Provider<'_>, id: &str, known: &Known, attributes: &str) -> String {
    let has_one = attributes.contains("Destination");
    let destination = if has_one { String::new() } else { format!("Destination=\"{}\"", provider.logout_url()) };
    let now = provider.world.platform.now();
    let (issuer, Known { name_id, index }) = (&provider.app.single_logout.as_ref().unwrap().issuer, known);
    format!(
        "<samlp:LogoutRequest xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" \
         xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\" ID=\"{id}\" Version=\"2.0\" IssueInstant=\"{now}\" \
         {destination} {attributes}>\
         <saml:Issuer>{issuer}</saml:Issuer><saml:NameID>{name_id}</saml:NameID>\
         <samlp:SessionIndex>{index}</samlp:SessionIndex></samlp:LogoutRequest>"
    )
}

fn logout_response(provider: &Provider<'_>, to: &str, status: &str) -> String {
    let now = provider.world.platform.now();
    let issuer = &provider.app.single_logout.as_ref().unwrap().issuer;
    format!(
        "<samlp:LogoutResponse xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" \
         xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\" ID=\"_x\" Version=\"2.0\" IssueInstant=\"{now}\" \
         InResponseTo=\"{to}\" Destination=\"{}\"><saml:Issuer>{issuer}</saml:Issuer><samlp:Status><samlp:StatusCode \
         Value=\"urn:oasis:names:tc:SAML:2.0:status:{status}\"/></samlp:Status></samlp:LogoutResponse>",
        provider.logout_url()
    )
}

fn sent(provider: &Provider<'_>, kind: MessageKind, xml: &str, relay_state: Option<&str>, signed: bool) -> String {
    let key = signing(provider_key());
    let query = redirect::encode(kind, xml, relay_state, signed.then_some(&key)).unwrap();
    format!("{}?{query}", provider.logout_path())
}

/// Whether the session of a cookie is still there.
async fn is_signed_in(provider: &Provider<'_>, cookie: &str) -> bool {
    !provider.get(&provider.path(), cookie).await.text().contains("name=\"password\"")
}

#[tokio::test]
async fn a_service_provider_ends_the_session_and_the_others_are_told_before_it_is_answered() {
    let world = World::start().await;
    let (asking, second, third) =
        (provider(&world, "asking").await, provider(&world, "second").await, provider(&world, "third").await);
    let without = Provider::with(&world, "without", |_| ()).await;
    let cookie = asking.session().await;
    let known = signed_on(&asking, &cookie).await;
    for other in [&second, &third, &without] {
        signed_on(other, &cookie).await;
    }
    let request = logout_request(&asking, "_l1", &known, "");
    let mut answer = asking.get(&sent(&asking, MessageKind::Request, &request, Some("st/ate="), true), &cookie).await;
    assert!(answer.header("set-cookie").contains("Max-Age=0"), "{answer:?}");
    assert!(!is_signed_in(&without, &cookie).await, "the session has ended at once");
    let mut told = Vec::new();
    for _ in 0..2 {
        let request = carried(&answer, MessageKind::Request);
        let other = [&second, &third]
            .into_iter()
            .find(|other| request.to == format!("https://{}.example.com/slo", other.app.name));
        let other = other.unwrap();
        told.push(other.app.name.clone());
        assert_eq!(text(&request.xml, "saml:NameID"), world.org.user_logins[0].as_str());
        assert_eq!(text(&request.xml, "saml:Issuer"), other.entity_id());
        let id = attribute(&request.xml, "samlp:LogoutRequest", "ID").unwrap();
        let response = logout_response(other, id, "Success");
        // No cookie: an answer by POST comes from another site, and the session has ended.
        let path = sent(other, MessageKind::Response, &response, request.relay_state.as_deref(), true);
        answer = other.get(&path, "").await;
        let again = other.get(&path, "").await;
        assert_eq!(again.status, 400, "an answer goes on once");
    }
    told.sort();
    assert_eq!(told, ["second", "third"]);
    let response = carried(&answer, MessageKind::Response);
    assert_eq!(
        (response.to.as_str(), response.relay_state.as_deref()),
        ("https://asking.example.com/slo", Some("st/ate="))
    );
    assert_eq!(attribute(&response.xml, "samlp:LogoutResponse", "InResponseTo"), Some("_l1"));
    assert_eq!(codes(&response.xml), ["Success"]);
    let events = world.events("user.session.end").await;
    let ended: Vec<_> = events.iter().filter(|event| event["outcome"]["result"] == "SUCCESS").collect();
    assert_eq!(ended.len(), 1, "{events:?}");
    assert_eq!(ended[0]["target"][0]["id"], json!(asking.app.id));
    assert_eq!(ended[0]["actor"]["alternateId"], world.org.user_logins[0].as_str());
}

#[tokio::test]
async fn an_answer_that_is_no_success_or_not_signed_makes_the_logout_partial() {
    let world = World::start().await;
    let (asking, second) = (provider(&world, "asking").await, provider(&world, "second").await);
    for (status, signed) in [("Responder", true), ("Success", false)] {
        let cookie = asking.session().await;
        let known = signed_on(&asking, &cookie).await;
        signed_on(&second, &cookie).await;
        let request = logout_request(&asking, "_l1", &known, "");
        let answer = asking.get(&sent(&asking, MessageKind::Request, &request, None, true), &cookie).await;
        let to_second = carried(&answer, MessageKind::Request);
        let id = attribute(&to_second.xml, "samlp:LogoutRequest", "ID").unwrap();
        let state = to_second.relay_state.as_deref();
        for (response, state, sender) in [
            (logout_response(&second, "_other", status), state, &second),
            (logout_response(&second, id, status), Some("guessed"), &second),
            (logout_response(&second, id, status), None, &second),
            (logout_response(&asking, id, status), state, &asking),
        ] {
            let page = sender.get(&sent(sender, MessageKind::Response, &response, state, true), "").await;
            assert_eq!(page.status, 400, "{response}");
            assert!(page.text().contains("unknown_logout"), "{}", page.text());
        }
        let response = logout_response(&second, id, status);
        let answer = second.get(&sent(&second, MessageKind::Response, &response, state, signed), "").await;
        let response = carried(&answer, MessageKind::Response);
        assert_eq!(codes(&response.xml), ["Responder", "PartialLogout"], "{status} {signed}");
    }
}

#[tokio::test]
async fn a_request_that_is_not_of_the_session_ends_nothing() {
    let world = World::start().await;
    let mut asking = provider(&world, "asking").await;
    let cookie = asking.session().await;
    let known = signed_on(&asking, &cookie).await;
    let other = |name_id: &str, index: &str| Known { name_id: name_id.to_owned(), index: index.to_owned() };
    for stranger in [other("grace@example.com", &known.index), other(&known.name_id, "id0")] {
        let request = logout_request(&asking, "_l1", &stranger, "");
        let answer = asking.get(&sent(&asking, MessageKind::Request, &request, None, true), &cookie).await;
        assert_eq!(codes(&carried(&answer, MessageKind::Response).xml), ["Requester", "UnknownPrincipal"]);
        assert!(answer.header("set-cookie").is_empty());
    }
    let good = logout_request(&asking, "_l1", &known, "");
    let now = world.platform.now();
    let other_issuer = good.replace(">urn:asking<", ">urn:other<");
    let old = good.replace(
        &format!("IssueInstant=\"{}", &good.split("IssueInstant=\"").nth(1).unwrap()[..24]),
        &format!("IssueInstant=\"{}", now.plus_seconds(-400)),
    );
    let ended = logout_request(&asking, "_l1", &known, &format!("NotOnOrAfter=\"{}\"", now.plus_seconds(-310)));
    let elsewhere = logout_request(&asking, "_l1", &known, "Destination=\"https://evil.example.com\"");
    let nowhere = good.replace(&format!("Destination=\"{}\"", asking.logout_url()), "");
    for (xml, signed, code) in [
        (good.as_str(), false, "invalid_signature"),
        (&other_issuer, true, "unknown_issuer"),
        (&old, true, "not_current"),
        (&ended, true, "not_current"),
        (&elsewhere, true, "wrong_destination"),
        (&nowhere, true, "wrong_destination"),
        (&nowhere, false, "invalid_signature"),
        ("<a/>", true, "invalid_message"),
    ] {
        let page = asking.get(&sent(&asking, MessageKind::Request, xml, None, signed), &cookie).await;
        assert_eq!(page.status, 400, "{xml}: {}", page.text());
        assert!(page.text().contains(&format!(">{code}<")), "{xml}: {}", page.text());
    }
    assert!(is_signed_in(&asking, &cookie).await);
    asking.change(|app| app.single_logout = None).await;
    let page = asking.get(&sent(&asking, MessageKind::Request, &good, None, true), &cookie).await;
    assert!(page.status == 400 && page.text().contains("no_single_logout"), "{}", page.text());
    assert!(is_signed_in(&asking, &cookie).await);
}

/// By POST the cookie comes with the redirect; without a session there is nothing to end, which is a success.
#[tokio::test]
async fn a_request_by_post_goes_on_by_redirect_and_one_without_a_session_succeeds() {
    let world = World::start().await;
    let mut asking = provider(&world, "asking").await;
    asking.change(|app| app.sp_certificates.clear()).await;
    let cookie = asking.session().await;
    let known = signed_on(&asking, &cookie).await;
    let request = tenterhook_saml::binding::post::encode(&logout_request(&asking, "_l1", &known, ""));
    let moved = post_form(&world, &asking.logout_path(), &[("SAMLRequest", &request), ("RelayState", "s")]).await;
    assert_eq!(moved.status, 303, "{}", moved.text());
    for _ in 0..2 {
        let answer = asking.get(moved.header("location"), &cookie).await;
        let response = carried(&answer, MessageKind::Response);
        assert_eq!((codes(&response.xml), response.relay_state.as_deref()), (vec!["Success"], Some("s")));
        assert!(!is_signed_in(&asking, &cookie).await);
    }
}

/// A name that a hook has set is the name that the service provider knows.
#[tokio::test]
async fn a_user_who_signs_out_here_is_taken_through_the_service_providers_to_a_registered_place() {
    let world = World::start().await;
    let mut second = provider(&world, "second").await;
    let rename = json!([
        { "op": "replace", "path": "/subject/nameId", "value": "renamed-marked-secret" },
        { "op": "replace", "path": "/authentication/sessionIndex", "value": "index-marked-secret" },
    ]);
    let service = Service::start(Behaviour::json(
        &json!({ "commands": [{ "type": "com.okta.assertion.patch", "value": rename }] }),
    ))
    .await;
    second.hook(service.address).await;
    let registered = "http://127.0.0.1:3000/callback";
    let base = format!("http://{}", world.address);
    for (from_uri, place) in [
        (registered, registered),
        ("/app/x?y=z", "/app/x?y=z"),
        (&format!("{base}/home"), "/home"),
        ("https://evil.example.com/", ""),
        ("//evil.example.com/", ""),
        (&format!("{base}.evil.example.com/"), ""),
        (&format!("{base}@evil.example.com/"), ""),
        ("http://127.0.0.1:3000/callback/other", ""),
        ("javascript:alert(1)", ""),
        ("", ""),
    ] {
        let cookie = second.session().await;
        let known = signed_on(&second, &cookie).await;
        assert_eq!(known.name_id, "renamed-marked-secret");
        let query = super::form_body(&[("fromURI", from_uri)]);
        let answer = if from_uri == registered {
            post_form_with(&world, "/login/signout", &cookie, &query).await
        } else {
            second.get(&format!("/login/signout?{query}"), &cookie).await
        };
        assert!(answer.header("set-cookie").contains("Max-Age=0"));
        let request = carried(&answer, MessageKind::Request);
        assert_eq!(text(&request.xml, "saml:NameID"), known.name_id);
        assert_eq!(text(&request.xml, "samlp:SessionIndex"), known.index);
        let id = attribute(&request.xml, "samlp:LogoutRequest", "ID").unwrap();
        let response = logout_response(&second, id, "Success");
        let path = sent(&second, MessageKind::Response, &response, request.relay_state.as_deref(), true);
        let end = second.get(&path, "").await;
        assert_eq!(end.header("location"), place, "{from_uri}");
        if place.is_empty() {
            assert!(end.status == 200 && end.text().contains("You are signed out"), "{from_uri}: {}", end.text());
        }
        let again = second.get(&format!("/login/signout?{query}"), &cookie).await;
        assert_eq!(again.header("location"), place, "without a session there is nobody to tell");
    }
    let log = world.api("GET", "/api/v1/logs?limit=1000", None).await.text();
    assert!(!log.contains("marked-secret"), "a value that the hook has set is in the log");
}

async fn post_form_with(world: &World, path: &str, cookie: &str, body: &str) -> Answer {
    let headers = [("content-type", "application/x-www-form-urlencoded"), ("cookie", cookie)];
    world.send("POST", path, &headers, body.as_bytes()).await
}

/// Browsers follow about twenty redirects: eight service providers are told, and the answer says that it was not all of them.
#[tokio::test]
async fn a_logout_tells_eight_service_providers() {
    let world = World::start().await;
    for (others, codes_expected) in [(8, &["Success"][..]), (9, &["Responder", "PartialLogout"])] {
        let asking = provider(&world, "asking").await;
        let cookie = asking.session().await;
        let known = signed_on(&asking, &cookie).await;
        let mut all = Vec::new();
        for number in 0..others {
            let other = provider(&world, &format!("other-{number}")).await;
            signed_on(&other, &cookie).await;
            all.push(other);
        }
        let request = logout_request(&asking, "_l1", &known, "");
        let mut answer = asking.get(&sent(&asking, MessageKind::Request, &request, None, true), &cookie).await;
        for _ in 0..8 {
            let request = carried(&answer, MessageKind::Request);
            let other = all.iter().find(|other| request.to.contains(&format!("//{}.", other.app.name))).unwrap();
            let id = attribute(&request.xml, "samlp:LogoutRequest", "ID").unwrap();
            let response = logout_response(other, id, "Success");
            let path = sent(other, MessageKind::Response, &response, request.relay_state.as_deref(), true);
            answer = other.get(&path, "").await;
        }
        assert_eq!(codes(&carried(&answer, MessageKind::Response).xml), codes_expected, "{others}");
    }
}

#[tokio::test]
async fn a_user_who_signs_in_again_is_still_known_to_the_service_providers_of_the_session_before() {
    let world = World::start().await;
    let asking = provider(&world, "asking").await;
    let before = asking.session().await;
    let known = signed_on(&asking, &before).await;
    let cookie = asking.session_after(&before).await;
    assert_ne!(cookie, before);
    assert!(!is_signed_in(&asking, &before).await, "the session before has ended");
    let ended = world.events("user.session.end").await;
    assert_eq!(ended.len(), 1);
    assert_eq!(ended[0]["outcome"]["reason"], "A user signed in again in the same browser");
    assert_eq!(ended[0]["target"][0]["alternateId"], world.org.user_logins[0].as_str());
    let request = logout_request(&asking, "_l1", &known, "");
    let answer = asking.get(&sent(&asking, MessageKind::Request, &request, None, true), &cookie).await;
    assert_eq!(codes(&carried(&answer, MessageKind::Response).xml), ["Success"]);
    assert!(!is_signed_in(&asking, &cookie).await);
}
