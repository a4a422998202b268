//! Persistent data: configuration objects, users, sessions, codes, tokens and the System Log.
//!
//! One source for embedded SQLite and PostgreSQL. No HTTP and no hook semantics live here. Start reading at [`Store`];
//! its records are those of `tenterhook-model`.

mod api_tokens;
mod assigned_users;
mod assignments;
mod authn_tokens;
mod backup;
mod browser_sessions;
mod changes;
mod configuration;
mod database;
mod database_file;
#[cfg(feature = "bench")]
mod directory_bench;
mod entity;
mod error;
mod grants;
mod groups;
mod heavy_reads;
mod key_check;
mod keyring;
mod log;
mod log_batch;
mod log_days;
mod log_ids;
mod log_marks;
mod log_names;
mod log_old;
mod log_pieces;
mod log_row;
mod log_writer;
mod master_keys;
mod migrated;
mod migration;
mod migration_authn;
mod migration_changes;
mod migration_groups;
mod migration_hosts;
mod migration_indexes;
mod migration_links;
mod migration_log;
mod migration_logout;
mod migration_orgs;
mod migration_proofs;
mod migration_replaced;
mod migration_roles;
mod migration_saml;
mod migration_user_search;
mod migration_users;
mod migrator;
mod new_file;
mod notices;
mod operator_tokens;
mod orgs;
#[cfg(test)]
mod plans;
mod pool;
mod postgres_url;
mod readiness;
mod registrations;
mod rotation;
mod saml_sessions;
mod sessions;
mod single_use_links;
mod standing;
mod store;
mod user_access;
mod user_keys;
mod user_search;
#[cfg(test)]
mod user_search_tests;
mod users;
mod wrong_passwords;

pub use assignments::Changed;
pub use backup::back_up_embedded;
pub use changes::{CHANGES_KEPT, ChangePosition, Changes};
pub use database::{CONNECTIONS_MIN, ConnectionFigures, StartTurn, StoreConfig, StoreConfigError};
#[cfg(feature = "bench")]
pub use directory_bench::{DirectoryQuery, MARKERS, copy_id};
pub use error::{CommitError, StoreError};
pub use grants::Rotated;
pub use key_check::KeyCheck;
pub use keyring::{Keyring, KeyringError};
pub use log_writer::LogWriter;
pub use migrated::DatabaseContent;
pub use new_file::{name_new_file, sync_folder};
pub use notices::Notices;
pub use readiness::NotReady;
pub use registrations::ProfileStored;
pub use rotation::Rotation;
pub use saml_sessions::{Ended, Recorded, SESSION_APPS_MAX, SessionApps};
pub use single_use_links::Redeemed;
pub use standing::{Lapsed, Proof, Standing};
pub use store::{LOG_RETENTION_SECONDS, Store};
pub use user_access::Ending;
