//! The language in which lists are searched: conditions joined by `and`, `or` and parentheses, as filters of SCIM are written
//! (RFC 7644 section 3.4.2.2). Start reading at [`read_search`].
//!
//! Which attributes there are, and what can be asked of them, is not known here: the caller makes a condition of each [`Term`].

/// Bytes of a search.
pub const SEARCH_BYTES_MAX: usize = 8_192;
/// Conditions of a search.
pub const SEARCH_CONDITIONS_MAX: usize = 20;
/// Parentheses inside each other.
pub const SEARCH_DEPTH_MAX: usize = 5;
/// Characters of a search that a problem repeats.
const SHOWN_CHARACTERS_MAX: usize = 60;

/// What a search becomes.
pub trait SearchCondition: Sized {
    /// Every one of these holds; they are two at least.
    fn all(conditions: Vec<Self>) -> Self;

    /// One of these holds at least; they are two at least. `None` where that cannot be asked.
    fn any(conditions: Vec<Self>) -> Option<Self>;
}

/// One condition as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term<'a> {
    /// The name of the attribute.
    pub attribute: &'a str,
    /// What is asked of it.
    pub comparison: Comparison,
}

/// What is asked of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `pr`: that it has a value.
    Present,
    /// How it compares with a text.
    With(SearchOperator, String),
}

/// How an attribute is compared with a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SearchOperator {
    /// `eq`: equals.
    Equals,
    /// `sw`: starts with.
    StartsWith,
    /// `co`: contains.
    Contains,
    /// `gt`: is greater, or later.
    Greater,
    /// `ge`: is greater or the same.
    GreaterOrSame,
    /// `lt`: is less, or earlier.
    Less,
    /// `le`: is less or the same.
    LessOrSame,
}

/// Why a search is refused, for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SearchProblem {
    /// It is too long.
    #[error("it has more than {SEARCH_BYTES_MAX} bytes")]
    TooLong,
    /// It has too many conditions.
    #[error("it has more than {SEARCH_CONDITIONS_MAX} conditions")]
    TooManyConditions,
    /// Its parentheses are too deep.
    #[error("it has more than {SEARCH_DEPTH_MAX} parentheses inside each other")]
    TooDeep,
    /// It cannot be read from this place on.
    #[error(
        "it cannot be read {}: write conditions such as `created gt \"2026-01-01T00:00:00.000Z\"`, joined by `and`, `or` and parentheses",
        place(.0)
    )]
    Unreadable(String),
    /// There is no such operator.
    #[error("`{0}` is no operator here: write `eq`, `sw`, `co`, `gt`, `ge`, `lt`, `le` or `pr`")]
    Operator(String),
    /// The list is not searched by this attribute.
    #[error("`{attribute}` is not searched, because it has no index: search by {possible}")]
    Attribute {
        /// Its name.
        attribute: String,
        /// The attributes that there are.
        possible: &'static str,
    },
    /// The operator cannot be used with the attribute.
    #[error("`{operator}` is not possible on `{attribute}`: use {possible}")]
    NotPossible {
        /// The attribute.
        attribute: &'static str,
        /// The operator.
        operator: &'static str,
        /// The operators that there are.
        possible: &'static str,
    },
    /// The attribute does not have such values.
    #[error("`{attribute}` is compared with {wanted}")]
    Value {
        /// The attribute.
        attribute: &'static str,
        /// What its values are.
        wanted: &'static str,
    },
    /// Conditions cannot be joined by `or`.
    #[error("`or` is not evaluated here: join conditions by `and`")]
    Or,
}

impl SearchProblem {
    /// Of an attribute by which a list is not searched.
    pub fn attribute(term: &Term<'_>, possible: &'static str) -> Self {
        Self::Attribute { attribute: shown(term.attribute), possible }
    }
}

impl Comparison {
    /// The operator as it is written.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Present => "pr",
            Self::With(operator, _) => operator.as_str(),
        }
    }
}

impl SearchOperator {
    /// Every one.
    pub const ALL: [Self; 7] = [
        Self::Equals,
        Self::StartsWith,
        Self::Contains,
        Self::Greater,
        Self::GreaterOrSame,
        Self::Less,
        Self::LessOrSame,
    ];

    /// The operator as it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Equals => "eq",
            Self::StartsWith => "sw",
            Self::Contains => "co",
            Self::Greater => "gt",
            Self::GreaterOrSame => "ge",
            Self::Less => "lt",
            Self::LessOrSame => "le",
        }
    }
}

/// Reads a search. `and` binds more tightly than `or`; `of` makes a condition of each term.
///
/// # Errors
/// The first problem.
pub fn read_search<C: SearchCondition>(
    text: &str,
    of: impl Fn(&Term<'_>) -> Result<C, SearchProblem>,
) -> Result<C, SearchProblem> {
    if text.len() > SEARCH_BYTES_MAX {
        return Err(SearchProblem::TooLong);
    }
    let mut reader = Reader { rest: text, conditions: 0, of };
    let condition = reader.any(0)?;
    if reader.rest.trim().is_empty() { Ok(condition) } else { Err(reader.unreadable()) }
}

struct Reader<'a, F> {
    rest: &'a str,
    conditions: usize,
    of: F,
}

impl<'a, C: SearchCondition, F: Fn(&Term<'_>) -> Result<C, SearchProblem>> Reader<'a, F> {
    fn any(&mut self, depth: usize) -> Result<C, SearchProblem> {
        let first = self.all(depth)?;
        let mut any = vec![first];
        while self.takes_word("or") {
            any.push(self.all(depth)?);
        }
        one_or(any, C::any)
    }

    fn all(&mut self, depth: usize) -> Result<C, SearchProblem> {
        let first = self.one(depth)?;
        let mut all = vec![first];
        while self.takes_word("and") {
            all.push(self.one(depth)?);
        }
        one_or(all, |all| Some(C::all(all)))
    }

    fn one(&mut self, depth: usize) -> Result<C, SearchProblem> {
        self.rest = self.rest.trim_start();
        if let Some(inner) = self.rest.strip_prefix('(') {
            if depth == SEARCH_DEPTH_MAX {
                return Err(SearchProblem::TooDeep);
            }
            self.rest = inner;
            let condition = self.any(depth + 1)?;
            self.rest = self.rest.trim_start();
            self.rest = self.rest.strip_prefix(')').ok_or_else(|| self.unreadable())?;
            return Ok(condition);
        }
        self.conditions += 1;
        if self.conditions > SEARCH_CONDITIONS_MAX {
            return Err(SearchProblem::TooManyConditions);
        }
        let attribute = self.word()?;
        let comparison = self.comparison()?;
        (self.of)(&Term { attribute, comparison })
    }

    fn comparison(&mut self) -> Result<Comparison, SearchProblem> {
        let operator = self.word()?.to_ascii_lowercase();
        if operator == "pr" {
            return Ok(Comparison::Present);
        }
        let known = SearchOperator::ALL.into_iter().find(|known| known.as_str() == operator);
        let known = known.ok_or_else(|| SearchProblem::Operator(shown(&operator)))?;
        self.rest = self.rest.trim_start();
        let (value, after) = quoted(self.rest).ok_or_else(|| self.unreadable())?;
        self.rest = after;
        Ok(Comparison::With(known, value))
    }

    /// The next word, up to a space or a parenthesis.
    fn word(&mut self) -> Result<&'a str, SearchProblem> {
        self.rest = self.rest.trim_start();
        let end = self.rest.find([' ', '(', ')']).unwrap_or(self.rest.len());
        let (word, after) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        if word.is_empty() {
            return Err(self.unreadable());
        }
        self.rest = after;
        Ok(word)
    }

    /// Whether the next word is this one, which is then behind.
    fn takes_word(&mut self, wanted: &str) -> bool {
        let rest = self.rest.trim_start();
        let (Some(word), Some(after)) = (rest.get(..wanted.len()), rest.get(wanted.len()..)) else { return false };
        if word.eq_ignore_ascii_case(wanted) && after.starts_with([' ', '(']) {
            self.rest = after;
            return true;
        }
        false
    }

    fn unreadable(&self) -> SearchProblem {
        SearchProblem::Unreadable(shown(self.rest.trim_start()))
    }
}

fn one_or<C>(mut conditions: Vec<C>, join: impl Fn(Vec<C>) -> Option<C>) -> Result<C, SearchProblem> {
    let joined = if conditions.len() == 1 { conditions.pop() } else { join(conditions) };
    joined.ok_or(SearchProblem::Or)
}

/// A quoted text, written as in JSON, and the rest of the input.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<String>();
    let value = values.next()?.ok()?;
    Some((value, text.get(values.byte_offset()..)?))
}

fn shown(text: &str) -> String {
    text.chars().take(SHOWN_CHARACTERS_MAX).collect()
}

fn place(rest: &str) -> String {
    if rest.is_empty() { "to its end".to_owned() } else { format!("from `{rest}` on") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Debug, PartialEq)]
    enum Tree {
        One(String, Comparison),
        All(Vec<Tree>),
        Any(Vec<Tree>),
    }

    impl SearchCondition for Tree {
        fn all(conditions: Vec<Self>) -> Self {
            Self::All(conditions)
        }

        fn any(conditions: Vec<Self>) -> Option<Self> {
            Some(Self::Any(conditions))
        }
    }

    fn read(text: &str) -> Result<Tree, SearchProblem> {
        read_search(text, |term| Ok(Tree::One(term.attribute.to_owned(), term.comparison.clone())))
    }

    #[test]
    fn conditions_are_joined_with_and_before_or() {
        use SearchOperator::{Equals, Greater, StartsWith};
        let with = |name: &str, operator, value: &str| {
            Tree::One(name.to_owned(), Comparison::With(operator, value.to_owned()))
        };
        let present = |name: &str| Tree::One(name.to_owned(), Comparison::Present);
        let [a, b, c] = ["a", "b", "c"].map(|name| with(name, Equals, "1"));
        for (text, wanted) in [
            ("a eq \"1\"", a.clone()),
            (" a  EQ  \"1\" ", a.clone()),
            ("profile.x pr", present("profile.x")),
            ("(x pr)or(y PR)", Tree::Any(vec![present("x"), present("y")])),
            ("a sw \"q \\\"u\\\" ) or\"", with("a", StartsWith, "q \"u\" ) or")),
            ("a gt \"\"", with("a", Greater, "")),
            (
                "a eq \"1\" AND b eq \"1\" or c eq \"1\"",
                Tree::Any(vec![Tree::All(vec![a.clone(), b.clone()]), c.clone()]),
            ),
            ("a eq \"1\" and(b eq \"1\" Or c eq \"1\")", Tree::All(vec![a.clone(), Tree::Any(vec![b, c])])),
            ("((a eq \"1\"))", a.clone()),
            ("and pr and or pr", Tree::All(vec![present("and"), present("or")])),
        ] {
            assert_eq!(read(text), Ok(wanted), "{text}");
        }
        for (text, rest) in [
            ("", ""),
            ("   ", ""),
            ("a", ""),
            ("a eq", ""),
            ("a eq 1", "1"),
            ("a eq \"1", "\"1"),
            ("a eq \"\\ud800\"", "\"\\ud800\""),
            ("a eq \"1\" and", "and"),
            ("a eq \"1\" and ", ""),
            ("a eq \"1\" b eq \"1\"", "b eq \"1\""),
            ("(a eq \"1\"", ""),
            ("a eq \"1\")", ")"),
            (") a eq \"1\"", ") a eq \"1\""),
            ("a (eq \"1\")", "(eq \"1\")"),
        ] {
            assert_eq!(read(text), Err(SearchProblem::Unreadable(rest.to_owned())), "{text}");
        }
        assert_eq!(read("a ne \"1\""), Err(SearchProblem::Operator("ne".to_owned())));
        assert_eq!(read("a eq\"1\""), Err(SearchProblem::Operator("eq\"1\"".to_owned())));
    }

    #[test]
    fn a_search_has_bounds() {
        let many = |count: usize| read(&vec!["a pr"; count].join(" or ")).map(drop);
        assert_eq!(many(SEARCH_CONDITIONS_MAX), Ok(()));
        assert_eq!(many(SEARCH_CONDITIONS_MAX + 1), Err(SearchProblem::TooManyConditions));
        let deep = |depth: usize| read(&format!("{}a pr{}", "(".repeat(depth), ")".repeat(depth))).map(drop);
        assert_eq!((deep(SEARCH_DEPTH_MAX), deep(SEARCH_DEPTH_MAX + 1)), (Ok(()), Err(SearchProblem::TooDeep)));
        let long = |bytes: usize| read(&format!("{:bytes$}", "a pr")).map(drop);
        assert_eq!((long(SEARCH_BYTES_MAX), long(SEARCH_BYTES_MAX + 1)), (Ok(()), Err(SearchProblem::TooLong)));
        let Err(problem) = read(&"ä".repeat(500)) else { panic!("it is no search") };
        assert!(problem.to_string().len() < 500, "{problem}");
    }
}
