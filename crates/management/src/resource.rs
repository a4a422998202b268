//! What the operations of every resource of the configuration have in common: judge, commit, log.

use tenterhook_contract::party::Target;
use tenterhook_model::{ConfigurationObject, ConfigurationWrite};
use tenterhook_platform::{OrgSnapshot, Platform};

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
pub(crate) trait Resource: Clone {
    /// The kind, as an error says it: `Scope`.
    const KIND: &'static str;

    /// Its id.
    fn id(&self) -> String;

    /// As it is written into the configuration.
    fn object(self) -> ConfigurationObject;

    /// As the target of a log event.
    fn target(&self) -> Target;

    /// Type and text of the event that says what was done to it.
    fn event(done: Done) -> (String, String);

    /// Inserts it, or replaces the one with its id.
    fn put(&self) -> ConfigurationWrite {
        ConfigurationWrite::put(self.clone().object())
    }

    /// Deletes it.
    fn removal(&self) -> ConfigurationWrite {
        ConfigurationWrite::Delete(self.id())
    }
}

/// There is no resource of this kind with this id.
pub(crate) fn not_found<T: Resource>(id: &str) -> ManagementError {
    ManagementError::NotFound { id: id.to_owned(), kind: T::KIND }
}

/// Commits what `judge` decides on the newest snapshot, and logs what was done to the resource and to the others that were
/// updated with it.
pub(crate) async fn changed<T: Resource>(
    platform: &Platform,
    administrator: &Administrator,
    done: Done,
    judge: impl Fn(&OrgSnapshot) -> Result<Change<T>, ManagementError>,
) -> Result<T, ManagementError> {
    let Change { resource, updated, .. } = platform
        .change(&administrator.token.org_id, |org| {
            let mut change = judge(org)?;
            Ok::<_, ManagementError>((std::mem::take(&mut change.writes), change))
        })
        .await?;
    log(platform, administrator, &resource, done);
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

/// Commits another status, which `changed` gives a resource unless it has that one already, and logs it.
pub(crate) async fn status_changed<T: Resource>(
    platform: &Platform,
    administrator: &Administrator,
    done: Done,
    judge: impl Fn(&OrgSnapshot) -> Result<Option<T>, ManagementError>,
) -> Result<(), ManagementError> {
    let changed = platform
        .change(&administrator.token.org_id, |org| {
            let changed = judge(org)?;
            Ok::<_, ManagementError>((changed.iter().map(Resource::put).collect(), changed))
        })
        .await?;
    if let Some(resource) = changed {
        log(platform, administrator, &resource, done);
    }
    Ok(())
}

/// Logs what was done to a resource.
pub(crate) fn log<T: Resource>(platform: &Platform, administrator: &Administrator, resource: &T, done: Done) {
    let (event_type, message) = T::event(done);
    log_change(platform, administrator, &event_type, &message, resource.target());
}

/// Refuses a resource whose name another one has.
pub(crate) fn check_unique(member: &str, duplicate: bool) -> Result<(), ManagementError> {
    if duplicate {
        return Err(ManagementError::field(member, "An object with this field already exists"));
    }
    Ok(())
}
