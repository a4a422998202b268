//! Access policies and their rules (`clients.md` section 2).

use tenterhook_contract::id::{PolicyId, RuleId};
use tenterhook_management::{
    access_policies::{self, EVERY_CLIENT, PolicyRequest},
    administrator::ManagementError,
    policy_rules::{self, Included, RuleRequest},
    request::Given,
};
use tenterhook_model::{AccessPolicy, ConfigurationObject, PolicyRule, Status};
use tenterhook_testkit::rig::Rig;

use crate::support::{TAKEN, assert_same, causes, not_found, submitted, text, texts};

const OBJECTS_MAX: usize = 1_000;

fn policy_request(name: &str) -> PolicyRequest {
    PolicyRequest { name: text(name), clients: texts(&[EVERY_CLIENT]), ..PolicyRequest::default() }
}

/// A rule for every user, grant type and scope.
fn rule_request(name: &str) -> RuleRequest {
    RuleRequest {
        name: text(name),
        groups: Included { include: texts(&["EVERYONE"]), exclude: Given::Absent },
        grant_types: texts(&["authorization_code", "client_credentials"]),
        scopes: texts(&["*"]),
        ..RuleRequest::default()
    }
}

async fn create_policy(rig: &Rig, request: PolicyRequest) -> Result<AccessPolicy, ManagementError> {
    access_policies::create(&rig.platform, &rig.administrator().await, "default", &submitted(request)).await
}

async fn create_rule(rig: &Rig, policy: &PolicyId, request: RuleRequest) -> Result<PolicyRule, ManagementError> {
    let path = ("default", policy.as_str());
    policy_rules::create(&rig.platform, &rig.administrator().await, path, &submitted(request)).await
}

/// A PUT of the development org's rule.
async fn replace_rule(rig: &Rig, request: RuleRequest) -> Result<PolicyRule, ManagementError> {
    let path = ("default", rig.org.policy_id.as_str(), rig.org.rule_id.as_str());
    policy_rules::replace(&rig.platform, &rig.administrator().await, path, &submitted(request)).await
}

#[tokio::test]
async fn a_rule_cannot_take_the_name_of_another_rule_of_its_policy() {
    let rig = Rig::start().await;
    create_rule(&rig, &rig.org.policy_id, rule_request("Second")).await.unwrap();
    let named = |name: &str| RuleRequest { name: text(name), ..RuleRequest::default() };
    assert_eq!(causes(replace_rule(&rig, named("Second")).await), [TAKEN]);
    replace_rule(&rig, named("Development rule")).await.unwrap();
    let policy = create_policy(&rig, policy_request("Other")).await.unwrap();
    create_rule(&rig, &policy.id, rule_request("Elsewhere")).await.unwrap();
    replace_rule(&rig, named("Elsewhere")).await.unwrap();
    assert_eq!(rig.events("policy.rule.add").await.len(), 2);
    assert_eq!(rig.events("policy.rule.update").await.len(), 2);
}

/// An older version took any grant type.
#[tokio::test]
async fn a_rule_keeps_a_grant_type_that_is_unknown_by_now_and_takes_no_other() {
    let rig = Rig::start().await;
    let stored = rig.snapshot().configuration.rules.get(&rig.org.rule_id).unwrap().clone();
    let grant_types = vec!["older".to_owned(), "client_credentials".to_owned()];
    let stored = PolicyRule { grant_types: grant_types.clone(), ..stored };
    rig.put([ConfigurationObject::Rule(stored)]).await;
    let named = |grant_types| RuleRequest { name: text("Renamed"), grant_types, ..RuleRequest::default() };
    for given in [Given::Absent, texts(&["older", "client_credentials"])] {
        let renamed = replace_rule(&rig, named(given)).await.unwrap();
        assert_eq!((renamed.name.as_str(), &renamed.grant_types), ("Renamed", &grant_types));
    }
    let told = |refused: Vec<String>, name: &str| {
        let text = format!("conditions.grantTypes.include: `{name}` is no grant type");
        assert!(refused.len() == 1 && refused.iter().all(|cause| cause.starts_with(&text)), "{refused:?}");
    };
    told(causes(replace_rule(&rig, named(texts(&["older", "other"]))).await), "other");
    let new = RuleRequest { grant_types: texts(&["older"]), ..rule_request("New") };
    told(causes(create_rule(&rig, &rig.org.policy_id, new).await), "older");
}

#[tokio::test]
async fn a_policy_has_its_name_alone_and_goes_with_its_rules() {
    let rig = Rig::start().await;
    let before = rig.snapshot().configuration.clone();
    let policy = create_policy(&rig, policy_request("Other")).await.unwrap();
    assert_eq!(causes(create_policy(&rig, policy_request("Other")).await), [TAKEN]);
    let rule = create_rule(&rig, &policy.id, rule_request("Elsewhere")).await.unwrap();
    let administrator = rig.administrator().await;
    let rule_path = ("default", policy.id.as_str(), rule.id.as_str());
    let elsewhere = ("default", rig.org.policy_id.as_str(), rule.id.as_str());
    assert_eq!(
        not_found(policy_rules::get(&rig.platform, &administrator, elsewhere)).1,
        "AuthorizationServerPolicyRule"
    );
    access_policies::delete(&rig.platform, &administrator, ("default", policy.id.as_str())).await.unwrap();
    let gone = not_found(policy_rules::get(&rig.platform, &administrator, rule_path));
    assert_eq!(gone, (policy.id.to_string(), "AuthorizationServerPolicy"));
    drop(administrator);
    assert_same(&rig.stored().await.configuration, &before);
    for (event, count) in [("create", 1), ("update", 0), ("delete", 1)] {
        assert_eq!(rig.events(&format!("policy.lifecycle.{event}")).await.len(), count, "{event}");
    }
}

#[tokio::test]
async fn lifetimes_of_access_tokens_have_their_bounds() {
    let rig = Rig::start().await;
    let minutes = |minutes| RuleRequest {
        name: text("Development rule"),
        access_token_lifetime_minutes: Given::Is(minutes),
        ..RuleRequest::default()
    };
    for allowed in [5, 1_440] {
        assert_eq!(replace_rule(&rig, minutes(allowed)).await.unwrap().access_token_lifetime_minutes, allowed);
    }
    for refused in [0, 4, 1_441, u32::MAX] {
        let causes = causes(replace_rule(&rig, minutes(refused)).await);
        assert_eq!(causes, ["actions.token.accessTokenLifetimeMinutes: Write 5 to 1440 minutes"], "{refused}");
    }
    assert_eq!(
        rig.stored().await.configuration.rules.get(&rig.org.rule_id).unwrap().access_token_lifetime_minutes,
        1_440
    );
}

#[tokio::test]
async fn a_server_has_a_thousand_policies_and_a_policy_a_thousand_rules() {
    let rig = Rig::start().await;
    let policy = create_policy(&rig, policy_request("like")).await.unwrap();
    let rule = create_rule(&rig, &policy.id, rule_request("like")).await.unwrap();
    let id = |number: usize| u64::try_from(number).unwrap().to_be_bytes();
    let priority = |number: usize| u32::try_from(number).unwrap();
    let known = rig.snapshot().configuration.policies.below(&policy.authorization_server_id).count();
    let policies = (known + 1..OBJECTS_MAX).map(|number| {
        let (id, name) = (PolicyId::from_parts(1, id(number)), number.to_string());
        ConfigurationObject::Policy(AccessPolicy { id, name, priority: priority(number + 10), ..policy.clone() })
    });
    let rules = (2..OBJECTS_MAX).map(|number| {
        let (id, name) = (RuleId::from_parts(1, id(number)), number.to_string());
        ConfigurationObject::Rule(PolicyRule { id, name, priority: priority(number), ..rule.clone() })
    });
    rig.put(policies.chain(rules)).await;
    create_policy(&rig, policy_request("the last")).await.unwrap();
    create_rule(&rig, &policy.id, rule_request("the last")).await.unwrap();
    let refused = causes(create_policy(&rig, policy_request("one more")).await);
    assert_eq!(refused, ["name: This authorization server can have at most 1000 access policies"]);
    let refused = causes(create_rule(&rig, &policy.id, rule_request("one more")).await);
    assert_eq!(refused, ["name: This policy can have at most 1000 rules"]);
    create_rule(&rig, &rig.org.policy_id, rule_request("one more")).await.unwrap();
}

#[tokio::test]
async fn what_moves_down_for_another_is_logged_too() {
    let rig = Rig::start().await;
    let at = |name: &str, priority| RuleRequest { priority: Given::Is(priority), ..rule_request(name) };
    let second = create_rule(&rig, &rig.org.policy_id, at("Second", 2)).await.unwrap();
    assert!(rig.events("policy.rule.update").await.is_empty(), "none had to move");
    let first = create_rule(&rig, &rig.org.policy_id, at("First", 1)).await.unwrap();
    let events = rig.events("policy.rule.update").await;
    let mut moved: Vec<_> = events.iter().map(|event| event.targets.first().unwrap().id.as_str()).collect();
    moved.sort_unstable();
    let mut expected = [rig.org.rule_id.as_str(), second.id.as_str()];
    expected.sort_unstable();
    assert_eq!(moved, expected);
    let stored = rig.stored().await;
    let priority = |id: &RuleId| stored.configuration.rules.get(id).unwrap().priority;
    assert_eq!([&first.id, &rig.org.rule_id, &second.id].map(priority), [1, 2, 3]);
}

#[tokio::test]
async fn policies_and_rules_are_switched_and_changes_logged_once() {
    let rig = Rig::start().await;
    let (platform, administrator) = (&rig.platform, rig.administrator().await);
    let policy = ("default", rig.org.policy_id.as_str());
    let rule = (policy.0, policy.1, rig.org.rule_id.as_str());
    for _ in 0..2 {
        access_policies::deactivate(platform, &administrator, policy).await.unwrap();
        policy_rules::deactivate(platform, &administrator, rule).await.unwrap();
    }
    assert_eq!(access_policies::get(platform, &administrator, policy).unwrap().status, Status::Inactive);
    assert_eq!(policy_rules::get(platform, &administrator, rule).unwrap().status, Status::Inactive);
    for _ in 0..2 {
        access_policies::activate(platform, &administrator, policy).await.unwrap();
        policy_rules::activate(platform, &administrator, rule).await.unwrap();
    }
    for event in ["lifecycle.deactivate", "lifecycle.activate", "rule.deactivate", "rule.activate"] {
        assert_eq!(rig.events(&format!("policy.{event}")).await.len(), 1, "{event}");
    }
}
