//! Single sign-on and single logout over sockets: an app, its service provider, and a browser between them.

mod bad_requests;
mod bounds;
mod hook;
mod logout;
mod nodes;
mod sessions;
mod sign_on;
mod sign_up;

use std::{collections::BTreeMap, sync::OnceLock};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tenterhook_contract::{Secret, Timestamp, id::AppId};
use tenterhook_model::{AppKey, ConfigurationObject, ConfigurationWrite, SamlApp};
use tenterhook_platform::saml_apps::{entity_id, logout_url, sign_on_url};
use tenterhook_saml::{
    Certificate,
    binding::{MessageKind, redirect},
    keys::{GeneratedKey, SigningKey, generate},
    verify,
};

use crate::{
    harness::{Answer, PASSWORD, World},
    oauth::{cookie_of, sign_in},
};

/// Where the apps of these tests get their responses.
pub(crate) const CONSUMER: &str = "https://benefits.example.com/acs?tenant=1&x=\"y\"";
/// The entity id of their service providers.
pub(crate) const AUDIENCE: &str = "urn:example:benefits";
/// The format of a name identifier.
pub(crate) const EMAIL: &str = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress";

fn generated(who: &'static str) -> GeneratedKey {
    let now = Timestamp::from_micros(1_770_000_000_000_000);
    generate(who, now, now.plus_seconds(10 * 365 * 86_400)).unwrap()
}

/// A key pair of our side, which all apps of the tests share.
fn own_key() -> &'static GeneratedKey {
    static KEY: OnceLock<GeneratedKey> = OnceLock::new();
    KEY.get_or_init(|| generated("Identity provider"))
}

/// A key pair of the service providers.
fn provider_key() -> &'static GeneratedKey {
    static KEY: OnceLock<GeneratedKey> = OnceLock::new();
    KEY.get_or_init(|| generated("Service provider"))
}

fn signing(key: &GeneratedKey) -> SigningKey {
    SigningKey::new(&key.private_key_pem, &key.certificate).unwrap()
}

/// The certificate of the service providers, as an app registers it.
pub(crate) fn provider_certificate() -> String {
    STANDARD.encode(&provider_key().certificate)
}

/// A service provider with its app.
pub(crate) struct Provider<'a> {
    pub(crate) world: &'a World,
    pub(crate) app: SamlApp,
}

/// What came back to a service provider.
#[derive(Debug)]
pub(crate) struct Posted {
    pub(crate) consumer: String,
    pub(crate) xml: String,
    pub(crate) relay_state: Option<String>,
}

impl<'a> Provider<'a> {
    /// An app that every user may use, with a key; `change` gets its record in JSON.
    pub(crate) async fn with(world: &'a World, name: &str, change: impl FnOnce(&mut Value)) -> Self {
        let number = u64::from_str_radix(&tenterhook_platform::entropy::sha256_hex(name)[..8], 16).unwrap();
        let id = AppId::from_parts(number, [7; 8]);
        let now = world.platform.now();
        let mut app = json!({
            "id": id, "externalKey": format!("exk{}", id.as_str().get(3..).unwrap()), "name": name, "label": "Benefits & more",
            "status": "ACTIVE", "implicitAssignment": true, "hide": { "ios": false, "web": false },
            "userName": { "template": "${source.login}", "type": "BUILT_IN", "suffix": null, "pushStatus": null },
            "signingKid": format!("kid-{name}"), "idpIssuer": "http://idp.example.com/${org.externalKey}",
            "acsUrl": CONSUMER, "recipient": CONSUMER, "destination": CONSUMER,
            "acsEndpoints": [{ "url": "https://benefits.example.com/other", "index": 7 }],
            "audience": AUDIENCE, "defaultRelayState": "https://benefits.example.com/start",
            "subjectNameIdTemplate": "${user.login}", "subjectNameIdFormat": "EmailAddress",
            "responseSigned": false, "assertionSigned": true, "honorForceAuthn": true,
            "authnContextClassRef": "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport",
            "requestCompressed": false, "assertionLifetimeSeconds": 300,
            "attributeStatements": [{
                "name": "team", "nameFormat": "urn:oasis:names:tc:SAML:2.0:attrname-format:unspecified",
                "source": { "type": "EXPRESSION", "values": ["\"payroll\""] },
            }],
            "singleLogout": null, "spCertificates": [], "signedRequests": false, "encryption": null, "hooks": [],
            "told": {}, "created": now, "lastUpdated": now,
        });
        change(&mut app);
        let app: SamlApp = serde_json::from_value(app).unwrap();
        let key = AppKey {
            kid: app.signing_kid.clone(),
            app_id: id,
            private_key_pem: own_key().private_key_pem.clone(),
            public: own_key().public.clone(),
            certificate: STANDARD.encode(&own_key().certificate),
            created: now,
            expires: now.plus_seconds(86_400),
        };
        let provider = Self { world, app };
        provider.put([ConfigurationObject::AppKey(key), provider.object()]).await;
        provider
    }

    pub(crate) async fn new(world: &'a World) -> Self {
        Self::with(world, "benefits_1", |_| ()).await
    }

    fn object(&self) -> ConfigurationObject {
        ConfigurationObject::SamlApp(Box::new(self.app.clone()))
    }

    async fn put(&self, objects: impl IntoIterator<Item = ConfigurationObject>) {
        let writes: Vec<_> = objects.into_iter().map(ConfigurationWrite::put).collect();
        let org = self.world.platform.org_id_by_host(None).unwrap();
        self.world.platform.change(&org, |_| Ok::<_, ()>((writes.clone(), ()))).await.unwrap();
    }

    /// Changes the app.
    pub(crate) async fn change(&mut self, change: impl FnOnce(&mut SamlApp)) {
        change(&mut self.app);
        self.put([self.object()]).await;
    }

    /// Registers a SAML hook on `service`, and puts it on the app.
    pub(crate) async fn hook(&mut self, service: std::net::SocketAddr) -> String {
        let mut body = crate::harness::hook_body(&format!("SAML hook {}", service.port()), service);
        body["type"] = json!("com.okta.saml.tokens.transform");
        let created = self.world.api("POST", "/api/v1/inlineHooks", Some(&body)).await;
        assert_eq!(created.status, 200, "{}", created.text());
        let id = created.json()["id"].as_str().unwrap().to_owned();
        let binding = tenterhook_contract::binding::HookBinding::always(id.parse().unwrap());
        self.change(|app| app.hooks = vec![binding]).await;
        id
    }

    pub(crate) fn sign_on_url(&self) -> String {
        sign_on_url(&self.org(), &self.app)
    }

    pub(crate) fn logout_url(&self) -> String {
        logout_url(&self.org(), &self.app)
    }

    pub(crate) fn entity_id(&self) -> String {
        entity_id(&self.org(), &self.app)
    }

    fn org(&self) -> std::sync::Arc<tenterhook_platform::OrgSnapshot> {
        self.world.platform.org_by_host(None).unwrap()
    }

    pub(crate) fn path(&self) -> String {
        format!("/app/{}/{}/sso/saml", self.app.name, self.app.external_key)
    }

    pub(crate) fn logout_path(&self) -> String {
        format!("/app/{}/{}/slo/saml", self.app.name, self.app.external_key)
    }

    /// An authentication request with this id; `attributes` and `children` are further ones.
    pub(crate) fn request(&self, id: &str, attributes: &str, children: &str) -> String {
        authn_request(id, self.world.platform.now(), AUDIENCE, attributes, children)
    }

    /// The attribute that a signed request must have.
    pub(crate) fn destination(&self) -> String {
        format!("Destination=\"{}\"", self.sign_on_url())
    }

    /// The URL of a request by Redirect, not signed.
    pub(crate) fn redirect(&self, xml: &str, relay_state: Option<&str>) -> String {
        format!("{}?{}", self.path(), redirect::encode(MessageKind::Request, xml, relay_state, None).unwrap())
    }

    /// The same with the service provider's signature.
    pub(crate) fn signed_redirect(&self, xml: &str, relay_state: Option<&str>) -> String {
        let key = signing(provider_key());
        format!("{}?{}", self.path(), redirect::encode(MessageKind::Request, xml, relay_state, Some(&key)).unwrap())
    }

    /// Sends the browser to a URL of ours.
    pub(crate) async fn get(&self, path: &str, cookie: &str) -> Answer {
        self.world.send("GET", path, &[("cookie", cookie)], b"").await
    }

    /// Ada's session, from the sign-in page of the app.
    pub(crate) async fn session(&self) -> String {
        let page = self.get(&self.path(), "").await;
        assert_eq!(page.status, 200, "{}", page.text());
        let signed_in = sign_in(self.world, &page, self.world.org.user_logins.first().unwrap(), PASSWORD).await;
        assert_eq!(signed_in.status, 303, "{}", signed_in.text());
        cookie_of(&signed_in).to_owned()
    }

    /// Ada signs in for the request at this URL, whose sign-in page she has.
    pub(crate) async fn sign_in_for(&self, path: &str) -> Answer {
        let mut page = self.get(&self.path(), "").await;
        let action = path.replacen("/sso/saml", "/sso/saml/sign-in", 1);
        let (own, _) = form_of(&page);
        page.bytes = page.text().replace(&own, &action.replace('&', "&#38;")).into_bytes().into();
        sign_in(self.world, &page, self.world.org.user_logins.first().unwrap(), PASSWORD).await
    }

    /// Ada, who has this session, signs in again.
    pub(crate) async fn session_after(&self, cookie: &str) -> String {
        let page = self.get(&self.path(), "").await;
        let both = format!("{}; {cookie}", cookie_of(&page));
        let (action, fields) = form_of(&page);
        let form =
            form_body(&[("csrf", &fields["csrf"]), ("login", &self.world.org.user_logins[0]), ("password", PASSWORD)]);
        let headers = [("content-type", "application/x-www-form-urlencoded"), ("cookie", both.as_str())];
        cookie_of(&self.world.send("POST", &action, &headers, form.as_bytes()).await).to_owned()
    }

    /// What a page posts to the service provider; every signature is verified with our certificate.
    pub(crate) fn posted(page: &Answer) -> Posted {
        assert_eq!(page.status, 200, "{}", page.text());
        let (consumer, mut fields) = form_of(page);
        let xml = String::from_utf8(STANDARD.decode(fields.remove("SAMLResponse").unwrap()).unwrap()).unwrap();
        let certificates = [Certificate::from_der(&own_key().certificate).unwrap()];
        let assertion = part(&xml, "saml:Assertion").filter(|assertion| assertion.contains("Signature>"));
        verify::enveloped(assertion.unwrap_or(&xml).as_bytes(), &certificates).unwrap();
        Posted { consumer, xml, relay_state: fields.remove("RelayState") }
    }

    /// The same for a URL that the browser gets with a session.
    pub(crate) async fn response(&self, path: &str, cookie: &str) -> Posted {
        Self::posted(&self.get(path, cookie).await)
    }
}

/// An authentication request.
pub(crate) fn authn_request(id: &str, at: Timestamp, issuer: &str, attributes: &str, children: &str) -> String {
    format!(
        "<samlp:AuthnRequest xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" ID=\"{id}\" Version=\"2.0\" \
         IssueInstant=\"{at}\" {attributes}><saml:Issuer xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\">{issuer}\
         </saml:Issuer>{children}</samlp:AuthnRequest>"
    )
}

/// The action of a page's form, and its hidden fields.
pub(crate) fn form_of(page: &Answer) -> (String, BTreeMap<String, String>) {
    let html = page.text();
    let unescaped = |text: &str| {
        let text = text.replace("&#34;", "\"").replace("&#39;", "'").replace("&#60;", "<").replace("&#62;", ">");
        text.replace("&#38;", "&")
    };
    let attribute = |text: &str, name: &str| {
        let value = text.split_once(&format!("{name}=\"")).map(|(_, rest)| rest.split('"').next().unwrap());
        unescaped(value.unwrap_or_else(|| panic!("no {name} in {text}")))
    };
    let action = attribute(&html, "action");
    let fields = html.split("<input type=\"hidden\"").skip(1);
    (action, fields.map(|field| (attribute(field, "name"), attribute(field, "value"))).collect())
}

/// The first element with this name, as it is written.
pub(crate) fn part<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let from = xml.find(&format!("<{name} ")).or_else(|| xml.find(&format!("<{name}>")))?;
    let end = format!("</{name}>");
    let until = xml.get(from..)?.find(&end)? + end.len();
    xml.get(from..from + until)
}

/// The text of the first element with this name.
pub(crate) fn text<'a>(xml: &'a str, name: &str) -> &'a str {
    let element = part(xml, name).unwrap_or_else(|| panic!("no {name} in {xml}"));
    let (_, rest) = element.split_once('>').unwrap();
    rest.split('<').next().unwrap()
}

/// An attribute of the first element with this name.
pub(crate) fn attribute<'a>(xml: &'a str, element: &str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{element} "))?;
    let head = rest.split('>').next().unwrap();
    let (_, value) = head.split_once(&format!("{name}=\""))?;
    value.split('"').next()
}

/// The status codes of a response.
pub(crate) fn codes(xml: &str) -> Vec<&str> {
    xml.split("<samlp:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap())
        .collect()
}

/// A text as it is written in a form.
pub(crate) fn form_body(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

/// A form that another site makes the browser post: without the session's cookie.
pub(crate) async fn post_form(world: &World, path: &str, fields: &[(&str, &str)]) -> Answer {
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    world.send("POST", path, &headers, form_body(fields).as_bytes()).await
}

/// The secret of our key, which nothing may show.
pub(crate) fn own_secret() -> &'static Secret {
    &own_key().private_key_pem
}
