//! Wrong passwords in a row lock a user out.

use std::{iter, num::NonZeroU32, sync::Arc};

use tenterhook_contract::{Secret, id::UserId};
use tenterhook_flows::{
    authn::{Authn, Credentials, authenticate},
    commitment::Commitment,
    sign_in::{Attempt, SignedIn, sign_in},
};
use tenterhook_management::{
    hooks::{self, HookRequest},
    request::{Named, Submitted},
    users,
};
use tenterhook_model::{Password, Profile, User, UserStatus, UserTransition};
use tenterhook_platform::{Lockout, attempts::PasswordAttempts};
use tenterhook_testkit::{
    endpoint::Step,
    rig::{PASSWORD, Rig, hook_request},
};
use tokio::{sync::Semaphore, task::JoinSet};

use crate::support::caller;

const ADA: &str = "ada@example.com";
const MEI: &str = "mei@legacy.example";
const PASSWORD_IMPORT: &str = "com.okta.user.credential.password.import";
const VERIFIED: &str = r#"{"commands":[{"type":"com.okta.action.update","value":{"credential":"VERIFIED"}}]}"#;
const UNVERIFIED: &str = r#"{"commands":[{"type":"com.okta.action.update","value":{"credential":"UNVERIFIED"}}]}"#;
const MINUTE: u64 = 60;

/// A platform that locks users out after three wrong passwords, for half an hour.
async fn rig(is_shown: bool) -> Rig {
    let lockout = Lockout { attempts: NonZeroU32::new(3), unlock_minutes: NonZeroU32::new(30), is_shown };
    Rig::with(move |settings| settings.lockout = lockout).await
}

/// Signs in at a node that has seen no attempt before.
async fn signs_in(rig: &Rig, password: &str) -> bool {
    signs_in_as(rig, ADA, password).await
}

async fn signs_in_as(rig: &Rig, login: &str, password: &str) -> bool {
    let (attempts, password) = (Arc::<PasswordAttempts>::default(), Secret::new(password));
    let attempt = Attempt { attempts: &attempts, login, password: &password, request: None, previous: None };
    let (org, caller) = (rig.snapshot(), caller(rig, "authorize"));
    match sign_in(&rig.platform, &org, &caller, attempt, &Commitment::default()).await.unwrap() {
        SignedIn::Yes(_) => true,
        SignedIn::No => false,
        other => panic!("{other:?}"),
    }
}

/// The passwords that let in of those that are submitted at the same time.
async fn guessed(
    rig: &Arc<Rig>,
    login: &'static str,
    passwords: impl Iterator<Item = &'static str>,
) -> Vec<&'static str> {
    let guess = |password| {
        let rig = Arc::clone(rig);
        async move { signs_in_as(&rig, login, password).await.then_some(password) }
    };
    let guesses: JoinSet<_> = passwords.map(guess).collect();
    guesses.join_all().await.into_iter().flatten().collect()
}

async fn fails(rig: &Rig, times: usize) {
    for _ in 0..times {
        assert!(!signs_in(rig, "wrong").await);
    }
}

async fn ada(rig: &Rig) -> User {
    rig.platform.store().find_user_by_login(&rig.org_id, ADA).await.unwrap().unwrap()
}

/// A user whose password the org's hook imports.
async fn mei(rig: &Rig) -> User {
    let request = HookRequest {
        hook_type: Named::is(PASSWORD_IMPORT),
        ..hook_request("Import", "https://legacy.example/import")
    };
    hooks::create(&rig.platform, &rig.administrator().await, &Submitted::of(request)).await.unwrap();
    let ada = ada(rig).await;
    let profile = Profile::new(MEI, MEI, "Mei", "Tan");
    let mei = User { id: UserId::from_parts(9, [9; 8]), profile, password: Password::ImportByHook, version: 0, ..ada };
    rig.platform.store().insert_user(&mei).await.unwrap();
    mei
}

async fn status(rig: &Rig) -> UserStatus {
    ada(rig).await.status
}

#[tokio::test]
async fn three_wrong_passwords_in_a_row_lock_a_user_out_and_the_right_one_does_not_help() {
    let rig = rig(false).await;
    fails(&rig, 2).await;
    assert!(signs_in(&rig, PASSWORD).await);
    fails(&rig, 2).await;
    assert_eq!((status(&rig).await, ada(&rig).await.sign_ins.wrong_passwords), (UserStatus::Active, 2), "not in a row");
    fails(&rig, 1).await;
    assert_eq!(status(&rig).await, UserStatus::LockedOut);
    assert!(!signs_in(&rig, PASSWORD).await);
    fails(&rig, 3).await;
    let events = rig.events("user.account.lock").await;
    let [locked] = &events[..] else { panic!("one event: {events:?}") };
    assert_eq!(locked.actor.alternate_id.as_deref(), Some(ADA));
    assert_eq!(locked.targets[0].alternate_id.as_deref(), Some(ADA));
    let reasons = rig.events("user.session.start").await;
    let locked_out = reasons.iter().filter(|event| event.reason.as_deref() == Some("LOCKED_OUT")).count();
    assert_eq!(locked_out, 1, "the log says why the right password did not help");
}

#[tokio::test]
async fn a_lock_ends_by_an_administrator_by_a_new_password_and_by_itself() {
    let rig = rig(false).await;
    let administrator = rig.administrator().await;
    fails(&rig, 3).await;
    users::transition(&rig.platform, &administrator, ADA, UserTransition::Unlock).await.unwrap();
    fails(&rig, 2).await;
    assert!(signs_in(&rig, PASSWORD).await, "it is counted anew");
    fails(&rig, 3).await;
    rig.clock.advance(std::time::Duration::from_secs(30 * MINUTE - 1));
    assert!(!signs_in(&rig, PASSWORD).await);
    rig.clock.advance(std::time::Duration::from_secs(1));
    assert_eq!(status(&rig).await, UserStatus::LockedOut, "nobody has tried");
    fails(&rig, 1).await;
    assert_eq!((status(&rig).await, ada(&rig).await.sign_ins.wrong_passwords), (UserStatus::Active, 1));
    assert!(signs_in(&rig, PASSWORD).await);
    fails(&rig, 3).await;
    rig.clock.advance(std::time::Duration::from_secs(30 * MINUTE));
    assert!(signs_in(&rig, PASSWORD).await, "also at once");
    assert_eq!(rig.events("user.account.unlock").await.len(), 2);
    assert_eq!(rig.events("user.account.unlock_by_admin").await.len(), 1);
}

/// Passwords that are verified at the same time are judged by what the others have counted, not by what was read before.
#[tokio::test]
async fn a_right_password_does_not_count_once_the_limit_is_reached_whoever_has_counted() {
    let rig = rig(true).await;
    // Another node has counted these, and has not locked the user out yet.
    for _ in 0..3 {
        rig.platform.store().count_wrong_password(&ada(&rig).await).await.unwrap();
    }
    assert!(!signs_in(&rig, PASSWORD).await);
    assert_eq!(status(&rig).await, UserStatus::LockedOut);
    assert_eq!(rig.events("user.account.lock").await.len(), 1);
    let reasons = rig.events("user.session.start").await;
    assert_eq!(reasons.last().and_then(|event| event.reason.as_deref()), Some("LOCKED_OUT"));
}

/// Three wrong passwords and the right one, verified at the same time. The right one lets in if it is there before the third wrong one,
/// and the count then begins anew; otherwise the user is locked out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_guesses_at_once_the_right_one_counts_before_the_limit_or_not_at_all() {
    for round in 0..6 {
        let rig = Arc::new(rig(false).await);
        let passwords = (0..4).map(|place| if place == round % 4 { PASSWORD } else { "wrong" });
        let let_in = guessed(&rig, ADA, passwords).await;
        let is_in = let_in.contains(&PASSWORD);
        assert_eq!(let_in.len(), usize::from(is_in), "{round}: {let_in:?}");
        let (status, wrong) = (status(&rig).await, ada(&rig).await.sign_ins.wrong_passwords);
        match status {
            UserStatus::Active => assert!(is_in && (1..3).contains(&wrong), "{round}: {is_in} {wrong}"),
            // All three wrong ones were counted in a row.
            status => assert_eq!((status, wrong), (UserStatus::LockedOut, 0), "{round}"),
        }
        let locked = usize::from(status == UserStatus::LockedOut);
        assert_eq!(rig.events("user.account.lock").await.len(), locked, "{round}");
        let is_in = signs_in(&rig, PASSWORD).await;
        assert_eq!(is_in, status == UserStatus::Active, "{round}");
    }
}

/// All of them are under way before the first one is judged: none was refused because of what was read of the user.
#[tokio::test]
async fn of_many_guesses_at_once_the_right_one_is_refused_after_the_limit() {
    const GUESSES: usize = 8;
    let rig = Arc::new(rig(false).await);
    let mei = mei(&rig).await;
    let (wrong, right) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let asked = async |guesses: usize| {
        while rig.service.received().len() < guesses {
            tokio::task::yield_now().await;
        }
    };
    rig.service.then(&[Step::Permitted(Arc::clone(&right), VERIFIED)]);
    let guess = signs_in_as(&rig, MEI, PASSWORD);
    let others = async {
        asked(1).await;
        rig.service.then(&vec![Step::Permitted(Arc::clone(&wrong), UNVERIFIED); GUESSES]);
        let judged = async {
            asked(GUESSES + 1).await;
            wrong.add_permits(GUESSES);
        };
        let (let_in, ()) = tokio::join!(guessed(&rig, MEI, iter::repeat_n("wrong", GUESSES)), judged);
        assert!(let_in.is_empty());
        right.add_permits(1);
    };
    let (is_in, ()) = tokio::join!(guess, others);
    assert!(!is_in);
    let stored = rig.platform.store().find_user(&mei.org_id, &mei.id).await.unwrap().unwrap();
    assert_eq!((stored.status, stored.password), (UserStatus::LockedOut, Password::ImportByHook));
    assert_eq!(rig.events("user.account.lock").await.len(), 1);
    assert!(!signs_in_as(&rig, MEI, PASSWORD).await);
    assert_eq!(rig.service.received().len(), GUESSES + 1, "nobody asks about a user who is locked out");
}

/// The service says so while the user is not locked out yet: to store the password must not begin the count anew.
#[tokio::test]
async fn a_password_that_the_hook_verifies_does_not_count_once_the_limit_is_reached() {
    let rig = rig(false).await;
    let mei = mei(&rig).await;
    let stored = async || rig.platform.store().find_user(&mei.org_id, &mei.id).await.unwrap().unwrap();
    for counted in 1..=3 {
        // Another node has counted it, and has not locked the user out yet.
        assert_eq!(rig.platform.store().count_wrong_password(&mei).await.unwrap(), counted);
    }
    rig.service.then(&[Step::Answer(200, VERIFIED)]);
    assert!(!signs_in_as(&rig, MEI, PASSWORD).await);
    assert_eq!((stored().await.status, stored().await.password), (UserStatus::LockedOut, Password::ImportByHook));
    assert_eq!(rig.events("user.account.lock").await.len(), 1);
    let imports = rig.events("user.import.password").await;
    assert_eq!(imports.last().and_then(|event| event.reason.as_deref()), Some("LOCKED_OUT"));
    let administrator = rig.administrator().await;
    users::transition(&rig.platform, &administrator, MEI, UserTransition::Unlock).await.unwrap();
    rig.service.then(&[Step::Answer(200, VERIFIED)]);
    assert!(signs_in_as(&rig, MEI, PASSWORD).await);
    assert!(stored().await.password.hash().is_some(), "it is imported now");
}

#[tokio::test]
async fn right_passwords_at_the_moment_at_which_a_lock_ends_all_let_in() {
    let rig = rig(false).await;
    fails(&rig, 3).await;
    rig.clock.advance(std::time::Duration::from_secs(30 * MINUTE));
    let let_in = tokio::join!(signs_in(&rig, PASSWORD), signs_in(&rig, PASSWORD), signs_in(&rig, PASSWORD));
    assert_eq!(let_in, (true, true, true));
    assert_eq!(rig.events("user.account.unlock").await.len(), 1);
}

/// Of a user who is suspended or whose password has expired, nothing is counted; without the setting, of nobody.
#[tokio::test]
async fn only_active_users_are_locked_out_and_only_where_the_operator_wants_it() {
    let rig = rig(false).await;
    let administrator = rig.administrator().await;
    for (transition, kept) in [
        (UserTransition::ExpirePassword, UserStatus::PasswordExpired),
        (UserTransition::SetPassword, UserStatus::Active),
        (UserTransition::Suspend, UserStatus::Suspended),
    ] {
        users::transition(&rig.platform, &administrator, ADA, transition).await.unwrap();
        if kept == UserStatus::Active {
            continue;
        }
        fails(&rig, 4).await;
        assert_eq!((status(&rig).await, ada(&rig).await.sign_ins.wrong_passwords), (kept, 0));
    }
    let rig = Rig::start().await;
    fails(&rig, 10).await;
    assert_eq!((status(&rig).await, ada(&rig).await.sign_ins.wrong_passwords), (UserStatus::Active, 0));
}

/// Unless the operator wants it, a client is not told who is locked out, because that would tell which users there are.
#[tokio::test]
async fn primary_authentication_says_that_a_user_is_locked_out_where_the_operator_wants_it() {
    for is_shown in [false, true] {
        let rig = rig(is_shown).await;
        fails(&rig, 3).await;
        for (username, password) in [(ADA, PASSWORD), (ADA, "wrong"), ("nobody@example.com", PASSWORD)] {
            let (attempts, password) = (Arc::<PasswordAttempts>::default(), Secret::new(password));
            let credentials =
                Credentials { attempts: &attempts, username, password: &password, relay_state: Some("/deep/link") };
            let (org, caller) = (rig.snapshot(), caller(&rig, "authn"));
            let done = authenticate(&rig.platform, &org, &caller, credentials, &Commitment::default()).await.unwrap();
            match done {
                Authn::LockedOut { relay_state } => {
                    assert!(is_shown && username == ADA);
                    assert_eq!(relay_state.as_deref(), Some("/deep/link"));
                }
                Authn::Refused => assert!(!is_shown || username != ADA, "{username}"),
                other => panic!("{other:?}"),
            }
        }
    }
}
