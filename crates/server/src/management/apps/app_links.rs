//! The apps of a user, as a page of links shows them.

use serde::Serialize;
use serde_json::Value;
use tenterhook_management::{
    administrator::org_of,
    apps::{App, assignments},
};
use tenterhook_platform::{OrgSnapshot, saml_apps::sign_on_url};

use super::super::{
    answer::{Id, List},
    call::Call,
    paging::{Listed, listed},
    route::Routes,
};
use crate::error::ApiError;

pub(super) fn routes() -> Routes {
    Routes::of("App assignments", "okta.users").get("/api/v1/users/{userId}/appLinks", "listAppLinks", list)
}

/// A link to an app of a user.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct AppLink {
    /// That of the app.
    id: Id,
    label: String,
    /// Where the user starts.
    link_url: String,
    /// The name of the app in URLs.
    app_name: String,
    app_instance_id: Id,
    credentials_setup: bool,
    /// Whether it is hidden on the web.
    hidden: bool,
    sort_order: u32,
}

impl AppLink {
    /// The link to an app; `None` for one that has no page to start at.
    fn of(org: &OrgSnapshot, app: &App) -> Option<Self> {
        let (link_url, hidden) = match app {
            App::Saml(app) => (sign_on_url(org, app), app.hide.web),
            App::OpenIdConnect(client) => {
                let url = client.told.oauth_client.get("initiate_login_uri").and_then(Value::as_str)?;
                (url.to_owned(), client.hide.web)
            }
        };
        let id = Id::of(app.id());
        Some(Self {
            label: app.label().to_owned(),
            link_url,
            app_name: app.name().to_owned(),
            app_instance_id: id.clone(),
            id,
            credentials_setup: false,
            hidden,
            sort_order: 0,
        })
    }
}

impl Listed for AppLink {
    fn id(&self) -> &str {
        &self.id.0
    }
}

async fn list(call: Call) -> Result<List<AppLink>, ApiError> {
    let apps = assignments::apps_of_user(call.platform(), call.administrator(), call.id("userId")).await?;
    let org = org_of(call.platform(), call.administrator())?;
    listed(&call, apps.iter().filter_map(|app| AppLink::of(&org, app)))
}
