//! Expressions and templates in requests: parsed, and their attributes looked up in the org's user schema.

use std::collections::BTreeSet;

use tenterhook_contract::{problem::shown, profile::ProfileSchema};
use tenterhook_model::{Expression, ExpressionProblem, Template, suggestion};

use crate::request::Causes;

/// An [`Expression`] or a [`Template`].
pub(crate) trait Parsed: Clone {
    /// Parses a text.
    fn parse(text: &str) -> Result<Self, ExpressionProblem>;

    /// The text.
    fn text(&self) -> &str;

    /// The attributes of the user that it names.
    fn user_attributes(&self) -> BTreeSet<&str>;
}

/// The expression or template that a member has; a cause if it is none. `stored` is the one that it replaces: one that is written
/// alike is not checked again, so that an object which was written before an attribute left the schema can still be changed.
pub(crate) fn read<T: Parsed>(
    causes: &mut Causes,
    member: &str,
    text: &str,
    (stored, schema): (Option<&T>, &ProfileSchema),
) -> Option<T> {
    if let Some(stored) = stored.filter(|stored| stored.text() == text) {
        return Some(stored.clone());
    }
    match T::parse(text) {
        Ok(parsed) => {
            refuse_unknown(causes, member, &parsed.user_attributes(), schema);
            Some(parsed)
        }
        Err(problem) => {
            causes.add(member, &problem.to_string());
            None
        }
    }
}

/// Refuses attributes that users of the org do not have.
fn refuse_unknown(causes: &mut Causes, member: &str, names: &BTreeSet<&str>, schema: &ProfileSchema) {
    for name in names.iter().filter(|name| schema.attribute(name).is_none()) {
        let known = schema.attributes().map(|attribute| attribute.name.as_str());
        let meant = match suggestion(name, known) {
            Some(meant) => format!("Did you mean `user.{meant}`?"),
            None => "Write `user.id`, or an attribute of the org's user schema".to_owned(),
        };
        causes.add(member, &format!("Users have no attribute `{}`. {meant}", shown(name)));
    }
}

impl Parsed for Expression {
    fn parse(text: &str) -> Result<Self, ExpressionProblem> {
        Self::parse(text)
    }

    fn text(&self) -> &str {
        self.as_str()
    }

    fn user_attributes(&self) -> BTreeSet<&str> {
        self.user_attributes()
    }
}

impl Parsed for Template {
    fn parse(text: &str) -> Result<Self, ExpressionProblem> {
        Self::parse(text)
    }

    fn text(&self) -> &str {
        self.as_str()
    }

    fn user_attributes(&self) -> BTreeSet<&str> {
        self.user_attributes()
    }
}
