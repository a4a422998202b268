//! The development org's SAML app: set up with its hook and assigned to everyone, and a sign-on to it without a browser.
//!
//! Its service provider is ours too: [`super::service_provider`] has its pages.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::StatusCode;
use serde_json::{Map, Value, json};
use tenterhook_contract::{Secret, Timestamp};
use tenterhook_engine::{Clock as _, SystemClock};
use tenterhook_saml::{
    Certificate,
    binding::{MessageKind, redirect},
    read::SignOnResponse,
    verify,
};

use super::{
    client::Client,
    code_flow::{SignedIn, sign_in, unguessable},
    registration::Registration,
};
use crate::Error;

/// Path of the page to which responses are posted.
pub(super) const CONSUMER_PATH: &str = "/dev/saml/acs";
/// The name of the app for people, by which a later start finds it.
const LABEL: &str = "Development service provider";
/// The entity id of the service provider.
const AUDIENCE: &str = "urn:example:tenterhook-dev";
/// The status of a response with an assertion.
const SUCCESS: &str = "urn:oasis:names:tc:SAML:2.0:status:Success";

/// The app as its service provider knows it.
#[derive(Clone, Debug)]
pub(crate) struct DevSamlApp {
    id: String,
    /// The single sign-on URL.
    pub(super) sign_on_url: String,
    /// Its path.
    sign_on_path: String,
    /// Where everybody reads the metadata of the identity provider.
    pub(super) metadata_url: String,
}

/// An authentication request: its id and the path to which the browser takes it.
pub(super) struct Asking {
    pub(super) id: String,
    pub(super) path: String,
}

/// Registers the hook, and makes the app if it is not there: then it is assigned to the group Everyone. A later start lets it post to this
/// process's port; what a user has changed besides stays. Answers with the hook's id and the app.
pub(super) async fn set_up(
    client: Client,
    admin_token: &str,
    registration: &Registration,
    base_url: &str,
) -> Result<(String, DevSamlApp), Error> {
    let hook_id = registration.register(client, admin_token).await?;
    let consumer = format!("{base_url}{CONSUMER_PATH}");
    let known = client.json("GET", "/api/v1/apps?q=Development%20service%20provider", admin_token, None).await?;
    let is_ours = |app: &&Value| text(app, "/label") == Some(LABEL) && text(app, "/signOnMode") == Some("SAML_2_0");
    let app = if let Some(app) = known.as_array().and_then(|apps| apps.iter().find(is_ours)) {
        let mut completed = app.clone();
        complete(&mut completed, &consumer, &hook_id);
        let path = format!("/api/v1/apps/{}", text(app, "/id").unwrap_or_default());
        if completed == *app { completed } else { client.json("PUT", &path, admin_token, Some(completed)).await? }
    } else {
        let made = client.json("POST", "/api/v1/apps", admin_token, Some(new_app(&consumer, &hook_id))).await?;
        let groups = client.json("GET", "/api/v1/groups?q=Everyone", admin_token, None).await?;
        let everyone = text(&groups, "/0/id").ok_or("The group Everyone is not listed")?;
        let path = format!("/api/v1/apps/{}/groups/{everyone}", text(&made, "/id").unwrap_or_default());
        client.json("PUT", &path, admin_token, Some(json!({}))).await?;
        made
    };
    let id = text(&app, "/id").ok_or("The app has no id")?.to_owned();
    let linked = text(&app, "/_links/appLinks/0/href").and_then(|url| url.find("/app/").and_then(|at| url.get(at..)));
    let sign_on_path = linked.ok_or("The app has no sign-on URL")?.to_owned();
    let key = sign_on_path.split('/').nth(3).unwrap_or_default();
    let metadata_url = format!("{base_url}/app/{key}/sso/saml/metadata");
    Ok((hook_id, DevSamlApp { id, sign_on_url: format!("{base_url}{sign_on_path}"), sign_on_path, metadata_url }))
}

/// The response and the assertion are signed, as in an app whose creator says nothing of it.
fn new_app(consumer: &str, hook_id: &str) -> Value {
    json!({
        "label": LABEL,
        "signOnMode": "SAML_2_0",
        "settings": { "signOn": {
            "ssoAcsUrl": consumer,
            "audience": AUDIENCE,
            "responseSigned": true,
            "assertionSigned": true,
            "subjectNameIdTemplate": "${user.login}",
            "attributeStatements": [
                { "type": "EXPRESSION", "name": "email", "values": ["user.email"] },
                { "type": "EXPRESSION", "name": "department", "values": ["user.department"] },
            ],
            "inlineHooks": [{ "id": hook_id }],
        } },
    })
}

/// The port of an earlier start may have been another one, and its hook may be gone.
fn complete(app: &mut Value, consumer: &str, hook_id: &str) {
    let Some(sign_on) = app.pointer_mut("/settings/signOn").and_then(Value::as_object_mut) else { return };
    for member in ["ssoAcsUrl", "recipient", "destination"] {
        if let Some(url) = sign_on.get_mut(member)
            && url.as_str().is_some_and(|url| url.ends_with(CONSUMER_PATH))
        {
            *url = json!(consumer);
        }
    }
    let hooks = sign_on.entry("inlineHooks").or_insert_with(|| json!([]));
    let Some(hooks) = hooks.as_array_mut() else { return };
    if !hooks.iter().any(|hook| text(hook, "/id") == Some(hook_id)) {
        hooks.push(json!({ "id": hook_id }));
    }
}

impl DevSamlApp {
    /// A new request of the service provider. With a `login`, that user signs in anew; without one the browser's session is used.
    pub(super) fn ask(&self, relay_state: &str, login: Option<&str>) -> Result<Asking, Error> {
        let id = format!("_{}", unguessable());
        let xml = authn_request(&id, SystemClock.now(), &self.sign_on_url, login);
        let query = redirect::encode(MessageKind::Request, &xml, Some(relay_state), None)?;
        Ok(Asking { id, path: redirect::location(&self.sign_on_path, &query) })
    }

    /// Signs `login` on as a browser does. Answers with the members of the verified assertion below `assertion`, or with an `error`.
    pub(super) async fn sign_on(
        &self,
        client: Client,
        admin_token: &str,
        login: &str,
        password: &Secret,
    ) -> Result<Value, Error> {
        let asking = self.ask("demonstration", None)?;
        let form = asking.path.replacen("/sso/saml?", "/sso/saml/sign-in?", 1);
        let page = match sign_in(client, &asking.path, &form, login, password).await? {
            SignedIn::Answer(page) => page,
            SignedIn::Refused(why) => return Ok(json!({ "error": why })),
        };
        let html = String::from_utf8_lossy(&page.body);
        let posted = html.split("name=\"SAMLResponse\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
        let Some(posted) = posted.filter(|_| page.status == StatusCode::OK) else {
            let shown = html.split("<p>").nth(1).and_then(|rest| rest.split("</p>").next()).unwrap_or_default();
            return Ok(json!({ "error": unescaped(shown) }));
        };
        let xml = STANDARD.decode(posted)?;
        let certificates = self.certificates(client, admin_token).await?;
        Ok(match received(&xml, &certificates, Some(&asking.id)) {
            Ok(members) => json!({ "assertion": members }),
            Err(why) => json!({ "error": why }),
        })
    }

    /// The certificates of the app's keys.
    pub(super) async fn certificates(&self, client: Client, admin_token: &str) -> Result<Vec<Certificate>, Error> {
        let path = format!("/api/v1/apps/{}/credentials/keys", self.id);
        let keys = client.json("GET", &path, admin_token, None).await?;
        let texts = keys.as_array().into_iter().flatten().filter_map(|key| text(key, "/x5c/0"));
        Ok(texts.map(Certificate::from_text).collect::<Result<_, _>>()?)
    }
}

fn authn_request(id: &str, now: Timestamp, destination: &str, login: Option<&str>) -> String {
    let (force, subject) = match login {
        Some(login) => {
            let subject = format!("<saml:Subject><saml:NameID>{}</saml:NameID></saml:Subject>", escaped(login));
            (" ForceAuthn=\"true\"", subject)
        }
        None => ("", String::new()),
    };
    format!(
        "<samlp:AuthnRequest xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" \
         xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\" ID=\"{id}\" Version=\"2.0\" IssueInstant=\"{now}\" \
         Destination=\"{}\"{force}><saml:Issuer>{AUDIENCE}</saml:Issuer>{subject}</samlp:AuthnRequest>",
        escaped(destination)
    )
}

/// What the service provider learns from a response whose signature is good, and which answers its request.
pub(super) fn received(
    xml: &[u8],
    certificates: &[Certificate],
    request_id: Option<&str>,
) -> Result<Map<String, Value>, String> {
    verify::response(xml, certificates).map_err(|error| format!("The response is not accepted: {error}"))?;
    let response = SignOnResponse::parse(xml).map_err(|error| format!("The response cannot be read: {error}"))?;
    if response.in_response_to.as_deref() != request_id {
        return Err("The response answers another request than that of this sign-on".to_owned());
    }
    let signed_on = response.assertion.filter(|_| response.status == SUCCESS);
    let Some(signed_on) = signed_on else { return Err(format!("There is no assertion: {}", response.status)) };
    let mut members = Map::new();
    members.insert("nameId".to_owned(), json!(signed_on.name_id.value));
    members.insert("audienceRestriction".to_owned(), json!(signed_on.audiences));
    members.insert("recipient".to_owned(), json!(signed_on.recipient));
    members.insert("authnContextClassRef".to_owned(), json!(signed_on.class_ref));
    for (name, values) in signed_on.attributes {
        members.insert(format!("attribute {name}"), json!(values));
    }
    members.extend(signed_on.session_seconds.map(|seconds| ("sessionLifetime".to_owned(), json!(seconds))));
    Ok(members)
}

/// The same members of `data` of a hook's document, or of what the hook has left of it.
pub(super) fn members(data: Option<&Value>) -> Map<String, Value> {
    let assertion = data.and_then(|data| data.get("assertion"));
    let at = |path: &str| assertion.and_then(|assertion| assertion.pointer(path)).cloned();
    let mut members = Map::new();
    for (name, path) in [
        ("nameId", "/subject/nameId"),
        ("audienceRestriction", "/conditions/audienceRestriction"),
        ("recipient", "/subject/confirmation/data/recipient"),
        ("authnContextClassRef", "/authentication/authnContext/authnContextClassRef"),
    ] {
        members.insert(name.to_owned(), at(path).unwrap_or_default());
    }
    for (name, attribute) in at("/claims").as_ref().and_then(Value::as_object).into_iter().flatten() {
        let values = attribute.get("attributeValues").and_then(Value::as_array).into_iter().flatten();
        let values = values.map(|value| value.get("value").cloned().unwrap_or_default()).collect();
        members.insert(format!("attribute {name}"), Value::Array(values));
    }
    members.extend(at("/authentication/sessionLifetime").map(|seconds| ("sessionLifetime".to_owned(), seconds)));
    members
}

/// `RelayState` in the URL that the document of a SAML hook names.
pub(super) fn relay_state(document: &Value) -> Option<String> {
    text(document, "/data/context/protocol/type").filter(|kind| *kind == "SAML2.0")?;
    let (_, query) = text(document, "/data/context/request/url/value")?.split_once('?')?;
    redirect::relay_state(query).ok()?
}

fn text<'a>(value: &'a Value, path: &str) -> Option<&'a str> {
    value.pointer(path).and_then(Value::as_str)
}

/// A text inside of XML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A text of a page.
fn unescaped(text: &str) -> String {
    let text = text.replace("&#34;", "\"").replace("&#39;", "'").replace("&#60;", "<").replace("&#62;", ">");
    text.replace("&#38;", "&")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn a_login_cannot_leave_its_place_in_the_request() {
        let now = Timestamp::from_micros(1_770_000_000_000_000);
        let xml = authn_request("_a", now, "https://idp.example.com/?a=1&b=2", Some("<a>\"&"));
        let read = tenterhook_saml::read::AuthnRequest::parse(xml.as_bytes()).unwrap();
        assert_eq!(read.subject.unwrap().value, "<a>\"&");
        assert_eq!(read.destination.as_deref(), Some("https://idp.example.com/?a=1&b=2"));
        assert!(read.force_authn);
    }

    #[test]
    fn a_later_start_changes_the_port_and_the_hook_alone() {
        let mut app = json!({ "settings": { "signOn": {
            "ssoAcsUrl": "http://127.0.0.1:1/dev/saml/acs", "recipient": "https://mine.example.com/acs",
            "destination": "http://127.0.0.1:1/dev/saml/acs", "audience": "mine", "inlineHooks": [{ "id": "cal1", "enabled": false }],
        } } });
        complete(&mut app, "http://127.0.0.1:2/dev/saml/acs", "cal1");
        let wanted = json!({ "settings": { "signOn": {
            "ssoAcsUrl": "http://127.0.0.1:2/dev/saml/acs", "recipient": "https://mine.example.com/acs",
            "destination": "http://127.0.0.1:2/dev/saml/acs", "audience": "mine", "inlineHooks": [{ "id": "cal1", "enabled": false }],
        } } });
        assert_eq!(app, wanted);
        complete(&mut app, "http://127.0.0.1:2/dev/saml/acs", "cal2");
        assert_eq!(app.pointer("/settings/signOn/inlineHooks/1"), Some(&json!({ "id": "cal2" })));
    }
}
