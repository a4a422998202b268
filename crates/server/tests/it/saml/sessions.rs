//! Sessions and their service providers: forms that are submitted twice, and rows that cannot be read.

use serde_json::json;
use tenterhook_saml::binding::MessageKind;

use super::{
    Provider, attribute, codes,
    logout::{carried, is_signed_in, logout_request, logout_response, provider, sent, signed_on},
};
use crate::harness::{Answer, World};

/// The service provider to which the browser is sent has ended its session, and the browser comes back.
async fn come_back(other: &Provider<'_>, answer: &Answer) -> Answer {
    let request = carried(answer, MessageKind::Request);
    assert_eq!(request.to, format!("https://{}.example.com/slo", other.app.name));
    let id = attribute(&request.xml, "samlp:LogoutRequest", "ID").unwrap();
    let response = logout_response(other, id, "Success");
    other.get(&sent(other, MessageKind::Response, &response, request.relay_state.as_deref(), true), "").await
}

/// A double click: the browser keeps the cookie of one answer, and a logout with it still tells the service providers.
#[tokio::test]
async fn a_sign_in_form_that_is_submitted_twice_leaves_one_session_that_has_the_service_providers() {
    let world = World::start().await;
    let (asking, second) = (provider(&world, "asking").await, provider(&world, "second").await);
    // Whether somebody is signed in is seen by a sign-on, which a logout tells too.
    let seen = provider(&world, "seen").await;
    for (round, at_once) in [(0, false), (1, true)] {
        let before = asking.session().await;
        let known = signed_on(&asking, &before).await;
        signed_on(&second, &before).await;
        let cookies = if at_once {
            let (one, other) = tokio::join!(asking.session_after(&before), asking.session_after(&before));
            [one, other]
        } else {
            [asking.session_after(&before).await, asking.session_after(&before).await]
        };
        let lives = [is_signed_in(&seen, &cookies[0]).await, is_signed_in(&seen, &cookies[1]).await];
        assert_ne!(lives[0], lives[1], "{round}: one is left");
        assert!(at_once || lives[1], "the last one");
        let kept = if lives[0] { &cookies[0] } else { &cookies[1] };
        let request = logout_request(&asking, &format!("_l{round}"), &known, "");
        let mut answer = asking.get(&sent(&asking, MessageKind::Request, &request, None, true), kept).await;
        let to_second = answer.header("location").contains("//second.");
        for other in if to_second { [&second, &seen] } else { [&seen, &second] } {
            answer = come_back(other, &answer).await;
        }
        assert_eq!(codes(&carried(&answer, MessageKind::Response).xml), ["Success"], "{round}");
        assert!(!is_signed_in(&asking, kept).await, "{round}");
    }
    let ended = world.events("user.session.end").await;
    let by_sign_in =
        ended.iter().filter(|event| event["outcome"]["reason"] == "A user signed in again in the same browser");
    assert_eq!((ended.len(), by_sign_in.count()), (6, 4), "{ended:?}");
}

/// One row of a session cannot be read: the others are told, and the answer says that somebody was not.
#[tokio::test]
async fn a_logout_leaves_out_a_service_provider_whose_row_cannot_be_read() {
    let world = World::start().await;
    let (asking, second) = (provider(&world, "asking").await, provider(&world, "second").await);
    let lost = Provider::with(&world, "lost", |app| app["label"] = json!("Lost portal")).await;
    for (round, damage) in ["subject = '{'", "app_id = 'x'"].into_iter().enumerate() {
        for by_provider in [true, false] {
            let cookie = asking.session().await;
            let known = signed_on(&asking, &cookie).await;
            for other in [&second, &lost] {
                signed_on(other, &cookie).await;
            }
            world.write(&format!("UPDATE session_apps SET {damage} WHERE app_id = '{}'", lost.app.id)).await;
            let mut answer = if by_provider {
                let request = logout_request(&asking, &format!("_{round}"), &known, "");
                asking.get(&sent(&asking, MessageKind::Request, &request, None, true), &cookie).await
            } else {
                asking.get("/login/signout", &cookie).await
            };
            assert!(!is_signed_in(&asking, &cookie).await, "{damage}: the session has ended");
            while answer.header("location").contains("SAMLRequest=") {
                let to_asking = answer.header("location").contains("//asking.");
                answer = come_back(if to_asking { &asking } else { &second }, &answer).await;
            }
            if by_provider {
                let response = carried(&answer, MessageKind::Response);
                assert_eq!(codes(&response.xml), ["Responder", "PartialLogout"], "{damage}");
            } else {
                let names = answer.text().contains("<li>Lost portal</li>");
                assert_eq!((answer.status.as_u16(), names), (200, round == 0), "{}", answer.text());
            }
        }
    }
    let told = world.events("user.authentication.slo").await;
    let lost: Vec<_> = told.iter().filter(|event| event["outcome"]["result"] == "FAILURE").collect();
    assert_eq!(lost.len(), 2, "of those whose app can be read: {told:?}");
    for event in lost {
        assert_eq!(event["outcome"]["reason"], "What is known of the user at the app cannot be read");
    }
}

/// A further session of a request, whose service providers are not told in any case.
#[tokio::test]
async fn a_row_of_a_further_session_that_cannot_be_read_makes_a_logout_partial() {
    let world = World::start().await;
    let (asking, lost) = (provider(&world, "asking").await, provider(&world, "lost").await);
    let (first, second) = (asking.session().await, asking.session().await);
    let (known, further) = (signed_on(&asking, &first).await, signed_on(&asking, &second).await);
    signed_on(&lost, &second).await;
    world
        .write(&format!("UPDATE session_apps SET app_id = 'x', subject = '{{' WHERE app_id = '{}'", lost.app.id))
        .await;
    let request = logout_request(&asking, "_l1", &known, "");
    let index = |index: &str| format!("<samlp:SessionIndex>{index}</samlp:SessionIndex>");
    let request = request.replace(&index(&known.index), &(index(&known.index) + &index(&further.index)));
    let answer = asking.get(&sent(&asking, MessageKind::Request, &request, None, true), "").await;
    assert_eq!(codes(&carried(&answer, MessageKind::Response).xml), ["Responder", "PartialLogout"]);
    for cookie in [&first, &second] {
        assert!(!is_signed_in(&asking, cookie).await);
    }
}
