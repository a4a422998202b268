//! Rules of access policies.

use tenterhook_contract::{
    BuiltInType, Timestamp,
    hook::InlineHook,
    id::{GroupId, HookId, UserId},
    problem::shown,
};
use tenterhook_model::{AccessPolicy, EVERYONE, PolicyRule, RuleHooks, RulePeople, Status, everyone_id};
use tenterhook_platform::{OrgSnapshot, Platform};

use crate::{
    access_policies,
    administrator::{Administrator, ManagementError, OBJECTS_MAX, check_room, org_of},
    associations::{TOKEN_RULE, hook_of_type},
    authorization_servers::find_below_server,
    bindings::{BindingPlace, BindingRequest},
    priority::{Prioritised, behind_all, put_at_its_priority, read_priority},
    provision::rule_of,
    request::{BLANK, Causes, Given, ITEMS_MAX, NAME_ONE, Submitted},
    resource::{Change, Done, Resource, Switchable, changed, check_unique, find_below, set_status},
    scopes,
};

/// The subject of an error's summary.
pub(crate) const MODEL: &str = "policyRule";
/// `type` of a rule.
pub const TYPE: &str = "RESOURCE_ACCESS";
/// The grant types that a rule may name: those that the vendor's rules know, so that configurations written for the vendor are
/// accepted. Naming one does not make the token endpoint grant it.
const KNOWN_GRANT_TYPES: [&str; 15] = [
    "authorization_code",
    "client_credentials",
    "refresh_token",
    "implicit",
    "password",
    "interaction_code",
    "urn:ietf:params:oauth:grant-type:device_code",
    "urn:ietf:params:oauth:grant-type:jwt-bearer",
    "urn:ietf:params:oauth:grant-type:saml2-bearer",
    "urn:ietf:params:oauth:grant-type:token-exchange",
    "urn:openid:params:grant-type:ciba",
    "urn:okta:params:oauth:grant-type:oob",
    "urn:okta:params:oauth:grant-type:otp",
    "http://auth0.com/oauth/grant-type/mfa-oob",
    "http://auth0.com/oauth/grant-type/mfa-otp",
];
/// The name that stands for every scope.
const EVERY_SCOPE: &str = "*";
const GRANT_TYPES: &str = "conditions.grantTypes.include";
const SCOPES: &str = "conditions.scopes.include";
const USERS: &str = "conditions.people.users.include";
const USERS_EXCLUDED: &str = "conditions.people.users.exclude";
const GROUPS: &str = "conditions.people.groups.include";
const ACCESS_LIFETIME: &str = "actions.token.accessTokenLifetimeMinutes";
const REFRESH_LIFETIME: &str = "actions.token.refreshTokenLifetimeMinutes";
const REFRESH_WINDOW: &str = "actions.token.refreshTokenWindowMinutes";
const HOOKS: &str = "actions.token.inlineHooks";
const WAITS_FOR_ITSELF: &str = "The channel of the inline hook gets its access tokens from this authorization server, whose \
                                tokens would wait for the inline hook. Use another token URL";

/// What a request says of a rule. The rule is where a token hook is associated (`management-api.md` section 5).
#[derive(Clone, Debug, Default)]
pub struct RuleRequest {
    /// [`TYPE`].
    pub rule_type: Given<String>,
    /// The name.
    pub name: Given<String>,
    /// `ACTIVE` or `INACTIVE`.
    pub status: Given<String>,
    /// Lower is tried first.
    pub priority: Given<u32>,
    /// Users that it is for, and users that it is not for.
    pub users: Included,
    /// Groups of the same.
    pub groups: Included,
    /// Clients; a policy names them.
    pub clients: Given<Vec<String>>,
    /// Grant types that it is for.
    pub grant_types: Given<Vec<String>>,
    /// Scopes that it allows.
    pub scopes: Given<Vec<String>>,
    /// Minutes an access token lives.
    pub access_token_lifetime_minutes: Given<u32>,
    /// Minutes a refresh token lives.
    pub refresh_token_lifetime_minutes: Given<u32>,
    /// Minutes within which a refresh token must be used.
    pub refresh_token_window_minutes: Given<u32>,
    /// The id of the token hook; nothing takes it away.
    pub inline_hook: Given<Given<String>>,
    /// Several token hooks, or one with a condition.
    pub inline_hooks: Given<Vec<BindingRequest>>,
}

/// What a condition includes and excludes.
#[derive(Clone, Debug, Default)]
pub struct Included {
    /// Names or ids.
    pub include: Given<Vec<String>>,
    /// The same.
    pub exclude: Given<Vec<String>>,
}

impl Resource for PolicyRule {
    const KIND: &'static str = "AuthorizationServerPolicyRule";
    const TARGET: &'static str = "PolicyRule";

    fn name(&self) -> &str {
        &self.name
    }

    fn event(done: Done) -> (String, String) {
        match done {
            Done::Created => ("policy.rule.add".to_owned(), "Add policy rule".to_owned()),
            _ => (format!("policy.rule.{}", done.verb()), done.sentence("policy rule")),
        }
    }
}

impl Switchable for PolicyRule {
    fn status(&self) -> Status {
        self.status
    }

    fn with_status(&self, status: Status, last_updated: Timestamp) -> Self {
        Self { status, last_updated, ..self.clone() }
    }
}

impl Prioritised for PolicyRule {
    fn priority(&self) -> u32 {
        self.priority
    }

    fn at(self, priority: u32, last_updated: Timestamp) -> Self {
        Self { priority, last_updated, ..self }
    }
}

/// A rule by the ids of its path: of its server, of its policy, its own.
pub type RulePath<'a> = (&'a str, &'a str, &'a str);

/// Every rule of a policy.
pub fn list(
    platform: &Platform,
    administrator: &Administrator,
    policy: (&str, &str),
) -> Result<Vec<PolicyRule>, ManagementError> {
    let org = org_of(platform, administrator)?;
    Ok(org.configuration.rules.below(&find_policy(&org, policy)?.id).cloned().collect())
}

/// One rule.
pub fn get(
    platform: &Platform,
    administrator: &Administrator,
    path: RulePath<'_>,
) -> Result<PolicyRule, ManagementError> {
    find(&*org_of(platform, administrator)?, path).cloned()
}

/// Adds a rule to a policy, after the others unless the request names its priority. Conditions have no defaults: the request
/// must name people, grant types and scopes.
pub async fn create(
    platform: &Platform,
    administrator: &Administrator,
    path: (&str, &str),
    submitted: &Submitted<RuleRequest>,
) -> Result<PolicyRule, ManagementError> {
    let now = platform.now().whole_seconds();
    let unknown = unknown_groups(platform, administrator, submitted).await?;
    changed(platform, administrator, Done::Created, |org| {
        let policy = find_policy(org, path)?;
        let (grant_types, scopes, people) = (Vec::new(), Vec::new(), RulePeople::default());
        let rule = rule_of(platform, policy, "", behind_all::<PolicyRule>(org, &policy.id));
        let rule = read(org, (submitted, &unknown), PolicyRule { grant_types, scopes, people, ..rule })?;
        check_unique(org, &rule)?;
        let rules = org.configuration.rules.below(&policy.id).count();
        check_room("name", ("policy", "rules"), rules, OBJECTS_MAX)?;
        put_at_its_priority(org, rule, now)
    })
    .await
}

/// Replaces a rule.
pub async fn replace(
    platform: &Platform,
    administrator: &Administrator,
    path: RulePath<'_>,
    submitted: &Submitted<RuleRequest>,
) -> Result<PolicyRule, ManagementError> {
    let now = platform.now().whole_seconds();
    let unknown = unknown_groups(platform, administrator, submitted).await?;
    changed(platform, administrator, Done::Updated, |org| {
        let stored = find(org, path)?;
        let rule = PolicyRule { last_updated: now, ..read(org, (submitted, &unknown), stored.clone())? };
        check_unique(org, &rule)?;
        put_at_its_priority(org, rule, now)
    })
    .await
}

/// Deletes a rule.
pub async fn delete(
    platform: &Platform,
    administrator: &Administrator,
    path: RulePath<'_>,
) -> Result<(), ManagementError> {
    changed(platform, administrator, Done::Deleted, |org| Ok(Change::delete(find(org, path)?.clone(), [])))
        .await
        .map(drop)
}

/// Activates a rule; an active one stays as it is.
pub async fn activate(
    platform: &Platform,
    administrator: &Administrator,
    path: RulePath<'_>,
) -> Result<(), ManagementError> {
    set_status(platform, administrator, Status::Active, |org| find(org, path)).await
}

/// Deactivates a rule, which then takes no part; an inactive one stays as it is.
pub async fn deactivate(
    platform: &Platform,
    administrator: &Administrator,
    path: RulePath<'_>,
) -> Result<(), ManagementError> {
    set_status(platform, administrator, Status::Inactive, |org| find(org, path)).await
}

/// The groups that a request names and that the org does not have: at the moment before it is judged, because groups are no part
/// of the configuration. One that is deleted later stays named, and is nobody's.
async fn unknown_groups(
    platform: &Platform,
    administrator: &Administrator,
    submitted: &Submitted<RuleRequest>,
) -> Result<Vec<String>, ManagementError> {
    let org = &administrator.token.org_id;
    let everyone = everyone_id(org);
    let named = submitted.request.groups.include.value().into_iter().flatten();
    let mut unknown: Vec<_> =
        named.filter(|group| *group != EVERYONE && **group != everyone.as_str()).cloned().collect();
    // More than a list may have are refused as such.
    let ids: Vec<GroupId> = unknown.iter().take(ITEMS_MAX).filter_map(|group| group.parse().ok()).collect();
    if !ids.is_empty() {
        let known = platform.store().groups_that_exist(org, &ids).await?;
        unknown.retain(|group| known.iter().all(|known| known.as_str() != group));
    }
    Ok(unknown)
}

/// Reads a request, with the groups that it names and the org does not have, over `rule`: a member that is absent keeps its stored value.
fn read(
    org: &OrgSnapshot,
    (submitted, unknown_groups): (&Submitted<RuleRequest>, &[String]),
    rule: PolicyRule,
) -> Result<PolicyRule, ManagementError> {
    let (request, mut causes) = (&submitted.request, Causes::of(MODEL, submitted));
    causes.constant("type", &request.rule_type, TYPE);
    let name = causes.line("name", &request.name);
    let status = causes.status(&request.status, rule.status);
    let priority = read_priority(&mut causes, &request.priority, rule.priority);
    let grant_types = included(&mut causes, GRANT_TYPES, &request.grant_types, &rule.grant_types);
    // A rule keeps what an older version has stored.
    let known = |name: &String| KNOWN_GRANT_TYPES.contains(&name.as_str()) || rule.grant_types.contains(name);
    for unknown in grant_types.iter().filter(|name| !known(name)) {
        let why = "is no grant type. Write `authorization_code`, `client_credentials`, `password` or `refresh_token`; the \
                   other grant types of the vendor may be named too, but are not granted";
        causes.add(GRANT_TYPES, &format!("`{}` {why}", shown(unknown)));
    }
    let scopes = included(&mut causes, SCOPES, &request.scopes, &rule.scopes);
    let known = |name: &String| name == EVERY_SCOPE || rule.scopes.contains(name);
    let or = format!(", or `{EVERY_SCOPE}` for every scope");
    scopes::refuse_unknown(&mut causes, SCOPES, (org, &rule.authorization_server_id), &scopes, known, &or);
    let people = read_people(&mut causes, (request, unknown_groups), &rule.people, &grant_types);
    refuse_other_conditions(&mut causes, request);
    let given = &request.access_token_lifetime_minutes;
    let access = causes.plain(ACCESS_LIFETIME, given, rule.access_token_lifetime_minutes);
    if !(5..=1_440).contains(&access) {
        causes.add(ACCESS_LIFETIME, "Write 5 to 1440 minutes");
    }
    let given = &request.refresh_token_lifetime_minutes;
    let refresh = causes.plain(REFRESH_LIFETIME, given, rule.refresh_token_lifetime_minutes);
    let given = &request.refresh_token_window_minutes;
    let window = causes.plain(REFRESH_WINDOW, given, rule.refresh_token_window_minutes);
    let hooks = read_hooks(org, &mut causes, request, &rule);
    causes.finish()?;
    Ok(PolicyRule {
        name,
        status,
        priority,
        grant_types,
        scopes,
        people,
        access_token_lifetime_minutes: access,
        refresh_token_lifetime_minutes: refresh,
        refresh_token_window_minutes: window,
        hooks,
        ..rule
    })
}

/// The hooks of a rule, of the vendor's `inlineHook` and of our `inlineHooks`, which a rule has only when it says more than the
/// vendor's member can.
///
/// Without `inlineHooks` a list stays as it is as long as `inlineHook` names its first hook: a client that knows the vendor's
/// member alone and puts a rule back as it got it takes nothing away. Where `inlineHook` says something else, or nothing, it is
/// what the rule has.
fn read_hooks(org: &OrgSnapshot, causes: &mut Causes, request: &RuleRequest, rule: &PolicyRule) -> RuleHooks {
    let refuses =
        |hook: &InlineHook| org.is_secured_by(hook, &rule.authorization_server_id).then_some(WAITS_FOR_ITSELF);
    let hook_type = BuiltInType::Token.name();
    let one = match &request.inline_hook {
        Given::Absent => None,
        given => {
            let id = match given {
                Given::Is(id) => id.value().and_then(|id| id.parse::<HookId>().ok()),
                _ => None,
            };
            match hook_of_type(org, hook_type, id.as_ref()).map(refuses) {
                Ok(why) => why.into_iter().for_each(|why| causes.add(TOKEN_RULE.member, why)),
                Err(why) => causes.add(TOKEN_RULE.member, &why),
            }
            Some(id)
        }
    };
    let Some(requests) = causes.given(HOOKS, &request.inline_hooks) else {
        return match one.flatten() {
            Some(id) if rule.hooks.first() == Some(&id) => rule.hooks.clone(),
            id => id.map(RuleHooks::one).unwrap_or_default(),
        };
    };
    let before = causes.len();
    let place = BindingPlace {
        org,
        member: HOOKS,
        id: "inlineHookId",
        in_words: ("A rule", "inline hooks"),
        hook_type,
        declaration: None,
        refuses,
    };
    let hooks = RuleHooks(place.read(causes, requests));
    if causes.len() == before && one.is_some_and(|id| id.as_ref() != hooks.first()) {
        causes.add(
            HOOKS,
            "The first inline hook is not the one of `actions.token.inlineHook`. Leave that member out, or name the same hook \
             in both",
        );
    }
    hooks
}

/// The items of a condition: those of the request, else the stored ones. It must have one at least: a condition without items
/// matches nothing, and no item is included by default.
fn included(causes: &mut Causes, member: &str, given: &Given<Vec<String>>, stored: &[String]) -> Vec<String> {
    match causes.listed(member, given) {
        None if stored.is_empty() => causes.add(member, BLANK),
        None => return stored.to_vec(),
        Some(items) if items.is_empty() && !causes.has(member) => causes.add(member, NAME_ONE),
        Some(items) => return items,
    }
    Vec::new()
}

/// Whom the rule is for. Each list that the request does not have is the stored one.
fn read_people(
    causes: &mut Causes,
    (request, unknown_groups): (&RuleRequest, &[String]),
    stored: &RulePeople,
    grant_types: &[String],
) -> RulePeople {
    let groups = causes.listed(GROUPS, &request.groups.include).unwrap_or_else(|| stored.groups.clone());
    // A rule keeps the id of a group that was deleted: without it the rule would be for somebody else.
    for unknown in unknown_groups.iter().filter(|group| !stored.groups.contains(group)) {
        causes.add(GROUPS, &format!("There is no group `{}`. Name ids of groups, or `{EVERYONE}`", shown(unknown)));
    }
    let users = read_users(causes, USERS, &request.users.include, &stored.users);
    let users_exclude = read_users(causes, USERS_EXCLUDED, &request.users.exclude, &stored.users_exclude);
    let people = RulePeople { users, users_exclude, groups };
    // There is no user to be among the people when a client acts for itself.
    let has_users = grant_types.iter().any(|grant_type| grant_type != "client_credentials");
    let nobody = people.groups.is_empty() && people.users.is_empty();
    if nobody && has_users && ![GROUPS, USERS].into_iter().any(|member| causes.has(member)) {
        causes.add(USERS, "Name user ids, ids of groups, or the group `EVERYONE`");
    }
    people
}

fn read_users(causes: &mut Causes, member: &str, given: &Given<Vec<String>>, stored: &[UserId]) -> Vec<UserId> {
    let Some(named) = causes.listed(member, given) else { return stored.to_vec() };
    let users: Option<Vec<UserId>> = named.iter().map(|id| id.parse().ok()).collect();
    users.unwrap_or_else(|| {
        causes.add(member, "Name user ids");
        Vec::new()
    })
}

/// Conditions that nothing evaluates: a rule that says them must not apply to everyone instead.
fn refuse_other_conditions(causes: &mut Causes, request: &RuleRequest) {
    for (member, given, allowed, text) in [
        (
            "conditions.people.groups.exclude",
            &request.groups.exclude,
            None,
            "Excluding groups is not supported: name the users to include or to exclude",
        ),
        (
            "conditions.clients.include",
            &request.clients,
            Some(access_policies::EVERY_CLIENT),
            "Clients in a rule are not supported: name them in the policy",
        ),
    ] {
        if causes.texts(member, given).iter().any(|item| Some(item.as_str()) != allowed) {
            causes.add(member, text);
        }
    }
}

fn find_policy<'a>(org: &'a OrgSnapshot, path: (&str, &str)) -> Result<&'a AccessPolicy, ManagementError> {
    find_below_server(org, path)
}

fn find<'a>(org: &'a OrgSnapshot, (server, policy, id): RulePath<'_>) -> Result<&'a PolicyRule, ManagementError> {
    find_below(org, &find_policy(org, (server, policy))?.id, id)
}
