//! The token type, `com.okta.oauth2.tokens.transform` (`token.md`).
//!
//! The request data is here, the interpreter in `interpreter.rs`, the reserved claims in [`reserved`].

mod interpreter;
pub mod reserved;

use std::{borrow::Cow, sync::Arc};

use serde::{Serialize, Serializer, ser::SerializeMap as _};
use serde_json::{Map, Value, json};

use crate::{
    ExtensionPoint,
    answer::Answer,
    context::{RequestContext, SessionContext, UserContext},
    description::{
        CommandRule, Description, EVENT_TYPE_VERSION, EmptyAnswer, ErrorDefault, FILLER_WORDS, FailureDefault, Names,
        OPERATION_MEMBERS, PerOrg, Retry, Shape, TIMEOUT_MS_DEFAULT,
    },
    hook_kind::{HookKind, Rehearsal, Rehearse, rehearse},
    hook_type::{BUILT_IN_DESCRIPTIONS, HookTypeName},
    id::{PolicyId, RefreshTokenId, RuleId, ScopeId},
    preview::{Document, DocumentError, Inputs},
    problem::{Change, Problem},
    profile::ProfileSchema,
};

const OPERATIONS: Shape = Shape::Items(Cow::Borrowed("value must be an array of operations"));

pub(crate) const IDENTITY_PATCH: CommandRule = CommandRule {
    name: Cow::Borrowed("com.okta.identity.patch"),
    shape: OPERATIONS,
    members: OPERATION_MEMBERS,
    misnamed: Names::fixed(&["com.okta.tokens.id_token.patch", "com.okta.tokens.identity.patch"]),
};
pub(crate) const ACCESS_PATCH: CommandRule = CommandRule {
    name: Cow::Borrowed("com.okta.access.patch"),
    shape: OPERATIONS,
    members: OPERATION_MEMBERS,
    misnamed: Names::fixed(&["com.okta.tokens.access.patch", "com.okta.tokens.access_token.patch"]),
};

/// The type's row.
pub(crate) static DESCRIPTION: Description = Description {
    event_type: HookTypeName::fixed("com.okta.oauth2.tokens.transform"),
    event_type_version: EVENT_TYPE_VERSION,
    title: Cow::Borrowed("Token"),
    commands: Cow::Borrowed(&[IDENTITY_PATCH, ACCESS_PATCH]),
    default_outcome: Cow::Borrowed("the tokens are issued unchanged"),
    timeout_ms: TIMEOUT_MS_DEFAULT,
    retry: Retry::Never,
    empty_answer: EmptyAnswer::DefaultAction,
    failure: FailureDefault::Continue,
    error: ErrorDefault::Refuse,
    per_org: PerOrg::Many,
    authentication_required: false,
    secret_members: Names::NONE,
    unsent_members: Names::NONE,
    relatives: Cow::Borrowed(&BUILT_IN_DESCRIPTIONS),
    filler_words: FILLER_WORDS,
    preview_inputs: Names::fixed(&["user", "app", "scopes", "grantType"]),
    sample_dates: Names::fixed(&[
        "/data/context/session/createdAt",
        "/data/context/session/expiresAt",
        "/data/context/session/lastPasswordVerification",
        "/data/context/session/lastFactorVerification",
        "/data/context/user/passwordChanged",
        "/data/identity/claims/auth_time",
    ]),
};

/// The token extension point.
///
/// ```
/// use serde_json::json;
/// use tenterhook_contract::{ExtensionPoint, answer::Answer, token::{Token, TokenDraft, TokenSubject}};
/// let claims = json!({ "sub": "ada@example.com", "tier": "silver" }).as_object().unwrap().clone();
/// let access = Some(TokenDraft { claims, lifetime_seconds: 3_600 });
/// let mut subject = TokenSubject { identity: None, access, dpop: false };
/// let answer = br#"{"commands": [{"type": "com.okta.access.patch", "value": [
///     {"op": "replace", "path": "/claims/tier", "value": "gold"}
/// ]}]}"#;
/// let changes = Token.interpret(&mut subject, Answer::parse(answer).unwrap()).unwrap();
/// assert_eq!(changes[0].path, "/claims/tier");
/// assert_eq!(subject.access.unwrap().claims["tier"], "gold");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Token;

/// The tokens about to be issued, which commands may change.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenSubject {
    /// The ID token; `None` when none will be issued.
    pub identity: Option<TokenDraft>,
    /// The access token; `None` when none will be issued.
    pub access: Option<TokenDraft>,
    /// Whether the client uses DPoP, which makes `cnf` a reserved claim.
    pub dpop: bool,
}

/// A token that is not signed yet. Its `Debug` shows claim names, never values.
#[derive(Clone, PartialEq)]
pub struct TokenDraft {
    /// The claims, without `iat`, `exp` and `scp`.
    pub claims: Map<String, Value>,
    /// Seconds from issue to expiry.
    pub lifetime_seconds: u32,
}

/// The data for the service that commands cannot change.
#[derive(Clone, Debug)]
pub struct TokenRequest {
    /// `data.context`.
    pub context: TokenContext,
    /// `data.access.scopes`: granted scopes in request order.
    pub scopes: Vec<(String, ScopeId)>,
    /// `data.refresh_token.jti`, when a refresh token is issued or used.
    pub refresh_token_jti: Option<RefreshTokenId>,
}

/// `data.context`.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TokenContext {
    /// The request.
    pub request: RequestContext,
    /// The protocol.
    pub protocol: ProtocolContext,
    /// The session, when there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionContext>,
    /// The user the token is for, when there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<UserContext>,
    /// The policy and the rule that matched.
    pub policy: PolicyContext,
}

/// `data.context.policy`.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PolicyContext {
    /// The access policy.
    pub id: PolicyId,
    /// The rule.
    pub rule: RuleContext,
}

/// `data.context.policy.rule`.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RuleContext {
    /// The rule.
    pub id: RuleId,
}

/// `data.context.protocol`.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ProtocolContext {
    /// Always `OAUTH2.0`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The OAuth request.
    pub request: ProtocolRequest,
    /// For a refresh: the request that first obtained the refresh token.
    #[serde(rename = "originalGrant", skip_serializing_if = "Option::is_none")]
    pub original_grant: Option<OriginalGrant>,
    /// The issuer.
    pub issuer: Issuer,
    /// The client.
    pub client: ClientContext,
}

/// The OAuth request: each member present only if it was in the request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ProtocolRequest {
    /// Requested scopes, space separated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// `state`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// `redirect_uri`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirect_uri: Option<String>,
    /// `response_mode`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_mode: Option<String>,
    /// `response_type`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_type: Option<String>,
    /// `client_id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// `grant_type`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant_type: Option<String>,
}

/// `data.context.protocol.originalGrant`.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OriginalGrant {
    /// The first request.
    pub authorization: ProtocolRequest,
    /// The refresh token it obtained.
    pub refresh_token: RefreshTokenReference,
}

/// A refresh token by its id.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RefreshTokenReference {
    /// The id.
    pub jti: RefreshTokenId,
}

/// `data.context.protocol.issuer`.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Issuer {
    /// The issuer's URI.
    pub uri: String,
}

/// `data.context.protocol.client`.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ClientContext {
    /// The `client_id`.
    pub id: String,
    /// The client's name.
    pub name: String,
    /// `PUBLIC` or `CONFIDENTIAL`.
    #[serde(rename = "type")]
    pub kind: &'static str,
}

impl std::fmt::Debug for TokenDraft {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("TokenDraft")
            .field("claims", &self.claims.keys().collect::<Vec<_>>())
            .field("lifetime_seconds", &self.lifetime_seconds)
            .finish()
    }
}

/// `data` of a token hook, borrowed.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TokenData<'a> {
    context: &'a TokenContext,
    #[serde(skip_serializing_if = "Option::is_none")]
    identity: Option<DraftData<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    access: Option<DraftData<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<RefreshTokenData<'a>>,
}

#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct DraftData<'a> {
    claims: &'a Map<String, Value>,
    token: TokenLifetime,
    #[serde(skip_serializing_if = "Option::is_none")]
    scopes: Option<GrantedScopes<'a>>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct TokenLifetime {
    lifetime: Expiration,
}

#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct Expiration {
    expiration: u32,
}

#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct RefreshTokenData<'a> {
    jti: &'a RefreshTokenId,
}

#[derive(Debug)]
struct GrantedScopes<'a>(&'a [(String, ScopeId)]);

#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct GrantedScope<'a> {
    id: &'a ScopeId,
    action: &'static str,
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for GrantedScopes<'_> {
    fn schema_name() -> Cow<'static, str> {
        "GrantedScopes".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        generator.subschema_for::<std::collections::BTreeMap<String, GrantedScope<'static>>>()
    }
}

impl Serialize for GrantedScopes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, id) in self.0 {
            map.serialize_entry(name, &GrantedScope { id, action: "GRANT" })?;
        }
        map.end()
    }
}

impl TokenDraft {
    fn data<'a>(&'a self, scopes: Option<GrantedScopes<'a>>) -> DraftData<'a> {
        let lifetime = Expiration { expiration: self.lifetime_seconds };
        DraftData { claims: &self.claims, token: TokenLifetime { lifetime }, scopes }
    }
}

impl ExtensionPoint for Token {
    type Context = TokenRequest;
    type Subject = TokenSubject;
    type Data<'a> = TokenData<'a>;

    fn description(&self) -> &Description {
        &DESCRIPTION
    }

    fn data<'a>(&self, request: &'a TokenRequest, subject: &'a TokenSubject) -> TokenData<'a> {
        TokenData {
            context: &request.context,
            identity: subject.identity.as_ref().map(|draft| draft.data(None)),
            access: subject.access.as_ref().map(|draft| draft.data(Some(GrantedScopes(&request.scopes)))),
            refresh_token: request.refresh_token_jti.as_ref().map(|jti| RefreshTokenData { jti }),
        }
    }

    fn interpret(&self, subject: &mut TokenSubject, answer: Answer) -> Result<Vec<Change>, Vec<Problem>> {
        interpreter::interpret(subject, answer)
    }
}

impl Rehearse for Token {
    fn subject_of(&self, document: &Document, _: &Arc<ProfileSchema>) -> Result<TokenSubject, DocumentError> {
        let draft = |token: &str| {
            let path = format!("/data/{token}");
            if document.find(&path).is_none() {
                return Ok(None);
            }
            let lifetime = format!("{path}/token/lifetime/expiration");
            let seconds = document.get(&lifetime)?.as_u64().and_then(|seconds| u32::try_from(seconds).ok());
            Ok(Some(TokenDraft {
                claims: document.object(&format!("{path}/claims"))?.clone(),
                lifetime_seconds: seconds.ok_or_else(|| DocumentError::wrong(&lifetime, "must be seconds"))?,
            }))
        };
        Ok(TokenSubject { identity: draft("identity")?, access: draft("access")?, dpop: false })
    }

    fn show(&self, subject: &TokenSubject) -> Value {
        let draft = |draft: &Option<TokenDraft>| draft.as_ref().map(|draft| json!(draft.data(None)));
        let mut shown = Map::new();
        for (name, draft) in [("identity", draft(&subject.identity)), ("access", draft(&subject.access))] {
            shown.extend(draft.map(|draft| (name.to_owned(), draft)));
        }
        Value::Object(shown)
    }
}

/// Changes the document to a request at the token endpoint, which has no browser parameters and no session.
fn at_the_token_endpoint(document: &mut Document, grant_type: &str) {
    const REQUEST: &str = "/data/context/protocol/request";
    for member in ["state", "redirect_uri", "response_mode", "response_type"] {
        document.remove(REQUEST, member);
    }
    document.set(&format!("{REQUEST}/grant_type"), json!(grant_type));
    document.remove("/data/context", "session");
    let source = document.find("/source").and_then(Value::as_str);
    if let Some(server) = source.and_then(|source| source.strip_suffix("/authorize")) {
        let source = format!("{server}/token");
        document.set("/source", json!(source));
    }
}

/// Everything that differs by type.
pub(crate) struct Kind;

impl HookKind for Kind {
    fn description(&self) -> &Description {
        &DESCRIPTION
    }

    fn sample_requests(&self) -> Vec<&str> {
        vec![include_str!("../../samples/token_request_1.json")]
    }

    fn sample_answers(&self) -> Vec<&str> {
        vec![include_str!("../../samples/token_answer_1.json"), include_str!("../../samples/token_answer_2.json")]
    }

    fn fill(&self, inputs: &Inputs, document: &mut Document) -> Result<(), DocumentError> {
        const PROTOCOL: &str = "/data/context/protocol";
        if let Some(user) = &inputs.user {
            document.set("/data/context/user", json!(user));
            document.set("/data/context/session/userId", json!(user.id));
            document.set("/data/context/session/login", json!(user.profile.login));
            document.set("/data/identity/claims/sub", json!(user.id));
            document.set(
                "/data/identity/claims/name",
                json!(format!("{} {}", user.profile.first_name, user.profile.last_name)),
            );
            document.set("/data/identity/claims/preferred_username", json!(user.profile.login));
            document.set("/data/access/claims/sub", json!(user.profile.login));
            document.set("/data/access/claims/uid", json!(user.id));
        }
        if let Some(app) = &inputs.app {
            document.set(&format!("{PROTOCOL}/client/id"), json!(app.id));
            document.set(&format!("{PROTOCOL}/client/name"), json!(app.name));
            document.set(&format!("{PROTOCOL}/request/client_id"), json!(app.id));
            document.set("/data/access/claims/cid", json!(app.id));
            document.set("/data/identity/claims/aud", json!(app.id));
        }
        if let Some(scopes) = &inputs.scopes {
            let granted = scopes.iter().map(|scope| (scope.clone(), json!({ "id": "scp_preview", "action": "GRANT" })));
            document.set("/data/access/scopes", Value::Object(granted.collect()));
            document.set(&format!("{PROTOCOL}/request/scope"), json!(scopes.join(" ")));
            if !scopes.iter().any(|scope| scope == "openid") {
                document.remove("/data", "identity");
            }
        }
        if let Some(grant_type) = &inputs.grant_type {
            match grant_type.as_str() {
                // The sample's own grant. An authorization code is requested where the user signs in, and the hook runs
                // there.
                "implicit" => {}
                "authorization_code" => document.set(&format!("{PROTOCOL}/request/response_type"), json!("code")),
                // Without a sign-in there is no session, no user and no ID token.
                "client_credentials" => {
                    at_the_token_endpoint(document, grant_type);
                    document.remove("/data/context", "user");
                    document.remove("/data", "identity");
                    document.remove("/data", "refresh_token");
                    document.remove("/data/access/claims", "uid");
                }
                "refresh_token" => {
                    let mut first = document.get(&format!("{PROTOCOL}/request"))?.clone();
                    if let Some(response_type) = first.get_mut("response_type") {
                        *response_type = json!("code");
                    }
                    let refresh_token = json!({ "jti": "oar4fTq9kXn2wLzRc1d7" });
                    let grant = json!({ "authorization": first, "refresh_token": refresh_token.clone() });
                    document.set_after(PROTOCOL, "request", "originalGrant", grant);
                    document.set("/data/refresh_token", refresh_token);
                    at_the_token_endpoint(document, grant_type);
                }
                _ => {
                    let known = "must be authorization_code, client_credentials, implicit or refresh_token";
                    return Err(DocumentError::wrong("inputs.grantType", known));
                }
            }
        }
        Ok(())
    }

    fn rehearse(
        &self,
        document: &Document,
        schema: &Arc<ProfileSchema>,
        answer: Answer,
    ) -> Result<Rehearsal, DocumentError> {
        rehearse(&Token, document, schema, answer)
    }

    #[cfg(feature = "schema")]
    fn schemas(&self, generator: &mut schemars::SchemaGenerator) -> crate::type_schemas::TypeSchemas {
        let operations = generator.subschema_for::<Vec<crate::type_schemas::TokenOperation>>();
        crate::type_schemas::TypeSchemas::new::<TokenData<'static>>(
            generator,
            &[],
            vec![operations.clone(), operations],
        )
    }
}
