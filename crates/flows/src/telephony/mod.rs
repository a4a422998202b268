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
use tenterhook_engine::{Deadline, Origin, Outcome};
use tenterhook_model::{ApiToken, Passcode, PhoneNumber, SmsTemplate, SmsTemplateKind, User};
pub use tenterhook_platform::telephony::PasscodeChannel;
use tenterhook_platform::{
    Caller, HookRun, OrgSnapshot, Pause, Paused, Platform, Resumed, Run,
    events::user_target,
    language_for,
    telephony::{Guard, MessageTexts, PROVIDERS_TIME_MAX, RenderedText},
};

use event::Sending;
use fallback::Fallback;

/// How long hook and providers together may take. The hook has what the providers leave of it, and all of it where there are none.
const DELIVERY_TIME_MAX: Duration = Duration::from_secs(20);
/// When a caller may try again that was turned away because too many calls are open.
const RETRY_WHEN_FULL: Duration = Duration::from_secs(1);
/// The reason of a failure: the service says that it could not deliver the message.
const DELIVERY_FAILED: &str = "DELIVERY_FAILED";
/// The reason of a failure: the service answered with an `error`, which the event of the hook has.
const SERVICE_ERROR: &str = "SERVICE_ERROR";
/// The reason of a failure: the org has no active hook, and the operator has no provider.
const NO_PROVIDER: &str = "NO_PROVIDER";
/// The reason of a failure: the phone has an extension, and nobody dials it.
const EXTENSION_NOT_DIALLED: &str = "EXTENSION_NOT_DIALLED";

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
    /// There is one, which cannot reach the phone.
    PassedOver,
    /// Its service has sent the code.
    Sent(Report),
    /// Its service refused.
    Refused(ServiceError),
    /// Its service did not send it.
    NotSent(Unsent),
    /// Its failure policy ends the flow.
    Stopped(Unsent),
    /// Too many calls are open.
    TurnedAway(Unsent),
}

/// Why a hook has not sent a passcode.
struct Unsent {
    /// The stable code.
    reason: Cow<'static, str>,
    /// Whether its service certainly has nothing of the message.
    is_unsent: bool,
}

/// What a message says.
struct Text {
    /// The language, as it was asked for.
    locale: String,
    /// For the documents of hooks.
    told: RenderedText,
    /// For a provider: in a call a voice reads it.
    rendered: RenderedText,
}

/// Sends a passcode: the org's active hook first, and the operator's providers in their order when the hook has not sent it. All of it
/// ends within [`DELIVERY_TIME_MAX`]. Every call ends in one event of the System Log, also when it is dropped before its end.
///
/// What [`Guard`]s hold back reaches neither; a number that is refused for good is [`Delivery::NotSent`]. A phone with an extension is
/// reached by providers alone that dial it: the contract of hooks has no member for one.
pub async fn send(platform: &Platform, org: &OrgSnapshot, message: Message<'_>) -> Delivery {
    let sending = Sending::new(platform, org, &message);
    if message.phone.extension().is_some() && message.channel == PasscodeChannel::Sms {
        sending.reached_nobody(EXTENSION_NOT_DIALLED, false);
        return Delivery::NotSent;
    }
    let network = message.token.is_none().then(|| message.caller.network());
    let admitted = match platform.telephony().admit(&org.org.id, message.phone, network) {
        Ok(admitted) => admitted,
        Err(held) => {
            sending.held(held.guard);
            return match held.guard {
                Guard::Country | Guard::Premium => Delivery::NotSent,
                _ => Delivery::TooMany { retry_after: held.retry_after },
            };
        }
    };
    let whole = Deadline::after(DELIVERY_TIME_MAX);
    let text = text(platform, org, &message);
    let by_hook = match active_hook(org) {
        None => ByHook::Absent,
        Some(_) if message.phone.extension().is_some() => ByHook::PassedOver,
        Some(hook) => by_hook(platform, org, hook, &message, &text, (hook_time(platform, &message), whole)).await,
    };
    let (failover, by_hook, error) = match by_hook {
        ByHook::Sent(report) => {
            sending.sent_by_hook(&report);
            return Delivery::Sent;
        }
        ByHook::Stopped(unsent) => {
            sending.not_sent(platform, admitted, &unsent, false);
            return Delivery::NotSent;
        }
        ByHook::TurnedAway(unsent) => {
            sending.not_sent(platform, admitted, &unsent, false);
            return Delivery::TooMany { retry_after: RETRY_WHEN_FULL };
        }
        ByHook::Absent => (false, Unsent { reason: NO_PROVIDER.into(), is_unsent: true }, None),
        ByHook::PassedOver => (true, Unsent { reason: EXTENSION_NOT_DIALLED.into(), is_unsent: true }, None),
        ByHook::NotSent(unsent) => (true, unsent, None),
        ByHook::Refused(error) => {
            let unsent = Unsent { reason: SERVICE_ERROR.into(), is_unsent: false };
            (true, unsent, Some(without_code(error, &message)))
        }
    };
    match fallback::send(platform, org, &message, &text, whole).await {
        Fallback::Sent { provider, transaction_id } => {
            sending.sent_by_provider(&provider, transaction_id.as_deref(), failover);
            Delivery::Sent
        }
        Fallback::Absent => {
            let reason =
                if message.phone.extension().is_some() { EXTENSION_NOT_DIALLED.into() } else { by_hook.reason };
            // Nobody has stepped in where there is nobody.
            sending.not_sent(platform, admitted, &Unsent { reason, ..by_hook }, false);
            error.map_or(Delivery::NotSent, Delivery::Refused)
        }
        Fallback::NotSent(untaken) => {
            let is_unsent = by_hook.is_unsent && untaken.is_unsent;
            sending.not_sent(platform, admitted, &Unsent { reason: untaken.reason, is_unsent }, failover);
            let otherwise =
                if untaken.is_full { Delivery::TooMany { retry_after: RETRY_WHEN_FULL } } else { Delivery::NotSent };
            error.map_or(otherwise, Delivery::Refused)
        }
        Fallback::Held(held) => {
            let unsent = Unsent { reason: held.guard.code().into(), ..by_hook };
            sending.not_sent(platform, admitted, &unsent, false);
            error.map_or(Delivery::TooMany { retry_after: held.retry_after }, Delivery::Refused)
        }
    }
}

/// How long the hook has at most: the providers that may follow keep their time.
fn hook_time(platform: &Platform, message: &Message<'_>) -> Duration {
    if fallback::providers(platform, message).is_empty() {
        DELIVERY_TIME_MAX
    } else {
        DELIVERY_TIME_MAX.saturating_sub(PROVIDERS_TIME_MAX)
    }
}

/// What the message says, in its language: a text message by the org's own template, where there is one.
fn text(platform: &Platform, org: &OrgSnapshot, message: &Message<'_>) -> Text {
    let texts = platform.telephony().texts();
    let (channel, passcode, org_name) = (message.channel, message.passcode, &org.org.name);
    let template = match channel {
        PasscodeChannel::Sms => template(org),
        PasscodeChannel::Voice => None,
    };
    let has_text = |language: &str| match template {
        Some(template) => template.translation(language).is_some(),
        None => texts.has(channel, language),
    };
    let language = || language_for(&message.user.profile, &message.caller.languages, has_text);
    let locale = message.locale.map_or_else(language, Into::into).into_owned();
    let told = match template {
        Some(template) => MessageTexts::render_template(template, &locale, org_name, passcode),
        None => texts.render(channel, &locale, org_name, passcode),
    };
    let rendered = match channel {
        PasscodeChannel::Sms => told.clone(),
        PasscodeChannel::Voice => texts.render_spoken(&locale, org_name, passcode),
    };
    Text { locale, told, rendered }
}

/// The org's own template of text messages with passcodes.
fn template(org: &OrgSnapshot) -> Option<&SmsTemplate> {
    org.configuration.sms_templates.iter().find(|template| template.kind == SmsTemplateKind::VerifyCode)
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
    text: &Text,
    (time, whole): (Duration, Deadline),
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
        deadline: Some(Deadline::after(time).earlier(whole)),
    };
    let label = hook.policy.voice_label.unwrap_or_default();
    let asked = || (origin(org, message), context(message, text, label));
    let Paused { resumed, hooks } = platform.pause_within(pause, time, asked).await;
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
        Some(_) => ByHook::NotSent(Unsent { reason: DELIVERY_FAILED.into(), is_unsent: false }),
        None => match outcome(hooks) {
            Some(Outcome::Refused(error)) => ByHook::Refused(error),
            outcome => ByHook::NotSent(unsent(outcome, NO_PROVIDER)),
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
fn missed(hooks: Vec<HookRun>) -> Unsent {
    unsent(outcome(hooks), SERVICE_ERROR)
}

/// Why nothing came of an outcome; `otherwise` where it has no code.
fn unsent(outcome: Option<Outcome>, otherwise: &'static str) -> Unsent {
    let is_unsent = outcome.as_ref().is_none_or(Outcome::is_unsent);
    let missed = outcome.and_then(|outcome| outcome.missed());
    Unsent { reason: missed.map_or(otherwise.into(), Into::into), is_unsent }
}

/// The origin of an invocation.
fn origin(org: &OrgSnapshot, message: &Message<'_>) -> Origin {
    let api_token_id = message.token.map(|token| token.id.to_string());
    let origin = message.caller.origin(&org.org.id, message.actor.clone());
    Origin { targets: vec![user_target(message.user)], api_token_id, ..origin }
}

/// What a service is told (`telephony.md` section 2).
fn context(message: &Message<'_>, text: &Text, label: VoiceLabel) -> TelephonyContext {
    let Message { purpose, channel, user, phone, passcode, expires, caller, .. } = message;
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
            text: text.told.text.clone(),
            phone_number: phone.as_e164().to_owned(),
            expires: *expires,
            channel: match channel {
                PasscodeChannel::Sms => DeliveryChannel::Sms,
                PasscodeChannel::Voice => DeliveryChannel::Voice(label),
            },
            code: Secret::new(passcode.expose()),
            locale: wire_locale(&text.locale),
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
