//! The document of the benchmarks: a token request of about 3 KB, like that of a real authorization server.

use serde_json::{Map, Value, json};
use tenterhook_contract::{
    Timestamp,
    context::{IdentityProviderContext, RequestContext, SessionContext, UrlValue, UserContext, UserLinks, UserProfile},
    id::{OrgId, PolicyId, RefreshTokenId, RequestId, RuleId, ScopeId, SessionId, UserId},
    token::{
        ClientContext, Issuer, PolicyContext, ProtocolContext, ProtocolRequest, RuleContext, TokenContext, TokenDraft,
        TokenRequest, TokenSubject,
    },
};

/// The answer of the external service: about 400 bytes, five operations.
pub(crate) const ANSWER: &str = r#"{"commands":[{"type":"com.okta.identity.patch","value":[{"op":"add","path":"/claims/loyalty_id","value":"L-20931"},{"op":"replace","path":"/claims/preferred_airports","value":["ACC","LOS"]}]},{"type":"com.okta.access.patch","value":[{"op":"replace","path":"/claims/tier","value":"gold"},{"op":"add","path":"/claims/region","value":"eu"},{"op":"replace","path":"/token/lifetime/expiration","value":900}]}]}"#;

/// The answer for a client-credentials token, which has no user and so no ID token.
pub(crate) const ACCESS_ANSWER: &str = r#"{"commands":[{"type":"com.okta.access.patch","value":[{"op":"add","path":"/claims/tier","value":"gold"},{"op":"add","path":"/claims/region","value":"eu"},{"op":"replace","path":"/token/lifetime/expiration","value":900}]}]}"#;

/// The answer for a SAML assertion: a new attribute, a value of another one, and the end of the session.
pub(crate) const ASSERTION_ANSWER: &str = r#"{"commands":[{"type":"com.okta.assertion.patch","value":[{"op":"add","path":"/claims/entitlementLevel","value":{"attributes":{"NameFormat":"urn:oasis:names:tc:SAML:2.0:attrname-format:basic"},"attributeValues":[{"attributes":{"xsi:type":"xs:string"},"value":"L3"}]}},{"op":"replace","path":"/claims/http:~1~1schemas.example.com~1identity~1claims~1team/attributeValues/1/value","value":"treasury"},{"op":"add","path":"/authentication/sessionLifetime","value":900}]}]}"#;

/// The answer for an order at the extension point of `bench host`: two operations.
pub(crate) const ORDER_ANSWER: &str = r#"{"commands":[{"type":"com.example.order.checkout.patch","value":[{"op":"add","path":"/discounts/-","value":{"code":"REGULAR","amount":490}},{"op":"add","path":"/review","value":"none"}]}]}"#;

/// The org of the flow.
pub(crate) fn org() -> OrgId {
    OrgId::from_parts(1, [1; 8])
}

/// The triggering request.
pub(crate) fn request() -> RequestContext {
    let base = "https://org.example.com/oauth2/aus00000000100000001/v1/authorize";
    RequestContext {
        id: RequestId::from_entropy([5; 16]),
        method: "GET".into(),
        url: UrlValue {
            value: format!(
                "{base}?client_id=storefront&response_type=code&response_mode=query&scope=openid+profile+orders.read&\
                 redirect_uri=https%3A%2F%2Fshop.example.com%2Fcb&state=2f1f3e0c5a&nonce=77aa6b&code_challenge_method=\
                 S256&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&region=eu"
            ),
        },
        ip_address: "198.51.100.24".into(),
    }
}

/// The read-only part of the document.
pub(crate) fn context() -> TokenRequest {
    let at = Timestamp::from_micros(1_770_800_531_000_000);
    let user = UserId::from_parts(1, [2; 8]);
    TokenRequest {
        context: TokenContext {
            request: request(),
            protocol: ProtocolContext {
                kind: "OAUTH2.0",
                request: ProtocolRequest {
                    scope: Some("openid profile orders.read".into()),
                    state: Some("2f1f3e0c5a".into()),
                    redirect_uri: Some("https://shop.example.com/cb".into()),
                    response_mode: Some("query".into()),
                    response_type: Some("code".into()),
                    client_id: Some("storefront".into()),
                    grant_type: None,
                },
                original_grant: None,
                issuer: Issuer { uri: "https://org.example.com/oauth2/aus00000000100000001".into() },
                client: ClientContext { id: "storefront".into(), name: "Storefront".into(), kind: "PUBLIC" },
            },
            session: Some(SessionContext {
                id: SessionId::from_parts(1, [3; 8]),
                user_id: user.clone(),
                login: "ada@example.com".into(),
                created_at: at,
                expires_at: at.plus_seconds(7_200),
                status: "ACTIVE",
                last_password_verification: Some(at),
                last_factor_verification: None,
                amr: vec!["PASSWORD".into()],
                idp: IdentityProviderContext { id: org().to_string(), kind: "OKTA" },
                mfa_active: false,
            }),
            user: Some(UserContext {
                links: UserLinks::of("https://org.example.com", &user),
                id: user,
                password_changed: Some(at),
                profile: UserProfile {
                    login: "ada@example.com".into(),
                    first_name: "Ada".into(),
                    last_name: "Okoye".into(),
                    locale: "en_US".into(),
                    time_zone: "Africa/Lagos".into(),
                    custom: object(&json!({ "costCenter": "4711", "department": "Logistics", "employeeNumber": "77" })),
                },
            }),
            policy: PolicyContext {
                id: PolicyId::from_parts(1, [4; 8]),
                rule: RuleContext { id: RuleId::from_parts(1, [5; 8]) },
            },
        },
        scopes: ["openid", "profile", "orders.read"]
            .into_iter()
            .zip(1..)
            .map(|(name, number)| (name.to_owned(), ScopeId::from_parts(1, [number; 8])))
            .collect(),
        refresh_token_jti: Some(RefreshTokenId::from_parts(1, [6; 8])),
    }
}

/// The read-only part for a client-credentials token, without a signed-in user.
pub(crate) fn access_context() -> TokenRequest {
    let mut request = context();
    (request.context.session, request.context.user, request.refresh_token_jti) = (None, None, None);
    let parameters = &mut request.context.protocol.request;
    *parameters = ProtocolRequest {
        scope: Some("orders.read".into()),
        grant_type: Some("client_credentials".into()),
        state: None,
        redirect_uri: None,
        response_mode: None,
        response_type: None,
        client_id: None,
    };
    request.scopes.retain(|(name, _)| name == "orders.read");
    request
}

/// The part of such a token that the service may change.
pub(crate) fn access_subject() -> TokenSubject {
    let access = json!({
        "ver": 1, "jti": "AT.q8Zr1nXk4Vw7Ls0TgBy2Jc5MdPfHa9UeRi3OoKvQmSx",
        "iss": "https://org.example.com/oauth2/aus00000000100000001", "aud": "api://orders", "cid": "storefront",
        "sub": "storefront",
    });
    let access = Some(TokenDraft { claims: object(&access), lifetime_seconds: 3_600 });
    TokenSubject { identity: None, access, dpop: false }
}

/// The part that the service may change.
pub(crate) fn subject() -> TokenSubject {
    let identity = json!({
        "sub": "00u3gk5nPzX7wQaYs1d7", "name": "Ada Okoye", "ver": 1,
        "iss": "https://org.example.com/oauth2/aus00000000100000001", "aud": "storefront",
        "jti": "ID.5m1Jw0c7fQx2aR9tYv3Kp8LzN6sDhGbE4uTiXoCWqM", "amr": ["pwd"], "idp": "00o1b2c3d4E5F6g7h1d7",
        "nonce": "77aa6b", "auth_time": 1_770_800_531, "preferred_username": "ada@example.com",
        "preferred_airports": ["LOS", "ABV"], "locale": "en_US", "zoneinfo": "Africa/Lagos",
        "email": "ada@example.com", "email_verified": true, "given_name": "Ada", "family_name": "Okoye",
    });
    let access = json!({
        "ver": 1, "jti": "AT.q8Zr1nXk4Vw7Ls0TgBy2Jc5MdPfHa9UeRi3OoKvQmSx",
        "iss": "https://org.example.com/oauth2/aus00000000100000001", "aud": "api://orders", "cid": "storefront",
        "uid": "00u3gk5nPzX7wQaYs1d7", "sub": "ada@example.com", "tier": "silver",
        "profile_card": { "employee_id": "77", "email": "ada@example.com" },
        "entitlements": ["orders:list", "orders:read", "orders:export", "returns:list", "returns:read"],
    });
    let draft = |claims: &Value| Some(TokenDraft { claims: object(claims), lifetime_seconds: 3_600 });
    TokenSubject { identity: draft(&identity), access: draft(&access), dpop: false }
}

fn object(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}
