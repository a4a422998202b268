//! The hooks of the demonstration: how they are registered, and put at their extension points.

use std::{collections::BTreeSet, path::PathBuf, time::Duration};

use http::{HeaderName, HeaderValue};
use serde_json::{Value, json};
use tenterhook_contract::{Secret, hook::HookPolicy};
use tenterhook_management::provision::DemonstrationOrg;

use super::{
    client::{Client, Refused},
    old_system, order, passcodes,
};
use crate::Error;

/// The header of the random secret.
const AUTHORIZATION: &str = "Authorization";

/// A header with which the hook is registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) name: String,
    pub(crate) value: Secret,
}

/// Where people can read the secret header that the hook sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SecretPlace {
    /// They gave it with `--header`.
    Given,
    /// In this file, as `serviceAuthorization`.
    File(PathBuf),
    /// Only in this process, which shows it on the terminal.
    Memory,
}

/// A hook of the development org.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DevHook {
    /// The one that the token flows call.
    Token,
    /// The one of the org's own extension point.
    Order,
    /// The one of the SAML app.
    Saml,
    /// The one of the policy by which people sign up.
    SignUp,
    /// The one of users whose passwords are in an old system.
    PasswordImport,
    /// The one that brings passcodes to phones.
    Telephony,
}

impl DevHook {
    /// All of them.
    pub(crate) const ALL: [Self; 6] =
        [Self::Token, Self::Order, Self::Saml, Self::SignUp, Self::PasswordImport, Self::Telephony];

    /// Its name in the org.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Token => "Development token hook",
            Self::Order => "Development order hook",
            Self::Saml => "Development SAML hook",
            Self::SignUp => "Development registration hook",
            Self::PasswordImport => "Development password import hook",
            Self::Telephony => "Development telephony hook",
        }
    }

    fn hook_type(self) -> &'static str {
        match self {
            Self::Token => "com.okta.oauth2.tokens.transform",
            Self::Order => order::POINT,
            Self::Saml => "com.okta.saml.tokens.transform",
            Self::SignUp => "com.okta.user.pre-registration",
            Self::PasswordImport => old_system::TYPE,
            Self::Telephony => passcodes::TYPE,
        }
    }

    /// What it is, for people.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Token => "token hook",
            Self::Order => "order hook",
            Self::Saml => "SAML hook",
            Self::SignUp => "registration hook",
            Self::PasswordImport => "password import hook",
            Self::Telephony => "telephony hook",
        }
    }

    /// The policy with which it is made; later ones are the user's.
    fn first_policy(self) -> Value {
        match self {
            Self::Token | Self::Saml | Self::SignUp | Self::PasswordImport | Self::Telephony => json!({}),
            Self::Order => order::first_policy(),
        }
    }
}

/// How a hook is registered.
#[derive(Clone, Debug)]
pub(crate) struct Registration {
    pub(crate) hook: DevHook,
    pub(crate) uri: String,
    /// The header that authenticates the call; shown nowhere.
    pub(crate) secret: Header,
    pub(crate) secret_place: SecretPlace,
    /// Further headers.
    pub(crate) headers: Vec<Header>,
    pub(crate) timeout: Duration,
}

/// An option whose value cannot be used: a usage error.
#[derive(Debug)]
pub(crate) struct Unusable(String);

impl std::fmt::Display for Unusable {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Unusable {}

/// The headers of `--header`. An error never quotes a value.
pub(crate) fn given_headers(given: &[Secret]) -> Result<Vec<Header>, Unusable> {
    let headers = given.iter().map(Header::parse).collect::<Result<Vec<_>, _>>()?;
    let mut names = BTreeSet::new();
    match headers.iter().find(|header| !names.insert(header.name.to_ascii_lowercase())) {
        Some(twice) => Err(Unusable(format!("`--header` names `{}` twice", twice.name))),
        None => Ok(headers),
    }
}

impl Header {
    /// Reads `Name: value`. The error never quotes the text, which holds a secret.
    pub(crate) fn parse(text: &Secret) -> Result<Self, Unusable> {
        let unusable = || {
            Unusable(
                "`--header` is not usable: write `--header 'Name: value'`, with a name that HTTP allows".to_owned(),
            )
        };
        let (name, value) = text.expose().split_once(':').ok_or_else(unusable)?;
        let (name, value) = (name.trim(), value.trim());
        HeaderName::from_bytes(name.as_bytes()).map_err(|_| unusable())?;
        if value.is_empty() || HeaderValue::from_str(value).is_err() {
            let why = format!("`--header` is not usable: the value of `{name}` is empty or not allowed in HTTP");
            return Err(Unusable(why));
        }
        Ok(Self { name: name.to_owned(), value: Secret::new(value) })
    }
}

impl Registration {
    /// A registration with the `headers` that were given: `Authorization`, or else the first of them, is the secret that
    /// authenticates the call. Without any the random secret is.
    pub(crate) fn new(
        hook: DevHook,
        uri: String,
        mut headers: Vec<Header>,
        (random, random_place): (&Secret, SecretPlace),
        timeout: Duration,
    ) -> Self {
        let is_authorization = |header: &Header| header.name.eq_ignore_ascii_case(AUTHORIZATION);
        let (secret, secret_place) = if headers.is_empty() {
            (Header { name: AUTHORIZATION.to_owned(), value: random.clone() }, random_place)
        } else {
            let place = headers.iter().position(is_authorization).unwrap_or_default();
            (headers.remove(place), SecretPlace::Given)
        };
        Self { hook, uri, secret, secret_place, headers, timeout }
    }

    /// Creates the hook, or points an existing one at the service; answers with its id.
    pub(crate) async fn register(&self, client: Client, admin_token: &str) -> Result<String, Error> {
        let name = self.hook.name();
        let path = format!("/api/v1/inlineHooks?type={}", self.hook.hook_type());
        let hooks = client.json("GET", &path, admin_token, None).await?;
        let known = hooks
            .as_array()
            .and_then(|hooks| hooks.iter().find(|hook| hook.get("name").is_some_and(|known| known == name)));
        let first_policy = self.hook.first_policy();
        let body = self.body(known.map_or(Some(&first_policy), |hook| hook.get("policy")));
        let (method, path) = match known.and_then(|hook| member(hook, "id")) {
            Some(id) => ("PUT", format!("/api/v1/inlineHooks/{id}")),
            None => ("POST", "/api/v1/inlineHooks".to_owned()),
        };
        let hook = client.json(method, &path, admin_token, Some(body)).await.map_err(option_of)?;
        let id = member(&hook, "id").ok_or("The answer to the registration has no `id`")?;
        if member(&hook, "status") != Some("ACTIVE") {
            let path = format!("/api/v1/inlineHooks/{id}/lifecycle/activate");
            client.json("POST", &path, admin_token, None).await?;
        }
        Ok(id.to_owned())
    }

    /// The body of the registration. Of the `policy`, only the timeout is replaced.
    fn body(&self, policy: Option<&Value>) -> Value {
        let mut policy = policy.and_then(Value::as_object).cloned().unwrap_or_default();
        policy.insert("timeoutMs".to_owned(), json!(u64::try_from(self.timeout.as_millis()).unwrap_or(u64::MAX)));
        let headers = self.headers.iter();
        let headers = headers.map(|header| json!({ "key": header.name, "value": header.value.expose() }));
        json!({
            "name": self.hook.name(),
            "type": self.hook.hook_type(),
            "version": "1.0.0",
            "channel": {
                "type": "HTTP",
                "version": "1.0.0",
                "config": {
                    "uri": self.uri,
                    "method": "POST",
                    "headers": headers.collect::<Vec<_>>(),
                    "authScheme": {
                        "type": "HEADER",
                        "key": self.secret.name,
                        "value": self.secret.value.expose(),
                    },
                },
            },
            "policy": policy,
        })
    }
}

/// The option that a refused registration is about.
fn option_of(error: Error) -> Error {
    let Some(Refused { causes, .. }) = error.downcast_ref::<Refused>().filter(|refused| !refused.causes.is_empty())
    else {
        return error;
    };
    let is_header = |cause: &String| cause.contains("headers") || cause.contains("authScheme");
    let option = if causes.iter().any(is_header) { "--header" } else { "--hook" };
    Unusable(format!("`{option}` is not usable: {}", causes.join("\n  "))).into()
}

/// Puts the token hook at the extension point of the development org's rule.
pub(crate) async fn associate(
    client: Client,
    admin_token: &str,
    world: &DemonstrationOrg,
    hook_id: &str,
) -> Result<(), Error> {
    let DemonstrationOrg { authorization_server_id, policy_id, rule_id, .. } = world;
    let path = format!("/api/v1/authorizationServers/{authorization_server_id}/policies/{policy_id}/rules/{rule_id}");
    let mut rule = client.json("GET", &path, admin_token, None).await?;
    if rule.pointer("/actions/token/inlineHook/id").is_none_or(|id| id != hook_id) {
        let actions = rule.pointer_mut("/actions/token").and_then(Value::as_object_mut);
        actions.ok_or("The rule has no `actions.token`")?.insert("inlineHook".to_owned(), json!({ "id": hook_id }));
        client.json("PUT", &path, admin_token, Some(rule)).await?;
    }
    Ok(())
}

/// Reads a duration such as `60s`, `1500ms` or `1m`, within what a hook may have.
pub(crate) fn parse_timeout(text: &str) -> Result<Duration, String> {
    let unit_at = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        _ => return Err("write a number and a unit: `60s`, `1500ms` or `1m`".to_owned()),
    };
    let range = HookPolicy::TIMEOUT_MS;
    let milliseconds = number.parse::<u32>().ok().and_then(|number| number.checked_mul(milliseconds));
    let milliseconds = milliseconds.filter(|milliseconds| range.contains(milliseconds));
    milliseconds
        .map(|milliseconds| Duration::from_millis(milliseconds.into()))
        .ok_or_else(|| format!("a hook can have {} ms to {} s", range.start(), range.end() / 1_000))
}

fn member<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    object.get(name).and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    fn registration(given: &[&str]) -> Result<Registration, Unusable> {
        let given = given.iter().map(|text| Secret::new(*text)).collect::<Vec<_>>();
        let random = Secret::new("Bearer random");
        let uri = "http://127.0.0.1:3000/".to_owned();
        let place = (&random, SecretPlace::Memory);
        Ok(Registration::new(DevHook::Token, uri, given_headers(&given)?, place, Duration::from_secs(3)))
    }

    #[test]
    fn authorization_or_the_first_header_is_the_secret_one() {
        for (given, secret, others) in [
            (&[][..], ("Authorization", "Bearer random"), &[][..]),
            (&["authorization: Basic a:b"], ("authorization", "Basic a:b"), &[]),
            (&["X-Key: k", "X-Tenant:north"], ("X-Key", "k"), &["X-Tenant"]),
            (&["X-Key: k", "Authorization: A"], ("Authorization", "A"), &["X-Key"]),
        ] {
            let made = registration(given).unwrap();
            assert_eq!((made.secret.name.as_str(), made.secret.value.expose()), secret);
            assert_eq!(made.headers.iter().map(|header| header.name.as_str()).collect::<Vec<_>>(), others);
        }
    }

    #[test]
    fn an_unusable_header_is_refused_without_its_value() {
        for given in [
            &["marked-secret"][..],
            &["Bad name: marked-secret"],
            &["X-Key:"],
            &["X-Key: marked-secret\u{7f}"],
            &["X-Key: marked-secret", "x-key: marked-secret"],
        ] {
            let why = registration(given).unwrap_err().to_string();
            assert!(why.starts_with("`--header`") && !why.contains("marked"), "{why}");
        }
    }

    #[test]
    fn a_timeout_has_a_unit_and_the_range_of_a_hook() {
        for (text, milliseconds) in [
            ("60s", Some(60_000)),
            ("1m", Some(60_000)),
            ("50ms", Some(50)),
            ("49ms", None),
            ("61s", None),
            ("60001ms", None),
            ("60", None),
            ("s", None),
            ("-1s", None),
            ("4294967296ms", None),
            ("100000m", None),
        ] {
            let parsed = parse_timeout(text).ok();
            assert_eq!(parsed, milliseconds.map(Duration::from_millis), "{text}");
        }
    }

    #[test]
    fn the_policy_that_a_hook_has_is_kept_but_for_its_timeout() {
        let body = registration(&[]).unwrap().body(Some(&json!({ "timeoutMs": 60_000, "failurePolicy": "stop" })));
        assert_eq!(body.get("policy"), Some(&json!({ "timeoutMs": 3_000, "failurePolicy": "stop" })));
    }
}
