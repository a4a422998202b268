//! The operator's providers, in their order, under one deadline.

use std::{borrow::Cow, sync::Arc};

use tenterhook_contract::telephony::{Telephony, TelephonySubject, VoiceLabel};
use tenterhook_engine::{Deadline, Invocation, Outcome};
use tenterhook_platform::{
    OrgSnapshot, Platform,
    telephony::{
        Held, OperatorEndpoint, PROVIDERS_TIME_MAX, PasscodeCarrier, PasscodeMessage, PasscodeProvider, RenderedText,
    },
};

use super::{DELIVERY_FAILED, Message, SERVICE_ERROR, Text, context, origin};

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
    /// There is none for this phone.
    Absent,
    /// None has taken it.
    NotSent(Untaken),
    /// They have sent too many.
    Held(Held),
}

/// Why a provider, or all of them, have not taken a message.
pub(super) struct Untaken {
    /// The stable code; of all of them, that of the last one.
    pub(super) reason: Cow<'static, str>,
    /// Whether none of them has got anything of the message.
    pub(super) is_unsent: bool,
    /// One has too many open calls: a later try can succeed.
    pub(super) is_full: bool,
}

/// The providers that reach the phone of a message.
pub(super) fn providers<'a>(platform: &'a Platform, message: &Message<'_>) -> Vec<&'a PasscodeProvider> {
    let all = platform.telephony().providers().iter();
    all.filter(|provider| provider.reaches(message.phone, message.channel)).collect()
}

/// Hands the passcode to one provider after the other until one takes it. A provider has an equal share of the time that is left,
/// so that one that does not answer leaves time for the next; the last one has all of it.
pub(super) async fn send(
    platform: &Platform,
    org: &OrgSnapshot,
    message: &Message<'_>,
    text: &Text,
    deadline: Deadline,
) -> Fallback {
    let providers = providers(platform, message);
    if providers.is_empty() {
        return Fallback::Absent;
    }
    if let Err(held) = platform.telephony().admit_fallback(&org.org.id) {
        return Fallback::Held(held);
    }
    let whole = Deadline::after(PROVIDERS_TIME_MAX).earlier(deadline);
    let mut left = u32::try_from(providers.len()).unwrap_or(u32::MAX);
    let mut all = Untaken { reason: TIMEOUT.into(), is_unsent: true, is_full: false };
    for provider in providers {
        let deadline = Deadline::after(whole.remaining() / left.max(1)).earlier(whole);
        left = left.saturating_sub(1);
        let result = match provider {
            PasscodeProvider::Carrier(carrier) => by_carrier(carrier, message, &text.rendered, deadline).await,
            PasscodeProvider::Endpoint(endpoint) => {
                by_endpoint(platform, org, endpoint, message, (text, deadline)).await
            }
        };
        match result {
            Ok((provider, transaction_id)) => return Fallback::Sent { provider, transaction_id },
            Err(why) => {
                all.reason = why.reason;
                all.is_unsent &= why.is_unsent;
                all.is_full |= why.is_full;
            }
        }
    }
    if all.is_unsent {
        platform.telephony().give_back_fallback(&org.org.id);
    }
    Fallback::NotSent(all)
}

type Taken = Result<(Cow<'static, str>, Option<String>), Untaken>;

async fn by_carrier(
    carrier: &Arc<dyn PasscodeCarrier>,
    message: &Message<'_>,
    text: &RenderedText,
    deadline: Deadline,
) -> Taken {
    let passcode = PasscodeMessage { channel: message.channel, to: message.phone, text };
    match tokio::time::timeout_at(deadline.instant(), carrier.deliver(&passcode, deadline)).await {
        Ok(Ok(handed_over)) => Ok((carrier.name().into(), handed_over.transaction_id)),
        Ok(Err(undelivered)) => {
            Err(Untaken { reason: undelivered.reason, is_unsent: undelivered.is_unsent, is_full: false })
        }
        Err(_) => Err(Untaken { reason: TIMEOUT.into(), is_unsent: false, is_full: false }),
    }
}

/// An endpoint of the operator gets the same document as a hook, and its answer has the same rules. It is no hook of the org, which
/// learns no more of it than a code.
async fn by_endpoint(
    platform: &Platform,
    org: &OrgSnapshot,
    endpoint: &OperatorEndpoint,
    message: &Message<'_>,
    (text, deadline): (&Text, Deadline),
) -> Taken {
    let mut subject = TelephonySubject::default();
    let context = context(message, text, VoiceLabel::default());
    let hook = endpoint.of(&org.org.id);
    let invocation = Invocation {
        point: &Telephony,
        hook: &hook,
        origin: Arc::new(origin(org, message)),
        source: &org.base_url,
        context: &context,
        subject: &mut subject,
        deadline: Some(deadline),
    };
    let outcome = platform.engine().invoke(invocation).await.outcome;
    let (is_unsent, is_full) = (outcome.is_unsent(), outcome.overflow().is_some());
    let untaken = |reason| Err(Untaken { reason, is_unsent, is_full });
    let falls_back = subject.falls_back();
    match (subject.delivery, outcome) {
        (Some(report), _) if !falls_back => {
            Ok((report.provider.map_or(ENDPOINT.into(), Into::into), report.transaction_id))
        }
        (Some(_), _) => untaken(DELIVERY_FAILED.into()),
        (None, Outcome::Refused(_)) => untaken(SERVICE_ERROR.into()),
        (None, outcome) => untaken(outcome.missed().map_or(TIMEOUT.into(), Into::into)),
    }
}
