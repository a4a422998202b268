//! The log events of sign-ons to SAML apps.

use std::borrow::Cow;

use tenterhook_engine::Origin;
use tenterhook_model::{SamlApp, Session, User};
use tenterhook_platform::{
    Caller, OrgSnapshot, Platform,
    events::{Event, SIGN_ON, UNASSIGNED_APP, saml_app_target, user_actor, user_target},
};

use super::error::{SamlProblem, reason};

/// Whose sign-on it is.
#[derive(Clone, Copy)]
pub(super) struct SignOnOf<'a> {
    pub(super) platform: &'a Platform,
    pub(super) org: &'a OrgSnapshot,
    pub(super) app: &'a SamlApp,
    pub(super) caller: &'a Caller,
    pub(super) session: &'a Session,
    pub(super) user: &'a User,
}

impl SignOnOf<'_> {
    /// The origin of the calls of its hooks, and of its events.
    pub(super) fn origin(&self) -> Origin {
        let Self { org, app, caller, session, user, .. } = self;
        Origin {
            session_id: Some(session.id.to_string()),
            targets: vec![user_target(user), saml_app_target(app)],
            ..caller.origin(&org.org.id, user_actor(user))
        }
    }

    /// Logs that the user has signed on. `changed` names members that a hook has changed.
    pub(super) fn log_success(&self, changed: &[&'static str]) {
        let origin = self.origin();
        let mut debug_data = self.caller.debug_data();
        if !changed.is_empty() {
            debug_data.put("changedByInlineHook", changed.join(", "));
        }
        self.platform.log_event(self.event(&origin, SIGN_ON).with_debug_data(debug_data));
    }

    /// Logs that the user has not signed on.
    pub(super) fn log_failure(&self, problem: &SamlProblem) {
        let event = match problem {
            SamlProblem::NotAssigned => UNASSIGNED_APP,
            _ => SIGN_ON,
        };
        let (origin, reason) = (self.origin(), reason(problem));
        let event = self.event(&origin, event).with_debug_data(self.caller.debug_data());
        self.platform.log_event(event.failed(&reason));
    }

    fn event<'o>(&self, origin: &'o Origin, (event_type, message): (&'static str, &'static str)) -> Event<'o> {
        Event::of_origin(self.platform.stamp(), origin)
            .named(event_type, message)
            .about(origin.targets.iter().map(Cow::Borrowed))
    }
}
