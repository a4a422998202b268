//! The rule of a profile enrollment policy as it is written and as it is shown.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tenterhook_management::{
    enrollment_policies::TYPE,
    enrollment_rules::{
        EnrollmentHookRequest, EnrollmentRuleRequest, FormAttributeRequest, PRIORITY, run_for_in_words,
    },
    request::Given,
};
use tenterhook_model::{
    EnrollmentAccess, EnrollmentHook, EnrollmentPolicy, EnrollmentRule, FormAttribute, UnknownUserAction,
};

use super::super::{
    answer::{Date, Id, Link, SelfLink, Status},
    call::{ResourceBody, below, objects},
    members::Members,
};
#[cfg(feature = "schema")]
use super::enrollment::EnrollmentType;

const ATTRIBUTE_MEMBERS: Members = Members { taken: &["name", "label", "required"], read_only: &[], refused: &[] };
const HOOK_MEMBERS: Members = Members { taken: &["inlineHookId", "runFor"], read_only: &[], refused: &[] };

/// The rule of a profile enrollment policy as it is written. It replaces the whole rule.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "ProfileEnrollmentRuleRequest"))]
pub(super) struct EnrollmentRuleBody {
    #[serde(rename = "type", default)]
    #[cfg_attr(feature = "schema", schemars(with = "Option<EnrollmentType>"))]
    rule_type: Given<String>,
    /// Absent, it stays.
    #[serde(default)]
    name: Given<String>,
    /// `ACTIVE`
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Status>"))]
    status: Given<String>,
    /// 99
    #[serde(default)]
    priority: Given<u32>,
    #[serde(default, deserialize_with = "below")]
    actions: ActionsBody,
}

/// What a rule does.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "ProfileEnrollmentActionsRequest"))]
struct ActionsBody {
    #[serde(rename = "profileEnrollment", default, deserialize_with = "below")]
    profile_enrollment: ActionBody,
}

/// Who signs up, and how.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "ProfileEnrollmentActionRequest"))]
#[serde(rename_all = "camelCase")]
struct ActionBody {
    /// `ALLOW`, as without it; `DENY`: nobody signs up, and nobody is asked for anything.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Access>"))]
    access: Given<String>,
    /// Whether somebody without a user may sign up.
    #[cfg_attr(feature = "schema", schemars(with = "UnknownUser"))]
    unknown_user_action: Given<String>,
    #[serde(default, deserialize_with = "below")]
    activation_requirements: RequirementsBody,
    /// The attributes of the form, at most 10. A rule without any asks for the email address, the first and the last name.
    #[serde(default, deserialize_with = "objects")]
    #[cfg_attr(feature = "schema", schemars(length(max = 10)))]
    profile_attributes: Given<Vec<AttributeBody>>,
    /// The registration inline hook that is called: none or one.
    #[serde(default, deserialize_with = "objects")]
    #[cfg_attr(feature = "schema", schemars(length(max = 1)))]
    pre_registration_inline_hooks: Given<Vec<HookBody>>,
    /// Groups that new users are put into, at most 20.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(length(max = 20)))]
    target_group_ids: Given<Vec<String>>,
    /// Whether existing users are asked at sign-in for attributes of the form that they lack; `DISABLED` when absent.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Progressive>"))]
    progressive_profiling_action: Given<String>,
}

/// What new users need to become active.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "ProfileEnrollmentRequirementsRequest"))]
struct RequirementsBody {
    /// Whether they verify their email address; true when absent.
    #[serde(rename = "emailVerification", default)]
    email_verification: Given<bool>,
}

/// An attribute of a form.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "ProfileEnrollmentAttributeRequest"))]
struct AttributeBody {
    /// A name of the profile schema, or another one: such an attribute is sent to the inline hook and not stored.
    name: Given<String>,
    /// For people.
    label: Given<String>,
    /// Whether it must be filled in; false when absent.
    #[serde(default)]
    required: Given<bool>,
}

/// A registration inline hook.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "PreRegistrationInlineHookRequest"))]
#[serde(rename_all = "camelCase")]
struct HookBody {
    /// An active inline hook of the type `com.okta.user.pre-registration`.
    inline_hook_id: Given<String>,
    /// For whom it is called. Absent, it is called as before, and a new one for both.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "Option<RunFor>"))]
    run_for: Given<String>,
}

impl ResourceBody for EnrollmentRuleBody {
    const MEMBERS: Members = Members {
        taken: &[
            "type",
            "name",
            "status",
            "priority",
            "actions.profileEnrollment.access",
            "actions.profileEnrollment.unknownUserAction",
            "actions.profileEnrollment.activationRequirements.emailVerification",
            "actions.profileEnrollment.profileAttributes",
            "actions.profileEnrollment.preRegistrationInlineHooks",
            "actions.profileEnrollment.targetGroupIds",
            "actions.profileEnrollment.progressiveProfilingAction",
        ],
        read_only: &["id", "system", "created", "lastUpdated", "_links"],
        refused: &[
            ("actions.profileEnrollment.uiSchemaId", "There is one form, without a schema of its own: leave it out"),
            ("actions.profileEnrollment.enrollAuthenticatorTypes", "Who signs up chooses a password: leave it out"),
            ("actions.profileEnrollment.allowedIdentifiers", "A user signs in with the login: leave it out"),
        ],
    };
    type Request = EnrollmentRuleRequest;

    fn unsupported(body: &Value) -> Vec<String> {
        const ACTION: &str = "/actions/profileEnrollment";
        let mut problems = Self::MEMBERS.problems(body);
        problems.extend(ATTRIBUTE_MEMBERS.problems_of_items(body, &format!("{ACTION}/profileAttributes")));
        problems.extend(HOOK_MEMBERS.problems_of_items(body, &format!("{ACTION}/preRegistrationInlineHooks")));
        problems
    }

    fn into_request(self) -> EnrollmentRuleRequest {
        let action = self.actions.profile_enrollment;
        let attribute = |AttributeBody { name, label, required }| FormAttributeRequest { name, label, required };
        let hook = |HookBody { inline_hook_id, run_for }| EnrollmentHookRequest { inline_hook_id, run_for };
        EnrollmentRuleRequest {
            rule_type: self.rule_type,
            name: self.name,
            status: self.status,
            priority: self.priority,
            access: action.access,
            unknown_user_action: action.unknown_user_action,
            email_verification: action.activation_requirements.email_verification,
            profile_attributes: action.profile_attributes.map(|bodies| bodies.into_iter().map(attribute).collect()),
            hooks: action.pre_registration_inline_hooks.map(|bodies| bodies.into_iter().map(hook).collect()),
            target_group_ids: action.target_group_ids,
            progressive_profiling_action: action.progressive_profiling_action,
        }
    }
}

/// The rule of a profile enrollment policy as it is shown.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "ProfileEnrollmentRule"))]
#[serde(rename_all = "camelCase")]
pub(super) struct EnrollmentRuleAnswer {
    pub(super) id: Id,
    #[serde(rename = "type")]
    #[cfg_attr(feature = "schema", schemars(with = "EnrollmentType"))]
    kind: &'static str,
    /// Always active: a policy is deactivated as a whole.
    status: Status,
    name: String,
    /// Always 99.
    priority: u32,
    /// True: it belongs to its policy.
    system: bool,
    /// Always null.
    conditions: Option<Value>,
    created: Date,
    last_updated: Date,
    actions: Actions,
    #[serde(rename = "_links")]
    links: SelfLink,
}

/// What a rule does.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "ProfileEnrollmentActions"))]
#[serde(rename_all = "camelCase")]
struct Actions {
    profile_enrollment: EnrollmentAction,
}

/// Who signs up, and how.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "ProfileEnrollmentAction"))]
#[serde(rename_all = "camelCase")]
struct EnrollmentAction {
    access: Access,
    unknown_user_action: UnknownUser,
    activation_requirements: Requirements,
    profile_attributes: Vec<Attribute>,
    pre_registration_inline_hooks: Vec<Hook>,
    target_group_ids: Vec<Id>,
    progressive_profiling_action: Progressive,
}

/// Whether a rule does anything.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "ProfileEnrollmentAccess"))]
#[serde(rename_all = "UPPERCASE")]
enum Access {
    Allow,
    Deny,
}

/// What becomes of somebody without a user.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "UnknownUserAction"))]
#[serde(rename_all = "UPPERCASE")]
enum UnknownUser {
    Register,
    Deny,
}

/// Whether existing users are asked for what they lack.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "ProgressiveProfilingAction"))]
#[serde(rename_all = "UPPERCASE")]
enum Progressive {
    Enabled,
    Disabled,
}

/// For whom a registration inline hook is called.
#[cfg(feature = "schema")]
#[derive(schemars::JsonSchema)]
#[schemars(rename = "PreRegistrationInlineHookRunFor")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(dead_code, reason = "only its schema is used")]
enum RunFor {
    NewUsers,
    ExistingUsers,
    Both,
}

/// What new users need to become active.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "ProfileEnrollmentRequirements"))]
#[serde(rename_all = "camelCase")]
struct Requirements {
    email_verification: bool,
}

/// An attribute of a form.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "ProfileEnrollmentAttribute"))]
struct Attribute {
    name: String,
    label: String,
    required: bool,
}

/// A registration inline hook.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "PreRegistrationInlineHook"))]
#[serde(rename_all = "camelCase")]
struct Hook {
    inline_hook_id: Id,
    /// For whom it is called; absent for both.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<RunFor>"))]
    run_for: Option<&'static str>,
}

impl EnrollmentRuleAnswer {
    /// The rule of this policy.
    pub(super) fn of(base_url: &str, policy: EnrollmentPolicy) -> Self {
        let href = format!("{base_url}/api/v1/policies/{}/rules/{}", policy.id, policy.rule.id);
        let EnrollmentRule { id, name, created, last_updated, .. } = &policy.rule;
        Self {
            id: Id::of(id),
            kind: TYPE,
            status: Status::Active,
            name: name.clone(),
            priority: PRIORITY,
            system: true,
            conditions: None,
            created: Date(*created),
            last_updated: Date(*last_updated),
            actions: Actions { profile_enrollment: EnrollmentAction::of(policy.rule) },
            links: SelfLink { itself: Link::allowing(href, &["GET", "PUT"]) },
        }
    }
}

impl EnrollmentAction {
    fn of(rule: EnrollmentRule) -> Self {
        let attribute = |FormAttribute { name, label, required }| Attribute { name, label, required };
        let hook = |EnrollmentHook { hook, run_for }| Hook {
            inline_hook_id: Id::of(hook),
            run_for: run_for_in_words(run_for),
        };
        Self {
            access: match rule.access {
                EnrollmentAccess::Allow => Access::Allow,
                EnrollmentAccess::Deny => Access::Deny,
            },
            unknown_user_action: match rule.unknown_user_action {
                UnknownUserAction::Register => UnknownUser::Register,
                UnknownUserAction::Deny => UnknownUser::Deny,
            },
            activation_requirements: Requirements { email_verification: rule.email_verification },
            profile_attributes: rule.profile_attributes.into_iter().map(attribute).collect(),
            pre_registration_inline_hooks: rule.pre_registration_hook.into_iter().map(hook).collect(),
            target_group_ids: rule.target_group_ids.iter().map(Id::of).collect(),
            progressive_profiling_action: if rule.progressive_profiling {
                Progressive::Enabled
            } else {
                Progressive::Disabled
            },
        }
    }
}
