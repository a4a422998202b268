//! Claims that no command may touch (`token.md` section 4).

/// Reserved in both tokens; sorted, as the other lists are.
pub const BOTH: &[&str] =
    &["acr", "auth_time", "cid", "exp", "groups", "iat", "iss", "jti", "sid", "token_type", "ver"];

/// Reserved in both tokens when the client uses DPoP.
pub const DPOP: &str = "cnf";

/// Reserved in ID tokens only.
pub const IDENTITY: &[&str] = &[
    "active",
    "aid",
    "amr",
    "app_id",
    "app_type",
    "at_hash",
    "aud",
    "c_hash",
    "client_id",
    "client_ip",
    "client_req_id",
    "client_type",
    "client_user_agent",
    "device_compliance",
    "device_id",
    "device_known",
    "device_managed",
    "device_name",
    "device_trust",
    "did",
    "dst",
    "group",
    "hotk",
    "idp",
    "idp_iss",
    "mac_key",
    "may_act",
    "nonce",
    "oid",
    "okta_emailVerified",
    "okta_lastUpdated",
    "orig",
    "permissions",
    "purpose",
    "pwd_exp_days",
    "pwd_exp_time",
    "rid",
    "role",
    "scope",
    "scopes",
    "sub",
    "term",
    "user_ip",
];

/// Reserved in access tokens only.
pub const ACCESS: &[&str] = &["as_uri", "authorization_details", "rpt", "rsi", "scp", "uid", "username"];

/// Which token a command acts on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// The ID token.
    Identity,
    /// The access token.
    Access,
}

/// Whether `claim` is reserved in tokens of this kind. Names compare case-sensitively.
///
/// ```
/// use tenterhook_contract::token::reserved::{TokenKind, is_reserved};
/// assert!(is_reserved(TokenKind::Identity, "sub", false));
/// assert!(!is_reserved(TokenKind::Access, "sub", false));
/// ```
pub fn is_reserved(kind: TokenKind, claim: &str, dpop: bool) -> bool {
    let own = match kind {
        TokenKind::Identity => IDENTITY,
        TokenKind::Access => ACCESS,
    };
    BOTH.binary_search(&claim).is_ok() || own.binary_search(&claim).is_ok() || (dpop && claim == DPOP)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_every_list_is_found() {
        for (kind, names) in [
            (TokenKind::Identity, BOTH),
            (TokenKind::Access, BOTH),
            (TokenKind::Identity, IDENTITY),
            (TokenKind::Access, ACCESS),
        ] {
            assert!(names.is_sorted(), "{names:?}");
            assert!(names.iter().all(|name| is_reserved(kind, name, false)));
        }
    }
}
