//! The binary as its user starts it.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod backup;
mod book;
mod connect;
mod descriptors;
mod dev;
mod dev_hooks;
mod dev_mails;
mod dev_order;
mod dev_pages;
mod dev_saml;
mod first_start;
mod full_disk;
mod help;
mod import;
mod json_log;
mod memory;
mod orgs;
mod process;
mod serve;
mod service;
mod tokens;
