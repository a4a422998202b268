//! Settings of TLS connections: trusted certificates, and our client certificate.

use std::sync::Arc;

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::ParsedCertificate,
};
use tenterhook_contract::hook::ClientCertificate;

use crate::{
    TransportError, certificate,
    verifier::{Trust, Verifier},
};

/// The machine's trusted authorities and `extra_ca_pem`.
pub(crate) fn machine_trust(extra_ca_pem: &[Vec<u8>]) -> Result<Trust, TransportError> {
    let mut trust = Trust { roots: RootCertStore::empty(), listed: Vec::new() };
    // On a machine without a certificate store, services of the extra anchors can still be called.
    let native = rustls_native_certs::load_native_certs();
    trust.roots.add_parsable_certificates(native.certs);
    for pem in extra_ca_pem {
        add(&mut trust, pem)?;
    }
    Ok(trust)
}

/// Exactly these certificates.
pub(crate) fn trust_of(pem: &[u8]) -> Result<Trust, TransportError> {
    let mut trust = Trust { roots: RootCertStore::empty(), listed: Vec::new() };
    add(&mut trust, pem)?;
    Ok(trust)
}

fn add(trust: &mut Trust, pem: &[u8]) -> Result<(), TransportError> {
    let certificates = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    let certificates = certificates.map_err(|error| TransportError::TrustAnchor(error.to_string()))?;
    if certificates.is_empty() {
        return Err(TransportError::TrustAnchor("there is no PEM certificate".to_owned()));
    }
    for certificate in certificates {
        // webpki treats every anchor as an authority: a service's own certificate among them could sign certificates of
        // any host.
        let usable = if certificate::is_authority(&certificate) {
            trust.roots.add(certificate.clone())
        } else {
            ParsedCertificate::try_from(&certificate).map(drop)
        };
        usable.map_err(|error| TransportError::TrustAnchor(error.to_string()))?;
        trust.listed.push(certificate);
    }
    Ok(())
}

/// The client side of TLS 1.2 and 1.3, with HTTP/2 offered before HTTP/1.1.
pub(crate) fn client_config(
    trust: Arc<Trust>,
    client: Option<&ClientCertificate>,
) -> Result<ClientConfig, TransportError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = Arc::new(Verifier::new(trust, &provider));
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match client {
        None => builder.with_no_client_auth(),
        Some(client) => {
            // The library's messages say what is wrong and never contain the key.
            let refuse = |what: String| TransportError::ClientCertificate(what);
            let chain = CertificateDer::pem_slice_iter(client.certificates.as_bytes()).collect::<Result<Vec<_>, _>>();
            let chain = chain.map_err(|_| refuse("the certificate is not valid PEM".to_owned()))?;
            let key = PrivateKeyDer::from_pem_slice(client.key.expose().as_bytes());
            let key = key.map_err(|_| refuse("the key is not valid PEM".to_owned()))?;
            builder.with_client_auth_cert(chain, key).map_err(|error| refuse(error.to_string()))?
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
