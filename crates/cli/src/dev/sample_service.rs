//! The sample external service of `tenterhook dev`: what a hook author would write, in a few lines for each hook.

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode},
    routing::post,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{
    old_system,
    order::POINT,
    passcodes::Phones,
    registration::Header,
    sign_up::{CODE, DIVISION, DIVISIONS, KNOWN_CODE},
};

/// The path of token hook calls.
pub(crate) const TOKEN_PATH: &str = "/hooks/token";
/// The path of order hook calls.
pub(crate) const ORDER_PATH: &str = "/hooks/order";
/// The path of SAML hook calls.
pub(crate) const SAML_PATH: &str = "/hooks/saml";
/// The path of registration hook calls.
pub(crate) const SIGN_UP_PATH: &str = "/hooks/registration";
/// The path of password import hook calls.
pub(crate) const PASSWORD_PATH: &str = "/hooks/password";
/// The path of telephony hook calls.
pub(crate) const TELEPHONY_PATH: &str = "/hooks/telephony";
/// The claim that the service adds to access tokens, and the attribute that it adds to assertions.
pub(crate) const CLAIM: &str = "tier";

/// Serves on `listener` until the process ends. Callers must send the header of their hook: the token, order, SAML, registration password
/// import or telephony hook. Messages are brought to `phones`.
pub(crate) async fn serve(
    listener: TcpListener,
    [token, order, saml, sign_up, password, telephony]: [Header; 6],
    phones: Phones,
) -> std::io::Result<()> {
    let router = Router::new()
        .route(TOKEN_PATH, post(answer_token).with_state(token))
        .route(ORDER_PATH, post(answer_order).with_state(order))
        .route(SAML_PATH, post(answer_saml).with_state(saml))
        .route(SIGN_UP_PATH, post(answer_sign_up).with_state(sign_up))
        .route(PASSWORD_PATH, post(answer_password).with_state(password))
        .route(TELEPHONY_PATH, post(answer_telephony).with_state((telephony, phones)));
    axum::serve(listener, router).await
}

fn check(secret: &Header, headers: &HeaderMap) -> Result<(), StatusCode> {
    let is_secret = |sent: &HeaderValue| sent.as_bytes() == secret.value.expose().as_bytes();
    if headers.get(&secret.name).is_some_and(is_secret) { Ok(()) } else { Err(StatusCode::UNAUTHORIZED) }
}

async fn answer_token(
    State(secret): State<Header>,
    headers: HeaderMap,
    Json(request): Json<Value>,
) -> Result<Json<Value>, StatusCode> {
    check(&secret, &headers)?;
    let client = request.pointer("/data/context/protocol/client/name").and_then(Value::as_str).unwrap_or("someone");
    let mut commands = vec![json!({
        "type": "com.okta.access.patch",
        "value": [
            { "op": "add", "path": format!("/claims/{CLAIM}"), "value": "gold" },
            { "op": "add", "path": "/claims/https:~1~1tenterhook.example~1greeting", "value": format!("Hello, {client}") },
            { "op": "replace", "path": "/token/lifetime/expiration", "value": 900 },
        ],
    })];
    if request.pointer("/data/identity").is_some() {
        commands.push(json!({
            "type": "com.okta.identity.patch",
            "value": [{ "op": "add", "path": format!("/claims/{CLAIM}"), "value": "gold" }],
        }));
    }
    Ok(Json(json!({ "commands": commands, "debugContext": { "service": "sample" } })))
}

/// A tenth less for everybody.
async fn answer_order(
    State(secret): State<Header>,
    headers: HeaderMap,
    Json(request): Json<Value>,
) -> Result<Json<Value>, StatusCode> {
    check(&secret, &headers)?;
    let number = |line: &Value, member: &str| line.get(member).and_then(Value::as_u64).unwrap_or_default();
    let lines = request.pointer("/data/subject/lines").and_then(Value::as_array).into_iter().flatten();
    let prices = lines.map(|line| number(line, "quantity").saturating_mul(number(line, "price")));
    let discount = json!({ "code": "GOLD", "amount": prices.fold(0, u64::saturating_add) / 10 });
    let operation = json!({ "op": "add", "path": "/discounts/-", "value": discount });
    let commands = json!([{ "type": format!("{POINT}.patch"), "value": [operation] }]);
    Ok(Json(json!({ "commands": commands, "debugContext": { "service": "sample" } })))
}

/// An employee number as the name, an attribute more, and a session of 15 minutes at the service provider.
async fn answer_saml(
    State(secret): State<Header>,
    headers: HeaderMap,
    Json(request): Json<Value>,
) -> Result<Json<Value>, StatusCode> {
    check(&secret, &headers)?;
    let name = request.pointer("/data/assertion/subject/nameId").and_then(Value::as_str).unwrap_or_default();
    let name = format!("E-{}", name.split('@').next().unwrap_or_default());
    let tier = json!({
        "attributes": { "NameFormat": "urn:oasis:names:tc:SAML:2.0:attrname-format:basic" },
        "attributeValues": [{ "attributes": { "xsi:type": "xs:string" }, "value": "gold" }],
    });
    let operations = json!([
        { "op": "replace", "path": "/subject/nameId", "value": name },
        { "op": "add", "path": format!("/claims/{CLAIM}"), "value": tier },
        { "op": "add", "path": "/authentication/sessionLifetime", "value": 900 },
    ]);
    let commands = json!([{ "type": "com.okta.assertion.patch", "value": operations }]);
    Ok(Json(json!({ "commands": commands, "debugContext": { "service": "sample" } })))
}

/// People with the invitation get a department; another invitation is refused at its field.
async fn answer_sign_up(
    State(secret): State<Header>,
    headers: HeaderMap,
    Json(request): Json<Value>,
) -> Result<Json<Value>, StatusCode> {
    check(&secret, &headers)?;
    if let Some(update) = request.pointer("/data/userProfileUpdate") {
        return Ok(Json(answer_existing_user(update)));
    }
    let code = request.pointer(&format!("/data/userProfile/{CODE}")).and_then(Value::as_str);
    Ok(Json(match code {
        None => json!({ "debugContext": { "service": "sample" } }),
        Some(KNOWN_CODE) => {
            let commands = json!([{ "type": "com.okta.user.profile.update", "value": { "department": "Partners" } }]);
            json!({ "commands": commands, "debugContext": { "service": "sample" } })
        }
        Some(_) => {
            let cause = json!({
                "errorSummary": format!("This invitation has expired. Try {KNOWN_CODE}."),
                "reason": "INVITE_EXPIRED",
                "locationType": "body",
                "location": format!("data.userProfile.{CODE}"),
                "domain": "end-user",
            });
            json!({ "error": { "errorSummary": "Registration refused", "errorCauses": [cause] } })
        }
    }))
}

/// Users of a division that exists get a cost centre; another one is refused at its field.
fn answer_existing_user(update: &Value) -> Value {
    let division = update.get(DIVISION).and_then(Value::as_str);
    let place = DIVISIONS.iter().position(|known| division.is_none_or(|division| division == *known));
    if let Some(place) = place {
        let value = json!({ "costCenter": format!("CC-{}", place + 1) });
        let commands = json!([{ "type": "com.okta.user.progressive.profile.update", "value": value }]);
        return json!({ "commands": commands, "debugContext": { "service": "sample" } });
    }
    let cause = json!({
        "errorSummary": format!("There is no such division. Try {}.", DIVISIONS.join(" or ")),
        "reason": "NO_DIVISION",
        "locationType": "body",
        "location": format!("data.userProfileUpdate.{DIVISION}"),
        "domain": "end-user",
    });
    json!({ "error": { "errorSummary": "Profile update refused", "errorCauses": [cause] } })
}

/// Whether the password is the one of the old system. A real service compares with a hash.
async fn answer_password(
    State(secret): State<Header>,
    headers: HeaderMap,
    Json(request): Json<Value>,
) -> Result<Json<Value>, StatusCode> {
    check(&secret, &headers)?;
    let typed = |member: &str| request.pointer("/data/context/credential").and_then(|it| it.get(member)?.as_str());
    let (username, password) = (typed("username").unwrap_or_default(), typed("password").unwrap_or_default());
    let credential = if old_system::knows(username, password) { "VERIFIED" } else { "UNVERIFIED" };
    let command = json!({ "type": "com.okta.action.update", "value": { "credential": credential } });
    Ok(Json(json!({ "commands": [command], "debugContext": { "service": "sample" } })))
}

/// Brings the message to the phone.
async fn answer_telephony(
    State((secret, phones)): State<(Header, Phones)>,
    headers: HeaderMap,
    Json(request): Json<Value>,
) -> Result<Json<Value>, StatusCode> {
    check(&secret, &headers)?;
    phones.receive(request.pointer("/data/messageProfile").unwrap_or(&Value::Null));
    let report = json!({ "status": "SUCCESSFUL", "provider": "SAMPLE" });
    let command = json!({ "type": "com.okta.telephony.action", "value": [report] });
    Ok(Json(json!({ "commands": [command], "debugContext": { "service": "sample" } })))
}
