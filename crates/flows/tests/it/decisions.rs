//! What the flow of a token does on each decision about its hook (`token.md` section 5).

use serde_json::{Value, json};
use tenterhook_contract::id::HookId;
use tenterhook_engine::{FailureCode, Limits};
use tenterhook_flows::{
    commitment::Commitment,
    oauth::{
        authorize::AuthorizeAnswer,
        error::{Fault, OAuthError},
    },
};
use tenterhook_management::{
    hooks::{self, BreakerRequest, HookChange, PolicyRequest},
    request::Named,
};
use tenterhook_model::LogResult;
use tenterhook_platform::Settings;
use tenterhook_testkit::{endpoint::Step, rig::Rig};

use crate::support::{GOLD, GOLD_ACCESS, NOTHING, REFUSED, ask, basic, claims, documents, redeem, signed_in, token};

/// A client-credentials token request.
async fn client_credentials(rig: &Rig) -> Result<Value, OAuthError> {
    let form = [("grant_type", "client_credentials"), ("scope", "orders.read")];
    token(rig, Some(&basic(rig)), &form, &Commitment::default()).await
}

fn failure_policy(name: &str) -> PolicyRequest {
    PolicyRequest { failure_policy: Named::is(name), ..PolicyRequest::default() }
}

/// A policy whose breaker is off.
fn breaker_off() -> PolicyRequest {
    let breaker = BreakerRequest { mode: Named::is("off"), ..BreakerRequest::default() };
    PolicyRequest { breaker: Named::is(breaker), ..PolicyRequest::default() }
}

/// Result and reason of the last event of a type.
async fn ended(rig: &Rig, event_type: &str) -> Option<(LogResult, Option<String>)> {
    let last = rig.events(event_type).await.pop()?;
    Some((last.result, last.reason.map(Into::into)))
}

const GRANT: &str = "app.oauth2.as.token.grant.access_token";

#[tokio::test]
async fn without_a_hook_tokens_are_what_the_configuration_says() {
    let rig = Rig::start().await;
    let body = client_credentials(&rig).await.unwrap();
    assert_eq!((&body["token_type"], &body["expires_in"]), (&json!("Bearer"), &json!(3_600)));
    let claims = claims(&rig, &body["access_token"]);
    assert_eq!((&claims["scp"], claims.get("tier")), (&json!(["orders.read"]), None));
    assert!(rig.service.received().is_empty() && rig.events("inline_hook.executed").await.is_empty());
    assert_eq!(ended(&rig, GRANT).await, Some((LogResult::Success, None)));
}

#[tokio::test]
async fn commands_change_the_token_and_an_error_refuses_it() {
    let rig = Rig::start().await;
    let hook = rig.hook(PolicyRequest::default()).await;
    rig.service.then(&[GOLD_ACCESS, NOTHING, REFUSED, Step::Answer(200, r#"{"error":{}}"#)]);
    let changed = client_credentials(&rig).await.unwrap();
    let claimed = claims(&rig, &changed["access_token"]);
    assert_eq!((&claimed["tier"], &changed["expires_in"]), (&json!("gold"), &json!(900)));
    assert_eq!(claimed["exp"].as_i64().unwrap() - claimed["iat"].as_i64().unwrap(), 900);
    let unchanged = client_credentials(&rig).await.unwrap();
    assert!(claims(&rig, &unchanged["access_token"]).get("tier").is_none() && unchanged["expires_in"] == 3_600);
    let events = rig.events("inline_hook.response.processed").await;
    assert!(events.len() == 2 && events.iter().all(|event| event.targets[0].id == hook.as_str()));

    for description in ["Account is on hold", "The callback service returned an error"] {
        let refused = client_credentials(&rig).await.unwrap_err();
        assert_eq!((refused.code.as_str(), refused.description.as_str()), ("server_error", description));
        assert_eq!(refused.fault, Fault::Request);
        assert_eq!(ended(&rig, GRANT).await, Some((LogResult::Failure, Some(description.to_owned()))));
    }
    let document = &documents(&rig)[0];
    assert_eq!(document["source"], "https://id.example.com/oauth2/default/v1/token");
    let context = &document["data"]["context"];
    assert!(context.get("user").is_none() && context.get("session").is_none(), "a client acts for itself");
}

/// Whatever the service does, the token is issued unmodified, once, and says in a claim of ours why, when the operator wants
/// it to.
#[tokio::test]
async fn a_service_without_a_usable_answer_leaves_the_token_unmodified_and_the_claim_says_why() {
    const INVALID: Step = Step::Answer(
        200,
        r#"{"commands":[{"type":"com.okta.access.patch","value":[
            {"op":"add","path":"/claims/tier","value":"gold"},{"op":"replace","path":"/claims/absent","value":1}
        ]}]}"#,
    );
    let rig = Rig::start().await;
    rig.hook(breaker_off()).await;
    let rows = [
        (Step::Fail(FailureCode::ConnectionReset), "CONNECTION_RESET"),
        (Step::Fail(FailureCode::TimeoutResponse), "TIMEOUT_RESPONSE"),
        (Step::Answer(503, ""), "STATUS_503"),
        (Step::Answer(200, "<html>"), "BODY_UNPARSABLE"),
        (INVALID, "COMMANDS_INVALID"),
    ];
    for (number, (step, why)) in rows.into_iter().enumerate() {
        rig.service.then(&[step]);
        let body = client_credentials(&rig).await.unwrap();
        let claims = claims(&rig, &body["access_token"]);
        assert_eq!((claims.get("tier"), &body["expires_in"]), (None, &json!(3_600)), "{why}");
        assert_eq!(claims["x-hook-missed"], why);
        assert_eq!(ended(&rig, GRANT).await, Some((LogResult::Success, None)), "{why}");
        assert_eq!(rig.service.received().len(), number + 1, "{why}: token hooks are never retried");
    }
    let quiet = Rig::with(|settings: &mut Settings| settings.missed_hook_claim = None).await;
    quiet.hook(PolicyRequest::default()).await;
    let body = client_credentials(&quiet).await.unwrap();
    assert!(claims(&quiet, &body["access_token"]).get("x-hook-missed").is_none());
}

#[tokio::test]
async fn answers_that_say_nothing_or_nonsense_leave_the_token_unmodified() {
    let rig = Rig::start().await;
    rig.hook(PolicyRequest::default()).await;
    for (body, result) in [
        ("", LogResult::Success),
        ("{}", LogResult::Success),
        (r#"{"commands":[]}"#, LogResult::Success),
        (
            r#"{"commands":[{"type":"com.okta.access.patch","value":[{"op":"add","path":"/claims/tier","value":"gold"},{"op":"replace","path":"/claims/absent","value":1}]}]}"#,
            LogResult::Failure,
        ),
        (r#"{"commands":[{"type":"com.okta.identity.patch","value":[]}]}"#, LogResult::Failure),
    ] {
        rig.service.then(&[Step::Answer(200, body)]);
        let answer = client_credentials(&rig).await.unwrap();
        assert!(claims(&rig, &answer["access_token"]).get("tier").is_none(), "{body}");
        assert_eq!(ended(&rig, "inline_hook.response.processed").await.unwrap().0, result, "{body}");
    }
    let (_, reason) = ended(&rig, "inline_hook.response.processed").await.unwrap();
    assert_eq!(reason.as_deref(), Some("ID Token not present"));
}

/// The hook's own failure policy can end the flow.
#[tokio::test]
async fn a_hook_whose_policy_stops_the_flow_issues_no_token_without_its_service() {
    let rig = Rig::start().await;
    rig.hook(failure_policy("stop")).await;
    rig.service.then(&[GOLD_ACCESS, Step::Answer(503, ""), REFUSED]);
    client_credentials(&rig).await.unwrap();
    for description in ["The inline hook could not be executed", "Account is on hold"] {
        let stopped = client_credentials(&rig).await.unwrap_err();
        assert_eq!((stopped.code.as_str(), stopped.description.as_str()), ("server_error", description));
        assert_eq!(ended(&rig, GRANT).await, Some((LogResult::Failure, Some(description.to_owned()))));
    }
}

#[tokio::test]
async fn an_inactive_hook_is_skipped_and_the_log_says_so() {
    let rig = Rig::start().await;
    let hook = rig.hook(failure_policy("stop")).await;
    let administrator = rig.administrator().await;
    hooks::change(&rig.platform, &administrator, hook.as_str(), HookChange::Deactivate).await.unwrap();
    let body = client_credentials(&rig).await.unwrap();
    assert!(claims(&rig, &body["access_token"]).get("x-hook-missed").is_none(), "somebody switched it off");
    assert!(rig.service.received().is_empty());
    let skipped = Some((LogResult::Skipped, Some("INACTIVE".to_owned())));
    assert_eq!(ended(&rig, "inline_hook.executed").await, skipped);
    hooks::delete(&rig.platform, &administrator, hook.as_str()).await.unwrap();
    client_credentials(&rig).await.unwrap();
    assert_eq!(rig.events("inline_hook.executed").await.len(), 1, "the rule has no hook any more");
}

/// Somebody wrote it past the management API, or a restored backup lacks the hook.
#[tokio::test]
async fn a_hook_that_does_not_exist_is_passed_over_and_the_log_names_it() {
    let rig = Rig::start().await;
    let unknown = HookId::from_parts(1, [1; 8]);
    rig.put_on_rule(&unknown).await;
    client_credentials(&rig).await.unwrap();
    let [event] = &rig.events("inline_hook.executed").await[..] else { panic!("one event") };
    assert_eq!((event.result, event.targets[0].id.as_str()), (LogResult::Skipped, unknown.as_str()));
    assert!(rig.service.received().is_empty());
}

/// No caller may make another caller's hook be skipped, so whoever finds no place gets no token.
#[tokio::test]
async fn a_flow_for_which_there_is_no_place_is_turned_away() {
    let none = |settings: &mut Settings| settings.limits = Limits { in_flight: 0, ..Limits::default() };
    let rig = Rig::with(none).await;
    // The shortest time in which a place may come free.
    rig.hook(PolicyRequest { timeout_ms: Named::is(100_u32), ..failure_policy("continue") }).await;
    assert_eq!(client_credentials(&rig).await.unwrap_err().fault, Fault::TurnedAway);
    let session = signed_in(&rig).await;
    assert!(matches!(ask(&rig, "openid", Some(&session)).await, AuthorizeAnswer::TurnedAway));
    assert!(rig.service.received().is_empty());
    assert_eq!(ended(&rig, GRANT).await.unwrap().0, LogResult::Failure);
}

#[tokio::test]
async fn a_code_flow_asks_the_hook_once_and_keeps_what_it_said() {
    let rig = Rig::start().await;
    rig.hook(PolicyRequest::default()).await;
    rig.service.then(&[GOLD, REFUSED]);
    let code = crate::support::code(&rig, "openid offline_access orders.read").await;
    let tokens = redeem(&rig, &code).await.unwrap();
    let [document] = &documents(&rig)[..] else { panic!("the hook is asked at the authorization endpoint only") };
    for token in ["access_token", "id_token"] {
        assert_eq!(claims(&rig, &tokens[token])["tier"], "gold", "{token}");
    }
    assert_eq!(claims(&rig, &tokens["id_token"])["nonce"], "n1");
    let context = &document["data"]["context"];
    assert_eq!(context["user"]["profile"]["login"], "ada@example.com");
    assert_eq!(context["protocol"]["client"]["type"], "PUBLIC");
    assert!(context["session"]["id"].is_string());
}

#[tokio::test]
async fn a_refusal_at_the_authorization_endpoint_issues_no_code() {
    let rig = Rig::start().await;
    rig.hook(PolicyRequest::default()).await;
    rig.service.then(&[REFUSED]);
    let session = signed_in(&rig).await;
    let AuthorizeAnswer::Redirect { parameters, fault, .. } = ask(&rig, "openid", Some(&session)).await else {
        panic!("the client is told")
    };
    assert_eq!((parameters["error"].as_str(), fault), ("server_error", Some(Fault::Request)));
    assert_eq!(parameters["error_description"], "Account is on hold");
    assert_eq!((parameters["state"].as_str(), parameters.get("code")), ("s1", None));
}
