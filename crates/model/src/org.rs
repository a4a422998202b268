//! Tenants.

use serde::{Deserialize, Serialize};
use tenterhook_contract::{Timestamp, id::OrgId};

/// A tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Org {
    /// The id.
    pub id: OrgId,
    /// The `Host` that chooses it; the org without a host is the default one.
    pub host: Option<String>,
    /// A name for people.
    pub name: String,
    /// When it was created.
    pub created: Timestamp,
}

/// Whether an object is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// In use.
    Active,
    /// Kept, not used.
    Inactive,
}
