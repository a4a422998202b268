//! From a text to its tree: recursive descent, bounded in depth and parts.

use serde_json::Number;
use tenterhook_contract::problem::shown;

use super::{
    EXPRESSION_BYTES_MAX, EXPRESSION_DEPTH_MAX, EXPRESSION_PARTS_MAX, EXPRESSION_PATTERN_CHARACTERS_MAX,
    EXPRESSION_PATTERNS_MAX, ExpressionProblem, GROUPS_RETURNED_MAX,
    function::{Function, GROUP_MATCHING, Shape},
    suggest::suggestion,
    syntax::{Literal, Node, Operator, Reference, Root},
    token::{Kind, Token, problem, tokens},
};
use crate::{GroupFilterProblem, GroupPattern};

/// What names may begin with.
const ROOTS: [&str; 8] = ["user", "source", "app", "appuser", "appUser", "idpuser", "org", "session"];
/// The properties of `user.getInternalProperty`.
pub(super) const INTERNAL_PROPERTIES: [&str; 5] = ["id", "status", "created", "lastUpdated", "passwordChanged"];
/// What `getFilteredGroups` says of each group.
pub(super) const GROUP_PROPERTIES: [&str; 3] = ["group.name", "group.id", "group.description"];

type Parsed<T> = Result<T, ExpressionProblem>;

/// Parses an expression.
pub(super) fn expression(text: &str) -> Parsed<Node> {
    check_length(text)?;
    Parser::new(text)?.whole()
}

/// Parses a template (see [`super::Template`]).
pub(super) fn template(text: &str) -> Parsed<Node> {
    check_length(text)?;
    if text.contains("${") {
        return pieces(text);
    }
    match expression(text) {
        Ok(node) => Ok(node),
        Err(_) if is_constant(text) => Ok(Node::Literal(Literal::Text(text.into()))),
        Err(problem) => Err(problem),
    }
}

fn check_length(text: &str) -> Parsed<()> {
    if text.len() <= EXPRESSION_BYTES_MAX {
        return Ok(());
    }
    Err(ExpressionProblem { at: 1, message: format!("An expression has at most {EXPRESSION_BYTES_MAX} bytes") })
}

/// Whether a text is not meant as an expression: it has none of the signs that only expressions have, and begins with
/// nothing that an expression can refer to.
fn is_constant(text: &str) -> bool {
    let names = text.split_once('.').is_some_and(|(root, _)| ROOTS.contains(&root.trim()));
    !names && !ROOTS.contains(&text.trim()) && !text.contains(['"', '\'', '(', ')', '{', '}', '?'])
}

/// The constant pieces and the expressions of a text, put together.
fn pieces(text: &str) -> Parsed<Node> {
    let mut nodes = Vec::new();
    let mut at = 0;
    while let Some(begin) = text.get(at..).and_then(|rest| rest.find("${")).map(|found| at + found) {
        if begin > at {
            nodes.push(Node::Literal(Literal::Text(text.get(at..begin).unwrap_or_default().into())));
        }
        let inside = begin + "${".len();
        let end = end_of(text, inside).ok_or_else(|| problem(text, begin, "A `}` is missing for this `${`"))?;
        let before = text.get(..inside).unwrap_or_default().chars().count();
        let node = Parser::new(text.get(inside..end).unwrap_or_default()).and_then(Parser::whole);
        nodes.push(node.map_err(|problem| ExpressionProblem { at: problem.at + before, ..problem })?);
        at = end + 1;
    }
    if let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        nodes.push(Node::Literal(Literal::Text(rest.into())));
    }
    if nodes.len() > EXPRESSION_PARTS_MAX {
        return Err(too_many_parts(text, 0));
    }
    let mut nodes = nodes.into_iter();
    match (nodes.len(), nodes.next()) {
        (1, Some(node)) => Ok(node),
        (_, first) => {
            // Put after a text, every value becomes a text.
            let text = Node::Literal(Literal::Text("".into()));
            let join = |left, right| Node::Binary(Operator::Plus, Box::new((left, right)));
            Ok(first.into_iter().chain(nodes).fold(text, join))
        }
    }
}

/// Where the `}` is that ends an expression which begins at `at`: braces inside it and in its texts do not end it.
fn end_of(text: &str, at: usize) -> Option<usize> {
    let (mut depth, mut quote) = (0_usize, None);
    for (index, byte) in text.bytes().enumerate().skip(at) {
        match (quote, byte) {
            (Some(open), byte) if byte == open => quote = None,
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, b'{') => depth += 1,
            (None, b'}') if depth == 0 => return Some(index),
            (None, b'}') => depth -= 1,
            _ => {}
        }
    }
    None
}

fn too_many_parts(text: &str, at: usize) -> ExpressionProblem {
    problem(text, at, format!("An expression has at most {EXPRESSION_PARTS_MAX} parts"))
}

struct Parser<'a> {
    text: &'a str,
    tokens: std::iter::Peekable<std::vec::IntoIter<Token<'a>>>,
    depth: usize,
    parts: usize,
    patterns: usize,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Parsed<Self> {
        Ok(Self { text, tokens: tokens(text)?.into_iter().peekable(), depth: 0, parts: 0, patterns: 0 })
    }

    fn whole(mut self) -> Parsed<Node> {
        let node = self.value()?;
        match self.next() {
            Token { kind: Kind::End, .. } => Ok(node),
            Token { kind: Kind::Symbol("="), at } => Err(self.problem(at, "Write `==` to compare")),
            Token { at, kind } => {
                Err(self
                    .problem(at, format!("There is something after the end of the expression: {}", described(&kind))))
            }
        }
    }

    fn problem(&self, at: usize, message: impl Into<String>) -> ExpressionProblem {
        problem(self.text, at, message)
    }

    /// Where the next token begins.
    fn at(&mut self) -> usize {
        self.tokens.peek().map_or(self.text.len(), |token| token.at)
    }

    fn next(&mut self) -> Token<'a> {
        self.tokens.next().unwrap_or(Token { at: self.text.len(), kind: Kind::End })
    }

    /// Takes the next token if it is this symbol.
    fn takes(&mut self, symbol: &'static str) -> bool {
        self.tokens.next_if(|token| token.kind == Kind::Symbol(symbol)).is_some()
    }

    fn expect(&mut self, symbol: &'static str) -> Parsed<()> {
        if self.takes(symbol) {
            return Ok(());
        }
        let found = self.next();
        Err(self.problem(found.at, format!("Expected `{symbol}`, found {}", described(&found.kind))))
    }

    /// Counts a part.
    fn part(&mut self, at: usize) -> Parsed<()> {
        self.parts += 1;
        if self.parts > EXPRESSION_PARTS_MAX { Err(too_many_parts(self.text, at)) } else { Ok(()) }
    }

    /// What `parse` reads, one level deeper.
    fn deeper<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        self.depth += 1;
        if self.depth > EXPRESSION_DEPTH_MAX {
            let at = self.at();
            return Err(self.problem(at, format!("An expression is at most {EXPRESSION_DEPTH_MAX} levels deep")));
        }
        let parsed = parse(self)?;
        self.depth -= 1;
        Ok(parsed)
    }

    /// An expression that is a value.
    fn value(&mut self) -> Parsed<Node> {
        let at = self.at();
        let node = self.deeper(Self::conditional)?;
        if let Node::Reference(Reference::Whole(_)) = node {
            return Err(
                self.problem(at, "Name an attribute, such as `user.email`; alone it can only be compared with null")
            );
        }
        Ok(node)
    }

    fn conditional(&mut self) -> Parsed<Node> {
        let at = self.at();
        let condition = self.binary(0)?;
        if !self.takes("?") {
            return Ok(condition);
        }
        self.part(at)?;
        self.check(at, &condition, &[Shape::Boolean], "The condition before `?` must be true or false")?;
        let yes = self.value()?;
        self.expect(":")?;
        let no = self.value()?;
        Ok(Node::Conditional(Box::new((condition, yes, no))))
    }

    fn binary(&mut self, level: usize) -> Parsed<Node> {
        let Some(operators) = Operator::LEVELS.get(level) else { return self.unary() };
        let begin = self.at();
        let mut left = self.binary(level + 1)?;
        while let Some(operator) = self.operator(operators) {
            let at = self.at();
            self.part(at)?;
            let right = self.binary(level + 1)?;
            self.check_sides(operator, (begin, &left), (at, &right))?;
            left = Node::Binary(operator, Box::new((left, right)));
        }
        Ok(left)
    }

    fn operator(&mut self, operators: &[Operator]) -> Option<Operator> {
        let found = match self.tokens.peek().map(|token| &token.kind)? {
            Kind::Symbol(symbol) => operators.iter().find(|operator| operator.symbol() == *symbol),
            Kind::Name(name) if name.eq_ignore_ascii_case("and") => operators.iter().find(|it| **it == Operator::And),
            Kind::Name(name) if name.eq_ignore_ascii_case("or") => operators.iter().find(|it| **it == Operator::Or),
            _ => None,
        };
        let found = found.copied()?;
        self.next();
        Some(found)
    }

    /// Refuses a value of a known shape that is none of these.
    fn check(&self, at: usize, node: &Node, shapes: &[Shape], message: &str) -> Parsed<()> {
        let shape = node.shape();
        let fits = matches!(shape, Shape::Any | Shape::Null) || shapes.contains(&shape);
        if fits { Ok(()) } else { Err(self.problem(at, message)) }
    }

    fn check_sides(&self, operator: Operator, left: (usize, &Node), right: (usize, &Node)) -> Parsed<()> {
        let is_null = |node: &Node| matches!(node, Node::Literal(Literal::Null));
        let compares_whole = matches!(operator, Operator::Equal | Operator::NotEqual);
        let with_null = is_null(left.1) || is_null(right.1);
        for (at, node) in [left, right] {
            match operator {
                Operator::Or | Operator::And => {
                    let message = format!("Both sides of `{}` must be true or false", operator.symbol());
                    self.check(at, node, &[Shape::Boolean], &message)?;
                }
                Operator::Minus => self.check(at, node, &[Shape::Number], "Both sides of `-` must be numbers")?,
                Operator::Plus => {
                    let shapes = [Shape::Text, Shape::Number, Shape::Boolean];
                    self.check(at, node, &shapes, "`+` joins texts and adds numbers; use `Arrays.flatten` for arrays")?;
                }
                Operator::Less | Operator::LessOrEqual | Operator::Greater | Operator::GreaterOrEqual => {
                    let shapes = [Shape::Text, Shape::Number];
                    let message = format!("Both sides of `{}` must be numbers, or both texts", operator.symbol());
                    self.check(at, node, &shapes, &message)?;
                }
                Operator::Equal | Operator::NotEqual => {}
            }
            if node.shape() == Shape::Whole && !(compares_whole && with_null) {
                return Err(self.problem(at, "Name an attribute; alone it can only be compared with null"));
            }
        }
        Ok(())
    }

    fn unary(&mut self) -> Parsed<Node> {
        let at = self.at();
        let is_not = |token: &Token<'_>| match token.kind {
            Kind::Symbol(symbol) => symbol == "!",
            Kind::Name(name) => name.eq_ignore_ascii_case("not"),
            _ => false,
        };
        if self.tokens.next_if(is_not).is_some() {
            self.part(at)?;
            let at = self.at();
            let inner = self.deeper(Self::unary)?;
            self.check(at, &inner, &[Shape::Boolean], "What follows `!` must be true or false")?;
            return Ok(Node::Not(Box::new(inner)));
        }
        if self.takes("-") {
            self.part(at)?;
            let at = self.at();
            let inner = self.deeper(Self::unary)?;
            self.check(at, &inner, &[Shape::Number], "What follows `-` must be a number")?;
            return Ok(Node::Minus(Box::new(inner)));
        }
        self.primary()
    }

    fn primary(&mut self) -> Parsed<Node> {
        let Token { at, kind } = self.next();
        self.part(at)?;
        match kind {
            Kind::Text(text) => Ok(Node::Literal(Literal::Text(text.into()))),
            Kind::Number(text) => self.number(at, text),
            Kind::Symbol("(") => {
                let inner = self.deeper(Self::conditional)?;
                self.expect(")")?;
                Ok(inner)
            }
            Kind::Symbol("{") => Ok(Node::Array(self.list("}")?.into_iter().map(|(_, item)| item).collect())),
            Kind::Name(name) => self.name(at, name),
            kind => Err(self.problem(at, format!("Expected a value, found {}", described(&kind)))),
        }
    }

    fn number(&self, at: usize, text: &str) -> Parsed<Node> {
        let number = match text.parse::<i64>() {
            Ok(number) => Some(Number::from(number)),
            Err(_) => text.parse().ok().and_then(Number::from_f64),
        };
        number
            .map(|number| Node::Literal(Literal::Number(number)))
            .ok_or_else(|| self.problem(at, "The number is too large"))
    }

    /// Values with commas between them, up to `end`, each with its place.
    fn list(&mut self, end: &'static str) -> Parsed<Vec<(usize, Node)>> {
        let mut items = Vec::new();
        if self.takes(end) {
            return Ok(items);
        }
        loop {
            let at = self.at();
            items.push((at, self.value()?));
            if !self.takes(",") {
                self.expect(end)?;
                return Ok(items);
            }
        }
    }

    fn name(&mut self, at: usize, name: &'a str) -> Parsed<Node> {
        if self.takes("(") {
            return self.call(at, name);
        }
        let literal = match name.to_ascii_lowercase().as_str() {
            "true" => Some(Literal::Boolean(true)),
            "false" => Some(Literal::Boolean(false)),
            "null" => Some(Literal::Null),
            _ => None,
        };
        match literal {
            Some(literal) => Ok(Node::Literal(literal)),
            None => reference(name).map(Node::Reference).map_err(|message| self.problem(at, message)),
        }
    }

    fn call(&mut self, at: usize, name: &str) -> Parsed<Node> {
        if name == GROUP_MATCHING {
            let arguments = self.list(")")?;
            let [(at, Node::Literal(Literal::Text(pattern)))] = arguments.as_slice() else {
                return Err(self.problem(at, format!("`{name}` takes a regular expression in quotes")));
            };
            return self.pattern(*at, pattern).map(Node::GroupMatching);
        }
        let function = Function::named(name).map_err(|message| self.problem(at, message))?;
        let arguments = self.list(")")?;
        let rule = function.rule();
        if !rule.takes(arguments.len()) {
            let message = format!("`{name}` takes {}, here are {}", rule.wanted(), arguments.len());
            return Err(self.problem(at, message));
        }
        for (index, (at, argument)) in arguments.iter().enumerate() {
            let Some(parameter) = rule.parameter(index) else { continue };
            let shape = argument.shape();
            let is_mapped = index == 0 && shape == Shape::Array && function.maps();
            if !is_mapped && !parameter.accepts(shape) {
                return Err(self.problem(*at, format!("This argument of `{name}` must be {}", parameter.wanted())));
            }
        }
        self.check_constants(function, &arguments)?;
        Ok(Node::Call(function, arguments.into_iter().map(|(_, argument)| argument).collect()))
    }

    /// Arguments that name something must be known names; counts of groups must be in their range.
    fn check_constants(&self, function: Function, arguments: &[(usize, Node)]) -> Parsed<()> {
        let (index, names): (usize, &[&str]) = match function {
            Function::InternalProperty => (0, &INTERNAL_PROPERTIES),
            Function::FilteredGroups => (1, &GROUP_PROPERTIES),
            Function::GroupsStartingWith | Function::GroupsEndingWith | Function::GroupsContaining => (usize::MAX, &[]),
            _ => return Ok(()),
        };
        if let Some((at, argument)) = arguments.get(index) {
            let known = matches!(argument, Node::Literal(Literal::Text(name)) if names.contains(&name.as_ref()));
            if !known {
                let names: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
                return Err(self.problem(*at, format!("Write one of {}", names.join(", "))));
            }
        }
        match arguments.get(2) {
            Some((at, Node::Literal(Literal::Number(count))))
                if !count.as_u64().is_some_and(|count| (1..=GROUPS_RETURNED_MAX as u64).contains(&count)) =>
            {
                Err(self.problem(*at, format!("Write a count from 1 to {GROUPS_RETURNED_MAX}")))
            }
            _ => Ok(()),
        }
    }

    fn pattern(&mut self, at: usize, text: &str) -> Parsed<GroupPattern> {
        self.patterns += 1;
        if self.patterns > EXPRESSION_PATTERNS_MAX {
            let message = format!("An expression has at most {EXPRESSION_PATTERNS_MAX} regular expressions");
            return Err(self.problem(at, message));
        }
        if text.chars().count() > EXPRESSION_PATTERN_CHARACTERS_MAX {
            let message = format!("A regular expression has at most {EXPRESSION_PATTERN_CHARACTERS_MAX} characters");
            return Err(self.problem(at, message));
        }
        let pattern = if text.is_empty() { Err(GroupFilterProblem::Blank) } else { GroupPattern::new(text) };
        pattern.map_err(|problem| self.problem(at, problem.to_string()))
    }
}

/// What a name refers to.
fn reference(name: &str) -> Result<Reference, String> {
    let (root, attribute) = match name.split_once('.') {
        Some((root, attribute)) => (root, Some(attribute)),
        None => (name, None),
    };
    let one = |attribute: &str| {
        if attribute.contains('.') {
            return Err(format!("`{}` names no attribute: write `{root}.ATTRIBUTE`", shown(name)));
        }
        Ok(Box::from(attribute))
    };
    let known = |attribute: &str, known: &[&str]| {
        let meant = suggestion(attribute, known.iter().copied());
        let meant = meant.map_or_else(String::new, |meant| format!("; did you mean `{root}.{meant}`?"));
        Err(format!("There is no `{}`{meant}", shown(name)))
    };
    match (root, attribute) {
        ("user" | "source", None) => Ok(Reference::Whole(Root::User)),
        ("app", None) => Ok(Reference::Whole(Root::App)),
        ("appuser" | "appUser", None) => Ok(Reference::Whole(Root::AppUser)),
        ("user" | "source", Some("id")) => Ok(Reference::UserId),
        ("user" | "source" | "appuser" | "appUser", Some("userName")) => Ok(Reference::UserName),
        ("user" | "source", Some(name)) => {
            one(name.strip_prefix("profile.").unwrap_or(name)).map(Reference::UserAttribute)
        }
        ("appuser" | "appUser", Some(name)) => one(name).map(Reference::AppUserAttribute),
        ("idpuser", Some(name)) => one(name).map(Reference::Nothing),
        ("app", Some("clientId" | "id")) => Ok(Reference::AppId),
        ("app", Some("name")) => Ok(Reference::AppName),
        ("app", Some("label")) => Ok(Reference::AppLabel),
        ("app", Some(name)) => match name.strip_prefix("profile.") {
            Some(name) => one(name).map(Reference::AppAttribute),
            None => known(name, &["clientId", "id", "name", "label", "profile.ATTRIBUTE"]),
        },
        ("org", Some("name")) => Ok(Reference::OrgName),
        ("org", Some("subDomain" | "subdomain")) => Ok(Reference::OrgSubdomain),
        ("org", Some(name)) => known(name, &["name", "subDomain"]),
        ("session", Some("amr")) => Ok(Reference::SessionMethods),
        ("session", Some(name)) => known(name, &["amr"]),
        _ => {
            let meant = suggestion(root, ROOTS).map_or_else(String::new, |meant| format!("; did you mean `{meant}`?"));
            Err(format!("`{}` is nothing that is known here{meant}", shown(name)))
        }
    }
}

/// A token in words.
fn described(kind: &Kind<'_>) -> String {
    match kind {
        Kind::Name(name) => format!("`{}`", shown(name)),
        Kind::Number(_) => "a number".to_owned(),
        Kind::Text(_) => "a text".to_owned(),
        Kind::Symbol(symbol) => format!("`{symbol}`"),
        Kind::End => "the end".to_owned(),
    }
}
