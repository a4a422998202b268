//! What the tests of every flow need: requests, sessions, and what the tokens say.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value};
use tenterhook_contract::Secret;
use tenterhook_flows::{
    commitment::Commitment,
    oauth::{
        authorize::{AuthorizeAnswer, authorize},
        error::OAuthError,
        parameters::Parameters,
        token::{self, TokenRequest},
    },
    sign_in::{self, Attempt, SignedIn, sign_in},
};
use tenterhook_model::Session;
use tenterhook_platform::{Caller, attempts::PasswordAttempts, issuer};
use tenterhook_testkit::{
    endpoint::Step,
    rig::{CLIENT_SECRET, PASSWORD, Rig},
};

pub(crate) const VERIFIER: &str = "a-verifier-that-is-long-enough-for-rfc-7636-0001";
/// Its SHA-256 in base64url.
const CHALLENGE: &str = "YFtLCgVcaG-L-dM84cytTdlgOdGvaAFccBWBv3M9U9M";
pub(crate) const REDIRECT_URI: &str = "http://127.0.0.1:3000/callback";

/// The service gives both tokens the tier `gold`.
pub(crate) const GOLD: Step = Step::Answer(
    200,
    r#"{"commands":[
        {"type":"com.okta.access.patch","value":[{"op":"add","path":"/claims/tier","value":"gold"}]},
        {"type":"com.okta.identity.patch","value":[{"op":"replace","path":"/claims/tier","value":"gold"}]}
    ]}"#,
);

/// The service gives the access token the tier `gold`, and fifteen minutes.
pub(crate) const GOLD_ACCESS: Step = Step::Answer(
    200,
    r#"{"commands":[{"type":"com.okta.access.patch","value":[
        {"op":"add","path":"/claims/tier","value":"gold"},
        {"op":"replace","path":"/token/lifetime/expiration","value":900}
    ]}]}"#,
);

/// The service refuses.
pub(crate) const REFUSED: Step = Step::Answer(200, r#"{"error":{"errorSummary":"Account is on hold"}}"#);

/// The service has nothing to say.
pub(crate) const NOTHING: Step = Step::Answer(200, "{}");

pub(crate) fn parameters(pairs: &[(&str, &str)]) -> Parameters {
    let text = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    Parameters::parse(text.as_bytes()).unwrap()
}

/// A request to an endpoint of the default authorization server.
pub(crate) fn caller(rig: &Rig, endpoint: &str) -> Caller {
    rig.caller("POST", &format!("/oauth2/default/v1/{endpoint}"))
}

/// A request to the token endpoint.
pub(crate) async fn token(
    rig: &Rig,
    authorization: Option<&str>,
    form: &[(&str, &str)],
    commitment: &Commitment,
) -> Result<Value, OAuthError> {
    let org = rig.snapshot();
    let server = org.authorization_server("default").unwrap();
    let (caller, form) = (caller(rig, "token"), parameters(form));
    let request = TokenRequest { caller: &caller, parameters: &form, authorization, attempts: &Arc::default() };
    let answer = token::issue(&rig.platform, &org, server, request, commitment).await?;
    Ok(answer.to_json())
}

/// The `Authorization` header of the confidential client.
pub(crate) fn basic(rig: &Rig) -> String {
    format!("Basic {}", STANDARD.encode(format!("{}:{CLIENT_SECRET}", rig.org.confidential_client_id)))
}

/// The claims of a token of the default authorization server; its signature is verified.
pub(crate) fn claims(rig: &Rig, token: &Value) -> Map<String, Value> {
    let org = rig.snapshot();
    let server = org.authorization_server("default").unwrap();
    org.keys.verify_at_any_time(&server.id, &issuer(&org, server), token.as_str().unwrap()).unwrap()
}

/// Ada signs in; her session's cookie.
pub(crate) async fn cookie(rig: &Rig) -> Secret {
    let attempts = Arc::new(PasswordAttempts::default());
    let login = rig.org.user_logins.first().unwrap();
    let (org, caller, password) = (rig.snapshot(), caller(rig, "authorize"), Secret::new(PASSWORD));
    let attempt = Attempt { attempts: &attempts, login, password: &password, request: None, previous: None };
    let signed_in = sign_in(&rig.platform, &org, &caller, attempt, &Commitment::default()).await;
    let SignedIn::Yes(cookie) = signed_in.unwrap() else { panic!("Ada's password is right") };
    cookie
}

/// The session of a cookie.
pub(crate) async fn session(rig: &Rig, cookie: &Secret) -> Option<Session> {
    sign_in::session(&rig.platform, &rig.snapshot(), Some(cookie.expose())).await.unwrap()
}

/// Ada signs in.
pub(crate) async fn signed_in(rig: &Rig) -> Session {
    session(rig, &cookie(rig).await).await.unwrap()
}

/// An authorization request of the public client.
pub(crate) async fn ask(rig: &Rig, scope: &str, session: Option<&Session>) -> AuthorizeAnswer {
    let client_id = rig.org.public_client_id.to_string();
    let parameters = parameters(&[
        ("client_id", &client_id),
        ("redirect_uri", REDIRECT_URI),
        ("response_type", "code"),
        ("scope", scope),
        ("state", "s1"),
        ("nonce", "n1"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ]);
    let org = rig.snapshot();
    let server = org.authorization_server("default").unwrap();
    authorize(&rig.platform, &org, server, &caller(rig, "authorize"), &parameters, session).await
}

/// The code of such a request by Ada.
pub(crate) async fn code(rig: &Rig, scope: &str) -> String {
    let session = signed_in(rig).await;
    match ask(rig, scope, Some(&session)).await {
        AuthorizeAnswer::Redirect { mut parameters, .. } => parameters.remove("code").unwrap(),
        other => panic!("{other:?}"),
    }
}

/// Redeems a code of [`code`].
pub(crate) async fn redeem(rig: &Rig, code: &str) -> Result<Value, OAuthError> {
    redeem_with(rig, code, VERIFIER, &Commitment::default()).await
}

/// The same with another verifier.
pub(crate) async fn redeem_with(
    rig: &Rig,
    code: &str,
    verifier: &str,
    commitment: &Commitment,
) -> Result<Value, OAuthError> {
    let client_id = rig.org.public_client_id.to_string();
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", &client_id),
        ("code", code),
        ("redirect_uri", REDIRECT_URI),
        ("code_verifier", verifier),
    ];
    token(rig, None, &form, commitment).await
}

/// The tokens of a code flow with a refresh token.
pub(crate) async fn tokens_for_long(rig: &Rig) -> Value {
    let code = code(rig, "openid offline_access orders.read").await;
    redeem(rig, &code).await.unwrap()
}

/// Uses a refresh token.
pub(crate) async fn refresh(rig: &Rig, token: &Value) -> Result<Value, OAuthError> {
    let client_id = rig.org.public_client_id.to_string();
    let form = [("grant_type", "refresh_token"), ("client_id", &client_id), ("refresh_token", token.as_str().unwrap())];
    self::token(rig, None, &form, &Commitment::default()).await
}

/// The documents that the service received.
pub(crate) fn documents(rig: &Rig) -> Vec<Value> {
    rig.service.received().iter().map(|body| serde_json::from_slice(body).unwrap()).collect()
}
