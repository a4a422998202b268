//! Single logout (SAML profiles 4.4), through the browser: a service provider asks or the user does, our session ends at once, and
//! the browser takes a request to each other service provider of the session that has single logout, one after the other, and each
//! answer back, before the one that asked gets its own.
//!
//! A service provider that does not answer keeps the browser. The browser has a cookie with the logout's token, so that a visit to the
//! page that signs out goes on with the next one ([`resume`]).

use std::{borrow::Cow, fmt};

use tenterhook_contract::{Secret, Timestamp, id::AppId};
use tenterhook_model::{
    AppSubject, AskedApp, AskingApp, NameIdFormat, SamlApp, SamlLogout, Session, SessionApp, Status, User,
};
use tenterhook_platform::{
    Caller, OrgSnapshot, Platform, StoreError,
    entropy::{random_token, sha256_hex},
    events::{Event, SESSION_END, SINGLE_LOGOUT, saml_app_target, user_actor},
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

use tenterhook_store::{Ended, SessionApps};

use super::{
    error::{SamlError, SamlProblem},
    messages::{SKEW_SECONDS, check_destination, decode, is_current, is_name_of, verify},
    random_id,
    sign_on::index_sha256,
};
use crate::commitment::Commitment;

/// Service providers that one logout tells: browsers follow about twenty redirects, and each takes two.
pub const LOGOUT_APPS_MAX: usize = 8;
/// Seconds that a logout may take, and that its requests are valid.
const LOGOUT_SECONDS: i64 = 600;
/// Sessions that one request may name by their indexes; it is not looked for further ones.
const INDEXES_MAX: usize = 20;
/// How often the end of a session is tried while its user signs on to further service providers.
const TRIES_MAX: usize = 3;

/// Reasons in the log for service providers at which the user may still be signed in.
const NO_SINGLE_LOGOUT: &str = "The app has no single logout";
const TOO_MANY: &str = "A logout tells eight apps";
const NOT_SENT: &str = "No request could be sent to the app";
const NO_ANSWER: &str = "The app has not answered";
const NOT_ACCEPTED: &str = "The answer of the app is not accepted";
const NOT_ENDED: &str = "The app has not ended its session";
const UNREADABLE: &str = "What is known of the user at the app cannot be read";
const OTHER_SESSION: &str = "The app belongs to another session of the request";

/// The answer to the user's browser.
#[derive(Debug)]
pub struct LogoutAnswer {
    /// Where the browser goes.
    pub then: LogoutStep,
    /// Whether the session of the browser has ended, so that its cookie is of no use.
    pub has_ended: bool,
    /// What becomes of the cookie by which the browser names a logout.
    pub progress: Progress,
}

/// What becomes of the cookie by which the browser names a logout in progress.
#[derive(Debug)]
pub enum Progress {
    /// It stays.
    Same,
    /// It gets this value: a service provider has the browser.
    Begun(Secret),
    /// It is removed: the logout is at its end.
    Over,
}

/// Where the browser goes next. Its `Debug` shows no URL, because most have a message.
pub enum LogoutStep {
    /// A page tells the user the reason; nothing is sent to a service provider.
    Page(SamlError),
    /// To a service provider, or to the registered place of a logout that began here.
    Redirect(String),
    /// Nowhere: a page says that the user is signed out.
    SignedOut {
        /// The labels of apps at which the user may still be signed in.
        untold: Vec<String>,
    },
}

impl fmt::Debug for LogoutStep {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Page(error) => formatter.debug_tuple("Page").field(error).finish(),
            Self::Redirect(location) => {
                formatter.debug_struct("Redirect").field("location_bytes", &location.len()).finish()
            }
            Self::SignedOut { untold } => formatter.debug_struct("SignedOut").field("untold", untold).finish(),
        }
    }
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
        progress: Progress::Same,
    })
}

/// Ends a session because its user says so, and takes the browser through its service providers, then to `from_uri`. The place is
/// one that was checked. Without a session, the logout that `token` names goes on, if one is in progress.
///
/// # Errors
/// When the database fails.
pub async fn sign_out(
    platform: &Platform,
    org: &OrgSnapshot,
    caller: &Caller,
    (session, token): (Option<&Session>, Option<&Secret>),
    from_uri: Option<String>,
    commitment: &Commitment,
) -> Result<LogoutAnswer, StoreError> {
    let flow = Logout { platform, org, caller };
    let done = match (session, token) {
        (Some(session), _) => flow.begin(session, Vec::new(), (None, from_uri.clone()), commitment).await,
        (None, Some(token)) => flow.resume(token, commitment).await,
        (None, None) => Ok(None),
    };
    match done {
        Ok(Some((then, progress))) => Ok(LogoutAnswer { then, has_ended: true, progress }),
        // There is nothing to end: another request has ended it.
        Ok(None) => {
            let then = from_uri.map_or(LogoutStep::SignedOut { untold: Vec::new() }, LogoutStep::Redirect);
            Ok(LogoutAnswer { then, has_ended: true, progress: Progress::Over })
        }
        Err(SamlProblem::Store(error)) => Err(error),
        Err(problem) => {
            Ok(LogoutAnswer { then: LogoutStep::Page(problem.into()), has_ended: true, progress: Progress::Over })
        }
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

    /// A service provider's request to end the session of the browser, or those that it names by their indexes.
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
        let fingerprint = logout_fingerprint(app, &request.id);
        if self.platform.store().is_saml_request_answered(&self.org.org.id, &fingerprint).await? {
            return Err(SamlProblem::Replayed);
        }
        // Later it is not current any more, also for a node whose clock is behind.
        let until = request.issue_instant.plus_seconds(2 * SKEW_SECONDS);
        let asking = AskingApp { app_id: app.id.clone(), request_id: request.id.clone(), relay_state };
        let found = self.sessions_of(app, &request, session).await?;
        // One that ends a session is no stranger's, and each session is ended once. The answers to our own requests are the steps of
        // such a logout.
        let is_strangers = session.is_none() && found.as_ref().is_none_or(Vec::is_empty);
        if is_strangers && !self.may_sign_for_stranger() {
            return Err(SamlProblem::TooManyStrangers);
        }
        let Some(found) = found else {
            let unknown = Failure { fault: Fault::Requester, reason: Some(Reason::UnknownPrincipal), message: None };
            let then = LogoutStep::Redirect(self.response(app, &asking, SamlStatus::Failure(unknown))?);
            return Ok(LogoutAnswer { then, has_ended: false, progress: Progress::Same });
        };
        let has_ended = session.is_none_or(|own| found.iter().any(|found| found.id == own.id));
        let mut others = found.into_iter();
        let begun = match others.next() {
            Some(first) => {
                let missed = self.end_others(app, others.as_slice(), commitment).await?;
                let from = (Some((asking.clone(), fingerprint, until)), None);
                self.begin(&first, missed, from, commitment).await?
            }
            None => None,
        };
        let (then, progress) = match begun {
            Some(begun) => begun,
            // They have ended already: what was asked for is the case. Whoever has no session and ends none is a stranger.
            None if session.is_none() && !is_strangers && !self.may_sign_for_stranger() => {
                return Err(SamlProblem::TooManyStrangers);
            }
            None => (LogoutStep::Redirect(self.response(app, &asking, SamlStatus::Success)?), Progress::Same),
        };
        Ok(LogoutAnswer { then, has_ended, progress })
    }

    fn may_sign_for_stranger(&self) -> bool {
        self.platform.may_sign_for_stranger(&self.org.org.id, self.caller)
    }

    /// The sessions that a request means, those that have not ended: the browser's, if the app knows its user by the name of the
    /// request, and those that the request names by their indexes. A browser often has no cookie with the request: it comes from
    /// a frame, or from another browser. `None` when nothing is known of what the request names.
    async fn sessions_of(
        &self,
        app: &SamlApp,
        request: &LogoutRequest,
        session: Option<&Session>,
    ) -> Result<Option<Vec<Session>>, SamlProblem> {
        let (store, org, now) = (self.platform.store(), &self.org.org.id, self.platform.now());
        let mut sessions: Vec<Session> = Vec::new();
        if let Some(session) = session {
            let apps = store.session_apps(org, &session.id).await?;
            if apps.known.iter().any(|own| own.app_id == app.id && is_of(request, &own.subject)) {
                sessions.push(session.clone());
            }
        }
        let indexes = request.session_indexes.iter().take(INDEXES_MAX);
        let hashes: Vec<_> = indexes.map(|index| index_sha256(app, index)).collect();
        let known = if hashes.is_empty() { Vec::new() } else { store.session_apps_of_indexes(org, &hashes).await? };
        // In the order of the request: the service providers of the first are told.
        let mut named = Vec::new();
        for hash in &hashes {
            let of_hash = known.iter().filter(|known| known.index_sha256.as_ref() == Some(hash));
            let own = of_hash.filter(|known| known.app_id == app.id && is_of(request, &known.subject));
            named.extend(own.map(|known| known.session_id.clone()));
        }
        let is_known = !sessions.is_empty() || !named.is_empty();
        for id in named {
            if sessions.iter().all(|session| session.id != id) {
                sessions.extend(store.find_session_by_id(org, &id, now).await?);
            }
        }
        Ok(is_known.then_some(sessions))
    }

    /// Ends further sessions of a request. Their service providers are not told; returns them, as far as they can be read.
    async fn end_others(
        &self,
        app: &SamlApp,
        sessions: &[Session],
        commitment: &Commitment,
    ) -> Result<Vec<Option<AppId>>, SamlProblem> {
        let (store, org) = (self.platform.store(), &self.org.org.id);
        let mut missed = Vec::new();
        for session in sessions {
            let apps = store.session_apps(org, &session.id).await?;
            let user = store.find_user(org, &session.user_id).await?;
            commitment.begin();
            match store.end_session(org, (&session.id, &apps), None, None).await? {
                Ended::Yes => {}
                Ended::Before => continue,
                Ended::AppsChanged | Ended::Answered => return Err(busy()),
            }
            self.log_end(user.as_ref(), Some(&app.id));
            self.log_unreadable(session, &apps);
            let apps = apps.known.into_iter().map(|other| Some(other.app_id)).chain(apps.unreadable);
            missed.extend(apps.filter(|other| other.as_ref() != Some(&app.id)));
        }
        Ok(missed)
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
        let user = self.user_of(&logout).await?;
        let is_awaited = logout
            .waiting_for
            .as_ref()
            .is_some_and(|asked| asked.app_id == app.id && response.in_response_to.as_ref() == Some(&asked.request_id));
        if !is_awaited {
            return Err(SamlProblem::UnknownLogout);
        }
        let missed = match self.check_response(app, message, &response) {
            // Whoever sent it, the user's way goes on; it does not count as a logout.
            Err(problem) => {
                tracing::warn!(app = %app.id, %problem, "saml.logout: an answer is not accepted");
                Some(NOT_ACCEPTED)
            }
            Ok(()) => (!response.is_success()).then_some(NOT_ENDED),
        };
        let then = self.advance(&mut logout, user.as_ref(), (&app.id, missed), &token, commitment).await?;
        let (then, progress) = then.ok_or(SamlProblem::UnknownLogout)?;
        Ok(LogoutAnswer { then, has_ended: false, progress })
    }

    /// Goes on with the logout of a browser that comes back without the answer of the service provider that has it: that one may
    /// still know the user. `None` when no such logout is in progress.
    async fn resume(
        &self,
        token: &Secret,
        commitment: &Commitment,
    ) -> Result<Option<(LogoutStep, Progress)>, SamlProblem> {
        let (store, org) = (self.platform.store(), &self.org.org.id);
        let logout = store.find_saml_logout(org, &sha256_hex(token.expose()), self.platform.now()).await?;
        let Some(mut logout) = logout else { return Ok(None) };
        let Some(asked) = logout.waiting_for.clone() else { return Ok(None) };
        let user = self.user_of(&logout).await?;
        self.advance(&mut logout, user.as_ref(), (&asked.app_id, Some(NO_ANSWER)), token, commitment).await
    }

    /// Takes a logout from the service provider that has the browser to the next one. `missed` says why the user may still be signed
    /// in there. `None`, with nothing changed, when another request has moved the logout.
    async fn advance(
        &self,
        logout: &mut SamlLogout,
        user: Option<&User>,
        (asked, missed): (&AppId, Option<&'static str>),
        token: &Secret,
        commitment: &Commitment,
    ) -> Result<Option<(LogoutStep, Progress)>, SamlProblem> {
        let store = self.platform.store();
        let mut told = vec![(asked.clone(), missed)];
        if missed.is_some() {
            logout.missed(asked.clone());
        }
        let apps = store.session_apps(&self.org.org.id, &logout.session_id).await?;
        let step = logout.step;
        let then = self.next(logout, &apps.known, token, &mut told)?;
        commitment.begin();
        if !store.advance_saml_logout(step, logout).await? {
            return Ok(None);
        }
        self.log_told(logout, user, &told);
        Ok(Some((then, progress(logout, token))))
    }

    async fn user_of(&self, logout: &SamlLogout) -> Result<Option<User>, StoreError> {
        match &logout.user_id {
            Some(user) => self.platform.store().find_user(&self.org.org.id, user).await,
            None => Ok(None),
        }
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

    /// Ends the session, and sends the browser on its way. `missed` are service providers that are not told, as far as they can be
    /// read. `None` when the session has ended already.
    async fn begin(
        &self,
        session: &Session,
        missed: Vec<Option<AppId>>,
        (asking, from_uri): (Option<(AskingApp, String, Timestamp)>, Option<String>),
        commitment: &Commitment,
    ) -> Result<Option<(LogoutStep, Progress)>, SamlProblem> {
        let Self { platform, org, .. } = *self;
        let (store, org_id) = (platform.store(), &org.org.id);
        let user = store.find_user(org_id, &session.user_id).await?;
        let request = asking.as_ref().map(|(_, fingerprint, until)| (fingerprint.as_str(), *until));
        let asking = asking.as_ref().map(|(asking, ..)| asking);
        for _ in 0..TRIES_MAX {
            let apps = store.session_apps(org_id, &session.id).await?;
            let token = random_token(platform.entropy());
            let mut logout = SamlLogout {
                token_sha256: sha256_hex(token.expose()),
                org_id: org_id.clone(),
                session_id: session.id.clone(),
                user_id: Some(session.user_id.clone()),
                asking: asking.cloned(),
                from_uri: from_uri.clone(),
                waiting_for: None,
                rest: Vec::new(),
                is_partial: missed.iter().chain(&apps.unreadable).any(Option::is_none),
                untold: Vec::new(),
                step: 0,
                expires: platform.now().plus_seconds(LOGOUT_SECONDS),
            };
            let mut told: Vec<_> = asking.map(|asking| (asking.app_id.clone(), None)).into_iter().collect();
            told.extend(missed.iter().flatten().map(|app| (app.clone(), Some(OTHER_SESSION))));
            told.extend(apps.unreadable.iter().flatten().map(|app| (app.clone(), Some(UNREADABLE))));
            for app in apps.known.iter().filter(|app| asking.is_none_or(|asking| asking.app_id != app.app_id)) {
                match self.with_logout(&app.app_id) {
                    None => told.push((app.app_id.clone(), Some(NO_SINGLE_LOGOUT))),
                    Some(_) if logout.rest.len() == LOGOUT_APPS_MAX => told.push((app.app_id.clone(), Some(TOO_MANY))),
                    Some(_) => logout.rest.push(app.app_id.clone()),
                }
            }
            let untold = told.iter().filter(|(_, missed)| missed.is_some()).map(|(app, _)| app.clone());
            untold.collect::<Vec<_>>().into_iter().for_each(|app| logout.missed(app));
            let step = self.next(&mut logout, &apps.known, &token, &mut told)?;
            commitment.begin();
            let in_progress = logout.waiting_for.is_some().then_some(&logout);
            match store.end_session(org_id, (&session.id, &apps), in_progress, request).await? {
                Ended::AppsChanged => continue,
                Ended::Before => return Ok(None),
                Ended::Answered => return Err(SamlProblem::Replayed),
                Ended::Yes => {}
            }
            self.log_end(user.as_ref(), asking.map(|asking| &asking.app_id));
            self.log_unreadable(session, &apps);
            self.log_told(&logout, user.as_ref(), &told);
            return Ok(Some((step, progress(&logout, &token))));
        }
        Err(busy())
    }

    /// Logs that the session of a user has ended, by the user or by a service provider's request.
    fn log_end(&self, user: Option<&User>, asking: Option<&AppId>) {
        let Self { platform, org, caller } = *self;
        let Some(user) = user else { return };
        let event = Event::of_caller(platform.stamp(), &org.org.id, caller, user_actor(user));
        let (event_type, message) = SESSION_END;
        let asking = asking.and_then(|asking| org.configuration.saml_apps.get(asking));
        let targets = asking.map(|app| Cow::Owned(saml_app_target(app)));
        platform.log_event(event.named(event_type, message).about(targets));
    }

    /// Says once for each session that ends what of it could not be read.
    fn log_unreadable(&self, session: &Session, apps: &SessionApps) {
        let unreadable = apps.unreadable.len();
        if unreadable > 0 {
            let (org, session) = (&self.org.org.id, &session.id);
            tracing::error!(%org, %session, unreadable, "session.unreadable: service providers are not told of a logout");
        }
    }

    /// Logs of each service provider whether the user is signed out there, and else why not. The initiator is the service provider
    /// that has asked for the logout, or the user.
    fn log_told(&self, logout: &SamlLogout, user: Option<&User>, told: &[(AppId, Option<&'static str>)]) {
        let Self { platform, org, caller } = *self;
        let Some(user) = user else { return };
        let initiator = logout.asking.as_ref().map_or("user", |asking| asking.app_id.as_str());
        for (app, missed) in told {
            let target = org.configuration.saml_apps.get(app).map(|app| Cow::Owned(saml_app_target(app)));
            let mut debug_data = caller.debug_data();
            debug_data.put("logoutInitiator", initiator.to_owned());
            let (event_type, message) = SINGLE_LOGOUT;
            let event = Event::of_caller(platform.stamp(), &org.org.id, caller, user_actor(user));
            let event = event.named(event_type, message).about(target).with_debug_data(debug_data);
            platform.log_event(match missed {
                Some(reason) => event.failed(reason),
                None => event,
            });
        }
    }

    /// The next step of a logout: to the next service provider that can be told, else to its end. Changes `logout` accordingly, and
    /// adds to `told` those that cannot be.
    fn next(
        &self,
        logout: &mut SamlLogout,
        apps: &[SessionApp],
        token: &Secret,
        told: &mut Vec<(AppId, Option<&'static str>)>,
    ) -> Result<LogoutStep, SamlProblem> {
        logout.step += 1;
        logout.waiting_for = None;
        while let Some(id) = logout.rest.pop() {
            let known = apps.iter().find(|app| app.app_id == id);
            let why = match (known, self.with_logout(&id)) {
                // It was deleted meanwhile, or lost its single logout.
                (_, None) => NO_SINGLE_LOGOUT,
                (None, Some(_)) => UNREADABLE,
                (Some(known), Some(app)) => match self.request(app, &known.subject, token) {
                    Ok((location, request_id)) => {
                        logout.waiting_for = Some(AskedApp { app_id: id, request_id });
                        return Ok(LogoutStep::Redirect(location));
                    }
                    Err(problem) => {
                        tracing::warn!(app = %id, %problem, "saml.logout: a service provider cannot be told");
                        NOT_SENT
                    }
                },
            };
            logout.missed(id.clone());
            told.push((id, Some(why)));
        }
        let Some(asking) = &logout.asking else {
            let untold = logout.untold.iter().filter_map(|app| self.org.configuration.saml_apps.get(app));
            let untold = untold.map(|app| app.label.clone()).collect();
            return Ok(logout.from_uri.clone().map_or(LogoutStep::SignedOut { untold }, LogoutStep::Redirect));
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

/// What becomes of the browser's cookie after a step.
fn progress(logout: &SamlLogout, token: &Secret) -> Progress {
    if logout.waiting_for.is_some() { Progress::Begun(token.clone()) } else { Progress::Over }
}

/// The user signs on faster than the session can be ended.
fn busy() -> SamlProblem {
    StoreError::Unavailable("the session changes faster than it can be ended".to_owned()).into()
}

/// What the logout request of an app is known by: another one than an authentication request with the same id.
fn logout_fingerprint(app: &SamlApp, request_id: &str) -> String {
    sha256_hex(&format!("logout {} {request_id}", app.id))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_of_a_step_shows_nothing_of_the_messages_that_a_browser_carries() {
        let location = "https://sp.example.com/slo?SAMLRequest=marked-secret&RelayState=marked-secret".to_owned();
        let answer = LogoutAnswer {
            then: LogoutStep::Redirect(location),
            has_ended: true,
            progress: Progress::Begun(Secret::new("marked-secret")),
        };
        let shown = format!("{answer:?}");
        assert!(shown.contains("location_bytes: 77") && !shown.contains("marked-secret"), "{shown}");
    }
}
