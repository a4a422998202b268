//! The users of `bench directory`: copies of one, made inside of the database, so that a million of them take minutes and no requests.
//!
//! Ten people each share a family name, and a thousandth of all a given name. Every tenth is in one group.

use super::asked::Asked;
use crate::Error;

/// Users of one statement, which has a time limit.
const AT_ONCE: u64 = 5_000;

/// Makes so many copies.
pub(super) async fn fill(asked: &Asked, users: u64) -> Result<(), Error> {
    let (store, template) = (asked.platform.store(), &asked.template);
    let mut start = 0;
    while start < users {
        let some = start..users.min(start + AT_ONCE);
        start = some.end;
        store.copy_user(template, some.clone()).await?;
        store.copy_members(&template.org_id, &asked.group, some).await?;
    }
    store.analyze().await?;
    Ok(())
}
