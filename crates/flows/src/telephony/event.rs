//! The System Log's events of passcodes that are sent (`telephony.md` section 5). No event has a code, a text or a whole number,
//! whatever a service repeats in its answer.

use std::borrow::Cow;

use tenterhook_contract::{
    Secret, answer::cap, telephony::Delivery as Report, telephony::TelephonyFlow, without_controls,
};
use tenterhook_engine::TextMask;
use tenterhook_model::{DebugData, LogResult, Passcode, PhoneNumber};
use tenterhook_platform::{
    OrgSnapshot, Platform,
    events::{Event, user_target},
    refusals::{Refusal, RefusalDetails},
    telephony::{Admitted, Guard, PasscodeChannel, Surge},
};

use super::{EXTENSION_NOT_DIALLED, Message, NO_PROVIDER, Unsent};

/// The reason of a failure: the client went away before the message was sent.
const ABANDONED: &str = "ABANDONED";
/// The reason of a failure without a code of its own that has reached nobody.
const NOT_SENT: &str = "NOT_SENT";
/// The reasons of messages that have reached nobody: ours, those of guards, of hooks that were not called, and of calls that
/// ended before the document was sent.
const REACHED_NOBODY: [&str; 34] = [
    NO_PROVIDER,
    EXTENSION_NOT_DIALLED,
    "NO_NUMBER_TO_CALL_FROM",
    "NUMBER_LIMIT",
    "NUMBER_BLOCK_LIMIT",
    "ADDRESS_LIMIT",
    "ORG_LIMIT",
    "COUNTRY_NOT_ALLOWED",
    "PREMIUM_NUMBER",
    "FALLBACK_LIMIT",
    "INACTIVE",
    "MISSING",
    "BREAKER_OPEN",
    "ORG_AT_LIMIT",
    "NO_CAPACITY",
    "UNRESPONSIVE",
    "NO_TIME",
    "TIMEOUT",
    "TIMEOUT_TOKEN",
    "TIMEOUT_CONNECT",
    "DNS_FAILED",
    "EGRESS_DENIED",
    "URI_INVALID",
    "CONNECTION_REFUSED",
    "CONNECT_FAILED",
    "PROXY_FAILED",
    "TLS_FAILED",
    "TLS_CERT_EXPIRED",
    "TLS_CERT_UNTRUSTED",
    "TLS_CERT_WRONG_NAME",
    "TOKEN_FAILED",
    "TOKEN_REFUSED",
    "CHANNEL_UNUSABLE",
    "DOCUMENT_INVALID",
];
/// Event type and display message of many more messages than usual; our own.
const SURGE: (&str, &str) = ("system.telephony.surge", "Unusually many one-time passcodes");

/// Names of the members that differ by channel.
struct Names {
    provider: &'static str,
    failover: &'static str,
}

/// A message whose event is to be written, however it ends.
pub(super) struct Sending<'a> {
    platform: &'a Platform,
    org: &'a OrgSnapshot,
    message: &'a Message<'a>,
    is_told: bool,
}

/// What an event says beside the message.
#[derive(Default)]
struct Details<'a> {
    provider: Option<Cow<'a, str>>,
    transaction_id: Option<Cow<'a, str>>,
    metadata: Option<Cow<'a, str>>,
    failover: bool,
}

impl<'a> Sending<'a> {
    pub(super) fn new(platform: &'a Platform, org: &'a OrgSnapshot, message: &'a Message<'a>) -> Self {
        Self { platform, org, message, is_told: false }
    }

    /// The service of the hook has sent it.
    pub(super) fn sent_by_hook(self, report: &Report) {
        let details = Details {
            provider: report.provider.as_deref().map(Into::into),
            transaction_id: report.transaction_id.as_deref().map(Into::into),
            metadata: report.transaction_metadata.as_deref().map(Into::into),
            failover: false,
        };
        self.count();
        self.end(LogResult::Success, None, &details);
    }

    /// A provider has sent it; a failover when it was the hook's turn.
    pub(super) fn sent_by_provider(self, provider: &str, transaction_id: Option<&str>, failover: bool) {
        self.count();
        let (provider, transaction_id) = (Some(provider.into()), transaction_id.map(Into::into));
        self.end(LogResult::Success, None, &Details { provider, transaction_id, metadata: None, failover });
    }

    /// Nobody has sent it. What has reached nobody is given back to the guards.
    pub(super) fn not_sent(self, platform: &Platform, admitted: Admitted, why: &Unsent, failover: bool) {
        if why.is_unsent {
            platform.telephony().give_back(admitted);
            self.reached_nobody(&why.reason, failover);
        } else {
            self.count();
            self.end(LogResult::Failure, Some(&why.reason), &Details { failover, ..Details::default() });
        }
    }

    /// Nobody has got anything of it. Then no limit but that of the address counts the message, so the event of a request without an
    /// API token has the bounds of such events.
    pub(super) fn reached_nobody(mut self, reason: &str, failover: bool) {
        if self.message.token.is_some() {
            self.end(LogResult::Failure, Some(reason), &Details { failover, ..Details::default() });
            return;
        }
        self.is_told = true;
        let failover = (names(self.message.channel).failover, failover.to_string());
        self.refused(reason, vec![failover]);
    }

    fn refused(&self, reason: &str, mut debug_data: Vec<(&'static str, String)>) {
        let Message { caller, actor, user, phone, .. } = self.message;
        debug_data.push(("phoneNumber", phone.masked()));
        let details = RefusalDetails { target: Some(user_target(user)), debug_data };
        let known = REACHED_NOBODY.iter().find(|known| **known == reason);
        let refusal = Refusal::Passcode(named(self.message), known.copied().unwrap_or(NOT_SENT));
        self.platform.log_detailed_refusal(&self.org.org.id, caller, actor.clone(), refusal, &details);
    }

    /// A guard holds it back. Anybody may cause this, so it has the bounds of such events.
    pub(super) fn held(mut self, guard: Guard) {
        self.is_told = true;
        self.refused(guard.code(), Vec::new());
    }

    /// Counts the message, and tells when the org sends many more than usual with it.
    fn count(&self) {
        if let Some(surge) = self.platform.telephony().count(&self.org.org.id) {
            tell_surge(self.platform, self.org, self.message, surge);
        }
    }

    fn end(mut self, result: LogResult, reason: Option<&str>, details: &Details<'_>) {
        self.is_told = true;
        self.log(result, reason, details);
    }

    fn log(&self, result: LogResult, reason: Option<&str>, details: &Details<'_>) {
        let Message { caller, actor, user, phone, token, .. } = self.message;
        let names = names(self.message.channel);
        let mask = mask(self.message.passcode, phone);
        let shown = |text: &Cow<'_, str>| cap(without_controls(mask.apply(text).into())).into_owned();
        let mut debug_data = caller.debug_data();
        debug_data.put("phoneNumber", phone.masked());
        if let Some(provider) = &details.provider {
            debug_data.put(names.provider, shown(provider));
        }
        if let Some(id) = &details.transaction_id {
            debug_data.put("transactionId", shown(id));
        }
        if let Some(metadata) = &details.metadata {
            debug_data.put("transactionMetadata", shown(metadata));
        }
        debug_data.put(names.failover, if details.failover { "true" } else { "false" });
        let (event_type, display) = named(self.message);
        let event = Event::of_caller(self.platform.stamp(), &self.org.org.id, caller, actor.clone());
        let event = event.named(event_type, display).with_debug_data(debug_data);
        let event = event.about([Cow::Owned(user_target(user))]);
        let event = event.ended(result, reason.map(|reason| Cow::Owned(mask.apply(reason))));
        self.platform.log_event(match token {
            Some(token) => event.with_token(token),
            None => event,
        });
    }
}

impl Drop for Sending<'_> {
    fn drop(&mut self) {
        if !self.is_told {
            // It was admitted, and a hook or a provider may have it: nobody sends unseen by hanging up.
            self.count();
            self.log(LogResult::Failure, Some(ABANDONED), &Details::default());
        }
    }
}

/// Masks the code and the number in texts of a service, which knows them.
pub(super) fn mask(passcode: &Passcode, phone: &PhoneNumber) -> TextMask {
    TextMask::of(&[Secret::new(passcode.expose()), Secret::new(phone.as_e164())])
}

/// Tells that an org sends many more messages than usual.
fn tell_surge(platform: &Platform, org: &OrgSnapshot, message: &Message<'_>, surge: Surge) {
    let Message { caller, actor, .. } = message;
    let mut debug_data: DebugData<'_> = caller.debug_data();
    debug_data.put("messages", u64::from(surge.messages)).put("usual", u64::from(surge.usual));
    let event = Event::of_caller(platform.stamp(), &org.org.id, caller, actor.clone());
    let (event_type, display) = SURGE;
    let event = event.named(event_type, display).with_debug_data(debug_data);
    platform.log_event(event.ended(LogResult::RateLimit, None));
}

fn names(channel: PasscodeChannel) -> Names {
    match channel {
        PasscodeChannel::Sms => Names { provider: "smsTelephonyProvider", failover: "isSmsHookFailover" },
        PasscodeChannel::Voice => Names { provider: "callTelephonyProvider", failover: "isCallHookFailover" },
    }
}

/// Event type and display message.
fn named(message: &Message<'_>) -> (&'static str, &'static str) {
    match (message.channel, message.purpose) {
        (PasscodeChannel::Sms, TelephonyFlow::MfaVerification) => {
            ("system.sms.send_factor_verify_message", "Send SMS message to verify a factor")
        }
        (PasscodeChannel::Sms, TelephonyFlow::PreEnrollment) => {
            ("system.sms.send_phone_verification_message", "Send SMS message to verify a phone")
        }
        (PasscodeChannel::Sms, TelephonyFlow::AccountUnlock) => {
            ("system.sms.send_account_unlock_message", "Send SMS message to unlock an account")
        }
        (PasscodeChannel::Sms, TelephonyFlow::PasswordReset) => {
            ("system.sms.send_password_reset_message", "Send SMS message to reset a password")
        }
        (PasscodeChannel::Voice, TelephonyFlow::MfaVerification) => {
            ("system.voice.send_mfa_challenge_call", "Call to verify a factor")
        }
        (PasscodeChannel::Voice, TelephonyFlow::PreEnrollment) => {
            ("system.voice.send_phone_verification_call", "Call to verify a phone")
        }
        (PasscodeChannel::Voice, TelephonyFlow::AccountUnlock) => {
            ("system.voice.send_account_unlock_call", "Call to unlock an account")
        }
        (PasscodeChannel::Voice, TelephonyFlow::PasswordReset) => {
            ("system.voice.send_password_reset_call", "Call to reset a password")
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn what_a_service_repeats_of_the_message_is_hidden_in_every_form() {
        let mask = mask(&Passcode::parse("048213").unwrap(), &PhoneNumber::parse("+12025550173", None).unwrap());
        for (text, hidden) in [
            ("sent 048213 to +12025550173 (12025550173)", "sent •••• to •••• (••••)"),
            ("2025550173", "••••"),
            ("+1 202-555-0173", "+••••"),
            ("(202) 555-0173", "(••••"),
            ("code=48213", "code=••••"),
            ("048 213", "••••"),
            ("0-4-8-2-1-3", "••••"),
            ("Duration=140ms", "Duration=140ms"),
        ] {
            assert_eq!(mask.apply(text), hidden, "{text}");
        }
    }
}
