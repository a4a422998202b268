//! What holds messages back, where factors are enrolled and messages are sent.

use tenterhook_flows::factors::{Enrollment, FactorProblem, Requester, enroll};
use tenterhook_model::NewFactor;

use super::*;

impl Phone {
    /// Enrolls a phone of a user of the development org, by a request without an API token from this address.
    async fn enroll(&self, user: usize, number: &str, address: &str) -> Result<(), FactorProblem> {
        let (org, caller) = (self.platform.org(&self.org).unwrap(), self.caller());
        let user = self.platform.store().find_user_by_login(&self.org, &self.logins[user]).await.unwrap().unwrap();
        let caller = Caller { ip_address: address.to_owned(), ..caller };
        let requester = Requester { caller: &caller, actor: user_actor(&user), token: None };
        let new = NewFactor::Sms(PhoneNumber::parse(number, None).unwrap());
        enroll(&self.platform, &org, &requester, &user, &new, Enrollment::default()).await.map(drop)
    }
}

#[tokio::test]
async fn each_limit_holds_back_the_code_of_an_enrollment() {
    let most = SendLimits {
        per_number_per_hour: 100,
        per_block_per_hour: 100,
        per_address_per_hour: 100,
        per_org_per_day: 100,
        fallback_per_minute: 100,
    };
    let (first, near, far) = ("+12025550173", "+12025550174", "+2348012345678");
    let (one, other) = ("203.0.113.140", "198.51.100.7");
    for (limits, second, reason) in [
        (SendLimits { per_number_per_hour: 1, ..most }, (first, other), "NUMBER_LIMIT"),
        (SendLimits { per_block_per_hour: 1, ..most }, (near, other), "NUMBER_BLOCK_LIMIT"),
        (SendLimits { per_address_per_hour: 1, ..most }, (far, one), "ADDRESS_LIMIT"),
        (SendLimits { per_org_per_day: 1, ..most }, (far, other), "ORG_LIMIT"),
        (SendLimits { fallback_per_minute: 1, ..most }, (far, other), "FALLBACK_LIMIT"),
    ] {
        let carrier = Carrier::new("OWN", Does::Take);
        let phone = Phone::without_hook(Vec::new(), TelephonyParts { limits, ..carriers(&[&carrier]) }).await;
        assert!(phone.enroll(0, first, one).await.is_ok(), "{reason}");
        let held = phone.enroll(1, second.0, second.1).await;
        assert!(
            matches!(held, Err(FactorProblem::TooMany { retry_after }) if !retry_after.is_zero()),
            "{reason}: {held:?}"
        );
        assert_eq!(carrier.taken().len(), 1, "{reason}: it reached nobody");
        let events = phone.events("system.sms.send_phone_verification_message").await;
        assert_eq!((events.len(), events[1].reason.as_deref()), (2, Some(reason)));
    }
}

#[tokio::test]
async fn enrollments_of_many_phones_are_a_surge() {
    let carrier = Carrier::new("OWN", Does::Take);
    let limits = SendLimits { fallback_per_minute: 1_000, per_address_per_hour: 1_000, ..SendLimits::default() };
    let phone = Phone::without_hook(Vec::new(), TelephonyParts { limits, ..carriers(&[&carrier]) }).await;
    let update = Enrollment { update_phone: true, ..Enrollment::default() };
    let (org, caller) = (phone.platform.org(&phone.org).unwrap(), phone.caller());
    let requester = Requester { caller: &caller, actor: user_actor(&phone.ada), token: None };
    let mut sent = 0;
    for number in 0..200_u32 {
        let new = NewFactor::Call(PhoneNumber::parse(&format!("+2348{number:03}2345678"), None).unwrap());
        // Another code of one factor has to wait; each of these is a factor anew.
        let result = enroll(&phone.platform, &org, &requester, &phone.ada, &new, update).await;
        if let Ok(factor) = result {
            phone.platform.store().remove_factor(&factor.org_id, &factor.user_id, &factor.id).await.unwrap();
            sent += 1;
        }
        if sent == 50 {
            break;
        }
    }
    assert_eq!(sent, 50);
    assert_eq!(phone.events("system.telephony.surge").await.len(), 1);
}

#[tokio::test]
async fn an_org_does_not_use_up_the_limit_of_anothers_user() {
    let carrier = Carrier::new("OWN", Does::Take);
    let limits = SendLimits { per_number_per_hour: 1, ..SendLimits::default() };
    let mut phone = Phone::without_hook(Vec::new(), TelephonyParts { limits, ..carriers(&[&carrier]) }).await;
    assert_eq!(phone.send().await, Delivery::Sent);
    assert!(matches!(phone.send().await, Delivery::TooMany { .. }));
    phone.org = phone.second_org().await;
    assert_eq!(phone.send().await, Delivery::Sent, "the same number in another org");
    assert!(matches!(phone.send().await, Delivery::TooMany { .. }));
}

#[tokio::test]
async fn what_reaches_nobody_counts_against_no_number() {
    let limits = SendLimits { per_number_per_hour: 1, ..SendLimits::default() };
    let parts = || TelephonyParts { limits, ..TelephonyParts::default() };
    let nobody = Phone::without_hook(Vec::new(), parts()).await;
    for _ in 0..3 {
        assert_eq!(nobody.send().await, Delivery::NotSent);
    }
    let events = nobody.events("system.sms.send_factor_verify_message").await;
    assert!(events.iter().all(|event| event.reason.as_deref() == Some("NO_PROVIDER")), "{events:?}");
    assert_eq!(events.len(), 3);

    // Nobody listens at the hook's address.
    let closed = Phone::without_hook(Vec::new(), parts()).await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("http://{}/passcodes", listener.local_addr().unwrap());
    drop(listener);
    closed.put(hook::hook(BuiltInType::Telephony, &uri)).await;
    for _ in 0..2 {
        assert_eq!(closed.send().await, Delivery::NotSent);
    }
    let events = closed.events("system.sms.send_factor_verify_message").await;
    assert!(events.iter().all(|event| event.reason.as_deref() == Some("CONNECTION_REFUSED")), "{events:?}");

    // This service got the message.
    let reached = Phone::with_hook(vec![Step::answer(500, "")], parts()).await;
    assert_eq!(reached.send().await, Delivery::NotSent);
    assert!(matches!(reached.send().await, Delivery::TooMany { .. }), "whoever got it may have sent it");
}

/// What no limit counts must not fill the log: requests without a token have a bounded number of events.
#[tokio::test]
async fn messages_that_reach_nobody_do_not_fill_the_log() {
    let limits = SendLimits { per_address_per_hour: 1_000, ..SendLimits::default() };
    let phone = Phone::without_hook(Vec::new(), TelephonyParts { limits, ..TelephonyParts::default() }).await;
    for _ in 0..100 {
        assert_eq!(phone.send().await, Delivery::NotSent);
    }
    assert_eq!(phone.events("system.sms.send_factor_verify_message").await.len(), 60);
}
