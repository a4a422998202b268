//! Whom a connection trusts, and what is said of a certificate that it does not.

use std::{fmt, fmt::Write as _, sync::Arc};

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

/// Characters of a name in a certificate that a failure shows.
const NAME_CHARACTERS_MAX: usize = 100;
/// Certificates of a chain that are followed to explain a failure.
const CHAIN_MAX: usize = 8;

/// What is trusted: authorities, and the certificates that somebody has listed.
#[derive(Debug)]
pub(crate) struct Trust {
    /// The authorities, the listed certificates among them.
    pub(crate) roots: RootCertStore,
    /// The listed certificates. A service may show one of them as its own, whether it is an authority's or a leaf.
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
        let (roots, algorithms) = (&self.trust.roots, self.algorithms.all);
        match verify_server_cert_signed_by_trust_anchor(&certificate, roots, intermediates, now, algorithms) {
            Ok(()) => {}
            // Nobody need vouch for a certificate that was listed itself. Its dates are right: they are judged before
            // any of these errors.
            Err(error) if (is_authority(&error) || is_of_issuer(&error)) && self.lists(end_entity) => {}
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

/// Whether the certificate itself is in order, but not who has issued it.
fn is_of_issuer(error: &Error) -> bool {
    is_unknown(error) || matches!(error, Error::InvalidCertificate(CertificateError::BadSignature))
}

/// Whether nobody who is trusted has the name of the certificate's issuer.
fn is_unknown(error: &Error) -> bool {
    matches!(error, Error::InvalidCertificate(CertificateError::UnknownIssuer))
}

/// Whether the service shows the certificate of an authority as its own.
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

/// Where the chain ends that the service has sent.
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

/// A distinguished name for people: common name, organisation and unit, in the certificate's order. The service has chosen
/// it: what is not printable is left out.
fn name(der: &[u8]) -> String {
    let (mut text, mut rest) = (String::new(), der);
    while let Some((_, mut set, after)) = element(rest) {
        rest = after;
        while let Some((_, attribute, after)) = element(set) {
            set = after;
            let Some((_, kind, value)) = element(attribute) else { continue };
            let label = match kind {
                [0x55, 4, 3] => "CN",
                [0x55, 4, 10] => "O",
                [0x55, 4, 11] => "OU",
                _ => continue,
            };
            let Some((_, value, _)) = element(value) else { continue };
            let value: String = String::from_utf8_lossy(value).chars().filter(|c| !c.is_control()).collect();
            let separator = if text.is_empty() { "" } else { ", " };
            // Writing to a text does not fail.
            let _ = write!(text, "{separator}{label}={value}");
        }
    }
    text.chars().take(NAME_CHARACTERS_MAX).collect()
}

/// The first element of DER (X.690 section 8.1): its tag, its content, and what follows it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, der) = der.split_first()?;
    let (length, der) = der.split_first()?;
    let (length, der) = match length {
        0x81 => der.split_first().map(|(length, der)| (usize::from(*length), der))?,
        0x82 => der.split_first_chunk().map(|(length, der)| (usize::from(u16::from_be_bytes(*length)), der))?,
        short => (usize::from(*short), der),
    };
    let (content, rest) = der.split_at_checked(length)?;
    Some((*tag, content, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_shown_without_what_is_not_printable() {
        let attribute = |kind: u8, value: &[u8]| {
            let length = |more: usize| u8::try_from(value.len() + more).unwrap_or_default();
            [&[0x31, length(9), 0x30, length(7), 6, 3, 0x55, 4, kind, 0x0c, length(0)], value].concat()
        };
        let der = [attribute(6, b"DE"), attribute(10, b"Lab\n"), attribute(3, "Wurzel Ü".as_bytes())].concat();
        assert_eq!(name(&der), "O=Lab, CN=Wurzel Ü");
        assert_eq!(name(&attribute(3, &[b'x'; 110])).chars().count(), NAME_CHARACTERS_MAX);
        for broken in [&[][..], &[0x31], &[0x31, 0x81], &[0x31, 5, 0x30], &[0x31, 0x82, 1], &[0x31, 0xff, 1]] {
            assert_eq!(name(broken), "", "{broken:?}");
        }
    }
}
