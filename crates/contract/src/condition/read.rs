//! Reading a condition: everything that is wrong with it, each with its place and with what to write instead.

use regex::RegexBuilder;
use serde_json::{Map, Value};

use super::{ConditionProblem, Is, Node, Pattern, Pointer, Test, TestName};
use crate::{
    limits::{
        CONDITION_BYTES_MAX, CONDITION_CHOICES_MAX, CONDITION_DEPTH_MAX, CONDITION_NODES_MAX, CONDITION_PATTERNS_MAX,
        CONDITION_TEXT_BYTES_MAX, PATTERN_CHARACTERS_MAX, PATTERN_COMPILED_BYTES_MAX, PROBLEMS_SHOWN_MAX,
        VALUE_DEPTH_MAX,
    },
    plain_json::{is_nested_at_most, kind},
    pointer::escape,
    problem::shown,
};

/// Groups of a regular expression that may be nested.
const PATTERN_NEST_MAX: u32 = 32;
const COMBINATIONS: [&str; 3] = ["all", "any", "not"];
const TEST_MEMBERS: [&str; 3] = ["pointer", "is", "value"];
const A_CONDITION: &str = "Write a test, such as `{\"pointer\": \"/context/country\", \"is\": \"equal\", \"value\": \"SE\"}`, or \
                           one of `all`, `any` and `not`";
const A_POINTER: &str = "Write a JSON Pointer (RFC 6901) into the document's `data`, such as `/context/country`";

pub(super) fn condition(written: &Value) -> Result<Node, Vec<ConditionProblem>> {
    let mut reader = Reader::default();
    let node = reader.node(written, "", 0);
    if reader.nodes > CONDITION_NODES_MAX {
        let message = format!("A condition has at most {CONDITION_NODES_MAX} tests and combinations");
        reader.problems.insert(0, ConditionProblem { pointer: String::new(), message });
    }
    // The nesting is bounded by now, or there is a problem.
    if reader.problems.is_empty() && written.to_string().len() > CONDITION_BYTES_MAX {
        reader.problem("", format!("A condition has at most {CONDITION_BYTES_MAX} bytes"));
    }
    match node {
        Some(node) if reader.problems.is_empty() => Ok(node),
        _ => {
            reader.problems.truncate(PROBLEMS_SHOWN_MAX);
            Err(reader.problems)
        }
    }
}

/// What was read so far.
#[derive(Default)]
struct Reader {
    problems: Vec<ConditionProblem>,
    nodes: usize,
    patterns: usize,
}

impl Reader {
    fn problem(&mut self, at: &str, message: impl Into<String>) {
        self.problems.push(ConditionProblem { pointer: at.to_owned(), message: message.into() });
    }

    /// Reads one node, below `above` combinations; `None` is a problem that has been noted.
    fn node(&mut self, written: &Value, at: &str, above: usize) -> Option<Node> {
        self.nodes += 1;
        if self.nodes > CONDITION_NODES_MAX {
            return None;
        }
        let Value::Object(members) = written else {
            self.problem(at, format!("{A_CONDITION}, not {}", kind(written)));
            return None;
        };
        let combinations: Vec<_> = COMBINATIONS.into_iter().filter(|name| members.contains_key(*name)).collect();
        match combinations.as_slice() {
            [] => self.test(members, at),
            [_] if above == CONDITION_DEPTH_MAX => {
                self.problem(at, format!("`all`, `any` and `not` can be nested {CONDITION_DEPTH_MAX} deep"));
                None
            }
            [name] if members.len() == 1 => self.combination(name, members.get(*name)?, at, above + 1),
            [name] => {
                let other = members.keys().find(|member| member != name).map_or("", String::as_str);
                self.problem(at, format!("Write `{name}` without `{}` beside it", shown(other)));
                None
            }
            [name, other, ..] => {
                self.problem(at, format!("Write `{name}` or `{other}`, not both: put one inside the other"));
                None
            }
        }
    }

    fn combination(&mut self, name: &str, written: &Value, at: &str, above: usize) -> Option<Node> {
        let at = format!("{at}/{name}");
        if name == "not" {
            return self.node(written, &at, above).map(|node| Node::Not(Box::new(node)));
        }
        let Value::Array(items) = written else {
            self.problem(&at, format!("Write an array of conditions, not {}", kind(written)));
            return None;
        };
        if items.is_empty() {
            self.problem(&at, "Write one condition at least");
            return None;
        }
        let mut nodes = Vec::with_capacity(items.len().min(CONDITION_NODES_MAX));
        for (index, item) in items.iter().enumerate() {
            // What follows is not looked at: the condition is refused, whatever it says.
            if self.nodes > CONDITION_NODES_MAX {
                return None;
            }
            nodes.extend(self.node(item, &format!("{at}/{index}"), above));
        }
        Some(if name == "all" { Node::All(nodes) } else { Node::Any(nodes) })
    }

    fn test(&mut self, members: &Map<String, Value>, at: &str) -> Option<Node> {
        if !TEST_MEMBERS.iter().any(|name| members.contains_key(*name)) {
            self.problem(at, A_CONDITION);
            return None;
        }
        if let Some(other) = members.keys().find(|name| !TEST_MEMBERS.contains(&name.as_str())) {
            let pointer = format!("{at}/{}", escape(&shown(other)));
            self.problem(&pointer, "A test has the members `pointer`, `is` and `value` only");
        }
        let pointer = self.pointer(members.get("pointer"), &format!("{at}/pointer"));
        let value_at = format!("{at}/value");
        let value = members.get("value");
        let is = self.name(members.get("is"), &format!("{at}/is")).and_then(|name| self.is(name, value, &value_at));
        Some(Node::Test(Test { pointer: pointer?, is: is? }))
    }

    fn pointer(&mut self, written: Option<&Value>, at: &str) -> Option<Pointer> {
        let text = written.and_then(Value::as_str).filter(|text| !text.is_empty());
        let pointer =
            text.filter(|text| text.len() <= CONDITION_TEXT_BYTES_MAX).and_then(|text| Pointer::new(text).ok());
        if pointer.is_none() {
            match text {
                Some(text) if text.len() > CONDITION_TEXT_BYTES_MAX => self.too_long(at),
                _ => self.problem(at, A_POINTER),
            }
        }
        pointer
    }

    fn name(&mut self, written: Option<&Value>, at: &str) -> Option<TestName> {
        let text = written.and_then(Value::as_str);
        let name = TestName::ALL.into_iter().find(|name| Some(name.as_str()) == text);
        if name.is_none() {
            let names = TestName::ALL.map(|name| format!("`{name}`")).join(", ");
            self.problem(at, format!("Write one of {names}"));
        }
        name
    }

    fn is(&mut self, name: TestName, value: Option<&Value>, at: &str) -> Option<Is> {
        let Some(value) = value else {
            if name == TestName::Exists {
                return Some(Is::Exists(true));
            }
            self.problem(at, format!("Write `value`: {}", wanted(name)));
            return None;
        };
        match (name, value) {
            (TestName::Equal, value) => self.value(value, at).map(Is::Equal),
            (TestName::Contains, value) => self.value(value, at).map(Is::Contains),
            (TestName::In, Value::Array(choices)) => self.choices(choices, at),
            (TestName::Exists, Value::Bool(there)) => Some(Is::Exists(*there)),
            (TestName::Prefix, Value::String(text)) => {
                self.value(value, at)?;
                Some(Is::Prefix(text.clone()))
            }
            (TestName::Matches, Value::String(text)) => self.pattern(text, at).map(Is::Matches),
            (TestName::Less, Value::Number(number)) => Some(Is::Less(number.clone())),
            (TestName::Greater, Value::Number(number)) => Some(Is::Greater(number.clone())),
            (name, value) => {
                self.problem(at, format!("Write {}, not {}", wanted(name), kind(value)));
                None
            }
        }
    }

    fn choices(&mut self, choices: &[Value], at: &str) -> Option<Is> {
        if choices.is_empty() || choices.len() > CONDITION_CHOICES_MAX {
            self.problem(at, format!("Write {}", wanted(TestName::In)));
            return None;
        }
        let read = choices.iter().enumerate().map(|(index, choice)| self.value(choice, &format!("{at}/{index}")));
        // Every choice is looked at, so that every problem is told.
        let read: Vec<_> = read.collect();
        read.into_iter().collect::<Option<Vec<_>>>().map(Is::In)
    }

    /// A value to compare with.
    fn value(&mut self, value: &Value, at: &str) -> Option<Value> {
        if !is_nested_at_most(value, VALUE_DEPTH_MAX) {
            self.problem(at, format!("Arrays and objects can be nested {VALUE_DEPTH_MAX} deep"));
            return None;
        }
        if !has_short_texts(value) {
            self.too_long(at);
            return None;
        }
        Some(value.clone())
    }

    fn pattern(&mut self, text: &str, at: &str) -> Option<Pattern> {
        self.patterns += 1;
        if self.patterns > CONDITION_PATTERNS_MAX {
            self.problem(at, format!("A condition has at most {CONDITION_PATTERNS_MAX} `matches`"));
            return None;
        }
        if text.chars().count() > PATTERN_CHARACTERS_MAX {
            self.problem(at, format!("A regular expression has at most {PATTERN_CHARACTERS_MAX} characters"));
            return None;
        }
        let built = RegexBuilder::new(text)
            .size_limit(PATTERN_COMPILED_BYTES_MAX)
            .dfa_size_limit(PATTERN_COMPILED_BYTES_MAX)
            .nest_limit(PATTERN_NEST_MAX)
            .build();
        match built {
            Ok(regex) => Some(Pattern(regex)),
            Err(regex::Error::CompiledTooBig(_)) => {
                self.problem(
                    at,
                    "The regular expression takes too much memory: write smaller counts, or `[0-9]` for `\\d`",
                );
                None
            }
            Err(error) => {
                self.problem(at, format!("The regular expression cannot be read: {}", last_line(&error.to_string())));
                None
            }
        }
    }

    fn too_long(&mut self, at: &str) {
        self.problem(at, format!("Each text of a condition has at most {CONDITION_TEXT_BYTES_MAX} bytes"));
    }
}

/// What `value` is for this test.
fn wanted(name: TestName) -> String {
    match name {
        TestName::Equal => "the value to compare with".to_owned(),
        TestName::In => format!("an array of 1 to {CONDITION_CHOICES_MAX} values"),
        TestName::Exists => "`true` or `false`".to_owned(),
        TestName::Prefix => "a text".to_owned(),
        TestName::Matches => "a regular expression, as a text".to_owned(),
        TestName::Less | TestName::Greater => "a number".to_owned(),
        TestName::Contains => "the text or the element to find".to_owned(),
    }
}

fn has_short_texts(value: &Value) -> bool {
    let is_short = |text: &String| text.len() <= CONDITION_TEXT_BYTES_MAX;
    match value {
        Value::String(text) => is_short(text),
        Value::Array(items) => items.iter().all(has_short_texts),
        Value::Object(members) => members.iter().all(|(name, value)| is_short(name) && has_short_texts(value)),
        _ => true,
    }
}

/// The last line of the error of a regular expression says what is wrong; the lines before show the expression.
fn last_line(error: &str) -> &str {
    let line = error.lines().last().unwrap_or_default().trim();
    line.strip_prefix("error: ").unwrap_or(line)
}
