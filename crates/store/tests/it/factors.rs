//! Factors of users, and the passcodes of their phones.

use tenterhook_contract::{Secret, Timestamp, id::FactorId};
use tenterhook_model::{
    CodePurpose, FACTOR_ATTEMPTS_MAX, FACTOR_LOCK_SECONDS, FACTOR_RESEND_SECONDS, Factor, FactorCode, FactorMethod,
    FactorStatus, Passcode, Password, PhoneNumber, TOTP_SECRET_BYTES, TotpSecret, User,
};
use tenterhook_store::{Attempt, Challenge, Keyring, Store, StoreConfig, StoreError};

use crate::databases::{at, number, on_every_database, open, org, other_org, user};

fn phone(text: &str) -> PhoneNumber {
    PhoneNumber::parse(text, None).unwrap()
}

fn sms() -> FactorMethod {
    FactorMethod::Sms(phone("+2348031234567"))
}

fn totp() -> FactorMethod {
    FactorMethod::Totp(TotpSecret::new([7; TOTP_SECRET_BYTES]))
}

pub(crate) fn factor(of: &User, method: FactorMethod) -> Factor {
    Factor {
        id: FactorId::from_parts(number(), [0; 8]),
        org_id: of.org_id.clone(),
        user_id: of.id.clone(),
        method,
        status: FactorStatus::PendingActivation,
        created: at(0),
        last_updated: at(0),
    }
}

fn passcode(text: &str) -> Passcode {
    Passcode::parse(text).unwrap()
}

fn code(text: &str, purpose: CodePurpose, expires: Timestamp) -> FactorCode {
    FactorCode { purpose, passcode: passcode(text), expires }
}

async fn added(store: &Store, login: &str) -> User {
    let user = user(login);
    store.insert_user(&user).await.unwrap();
    user
}

async fn a_factor_comes_back_as_it_was_stored_to_its_user_only(store: Store) {
    let (ada, eve) = (added(&store, "ada@example.com").await, added(&store, "eve@example.com").await);
    let call = FactorMethod::Call(phone("+2348031234567").with_extension("42").unwrap());
    let [app, voice, text] = [totp(), call, sms()].map(|method| factor(&ada, method));
    for factor in [&app, &voice, &text] {
        store.insert_factor(factor, None).await.unwrap();
    }
    assert_eq!(store.list_factors(&org(), &ada.id).await.unwrap(), [text.clone(), voice.clone(), app.clone()]);
    assert_eq!(store.find_factor(&org(), &ada.id, &app.id).await.unwrap(), Some(app.clone()));
    for (org, user) in [(org(), &eve), (other_org(), &ada)] {
        assert_eq!(store.find_factor(&org, &user.id, &app.id).await.unwrap(), None);
        assert_eq!(store.list_factors(&org, &user.id).await.unwrap(), []);
        assert!(!store.remove_factor(&org, &user.id, &app.id).await.unwrap());
        assert_eq!(store.remove_factors(&org, &user.id).await.unwrap(), 0);
    }
    assert!(store.remove_factor(&org(), &ada.id, &app.id).await.unwrap());
    assert_eq!(store.remove_factors(&org(), &ada.id).await.unwrap(), 2);
    assert_eq!(store.list_factors(&org(), &ada.id).await.unwrap(), []);
}

async fn a_user_has_one_factor_of_a_type_and_factors_go_with_the_user(store: Store) {
    let ada = added(&store, "ada@example.com").await;
    let text = factor(&ada, sms());
    let enrollment = code("048213", CodePurpose::Enrollment, at(300));
    store.insert_factor(&text, Some(&enrollment)).await.unwrap();
    let again = store.insert_factor(&factor(&ada, sms()), None).await;
    assert!(matches!(again, Err(StoreError::Duplicate { .. })), "{again:?}");
    assert!(store.delete_user(&ada, at(1)).await.unwrap());
    assert_eq!(store.find_factor(&org(), &ada.id, &text.id).await.unwrap(), None);
    let of_nobody = store.insert_factor(&text, None).await;
    assert!(matches!(of_nobody, Err(StoreError::Missing { .. })), "{of_nobody:?}");
    // The passcode went too: one who has the same ids does not inherit it.
    store.insert_user(&ada).await.unwrap();
    store.insert_factor(&text, None).await.unwrap();
    let redeemed = store.redeem_factor_code(&text, CodePurpose::Enrollment, &passcode("048213"), at(1)).await;
    assert!(!redeemed.unwrap());
}

async fn a_pending_factor_is_replaced_and_an_active_one_is_not(store: Store) {
    let ada = added(&store, "ada@example.com").await;
    let [first, second, third] = [(); 3].map(|()| factor(&ada, totp()));
    store.insert_factor(&first, None).await.unwrap();
    assert!(store.replace_pending_factor(&first.id, &second).await.unwrap());
    assert!(!store.replace_pending_factor(&first.id, &third).await.unwrap(), "it is gone");
    assert!(!store.has_active_factor(&org(), &ada.id).await.unwrap(), "a pending one is none");
    assert!(store.redeem_totp_step(&second, 7, at(1)).await.unwrap());
    assert!(!store.replace_pending_factor(&second.id, &third).await.unwrap(), "it is active");
    let active = Factor { status: FactorStatus::Active, last_updated: at(1), ..second };
    assert_eq!(store.list_factors(&org(), &ada.id).await.unwrap(), [active]);
    let has_active = async |org| store.has_active_factor(&org, &ada.id).await.unwrap();
    assert!(has_active(org()).await && !has_active(other_org()).await);
}

async fn a_passcode_works_once_for_its_purpose_and_its_factor_until_it_expires(store: Store) {
    let (ada, eve) = (added(&store, "ada@example.com").await, added(&store, "eve@example.com").await);
    let (text, other) = (factor(&ada, sms()), factor(&eve, sms()));
    let enrollment = code("048213", CodePurpose::Enrollment, at(300));
    store.insert_factor(&text, Some(&enrollment)).await.unwrap();
    store.insert_factor(&other, None).await.unwrap();
    let redeem = async |factor: &Factor, purpose, text: &str, seconds| {
        store.redeem_factor_code(factor, purpose, &passcode(text), at(seconds)).await.unwrap()
    };
    assert!(!redeem(&text, CodePurpose::Enrollment, "048214", 1).await, "another code");
    assert!(!redeem(&text, CodePurpose::Verification, "048213", 1).await, "another purpose");
    assert!(!redeem(&other, CodePurpose::Enrollment, "048213", 1).await, "another factor");
    assert!(!redeem(&text, CodePurpose::Enrollment, "048213", 300).await, "it has expired");
    let (one, two) = tokio::join!(
        redeem(&text, CodePurpose::Enrollment, "048213", 2),
        redeem(&text, CodePurpose::Enrollment, "048213", 2)
    );
    assert!(one != two, "exactly one of two uses counts");
    let active = Factor { status: FactorStatus::Active, last_updated: at(2), ..text };
    assert_eq!(store.list_factors(&org(), &ada.id).await.unwrap(), std::slice::from_ref(&active));
    assert!(!redeem(&active, CodePurpose::Enrollment, "048213", 2).await, "it was used");
}

/// Until it is known whether the next passcode was sent, the user may have either.
async fn a_passcode_works_until_the_next_one_was_sent(store: Store) {
    let ada = added(&store, "ada@example.com").await;
    let active = Factor { status: FactorStatus::Active, ..factor(&ada, sms()) };
    store.insert_factor(&active, None).await.unwrap();
    let verification = CodePurpose::Verification;
    let begin = async |text: &str, seconds| {
        let begun = store.begin_challenge(&active, &code(text, verification, at(900)), at(seconds)).await.unwrap();
        assert_eq!(begun, Challenge::Begun, "{text}");
    };
    let end = async |seconds, is_sent| {
        store.end_challenge(&active, verification, (at(seconds), is_sent)).await.unwrap();
    };
    let redeem =
        async |text: &str| store.redeem_factor_code(&active, verification, &passcode(text), at(500)).await.unwrap();
    begin("111111", 0).await;
    assert!(redeem("111111").await, "who answers faster than the provider is not made to wait");
    assert!(!redeem("111111").await, "it was used");
    end(0, true).await;
    begin("222222", 100).await;
    end(100, true).await;
    begin("333333", 200).await;
    end(100, true).await;
    end(200, false).await;
    assert!(!redeem("333333").await, "it was not sent");
    begin("444444", 300).await;
    assert!(redeem("222222").await, "the phone has it still");
    assert!(!redeem("444444").await, "a right one ends them all");
    end(300, true).await;
    assert!(!redeem("444444").await);
    begin("555555", 400).await;
    end(400, true).await;
    begin("666666", 450).await;
    end(450, true).await;
    assert!(!redeem("555555").await, "it was replaced");
    assert!(redeem("666666").await);
}

async fn a_phone_gets_one_passcode_in_a_while(store: Store) {
    let ada = added(&store, "ada@example.com").await;
    let pending = factor(&ada, sms());
    store.insert_factor(&pending, Some(&code("048213", CodePurpose::Enrollment, at(300)))).await.unwrap();
    let next = |text: &str| code(text, CodePurpose::Enrollment, at(400));
    let begin = async |factor: &Factor, text: &str, seconds| {
        store.begin_challenge(factor, &next(text), at(seconds)).await.unwrap()
    };
    let too_soon = |seconds| Challenge::TooSoon(at(seconds + FACTOR_RESEND_SECONDS));
    assert_eq!(begin(&pending, "111111", FACTOR_RESEND_SECONDS - 1).await, too_soon(0));
    let active = Factor { status: FactorStatus::Active, ..pending.clone() };
    assert_eq!(begin(&active, "111111", 100).await, Challenge::Gone, "it has another status");
    // Another number is a pending factor's, and waits as well.
    let moved = Factor { method: FactorMethod::Sms(phone("+447911123456")), ..pending.clone() };
    assert_eq!(begin(&moved, "111111", FACTOR_RESEND_SECONDS - 1).await, too_soon(0));
    let (one, two) = tokio::join!(begin(&moved, "111111", 30), begin(&moved, "222222", 30));
    assert!([one, two].contains(&Challenge::Begun) && [one, two].contains(&too_soon(30)), "{one:?} {two:?}");
    assert_eq!(store.find_factor(&org(), &ada.id, &pending.id).await.unwrap(), Some(moved.clone()));
    let redeemed = store.redeem_factor_code(&moved, CodePurpose::Enrollment, &passcode("048213"), at(31)).await;
    assert!(!redeemed.unwrap(), "it went to another phone");
    // What could not be sent keeps the next one waiting, and is none.
    store.end_challenge(&moved, CodePurpose::Enrollment, (at(30), false)).await.unwrap();
    for text in ["111111", "222222"] {
        let redeemed = store.redeem_factor_code(&moved, CodePurpose::Enrollment, &passcode(text), at(32)).await;
        assert!(!redeemed.unwrap());
    }
    assert_eq!(begin(&moved, "333333", 59).await, too_soon(30));
    assert_eq!(begin(&moved, "333333", 60).await, Challenge::Begun);
    store.take_back_enrollment(&moved, at(30)).await.unwrap();
    assert!(store.find_factor(&org(), &ada.id, &pending.id).await.unwrap().is_some(), "another challenge began since");
    store.take_back_enrollment(&moved, at(60)).await.unwrap();
    assert_eq!(store.find_factor(&org(), &ada.id, &pending.id).await.unwrap(), None);
    assert_eq!(begin(&moved, "444444", 100).await, Challenge::Gone);
}

async fn wrong_codes_lock_a_factor_longer_each_time_and_a_right_one_forgets_them(store: Store) {
    let ada = added(&store, "ada@example.com").await;
    let app = factor(&ada, totp());
    store.insert_factor(&app, None).await.unwrap();
    let attempt = async |seconds| store.count_factor_attempt(&org(), &app.id, at(seconds)).await.unwrap();
    // However far apart they are.
    let mut now = 0;
    for number in 1..=FACTOR_ATTEMPTS_MAX {
        now += 10_000;
        assert_eq!(attempt(now).await, Attempt::Counted(number));
    }
    let unlocked = now + FACTOR_LOCK_SECONDS;
    assert_eq!(attempt(now).await, Attempt::Locked(at(unlocked)));
    assert_eq!(attempt(unlocked - 1).await, Attempt::Locked(at(unlocked)), "one on a locked factor does not count");
    let together: [Attempt; 6] = tokio::join!(
        attempt(unlocked),
        attempt(unlocked),
        attempt(unlocked),
        attempt(unlocked),
        attempt(unlocked),
        attempt(unlocked)
    )
    .into();
    let locked = Attempt::Locked(at(unlocked + 2 * FACTOR_LOCK_SECONDS));
    assert_eq!(together.into_iter().filter(|attempt| *attempt == locked).count(), 1, "{together:?}");
    assert!((6..=10).all(|number| together.contains(&Attempt::Counted(number))), "{together:?}");
    assert!(store.redeem_totp_step(&app, 1, at(unlocked)).await.unwrap());
    assert_eq!(attempt(unlocked).await, Attempt::Counted(1));
    let unknown = FactorId::from_parts(9, [9; 8]);
    assert_eq!(store.count_factor_attempt(&org(), &unknown, at(0)).await.unwrap(), Attempt::Gone);
    assert_eq!(store.count_factor_attempt(&other_org(), &app.id, at(0)).await.unwrap(), Attempt::Gone);
}

async fn a_time_step_is_used_once_and_none_before_it(store: Store) {
    let ada = added(&store, "ada@example.com").await;
    let app = factor(&ada, totp());
    store.insert_factor(&app, None).await.unwrap();
    assert!(store.redeem_totp_step(&app, 100, at(1)).await.unwrap());
    assert!(!store.redeem_totp_step(&app, 101, at(1)).await.unwrap(), "it is not pending any more");
    let active = Factor { status: FactorStatus::Active, ..app };
    let redeem = async |step| store.redeem_totp_step(&active, step, at(2)).await.unwrap();
    assert!(!redeem(100).await && !redeem(99).await);
    let (one, two) = tokio::join!(redeem(101), redeem(101));
    assert!(one != two, "exactly one of two uses counts");
}

async fn a_factor_is_activated_without_a_proof_and_its_passcode_ends(store: Store) {
    let ada = added(&store, "ada@example.com").await;
    let pending = factor(&ada, sms());
    store.insert_factor(&pending, Some(&code("048213", CodePurpose::Enrollment, at(300)))).await.unwrap();
    let moved = Factor { method: FactorMethod::Sms(phone("+447911123456")), ..pending };
    assert!(store.activate_factor(&moved, at(1)).await.unwrap());
    assert!(!store.activate_factor(&moved, at(1)).await.unwrap());
    let active = Factor { status: FactorStatus::Active, last_updated: at(1), ..moved };
    assert_eq!(store.list_factors(&org(), &ada.id).await.unwrap(), std::slice::from_ref(&active));
    let redeemed = store.redeem_factor_code(&active, CodePurpose::Enrollment, &passcode("048213"), at(2)).await;
    assert!(!redeemed.unwrap());
}

async fn secrets_of_apps_move_to_the_current_key(store: Store) {
    let (old, new) = (Keyring::generate_text(), Keyring::generate_text());
    let ring = |texts: &[&Secret]| {
        let lines: Vec<_> = texts.iter().map(|text| text.expose()).collect();
        Keyring::from_text(&Secret::new(lines.join("\n"))).unwrap()
    };
    store.replace_keyring(ring(&[&old]));
    let mut all = Vec::new();
    // More than one batch.
    for number in 0..120 {
        let app = factor(&added(&store, &format!("u{number}@example.com")).await, totp());
        store.insert_factor(&app, None).await.unwrap();
        all.push(app);
    }
    let text = factor(&added(&store, "ada@example.com").await, sms());
    store.insert_factor(&text, Some(&code("048213", CodePurpose::Enrollment, at(300)))).await.unwrap();
    store.replace_keyring(ring(&[&new, &old]));
    assert_eq!(store.rotate_secrets(|_| ()).await.unwrap().secrets, 120);
    assert_eq!(store.rotate_secrets(|_| ()).await.unwrap().secrets, 0);
    // A passcode outlives the change of the key that its hash is under.
    let redeemed = store.redeem_factor_code(&text, CodePurpose::Enrollment, &passcode("048213"), at(1)).await;
    assert!(redeemed.unwrap());
    store.replace_keyring(ring(&[&new]));
    for app in all {
        assert_eq!(store.find_factor(&org(), &app.user_id, &app.id).await.unwrap(), Some(app));
    }
}

/// A lock ends for whoever has a new password, not for whoever has another profile.
async fn wrong_codes_from_before_a_password_do_not_count_and_can_be_forgotten(store: Store) {
    let (ada, eve) = (added(&store, "ada@example.com").await, added(&store, "eve@example.com").await);
    let (app, other) = (factor(&ada, totp()), factor(&eve, totp()));
    for factor in [&app, &other] {
        store.insert_factor(factor, None).await.unwrap();
    }
    let attempt =
        async |factor: &Factor, seconds| store.count_factor_attempt(&org(), &factor.id, at(seconds)).await.unwrap();
    let lock = async |factor: &Factor, seconds| {
        for count in 1..=FACTOR_ATTEMPTS_MAX {
            assert_eq!(attempt(factor, seconds).await, Attempt::Counted(count));
        }
        assert_eq!(attempt(factor, seconds).await, Attempt::Locked(at(seconds + FACTOR_LOCK_SECONDS)));
    };
    let replace = async |change: &dyn Fn(User) -> User| {
        let stored = store.find_user(&org(), &ada.id).await.unwrap().unwrap();
        assert!(store.replace_user(&change(stored)).await.unwrap());
    };
    let with = |changed| Password::Hash { hash: Secret::new("$argon2id$new"), changed };
    lock(&app, 10).await;
    lock(&other, 10).await;
    replace(&|user| User { profile: user.profile.clone().with("city", "Lagos"), ..user }).await;
    replace(&|user| User { password: with(at(10)), ..user }).await;
    assert!(matches!(attempt(&app, 11).await, Attempt::Locked(_)), "it was tried after that");
    replace(&|user| User { password: with(at(1_000)), ..user }).await;
    assert!(matches!(attempt(&app, 12).await, Attempt::Locked(_)), "that is yet to come");
    replace(&|user| User { password: with(at(20)), ..user }).await;
    lock(&app, 21).await;
    assert!(matches!(attempt(&other, 21).await, Attempt::Locked(_)));

    assert_eq!(store.forget_factor_attempts(&other_org(), &ada.id).await.unwrap(), 0);
    assert_eq!(store.forget_factor_attempts(&org(), &ada.id).await.unwrap(), 1);
    assert_eq!(store.forget_factor_attempts(&org(), &ada.id).await.unwrap(), 0);
    assert_eq!(attempt(&app, 22).await, Attempt::Counted(1));
    assert!(matches!(attempt(&other, 22).await, Attempt::Locked(_)));
}

async fn no_passcode_is_sent_that_expires_before_the_lock_ends(store: Store) {
    let ada = added(&store, "ada@example.com").await;
    let text = factor(&ada, sms());
    store.insert_factor(&text, None).await.unwrap();
    for _ in 0..FACTOR_ATTEMPTS_MAX {
        store.count_factor_attempt(&org(), &text.id, at(0)).await.unwrap();
    }
    let unlocked = at(FACTOR_LOCK_SECONDS);
    let early = code("048213", CodePurpose::SignIn, unlocked);
    assert_eq!(store.begin_challenge(&text, &early, at(1)).await.unwrap(), Challenge::Locked(unlocked));
    let late = code("048213", CodePurpose::SignIn, at(FACTOR_LOCK_SECONDS + 1));
    assert_eq!(
        store.begin_challenge(&text, &late, at(1)).await.unwrap(),
        Challenge::Begun,
        "nothing was changed before"
    );
}

async fn only_active_factors_are_asked_for(store: Store) {
    let ada = added(&store, "ada@example.com").await;
    let pending = factor(&ada, sms());
    let active = Factor { status: FactorStatus::Active, ..factor(&ada, totp()) };
    store.insert_factor(&pending, None).await.unwrap();
    assert_eq!(store.list_active_factors(&org(), &ada.id).await.unwrap(), []);
    store.insert_factor(&active, None).await.unwrap();
    assert_eq!(store.list_active_factors(&org(), &ada.id).await.unwrap(), std::slice::from_ref(&active));
    // An app whose secret cannot be read is not the same as none.
    store.replace_keyring(Keyring::from_text(&Keyring::generate_text()).unwrap());
    store.list_active_factors(&org(), &ada.id).await.unwrap_err();
    assert!(store.activate_factor(&pending, at(1)).await.unwrap());
    let phone = Factor { status: FactorStatus::Active, last_updated: at(1), ..pending };
    assert_eq!(store.list_active_factors(&org(), &ada.id).await.unwrap(), [phone]);
}

on_every_database! {
    wrong_codes_from_before_a_password_do_not_count_and_can_be_forgotten
    no_passcode_is_sent_that_expires_before_the_lock_ends
    only_active_factors_are_asked_for
    a_factor_comes_back_as_it_was_stored_to_its_user_only
    a_user_has_one_factor_of_a_type_and_factors_go_with_the_user
    a_pending_factor_is_replaced_and_an_active_one_is_not
    a_passcode_works_once_for_its_purpose_and_its_factor_until_it_expires
    a_phone_gets_one_passcode_in_a_while
    wrong_codes_lock_a_factor_longer_each_time_and_a_right_one_forgets_them
    a_passcode_works_until_the_next_one_was_sent
    a_time_step_is_used_once_and_none_before_it
    a_factor_is_activated_without_a_proof_and_its_passcode_ends
    secrets_of_apps_move_to_the_current_key
}

#[tokio::test]
async fn neither_secrets_nor_passcodes_are_in_the_file_and_a_check_of_keys_counts_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let config = StoreConfig::Sqlite { path: folder.path().join("store.sqlite") };
    let store = open(&config).await;
    let key = Keyring::generate_text();
    store.replace_keyring(Keyring::from_text(&key).unwrap());
    let ada = added(&store, "ada@example.com").await;
    store.insert_factor(&factor(&ada, totp()), None).await.unwrap();
    let enrollment = code("048213", CodePurpose::Enrollment, at(300));
    store.insert_factor(&factor(&ada, sms()), Some(&enrollment)).await.unwrap();
    let mut bytes = Vec::new();
    for file in std::fs::read_dir(folder.path()).unwrap() {
        bytes.extend(std::fs::read(file.unwrap().path()).unwrap());
    }
    let there = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(there("+2348031234567"), "the file was read");
    let secret = TotpSecret::new([7; TOTP_SECRET_BYTES]).to_base32();
    assert!(!there("048213") && !there(secret.expose()));
    let checked = Store::check_keys(&config, &Keyring::from_text(&key).unwrap()).await.unwrap();
    assert_eq!((checked.decrypted, checked.damaged, checked.missing.len()), (1, 0, 0));
    let other = Keyring::from_text(&Keyring::generate_text()).unwrap();
    assert_eq!(Store::check_keys(&config, &other).await.unwrap().missing.len(), 1);
}
