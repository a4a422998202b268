//! The operator's providers, in their order, under one deadline.

use std::{borrow::Cow, sync::Arc, time::Duration};

use tenterhook_contract::telephony::{Telephony, TelephonySubject, VoiceLabel};
use tenterhook_engine::{Deadline, Invocation, Outcome, ReadyHook};
use tenterhook_platform::{
    OrgSnapshot, Platform,
    telephony::{Held, PasscodeCarrier, PasscodeChannel, PasscodeMessage, PasscodeProvider, RenderedText},
};

use super::{DELIVERY_FAILED, Message, SERVICE_ERROR, context, origin};

/// How long all providers together may take.
const FALLBACK_TIME_MAX: Duration = Duration::from_secs(10);
/// The reason of a failure: the time of the providers was over.
const TIMEOUT: &str = "TIMEOUT";
/// The name of an operator's endpoint that does not name its own provider.
const ENDPOINT: &str = "ENDPOINT";

/// What became of a passcode at the providers.
pub(super) enum Fallback {
    /// One has taken it.
    Sent {
        /// Its name.
        provider: Cow<'static, str>,
        /// Its id of the message.
        transaction_id: Option<String>,
    },
    /// None has, with the reason of the last one; `None` when there is no provider.
    NotSent(Option<Cow<'static, str>>),
    /// They have sent too many.
    Held(Held),
}

/// Hands the passcode to one provider after the other until one takes it. A provider has an equal share of the time that is left,
/// so that one that does not answer leaves time for the next; the last one has all of it.
pub(super) async fn send(platform: &Platform, org: &OrgSnapshot, message: &Message<'_>, locale: &str) -> Fallback {
    let providers = platform.telephony().providers();
    if providers.is_empty() {
        return Fallback::NotSent(None);
    }
    if let Err(held) = platform.telephony().admit_fallback(&org.org.id) {
        return Fallback::Held(held);
    }
    let whole = Deadline::after(FALLBACK_TIME_MAX);
    let text = text(platform, org, message, locale);
    let mut last = None;
    let mut left = u32::try_from(providers.len()).unwrap_or(u32::MAX);
    for provider in providers {
        let deadline = Deadline::after(whole.remaining() / left.max(1)).earlier(whole);
        left = left.saturating_sub(1);
        let result = match provider {
            PasscodeProvider::Carrier(carrier) => by_carrier(carrier, message, &text, deadline).await,
            PasscodeProvider::Hook(hook) => by_endpoint(platform, org, hook, message, (locale, deadline)).await,
        };
        match result {
            Ok((provider, transaction_id)) => return Fallback::Sent { provider, transaction_id },
            Err(why) => last = Some(why),
        }
    }
    Fallback::NotSent(last)
}

/// What a provider says or writes.
fn text(platform: &Platform, org: &OrgSnapshot, message: &Message<'_>, locale: &str) -> RenderedText {
    let texts = platform.telephony().texts();
    match message.channel {
        PasscodeChannel::Sms => texts.render(PasscodeChannel::Sms, locale, &org.org.name, message.passcode),
        PasscodeChannel::Voice => texts.render_spoken(locale, &org.org.name, message.passcode),
    }
}

type Taken = Result<(Cow<'static, str>, Option<String>), Cow<'static, str>>;

async fn by_carrier(
    carrier: &Arc<dyn PasscodeCarrier>,
    message: &Message<'_>,
    text: &RenderedText,
    deadline: Deadline,
) -> Taken {
    let passcode = PasscodeMessage { channel: message.channel, to: message.phone, text };
    match tokio::time::timeout_at(deadline.instant(), carrier.deliver(&passcode, deadline)).await {
        Ok(Ok(handed_over)) => Ok((carrier.name().into(), handed_over.transaction_id)),
        Ok(Err(undelivered)) => Err(undelivered.0),
        Err(_) => Err(TIMEOUT.into()),
    }
}

/// An endpoint of the operator gets the same document as a hook, and its answer has the same rules.
async fn by_endpoint(
    platform: &Platform,
    org: &OrgSnapshot,
    hook: &ReadyHook,
    message: &Message<'_>,
    (locale, deadline): (&str, Deadline),
) -> Taken {
    let mut subject = TelephonySubject::default();
    let context = context(platform, org, message, locale, VoiceLabel::default());
    let source = format!("{}/api/v1/inlineHooks/{}", org.base_url, hook.hook.id);
    let invocation = Invocation {
        point: &Telephony,
        hook,
        origin: Arc::new(origin(org, message)),
        source: &source,
        context: &context,
        subject: &mut subject,
        deadline: Some(deadline),
    };
    let outcome = platform.engine().invoke(invocation).await.outcome;
    let falls_back = subject.falls_back();
    match (subject.delivery, outcome) {
        (Some(report), _) if !falls_back => {
            Ok((report.provider.map_or(ENDPOINT.into(), Into::into), report.transaction_id))
        }
        (Some(_), _) => Err(DELIVERY_FAILED.into()),
        (None, Outcome::Refused(_)) => Err(SERVICE_ERROR.into()),
        (None, outcome) => Err(outcome.missed().map_or(TIMEOUT.into(), Into::into)),
    }
}
