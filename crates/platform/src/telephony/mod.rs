//! Delivery of one-time passcodes to phones: the texts, the guards against toll fraud, and the providers that the operator has
//! configured. The flow that uses them, and asks the org's hook first, is in `tenterhook-flows`.

mod guards;
mod texts;
mod twilio;

use std::{borrow::Cow, sync::Arc, time::Duration};

use tenterhook_contract::id::OrgId;
use tenterhook_engine::{BoxFuture, Deadline, ReadyHook};
use tenterhook_model::{NumberRange, PhoneNumber};
use tokio::time::Instant;

use guards::Guards;
pub use guards::{Guard, Held, SendLimits, Surge};
pub use texts::{MessageTextError, MessageTexts, RenderedText, TEXT_CHARACTERS_MAX};
pub use twilio::{TWILIO_URL, Twilio, TwilioError, TwilioSettings};

use crate::Network;

/// What a platform is given for the delivery of passcodes.
#[derive(Default)]
pub struct TelephonyParts {
    /// What messages say.
    pub texts: MessageTexts,
    /// Who sends when the org's hook has not, in order.
    pub providers: Vec<PasscodeProvider>,
    /// How much may be sent.
    pub limits: SendLimits,
    /// The only numbers that are sent to; all when there are none.
    pub allow: Vec<NumberRange>,
    /// Numbers that are not sent to; this wins over `allow`.
    pub deny: Vec<NumberRange>,
    /// The country of numbers without a country code, an ISO 3166-1 alpha-2 code.
    pub default_region: Option<String>,
}

/// Delivers passcodes on a node.
pub struct Telephony {
    parts: Box<TelephonyParts>,
    guards: Guards,
}

/// How a passcode reaches its phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PasscodeChannel {
    /// A text message.
    Sms,
    /// A call in which a voice reads it.
    Voice,
}

/// Who sends a passcode when the org's hook has not.
pub enum PasscodeProvider {
    /// A provider with an API of its own.
    Carrier(Arc<dyn PasscodeCarrier>),
    /// An endpoint of the operator that speaks the contract of telephony hooks.
    Hook(Box<ReadyHook>),
}

/// Sends messages with passcodes.
pub trait PasscodeCarrier: Send + Sync {
    /// Its name in the System Log, such as `TWILIO`.
    fn name(&self) -> &'static str;

    /// Hands a message over. Ends by the deadline.
    fn deliver<'a>(
        &'a self,
        message: &'a PasscodeMessage<'a>,
        deadline: Deadline,
    ) -> BoxFuture<'a, Result<HandedOver, Undelivered>>;
}

/// A message for a carrier.
#[derive(Debug)]
pub struct PasscodeMessage<'a> {
    /// How it is to be sent.
    pub channel: PasscodeChannel,
    /// The phone.
    pub to: &'a PhoneNumber,
    /// Its text.
    pub text: &'a RenderedText,
}

/// A message that a carrier has taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HandedOver {
    /// The carrier's id of it.
    pub transaction_id: Option<String>,
}

/// Why a carrier has not taken a message: a stable code, without a word of the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undelivered(pub Cow<'static, str>);

impl Telephony {
    pub(crate) fn new(parts: Box<TelephonyParts>) -> Self {
        Self { guards: Guards::new(parts.limits, Instant::now()), parts }
    }

    /// What messages say.
    pub fn texts(&self) -> &MessageTexts {
        &self.parts.texts
    }

    /// Who sends when the org's hook has not, in order.
    pub fn providers(&self) -> &[PasscodeProvider] {
        &self.parts.providers
    }

    /// The country of numbers without a country code.
    pub fn default_region(&self) -> Option<&str> {
        self.parts.default_region.as_deref()
    }

    /// Takes one message for a number, or says what holds it back. `network` is that of a request without an API token. A surge is
    /// told once in a window.
    ///
    /// # Errors
    /// What holds the message back; then nothing is counted.
    pub fn admit(&self, org: &OrgId, number: &PhoneNumber, network: Option<Network>) -> Result<Option<Surge>, Held> {
        let is_in = |ranges: &[NumberRange]| ranges.iter().any(|range| range.contains(number));
        let refused = |guard| Err(Held { guard, retry_after: Duration::ZERO });
        if is_in(&self.parts.deny) || !(self.parts.allow.is_empty() || is_in(&self.parts.allow)) {
            return refused(Guard::Country);
        }
        if number.is_premium() {
            return refused(Guard::Premium);
        }
        self.guards.admit(org, number, network, Instant::now())
    }

    /// Takes one message of the providers, or says how long none is left.
    ///
    /// # Errors
    /// When their limit is reached.
    pub fn admit_fallback(&self, org: &OrgId) -> Result<(), Held> {
        self.guards.admit_fallback(org, Instant::now())
    }
}
