//! Claim definitions of authorization servers.

use tenterhook_contract::token::reserved::BOTH;
use tenterhook_model::{
    ClaimDefinition, ClaimSource, ClaimTarget, ConfigurationRecord as _, Expression, GroupFilter, GroupFilterKind,
    GroupPattern,
};
use tenterhook_platform::{OrgSnapshot, Platform};

use crate::{
    administrator::{Administrator, ManagementError, OBJECTS_MAX, check_room, org_of},
    authorization_servers::{self, below_server, find_below_server},
    expressions, patterns,
    provision::claim_of,
    request::{Causes, Given, Submitted, none_of},
    resource::{Change, Done, Resource, changed, check_unique},
    scopes,
};

/// The subject of an error's summary.
pub(crate) const MODEL: &str = "claim";
const SCOPES: &str = "conditions.scopes";
/// `valueType` of a claim whose value is that of an expression.
const EXPRESSION: &str = "EXPRESSION";
/// `valueType` of a claim whose value is the names of groups.
const GROUPS: &str = "GROUPS";

/// What a request says of a claim.
#[derive(Clone, Debug, Default)]
pub struct ClaimRequest {
    /// The claim's name.
    pub name: Given<String>,
    /// `ACTIVE` or `INACTIVE`.
    pub status: Given<String>,
    /// `RESOURCE`, for access tokens, or `IDENTITY`, for ID tokens.
    pub claim_type: Given<String>,
    /// `EXPRESSION` or `GROUPS`.
    pub value_type: Given<String>,
    /// The expression, or the text that names of groups are compared with.
    pub value: Given<String>,
    /// How names of groups are compared.
    pub group_filter_type: Given<String>,
    /// The member that says it in this request.
    pub group_filter_member: FilterMember,
    /// Whether ID tokens have it; else only user information does.
    pub always_include_in_token: Given<bool>,
    /// The scopes of which one must be granted; always when empty.
    pub scopes: Given<Vec<String>>,
}

/// The names under which clients write how names of groups are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FilterMember {
    /// `group_filter_type`
    #[default]
    SnakeCase,
    /// `groupFilterType`
    CamelCase,
}

impl FilterMember {
    fn name(self) -> &'static str {
        match self {
            Self::SnakeCase => "group_filter_type",
            Self::CamelCase => "groupFilterType",
        }
    }
}

impl Resource for ClaimDefinition {
    const KIND: &'static str = "Claim";
    const TARGET: &'static str = "Claim";

    fn name(&self) -> &str {
        &self.name
    }

    /// Access tokens and ID tokens have claims of their own.
    fn takes_name_of(&self, other: &Self) -> bool {
        self.name == other.name && self.target == other.target
    }

    fn event(done: Done) -> (String, String) {
        let past = done.past();
        (format!("oauth2.claim.{past}"), format!("OAuth2 claim has been {past}"))
    }
}

/// Every claim of a server.
pub fn list(
    platform: &Platform,
    administrator: &Administrator,
    server: &str,
) -> Result<Vec<ClaimDefinition>, ManagementError> {
    let org = org_of(platform, administrator)?;
    Ok(below_server(&org, server)?.cloned().collect())
}

/// One claim.
pub fn get(
    platform: &Platform,
    administrator: &Administrator,
    path: (&str, &str),
) -> Result<ClaimDefinition, ManagementError> {
    find_below_server(&*org_of(platform, administrator)?, path).cloned()
}

/// Adds a claim to a server.
pub async fn create(
    platform: &Platform,
    administrator: &Administrator,
    server: &str,
    submitted: &Submitted<ClaimRequest>,
) -> Result<ClaimDefinition, ManagementError> {
    let _compiled = compiled(&submitted.request).await;
    changed(platform, administrator, Done::Created, |org| {
        let id = &authorization_servers::find(org, server)?.id;
        let claim = read(org, submitted, claim_of(platform, id, "", Expression::constant("")))?;
        check_unique(org, &claim)?;
        let claims = below_server::<ClaimDefinition>(org, server)?.count();
        check_room("name", ("authorization server", "claims"), claims, OBJECTS_MAX)?;
        Ok(Change::put(claim))
    })
    .await
}

/// Replaces a claim.
pub async fn replace(
    platform: &Platform,
    administrator: &Administrator,
    path: (&str, &str),
    submitted: &Submitted<ClaimRequest>,
) -> Result<ClaimDefinition, ManagementError> {
    let _compiled = compiled(&submitted.request).await;
    changed(platform, administrator, Done::Updated, |org| {
        let claim = read(org, submitted, find_below_server::<ClaimDefinition>(org, path)?.clone())?;
        check_unique(org, &claim)?;
        Ok(Change::put(claim))
    })
    .await
}

/// Deletes a claim.
pub async fn delete(
    platform: &Platform,
    administrator: &Administrator,
    path: (&str, &str),
) -> Result<(), ManagementError> {
    changed(platform, administrator, Done::Deleted, |org| {
        Ok(Change::delete(find_below_server::<ClaimDefinition>(org, path)?.clone(), []))
    })
    .await
    .map(drop)
}

/// Reads a request over `claim`. A member that is absent keeps its default or its stored value, but for those that every
/// claim has.
fn read(
    org: &OrgSnapshot,
    submitted: &Submitted<ClaimRequest>,
    claim: ClaimDefinition,
) -> Result<ClaimDefinition, ManagementError> {
    let (request, mut causes) = (&submitted.request, Causes::of(MODEL, submitted));
    let name = causes.line("name", &request.name);
    let target = match causes.text("claimType", &request.claim_type).as_str() {
        "IDENTITY" => ClaimTarget::Identity,
        "RESOURCE" => ClaimTarget::Access,
        _ => {
            causes.add("claimType", "Write `IDENTITY` or `RESOURCE`");
            ClaimTarget::Access
        }
    };
    // `groups` is reserved for hooks only: a definition may have the name.
    if BOTH.contains(&name.as_str()) && name != "groups" {
        causes.add("name", "The claim is one of the token's own");
    }
    let source = match &request.value_type {
        Given::Is(kind) if kind == GROUPS => read_groups(&mut causes, request, &claim.source),
        value_type => {
            causes.only("valueType", value_type, EXPRESSION, "Write `EXPRESSION` or `GROUPS`");
            if request.group_filter_type.is_given() {
                causes.add(
                    request.group_filter_member.name(),
                    "Only a claim of `valueType` `GROUPS` has a filter of groups",
                );
            }
            read_expression(&mut causes, org, request, &claim.source)
        }
    };
    let included = &request.always_include_in_token;
    let always_include_in_token = causes.plain("alwaysIncludeInToken", included, claim.always_include_in_token);
    if target == ClaimTarget::Access && !always_include_in_token {
        causes.add("alwaysIncludeInToken", "The claims of an access token are always in it");
    }
    let scopes = causes.listed(SCOPES, &request.scopes).unwrap_or_else(|| claim.scopes.clone());
    let known = |name: &String| claim.scopes.contains(name);
    scopes::refuse_unknown(&mut causes, SCOPES, (org, &claim.authorization_server_id), &scopes, known, "");
    let status = causes.status(&request.status, claim.status);
    if causes.is_empty() {
        let others = ClaimDefinition::list(&org.configuration).below(&claim.authorization_server_id);
        let others = others.filter(|other| other.id != claim.id).flat_map(|other| patterns_of(&other.source));
        let named: Vec<_> = patterns_of(&source).into_iter().map(|pattern| ("value".to_owned(), pattern)).collect();
        patterns::check(&mut causes, "The claims of an authorization server have", others, &named);
    }
    causes.finish()?;
    Ok(ClaimDefinition { name, target, source, always_include_in_token, scopes, status, ..claim })
}

/// The regular expressions of a request, compiled: the change, which other changes of the org wait for, finds them so. What is wrong
/// with the request is said there.
async fn compiled(request: &ClaimRequest) -> Vec<GroupPattern> {
    let Some(value) = request.value.value() else { return Vec::new() };
    let patterns: Vec<_> = if request.value_type.value().is_some_and(|kind| kind == GROUPS) {
        let kind = request
            .group_filter_type
            .value()
            .map_or(Some(GroupFilterKind::Regex), |name| GroupFilterKind::of_name(name));
        let filter = kind.and_then(|kind| GroupFilter::new(kind, value).ok());
        filter.iter().filter_map(GroupFilter::pattern).cloned().collect()
    } else {
        let expression = Expression::parse(value).ok();
        expression.iter().flat_map(Expression::patterns).cloned().collect()
    };
    patterns::compiled(patterns).await
}

/// The regular expressions of a claim.
fn patterns_of(source: &ClaimSource) -> Vec<&GroupPattern> {
    match source {
        ClaimSource::Expression(expression) => expression.patterns(),
        ClaimSource::Groups(filter) => filter.pattern().into_iter().collect(),
    }
}

/// The expression of a request, or else the `stored` source.
fn read_expression(
    causes: &mut Causes,
    org: &OrgSnapshot,
    request: &ClaimRequest,
    stored: &ClaimSource,
) -> ClaimSource {
    let value = causes.text("value", &request.value);
    let known = match stored {
        ClaimSource::Expression(expression) => Some(expression),
        ClaimSource::Groups(_) => None,
    };
    let read = expressions::read(causes, "value", &value, (known, &*org.profile_schema));
    read.map_or_else(|| stored.clone(), ClaimSource::Expression)
}

/// The filter of groups of a request, or else the `stored` source.
fn read_groups(causes: &mut Causes, request: &ClaimRequest, stored: &ClaimSource) -> ClaimSource {
    let kind = match (&request.group_filter_type, stored) {
        (Given::Absent, ClaimSource::Groups(filter)) => Some(filter.kind()),
        (given, _) => given.value().and_then(|name| GroupFilterKind::of_name(name)),
    };
    let kind = kind.ok_or_else(|| none_of(GroupFilterKind::ALL.map(GroupFilterKind::as_str)));
    let value = causes.text("value", &request.value);
    let filter = match kind {
        Err(why) => {
            causes.add(request.group_filter_member.name(), &why);
            return stored.clone();
        }
        Ok(kind) => GroupFilter::new(kind, value),
    };
    match filter {
        Ok(filter) => ClaimSource::Groups(filter),
        Err(why) => {
            if !causes.has("value") {
                causes.add("value", &why.to_string());
            }
            stored.clone()
        }
    }
}
