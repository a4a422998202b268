//! Chooses the rule for a request: policies by priority, then their rules by priority, as the vendor does.

use tenterhook_contract::id::{AuthorizationServerId, ClientId, UserId};
use tenterhook_model::{AccessPolicy, Configuration, PolicyRule, Status};

/// The properties of a request that conditions refer to.
#[derive(Clone, Copy, Debug)]
pub struct PolicyQuestion<'a> {
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

/// The first matching rule and its policy. Without a match access is denied.
pub fn choose<'a>(
    configuration: &'a Configuration,
    question: PolicyQuestion<'_>,
) -> Option<(&'a AccessPolicy, &'a PolicyRule)> {
    let policies = configuration.policies.below(question.server);
    let mut policies: Vec<_> = policies.filter(|policy| policy_fits(policy, question)).collect();
    policies.sort_by_key(|policy| policy.priority);
    policies.into_iter().find_map(|policy| {
        let fitting = configuration.rules.below(&policy.id).filter(|rule| rule_fits(rule, question));
        Some((policy, fitting.min_by_key(|rule| rule.priority)?))
    })
}

fn policy_fits(policy: &AccessPolicy, question: PolicyQuestion<'_>) -> bool {
    policy.status == Status::Active && (policy.clients.is_empty() || policy.clients.contains(question.client))
}

fn rule_fits(rule: &PolicyRule, question: PolicyQuestion<'_>) -> bool {
    let user_fits = || match question.user {
        Some(user) => rule.people.include(user),
        // A condition on people does not apply to a request without a user.
        None => true,
    };
    rule.status == Status::Active
        && rule.grant_types.iter().any(|grant_type| grant_type == question.grant_type)
        && (rule.scopes.iter().any(|scope| scope == "*")
            || question.scopes.iter().all(|scope| rule.scopes.contains(scope)))
        && user_fits()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use tenterhook_contract::{
        Timestamp,
        id::{PolicyId, RuleId},
    };
    use tenterhook_model::RulePeople;

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
            let (server, client) = (server(), client(1));
            let asked = |user: Option<&UserId>| {
                let grant_type = "authorization_code";
                rule_fits(&rule, PolicyQuestion { server: &server, client: &client, grant_type, user, scopes: &[] })
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
            let (server, client) = (server(), client(who));
            let question = PolicyQuestion { server: &server, client: &client, grant_type, user: None, scopes: &scopes };
            choose(&configuration, question).map(|(_, rule)| rule.name.clone())
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
