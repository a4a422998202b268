//! One real token request, with each of its steps.

use std::sync::Arc;

use jsonwebtoken::{DecodingKey, Validation, jwk::JwkSet};
use serde_json::{Map, Value, json};
use tenterhook_contract::{MASK, Secret};
use tenterhook_engine::{Outcome, Witnessed};
use tenterhook_management::provision::DemonstrationOrg;
use tenterhook_model::LogEvent;
use tenterhook_platform::{DEFAULT_SERVER, Platform};
use tokio::sync::{broadcast, mpsc};

use super::{client::Client, diff, shown::Screen};
use crate::Error;

/// Name of the hook in the development org.
const HOOK_NAME: &str = "Development token hook";
/// The token hook's type.
const HOOK_TYPE: &str = "com.okta.oauth2.tokens.transform";
/// The scope that the demonstration requests.
pub(crate) const SCOPE: &str = "orders.read";

/// A verifier and its challenge, to be copied: those of RFC 7636 appendix B.
const CODE_VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CODE_CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// The state of the demonstration.
pub(crate) struct Demonstration {
    pub(crate) client: Client,
    pub(crate) base_url: String,
    pub(crate) admin_token: Secret,
    pub(crate) client_secret: Secret,
    pub(crate) service_authorization: Secret,
    pub(crate) world: DemonstrationOrg,
    /// The redirect URI of the public client.
    pub(crate) redirect_uri: String,
    pub(crate) hook_uri: String,
    pub(crate) own_service: bool,
}

impl Demonstration {
    /// Registers the hook, requests a token and shows each step. Returns whether the hook's changes are in the issued
    /// token, whose signature is verified.
    pub(crate) async fn run(
        &self,
        platform: &Arc<Platform>,
        mut witnessed: mpsc::Receiver<Witnessed>,
        log: &mut broadcast::Receiver<Arc<LogEvent<'static>>>,
        screen: &Screen,
    ) -> Result<bool, Error> {
        let hook_id = self.register().await?;
        self.associate(&hook_id).await?;
        screen.step(
            "hook",
            &format!("Registered the token hook {hook_id} for {}", self.hook_uri),
            || json!({ "id": hook_id, "uri": self.hook_uri }),
        );

        let answer = self.request_token().await?;
        platform.log().flush().await;
        let event = next_invocation(log);
        let Ok(seen) = witnessed.try_recv() else {
            screen.unseen(event.as_deref());
            match answer.get("access_token") {
                Some(_) => screen.without_hook(),
                None => screen.refused(&answer),
            }
            return Ok(false);
        };
        screen.exchange(&seen);
        let document: Value = serde_json::from_slice(&seen.body)?;
        let (before, after) =
            (claims_at(&document, "/data/access/claims"), claims_at(&seen.data_after, "/access/claims"));
        let lifetime =
            |data: Option<&Value>| data.and_then(|data| data.pointer("/access/token/lifetime/expiration")).cloned();
        let mut lines = diff::lines(&before, &after);
        lines.extend(diff::lifetime(lifetime(document.get("data")), lifetime(Some(&seen.data_after))));
        screen.notices(&seen.notices);
        screen.claims(&lines, &seen.outcome);
        screen.timings(&seen.timings);
        if let Some(event) = &event {
            screen.event(event);
        }
        let Some(token) = answer.get("access_token").and_then(Value::as_str) else {
            screen.refused(&answer);
            return Ok(false);
        };
        // The hook's changes must be in the token as it was issued, not only in our records.
        let mut verified = self.verify(token).await?;
        // A value that is masked in `after` was set by the service: the token has it, the screen does not.
        let is_masked = |value: &Value| value.to_string().contains(MASK);
        let issued = after.iter().all(|(name, value)| verified.get(name) == Some(value) || is_masked(value));
        let masked = after.iter().filter(|(_, value)| is_masked(value));
        verified.extend(masked.map(|(name, value)| (name.clone(), value.clone())));
        let changed = matches!(&seen.outcome, Outcome::Applied(changes) if !changes.is_empty());
        screen.verdict(changed && issued, &verified);
        Ok(changed && issued)
    }

    /// Creates the hook, or points an existing one at the service.
    async fn register(&self) -> Result<String, Error> {
        let token = self.admin_token.expose();
        let path = format!("/api/v1/inlineHooks?type={HOOK_TYPE}");
        let hooks = self.client.json("GET", &path, token, None).await?;
        let known = hooks
            .as_array()
            .and_then(|hooks| hooks.iter().find(|hook| hook.get("name").is_some_and(|name| name == HOOK_NAME)));
        let body = json!({
            "name": HOOK_NAME,
            "type": HOOK_TYPE,
            "version": "1.0.0",
            "channel": {
                "type": "HTTP",
                "version": "1.0.0",
                "config": {
                    "uri": self.hook_uri,
                    "method": "POST",
                    "headers": [],
                    "authScheme": {
                        "type": "HEADER",
                        "key": "Authorization",
                        "value": self.service_authorization.expose(),
                    },
                },
            },
        });
        let (method, path) = match known.and_then(|hook| member(hook, "id")) {
            Some(id) => ("PUT", format!("/api/v1/inlineHooks/{id}")),
            None => ("POST", "/api/v1/inlineHooks".to_owned()),
        };
        let hook = self.client.json(method, &path, token, Some(body)).await?;
        let id = member(&hook, "id").ok_or("The answer to the registration has no `id`")?;
        if member(&hook, "status") != Some("ACTIVE") {
            self.client.json("POST", &format!("/api/v1/inlineHooks/{id}/lifecycle/activate"), token, None).await?;
        }
        Ok(id.to_owned())
    }

    /// Puts the hook at the rule's extension point.
    async fn associate(&self, hook_id: &str) -> Result<(), Error> {
        let DemonstrationOrg { authorization_server_id, policy_id, rule_id, .. } = &self.world;
        let path =
            format!("/api/v1/authorizationServers/{authorization_server_id}/policies/{policy_id}/rules/{rule_id}");
        let token = self.admin_token.expose();
        let mut rule = self.client.json("GET", &path, token, None).await?;
        if rule.pointer("/actions/token/inlineHook/id").is_none_or(|id| id != hook_id) {
            let actions = rule.pointer_mut("/actions/token").and_then(Value::as_object_mut);
            actions.ok_or("The rule has no `actions.token`")?.insert("inlineHook".to_owned(), json!({ "id": hook_id }));
            self.client.json("PUT", &path, token, Some(rule)).await?;
        }
        Ok(())
    }

    /// The answer of the token endpoint: a token, or an OAuth error.
    async fn request_token(&self) -> Result<Value, Error> {
        let basic = format!("Basic {}", self.basic_credentials());
        let form = format!("grant_type=client_credentials&scope={SCOPE}");
        let body = Some(("application/x-www-form-urlencoded", form));
        let (_, answer) = self.client.send("POST", &Self::token_path(), Some(&basic), body).await?;
        Ok(answer)
    }

    /// The claims of `token`, once its signature has been verified with the published keys.
    async fn verify(&self, token: &str) -> Result<Map<String, Value>, Error> {
        let path = format!("/oauth2/{DEFAULT_SERVER}/v1/keys");
        let (_, keys) = self.client.send("GET", &path, None, None).await?;
        let keys: JwkSet = serde_json::from_value(keys)?;
        let header = jsonwebtoken::decode_header(token)?;
        let key = header.kid.as_deref().and_then(|kid| keys.find(kid)).ok_or("The token's key is not published")?;
        let mut validation = Validation::new(header.alg);
        // A hook may change the audience of an access token.
        validation.validate_aud = false;
        validation.set_issuer(&[self.issuer()]);
        let verified = jsonwebtoken::decode::<Map<String, Value>>(token, &DecodingKey::from_jwk(key)?, &validation)?;
        Ok(verified.claims)
    }

    /// The issuer of the demonstration's tokens: the default authorization server.
    pub(crate) fn issuer(&self) -> String {
        format!("{}/oauth2/{DEFAULT_SERVER}", self.base_url)
    }

    /// The URL that a browser opens to get a code for the public client, and the form that exchanges the code for
    /// tokens.
    pub(crate) fn code_flow(&self) -> (String, String) {
        let (client_id, redirect_uri) = (&self.world.public_client_id, &self.redirect_uri);
        let authorize = format!(
            "{}/v1/authorize?client_id={client_id}&response_type=code&scope=openid%20{SCOPE}&redirect_uri={redirect_uri}\
             &state=s1&code_challenge={CODE_CHALLENGE}&code_challenge_method=S256",
            self.issuer()
        );
        let form = format!(
            "grant_type=authorization_code&client_id={client_id}&redirect_uri={redirect_uri}\
             &code_verifier={CODE_VERIFIER}&code=CODE"
        );
        (authorize, form)
    }

    /// Path of the token endpoint.
    pub(crate) fn token_path() -> String {
        format!("/oauth2/{DEFAULT_SERVER}/v1/token")
    }

    /// `client_id:client_secret` in base64.
    pub(crate) fn basic_credentials(&self) -> String {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        STANDARD.encode(format!("{}:{}", self.world.confidential_client_id, self.client_secret.expose()))
    }
}

/// The newest event of an invocation that the log has shown.
fn next_invocation(log: &mut broadcast::Receiver<Arc<LogEvent<'static>>>) -> Option<Arc<LogEvent<'static>>> {
    let mut newest = None;
    while let Ok(event) = log.try_recv() {
        if matches!(&*event.event_type, "inline_hook.executed" | "inline_hook.response.processed") {
            newest = Some(event);
        }
    }
    newest
}

fn claims_at(document: &Value, pointer: &str) -> Map<String, Value> {
    document.pointer(pointer).and_then(Value::as_object).cloned().unwrap_or_default()
}

fn member<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    object.get(name).and_then(Value::as_str)
}
