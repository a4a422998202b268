//! One conformance suite for every database: SQLite in a file, SQLite in memory, and PostgreSQL where the test command
//! has started one.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod at_rest;
mod backup;
mod configuration;
mod damaged;
mod database_file;
mod databases;
mod factors;
mod full_disk;
mod grants;
mod groups;
mod log;
mod log_days;
mod log_filter;
mod log_old;
mod nodes;
mod opening;
mod orgs;
mod outages;
mod people;
mod recovery_tokens;
mod registrations;
mod rotation;
mod saml_sessions;
mod single_use_links;
mod unverified_users;
mod user_access;
mod users;
