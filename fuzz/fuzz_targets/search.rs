//! Searches of lists: reading any text is total and bounded, and what was read is the same when it is written and read again.
#![no_main]

use std::cell::Cell;

use libfuzzer_sys::fuzz_target;
use tenterhook_model::{
    Comparison, SEARCH_BYTES_MAX, SEARCH_CONDITIONS_MAX, SearchCondition, SearchProblem, read_search,
};

/// Bytes of a problem's text: it repeats a bounded part of the search.
const PROBLEM_BYTES_MAX: usize = 1_000;

#[derive(Debug, PartialEq)]
enum Tree {
    One(String, Comparison),
    All(Vec<Tree>),
    Any(Vec<Tree>),
}

impl SearchCondition for Tree {
    fn all(conditions: Vec<Self>) -> Self {
        assert!(conditions.len() > 1);
        Self::All(conditions)
    }

    fn any(conditions: Vec<Self>) -> Option<Self> {
        assert!(conditions.len() > 1);
        Some(Self::Any(conditions))
    }
}

impl Tree {
    /// The condition as it is written inside of another one.
    fn written(&self, is_inside: bool) -> String {
        let (conditions, word) = match self {
            Self::One(attribute, Comparison::Present) => return format!("{attribute} pr"),
            Self::One(attribute, Comparison::With(operator, value)) => {
                let value = serde_json::to_string(value).expect("a text is JSON");
                return format!("{attribute} {} {value}", operator.as_str());
            }
            Self::All(conditions) => (conditions, " and "),
            Self::Any(conditions) => (conditions, " or "),
        };
        // Parentheses only where they were needed in the text that was read: there is a bound for them.
        let is_bare = |inner: &Self| matches!((self, inner), (Self::Any(_), Self::All(_)));
        let parts: Vec<_> = conditions.iter().map(|inner| inner.written(!is_bare(inner))).collect();
        let joined = parts.join(word);
        if is_inside { format!("({joined})") } else { joined }
    }
}

fn read(text: &str) -> Result<Tree, SearchProblem> {
    let terms = Cell::new(0);
    let read = read_search(text, |term| {
        terms.set(terms.get() + 1);
        assert!(!term.attribute.is_empty());
        Ok(Tree::One(term.attribute.to_owned(), term.comparison.clone()))
    });
    assert!(terms.get() <= SEARCH_CONDITIONS_MAX);
    read
}

fuzz_target!(|text: &str| {
    match read(text) {
        Ok(tree) => {
            assert!(text.len() <= SEARCH_BYTES_MAX);
            let written = tree.written(false);
            // Escapes may make it longer than a search may be.
            if written.len() <= SEARCH_BYTES_MAX {
                assert_eq!(read(&written), Ok(tree), "{written}");
            }
        }
        Err(problem) => assert!(problem.to_string().len() <= PROBLEM_BYTES_MAX),
    }
});
