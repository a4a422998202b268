//! The cookies of browsers.

use axum::{
    http::{HeaderMap, HeaderValue, header},
    response::Response,
};
use tenterhook_platform::Caller;

/// A cookie of ours.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cookie {
    /// Its name over plain HTTP.
    plain: &'static str,
    /// Its name over HTTPS, which binds it to the host (RFC 6265bis section 4.1.3.2).
    bound: &'static str,
    same_site: &'static str,
}

/// The session of a user. Other sites' forms do not send it, links to us do.
pub(crate) const SESSION: Cookie =
    Cookie { plain: "tenterhook_session", bound: "__Host-tenterhook_session", same_site: "Lax" };
/// The token that a form of ours must repeat.
pub(crate) const CSRF: Cookie =
    Cookie { plain: "tenterhook_csrf", bound: "__Host-tenterhook_csrf", same_site: "Strict" };

/// The token of a logout in progress. Links to us send it.
pub(crate) const LOGOUT: Cookie =
    Cookie { plain: "tenterhook_logout", bound: "__Host-tenterhook_logout", same_site: "Lax" };

impl Cookie {
    fn name(self, caller: &Caller) -> &'static str {
        if is_secure(caller) { self.bound } else { self.plain }
    }

    /// Its value in a request.
    pub(crate) fn of(self, headers: &HeaderMap, caller: &Caller) -> Option<String> {
        let wanted = self.name(caller);
        let pairs = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs = pairs.flat_map(|pairs| pairs.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(name, _)| *name == wanted).map(|(_, value)| value.to_owned())
    }

    /// Sets it until the browser ends.
    pub(crate) fn set(self, response: &mut Response, caller: &Caller, value: &str) {
        self.put(response, caller, value, "");
    }

    /// Takes it away from the browser.
    pub(crate) fn remove(self, response: &mut Response, caller: &Caller) {
        self.put(response, caller, "", "; Max-Age=0");
    }

    fn put(self, response: &mut Response, caller: &Caller, value: &str, age: &str) {
        let (name, same_site) = (self.name(caller), self.same_site);
        let secure = if is_secure(caller) { "; Secure" } else { "" };
        let text = format!("{name}={value}; Path=/; HttpOnly; SameSite={same_site}{secure}{age}");
        if let Ok(text) = HeaderValue::from_str(&text) {
            response.headers_mut().append(header::SET_COOKIE, text);
        }
    }
}

fn is_secure(caller: &Caller) -> bool {
    caller.base_url.starts_with("https://")
}
