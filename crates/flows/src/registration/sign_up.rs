//! Signing up: from a form to a new user.
//!
//! [`sign_up`] is the way of one form: our own validation, the hook, the validation of what it leaves, and the user with its groups
//! and its password in one transaction (`open-questions.md` F10).

use std::{borrow::Cow, sync::Arc};

use serde_json::Value;
use tenterhook_contract::{
    Secret,
    binding::HookBinding,
    id::{GroupId, UserId},
    profile::Profile as Attributes,
    registration::{RegistrationAction, RegistrationFlow, RegistrationSubject, SelfService, message::FormMessages},
};
use tenterhook_engine::Origin;
use tenterhook_model::{EnrollmentPolicy, Password, Profile, SignInCounts, User, UserStatus};
use tenterhook_platform::{
    Caller, CountedMails, OrgSnapshot, Pause, Platform,
    attempts::key,
    events::{ACTIVATE_USER, ADD_MEMBER, CREATE_USER, Event, login_actor, named_target, user_actor, user_target},
    mail::{MailAddress, MailKind, MailPlace, MailRefused},
    passwords::{HashingSource, PasswordError, hash_password_from},
    refusals::Refusal,
};
use tenterhook_store::StoreError;

use super::{
    form::{EMAIL, Form, LOGIN, PASSWORD, Submitted},
    outcome::{Decided, Refused, RefusedBy, decided, placed},
    stored_members,
    verification::{self, Told, Verifying},
};
use crate::{commitment::Commitment, password_reset::unfit};

const FLOW: RegistrationFlow = RegistrationFlow::SelfService;
/// `data.context.request.url.value` of the hook's document, whichever endpoint the form came to (`registration.md` section 2).
const HOOK_URL: &str = "/idp/idx/enroll/new";
/// Of a form that asks for the login alone.
const NO_ADDRESS: &str = "Enter an email address, such as name@example.com.";
const TAKEN: &str = "This username is taken. Sign in instead, or choose another one.";

/// How often a user is added or changed, because another change came first.
const TRIES_MAX: usize = 10;

/// What became of a form.
#[derive(Debug)]
pub enum SignedUp {
    /// The person is an active user now.
    Active(Box<User>),
    /// The person has a mail with a link that activates the user. Nobody is told whether the username was taken: its owner has a
    /// mail that says so.
    MailSent {
        /// The address of the form; `None` when it has none, and the hook has set one.
        to: Option<String>,
    },
    /// Nothing was created.
    Not(NotSignedUp),
}

/// Why nothing was created.
#[derive(Debug)]
pub enum NotSignedUp {
    /// The form, or what its hook has left of it.
    Refused(Refused),
    /// Too many registrations from the network, for the person, or in all.
    TooManyAttempts,
    /// Too many people sign up at present, or too many mails wait.
    Busy,
    /// Too many hook calls are open.
    TurnedAway,
    /// The policy verifies email addresses, and no mail server is configured.
    NoMail,
    /// The org has all the users that it may have.
    NoRoom,
}

/// A form that was sent.
#[derive(Debug)]
pub struct SignUp<'a> {
    /// The policy; people may sign up by it.
    pub policy: &'a EnrollmentPolicy,
    /// Its form.
    pub form: &'a Form<'a>,
    /// What was written into the form, or what is wrong with it.
    pub submitted: Result<Submitted, FormMessages>,
    /// The password that the person has chosen.
    pub password: &'a Secret,
}

/// Why nothing was created, for the log.
type Reason = &'static str;

/// The login has an owner.
const LOGIN_TAKEN: Reason = "LOGIN_TAKEN";
/// The login that the hook has set has an owner.
const LOGIN_OF_HOOK_TAKEN: Reason = "LOGIN_OF_HOOK_TAKEN";
/// Too many registrations.
const TOO_MANY_ATTEMPTS: Reason = "TOO_MANY_ATTEMPTS";

/// How a registration ends before there is a user.
enum Ended {
    With(SignedUp),
    Store(StoreError),
}

impl<E: Into<StoreError>> From<E> for Ended {
    fn from(error: E) -> Self {
        Self::Store(error.into())
    }
}

/// A registration in progress.
struct Registering<'a> {
    platform: &'a Platform,
    org: &'a OrgSnapshot,
    caller: &'a Caller,
    policy: &'a EnrollmentPolicy,
    form: &'a Form<'a>,
    /// Login and email address of the form, each taken from the other where it has one of them; empty without one.
    login: String,
    email: String,
}

/// Signs a person up. `commitment` begins before anything is stored; from then on this must run to its end.
///
/// # Errors
/// When the store fails.
pub async fn sign_up(
    platform: &Platform,
    org: &OrgSnapshot,
    caller: &Caller,
    SignUp { policy, form, submitted, password }: SignUp<'_>,
    commitment: &Commitment,
) -> Result<SignedUp, StoreError> {
    let attributes = match valid(policy, submitted, password) {
        Ok(attributes) => attributes,
        // Nobody learns anything from it, so it is neither counted nor logged.
        Err(messages) => {
            let refused = Refused { messages, by: RefusedBy::Validation };
            return Ok(SignedUp::Not(NotSignedUp::Refused(refused)));
        }
    };
    let text = |name: &str| attributes.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (login, email) = (text(LOGIN), text(EMAIL));
    let registering = Registering { platform, org, caller, policy, form, login, email };
    match registering.run(attributes, password, commitment).await {
        Ok(signed_up) | Err(Ended::With(signed_up)) => Ok(signed_up),
        Err(Ended::Store(error)) => Err(error),
    }
}

/// The attributes with login and email address, each taken from the other where the form asks for one of them.
fn valid(
    policy: &EnrollmentPolicy,
    submitted: Result<Submitted, FormMessages>,
    password: &Secret,
) -> Result<Attributes, FormMessages> {
    let (mut attributes, mut messages) = match submitted {
        Ok(Submitted { profile }) => (profile, FormMessages::default()),
        Err(messages) => (Attributes::new(), messages),
    };
    for (one, other) in [(LOGIN, EMAIL), (EMAIL, LOGIN)] {
        if !attributes.contains_key(one)
            && let Some(value) = attributes.get(other).cloned()
            && (one == LOGIN || MailAddress::parse(value.as_str().unwrap_or_default()).is_ok())
        {
            attributes.insert(one.to_owned(), value);
        }
    }
    let is_set = |name: &str| attributes.contains_key(name) || policy.rule.hook_for_new_users().is_some();
    if messages == FormMessages::default() && !is_set(EMAIL) {
        messages.fields.push((LOGIN.to_owned(), NO_ADDRESS.to_owned()));
    }
    let login = attributes.get(LOGIN).and_then(Value::as_str).unwrap_or_default();
    if let Some(why) = unfit(password, login) {
        messages.fields.push((PASSWORD.to_owned(), why.to_string()));
    }
    if messages == FormMessages::default() { Ok(attributes) } else { Err(messages) }
}

/// The people whom a mail may go to, by both: it may go to the owner of the login.
fn people(login: &str, email: &str) -> Vec<String> {
    let mut people = vec![login.to_lowercase(), email.to_lowercase()];
    people.dedup();
    people.retain(|person| !person.is_empty());
    people
}

impl Registering<'_> {
    async fn run(&self, attributes: Attributes, password: &Secret, commitment: &Commitment) -> Result<SignedUp, Ended> {
        let Self { platform, org, caller, policy, .. } = *self;
        let (login, verifies) = (self.login.as_str(), policy.rule.email_verification);
        let people = people(login, &self.email);
        if !platform.may_register(&org.org.id, caller, &people) {
            return Err(self.too_many());
        }
        self.check_room().await?;
        let mails = if verifies {
            Some(platform.count_mails(&org.org.id, caller, people).ok_or_else(|| self.too_many())?)
        } else {
            None
        };
        if self.is_reserved(login) {
            // It has an owner, whether there is a row of it yet or not.
            let Some(mails) = mails else { return Err(self.taken()) };
            mails.may_be_sent();
            return Err(self.ended(LOGIN_TAKEN, self.mail_sent()));
        }
        if verifies {
            // So that no hook is called in vain. The place is not kept: many slow hooks would hold the whole queue.
            drop(self.place_of_mail()?);
        } else if !login.is_empty() && platform.store().find_user_by_login(&org.org.id, login).await?.is_some() {
            return Err(self.taken());
        }
        let source = HashingSource::SignIn(caller.network(), key(&org.org.id, login));
        let hash = match hash_password_from(source, password).await {
            Ok(hash) => hash,
            Err(PasswordError::Busy) => return Err(self.not("BUSY", NotSignedUp::Busy)),
            Err(error) => return Err(error.into()),
        };
        let profile = self.result(attributes).await?;
        if !self.still_registers() {
            return Err(self.failed("POLICY_CHANGED"));
        }
        let Ok(to) = MailAddress::parse(&profile.email) else {
            return Err(self.failed("EMAIL_ADDRESS_INVALID"));
        };
        // Where addresses are verified, whether the login is free shows when the user is added, and only its owner is told: until
        // then nothing depends on it.
        let verifying = match mails {
            Some(mails) => Some(self.verifying(&profile, to, mails)?),
            None => None,
        };
        if self.is_reserved(&profile.login) {
            let is_told = verifying.is_none();
            return Err(if is_told {
                self.failed(LOGIN_OF_HOOK_TAKEN)
            } else {
                self.ended(LOGIN_OF_HOOK_TAKEN, self.mail_sent())
            });
        }
        let user = self.new_user(profile, hash, verifying.is_none());
        commitment.begin();
        match verifying {
            // A free login costs a commit more than one that is taken.
            Some(verifying) => {
                platform.paced_registration(&org.org.id, Box::pin(self.create_unverified(user, verifying))).await
            }
            None => self.create(user).await,
        }
    }

    /// The profile as the hook leaves it.
    async fn result(&self, attributes: Attributes) -> Result<Profile, Ended> {
        let Self { platform, org, policy, form, .. } = *self;
        let mut subject = RegistrationSubject {
            action: RegistrationAction::Allow,
            profile: attributes,
            schema: Arc::clone(&org.profile_schema),
        };
        let hooks: Vec<_> = policy.rule.hook_for_new_users().cloned().map(HookBinding::always).into_iter().collect();
        let source = policy.source();
        let pause = Pause {
            point: &SelfService,
            org,
            hooks: &hooks,
            issuer: None,
            source: &source,
            subject: &mut subject,
            deadline: None,
        };
        let asked = || (self.origin(), self.caller.request_context_at(HOOK_URL));
        let resumed = platform.pause(pause, asked).await;
        let attributes = match decided(FLOW, form, resumed, subject) {
            Decided::Allowed(attributes) => attributes,
            Decided::Denied(refused) => {
                return Err(self.not(refused.by.reason(), NotSignedUp::Refused(refused)));
            }
            Decided::TurnedAway => return Err(self.not("TURNED_AWAY", NotSignedUp::TurnedAway)),
        };
        match Profile::read(stored_members(org, attributes), &org.profile_schema, None) {
            Ok(profile) => Ok(profile),
            Err(causes) => {
                // They name attributes, never values.
                tracing::warn!(org = %org.org.id, policy = %policy.id, ?causes, "registration.result is not valid");
                Err(self.failed("RESULT_INVALID"))
            }
        }
    }

    /// What the mail needs: the people whom the hook has put in the place of the form's get no more mails than others.
    fn verifying(&self, profile: &Profile, to: MailAddress, mut mails: CountedMails<'_>) -> Result<Verifying, Ended> {
        if !mails.add(people(&profile.login, &profile.email)) {
            return Err(self.too_many());
        }
        let place = self.place_of_mail()?;
        mails.may_be_sent();
        Ok(Verifying { place, to })
    }

    fn place_of_mail(&self) -> Result<MailPlace, Ended> {
        match self.platform.mailer().reserve(&self.org.org.id, MailKind::EmailVerification) {
            Ok(place) => Ok(place),
            Err(MailRefused::Busy) => Err(self.not("MAIL_QUEUE_FULL", NotSignedUp::Busy)),
            Err(MailRefused::Unavailable) => {
                tracing::error!("registration: the policy verifies email addresses, and no mail server is configured");
                Err(self.not("NO_MAIL_SERVER", NotSignedUp::NoMail))
            }
        }
    }

    fn new_user(&self, profile: Profile, hash: Secret, is_active: bool) -> User {
        let (unix_ms, random) = self.platform.id_parts();
        let now = self.platform.now();
        let mut user = User {
            id: UserId::from_parts(unix_ms, random),
            org_id: self.org.org.id.clone(),
            profile,
            password: Password::Hash { hash, changed: now },
            status: UserStatus::Staged,
            created: now,
            activated: None,
            status_changed: None,
            last_updated: now,
            version: 0,
            sign_ins: SignInCounts::default(),
        };
        if is_active {
            user.enter(UserStatus::Active, now);
        }
        user
    }

    async fn create(&self, user: User) -> Result<SignedUp, Ended> {
        match self.platform.store().register_user(&user, &self.policy.rule.target_group_ids, None).await {
            Ok(groups) => {
                self.log_created(&user, &groups);
                Ok(SignedUp::Active(Box::new(user)))
            }
            Err(StoreError::Duplicate { .. }) if self.is_of_form(&user) => Err(self.taken()),
            Err(StoreError::Duplicate { .. }) => Err(self.failed(LOGIN_OF_HOOK_TAKEN)),
            Err(error) => Err(error.into()),
        }
    }

    /// Adds a user with its link, or tells the owner of the login: the answer is the same.
    async fn create_unverified(&self, user: User, mut verifying: Verifying) -> Result<SignedUp, Ended> {
        let Self { platform, org, caller, policy, .. } = *self;
        for _ in 0..TRIES_MAX {
            let issued = verification::new_link(platform, caller, &user);
            match platform.store().register_user(&user, &policy.rule.target_group_ids, Some(&issued.link)).await {
                Ok(groups) => {
                    self.log_created(&user, &groups);
                    verification::send(org, caller, &user, &issued, verifying);
                    return Ok(self.mail_sent());
                }
                Err(StoreError::Duplicate { .. }) => {}
                Err(error) => return Err(error.into()),
            }
            let groups = &policy.rule.target_group_ids;
            match verification::tell_owner(platform, org, caller, (&user, groups), verifying).await? {
                Told::Newcomer(groups) => {
                    self.log_created(&user, &groups);
                    return Ok(self.mail_sent());
                }
                Told::Owner => {
                    let reason = if self.is_of_form(&user) { LOGIN_TAKEN } else { LOGIN_OF_HOOK_TAKEN };
                    return Ok(self.logged(reason, self.mail_sent()));
                }
                Told::Nobody(unused) => verifying = unused,
            }
        }
        Err(self.not("BUSY", NotSignedUp::Busy))
    }

    /// Whether the login is that of the form, and none that the hook has set.
    fn is_of_form(&self, user: &User) -> bool {
        user.profile.login.to_lowercase() == self.login.to_lowercase()
    }

    fn is_reserved(&self, login: &str) -> bool {
        login.to_lowercase() == User::login_of_tokens(&self.org.org.id)
    }

    /// Whether people may still sign up by the policy in the same way: an administrator may have changed it while the hook was asked.
    fn still_registers(&self) -> bool {
        let Self { platform, org, policy, .. } = *self;
        platform.org(&org.org.id).is_some_and(|org| {
            let now = EnrollmentPolicy::find(&org.configuration, &org.org, &policy.id);
            now.is_some_and(|now| now.registers() && now.rule.email_verification == policy.rule.email_verification)
        })
    }

    /// The bound of the org's users.
    async fn check_room(&self) -> Result<(), Ended> {
        let Some(limit) = self.org.org.limits.users else { return Ok(()) };
        let users = self.platform.store().count_users(&self.org.org.id).await?;
        if users < u64::from(limit) { Ok(()) } else { Err(self.not("USERS_LIMIT", NotSignedUp::NoRoom)) }
    }

    fn mail_sent(&self) -> SignedUp {
        SignedUp::MailSent { to: Some(self.email.clone()).filter(|email| !email.is_empty()) }
    }

    fn taken(&self) -> Ended {
        let messages = FormMessages { fields: vec![(LOGIN.to_owned(), TAKEN.to_owned())], form: Vec::new() };
        let refused = Refused { messages: placed(self.form, messages), by: RefusedBy::Validation };
        self.not(LOGIN_TAKEN, NotSignedUp::Refused(refused))
    }

    fn too_many(&self) -> Ended {
        self.not(TOO_MANY_ATTEMPTS, NotSignedUp::TooManyAttempts)
    }

    fn failed(&self, reason: Reason) -> Ended {
        let refused = Refused { messages: FormMessages::failed(FLOW), by: RefusedBy::Failure };
        self.not(reason, NotSignedUp::Refused(refused))
    }

    fn not(&self, reason: Reason, why: NotSignedUp) -> Ended {
        self.ended(reason, SignedUp::Not(why))
    }

    fn ended(&self, reason: Reason, with: SignedUp) -> Ended {
        Ended::With(self.logged(reason, with))
    }

    /// Logs why the registration ends without a user.
    fn logged(&self, reason: Reason, with: SignedUp) -> SignedUp {
        let actor = login_actor(None, &self.login);
        self.platform.log_refusal(&self.org.org.id, self.caller, actor, Refusal::SignUp(reason));
        with
    }

    fn origin(&self) -> Origin {
        let rule = &self.policy.rule;
        Origin {
            targets: vec![named_target(rule.id.as_str(), "PolicyRule", &rule.name)],
            ..self.caller.origin(&self.org.org.id, login_actor(None, &self.login))
        }
    }

    fn log_created(&self, user: &User, groups: &[(GroupId, String)]) {
        let Self { platform, org, caller, .. } = *self;
        let log = |(event_type, message): (&'static str, &'static str), targets: Vec<_>| {
            let event = Event::of_caller(platform.stamp(), &org.org.id, caller, user_actor(user));
            platform.log_event(event.named(event_type, message).about(targets.into_iter().map(Cow::Owned)));
        };
        log(CREATE_USER, vec![user_target(user)]);
        if user.status == UserStatus::Active {
            log(ACTIVATE_USER, vec![user_target(user)]);
        }
        for (id, name) in groups {
            log(ADD_MEMBER, vec![user_target(user), named_target(id.as_str(), "UserGroup", name)]);
        }
    }
}
