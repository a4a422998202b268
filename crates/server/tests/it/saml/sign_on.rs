//! What a request asks for, it gets; and who may sign on.

use serde_json::json;

use super::{
    AUDIENCE, CONSUMER, EMAIL, Provider, attribute, authn_request, codes, own_secret, part, post_form,
    provider_certificate, text,
};
use crate::{
    harness::{PASSWORD, World},
    oauth::{cookie_of, sign_in},
};

/// What a form cannot spoil: no control characters.
const RELAY_STATE: &str = "a b+c%20d&e=\"f\"<g>'h' é€ ~/?#";

/// SAML bindings 3.4, 3.5; SAML profiles 4.1.
#[tokio::test]
async fn a_request_by_redirect_passes_the_sign_in_page_and_comes_back_as_a_signed_response() {
    let world = World::start().await;
    let provider = Provider::new(&world).await;
    let request = provider.request("_r1", &provider.destination(), "");
    let path = provider.redirect(&request, Some(RELAY_STATE));
    let page = provider.get(&path, "").await;
    assert_eq!(page.status, 200, "{}", page.text());
    assert!(page.text().contains("name=\"password\"") && !page.text().contains("benefits.example.com"));
    assert!(page.header("content-security-policy").contains("form-action 'self'"), "{page:?}");
    assert!(page.header("content-security-policy").contains("script-src 'self'; form-action"), "{page:?}");
    let login = world.org.user_logins.first().unwrap();
    let signed_in = sign_in(&world, &page, login, PASSWORD).await;
    assert_eq!((signed_in.status.as_u16(), signed_in.header("location")), (303, path.as_str()));
    let cookie = cookie_of(&signed_in);
    let answer = provider.get(&path, cookie).await;
    assert!(answer.header("content-security-policy").contains("script-src 'self'; form-action *"), "{answer:?}");
    assert!(
        answer.text().contains("<script type=\"module\" src=\"/assets/submit.js\">")
            && answer.text().contains("<button")
    );
    let posted = Provider::posted(&answer);
    let xml = posted.xml.as_str();
    assert_eq!((posted.consumer.as_str(), posted.relay_state.as_deref()), (CONSUMER, Some(RELAY_STATE)));
    let escaped = "https://benefits.example.com/acs?tenant=1&amp;x=&quot;y&quot;";
    for (element, name, value) in [
        ("samlp:Response", "Destination", escaped),
        ("samlp:Response", "InResponseTo", "_r1"),
        ("saml:SubjectConfirmationData", "Recipient", escaped),
        ("saml:SubjectConfirmationData", "InResponseTo", "_r1"),
        ("saml:NameID", "Format", EMAIL),
    ] {
        assert_eq!(attribute(xml, element, name), Some(value), "{element} {name} in {xml}");
    }
    assert_eq!((text(xml, "saml:NameID"), text(xml, "saml:Audience")), (login.as_str(), AUDIENCE));
    assert_eq!(text(xml, "saml:Issuer"), format!("http://idp.example.com/{}", provider.app.external_key));
    assert_eq!(text(xml, "saml:AttributeValue"), "payroll");
    assert_eq!(codes(xml), ["Success"]);

    let events = world.events("user.authentication.sso").await;
    assert_eq!(events.len(), 1, "{events:?}");
    let event = events.first().unwrap();
    assert_eq!((&event["outcome"]["result"], &event["actor"]["alternateId"]), (&json!("SUCCESS"), &json!(login)));
    let targets = event["target"].as_array().unwrap();
    let app = targets.iter().find(|target| target["type"] == "AppInstance").unwrap();
    assert_eq!((&app["id"], &app["displayName"]), (&json!(provider.app.id), &json!("Benefits & more")));
    assert_eq!(event["transaction"]["id"], answer.header("x-okta-request-id"));
    assert!(event["debugContext"]["debugData"]["url"].as_str().unwrap().contains("SAMLRequest=***"), "{event}");
}

#[tokio::test]
async fn the_script_that_forwards_is_a_file_of_the_server() {
    let world = World::start().await;
    let script = world.send("GET", "/assets/submit.js", &[], b"").await;
    assert_eq!((script.status.as_u16(), script.header("content-type")), (200, "text/javascript"));
    assert!(script.text().contains("submit"));
}

/// A form of another site comes without the cookie, so that the request goes on by GET.
#[tokio::test]
async fn a_request_by_post_is_the_same_with_its_relay_state_and_its_signature() {
    let world = World::start().await;
    let mut provider = Provider::new(&world).await;
    provider.change(|app| (app.sp_certificates, app.signed_requests) = (vec![provider_certificate()], true)).await;
    let cookie = provider.session().await;
    // A signature over the message itself, with another writer of signatures: that of logout requests is for redirects.
    let unsigned = provider.request("_p1", "", "");
    let refused = post_form(&world, &provider.path(), &[("SAMLRequest", &base64(&unsigned))]).await;
    let refused = provider.get(refused.header("location"), &cookie).await;
    assert_eq!(refused.status, 400, "it is not signed");
    let moved =
        post_form(&world, &provider.path(), &[("SAMLRequest", &base64(&unsigned)), ("RelayState", RELAY_STATE)]).await;
    assert_eq!(moved.status, 303, "{}", moved.text());
    provider.change(|app| app.signed_requests = false).await;
    let posted = provider.response(moved.header("location"), &cookie).await;
    assert_eq!(posted.relay_state.as_deref(), Some(RELAY_STATE));
    assert_eq!(attribute(&posted.xml, "samlp:Response", "InResponseTo"), Some("_p1"));
}

fn base64(xml: &str) -> String {
    tenterhook_saml::binding::post::encode(xml)
}

/// A detached signature, over the query as it was sent.
#[tokio::test]
async fn a_signed_redirect_is_verified_and_one_that_was_changed_is_refused() {
    let world = World::start().await;
    let mut provider = Provider::new(&world).await;
    provider.change(|app| app.sp_certificates = vec![provider_certificate()]).await;
    let cookie = provider.session().await;
    let signed = |id: &str| provider.signed_redirect(&provider.request(id, &provider.destination(), ""), Some("state"));
    assert_eq!(provider.response(&signed("_s1"), &cookie).await.relay_state.as_deref(), Some("state"));
    let other_state = signed("_s2").replace("RelayState=state", "RelayState=other");
    let without_algorithm = signed("_s2").replace("&SigAlg=", "&x=");
    let weak = signed("_s2").replace("rsa-sha256", "rsa-sha1");
    for (path, why) in [(&other_state, "changed"), (&without_algorithm, "missing"), (&weak, "accepted")] {
        let page = provider.get(path, &cookie).await;
        assert_eq!(page.status, 400, "{path}");
        assert!(page.text().contains(why), "{}", page.text());
    }
    // An app without certificates has nothing to verify with, and asked for nothing.
    provider.response(&provider.redirect(&provider.request("_s3", "", ""), None), &cookie).await;
}

#[tokio::test]
async fn a_sign_on_that_begins_here_has_the_relay_state_of_the_link_or_of_the_app() {
    let world = World::start().await;
    let provider = Provider::new(&world).await;
    let cookie = provider.session().await;
    let posted = provider.response(&provider.path(), &cookie).await;
    assert_eq!(posted.relay_state.as_deref(), Some("https://benefits.example.com/start"));
    assert_eq!(attribute(&posted.xml, "samlp:Response", "InResponseTo"), None);
    assert_eq!(attribute(&posted.xml, "saml:SubjectConfirmationData", "InResponseTo"), None);
    let posted = provider.response(&format!("{}?RelayState=a%2Bb", provider.path()), &cookie).await;
    assert_eq!(posted.relay_state.as_deref(), Some("a+b"));
    let index = |xml: &str| attribute(xml, "saml:AuthnStatement", "SessionIndex").unwrap().to_owned();
    let again = provider.response(&provider.path(), &cookie).await;
    assert_eq!(index(&again.xml), index(&posted.xml), "one session at an app has one index");
    let other = Provider::with(&world, "other_1", |_| ()).await;
    assert_ne!(index(&other.response(&other.path(), &cookie).await.xml), index(&posted.xml));
}

/// SAML core 3.4.1: `ForceAuthn`, once for each request, and only where the app honours it.
#[tokio::test]
async fn a_forced_request_asks_a_user_with_a_session_again_once() {
    let world = World::start().await;
    let mut provider = Provider::new(&world).await;
    let cookie = provider.session().await;
    let path = |id: &str| provider.redirect(&provider.request(id, "ForceAuthn=\"true\"", ""), None);
    let (first, second) = (path("_f1"), path("_f2"));
    let page = provider.get(&first, &cookie).await;
    assert!(page.text().contains("name=\"password\""), "{}", page.text());
    let signed_in = sign_in(&world, &page, world.org.user_logins.first().unwrap(), PASSWORD).await;
    let fresh = cookie_of(&signed_in).to_owned();
    assert!(provider.get(&first, &cookie).await.text().contains("name=\"password\""), "the old session does not do");
    assert!(provider.get(&second, &fresh).await.text().contains("name=\"password\""), "nor another request");
    provider.response(signed_in.header("location"), &fresh).await;
    provider.change(|app| app.honor_force_authn = false).await;
    provider.response(&second, &cookie).await;
}

/// What SAML has a status for goes to the service provider: signed, to a registered place, without an assertion.
#[tokio::test]
async fn a_request_that_cannot_be_met_gets_the_status_that_saml_has_for_it() {
    let world = World::start().await;
    let provider = Provider::new(&world).await;
    let cookie = provider.session().await;
    let policy = |format: &str| format!("<samlp:NameIDPolicy Format=\"{format}\" AllowCreate=\"true\"/>");
    let context = |comparison: &str, class: &str| {
        format!(
            "<samlp:RequestedAuthnContext Comparison=\"{comparison}\"><saml:AuthnContextClassRef \
             xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\">urn:oasis:names:tc:SAML:2.0:ac:classes:{class}\
             </saml:AuthnContextClassRef></samlp:RequestedAuthnContext>"
        )
    };
    let unspecified = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified";
    let persistent = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent";
    let subject = |format: &str, name: &str| {
        format!(
            "<saml:Subject xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\"><saml:NameID Format=\"{format}\">{name}\
             </saml:NameID></saml:Subject>"
        )
    };
    let [ada, grace] = [0, 1].map(|place| world.org.user_logins[place].as_str());
    let none = String::new();
    for (number, (attributes, children, with_session, codes_expected)) in [
        ("IsPassive=\"true\"", none.clone(), true, &["Success"][..]),
        ("IsPassive=\"true\"", none.clone(), false, &["Responder", "NoPassive"]),
        ("IsPassive=\"true\" ForceAuthn=\"true\"", none.clone(), true, &["Responder", "NoPassive"]),
        ("", policy(EMAIL), true, &["Success"]),
        ("", policy(unspecified), true, &["Success"]),
        ("", policy(persistent), true, &["Requester", "InvalidNameIDPolicy"]),
        (
            "",
            "<samlp:NameIDPolicy SPNameQualifier=\"urn:other\"/>".to_owned(),
            true,
            &["Requester", "InvalidNameIDPolicy"],
        ),
        ("", subject(EMAIL, ada), true, &["Success"]),
        ("", subject(unspecified, ada), true, &["Success"]),
        ("", subject(persistent, ada), true, &["Responder", "UnknownPrincipal"]),
        ("", subject(EMAIL, grace), true, &["Responder", "UnknownPrincipal"]),
        ("", context("exact", "PasswordProtectedTransport"), true, &["Success"]),
        ("", context("exact", "Password"), true, &["Success"]),
        ("", context("minimum", "Password"), true, &["Success"]),
        ("", context("better", "Password"), true, &["Success"]),
        ("", context("maximum", "unspecified"), true, &["Success"]),
        ("", context("better", "PasswordProtectedTransport"), true, &["Responder", "NoAuthnContext"]),
        ("", context("exact", "X509"), true, &["Responder", "NoAuthnContext"]),
        ("ProtocolBinding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\"", none.clone(), true, &["Success"]),
        (
            "ProtocolBinding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Artifact\"",
            none,
            true,
            &["Requester", "RequestUnsupported"],
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let request = provider.request(&format!("_c{number}"), attributes, &children);
        let session = if with_session { cookie.as_str() } else { "" };
        let posted = provider.response(&provider.redirect(&request, Some("s")), session).await;
        assert_eq!(codes(&posted.xml), codes_expected, "{attributes} {children}");
        assert_eq!(posted.relay_state.as_deref(), Some("s"));
        assert_eq!(part(&posted.xml, "saml:Assertion").is_some(), codes_expected == ["Success"], "{}", posted.xml);
        if children.contains("exact") && codes_expected == ["Success"] {
            let class = text(&posted.xml, "saml:AuthnContextClassRef");
            assert!(children.contains(&format!("{class}</saml")), "{class}");
        }
    }
}

#[tokio::test]
async fn the_subject_of_a_request_is_filled_in_at_the_sign_in_page() {
    let world = World::start().await;
    let provider = Provider::new(&world).await;
    let subject = "<saml:Subject xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\"><saml:NameID>grace@exa&lt;mple.com\
                   </saml:NameID></saml:Subject>";
    let page = provider.get(&provider.redirect(&provider.request("_h1", "", subject), None), "").await;
    assert!(page.text().contains("value=\"grace@exa&#60;mple.com\""), "{}", page.text());
}

/// SAML core 3.4.1: by URL or by index, and only a registered one.
#[tokio::test]
async fn the_response_goes_to_the_registered_service_that_the_request_names() {
    let world = World::start().await;
    let provider = Provider::new(&world).await;
    let cookie = provider.session().await;
    let other = "https://benefits.example.com/other";
    for (number, (attributes, consumer)) in [
        (String::new(), CONSUMER),
        (format!("AssertionConsumerServiceURL=\"{other}\""), other),
        ("AssertionConsumerServiceIndex=\"7\"".to_owned(), other),
    ]
    .into_iter()
    .enumerate()
    {
        let request = provider.request(&format!("_a{number}"), &attributes, "");
        let posted = provider.response(&provider.redirect(&request, None), &cookie).await;
        assert_eq!(posted.consumer, consumer, "{attributes}");
        if consumer == other {
            assert_eq!(attribute(&posted.xml, "samlp:Response", "Destination"), Some(other));
            assert_eq!(attribute(&posted.xml, "saml:SubjectConfirmationData", "Recipient"), Some(other));
        }
    }
}

#[tokio::test]
async fn a_request_is_answered_once_and_the_way_back_from_the_sign_in_page_is_no_replay() {
    let world = World::start().await;
    let provider = Provider::new(&world).await;
    let cookie = provider.session().await;
    let issued = |seconds: i64, id: &str| {
        let at = world.platform.now().plus_seconds(seconds);
        provider.redirect(&authn_request(id, at, AUDIENCE, "", ""), None)
    };
    let path = issued(0, "_o1");
    provider.response(&path, &cookie).await;
    let page = provider.get(&path, &cookie).await;
    assert_eq!(page.status, 400);
    assert!(page.text().contains("answered already") && !page.text().contains("<form"), "{}", page.text());
    let other = Provider::with(&world, "other_1", |_| ()).await;
    let of_other = format!("{}?{}", other.path(), path.split_once('?').unwrap().1);
    other.response(&of_other, &cookie).await;

    // Ada has been at the sign-in page for a while: a session of the request itself is proof of that.
    for (seconds, id, status) in [(-3_500, "_o2", 200), (-3_700, "_o3", 400)] {
        let path = issued(seconds, id);
        assert_eq!(provider.get(&path, &cookie).await.status, 400, "an old request with an older session");
        let signed_in = provider.sign_in_for(&path).await;
        assert_eq!(signed_in.status, 303, "{}", signed_in.text());
        let answer = provider.get(signed_in.header("location"), cookie_of(&signed_in)).await;
        assert_eq!(answer.status.as_u16(), status, "{}", answer.text());
    }
}

/// Nobody else gets an assertion, and the log says who tried.
#[tokio::test]
async fn only_an_active_user_to_whom_the_app_in_use_is_assigned_signs_on() {
    let world = World::start().await;
    let mut provider = Provider::new(&world).await;
    let cookie = provider.session().await;
    provider.change(|app| app.implicit_assignment = false).await;
    let page = provider.get(&provider.path(), &cookie).await;
    assert_eq!(page.status, 403);
    assert!(page.text().contains("not assigned to you") && !page.text().contains("<form"), "{}", page.text());
    let event = world.events("app.generic.unauth_app_access_attempt").await.pop().unwrap();
    assert_eq!((&event["outcome"]["result"], &event["outcome"]["reason"]), (&json!("FAILURE"), &json!("not_assigned")));
    assert_eq!(event["actor"]["alternateId"], world.org.user_logins[0].as_str());
    assert!(world.events("user.authentication.sso").await.is_empty());

    provider.change(|app| (app.implicit_assignment, app.status) = (true, tenterhook_model::Status::Inactive)).await;
    let page = provider.get(&provider.path(), &cookie).await;
    assert_eq!(page.status, 400);
    assert!(page.text().contains("not in use"), "{}", page.text());
    let event = world.events("user.authentication.sso").await.pop().unwrap();
    assert_eq!((&event["outcome"]["result"], &event["outcome"]["reason"]), (&json!("FAILURE"), &json!("app_inactive")));

    provider.change(|app| app.status = tenterhook_model::Status::Active).await;
    let ada = world.api("GET", &format!("/api/v1/users/{}", world.org.user_logins[0]), None).await.json();
    let suspend = format!("/api/v1/users/{}/lifecycle/suspend", ada["id"].as_str().unwrap());
    assert!(world.api("POST", &suspend, None).await.status.is_success());
    let page = provider.get(&provider.path(), &cookie).await;
    assert_eq!(page.status, 403);
    assert!(page.text().contains("not active"), "{}", page.text());
    let event = world.events("user.authentication.sso").await.pop().unwrap();
    assert_eq!(event["outcome"]["reason"], "user_inactive");
}

#[tokio::test]
async fn metadata_is_for_everybody_and_paths_and_methods_that_are_not_there_are_told_so() {
    let world = World::start().await;
    let provider = Provider::with(&world, "benefits_1", |app| {
        app["singleLogout"] = json!({ "issuer": AUDIENCE, "logoutUrl": "https://benefits.example.com/slo" });
    })
    .await;
    let key = &provider.app.external_key;
    let metadata = world.send("GET", &format!("/app/{key}/sso/saml/metadata"), &[], b"").await;
    assert_eq!((metadata.status.as_u16(), metadata.header("content-type")), (200, "application/samlmetadata+xml"));
    let xml = metadata.text();
    for expected in [
        format!("entityID=\"{}\"", provider.entity_id()),
        format!("Location=\"{}\"", provider.sign_on_url()),
        format!("Location=\"{}\"", provider.logout_url()),
        "X509Certificate".to_owned(),
    ] {
        assert!(xml.contains(&expected), "{expected} in {xml}");
    }
    assert!(!xml.contains(own_secret().expose()));
    for (method, path, status) in [
        ("GET", format!("/app/{key}x/sso/saml/metadata"), 404),
        ("GET", format!("/app/other/{key}/sso/saml"), 404),
        ("GET", format!("/app/benefits_1/{key}x/sso/saml"), 404),
        ("POST", format!("/app/benefits_1/{key}x/sso/saml"), 404),
        ("POST", format!("/app/benefits_1/{key}x/sso/saml/sign-in"), 404),
        ("GET", format!("/app/benefits_1/{key}x/slo/saml"), 404),
        ("PUT", provider.path(), 405),
        ("GET", format!("{}/sign-in", provider.path()), 405),
        ("DELETE", provider.logout_path(), 405),
        ("POST", format!("/app/{key}/sso/saml/metadata"), 405),
        ("HEAD", provider.path(), 200),
        ("HEAD", provider.logout_path(), 200),
        ("HEAD", "/login/signout".to_owned(), 200),
        ("HEAD", format!("/app/{key}/sso/saml/metadata"), 200),
    ] {
        let answer = world.send(method, &path, &[], b"").await;
        assert_eq!(answer.status.as_u16(), status, "{method} {path}");
        assert_eq!(answer.header("allow").is_empty(), status != 405, "RFC 9110 section 15.5.6: {method} {path}");
    }
}
