//! Interprets the command of a SAML answer (`saml.md` section 3): in order, all or none.

use std::borrow::Cow;

use serde_json::Value;

use super::{
    ASSERTION_PATCH, DESCRIPTION,
    assertion::{
        Assertion, AssertionError, Attribute, AttributeValue, AttributeXml, Authentication, AuthnContext, Conditions,
        Confirmation, ConfirmationData, filled, is_xml_text, text, value_type,
    },
    size::{AssertionSize, AssertionTooLarge},
};
use crate::{
    answer::{Answer, unknown_command},
    limits::OPERATIONS_MAX,
    patch::{Edit, Location, Operations, Root, each_operation, edit_element, too_many_operations},
    problem::{Change, Problem, ProblemCode, Refused, in_answers_order, shown},
};

const ROOTS: &str = "A path begins with `/claims/<name>`, `/subject/`, `/conditions/` or `/authentication/`";

const BELOW_ATTRIBUTE: &str = "Below an attribute are `/attributes`, `/attributes/NameFormat`, `/attributeValues/<index>`, \
                               and below that `/value` and `/attributes/xsi:type`";

/// Applies the commands to a copy of `assertion`; one failing operation discards the whole answer.
pub(super) fn interpret(assertion: &mut Assertion, answer: Answer) -> Result<Vec<Change>, Vec<Problem>> {
    let mut problems = answer.problems;
    let mut changes = Vec::new();
    let mut draft = assertion.clone();
    let mut operations = 0;
    for command in answer.commands {
        let index = command.place;
        if command.kind != ASSERTION_PATCH.name {
            problems.push(unknown_command(&DESCRIPTION, index, &command.kind));
            continue;
        }
        let found = (&mut changes, &mut problems);
        operations += each_operation(
            index,
            command,
            &ASSERTION_PATCH,
            (Root::Claims, Operations::NoRemove),
            found,
            |_, location, edit| apply(location, edit, &mut draft),
        );
        if operations > OPERATIONS_MAX {
            problems.push(too_many_operations(index, Root::Claims));
            break;
        }
    }
    // Only of an answer without another problem: the draft of another one is not what it asks for.
    if problems.is_empty()
        && let Err(too_large) = AssertionSize::of(&draft).check_growth(AssertionSize::of(assertion))
    {
        problems.push(grown_too_large(too_large));
    }
    if problems.is_empty() {
        *assertion = draft;
        Ok(changes)
    } else {
        Err(in_answers_order(problems))
    }
}

fn grown_too_large(too_large: AssertionTooLarge) -> Problem {
    Problem {
        code: ProblemCode::TooMany,
        pointer: "/commands".to_owned(),
        message: format!("The assertion would have {too_large}"),
        hint: Some("Add only what the service provider reads".to_owned()),
    }
}

/// On an error: the member of the operation that is wrong, and the reason.
type Applied = Result<(), (&'static str, Refused)>;

fn path(refused: Refused) -> (&'static str, Refused) {
    ("/path", refused)
}

fn apply(location: Location<'_>, edit: Edit, draft: &mut Assertion) -> Applied {
    let tokens = location.tokens().and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(path)?;
    let names = tokens.iter().map(Cow::as_ref).collect::<Vec<_>>();
    let add = matches!(edit, Edit::Add(_));
    match names.as_slice() {
        ["claims", name, below @ ..] if !name.is_empty() => claim(location, edit, draft, name, below),
        ["subject", "nameId"] => set_text(location, edit, &mut draft.subject.name_id),
        ["subject", "nameFormat"] => set_text(location, edit, &mut draft.subject.name_format),
        ["subject", "confirmation"] => set(location, edit, &mut draft.subject.confirmation, Confirmation::from_json),
        ["subject", "confirmation", "method"] => set_text(location, edit, &mut draft.subject.confirmation.method),
        ["subject", "confirmation", "data"] => {
            set(location, edit, &mut draft.subject.confirmation.data, ConfirmationData::from_json)
        }
        ["subject", "confirmation", "data", "recipient"] => {
            set_text(location, edit, &mut draft.subject.confirmation.data.recipient)
        }
        ["conditions", "audienceRestriction"] => {
            set(location, edit, &mut draft.conditions.audience_restriction, Conditions::audiences)
        }
        ["conditions", "audienceRestriction", index] => {
            element(location, edit, &mut draft.conditions.audience_restriction, index, |value| {
                filled(&value).map_err(|error| wrong_value(location, &error).1)
            })
        }
        ["authentication", "sessionLifetime"] => {
            if !add && draft.authentication.session_lifetime.is_none() {
                let hint = "The assertion has no session lifetime yet: `add` one".to_owned();
                return Err(path(location.refused(ProblemCode::PathNotFound, "Path not found").hint(hint)));
            }
            let lifetime = |value: &Value| Authentication::lifetime(value).map(Some);
            set(location, edit, &mut draft.authentication.session_lifetime, lifetime)
        }
        ["authentication", _, ..] if add => {
            let refused = location.refused(ProblemCode::BadPath, "Invalid path");
            Err(path(refused.hint("It can be replaced, not added; only `sessionLifetime` is added".to_owned())))
        }
        ["authentication", "sessionIndex"] => set_text(location, edit, &mut draft.authentication.session_index),
        ["authentication", "authnContext"] => {
            set(location, edit, &mut draft.authentication.authn_context, AuthnContext::from_json)
        }
        ["authentication", "authnContext", "authnContextClassRef"] => {
            set_text(location, edit, &mut draft.authentication.authn_context.authn_context_class_ref)
        }
        ["lifetime", ..] => {
            let refused = location.refused(ProblemCode::BadPath, "Invalid path");
            Err(path(refused.hint("The lifetime of an assertion cannot be changed by a hook".to_owned())))
        }
        _ => Err(path(location.bad_path_or(ROOTS))),
    }
}

/// Edits a path below `/claims/<name>`.
fn claim(location: Location<'_>, edit: Edit, draft: &mut Assertion, name: &str, below: &[&str]) -> Applied {
    if below.is_empty() {
        if matches!(edit, Edit::Replace(_)) && draft.claims.get(name).is_none() {
            return Err(path(location.no_claim(name)));
        }
        if !is_xml_text(name) {
            let hint = "The attribute's name has a character that XML 1.0 does not allow".to_owned();
            return Err(path(location.refused(ProblemCode::BadPath, "Invalid path").hint(hint)));
        }
        let (Edit::Add(value) | Edit::Replace(value)) = edit else {
            return Err(path(location.bad_path_or(BELOW_ATTRIBUTE)));
        };
        let attribute = Attribute::from_json(&value).map_err(|error| wrong_value(location, &error))?;
        draft.claims.insert(name, attribute);
        return Ok(());
    }
    let attribute = draft.claims.get_mut(name).ok_or_else(|| {
        let below_an_attribute = matches!(below.first(), Some(&("attributes" | "attributeValues")));
        path(if below_an_attribute {
            location.no_claim_to_enter(name, &location.add_first(name, "a whole attribute"), false)
        } else {
            location.no_claim_to_enter(name, &format!(". {BELOW_ATTRIBUTE}"), true)
        })
    })?;
    match below {
        ["attributes"] => set(location, edit, &mut attribute.attributes, AttributeXml::from_json),
        ["attributes", "NameFormat"] => set_text(location, edit, &mut attribute.attributes.name_format),
        ["attributeValues", index] => element(location, edit, &mut attribute.values, index, |value| {
            AttributeValue::from_json(&value).map_err(|error| wrong_value(location, &error).1)
        })
        .map_err(|(member, refused)| match refused.code {
            ProblemCode::BadIndex => path(bad_value_index(location, name)),
            _ => (member, refused),
        }),
        ["attributeValues", index, member @ ..] => {
            let value = crate::pointer::index(index).and_then(|index| attribute.values.get_mut(index));
            let value = value.ok_or_else(|| path(bad_value_index(location, name)))?;
            match member {
                ["value"] => set(location, edit, &mut value.value, text),
                ["attributes", "xsi:type"] => set(location, edit, &mut value.attributes.kind, value_type),
                _ => Err(path(location.bad_path_or(BELOW_ATTRIBUTE))),
            }
        }
        _ => Err(path(location.bad_path_or(BELOW_ATTRIBUTE))),
    }
}

/// The usual mistake is no index at all (`observed.md` section 3).
fn bad_value_index(location: Location<'_>, name: &str) -> Refused {
    let name = shown(name);
    let name = crate::pointer::escape(&name);
    location.bad_index().hint(format!(
        "Name a value by its index, from 0: `/claims/{name}/attributeValues/0/value`; `/claims/{name}/attributeValues/-` \
         adds one"
    ))
}

/// Overwrites an existing member, as both `add` and `replace` do (RFC 6902, 4.1 and 4.3).
fn set<T>(
    location: Location<'_>,
    edit: Edit,
    member: &mut T,
    read: impl FnOnce(&Value) -> Result<T, AssertionError>,
) -> Applied {
    let (Edit::Add(value) | Edit::Replace(value)) = edit else { return Err(path(location.bad_path())) };
    *member = read(&value).map_err(|error| wrong_value(location, &error))?;
    Ok(())
}

fn set_text(location: Location<'_>, edit: Edit, member: &mut String) -> Applied {
    set(location, edit, member, filled)
}

fn element<T>(
    location: Location<'_>,
    edit: Edit,
    items: &mut Vec<T>,
    index: &str,
    make: impl FnOnce(Value) -> Result<T, Refused>,
) -> Applied {
    edit_element(location, items, index, edit, make).map_err(|refused| match refused.code {
        ProblemCode::BadValue => ("/value", refused),
        _ => path(refused),
    })
}

/// The object that a path requires, for paths where a plain string is a usual mistake.
fn wanted_shape(location: Location<'_>) -> Option<&'static str> {
    const VALUE: &str = r#"{"attributes": {"xsi:type": "xs:string"}, "value": "…"}"#;
    let names = location.tokens().ok()?.collect::<Result<Vec<_>, _>>().ok()?;
    let names = names.iter().map(Cow::as_ref).collect::<Vec<_>>();
    Some(match names.as_slice() {
        ["claims", _] => r#"{"attributeValues": [{"attributes": {"xsi:type": "xs:string"}, "value": "…"}]}"#,
        ["claims", _, "attributeValues", _] => VALUE,
        ["claims", _, "attributes"] => r#"{"NameFormat": "urn:oasis:names:tc:SAML:2.0:attrname-format:basic"}"#,
        ["subject", "confirmation"] => r#"{"method": "urn:…", "data": {"recipient": "https://…"}}"#,
        ["subject", "confirmation", "data"] => r#"{"recipient": "https://…"}"#,
        ["conditions", "audienceRestriction"] => r#"["urn:…"]"#,
        ["authentication", "authnContext"] => r#"{"authnContextClassRef": "urn:…"}"#,
        _ => return None,
    })
}

fn wrong_value(location: Location<'_>, error: &AssertionError) -> (&'static str, Refused) {
    let hint = match error.pointer.as_str() {
        "" => format!("The value {}", error.message),
        pointer => format!("In the value, `{pointer}` {}", error.message),
    };
    let hint = wanted_shape(location).map_or(hint.clone(), |shape| format!("{hint}. It looks like this: `{shape}`"));
    ("/value", location.refused(ProblemCode::BadValue, "Invalid value").hint(hint))
}
