//! Grants of users to clients, and the codes and tokens issued for them.

use serde::{Deserialize, Serialize};
use tenterhook_contract::{
    Secret, Timestamp,
    id::{AuthorizationServerId, ClientId, OrgId, RefreshTokenId, RuleId, SessionId, UserId},
    token::ProtocolRequest,
};

use crate::{AuthenticationMethod, FactorType, VerifiedFactor};

/// Most requests that wait for the user of a session: as many forms may be open in a browser.
const WAITING_MAX: usize = 8;

/// A sign-in session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// The id, which may be shown.
    pub id: SessionId,
    /// The org.
    pub org_id: OrgId,
    /// SHA-256 of the cookie's value in hexadecimal.
    pub cookie_sha256: String,
    /// The user.
    pub user_id: UserId,
    /// When the user signed in.
    pub created: Timestamp,
    /// When it ends.
    pub expires: Timestamp,
    /// When the password was last verified.
    pub last_password_verification: Timestamp,
    /// The factor that the user has verified in addition to the password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub factor: Option<VerifiedFactor>,
    /// The fingerprint of the request for which the user signed in, where the flow needs to know: it asked for a new sign-in, or
    /// had waited at the sign-in page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_in_for: Option<String>,
    /// The fingerprints of the last requests that were current when the user was asked to complete the profile for them, the newest
    /// last: they wait for the user.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<String>,
}

impl Session {
    /// Whether the request with this fingerprint waits, or has waited, for the user of this session.
    pub fn has_kept_waiting(&self, request: &str) -> bool {
        self.signed_in_for.as_deref() == Some(request) || self.waiting.iter().any(|waiting| waiting == request)
    }

    /// Notes that the request with this fingerprint waits for the user.
    pub fn keep_waiting(&mut self, request: &str) {
        self.waiting.retain(|waiting| waiting != request);
        self.waiting.push(request.to_owned());
        let gone = self.waiting.len().saturating_sub(WAITING_MAX);
        self.waiting.drain(..gone);
    }
}

impl Session {
    /// How the user has signed in.
    pub const fn methods(&self) -> &'static [AuthenticationMethod] {
        AuthenticationMethod::of_sign_in(match self.factor {
            Some(factor) => Some(factor.factor_type),
            None => None,
        })
    }
}

/// An authorization code and the tokens that it will be exchanged for.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthorizationCode {
    /// SHA-256 of the code in hexadecimal.
    pub code_sha256: String,
    /// The org.
    pub org_id: OrgId,
    /// The authorization server.
    pub authorization_server_id: AuthorizationServerId,
    /// The client.
    pub client_id: ClientId,
    /// The user.
    pub user_id: UserId,
    /// The session.
    pub session_id: SessionId,
    /// The redirect URI of the request; the exchange must repeat it.
    pub redirect_uri: String,
    /// The PKCE challenge (RFC 7636, S256 only).
    pub code_challenge: Option<String>,
    /// The granted scopes.
    pub scopes: Vec<String>,
    /// The rule that matched, for lifetimes.
    pub rule_id: RuleId,
    /// [`Session::factor`] of the session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub factor: Option<VerifiedFactor>,
    /// The authorization request, for `originalGrant` of a later refresh.
    pub authorization_request: ProtocolRequest,
    /// The frozen tokens (`token.md` 1) as JSON; encrypted at rest because it holds values a hook added.
    #[serde(skip, default = "crate::no_secret")]
    pub frozen_tokens: Secret,
    /// The id of the refresh token that will be issued, if one will be; the hook's document had it.
    pub refresh_token_id: Option<RefreshTokenId>,
    /// When it ends.
    pub expires: Timestamp,
}

/// The state of an authorization code when it is presented.
#[derive(Debug)]
pub enum CodeState {
    /// It has not been redeemed, and can be.
    Live(Box<AuthorizationCode>),
    /// It was redeemed before. Without its tokens.
    Redeemed(Box<AuthorizationCode>),
    /// Unknown or expired.
    Unknown,
}

/// An access token that is issued to a user's client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedAccessToken {
    /// Its `jti`.
    pub jti: String,
    /// The user, with whose access it ends.
    pub user_id: UserId,
    /// When it ends.
    pub expires: Timestamp,
    /// The factor that was verified at the sign-in with which its grant began.
    pub factor: Option<FactorType>,
}

/// A refresh token. All tokens of one grant are a family, revoked together when one is used twice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RefreshToken {
    /// Its `jti`.
    pub id: RefreshTokenId,
    /// The org.
    pub org_id: OrgId,
    /// SHA-256 of the token in hexadecimal.
    pub token_sha256: String,
    /// The first token's id: the family.
    pub family_id: RefreshTokenId,
    /// SHA-256 of the authorization code that it was issued for, in hexadecimal; of a random text where there was none. What was issued
    /// with it has the same one, and is revoked together.
    pub code_sha256: Option<String>,
    /// Whether its family began with the password of the user instead of a code.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_password: bool,
    /// The authorization server.
    pub authorization_server_id: AuthorizationServerId,
    /// The client.
    pub client_id: ClientId,
    /// The user.
    pub user_id: UserId,
    /// The granted scopes.
    pub scopes: Vec<String>,
    /// The request that first obtained it.
    pub authorization_request: ProtocolRequest,
    /// When the user signed in, for `auth_time`.
    pub auth_time: Timestamp,
    /// [`Session::factor`] of that sign-in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub factor: Option<VerifiedFactor>,
    /// When it was issued.
    pub created: Timestamp,
    /// When it ends: lifetime and idle window together.
    pub expires: Timestamp,
    /// When the family ends in any case; `None` for unlimited.
    pub family_expires: Option<Timestamp>,
}

/// The state of a refresh token.
#[derive(Debug, PartialEq)]
pub enum RefreshTokenState {
    /// Usable.
    Live(Box<RefreshToken>),
    /// Rotated before.
    Used {
        /// The token.
        token: Box<RefreshToken>,
        /// When it was rotated; absent if an older version did it.
        used: Option<Timestamp>,
    },
    /// Revoked.
    Revoked(Box<RefreshToken>),
    /// Unknown or expired.
    Unknown,
}
