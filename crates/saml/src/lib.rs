//! SAML 2.0 messages of an identity provider: written, read, signed, verified, encrypted. Pure and synchronous: no clock,
//! no network, no database.
