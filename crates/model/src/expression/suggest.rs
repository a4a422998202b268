//! What somebody may have meant with a name that does not exist.

/// Longest name for which a suggestion is made.
const NAME_BYTES_MAX: usize = 64;
/// Most characters by which a suggestion differs.
const DISTANCE_MAX: usize = 2;

/// The candidate that `name` is most like: the same in another case, else one that differs by two characters at most.
///
/// ```
/// use tenterhook_model::suggestion;
/// let names = ["String.toUpperCase", "String.toLowerCase", "String.len"];
/// assert_eq!(suggestion("string.len", names), Some("String.len"));
/// assert_eq!(suggestion("String.toUperCase", names), Some("String.toUpperCase"));
/// assert_eq!(suggestion("Time.now", names), None);
/// ```
pub fn suggestion<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > NAME_BYTES_MAX {
        return None;
    }
    let lower = name.to_ascii_lowercase();
    // A short name is like every other short name.
    let most = DISTANCE_MAX.min(name.len() / 3);
    let rated = candidates.into_iter().map(|candidate| (distance(&lower, &candidate.to_ascii_lowercase()), candidate));
    let nearest = rated.min_by_key(|(distance, _)| *distance);
    nearest.filter(|(distance, _)| *distance <= most).map(|(_, candidate)| candidate)
}

/// How many bytes are to be inserted, removed or replaced to make one name of the other (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, byte) in one.bytes().enumerate() {
        let mut diagonal = index;
        let mut left = index + 1;
        for (above, other) in row.iter_mut().skip(1).zip(other.bytes()) {
            let here = (diagonal + usize::from(byte != other)).min(left + 1).min(*above + 1);
            diagonal = *above;
            *above = here;
            left = here;
        }
        if let Some(first) = row.first_mut() {
            *first = index + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}
