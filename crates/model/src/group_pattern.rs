//! Regular expressions of the names of groups: one in memory for equal texts, compiled when it is first needed.

use std::{
    collections::{HashMap, hash_map::Entry},
    fmt,
    sync::{Arc, LazyLock, Mutex, MutexGuard, OnceLock, PoisonError, Weak},
};

use regex::{Regex, RegexBuilder};

use crate::GroupFilterProblem;

/// Bytes of a compiled regular expression, and of the states that matching it keeps.
pub(crate) const COMPILED_BYTES_MAX: usize = 256 * 1_024;

/// The expressions in use, by their texts. An expression leaves when its last owner does, so there are as many as the
/// configurations in memory name.
static IN_USE: LazyLock<Mutex<HashMap<Box<str>, Weak<Shared>>>> = LazyLock::new(Mutex::default);

/// A regular expression that the whole name of a group must match.
///
/// Compiling one takes a thousand times as long as checking its syntax, so that it is done once for all claims and attributes
/// with the same text, and not when they are only read from the store.
///
/// ```
/// use tenterhook_model::GroupPattern;
/// let pattern = GroupPattern::new("eng-.*|ops").unwrap();
/// assert!(pattern.matches("eng-data") && !pattern.matches("devops"), "the whole name");
/// assert!(GroupPattern::new("eng-.*|ops").unwrap().is_same(&pattern));
/// ```
#[derive(Clone)]
pub struct GroupPattern(Arc<Shared>);

struct Shared {
    text: Box<str>,
    /// `None` inside when it is too large.
    compiled: OnceLock<Option<Regex>>,
}

impl GroupPattern {
    /// The expression with this text, whose syntax is checked. It is not compiled yet, unless an equal one was.
    ///
    /// # Errors
    /// [`GroupFilterProblem::NoPattern`]
    pub fn new(text: &str) -> Result<Self, GroupFilterProblem> {
        if let Some(known) = in_use().get(text).and_then(Weak::upgrade) {
            return Ok(Self(known));
        }
        check_syntax(text)?;
        let new = Arc::new(Shared { text: text.into(), compiled: OnceLock::new() });
        Ok(Self(match in_use().entry(text.into()) {
            Entry::Vacant(entry) => {
                entry.insert(Arc::downgrade(&new));
                new
            }
            Entry::Occupied(mut entry) => entry.get().upgrade().unwrap_or_else(|| {
                entry.insert(Arc::downgrade(&new));
                Arc::clone(&new)
            }),
        }))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// Compiles it, unless that has been done.
    ///
    /// # Errors
    /// [`GroupFilterProblem::PatternTooLarge`]
    pub fn compile(&self) -> Result<(), GroupFilterProblem> {
        self.compiled().map(drop).ok_or(GroupFilterProblem::PatternTooLarge)
    }

    /// Whether it has been compiled.
    pub fn is_compiled(&self) -> bool {
        self.0.compiled.get().is_some()
    }

    /// Whether both are the same in memory, as equal ones are.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whether the name of a group matches; none matches an expression that is too large.
    pub fn matches(&self, name: &str) -> bool {
        self.compiled().is_some_and(|compiled| compiled.is_match(name))
    }

    fn compiled(&self) -> Option<&Regex> {
        // The syntax was checked, so that only the size is left to fail.
        let compile = || builder(&format!(r"\A(?:{})\z", self.0.text), COMPILED_BYTES_MAX).build().ok();
        self.0.compiled.get_or_init(compile).as_ref()
    }
}

/// Checks a text by itself: `a)(b` is no expression, although it is one inside of the group that is compiled.
fn check_syntax(text: &str) -> Result<(), GroupFilterProblem> {
    // Without room for anything compiled only the syntax is read, which costs little.
    match builder(text, 0).build() {
        Ok(_) | Err(regex::Error::CompiledTooBig(_)) => Ok(()),
        Err(_) => Err(GroupFilterProblem::NoPattern),
    }
}

fn builder(text: &str, bytes_max: usize) -> RegexBuilder {
    let mut builder = RegexBuilder::new(text);
    builder.size_limit(bytes_max).dfa_size_limit(COMPILED_BYTES_MAX);
    builder
}

fn in_use() -> MutexGuard<'static, HashMap<Box<str>, Weak<Shared>>> {
    // No code that runs under the lock can leave the map half changed.
    IN_USE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Entry::Occupied(entry) = in_use().entry(self.text.clone())
            // An equal expression may have taken the place meanwhile.
            && entry.get().strong_count() == 0
        {
            entry.remove();
        }
    }
}

impl PartialEq for GroupPattern {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for GroupPattern {}

impl fmt::Debug for GroupPattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), formatter)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn equal_expressions_are_compiled_once_by_the_first_that_needs_it() {
        let one = GroupPattern::new("compiled-once-.*").unwrap();
        let other = GroupPattern::new("compiled-once-.*").unwrap();
        assert!(one.is_same(&other) && !one.is_compiled());
        assert!(one.matches("compiled-once-x") && other.is_compiled());
        let address = std::ptr::from_ref(one.compiled().unwrap());
        assert_eq!(std::ptr::from_ref(other.compiled().unwrap()), address);
    }

    #[test]
    fn an_expression_that_nobody_has_any_more_is_forgotten() {
        let one = GroupPattern::new("forgotten-.*").unwrap();
        let other = one.clone();
        drop(one);
        assert!(in_use().contains_key("forgotten-.*"));
        drop(other);
        assert!(!in_use().contains_key("forgotten-.*"));
    }

    #[test]
    fn reading_the_syntax_compiles_nothing_and_sizes_are_refused_when_it_is_compiled() {
        let large = GroupPattern::new(r"\w{900}{900}").unwrap();
        assert!(!large.is_compiled());
        assert_eq!(large.compile(), Err(GroupFilterProblem::PatternTooLarge));
        assert!(!large.matches("a"));
        for text in ["(", "a)(b", "(?=x)", r"(a)\1", "[z-a]"] {
            assert_eq!(GroupPattern::new(text), Err(GroupFilterProblem::NoPattern), "{text}");
        }
        assert_eq!(GroupPattern::new("ops").unwrap().compile(), Ok(()));
    }
}
