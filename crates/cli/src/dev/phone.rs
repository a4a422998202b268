//! The phone of `tenterhook dev`: no message is sent. A passcode that no hook has sent is shown in the terminal.

use std::sync::Arc;

use tenterhook_engine::{BoxFuture, Deadline};
use tenterhook_platform::telephony::{
    HandedOver, PasscodeCarrier, PasscodeChannel, PasscodeMessage, PasscodeProvider, TelephonyParts, Undelivered,
};

use super::shown;

/// The built-in provider of `tenterhook dev`.
struct Phone {
    json: bool,
}

/// How passcodes reach phones in `tenterhook dev`.
pub(super) fn telephony(json: bool) -> TelephonyParts {
    TelephonyParts { providers: vec![PasscodeProvider::Carrier(Arc::new(Phone { json }))], ..TelephonyParts::default() }
}

impl PasscodeCarrier for Phone {
    fn name(&self) -> &'static str {
        "TERMINAL"
    }

    fn dials_extensions(&self, channel: PasscodeChannel) -> bool {
        channel == PasscodeChannel::Voice
    }

    fn deliver<'a>(
        &'a self,
        message: &'a PasscodeMessage<'a>,
        _: Deadline,
    ) -> BoxFuture<'a, Result<HandedOver, Undelivered>> {
        Box::pin(async move {
            shown::passcode(self.json, message);
            Ok(HandedOver::default())
        })
    }
}
