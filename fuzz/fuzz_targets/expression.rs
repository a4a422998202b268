//! Expressions and templates: parsing and evaluating any text is total and bounded, and a stored text means what it meant.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};
use tenterhook_model::{AuthenticationMethod, EXPRESSION_ELEMENTS_MAX, EXPRESSION_RESULT_BYTES_MAX, Expression, Inputs, Template};

fn is_bounded(value: &Value) -> bool {
    match value {
        Value::String(text) => text.len() <= EXPRESSION_RESULT_BYTES_MAX,
        Value::Array(items) => items.len() <= EXPRESSION_ELEMENTS_MAX && items.iter().all(is_bounded),
        Value::Object(_) => false,
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
    }
}

fuzz_target!(|text: &str| {
    let profile = json!({ "text": text, "list": [text, 1, null, true], "number": 1.5 });
    let inputs = Inputs { app_user: profile.as_object(), user_name: Some(text), amr: Some(&[AuthenticationMethod::Password]), ..Inputs::default() };
    let characters = text.chars().count();
    let template = match Template::parse(text) {
        Ok(template) => template,
        Err(problem) => {
            assert!((1..=characters + 1).contains(&problem.at) && !problem.message.is_empty());
            // In quotes `${` is a text like any other of an expression, not of a template.
            assert!(text.contains("${") || Expression::parse(text).is_err(), "an expression is a template");
            return;
        }
    };
    let value = template.evaluate(&inputs);
    assert!(value.iter().all(is_bounded));
    let stored: Template = serde_json::from_value(json!(template)).expect("a template is stored as a text");
    assert!(stored.is_readable() && stored.evaluate(&inputs) == value);
    if let Ok(expression) = Expression::parse(text)
        && !text.contains("${")
    {
        assert_eq!(expression.names_groups(), template.names_groups());
        assert_eq!(expression.user_attributes(), template.user_attributes());
        assert_eq!(expression.evaluate(&inputs), value);
    }
});
