//! The QR code that an authenticator app is set up with. Browsers load it without an API token.

use axum::response::Response;
use serde::Serialize;
use tenterhook_contract::Secret;
use tenterhook_flows::factors::qr_code::{link_token, uri_of_link};
use tenterhook_management::factors;
use tenterhook_model::Factor;

use super::{
    answer::Answer,
    call::{Anybody, Call, NoBody},
    factors::own,
    route::Routes,
};
use crate::{error::ApiError, qr_code};

/// The route, which needs no API token.
pub(super) fn public_routes() -> Routes {
    Routes::of("User factors", "okta.users").get(
        "/api/v1/users/{userId}/factors/{factorId}/qr/{token}",
        "getFactorQrCode",
        show,
    )
}

/// The links of what an authenticator app is set up with.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "UserFactorActivationLinks"))]
pub(super) struct ActivationLinks {
    qrcode: QrCodeLink,
}

/// The QR code of the secret: for an `<img>`. It needs no API token, so the link is as secret as the secret; it works while the factor
/// is pending.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "UserFactorQrCodeLink"))]
struct QrCodeLink {
    /// An absolute URL.
    href: String,
    /// `image/svg+xml`.
    #[serde(rename = "type")]
    media_type: &'static str,
}

impl ActivationLinks {
    /// Those of an authenticator app; `None` of a phone.
    pub(super) fn of(base_url: &str, factor: &Factor) -> Option<Self> {
        let token = link_token(factor)?;
        let href = format!("{}/qr/{}", own(base_url, factor), token.expose());
        Some(Self { qrcode: QrCodeLink { href, media_type: "image/svg+xml" } })
    }
}

/// A drawing.
struct Svg(Secret);

impl Answer for Svg {
    fn respond(self) -> Response {
        qr_code::answer(&self.0)
    }

    #[cfg(feature = "schema")]
    fn describe(_: &mut schemars::SchemaGenerator) -> super::openapi::AnswerDescription {
        super::openapi::AnswerDescription::of(200, None)
    }
}

/// Nobody is told why there is none.
async fn show(call: Call<NoBody, Anybody>) -> Result<Svg, ApiError> {
    let not_found = || ApiError::from(factors::not_found(call.id("factorId")));
    let ids = call.id("userId").parse().ok().zip(call.id("factorId").parse().ok());
    let (user, factor) = ids.ok_or_else(not_found)?;
    let uri = uri_of_link(call.platform(), &call.who.0, (&user, &factor), call.id("token")).await?;
    let svg = qr_code::svg(&uri.ok_or_else(not_found)?);
    // The URI is bounded so that it fits.
    svg.map(Svg).map_err(|_| ApiError::Internal)
}
