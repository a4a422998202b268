//! What an expression can look at.

use serde_json::{Map, Value};

use crate::{AuthenticationMethod, Group, OAuthClient, Org, SamlApp, User};

/// What an expression can look at. A part that is absent is null.
#[derive(Clone, Copy, Debug, Default)]
pub struct Inputs<'a> {
    /// `user.` and `source.`
    pub user: Option<&'a User>,
    /// `app.`
    pub app: Option<AppInput<'a>>,
    /// The user's attributes at the app: `appuser.`
    pub app_user: Option<&'a Map<String, Value>>,
    /// The user's name at the app: `appuser.userName` and `user.userName`, which without it is the login.
    pub user_name: Option<&'a str>,
    /// The user's groups, by name. Only read when the expression names groups.
    pub groups: Option<&'a [Group]>,
    /// `org.`
    pub org: Option<&'a Org>,
    /// `session.amr`: the methods of the session's sign-in (RFC 8176).
    pub amr: Option<&'a [AuthenticationMethod]>,
}

/// The app for which an expression is evaluated.
#[derive(Clone, Copy, Debug)]
pub enum AppInput<'a> {
    /// An OAuth client.
    OAuth(&'a OAuthClient),
    /// A SAML app.
    Saml(&'a SamlApp),
}
