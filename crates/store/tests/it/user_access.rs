//! Tokens of primary authentication, and the end of what a user has signed in to.

use std::num::NonZeroU32;

use sea_orm::{ConnectionTrait as _, TransactionTrait as _};
use tenterhook_contract::{Secret, id::FactorId};
use tenterhook_model::{
    AuthnPurpose, AuthnToken, AuthorizationCode, CodePurpose, CodeState, Factor, FactorCode, FactorMethod,
    FactorStatus, FactorType, IssuedAccessToken, Passcode, Password, PhoneNumber, RefreshToken, RefreshTokenState,
    Session, SignInCounts, TOTP_SECRET_BYTES, TotpSecret, User, UserStatus, VerifiedFactor,
};
use tenterhook_store::{BeginningSession, BegunSession, Ending, Lapsed, Proof, Redeemed, Standing, Store};

use crate::{
    databases::{
        self, at, begin_session, code, number, on_every_database, org, other_org, refresh_token, session, standing,
        user,
    },
    factors::factor,
};

fn token(of: &User, text: &str, purpose: AuthnPurpose) -> AuthnToken {
    AuthnToken {
        org_id: org(),
        token_sha256: text.to_owned(),
        purpose,
        user_id: of.id.clone(),
        relay_state: Some("r".to_owned()),
        factor: None,
        challenged: None,
        expires: at(100),
    }
}

fn session_of(user: &User) -> Session {
    Session { user_id: user.id.clone(), ..session(user.id.as_str(), at(100)) }
}

const fn beginning<'a>(session: &'a Session, verified: &User) -> BeginningSession<'a> {
    let proofs_ended = verified.sign_ins.proofs_ended;
    BeginningSession { session, proofs_ended, token: None, previous_sha256: None }
}

/// A live refresh token of a user, and a code whose access token is live too.
async fn granted(store: &Store, user: &User) -> (RefreshToken, AuthorizationCode) {
    let (redeemed, open) = (format!("{}1", user.id), format!("{}2", user.id));
    let refresh = RefreshToken { user_id: user.id.clone(), ..refresh_token(user.id.as_str(), None, Some(&redeemed)) };
    for hash in [&redeemed, &open] {
        let code = AuthorizationCode { user_id: user.id.clone(), ..code(hash, at(100)) };
        assert_eq!(store.insert_authorization_code(&code, &standing(&org(), &user.id, 0)).await.unwrap(), None);
    }
    let access =
        IssuedAccessToken { jti: format!("jti {}", user.id), user_id: user.id.clone(), expires: at(100), factor: None };
    assert!(store.redeem_authorization_code(&org(), &redeemed, (&access, Some(&refresh)), at(1)).await.unwrap());
    (refresh, AuthorizationCode { user_id: user.id.clone(), ..code(&open, at(100)) })
}

async fn added(store: &Store, login: &str) -> User {
    let user = user(login);
    store.insert_user(&user).await.unwrap();
    user
}

async fn a_token_is_found_by_org_text_and_purpose_until_it_expires_and_is_used_up_once(store: Store) {
    let ada = added(&store, "ada@example.com").await;
    let session = token(&ada, "t", AuthnPurpose::Session);
    assert_eq!(store.insert_authn_token(&session, &ada).await.unwrap(), None);
    let find =
        async |org, text, purpose, seconds| store.find_authn_token(&org, text, purpose, at(seconds)).await.unwrap();
    assert_eq!(find(org(), "t", AuthnPurpose::Session, 99).await, Some(session.clone()));
    for (org, text, purpose, seconds) in [
        (org(), "t", AuthnPurpose::Session, 100),
        (org(), "t", AuthnPurpose::PasswordExpired, 1),
        (org(), "u", AuthnPurpose::Session, 1),
        (other_org(), "t", AuthnPurpose::Session, 1),
    ] {
        assert_eq!(find(org, text, purpose, seconds).await, None);
    }
    assert!(!store.use_up_authn_token(&session, at(100)).await.unwrap(), "it has expired");
    let (one, other) =
        tokio::join!(store.use_up_authn_token(&session, at(1)), store.use_up_authn_token(&session, at(1)));
    assert_eq!([one.unwrap(), other.unwrap()].into_iter().filter(|used| *used).count(), 1);
    assert_eq!(find(org(), "t", AuthnPurpose::Session, 1).await, None);
}

async fn an_exchange_changes_the_user_and_adds_the_next_token_or_nothing(store: Store) {
    let ada = added(&store, "ada@example.com").await;
    let state = token(&ada, "t", AuthnPurpose::PasswordExpired);
    assert_eq!(store.insert_authn_token(&state, &ada).await.unwrap(), None);
    let next = token(&ada, "n", AuthnPurpose::Session);
    let changed = User { status: UserStatus::Suspended, ..ada.clone() };
    let exchange =
        async |user: &User, seconds| store.exchange_authn_token(&state, user, &next, at(seconds)).await.unwrap();
    let find = async || store.find_authn_token(&org(), "n", AuthnPurpose::Session, at(1)).await.unwrap();
    assert_eq!(exchange(&changed, 100).await, Redeemed::Gone, "it has expired");
    assert_eq!(exchange(&User { version: 7, ..changed.clone() }, 1).await, Redeemed::Contended);
    assert_eq!(find().await, None);
    assert_eq!(exchange(&changed, 1).await, Redeemed::Done);
    assert_eq!(find().await, Some(next.clone()));
    assert_eq!(store.find_user(&org(), &ada.id).await.unwrap().unwrap().status, UserStatus::Suspended);
    assert_eq!(exchange(&changed, 1).await, Redeemed::Gone);
}

async fn a_state_token_asks_for_one_factor_and_becomes_a_session_token_once(store: Store) {
    let ada = added(&store, "ada@example.com").await;
    let verified = VerifiedFactor { factor_type: FactorType::Totp, at: at(3) };
    let state = AuthnToken { factor: Some(verified), ..token(&ada, "t", AuthnPurpose::SecondFactor) };
    assert_eq!(store.insert_authn_token(&state, &ada).await.unwrap(), None);
    let find = async |text, purpose| store.find_authn_token(&org(), text, purpose, at(1)).await.unwrap();
    let factor = FactorId::from_parts(number(), [0; 8]);
    for challenged in [Some(factor), None] {
        assert!(store.challenge_authn_token(&state, challenged.as_ref(), at(1)).await.unwrap());
        let expected = AuthnToken { challenged, ..state.clone() };
        assert_eq!(find("t", AuthnPurpose::SecondFactor).await, Some(expected));
    }
    assert!(!store.challenge_authn_token(&state, None, at(100)).await.unwrap(), "it has expired");
    let of_session = AuthnToken { purpose: AuthnPurpose::Session, ..state.clone() };
    assert!(!store.challenge_authn_token(&of_session, None, at(1)).await.unwrap(), "it is none");

    let next = AuthnToken { factor: Some(verified), ..token(&ada, "n", AuthnPurpose::Session) };
    let succeed =
        async |user: &User, seconds| store.succeed_authn_token(&state, user, &next, at(seconds)).await.unwrap();
    let before = User { sign_ins: SignInCounts { proofs_ended: 7, ..ada.sign_ins }, ..ada.clone() };
    let suspended = User { status: UserStatus::Suspended, ..ada.clone() };
    assert!(!succeed(&before, 1).await && !succeed(&suspended, 1).await && !succeed(&ada, 100).await);
    assert_eq!(find("n", AuthnPurpose::Session).await, None);
    let (one, other) = tokio::join!(succeed(&ada, 1), succeed(&ada, 1));
    assert!(one != other, "exactly one of two uses counts");
    assert_eq!(find("n", AuthnPurpose::Session).await, Some(next.clone()));
    assert_eq!(find("t", AuthnPurpose::SecondFactor).await, None);
}

async fn the_access_of_one_user_ends_and_that_of_others_stays(store: Store) {
    let (ada, eve) = (added(&store, "ada@example.com").await, added(&store, "eve@example.com").await);
    let mut of = Vec::new();
    for user in [&ada, &eve] {
        let session = session_of(user);
        begin_session(&store, None, &session).await.unwrap();
        let token = token(user, user.id.as_str(), AuthnPurpose::Session);
        assert_eq!(store.insert_authn_token(&token, user).await.unwrap(), None);
        of.push((session, granted(&store, user).await));
    }
    // Session, token for one, refresh token, access token and code.
    let open = async |user: &User, index: usize| {
        let (session, (refresh, code)) = &of[index];
        let found = store.find_refresh_token(&org(), &refresh.token_sha256, at(1)).await.unwrap();
        let code = store.find_authorization_code(&org(), &code.code_sha256, at(1)).await.unwrap();
        [
            store.find_session_by_id(&org(), &session.id, at(1)).await.unwrap().is_some(),
            store.find_authn_token(&org(), user.id.as_str(), AuthnPurpose::Session, at(1)).await.unwrap().is_some(),
            matches!(found, RefreshTokenState::Live(_)),
            !store.is_access_token_revoked(&org(), &format!("jti {}", user.id)).await.unwrap(),
            matches!(code, CodeState::Live(_)),
        ]
    };
    assert_eq!(store.end_access(&other_org(), &ada.id, Ending::SessionsAndTokens, at(1)).await.unwrap(), 0);
    assert_eq!(open(&ada, 0).await, [true; 5]);
    assert_eq!(store.end_access(&org(), &ada.id, Ending::Sessions, at(1)).await.unwrap(), 1);
    assert_eq!(open(&ada, 0).await, [false, false, true, true, true]);
    assert_eq!(store.end_access(&org(), &ada.id, Ending::SessionsAndTokens, at(1)).await.unwrap(), 0);
    assert_eq!(open(&ada, 0).await, [false; 5]);
    assert_eq!(open(&eve, 1).await, [true; 5]);
}

/// What a verified password has proven ends with the password, and with what the user has signed in to.
async fn a_password_gets_no_tokens_and_no_session_once_it_or_the_access_of_its_user_has_ended(store: Store) {
    for (what, expected) in [
        ("nothing", None),
        ("profile", None),
        ("our own hash", None),
        ("sessions end", Some(Lapsed::ProofEnded)),
        ("everything ends", Some(Lapsed::ProofEnded)),
        ("other password", Some(Lapsed::ProofEnded)),
        ("suspended", Some(Lapsed::UserInactive)),
        ("removed", Some(Lapsed::SignedOut)),
    ] {
        let verified = added(&store, &format!("{what}@example.com")).await;
        let other = |hash: &str| Password::Hash { hash: Secret::new(hash), changed: at(1) };
        match what {
            "profile" => {
                let profile = verified.profile.clone().with("city", "Lagos");
                assert!(store.replace_user(&User { profile, ..verified.clone() }).await.unwrap());
            }
            "our own hash" => {
                let known = verified.password.hash().unwrap();
                store.replace_password_hash(&verified, known, &Secret::new("$argon2id$own")).await.unwrap();
            }
            "sessions end" => {
                store.end_access(&org(), &verified.id, Ending::Sessions, at(1)).await.unwrap();
            }
            "everything ends" => {
                store.end_access(&org(), &verified.id, Ending::SessionsAndTokens, at(1)).await.unwrap();
            }
            "other password" => {
                assert!(
                    store.replace_user(&User { password: other("$argon2id$new"), ..verified.clone() }).await.unwrap()
                );
            }
            "suspended" => {
                assert!(store.replace_user(&User { status: UserStatus::Suspended, ..verified.clone() }).await.unwrap());
            }
            "removed" => assert!(store.delete_user(&verified, at(1)).await.unwrap()),
            _ => {}
        }
        let own_org = org();
        let proof = Proof::Password(verified.sign_ins.proofs_ended);
        let standing = Standing { proof, ..standing(&own_org, &verified.id, 1) };
        let refresh = RefreshToken { user_id: verified.id.clone(), ..refresh_token(what, None, Some(what)) };
        let access =
            IssuedAccessToken { jti: what.to_owned(), user_id: verified.id.clone(), expires: at(100), factor: None };
        assert_eq!(store.insert_tokens((&access, Some(&refresh)), &standing).await.unwrap(), expected, "{what}");
        let found = store.find_refresh_token(&org(), what, at(1)).await.unwrap();
        assert_eq!(matches!(found, RefreshTokenState::Live(_)), expected.is_none(), "{what}: {found:?}");
        let authn = token(&verified, what, AuthnPurpose::Session);
        assert_eq!(store.insert_authn_token(&authn, &verified).await.unwrap(), expected, "{what}");
        let found = store.find_authn_token(&org(), what, AuthnPurpose::Session, at(1)).await.unwrap();
        assert_eq!(found.is_some(), expected.is_none(), "{what}");
        let session = session_of(&verified);
        let begun = store.begin_session(beginning(&session, &verified)).await.unwrap();
        assert_eq!(begun, expected.map_or(BegunSession::Yes(None), BegunSession::Lapsed), "{what}");
        let found = store.find_session_by_id(&org(), &session.id, at(1)).await.unwrap();
        assert_eq!(found.is_some(), expected.is_none(), "{what}");
    }
}

/// What a token stands for ends in the same cases, and what was read of the user since does not bring it back.
async fn a_token_does_not_outlive_what_its_user_had_proven(store: Store) {
    for (what, works) in [
        ("nothing", true),
        ("profile", true),
        ("pending factor", true),
        ("wrong code", true),
        ("other password", false),
        ("suspended and back", false),
        ("expired and back", false),
        ("active factor", false),
        ("proven app", false),
        ("proven phone", false),
        ("phone without proof", false),
    ] {
        let ada = added(&store, &format!("{what}@example.com")).await;
        let (session_token, state) = (format!("{what} session"), format!("{what} state"));
        let session_token = token(&ada, &session_token, AuthnPurpose::Session);
        let state = token(&ada, &state, AuthnPurpose::SecondFactor);
        for token in [&session_token, &state] {
            assert_eq!(store.insert_authn_token(token, &ada).await.unwrap(), None);
        }
        let replace = async |change: &dyn Fn(User) -> User| {
            let stored = store.find_user(&org(), &ada.id).await.unwrap().unwrap();
            assert!(store.replace_user(&change(stored)).await.unwrap());
        };
        let enter = |status| move |user: User| User { status, ..user };
        let app = factor(&ada, FactorMethod::Totp(TotpSecret::new([7; TOTP_SECRET_BYTES])));
        let phone = factor(&ada, FactorMethod::Sms(PhoneNumber::parse("+2348031234567", None).unwrap()));
        let passcode = Passcode::parse("048213").unwrap();
        let code = FactorCode { purpose: CodePurpose::Enrollment, passcode: passcode.clone(), expires: at(300) };
        match what {
            "profile" => {
                replace(&|user| User { profile: user.profile.clone().with("city", "Lagos"), ..user }).await;
            }
            "other password" => {
                let password = Password::Hash { hash: Secret::new("$argon2id$new"), changed: at(1) };
                replace(&|user| User { password: password.clone(), ..user }).await;
            }
            "suspended and back" => {
                replace(&enter(UserStatus::Suspended)).await;
                replace(&enter(UserStatus::Active)).await;
            }
            "expired and back" => {
                replace(&enter(UserStatus::PasswordExpired)).await;
                replace(&enter(UserStatus::Active)).await;
            }
            "pending factor" => store.insert_factor(&app, None).await.unwrap(),
            "active factor" => {
                store.insert_factor(&Factor { status: FactorStatus::Active, ..app }, None).await.unwrap();
            }
            "proven app" => {
                store.insert_factor(&app, None).await.unwrap();
                assert!(store.redeem_totp_step(&app, 7, at(1)).await.unwrap());
            }
            "proven phone" => {
                store.insert_factor(&phone, Some(&code)).await.unwrap();
                assert!(store.redeem_factor_code(&phone, code.purpose, &passcode, at(1)).await.unwrap());
            }
            "wrong code" => {
                store.insert_factor(&phone, Some(&code)).await.unwrap();
                let wrong = Passcode::parse("048214").unwrap();
                assert!(!store.redeem_factor_code(&phone, code.purpose, &wrong, at(1)).await.unwrap());
                let gone = factor(&ada, FactorMethod::Totp(TotpSecret::new([7; TOTP_SECRET_BYTES])));
                assert!(!store.redeem_totp_step(&gone, 7, at(1)).await.unwrap());
                assert!(!store.activate_factor(&gone, at(1)).await.unwrap());
            }
            "phone without proof" => {
                store.insert_factor(&phone, Some(&code)).await.unwrap();
                assert!(store.activate_factor(&phone, at(1)).await.unwrap());
            }
            _ => {}
        }
        let fresh = store.find_user(&org(), &ada.id).await.unwrap().unwrap();
        for token in [&session_token, &state] {
            let found = store.find_authn_token(&org(), &token.token_sha256, token.purpose, at(1)).await.unwrap();
            assert_eq!(found.is_some(), works, "{what}");
        }
        assert_eq!(store.challenge_authn_token(&state, None, at(1)).await.unwrap(), works, "{what}");
        let next = token(&ada, &format!("{what} next"), AuthnPurpose::Session);
        assert_eq!(store.succeed_authn_token(&state, &fresh, &next, at(1)).await.unwrap(), works, "{what}");
        let session = session_of(&ada);
        let begun = BeginningSession { token: Some(&session_token), ..beginning(&session, &fresh) };
        let expected = if works { BegunSession::Yes(None) } else { BegunSession::TokenGone };
        assert_eq!(store.begin_session(begun).await.unwrap(), expected, "{what}");
        // What is proven from now on counts.
        let late = token(&ada, &format!("{what} late"), AuthnPurpose::Session);
        assert_eq!(store.insert_authn_token(&late, &fresh).await.unwrap(), None);
        let found = store.find_authn_token(&org(), &late.token_sha256, late.purpose, at(1)).await.unwrap();
        assert!(found.is_some(), "{what}");
    }
}

/// The owner's own change of the expired password does not go with a token from before the administrator's.
async fn an_expired_password_is_not_changed_once_there_is_another_one(store: Store) {
    let ada = User { status: UserStatus::PasswordExpired, ..user("ada@example.com") };
    store.insert_user(&ada).await.unwrap();
    let state = token(&ada, "t", AuthnPurpose::PasswordExpired);
    assert_eq!(store.insert_authn_token(&state, &ada).await.unwrap(), None);
    let with = |hash: &str| Password::Hash { hash: Secret::new(hash), changed: at(1) };
    assert!(store.replace_user(&User { password: with("$argon2id$temporary"), ..ada.clone() }).await.unwrap());
    let fresh = store.find_user(&org(), &ada.id).await.unwrap().unwrap();
    let changed = User { password: with("$argon2id$stolen"), status: UserStatus::Active, ..fresh.clone() };
    let next = token(&ada, "n", AuthnPurpose::Session);
    assert_eq!(store.exchange_authn_token(&state, &changed, &next, at(1)).await.unwrap(), Redeemed::Gone);
    assert_eq!(store.find_user(&org(), &ada.id).await.unwrap().unwrap(), fresh);
}

/// Of several concurrent uses of a token one begins a session; what is refused uses no token up and ends no session.
async fn a_token_begins_one_session_or_stays(store: Store) {
    let ada = added(&store, "ada@example.com").await;
    let first = session_of(&ada);
    begin_session(&store, None, &first).await.unwrap();
    let token = token(&ada, "t", AuthnPurpose::Session);
    assert_eq!(store.insert_authn_token(&token, &ada).await.unwrap(), None);
    let next = |name: &str| Session { user_id: ada.id.clone(), ..session(name, at(100)) };
    let (one, other, late) = (next("one"), next("other"), next("late"));
    let begin = async |session: &Session, user: &User| {
        let previous_sha256 = Some(first.cookie_sha256.as_str());
        let beginning = BeginningSession { token: Some(&token), previous_sha256, ..beginning(session, user) };
        store.begin_session(beginning).await.unwrap()
    };
    let stale = User { sign_ins: SignInCounts { proofs_ended: 7, ..ada.sign_ins }, ..ada.clone() };
    assert_eq!(begin(&one, &stale).await, BegunSession::Lapsed(Lapsed::ProofEnded));
    assert!(store.find_session_by_id(&org(), &first.id, at(1)).await.unwrap().is_some());
    assert!(store.find_authn_token(&org(), "t", AuthnPurpose::Session, at(1)).await.unwrap().is_some());
    let both = tokio::join!(begin(&one, &ada), begin(&other, &ada));
    let both = [both.0, both.1];
    assert!(both.contains(&BegunSession::Yes(Some(Box::new(first.clone())))), "{both:?}");
    assert!(both.contains(&BegunSession::TokenGone), "{both:?}");
    assert_eq!(begin(&late, &ada).await, BegunSession::TokenGone);
    assert!(store.find_session_by_id(&org(), &late.id, at(1)).await.unwrap().is_none());
}

/// Who removes expired tokens at the same time takes them in another order.
async fn expired_access_tokens_are_left_to_those_who_remove_them(store: Store) {
    let ada = added(&store, "ada@example.com").await;
    let own_org = org();
    for (jti, expires) in [("old", at(50)), ("new", at(51))] {
        let access = IssuedAccessToken { jti: jti.to_owned(), user_id: ada.id.clone(), expires, factor: None };
        assert_eq!(store.insert_tokens((&access, None), &standing(&own_org, &ada.id, 0)).await.unwrap(), None);
    }
    store.end_access(&org(), &ada.id, Ending::SessionsAndTokens, at(50)).await.unwrap();
    assert!(!store.is_access_token_revoked(&org(), "old").await.unwrap());
    assert!(store.is_access_token_revoked(&org(), "new").await.unwrap());
}

/// An access token without a refresh token is known by its user alone.
async fn access_tokens_end_with_the_access_of_their_user_whatever_they_were_issued_with(store: Store) {
    let (ada, eve) = (added(&store, "ada@example.com").await, added(&store, "eve@example.com").await);
    let own_org = org();
    for user in [&ada, &eve] {
        let access =
            IssuedAccessToken { jti: user.id.to_string(), user_id: user.id.clone(), expires: at(100), factor: None };
        let standing = Standing { proof: Proof::Password(0), ..standing(&own_org, &user.id, 0) };
        assert_eq!(store.insert_tokens((&access, None), &standing).await.unwrap(), None);
    }
    store.end_access(&org(), &ada.id, Ending::Sessions, at(1)).await.unwrap();
    assert!(!store.is_access_token_revoked(&org(), ada.id.as_str()).await.unwrap());
    store.end_access(&org(), &ada.id, Ending::SessionsAndTokens, at(1)).await.unwrap();
    assert!(store.is_access_token_revoked(&org(), ada.id.as_str()).await.unwrap());
    assert!(!store.is_access_token_revoked(&org(), eve.id.as_str()).await.unwrap());
    let stored = store.find_user(&org(), &ada.id).await.unwrap().unwrap();
    assert_eq!(stored.sign_ins, SignInCounts { proofs_ended: 2, wrong_passwords: 0 });
    assert_eq!(stored.version, ada.version, "it is no change of the user");
}

/// Of all nodes together; the count is no change of the user, and does not stay.
async fn wrong_passwords_are_counted_until_the_password_or_the_status_changes(store: Store) {
    let (ada, eve) = (added(&store, "ada@example.com").await, added(&store, "eve@example.com").await);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let (store, ada) = (store.clone(), ada.clone());
        tasks.spawn(async move { store.count_wrong_password(&ada).await.unwrap() });
    }
    let mut counted = tasks.join_all().await;
    counted.sort_unstable();
    assert_eq!(counted, [1, 2, 3, 4], "none is lost, and everybody gets another one");
    let stored = async || store.find_user(&org(), &ada.id).await.unwrap().unwrap();
    assert_eq!((stored().await.sign_ins.wrong_passwords, stored().await.version), (4, ada.version));
    let profile = ada.profile.clone().with("city", "Lagos");
    assert!(store.replace_user(&User { profile, ..ada.clone() }).await.unwrap());
    assert_eq!(store.count_wrong_password(&ada).await.unwrap(), 5, "another profile changes nothing");
    assert!(store.replace_user(&User { status: UserStatus::LockedOut, ..stored().await }).await.unwrap());
    assert_eq!(store.count_wrong_password(&ada).await.unwrap(), 1, "another status does");
    let password = Password::Hash { hash: Secret::new("$argon2id$new"), changed: at(1) };
    assert!(store.replace_user(&User { password, ..stored().await }).await.unwrap());
    assert_eq!(store.count_wrong_password(&ada).await.unwrap(), 1, "another password does");
    let limit = |limit| NonZeroU32::new(limit).unwrap();
    assert!(!store.forget_wrong_passwords(&ada, limit(2)).await.unwrap(), "who is locked out stays it");
    assert!(store.replace_user(&User { status: UserStatus::Active, ..stored().await }).await.unwrap());
    for _ in 0..2 {
        store.count_wrong_password(&ada).await.unwrap();
    }
    assert!(!store.forget_wrong_passwords(&ada, limit(2)).await.unwrap(), "the limit is reached");
    assert_eq!(stored().await.sign_ins.wrong_passwords, 2);
    assert!(store.forget_wrong_passwords(&ada, limit(3)).await.unwrap());
    assert_eq!(stored().await.sign_ins.wrong_passwords, 0);
    assert!(store.forget_wrong_passwords(&ada, limit(1)).await.unwrap(), "also when there is nothing to forget");
    assert_eq!(store.count_wrong_password(&eve).await.unwrap(), 1, "of each user by itself");
    assert!(store.delete_user(&eve, at(1)).await.unwrap());
    assert_eq!(store.count_wrong_password(&eve).await.unwrap(), 0);
}

/// On PostgreSQL, where transactions do not wait for each other by themselves.
#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask postgres`"]
async fn tokens_that_are_being_added_end_with_the_access_of_their_user() {
    let config = databases::postgres().await;
    let store = databases::open(&config).await;
    let ada = added(&store, "ada@example.com").await;
    // Another node has looked at the user, and has not committed its tokens.
    let connection = databases::connect(&config).await;
    let adding = connection.begin().await.unwrap();
    adding.execute_unprepared(&format!("SELECT 1 FROM users WHERE id = '{}' FOR SHARE", ada.id)).await.unwrap();
    let ending = tokio::spawn({
        let (store, id) = (store.clone(), ada.id.clone());
        async move { store.end_access(&org(), &id, Ending::SessionsAndTokens, at(1)).await }
    });
    databases::waiting(&config, "transactionid", &ending).await;
    let token = format!(
        "INSERT INTO access_tokens (org_id, jti, revoked, expires_us, user_id) VALUES ('{}', 'late', false, {}, '{}')",
        org(),
        at(100).as_micros(),
        ada.id
    );
    adding.execute_unprepared(&token).await.unwrap();
    adding.commit().await.unwrap();
    ending.await.unwrap().unwrap();
    assert!(store.is_access_token_revoked(&org(), "late").await.unwrap());
}

/// A purge that removes expired tokens in another order holds what the end of access would wait for, and the reverse.
#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask postgres`"]
async fn the_end_of_access_and_a_purge_of_expired_tokens_do_not_deadlock() {
    let config = databases::postgres().await;
    let store = databases::open(&config).await;
    let ada = added(&store, "ada@example.com").await;
    let own_org = org();
    for (jti, expires) in [("first", at(40)), ("second", at(30)), ("live", at(100))] {
        let access = IssuedAccessToken { jti: jti.to_owned(), user_id: ada.id.clone(), expires, factor: None };
        assert_eq!(store.insert_tokens((&access, None), &standing(&own_org, &ada.id, 0)).await.unwrap(), None);
    }
    // Another node purges in the order in which they expire.
    let connection = databases::connect(&config).await;
    let purging = connection.begin().await.unwrap();
    let remove = |jti: &str| format!("DELETE FROM access_tokens WHERE jti = '{jti}'");
    purging.execute_unprepared(&remove("second")).await.unwrap();
    let ending = tokio::spawn({
        let (store, id) = (store.clone(), ada.id.clone());
        async move { store.end_access(&org(), &id, Ending::SessionsAndTokens, at(50)).await }
    });
    databases::waiting(&config, "transactionid", &ending).await;
    purging.execute_unprepared(&remove("first")).await.unwrap();
    purging.commit().await.unwrap();
    ending.await.unwrap().unwrap();
    assert!(store.is_access_token_revoked(&org(), "live").await.unwrap());
}

async fn a_session_lasts_longer_while_it_lasts(store: Store) {
    let ada = added(&store, "ada@example.com").await;
    let factor = VerifiedFactor { factor_type: FactorType::Totp, at: at(3) };
    let session = Session { factor: Some(factor), ..session_of(&ada) };
    begin_session(&store, None, &session).await.unwrap();
    let longer = Session { expires: session.expires.plus_seconds(60), ..session.clone() };
    assert!(!store.extend_session(&longer, session.expires).await.unwrap(), "it has ended");
    assert!(store.extend_session(&longer, at(1)).await.unwrap());
    assert_eq!(store.find_session_by_id(&org(), &session.id, session.expires).await.unwrap(), Some(longer.clone()));
    assert!(store.remove_session(&org(), &session.id).await.unwrap());
    assert!(!store.remove_session(&org(), &session.id).await.unwrap());
    assert!(!store.extend_session(&longer, at(1)).await.unwrap());
}

on_every_database! {
    a_token_is_found_by_org_text_and_purpose_until_it_expires_and_is_used_up_once
    an_exchange_changes_the_user_and_adds_the_next_token_or_nothing
    a_state_token_asks_for_one_factor_and_becomes_a_session_token_once
    the_access_of_one_user_ends_and_that_of_others_stays
    a_password_gets_no_tokens_and_no_session_once_it_or_the_access_of_its_user_has_ended
    access_tokens_end_with_the_access_of_their_user_whatever_they_were_issued_with
    a_token_does_not_outlive_what_its_user_had_proven
    an_expired_password_is_not_changed_once_there_is_another_one
    a_token_begins_one_session_or_stays
    expired_access_tokens_are_left_to_those_who_remove_them
    a_session_lasts_longer_while_it_lasts
    wrong_passwords_are_counted_until_the_password_or_the_status_changes
}
