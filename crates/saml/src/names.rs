//! Names that the specifications give: namespaces, algorithms, bindings.

/// Namespace of assertions (SAML core 1.1).
pub(crate) const SAML: &str = "urn:oasis:names:tc:SAML:2.0:assertion";
/// Namespace of the protocol (SAML core 1.1).
pub(crate) const SAMLP: &str = "urn:oasis:names:tc:SAML:2.0:protocol";
/// Namespace of metadata (SAML metadata 1.1).
pub(crate) const MD: &str = "urn:oasis:names:tc:SAML:2.0:metadata";
/// Namespace of signatures (XML Signature 1.1 section 1.3).
pub(crate) const DS: &str = "http://www.w3.org/2000/09/xmldsig#";
/// Namespace of encryption (XML Encryption 1.1 section 1.3).
pub(crate) const XENC: &str = "http://www.w3.org/2001/04/xmlenc#";
/// Namespace of the built-in types of XML Schema.
pub(crate) const XS: &str = "http://www.w3.org/2001/XMLSchema";
/// Namespace of `xsi:type`.
pub(crate) const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// Exclusive canonicalization without comments: the algorithm, and the namespace of its parameters.
pub(crate) const EXCLUSIVE_C14N: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
/// The transform that leaves the signature itself out.
pub(crate) const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";
/// RSA with PKCS#1 v1.5 and SHA-256.
pub(crate) const RSA_SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";
/// The digest SHA-256.
pub(crate) const SHA256: &str = "http://www.w3.org/2001/04/xmlenc#sha256";

/// The binding HTTP POST (SAML bindings 3.5).
pub const BINDING_HTTP_POST: &str = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST";
/// The binding HTTP Redirect (SAML bindings 3.4).
pub const BINDING_HTTP_REDIRECT: &str = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect";

/// An algorithm of a signature that is accepted: RSA with PKCS#1 v1.5 or ECDSA, with SHA-256 or better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureAlgorithm {
    /// RSA with SHA-256; the one with which we sign.
    RsaSha256,
    /// RSA with SHA-384.
    RsaSha384,
    /// RSA with SHA-512.
    RsaSha512,
    /// ECDSA with SHA-256.
    EcdsaSha256,
    /// ECDSA with SHA-384.
    EcdsaSha384,
    /// ECDSA with SHA-512.
    EcdsaSha512,
}

impl SignatureAlgorithm {
    const ALL: [Self; 6] =
        [Self::RsaSha256, Self::RsaSha384, Self::RsaSha512, Self::EcdsaSha256, Self::EcdsaSha384, Self::EcdsaSha512];

    /// Its URI (RFC 6931 section 2.3).
    pub fn uri(self) -> &'static str {
        match self {
            Self::RsaSha256 => RSA_SHA256,
            Self::RsaSha384 => "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384",
            Self::RsaSha512 => "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512",
            Self::EcdsaSha256 => "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256",
            Self::EcdsaSha384 => "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384",
            Self::EcdsaSha512 => "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512",
        }
    }

    /// The algorithm with this URI; `None` for one that is not accepted.
    ///
    /// ```
    /// use tenterhook_saml::SignatureAlgorithm;
    /// let of_uri = |name| SignatureAlgorithm::of_uri(&format!("http://www.w3.org/2001/04/xmldsig-more#{name}"));
    /// assert_eq!(of_uri("rsa-sha256"), Some(SignatureAlgorithm::RsaSha256));
    /// assert_eq!(of_uri("rsa-md5"), None);
    /// ```
    pub fn of_uri(uri: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.uri() == uri)
    }
}

/// Whether a digest is accepted: SHA-256 or better (XML Signature 1.1 section 6.2, RFC 6931 section 2.1).
pub(crate) fn is_digest(uri: &str) -> bool {
    matches!(uri, SHA256 | "http://www.w3.org/2001/04/xmldsig-more#sha384" | "http://www.w3.org/2001/04/xmlenc#sha512")
}
