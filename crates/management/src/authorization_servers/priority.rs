//! Priorities of policies and rules: of those that are compared with each other no two get the same one. What is put at the
//! priority of another one takes its place, and that one and those right behind it move down by one.

use tenterhook_contract::Timestamp;
use tenterhook_model::{AccessPolicy, ConfigurationObject, PolicyRule};
use tenterhook_platform::OrgSnapshot;

use super::reader::Reader;
use crate::administrator::ManagementError;

/// Highest priority that a body may name: behind it there is always room for those that name none, and those that are moved
/// down.
const PRIORITY_MAX: u32 = 1_000_000;

/// The priority that a body names, or `default`. One that is the object's own already stays, whatever it is.
pub(super) fn read_priority(reader: &mut Reader<'_>, default: u32) -> u32 {
    let priority = reader.number("priority", default);
    if priority > PRIORITY_MAX && priority != default {
        reader.cause("priority", &format!("Write at most {PRIORITY_MAX}"));
    }
    priority
}

/// The policies or rules that `object` moves down, as they are then. `before` is what it replaces: one that stays at its
/// priority moves nothing.
///
/// # Errors
/// When one would get a priority that is too large.
pub(super) fn moved_down(
    org: &OrgSnapshot,
    object: &ConfigurationObject,
    before: Option<&ConfigurationObject>,
    last_updated: Timestamp,
) -> Result<Vec<ConfigurationObject>, ManagementError> {
    let Some(priority) = priority_of(object) else { return Ok(Vec::new()) };
    if before.and_then(priority_of) == Some(priority) {
        return Ok(Vec::new());
    }
    let (known, others): (_, Vec<ConfigurationObject>) = match object {
        ConfigurationObject::Policy(new) => {
            let of_server = org.configuration.policies.below(&new.authorization_server_id);
            let beside = of_server.filter(|known| known.id != new.id);
            beside.cloned().map(|policy| (policy.priority, ConfigurationObject::Policy(policy))).unzip()
        }
        ConfigurationObject::Rule(new) => {
            let beside = org.configuration.rules.below(&new.policy_id).filter(|known| known.id != new.id);
            beside.cloned().map(|rule| (rule.priority, ConfigurationObject::Rule(rule))).unzip()
        }
        _ => return Ok(Vec::new()),
    };
    let known: Vec<u32> = known;
    let after = with_room_at(priority, &known)
        .ok_or_else(|| ManagementError::field("priority", "The priorities behind it would become too large"))?;
    let changed = known.iter().zip(after).zip(others).filter(|((before, after), _)| *before != after);
    Ok(changed.map(|((_, priority), object)| with_priority(object, priority, last_updated)).collect())
}

fn priority_of(object: &ConfigurationObject) -> Option<u32> {
    match object {
        ConfigurationObject::Policy(policy) => Some(policy.priority),
        ConfigurationObject::Rule(rule) => Some(rule.priority),
        _ => None,
    }
}

fn with_priority(object: ConfigurationObject, priority: u32, last_updated: Timestamp) -> ConfigurationObject {
    match object {
        ConfigurationObject::Policy(policy) => {
            ConfigurationObject::Policy(AccessPolicy { priority, last_updated, ..policy })
        }
        ConfigurationObject::Rule(rule) => ConfigurationObject::Rule(PolicyRule { priority, last_updated, ..rule }),
        other => other,
    }
}

/// The priorities of the others when `priority` is nobody's but the new one's; `None` when there is no such number. Only as
/// many move as have to: up to the first number that nobody has.
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
