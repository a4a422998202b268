//! The published documents of a server: metadata (RFC 8414, OpenID Connect discovery) and keys (RFC 7517).

use serde_json::{Value, json};
use tenterhook_model::AuthorizationServer;

use tenterhook_platform::{OrgSnapshot, issuer};

/// Authorization server metadata.
pub fn metadata(org: &OrgSnapshot, server: &AuthorizationServer) -> Value {
    let issuer = issuer(org, server);
    let scopes: Vec<_> = org
        .configuration
        .scopes
        .below(&server.id)
        .filter(|scope| scope.published)
        .map(|scope| scope.name.as_str())
        .collect();
    json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/v1/authorize"),
        "token_endpoint": format!("{issuer}/v1/token"),
        "jwks_uri": format!("{issuer}/v1/keys"),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "fragment", "form_post"],
        "grant_types_supported": ["authorization_code", "client_credentials", "password", "refresh_token"],
        "scopes_supported": scopes,
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "introspection_endpoint": format!("{issuer}/v1/introspect"),
        "introspection_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "revocation_endpoint": format!("{issuer}/v1/revoke"),
        "revocation_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
        "request_parameter_supported": false,
        // The default of this member is `true` (OpenID Connect discovery section 3).
        "request_uri_parameter_supported": false,
    })
}

/// OpenID Connect provider metadata: the authorization server metadata and the members of OpenID Connect.
pub fn openid_metadata(org: &OrgSnapshot, server: &AuthorizationServer) -> Value {
    let mut document = metadata(org, server);
    let algorithms: std::collections::BTreeSet<_> = org
        .configuration
        .signing_keys
        .below(&server.id)
        .filter_map(|key| key.public_jwk.get("alg").and_then(Value::as_str))
        .collect();
    let added = json!({
        "userinfo_endpoint": format!("{}/v1/userinfo", issuer(org, server)),
        "subject_types_supported": ["public"],
        "claims_parameter_supported": false,
        "id_token_signing_alg_values_supported": algorithms,
        "claims_supported": [
            "iss", "ver", "sub", "aud", "iat", "exp", "jti", "auth_time", "amr", "idp", "nonce", "name", "at_hash",
            "preferred_username", "given_name", "family_name", "locale", "zoneinfo", "updated_at", "email",
            "email_verified",
        ],
    });
    if let (Value::Object(document), Value::Object(added)) = (&mut document, added) {
        document.extend(added);
    }
    document
}

/// The public keys, newest last.
pub fn jwks(org: &OrgSnapshot, server: &AuthorizationServer) -> Value {
    let keys: Vec<_> =
        org.configuration.signing_keys.below(&server.id).map(|key| Value::Object(key.public_jwk.clone())).collect();
    json!({ "keys": keys })
}
