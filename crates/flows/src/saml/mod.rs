//! SAML 2.0: single sign-on and single logout of the apps of an org.
//!
//! [`sign_on`] is where the SAML hook runs; [`assertion`] builds what it may change; [`logout`] takes a browser through the service
//! providers of its session.

pub mod assertion;
mod authn_context;
pub mod error;
mod events;
pub mod logout;
pub mod messages;
pub mod sign_on;
mod signing;

use tenterhook_platform::{Platform, entropy::random_bytes};

/// A random `ID` of a message or an assertion (SAML core 1.3.4): 128 bits, beginning with a character that an `xs:ID` may begin with.
fn random_id(platform: &Platform) -> String {
    use std::fmt::Write as _;
    let bytes: [u8; 16] = random_bytes(platform.entropy());
    bytes.iter().fold("_".to_owned(), |mut id, byte| {
        // Writing to a String cannot fail.
        let _ = write!(id, "{byte:02x}");
        id
    })
}
