//! Rules of profile enrollment policies, where a registration hook is put (`management-api.md` section 5). A policy has one.

use std::collections::HashSet;

use tenterhook_contract::{BuiltInType, hook::HookStatus, id::GroupId, problem::shown, profile::spelled};
use tenterhook_model::{
    ConfigurationObject, EnrollmentAccess, EnrollmentHook, EnrollmentPolicy, EnrollmentRule,
    FORM_ATTRIBUTE_CHARACTERS_MAX, FORM_ATTRIBUTES_MAX, FormAttribute, HookRunsFor, PolicyRule, Status,
    TARGET_GROUPS_MAX, UnknownUserAction, UserSchema, everyone_id, is_form_attribute_name, names_an_identifier,
};
use tenterhook_platform::{OrgSnapshot, Platform, events::named_target};

use crate::{
    administrator::{Administrator, ManagementError, log_change, org_of},
    associations::{Association, OnDeactivate, OnDelete, hook_of_type},
    enrollment_policies::{TYPE, check_priority, find, find_to_change},
    request::{BLANK, Causes, Given, Submitted},
    resource::{Done, Resource},
};

/// The subject of an error's summary.
const MODEL: &str = "policyRule";
/// The kind, as an error says it.
const KIND: &str = "PolicyRule";
/// `priority` of every rule: there is no other one in its policy.
pub const PRIORITY: u32 = 99;
const ACCESS: &str = "actions.profileEnrollment.access";
const UNKNOWN_USER_ACTION: &str = "actions.profileEnrollment.unknownUserAction";
const EMAIL_VERIFICATION: &str = "actions.profileEnrollment.activationRequirements.emailVerification";
const ATTRIBUTES: &str = "actions.profileEnrollment.profileAttributes";
const HOOKS: &str = "actions.profileEnrollment.preRegistrationInlineHooks";
const GROUPS: &str = "actions.profileEnrollment.targetGroupIds";
const PROGRESSIVE: &str = "actions.profileEnrollment.progressiveProfilingAction";
/// The users for whom a hook is called, as requests and answers name them.
const RUNS_FOR: [(&str, HookRunsFor); 3] =
    [("NEW_USERS", HookRunsFor::NewUsers), ("EXISTING_USERS", HookRunsFor::ExistingUsers), ("BOTH", HookRunsFor::Both)];

/// What a request says of the rule of a profile enrollment policy.
#[derive(Clone, Debug, Default)]
pub struct EnrollmentRuleRequest {
    /// [`TYPE`].
    pub rule_type: Given<String>,
    /// The name; absent, it stays.
    pub name: Given<String>,
    /// `ACTIVE`.
    pub status: Given<String>,
    /// [`PRIORITY`].
    pub priority: Given<u32>,
    /// `ALLOW`, as without it, or `DENY`.
    pub access: Given<String>,
    /// `REGISTER` or `DENY`; required.
    pub unknown_user_action: Given<String>,
    /// Whether new users verify their email address; true when absent.
    pub email_verification: Given<bool>,
    /// The attributes of the form.
    pub profile_attributes: Given<Vec<FormAttributeRequest>>,
    /// The registration hook: none or one.
    pub hooks: Given<Vec<EnrollmentHookRequest>>,
    /// Groups that new users are put into.
    pub target_group_ids: Given<Vec<String>>,
    /// `ENABLED` or `DISABLED`, as without it.
    pub progressive_profiling_action: Given<String>,
}

/// What a request says of an attribute of a form.
#[derive(Clone, Debug, Default)]
pub struct FormAttributeRequest {
    /// The name.
    pub name: Given<String>,
    /// For people.
    pub label: Given<String>,
    /// Whether it must be filled in; false when absent.
    pub required: Given<bool>,
}

/// What a request says of a registration hook.
#[derive(Clone, Debug, Default)]
pub struct EnrollmentHookRequest {
    /// The id of the hook.
    pub inline_hook_id: Given<String>,
    /// `NEW_USERS`, `EXISTING_USERS` or `BOTH`; absent, what is stored of this hook stays.
    pub run_for: Given<String>,
}

/// The member of the rule that names a hook. It always names an active one: people would sign up past a hook that is switched
/// off for a moment (`observed.md` section 1, line 11).
pub const ENROLLMENT_RULE: Association = Association {
    kind: "enrollment policy rule",
    member: "actions.profileEnrollment.preRegistrationInlineHooks[].inlineHookId",
    on_deactivate: OnDeactivate::Refused,
    on_delete: OnDelete::Refused,
    cleared: |configuration, hook, now| {
        let names_it = |policy: &&EnrollmentPolicy| {
            policy.rule.pre_registration_hook.as_ref().is_some_and(|named| named.hook == *hook)
        };
        let cleared = configuration.enrollment_policies.iter().filter(names_it).cloned().map(|policy| {
            let rule = EnrollmentRule { pre_registration_hook: None, last_updated: now, ..policy.rule };
            EnrollmentPolicy { rule, ..policy }
        });
        cleared.map(|policy| ConfigurationObject::EnrollmentPolicy(Box::new(policy))).collect()
    },
    log_update: |platform, administrator, object| {
        if let ConfigurationObject::EnrollmentPolicy(policy) = object {
            log_rule(platform, administrator, &policy.rule, Done::Updated);
        }
    },
};

/// As requests and answers name the users for whom a hook is called; `None` for both, which needs no words.
pub fn run_for_in_words(run_for: HookRunsFor) -> Option<&'static str> {
    let named = RUNS_FOR.into_iter().find(|(_, known)| *known == run_for && run_for != HookRunsFor::Both);
    named.map(|(name, _)| name)
}

/// The policy with the rule of this path: the policy's id, the rule's.
pub fn get(
    platform: &Platform,
    administrator: &Administrator,
    (policy, rule): (&str, &str),
) -> Result<EnrollmentPolicy, ManagementError> {
    let policy = find(&*org_of(platform, administrator)?, policy)?.into_owned();
    check_id(&policy, rule)?;
    Ok(policy)
}

/// Replaces the rule of a policy.
pub async fn replace(
    platform: &Platform,
    administrator: &Administrator,
    (policy, rule): (&str, &str),
    submitted: &Submitted<EnrollmentRuleRequest>,
) -> Result<EnrollmentPolicy, ManagementError> {
    let now = platform.now().whole_seconds();
    let known_groups = known_groups(platform, administrator, submitted).await?;
    let policy = platform
        .change(&administrator.token.org_id, |org| {
            let stored = find_to_change(org, policy)?.into_owned();
            check_id(&stored, rule)?;
            let rule = read(org, (submitted, &known_groups), &stored.rule)?;
            let policy = EnrollmentPolicy { rule: EnrollmentRule { last_updated: now, ..rule }, ..stored };
            Ok::<_, ManagementError>((vec![policy.put()], policy))
        })
        .await?;
    log_rule(platform, administrator, &policy.rule, Done::Updated);
    Ok(policy)
}

/// Logs what was done to a rule.
pub(crate) fn log_rule(platform: &Platform, administrator: &Administrator, rule: &EnrollmentRule, done: Done) {
    let (event_type, message) = PolicyRule::event(done);
    let target = named_target(rule.id.as_str(), PolicyRule::TARGET, &rule.name);
    log_change(platform, administrator, &event_type, &message, target);
}

fn check_id(policy: &EnrollmentPolicy, rule: &str) -> Result<(), ManagementError> {
    if policy.rule.id.as_str() == rule {
        return Ok(());
    }
    Err(ManagementError::NotFound { id: rule.to_owned(), kind: KIND })
}

/// The groups that a request names and that the org has: at the moment before it is judged, because groups are no part of the
/// configuration.
async fn known_groups(
    platform: &Platform,
    administrator: &Administrator,
    submitted: &Submitted<EnrollmentRuleRequest>,
) -> Result<Vec<GroupId>, ManagementError> {
    let named = submitted.request.target_group_ids.value().into_iter().flatten();
    let ids: Vec<GroupId> = named.take(TARGET_GROUPS_MAX).filter_map(|group| group.parse().ok()).collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    Ok(platform.store().groups_that_exist(&administrator.token.org_id, &ids).await?)
}

/// Reads a request, with those of its groups that the org has. It replaces the whole rule: what it does not say has the value
/// of a new rule, but for the name.
fn read(
    org: &OrgSnapshot,
    (submitted, known_groups): (&Submitted<EnrollmentRuleRequest>, &[GroupId]),
    rule: &EnrollmentRule,
) -> Result<EnrollmentRule, ManagementError> {
    let (request, mut causes) = (&submitted.request, Causes::of(MODEL, submitted));
    causes.constant("type", &request.rule_type, TYPE);
    let name = causes.optional_text("name", &request.name).unwrap_or_else(|| rule.name.clone());
    if causes.status(&request.status, Status::Active) == Status::Inactive {
        causes.add("status", "The rule of a policy is always active: deactivate the policy");
    }
    check_priority(&mut causes, &request.priority, PRIORITY);
    let actions = [("ALLOW", EnrollmentAccess::Allow), ("DENY", EnrollmentAccess::Deny)];
    let access = choice(&mut causes, ACCESS, &request.access, &actions).unwrap_or(EnrollmentAccess::Allow);
    if !request.unknown_user_action.is_given() {
        causes.add(UNKNOWN_USER_ACTION, BLANK);
    }
    let actions = [("REGISTER", UnknownUserAction::Register), ("DENY", UnknownUserAction::Deny)];
    let unknown_user_action = choice(&mut causes, UNKNOWN_USER_ACTION, &request.unknown_user_action, &actions);
    let unknown_user_action = unknown_user_action.unwrap_or(UnknownUserAction::Deny);
    let email_verification = causes.plain(EMAIL_VERIFICATION, &request.email_verification, true);
    let profile_attributes = read_attributes(&mut causes, &request.profile_attributes);
    let registers = access == EnrollmentAccess::Allow && unknown_user_action == UnknownUserAction::Register;
    let is_anonymous = !profile_attributes.is_empty() && !names_an_identifier(&profile_attributes);
    if registers && is_anonymous && !causes.is_about(ATTRIBUTES) {
        causes.add(ATTRIBUTES, "Name `email` or `login`: somebody who signs up needs one of them");
    }
    let pre_registration_hook = read_hook(org, &mut causes, &request.hooks, rule.pre_registration_hook.as_ref());
    let target_group_ids = read_groups(org, &mut causes, (&request.target_group_ids, known_groups), rule);
    let progressive = &request.progressive_profiling_action;
    let progressive = choice(&mut causes, PROGRESSIVE, progressive, &[("ENABLED", true), ("DISABLED", false)]);
    if progressive == Some(true) {
        let schema = org.configuration.user_schemas.iter().next();
        for (place, asked) in profile_attributes.iter().enumerate() {
            if !UserSchema::is_written_by_users(schema, &asked.name) {
                let text = format!("Users may not change `{}`: its permission must be `READ_WRITE`", asked.name);
                causes.add(&format!("{ATTRIBUTES}[{place}].name"), &text);
            }
        }
    }
    causes.finish()?;
    Ok(EnrollmentRule {
        id: rule.id.clone(),
        name,
        access,
        unknown_user_action,
        email_verification,
        profile_attributes,
        pre_registration_hook,
        target_group_ids,
        progressive_profiling: progressive.unwrap_or(false),
        created: rule.created,
        last_updated: rule.last_updated,
    })
}

/// One of these values by its name, or nothing where the member is absent.
fn choice<T: Copy>(causes: &mut Causes, member: &str, given: &Given<String>, choices: &[(&str, T)]) -> Option<T> {
    let chosen = match given {
        Given::Absent => return None,
        Given::Is(text) => choices.iter().find(|(name, _)| name == text).map(|(_, value)| *value),
        Given::Wrong => None,
    };
    if chosen.is_none() {
        causes.none_of(member, choices.iter().map(|(name, _)| *name));
    }
    chosen
}

fn read_attributes(causes: &mut Causes, given: &Given<Vec<FormAttributeRequest>>) -> Vec<FormAttribute> {
    let requests = causes.given(ATTRIBUTES, given).map(Vec::as_slice).unwrap_or_default();
    if requests.len() > FORM_ATTRIBUTES_MAX {
        causes.add(ATTRIBUTES, &format!("A form can have at most {FORM_ATTRIBUTES_MAX} attributes"));
        return Vec::new();
    }
    let mut known = HashSet::new();
    let attributes = requests.iter().enumerate().map(|(place, request)| {
        let member = |name: &str| format!("{ATTRIBUTES}[{place}].{name}");
        let name = causes.text(&member("name"), &request.name);
        if let Some(why) = why_not_a_name(&name) {
            causes.add(&member("name"), &why);
        } else if !name.is_empty() && !known.insert(spelled(&name).to_owned()) {
            causes.add(&member("name"), "The attribute is named twice");
        }
        FormAttribute {
            name,
            label: causes.text(&member("label"), &request.label),
            required: causes.plain(&member("required"), &request.required, false),
        }
    });
    attributes.collect()
}

/// Why a form cannot have an attribute of this name. A blank one is another problem.
fn why_not_a_name(name: &str) -> Option<String> {
    if name == "password" {
        return Some("The form has a field for the password already".to_owned());
    }
    let is_name = name.is_empty() || is_form_attribute_name(name);
    let text = format!(
        "A name has letters, digits, `_` and `-`, a letter first, and at most {FORM_ATTRIBUTE_CHARACTERS_MAX} characters"
    );
    (!is_name).then_some(text)
}

/// The registration hook. A client that knows the vendor's member alone, and puts a rule back as it got it, does not change
/// for whom the hook is called.
fn read_hook(
    org: &OrgSnapshot,
    causes: &mut Causes,
    given: &Given<Vec<EnrollmentHookRequest>>,
    stored: Option<&EnrollmentHook>,
) -> Option<EnrollmentHook> {
    let request = match causes.given(HOOKS, given).map(Vec::as_slice) {
        None | Some([]) => return None,
        Some([request]) => request,
        Some(_) => {
            causes.add(HOOKS, "A policy can have at most one inline hook");
            return None;
        }
    };
    let run_for = choice(causes, &format!("{HOOKS}[0].runFor"), &request.run_for, &RUNS_FOR);
    let member = format!("{HOOKS}[0].inlineHookId");
    let id = causes.required(&member, &request.inline_hook_id)?;
    let hook = hook_of_type(org, BuiltInType::Registration.name(), id.parse().ok().as_ref());
    let hook = hook.map_err(|why| causes.add(&member, &why)).ok()?;
    if hook.status != HookStatus::Active {
        causes.add(&member, "The inline hook is not active. Activate it first");
    }
    let stays = || stored.filter(|stored| stored.hook == hook.id).map(|stored| stored.run_for);
    Some(EnrollmentHook { hook: hook.id.clone(), run_for: run_for.or_else(stays).unwrap_or_default() })
}

/// Groups of new users. A rule keeps the id of a group that was deleted.
fn read_groups(
    org: &OrgSnapshot,
    causes: &mut Causes,
    (given, known): (&Given<Vec<String>>, &[GroupId]),
    rule: &EnrollmentRule,
) -> Vec<GroupId> {
    let named = causes.given(GROUPS, given).map(Vec::as_slice).unwrap_or_default();
    if named.len() > TARGET_GROUPS_MAX {
        causes.add(GROUPS, &format!("New users can be put into at most {TARGET_GROUPS_MAX} groups"));
        return Vec::new();
    }
    let everyone = everyone_id(&org.org.id);
    let mut groups: Vec<GroupId> = Vec::with_capacity(named.len());
    for text in named {
        match text.parse::<GroupId>() {
            Ok(group) if group == everyone => causes.add(GROUPS, "Every user is in the group Everyone: leave it out"),
            Ok(group) if groups.contains(&group) => {
                causes.add(GROUPS, &format!("The group `{group}` is named twice"));
            }
            Ok(group) if known.contains(&group) || rule.target_group_ids.contains(&group) => groups.push(group),
            _ => causes.add(GROUPS, &format!("There is no group `{}`. Name ids of groups", shown(text))),
        }
    }
    groups
}
