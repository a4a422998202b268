//! Outbound calls to external services: what may be called, how it is reached, what comes back.
//!
//! No hook semantics live here. Start reading at [`HttpTransport`]; [`EgressPolicy`] decides what may be called, and
//! the dialer dials nothing that the policy has not seen.

mod dialer;
mod egress;
mod failure;
mod http_transport;
mod oauth;
mod resolver;
mod signing;

pub use egress::{AllowRule, AllowRuleError, EgressDenied, EgressPolicy};
pub use http_transport::{HttpTransport, TransportConfig, TransportError};
pub use resolver::{Resolve, SystemResolver};
