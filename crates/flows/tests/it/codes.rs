//! Authorization codes: how long they live, who uses them up, what the log says.

use std::time::Duration;

use tenterhook_flows::{commitment::Commitment, oauth::authorize::AuthorizeAnswer};
use tenterhook_management::hooks::PolicyRequest;
use tenterhook_testkit::rig::Rig;

use crate::support::{NOTHING, VERIFIER, ask, code, cookie, redeem, redeem_with, refresh, session, signed_in};

#[tokio::test]
async fn a_code_lives_for_a_minute() {
    let rig = Rig::start().await;
    for (seconds, works) in [(59, true), (60, false), (3_600, false)] {
        let code = code(&rig, "openid").await;
        rig.clock.advance(Duration::from_secs(seconds));
        let redeemed = redeem(&rig, &code).await;
        assert_eq!(
            redeemed.map(drop).map_err(|error| error.code.as_str()),
            if works { Ok(()) } else { Err("invalid_grant") }
        );
    }
}

#[tokio::test]
async fn a_session_lives_for_two_hours_and_without_one_the_user_signs_in() {
    let rig = Rig::start().await;
    let cookie = cookie(&rig).await;
    for (seconds, is_there) in [(0, true), (2 * 3_600 - 1, true), (1, false)] {
        rig.clock.advance(Duration::from_secs(seconds));
        let session = session(&rig, &cookie).await;
        assert_eq!(session.is_some(), is_there, "{seconds}");
        let answer = ask(&rig, "openid", session.as_ref()).await;
        assert_eq!(matches!(answer, AuthorizeAnswer::Redirect { .. }), is_there);
        assert_eq!(matches!(answer, AuthorizeAnswer::SignIn { .. }), !is_there);
    }
}

/// RFC 6749 section 4.1.2. A flow may be dropped as long as it has changed nothing.
#[tokio::test]
async fn a_code_is_used_up_by_the_one_who_may_redeem_it_and_a_replay_ends_its_tokens() {
    let rig = Rig::start().await;
    let code = code(&rig, "openid offline_access").await;
    let commitment = Commitment::default();
    let other = "another-verifier-of-the-least-length-that-counts";
    for verifier in ["short", other] {
        let refused = redeem_with(&rig, &code, verifier, &commitment).await.unwrap_err();
        assert_eq!(
            (refused.code.as_str(), refused.description.as_str()),
            ("invalid_grant", "PKCE verification failed.")
        );
        assert!(!commitment.has_begun(), "nothing was changed");
    }
    let tokens = redeem_with(&rig, &code, VERIFIER, &commitment).await.unwrap();
    assert!(commitment.has_begun());
    let replayed = Commitment::default();
    assert_eq!(redeem_with(&rig, &code, VERIFIER, &replayed).await.unwrap_err().code.as_str(), "invalid_grant");
    assert!(replayed.has_begun(), "the tokens are revoked");
    assert_eq!(refresh(&rig, &tokens["refresh_token"]).await.unwrap_err().code.as_str(), "invalid_grant");
}

#[tokio::test]
async fn the_events_of_a_sign_in_and_of_its_code_name_the_session() {
    let rig = Rig::start().await;
    rig.hook(PolicyRequest::default()).await;
    rig.service.then(&[NOTHING]);
    let session = signed_in(&rig).await;
    let AuthorizeAnswer::Redirect { parameters, .. } = ask(&rig, "openid", Some(&session)).await else {
        panic!("she is signed in")
    };
    redeem(&rig, &parameters["code"]).await.unwrap();
    for event_type in [
        "inline_hook.response.processed",
        "app.oauth2.as.token.grant.access_token",
        "app.oauth2.as.token.grant.id_token",
    ] {
        let [event] = &rig.events(event_type).await[..] else { panic!("one {event_type}") };
        assert_eq!(event.external_session_id.as_deref(), Some(session.id.as_str()), "{event_type}");
    }
}
