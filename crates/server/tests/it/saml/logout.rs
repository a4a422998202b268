//! Single logout (SAML profiles 4.4): a service provider asks, or the user; the browser goes on to the others.

use serde_json::json;
use tenterhook_saml::{
    Certificate,
    binding::{MessageKind, redirect},
};

use super::{Provider, attribute, codes, own_key, post_form, provider_certificate, provider_key, signing, text};
use crate::{
    harness::{Answer, Behaviour, PASSWORD, Service, World},
    oauth::{cookie_of, sign_in},
};

/// An app with single logout, whose service provider signs.
pub(super) async fn provider<'a>(world: &'a World, name: &str) -> Provider<'a> {
    Provider::with(world, name, |app| {
        app["singleLogout"] =
            json!({ "issuer": format!("urn:{name}"), "logoutUrl": format!("https://{name}.example.com/slo?a=b") });
        app["spCertificates"] = json!([provider_certificate()]);
    })
    .await
}

/// What a redirect takes to a service provider; its signature is verified.
#[derive(Debug)]
pub(super) struct Carried {
    pub(super) to: String,
    pub(super) xml: String,
    pub(super) relay_state: Option<String>,
}

pub(super) fn carried(answer: &Answer, kind: MessageKind) -> Carried {
    assert_eq!(answer.status, 303, "{}", answer.text());
    let (to, query) = answer.header("location").split_once("?a=b&").unwrap();
    let message = redirect::decode(query).unwrap();
    assert_eq!(message.kind, kind);
    message.signature.unwrap().verify(&[Certificate::from_der(&own_key().certificate).unwrap()]).unwrap();
    Carried { to: to.to_owned(), xml: String::from_utf8(message.xml).unwrap(), relay_state: message.relay_state }
}

/// How an app's service provider knows a user.
pub(super) struct Known {
    pub(super) name_id: String,
    pub(super) index: String,
}

pub(super) async fn signed_on(provider: &Provider<'_>, cookie: &str) -> Known {
    let posted = provider.response(&provider.path(), cookie).await;
    Known {
        name_id: text(&posted.xml, "saml:NameID").to_owned(),
        index: attribute(&posted.xml, "saml:AuthnStatement", "SessionIndex").unwrap().to_owned(),
    }
}

/// A request with our `Destination`, unless `attributes` has one.
pub(super) fn logout_request(provider: &Provider<'_>, id: &str, known: &Known, attributes: &str) -> String {
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

pub(super) fn logout_response(provider: &Provider<'_>, to: &str, status: &str) -> String {
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

pub(super) fn sent(
    provider: &Provider<'_>,
    kind: MessageKind,
    xml: &str,
    relay_state: Option<&str>,
    signed: bool,
) -> String {
    let key = signing(provider_key());
    let query = redirect::encode(kind, xml, relay_state, signed.then_some(&key)).unwrap();
    format!("{}?{query}", provider.logout_path())
}

/// Whether the session of a cookie is still there.
pub(super) async fn is_signed_in(provider: &Provider<'_>, cookie: &str) -> bool {
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
    for other in [&second, &third] {
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
    let told = world.events("user.authentication.slo").await;
    assert_eq!(told.len(), 3, "{told:?}");
    for event in &told {
        assert_eq!(event["outcome"]["result"], "SUCCESS", "{event}");
        assert_eq!(event["debugContext"]["debugData"]["logoutInitiator"], json!(asking.app.id));
    }
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
        let request = logout_request(&asking, &format!("_{status}"), &known, "");
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

/// The session's cookie is often not there: the request comes in a frame, or through another browser. The session is found by its index.
#[tokio::test]
async fn a_request_without_the_cookie_ends_the_sessions_that_it_names() {
    let world = World::start().await;
    let (mut asking, second) = (provider(&world, "asking").await, provider(&world, "second").await);
    let page = asking.get(&asking.path(), "").await;
    let grace = sign_in(&world, &page, &world.org.user_logins[1], PASSWORD).await;
    let grace = cookie_of(&grace).to_owned();
    for (number, cookie_of_browser) in ["", grace.as_str()].into_iter().enumerate() {
        let cookie = asking.session().await;
        let known = signed_on(&asking, &cookie).await;
        let other = |name_id: &str, index: &str| Known { name_id: name_id.to_owned(), index: index.to_owned() };
        for (which, stranger) in
            [other("grace@example.com", &known.index), other(&known.name_id, "id0")].iter().enumerate()
        {
            let request = logout_request(&asking, &format!("_{number}{which}"), stranger, "");
            let answer =
                asking.get(&sent(&asking, MessageKind::Request, &request, None, true), cookie_of_browser).await;
            assert_eq!(codes(&carried(&answer, MessageKind::Response).xml), ["Requester", "UnknownPrincipal"]);
        }
        let of_second = logout_request(&second, &format!("_s{number}"), &known, "");
        let answer = second.get(&sent(&second, MessageKind::Request, &of_second, None, true), "").await;
        assert_eq!(
            codes(&carried(&answer, MessageKind::Response).xml),
            ["Requester", "UnknownPrincipal"],
            "not its own"
        );
        assert!(is_signed_in(&asking, &cookie).await);
        for (id, moment) in [("now", "it lives"), ("then", "it has ended")] {
            let request = logout_request(&asking, &format!("_{id}{number}"), &known, "");
            let answer =
                asking.get(&sent(&asking, MessageKind::Request, &request, None, true), cookie_of_browser).await;
            assert_eq!(codes(&carried(&answer, MessageKind::Response).xml), ["Success"], "{moment}");
            assert!(!is_signed_in(&asking, &cookie).await, "{moment}");
            let is_removed = answer.header("set-cookie").starts_with("tenterhook_session=");
            assert_eq!(is_removed, cookie_of_browser.is_empty(), "another user's session stays");
        }
    }
    assert!(is_signed_in(&asking, &grace).await);
    // Two sessions of a user, in one request.
    let (first, other) = (asking.session().await, asking.session().await);
    let (of_first, of_other) = (signed_on(&asking, &first).await, signed_on(&asking, &other).await);
    signed_on(&second, &other).await;
    let both = logout_request(&asking, "_both", &of_first, "").replace(
        "</samlp:LogoutRequest>",
        &format!("<samlp:SessionIndex>{}</samlp:SessionIndex></samlp:LogoutRequest>", of_other.index),
    );
    let answer = asking.get(&sent(&asking, MessageKind::Request, &both, None, true), "").await;
    let answered = carried(&answer, MessageKind::Response);
    assert_eq!(codes(&answered.xml), ["Responder", "PartialLogout"], "an app of the second session is not told");
    assert!(!is_signed_in(&asking, &first).await && !is_signed_in(&asking, &other).await);
    // What a hook sets is stored encrypted only: nothing finds the session by it.
    let index = json!([{ "op": "replace", "path": "/authentication/sessionIndex", "value": "of the service" }]);
    let service = Service::start(Behaviour::json(
        &json!({ "commands": [{ "type": "com.okta.assertion.patch", "value": index }] }),
    ))
    .await;
    asking.hook(service.address).await;
    let cookie = asking.session().await;
    let known = signed_on(&asking, &cookie).await;
    assert_eq!(known.index, "of the service");
    for (id, cookie_of_browser, expected) in
        [("_h1", "", &["Requester", "UnknownPrincipal"][..]), ("_h2", cookie.as_str(), &["Success"])]
    {
        let request = logout_request(&asking, id, &known, "");
        let answer = asking.get(&sent(&asking, MessageKind::Request, &request, None, true), cookie_of_browser).await;
        assert_eq!(codes(&carried(&answer, MessageKind::Response).xml), expected, "{id}");
    }
    assert!(!is_signed_in(&asking, &cookie).await);
}

#[tokio::test]
async fn a_logout_request_ends_a_session_once() {
    let world = World::start().await;
    let asking = provider(&world, "asking").await;
    let cookie = asking.session().await;
    let known = signed_on(&asking, &cookie).await;
    // Without an index, so that it would fit the next session too.
    let request = logout_request(&asking, "_l1", &known, "");
    let request = request.replace(&format!("<samlp:SessionIndex>{}</samlp:SessionIndex>", known.index), "");
    let path = sent(&asking, MessageKind::Request, &request, None, true);
    let answer = asking.get(&path, &cookie).await;
    assert_eq!(codes(&carried(&answer, MessageKind::Response).xml), ["Success"]);
    let next = asking.session().await;
    signed_on(&asking, &next).await;
    let page = asking.get(&path, &next).await;
    assert!(page.status == 400 && page.text().contains(">replayed<"), "{}", page.text());
    assert!(is_signed_in(&asking, &next).await);
}

/// The value of the cookie that names the logout in progress.
fn logout_cookie(answer: &Answer) -> Option<String> {
    let cookies = answer.headers.get_all("set-cookie").iter().map(|cookie| cookie.to_str().unwrap());
    let mut pairs = cookies.filter_map(|cookie| cookie.split(';').next()?.strip_prefix("tenterhook_logout="));
    pairs.next().map(|token| format!("tenterhook_logout={token}"))
}

/// An app without single logout cannot be told, and one that keeps the browser does not answer: the result is partial, and names them.
#[tokio::test]
async fn a_logout_that_does_not_reach_every_service_provider_says_so() {
    let world = World::start().await;
    let (asking, stuck) = (provider(&world, "asking").await, provider(&world, "stuck").await);
    let good = provider(&world, "good").await;
    let without = Provider::with(&world, "without", |app| app["label"] = json!("Old <portal>")).await;
    for (who, by_provider) in [("without", true), ("stuck", true), ("without", false), ("stuck", false)] {
        let cookie = asking.session().await;
        let known = signed_on(&asking, &cookie).await;
        let mut partial = true;
        if who == "without" {
            signed_on(&without, &cookie).await;
        } else {
            signed_on(&stuck, &cookie).await;
            signed_on(&good, &cookie).await;
        }
        let mut answer = if by_provider {
            let request = logout_request(&asking, &format!("_{who}"), &known, "");
            asking.get(&sent(&asking, MessageKind::Request, &request, None, true), &cookie).await
        } else {
            asking.get("/login/signout", &cookie).await
        };
        assert!(!is_signed_in(&asking, &cookie).await, "{who}: the session has ended first");
        let mut token = String::new();
        // Each is told; the one that is stuck does not answer, and the user comes back to sign out.
        while answer.status == 303 && answer.header("location").contains("SAMLRequest=") {
            token = logout_cookie(&answer).unwrap();
            let request = carried(&answer, MessageKind::Request);
            let other =
                [&asking, &stuck, &good].into_iter().find(|other| request.to.contains(&other.app.name)).unwrap();
            if other.app.name == "stuck" {
                answer = other.get("/login/signout", &token).await;
                partial = false;
                continue;
            }
            let id = attribute(&request.xml, "samlp:LogoutRequest", "ID").unwrap();
            let response = logout_response(other, id, "Success");
            let path = sent(other, MessageKind::Response, &response, request.relay_state.as_deref(), true);
            answer = other.get(&path, "").await;
        }
        assert!(who == "without" || !partial, "the service provider that is stuck had the browser");
        if by_provider {
            let response = carried(&answer, MessageKind::Response);
            assert_eq!(codes(&response.xml), ["Responder", "PartialLogout"], "{who}");
        } else {
            let label = if who == "without" { "Old &#60;portal&#62;" } else { "Benefits &#38; more" };
            assert!(answer.text().contains(&format!("<li>{label}</li>")), "{who}: {}", answer.text());
        }
        if !token.is_empty() {
            assert_eq!(logout_cookie(&answer).as_deref(), Some("tenterhook_logout="), "it is removed");
            let again = asking.get("/login/signout", &token).await;
            assert!(again.text().contains("You are signed out here"), "{}", again.text());
        }
    }
    let told = world.events("user.authentication.slo").await;
    let mut failed: Vec<_> = told
        .iter()
        .filter(|event| event["outcome"]["result"] == "FAILURE")
        .map(|event| {
            let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
            let initiator = text(&event["debugContext"]["debugData"]["logoutInitiator"]);
            (text(&event["outcome"]["reason"]), initiator == "user", text(&event["target"][0]["id"]))
        })
        .collect();
    failed.sort();
    let (without, stuck) = (without.app.id.to_string(), stuck.app.id.to_string());
    let (none, silent) = ("The app has no single logout".to_owned(), "The app has not answered".to_owned());
    assert_eq!(
        failed,
        [
            (none.clone(), false, without.clone()),
            (none, true, without),
            (silent.clone(), false, stuck.clone()),
            (silent, true, stuck),
        ]
    );
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
    let other = sent(&asking, MessageKind::Request, &logout_request(&asking, "_l2", &known, ""), Some("s"), false);
    for location in [moved.header("location"), &other] {
        let answer = asking.get(location, &cookie).await;
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
        let request = logout_request(&asking, &format!("_{others}"), &known, "");
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

fn at<'a>(world: &'a World, app: &tenterhook_model::SamlApp) -> Provider<'a> {
    Provider { world, app: app.clone() }
}

/// Each request of the browser comes to another node, and the node that began the logout is gone before it ends.
#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask postgres`"]
async fn nodes_take_turns_in_one_logout() {
    tenterhook_testkit::postgres::server();
    let mut one = World::start().await;
    let other = one.beside().await;
    let mut apps = Vec::new();
    for name in ["asking", "second", "third"] {
        apps.push(provider(&one, name).await.app);
    }
    let asking = at(&one, &apps[0]);
    let cookie = asking.session().await;
    let known = signed_on(&asking, &cookie).await;
    signed_on(&at(&other, &apps[1]), &cookie).await;
    signed_on(&at(&one, &apps[2]), &cookie).await;
    let request = sent(&asking, MessageKind::Request, &logout_request(&asking, "_l1", &known, ""), None, true);
    let mut answer = at(&other, &apps[0]).get(&request, &cookie).await;
    assert!(!is_signed_in(&asking, &cookie).await);
    for node in [&one, &other] {
        let request = carried(&answer, MessageKind::Request);
        let app = apps.iter().find(|app| request.to.contains(&app.name)).unwrap();
        let asked = at(node, app);
        let id = attribute(&request.xml, "samlp:LogoutRequest", "ID").unwrap();
        let response = logout_response(&asked, id, "Success");
        let path = sent(&asked, MessageKind::Response, &response, request.relay_state.as_deref(), true);
        let beside = at(&other, app);
        let (first, second) = tokio::join!(asked.get(&path, ""), beside.get(&path, ""));
        let went_on = [&first, &second].iter().filter(|answer| answer.status == 303).count();
        assert_eq!(went_on, 1, "one answer goes on, on whichever node");
        answer = if first.status == 303 { first } else { second };
    }
    assert_eq!(codes(&carried(&answer, MessageKind::Response).xml), ["Success"]);
    one.stop().await;
    let again = at(&other, &apps[0]).get(&request, "").await;
    assert!(again.text().contains(">replayed<"), "{}", again.text());
}
