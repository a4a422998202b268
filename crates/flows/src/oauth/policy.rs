//! Chooses the rule for a request: policies by priority, then their rules by priority, as the vendor does.

use tenterhook_contract::id::{AuthorizationServerId, ClientId, OrgId, UserId};
use tenterhook_model::{AccessPolicy, Configuration, Group, PolicyRule, Status};
use tenterhook_platform::OrgSnapshot;
use tenterhook_store::StoreError;

use crate::user_groups::UserGroups;

/// The properties of a request that conditions refer to.
#[derive(Clone, Copy, Debug)]
pub struct PolicyQuestion<'a> {
    /// The org.
    pub org: &'a OrgId,
    /// The authorization server.
    pub server: &'a AuthorizationServerId,
    /// The client.
    pub client: &'a ClientId,
    /// The grant type's wire name.
    pub grant_type: &'a str,
    /// The user, when there is one.
    pub user: Option<&'a UserId>,
    /// The requested scopes.
    pub scopes: &'a [String],
}

/// What the conditions of policies and rules decide.
#[derive(Clone, Copy, Debug)]
pub enum Choice<'a> {
    /// The first matching rule, and its policy.
    Rule(&'a AccessPolicy, &'a PolicyRule),
    /// None matches: access is denied.
    Denied,
    /// It depends on the groups of the user, which are not given.
    NeedsGroups,
}

/// The first matching rule and its policy; without a match access is denied. The groups of the user are read only when the first
/// rule that could match names some.
pub(crate) async fn chosen<'a>(
    org: &'a OrgSnapshot,
    question: PolicyQuestion<'_>,
    groups: &UserGroups<'_>,
) -> Result<Option<(&'a AccessPolicy, &'a PolicyRule)>, StoreError> {
    let choice = match choose(&org.configuration, question, groups.known()) {
        Choice::NeedsGroups => choose(&org.configuration, question, Some(groups.get().await?)),
        choice => choice,
    };
    Ok(match choice {
        Choice::Rule(policy, rule) => Some((policy, rule)),
        Choice::Denied | Choice::NeedsGroups => None,
    })
}

/// Chooses with the groups of the user, if they are given.
pub fn choose<'a>(
    configuration: &'a Configuration,
    question: PolicyQuestion<'_>,
    groups: Option<&[Group]>,
) -> Choice<'a> {
    let policies = configuration.policies.below(question.server);
    let mut policies: Vec<_> = policies.filter(|policy| policy_fits(policy, question)).collect();
    policies.sort_by_key(|policy| policy.priority);
    for policy in policies {
        let mut rules: Vec<_> =
            configuration.rules.below(&policy.id).filter(|rule| rule_fits(rule, question)).collect();
        rules.sort_by_key(|rule| rule.priority);
        for rule in rules {
            match includes(rule, question, groups) {
                Some(true) => return Choice::Rule(policy, rule),
                Some(false) => {}
                None => return Choice::NeedsGroups,
            }
        }
    }
    Choice::Denied
}

/// Whether the user of a request is one of those that a rule is for.
fn includes(rule: &PolicyRule, question: PolicyQuestion<'_>, groups: Option<&[Group]>) -> Option<bool> {
    match question.user {
        Some(user) => rule.people.include(question.org, user, groups),
        // A condition on people does not apply to a request without a user.
        None => Some(true),
    }
}

fn policy_fits(policy: &AccessPolicy, question: PolicyQuestion<'_>) -> bool {
    policy.status == Status::Active && (policy.clients.is_empty() || policy.clients.contains(question.client))
}

/// Whether the conditions of a rule hold, but for those on people.
fn rule_fits(rule: &PolicyRule, question: PolicyQuestion<'_>) -> bool {
    rule.status == Status::Active
        && rule.grant_types.iter().any(|grant_type| grant_type == question.grant_type)
        && (rule.scopes.iter().any(|scope| scope == "*")
            || question.scopes.iter().all(|scope| rule.scopes.contains(scope)))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use tenterhook_contract::{
        Timestamp,
        id::{GroupId, PolicyId, RuleId},
    };
    use tenterhook_model::{RulePeople, everyone_id};

    use super::*;

    fn server() -> AuthorizationServerId {
        AuthorizationServerId::from_parts(1, [1; 8])
    }

    fn client(number: u8) -> ClientId {
        ClientId::from_parts(1, [number; 8])
    }

    fn policy(number: u8, priority: u32, clients: &[u8]) -> AccessPolicy {
        let now = Timestamp::from_micros(0);
        AccessPolicy {
            id: PolicyId::from_parts(1, [number; 8]),
            authorization_server_id: server(),
            name: number.to_string(),
            description: String::new(),
            priority,
            clients: clients.iter().map(|number| client(*number)).collect(),
            status: Status::Active,
            created: now,
            last_updated: now,
        }
    }

    fn rule(policy: &AccessPolicy, name: &str, priority: u32, grants: &[&str], scopes: &[&str]) -> PolicyRule {
        let text = |items: &[&str]| items.iter().map(|item| (*item).to_owned()).collect();
        PolicyRule {
            // The configuration holds objects by id, so that two rules of one priority need two ids.
            id: RuleId::from_parts(policy.name.parse().unwrap(), [u8::try_from(priority).unwrap(); 8]),
            policy_id: policy.id.clone(),
            authorization_server_id: server(),
            name: name.to_owned(),
            priority,
            status: Status::Active,
            grant_types: text(grants),
            scopes: text(scopes),
            people: RulePeople::everyone(),
            access_token_lifetime_minutes: 60,
            refresh_token_lifetime_minutes: 0,
            refresh_token_window_minutes: 10_080,
            hooks: tenterhook_model::RuleHooks::default(),
            created: policy.created,
            last_updated: policy.created,
        }
    }

    fn org() -> OrgId {
        OrgId::from_parts(1, [1; 8])
    }

    fn group(number: u8) -> Group {
        Group { id: GroupId::from_parts(2, [number; 8]), ..Group::everyone(&org(), Timestamp::from_micros(0)) }
    }

    #[test]
    fn a_rule_is_for_members_of_a_group_that_it_names_and_groups_are_asked_for_when_one_decides() {
        let policy = policy(1, 1, &[]);
        let (one, everyone) = (group(1).id.to_string(), everyone_id(&org()).to_string());
        let user = |number: u8| UserId::from_parts(1, [number; 8]);
        let people = |users: Vec<UserId>, users_exclude: Vec<UserId>, groups: &[&str]| RulePeople {
            users,
            users_exclude,
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        };
        // What is decided without groups; as a member of the first group; as a member of the second.
        for (people, decided) in [
            (people(vec![], vec![], &[&one]), [None, Some(true), Some(false)]),
            (people(vec![], vec![], &["00gdeleted0000000000"]), [None, Some(false), Some(false)]),
            (people(vec![], vec![], &[&one, "EVERYONE"]), [Some(true); 3]),
            (people(vec![], vec![], &[&one, &everyone]), [Some(true); 3]),
            (people(vec![user(1)], vec![], &[&one]), [Some(true); 3]),
            (people(vec![user(2)], vec![], &[&one]), [None, Some(true), Some(false)]),
            (people(vec![], vec![user(1)], &[&one]), [Some(false); 3]),
            (people(vec![user(2)], vec![], &[]), [Some(false); 3]),
        ] {
            let rule = PolicyRule { people: people.clone(), ..rule(&policy, "r", 1, &["authorization_code"], &["*"]) };
            let configuration = Configuration {
                rules: [rule].into_iter().collect(),
                policies: [policy.clone()].into_iter().collect(),
                ..Configuration::default()
            };
            let (org, server, client) = (org(), server(), client(1));
            let asked = |user: Option<&UserId>, groups: Option<&[Group]>| {
                let grant_type = "authorization_code";
                let question =
                    PolicyQuestion { org: &org, server: &server, client: &client, grant_type, user, scopes: &[] };
                match choose(&configuration, question, groups) {
                    Choice::Rule(..) => Some(true),
                    Choice::Denied => Some(false),
                    Choice::NeedsGroups => None,
                }
            };
            let given = [None, Some(&[group(1)][..]), Some(&[group(2)][..])];
            assert_eq!(given.map(|groups| asked(Some(&user(1)), groups)), decided, "{people:?}");
            assert_eq!(asked(None, None), Some(true), "a request without a user asks for no groups");
        }
    }

    #[test]
    fn a_rule_is_for_everyone_or_for_those_it_names_and_never_for_those_it_excludes() {
        let policy = policy(1, 1, &[]);
        let user = |number: u8| UserId::from_parts(1, [number; 8]);
        let groups = || vec!["EVERYONE".to_owned()];
        for (people, fits) in [
            (RulePeople::everyone(), [true, true]),
            (RulePeople { users: vec![user(1)], ..RulePeople::default() }, [true, false]),
            (RulePeople { users: vec![user(1)], groups: groups(), ..RulePeople::default() }, [true, true]),
            (RulePeople { users_exclude: vec![user(1)], groups: groups(), ..RulePeople::default() }, [false, true]),
            (RulePeople { users: vec![user(1)], users_exclude: vec![user(1)], groups: vec![] }, [false, false]),
            (RulePeople::default(), [false, false]),
        ] {
            let rule = PolicyRule { people: people.clone(), ..rule(&policy, "r", 1, &["authorization_code"], &["*"]) };
            let (org, server, client) = (org(), server(), client(1));
            let asked = |user: Option<&UserId>| {
                let grant_type = "authorization_code";
                let question =
                    PolicyQuestion { org: &org, server: &server, client: &client, grant_type, user, scopes: &[] };
                rule_fits(&rule, question) && includes(&rule, question, None).unwrap()
            };
            assert_eq!([1, 2].map(|number| asked(Some(&user(number)))), fits, "{people:?}");
            assert!(asked(None), "a condition on people says nothing about a request without one");
        }
    }

    #[test]
    fn priority_client_grant_type_and_scope_decide_in_this_order() {
        let (special, general) = (policy(1, 1, &[7]), policy(2, 2, &[]));
        let configuration = Configuration {
            rules: [
                rule(&special, "special", 1, &["client_credentials"], &["*"]),
                rule(&general, "later", 2, &["client_credentials"], &["*"]),
                rule(&general, "reads", 1, &["client_credentials"], &["orders.read"]),
                rule(&general, "code", 3, &["authorization_code"], &["*"]),
            ]
            .into_iter()
            .collect(),
            // Not in order of priority, because the order of creation must not matter.
            policies: [general, special].into_iter().collect(),
            ..Configuration::default()
        };
        let ask = |who: u8, grant_type: &str, scopes: &[&str]| {
            let scopes: Vec<_> = scopes.iter().map(|scope| (*scope).to_owned()).collect();
            let (org, server, client) = (org(), server(), client(who));
            let question =
                PolicyQuestion { org: &org, server: &server, client: &client, grant_type, user: None, scopes: &scopes };
            match choose(&configuration, question, None) {
                Choice::Rule(_, rule) => Some(rule.name.clone()),
                Choice::Denied | Choice::NeedsGroups => None,
            }
        };
        assert_eq!(ask(7, "client_credentials", &["orders.write"]).unwrap(), "special");
        assert_eq!(ask(8, "client_credentials", &["orders.read"]).unwrap(), "reads");
        assert_eq!(ask(8, "client_credentials", &["orders.read", "orders.write"]).unwrap(), "later");
        assert_eq!(
            ask(7, "authorization_code", &["openid"]).unwrap(),
            "code",
            "a policy without a fitting rule is passed over"
        );
        assert_eq!(ask(7, "password", &[]), None);
    }
}
