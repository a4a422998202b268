//! The token type, `com.okta.oauth2.tokens.transform` (`token.md`).
//!
//! What is sent is here; what commands do is in [`interpreter`], the reserved claims in [`reserved`].

pub mod interpreter;
pub mod reserved;

use serde::{Serialize, Serializer, ser::SerializeMap as _};
use serde_json::{Map, Value};

use crate::{
    ExtensionPoint, HookType, Interpretation,
    answer::Answer,
    context::{RequestContext, SessionContext, UserContext},
    id::{PolicyId, RefreshTokenId, RuleId, ScopeId},
    problem::Problem,
};

/// The token extension point.
#[derive(Clone, Copy, Debug)]
pub struct Token;

/// The tokens about to be issued: what commands may change.
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

/// What the service is told and cannot change.
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
pub struct PolicyContext {
    /// The access policy.
    pub id: PolicyId,
    /// The rule.
    pub rule: RuleContext,
}

/// `data.context.policy.rule`.
#[derive(Clone, Debug, Serialize)]
pub struct RuleContext {
    /// The rule.
    pub id: RuleId,
}

/// `data.context.protocol`.
#[derive(Clone, Debug, Serialize)]
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
pub struct OriginalGrant {
    /// The first request.
    pub authorization: ProtocolRequest,
    /// The refresh token it obtained.
    pub refresh_token: RefreshTokenReference,
}

/// A refresh token by its id.
#[derive(Clone, Debug, Serialize)]
pub struct RefreshTokenReference {
    /// The id.
    pub jti: RefreshTokenId,
}

/// `data.context.protocol.issuer`.
#[derive(Clone, Debug, Serialize)]
pub struct Issuer {
    /// The issuer's URI.
    pub uri: String,
}

/// `data.context.protocol.client`.
#[derive(Clone, Debug, Serialize)]
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
struct DraftData<'a> {
    claims: &'a Map<String, Value>,
    token: TokenLifetime,
    #[serde(skip_serializing_if = "Option::is_none")]
    scopes: Option<GrantedScopes<'a>>,
}

#[derive(Debug, Serialize)]
struct TokenLifetime {
    lifetime: Expiration,
}

#[derive(Debug, Serialize)]
struct Expiration {
    expiration: u32,
}

#[derive(Debug, Serialize)]
struct RefreshTokenData<'a> {
    jti: &'a RefreshTokenId,
}

#[derive(Debug)]
struct GrantedScopes<'a>(&'a [(String, ScopeId)]);

#[derive(Serialize)]
struct GrantedScope<'a> {
    id: &'a ScopeId,
    action: &'static str,
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
    const HOOK_TYPE: HookType = HookType::Token;
    type Context = TokenRequest;
    type Subject = TokenSubject;
    type Data<'a> = TokenData<'a>;

    fn data<'a>(request: &'a TokenRequest, subject: &'a TokenSubject) -> TokenData<'a> {
        TokenData {
            context: &request.context,
            identity: subject.identity.as_ref().map(|draft| draft.data(None)),
            access: subject.access.as_ref().map(|draft| draft.data(Some(GrantedScopes(&request.scopes)))),
            refresh_token: request.refresh_token_jti.as_ref().map(|jti| RefreshTokenData { jti }),
        }
    }

    fn interpret(subject: &TokenSubject, answer: &Answer) -> Result<Interpretation<TokenSubject>, Vec<Problem>> {
        interpreter::interpret(subject, answer)
    }
}
