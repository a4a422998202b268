//! Groups of users.

use tenterhook_contract::{
    Timestamp,
    id::{GroupId, OrgId},
};

/// What a group is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupKind {
    /// Every user of the org is a member; nobody changes it.
    BuiltIn,
    /// One that an administrator made.
    Own,
}

/// A group of users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The id.
    pub id: GroupId,
    /// The org.
    pub org_id: OrgId,
    /// What it is.
    pub kind: GroupKind,
    /// The name, unique in the org.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// When it was created.
    pub created: Timestamp,
    /// When its profile was last changed.
    pub last_updated: Timestamp,
    /// When its members last changed.
    pub members_changed: Timestamp,
}

/// The id of the group of every user: the org's own, with the prefix of groups.
///
/// ```
/// use tenterhook_model::everyone_id;
/// let org = "00o4k9wq7XbTz2RmN1d7".parse().unwrap();
/// assert_eq!(everyone_id(&org).as_str(), "00g4k9wq7XbTz2RmN1d7");
/// ```
pub fn everyone_id(org: &OrgId) -> GroupId {
    let text = org.as_str().replacen(OrgId::PREFIX, GroupId::PREFIX, 1);
    // An id of one kind is an id of any other with the prefix replaced; the fallback is never reached.
    text.parse().unwrap_or_else(|_| GroupId::from_parts(0, [0; 8]))
}
