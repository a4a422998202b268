//! Priorities of the policies of a server and of the rules of a policy: no two get the same one. A resource that is put at the
//! priority of another one takes its place; the other one and its direct successors move down by one.

use tenterhook_contract::Timestamp;
use tenterhook_platform::OrgSnapshot;

use crate::{
    administrator::ManagementError,
    request::{Causes, Given},
    resource::{Change, Resource},
};

/// Highest priority that a body may name. There is always room after it: for resources without a named priority, and for
/// those that move down.
const PRIORITY_MAX: u32 = 1_000_000;

/// A resource with a priority among others of its kind.
pub(crate) trait Prioritised: Clone {
    fn priority(&self) -> u32;

    /// The same at another priority.
    fn at(self, priority: u32, last_updated: Timestamp) -> Self;
}

/// The priority that a request names, or `default`, the stored one, which is allowed even if it is greater than the bound.
pub(crate) fn read_priority(causes: &mut Causes, given: &Given<u32>, default: u32) -> u32 {
    let priority = causes.plain("priority", given, default);
    if priority > PRIORITY_MAX && priority != default {
        causes.add("priority", &format!("Write at most {PRIORITY_MAX}"));
    }
    priority
}

/// The priority behind every resource of this kind below `parent`.
pub(crate) fn behind_all<T: Resource + Prioritised>(org: &OrgSnapshot, parent: &T::Parent) -> u32 {
    let known = T::list(&org.configuration).below(parent).map(Prioritised::priority);
    known.max().unwrap_or(0).saturating_add(1)
}

/// Writes the resource, and moves others below its parent down where it takes a new priority.
///
/// # Errors
/// When one of the others would get a priority that is too large.
pub(crate) fn put_at_its_priority<T: Resource + Prioritised>(
    org: &OrgSnapshot,
    resource: T,
    last_updated: Timestamp,
) -> Result<Change<T>, ManagementError> {
    let known = T::list(&org.configuration);
    if known.get(resource.id()).is_some_and(|stored| stored.priority() == resource.priority()) {
        return Ok(Change::put(resource));
    }
    let others = known.below(resource.parent()).filter(|other| other.id() != resource.id());
    let moved = moved_down(others, &resource, last_updated)?;
    Ok(Change::put_with(resource, moved))
}

/// Those of `others` that `new` moves down, with their new priorities.
///
/// # Errors
/// When one would get a priority that is too large.
fn moved_down<'a, T: Prioritised + 'a>(
    others: impl Iterator<Item = &'a T>,
    new: &T,
    last_updated: Timestamp,
) -> Result<Vec<T>, ManagementError> {
    let others: Vec<&T> = others.collect();
    let known: Vec<u32> = others.iter().map(|other| other.priority()).collect();
    let after = with_room_at(new.priority(), &known)
        .ok_or_else(|| ManagementError::field("priority", "The priorities behind it would become too large"))?;
    let changed = others.into_iter().zip(after).filter(|(other, after)| other.priority() != *after);
    Ok(changed.map(|(other, priority)| other.clone().at(priority, last_updated)).collect())
}

/// The priorities of the others after they have left `priority` to a new resource; `None` when one would become too large. As
/// few as possible move: those up to the first number that is free.
fn with_room_at(priority: u32, others: &[u32]) -> Option<Vec<u32>> {
    let mut free = priority;
    while others.contains(&free) {
        free = free.checked_add(1)?;
    }
    let moves = priority..free;
    Some(others.iter().map(|other| other + u32::from(moves.contains(other))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_at_a_priority_that_is_taken_moves_those_from_there_to_the_first_gap_down_by_one() {
        const LAST: u32 = u32::MAX;
        for (priority, others, after) in [
            (1, &[][..], Some(&[][..])),
            (3, &[1, 2], Some(&[1, 2])),
            (1, &[1, 2], Some(&[2, 3])),
            (2, &[1, 2, 3], Some(&[1, 3, 4])),
            (2, &[3, 1, 2], Some(&[4, 1, 3])),
            (2, &[1, 3], Some(&[1, 3])),
            (1, &[1, 2, 7], Some(&[2, 3, 7])),
            (1, &[0, 1, 3], Some(&[0, 2, 3])),
            (1, &[1, 1, 2], Some(&[2, 2, 3])),
            (LAST, &[1, LAST - 1], Some(&[1, LAST - 1])),
            (LAST - 1, &[1, LAST - 1], Some(&[1, LAST])),
            (LAST, &[LAST], None),
            (1, &[1, LAST], Some(&[2, LAST])),
        ] {
            assert_eq!(with_room_at(priority, others).as_deref(), after, "{priority} among {others:?}");
        }
    }
}
