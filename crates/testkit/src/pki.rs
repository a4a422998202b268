//! A private PKI: a certificate authority, and certificates for test services.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, Error, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    date_time_ymd,
};
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
    server::WebPkiClientVerifier,
};

/// The kind of a service's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certificate {
    /// Valid, for `localhost`.
    Good,
    /// It ended in 2001.
    Expired,
    /// It is for `other.example`.
    WrongName,
    /// It begins in 2999.
    NotYetValid,
    /// No authority has signed it.
    SelfSigned,
    /// No authority has signed it, and it says that it is one itself, as `openssl req -x509` makes them.
    SelfSignedAuthority,
    /// The same, ended in 2001.
    ExpiredSelfSignedAuthority,
    /// An intermediate authority has signed it, whose certificate the service sends.
    WithIntermediate,
    /// An intermediate authority has signed it, whose certificate the service does not send.
    WithoutIntermediate,
    /// An intermediate authority has signed it, whose certificate the service sends, and which ended in 2001.
    WithExpiredIntermediate,
    /// No authority has signed it, it says that it is one, and that it is for clients.
    ClientAuthority,
    /// The holder of another service's certificate has signed it, which the service sends.
    ByLeaf,
}

/// A service's TLS configuration, and the certificate that it presents.
pub struct Shown {
    /// The TLS side.
    pub config: Arc<ServerConfig>,
    /// The certificate, PEM.
    pub pem: String,
    /// The additional certificate that the service sends, PEM.
    pub issuer_pem: Option<String>,
}

/// Common name of the authority.
pub const AUTHORITY_NAME: &str = "Lab Root";
/// Common name of the intermediate authority.
pub const INTERMEDIATE_NAME: &str = "Lab Intermediate";

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
        Ok(Self { issuer: CertifiedIssuer::self_signed(authority(AUTHORITY_NAME)?, KeyPair::generate()?)? })
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
        self.shown(certificate).map(|shown| shown.config)
    }

    /// The TLS side of a service that shows this certificate, and the certificate.
    ///
    /// # Errors
    /// When the cryptography library fails.
    pub fn shown(&self, certificate: Certificate) -> Result<Shown, Error> {
        let name = if certificate == Certificate::WrongName { "other.example" } else { "localhost" };
        let mut params = CertificateParams::new(vec![name.to_owned()])?;
        params.distinguished_name.push(DnType::CommonName, name);
        match certificate {
            Certificate::Expired | Certificate::ExpiredSelfSignedAuthority => {
                params.not_before = date_time_ymd(2000, 1, 1);
                params.not_after = date_time_ymd(2001, 1, 1);
            }
            Certificate::NotYetValid => params.not_before = date_time_ymd(2999, 1, 1),
            _ => {}
        }
        if certificate == Certificate::ClientAuthority {
            params.extended_key_usages.push(ExtendedKeyUsagePurpose::ClientAuth);
        }
        let authorities =
            [Certificate::SelfSignedAuthority, Certificate::ExpiredSelfSignedAuthority, Certificate::ClientAuthority];
        if authorities.contains(&certificate) {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        let key = KeyPair::generate()?;
        let (mut chain, mut issuer_pem) = (Vec::new(), None);
        let signed = match certificate {
            Certificate::SelfSigned => params.self_signed(&key)?,
            _ if authorities.contains(&certificate) => params.self_signed(&key)?,
            Certificate::WithIntermediate
            | Certificate::WithoutIntermediate
            | Certificate::WithExpiredIntermediate
            | Certificate::ByLeaf => {
                let mut issuer = authority(INTERMEDIATE_NAME)?;
                match certificate {
                    Certificate::WithExpiredIntermediate => {
                        issuer.not_before = date_time_ymd(2000, 1, 1);
                        issuer.not_after = date_time_ymd(2001, 1, 1);
                    }
                    Certificate::ByLeaf => issuer.is_ca = IsCa::ExplicitNoCa,
                    _ => {}
                }
                let issuer = CertifiedIssuer::signed_by(issuer, KeyPair::generate()?, &self.issuer)?;
                if certificate != Certificate::WithoutIntermediate {
                    chain.push(issuer.der().clone());
                    issuer_pem = Some(issuer.pem());
                }
                params.signed_by(&key, &issuer)?
            }
            _ => params.signed_by(&key, &self.issuer)?,
        };
        chain.insert(0, signed.der().clone());
        Ok(Shown { config: self.config(chain, &key, false)?, pem: signed.pem(), issuer_pem })
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

/// The parameters of an authority with this name.
fn authority(name: &str) -> Result<CertificateParams, Error> {
    let mut params = CertificateParams::new(Vec::<String>::new())?;
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    Ok(params)
}
