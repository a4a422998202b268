//! A private PKI: a certificate authority and the certificates that services of tests show.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, Error, IsCa, KeyPair, date_time_ymd};
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
    server::WebPkiClientVerifier,
};

/// What is wrong with a service's certificate, if anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certificate {
    /// Nothing, for `localhost`.
    Good,
    /// It ended in 2001.
    Expired,
    /// It is for `other.example`.
    WrongName,
    /// No authority has signed it.
    SelfSigned,
}

/// A certificate authority of a test's own.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    /// A new authority.
    ///
    /// # Errors
    /// When the cryptography library fails.
    pub fn new() -> Result<Self, Error> {
        let mut params = CertificateParams::new(Vec::<String>::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Ok(Self { issuer: CertifiedIssuer::self_signed(params, KeyPair::generate()?)? })
    }

    /// The authority's certificate, to be trusted.
    pub fn pem(&self) -> Vec<u8> {
        self.issuer.pem().into_bytes()
    }

    /// The TLS side of a service that shows this certificate.
    ///
    /// # Errors
    /// When the cryptography library fails.
    pub fn server(&self, certificate: Certificate) -> Result<Arc<ServerConfig>, Error> {
        let name = if certificate == Certificate::WrongName { "other.example" } else { "localhost" };
        let mut params = CertificateParams::new(vec![name.to_owned()])?;
        if certificate == Certificate::Expired {
            params.not_before = date_time_ymd(2000, 1, 1);
            params.not_after = date_time_ymd(2001, 1, 1);
        }
        let key = KeyPair::generate()?;
        let signed = match certificate {
            Certificate::SelfSigned => params.self_signed(&key)?,
            _ => params.signed_by(&key, &self.issuer)?,
        };
        self.config(vec![signed.der().clone()], &key, false)
    }

    /// The TLS side of a service that wants a client certificate of this authority.
    ///
    /// # Errors
    /// When the cryptography library fails.
    pub fn mutual_server(&self) -> Result<Arc<ServerConfig>, Error> {
        let key = KeyPair::generate()?;
        let signed = CertificateParams::new(vec!["localhost".to_owned()])?.signed_by(&key, &self.issuer)?;
        self.config(vec![signed.der().clone()], &key, true)
    }

    /// A client certificate of this authority and its key, PEM.
    ///
    /// # Errors
    /// When the cryptography library fails.
    pub fn client(&self) -> Result<(String, String), Error> {
        let key = KeyPair::generate()?;
        let signed = CertificateParams::new(vec!["tenterhook.example".to_owned()])?.signed_by(&key, &self.issuer)?;
        Ok((signed.pem(), key.serialize_pem()))
    }

    fn config(
        &self,
        chain: Vec<CertificateDer<'static>>,
        key: &KeyPair,
        mutual: bool,
    ) -> Result<Arc<ServerConfig>, Error> {
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let unusable = |_| Error::CouldNotParseKeyPair;
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(unusable)?;
        let builder = if mutual {
            let mut roots = RootCertStore::empty();
            roots.add(self.issuer.der().clone()).map_err(unusable)?;
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.map_err(|_| Error::CouldNotParseCertificate)?)
        } else {
            builder.with_no_client_auth()
        };
        builder.with_single_cert(chain, key).map(Arc::new).map_err(unusable)
    }
}
