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
    profile::{Profile as Attributes, spelled},
    registration::{RegistrationAction, RegistrationFlow, RegistrationSubject, SelfService, message::FormMessages},
};
use tenterhook_engine::Origin;
use tenterhook_model::{EnrollmentPolicy, Password, Profile, SignInCounts, User, UserStatus};
use tenterhook_platform::{
    Caller, OrgSnapshot, Pause, Platform,
    attempts::key,
    events::{ACTIVATE_USER, ADD_MEMBER, CREATE_USER, Event, login_actor, named_target, user_actor, user_target},
    mail::{MailAddress, MailKind, MailRefused},
    passwords::{HashingSource, PasswordError, hash_password_from},
    refusals::Refusal,
};
use tenterhook_store::StoreError;

use super::{
    form::{EMAIL, Form, LOGIN, PASSWORD, Submitted},
    outcome::{Decided, Refused, RefusedBy, decided, placed},
    verification::{self, Verifying},
};
use crate::{commitment::Commitment, password_reset::unfit};

const FLOW: RegistrationFlow = RegistrationFlow::SelfService;
/// `data.context.request.url.value` of the hook's document, whichever endpoint the form came to (`registration.md` section 2).
const HOOK_URL: &str = "/idp/idx/enroll/new";
/// Of a form that asks for the login alone.
const NO_ADDRESS: &str = "Enter an email address, such as name@example.com.";
const TAKEN: &str = "This username is taken. Sign in instead, or choose another one.";

/// What became of a form.
#[derive(Debug)]
pub enum SignedUp {
    /// The person is an active user now.
    Active(Box<User>),
    /// The person has a mail with a link that activates the user. Nobody is told whether the username was taken: its owner has a
    /// mail that says so.
    MailSent,
    /// Nothing was created.
    Refused(Refused),
    /// Too many registrations from the network, for the person, or in all.
    TooManyAttempts,
    /// Too many people sign up at present, or too many mails wait.
    Busy,
    /// Too many hook calls are open.
    TurnedAway,
    /// The policy verifies email addresses, and no mail server is configured.
    NoMail,
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
    let registering = Registering { platform, org, caller, policy, form };
    let attributes = match registering.valid(submitted, password) {
        Ok(attributes) => attributes,
        // Nobody learns anything from it, so it is neither counted nor logged.
        Err(messages) => return Ok(SignedUp::Refused(Refused { messages, by: RefusedBy::Validation })),
    };
    match registering.run(attributes, password, commitment).await {
        Ok(signed_up) | Err(Ended::With(signed_up)) => Ok(signed_up),
        Err(Ended::Store(error)) => Err(error),
    }
}

impl Registering<'_> {
    /// The attributes with login and email address, each taken from the other where the form asks for one of them.
    fn valid(&self, submitted: Result<Submitted, FormMessages>, password: &Secret) -> Result<Attributes, FormMessages> {
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
        let is_set = |name: &str| attributes.contains_key(name) || self.policy.rule.hook_for_new_users().is_some();
        if messages == FormMessages::default() && !is_set(EMAIL) {
            messages.fields.push((LOGIN.to_owned(), NO_ADDRESS.to_owned()));
        }
        let login = attributes.get(LOGIN).and_then(Value::as_str).unwrap_or_default();
        if let Some(why) = unfit(password, login) {
            messages.fields.push((PASSWORD.to_owned(), why.to_string()));
        }
        if messages == FormMessages::default() { Ok(attributes) } else { Err(messages) }
    }

    async fn run(&self, attributes: Attributes, password: &Secret, commitment: &Commitment) -> Result<SignedUp, Ended> {
        let Self { platform, org, caller, policy, .. } = *self;
        let text = |name: &str| attributes.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (login, email) = (text(LOGIN), text(EMAIL));
        // By both: the mail may go to the owner of the login.
        let mut people = vec![login.to_lowercase(), email.to_lowercase()];
        people.dedup();
        people.retain(|person| !person.is_empty());
        if !platform.may_register(&org.org.id, caller, &people) {
            return Err(self.ended(&login, "TOO_MANY_ATTEMPTS", SignedUp::TooManyAttempts));
        }
        self.check_room(&login).await?;
        let is_reserved = |login: &str| login.to_lowercase() == User::login_of_tokens(&org.org.id);
        if is_reserved(&login) {
            // It has an owner, whether there is a row of it yet or not.
            let is_told = !policy.rule.email_verification;
            return Err(if is_told { self.taken(&login) } else { self.ended(&login, LOGIN_TAKEN, SignedUp::MailSent) });
        }
        // Where addresses are verified, whether the login is free shows when the user is added, and only its owner is told.
        let place = if policy.rule.email_verification {
            match platform.mailer().reserve(&org.org.id, MailKind::EmailVerification) {
                Ok(place) => Some(place),
                Err(MailRefused::Busy) => return Err(self.ended(&login, "MAIL_QUEUE_FULL", SignedUp::Busy)),
                Err(MailRefused::Unavailable) => {
                    tracing::error!(
                        "registration: the policy verifies email addresses, and no mail server is configured"
                    );
                    return Err(self.ended(&login, "NO_MAIL_SERVER", SignedUp::NoMail));
                }
            }
        } else {
            if !login.is_empty() && platform.store().find_user_by_login(&org.org.id, &login).await?.is_some() {
                return Err(self.taken(&login));
            }
            None
        };
        let source = HashingSource::SignIn(caller.network(), key(&org.org.id, &login));
        let hash = match hash_password_from(source, password).await {
            Ok(hash) => hash,
            Err(PasswordError::Busy) => return Err(self.ended(&login, "BUSY", SignedUp::Busy)),
            Err(error) => return Err(error.into()),
        };
        let profile = self.result(&login, attributes).await?;
        if !self.still_registers() {
            return Err(self.failed(&login, "POLICY_CHANGED"));
        }
        if is_reserved(&profile.login) {
            return Err(self.failed(&login, "LOGIN_OF_HOOK_TAKEN"));
        }
        let Ok(to) = MailAddress::parse(&profile.email) else {
            return Err(self.failed(&login, "EMAIL_ADDRESS_INVALID"));
        };
        let verifying = place.map(|place| Verifying { place, to });
        let user = self.new_user(profile, hash, verifying.is_none());
        commitment.begin();
        self.create(user, &login, verifying).await
    }

    /// The profile as the hook leaves it.
    async fn result(&self, login: &str, attributes: Attributes) -> Result<Profile, Ended> {
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
        let asked = || (self.origin(login), self.caller.request_context_at(HOOK_URL));
        let resumed = platform.pause(pause, asked).await;
        let attributes = match decided(FLOW, form, resumed, subject) {
            Decided::Allowed(attributes) => attributes,
            Decided::Denied(refused) => {
                return Err(self.ended(login, refused.by.reason(), SignedUp::Refused(refused)));
            }
            Decided::TurnedAway => return Err(Ended::With(SignedUp::TurnedAway)),
        };
        // What the schema does not have is the hook's alone.
        let stored = attributes.into_iter().filter(|(name, _)| org.profile_schema.attribute(name).is_some());
        let members = stored.map(|(name, value)| (spelled(&name).to_owned(), value)).collect();
        match Profile::read(members, &org.profile_schema, None) {
            Ok(profile) => Ok(profile),
            Err(causes) => {
                // They name attributes, never values.
                tracing::warn!(org = %org.org.id, policy = %policy.id, ?causes, "registration.result is not valid");
                Err(self.failed(login, "RESULT_INVALID"))
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

    async fn create(&self, user: User, login: &str, verifying: Option<Verifying>) -> Result<SignedUp, Ended> {
        let Self { platform, org, caller, policy, .. } = *self;
        let issued = verifying.as_ref().map(|_| verification::new_link(platform, caller, &user));
        let link = issued.as_ref().map(|issued| &issued.link);
        let groups = match platform.store().register_user(&user, &policy.rule.target_group_ids, link).await {
            Ok(groups) => groups,
            Err(StoreError::Duplicate { .. }) => {
                // Not the login of the form: the hook has set that of another user.
                if user.profile.login.to_lowercase() != login.to_lowercase() {
                    return Err(self.failed(login, "LOGIN_OF_HOOK_TAKEN"));
                }
                let Some(verifying) = verifying else { return Err(self.taken(login)) };
                platform.log_refusal(&org.org.id, caller, login_actor(None, login), Refusal::SignUp(LOGIN_TAKEN));
                verification::tell_owner(platform, org, caller, user, verifying).await?;
                return Ok(SignedUp::MailSent);
            }
            Err(error) => return Err(error.into()),
        };
        self.log_created(&user, &groups);
        match (verifying, issued) {
            (Some(verifying), Some(issued)) => {
                verification::send(org, caller, &user, &issued, verifying);
                Ok(SignedUp::MailSent)
            }
            _ => Ok(SignedUp::Active(Box::new(user))),
        }
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
    async fn check_room(&self, login: &str) -> Result<(), Ended> {
        let Some(limit) = self.org.org.limits.users else { return Ok(()) };
        let users = self.platform.store().count_users(&self.org.org.id).await?;
        if users < u64::from(limit) { Ok(()) } else { Err(self.failed(login, "USERS_LIMIT")) }
    }

    fn taken(&self, login: &str) -> Ended {
        let messages = FormMessages { fields: vec![(LOGIN.to_owned(), TAKEN.to_owned())], form: Vec::new() };
        let refused = Refused { messages: placed(self.form, messages), by: RefusedBy::Validation };
        self.ended(login, LOGIN_TAKEN, SignedUp::Refused(refused))
    }

    fn failed(&self, login: &str, reason: Reason) -> Ended {
        let refused = Refused { messages: FormMessages::failed(FLOW), by: RefusedBy::Failure };
        self.ended(login, reason, SignedUp::Refused(refused))
    }

    /// Ends the registration without a user, and logs the reason.
    fn ended(&self, login: &str, reason: Reason, with: SignedUp) -> Ended {
        let actor = login_actor(None, login);
        self.platform.log_refusal(&self.org.org.id, self.caller, actor, Refusal::SignUp(reason));
        Ended::With(with)
    }

    fn origin(&self, login: &str) -> Origin {
        let rule = &self.policy.rule;
        Origin {
            targets: vec![named_target(rule.id.as_str(), "PolicyRule", &rule.name)],
            ..self.caller.origin(&self.org.org.id, login_actor(None, login))
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
