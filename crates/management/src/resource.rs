//! What the operations of every resource of the configuration have in common: judge, commit, log.

use tenterhook_contract::{Timestamp, party::Target};
use tenterhook_model::{ConfigurationRecord, ConfigurationWrite, Status};
use tenterhook_platform::{OrgSnapshot, Platform, events::named_target};

use crate::administrator::{Administrator, ManagementError, log_change};

/// What is done to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    Created,
    Updated,
    Deleted,
    Activated,
    Deactivated,
}

impl Done {
    /// As the types of most events end: `created`.
    pub(crate) fn past(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Deleted => "deleted",
            Self::Activated => "activated",
            Self::Deactivated => "deactivated",
        }
    }

    /// As the types of the others end: `create`.
    pub(crate) fn verb(self) -> &'static str {
        match self {
            Self::Created => "create",
            Self::Updated => "update",
            Self::Deleted => "delete",
            Self::Activated => "activate",
            Self::Deactivated => "deactivate",
        }
    }

    /// `Create policy`.
    pub(crate) fn sentence(self, what: &str) -> String {
        let (first, rest) = self.verb().split_at(1);
        format!("{}{rest} {what}", first.to_uppercase())
    }
}

/// A resource of the configuration.
pub(crate) trait Resource: ConfigurationRecord + Clone {
    /// The kind, as an error says it: `Scope`.
    const KIND: &'static str;
    /// The kind, as the target of a log event says it.
    const TARGET: &'static str;

    /// Its name.
    fn name(&self) -> &str;

    /// Type and text of the event that says what was done to it.
    fn event(done: Done) -> (String, String);

    /// It as the target of a log event.
    fn target(&self) -> Target {
        named_target(&self.id().to_string(), Self::TARGET, self.name())
    }

    /// Whether another resource below the same parent takes this one's name.
    fn takes_name_of(&self, other: &Self) -> bool {
        self.name() == other.name()
    }

    /// Inserts it, or replaces the one with its id.
    fn put(&self) -> ConfigurationWrite {
        ConfigurationWrite::put(self.clone().into_object())
    }

    /// Deletes it.
    fn removal(&self) -> ConfigurationWrite {
        ConfigurationWrite::Delete(self.id().to_string())
    }
}

/// A resource that is in use or not.
pub(crate) trait Switchable: Resource {
    /// Its status.
    fn status(&self) -> Status;

    /// The same with another status.
    fn with_status(&self, status: Status, last_updated: Timestamp) -> Self;
}

/// The resource of this kind with this id below `parent`.
///
/// # Errors
/// [`ManagementError::NotFound`] when there is none, or it is below another parent.
pub(crate) fn find_below<'a, T: Resource>(
    org: &'a OrgSnapshot,
    parent: &T::Parent,
    id: &str,
) -> Result<&'a T, ManagementError> {
    let found = T::list(&org.configuration).find(id).filter(|found| found.parent() == parent);
    found.ok_or_else(|| not_found::<T>(id))
}

/// There is no resource of this kind with this id.
pub(crate) fn not_found<T: Resource>(id: &str) -> ManagementError {
    ManagementError::NotFound { id: id.to_owned(), kind: T::KIND }
}

/// Commits what `judge` decides on the newest snapshot, and logs what was done to the resource and to the others that were
/// updated with it; nothing where nothing is written.
pub(crate) async fn changed<T: Resource>(
    platform: &Platform,
    administrator: &Administrator,
    done: Done,
    judge: impl Fn(&OrgSnapshot) -> Result<Change<T>, ManagementError>,
) -> Result<T, ManagementError> {
    let (Change { resource, updated, .. }, is_written) = platform
        .change(&administrator.token.org_id, |org| {
            let mut change = judge(org)?;
            let writes = std::mem::take(&mut change.writes);
            let is_written = !writes.is_empty();
            Ok::<_, ManagementError>((writes, (change, is_written)))
        })
        .await?;
    if is_written {
        log(platform, administrator, &resource, done);
    }
    for other in &updated {
        log(platform, administrator, other, Done::Updated);
    }
    Ok(resource)
}

/// What an operation does to the configuration.
pub(crate) struct Change<T> {
    /// The resource, as it is then or as it was before it was deleted.
    pub(crate) resource: T,
    /// Everything that is written.
    pub(crate) writes: Vec<ConfigurationWrite>,
    /// Others of the kind that the writes change.
    pub(crate) updated: Vec<T>,
}

impl<T: Resource> Change<T> {
    /// Writes nothing: the resource is as it is wanted.
    pub(crate) fn none(resource: T) -> Self {
        Self { resource, writes: Vec::new(), updated: Vec::new() }
    }

    /// Writes the resource alone.
    pub(crate) fn put(resource: T) -> Self {
        Self::put_with(resource, Vec::new())
    }

    /// Writes the resource and others of its kind.
    pub(crate) fn put_with(resource: T, updated: Vec<T>) -> Self {
        let writes = [&resource].into_iter().chain(&updated).map(Resource::put).collect();
        Self { resource, writes, updated }
    }

    /// Deletes the resource and what is below it.
    pub(crate) fn delete(resource: T, below: impl IntoIterator<Item = ConfigurationWrite>) -> Self {
        let writes = [resource.removal()].into_iter().chain(below).collect();
        Self { resource, writes, updated: Vec::new() }
    }
}

/// Gives the resource that `find` finds this status, and logs it; one that has the status already stays as it is.
pub(crate) async fn set_status<T: Switchable>(
    platform: &Platform,
    administrator: &Administrator,
    status: Status,
    find: impl Fn(&OrgSnapshot) -> Result<&T, ManagementError>,
) -> Result<(), ManagementError> {
    let last_updated = platform.now().whole_seconds();
    let done = if status == Status::Active { Done::Activated } else { Done::Deactivated };
    let judge = |org: &OrgSnapshot| {
        let stored = find(org)?;
        if stored.status() == status {
            return Ok(Change::none(stored.clone()));
        }
        Ok(Change::put(stored.with_status(status, last_updated)))
    };
    changed(platform, administrator, done, judge).await.map(drop)
}

/// Logs what was done to a resource.
pub(crate) fn log<T: Resource>(platform: &Platform, administrator: &Administrator, resource: &T, done: Done) {
    let (event_type, message) = T::event(done);
    log_change(platform, administrator, &event_type, &message, resource.target());
}

/// Refuses a resource whose name another one below its parent has.
pub(crate) fn check_unique<T: Resource>(org: &OrgSnapshot, resource: &T) -> Result<(), ManagementError> {
    let mut siblings = T::list(&org.configuration).below(resource.parent());
    if siblings.any(|known| known.id() != resource.id() && known.takes_name_of(resource)) {
        return Err(name_is_taken());
    }
    Ok(())
}

/// Another object has the name.
pub(crate) fn name_is_taken() -> ManagementError {
    ManagementError::field("name", "An object with this field already exists")
}
