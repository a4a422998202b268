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

/// A logout that takes a browser from one service provider to the next. The session has ended already.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

impl SamlLogout {
    /// Notes that the user may still be signed in at this service provider.
    pub fn missed(&mut self, app: AppId) {
        self.is_partial = true;
        self.untold.push(app);
    }
}

/// A service provider that asks for a logout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AskingApp {
    /// The app.
    pub app_id: AppId,
    /// `ID` of its request.
    pub request_id: String,
    /// `RelayState` of its request.
    pub relay_state: Option<String>,
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
