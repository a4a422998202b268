//! Rules of access policies (`clients.md` section 2). A rule is where a token hook is put (`management-api.md` section 5).

use axum::Json;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tenterhook_contract::id::HookId;
use tenterhook_management::{
    policy_rules::{self as rules, Included, RulePath, RuleRequest, TYPE},
    request::Given,
};
use tenterhook_model::PolicyRule;

use super::{
    answer::{Created, Date, Id, Link, List, NoContent, SelfLink, Status},
    bindings::{BINDING_MEMBERS, BindingAnswer, BindingBody},
    call::{Body, Call, ResourceBody, below, objects},
    members::Members,
    paging::{Listed, listed},
    route::Routes,
};
use crate::error::ApiError;

pub(super) fn routes() -> Routes {
    const RULES: &str = "/api/v1/authorizationServers/{serverId}/policies/{policyId}/rules";
    const RULE: &str = "/api/v1/authorizationServers/{serverId}/policies/{policyId}/rules/{ruleId}";
    const ACTIVATE: &str =
        "/api/v1/authorizationServers/{serverId}/policies/{policyId}/rules/{ruleId}/lifecycle/activate";
    const DEACTIVATE: &str =
        "/api/v1/authorizationServers/{serverId}/policies/{policyId}/rules/{ruleId}/lifecycle/deactivate";
    Routes::of("Policy rules", "okta.authorizationServers")
        .get(RULES, "listRules", list)
        .post(RULES, "createRule", create)
        .get(RULE, "getRule", retrieve)
        .put(RULE, "replaceRule", replace)
        .delete(RULE, "deleteRule", delete)
        .post(ACTIVATE, "activateRule", activate)
        .post(DEACTIVATE, "deactivateRule", deactivate)
}

/// A rule as it is written. A new one must say whom and what it is for.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "PolicyRuleRequest"))]
#[serde(rename_all = "camelCase")]
pub(super) struct RuleBody {
    #[serde(rename = "type", default)]
    #[cfg_attr(feature = "schema", schemars(with = "Option<RuleType>"))]
    rule_type: Given<String>,
    /// Unique in its policy.
    name: Given<String>,
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Status>"))]
    status: Given<String>,
    /// Lower is tried first. A rule that is put at the priority of another one moves that one down.
    #[serde(default)]
    priority: Given<u32>,
    #[serde(default, deserialize_with = "below")]
    conditions: RuleConditionsBody,
    #[serde(default, deserialize_with = "below")]
    actions: RuleActionsBody,
}

/// Whom and what a rule is for.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "PolicyRuleConditionsRequest"))]
#[serde(rename_all = "camelCase")]
struct RuleConditionsBody {
    #[serde(default, deserialize_with = "below")]
    people: PeopleBody,
    #[serde(default, deserialize_with = "below")]
    clients: IncludedBody,
    /// Grant types by their names on the wire.
    #[serde(default, deserialize_with = "below")]
    grant_types: IncludedBody,
    /// Names of scopes; `*` allows all.
    #[serde(default, deserialize_with = "below")]
    scopes: IncludedBody,
}

/// The users that a rule is for.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "PolicyRulePeopleRequest"))]
struct PeopleBody {
    /// Ids of users.
    #[serde(default, deserialize_with = "below")]
    users: IncludedAndExcludedBody,
    /// `EVERYONE`, or the id of that group.
    #[serde(default, deserialize_with = "below")]
    groups: IncludedAndExcludedBody,
}

/// What a condition includes.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "IncludedRequest"))]
struct IncludedBody {
    #[serde(default)]
    include: Given<Vec<String>>,
}

/// What a condition includes and excludes.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "IncludedAndExcludedRequest"))]
struct IncludedAndExcludedBody {
    #[serde(default)]
    include: Given<Vec<String>>,
    #[serde(default)]
    exclude: Given<Vec<String>>,
}

impl From<IncludedAndExcludedBody> for Included {
    fn from(IncludedAndExcludedBody { include, exclude }: IncludedAndExcludedBody) -> Self {
        Self { include, exclude }
    }
}

/// What a rule does.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "PolicyRuleActionsRequest"))]
struct RuleActionsBody {
    #[serde(default, deserialize_with = "below")]
    token: TokenActionBody,
}

/// The tokens that a rule lets be issued.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "TokenActionRequest"))]
#[serde(rename_all = "camelCase")]
struct TokenActionBody {
    /// 5 to 1440 minutes.
    #[serde(default)]
    access_token_lifetime_minutes: Given<u32>,
    /// 0 for unlimited.
    #[serde(default)]
    refresh_token_lifetime_minutes: Given<u32>,
    /// Within which a refresh token must be used.
    #[serde(default)]
    refresh_token_window_minutes: Given<u32>,
    /// The token inline hook that is called; absent for none.
    #[serde(default)]
    inline_hook: Given<HookReferenceBody>,
    /// Several token inline hooks in the order in which they are called, or one with a condition; at most 20. The first one is
    /// also that of `inlineHook`, if the request has both. Absent, the stored list stays while `inlineHook` names its first hook.
    #[serde(default, deserialize_with = "objects")]
    #[cfg_attr(feature = "schema", schemars(length(max = 20)))]
    inline_hooks: Given<Vec<BindingBody>>,
}

/// An inline hook by its id.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "InlineHookReferenceRequest"))]
struct HookReferenceBody {
    id: Given<String>,
}

impl ResourceBody for RuleBody {
    const MEMBERS: Members = Members {
        taken: &[
            "type",
            "name",
            "status",
            "priority",
            "conditions.people.users.include",
            "conditions.people.users.exclude",
            "conditions.people.groups.include",
            "conditions.people.groups.exclude",
            "conditions.grantTypes.include",
            "conditions.scopes.include",
            "conditions.clients.include",
            "actions.token.accessTokenLifetimeMinutes",
            "actions.token.refreshTokenLifetimeMinutes",
            "actions.token.refreshTokenWindowMinutes",
            "actions.token.inlineHook",
            "actions.token.inlineHooks",
        ],
        read_only: &["id", "system", "created", "lastUpdated", "_links"],
        refused: &[],
    };
    type Request = RuleRequest;

    fn unsupported(body: &Value) -> Vec<String> {
        let mut problems = Self::MEMBERS.problems(body);
        problems.extend(BINDING_MEMBERS.problems_of_items(body, "/actions/token/inlineHooks"));
        problems
    }

    fn into_request(self) -> RuleRequest {
        let (conditions, token) = (self.conditions, self.actions.token);
        RuleRequest {
            rule_type: self.rule_type,
            name: self.name,
            status: self.status,
            priority: self.priority,
            users: conditions.people.users.into(),
            groups: conditions.people.groups.into(),
            clients: conditions.clients.include,
            grant_types: conditions.grant_types.include,
            scopes: conditions.scopes.include,
            access_token_lifetime_minutes: token.access_token_lifetime_minutes,
            refresh_token_lifetime_minutes: token.refresh_token_lifetime_minutes,
            refresh_token_window_minutes: token.refresh_token_window_minutes,
            inline_hook: token.inline_hook.map(|hook| hook.id),
            inline_hooks: BindingBody::into_requests(token.inline_hooks),
        }
    }
}

/// A rule as it is shown.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "PolicyRule"))]
#[serde(rename_all = "camelCase")]
pub(super) struct RuleAnswer {
    id: Id,
    #[serde(rename = "type")]
    #[cfg_attr(feature = "schema", schemars(with = "RuleType"))]
    rule_type: &'static str,
    name: String,
    priority: u32,
    status: Status,
    system: bool,
    conditions: RuleConditions,
    actions: RuleActions,
    created: Date,
    last_updated: Date,
    #[serde(rename = "_links")]
    links: SelfLink,
}

/// Whom and what a rule is for.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "PolicyRuleConditions"))]
#[serde(rename_all = "camelCase")]
struct RuleConditions {
    people: People,
    grant_types: Shown,
    scopes: Shown,
}

/// The users that a rule is for.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "PolicyRulePeople"))]
struct People {
    users: ShownWithExcluded,
    groups: ShownWithExcluded,
}

/// What a condition includes.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "Included"))]
struct Shown {
    include: Vec<String>,
}

/// What a condition includes and excludes.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "IncludedAndExcluded"))]
struct ShownWithExcluded {
    include: Vec<String>,
    exclude: Vec<String>,
}

/// What a rule does.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "PolicyRuleActions"))]
struct RuleActions {
    token: TokenAction,
}

/// The tokens that a rule lets be issued.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct TokenAction {
    access_token_lifetime_minutes: u32,
    refresh_token_lifetime_minutes: u32,
    refresh_token_window_minutes: u32,
    /// Absent when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    inline_hook: Option<HookReference>,
    /// Several hooks in the order in which they are called, or one with a condition. Absent when `inlineHook` says it all; else
    /// that is the first of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    inline_hooks: Option<Vec<BindingAnswer>>,
}

/// An inline hook where another resource names it.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "InlineHookReference"))]
struct HookReference {
    id: Id,
    #[serde(rename = "_links")]
    links: SelfLink,
}

/// The type of a rule.
#[cfg(feature = "schema")]
#[derive(schemars::JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
enum RuleType {
    #[serde(rename = "RESOURCE_ACCESS")]
    ResourceAccess,
}

impl RuleAnswer {
    fn of(base_url: &str, rule: PolicyRule) -> Self {
        let (server, policy) = (&rule.authorization_server_id, &rule.policy_id);
        let path = format!("/api/v1/authorizationServers/{server}/policies/{policy}/rules/{}", rule.id);
        let ids = |users: &[_]| users.iter().map(ToString::to_string).collect();
        let hook = |id: &HookId| HookReference {
            id: Id::of(id),
            links: SelfLink {
                itself: Link::allowing(format!("{base_url}/api/v1/inlineHooks/{id}"), &["GET", "PUT", "DELETE"]),
            },
        };
        let people = People {
            users: ShownWithExcluded { include: ids(&rule.people.users), exclude: ids(&rule.people.users_exclude) },
            groups: ShownWithExcluded { include: rule.people.groups, exclude: Vec::new() },
        };
        Self {
            id: Id::of(&rule.id),
            rule_type: TYPE,
            name: rule.name,
            priority: rule.priority,
            status: rule.status.into(),
            system: false,
            conditions: RuleConditions {
                people,
                grant_types: Shown { include: rule.grant_types },
                scopes: Shown { include: rule.scopes },
            },
            actions: RuleActions {
                token: TokenAction {
                    access_token_lifetime_minutes: rule.access_token_lifetime_minutes,
                    refresh_token_lifetime_minutes: rule.refresh_token_lifetime_minutes,
                    refresh_token_window_minutes: rule.refresh_token_window_minutes,
                    inline_hook: rule.hooks.first().map(hook),
                    inline_hooks: rule
                        .hooks
                        .is_list()
                        .then(|| rule.hooks.0.into_iter().map(BindingAnswer::of).collect()),
                },
            },
            created: Date(rule.created),
            last_updated: Date(rule.last_updated),
            links: SelfLink::to(format!("{base_url}{path}")),
        }
    }
}

impl Listed for RuleAnswer {
    fn id(&self) -> &str {
        &self.id.0
    }
}

async fn list(call: Call) -> Result<List<RuleAnswer>, ApiError> {
    let rules = rules::list(call.platform(), call.administrator(), policy(&call))?;
    listed(&call, rules.into_iter().map(|rule| RuleAnswer::of(call.base_url(), rule)))
}

async fn create(call: Call<Body<RuleBody>>) -> Result<Created<RuleAnswer>, ApiError> {
    let rule = rules::create(call.platform(), call.administrator(), policy(&call), &call.body.0).await?;
    Ok(Created(RuleAnswer::of(call.base_url(), rule)))
}

async fn retrieve(call: Call) -> Result<Json<RuleAnswer>, ApiError> {
    let rule = rules::get(call.platform(), call.administrator(), path(&call))?;
    Ok(Json(RuleAnswer::of(call.base_url(), rule)))
}

async fn replace(call: Call<Body<RuleBody>>) -> Result<Json<RuleAnswer>, ApiError> {
    let rule = rules::replace(call.platform(), call.administrator(), path(&call), &call.body.0).await?;
    Ok(Json(RuleAnswer::of(call.base_url(), rule)))
}

async fn delete(call: Call) -> Result<NoContent, ApiError> {
    rules::delete(call.platform(), call.administrator(), path(&call)).await?;
    Ok(NoContent)
}

async fn activate(call: Call) -> Result<NoContent, ApiError> {
    rules::activate(call.platform(), call.administrator(), path(&call)).await?;
    Ok(NoContent)
}

async fn deactivate(call: Call) -> Result<NoContent, ApiError> {
    rules::deactivate(call.platform(), call.administrator(), path(&call)).await?;
    Ok(NoContent)
}

fn policy<B>(call: &Call<B>) -> (&str, &str) {
    (call.id("serverId"), call.id("policyId"))
}

fn path<B>(call: &Call<B>) -> RulePath<'_> {
    (call.id("serverId"), call.id("policyId"), call.id("ruleId"))
}
