//! The right name for a command that has a wrong one.

use crate::description::{Description, Names};

/// Longest name that is compared letter by letter.
const NAME_BYTES_MAX: usize = 64;
/// Letters that may differ.
const DISTANCE_MAX: usize = 2;

/// The command of this type that `kind` was meant for: one whose known wrong name it is, or that differs in case, in
/// separators, in the words that services put in or leave out, or in a few letters.
pub(super) fn right_name<'a>(description: &'a Description, kind: &str) -> Option<&'a str> {
    let mut rules = description.family().flat_map(|other| other.commands.iter());
    let listed = rules.find(|rule| rule.misnamed.contains(kind) && description.command(&rule.name).is_some());
    if let Some(rule) = listed {
        return Some(&rule.name);
    }
    if kind.len() > NAME_BYTES_MAX {
        return None;
    }
    // Another type's command is no slip of the pen.
    let is_right_elsewhere = description.family().any(|other| other.command(kind).is_some());
    let filler = &description.filler_words;
    let wanted = words(kind, filler);
    let mut names = description.commands.iter().map(|rule| &*rule.name).filter(|_| !is_right_elsewhere);
    names.clone().find(|name| words(name, filler) == wanted).or_else(|| names.find(|name| is_near(name, kind)))
}

/// The words of a name that tell commands apart, in lower case.
fn words(name: &str, filler: &Names) -> Vec<String> {
    let words = name.split(|character: char| !character.is_ascii_alphanumeric()).map(str::to_ascii_lowercase);
    words.filter(|word| !word.is_empty() && !filler.contains(word)).collect()
}

/// Whether no more than [`DISTANCE_MAX`] letters are put in, left out or changed (Levenshtein).
fn is_near(right: &str, wrong: &str) -> bool {
    if right.len().abs_diff(wrong.len()) > DISTANCE_MAX {
        return false;
    }
    let mut row = (0..=wrong.len()).collect::<Vec<_>>();
    for (index, letter) in right.bytes().enumerate() {
        let mut diagonal = index;
        let mut left = index + 1;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (other, cell) in wrong.bytes().zip(row.iter_mut().skip(1)) {
            let changed = diagonal + usize::from(!letter.eq_ignore_ascii_case(&other));
            diagonal = *cell;
            left = changed.min(left + 1).min(diagonal + 1);
            *cell = left;
        }
    }
    row.last().is_some_and(|distance| *distance <= DISTANCE_MAX)
}
