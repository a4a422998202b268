//! Signing in with a password.

use std::sync::Arc;

use tenterhook_contract::{
    Secret,
    id::{SessionId, UserId},
};
use tenterhook_flows::{
    commitment::Commitment,
    sign_in::{Attempt, SignedIn, sign_in},
};
use tenterhook_management::users;
use tenterhook_model::{LogResult, Profile, User, UserTransition};
use tenterhook_platform::{
    attempts::{ATTEMPTS_MAX, PasswordAttempts},
    entropy::sha256_hex,
    passwords::PASSWORD_BYTES_MAX,
};
use tenterhook_store::{BeginningSession, BegunSession};
use tenterhook_testkit::rig::{PASSWORD, Rig};

use crate::support::caller;

/// Somebody at the sign-in page of a node.
struct Page {
    rig: Rig,
    attempts: Arc<PasswordAttempts>,
}

impl Page {
    async fn open() -> Self {
        Self { rig: Rig::start().await, attempts: Arc::default() }
    }

    /// Signs in; a failure must have changed nothing.
    async fn sign_in(&self, login: &str, password: &str) -> SignedIn {
        let (rig, commitment, password) = (&self.rig, Commitment::default(), Secret::new(password));
        let (org, caller) = (rig.snapshot(), caller(rig, "authorize"));
        let attempt = Attempt { attempts: &self.attempts, login, password: &password, request: None, previous: None };
        let signed_in = sign_in(&rig.platform, &org, &caller, attempt, &commitment).await.unwrap();
        assert_eq!(commitment.has_begun(), matches!(signed_in, SignedIn::Yes(_)));
        signed_in
    }

    /// Results and reasons of the sign-ins.
    async fn events(&self) -> Vec<(LogResult, Option<String>)> {
        let events = self.rig.events("user.session.start").await;
        events.into_iter().map(|event| (event.result, event.reason.map(Into::into))).collect()
    }
}

fn refused(reason: &str) -> (LogResult, Option<String>) {
    (LogResult::Failure, Some(reason.to_owned()))
}

/// The answer is the same for an unknown login, a wrong password and a suspended user, so that nobody learns which logins
/// exist.
#[tokio::test]
async fn only_an_active_user_with_the_password_signs_in() {
    let page = Page::open().await;
    assert!(matches!(page.sign_in("ada@example.com", PASSWORD).await, SignedIn::Yes(_)));
    assert!(matches!(page.sign_in("ADA@example.com", PASSWORD).await, SignedIn::Yes(_)));
    let administrator = page.rig.administrator().await;
    users::transition(&page.rig.platform, &administrator, "grace@example.com", UserTransition::Suspend).await.unwrap();
    let longer = "x".repeat(PASSWORD_BYTES_MAX + 1);
    for (login, password) in [
        ("ada@example.com", "wrong"),
        ("ada@example.com", ""),
        ("nobody@example.com", PASSWORD),
        ("grace@example.com", PASSWORD),
        ("grace@example.com", "wrong"),
        ("ada@example.com", &longer),
    ] {
        assert!(matches!(page.sign_in(login, password).await, SignedIn::No), "{login}");
    }
    let mut expected = vec![(LogResult::Success, None); 2];
    expected.extend(vec![refused("INVALID_CREDENTIALS"); 3]);
    // The log says why the right password did not help; with a wrong one the status is no reason.
    expected.extend([refused("SUSPENDED"), refused("INVALID_CREDENTIALS"), refused("INVALID_CREDENTIALS")]);
    assert_eq!(page.events().await, expected);
}

#[tokio::test]
async fn the_log_says_that_a_right_password_has_expired() {
    let page = Page::open().await;
    let (rig, administrator) = (&page.rig, page.rig.administrator().await);
    users::transition(&rig.platform, &administrator, "ada@example.com", UserTransition::ExpirePassword).await.unwrap();
    for password in [PASSWORD, "wrong"] {
        assert!(matches!(page.sign_in("ada@example.com", password).await, SignedIn::No));
    }
    assert_eq!(page.events().await, [refused("PASSWORD_EXPIRED"), refused("INVALID_CREDENTIALS")]);
}

#[tokio::test]
async fn a_password_is_guessed_ten_times_and_a_success_forgets_the_guesses() {
    let page = Page::open().await;
    for _ in 1..ATTEMPTS_MAX {
        assert!(matches!(page.sign_in("ada@example.com", "wrong").await, SignedIn::No));
    }
    assert!(matches!(page.sign_in("ada@example.com", PASSWORD).await, SignedIn::Yes(_)), "the tenth");
    for _ in 0..ATTEMPTS_MAX {
        assert!(matches!(page.sign_in("ada@example.com", "wrong").await, SignedIn::No));
    }
    for password in [PASSWORD, "wrong"] {
        let refused = page.sign_in("ada@example.com", password).await;
        assert!(matches!(refused, SignedIn::TooManyAttempts), "the eleventh, whatever the password");
    }
    assert!(matches!(page.sign_in("grace@example.com", PASSWORD).await, SignedIn::Yes(_)), "another login");
    let events = page.events().await;
    let locked = events.iter().filter(|event| **event == refused("TOO_MANY_ATTEMPTS")).count();
    assert_eq!(locked, 1, "once for a login: {events:?}");
}

/// The session before is of a user who cannot be read: that the new one has begun is not undone by it.
#[tokio::test]
async fn the_log_names_a_user_who_cannot_be_read_by_the_id() {
    let page = Page::open().await;
    let cookie = crate::support::cookie(&page.rig).await;
    let mut previous = crate::support::session(&page.rig, &cookie).await.unwrap();
    previous.id = SessionId::from_parts(9, [9; 8]);
    previous.user_id = UserId::from_parts(9, [9; 8]);
    let cookie = Secret::new("of a user who is gone");
    previous.cookie_sha256 = sha256_hex(cookie.expose());
    let store = page.rig.platform.store();
    let ada = store.find_user_by_login(&page.rig.org_id, "ada@example.com").await.unwrap().unwrap();
    let profile = Profile::new("gone@example.com", "gone@example.com", "Gone", "User");
    let gone = User { id: previous.user_id.clone(), profile, version: 0, ..ada };
    store.insert_user(&gone).await.unwrap();
    let beginning = BeginningSession { session: &previous, proofs_ended: 0, token: None, previous_sha256: None };
    assert_eq!(store.begin_session(beginning).await.unwrap(), BegunSession::Yes(None));
    assert!(store.delete_user(&gone, page.rig.platform.now()).await.unwrap());
    let (rig, password) = (&page.rig, Secret::new(PASSWORD));
    let attempt = Attempt {
        attempts: &page.attempts,
        login: "ada@example.com",
        password: &password,
        request: None,
        previous: Some(&cookie),
    };
    let signed_in =
        sign_in(&rig.platform, &rig.snapshot(), &caller(rig, "authorize"), attempt, &Commitment::default()).await;
    assert!(matches!(signed_in.unwrap(), SignedIn::Yes(_)));
    let events = rig.events("user.session.end").await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].targets[0].id, previous.user_id.as_str());
}
