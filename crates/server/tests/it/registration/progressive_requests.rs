//! Progressive profile: the kinds of requests that a user is on the way of, and how long they wait for the user.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use tenterhook_testkit::clock::StandingClock;

use super::{
    progressive::{Asking, CITY, CODE, has_code, is_form, path_of, submit_as},
    verification::Kept,
};
use crate::{
    harness::{Answer, PASSWORD, World},
    oauth::{REDIRECT_URI, cookie_of, redirect_parameter, sign_in},
    saml::{Provider, codes},
};

/// A world whose time stands still.
async fn world_at() -> (World, Arc<StandingClock>) {
    let clock = Arc::new(StandingClock::default());
    (World::with_mail_at(Arc::new(Kept::default()), clock.clone()).await, clock)
}

/// The service provider of an app that has the policy.
async fn provider_of<'w>(asking: &Asking<'w>) -> Provider<'w> {
    let mut provider = Provider::new(asking.world).await;
    let policy = asking.enrollment.policy.parse().unwrap();
    provider.change(|app| app.enrollment_policy = Some(policy)).await;
    provider
}

fn is_sign_in(answer: &Answer) -> bool {
    answer.status == 200 && answer.text().contains("name=\"password\"")
}

fn is_not_current(answer: &Answer) -> bool {
    answer.status == 400 && answer.text().contains("not_current")
}

#[tokio::test]
async fn a_saml_request_waits_an_hour_for_the_user_who_was_asked_while_it_was_current() {
    let (world, clock) = world_at().await;
    let asking = Asking::new(&world).await;
    let provider = provider_of(&asking).await;
    let path = |id: &str, attributes: &str| provider.redirect(&provider.request(id, attributes, ""), Some("state"));
    let [asked, other, late] = ["_w1", "_w2", "_w3"].map(|id| path(id, ""));
    let page = provider.get(&asked, &asking.cookie).await;
    assert!(is_form(&page) && is_form(&provider.get(&late, &asking.cookie).await), "{}", page.text());
    clock.advance(Duration::from_secs(400));
    assert!(is_not_current(&provider.get(&other, &asking.cookie).await), "nobody was asked for it");
    assert!(is_form(&provider.get(&asked, &asking.cookie).await), "the page can be loaded again");
    let forced = path("_w1", "ForceAuthn=\"true\"");
    assert!(is_sign_in(&provider.get(&forced, &asking.cookie).await), "to be asked is no new sign-in");
    let refused = asking.submit(&page, &[CITY]).await;
    assert!(refused.status == 400 && refused.text().contains(r#"value="Lagos""#), "{}", refused.text());
    clock.advance(Duration::from_secs(400));
    let done = asking.submit(&refused, &[CITY, CODE]).await;
    assert_eq!((done.status.as_u16(), done.header("location")), (303, asked.as_str()));
    let posted = provider.response(done.header("location"), &asking.cookie).await;
    assert_eq!((codes(&posted.xml), posted.relay_state.as_deref()), (vec!["Success"], Some("state")));
    assert_eq!(provider.get(&asked, &asking.cookie).await.status, 400, "once");
    clock.advance(Duration::from_secs(2_900));
    assert!(is_not_current(&provider.get(&late, &asking.cookie).await));
}

/// SAML core 3.4.1: `ForceAuthn`.
#[tokio::test]
async fn a_forced_saml_request_asks_for_the_password_first_and_for_the_profile_then() {
    let (world, clock) = world_at().await;
    let asking = Asking::new(&world).await;
    let provider = provider_of(&asking).await;
    let path = |id: &str| provider.redirect(&provider.request(id, "ForceAuthn=\"true\"", ""), None);
    let (forced, other) = (path("_f1"), path("_f2"));
    let page = provider.get(&forced, &asking.cookie).await;
    assert!(is_sign_in(&page), "{}", page.text());
    let signed_in = sign_in(&world, &page, &world.org.user_logins[0], PASSWORD).await;
    assert_eq!(signed_in.header("location"), forced);
    let fresh = cookie_of(&signed_in).to_owned();
    let page = provider.get(&forced, &fresh).await;
    assert!(is_form(&page), "{}", page.text());
    clock.advance(Duration::from_secs(400));
    let done = submit_as(&world, &fresh, &page, &[CITY, CODE]).await;
    assert_eq!((done.status.as_u16(), done.header("location")), (303, forced.as_str()));
    let posted = provider.response(&forced, &fresh).await;
    assert_eq!(codes(&posted.xml), ["Success"]);
    assert!(is_not_current(&provider.get(&other, &fresh).await));
    assert!(is_sign_in(&provider.get(&path("_f3"), &fresh).await), "each one asks again");
}

/// OpenID Connect core 3.1.2.1: `max_age`.
#[tokio::test]
async fn who_was_too_long_at_the_page_for_max_age_signs_in_again_and_is_not_asked_again() {
    let (world, clock) = world_at().await;
    let asking = Asking::new(&world).await;
    let page = asking.get("&max_age=300").await;
    assert!(is_form(&page), "{}", page.text());
    clock.advance(Duration::from_secs(400));
    assert!(is_sign_in(&asking.get("&max_age=300").await), "the password comes first");
    let done = asking.submit(&page, &[CITY, CODE]).await;
    assert_eq!((done.status.as_u16(), done.header("location")), (303, path_of(&world, "&max_age=300").as_str()));
    assert_eq!(asking.ada().await["city"], "Lagos", "what was typed is not lost");
    let again = asking.get("&max_age=300").await;
    assert!(is_sign_in(&again), "{}", again.text());
    let signed_in = sign_in(&world, &again, &world.org.user_logins[0], PASSWORD).await;
    let fresh = cookie_of(&signed_in).to_owned();
    let answer = world.send("GET", signed_in.header("location"), &[("cookie", &fresh)], b"").await;
    assert!(has_code(&answer), "{}", answer.text());
    // Who is in time goes on.
    asking.change_ada(&json!({ "profile": { "city": null } })).await;
    let in_time = path_of(&world, "&max_age=300");
    let page = world.send("GET", &in_time, &[("cookie", &fresh)], b"").await;
    assert!(is_form(&page), "{}", page.text());
    clock.advance(Duration::from_secs(200));
    let done = submit_as(&world, &fresh, &page, &[CITY, CODE]).await;
    assert!(has_code(&world.send("GET", done.header("location"), &[("cookie", &fresh)], b"").await));
}

/// OAuth 2.0 Form Post Response Mode 2.
#[tokio::test]
async fn a_client_that_wants_a_form_gets_one_after_the_page() {
    let world = World::start().await;
    let asking = Asking::new(&world).await;
    let silent = asking.get("&response_mode=form_post&prompt=none").await;
    assert!(silent.status == 200 && silent.text().contains(r#"name="error" value="interaction_required""#));
    let page = asking.get("&response_mode=form_post").await;
    assert!(is_form(&page), "{}", page.text());
    let done = asking.submit(&page, &[CITY, CODE]).await;
    let answer = world.send("GET", done.header("location"), &[("cookie", &asking.cookie)], b"").await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (200, ""), "{}", answer.text());
    for part in [&format!("action=\"{REDIRECT_URI}\""), r#"name="code" value=""#, r#"name="state" value="s1""#] {
        assert!(answer.text().contains(part), "{part}: {}", answer.text());
    }
}

/// OpenID Connect core 3.1.2.1: an authorization request as a form.
#[tokio::test]
async fn a_request_that_was_posted_passes_the_page_with_its_parameters() {
    let world = World::start().await;
    let asking = Asking::new(&world).await;
    let whole = path_of(&world, "&region=eu");
    let (path, query) = whole.split_once('?').unwrap();
    let headers = [("content-type", "application/x-www-form-urlencoded"), ("cookie", asking.cookie.as_str())];
    let sent_on = world.send("POST", path, &headers, query.as_bytes()).await;
    assert_eq!((sent_on.status.as_u16(), sent_on.header("location")), (303, whole.as_str()));
    let page = world.send("GET", sent_on.header("location"), &[("cookie", &asking.cookie)], b"").await;
    assert!(is_form(&page), "{}", page.text());
    let done = asking.submit(&page, &[CITY, CODE]).await;
    assert_eq!((done.status.as_u16(), done.header("location")), (303, whole.as_str()));
    let answer = world.send("GET", done.header("location"), &[("cookie", &asking.cookie)], b"").await;
    assert!(has_code(&answer) && redirect_parameter(&answer, "state").as_deref() == Some("s1"), "{}", answer.text());
}
