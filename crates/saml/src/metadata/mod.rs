//! Metadata (SAML metadata 2): the identity provider's, written, and a service provider's, read.

mod identity_provider;
mod service_provider;

pub use identity_provider::IdentityProvider;
pub use service_provider::{AssertionConsumerService, Endpoint, MetadataError, ServiceProvider};
