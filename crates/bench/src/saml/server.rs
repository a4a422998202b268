//! The servers of `bench saml`: ours as `tenterhook serve` runs it, with an app, and one with an empty handler.

use std::sync::Arc;

use axum::{Router, response::Html, routing::get};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use clap::Args;
use serde_json::{Value, json};
use tenterhook_model::{SamlApp, Session, User};
use tenterhook_platform::{OrgSnapshot, saml_apps::sign_on_url};
use tenterhook_server::{ServerLimits, TrustedProxies, router, serve};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

use super::IN_FLIGHT;
use crate::{
    Error, browsers,
    callers::Target,
    host::ask,
    token_server::{World, account},
};

/// The entity id of the service provider.
pub(super) const AUDIENCE: &str = "urn:example:benefits";
/// Bytes of the empty handler's response: as many as ours has with a hook.
const EMPTY_RESPONSE_BYTES: usize = 5_000;

/// Options of a server.
#[derive(Args)]
pub(crate) struct ServerOptions {
    /// Answers with as many bytes.
    #[arg(long)]
    empty: bool,
    /// The app has a hook.
    #[arg(long)]
    hook: bool,
    #[command(flatten)]
    target: Target,
}

/// Our server with an app, and a session for each browser.
pub(super) struct IdentityProvider {
    pub(super) world: World,
    pub(super) user: User,
    pub(super) session: Session,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

impl IdentityProvider {
    /// Starts it. The app is made as administrators make it.
    pub(super) async fn start(target: &Target, hook: bool) -> Result<Self, Error> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let base_url = format!("http://{}", listener.local_addr()?);
        let (stop, stopping) = watch::channel(false);
        let limits = ServerLimits { api_requests_per_minute: u32::MAX, ..ServerLimits::default() };
        let world = World::start(target, base_url.clone()).await?;
        let routes = router(Arc::clone(&world.platform), limits, TrustedProxies::default(), stopping.clone());
        let serving = tokio::spawn(serve(listener, routes, limits, TrustedProxies::default(), stopping));

        let hooks = if hook { vec![json!({ "id": registered(&base_url, target).await? })] } else { Vec::new() };
        let app = ask("POST", &format!("{base_url}/api/v1/apps"), &app_with(&hooks)).await?;
        let groups = ask("GET", &format!("{base_url}/api/v1/groups?q=Everyone"), &Value::Null).await?;
        let [app, everyone] = [text(&app, "/id")?, text(&groups, "/0/id")?];
        ask("PUT", &format!("{base_url}/api/v1/apps/{app}/groups/{everyone}"), &json!({})).await?;

        let (user, session) = browsers::sign_in(&world, IN_FLIGHT).await?;
        Ok(Self { world, user, session, stop, serving })
    }

    /// The org's configuration in memory.
    pub(super) fn org(&self) -> Result<Arc<OrgSnapshot>, Error> {
        Ok(self.world.platform.org_by_host(None).ok_or("there is an org")?)
    }

    /// The app.
    pub(super) fn app(org: &OrgSnapshot) -> Result<&SamlApp, Error> {
        Ok(org.configuration.saml_apps.iter().next().ok_or("there is an app")?)
    }

    /// Stops serving.
    pub(super) async fn stop(self) -> Result<(), Error> {
        self.stop.send(true)?;
        Ok(self.serving.await?)
    }
}

/// Registers the hook; answers with its id.
async fn registered(base_url: &str, target: &Target) -> Result<String, Error> {
    let hook = json!({
        "name": "Benefits", "type": "com.okta.saml.tokens.transform", "version": "1.0.0",
        "channel": { "type": "HTTP", "version": "1.0.0", "config": {
            "uri": format!("http://127.0.0.1:{}/saml", target.port), "method": "POST",
            "authScheme": { "type": "HEADER", "key": "Authorization", "value": "secret" },
        } },
        "policy": { "maxConcurrent": 4_096 },
    });
    text(&ask("POST", &format!("{base_url}/api/v1/inlineHooks"), &hook).await?, "/id")
}

/// An app with one signature on what it gets, as the peer makes it.
fn app_with(hooks: &[Value]) -> Value {
    let statement =
        |name: &str, expression: &str| json!({ "type": "EXPRESSION", "name": name, "values": [expression] });
    json!({
        "label": "Benefits",
        "signOnMode": "SAML_2_0",
        "settings": { "signOn": {
            "ssoAcsUrl": "https://benefits.example.com/acs",
            "audience": AUDIENCE,
            "assertionSigned": true,
            "responseSigned": false,
            "subjectNameIdTemplate": "${user.login}",
            "subjectNameIdFormat": "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress",
            "attributeStatements": [
                statement("email", "user.email"),
                statement("firstName", "user.firstName"),
                statement("lastName", "user.lastName"),
                statement("displayName", "user.firstName + \" \" + user.lastName"),
                statement("department", "String.toUpperCase(user.department)"),
                statement("http://schemas.example.com/identity/claims/team", "{\"payroll\", \"audit\"}"),
            ],
            "inlineHooks": hooks,
        } },
    })
}

fn text(value: &Value, pointer: &str) -> Result<String, Error> {
    let text = value.pointer(pointer).and_then(Value::as_str);
    Ok(text.ok_or_else(|| format!("no text at {pointer} of {value}"))?.to_owned())
}

/// Serves until standard input ends.
pub(super) async fn run(options: &ServerOptions) -> Result<(), Error> {
    if options.empty {
        return run_empty().await;
    }
    let provider = IdentityProvider::start(&options.target, options.hook).await?;
    let org = provider.org()?;
    println!("{}", json!({ "url": sign_on_url(&org, IdentityProvider::app(&org)?) }));
    account(Some(&provider.world)).await?;
    provider.stop().await
}

/// A handler that does nothing, in the same server.
async fn run_empty() -> Result<(), Error> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/sso", listener.local_addr()?);
    let (stop, stopping) = watch::channel(false);
    let response = STANDARD.encode("x".repeat(EMPTY_RESPONSE_BYTES));
    let page = Bytes::from(format!("<input type=\"hidden\" name=\"SAMLResponse\" value=\"{response}\">"));
    let routes = Router::new().route("/sso", get(move || std::future::ready(Html(page.clone()))));
    let limits = ServerLimits::default();
    let serving = tokio::spawn(serve(listener, routes, limits, TrustedProxies::default(), stopping));
    println!("{}", json!({ "url": url }));
    account(None).await?;
    stop.send(true)?;
    Ok(serving.await?)
}
