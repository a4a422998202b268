//! Delivery of one-time passcodes to phones: the texts, the guards against toll fraud, and the providers that the operator has
//! configured. The flow that uses them, and asks the org's hook first, is in `tenterhook-flows`.

mod endpoint;
mod guards;
mod texts;
mod twilio;

use std::{borrow::Cow, sync::Arc, time::Duration};

use tenterhook_contract::id::OrgId;
use tenterhook_engine::{BoxFuture, Deadline};
use tenterhook_model::{NumberRange, PhoneNumber};
use tokio::time::Instant;

pub use endpoint::OperatorEndpoint;
use guards::Guards;
pub use guards::{Admitted, Guard, Held, SendLimits, Surge};
pub use texts::{MessageTextError, MessageTexts, RenderedText, TEXT_CHARACTERS_MAX};
pub use twilio::{TWILIO_URL, Twilio, TwilioError, TwilioSettings, has_user_information};

use crate::Network;

/// How long all providers together may take.
pub const PROVIDERS_TIME_MAX: Duration = Duration::from_secs(10);

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
    Endpoint(Box<OperatorEndpoint>),
}

/// Sends messages with passcodes.
pub trait PasscodeCarrier: Send + Sync {
    /// Its name in the System Log, such as `TWILIO`.
    fn name(&self) -> &'static str;

    /// Whether it dials the extension of a number after the number.
    fn dials_extensions(&self, channel: PasscodeChannel) -> bool;

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

/// Why a carrier has not taken a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undelivered {
    /// A stable code, without a word of the message.
    pub reason: Cow<'static, str>,
    /// Whether the carrier certainly has nothing of the message.
    pub is_unsent: bool,
}

impl PasscodeProvider {
    /// Whether it reaches this phone: one with an extension is reached by those alone that dial it. The contract of hooks has no member
    /// for an extension, so an endpoint would send the code to whoever answers the number.
    pub fn reaches(&self, phone: &PhoneNumber, channel: PasscodeChannel) -> bool {
        phone.extension().is_none()
            || match self {
                Self::Carrier(carrier) => carrier.dials_extensions(channel),
                Self::Endpoint(_) => false,
            }
    }
}

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

    /// Takes one message for a number, or says what holds it back. `network` is that of a request without an API token. A message that
    /// reaches nobody is given back ([`give_back`](Self::give_back)), any other one counts ([`count`](Self::count)).
    ///
    /// # Errors
    /// What holds the message back; then nothing is counted.
    pub fn admit(&self, org: &OrgId, number: &PhoneNumber, network: Option<Network>) -> Result<Admitted, Held> {
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

    /// Counts a message that a hook or a provider has, or may have. `Some` when the org now sends many more than usual, once in ten minutes.
    pub fn count(&self, org: &OrgId) -> Option<Surge> {
        self.guards.count(org, Instant::now())
    }

    /// Gives back what a message took that neither a hook nor a provider has got, but for what its requester's address may ask for.
    pub fn give_back(&self, admitted: Admitted) {
        self.guards.give_back(admitted, Instant::now());
    }

    /// Gives back a message of the providers that none of them has got.
    pub fn give_back_fallback(&self, org: &OrgId) {
        self.guards.give_back_fallback(org, Instant::now());
    }

    /// Takes one message of the providers, or says how long none is left.
    ///
    /// # Errors
    /// When their limit is reached.
    pub fn admit_fallback(&self, org: &OrgId) -> Result<(), Held> {
        self.guards.admit_fallback(org, Instant::now())
    }
}
