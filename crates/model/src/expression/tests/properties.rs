//! Properties of parsing and evaluating, with expressions put together at random.

use proptest::{collection::vec, prelude::*, sample::select};

use super::*;
use crate::expression::{function::Function, item::Item, parse, token};

/// Texts that are often an expression: names, functions, operators and signs in any order.
fn scraps() -> impl Strategy<Value = String> {
    let names = Function::ALL.iter().flat_map(|function| function.rule().names.iter().map(|name| format!("{name}(")));
    let others = [
        "user.city",
        "user.tags",
        "user.salary",
        "appuser.role",
        "app.name",
        "session.amr",
        "user",
        "null",
        "true",
        "'a'",
        "\"b\"",
        "1",
        "2.5",
        "+",
        "-",
        "==",
        "!=",
        "<",
        ">=",
        "&&",
        "||",
        "AND",
        "!",
        "?",
        ":",
        "(",
        ")",
        "{",
        "}",
        ",",
        " ",
        "${",
        "'",
        "ü",
        "isMemberOfGroupNameRegex('a+')",
    ];
    let scraps: Vec<String> = names.chain(others.map(str::to_owned)).collect();
    vec(select(scraps), 0..24).prop_map(|scraps| scraps.concat())
}

/// Expressions: values of known types, put into each other.
fn expressions() -> impl Strategy<Value = String> {
    let leaf = select(vec![
        "user.city",
        "user.tags",
        "user.nickName",
        "user.salary",
        "user.rate",
        "appuser.role",
        "user.isContractor",
        "null",
        "'a''b'",
        "7",
        "1.5",
        "true",
        "{}",
        "session.amr",
    ]);
    leaf.prop_map(str::to_owned).prop_recursive(6, 64, 4, |inner| {
        let any = select(Function::ALL.to_vec());
        let call = (any, vec(inner.clone(), 1..6)).prop_map(|(function, arguments)| {
            let count = function.rule().parameters.len();
            let name = function.rule().names.first().unwrap();
            format!("{name}({})", arguments.iter().cycle().take(count).cloned().collect::<Vec<_>>().join(","))
        });
        let operator = select(vec!["+", "-", "==", "!=", "<", ">=", "&&", "||"]);
        let binary =
            (inner.clone(), operator, inner.clone()).prop_map(|(one, by, two)| format!("({one}) {by} ({two})"));
        let choice =
            (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("({a}) ? ({b}) : ({c})"));
        let list = vec(inner.clone(), 0..4).prop_map(|items| format!("{{{}}}", items.join(",")));
        prop_oneof![3 => call, 2 => binary, 1 => choice, 1 => list, 1 => inner.prop_map(|inner| format!("!({inner})"))]
    })
}

fn is_bounded(item: &Item<'_>) -> bool {
    match item {
        Item::Text(text) => text.len() <= EXPRESSION_RESULT_BYTES_MAX,
        Item::Array(items) => items.len() <= EXPRESSION_ELEMENTS_MAX && items.iter().all(is_bounded),
        Item::Null | Item::Boolean(_) | Item::Number(_) => true,
    }
}

/// What holds of every text.
fn judge(text: &str) -> Result<bool, TestCaseError> {
    prop_assert!(token::tokens(text).map_or(true, |tokens| !tokens.is_empty()));
    if let Err(problem) = Template::parse(text) {
        prop_assert!((1..=text.chars().count() + 1).contains(&problem.at));
    }
    let Ok(node) = parse::expression(text) else { return Ok(false) };
    let printed = node.to_string();
    if let Ok(again) = parse::expression(&printed) {
        prop_assert_eq!(&again, &node, "{}", printed);
    } else {
        // Parentheses around every operation make it deeper and longer.
        prop_assert!(
            printed.matches('(').count() > EXPRESSION_DEPTH_MAX / 2 || printed.len() > EXPRESSION_BYTES_MAX,
            "{}",
            printed
        );
    }
    let (user, groups) = (user(), groups(&["a", "b"]));
    let inputs = Inputs { user: Some(&user), groups: Some(&groups), ..Inputs::default() };
    let item = node.evaluate(&inputs);
    prop_assert!(is_bounded(&item));
    prop_assert_eq!(Expression::parse(text).unwrap().evaluate(&inputs), item.into_value());
    Ok(true)
}

proptest! {
    #[test]
    fn no_text_is_read_wrongly(text in "\\PC{0,80}") {
        judge(&text)?;
    }

    #[test]
    fn no_scraps_are_read_wrongly(text in scraps()) {
        judge(&text)?;
    }

    #[test]
    fn an_expression_is_read_as_it_is_printed_and_its_value_is_bounded(text in expressions()) {
        judge(&text)?;
    }
}
