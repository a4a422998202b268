//! Telephony: a one-time passcode reaches a phone through the org's hook, or through the operator's providers when the hook has
//! not sent it (`telephony.md`).
//!
//! Whoever makes and checks passcodes calls [`send`]; no lock and no transaction may be held then.

mod event;
mod fallback;

use std::{borrow::Cow, time::Duration};

use tenterhook_contract::{
    ExtensionPoint as _, Secret, Timestamp,
    answer::{ErrorCause, ServiceError},
    binding::HookBinding,
    context::{RequestContext, UrlValue},
    hook::{HookStatus, InlineHook},
    party::Actor,
    telephony::{
        Delivery as Report, DeliveryChannel, Message as HookMessage, Telephony, TelephonyContext, TelephonyFlow,
        TelephonySubject, TelephonyUser, VoiceLabel,
    },
};
use tenterhook_engine::{Origin, Outcome};
use tenterhook_model::{ApiToken, Passcode, PhoneNumber, User};
pub use tenterhook_platform::telephony::PasscodeChannel;
use tenterhook_platform::{
    Caller, HookRun, OrgSnapshot, Pause, Paused, Platform, Resumed, Run,
    events::user_target,
    language_for,
    telephony::{Guard, RenderedText},
};

use event::Sending;

/// When a caller may try again that was turned away because too many calls are open.
const RETRY_WHEN_FULL: Duration = Duration::from_secs(1);
/// The reason of a failure: the service says that it could not deliver the message.
const DELIVERY_FAILED: &str = "DELIVERY_FAILED";
/// The reason of a failure: the service answered with an `error`, which the event of the hook has.
const SERVICE_ERROR: &str = "SERVICE_ERROR";
/// The reason of a failure: the org has no active hook, and the operator has no provider.
const NO_PROVIDER: &str = "NO_PROVIDER";

/// A passcode on its way to a phone.
#[derive(Debug)]
pub struct Message<'a> {
    /// The flow that it belongs to.
    pub purpose: TelephonyFlow,
    /// A text message or a call.
    pub channel: PasscodeChannel,
    /// The owner of the phone.
    pub user: &'a User,
    /// The phone.
    pub phone: &'a PhoneNumber,
    /// The code.
    pub passcode: &'a Passcode,
    /// When the code expires.
    pub expires: Timestamp,
    /// The language of the message, such as `de_AT`. When absent, that of the user's profile (`preferredLanguage`, then `locale`), else
    /// the first one of the caller's `Accept-Language` for which there is a text, else English: [`language_for`].
    pub locale: Option<&'a str>,
    /// The request that needs it.
    pub caller: &'a Caller,
    /// Whose request that is.
    pub actor: Actor,
    /// The API token of the request. One without a token counts against the limit of its address.
    pub token: Option<&'a ApiToken>,
}

/// What became of a passcode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// It was sent, or is about to be.
    Sent,
    /// It was not sent, and the service of the hook says why, in words for the client.
    Refused(ServiceError),
    /// It was not sent; the System Log says why.
    NotSent,
    /// It was not sent, because there are too many messages. `retry_after` is when a later try can succeed.
    TooMany {
        /// Never zero.
        retry_after: Duration,
    },
}

/// What the org's hook had to do with a passcode.
enum ByHook {
    /// There is none.
    Absent,
    /// Its service has sent the code.
    Sent(Report),
    /// Its service refused.
    Refused(ServiceError),
    /// Its service did not send it, with the reason.
    NotSent(Cow<'static, str>),
    /// Its failure policy ends the flow, with the reason.
    Stopped(Cow<'static, str>),
    /// Too many calls are open.
    TurnedAway(Cow<'static, str>),
}

/// Sends a passcode: the org's active hook first, and the operator's providers in their order when the hook has not sent it. Every
/// call ends in one event of the System Log, also when it is dropped before its end.
///
/// What [`Guard`]s hold back reaches neither; a number that is refused for good is [`Delivery::NotSent`].
pub async fn send(platform: &Platform, org: &OrgSnapshot, message: Message<'_>) -> Delivery {
    let sending = Sending::new(platform, org, &message);
    let network = message.token.is_none().then(|| message.caller.network());
    match platform.telephony().admit(&org.org.id, message.phone, network) {
        Ok(None) => {}
        Ok(Some(surge)) => event::tell_surge(platform, org, &message, surge),
        Err(held) => {
            sending.held(held.guard);
            return match held.guard {
                Guard::Country | Guard::Premium => Delivery::NotSent,
                _ => Delivery::TooMany { retry_after: held.retry_after },
            };
        }
    }
    let texts = platform.telephony().texts();
    let language =
        || language_for(&message.user.profile, &message.caller.languages, |it| texts.has(message.channel, it));
    let locale = &*message.locale.map_or_else(language, Into::into);
    let by_hook = match active_hook(org) {
        Some(hook) => by_hook(platform, org, hook, &message, locale).await,
        None => ByHook::Absent,
    };
    let (failover, reason, error): (_, Cow<'static, str>, _) = match by_hook {
        ByHook::Sent(report) => {
            sending.sent_by_hook(&report);
            return Delivery::Sent;
        }
        ByHook::Stopped(reason) => {
            sending.failed(&reason, false);
            return Delivery::NotSent;
        }
        ByHook::TurnedAway(reason) => {
            sending.failed(&reason, false);
            return Delivery::TooMany { retry_after: RETRY_WHEN_FULL };
        }
        ByHook::Absent => (false, NO_PROVIDER.into(), None),
        ByHook::NotSent(reason) => (true, reason, None),
        ByHook::Refused(error) => (true, SERVICE_ERROR.into(), Some(without_code(error, &message))),
    };
    match fallback::send(platform, org, &message, locale).await {
        fallback::Fallback::Sent { provider, transaction_id } => {
            sending.sent_by_provider(&provider, transaction_id.as_deref(), failover);
            Delivery::Sent
        }
        fallback::Fallback::NotSent(last) => {
            // Nobody has stepped in where there is nobody.
            let failover = failover && last.is_some();
            sending.failed(&last.unwrap_or(reason), failover);
            error.map_or(Delivery::NotSent, Delivery::Refused)
        }
        fallback::Fallback::Held(held) => {
            sending.failed(held.guard.code(), false);
            error.map_or(Delivery::TooMany { retry_after: held.retry_after }, Delivery::Refused)
        }
    }
}

/// What the service says, for the client: somebody who reads the code there has proved nothing.
fn without_code(error: ServiceError, message: &Message<'_>) -> ServiceError {
    let mask = event::mask(message.passcode, message.phone);
    let hidden = |text: Option<String>| text.map(|text| mask.apply(&text));
    let causes = error.causes.into_iter().map(|cause| ErrorCause {
        summary: hidden(cause.summary),
        reason: hidden(cause.reason),
        location_type: hidden(cause.location_type),
        location: hidden(cause.location),
        domain: hidden(cause.domain),
    });
    ServiceError { summary: hidden(error.summary), causes: causes.collect() }
}

/// The org's active hook; an org has one at most.
fn active_hook(org: &OrgSnapshot) -> Option<&InlineHook> {
    let event_type = &Telephony.description().event_type;
    let mut hooks = org.configuration.hooks.iter();
    hooks.find(|hook| hook.status == HookStatus::Active && hook.hook_type == *event_type)
}

async fn by_hook(
    platform: &Platform,
    org: &OrgSnapshot,
    hook: &InlineHook,
    message: &Message<'_>,
    locale: &str,
) -> ByHook {
    let mut subject = TelephonySubject::default();
    let source = format!("{}/api/v1/inlineHooks/{}", org.base_url, hook.id);
    let pause = Pause {
        point: &Telephony,
        org,
        hooks: &[HookBinding::always(hook.id.clone())],
        issuer: None,
        source: &source,
        subject: &mut subject,
        deadline: None,
    };
    let label = hook.policy.voice_label.unwrap_or_default();
    let asked = || (origin(org, message), context(platform, org, message, locale, label));
    let Paused { resumed, hooks } = platform.pause_explained(pause, asked).await;
    match resumed {
        Resumed::TurnedAway => ByHook::TurnedAway(missed(hooks)),
        Resumed::Stopped => ByHook::Stopped(missed(hooks)),
        Resumed::Refused(error) => ByHook::Refused(error),
        // Whatever the failure policy says, only a report of the service sends a code.
        Resumed::On { .. } | Resumed::FallBack => of_report(subject, hooks),
    }
}

/// What a report says, or why there is none.
fn of_report(subject: TelephonySubject, hooks: Vec<HookRun>) -> ByHook {
    let falls_back = subject.falls_back();
    match subject.delivery {
        Some(report) if !falls_back => ByHook::Sent(report),
        Some(_) => ByHook::NotSent(DELIVERY_FAILED.into()),
        None => match outcome(hooks) {
            Some(Outcome::Refused(error)) => ByHook::Refused(error),
            outcome => {
                ByHook::NotSent(outcome.and_then(|outcome| outcome.missed()).map_or(NO_PROVIDER.into(), Into::into))
            }
        },
    }
}

/// How the one hook of the pause ended.
fn outcome(hooks: Vec<HookRun>) -> Option<Outcome> {
    hooks.into_iter().find_map(|hook| match hook.run {
        Run::Called(resumption) => Some(resumption.outcome),
        Run::Disabled | Run::Unmet(_) | Run::NotReached => None,
    })
}

/// Why it gave no usable answer.
fn missed(hooks: Vec<HookRun>) -> Cow<'static, str> {
    let missed = outcome(hooks).and_then(|outcome| match outcome {
        Outcome::Refused(_) => None,
        outcome => outcome.missed(),
    });
    missed.map_or(SERVICE_ERROR.into(), Into::into)
}

/// The origin of an invocation.
fn origin(org: &OrgSnapshot, message: &Message<'_>) -> Origin {
    let api_token_id = message.token.map(|token| token.id.to_string());
    let origin = message.caller.origin(&org.org.id, message.actor.clone());
    Origin { targets: vec![user_target(message.user)], api_token_id, ..origin }
}

/// What a service is told (`telephony.md` section 2).
fn context(
    platform: &Platform,
    org: &OrgSnapshot,
    message: &Message<'_>,
    locale: &str,
    label: VoiceLabel,
) -> TelephonyContext {
    let Message { purpose, channel, user, phone, passcode, expires, caller, .. } = message;
    let RenderedText { text, .. } = platform.telephony().texts().render(*channel, locale, &org.org.name, passcode);
    TelephonyContext {
        flow: *purpose,
        // The path alone (`overview.md` 3.3).
        request: RequestContext { url: UrlValue { value: caller.path.clone() }, ..caller.request_context() },
        user: TelephonyUser {
            first_name: user.profile.first_name.clone(),
            last_name: user.profile.last_name.clone(),
            login: user.profile.login.clone(),
            user_id: user.id.clone(),
        },
        message: HookMessage {
            text,
            phone_number: phone.as_e164().to_owned(),
            expires: *expires,
            channel: match channel {
                PasscodeChannel::Sms => DeliveryChannel::Sms,
                PasscodeChannel::Voice => DeliveryChannel::Voice(label),
            },
            code: Secret::new(passcode.expose()),
            locale: wire_locale(locale),
        },
    }
}

/// The locale as documents have it: `EN-US`, and `en` without a region.
fn wire_locale(locale: &str) -> String {
    let locale = locale.replace('_', "-");
    if locale.contains('-') { locale.to_ascii_uppercase() } else { locale.to_ascii_lowercase() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locale_is_written_as_the_samples_have_it() {
        for (locale, written) in [("en_US", "EN-US"), ("en-us", "EN-US"), ("EN", "en"), ("de", "de")] {
            assert_eq!(wire_locale(locale), written);
        }
    }
}
