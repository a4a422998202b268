//! What tests need and nothing ships: databases and file systems of their own, a private PKI, a scripted external service.

pub mod disk;
pub mod pki;
pub mod postgres;
pub mod raw;
pub mod service;
pub mod standby;
