//! The sign-on to a SAML app as it is shown.

use serde::Serialize;
use serde_json::Value;
use tenterhook_contract::{binding::HookBinding, condition::Condition};
use tenterhook_model::{AttributeSource, AttributeStatement, SamlApp};

use super::super::answer::Id;

/// The sign-on to a SAML app.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "SamlSignOn"))]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "members of the vendor's resource, none of which bears on another")]
pub(super) struct SignOnAnswer {
    default_relay_state: Option<String>,
    sso_acs_url: String,
    /// Null when it is a URL of the org.
    idp_issuer: Option<String>,
    audience: String,
    recipient: String,
    destination: String,
    subject_name_id_template: String,
    subject_name_id_format: &'static str,
    response_signed: bool,
    assertion_signed: bool,
    signature_algorithm: &'static str,
    digest_algorithm: &'static str,
    honor_force_authn: bool,
    authn_context_class_ref: String,
    sp_issuer: Option<String>,
    request_compressed: bool,
    saml_assertion_lifetime_seconds: u32,
    attribute_statements: Vec<Statement>,
    /// In the order in which they are called.
    inline_hooks: Vec<Hook>,
    allow_multiple_acs_endpoints: bool,
    acs_endpoints: Vec<AcsEndpoint>,
    saml_signed_request_enabled: bool,
    slo: Slo,
    /// Absent without certificates.
    #[serde(skip_serializing_if = "Option::is_none")]
    sp_certificate: Option<SpCertificate>,
    assertion_encryption: AssertionEncryption,
}

/// An attribute of assertions.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "SamlAttributeStatement"))]
#[serde(rename_all = "camelCase")]
struct Statement {
    #[serde(rename = "type")]
    kind: &'static str,
    name: String,
    namespace: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    values: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    filter_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    filter_value: Option<String>,
}

/// A hook of an app.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "SamlInlineHook"))]
struct Hook {
    id: Id,
    /// The condition under which it is called; absent for always.
    #[serde(skip_serializing_if = "Option::is_none")]
    when: Option<Value>,
    /// Absent when it is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    enabled: Option<bool>,
}

/// An assertion consumer service.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AcsEndpoint"))]
struct AcsEndpoint {
    url: String,
    index: u16,
}

/// Single logout.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "SingleLogout"))]
#[serde(rename_all = "camelCase")]
struct Slo {
    enabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logout_url: Option<String>,
}

/// Certificates of the service provider.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "SpCertificate"))]
struct SpCertificate {
    x5c: Vec<String>,
}

/// How assertions are encrypted.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AssertionEncryption"))]
#[serde(rename_all = "camelCase")]
struct AssertionEncryption {
    enabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(rename = "encryptionAlgorithm")]
    algorithm: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_transport_algorithm: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    x5c: Option<[String; 1]>,
}

impl SignOnAnswer {
    pub(super) fn of(app: &SamlApp) -> Self {
        let slo = app.single_logout.clone();
        let encryption = app.encryption.clone();
        Self {
            default_relay_state: app.default_relay_state.clone(),
            sso_acs_url: app.acs_url.clone(),
            idp_issuer: app.idp_issuer.clone(),
            audience: app.audience.clone(),
            recipient: app.recipient.clone(),
            destination: app.destination.clone(),
            subject_name_id_template: app.subject_name_id_template.as_str().to_owned(),
            subject_name_id_format: app.subject_name_id_format.uri(),
            response_signed: app.response_signed,
            assertion_signed: app.assertion_signed,
            signature_algorithm: "RSA_SHA256",
            digest_algorithm: "SHA256",
            honor_force_authn: app.honor_force_authn,
            authn_context_class_ref: app.authn_context_class_ref.clone(),
            sp_issuer: app.sp_issuer.clone(),
            request_compressed: app.request_compressed,
            saml_assertion_lifetime_seconds: app.assertion_lifetime_seconds,
            attribute_statements: app.attribute_statements.iter().cloned().map(Statement::of).collect(),
            inline_hooks: app.hooks.iter().map(Hook::of).collect(),
            allow_multiple_acs_endpoints: !app.acs_endpoints.is_empty(),
            acs_endpoints: app
                .acs_endpoints
                .iter()
                .map(|endpoint| AcsEndpoint { url: endpoint.url.clone(), index: endpoint.index })
                .collect(),
            saml_signed_request_enabled: app.signed_requests,
            slo: Slo {
                enabled: slo.is_some(),
                issuer: slo.as_ref().map(|slo| slo.issuer.clone()),
                logout_url: slo.map(|slo| slo.logout_url),
            },
            sp_certificate: (!app.sp_certificates.is_empty())
                .then(|| SpCertificate { x5c: app.sp_certificates.clone() }),
            assertion_encryption: AssertionEncryption {
                enabled: encryption.is_some(),
                algorithm: encryption.as_ref().map(|encryption| encryption.algorithm.as_str()),
                key_transport_algorithm: encryption.is_some().then_some("RSA_OAEP"),
                x5c: encryption.map(|encryption| [encryption.certificate]),
            },
        }
    }
}

impl Statement {
    fn of(AttributeStatement { name, name_format: namespace, source }: AttributeStatement) -> Self {
        let (kind, values, filter_type, filter_value) = match source {
            AttributeSource::Expression { values } => {
                ("EXPRESSION", Some(values.iter().map(|value| value.as_str().to_owned()).collect()), None, None)
            }
            AttributeSource::Group(filter) => {
                ("GROUP", None, Some(filter.kind().as_str()), Some(filter.value().to_owned()))
            }
        };
        Self { kind, name, namespace, values, filter_type, filter_value }
    }
}

impl Hook {
    fn of(HookBinding { hook, when, enabled }: &HookBinding) -> Self {
        Self { id: Id::of(hook), when: when.as_ref().map(Condition::to_json), enabled: (!enabled).then_some(false) }
    }
}
