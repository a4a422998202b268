//! Signing keys and TLS settings of an inline hook.

use axum::Json;
use serde::{Deserialize, Serialize};
use tenterhook_contract::Secret;
use tenterhook_management::{
    hook_security::{self, NewSigningKey, SigningRequest, TlsRequest, VerificationKey},
    request::Given,
};

use super::{
    super::{
        answer::NoContent,
        call::{Anybody, Body, Call, NoBody, OptionalBody, ResourceBody},
        members::Members,
    },
    answer::{HookAnswer, SigningVersion},
    shown,
};
use crate::error::ApiError;

/// What asks for a new signing key.
#[derive(Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "InlineHookSigningRequest"))]
pub(super) struct SigningBody {
    /// `v1` when absent.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "Option<SigningVersion>"))]
    version: Given<String>,
}

impl ResourceBody for SigningBody {
    const MEMBERS: Members = Members { taken: &["version"], read_only: &[], refused: &[] };
    type Request = SigningRequest;

    fn into_request(self) -> SigningRequest {
        SigningRequest { version: self.version }
    }
}

/// TLS settings as they are written.
#[derive(Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "InlineHookTlsRequest"))]
#[serde(rename_all = "camelCase")]
pub(super) struct TlsBody {
    /// PEM: the only authorities that may issue the service's certificate.
    #[serde(default)]
    ca_certificates: Given<String>,
    /// PEM: the client certificate and its intermediate certificates.
    #[serde(default)]
    client_certificate: Given<String>,
    /// PEM: the key of the client certificate. Never shown.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(extend("writeOnly" = true)))]
    client_key: Given<String>,
}

impl ResourceBody for TlsBody {
    const MEMBERS: Members =
        Members { taken: &["caCertificates", "clientCertificate", "clientKey"], read_only: &[], refused: &[] };
    type Request = TlsRequest;

    fn into_request(self) -> TlsRequest {
        TlsRequest {
            ca_certificates: self.ca_certificates,
            client_certificate: self.client_certificate,
            client_key: self.client_key.map(Secret::new),
        }
    }
}

/// A new signing key.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "InlineHookNewSigningKey"))]
#[serde(rename_all = "camelCase")]
pub(super) struct NewKeyAnswer {
    version: SigningVersion,
    /// Of a `v1` key. Shown only here.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
    /// Of a `v1a` key.
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<Jwk>,
    /// Where the public keys of the hook are, of a `v1a` key.
    #[serde(skip_serializing_if = "Option::is_none")]
    jwks_uri: Option<String>,
    /// How many keys sign.
    secrets: usize,
}

/// The public keys that verify a hook's signatures (RFC 7517).
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "InlineHookVerificationKeys"))]
pub(super) struct Jwks {
    /// The newest first.
    keys: Vec<Jwk>,
}

/// An Ed25519 public key as a JWK (RFC 8037 section 2).
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "InlineHookVerificationKey"))]
struct Jwk {
    kty: &'static str,
    crv: &'static str,
    /// The key, base64url.
    x: String,
    /// Its thumbprint (RFC 7638).
    kid: String,
    #[serde(rename = "use")]
    purpose: &'static str,
    alg: &'static str,
}

impl From<VerificationKey> for Jwk {
    fn from(VerificationKey { x, id }: VerificationKey) -> Self {
        Self { kty: "OKP", crv: "Ed25519", x, kid: id, purpose: "sig", alg: "EdDSA" }
    }
}

pub(super) async fn rotate_signing(call: Call<OptionalBody<SigningBody>>) -> Result<Json<NewKeyAnswer>, ApiError> {
    let id = call.id("hookId");
    let rotated = hook_security::rotate_signing_key(call.platform(), call.administrator(), id, &call.body.0).await?;
    let NewSigningKey { key, public, count } = rotated;
    let jwks_uri = || format!("{}/api/v1/inlineHooks/{id}/signing/jwks", call.base_url());
    Ok(Json(NewKeyAnswer {
        version: key.scheme().into(),
        secret: public.is_none().then(|| key.text().expose().to_owned()),
        jwks_uri: public.is_some().then(jwks_uri),
        public_key: public.map(Jwk::from),
        secrets: count,
    }))
}

pub(super) async fn verification_keys(call: Call<NoBody, Anybody>) -> Result<Json<Jwks>, ApiError> {
    let keys = hook_security::verification_keys(&call.who.0, call.id("hookId"))?;
    Ok(Json(Jwks { keys: keys.into_iter().map(Jwk::from).collect() }))
}

pub(super) async fn retire_signing(call: Call) -> Result<NoContent, ApiError> {
    hook_security::retire_signing_key(call.platform(), call.administrator(), call.id("hookId")).await?;
    Ok(NoContent)
}

pub(super) async fn stop_signing(call: Call) -> Result<NoContent, ApiError> {
    hook_security::stop_signing(call.platform(), call.administrator(), call.id("hookId")).await?;
    Ok(NoContent)
}

pub(super) async fn set_tls(call: Call<Body<TlsBody>>) -> Result<Json<HookAnswer>, ApiError> {
    let id = call.id("hookId");
    let hook = hook_security::set_tls(call.platform(), call.administrator(), id, &call.body.0).await?;
    Ok(shown(&call, &hook))
}

pub(super) async fn reset_tls(call: Call) -> Result<NoContent, ApiError> {
    hook_security::reset_tls(call.platform(), call.administrator(), call.id("hookId")).await?;
    Ok(NoContent)
}
