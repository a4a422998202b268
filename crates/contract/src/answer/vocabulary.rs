//! The names that an answer is expected to have: those of every answer, and those of the types that it may belong to.

use std::borrow::Cow;

use crate::description::{CommandRule, Description};

/// Members of every command.
const OF_COMMANDS: [&str; 2] = ["type", "value"];

/// The names of one type, or of several where it is not known which of them was called.
#[derive(Clone, Copy)]
pub(super) struct Vocabulary<'a>(pub(super) &'a [&'a Description]);

impl<'a> Vocabulary<'a> {
    /// A member's name or a command's type, without memory of its own when it is a known one.
    pub(super) fn name(self, text: &str) -> Cow<'static, str> {
        if let Some(known) = OF_COMMANDS.iter().find(|known| **known == text) {
            return Cow::Borrowed(known);
        }
        let mut rules = self.0.iter().flat_map(|description| description.commands.iter());
        let known = rules
            .find_map(|rule| if rule.name == text { Some(rule.name.clone()) } else { rule.members.interned(text) });
        known.unwrap_or_else(|| Cow::Owned(text.to_owned()))
    }

    /// What a command's `type` is, for people.
    pub(super) fn names_of_commands(self) -> String {
        let example = self.0.iter().find_map(|description| description.commands.last());
        let example = example.map(|rule| format!(", such as `{}`", rule.name)).unwrap_or_default();
        format!("`type` names the command{example}")
    }

    /// The rules of the command with this type string.
    pub(super) fn rules(self, command: &str) -> impl Iterator<Item = &'a CommandRule> {
        self.0.iter().filter_map(move |description| description.command(command))
    }

    /// Whether the operand of a command holds attributes under their names.
    pub(super) fn sets_attributes(self, command: &str) -> bool {
        self.rules(command).any(CommandRule::sets_attributes)
    }
}
