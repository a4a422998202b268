//! OAuth clients: their bodies, and how they are shown.

use serde_json::{Value, json};
use tenterhook_contract::{Secret, members::Members};
use tenterhook_model::{ApplicationType, ClientAuthenticationMethod, OAuthClient};
use tenterhook_platform::{
    Platform,
    entropy::{random_token, sha256_hex},
};

use super::reader::{BLANK, INVALID, Reader};
use crate::{administrator::ManagementError, provision::client_of};

const MEMBERS: Members = Members {
    taken: &[
        "client_name",
        "application_type",
        "redirect_uris",
        "grant_types",
        "response_types",
        "token_endpoint_auth_method",
    ],
    read_only: &["client_id", "client_id_issued_at", "client_secret_expires_at", "_links"],
    refused: &[("client_secret", "The secret is made by the server")],
};

/// A new client of a body, and its secret.
pub(super) fn read_client(platform: &Platform, body: &Value) -> Result<(OAuthClient, Option<Secret>), ManagementError> {
    let mut reader = Reader::new(body, "client", &MEMBERS);
    let name = reader.text("client_name");
    let application_type = match reader.optional_text("application_type").as_deref() {
        None => None,
        Some("web") => Some(ApplicationType::Web),
        Some("native") => Some(ApplicationType::Native),
        Some("browser") => Some(ApplicationType::Browser),
        Some("service") => Some(ApplicationType::Service),
        Some(_) => {
            reader.cause("application_type", "Write `web`, `native`, `browser` or `service`");
            None
        }
    };
    let method = reader.optional_text("token_endpoint_auth_method");
    let authentication = match method.as_deref() {
        None | Some("client_secret_basic") => ClientAuthenticationMethod::ClientSecretBasic,
        Some("client_secret_post") => ClientAuthenticationMethod::ClientSecretPost,
        Some("none") => ClientAuthenticationMethod::None,
        Some(_) => {
            reader.cause("token_endpoint_auth_method", INVALID);
            ClientAuthenticationMethod::None
        }
    };
    let redirect_uris = reader.texts("redirect_uris");
    if !redirect_uris.iter().all(|uri| is_redirect_uri(uri)) {
        reader.cause(
            "redirect_uris",
            "Write absolute URIs such as `https://app.example.com/callback` or `com.example.app:/callback`, without a \
             fragment, spaces or a user name",
        );
    }
    let grant_types = reader.texts("grant_types");
    let known = ["authorization_code", "client_credentials", "refresh_token"];
    if grant_types.is_empty() || grant_types.iter().any(|grant_type| !known.contains(&grant_type.as_str())) {
        reader.cause("grant_types", "Write `authorization_code`, `client_credentials`, `refresh_token`");
    }
    let credentials = grant_types.iter().any(|grant_type| grant_type == "client_credentials");
    if credentials && authentication == ClientAuthenticationMethod::None {
        reader.cause("grant_types", "A public client cannot use `client_credentials`");
    }
    let code = grant_types.iter().any(|grant_type| grant_type == "authorization_code");
    if code && redirect_uris.is_empty() {
        reader.cause("redirect_uris", BLANK);
    }
    let response_types = read_response_types(&mut reader, code, credentials);
    reader.finish()?;
    let secret = (authentication != ClientAuthenticationMethod::None).then(|| random_token(platform.entropy()));
    let secret_sha256 = secret.as_ref().map(|secret| sha256_hex(secret.expose()));
    let client = OAuthClient {
        application_type,
        redirect_uris,
        grant_types,
        response_types,
        ..client_of(platform, &name, authentication, secret_sha256)
    };
    Ok((client, secret))
}

/// `code` goes with `authorization_code`, and `token` with `client_credentials`, as the vendor has it; without the member
/// it is what the grant types ask of the authorization endpoint.
fn read_response_types(reader: &mut Reader<'_>, code: bool, credentials: bool) -> Vec<String> {
    let Some(named) = reader.listed("response_types") else {
        return if code { vec!["code".to_owned()] } else { Vec::new() };
    };
    let fits = |kind: &String| (kind == "code" && code) || (kind == "token" && credentials);
    if !named.iter().all(fits) {
        reader.cause("response_types", "Write `code` for `authorization_code` and `token` for `client_credentials`");
    } else if code && !named.iter().any(|kind| kind == "code") {
        reader.cause("response_types", "`authorization_code` needs `code`");
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

pub(super) fn client_to_json(client: &OAuthClient) -> Value {
    let mut shown = json!({
        "client_id": client.id,
        "client_name": client.name,
        "client_id_issued_at": client.created.as_seconds(),
        "redirect_uris": client.redirect_uris,
        "grant_types": client.grant_types,
        "response_types": client.response_types,
        "token_endpoint_auth_method": client.authentication,
    });
    if let (Some(kind), Some(members)) = (client.application_type, shown.as_object_mut()) {
        members.insert("application_type".to_owned(), json!(kind));
    }
    shown
}
