//! Reading the bodies of the objects around an authorization server.

use serde_json::Value;
use tenterhook_contract::members::Members;
use tenterhook_model::Status;

use crate::administrator::ManagementError;

/// Characters of a name or a description.
const TEXT_CHARACTERS_MAX: usize = 255;
/// Items of a list in a body.
const ITEMS_MAX: usize = 100;
pub(super) const BLANK: &str = "The field cannot be left blank";
pub(super) const INVALID: &str = "The field has an invalid value";

pub(super) const NAME_ONE: &str = "Name at least one";

/// Reads the members of a body and collects what is wrong with them.
pub(super) struct Reader<'a> {
    body: &'a Value,
    model: &'static str,
    causes: Vec<String>,
}

impl<'a> Reader<'a> {
    /// A reader of a body that may have these members: what else it has is its first causes.
    pub(super) fn new(body: &'a Value, model: &'static str, members: &Members) -> Self {
        let causes = if body.is_object() {
            members.problems(body)
        } else {
            vec![format!("{model}: The body must be a JSON object")]
        };
        Self { body, model, causes }
    }

    /// A member by its name, or by a JSON Pointer.
    fn member(&self, name: &str) -> Option<&'a Value> {
        let found = if name.starts_with('/') { self.body.pointer(name) } else { self.body.get(name) };
        found.filter(|value| !value.is_null())
    }

    pub(super) fn cause(&mut self, field: &str, text: &str) {
        let field = field.trim_start_matches('/').replace('/', ".");
        self.causes.push(format!("{field}: {text}"));
    }

    /// Whether something is wrong with a member.
    pub(super) fn has_cause(&self, field: &str) -> bool {
        let field = field.trim_start_matches('/').replace('/', ".");
        self.causes.iter().any(|cause| cause.strip_prefix(&field).is_some_and(|rest| rest.starts_with(": ")))
    }

    pub(super) fn text(&mut self, name: &str) -> String {
        self.optional_text(name).unwrap_or_else(|| {
            self.cause(name, BLANK);
            String::new()
        })
    }

    pub(super) fn optional_text(&mut self, name: &str) -> Option<String> {
        match self.member(name)? {
            Value::String(text) if text.chars().count() > TEXT_CHARACTERS_MAX => {
                let why = format!("The field cannot be longer than {TEXT_CHARACTERS_MAX} characters");
                self.cause(name, &why);
                Some(text.clone())
            }
            Value::String(text) if !text.trim().is_empty() => Some(text.clone()),
            Value::String(_) => None,
            _ => {
                self.cause(name, INVALID);
                Some(String::new())
            }
        }
    }

    /// The items of a list of texts, none when the member is absent.
    pub(super) fn texts(&mut self, name: &str) -> Vec<String> {
        self.listed(name).unwrap_or_default()
    }

    /// The same, where a member that is absent is something else than a list without items.
    pub(super) fn listed(&mut self, name: &str) -> Option<Vec<String>> {
        let value = self.member(name)?;
        let text = |item: &Value| item.as_str().filter(|text| text.len() <= 1_024).map(ToOwned::to_owned);
        let texts = match value {
            Value::Array(items) if items.len() <= ITEMS_MAX => items.iter().map(text).collect::<Option<Vec<_>>>(),
            _ => None,
        };
        if texts.is_none() {
            self.cause(name, INVALID);
        }
        texts
    }

    pub(super) fn number(&mut self, name: &str, default: u32) -> u32 {
        match self.member(name) {
            None => default,
            Some(value) => value.as_u64().and_then(|number| u32::try_from(number).ok()).unwrap_or_else(|| {
                self.cause(name, INVALID);
                default
            }),
        }
    }

    pub(super) fn flag(&mut self, name: &str, default: bool) -> bool {
        match self.member(name) {
            None => default,
            Some(Value::Bool(flag)) => *flag,
            Some(_) => {
                self.cause(name, INVALID);
                default
            }
        }
    }

    /// A member that has one value, or is absent.
    pub(super) fn constant(&mut self, name: &str, value: &str) {
        self.only(name, value, &format!("Only `{value}` is supported"));
    }

    /// The same, with why there is no other value.
    pub(super) fn only(&mut self, name: &str, value: &str, why: &str) {
        if self.member(name).is_some_and(|given| given != value) {
            self.cause(name, why);
        }
    }

    /// `ACTIVE` or `INACTIVE`.
    pub(super) fn status(&mut self, default: Status) -> Status {
        match self.member("status") {
            None => default,
            Some(Value::String(text)) if text == "ACTIVE" => Status::Active,
            Some(Value::String(text)) if text == "INACTIVE" => Status::Inactive,
            Some(_) => {
                self.cause("status", "Write `ACTIVE` or `INACTIVE`");
                default
            }
        }
    }

    pub(super) fn finish(self) -> Result<(), ManagementError> {
        if self.causes.is_empty() {
            return Ok(());
        }
        Err(ManagementError::Invalid { subject: self.model.to_owned(), causes: self.causes })
    }
}
