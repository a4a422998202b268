//! Outbound calls to external services: what may be called, how it is reached, what comes back.
//!
//! No hook semantics live here. Start reading at [`HttpTransport`]; [`EgressPolicy`] decides what may be called, and
//! the dialer dials nothing that the policy has not seen.

mod body;
mod certificate;
mod connection;
mod dialer;
mod egress;
mod failure;
mod gate;
mod header_case;
mod http_transport;
mod keep_alive;
mod oauth;
mod proxy;
mod resolver;
mod send;
mod signing;
mod streams;
mod tls;
mod verifier;

pub use egress::{EgressDenied, EgressPolicy, EgressRule, EgressRuleError};
pub use http_transport::{HttpTransport, TransportConfig, TransportError};
pub use proxy::{Proxy, ProxyError};
pub use resolver::{Resolve, SystemResolver};
