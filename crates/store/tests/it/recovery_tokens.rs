//! Recoveries by people themselves.

use tenterhook_contract::{Secret, id::FactorId};
use tenterhook_model::{
    AuthnPurpose, LinkPurpose, Passcode, Password, RECOVERY_ATTEMPTS_MAX, RECOVERY_ATTEMPTS_OF_LOGIN_MAX,
    RECOVERY_LINKS_MAX, RECOVERY_RESEND_SECONDS, RecoveryMethod, RecoveryPurpose, RecoveryStage, RecoverySubject,
    RecoveryToken, SingleUseLink, User,
};
use tenterhook_store::{Ending, RecoveryAttempt, RecoveryProof, RecoveryResend, Redeemed, Store};

use crate::databases::{at, number, on_every_database, org, other_org, user};

fn recovery(text: &str, login: &str) -> RecoveryToken {
    RecoveryToken {
        org_id: org(),
        token_sha256: text.to_owned(),
        purpose: RecoveryPurpose::Password,
        method: RecoveryMethod::Sms,
        stage: RecoveryStage::Challenged,
        login_key: login.to_owned(),
        subject: None,
        relay_state: Some("r".to_owned()),
        expires: at(300),
    }
}

fn subject(of: &User) -> RecoverySubject {
    RecoverySubject { user_id: of.id.clone(), factor_id: Some(FactorId::from_parts(number(), [0; 8])) }
}

fn code(text: &str) -> Passcode {
    Passcode::parse(text).unwrap()
}

async fn added(store: &Store, login: &str) -> User {
    let user = user(login);
    store.insert_user(&user).await.unwrap();
    user
}

async fn begun(store: &Store, text: &str, login: &str) -> RecoveryToken {
    let recovery = recovery(text, login);
    store.insert_recovery(&recovery, at(0)).await.unwrap();
    recovery
}

fn with_password(user: &User, hash: &str) -> User {
    User { password: Password::Hash { hash: Secret::new(hash), changed: at(1) }, ..user.clone() }
}

async fn a_recovery_is_found_by_org_and_text_until_it_expires_and_removed_then(store: Store) {
    let ada = added(&store, "ada@example.com").await;
    let nobodys = begun(&store, "t", "ada@example.com").await;
    let find = async |org, text, seconds| store.find_recovery(&org, text, at(seconds)).await.unwrap();
    assert_eq!(find(org(), "t", 299).await, Some(nobodys.clone()));
    assert_eq!(
        [find(org(), "t", 300).await, find(org(), "u", 1).await, find(other_org(), "t", 1).await],
        [None, None, None]
    );
    let subject = subject(&ada);
    assert!(store.put_recovery_code(&nobodys, &subject, &code("048213"), at(1)).await.unwrap().is_some());
    let adas = RecoveryToken { subject: Some(subject), ..nobodys };
    assert_eq!(find(org(), "t", 1).await, Some(adas.clone()));
    let eve = added(&store, "eve@example.com").await;
    assert_eq!(
        store.put_recovery_code(&adas, &self::subject(&eve), &code("1".repeat(6).as_str()), at(1)).await.unwrap(),
        None
    );
    assert!(store.use_up_recovery(&adas, at(1)).await.unwrap() && !store.use_up_recovery(&adas, at(1)).await.unwrap());
    let adas = begun(&store, "v", "ada@example.com").await;
    assert!(store.put_recovery_code(&adas, &self::subject(&ada), &code("048213"), at(1)).await.unwrap().is_some());
    store.end_access(&org(), &ada.id, Ending::Sessions, at(1)).await.unwrap();
    assert_eq!(find(org(), "v", 1).await, None, "it ends with the access of its user");
    begun(&store, "w", "nobody@example.com").await;
    for seconds in [1, 299, 301, 302] {
        store.purge_expired(at(seconds)).await.unwrap();
    }
    assert!(!store.use_up_recovery(&recovery("w", "nobody@example.com"), at(0)).await.unwrap(), "it was removed");
}

async fn one_of_two_uses_of_a_passcode_counts_and_one_of_another_recovery_is_none(store: Store) {
    let ada = added(&store, "ada@example.com").await;
    let (one, other) = (begun(&store, "t", "ada").await, begun(&store, "u", "ada").await);
    store.put_recovery_code(&one, &subject(&ada), &code("048213"), at(0)).await.unwrap().unwrap();
    let check = async |of: &RecoveryToken, text, seconds| {
        store.check_recovery_code(of, &code(text), at(seconds)).await.unwrap()
    };
    assert_eq!(
        [check(&one, "048214", 1).await, check(&other, "048213", 1).await, check(&one, "048213", 300).await],
        [None, None, None]
    );
    let right = check(&one, "048213", 1).await.unwrap();
    let prove = || store.prove_recovery(&one, &right, at(400), at(1));
    let (first, second) = tokio::join!(prove(), prove());
    assert_ne!(first.unwrap(), second.unwrap());
    let proven = store.find_recovery(&org(), "t", at(399)).await.unwrap().unwrap();
    assert_eq!((proven.stage, proven.expires), (RecoveryStage::Proven, at(400)));
    assert_eq!(check(&one, "048213", 1).await, None);
    assert_eq!(store.count_recovery_attempt(&one, at(1)).await.unwrap(), RecoveryAttempt::Gone);
    // The next passcode replaces the one before, and one that was not sent is taken back.
    let first = store.put_recovery_code(&other, &subject(&ada), &code("111111"), at(1)).await.unwrap().unwrap();
    let second = store.put_recovery_code(&other, &subject(&ada), &code("222222"), at(1)).await;
    let second = second.unwrap().unwrap();
    assert_eq!(check(&other, "111111", 1).await, None);
    store.take_back_recovery_code(&other, &first, at(1)).await.unwrap();
    assert_eq!(check(&other, "222222", 1).await.as_ref(), Some(&second), "the one before takes nothing back");
    store.take_back_recovery_code(&other, &second, at(1)).await.unwrap();
    assert_eq!(check(&other, "222222", 1).await, None);
}

async fn attempts_are_counted_for_a_recovery_and_for_its_login(store: Store) {
    let tokens = [begun(&store, "t", "ada").await, begun(&store, "u", "ada").await, begun(&store, "v", "ada").await];
    let count = async |of: &RecoveryToken, seconds| store.count_recovery_attempt(of, at(seconds)).await.unwrap();
    for token in &tokens[..2] {
        for _ in 0..RECOVERY_ATTEMPTS_MAX {
            assert_eq!(count(token, 1).await, RecoveryAttempt::Counted);
        }
        assert_eq!(count(token, 1).await, RecoveryAttempt::Locked);
    }
    assert_eq!(RECOVERY_ATTEMPTS_MAX * 2, RECOVERY_ATTEMPTS_OF_LOGIN_MAX);
    assert_eq!(count(&tokens[2], 1).await, RecoveryAttempt::Locked, "ten of a login");
    assert_eq!(count(&begun(&store, "w", "eve").await, 1).await, RecoveryAttempt::Counted, "another login");
    let later = RecoveryToken { expires: at(400), ..recovery("x", "ada") };
    store.insert_recovery(&later, at(101)).await.unwrap();
    assert_eq!(count(&later, 299).await, RecoveryAttempt::Locked);
    assert_eq!(count(&later, 300).await, RecoveryAttempt::Counted, "those before have ended");
    assert_eq!(count(&tokens[0], 300).await, RecoveryAttempt::Gone);
    // At the same time too, for several recoveries of the login.
    let (one, other) = (begun(&store, "y", "mei").await, begun(&store, "z", "mei").await);
    let pair = async || tokio::join!(count(&one, 1), count(&other, 1));
    let counted = tokio::join!(pair(), pair(), pair());
    assert_eq!(
        counted,
        (
            (RecoveryAttempt::Counted, RecoveryAttempt::Counted),
            (RecoveryAttempt::Counted, RecoveryAttempt::Counted),
            (RecoveryAttempt::Counted, RecoveryAttempt::Counted)
        )
    );
}

async fn another_passcode_is_asked_for_after_a_rest(store: Store) {
    let token = begun(&store, "t", "ada").await;
    let again = async |seconds| store.begin_recovery_resend(&token, at(seconds + 300), at(seconds)).await.unwrap();
    assert_eq!(again(RECOVERY_RESEND_SECONDS - 1).await, RecoveryResend::TooSoon);
    let (one, other) = tokio::join!(again(RECOVERY_RESEND_SECONDS), again(RECOVERY_RESEND_SECONDS));
    assert!(matches!(
        (one, other),
        (RecoveryResend::Begun, RecoveryResend::TooSoon) | (RecoveryResend::TooSoon, RecoveryResend::Begun)
    ));
    let found = store.find_recovery(&org(), "t", at(RECOVERY_RESEND_SECONDS + 299)).await.unwrap();
    assert!(found.is_some(), "it lasts for another passcode's time");
    assert_eq!(again(RECOVERY_RESEND_SECONDS + 300).await, RecoveryResend::Gone);
}

async fn a_recovery_changes_its_user_once_and_ends_what_was_signed_in(store: Store) {
    let ada = added(&store, "ada@example.com").await;
    let link = |text: &str| SingleUseLink {
        org_id: org(),
        token_sha256: text.to_owned(),
        purpose: LinkPurpose::Recovery,
        user_id: ada.id.clone(),
        expires: at(300),
    };
    for number in 0..RECOVERY_LINKS_MAX {
        assert!(store.insert_recovery_link(&link(&number.to_string()), ada.version, at(1)).await.unwrap());
    }
    assert!(!store.insert_recovery_link(&link("more"), ada.version, at(1)).await.unwrap());
    assert!(
        store
            .insert_recovery_link(&SingleUseLink { expires: at(500), ..link("later") }, ada.version, at(300))
            .await
            .unwrap()
    );
    let proven = RecoveryToken {
        stage: RecoveryStage::Proven,
        subject: Some(RecoverySubject { user_id: ada.id.clone(), factor_id: None }),
        ..recovery("t", "ada")
    };
    let exchange = async || store.exchange_link(&link("0"), &proven, at(1)).await.unwrap();
    assert!(exchange().await && !exchange().await);
    let changed = with_password(&ada, "new");
    let next = tenterhook_model::AuthnToken {
        org_id: org(),
        token_sha256: "n".to_owned(),
        purpose: AuthnPurpose::Session,
        user_id: ada.id.clone(),
        relay_state: None,
        factor: None,
        challenged: None,
        expires: at(300),
    };
    let redeem = async |user: &User, seconds| {
        let proof = (&proven, RecoveryProof::Before);
        store.redeem_recovery(proof, user, Some(Ending::SessionsAndTokens), Some(&next), at(seconds)).await.unwrap()
    };
    assert_eq!(redeem(&changed, 300).await, Redeemed::Gone, "it has expired");
    assert_eq!(redeem(&User { version: 7, ..changed.clone() }, 1).await, Redeemed::Contended);
    assert_eq!(store.find_user(&org(), &ada.id).await.unwrap().unwrap().password, ada.password);
    let (one, other) = tokio::join!(redeem(&changed, 1), redeem(&changed, 1));
    assert!(
        matches!((one, other), (Redeemed::Done, Redeemed::Gone) | (Redeemed::Gone, Redeemed::Done)),
        "{one:?} {other:?}"
    );
    let stored = store.find_user(&org(), &ada.id).await.unwrap().unwrap();
    assert_eq!(stored.password, changed.password);
    assert!(stored.sign_ins.proofs_ended > ada.sign_ins.proofs_ended);
    for text in ["1", "2", "later"] {
        let found = store.find_link(&org(), text, LinkPurpose::Recovery, at(1)).await.unwrap();
        assert_eq!(found, None, "{text}: the other links end too");
    }
    let found = store.find_authn_token(&org(), "n", AuthnPurpose::Session, at(1)).await.unwrap();
    assert!(found.is_some(), "the token that follows is there");
}

on_every_database! {
    a_recovery_is_found_by_org_and_text_until_it_expires_and_removed_then
    one_of_two_uses_of_a_passcode_counts_and_one_of_another_recovery_is_none
    attempts_are_counted_for_a_recovery_and_for_its_login
    another_passcode_is_asked_for_after_a_rest
    a_recovery_changes_its_user_once_and_ends_what_was_signed_in
}
