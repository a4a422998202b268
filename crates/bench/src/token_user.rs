//! The code flow of `bench token`: tokens of users, without and with claims that are expressions.

use serde_json::{Value, json};
use tenterhook_platform::entropy::code_challenge;

use crate::{Error, browsers, host::ask, token_server::World};

/// The verifier of every code (RFC 7636).
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
/// Groups of the user, also without expressions.
const GROUPS: usize = 5;
/// Claims of access tokens. The first one looks at the groups.
const EXPRESSIONS: [(&str, &str); 3] = [
    ("teams", "Groups.startsWith(\"OKTA\", \"Team \", 10)"),
    ("display", "user.firstName + \" \" + String.toUpperCase(user.lastName)"),
    ("unit", "user.department == \"Logistics\" ? \"L\" : String.substring(user.department, 0, 1)"),
];

/// The two requests of a token.
pub(crate) struct CodeFlow {
    /// The authorization request.
    pub(crate) authorize: String,
    /// The form of the token request, to which the code is added.
    pub(crate) form: String,
}

/// Gives the user groups, a session for each of `browsers`, and the server its claims.
pub(crate) async fn set_up(
    world: &World,
    base_url: &str,
    (with_expressions, browsers): (bool, usize),
) -> Result<CodeFlow, Error> {
    let (user, _) = browsers::sign_in(world, browsers).await?;
    for number in 0..GROUPS {
        let group = json!({ "profile": { "name": format!("Team {number}") } });
        let group = ask("POST", &format!("{base_url}/api/v1/groups"), &group).await?;
        let id = group.get("id").and_then(Value::as_str).ok_or("a group has an id")?;
        ask("PUT", &format!("{base_url}/api/v1/groups/{id}/users/{}", user.id), &Value::Null).await?;
    }
    let server = &world.org.authorization_server_id;
    for (name, value) in EXPRESSIONS.iter().filter(|_| with_expressions) {
        let claim = json!({ "name": name, "claimType": "RESOURCE", "valueType": "EXPRESSION", "value": value });
        ask("POST", &format!("{base_url}/api/v1/authorizationServers/{server}/claims"), &claim).await?;
    }
    let client = format!("client_id={}", world.org.public_client_id);
    let client = format!("{client}&redirect_uri=http%3A%2F%2F127.0.0.1%3A3000%2Fcallback");
    let challenge = code_challenge(VERIFIER);
    Ok(CodeFlow {
        authorize: format!(
            "{base_url}/oauth2/{server}/v1/authorize?{client}&response_type=code&scope=openid+orders.read&state=s1\
             &code_challenge={challenge}&code_challenge_method=S256"
        ),
        form: format!("grant_type=authorization_code&{client}&code_verifier={VERIFIER}&code="),
    })
}

/// The code in the answer to an authorization request.
pub(crate) fn code_in(location: &str) -> Option<&str> {
    let (_, query) = location.split_once('?')?;
    query.split('&').find_map(|pair| pair.strip_prefix("code="))
}
