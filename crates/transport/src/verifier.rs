//! Verifies services' certificates, and explains why one is not trusted.

use std::{fmt, sync::Arc};

use rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
    client::{
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor, verify_server_name,
    },
    crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::ParsedCertificate,
};
use webpki::EndEntityCert;

use crate::certificate::{is_for_servers, name};

/// Most certificates of a chain that are followed to explain a failure.
const CHAIN_MAX: usize = 8;

/// The trusted authorities, and certificates listed in the configuration.
#[derive(Debug)]
pub(crate) struct Trust {
    /// The authorities, including listed ones.
    pub(crate) roots: RootCertStore,
    /// The listed certificates. A service may present one of them as its own, whether it is an authority's certificate
    /// or a leaf.
    pub(crate) listed: Vec<CertificateDer<'static>>,
}

/// Verifies the certificates of services.
pub(crate) struct Verifier {
    trust: Arc<Trust>,
    algorithms: WebPkiSupportedAlgorithms,
}

/// Why a certificate is not trusted, in words.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Untrusted(String);

impl Verifier {
    pub(crate) fn new(trust: Arc<Trust>, provider: &CryptoProvider) -> Self {
        Self { trust, algorithms: provider.signature_verification_algorithms }
    }

    fn lists(&self, certificate: &CertificateDer<'_>) -> bool {
        self.trust.listed.iter().any(|listed| listed.as_ref() == certificate.as_ref())
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Verifier").field("listed", &self.trust.listed.len()).finish_non_exhaustive()
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let certificate = ParsedCertificate::try_from(end_entity)?;
        let listed = self.lists(end_entity);
        let nobody = RootCertStore::empty();
        // A listed certificate needs no issuer, so other certificates that the service sends are not checked.
        let (roots, intermediates) = if listed { (&nobody, &[][..]) } else { (&self.trust.roots, intermediates) };
        let algorithms = self.algorithms.all;
        match verify_server_cert_signed_by_trust_anchor(&certificate, roots, intermediates, now, algorithms) {
            Ok(()) => {}
            // Its dates and its use are valid: the library checks them before it looks for the issuer.
            Err(error) if listed && is_unknown(&error) => {}
            // Its dates are valid; its use was not checked.
            Err(error) if listed && is_authority(&error) => {
                if !is_for_servers(end_entity) {
                    return Err(Error::InvalidCertificate(CertificateError::InvalidPurpose));
                }
            }
            Err(error) if is_authority(&error) => return Err(untrusted(authority_shown(end_entity))),
            Err(error) if is_unknown(&error) => return Err(untrusted(issuer_unknown(end_entity, intermediates))),
            Err(error) => return Err(error),
        }
        verify_server_name(&certificate, server_name)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Whether no trusted authority has the name of the certificate's issuer.
fn is_unknown(error: &Error) -> bool {
    matches!(error, Error::InvalidCertificate(CertificateError::UnknownIssuer))
}

/// Whether the service presents an authority's certificate as its own.
fn is_authority(error: &Error) -> bool {
    let Error::InvalidCertificate(CertificateError::Other(OtherError(other))) = error else { return false };
    matches!(other.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity))
}

fn untrusted(what: String) -> Error {
    Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(Untrusted(what)))))
}

fn authority_shown(certificate: &CertificateDer<'_>) -> String {
    let names = EndEntityCert::try_from(certificate).ok();
    let subject = names.map(|names| name(names.subject())).unwrap_or_default();
    format!(
        "its certificate `{subject}` is a CA certificate (CA:TRUE), which a service may show as its own only when exactly \
         this certificate is among those that are trusted"
    )
}

/// Finds where the chain that the service sent ends.
fn issuer_unknown(end_entity: &CertificateDer<'_>, intermediates: &[CertificateDer<'_>]) -> String {
    let sent: Vec<_> = intermediates.iter().filter_map(|der| EndEntityCert::try_from(der).ok()).collect();
    let Ok(first) = EndEntityCert::try_from(end_entity) else { return "its certificate is not trusted".to_owned() };
    let (mut last, mut length) = (&first, 1);
    while last.issuer() != last.subject() && length < CHAIN_MAX {
        let Some(next) = sent.iter().find(|certificate| certificate.subject() == last.issuer()) else { break };
        (last, length) = (next, length + 1);
    }
    let (subject, issuer) = (name(last.subject()), name(last.issuer()));
    match (last.issuer() == last.subject(), length) {
        (true, 1) => format!("its certificate `{subject}` is self-signed and not among those that are trusted"),
        (true, _) => format!("its chain ends at the authority `{subject}`, which is not among those that are trusted"),
        (false, _) => format!(
            "the certificate of the issuer `{issuer}` is neither sent nor trusted: either the service leaves an intermediate \
             certificate out of its chain, or its authority is not among those that are trusted"
        ),
    }
}
