//! Real token requests, or the invocation of a host, with each of their steps.

use std::sync::{Arc, OnceLock};

use jsonwebtoken::{DecodingKey, Validation, jwk::JwkSet};
use serde_json::{Map, Value, json};
use tenterhook_contract::{MASK, Secret};
use tenterhook_engine::{Outcome, Witnessed};
use tenterhook_management::provision::DemonstrationOrg;
use tenterhook_model::LogEvent;
use tenterhook_platform::{DEFAULT_SERVER, Platform};
use tokio::sync::{broadcast, mpsc};

use super::{
    client::{Client, Sent},
    code_flow::{self, CodeFlow},
    diff::{self, Line},
    failure::Failure,
    flow::{Flow, FlowChoice},
    old_system, order,
    passcodes::{self, Phones},
    registration::{DevHook, Registration, associate},
    saml::{self, DevSamlApp},
    shown::{FlowScreen, Issued, Screen, was_service_asked},
    sign_up::{self, SignUp},
};
use crate::Error;

/// The scope that the demonstration requests, and in the code flow those of OpenID Connect.
pub(crate) const SCOPE: &str = "orders.read";

/// The System Log's events as they are written.
pub(super) type Log = broadcast::Receiver<Arc<LogEvent<'static>>>;

/// The state of the demonstration.
pub(crate) struct Demonstration {
    pub(crate) client: Client,
    pub(crate) base_url: String,
    pub(crate) admin_token: Secret,
    pub(crate) client_secret: Secret,
    pub(crate) user_password: Secret,
    pub(crate) host_token: Secret,
    pub(crate) world: DemonstrationOrg,
    pub(crate) code_flow: CodeFlow,
    /// The token hook.
    pub(crate) registration: Registration,
    /// The order hook.
    pub(crate) order: Registration,
    /// The SAML hook.
    pub(crate) saml: Registration,
    /// The password import hook.
    pub(crate) password_import: Registration,
    /// The telephony hook.
    pub(crate) telephony: Registration,
    /// The phones of its users.
    pub(crate) phones: Phones,
    /// The SAML app, once it is set up.
    pub(crate) saml_app: OnceLock<DevSamlApp>,
    /// The registration hook.
    pub(crate) sign_up: Registration,
    /// The page where people sign up and the policy that asks existing users, once they are set up.
    pub(crate) signing_up: OnceLock<SignUp>,
    pub(crate) flow: FlowChoice,
    /// Whether the hook calls a service of the user, not the sample.
    pub(crate) own_service: bool,
}

/// How a flow of the demonstration ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// The hook's changes are in the tokens, whose signatures are good.
    Changed,
    /// The service answered, and changed nothing.
    Unchanged,
    /// The hook failed, refused, or was passed over.
    Failed,
}

/// The claims of one token before and after the hook, and its lifetime.
struct Compared {
    after: Map<String, Value>,
    lines: Vec<Line>,
}

impl Demonstration {
    /// The hook that the flows call.
    pub(super) fn tried(&self) -> &Registration {
        match self.flow.hook() {
            DevHook::Token => &self.registration,
            DevHook::Order => &self.order,
            DevHook::Saml => &self.saml,
            DevHook::SignUp => &self.sign_up,
            DevHook::PasswordImport => &self.password_import,
            DevHook::Telephony => &self.telephony,
        }
    }

    /// Registers the hooks, runs the flows and shows each step. Returns whether the hook's changes are in the issued
    /// tokens, whose signatures are verified, of at least one flow, and no flow failed; for the order, whether its host got
    /// the changes.
    pub(crate) async fn run(
        &self,
        platform: &Arc<Platform>,
        mut witnessed: mpsc::Receiver<Witnessed>,
        log: &mut Log,
        screen: &Screen,
    ) -> Result<bool, Error> {
        let admin_token = self.admin_token.expose();
        let hook_id = self.registration.register(self.client, admin_token).await?;
        associate(self.client, admin_token, &self.world, &hook_id).await?;
        let order_hook = order::set_up(self.client, admin_token, &self.order).await;
        let saml = saml::set_up(self.client, admin_token, &self.saml, &self.base_url).await;
        let saml_hook = saml.map(|(hook_id, app)| {
            // Set once.
            let _ = self.saml_app.set(app);
            hook_id
        });
        let sign_up = sign_up::set_up(self.client, admin_token, &self.sign_up).await;
        match sign_up {
            // Set once.
            Ok(done) => drop(self.signing_up.set(done)),
            Err(error) => screen.no_sign_up(&error),
        }
        let old_system = old_system::set_up(self.client, admin_token, &self.password_import).await;
        let phones = passcodes::set_up(self.client, admin_token, &self.telephony, &self.user_password).await;
        // A declaration or an app that the user has changed may not fit; the other flows do not need it.
        match self.flow.hook() {
            DevHook::Order => screen.hook(&order_hook?, &self.order),
            DevHook::Saml => screen.hook(&saml_hook?, &self.saml),
            DevHook::Token | DevHook::SignUp | DevHook::PasswordImport | DevHook::Telephony => {
                screen.hook(&hook_id, &self.registration);
                if let Err(error) = order_hook {
                    screen.no_order(&error);
                }
                if let Err(error) = saml_hook {
                    screen.no_saml(&error);
                }
            }
        }
        let given_header = screen.given_header();
        let mut known = None;
        let (mut ended, mut failures, mut was_asked) = (Vec::new(), Vec::new(), false);
        for flow in self.flow.flows() {
            let answer = match flow {
                Flow::ClientCredentials => {
                    code_flow::client_credentials(self.client, &self.basic_credentials()).await?
                }
                Flow::Code => {
                    let login = self.world.user_logins.first().ok_or("The development org has no user")?;
                    self.code_flow.tokens(self.client, login, &self.user_password).await?
                }
                Flow::Order => order::invoke(self.client, &self.host_token).await?,
                Flow::Saml => self.sign_on().await?,
            };
            platform.log().flush().await;
            let event = newest_invocation(log);
            let screen = screen.of_flow(*flow, self.flow.flows().len() > 1, known.as_ref());
            let (how, failure) = if let Ok(seen) = witnessed.try_recv() {
                let document = serde_json::from_slice(&seen.body)?;
                let failure = Failure::of(&seen, *flow, given_header);
                let failure = failure.map(|failure| failure.after(was_asked));
                was_asked |= was_service_asked(&seen);
                let event = event.as_deref();
                let how = self.show(&screen, seen, failure.as_ref(), event, &document, &answer).await?;
                known = Some(document);
                (how, failure)
            } else {
                let failure = screen.unseen(event.as_deref());
                match flow {
                    Flow::Order => screen.order(&answer, false),
                    Flow::Saml => screen.signed_on(&answer, false),
                    _ => screen.ended(&Issued::of(&answer, Map::new(), Map::new()), false, None),
                }
                (Ended::Failed, failure)
            };
            ended.push(how);
            failures.extend(failure.map(|failure| (*flow, failure)));
        }
        if self.flow.flows().len() > 1 {
            self.saml_step(platform, &mut witnessed, log, screen).await?;
            self.old_system_step(platform, old_system, log, screen).await;
            self.telephony_step(platform, phones, log, screen).await;
            screen.failures(&failures);
        }
        // What a service leaves alone is a failure when it leaves everything alone.
        let is_without = |how: &Ended| match how {
            Ended::Changed => false,
            Ended::Unchanged => !ended.contains(&Ended::Changed),
            Ended::Failed => true,
        };
        let flows = self.flow.flows().iter().zip(&ended).filter(|(_, how)| is_without(how)).map(|(flow, _)| *flow);
        for flow in flows.filter(|flow| !failures.iter().any(|(failed, _)| failed == flow)) {
            screen.without_change(flow);
        }
        Ok(ended.contains(&Ended::Changed) && !ended.contains(&Ended::Failed))
    }

    /// A sign-on of the first user to the SAML app.
    async fn sign_on(&self) -> Result<Value, Error> {
        let app = self.saml_app.get().ok_or("The SAML app is not set up")?;
        let login = self.world.user_logins.first().ok_or("The development org has no user")?;
        app.sign_on(self.client, self.admin_token.expose(), login, &self.user_password).await
    }

    /// What a SAML hook was sent and what came out, after both token flows: in one line, on which their result does not depend.
    async fn saml_step(
        &self,
        platform: &Arc<Platform>,
        witnessed: &mut mpsc::Receiver<Witnessed>,
        log: &mut Log,
        screen: &Screen,
    ) -> Result<(), Error> {
        if self.saml_app.get().is_none() {
            return Ok(());
        }
        let answer = self.sign_on().await.unwrap_or_else(|error| json!({ "error": error.to_string() }));
        platform.log().flush().await;
        // Its events are not shown again after the demonstration.
        let _ = newest_invocation(log);
        let before = match witnessed.try_recv() {
            Ok(seen) => saml::members(serde_json::from_slice::<Value>(&seen.body)?.get("data")),
            Err(_) => Map::new(),
        };
        screen.saml(&before, &answer);
        Ok(())
    }

    /// The first sign-in of a user of the old system, in one line, on which the result of the token flows does not depend.
    async fn old_system_step(
        &self,
        platform: &Arc<Platform>,
        set_up: Result<(), Error>,
        log: &mut Log,
        screen: &Screen,
    ) {
        let migrated = match (set_up, self.saml_app.get()) {
            (Err(error), _) => Err(error),
            // Somebody signs in at a page of an app; the SAML app is said to be missing already.
            (Ok(()), None) => return,
            (Ok(()), Some(app)) => old_system::migrate(self.client, self.admin_token.expose(), app).await,
        };
        platform.log().flush().await;
        // Its events are not shown again after the demonstration.
        let _ = newest_invocation(log);
        screen.migrated(&migrated);
    }

    /// A sign-in with a passcode, in one line, on which the result of the token flows does not depend.
    async fn telephony_step(
        &self,
        platform: &Arc<Platform>,
        set_up: Result<(), Error>,
        log: &mut Log,
        screen: &Screen,
    ) {
        let signed_in = match set_up {
            Ok(()) => {
                let admin_token = self.admin_token.expose();
                passcodes::sign_in(self.client, admin_token, &self.user_password, &self.phones).await
            }
            Err(error) => Err(error),
        };
        platform.log().flush().await;
        // Its events are not shown again after the demonstration.
        let _ = newest_invocation(log);
        screen.second_factor(&signed_in);
    }

    /// Shows an invocation and the tokens that were issued after it.
    async fn show(
        &self,
        screen: &FlowScreen<'_>,
        mut seen: Witnessed,
        failure: Option<&Failure>,
        event: Option<&LogEvent<'_>>,
        document: &Value,
        answer: &Value,
    ) -> Result<Ended, Error> {
        self.mask_headers(&mut seen);
        if screen.flow == Flow::Order {
            return Ok(show_order(screen, &seen, failure, event, document, answer));
        }
        if screen.flow == Flow::Saml {
            return Ok(show_sign_on(screen, &seen, failure, event, document, answer));
        }
        let [access, identity] = ["access", "identity"].map(|token| Compared::of(token, document, &seen.data_after));
        if let Some(failure) = failure {
            screen.failure(failure);
        }
        screen.notices(&seen.notices);
        screen.exchange(&seen, document);
        screen.claims(&access.lines, &identity.lines, &seen.outcome);
        screen.timings(&seen.timings);
        if let Some(event) = event {
            screen.event(event);
        }
        // The hook's changes must be in the tokens as they were issued, not only in our records.
        let mut good = true;
        let mut verified = [Map::new(), Map::new()];
        for ((compared, verified), member) in
            [access, identity].into_iter().zip(&mut verified).zip(["access_token", "id_token"])
        {
            let Some(token) = answer.get(member).and_then(Value::as_str) else { continue };
            *verified = self.verify(token).await?;
            good &= compared.is_in(verified);
        }
        let [access, identity] = verified;
        let changed = matches!(&seen.outcome, Outcome::Applied(changes) if !changes.is_empty());
        let issued = Issued::of(answer, access, identity);
        let shown = changed && good && issued.is_token();
        screen.ended(&issued, shown, failure);
        Ok(match failure {
            None if shown => Ended::Changed,
            None if !changed && issued.is_token() => Ended::Unchanged,
            _ => Ended::Failed,
        })
    }

    /// Masks the values of all headers that the user gave: the transport does it only for the secret one.
    fn mask_headers(&self, seen: &mut Witnessed) {
        let given = |name: &str| self.tried().headers.iter().any(|header| header.name.eq_ignore_ascii_case(name));
        for (_, value) in seen.sent.headers.iter_mut().filter(|(name, _)| given(name)) {
            MASK.clone_into(value);
        }
    }

    /// The claims of `token`, once its signature has been verified with the published keys.
    pub(crate) async fn verify(&self, token: &str) -> Result<Map<String, Value>, Error> {
        let path = format!("/oauth2/{DEFAULT_SERVER}/v1/keys");
        let keys = self.client.send("GET", &path, Sent::default()).await?.json()?;
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

    /// `client_id:client_secret` in base64.
    fn basic_credentials(&self) -> String {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        STANDARD.encode(format!("{}:{}", self.world.confidential_client_id, self.client_secret.expose()))
    }
}

impl Compared {
    /// Compares a token's part of the document with that of the data after the hook.
    fn of(token: &str, document: &Value, data_after: &Value) -> Self {
        let claims = |data: Option<&Value>| {
            let claims = data.and_then(|data| data.pointer(&format!("/{token}/claims"))).and_then(Value::as_object);
            claims.cloned().unwrap_or_default()
        };
        let lifetime = |data: Option<&Value>| {
            data.and_then(|data| data.pointer(&format!("/{token}/token/lifetime/expiration"))).cloned()
        };
        let (before, after) = (document.get("data"), Some(data_after));
        let (claims_before, claims_after) = (claims(before), claims(after));
        let mut lines = diff::lines(&claims_before, &claims_after);
        lines.extend(diff::lifetime(lifetime(before), lifetime(after)));
        Self { after: claims_after, lines }
    }

    /// Whether the claims after the hook are those of the issued token. A value that is masked was set by the service:
    /// the token has it, and the screen must not show it, so it is masked in `issued` too.
    fn is_in(&self, issued: &mut Map<String, Value>) -> bool {
        let is_masked = |value: &Value| value.to_string().contains(MASK);
        let same = self.after.iter().all(|(name, value)| issued.get(name) == Some(value) || is_masked(value));
        let masked = self.after.iter().filter(|(_, value)| is_masked(value));
        issued.extend(masked.map(|(name, value)| (name.clone(), value.clone())));
        same
    }
}

/// Shows an invocation of the order, and what its host was told.
fn show_order(
    screen: &FlowScreen<'_>,
    seen: &Witnessed,
    failure: Option<&Failure>,
    event: Option<&LogEvent<'_>>,
    document: &Value,
    result: &Value,
) -> Ended {
    if let Some(failure) = failure {
        screen.failure(failure);
    }
    screen.notices(&seen.notices);
    screen.exchange(seen, document);
    screen.changes(&order::lines(result), result);
    screen.timings(&seen.timings);
    if let Some(event) = event {
        screen.event(event);
    }
    let applied = matches!(seen.outcome, Outcome::Applied(_));
    screen.order(result, applied);
    match failure {
        None if applied => Ended::Changed,
        None => Ended::Unchanged,
        Some(_) => Ended::Failed,
    }
}

/// Shows a sign-on with SAML, and the assertion that the service provider got.
fn show_sign_on(
    screen: &FlowScreen<'_>,
    seen: &Witnessed,
    failure: Option<&Failure>,
    event: Option<&LogEvent<'_>>,
    document: &Value,
    answer: &Value,
) -> Ended {
    let (before, recorded) = (saml::members(document.get("data")), saml::members(Some(&seen.data_after)));
    let received = answer.get("assertion").and_then(Value::as_object);
    if let Some(failure) = failure {
        screen.failure(failure);
    }
    screen.notices(&seen.notices);
    screen.exchange(seen, document);
    // As the hook has left it. A value that is masked was set by the service, and must not be shown.
    screen.assertion(&diff::lines(&before, &recorded), &seen.outcome);
    screen.timings(&seen.timings);
    if let Some(event) = event {
        screen.event(event);
    }
    // The hook's changes must be in the assertion as it was received, not only in our records.
    let is_masked = |value: &Value| value.to_string().contains(MASK);
    let good = received.is_some_and(|received| {
        recorded.iter().all(|(name, value)| received.get(name) == Some(value) || is_masked(value))
    });
    let changed = matches!(&seen.outcome, Outcome::Applied(changes) if !changes.is_empty());
    let mut answer = answer.clone();
    if let Some(received) = answer.get_mut("assertion").and_then(Value::as_object_mut) {
        let masked = recorded.into_iter().filter(|(_, value)| is_masked(value));
        received.extend(masked);
    }
    screen.signed_on(&answer, changed && good);
    match failure {
        None if changed && good => Ended::Changed,
        None if !changed && answer.get("assertion").is_some() => Ended::Unchanged,
        _ => Ended::Failed,
    }
}

/// The names of the claims that a hook changed, of each token; `None` when it changed none.
pub(super) fn changed_names(document: &Value, data_after: &Value) -> Option<String> {
    let of_token = |(member, token): (&str, &str)| {
        let lines = Compared::of(member, document, data_after).lines;
        let names: Vec<_> = lines.iter().filter_map(Line::changed).collect();
        (!names.is_empty()).then(|| format!("{} of the {token}", names.join(", ")))
    };
    let tokens: Vec<_> =
        [("access", "access token"), ("identity", "ID token")].into_iter().filter_map(of_token).collect();
    (!tokens.is_empty()).then(|| tokens.join(", and "))
}

/// The newest event of an invocation that the log has shown.
fn newest_invocation(log: &mut Log) -> Option<Arc<LogEvent<'static>>> {
    let mut newest = None;
    while let Ok(event) = log.try_recv() {
        if is_invocation(&event) {
            newest = Some(event);
        }
    }
    newest
}

/// Whether an event is that of an invocation.
pub(super) fn is_invocation(event: &LogEvent) -> bool {
    matches!(&*event.event_type, "inline_hook.executed" | "inline_hook.response.processed")
}
