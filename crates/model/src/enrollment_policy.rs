//! Profile enrollment policies: how people sign up, and what existing users are asked for at sign-in (`clients.md` section 6).

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use tenterhook_contract::{
    Timestamp,
    id::{GroupId, HookId, PolicyId, RuleId},
    profile::{ProfileSchema, spelled},
};

use crate::{Configuration, Org, Profile, Status, UserSchema};

/// Attributes that a form may have (`registration.md` section 1).
pub const FORM_ATTRIBUTES_MAX: usize = 10;
/// Groups that new users are put into.
pub const TARGET_GROUPS_MAX: usize = 20;
/// Characters of the name of an attribute of a form.
pub const FORM_ATTRIBUTE_CHARACTERS_MAX: usize = 100;

/// Of the attributes that every user must have, one is enough to know the other.
const IDENTIFIERS: [&str; 2] = ["email", "login"];

/// A profile enrollment policy with its one rule.
///
/// Every org has a default policy. It is stored when it is changed for the first time; until then it is what
/// [`default_of`](Self::default_of) makes of the org.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnrollmentPolicy {
    /// The id.
    pub id: PolicyId,
    /// The name, unique among the org's profile enrollment policies.
    pub name: String,
    /// For people.
    pub description: String,
    /// In use or not: nobody signs up by a policy that is not in use, and nobody is asked for anything.
    pub status: Status,
    /// Whether it is the org's default policy.
    pub system: bool,
    /// Its rule.
    pub rule: EnrollmentRule,
    /// When it was created.
    pub created: Timestamp,
    /// When it was last changed, apart from its rule.
    pub last_updated: Timestamp,
}

/// The rule of a profile enrollment policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnrollmentRule {
    /// The id.
    pub id: RuleId,
    /// The name.
    pub name: String,
    /// Whether the rule does anything at all.
    pub access: EnrollmentAccess,
    /// Whether a person without a user signs up.
    pub unknown_user_action: UnknownUserAction,
    /// Whether new users prove that they receive mail at their address before they are active.
    pub email_verification: bool,
    /// The attributes of the form, [`FORM_ATTRIBUTES_MAX`] at most. Names that the profile schema does not have are sent to the
    /// hook and not stored.
    pub profile_attributes: Vec<FormAttribute>,
    /// The registration hook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pre_registration_hook: Option<EnrollmentHook>,
    /// Groups that new users are put into, [`TARGET_GROUPS_MAX`] at most. A group that was deleted stays named.
    pub target_group_ids: Vec<GroupId>,
    /// Whether existing users are asked at sign-in for attributes of the form that they lack.
    pub progressive_profiling: bool,
    /// When it was created.
    pub created: Timestamp,
    /// When it was last changed.
    pub last_updated: Timestamp,
}

/// Whether a rule does anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum EnrollmentAccess {
    /// It does what it says.
    Allow,
    /// Nobody signs up, and nobody is asked for anything.
    Deny,
}

/// Whether a person without a user signs up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum UnknownUserAction {
    /// The person signs up with the form.
    Register,
    /// The person does not sign up.
    Deny,
}

/// An attribute of a form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FormAttribute {
    /// The name, of the profile schema or not.
    pub name: String,
    /// For people.
    pub label: String,
    /// Whether it must be filled in.
    pub required: bool,
}

/// A registration hook, and for whom it is called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnrollmentHook {
    /// The hook.
    pub hook: HookId,
    /// For whom it is called.
    pub run_for: HookRunsFor,
}

/// The users for whom a registration hook is called (`open-questions.md` F1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum HookRunsFor {
    /// Only when somebody signs up.
    NewUsers,
    /// Only when an existing user fills in what was asked for at sign-in.
    ExistingUsers,
    /// For both.
    #[default]
    Both,
}

impl EnrollmentPolicy {
    /// The id of an org's default policy: the org's with the prefix of policies.
    pub fn default_id(org: &Org) -> PolicyId {
        // The rest of an id is of the same form for every kind, so that the fallback is never reached.
        id_like(org, PolicyId::PREFIX).unwrap_or_else(|| PolicyId::from_parts(0, [0; 8]))
    }

    /// An org's default policy as it is while nobody has changed it: nobody signs up, and nobody is asked for anything.
    pub fn initial_default(org: &Org) -> Self {
        // As above.
        let rule_id = id_like(org, RuleId::PREFIX).unwrap_or_else(|| RuleId::from_parts(0, [0; 8]));
        Self {
            id: Self::default_id(org),
            name: "Default Policy".to_owned(),
            description: "The policy of every app that has no other".to_owned(),
            status: Status::Active,
            system: true,
            rule: EnrollmentRule::new(rule_id, org.created),
            created: org.created,
            last_updated: org.created,
        }
    }

    /// An org's default policy.
    pub fn default_of<'a>(configuration: &'a Configuration, org: &Org) -> Cow<'a, Self> {
        let stored = configuration.enrollment_policies.get(&Self::default_id(org));
        stored.map_or_else(|| Cow::Owned(Self::initial_default(org)), Cow::Borrowed)
    }

    /// The policy with this id.
    pub fn find<'a>(configuration: &'a Configuration, org: &Org, id: &PolicyId) -> Option<Cow<'a, Self>> {
        let stored = configuration.enrollment_policies.get(id).map(Cow::Borrowed);
        stored.or_else(|| (*id == Self::default_id(org)).then(|| Cow::Owned(Self::initial_default(org))))
    }

    /// Every policy of an org: the default one, then the others in the order of their creation.
    pub fn all<'a>(configuration: &'a Configuration, org: &Org) -> impl Iterator<Item = Cow<'a, Self>> {
        let others = configuration.enrollment_policies.iter().filter(|policy| !policy.system).map(Cow::Borrowed);
        [Self::default_of(configuration, org)].into_iter().chain(others)
    }

    /// The policy of an app that names this one as its own: that policy if there is one, else the default one. A policy that
    /// is not in use is still the app's: its people are not handed to another policy.
    pub fn of_app<'a>(configuration: &'a Configuration, org: &Org, named: Option<&PolicyId>) -> Cow<'a, Self> {
        let own = named.and_then(|id| configuration.enrollment_policies.get(id)).map(Cow::Borrowed);
        own.unwrap_or_else(|| Self::default_of(configuration, org))
    }

    /// `source` of its hook's documents: stable for each policy (`open-questions.md` A19).
    ///
    /// ```
    /// use tenterhook_contract::Timestamp;
    /// use tenterhook_model::{EnrollmentPolicy, Org};
    /// let org = Org::new("00o00000000000000001".parse().unwrap(), None, "Default", Timestamp::from_micros(0));
    /// assert_eq!(EnrollmentPolicy::initial_default(&org).source(), "reg00000000000000001");
    /// ```
    pub fn source(&self) -> String {
        format!("reg{}", self.id.as_str().get(3..).unwrap_or_default())
    }

    /// Whether people without a user may sign up.
    pub fn registers(&self) -> bool {
        self.is_in_force() && self.rule.unknown_user_action == UnknownUserAction::Register
    }

    /// Whether existing users are asked at sign-in for what they lack.
    pub fn asks_existing_users(&self) -> bool {
        self.is_in_force() && self.rule.progressive_profiling
    }

    fn is_in_force(&self) -> bool {
        self.status == Status::Active && self.rule.access == EnrollmentAccess::Allow
    }
}

/// An id of another kind that has the org's characters.
fn id_like<T: std::str::FromStr>(org: &Org, prefix: &str) -> Option<T> {
    org.id.as_str().get(3..).and_then(|rest| format!("{prefix}{rest}").parse().ok())
}

impl EnrollmentRule {
    /// The rule of a new policy: nobody signs up, and nobody is asked for anything.
    pub fn new(id: RuleId, created: Timestamp) -> Self {
        Self {
            id,
            name: "Catch-all Rule".to_owned(),
            access: EnrollmentAccess::Allow,
            unknown_user_action: UnknownUserAction::Deny,
            email_verification: true,
            profile_attributes: Vec::new(),
            pre_registration_hook: None,
            target_group_ids: Vec::new(),
            progressive_profiling: false,
            created,
            last_updated: created,
        }
    }

    /// The hook that is called when somebody signs up.
    pub fn hook_for_new_users(&self) -> Option<&HookId> {
        self.hook_for(HookRunsFor::NewUsers)
    }

    /// The hook that is called when an existing user fills in what was asked for at sign-in.
    pub fn hook_for_existing_users(&self) -> Option<&HookId> {
        self.hook_for(HookRunsFor::ExistingUsers)
    }

    fn hook_for(&self, users: HookRunsFor) -> Option<&HookId> {
        let hook = self.pre_registration_hook.as_ref()?;
        (hook.run_for == users || hook.run_for == HookRunsFor::Both).then_some(&hook.hook)
    }

    /// What somebody who signs up is asked for, apart from the password.
    ///
    /// A rule without attributes asks for the email address, the first and the last name. What the profile schema requires is
    /// required here too; where the rule does not name it, it is asked for as well, unless a hook is called, which may set it.
    /// Of `email` and `login` one is enough, and the one that is there is required.
    ///
    /// ```
    /// use tenterhook_contract::Timestamp;
    /// use tenterhook_model::EnrollmentRule;
    /// let rule = EnrollmentRule::new("0pr00000000000000001".parse().unwrap(), Timestamp::from_micros(0));
    /// let names = rule.sign_up_form(None).into_iter().map(|attribute| attribute.name).collect::<Vec<_>>();
    /// assert_eq!(names, ["email", "firstName", "lastName"]);
    /// ```
    pub fn sign_up_form(&self, schema: Option<&UserSchema>) -> Vec<FormAttribute> {
        let profile = UserSchema::profile_schema(schema);
        let is_required = |name: &str| profile.attribute(name).is_some_and(|attribute| attribute.required);
        let mut form = self.profile_attributes.clone();
        if form.is_empty() {
            form.extend(["email", "firstName", "lastName"].map(|name| required_attribute(name, schema)));
        }
        for attribute in &mut form {
            attribute.required |= is_required(&attribute.name);
        }
        if self.hook_for_new_users().is_none() {
            let is_identified = names_an_identifier(&form);
            let missing = profile.attributes().filter(|attribute| attribute.required);
            let missing =
                missing.filter(|attribute| !(is_identified && IDENTIFIERS.contains(&attribute.name.as_str())));
            let missing = missing.filter(|attribute| !is_named(&form, &attribute.name));
            let missing: Vec<_> = missing.map(|attribute| required_attribute(&attribute.name, schema)).collect();
            form.extend(missing);
        }
        form
    }

    /// What an existing user with this profile is asked for at sign-in: the attributes that the rule names, that it or the schema
    /// requires, and that the user lacks. Empty when there are none.
    ///
    /// Attributes that the schema does not have cannot be lacking, because they are never stored: they are asked for when something
    /// else is. Attributes that users may not change ([`crate::SelfPermission`]) are not asked for. `schema` is that for validating
    /// profiles, with the attributes of `custom`.
    ///
    /// ```
    /// use tenterhook_contract::{Timestamp, profile::ProfileSchema};
    /// use tenterhook_model::{EnrollmentRule, FormAttribute, Profile};
    /// let mut rule = EnrollmentRule::new("0pr00000000000000001".parse().unwrap(), Timestamp::from_micros(0));
    /// rule.profile_attributes = vec![FormAttribute { name: "city".into(), label: "City".into(), required: true }];
    /// let ada = Profile::new("ada@example.com", "ada@example.com", "Ada", "Okoye");
    /// let asked = |profile: &Profile| rule.form_to_complete(None, &ProfileSchema::base(), profile).len();
    /// assert_eq!((asked(&ada), asked(&ada.clone().with("city", "Lagos"))), (1, 0));
    /// ```
    pub fn form_to_complete(
        &self,
        custom: Option<&UserSchema>,
        schema: &ProfileSchema,
        profile: &Profile,
    ) -> Vec<FormAttribute> {
        let mut lacks = false;
        let mut form = Vec::new();
        for asked in &self.profile_attributes {
            let Some(attribute) = schema.attribute(&asked.name) else {
                form.push(asked.clone());
                continue;
            };
            let is_written = UserSchema::is_written_by_users(custom, &asked.name);
            if (asked.required || attribute.required) && is_written && profile.lacks(&asked.name) {
                lacks = true;
                form.push(FormAttribute { required: true, ..asked.clone() });
            }
        }
        if lacks { form } else { Vec::new() }
    }
}

/// Whether the attributes of a form say who somebody is: there is `email` or `login`.
pub fn names_an_identifier(form: &[FormAttribute]) -> bool {
    IDENTIFIERS.into_iter().any(|identifier| is_named(form, identifier))
}

fn is_named(form: &[FormAttribute], name: &str) -> bool {
    form.iter().any(|attribute| spelled(&attribute.name) == spelled(name))
}

/// An attribute that nobody has given a label.
fn required_attribute(name: &str, schema: Option<&UserSchema>) -> FormAttribute {
    let label = match name {
        "login" => "Username",
        "email" => "Email",
        "firstName" => "First name",
        "lastName" => "Last name",
        name => schema.and_then(|schema| schema.attribute(name)).map_or(name, |attribute| attribute.title.as_str()),
    };
    FormAttribute { name: name.to_owned(), label: label.to_owned(), required: true }
}

/// Whether a form can have an attribute of this name: letters, digits, `_` and `-`, a letter first. It is part of a `location`
/// in an answer (`registration.md` section 4), where a dot would end it.
///
/// ```
/// use tenterhook_model::is_form_attribute_name;
/// assert!(is_form_attribute_name("inviteCode") && is_form_attribute_name("t-shirt_size"));
/// assert!(!is_form_attribute_name("") && !is_form_attribute_name("a.b") && !is_form_attribute_name("1st"));
/// ```
pub fn is_form_attribute_name(name: &str) -> bool {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    name.len() <= FORM_ATTRIBUTE_CHARACTERS_MAX
        && name.bytes().all(is_legal)
        && name.bytes().next().is_some_and(|first| first.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use serde_json::json;

    use super::*;
    use crate::{AttributeType, CustomAttribute, SelfPermission};

    fn org() -> Org {
        Org::new("00o0VcBGi8vsw7eM52y6".parse().unwrap(), None, "Default", Timestamp::from_micros(7_000))
    }

    fn policy(number: u8) -> EnrollmentPolicy {
        let id = PolicyId::from_parts(1, [number; 8]);
        EnrollmentPolicy { id, name: number.to_string(), system: false, ..EnrollmentPolicy::initial_default(&org()) }
    }

    fn named(name: &str, required: bool) -> FormAttribute {
        FormAttribute { name: name.to_owned(), label: format!("The {name}"), required }
    }

    fn schema(attributes: &[(&str, bool)]) -> UserSchema {
        let attribute = |&(name, required): &(&str, bool)| CustomAttribute {
            name: name.to_owned(),
            title: format!("Title of {name}"),
            description: None,
            values: AttributeType::Boolean,
            required,
            sensitive: false,
            permission: SelfPermission::ReadWrite,
        };
        let attributes = attributes.iter().map(attribute).collect();
        UserSchema { attributes, ..UserSchema::new(&org().id, Timestamp::from_micros(0)) }
    }

    #[test]
    fn an_org_has_its_default_policy_whether_or_not_it_was_changed() {
        let (org, none) = (org(), Configuration::default());
        let initial = EnrollmentPolicy::initial_default(&org);
        assert_eq!(
            (initial.id.as_str(), initial.rule.id.as_str(), initial.created),
            ("00p0VcBGi8vsw7eM52y6", "0pr0VcBGi8vsw7eM52y6", org.created)
        );
        assert!(initial.system && !initial.registers() && !initial.asks_existing_users());
        assert_eq!(*EnrollmentPolicy::default_of(&none, &org), initial);
        assert_eq!(EnrollmentPolicy::find(&none, &org, &initial.id).as_deref(), Some(&initial));
        assert_eq!(EnrollmentPolicy::find(&none, &org, &policy(1).id), None);
        let changed = EnrollmentPolicy { description: "Changed".to_owned(), ..initial.clone() };
        let stored = Configuration {
            enrollment_policies: [policy(1), changed.clone(), policy(2)].into_iter().collect(),
            ..Configuration::default()
        };
        assert_eq!(EnrollmentPolicy::find(&stored, &org, &initial.id).as_deref(), Some(&changed));
        let all: Vec<_> = EnrollmentPolicy::all(&stored, &org).map(|policy| policy.name.clone()).collect();
        assert_eq!(all, ["Default Policy", "1", "2"]);
        assert_eq!(EnrollmentPolicy::all(&none, &org).count(), 1);
    }

    #[test]
    fn an_app_has_the_policy_that_it_names_while_there_is_one() {
        let org = org();
        let inactive = EnrollmentPolicy { status: Status::Inactive, ..policy(1) };
        let configuration =
            Configuration { enrollment_policies: [inactive].into_iter().collect(), ..Configuration::default() };
        for (named, found) in
            [(None, "Default Policy"), (Some(policy(1).id), "1"), (Some(policy(2).id), "Default Policy")]
        {
            assert_eq!(EnrollmentPolicy::of_app(&configuration, &org, named.as_ref()).name, found, "{named:?}");
        }
    }

    #[test]
    fn a_policy_does_something_only_while_it_is_in_use_and_its_rule_allows() {
        let rule = EnrollmentRule {
            unknown_user_action: UnknownUserAction::Register,
            progressive_profiling: true,
            ..policy(1).rule
        };
        let open = EnrollmentPolicy { rule: rule.clone(), ..policy(1) };
        let denying = EnrollmentRule { access: EnrollmentAccess::Deny, ..rule.clone() };
        let closed = EnrollmentRule { unknown_user_action: UnknownUserAction::Deny, ..rule.clone() };
        let not_asking = EnrollmentRule { progressive_profiling: false, ..rule };
        for (policy, registers, asks) in [
            (open.clone(), true, true),
            (EnrollmentPolicy { status: Status::Inactive, ..open.clone() }, false, false),
            (EnrollmentPolicy { rule: denying, ..open.clone() }, false, false),
            (EnrollmentPolicy { rule: closed, ..open.clone() }, false, true),
            (EnrollmentPolicy { rule: not_asking, ..open }, true, false),
        ] {
            assert_eq!((policy.registers(), policy.asks_existing_users()), (registers, asks), "{policy:?}");
        }
    }

    #[test]
    fn a_hook_is_called_for_the_users_that_it_is_for() {
        let hook = HookId::from_parts(1, [1; 8]);
        for (run_for, new, existing) in [
            (HookRunsFor::NewUsers, true, false),
            (HookRunsFor::ExistingUsers, false, true),
            (HookRunsFor::Both, true, true),
        ] {
            let hook = Some(EnrollmentHook { hook: hook.clone(), run_for });
            let rule = EnrollmentRule { pre_registration_hook: hook, ..policy(1).rule };
            let called = (rule.hook_for_new_users().is_some(), rule.hook_for_existing_users().is_some());
            assert_eq!(called, (new, existing), "{run_for:?}");
        }
        assert_eq!(policy(1).rule.hook_for_new_users(), None);
    }

    #[test]
    fn a_form_asks_for_what_the_rule_names_and_for_what_the_schema_requires_and_no_hook_may_set() {
        let hook = |run_for| Some(EnrollmentHook { hook: HookId::from_parts(1, [1; 8]), run_for });
        let custom = schema(&[("tier", true), ("hobby", false)]);
        for (attributes, hook, schema, asked) in [
            (vec![], None, None, vec!["email!", "firstName!", "lastName!"]),
            (vec![], hook(HookRunsFor::Both), None, vec!["email!", "firstName!", "lastName!"]),
            (vec![named("email", false)], None, None, vec!["email!", "firstName!", "lastName!"]),
            (vec![named("email", false)], hook(HookRunsFor::NewUsers), None, vec!["email!"]),
            (
                vec![named("email", true)],
                hook(HookRunsFor::ExistingUsers),
                None,
                vec!["email!", "firstName!", "lastName!"],
            ),
            (
                vec![named("lastName", false), named("inviteCode", false), named("login", false)],
                None,
                Some(&custom),
                vec!["lastName!", "inviteCode", "login!", "firstName!", "tier!"],
            ),
            (
                vec![named("email", true), named("hobby", true), named("tier", false)],
                hook(HookRunsFor::Both),
                Some(&custom),
                vec!["email!", "hobby!", "tier!"],
            ),
        ] {
            let rule = EnrollmentRule {
                profile_attributes: attributes.clone(),
                pre_registration_hook: hook,
                ..policy(1).rule
            };
            let form = rule.sign_up_form(schema).into_iter();
            let form: Vec<_> =
                form.map(|FormAttribute { name, required, .. }| if required { name + "!" } else { name }).collect();
            assert_eq!(form, asked, "{attributes:?}");
        }
        let rule = EnrollmentRule { profile_attributes: vec![named("email", true)], ..policy(1).rule };
        let labels: Vec<_> = rule.sign_up_form(Some(&custom)).into_iter().map(|attribute| attribute.label).collect();
        assert_eq!(labels, ["The email", "First name", "Last name", "Title of tier"]);
    }

    #[test]
    fn an_existing_user_is_asked_for_what_is_required_and_lacking_and_then_for_what_is_the_hooks_alone() {
        let custom = schema(&[("tier", true), ("hobby", false)]);
        let schema = UserSchema::profile_schema(Some(&custom));
        let ada = Profile::new("ada@example.com", "ada@example.com", "Ada", "Okoye");
        let all = [
            named("email", true),
            named("inviteCode", true),
            named("tier", false),
            named("hobby", false),
            named("city", true),
            named("timeZone", true),
        ];
        for (attributes, profile, asked) in [
            (&all[..], ada.clone(), vec!["inviteCode!", "tier!", "city!", "timeZone!"]),
            (&all, ada.clone().with("tier", true).with("timezone", "Africa/Lagos"), vec!["inviteCode!", "city!"]),
            (&all, ada.clone().with("tier", false).with("timeZone", "x").with("city", "Lagos"), vec![]),
            (
                &all,
                ada.clone().with("tier", false).with("timeZone", "x").with("city", "  "),
                vec!["inviteCode!", "city!"],
            ),
            (&all[..2], ada.clone(), vec![]),
            (&[], ada, vec![]),
        ] {
            let rule = EnrollmentRule { profile_attributes: attributes.to_vec(), ..policy(1).rule };
            let form = rule.form_to_complete(Some(&custom), &schema, &profile).into_iter();
            let form: Vec<_> =
                form.map(|FormAttribute { name, required, .. }| if required { name + "!" } else { name }).collect();
            assert_eq!(form, asked, "{profile:?}");
        }
    }

    #[test]
    fn an_existing_user_is_not_asked_for_what_users_may_not_change() {
        let ada = Profile::new("ada@example.com", "ada@example.com", "Ada", "Okoye");
        let rule = EnrollmentRule {
            profile_attributes: vec![named("tier", true), named("inviteCode", true)],
            ..policy(1).rule
        };
        for (permission, asked) in
            [(SelfPermission::Hide, 0), (SelfPermission::ReadOnly, 0), (SelfPermission::ReadWrite, 2)]
        {
            let mut custom = schema(&[("tier", true)]);
            for attribute in &mut custom.attributes {
                attribute.permission = permission;
            }
            let judged = UserSchema::profile_schema(Some(&custom));
            assert_eq!(rule.form_to_complete(Some(&custom), &judged, &ada).len(), asked, "{permission:?}");
        }
    }

    #[test]
    fn what_is_stored_of_a_policy_comes_back() {
        let hook = EnrollmentHook { hook: HookId::from_parts(1, [1; 8]), run_for: HookRunsFor::NewUsers };
        let rule = EnrollmentRule {
            profile_attributes: vec![named("inviteCode", true)],
            pre_registration_hook: Some(hook),
            target_group_ids: vec![GroupId::from_parts(1, [1; 8])],
            ..policy(1).rule
        };
        let policy = EnrollmentPolicy { rule, ..policy(1) };
        let stored = serde_json::to_value(&policy).unwrap();
        assert_eq!(stored.pointer("/rule/preRegistrationHook/runFor"), Some(&json!("NEW_USERS")));
        assert_eq!(serde_json::from_value::<EnrollmentPolicy>(stored).unwrap(), policy);
    }
}
