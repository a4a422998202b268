//! SAML 2.0: single sign-on of the apps of an org. [`assertion`] builds what the SAML hook may change.

pub mod assertion;
