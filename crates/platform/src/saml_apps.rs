//! The URLs and the names of a SAML app: what its metadata says, what its flows serve, and what the management API shows.

use tenterhook_model::SamlApp;

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

impl OrgSnapshot {
    /// The SAML app with this key in URLs, in use or not.
    pub fn saml_app_of_key(&self, external_key: &str) -> Option<&SamlApp> {
        self.configuration.saml_apps.iter().find(|app| app.external_key == external_key)
    }
}
