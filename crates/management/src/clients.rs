//! OAuth clients.

use tenterhook_contract::{Secret, Timestamp};
use tenterhook_model::{ApplicationType, ClientAuthenticationMethod, OAuthClient, Status};
use tenterhook_platform::{
    OrgSnapshot, Platform,
    entropy::{random_token, sha256_hex},
};

use crate::{
    administrator::{Administrator, ManagementError, org_of},
    orgs::check_room_for_client,
    provision::client_of,
    request::{BLANK, Causes, Given, INVALID, Submitted},
    resource::{Change, Done, Resource, Switchable, changed, find_below, set_status},
};

/// The subject of an error's summary.
pub(crate) const MODEL: &str = "client";

/// What a request says of a client, by the names of RFC 7591.
#[derive(Clone, Debug, Default)]
pub struct ClientRequest {
    /// The name.
    pub name: Given<String>,
    /// `web`, `native`, `browser` or `service`.
    pub application_type: Given<String>,
    /// Where codes may be sent.
    pub redirect_uris: Given<Vec<String>>,
    /// Grant types it may use.
    pub grant_types: Given<Vec<String>>,
    /// Response types it may use.
    pub response_types: Given<Vec<String>>,
    /// How it authenticates.
    pub token_endpoint_auth_method: Given<String>,
    /// The status, which this does not change.
    pub status: Given<String>,
}

impl Resource for OAuthClient {
    const KIND: &'static str = "Client";
    const TARGET: &'static str = "PublicClientApp";

    fn name(&self) -> &str {
        &self.name
    }

    fn event(done: Done) -> (String, String) {
        (format!("oauth2.client.lifecycle.{}", done.verb()), format!("OAuth client {}", done.past()))
    }
}

impl Switchable for OAuthClient {
    fn status(&self) -> Status {
        self.status
    }

    fn with_status(&self, status: Status, last_updated: Timestamp) -> Self {
        Self { status, last_updated, ..self.clone() }
    }
}

/// Every client of an org.
pub fn list(platform: &Platform, administrator: &Administrator) -> Result<Vec<OAuthClient>, ManagementError> {
    Ok(org_of(platform, administrator)?.configuration.clients.iter().cloned().collect())
}

/// One client.
pub fn get(platform: &Platform, administrator: &Administrator, id: &str) -> Result<OAuthClient, ManagementError> {
    find(&*org_of(platform, administrator)?, id).cloned()
}

/// Registers a client. Its secret, if it has one, is in the answer and nowhere else.
pub async fn create(
    platform: &Platform,
    administrator: &Administrator,
    submitted: &Submitted<ClientRequest>,
) -> Result<(OAuthClient, Option<Secret>), ManagementError> {
    let client = read(submitted, client_of(platform, "", ClientAuthenticationMethod::ClientSecretBasic, None))?;
    let (client, secret) = with_secret_if_needed(platform, client);
    let client = changed(platform, administrator, Done::Created, |org| {
        check_room_for_client(org)?;
        Ok(Change::put(client.clone()))
    })
    .await?;
    Ok((client, secret))
}

/// Replaces a client. Its secret stays, unless the way in which it authenticates needs another one: a client that becomes
/// confidential gets a secret, which is in the answer and nowhere else, and a public client loses its own.
pub async fn replace(
    platform: &Platform,
    administrator: &Administrator,
    id: &str,
    submitted: &Submitted<ClientRequest>,
) -> Result<(OAuthClient, Option<Secret>), ManagementError> {
    let (now, new_secret) = (platform.now().whole_seconds(), random_token(platform.entropy()));
    let client = changed(platform, administrator, Done::Updated, |org| {
        let client = OAuthClient { last_updated: now, ..read(submitted, find(org, id)?.clone())? };
        Ok(Change::put(match (client.authentication, &client.secret_sha256) {
            (ClientAuthenticationMethod::None, _) => OAuthClient { secret_sha256: None, ..client },
            (_, None) => OAuthClient { secret_sha256: Some(sha256_hex(new_secret.expose())), ..client },
            (_, Some(_)) => client,
        }))
    })
    .await?;
    let is_new = client.secret_sha256.as_ref() == Some(&sha256_hex(new_secret.expose()));
    Ok((client, is_new.then_some(new_secret)))
}

/// Gives a client another secret, which is in the answer and nowhere else; the one before is not valid any more.
pub async fn renew_secret(
    platform: &Platform,
    administrator: &Administrator,
    id: &str,
) -> Result<(OAuthClient, Secret), ManagementError> {
    let (last_updated, secret) = (platform.now().whole_seconds(), random_token(platform.entropy()));
    let client = changed(platform, administrator, Done::Updated, |org| {
        let client = find(org, id)?;
        if client.authentication == ClientAuthenticationMethod::None {
            let text = "A public client has no secret";
            return Err(ManagementError::field("token_endpoint_auth_method", text));
        }
        let secret_sha256 = Some(sha256_hex(secret.expose()));
        Ok(Change::put(OAuthClient { secret_sha256, last_updated, ..client.clone() }))
    })
    .await?;
    Ok((client, secret))
}

/// Deletes a client. Policies that name it go on doing so: with an empty list they would be for every client.
pub async fn delete(platform: &Platform, administrator: &Administrator, id: &str) -> Result<(), ManagementError> {
    changed(platform, administrator, Done::Deleted, |org| Ok(Change::delete(find(org, id)?.clone(), [])))
        .await
        .map(drop)
}

/// Activates a client; an active one stays as it is.
pub async fn activate(platform: &Platform, administrator: &Administrator, id: &str) -> Result<(), ManagementError> {
    set_status(platform, administrator, Status::Active, |org| find(org, id)).await
}

/// Deactivates a client, which then gets no tokens; an inactive one stays as it is.
pub async fn deactivate(platform: &Platform, administrator: &Administrator, id: &str) -> Result<(), ManagementError> {
    set_status(platform, administrator, Status::Inactive, |org| find(org, id)).await
}

/// The client with a new secret, unless it is public.
fn with_secret_if_needed(platform: &Platform, client: OAuthClient) -> (OAuthClient, Option<Secret>) {
    let needs_secret = client.authentication != ClientAuthenticationMethod::None;
    let secret = needs_secret.then(|| random_token(platform.entropy()));
    let secret_sha256 = secret.as_ref().map(|secret| sha256_hex(secret.expose()));
    (OAuthClient { secret_sha256, ..client }, secret)
}

fn find<'a>(org: &'a OrgSnapshot, id: &str) -> Result<&'a OAuthClient, ManagementError> {
    find_below(org, &(), id)
}

/// Reads a request over `client`: how it authenticates stays where the request does not say, everything else is replaced.
fn read(submitted: &Submitted<ClientRequest>, client: OAuthClient) -> Result<OAuthClient, ManagementError> {
    let (request, mut causes) = (&submitted.request, Causes::of(MODEL, submitted));
    let name = causes.line("client_name", &request.name);
    if causes.status(&request.status, client.status) != client.status {
        causes.add("status", "The status is changed by `lifecycle/activate` and `lifecycle/deactivate`");
    }
    let client = read_members(&mut causes, request, client, &MEMBERS);
    causes.finish()?;
    Ok(OAuthClient { name, ..client })
}

/// What the causes of a refusal call the members of a client.
pub(crate) struct ClientMembers {
    pub(crate) application_type: &'static str,
    pub(crate) redirect_uris: &'static str,
    pub(crate) grant_types: &'static str,
    pub(crate) response_types: &'static str,
    pub(crate) token_endpoint_auth_method: &'static str,
}

/// As RFC 7591 calls them.
const MEMBERS: ClientMembers = ClientMembers {
    application_type: "application_type",
    redirect_uris: "redirect_uris",
    grant_types: "grant_types",
    response_types: "response_types",
    token_endpoint_auth_method: "token_endpoint_auth_method",
};

/// Reads what a request says of grants, and of how the client authenticates. Everything wrong with it is added to the causes.
pub(crate) fn read_members(
    causes: &mut Causes,
    request: &ClientRequest,
    client: OAuthClient,
    members: &ClientMembers,
) -> OAuthClient {
    let given = causes.optional_text(members.application_type, &request.application_type);
    let application_type = match given.as_deref() {
        None => None,
        Some("web") => Some(ApplicationType::Web),
        Some("native") => Some(ApplicationType::Native),
        Some("browser") => Some(ApplicationType::Browser),
        Some("service") => Some(ApplicationType::Service),
        Some(_) => {
            causes.add(members.application_type, "Write `web`, `native`, `browser` or `service`");
            None
        }
    };
    let method = causes.optional_text(members.token_endpoint_auth_method, &request.token_endpoint_auth_method);
    let authentication = match method.as_deref() {
        None => client.authentication,
        Some("client_secret_basic") => ClientAuthenticationMethod::ClientSecretBasic,
        Some("client_secret_post") => ClientAuthenticationMethod::ClientSecretPost,
        Some("none") => ClientAuthenticationMethod::None,
        Some(_) => {
            causes.add(members.token_endpoint_auth_method, INVALID);
            ClientAuthenticationMethod::None
        }
    };
    let redirect_uris = causes.texts(members.redirect_uris, &request.redirect_uris);
    if !redirect_uris.iter().all(|uri| is_redirect_uri(uri)) {
        causes.add(
            members.redirect_uris,
            "Write absolute URIs such as `https://app.example.com/callback` or `com.example.app:/callback`, without a \
             fragment, spaces or a user name",
        );
    }
    let grant_types = causes.texts(members.grant_types, &request.grant_types);
    let known = ["authorization_code", "client_credentials", "password", "refresh_token"];
    if grant_types.is_empty() || grant_types.iter().any(|grant_type| !known.contains(&grant_type.as_str())) {
        causes
            .add(members.grant_types, "Write `authorization_code`, `client_credentials`, `password`, `refresh_token`");
    }
    let credentials = grant_types.iter().any(|grant_type| grant_type == "client_credentials");
    if credentials && authentication == ClientAuthenticationMethod::None {
        causes.add(members.grant_types, "A public client cannot use `client_credentials`");
    }
    let password = grant_types.iter().any(|grant_type| grant_type == "password");
    let code = grant_types.iter().any(|grant_type| grant_type == "authorization_code");
    if code && redirect_uris.is_empty() {
        causes.add(members.redirect_uris, BLANK);
    }
    let given = (members.response_types, &request.response_types);
    let response_types = read_response_types(causes, given, code, credentials || password);
    OAuthClient { application_type, authentication, redirect_uris, grant_types, response_types, ..client }
}

/// `code` goes with `authorization_code`, and `token` with `client_credentials` and `password`, as the vendor has it; without the member
/// it is what the grant types ask of the authorization endpoint.
fn read_response_types(
    causes: &mut Causes,
    (member, given): (&str, &Given<Vec<String>>),
    code: bool,
    token: bool,
) -> Vec<String> {
    let Some(named) = causes.listed(member, given) else {
        return if code { vec!["code".to_owned()] } else { Vec::new() };
    };
    let fits = |kind: &String| (kind == "code" && code) || (kind == "token" && token);
    if !named.iter().all(fits) {
        causes
            .add(member, "Write `code` for `authorization_code`, and `token` for `client_credentials` and `password`");
    } else if code && !named.iter().any(|kind| kind == "code") {
        causes.add(member, "`authorization_code` needs `code`");
    }
    named
}

/// Whether a browser may be sent there: an absolute URI without a fragment (RFC 6749 section 3.1.2) of a scheme that leads to
/// a web server or an app, written without what the URL parser would drop in silence.
fn is_redirect_uri(text: &str) -> bool {
    /// Schemes that a browser runs, reads or shows by itself.
    const OF_THE_BROWSER: [&str; 10] =
        ["about", "blob", "chrome", "data", "file", "filesystem", "ftp", "javascript", "vbscript", "view-source"];
    let Ok(uri) = url::Url::parse(text) else { return false };
    let of_the_web = matches!(uri.scheme(), "http" | "https");
    text.bytes().all(|byte| byte.is_ascii_graphic())
        && !text.contains(['#', '\\'])
        && !OF_THE_BROWSER.contains(&uri.scheme())
        && uri.username().is_empty()
        && uri.password().is_none()
        && (!of_the_web
            || text.get(uri.scheme().len()..).is_some_and(|rest| rest.starts_with("://") && !rest.starts_with(":///")))
}
