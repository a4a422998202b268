//! The phone of `tenterhook dev`: no message is sent. A passcode that no hook has sent is shown in the terminal.

use std::sync::{Arc, OnceLock};

use tenterhook_engine::{BoxFuture, Deadline};
use tenterhook_platform::telephony::{HandedOver, PasscodeCarrier, PasscodeMessage, Undelivered};

use super::shown;

/// The built-in provider of `tenterhook dev`.
#[derive(Clone, Default)]
pub(super) struct Phone(Arc<OnceLock<Showing>>);

/// How messages are shown.
#[derive(Debug)]
struct Showing {
    json: bool,
}

impl Phone {
    /// From now on messages are shown.
    pub(super) fn show(&self, json: bool) {
        // Called once.
        let _ = self.0.set(Showing { json });
    }
}

impl PasscodeCarrier for Phone {
    fn name(&self) -> &'static str {
        "TERMINAL"
    }

    fn deliver<'a>(
        &'a self,
        message: &'a PasscodeMessage<'a>,
        _: Deadline,
    ) -> BoxFuture<'a, Result<HandedOver, Undelivered>> {
        Box::pin(async move {
            let Some(Showing { json }) = self.0.get() else { return Err(Undelivered("NOT_READY".into())) };
            shown::passcode(*json, message);
            Ok(HandedOver::default())
        })
    }
}
