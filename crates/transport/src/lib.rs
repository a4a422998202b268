//! Outbound calls to external services: egress policy, connections, requests and answers.
//!
//! No hook semantics live here. Start reading at [`HttpTransport`]; [`EgressPolicy`] decides which addresses may be
//! called, and the dialer dials only addresses that it has vetted.

mod body;
mod certificate;
mod connection;
mod dialer;
mod egress;
mod failure;
mod form;
mod gate;
mod header_case;
mod http_transport;
mod keep_alive;
mod oauth;
mod proxy;
mod proxy_probe;
mod resolver;
mod send;
mod signing;
mod streams;
mod tls;
mod verifier;

pub use egress::{EgressDenied, EgressPolicy, EgressRule, EgressRuleError};
pub use http_transport::{HttpTransport, TransportConfig, TransportError};
pub use proxy::{Proxy, ProxyError};
pub use proxy_probe::{ProxyAnswer, ProxyProbeError};
pub use resolver::{Resolve, SystemResolver};
