//! TLS settings of a hook: the additional member `tls` of the resource. The vendor's clients do not know it, and their
//! PUT keeps it.

use crate::Secret;

/// Settings of the TLS connection of one hook.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HookTls {
    /// The only authorities that may issue the service's certificate, PEM; those of the machine when absent.
    pub ca_certificates: Option<String>,
    /// The client certificate of Tenterhook.
    pub client: Option<ClientCertificate>,
}

/// A client certificate with its key (mutual TLS, RFC 8446 section 4.4.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The certificate and its intermediate certificates, PEM.
    pub certificates: String,
    /// The private key, PEM.
    pub key: Secret,
}
