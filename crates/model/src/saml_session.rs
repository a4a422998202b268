//! What of SAML lasts between two requests of a browser: the service providers of a session, and logouts in progress.

use std::fmt;

use serde::{Deserialize, Serialize};
use tenterhook_contract::{
    Timestamp,
    id::{AppId, OrgId, SessionId, UserId},
};

/// A service provider to which a user has signed on in a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionApp {
    /// The org.
    pub org_id: OrgId,
    /// The session.
    pub session_id: SessionId,
    /// The app.
    pub app_id: AppId,
    /// How the app knows the user and the session.
    pub subject: AppSubject,
    /// SHA-256, in hexadecimal, of the app and of `SessionIndex`, by which a logout finds the session. None when a hook has set that index, because what a hook sets is only
    /// stored encrypted.
    pub index_sha256: Option<String>,
    /// When the session ends.
    pub expires: Timestamp,
}

/// The user of a session as an assertion has named it. A hook may have set each text, so `Debug` shows none, and they are
/// encrypted at rest.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AppSubject {
    /// The text of `NameID`.
    pub name_id: String,
    /// Its `Format`.
    pub name_format: String,
    /// `SessionIndex`.
    pub session_index: String,
}

impl fmt::Debug for AppSubject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("AppSubject").finish_non_exhaustive()
    }
}

/// A logout that takes a browser from one service provider to the next. The session has ended already. Its `Debug` shows no URL.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SamlLogout {
    /// SHA-256 of the token by which the browser names it, in hexadecimal.
    pub token_sha256: String,
    /// The org.
    pub org_id: OrgId,
    /// The session that has ended.
    pub session_id: SessionId,
    /// Its user. Logouts of older versions lack it.
    #[serde(default)]
    pub user_id: Option<UserId>,
    /// The service provider that has asked for it, if one has.
    pub asking: Option<AskingApp>,
    /// Where the browser goes at the end of a logout that began here.
    pub from_uri: Option<String>,
    /// The service provider that has the browser now.
    pub waiting_for: Option<AskedApp>,
    /// The service providers that have still to be told, the next one last.
    pub rest: Vec<AppId>,
    /// Whether a service provider could not be told, or has not ended its session.
    pub is_partial: bool,
    /// These service providers. Logouts of older versions lack them.
    #[serde(default)]
    pub untold: Vec<AppId>,
    /// Counts the service providers that the browser was sent to; of two answers to one request only one goes on.
    pub step: i64,
    /// When it is given up.
    pub expires: Timestamp,
}

impl fmt::Debug for SamlLogout {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { token_sha256: _, org_id, session_id, user_id, asking, .. } = self;
        let Self { from_uri, waiting_for, rest, is_partial, untold, step, expires, .. } = self;
        formatter
            .debug_struct("SamlLogout")
            .field("org_id", org_id)
            .field("session_id", session_id)
            .field("user_id", user_id)
            .field("asking", asking)
            .field("from_uri_bytes", &from_uri.as_ref().map(String::len))
            .field("waiting_for", waiting_for)
            .field("rest", rest)
            .field("is_partial", is_partial)
            .field("untold", untold)
            .field("step", step)
            .field("expires", expires)
            .finish_non_exhaustive()
    }
}

impl SamlLogout {
    /// Notes that the user may still be signed in at this service provider.
    pub fn missed(&mut self, app: AppId) {
        self.is_partial = true;
        self.untold.push(app);
    }
}

/// A service provider that asks for a logout. Its `Debug` shows the length of `RelayState` only.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AskingApp {
    /// The app.
    pub app_id: AppId,
    /// `ID` of its request.
    pub request_id: String,
    /// `RelayState` of its request.
    pub relay_state: Option<String>,
}

impl fmt::Debug for AskingApp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { app_id, request_id, relay_state } = self;
        formatter
            .debug_struct("AskingApp")
            .field("app_id", app_id)
            .field("request_id_bytes", &request_id.len())
            .field("relay_state_bytes", &relay_state.as_ref().map(String::len))
            .finish()
    }
}

/// A service provider that was asked to end its session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AskedApp {
    /// The app.
    pub app_id: AppId,
    /// `ID` of our request.
    pub request_id: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_of_a_logout_shows_lengths_of_what_a_browser_carries() {
        let marked = || "marked-secret".to_owned();
        let logout = SamlLogout {
            token_sha256: marked(),
            org_id: OrgId::from_parts(1, [0; 8]),
            session_id: SessionId::from_parts(1, [0; 8]),
            user_id: None,
            asking: Some(AskingApp {
                app_id: AppId::from_parts(1, [0; 8]),
                request_id: marked(),
                relay_state: Some(marked()),
            }),
            from_uri: Some(marked()),
            waiting_for: None,
            rest: Vec::new(),
            is_partial: false,
            untold: Vec::new(),
            step: 0,
            expires: Timestamp::from_micros(0),
        };
        let shown = format!("{logout:?}");
        assert!(shown.contains("relay_state_bytes: Some(13)") && !shown.contains("marked-secret"), "{shown}");
    }
}
