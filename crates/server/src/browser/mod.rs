//! What the endpoints for browsers share, whatever their protocol: hosted pages, the sign-in page with its cookies, forms,
//! queries, and errors of requests.
//!
//! Start reading at [`sign_in`].

pub(crate) mod brand;
pub(crate) mod colour;
pub(crate) mod cookies;
pub(crate) mod form;
pub(crate) mod link_form;
pub(crate) mod pages;
pub(crate) mod query;
mod recovery;
pub(crate) mod request;
mod reset_password;
mod second_factor;
pub(crate) mod session_token;
pub(crate) mod sign_in;

use axum::{
    Router,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::get,
};

use crate::{App, error::ApiError};

/// The files that hosted pages need, and the page of a link for a new password.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/assets/tenterhook.css", get(pages::stylesheet))
        .route("/assets/brand.css", get(pages::brand_stylesheet))
        .route("/assets/logo", get(pages::logo))
        .route("/assets/logo-dark", get(pages::dark_logo))
        .route(pages::SUBMIT_SCRIPT_PATH, get(pages::submit_script))
        .route(pages::SHOW_PASSWORD_PATH, get(pages::show_password_script))
        .merge(reset_password::routes())
        .merge(recovery::routes())
        .merge(session_token::routes())
}

/// Sends the browser to `location` with GET. Characters that a URI cannot contain are escaped (RFC 9110 section 10.2.2).
pub(crate) fn see_other(location: &str) -> Response {
    match HeaderValue::from_str(&query::uri_of(location)) {
        Ok(location) => (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response(),
        Err(_) => ApiError::Internal.into_response(),
    }
}
