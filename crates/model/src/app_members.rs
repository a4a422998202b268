//! Members that apps of every sign-on mode have.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::Template;

/// Where an app is hidden.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AppHide {
    /// On phones.
    pub ios: bool,
    /// On the web.
    pub web: bool,
}

/// How a user is named at an app: an expression with `${…}`, such as `${source.login}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UserNameTemplate {
    /// The template.
    pub template: Template,
    /// `BUILT_IN`, `CUSTOM` or `NONE`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Appended to it.
    pub suffix: Option<String>,
    /// `PUSH`, `DONT_PUSH` or `NOT_CONFIGURED`: told to clients, without effect.
    pub push_status: Option<String>,
}

impl Default for UserNameTemplate {
    /// The login.
    fn default() -> Self {
        Self { template: Template::login(), kind: "BUILT_IN".to_owned(), suffix: None, push_status: None }
    }
}

/// Members of an app that have no effect: people and clients read them as they were written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AppTold {
    /// Whether users may ask for the app (`accessibility.selfService`).
    pub self_service: bool,
    /// `accessibility.errorRedirectUrl`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_redirect_url: Option<String>,
    /// `accessibility.loginRedirectUrl`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login_redirect_url: Option<String>,
    /// `visibility.autoSubmitToolbar`
    pub auto_submit_toolbar: bool,
    /// `visibility.autoLaunch`
    pub auto_launch: bool,
    /// `visibility.appLinks`: the names of links, each with whether it is shown.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub app_links: Map<String, Value>,
    /// `settings.notes.admin`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin_note: Option<String>,
    /// `settings.notes.enduser`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enduser_note: Option<String>,
    /// Attributes of the app, which `app.profile.` of an expression names.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub profile: Map<String, Value>,
    /// Members of `settings.oauthClient` of an OpenID Connect app, by their names.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub oauth_client: Map<String, Value>,
}
