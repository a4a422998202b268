//! The right name for a command or a member that has a wrong one.

use crate::description::{Description, Names};

/// Longest name that is compared letter by letter.
const NAME_BYTES_MAX: usize = 64;
/// Letters that may differ.
const DISTANCE_MAX: usize = 2;
/// Names that services write for members, by what they mean: the first right name that is possible counts.
const MEANT: &[(&str, &str)] = &[
    ("ops", "op"),
    ("operation", "op"),
    ("ops", "value"),
    ("operations", "value"),
    ("val", "value"),
    ("pointer", "path"),
    ("command", "type"),
    ("kind", "type"),
    ("message", "errorSummary"),
    ("summary", "errorSummary"),
    ("description", "errorSummary"),
    ("detail", "errorSummary"),
    ("details", "errorCauses"),
    ("causes", "errorCauses"),
];

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
    let same = names.clone().find(|name| words(name, filler) == wanted);
    same.or_else(|| names.find(|name| is_near(name, kind, DISTANCE_MAX)))
}

/// The member of `known` that `name` was meant for: one that differs in case, in separators or in few letters, or that
/// services call so.
pub(super) fn right_member<'a>(known: &[&'a str], name: &str) -> Option<&'a str> {
    if name.len() > NAME_BYTES_MAX {
        return None;
    }
    let name = name.bytes().filter(|byte| !matches!(byte, b'_' | b'-' | b' ')).map(|byte| byte.to_ascii_lowercase());
    // Names beyond ASCII are none of these.
    let name = String::from_utf8(name.collect()).unwrap_or_default();
    let find = |is_right: &dyn Fn(&str) -> bool| known.iter().copied().find(|right| is_right(right));
    let same = find(&|right| right.eq_ignore_ascii_case(&name));
    let near = || find(&|right| is_near(right, &name, letters_that_may_differ(right)));
    let mut rights = MEANT.iter().filter(|(wrong, _)| *wrong == name).map(|(_, right)| *right);
    let meant = || rights.find_map(|right| find(&|own| own == right));
    same.or_else(meant).or_else(near)
}

/// In a short name every letter tells it apart.
const fn letters_that_may_differ(name: &str) -> usize {
    match name.len() {
        ..4 => 0,
        4..12 => 1,
        _ => DISTANCE_MAX,
    }
}

/// The words of a name that tell commands apart, in lower case.
fn words(name: &str, filler: &Names) -> Vec<String> {
    let words = name.split(|character: char| !character.is_ascii_alphanumeric()).map(str::to_ascii_lowercase);
    words.filter(|word| !word.is_empty() && !filler.contains(word)).collect()
}

/// Whether no more than `most` letters are put in, left out or changed (Levenshtein).
fn is_near(right: &str, wrong: &str, most: usize) -> bool {
    if right.len().abs_diff(wrong.len()) > most {
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
    row.last().is_some_and(|distance| *distance <= most)
}
