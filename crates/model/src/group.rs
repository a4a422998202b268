//! Groups of users.

use tenterhook_contract::{
    Timestamp,
    id::{GroupId, OrgId},
};

/// Characters of a group's name.
pub const GROUP_NAME_CHARACTERS_MAX: usize = 255;
/// Characters of a group's description.
pub const GROUP_DESCRIPTION_CHARACTERS_MAX: usize = 1_024;
/// Groups of an org, in addition to the group of every user.
pub const GROUPS_MAX: u32 = 10_000;
/// The name of the group of every user; no other group has it.
pub const EVERYONE_NAME: &str = "Everyone";

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

impl Group {
    /// The group of every user of an org, which is made up from when the org was created and stored nowhere.
    pub fn everyone(org: &OrgId, created: Timestamp) -> Self {
        Self {
            id: everyone_id(org),
            org_id: org.clone(),
            kind: GroupKind::BuiltIn,
            name: EVERYONE_NAME.to_owned(),
            description: Some("All users in your organization".to_owned()),
            created,
            last_updated: created,
            members_changed: created,
        }
    }
}

/// The key by which names of groups are compared: two names with one key are the same name.
///
/// ```
/// assert_eq!(tenterhook_model::group_key("Åre Staff"), "åre staff");
/// ```
pub fn group_key(name: &str) -> String {
    name.to_lowercase()
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
