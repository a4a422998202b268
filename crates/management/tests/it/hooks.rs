//! Inline hooks and what names them (`management-api.md` section 3).

use std::sync::Arc;

use tenterhook_contract::{
    answer::Answer,
    hook::{HookStatus, InlineHook},
    limits::HOOKS_PER_ORG_MAX,
};
use tenterhook_engine::{BreakerState, FailureCode, Limits};
use tenterhook_management::{
    administrator::ManagementError,
    hooks::{self, HookChange, HookRequest, PolicyRequest, TestDocument},
    orgs::{self, OrgUpdate},
    policy_rules::{self, RuleRequest},
    request::{Given, Named},
};
use tenterhook_model::{ErrorCode, LogResult, OrgLimits};
use tenterhook_platform::{Platform, Settings};
use tenterhook_testkit::{
    endpoint::Step,
    rig::{Rig, hook_request},
};

use crate::support::{causes, not_found, submitted, text};

const URI: &str = "https://service.example/hook";

async fn create(rig: &Rig, name: &str) -> Result<InlineHook, ManagementError> {
    create_of(rig, hook_request(name, URI)).await
}

async fn create_of(rig: &Rig, request: HookRequest) -> Result<InlineHook, ManagementError> {
    hooks::create(&rig.platform, &rig.administrator().await, &submitted(request)).await
}

/// A hook for imports.
async fn create_import(rig: &Rig) -> InlineHook {
    let hook_type = Named::is("com.okta.import.transform");
    create_of(rig, HookRequest { hook_type, ..hook_request("Import", URI) }).await.unwrap()
}

async fn change(rig: &Rig, hook: &InlineHook, change: HookChange<'_>) -> Result<InlineHook, ManagementError> {
    hooks::change(&rig.platform, &rig.administrator().await, hook.id.as_str(), change).await
}

async fn delete(rig: &Rig, hook: &InlineHook) -> Result<(), ManagementError> {
    hooks::delete(&rig.platform, &rig.administrator().await, hook.id.as_str()).await
}

/// Puts the hook with this id on the rule of the development org.
async fn associate(rig: &Rig, hook: Given<Given<String>>) -> Result<(), ManagementError> {
    let path = (rig.org.authorization_server_id.as_str(), rig.org.policy_id.as_str(), rig.org.rule_id.as_str());
    let request =
        submitted(RuleRequest { name: text("Development rule"), inline_hook: hook, ..RuleRequest::default() });
    policy_rules::replace(&rig.platform, &rig.administrator().await, path, &request).await.map(drop)
}

fn named(hook: &InlineHook) -> Given<Given<String>> {
    Given::Is(text(hook.id.as_str()))
}

#[tokio::test]
async fn names_are_unique_and_the_101st_hook_is_refused() {
    let rig = Rig::start().await;
    for number in 0..HOOKS_PER_ORG_MAX {
        create(&rig, &number.to_string()).await.unwrap();
    }
    let same = causes(create(&rig, "7").await);
    assert!(same.concat().contains("name: An inline hook with this name already exists"), "{same:?}");
    let one_more = causes(create(&rig, "one more").await).concat();
    assert!(one_more.contains("100 inline hooks"), "{one_more}");
    assert_eq!(rig.stored().await.configuration.hooks.len(), HOOKS_PER_ORG_MAX);
    assert_eq!(rig.events("inline_hook.created").await.len(), HOOKS_PER_ORG_MAX, "what was refused is not logged");
}

#[tokio::test]
async fn an_org_has_as_many_hooks_as_its_own_limit_allows() {
    let rig = Rig::start().await;
    let limits = Some(OrgLimits { hooks: Some(2), ..OrgLimits::default() });
    let update = OrgUpdate { limits, ..OrgUpdate::default() };
    orgs::update(&rig.platform, None, rig.org_id.as_str(), update).await.unwrap();
    create(&rig, "One").await.unwrap();
    let two = create(&rig, "Two").await.unwrap();
    assert_eq!(causes(create(&rig, "Three").await), ["inlineHook: This org can have at most 2 inline hooks"]);
    change(&rig, &two, HookChange::Deactivate).await.unwrap();
    delete(&rig, &two).await.unwrap();
    create(&rig, "Three").await.unwrap();
}

#[tokio::test]
async fn simultaneous_creations_of_one_name_make_one_hook() {
    let rig = Arc::new(Rig::start().await);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let rig = Arc::clone(&rig);
        tasks.spawn(async move { create(&rig, "Same").await.is_ok() });
    }
    let made = tasks.join_all().await;
    assert_eq!(made.iter().filter(|made| **made).count(), 1, "{made:?}");
    assert_eq!(hooks::list(&rig.platform, &rig.administrator().await, None).unwrap().len(), 1);
}

#[tokio::test]
async fn hooks_are_listed_by_a_type_that_there_is() {
    let rig = Rig::start().await;
    let one = create(&rig, "One").await.unwrap();
    let import = create_import(&rig).await;
    let administrator = rig.administrator().await;
    let list = |hook_type| hooks::list(&rig.platform, &administrator, hook_type);
    assert_eq!(list(None).unwrap(), [one, import.clone()], "in order of creation");
    assert_eq!(list(Some("com.okta.import.transform")).unwrap(), [import]);
    let unknown = causes(list(Some("com.okta.sometime"))).concat();
    let wanted = "type: The field has an invalid value. Write one of com.okta.oauth2.tokens.transform, com.okta.";
    assert!(unknown.starts_with(wanted) && unknown.contains("com.okta.import.transform"), "{unknown}");
}

#[tokio::test]
async fn an_association_names_an_existing_token_hook() {
    let rig = Rig::start().await;
    let import = create_import(&rig).await;
    for (hook, why) in [
        (Given::Is(text("cal00000000000000000")), "There is no inline hook with this id"),
        (named(&import), "The inline hook is not of the type com.okta.oauth2.tokens.transform"),
        (Given::Wrong, "There is no inline hook with this id"),
    ] {
        let refused = causes(associate(&rig, hook.clone()).await);
        assert_eq!(refused, [format!("actions.token.inlineHook.id: {why}")], "{hook:?}");
    }
    associate(&rig, Given::Absent).await.unwrap();
}

/// The line of a token rule in the table of associations: it stays when its hook is deactivated, and loses one that is
/// deleted.
#[tokio::test]
async fn a_rule_keeps_a_hook_that_is_deactivated_and_loses_one_that_is_deleted() {
    let rig = Rig::start().await;
    let (one, other) = (create(&rig, "One").await.unwrap(), create(&rig, "Other").await.unwrap());
    associate(&rig, named(&one)).await.unwrap();
    let hook_of_rule =
        async || rig.stored().await.configuration.rules.get(&rig.org.rule_id).unwrap().hooks.first().cloned();
    assert_eq!(causes(delete(&rig, &one).await).len(), 1, "it is ACTIVE");
    let inactive = change(&rig, &one, HookChange::Deactivate).await.unwrap();
    assert_eq!((inactive.status, hook_of_rule().await), (HookStatus::Inactive, Some(one.id.clone())));
    change(&rig, &other, HookChange::Deactivate).await.unwrap();
    let updates = rig.events("policy.rule.update").await.len();

    delete(&rig, &other).await.unwrap();
    assert_eq!(hook_of_rule().await, Some(one.id.clone()), "the rule does not name it");
    assert_eq!(rig.events("policy.rule.update").await.len(), updates, "and was not changed");
    delete(&rig, &one).await.unwrap();
    assert_eq!(hook_of_rule().await, None);
    assert!(rig.stored().await.configuration.hooks.is_empty());
    let events = rig.events("policy.rule.update").await;
    let event = events.get(updates).unwrap();
    assert_eq!((event.targets.first().unwrap().id.as_str(), events.len()), (rig.org.rule_id.as_str(), updates + 1));
    assert_eq!(not_found(delete(&rig, &one).await), (one.id.to_string(), "InlineHook"));
}

/// One event for each change, by its administrator, and none for what changes nothing.
#[tokio::test]
async fn every_change_of_a_hook_is_logged_once() {
    let rig = Rig::start().await;
    let hook = create(&rig, "Hook").await.unwrap();
    let renamed = submitted(hook_request("Renamed", URI));
    for _ in 0..2 {
        change(&rig, &hook, HookChange::Replace(&renamed)).await.unwrap();
        change(&rig, &hook, HookChange::Activate).await.unwrap();
    }
    for _ in 0..2 {
        change(&rig, &hook, HookChange::Deactivate).await.unwrap();
    }
    let merged = submitted(HookRequest { name: Named::is("Merged"), ..HookRequest::default() });
    change(&rig, &hook, HookChange::Update(&merged)).await.unwrap();
    delete(&rig, &hook).await.unwrap();
    for (event_type, count, name) in [
        ("inline_hook.created", 1, "Hook"),
        ("inline_hook.updated", 2, "Renamed"),
        ("inline_hook.activated", 0, ""),
        ("inline_hook.deactivated", 1, "Renamed"),
        ("inline_hook.deleted", 1, "Merged"),
    ] {
        let events = rig.events(event_type).await;
        assert_eq!(events.len(), count, "{event_type}");
        let Some(event) = events.first() else { continue };
        let administrator = rig.administrator().await;
        assert_eq!(event.request_api_token_id.as_deref(), Some(administrator.token.id.as_str()), "{event_type}");
        assert_eq!(event.result, LogResult::Success, "{event_type}");
        let target = event.targets.first().unwrap();
        assert_eq!(
            (target.id.as_str(), target.display_name.as_deref()),
            (hook.id.as_str(), Some(name)),
            "{event_type}"
        );
    }
}

async fn execute(rig: &Rig, hook: &InlineHook, document: Given<TestDocument>) -> Result<Answer, ManagementError> {
    let executed = hooks::execute(&rig.platform, &rig.administrator().await, hook.id.as_str(), document).await;
    executed.map(|executed| executed.answer)
}

/// A document that names no type.
fn untyped(text: &'static str) -> Given<TestDocument> {
    Given::Is(TestDocument { event_type: Named::default(), bytes: text.into() })
}

#[tokio::test]
async fn a_test_call_is_made_of_an_active_hook_with_a_document_of_its_type() {
    let rig = Rig::start().await;
    let hook = create(&rig, "Hook").await.unwrap();
    for (document, cause) in [
        (Given::Wrong, "inlineHook: The body must be a JSON object"),
        (
            Given::Is(TestDocument { event_type: Named::is("com.okta.import.transform"), bytes: "{}".into() }),
            "eventType: The inline hook has the type com.okta.oauth2.tokens.transform",
        ),
    ] {
        assert_eq!(causes(execute(&rig, &hook, document).await), [cause]);
    }
    change(&rig, &hook, HookChange::Deactivate).await.unwrap();
    assert_eq!(
        causes(execute(&rig, &hook, untyped("{}")).await),
        ["status: An inactive inline hook cannot be executed"]
    );
    assert!(rig.service.received().is_empty(), "nothing was sent");
    assert!(rig.events("inline_hook.executed").await.is_empty());
}

#[tokio::test]
async fn a_test_call_shows_what_came_back_or_why_nothing_did() {
    let rig = Rig::start().await;
    let hook = create(&rig, "Hook").await.unwrap();
    rig.service.then(&[
        Step::Answer(200, r#"{"commands":[]}"#),
        Step::Answer(200, r#"{"error":{"errorSummary":"On hold"}}"#),
        Step::Answer(200, r#"{"commands":[{"type":"com.okta.unknown","value":[]}]}"#),
        Step::Answer(503, ""),
        Step::Fail(FailureCode::TimeoutResponse),
    ]);
    assert_eq!(execute(&rig, &hook, untyped(r#"{"x":1}"#)).await.unwrap().commands.len(), 0);
    assert_eq!(rig.service.received(), [&br#"{"x":1}"#[..]], "the document is sent as it was given");
    let refused = execute(&rig, &hook, untyped("{}")).await.unwrap();
    assert_eq!(refused.error.unwrap().summary.as_deref(), Some("On hold"));
    for (wanted, cause) in [
        (ErrorCode::HookUnusable, "com.okta.unknown"),
        (ErrorCode::HookUnusable, "503"),
        (ErrorCode::HookTimeout, "TIMEOUT"),
    ] {
        match execute(&rig, &hook, untyped("{}")).await.unwrap_err() {
            ManagementError::Hook { code, causes } => {
                assert!(code == wanted && causes.concat().contains(cause), "{code:?} {causes:?}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_test_call_for_which_there_is_no_place_is_turned_away() {
    let none = |settings: &mut Settings| settings.limits = Limits { in_flight: 0, ..Limits::default() };
    let rig = Rig::with(none).await;
    // The shortest time in which a place may come free.
    let policy = Named::is(PolicyRequest { timeout_ms: Named::is(100_u32), ..PolicyRequest::default() });
    let hook = create_of(&rig, HookRequest { policy, ..hook_request("Hook", URI) }).await.unwrap();
    assert!(matches!(execute(&rig, &hook, untyped("{}")).await, Err(ManagementError::TurnedAway)));
    assert!(rig.service.received().is_empty());
}

#[tokio::test]
async fn a_breaker_is_shown_and_reset_and_the_reset_is_logged() {
    let rig = Rig::start().await;
    let hook = create(&rig, "Hook").await.unwrap();
    rig.service.then(&[Step::Fail(FailureCode::ConnectionRefused)]);
    let administrator = rig.administrator().await;
    let show = |platform: &Platform| hooks::breaker(platform, &administrator, hook.id.as_str()).unwrap();
    let before = show(&rig.platform);
    assert_eq!((before.state, before.calls), (BreakerState::Closed, 0));
    execute(&rig, &hook, untyped("{}")).await.unwrap_err();
    let reset = hooks::reset_breaker(&rig.platform, &administrator, hook.id.as_str()).unwrap();
    assert_eq!(reset, before);
    assert_eq!(rig.events("inline_hook.updated").await.len(), 1);
    let unknown = hooks::reset_breaker(&rig.platform, &administrator, "cal00000000000000000");
    assert_eq!(not_found(unknown).1, "InlineHook");
}
