//! The base of every flow and of the management API: orgs in memory, changing and following their configuration, the
//! one way from a flow to the engine, the System Log's events, keys, passwords, metrics.
//!
//! No HTTP and no rules of a flow live here. Start reading at [`Platform`]; a flow pauses with [`Platform::pause`].

mod answer_pace;
pub mod app_keys;
pub mod attempts;
pub mod caller;
pub mod context;
pub mod entropy;
pub mod events;
mod extension_points;
pub mod fair_queue;
mod following;
mod host_tokens;
mod imported_password;
pub mod keys;
mod languages;
pub mod links;
mod lockout;
pub mod mail;
mod metrics;
mod network;
mod org_turns;
mod orgs;
pub mod passwords;
mod pause;
mod platform;
mod profile_updates;
mod recording;
pub mod refusals;
pub mod saml_apps;
pub mod sessions;
mod snapshot;
mod stranger_bounds;
mod stranger_recoveries;
mod stranger_registrations;
mod stranger_signatures;
pub mod telephony;
mod token_uses;

pub use caller::Caller;
pub use extension_points::PointOf;
pub use host_tokens::HostTokens;
pub use imported_password::{
    BCRYPT_HASH_BYTES, BCRYPT_SALT_BYTES, BcryptWorkFactor, Digest, ImportedHash, Prf, Scheme,
};
pub use languages::{LANGUAGE_DEFAULT, Languages, language_for};
pub use lockout::{LOCKOUT_ATTEMPTS_MAX, Lockout, UNLOCK_MINUTES_MAX};
pub use metrics::ProcessFigures;
pub use network::{Network, WiderNetwork};
pub use orgs::{ORGS_LOADED_MAX, is_host_of};
pub use pause::{HookRun, Pause, Paused, Resumed, Run};
pub use platform::{ChangeError, FollowSettings, OrgError, Parts, Platform, Settings};
pub use recording::SystemLogRecorder;
pub use snapshot::{DEFAULT_SERVER, OrgSnapshot, issuer};
pub use stranger_recoveries::{RECOVERY_SENDS_MAX, RECOVERY_SENDS_PER_ORG_MAX, RecoveryPlace};
pub use stranger_registrations::CountedMails;
/// Why the database did not do something. Whoever answers a request names it here, not in the store.
pub use tenterhook_store::StoreError;
pub use token_uses::TokenUses;
