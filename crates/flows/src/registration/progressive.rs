//! Progressive profile: an existing user is asked at sign-in for what the policy of the app requires and the user lacks.
//!
//! [`incomplete`] says whether a user is asked. [`complete`] is the way of one form: our own validation, the hook, the validation of
//! what it leaves, and the profile in one transaction (`open-questions.md` F10). Nothing is kept in between: until the profile is
//! complete, each request of the user is answered with the form.

use std::{borrow::Cow, fmt, sync::Arc};

use tenterhook_contract::{
    binding::HookBinding,
    context::{UserContext, UserLinks},
    id::{AppId, PolicyId},
    profile::Profile as Attributes,
    registration::{
        Progressive, ProgressiveContext, RegistrationAction, RegistrationFlow, RegistrationSubject,
        message::FormMessages,
    },
};
use tenterhook_engine::Origin;
use tenterhook_model::{
    EnrollmentPolicy, OAuthClient, Profile, SamlApp, Session, Status, User, UserSchema, UserStatus,
};
use tenterhook_platform::{
    Caller, OrgSnapshot, Pause, Platform,
    context::user_context,
    events::{Event, UPDATE_PROFILE, named_target, user_actor, user_target},
    mail::MailAddress,
    refusals::{Refusal, RefusalDetails},
};
use tenterhook_store::{ProfileStored, Proof, Standing, StoreError};

use super::{
    form::{Form, Submitted},
    outcome::{Decided, Refused, RefusedBy, decided},
    stored_members,
};
use crate::commitment::Commitment;

const FLOW: RegistrationFlow = RegistrationFlow::Progressive;
/// `data.context.request.url.value` of the hook's document, whichever endpoint the form came to (`registration.md` section 2).
const HOOK_URL: &str = "/idp/idx/enroll/update";
/// What a cause begins with that is about the whole profile.
const WHOLE_PROFILE: &str = "profile: ";
/// How often a profile is stored again, because something else of the user was changed first.
const TRIES_MAX: usize = 10;

/// An application that a user signs in for.
#[derive(Clone, Debug)]
pub struct Application {
    /// The app.
    pub id: AppId,
    /// Whether every user may use it.
    pub implicit_assignment: bool,
    /// The policy that it names as its own.
    pub enrollment_policy: Option<PolicyId>,
}

impl From<&OAuthClient> for Application {
    fn from(client: &OAuthClient) -> Self {
        Self {
            id: client.app_id(),
            implicit_assignment: client.implicit_assignment,
            enrollment_policy: client.enrollment_policy.clone(),
        }
    }
}

impl From<&SamlApp> for Application {
    fn from(app: &SamlApp) -> Self {
        Self {
            id: app.id.clone(),
            implicit_assignment: app.implicit_assignment,
            enrollment_policy: app.enrollment_policy.clone(),
        }
    }
}

impl Application {
    /// The application with this id, if it is in use.
    fn find(org: &OrgSnapshot, id: &AppId) -> Option<Self> {
        let is_it = |client: &&OAuthClient| client.status == Status::Active && client.app_id() == *id;
        let client = org.configuration.clients.iter().find(is_it).map(Self::from);
        let app = || org.configuration.saml_apps.get(id).filter(|app| app.status == Status::Active).map(Self::from);
        client.or_else(app)
    }
}

/// A user whose profile lacks what a policy requires. Its `Debug` shows the ids.
pub struct Incomplete {
    /// The user.
    pub user: User,
    /// The policy.
    pub policy: EnrollmentPolicy,
}

impl fmt::Debug for Incomplete {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("Incomplete");
        shown.field("user", &self.user.id).field("policy", &self.policy.id).finish_non_exhaustive()
    }
}

/// What became of a form.
#[derive(Debug)]
pub enum Completed {
    /// The request for which the user signs in is to be judged again: the profile is complete, or the session, the user, the app or
    /// the policy has changed so that the form does not matter any more.
    GoOn,
    /// Nothing was stored.
    Refused(Refused),
    /// Nothing was stored: somebody else has changed the profile while the hook was asked about the one before.
    Changed,
    /// The user has sent the form too often.
    TooManyAttempts,
    /// Something else of the user is changed all the time.
    Busy,
    /// Too many hook calls are open.
    TurnedAway,
}

/// A form that was sent.
#[derive(Debug)]
pub struct Completion<'a> {
    /// The application that the user signs in for.
    pub application: &'a Application,
    /// The session.
    pub session: &'a Session,
    /// Its user, with the policy.
    pub incomplete: &'a Incomplete,
    /// The form of this user.
    pub form: &'a Form<'a>,
    /// What was written into the form, or what is wrong with it.
    pub submitted: Result<Submitted, FormMessages>,
}

/// Why nothing was stored, for the log.
type Reason = &'static str;

/// The policy of an app that names this one as its own, if the user lacks what it requires.
pub(crate) fn incomplete(org: &OrgSnapshot, named: Option<&PolicyId>, user: &User) -> Option<Box<Incomplete>> {
    let policy = EnrollmentPolicy::of_app(&org.configuration, &org.org, named);
    is_incomplete(org, &policy, &user.profile)
        .then(|| Box::new(Incomplete { user: user.clone(), policy: policy.into_owned() }))
}

fn is_incomplete(org: &OrgSnapshot, policy: &EnrollmentPolicy, profile: &Profile) -> bool {
    let custom = org.configuration.user_schemas.iter().next();
    policy.asks_existing_users() && !policy.rule.form_to_complete(custom, &org.profile_schema, profile).is_empty()
}

/// The user of a session, if the user may use the application and lacks what its policy requires.
///
/// A form is judged by this alone: by the session, the user, the app and its policy. What else the request for which the user signs in
/// asks for (the scopes and their access policy, `max_age`, `ForceAuthn`, whether a SAML request is current) was judged before the
/// page was shown, and is judged again when the browser goes back to the request. So the profile may be completed for a request that
/// is refused afterwards.
///
/// # Errors
/// When the store fails.
pub async fn incomplete_user(
    platform: &Platform,
    org: &OrgSnapshot,
    application: &Application,
    session: &Session,
) -> Result<Option<Box<Incomplete>>, StoreError> {
    let store = platform.store();
    let user = store.find_user(&org.org.id, &session.user_id).await?;
    let Some(user) = user.filter(|user| user.status == UserStatus::Active) else { return Ok(None) };
    let Some(incomplete) = incomplete(org, application.enrollment_policy.as_ref(), &user) else { return Ok(None) };
    let may_use =
        application.implicit_assignment || store.assignment(&org.org.id, &application.id, &user.id).await?.is_some();
    Ok(may_use.then_some(incomplete))
}

/// Completes the profile of a user. `commitment` begins before anything is stored; from then on this must run to its end.
///
/// # Errors
/// When the store fails.
pub async fn complete(
    platform: &Platform,
    org: &OrgSnapshot,
    caller: &Caller,
    Completion { application, session, incomplete, form, submitted }: Completion<'_>,
    commitment: &Commitment,
) -> Result<Completed, StoreError> {
    let attributes = match submitted {
        Ok(Submitted { profile }) => profile,
        // Nothing has happened, so it is neither counted nor logged.
        Err(messages) => return Ok(Completed::Refused(Refused { messages, by: RefusedBy::Validation })),
    };
    let Incomplete { user, policy } = incomplete;
    let completing = Completing { platform, org, caller, application, session, user, policy, form };
    if let Some(messages) = completing.too_much(&attributes) {
        return Ok(Completed::Refused(Refused { messages, by: RefusedBy::Validation }));
    }
    if !platform.may_update_profile(&org.org.id, caller, &user.id) {
        return Ok(completing.ended("TOO_MANY_ATTEMPTS", Completed::TooManyAttempts));
    }
    match completing.asked(attributes).await {
        Ok(attributes) => completing.stored(attributes, commitment).await,
        Err(completed) => Ok(completed),
    }
}

/// A form on its way.
struct Completing<'a> {
    platform: &'a Platform,
    org: &'a OrgSnapshot,
    caller: &'a Caller,
    application: &'a Application,
    session: &'a Session,
    user: &'a User,
    policy: &'a EnrollmentPolicy,
    form: &'a Form<'a>,
}

impl Completing<'_> {
    /// The attributes as the hook leaves them: those of the form, all of which the user lacks, and those that it sets.
    async fn asked(&self, attributes: Attributes) -> Result<Attributes, Completed> {
        let Self { platform, org, caller, user, policy, form, .. } = *self;
        let mut subject = RegistrationSubject {
            action: RegistrationAction::Allow,
            profile: attributes,
            schema: Arc::clone(&org.profile_schema),
        };
        let hooks: Vec<_> =
            policy.rule.hook_for_existing_users().cloned().map(HookBinding::always).into_iter().collect();
        let source = policy.source();
        let pause = Pause {
            point: &Progressive,
            org,
            hooks: &hooks,
            issuer: None,
            source: &source,
            subject: &mut subject,
            deadline: None,
        };
        let context = || ProgressiveContext {
            request: caller.request_context_at(HOOK_URL),
            // Here the links are relative, unlike in the documents of other types.
            user: UserContext { links: UserLinks::of("", &user.id), ..user_context(org, user) },
        };
        let resumed = platform.pause(pause, || (self.origin(), context())).await;
        match decided(FLOW, form, resumed, subject) {
            Decided::Allowed(attributes) => Ok(attributes),
            Decided::Denied(refused) => Err(self.ended(refused.by.reason(), Completed::Refused(refused))),
            Decided::TurnedAway => {
                platform.profile_update_not_made(&org.org.id, &user.id);
                Err(Completed::TurnedAway)
            }
        }
    }

    /// What the profile schema has against the whole profile, such as its size. What is wrong with an attribute that the form does not
    /// ask for is judged after the hook, which may set it.
    fn too_much(&self, attributes: &Attributes) -> Option<FormMessages> {
        let Self { org, user, .. } = *self;
        let members = stored_members(org, attributes.clone());
        let read = Profile::read(user.profile.merged(members), &org.profile_schema, Some(&user.profile));
        let causes = read.err().unwrap_or_default();
        let form: Vec<_> =
            causes.iter().filter_map(|cause| cause.strip_prefix(WHOLE_PROFILE)).map(str::to_owned).collect();
        (!form.is_empty()).then(|| FormMessages { fields: Vec::new(), form })
    }

    /// Stores the attributes, if the profile is still that which the hook was told.
    async fn stored(&self, attributes: Attributes, commitment: &Commitment) -> Result<Completed, StoreError> {
        let Self { platform, org, session, user, .. } = *self;
        let profile = match self.result(stored_members(org, attributes)) {
            Ok(profile) => profile,
            Err(reason) => return Ok(self.failed(reason)),
        };
        let application = match self.still_asking() {
            Ok(application) => application,
            Err(reason) => return Ok(self.ended(reason, Completed::GoOn)),
        };
        let standing = Standing {
            org: &org.org.id,
            user: &user.id,
            proof: Proof::Session(&session.id),
            assigned: (!application.implicit_assignment).then_some(&application.id),
            now: platform.now(),
        };
        let mut known = user.clone();
        for _ in 0..TRIES_MAX {
            commitment.begin();
            let completed = User { profile: profile.clone(), last_updated: platform.now(), ..known };
            match platform.store().store_profile(&completed, &standing).await {
                Ok(ProfileStored::Yes) => {
                    platform.profile_updated(&org.org.id, &user.id);
                    self.log(&completed, |event| event);
                    return Ok(Completed::GoOn);
                }
                Ok(ProfileStored::Lapsed(_)) => return Ok(self.ended("SIGN_IN_ENDED", Completed::GoOn)),
                Ok(ProfileStored::Changed) => {}
                Err(StoreError::Duplicate { .. }) => return Ok(self.failed("LOGIN_OF_HOOK_TAKEN")),
                Err(error) => return Err(error),
            }
            match platform.store().find_user(&org.org.id, &user.id).await? {
                None => return Ok(self.ended("SIGN_IN_ENDED", Completed::GoOn)),
                Some(now) if now.profile != user.profile => {
                    return Ok(self.ended("PROFILE_CHANGED", Completed::Changed));
                }
                // Such as the hash of the password, about which no hook is told.
                Some(now) => known = now,
            }
        }
        platform.profile_update_not_made(&org.org.id, &user.id);
        Ok(self.ended("BUSY", Completed::Busy))
    }

    /// The profile that results from the attributes.
    fn result(&self, attributes: Attributes) -> Result<Profile, Reason> {
        let Self { org, user, policy, .. } = *self;
        let before = &user.profile;
        let profile = match Profile::read(before.merged(attributes), &org.profile_schema, Some(before)) {
            Ok(profile) => profile,
            Err(causes) => {
                // They name attributes, never values.
                tracing::warn!(org = %org.org.id, policy = %policy.id, ?causes, "profile.result is not valid");
                return Err("RESULT_INVALID");
            }
        };
        if is_incomplete(org, policy, &profile) {
            return Err("RESULT_INCOMPLETE");
        }
        if profile.login.to_lowercase() == User::login_of_tokens(&org.org.id) {
            return Err("LOGIN_OF_HOOK_TAKEN");
        }
        if profile.email != before.email && MailAddress::parse(&profile.email).is_err() {
            return Err("EMAIL_ADDRESS_INVALID");
        }
        Ok(profile)
    }

    /// The application as it is now, if its users are still asked by this policy: an administrator may have changed both while the
    /// hook was asked.
    fn still_asking(&self) -> Result<Application, Reason> {
        let Self { platform, org, application, policy, .. } = *self;
        let newest = platform.org(&org.org.id).ok_or("APP_CHANGED")?;
        let application = Application::find(&newest, &application.id).ok_or("APP_CHANGED")?;
        let now = EnrollmentPolicy::of_app(&newest.configuration, &newest.org, application.enrollment_policy.as_ref());
        if now.id != policy.id {
            return Err("APP_CHANGED");
        }
        let is_written =
            |name: &str| UserSchema::is_written_by_users(newest.configuration.user_schemas.iter().next(), name);
        let is_asked = now.asks_existing_users() && self.form.fields.iter().all(|field| is_written(&field.asked.name));
        if is_asked { Ok(application) } else { Err("POLICY_CHANGED") }
    }

    fn failed(&self, reason: Reason) -> Completed {
        let refused = Refused { messages: FormMessages::failed(FLOW), by: RefusedBy::Failure };
        self.ended(reason, Completed::Refused(refused))
    }

    /// Ends without a change, and logs the reason. The bound of the forms of a user bounds these events too, except for that of a form
    /// beyond it.
    fn ended(&self, reason: Reason, with: Completed) -> Completed {
        let Self { platform, org, caller, user, .. } = *self;
        if matches!(with, Completed::TooManyAttempts) {
            let details = RefusalDetails { target: Some(user_target(user)), ..RefusalDetails::default() };
            let refusal = Refusal::ProfileUpdate(reason);
            platform.log_detailed_refusal(&org.org.id, caller, user_actor(user), refusal, &details);
        } else {
            self.log(user, |event| event.failed(reason));
        }
        with
    }

    fn origin(&self) -> Origin {
        let Self { org, caller, session, user, policy, .. } = *self;
        let rule = &policy.rule;
        Origin {
            session_id: Some(session.id.to_string()),
            targets: vec![user_target(user), named_target(rule.id.as_str(), "PolicyRule", &rule.name)],
            ..caller.origin(&org.org.id, user_actor(user))
        }
    }

    fn log(&self, user: &User, outcome: impl FnOnce(Event<'_>) -> Event<'_>) {
        let origin = self.origin();
        let (event_type, message) = UPDATE_PROFILE;
        let event = Event::of_origin(self.platform.stamp(), &origin).named(event_type, message);
        let event = outcome(event.with_debug_data(self.caller.debug_data()));
        self.platform.log_event(event.about([Cow::Owned(user_target(user))]));
    }
}
