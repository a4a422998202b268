//! What tests need and nothing ships: databases of their own, a private PKI, a scripted external service.

pub mod pki;
pub mod postgres;
pub mod raw;
pub mod service;
pub mod standby;
