//! Single logout (SAML profiles 4.4), through the browser: a service provider asks or the user does, our session ends at once, and
//! the browser takes a request to each other service provider of the session that has single logout, one after the other, and each
//! answer back, before the one that asked gets its own.

use std::borrow::Cow;

use tenterhook_contract::{Secret, Timestamp, id::AppId};
use tenterhook_model::{
    AppSubject, AskedApp, AskingApp, NameIdFormat, SamlApp, SamlLogout, Session, SessionApp, Status,
};
use tenterhook_platform::{
    Caller, OrgSnapshot, Platform, StoreError,
    entropy::{random_token, sha256_hex},
    events::{Event, SESSION_END, saml_app_target, user_actor},
    refusals::Refusal,
    saml_apps::{entity_id, logout_url},
};
use tenterhook_saml::{
    Failure, Fault, NameId, Reason, Status as SamlStatus,
    binding::{
        BindingError, MessageKind,
        redirect::{self, RedirectMessage},
    },
    read::{LogoutRequest, LogoutResponse},
    write,
};

use super::{
    error::{SamlError, SamlProblem},
    messages::{SKEW_SECONDS, check_destination, decode, is_current, is_name_of, verify},
    random_id,
};
use crate::commitment::Commitment;

/// Service providers that one logout tells: browsers follow about twenty redirects, and each takes two.
pub const LOGOUT_APPS_MAX: usize = 8;
/// Seconds that a logout may take, and that its requests are valid.
const LOGOUT_SECONDS: i64 = 600;

/// The answer to the user's browser.
#[derive(Debug)]
pub struct LogoutAnswer {
    /// Where the browser goes.
    pub then: LogoutStep,
    /// Whether the session has ended, so that its cookie is of no use.
    pub has_ended: bool,
}

/// Where the browser goes next.
#[derive(Debug)]
pub enum LogoutStep {
    /// A page tells the user the reason; nothing is sent to a service provider.
    Page(SamlError),
    /// To a service provider, or to the registered place of a logout that began here.
    Redirect(String),
    /// Nowhere: a page says that the user is signed out.
    SignedOut,
}

/// Handles a message of a service provider at an app's logout URL: its request, or its answer to ours.
pub async fn message(
    platform: &Platform,
    org: &OrgSnapshot,
    app: &SamlApp,
    caller: &Caller,
    session: Option<&Session>,
    commitment: &Commitment,
) -> LogoutAnswer {
    let flow = Logout { platform, org, caller };
    let answered = flow.message(app, session, commitment).await;
    answered.unwrap_or_else(|problem| LogoutAnswer {
        then: LogoutStep::Page(SamlError::from(problem).of_app(app, Refusal::SignOut)),
        has_ended: false,
    })
}

/// Ends a session because its user says so, and takes the browser through its service providers, then to `from_uri`. The place is
/// one that was checked.
///
/// # Errors
/// When the database fails.
pub async fn sign_out(
    platform: &Platform,
    org: &OrgSnapshot,
    caller: &Caller,
    session: Option<&Session>,
    from_uri: Option<String>,
    commitment: &Commitment,
) -> Result<LogoutAnswer, StoreError> {
    let then = |from_uri: Option<String>| from_uri.map_or(LogoutStep::SignedOut, LogoutStep::Redirect);
    let Some(session) = session else { return Ok(LogoutAnswer { then: then(from_uri), has_ended: true }) };
    let flow = Logout { platform, org, caller };
    let apps = platform.store().session_apps(&org.org.id, &session.id).await?;
    let place = from_uri.clone();
    match flow.begin(session, &apps, (None, from_uri), commitment).await {
        Ok(Some(step)) => Ok(LogoutAnswer { then: step, has_ended: true }),
        // Another request has ended it.
        Ok(None) => Ok(LogoutAnswer { then: then(place), has_ended: true }),
        Err(SamlProblem::Store(error)) => Err(error),
        Err(problem) => Ok(LogoutAnswer { then: LogoutStep::Page(problem.into()), has_ended: true }),
    }
}

/// Whether a sign-out may take the browser to this URL of another server: a redirect URI of an active client, compared exactly.
pub fn is_registered_place(org: &OrgSnapshot, uri: &str) -> bool {
    let mut active = org.configuration.clients.iter().filter(|client| client.status == Status::Active);
    active.any(|client| client.redirect_uris.iter().any(|own| own == uri))
}

/// What every step of a logout needs.
struct Logout<'a> {
    platform: &'a Platform,
    org: &'a OrgSnapshot,
    caller: &'a Caller,
}

impl Logout<'_> {
    async fn message(
        &self,
        app: &SamlApp,
        session: Option<&Session>,
        commitment: &Commitment,
    ) -> Result<LogoutAnswer, SamlProblem> {
        let (message, relay_state) = decode(self.caller)?;
        if app.status != Status::Active {
            return Err(SamlProblem::AppInactive);
        }
        let Some(message) = message else { return Err(BindingError::NoMessage.into()) };
        match message.kind {
            MessageKind::Request => self.requested(app, &message, relay_state, session, commitment).await,
            MessageKind::Response => self.answered(app, &message, relay_state.as_deref(), commitment).await,
        }
    }

    /// A service provider's request to end the session of the browser.
    async fn requested(
        &self,
        app: &SamlApp,
        message: &RedirectMessage,
        relay_state: Option<String>,
        session: Option<&Session>,
        commitment: &Commitment,
    ) -> Result<LogoutAnswer, SamlProblem> {
        let request = LogoutRequest::parse(&message.xml)?;
        self.check_request(app, message, &request)?;
        let asking = AskingApp { app_id: app.id.clone(), request_id: request.id.clone(), relay_state };
        let Some(session) = session else {
            // There is no session any more: what was asked for is the case.
            let then = LogoutStep::Redirect(self.response(app, &asking, SamlStatus::Success)?);
            return Ok(LogoutAnswer { then, has_ended: true });
        };
        let apps = self.platform.store().session_apps(&self.org.org.id, &session.id).await?;
        let own = apps.iter().find(|own| own.app_id == app.id);
        if !own.is_some_and(|own| is_of(&request, &own.subject)) {
            let unknown = Failure { fault: Fault::Requester, reason: Some(Reason::UnknownPrincipal), message: None };
            let then = LogoutStep::Redirect(self.response(app, &asking, SamlStatus::Failure(unknown))?);
            return Ok(LogoutAnswer { then, has_ended: false });
        }
        let step = self.begin(session, &apps, (Some(asking.clone()), None), commitment).await?;
        let then = match step {
            Some(step) => step,
            // Another request has ended it.
            None => LogoutStep::Redirect(self.response(app, &asking, SamlStatus::Success)?),
        };
        Ok(LogoutAnswer { then, has_ended: true })
    }

    fn check_request(
        &self,
        app: &SamlApp,
        message: &RedirectMessage,
        request: &LogoutRequest,
    ) -> Result<(), SamlProblem> {
        let logout = app.single_logout.as_ref().ok_or(SamlProblem::NoLogout)?;
        if request.issuer != logout.issuer {
            return Err(SamlProblem::Issuer);
        }
        check_destination(message, request.is_signed, request.destination.as_deref(), &logout_url(self.org, app))?;
        verify(app, message, request.is_signed, must_be_signed(app))?;
        let now = self.platform.now();
        let has_passed = |until: Timestamp| until.plus_seconds(SKEW_SECONDS) <= now;
        if !is_current(request.issue_instant, now) || request.not_on_or_after.is_some_and(has_passed) {
            return Err(SamlProblem::NotCurrent);
        }
        Ok(())
    }

    /// A service provider's answer to our request.
    async fn answered(
        &self,
        app: &SamlApp,
        message: &RedirectMessage,
        token: Option<&str>,
        commitment: &Commitment,
    ) -> Result<LogoutAnswer, SamlProblem> {
        let response = LogoutResponse::parse(&message.xml)?;
        let (store, org) = (self.platform.store(), &self.org.org.id);
        let token = Secret::new(token.ok_or(SamlProblem::UnknownLogout)?);
        let logout = store.find_saml_logout(org, &sha256_hex(token.expose()), self.platform.now()).await?;
        let mut logout = logout.ok_or(SamlProblem::UnknownLogout)?;
        let is_awaited = logout
            .waiting_for
            .as_ref()
            .is_some_and(|asked| asked.app_id == app.id && response.in_response_to.as_ref() == Some(&asked.request_id));
        if !is_awaited {
            return Err(SamlProblem::UnknownLogout);
        }
        if let Err(problem) = self.check_response(app, message, &response) {
            // Whoever sent it, the user's way goes on; it does not count as a logout.
            tracing::warn!(app = %app.id, %problem, "saml.logout: an answer is not accepted");
            logout.is_partial = true;
        }
        logout.is_partial |= !response.is_success();
        commitment.begin();
        let apps = store.session_apps(org, &logout.session_id).await?;
        let step = logout.step;
        let then = self.next(&mut logout, &apps, &token)?;
        if !store.advance_saml_logout(step, &logout).await? {
            return Err(SamlProblem::UnknownLogout);
        }
        Ok(LogoutAnswer { then, has_ended: false })
    }

    fn check_response(
        &self,
        app: &SamlApp,
        message: &RedirectMessage,
        response: &LogoutResponse,
    ) -> Result<(), SamlProblem> {
        let logout = app.single_logout.as_ref().ok_or(SamlProblem::NoLogout)?;
        if response.issuer != logout.issuer {
            return Err(SamlProblem::Issuer);
        }
        check_destination(message, response.is_signed, response.destination.as_deref(), &logout_url(self.org, app))?;
        verify(app, message, response.is_signed, must_be_signed(app))?;
        if is_current(response.issue_instant, self.platform.now()) { Ok(()) } else { Err(SamlProblem::NotCurrent) }
    }

    /// Ends the session, and sends the browser on its way. `None` when the session has ended already.
    async fn begin(
        &self,
        session: &Session,
        apps: &[SessionApp],
        (asking, from_uri): (Option<AskingApp>, Option<String>),
        commitment: &Commitment,
    ) -> Result<Option<LogoutStep>, SamlProblem> {
        let Self { platform, org, .. } = *self;
        let user = platform.store().find_user(&org.org.id, &session.user_id).await?;
        let is_asking = |app: &SessionApp| asking.as_ref().is_some_and(|asking| asking.app_id == app.app_id);
        let others = apps.iter().filter(|app| !is_asking(app) && self.with_logout(&app.app_id).is_some());
        let mut rest: Vec<_> = others.map(|app| app.app_id.clone()).collect();
        let is_partial = rest.len() > LOGOUT_APPS_MAX;
        rest.truncate(LOGOUT_APPS_MAX);
        let token = random_token(platform.entropy());
        let mut logout = SamlLogout {
            token_sha256: sha256_hex(token.expose()),
            org_id: org.org.id.clone(),
            session_id: session.id.clone(),
            asking,
            from_uri,
            waiting_for: None,
            rest,
            is_partial,
            step: 0,
            expires: platform.now().plus_seconds(LOGOUT_SECONDS),
        };
        let step = self.next(&mut logout, apps, &token)?;
        commitment.begin();
        let in_progress = logout.waiting_for.is_some().then_some(&logout);
        if !platform.store().end_session(&org.org.id, &session.id, in_progress).await? {
            return Ok(None);
        }
        if let Some(user) = &user {
            let event = Event::of_caller(platform.stamp(), &org.org.id, self.caller, user_actor(user));
            let (event_type, message) = SESSION_END;
            let asking = logout.asking.as_ref().and_then(|asking| org.configuration.saml_apps.get(&asking.app_id));
            let targets = asking.map(|app| Cow::Owned(saml_app_target(app)));
            platform.log_event(event.named(event_type, message).about(targets));
        }
        Ok(Some(step))
    }

    /// The next step of a logout: to the next service provider that can be told, else to its end. Changes `logout` accordingly.
    fn next(&self, logout: &mut SamlLogout, apps: &[SessionApp], token: &Secret) -> Result<LogoutStep, SamlProblem> {
        logout.step += 1;
        logout.waiting_for = None;
        while let Some(id) = logout.rest.pop() {
            let told = apps.iter().find(|app| app.app_id == id);
            match told.zip(self.with_logout(&id)).map(|(told, app)| self.request(app, &told.subject, token)) {
                Some(Ok((location, request_id))) => {
                    logout.waiting_for = Some(AskedApp { app_id: id, request_id });
                    return Ok(LogoutStep::Redirect(location));
                }
                Some(Err(problem)) => {
                    tracing::warn!(app = %id, %problem, "saml.logout: a service provider cannot be told");
                    logout.is_partial = true;
                }
                // It was deleted meanwhile, or lost its single logout.
                None => logout.is_partial = true,
            }
        }
        let Some(asking) = &logout.asking else {
            return Ok(logout.from_uri.clone().map_or(LogoutStep::SignedOut, LogoutStep::Redirect));
        };
        let partial = Failure { fault: Fault::Responder, reason: Some(Reason::PartialLogout), message: None };
        let status = if logout.is_partial { SamlStatus::Failure(partial) } else { SamlStatus::Success };
        let app = self.with_logout(&asking.app_id).ok_or(SamlProblem::NoLogout)?;
        Ok(LogoutStep::Redirect(self.response(app, asking, status)?))
    }

    /// An active app that has single logout.
    fn with_logout(&self, id: &AppId) -> Option<&SamlApp> {
        let app = self.org.configuration.saml_apps.get(id)?;
        (app.status == Status::Active && app.single_logout.is_some()).then_some(app)
    }

    /// Where the browser takes our request to a service provider, and the request's id.
    fn request(&self, app: &SamlApp, subject: &AppSubject, token: &Secret) -> Result<(String, String), SamlProblem> {
        let logout = app.single_logout.as_ref().ok_or(SamlProblem::NoLogout)?;
        let (now, issuer) = (self.platform.now(), entity_id(self.org, app));
        let is_persistent = subject.name_format == NameIdFormat::Persistent.uri();
        let request = write::LogoutRequest {
            id: random_id(self.platform),
            destination: logout.logout_url.clone(),
            issue_instant: now,
            not_on_or_after: Some(now.plus_seconds(LOGOUT_SECONDS)),
            name_id: NameId {
                value: subject.name_id.clone(),
                format: Some(subject.name_format.clone()),
                name_qualifier: is_persistent.then(|| issuer.clone()),
                sp_name_qualifier: is_persistent.then(|| app.audience.clone()),
            },
            issuer,
            session_indexes: vec![subject.session_index.clone()],
        };
        let location =
            self.location(app, &logout.logout_url, MessageKind::Request, &request.to_xml()?, Some(token.expose()))?;
        Ok((location, request.id))
    }

    /// Where the browser takes our answer to the service provider that has asked.
    fn response(&self, app: &SamlApp, asking: &AskingApp, status: SamlStatus) -> Result<String, SamlProblem> {
        let logout = app.single_logout.as_ref().ok_or(SamlProblem::NoLogout)?;
        let response = write::LogoutResponse {
            id: random_id(self.platform),
            in_response_to: Some(asking.request_id.clone()),
            destination: logout.logout_url.clone(),
            issuer: entity_id(self.org, app),
            issue_instant: self.platform.now(),
            status,
        };
        let state = asking.relay_state.as_deref();
        self.location(app, &logout.logout_url, MessageKind::Response, &response.to_xml()?, state)
    }

    fn location(
        &self,
        app: &SamlApp,
        destination: &str,
        kind: MessageKind,
        xml: &str,
        relay_state: Option<&str>,
    ) -> Result<String, SamlProblem> {
        let key = self.org.app_keys.signer(app).ok_or(SamlProblem::NoKey)?;
        Ok(redirect::location(destination, &redirect::encode(kind, xml, relay_state, Some(key))?))
    }
}

/// Whether messages of logout must be signed: whoever can sign does, for a logout can be asked for with a link.
fn must_be_signed(app: &SamlApp) -> bool {
    app.signed_requests || !app.sp_certificates.is_empty()
}

/// Whether a request is about the user and the session that the app knows by this name.
fn is_of(request: &LogoutRequest, subject: &AppSubject) -> bool {
    let indexes = &request.session_indexes;
    is_name_of(&request.name_id, &subject.name_id, &subject.name_format)
        && (indexes.is_empty() || indexes.contains(&subject.session_index))
}
