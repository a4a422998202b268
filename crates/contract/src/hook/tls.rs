//! TLS settings of a hook: the additional member `tls` of the resource. The vendor's clients do not know it, and their
//! PUT keeps it.

use serde_json::{Map, Value, json};

use super::{HookInvalid, body::Causes};
use crate::{Secret, members::Members};

/// Bytes of a certificate bundle, and of a key.
const PEM_BYTES_MAX: usize = 64 * 1_024;
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";
const INVALID: &str = "The field must be text in PEM form";

/// Settings of the TLS connection of one hook.
///
/// ```
/// use serde_json::json;
/// use tenterhook_contract::hook::HookTls;
/// let ca = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
/// let tls = HookTls::read(&json!({ "caCertificates": ca })).unwrap();
/// assert_eq!(tls.ca_certificates.as_deref(), Some(ca));
/// assert!(HookTls::read(&json!({ "clientCertificate": ca })).is_err(), "a certificate needs its key");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HookTls {
    /// The only authorities that may issue the service's certificate, PEM; those of the machine when absent.
    pub ca_certificates: Option<String>,
    /// The client certificate of Tenterhook.
    pub client: Option<ClientCertificate>,
}

/// The members that a body may have.
const MEMBERS: Members =
    Members { taken: &["caCertificates", "clientCertificate", "clientKey"], read_only: &[], refused: &[] };

/// A client certificate with its key (mutual TLS, RFC 8446 section 4.4.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The certificate and its intermediate certificates, PEM.
    pub certificates: String,
    /// The private key, PEM.
    pub key: Secret,
}

impl HookTls {
    /// Reads a body. The TLS library checks whether certificates and key belong together.
    ///
    /// # Errors
    /// One cause for each member that cannot be used.
    pub fn read(body: &Value) -> Result<Self, HookInvalid> {
        if let Some(problem) = MEMBERS.problems(body).into_iter().next() {
            return Err(HookInvalid { subject: "tls".to_owned(), causes: vec![problem] });
        }
        let mut causes = Causes::default();
        let ca_certificates = text(body, "caCertificates", "tls.caCertificates", Some(CERTIFICATE), &mut causes);
        let certificates = text(body, "clientCertificate", "tls.clientCertificate", Some(CERTIFICATE), &mut causes);
        let key = text(body, "clientKey", "tls.clientKey", None, &mut causes);
        let client = match (certificates, key) {
            (Some(certificates), Some(key)) => Some(ClientCertificate { certificates, key: Secret::new(key) }),
            (None, None) => None,
            (Some(_), None) => {
                causes.add("tls.clientKey", "The field cannot be left blank");
                None
            }
            (None, Some(_)) => {
                causes.add("tls.clientCertificate", "The field cannot be left blank");
                None
            }
        };
        if causes.is_empty() && ca_certificates.is_none() && client.is_none() {
            causes.add("tls", "Give `caCertificates`, or `clientCertificate` and `clientKey`, or DELETE the settings");
        }
        if causes.is_empty() { Ok(Self { ca_certificates, client }) } else { Err(causes.into_invalid()) }
    }

    /// The members that may be shown.
    pub(super) fn to_json(&self) -> Value {
        let mut shown = Map::new();
        if let Some(pem) = &self.ca_certificates {
            shown.insert("caCertificates".to_owned(), json!(pem));
        }
        if let Some(client) = &self.client {
            shown.insert("clientCertificate".to_owned(), json!(client.certificates));
        }
        Value::Object(shown)
    }
}

fn text(body: &Value, name: &str, field: &'static str, contains: Option<&str>, causes: &mut Causes) -> Option<String> {
    match body.get(name) {
        None | Some(Value::Null) => None,
        Some(Value::String(pem)) if pem.len() <= PEM_BYTES_MAX && pem.contains(contains.unwrap_or("-----BEGIN ")) => {
            Some(pem.clone())
        }
        Some(_) => {
            causes.add(field, INVALID);
            None
        }
    }
}
