//! Patterns of JSON Pointers, in which `*` stands for any one member or element.

use std::borrow::Cow;

use serde_json::Value;

use crate::{limits::PATH_BYTES_MAX, pointer};

/// A JSON Pointer (RFC 6901) in which `*` stands for any one member or element.
///
/// A member whose name is `*` cannot be named. There are no empty names, and a pattern has one name at least.
///
/// ```
/// use tenterhook_contract::pointer_pattern::PointerPattern;
/// let prices: PointerPattern = "/lines/*/price".parse().unwrap();
/// assert!(prices.matches(&["lines", "0", "price"]) && !prices.matches(&["lines", "0"]));
/// assert!("lines".parse::<PointerPattern>().is_err() && "".parse::<PointerPattern>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PointerPattern(Vec<PatternName>);

/// One name of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PatternName {
    /// Any one member or element: `*`.
    Any,
    /// The member with this name, or the element with this index.
    Is(String),
}

/// A text that is not a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Too many bytes.
    #[error("A path has {PATH_BYTES_MAX} bytes at most")]
    TooLong,
    /// Not a JSON Pointer.
    #[error("Write a JSON Pointer: it begins with `/`, and `~` stands before `0` or `1` only")]
    NoPointer,
    /// The empty pointer, or one with an empty name.
    #[error("Write a name or `*` after each `/`, at least one")]
    EmptyName,
}

impl std::str::FromStr for PointerPattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        if text.len() > PATH_BYTES_MAX {
            return Err(PatternError::TooLong);
        }
        let names = pointer::tokens(text).map_err(|_| PatternError::NoPointer)?;
        if names.is_empty() || names.iter().any(|name| name.is_empty()) {
            return Err(PatternError::EmptyName);
        }
        let name = |name: Cow<'_, str>| if name == "*" { PatternName::Any } else { PatternName::Is(name.into_owned()) };
        Ok(Self(names.into_iter().map(name).collect()))
    }
}

impl std::fmt::Display for PointerPattern {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for name in &self.0 {
            match name {
                PatternName::Any => formatter.write_str("/*")?,
                PatternName::Is(name) => write!(formatter, "/{}", pointer::escape(name))?,
            }
        }
        Ok(())
    }
}

impl PatternName {
    /// As it is written in a pattern, before `~` and `/` are escaped.
    #[cfg(feature = "declared")]
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Any => "*",
            Self::Is(name) => name,
        }
    }

    /// Whether it stands for `name`.
    pub fn matches(&self, name: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Is(own) => own == name,
        }
    }

    /// Whether there is a name that both stand for.
    fn overlaps(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Is(own), Self::Is(other)) => own == other,
            _ => true,
        }
    }
}

impl PointerPattern {
    /// Its names in order, at least one.
    pub fn names(&self) -> &[PatternName] {
        &self.0
    }

    /// The same places in a value that is itself the member `name`.
    #[cfg(feature = "declared")]
    pub(crate) fn inside(&self, name: &str) -> Self {
        Self(std::iter::once(PatternName::Is(name.to_owned())).chain(self.0.iter().cloned()).collect())
    }

    /// Whether it stands for the pointer with these names.
    pub fn matches(&self, names: &[impl AsRef<str>]) -> bool {
        self.0.len() == names.len() && self.0.iter().zip(names).all(|(own, name)| own.matches(name.as_ref()))
    }

    /// Whether a place that it stands for can be the same as one of `other`, or be inside of one.
    ///
    /// ```
    /// use tenterhook_contract::pointer_pattern::PointerPattern;
    /// let pattern = |text: &str| text.parse::<PointerPattern>().unwrap();
    /// assert!(pattern("/lines/*/price").can_be_at_or_below(&pattern("/lines/0")));
    /// assert!(!pattern("/lines").can_be_at_or_below(&pattern("/lines/*")));
    /// ```
    pub fn can_be_at_or_below(&self, other: &Self) -> bool {
        self.0.len() >= other.0.len() && self.0.iter().zip(&other.0).all(|(own, other)| own.overlaps(other))
    }

    /// Every value below `value` that it stands for.
    ///
    /// ```
    /// use serde_json::json;
    /// use tenterhook_contract::pointer_pattern::PointerPattern;
    /// let order = json!({ "lines": [{ "price": 5 }, { "price": 7 }] });
    /// let prices: PointerPattern = "/lines/*/price".parse().unwrap();
    /// assert_eq!(prices.find(&order), [&json!(5), &json!(7)]);
    /// ```
    pub fn find<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        below(vec![value], &self.0)
    }

    /// Every value that it stands for in an object with these members.
    ///
    /// ```
    /// use serde_json::json;
    /// use tenterhook_contract::pointer_pattern::PointerPattern;
    /// let (order, buyer) = (json!({ "price": 5 }), json!({ "name": "Ada" }));
    /// let members = [("order", &order), ("buyer", &buyer)];
    /// let found = |text: &str| text.parse::<PointerPattern>().unwrap().find_among(&members);
    /// assert_eq!(found("/order/price"), [&json!(5)]);
    /// assert_eq!(found("/*/name"), [&json!("Ada")]);
    /// ```
    pub fn find_among<'a>(&self, members: &[(&str, &'a Value)]) -> Vec<&'a Value> {
        let Some((first, rest)) = self.0.split_first() else { return Vec::new() };
        let found = members.iter().filter(|(name, _)| first.matches(name)).map(|(_, value)| *value);
        below(found.collect(), rest)
    }

    /// Puts `new` at every place below `value` that it stands for and that has a value.
    ///
    /// ```
    /// use serde_json::json;
    /// use tenterhook_contract::pointer_pattern::PointerPattern;
    /// let mut order = json!({ "lines": [{ "price": 5 }, { "price": null }, {}] });
    /// "/lines/*/price".parse::<PointerPattern>().unwrap().replace(&mut order, &json!("x"));
    /// assert_eq!(order, json!({ "lines": [{ "price": "x" }, { "price": "x" }, {}] }));
    /// ```
    pub fn replace(&self, value: &mut Value, new: &Value) {
        replace(&self.0, value, new);
    }
}

/// Every value that `names` lead to from one of `found`.
fn below<'a>(mut found: Vec<&'a Value>, names: &[PatternName]) -> Vec<&'a Value> {
    for name in names {
        found = found.into_iter().flat_map(|parent| children(parent, name)).collect();
    }
    found
}

/// Recursion is bounded by the nesting of `value`, which is that of a document that was parsed.
fn replace(names: &[PatternName], value: &mut Value, new: &Value) {
    let Some((name, names)) = names.split_first() else {
        value.clone_from(new);
        return;
    };
    match (value, name) {
        (Value::Object(members), PatternName::Any) => members.values_mut().for_each(|child| replace(names, child, new)),
        (Value::Array(items), PatternName::Any) => items.iter_mut().for_each(|child| replace(names, child, new)),
        (parent, PatternName::Is(name)) => {
            if let Some(child) = pointer::child_mut(parent, name) {
                replace(names, child, new);
            }
        }
        (_, PatternName::Any) => {}
    }
}

fn children<'a>(parent: &'a Value, name: &PatternName) -> Vec<&'a Value> {
    match (parent, name) {
        (Value::Object(members), PatternName::Any) => members.values().collect(),
        (Value::Array(items), PatternName::Any) => items.iter().collect(),
        (_, PatternName::Any) => Vec::new(),
        (parent, PatternName::Is(name)) => pointer::child(parent, name).into_iter().collect(),
    }
}
