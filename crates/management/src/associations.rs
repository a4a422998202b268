//! Associations: the members of the configuration that name an inline hook, one line of [`ASSOCIATIONS`] each.
//!
//! A flow that has a hook of its own in the configuration (a SAML app, a profile enrollment policy, an app that imports
//! users) adds a line: where the hook is named, and what becomes of the association when the hook is deactivated or deleted.
//! The operations on hooks ask the table; they know no kind by name. The operations that put the member ask
//! [`hook_of_type`] for the hook.

use tenterhook_contract::{HookTypeName, Timestamp, hook::InlineHook, id::HookId};
use tenterhook_model::{Configuration, ConfigurationObject, PolicyRule};
use tenterhook_platform::{OrgSnapshot, Platform};

use crate::{
    administrator::{Administrator, ManagementError},
    apps::SAML_APP,
    enrollment_rules::ENROLLMENT_RULE,
    extension_points::bindings::BINDING,
    resource::{Done, log},
};

/// What becomes of an association when its hook is deactivated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDeactivate {
    /// Nothing: the flow runs without the hook until it is active again.
    RunsWithout,
    /// The hook cannot be deactivated while the association is there.
    Refused,
}

/// What becomes of an association when its hook is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDelete {
    /// The member loses the hook: a client that puts the object back as it got it would be refused otherwise
    /// (`observed.md` section 1).
    Cleared,
    /// The hook cannot be deleted while the association is there.
    Refused,
}

/// A member of a kind of configuration objects that names an inline hook.
#[derive(Clone, Copy, Debug)]
pub struct Association {
    /// The kind of its objects, for people.
    pub kind: &'static str,
    /// The member with the hook's id, as the causes of a refusal name it.
    pub member: &'static str,
    /// What deactivating the hook does.
    pub on_deactivate: OnDeactivate,
    /// What deleting the hook does.
    pub on_delete: OnDelete,
    /// The objects that name the hook, each without it, changed at this time.
    pub cleared: fn(&Configuration, &HookId, Timestamp) -> Vec<ConfigurationObject>,
    /// Logs that such an object was changed.
    pub log_update: fn(&Platform, &Administrator, &ConfigurationObject),
}

/// Every association.
pub const ASSOCIATIONS: &[Association] = &[TOKEN_RULE, SAML_APP, ENROLLMENT_RULE, BINDING];

/// The rule of an access policy and the hook that changes the tokens it allows (`token.md` section 1).
pub const TOKEN_RULE: Association = Association {
    kind: "access policy rule",
    member: "actions.token.inlineHook.id",
    on_deactivate: OnDeactivate::RunsWithout,
    on_delete: OnDelete::Cleared,
    cleared: |configuration, hook, now| {
        let cleared = configuration.rules.iter().filter_map(|rule| {
            let hooks = rule.hooks.without(hook)?;
            Some(PolicyRule { hooks, last_updated: now, ..rule.clone() })
        });
        cleared.map(ConfigurationObject::Rule).collect()
    },
    log_update: |platform, administrator, object| {
        if let ConfigurationObject::Rule(rule) = object {
            log(platform, administrator, rule, Done::Updated);
        }
    },
};

/// The hook that a body names where hooks of `hook_type` are put.
///
/// # Errors
/// Why it cannot be named, for a cause of the member.
pub(crate) fn hook_of_type<'a>(
    org: &'a OrgSnapshot,
    hook_type: &HookTypeName,
    id: Option<&HookId>,
) -> Result<&'a InlineHook, String> {
    let hook = id.and_then(|id| org.configuration.hooks.get(id)).ok_or("There is no inline hook with this id")?;
    if hook.hook_type == *hook_type {
        return Ok(hook);
    }
    Err(format!("The inline hook is not of the type {hook_type}"))
}

/// Whether nothing of the org keeps a hook from being deactivated.
pub(crate) fn check_deactivation(configuration: &Configuration, hook: &HookId) -> Result<(), ManagementError> {
    deactivated(ASSOCIATIONS, configuration, hook)
}

/// What has to be written, each with its line, when a hook is deleted at `now`.
pub(crate) fn on_deletion(
    configuration: &Configuration,
    hook: &HookId,
    now: Timestamp,
) -> Result<Vec<(&'static Association, ConfigurationObject)>, ManagementError> {
    deleted(ASSOCIATIONS, configuration, hook, now)
}

fn deactivated(table: &[Association], configuration: &Configuration, hook: &HookId) -> Result<(), ManagementError> {
    let refusing = table.iter().filter(|association| association.on_deactivate == OnDeactivate::Refused);
    for association in refusing {
        check_unused(association, configuration, (hook, Timestamp::from_micros(0)), "deactivated")?;
    }
    Ok(())
}

fn deleted<'t>(
    table: &'t [Association],
    configuration: &Configuration,
    hook: &HookId,
    now: Timestamp,
) -> Result<Vec<(&'t Association, ConfigurationObject)>, ManagementError> {
    let mut changed = Vec::new();
    for association in table {
        match association.on_delete {
            OnDelete::Refused => check_unused(association, configuration, (hook, now), "deleted")?,
            OnDelete::Cleared => {
                let objects = (association.cleared)(configuration, hook, now);
                changed.extend(objects.into_iter().map(|object| (association, object)));
            }
        }
    }
    Ok(changed)
}

/// Refuses when an object still names the hook here.
fn check_unused(
    association: &Association,
    configuration: &Configuration,
    (hook, now): (&HookId, Timestamp),
    done: &str,
) -> Result<(), ManagementError> {
    if (association.cleared)(configuration, hook, now).is_empty() {
        return Ok(());
    }
    let Association { kind, member, .. } = association;
    let text = format!("An inline hook cannot be {done} while the `{member}` of an {kind} names it");
    Err(ManagementError::field("status", &text))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use tenterhook_contract::{
        binding::HookBinding,
        id::{AuthorizationServerId, PolicyId, RuleId},
    };
    use tenterhook_model::{RuleHooks, RulePeople, Status};

    use super::*;

    fn hook(number: u8) -> HookId {
        HookId::from_parts(1, [number; 8])
    }

    fn rule(number: u8, hook: Option<HookId>) -> PolicyRule {
        PolicyRule {
            id: RuleId::from_parts(1, [number; 8]),
            policy_id: PolicyId::from_parts(1, [1; 8]),
            authorization_server_id: AuthorizationServerId::from_parts(1, [1; 8]),
            name: number.to_string(),
            priority: 1,
            status: Status::Active,
            grant_types: Vec::new(),
            scopes: Vec::new(),
            people: RulePeople::everyone(),
            access_token_lifetime_minutes: 60,
            refresh_token_lifetime_minutes: 0,
            refresh_token_window_minutes: 60,
            hooks: hook.map(RuleHooks::one).unwrap_or_default(),
            created: Timestamp::from_micros(0),
            last_updated: Timestamp::from_micros(0),
        }
    }

    fn configuration() -> Configuration {
        let rules = [rule(1, Some(hook(1))), rule(2, None), rule(3, Some(hook(1))), rule(4, Some(hook(2)))];
        Configuration { rules: rules.into_iter().collect(), ..Configuration::default() }
    }

    #[test]
    fn deleting_a_hook_clears_every_rule_that_names_it_and_no_other() {
        let now = Timestamp::from_micros(7);
        let changed = on_deletion(&configuration(), &hook(1), now).unwrap();
        let rules = changed.iter().map(|(_, object)| match object {
            ConfigurationObject::Rule(rule) => rule,
            other => panic!("{other:?}"),
        });
        for (rule, number) in rules.clone().zip(["1", "3"]) {
            assert_eq!((rule.name.as_str(), rule.hooks.first(), rule.last_updated), (number, None, now));
        }
        assert_eq!(rules.count(), 2);
        assert!(on_deletion(&configuration(), &hook(3), now).unwrap().is_empty());
        assert!(
            check_deactivation(&configuration(), &hook(1)).is_ok(),
            "a token hook that a rule names can be deactivated"
        );
    }

    #[test]
    fn deleting_a_hook_takes_it_out_of_a_list_and_leaves_the_others_as_they_are() {
        let off = HookBinding { enabled: false, ..HookBinding::always(hook(2)) };
        let list = |bindings: &[HookBinding]| RuleHooks(bindings.to_vec());
        let always = HookBinding::always(hook(1));
        let rules = [
            PolicyRule { hooks: list(&[always.clone(), off.clone()]), ..rule(1, None) },
            PolicyRule { hooks: list(&[off.clone(), always]), ..rule(2, None) },
        ];
        let configuration = Configuration { rules: rules.into_iter().collect(), ..Configuration::default() };
        let changed = on_deletion(&configuration, &hook(1), Timestamp::from_micros(7)).unwrap();
        assert_eq!(changed.len(), 2);
        for (_, object) in changed {
            let ConfigurationObject::Rule(rule) = object else { panic!("{object:?}") };
            assert_eq!(rule.hooks, list(std::slice::from_ref(&off)));
        }
    }

    /// `observed.md` section 1, line 11: that of an enrollment policy cannot be deactivated.
    #[test]
    fn a_line_that_refuses_keeps_its_hook_and_only_while_it_names_it() {
        let line = Association { on_deactivate: OnDeactivate::Refused, on_delete: OnDelete::Refused, ..TOKEN_RULE };
        let (table, now) = ([line], Timestamp::from_micros(7));
        let told = |refused: Result<(), ManagementError>| match refused.unwrap_err() {
            ManagementError::Invalid { subject, causes } => (subject, causes.join(" ")),
            other => panic!("{other:?}"),
        };
        let refused = deactivated(&table, &configuration(), &hook(1));
        let (subject, cause) = told(refused);
        assert_eq!(subject, "status");
        assert!(cause.contains("`actions.token.inlineHook.id` of an access policy rule"), "{cause}");
        told(deleted(&table, &configuration(), &hook(2), now).map(drop));
        assert!(deactivated(&table, &configuration(), &hook(3)).is_ok());
        assert!(deleted(&table, &configuration(), &hook(3), now).unwrap().is_empty());
    }
}
