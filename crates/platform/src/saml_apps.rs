//! The URLs and the names of a SAML app: what its metadata says, what its flows serve, and what the management API shows.

use tenterhook_model::SamlApp;
use tenterhook_saml::metadata::IdentityProvider;

use crate::OrgSnapshot;

/// What stands for the external key of an app in its `idpIssuer`.
pub const EXTERNAL_KEY: &str = "${org.externalKey}";

/// The entity id of the identity provider for an app (SAML metadata 2.3.2), which is the issuer of its assertions.
pub fn entity_id(org: &OrgSnapshot, app: &SamlApp) -> String {
    match &app.idp_issuer {
        Some(issuer) => issuer.replace(EXTERNAL_KEY, &app.external_key),
        None => format!("{}/{}", org.base_url, app.external_key),
    }
}

/// Where service providers send authentication requests, and where a sign-on begins that the identity provider begins.
pub fn sign_on_url(org: &OrgSnapshot, app: &SamlApp) -> String {
    format!("{}/app/{}/{}/sso/saml", org.base_url, app.name, app.external_key)
}

/// Where service providers send logout requests and their answers.
pub fn logout_url(org: &OrgSnapshot, app: &SamlApp) -> String {
    format!("{}/app/{}/{}/slo/saml", org.base_url, app.name, app.external_key)
}

/// Where everybody reads the metadata of the identity provider for an app.
pub fn metadata_url(org: &OrgSnapshot, app: &SamlApp) -> String {
    format!("{}/app/{}/sso/saml/metadata", org.base_url, app.external_key)
}

/// The metadata of the identity provider for an app (SAML metadata 2.4.3), with the certificate of the key `kid`, or of the one that
/// signs. `None` when the app has no such key.
pub fn metadata(org: &OrgSnapshot, app: &SamlApp, kid: Option<&str>) -> Option<String> {
    let kid = kid.unwrap_or(&app.signing_kid);
    let key = org.configuration.app_keys.find(kid).filter(|key| key.app_id == app.id)?;
    let logout_url = app.single_logout.as_ref().map(|_| logout_url(org, app));
    let document = IdentityProvider {
        entity_id: &entity_id(org, app),
        want_authn_requests_signed: app.signed_requests,
        signing_certificates: &[&key.certificate],
        single_logout_url: logout_url.as_deref(),
        name_id_formats: &[app.subject_name_id_format.uri()],
        single_sign_on_url: &sign_on_url(org, app),
    };
    // Every text of an app is one that XML can hold.
    document.to_xml().ok()
}

impl OrgSnapshot {
    /// The SAML app with this key in URLs, in use or not.
    pub fn saml_app_of_key(&self, external_key: &str) -> Option<&SamlApp> {
        self.configuration.saml_apps.get(self.saml_apps.get(external_key)?)
    }

    /// The SAML app with this name and this key in URLs, in use or not.
    pub fn saml_app(&self, name: &str, external_key: &str) -> Option<&SamlApp> {
        self.saml_app_of_key(external_key).filter(|app| app.name == name)
    }
}
