//! Single sign-on (SAML profiles 4.1): from an authentication request, or from nothing when it begins here, to a signed response.
//!
//! [`sign_on`] is the way of one request. Until the assertion consumer service is known to be the app's, every problem becomes a page;
//! from then on what SAML has a status for is sent there.

use std::{fmt, sync::Arc};

use tenterhook_contract::saml::{Saml, assertion::Assertion};
use tenterhook_model::{AppSubject, ContentCipher, NameIdFormat, SamlApp, Session, SessionApp, Status, UserStatus};
use tenterhook_platform::{
    Caller, OrgSnapshot, Pause, Platform, Resumed,
    entropy::sha256_hex,
    refusals::Refusal,
    saml_apps::{entity_id, sign_on_url},
};
use tenterhook_saml::{
    BINDING_HTTP_POST, Certificate, Failure, Fault, Reason,
    binding::{MessageKind, redirect::RedirectMessage},
    keys::SigningKey,
    read::AuthnRequest,
    write::{AssertionDraft, ContentEncryption, EncryptTo, EncryptionError, Outcome, Response, Signed, WriteError},
};

use tenterhook_store::{Lapsed, Proof, Recorded, Standing};

use super::{
    assertion::{self, text_attribute},
    authn_context::class_for,
    error::{SamlError, SamlFault, SamlProblem},
    events::SignOnOf,
    messages::{SKEW_SECONDS, check_destination, decode, fingerprint, is_current, is_name_of, verify},
    random_id,
    signing::Signing,
};
use crate::{
    commitment::Commitment,
    registration::progressive::{Incomplete, incomplete},
};

/// Seconds after which a request is not answered any more, also when the user has been at the sign-in page since, or at the one that
/// completes the profile.
pub const REQUEST_SECONDS_MAX: i64 = 3_600;
/// Seconds before now at which an assertion begins to be valid, for service providers whose clocks are behind.
const NOT_BEFORE_SECONDS: i64 = 300;

/// The answer to the user's browser, with the page of type `P` that posts a response. Its `Debug` shows nothing of the user and of the
/// request.
pub enum SignOnAnswer<P> {
    /// A page tells the user the reason; nothing is sent to the service provider.
    Page(SamlError),
    /// The user must sign in first.
    SignIn {
        /// A login to fill in.
        login_hint: Option<String>,
    },
    /// The user must complete the profile first.
    CompleteProfile(Box<Incomplete>),
    /// The browser gets the page that posts a response to the service provider.
    Post(P),
}

/// What the browser posts to a service provider. Its `Debug` shows the consumer only.
pub struct ResponseForm {
    /// The assertion consumer service, one that the app has registered.
    pub consumer: String,
    /// The response, signed.
    pub xml: String,
    /// `RelayState`.
    pub relay_state: Option<String>,
}

/// Makes the page that posts a response. A large response is made a page on the thread that has written and signed it.
pub type PageOf<P> = fn(ResponseForm) -> P;

impl fmt::Debug for ResponseForm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ResponseForm")
            .field("consumer", &self.consumer)
            .field("xml_bytes", &self.xml.len())
            .field("relay_state_bytes", &self.relay_state.as_ref().map(String::len))
            .finish()
    }
}

impl<P> fmt::Debug for SignOnAnswer<P> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Page(error) => formatter.debug_tuple("Page").field(error).finish(),
            Self::SignIn { .. } => formatter.debug_struct("SignIn").finish_non_exhaustive(),
            Self::CompleteProfile(_) => formatter.debug_tuple("CompleteProfile").finish_non_exhaustive(),
            Self::Post(_) => formatter.debug_tuple("Post").finish_non_exhaustive(),
        }
    }
}

/// An assertion consumer service of an app.
struct Consumer<'a> {
    url: &'a str,
    recipient: &'a str,
    destination: &'a str,
}

/// A request whose answer may be sent to the service provider.
struct Checked<'a> {
    request: Option<AuthnRequest>,
    consumer: Consumer<'a>,
    relay_state: Option<String>,
    fingerprint: Option<String>,
}

/// What a request that SAML has a status for is answered with.
enum Refused {
    Problem(SamlProblem),
    Status(Failure),
}

impl<P: Into<SamlProblem>> From<P> for Refused {
    fn from(problem: P) -> Self {
        Self::Problem(problem.into())
    }
}

/// What becomes of a request that has passed every check.
enum Progress<P> {
    SignIn { login_hint: Option<String> },
    CompleteProfile(Box<Incomplete>),
    Signed(P),
}

/// The fingerprint of the request of this caller, for the session of the user who signs in for it.
pub fn request_fingerprint(app: &SamlApp, caller: &Caller) -> Option<String> {
    let (message, _) = decode(caller).ok()?;
    let request = AuthnRequest::parse(&message?.xml).ok()?;
    Some(fingerprint(app, &request.id))
}

/// Handles a request for sign-on to an app. `session` is the session of the browser's cookie, if there is one. `commitment` begins
/// when the response is about to go out. `page` makes the page that posts the response.
pub async fn sign_on<P: Send + 'static>(
    platform: &Platform,
    org: &OrgSnapshot,
    app: &SamlApp,
    caller: &Caller,
    session: Option<&Session>,
    (commitment, page): (&Commitment, PageOf<P>),
) -> SignOnAnswer<P> {
    let checked = match check(platform, org, app, caller, session) {
        Ok(checked) => checked,
        Err(problem) => return SignOnAnswer::Page(SamlError::from(problem).of_app(app, Refusal::SignOn)),
    };
    let flow = SignOn { platform, org, app, caller, checked: &checked, page };
    match flow.run(session, commitment).await {
        Ok(Progress::Signed(posting)) => SignOnAnswer::Post(posting),
        Ok(Progress::SignIn { login_hint }) => SignOnAnswer::SignIn { login_hint },
        Ok(Progress::CompleteProfile(incomplete)) => SignOnAnswer::CompleteProfile(incomplete),
        Err(Refused::Problem(problem)) => SignOnAnswer::Page(SamlError::from(problem).of_app(app, Refusal::SignOn)),
        Err(Refused::Status(_)) if session.is_none() && !platform.may_sign_for_stranger(&org.org.id, caller) => {
            SignOnAnswer::Page(SamlProblem::TooManyStrangers.into())
        }
        Err(Refused::Status(failure)) => match flow.failure(failure) {
            Ok(posting) => SignOnAnswer::Post(posting),
            Err(problem) => SignOnAnswer::Page(problem.into()),
        },
    }
}

/// Checks that a request is the app's, that it is for us and current, and where its answer goes.
fn check<'a>(
    platform: &Platform,
    org: &OrgSnapshot,
    app: &'a SamlApp,
    caller: &Caller,
    session: Option<&Session>,
) -> Result<Checked<'a>, SamlProblem> {
    let (message, relay_state) = decode(caller)?;
    if app.status != Status::Active {
        return Err(SamlProblem::AppInactive);
    }
    let Some(message) = message else {
        let relay_state = relay_state.or_else(|| app.default_relay_state.clone());
        return Ok(Checked { request: None, consumer: default_consumer(app), relay_state, fingerprint: None });
    };
    if message.kind != MessageKind::Request {
        return Err(SamlProblem::OtherKind("an `AuthnRequest`"));
    }
    let request = AuthnRequest::parse(&message.xml)?;
    check_sender(org, app, &message, &request)?;
    let consumer = consumer(app, &request)?;
    let fingerprint = fingerprint(app, &request.id);
    let now = platform.now();
    let has_waited = session.is_some_and(|session| session.has_kept_waiting(&fingerprint))
        && request.issue_instant >= now.plus_seconds(-REQUEST_SECONDS_MAX)
        && request.issue_instant <= now;
    if !is_current(request.issue_instant, now) && !has_waited {
        return Err(SamlProblem::NotCurrent);
    }
    Ok(Checked { request: Some(request), consumer, relay_state, fingerprint: Some(fingerprint) })
}

fn check_sender(
    org: &OrgSnapshot,
    app: &SamlApp,
    message: &RedirectMessage,
    request: &AuthnRequest,
) -> Result<(), SamlProblem> {
    // The service provider's entity id: as a rule it is the audience too.
    if request.issuer != app.audience && Some(&request.issuer) != app.sp_issuer.as_ref() {
        return Err(SamlProblem::Issuer);
    }
    check_destination(message, request.is_signed, request.destination.as_deref(), &sign_on_url(org, app))?;
    verify(app, message, request.is_signed, app.signed_requests)
}

fn default_consumer(app: &SamlApp) -> Consumer<'_> {
    Consumer { url: &app.acs_url, recipient: &app.recipient, destination: &app.destination }
}

/// The assertion consumer service that a request names, compared exactly; the app's default if it names none.
fn consumer<'a>(app: &'a SamlApp, request: &AuthnRequest) -> Result<Consumer<'a>, SamlProblem> {
    let other = |url: &'a str| Consumer { url, recipient: url, destination: url };
    let mut endpoints = app.acs_endpoints.iter();
    let found = match (request.acs_url.as_deref(), request.acs_index) {
        (None, None) => return Ok(default_consumer(app)),
        (Some(_), Some(_)) => return Err(SamlProblem::TwoConsumers),
        (Some(url), None) if url == app.acs_url => return Ok(default_consumer(app)),
        (Some(url), None) => endpoints.find(|endpoint| endpoint.url == url),
        (None, Some(index)) => endpoints.find(|endpoint| endpoint.index == index),
    };
    found.map(|endpoint| other(&endpoint.url)).ok_or(SamlProblem::Consumer)
}

/// One sign-on.
struct SignOn<'a, P> {
    platform: &'a Platform,
    org: &'a OrgSnapshot,
    app: &'a SamlApp,
    caller: &'a Caller,
    checked: &'a Checked<'a>,
    page: PageOf<P>,
}

impl<P: Send + 'static> SignOn<'_, P> {
    async fn run(&self, session: Option<&Session>, commitment: &Commitment) -> Result<Progress<P>, Refused> {
        let Self { platform, org, app, .. } = *self;
        let request = self.checked.request.as_ref();
        let class_ref = check_policies(app, request)?;
        let must_sign_in = request.is_some_and(|request| request.force_authn && app.honor_force_authn);
        let fingerprint = self.checked.fingerprint.as_deref();
        let session = session.filter(|session| !must_sign_in || session.signed_in_for.as_deref() == fingerprint);
        let user = match session {
            Some(session) => platform.store().find_user(&org.org.id, &session.user_id).await?,
            None => None,
        };
        let Some((session, user)) = session.zip(user) else {
            return self.sign_in();
        };
        if let Some(fingerprint) = fingerprint
            && platform.store().is_saml_request_answered(&org.org.id, fingerprint).await?
        {
            return Err(SamlProblem::Replayed.into());
        }
        let of = SignOnOf { platform, org, app, caller: self.caller, session, user: &user };
        let signed = self.of_user(&of, class_ref, commitment).await;
        // A refusal that anybody could cause is logged within other bounds, when the answer is final.
        if let Err(Refused::Problem(problem)) = &signed
            && matches!(problem.fault(), SamlFault::Denied | SamlFault::Internal)
        {
            of.log_failure(problem);
        }
        signed
    }

    /// The user must sign in first, which a request may not allow.
    fn sign_in(&self) -> Result<Progress<P>, Refused> {
        self.check_passive()?;
        let request = self.checked.request.as_ref();
        let subject = request.and_then(|request| request.subject.as_ref());
        Ok(Progress::SignIn { login_hint: subject.map(|subject| subject.value.clone()) })
    }

    /// Whether the user may be asked for anything (SAML core 3.4.1).
    fn check_passive(&self) -> Result<(), Refused> {
        if self.checked.request.as_ref().is_some_and(|request| request.is_passive) {
            return Err(Refused::Status(failure(Fault::Responder, Reason::NoPassive)));
        }
        Ok(())
    }

    /// The response to the request of a signed-in user.
    async fn of_user(
        &self,
        of: &SignOnOf<'_>,
        class_ref: &str,
        commitment: &Commitment,
    ) -> Result<Progress<P>, Refused> {
        let Self { platform, org, app, checked, .. } = *self;
        let SignOnOf { session, user, .. } = *of;
        if user.status != UserStatus::Active {
            return Err(SamlProblem::UserInactive.into());
        }
        let assigned = platform.store().assignment(&org.org.id, &app.id, &user.id).await?;
        if assigned.is_none() && !app.implicit_assignment {
            return Err(SamlProblem::NotAssigned.into());
        }
        let key = org.app_keys.shared_signer(app).ok_or(SamlProblem::NoKey)?;
        let source = assertion::Source {
            org: &org.org,
            app,
            user,
            methods: session.methods(),
            assigned: assigned.as_ref(),
            recipient: checked.consumer.recipient,
            session_index: &session_index(session, app),
            class_ref,
        };
        let built = assertion::build(platform, &source).await;
        if let Some(incomplete) = incomplete(org, app.enrollment_policy.as_ref(), user) {
            // An assertion that cannot be built may lack what the user is asked for.
            if let Ok(built) = &built {
                self.check_subject(built)?;
            }
            self.check_passive()?;
            if let Some(request) = &checked.fingerprint
                && !session.has_kept_waiting(request)
            {
                platform.store().note_waiting(session, request).await?;
            }
            return Ok(Progress::CompleteProfile(incomplete));
        }
        let built = built?;
        self.check_subject(&built)?;
        let (subject, missed) = self.paused(of, &built).await?;
        let (posting, subject, changed) = self.written(of, key, (built, subject), missed.as_deref()).await?;
        // The hooks take time, in which the app may have been taken out of use.
        let newest = platform.org(&org.org.id);
        let newest = newest.as_ref().and_then(|org| org.configuration.saml_apps.get(&app.id));
        let newest = newest.filter(|app| app.status == Status::Active).ok_or(SamlProblem::AppInactive)?;
        commitment.begin();
        let answered = checked.request.as_ref().zip(checked.fingerprint.as_deref());
        let answered = answered.map(|(request, fingerprint)| {
            // Later it is not current any more, also for a node whose clock is behind.
            (fingerprint, request.issue_instant.plus_seconds(REQUEST_SECONDS_MAX + SKEW_SECONDS))
        });
        let is_own_index = subject.session_index == session_index(session, app);
        let record = SessionApp {
            org_id: org.org.id.clone(),
            session_id: session.id.clone(),
            app_id: app.id.clone(),
            index_sha256: is_own_index.then(|| index_sha256(app, &subject.session_index)),
            subject,
            expires: session.expires,
        };
        let standing = Standing {
            org: &org.org.id,
            user: &user.id,
            proof: Proof::Session(&session.id),
            assigned: (!newest.implicit_assignment).then_some(&app.id),
            now: platform.now(),
        };
        match platform.store().record_sign_on(&record, &standing, answered).await? {
            Recorded::Yes => {
                of.log_success(&changed);
                Ok(Progress::Signed(posting))
            }
            Recorded::Answered => Err(SamlProblem::Replayed.into()),
            Recorded::Lapsed(Lapsed::SignedOut | Lapsed::ProofEnded) => self.sign_in(),
            Recorded::Lapsed(Lapsed::UserInactive) => Err(SamlProblem::UserInactive.into()),
            Recorded::Lapsed(Lapsed::NotAssigned) => Err(SamlProblem::NotAssigned.into()),
        }
    }

    /// Whether the assertion is about the user whom the request names, if it names one (SAML core 3.3.4, 3.4.1).
    fn check_subject(&self, built: &Assertion) -> Result<(), Refused> {
        let wanted = self.checked.request.as_ref().and_then(|request| request.subject.as_ref());
        let subject = &built.subject;
        if wanted.is_none_or(|wanted| is_name_of(wanted, &subject.name_id, &subject.name_format)) {
            return Ok(());
        }
        Err(Refused::Status(failure(Fault::Responder, Reason::UnknownPrincipal)))
    }

    /// The assertion as the hooks leave it, and why one of them had no usable answer.
    async fn paused(&self, of: &SignOnOf<'_>, built: &Assertion) -> Result<(Assertion, Option<String>), SamlProblem> {
        let Self { platform, org, app, caller, .. } = *self;
        let mut subject = built.clone();
        let source = sign_on_url(org, app);
        let pause = Pause {
            point: &Saml,
            org,
            hooks: &app.hooks,
            issuer: None,
            source: &source,
            subject: &mut subject,
            deadline: None,
        };
        // Only documents of hooks say it.
        let mfa_active = !app.hooks.is_empty() && platform.store().has_active_factor(&org.org.id, &of.user.id).await?;
        let asked = || (of.origin(), assertion::context(org, app, caller, (of.session, of.user, mfa_active)));
        match platform.pause(pause, asked).await {
            // No provider of ours stands behind an assertion, so that there is nothing to fall back to.
            Resumed::On { missed } => Ok((subject, missed)),
            Resumed::FallBack => Ok((built.clone(), None)),
            Resumed::Refused(error) => Err(SamlProblem::refused(&error)),
            Resumed::Stopped => Err(SamlProblem::Stopped),
            Resumed::TurnedAway => Err(SamlProblem::TurnedAway),
        }
    }

    /// The page with the signed response, how the response names the user, and what a hook has changed that the log says. The contract accepts only what can
    /// be written, so that an assertion that cannot be is an internal error.
    async fn written(
        &self,
        of: &SignOnOf<'_>,
        key: &Arc<SigningKey>,
        (built, mut subject): (Assertion, Assertion),
        missed: Option<&str>,
    ) -> Result<(P, AppSubject, Vec<&'static str>), SamlProblem> {
        if let Some(missed) = missed {
            self.mark(&built, &mut subject, missed);
        }
        let changed = changed_facts(&built, &subject);
        let named = named(&subject);
        let signing = Signing { key: Arc::clone(key), signed: signed(self.app), encryption: encryption(self.app)? };
        let posting = signing.write(&self.org.org.id, self.response(of, subject), self.posting()).await?;
        Ok((posting, named, changed))
    }

    /// Makes the page with a signed response.
    fn posting(&self) -> impl FnOnce(String) -> P + Send + 'static {
        let (consumer, relay_state) = (self.checked.consumer.url.to_owned(), self.checked.relay_state.clone());
        let page = self.page;
        move |xml| page(ResponseForm { consumer, xml, relay_state })
    }

    /// Marks an assertion that goes out without what a hook would have changed, as tokens are marked. An attribute of this name of
    /// the app stays; one that a hook has added does not, so that no hook hides that another was missed.
    fn mark(&self, built: &Assertion, assertion: &mut Assertion, why: &str) {
        if let Some(name) = &self.platform.settings().missed_hook_claim
            && (built.claims.get(name).is_none() || assertion.claims.get(name).is_none())
        {
            assertion.claims.insert(name.to_string(), text_attribute(why));
        }
    }

    /// The response with an assertion, not signed yet.
    fn response(&self, of: &SignOnOf<'_>, assertion: Assertion) -> Response {
        let Self { platform, org, app, checked, .. } = *self;
        let (now, issuer) = (platform.now(), entity_id(org, app));
        let in_response_to = checked.request.as_ref().map(|request| request.id.clone());
        let is_persistent = assertion.subject.name_format == NameIdFormat::Persistent.uri();
        let draft = AssertionDraft {
            id: random_id(platform),
            issuer: issuer.clone(),
            issue_instant: now,
            not_before: now.plus_seconds(-NOT_BEFORE_SECONDS),
            authn_instant: of.session.created,
            in_response_to: in_response_to.clone(),
            name_qualifier: is_persistent.then(|| issuer.clone()),
            sp_name_qualifier: is_persistent.then(|| app.audience.clone()),
            assertion,
        };
        Response {
            id: random_id(platform),
            in_response_to,
            destination: checked.consumer.destination.to_owned(),
            issuer,
            issue_instant: now,
            outcome: Outcome::SignedOn(Box::new(draft)),
        }
    }

    /// The page with a response that tells the service provider why there is no assertion.
    fn failure(&self, failure: Failure) -> Result<P, SamlProblem> {
        let Self { platform, org, app, checked, .. } = *self;
        let key = org.app_keys.signer(app).ok_or(SamlProblem::NoKey)?;
        let response = Response {
            id: random_id(platform),
            in_response_to: checked.request.as_ref().map(|request| request.id.clone()),
            destination: checked.consumer.destination.to_owned(),
            issuer: entity_id(org, app),
            issue_instant: platform.now(),
            outcome: Outcome::Failed(failure),
        };
        Ok(self.posting()(response.to_signed_xml(key, signed(app), None)?))
    }
}

/// What a request asks of the answer, which SAML has statuses for. Returns the class of the authentication context.
fn check_policies<'a>(app: &'a SamlApp, request: Option<&'a AuthnRequest>) -> Result<&'a str, Refused> {
    let status = |reason| Err(Refused::Status(failure(Fault::Requester, reason)));
    let Some(request) = request else { return Ok(&app.authn_context_class_ref) };
    if request.protocol_binding.as_deref().is_some_and(|binding| binding != BINDING_HTTP_POST) {
        return status(Reason::RequestUnsupported);
    }
    if let Some(policy) = &request.name_id_policy {
        let own = app.subject_name_id_format.uri();
        let unspecified = NameIdFormat::Unspecified.uri();
        let other_format = policy.format.as_deref().is_some_and(|format| format != own && format != unspecified);
        // The name of another service provider: we have one for each app.
        let other_name = policy.sp_name_qualifier.as_deref().is_some_and(|qualifier| qualifier != app.audience);
        if other_format || other_name {
            return status(Reason::InvalidNameIdPolicy);
        }
    }
    match class_for(&app.authn_context_class_ref, request.requested_authn_context.as_ref()) {
        Some(class) => Ok(class),
        None => Err(Refused::Status(failure(Fault::Responder, Reason::NoAuthnContext))),
    }
}

fn failure(fault: Fault, reason: Reason) -> Failure {
    Failure { fault, reason: Some(reason), message: None }
}

/// `SessionIndex` of a session at an app: the same for each sign-on, and of no use to another app.
fn session_index(session: &Session, app: &SamlApp) -> String {
    let hash = sha256_hex(&format!("{} {}", session.id, app.id));
    format!("id{}", hash.get(..32).unwrap_or(&hash))
}

/// What a logout finds the session by that a service provider names: its index at the app.
pub(super) fn index_sha256(app: &SamlApp, index: &str) -> String {
    sha256_hex(&format!("{} {index}", app.id))
}

/// What is signed. An app that asks for neither, which the management API does not allow, gets a signed assertion.
fn signed(app: &SamlApp) -> Signed {
    Signed::of(app.assertion_signed, app.response_signed).unwrap_or(Signed::Assertion)
}

fn encryption(app: &SamlApp) -> Result<Option<EncryptTo>, WriteError> {
    let Some(encryption) = &app.encryption else { return Ok(None) };
    let failed = WriteError::Encryption(EncryptionError::Failed);
    let certificate = Certificate::from_text(&encryption.certificate).map_err(|_| failed)?;
    let content = match encryption.algorithm {
        ContentCipher::Aes128Gcm => ContentEncryption::Aes128Gcm,
        ContentCipher::Aes256Gcm => ContentEncryption::Aes256Gcm,
    };
    Ok(Some(EncryptTo::new(&certificate, content)?))
}

/// How an assertion names the user and the session.
fn named(assertion: &Assertion) -> AppSubject {
    AppSubject {
        name_id: assertion.subject.name_id.clone(),
        name_format: assertion.subject.name_format.clone(),
        session_index: assertion.authentication.session_index.clone(),
    }
}

/// Which members that decide who accepts the assertion a hook has changed: the log has the fact, never the value
/// (`open-questions.md` E7).
fn changed_facts(built: &Assertion, subject: &Assertion) -> Vec<&'static str> {
    let facts = [
        ("audienceRestriction", built.conditions != subject.conditions),
        ("recipient", built.subject.confirmation != subject.subject.confirmation),
        ("nameId", built.subject.name_id != subject.subject.name_id),
    ];
    facts.into_iter().filter(|(_, is_changed)| *is_changed).map(|(name, _)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_of_an_answer_shows_nothing_of_the_user_and_the_request() {
        let marked = || "marked-secret".to_owned();
        let consumer = "https://benefits.example.com/acs".to_owned();
        let form = ResponseForm { consumer, xml: marked(), relay_state: Some(marked()) };
        let (post, sign_in) =
            (SignOnAnswer::Post(marked()), SignOnAnswer::<String>::SignIn { login_hint: Some(marked()) });
        let shown = format!("{form:?} {post:?} {sign_in:?}");
        assert!(shown.contains("https://benefits.example.com/acs") && !shown.contains("marked-secret"), "{shown}");
    }
}
