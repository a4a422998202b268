//! People without a user, who come for a SAML app: the way from its sign-in page to an account, and on to the service provider.

use serde_json::json;

use super::{CONSUMER, Posted, Provider, attribute, text};
use crate::{
    harness::{Answer, World},
    registration::{
        Enrollment, LOGIN,
        page::{NOOR, submit},
    },
};

/// Lets people sign up for the app by the policy.
async fn assign(provider: &Provider<'_>, enrollment: &Enrollment<'_>) {
    let path = format!("/api/v1/apps/{}/policies/{}", provider.app.id, enrollment.policy);
    let assigned = provider.world.api("PUT", &path, None).await;
    assert_eq!(assigned.status, 204, "{}", assigned.text());
}

/// Noor comes to `path`, goes on from the sign-in page to the one for signing up, and sends its form.
async fn signed_up(provider: &Provider<'_>, path: &str) -> Answer {
    let sign_in = provider.get(path, "").await.text();
    let link = sign_in.split("No account yet? <a href=\"").nth(1).unwrap_or_else(|| panic!("{sign_in}"));
    let link = link.split('"').next().unwrap().replace("&#38;", "&");
    assert!(link.starts_with(&format!("{}/sign-up", provider.path())), "{link}");
    let page = provider.get(&link, "").await;
    let html = page.text();
    assert!(page.status == 200 && html.contains("to continue to <strong>Benefits &#38; more</strong>"), "{html}");
    assert!(page.header("content-security-policy").contains("form-action 'self'"), "{page:?}");
    let back = format!("Already have an account? <a href=\"{}\"", path.replace('&', "&#38;"));
    assert!(html.contains(&back), "{back}: {html}");
    submit(provider.world, &link, &page, &NOOR).await
}

/// What the service provider gets when the browser follows the answer to the form.
async fn followed(provider: &Provider<'_>, path: &str, done: &Answer) -> Posted {
    assert_eq!((done.status.as_u16(), done.header("location")), (303, path), "{}", done.text());
    let cookie = done.header("set-cookie").split(';').next().unwrap();
    provider.response(path, cookie).await
}

#[tokio::test]
async fn who_signs_up_on_the_way_to_a_service_provider_arrives_there_with_an_assertion() {
    let world = World::start().await;
    let (enrollment, provider) = (Enrollment::new(&world).await, Provider::new(&world).await);
    // The user must have authenticated for this very request: signing up is that.
    let request = provider.request("_r1", "ForceAuthn=\"true\"", "");
    let path = provider.redirect(&request, Some("a b+c&d=\"e\""));
    let nobody = provider.get(&path.replacen("/sso/saml?", "/sso/saml/sign-up?", 1), "").await;
    assert!(nobody.status == 404 && nobody.text().contains("You cannot sign up here"), "{}", nobody.text());
    assert!(!provider.get(&path, "").await.text().contains("sign-up"), "nobody signs up by the default policy");

    assign(&provider, &enrollment).await;
    let done = signed_up(&provider, &path).await;
    let posted = followed(&provider, &path, &done).await;
    assert_eq!((posted.consumer.as_str(), posted.relay_state.as_deref()), (CONSUMER, Some("a b+c&d=\"e\"")));
    assert_eq!(text(&posted.xml, "saml:NameID"), LOGIN);
    assert_eq!(attribute(&posted.xml, "samlp:Response", "InResponseTo"), Some("_r1"));
    let user = enrollment.user(LOGIN).await.unwrap();
    for event in ["user.session.start", "user.authentication.sso"] {
        let events = world.events(event).await;
        let actors: Vec<_> = events.iter().map(|event| &event["actor"]["id"]).collect();
        assert_eq!(actors, [&user["id"]], "{event}: {events:?}");
    }
}

/// Whether the sign-on begins here makes no difference. An app that is not everybody's is the person's by a group of the policy.
#[tokio::test]
async fn the_groups_of_the_policy_assign_the_app_to_who_signs_up() {
    let world = World::start().await;
    let enrollment = Enrollment::new(&world).await;
    let provider = Provider::with(&world, "benefits_1", |app| app["implicitAssignment"] = json!(false)).await;
    assign(&provider, &enrollment).await;
    let group = world.api("POST", "/api/v1/groups", Some(&json!({ "profile": { "name": "Partners" } }))).await.json();
    let group = group["id"].as_str().unwrap();
    let for_group = format!("/api/v1/apps/{}/groups/{group}", provider.app.id);
    assert_eq!(world.api("PUT", &for_group, Some(&json!({}))).await.status, 200);
    enrollment.set(&json!({ "targetGroupIds": [group] })).await;
    let path = provider.path();
    let done = signed_up(&provider, &path).await;
    let posted = followed(&provider, &path, &done).await;
    assert_eq!(text(&posted.xml, "saml:NameID"), LOGIN);
    assert_eq!(attribute(&posted.xml, "samlp:Response", "InResponseTo"), None);
}
