//! The sign-on to a SAML app as it is written.

use serde::Deserialize;
use serde_json::Value;
use tenterhook_management::{
    apps::request::{AcsEndpointRequest, AttributeStatementRequest, EncryptionRequest, SignOnRequest, SloRequest},
    bindings::BindingRequest,
    request::Given,
};

use super::super::{
    call::{below, objects},
    members::Members,
};

/// The sign-on to a SAML app.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "SamlSignOnRequest"))]
#[serde(rename_all = "camelCase", default)]
pub(super) struct SignOnBody {
    /// `RelayState` of a sign-on that the identity provider begins.
    default_relay_state: Given<String>,
    /// Where responses are sent when a request names no other assertion consumer service. It must be there.
    sso_acs_url: Given<String>,
    /// The entity id of the identity provider, where `${org.externalKey}` stands for the app's key in URLs. Absent, it is a
    /// URL of the org.
    idp_issuer: Given<String>,
    /// The entity id of the service provider. It must be there.
    audience: Given<String>,
    /// `ssoAcsUrl` when absent.
    recipient: Given<String>,
    /// `ssoAcsUrl` when absent.
    destination: Given<String>,
    sso_acs_url_override: Given<String>,
    audience_override: Given<String>,
    recipient_override: Given<String>,
    destination_override: Given<String>,
    /// A text with expressions in `${…}`; `${user.userName}` when absent.
    subject_name_id_template: Given<String>,
    /// A URI of SAML core 8.3; that of `unspecified` when absent.
    subject_name_id_format: Given<String>,
    /// True when absent.
    response_signed: Given<bool>,
    /// True when absent.
    assertion_signed: Given<bool>,
    /// `RSA_SHA256`
    signature_algorithm: Given<String>,
    /// `SHA256`
    digest_algorithm: Given<String>,
    /// Whether `ForceAuthn` makes a user sign in again; true when absent.
    honor_force_authn: Given<bool>,
    /// That of `PasswordProtectedTransport` when absent.
    authn_context_class_ref: Given<String>,
    /// Told to clients, without effect.
    sp_issuer: Given<String>,
    /// Told to clients: requests are accepted either way.
    request_compressed: Given<bool>,
    /// 60 to 86400; 300 when absent.
    saml_assertion_lifetime_seconds: Given<u32>,
    #[serde(deserialize_with = "objects")]
    attribute_statements: Given<Vec<AttributeStatementBody>>,
    /// SAML inline hooks in the order in which they are called; at most 20.
    #[serde(deserialize_with = "objects")]
    inline_hooks: Given<Vec<HookBody>>,
    /// True with `acsEndpoints`.
    allow_multiple_acs_endpoints: Given<bool>,
    /// Other assertion consumer services, which requests name by their URL or index; at most 100.
    #[serde(deserialize_with = "objects")]
    acs_endpoints: Given<Vec<AcsEndpointBody>>,
    #[serde(deserialize_with = "below")]
    slo: SloBody,
    #[serde(deserialize_with = "below")]
    participate_slo: ParticipateSloBody,
    #[serde(deserialize_with = "below")]
    sp_certificate: SpCertificateBody,
    /// Whether requests must be signed; false when absent.
    saml_signed_request_enabled: Given<bool>,
    #[serde(deserialize_with = "below")]
    assertion_encryption: EncryptionBody,
}

/// An attribute of assertions.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "SamlAttributeStatementRequest"))]
#[serde(rename_all = "camelCase")]
struct AttributeStatementBody {
    /// `EXPRESSION` when absent, or `GROUP`.
    #[serde(rename = "type", default)]
    kind: Given<String>,
    name: Given<String>,
    /// That of `unspecified` when absent.
    #[serde(default)]
    namespace: Given<String>,
    /// Expressions, one for each value. For `EXPRESSION` only.
    #[serde(default)]
    values: Given<Vec<String>>,
    /// `STARTS_WITH`, `EQUALS`, `CONTAINS` or `REGEX`. For `GROUP` only.
    #[serde(default)]
    filter_type: Given<String>,
    /// With what names of groups are compared. For `GROUP` only.
    #[serde(default)]
    filter_value: Given<String>,
}

/// A hook of an app.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "SamlInlineHookRequest"))]
struct HookBody {
    /// An inline hook of the type `com.okta.saml.tokens.transform`.
    id: Given<String>,
    /// The condition under which it is called; absent or null for always.
    #[serde(default)]
    when: Given<Value>,
    /// Whether it is called at all; true when absent.
    #[serde(default)]
    enabled: Given<bool>,
}

/// An assertion consumer service.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AcsEndpointRequest"))]
struct AcsEndpointBody {
    url: Given<String>,
    /// 0 to 65535, unique in the app.
    index: Given<u16>,
}

/// Single logout.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "SingleLogoutRequest"))]
#[serde(rename_all = "camelCase", default)]
struct SloBody {
    enabled: Given<bool>,
    /// The service provider's issuer. It must be there with `enabled: true`.
    issuer: Given<String>,
    /// Where messages are sent. It must be there with `enabled: true`.
    logout_url: Given<String>,
}

/// Logout that another app begins.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "SloParticipateRequest"))]
#[serde(default)]
struct ParticipateSloBody {
    /// False.
    enabled: Given<bool>,
}

/// Certificates of the service provider, which verify its signatures.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "SpCertificateRequest"))]
#[serde(default)]
struct SpCertificateBody {
    /// DER in base64; at most 4.
    x5c: Given<Vec<String>>,
}

/// How assertions are encrypted.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AssertionEncryptionRequest"))]
#[serde(rename_all = "camelCase", default)]
struct EncryptionBody {
    enabled: Given<bool>,
    /// `AES256_GCM` when absent, or `AES128_GCM`.
    encryption_algorithm: Given<String>,
    /// `RSA_OAEP`
    key_transport_algorithm: Given<String>,
    /// One certificate, DER in base64.
    x5c: Given<Vec<String>>,
}

/// The members of an item of `inlineHooks`.
const HOOK: Members = Members { taken: &["id", "when", "enabled"], read_only: &["_links"], refused: &[] };
const STATEMENT: Members = Members {
    taken: &["type", "name", "namespace", "values", "filterType", "filterValue"],
    read_only: &[],
    refused: &[],
};
const ENDPOINT: Members = Members { taken: &["url", "index"], read_only: &[], refused: &[] };

/// One text for each member of an item of a list that is not supported.
pub(super) fn unsupported_of_items(body: &Value) -> impl Iterator<Item = String> {
    let lists = [
        (HOOK, "/settings/signOn/inlineHooks"),
        (STATEMENT, "/settings/signOn/attributeStatements"),
        (ENDPOINT, "/settings/signOn/acsEndpoints"),
    ];
    lists.into_iter().flat_map(|(members, pointer)| members.problems_of_items(body, pointer))
}

impl SignOnBody {
    pub(super) fn into_request(self) -> SignOnRequest {
        let statement = |it: AttributeStatementBody| AttributeStatementRequest {
            kind: it.kind,
            name: it.name,
            namespace: it.namespace,
            values: it.values,
            filter_type: it.filter_type,
            filter_value: it.filter_value,
        };
        let hook = |it: HookBody| BindingRequest { inline_hook_id: it.id, when: it.when, enabled: it.enabled };
        let endpoint = |it: AcsEndpointBody| AcsEndpointRequest { url: it.url, index: it.index };
        SignOnRequest {
            default_relay_state: self.default_relay_state,
            sso_acs_url: self.sso_acs_url,
            idp_issuer: self.idp_issuer,
            audience: self.audience,
            recipient: self.recipient,
            destination: self.destination,
            overrides: [
                ("settings.signOn.ssoAcsUrlOverride", self.sso_acs_url_override),
                ("settings.signOn.audienceOverride", self.audience_override),
                ("settings.signOn.recipientOverride", self.recipient_override),
                ("settings.signOn.destinationOverride", self.destination_override),
            ],
            subject_name_id_template: self.subject_name_id_template,
            subject_name_id_format: self.subject_name_id_format,
            response_signed: self.response_signed,
            assertion_signed: self.assertion_signed,
            signature_algorithm: self.signature_algorithm,
            digest_algorithm: self.digest_algorithm,
            honor_force_authn: self.honor_force_authn,
            authn_context_class_ref: self.authn_context_class_ref,
            sp_issuer: self.sp_issuer,
            request_compressed: self.request_compressed,
            assertion_lifetime_seconds: self.saml_assertion_lifetime_seconds,
            attribute_statements: self.attribute_statements.map(|items| items.into_iter().map(statement).collect()),
            inline_hooks: self.inline_hooks.map(|items| items.into_iter().map(hook).collect()),
            allow_multiple_acs_endpoints: self.allow_multiple_acs_endpoints,
            acs_endpoints: self.acs_endpoints.map(|items| items.into_iter().map(endpoint).collect()),
            slo: SloRequest { enabled: self.slo.enabled, issuer: self.slo.issuer, logout_url: self.slo.logout_url },
            participate_slo: self.participate_slo.enabled,
            sp_certificates: self.sp_certificate.x5c,
            signed_requests: self.saml_signed_request_enabled,
            assertion_encryption: EncryptionRequest {
                enabled: self.assertion_encryption.enabled,
                encryption_algorithm: self.assertion_encryption.encryption_algorithm,
                key_transport_algorithm: self.assertion_encryption.key_transport_algorithm,
                certificates: self.assertion_encryption.x5c,
            },
        }
    }
}
