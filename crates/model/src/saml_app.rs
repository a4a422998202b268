//! SAML apps: service providers that users sign on to with an assertion.

use serde::{Deserialize, Serialize};
use tenterhook_contract::{
    Timestamp,
    binding::HookBinding,
    id::{AppId, PolicyId},
};

use crate::{AppHide, AppTold, GroupFilter, Status, Template, UserNameTemplate};

/// A SAML 2.0 app.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "members of the vendor's resource, none of which bears on another")]
pub struct SamlApp {
    /// The id.
    pub id: AppId,
    /// The key in URLs and in the entity id of the identity provider for this app: `exk` and 17 characters.
    pub external_key: String,
    /// The name in URLs, unique in the org, made of the label: `benefits_1`.
    pub name: String,
    /// The name for people.
    pub label: String,
    /// In use or not.
    pub status: Status,
    /// Whether users may use it without an assignment.
    pub implicit_assignment: bool,
    /// Where it is hidden.
    pub hide: AppHide,
    /// How a user is named at the app.
    pub user_name: UserNameTemplate,
    /// The key that signs.
    pub signing_kid: String,
    /// The entity id of the identity provider, if it is not the one that is made of the external key. `${org.externalKey}`
    /// stands for that key.
    pub idp_issuer: Option<String>,
    /// The assertion consumer service that gets responses when a request names none (`ssoAcsUrl`).
    pub acs_url: String,
    /// `Recipient` of the subject confirmation; as a rule the same.
    pub recipient: String,
    /// `Destination` of the response; as a rule the same.
    pub destination: String,
    /// The other assertion consumer services.
    pub acs_endpoints: Vec<AcsEndpoint>,
    /// The audience: as a rule the service provider's entity id.
    pub audience: String,
    /// The service provider's issuer (`spIssuer`), told to clients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sp_issuer: Option<String>,
    /// `RelayState` of a sign-on that the identity provider begins.
    pub default_relay_state: Option<String>,
    /// The text of the name identifier.
    pub subject_name_id_template: Template,
    /// Its format.
    pub subject_name_id_format: NameIdFormat,
    /// Whether the response is signed.
    pub response_signed: bool,
    /// Whether the assertion is signed.
    pub assertion_signed: bool,
    /// Whether a request's `ForceAuthn` is honoured.
    pub honor_force_authn: bool,
    /// `AuthnContextClassRef` of assertions.
    pub authn_context_class_ref: String,
    /// Whether a request must be compressed (`requestCompressed`): told to clients, and accepted either way.
    pub request_compressed: bool,
    /// Seconds that an assertion is valid (`samlAssertionLifetimeSeconds`).
    pub assertion_lifetime_seconds: u32,
    /// The statements of the assertion.
    pub attribute_statements: Vec<AttributeStatement>,
    /// Single logout.
    pub single_logout: Option<SingleLogout>,
    /// Certificates of the service provider (`spCertificate.x5c`), DER in base64: they verify its requests.
    pub sp_certificates: Vec<String>,
    /// Whether requests must be signed (`samlSignedRequestEnabled`).
    pub signed_requests: bool,
    /// How the assertion is encrypted.
    pub encryption: Option<Encryption>,
    /// The SAML hooks, in the order in which they run.
    pub hooks: Vec<HookBinding>,
    /// What only people and clients read.
    #[serde(default)]
    pub told: AppTold,
    /// The profile enrollment policy of its people; the org's default one when there is none, or it was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enrollment_policy: Option<PolicyId>,
    /// When it was created.
    pub created: Timestamp,
    /// When it was last changed.
    pub last_updated: Timestamp,
}

impl SamlApp {
    /// Whether every template and expression is one of this version; others are null.
    pub fn is_readable(&self) -> bool {
        let of_statement = |statement: &AttributeStatement| match &statement.source {
            AttributeSource::Expression { values } => values.iter().all(Template::is_readable),
            AttributeSource::Group(_) => true,
        };
        self.user_name.template.is_readable()
            && self.subject_name_id_template.is_readable()
            && self.attribute_statements.iter().all(of_statement)
    }
}

/// An assertion consumer service of an app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcsEndpoint {
    /// Its URL.
    pub url: String,
    /// The index by which requests name it.
    pub index: u16,
}

/// The format of a name identifier (SAML core 8.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NameIdFormat {
    /// `urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified`
    Unspecified,
    /// `urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress`
    EmailAddress,
    /// `urn:oasis:names:tc:SAML:1.1:nameid-format:x509SubjectName`
    X509SubjectName,
    /// `urn:oasis:names:tc:SAML:2.0:nameid-format:persistent`
    Persistent,
    /// `urn:oasis:names:tc:SAML:2.0:nameid-format:transient`
    Transient,
}

impl NameIdFormat {
    /// Every format.
    pub const ALL: [Self; 5] =
        [Self::Unspecified, Self::EmailAddress, Self::X509SubjectName, Self::Persistent, Self::Transient];

    /// Its URI.
    pub fn uri(self) -> &'static str {
        match self {
            Self::Unspecified => "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified",
            Self::EmailAddress => "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress",
            Self::X509SubjectName => "urn:oasis:names:tc:SAML:1.1:nameid-format:x509SubjectName",
            Self::Persistent => "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent",
            Self::Transient => "urn:oasis:names:tc:SAML:2.0:nameid-format:transient",
        }
    }

    /// The format with this URI.
    ///
    /// ```
    /// use tenterhook_model::NameIdFormat;
    /// assert!(NameIdFormat::ALL.iter().all(|format| NameIdFormat::of_uri(format.uri()) == Some(*format)));
    /// ```
    pub fn of_uri(uri: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.uri() == uri)
    }
}

/// An attribute statement of an app's assertions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AttributeStatement {
    /// The attribute's name.
    pub name: String,
    /// `NameFormat`, a URI.
    pub name_format: String,
    /// Where its values come from.
    pub source: AttributeSource,
}

/// Where the values of an attribute come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AttributeSource {
    /// One value for each expression.
    Expression {
        /// The expressions.
        values: Vec<Template>,
    },
    /// The names of the user's groups that pass the filter.
    Group(GroupFilter),
}

/// Single logout of an app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SingleLogout {
    /// The service provider's issuer in logout requests.
    pub issuer: String,
    /// Where logout requests and responses are sent.
    pub logout_url: String,
}

/// The cipher of the content of an encrypted assertion (XML Encryption 1.1 section 5.2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ContentCipher {
    /// AES-GCM with a key of 128 bits.
    #[serde(rename = "AES128_GCM")]
    Aes128Gcm,
    /// AES-GCM with a key of 256 bits.
    #[serde(rename = "AES256_GCM")]
    Aes256Gcm,
}

impl ContentCipher {
    /// Every one.
    pub const ALL: [Self; 2] = [Self::Aes128Gcm, Self::Aes256Gcm];

    /// As the vendor calls it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Aes128Gcm => "AES128_GCM",
            Self::Aes256Gcm => "AES256_GCM",
        }
    }

    /// The cipher that the vendor calls by this name.
    ///
    /// ```
    /// use tenterhook_model::ContentCipher;
    /// assert!(ContentCipher::ALL.iter().all(|cipher| ContentCipher::of_name(cipher.as_str()) == Some(*cipher)));
    /// ```
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cipher| cipher.as_str() == name)
    }
}

/// How an assertion is encrypted (XML Encryption 1.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Encryption {
    /// The cipher of the content.
    pub algorithm: ContentCipher,
    /// The service provider's certificate, DER in base64.
    pub certificate: String,
}
