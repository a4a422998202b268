//! Signed bodies and TLS settings of a hook.

use aws_lc_rs::{
    digest::{SHA256, digest},
    signature::{Ed25519KeyPair, KeyPair as _},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use tenterhook_contract::{
    Secret, Timestamp,
    hook::{
        ClientCertificate, HookTls, InlineHook, SIGNING_KEY_BYTES, SIGNING_SECRETS_MAX, SigningScheme, SigningSecret,
    },
};
use tenterhook_platform::{OrgSnapshot, Platform, entropy::random_bytes};
use tenterhook_store::StoreError;

use crate::{
    administrator::{Administrator, ManagementError, org_of},
    hooks::{MODEL, find},
    request::{BLANK, Causes, Given, Submitted, none_of},
    resource::{self, Change, Done},
};

/// Bytes of a certificate bundle, and of a key.
const PEM_BYTES_MAX: usize = 64 * 1_024;
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";
const ANY_PEM: &str = "-----BEGIN ";

/// What a request says of a new signing key.
#[derive(Clone, Debug, Default)]
pub struct SigningRequest {
    /// `v1` for HMAC, the default, or `v1a` for Ed25519.
    pub version: Given<String>,
}

/// A signing key that was made just now.
#[derive(Clone, Debug)]
pub struct NewSigningKey {
    /// The key.
    pub key: SigningSecret,
    /// The public key that services verify with, of an Ed25519 key.
    pub public: Option<VerificationKey>,
    /// How many keys sign.
    pub count: usize,
}

/// An Ed25519 public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerificationKey {
    /// The key, base64url.
    pub x: String,
    /// Its thumbprint (RFC 7638 section 3, RFC 8037 section 2).
    pub id: String,
}

/// What a request says of the TLS settings of a hook.
#[derive(Clone, Default)]
pub struct TlsRequest {
    /// PEM of the only authorities that may issue the service's certificate.
    pub ca_certificates: Given<String>,
    /// PEM of the client certificate.
    pub client_certificate: Given<String>,
    /// PEM of its key.
    pub client_key: Given<Secret>,
}

/// Gives the hook a new signing key; the previous one stays valid. The secret of an HMAC key is shown only here; of an
/// Ed25519 key only the public half is shown.
pub async fn rotate_signing_key(
    platform: &Platform,
    administrator: &Administrator,
    id: &str,
    submitted: &Submitted<SigningRequest>,
) -> Result<NewSigningKey, ManagementError> {
    find(&*org_of(platform, administrator)?, id)?;
    let (now, key) = (platform.now(), random_bytes::<SIGNING_KEY_BYTES>(platform.entropy()));
    submitted.refuse_unsupported("signing")?;
    let scheme = match &submitted.request.version {
        Given::Absent => SigningScheme::Hmac,
        Given::Is(version) if version == "v1" => SigningScheme::Hmac,
        Given::Is(version) if version == "v1a" => SigningScheme::Ed25519 { public_key: public(&key)? },
        Given::Is(_) | Given::Wrong => {
            return Err(ManagementError::field("version", &none_of(["v1", "v1a"])));
        }
    };
    let key = SigningSecret::new(scheme, key, now);
    let hook = secure(platform, administrator, id, now, |hook| {
        // The previous key stays valid until the next rotation; older keys are removed.
        let kept = hook.signing.iter().take(SIGNING_SECRETS_MAX - 1).cloned();
        let signing = [key.clone()].into_iter().chain(kept).collect();
        InlineHook { signing, ..hook.clone() }
    })
    .await?;
    Ok(NewSigningKey { public: verification_key(&key), key, count: hook.signing.len() })
}

/// Removes the older signing key, which ends the rotation. Without an older one it changes nothing.
pub async fn retire_signing_key(
    platform: &Platform,
    administrator: &Administrator,
    id: &str,
) -> Result<(), ManagementError> {
    keep_signing_keys(platform, administrator, id, 1).await
}

/// Stops signing bodies.
pub async fn stop_signing(platform: &Platform, administrator: &Administrator, id: &str) -> Result<(), ManagementError> {
    keep_signing_keys(platform, administrator, id, 0).await
}

/// Keeps the newest `count` signing keys of a hook.
async fn keep_signing_keys(
    platform: &Platform,
    administrator: &Administrator,
    id: &str,
    count: usize,
) -> Result<(), ManagementError> {
    let kept = |hook: &InlineHook| {
        let signing = hook.signing.iter().take(count).cloned().collect();
        InlineHook { signing, ..hook.clone() }
    };
    secure(platform, administrator, id, platform.now(), kept).await.map(drop)
}

/// The public keys that verify a hook's signatures (RFC 7517, RFC 8037), the newest first. Needs no token: public
/// keys are public, and the id of a hook is sent to its service.
pub fn verification_keys(org: &OrgSnapshot, id: &str) -> Result<Vec<VerificationKey>, ManagementError> {
    Ok(find(org, id)?.signing.iter().filter_map(verification_key).collect())
}

/// Sets the TLS settings of a hook.
pub async fn set_tls(
    platform: &Platform,
    administrator: &Administrator,
    id: &str,
    submitted: &Submitted<TlsRequest>,
) -> Result<InlineHook, ManagementError> {
    find(&*org_of(platform, administrator)?, id)?;
    let tls = read_tls(submitted)?;
    let usable = platform.transport().check_tls(&tls);
    usable.map_err(|failure| ManagementError::field("tls", &failure.to_string()))?;
    let with_tls = |hook: &InlineHook| InlineHook { tls: tls.clone(), ..hook.clone() };
    secure(platform, administrator, id, platform.now(), with_tls).await
}

/// Removes the TLS settings of a hook.
pub async fn reset_tls(platform: &Platform, administrator: &Administrator, id: &str) -> Result<(), ManagementError> {
    let without_tls = |hook: &InlineHook| InlineHook { tls: HookTls::default(), ..hook.clone() };
    secure(platform, administrator, id, platform.now(), without_tls).await.map(drop)
}

/// Reads TLS settings. The TLS library checks whether certificates and key belong together.
fn read_tls(submitted: &Submitted<TlsRequest>) -> Result<HookTls, ManagementError> {
    submitted.refuse_unsupported("tls")?;
    let mut causes = Causes::none(MODEL);
    let TlsRequest { ca_certificates, client_certificate, client_key } = &submitted.request;
    let ca_certificates = pem("tls.caCertificates", ca_certificates, String::as_str, CERTIFICATE, &mut causes);
    let certificates = pem("tls.clientCertificate", client_certificate, String::as_str, CERTIFICATE, &mut causes);
    let key = pem("tls.clientKey", client_key, Secret::expose, ANY_PEM, &mut causes);
    let client = match (certificates, key) {
        (Some(certificates), Some(key)) => Some(ClientCertificate { certificates, key }),
        (None, None) => None,
        (Some(_), None) => {
            causes.add("tls.clientKey", BLANK);
            None
        }
        (None, Some(_)) => {
            causes.add("tls.clientCertificate", BLANK);
            None
        }
    };
    if causes.is_empty() && ca_certificates.is_none() && client.is_none() {
        causes.add("tls", "Give `caCertificates`, or `clientCertificate` and `clientKey`, or DELETE the settings");
    }
    if causes.is_empty() { Ok(HookTls { ca_certificates, client }) } else { Err(causes.into_error()) }
}

/// A text in PEM form that contains `label`.
fn pem<T: Clone>(
    member: &str,
    given: &Given<T>,
    text: impl Fn(&T) -> &str,
    label: &str,
    causes: &mut Causes,
) -> Option<T> {
    match given {
        Given::Absent => None,
        Given::Is(pem) if text(pem).len() <= PEM_BYTES_MAX && text(pem).contains(label) => Some(pem.clone()),
        Given::Is(_) | Given::Wrong => {
            causes.add(member, "The field must be text in PEM form");
            None
        }
    }
}

/// Changes the hook's signing keys or TLS settings; a hook that has them so already stays as it is.
async fn secure(
    platform: &Platform,
    administrator: &Administrator,
    id: &str,
    now: Timestamp,
    changed: impl Fn(&InlineHook) -> InlineHook,
) -> Result<InlineHook, ManagementError> {
    resource::changed(platform, administrator, Done::Updated, |org| {
        let stored = find(org, id)?;
        let hook = changed(stored);
        if hook == *stored {
            return Ok(Change::none(hook));
        }
        Ok(Change::put(InlineHook { last_updated: now.whole_seconds(), ..hook }))
    })
    .await
}

fn public(seed: &[u8; SIGNING_KEY_BYTES]) -> Result<[u8; SIGNING_KEY_BYTES], ManagementError> {
    let pair = Ed25519KeyPair::from_seed_unchecked(seed).ok();
    let public = pair.and_then(|pair| pair.public_key().as_ref().try_into().ok());
    public.ok_or_else(|| StoreError::Database("making a signing key failed".to_owned()).into())
}

fn verification_key(key: &SigningSecret) -> Option<VerificationKey> {
    let SigningScheme::Ed25519 { public_key } = key.scheme() else { return None };
    let x = URL_SAFE_NO_PAD.encode(public_key);
    let members = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    let id = URL_SAFE_NO_PAD.encode(digest(&SHA256, members.as_bytes()));
    Some(VerificationKey { x, id })
}
