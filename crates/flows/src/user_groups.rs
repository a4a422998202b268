//! The groups of the user of a request, read from the database when they are first needed: most requests need none.

use tenterhook_contract::id::{OrgId, UserId};
use tenterhook_model::Group;
use tenterhook_store::{Store, StoreError};
use tokio::sync::OnceCell;

/// The groups of a user. They are rows, never cached beyond the request: the next one sees a change, on every node.
pub(crate) struct UserGroups<'a> {
    store: &'a Store,
    org: &'a OrgId,
    user: Option<&'a UserId>,
    read: OnceCell<Vec<Group>>,
}

impl<'a> UserGroups<'a> {
    /// Those of `user`; without a user there are none.
    pub(crate) fn of(store: &'a Store, org: &'a OrgId, user: Option<&'a UserId>) -> Self {
        Self { store, org, user, read: OnceCell::new() }
    }

    /// The groups, the group of every user among them, by name.
    pub(crate) async fn get(&self) -> Result<&[Group], StoreError> {
        let Some(user) = self.user else { return Ok(&[]) };
        self.read.get_or_try_init(|| self.store.groups_of_user(self.org, user)).await.map(Vec::as_slice)
    }

    /// The groups, if they have been read.
    pub(crate) fn known(&self) -> Option<&[Group]> {
        self.read.get().map(Vec::as_slice)
    }
}
