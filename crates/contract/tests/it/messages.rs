//! The messages for mistakes of services (`observed.md` section 3): what happened, where, and what to do.

use serde_json::{Value, json};
use tenterhook_contract::{BuiltInType, answer::Answer, preview::Inputs, problem::Problem, profile::ProfileSchema};

/// The problems of an answer with `commands`, tried on the sample of the type.
fn problems(hook_type: BuiltInType, commands: &Value) -> Vec<Problem> {
    let answer = Answer::parse(json!({ "commands": commands }).to_string().as_bytes()).unwrap();
    let document = hook_type.kind().sample(&Inputs::default()).unwrap();
    hook_type.kind().rehearse(&document, &ProfileSchema::base(), answer).unwrap().result.unwrap_err()
}

/// Checks the only problem: position, message and hint.
fn check(hook_type: BuiltInType, commands: &Value, (pointer, message, hint): (&str, &str, &str)) {
    let problems = problems(hook_type, commands);
    let shown = problems.iter().map(|problem| format!("{problem:?}")).collect::<Vec<_>>().join("\n");
    assert_eq!(problems.len(), 1, "{commands}: {shown}");
    assert_eq!((problems[0].pointer.as_str(), problems[0].message.as_str()), (pointer, message), "{commands}");
    assert_eq!(problems[0].hint.as_deref(), Some(hint), "{commands}");
}

#[test]
fn a_misnamed_command_is_told_its_right_name() {
    use BuiltInType::{PasswordImport, Registration, Saml, Telephony, Token, UserImport};
    for (hook_type, wrong, right) in [
        (Saml, "com.okta.tokens.assertion.patch", "com.okta.assertion.patch"),
        (Saml, "com.okta.token.assertion.patch", "com.okta.assertion.patch"),
        (Saml, "com.okta.assertion.Patch", "com.okta.assertion.patch"),
        (Saml, " com.okta.assertion.patch ", "com.okta.assertion.patch"),
        (Saml, "assertion.patch", "com.okta.assertion.patch"),
        (Saml, "com.okta.assertions.patch", "com.okta.assertion.patch"),
        (UserImport, "com.okta.user.profile.update.import", "com.okta.user.profile.update"),
        (UserImport, "com.okta.appUser.profile.update.import", "com.okta.appUser.profile.update"),
        (UserImport, "com.okta.appuser.profile.update", "com.okta.appUser.profile.update"),
        (UserImport, "com.okta.app.user.profile.update", "com.okta.appUser.profile.update"),
        (UserImport, "com.okta.user.update.import", "com.okta.user.update"),
        (UserImport, "com.okta.action.update.import", "com.okta.action.update"),
        (Token, "com.okta.tokens.access_token.patch", "com.okta.access.patch"),
        (Token, "com.okta.acces.patch", "com.okta.access.patch"),
        (Token, "com.okta.identity_patch", "com.okta.identity.patch"),
        (Registration, "com.action.update", "com.okta.action.update"),
        (Registration, "com.okta.user.profile.updat", "com.okta.user.profile.update"),
        (PasswordImport, "com.okta.action.upadte", "com.okta.action.update"),
        (Telephony, "com.okta.telephony.provider.action", "com.okta.telephony.action"),
        (Telephony, "com.okta.Telephony.action", "com.okta.telephony.action"),
    ] {
        let said = ("/commands/0/type", &*format!("Unknown command({wrong})"), &*format!("Write `{right}`"));
        check(hook_type, &json!([{ "type": wrong, "value": [] }]), said);
    }
    for (hook_type, wrong, hint) in [
        (Token, "com.okta.assertion.patch", "It is a command of the hook type `com.okta.saml.tokens.transform`"),
        (Saml, "com.okta.access.patch", "It is a command of the hook type `com.okta.oauth2.tokens.transform`"),
        (Saml, "com.okta.saml.tokens.transform", "`com.okta.saml.tokens.transform` is a hook type, not a command"),
        (Token, "com.example.something.else", "The commands of this hook type are `com.okta.identity.patch`"),
        (Token, "", "The commands of this hook type are"),
        (Token, &"com.okta.access.patch".repeat(20), "The commands of this hook type are"),
    ] {
        let problem = &problems(hook_type, &json!([{ "type": wrong, "value": [] }]))[0];
        assert!(problem.hint.as_ref().unwrap().starts_with(hint), "{wrong}: {:?}", problem.hint);
    }
}

/// The same of one operation; `member` is the one that is wrong.
fn check_operation(hook_type: BuiltInType, operation: &Value, member: &str, (message, hint): (&str, &str)) {
    let kind = &*hook_type.description().commands.last().unwrap().name;
    let pointer = format!("/commands/0/value/0{member}");
    check(hook_type, &json!([{ "type": kind, "value": [operation] }]), (&pointer, message, hint));
}

#[test]
fn an_operation_that_is_wrong_is_told_how_it_is_right() {
    use BuiltInType::{Saml, Token};
    for (hook_type, operation, member, message, hint) in [
        (
            Saml,
            json!({ "op": "append", "path": "/claims/x", "value": {} }),
            "/op",
            "Unknown operation(op=append)",
            "`op` is `add` or `replace`, in lower case",
        ),
        (Saml, json!({ "path": "/claims/x" }), "/op", "op is required", "`op` is `add` or `replace`, a string"),
        (
            Saml,
            json!({ "op": "remove", "path": "/claims/costCentre" }),
            "/op",
            "Unsupported operation(op=remove, path=/claims/costCentre)",
            "An assertion takes `add` and `replace` only",
        ),
        (
            Saml,
            json!({ "op": "remove", "path": "/claims/costCentre", "value": 1 }),
            "/value",
            "Value is not allowed for remove operation(op=remove, path=/claims/costCentre)",
            "An assertion takes `add` and `replace` only",
        ),
        (
            Token,
            json!({ "op": "Add", "path": "/claims/x", "value": 1 }),
            "/op",
            "Unknown operation(op=Add)",
            "`op` is `add`, `replace` or `remove`, in lower case",
        ),
        (Token, json!(7), "", "An operation must be an object", r#"Write `{"op": "add", "path": …, "value": …}`"#),
        (
            Token,
            json!({ "op": "add", "value": 1 }),
            "/path",
            "path is required",
            "`path` is a JSON Pointer (RFC 6901), a string such as `/claims/<name>`",
        ),
        (
            Token,
            json!({ "op": "add", "path": "/claims/x", "value": null }),
            "/value",
            "Value is required for add/replace operation(op=add, path=/claims/x)",
            "`value` is missing or null. Leave the operation out when there is nothing to set",
        ),
        (
            Token,
            json!({ "op": "remove", "path": "/claims/profile_card", "value": 1 }),
            "/value",
            "Value is not allowed for remove operation(op=remove, path=/claims/profile_card)",
            "Leave `value` out: the path alone says what is removed",
        ),
    ] {
        check_operation(hook_type, &operation, member, (message, hint));
    }
}

#[test]
fn a_path_to_nothing_explains_add_and_nesting() {
    use BuiltInType::{Saml, Token};
    for (hook_type, operation, member, message, hint) in [
        (
            Token,
            json!({ "op": "replace", "path": "/claims/none", "value": 1 }),
            "/path",
            "Path not found(op=replace, path=/claims/none)",
            "There is no claim `none`: use `add`, which sets a claim whether it is there or not",
        ),
        (
            Token,
            json!({ "op": "remove", "path": "/claims/none" }),
            "/path",
            "Path not found(op=remove, path=/claims/none)",
            "There is no claim `none`: leave the operation out",
        ),
        (
            Token,
            json!({ "op": "add", "path": "/claims/none/a", "value": 1 }),
            "/path",
            "Path not found(op=add, path=/claims/none/a)",
            "There is no claim `none`: `add` it first, as an object, at `/claims/none`. If `/` belongs to the name of the \
             claim, write it as `~1`: `/claims/none~1a`",
        ),
        (
            Token,
            json!({ "op": "add", "path": "/claims/profile_card/none/a", "value": 1 }),
            "/path",
            "Path not found(op=add, path=/claims/profile_card/none/a)",
            "The object at `/claims/profile_card` has no `none`: `add` that first, as an object",
        ),
        (
            Token,
            json!({ "op": "replace", "path": "/claims/profile_card/none", "value": 1 }),
            "/path",
            "Path not found(op=replace, path=/claims/profile_card/none)",
            "The object at `/claims/profile_card` has no `none`: use `add`",
        ),
        (
            Token,
            json!({ "op": "remove", "path": "/claims/profile_card/none" }),
            "/path",
            "Path not found(op=remove, path=/claims/profile_card/none)",
            "The object at `/claims/profile_card` has no `none`: leave the operation out",
        ),
        (
            Token,
            json!({ "op": "add", "path": "/claims/sub/city", "value": "Lagos" }),
            "/path",
            "Path not found(op=add, path=/claims/sub/city)",
            "`/claims/sub` is a text, which has no members: replace it as a whole, by an object",
        ),
        (
            Token,
            json!({ "op": "remove", "path": "/claims/sub/city/x" }),
            "/path",
            "Path not found(op=remove, path=/claims/sub/city/x)",
            "`/claims/sub` is a text, which has no members: leave the operation out",
        ),
        (
            Token,
            json!({ "op": "replace", "path": "/claims/none~1a/b", "value": 1 }),
            "/path",
            "Path not found(op=replace, path=/claims/none~1a/b)",
            "There is no claim `none/a`: `add` it first, as an object, at `/claims/none~1a`",
        ),
        (
            Token,
            json!({ "op": "replace", "path": "/claims/https://example.com/none", "value": 1 }),
            "/path",
            "Invalid path(op=replace, path=/claims/https://example.com/none)",
            "Write `/` in a claim name as `~1` and `~` as `~0`: `/claims/https:~1~1example.com~1none`",
        ),
        (
            Saml,
            json!({ "op": "add", "path": "/claims/address/city", "value": "Lagos" }),
            "/path",
            "Path not found(op=add, path=/claims/address/city)",
            "There is no claim `address`. Below an attribute are `/attributes`, `/attributes/NameFormat`, \
             `/attributeValues/<index>`, and below that `/value` and `/attributes/xsi:type`. If `/` belongs to the name of \
             the claim, write it as `~1`: `/claims/address~1city`",
        ),
        (
            Saml,
            json!({ "op": "replace", "path": "/claims/none", "value": { "attributeValues": [] } }),
            "/path",
            "Path not found(op=replace, path=/claims/none)",
            "There is no claim `none`: use `add`, which sets a claim whether it is there or not",
        ),
    ] {
        check_operation(hook_type, &operation, member, (message, hint));
    }
}

#[test]
fn a_path_that_cannot_exist_is_told_where_paths_lead() {
    use BuiltInType::{Saml, Token};
    for (hook_type, operation, member, message, hint) in [
        (
            Token,
            json!({ "op": "add", "path": "/claims/", "value": 1 }),
            "/path",
            "Invalid path(op=add, path=/claims/)",
            "A path is a JSON Pointer without empty names, such as `/claims/<name>`; `~` stands before `0` or `1` only",
        ),
        (
            Saml,
            json!({ "op": "replace", "path": "/claims/costCentre/attributeValues/value", "value": "7302" }),
            "/path",
            "Invalid array index(op=replace, path=/claims/costCentre/attributeValues/value)",
            "Name a value by its index, from 0: `/claims/costCentre/attributeValues/0/value`; \
             `/claims/costCentre/attributeValues/-` adds one",
        ),
        (
            Saml,
            json!({ "op": "replace", "path": "/claims/costCentre/attributeValues/value/value", "value": "7302" }),
            "/path",
            "Invalid array index(op=replace, path=/claims/costCentre/attributeValues/value/value)",
            "Name a value by its index, from 0: `/claims/costCentre/attributeValues/0/value`; \
             `/claims/costCentre/attributeValues/-` adds one",
        ),
        (
            Saml,
            json!({ "op": "replace", "path": "/claims/costCentre/value", "value": "7302" }),
            "/path",
            "Invalid path(op=replace, path=/claims/costCentre/value)",
            "Below an attribute are `/attributes`, `/attributes/NameFormat`, `/attributeValues/<index>`, and below that \
             `/value` and `/attributes/xsi:type`",
        ),
        (
            Saml,
            json!({ "op": "replace", "path": "/nameId", "value": "x" }),
            "/path",
            "Invalid path(op=replace, path=/nameId)",
            "A path begins with `/claims/<name>`, `/subject/`, `/conditions/` or `/authentication/`",
        ),
    ] {
        check_operation(hook_type, &operation, member, (message, hint));
    }
}

#[test]
fn a_value_of_the_wrong_shape_is_shown_the_right_one() {
    use BuiltInType::Saml;
    for (hook_type, operation, member, message, hint) in [
        (
            Saml,
            json!({ "op": "add", "path": "/claims/costCentre", "value": "7301" }),
            "/value",
            "Invalid value(op=add, path=/claims/costCentre)",
            r#"The value must be an object. It looks like this: `{"attributeValues": [{"attributes": {"xsi:type": "xs:string"}, "value": "…"}]}`"#,
        ),
        (
            Saml,
            json!({ "op": "add", "path": "/claims/x", "value": { "attributeValues": "L3" } }),
            "/value",
            "Invalid value(op=add, path=/claims/x)",
            r#"In the value, `/attributeValues` must be an array. It looks like this: `{"attributeValues": [{"attributes": {"xsi:type": "xs:string"}, "value": "…"}]}`"#,
        ),
        (
            Saml,
            json!({ "op": "add", "path": "/claims/costCentre/attributeValues/-", "value": "7302" }),
            "/value",
            "Invalid value(op=add, path=/claims/costCentre/attributeValues/-)",
            r#"The value must be an object. It looks like this: `{"attributes": {"xsi:type": "xs:string"}, "value": "…"}`"#,
        ),
        (
            Saml,
            json!({ "op": "replace", "path": "/conditions/audienceRestriction", "value": "urn:a" }),
            "/value",
            "Invalid value(op=replace, path=/conditions/audienceRestriction)",
            r#"The value must be an array. It looks like this: `["urn:…"]`"#,
        ),
    ] {
        check_operation(hook_type, &operation, member, (message, hint));
    }
}

#[test]
fn an_operand_of_the_wrong_shape_is_shown_the_right_one() {
    use BuiltInType::{PasswordImport, Registration, Saml, Telephony, Token, UserImport};
    let operations = r#"`value` is an array: `[{"op": …, "path": …, "value": …}]`"#;
    for (hook_type, kind, value, message, hint) in [
        (
            Token,
            "com.okta.access.patch",
            json!({}),
            "value must be an array of operations(com.okta.access.patch)",
            operations,
        ),
        (
            Saml,
            "com.okta.assertion.patch",
            json!("x"),
            "value must be an array of operations(com.okta.assertion.patch)",
            operations,
        ),
        (
            Registration,
            "com.okta.user.profile.update",
            json!([]),
            "value must be an object(com.okta.user.profile.update)",
            r#"`value` is an object of attributes: `{"firstName": …}`"#,
        ),
        (
            PasswordImport,
            "com.okta.action.update",
            json!(null),
            "value must be an object(com.okta.action.update)",
            r#"`value` is an object: `{"credential": …}`"#,
        ),
        (
            UserImport,
            "com.okta.user.update",
            json!("00u"),
            "value must be an object(com.okta.user.update)",
            r#"`value` is an object: `{"id": …}`"#,
        ),
    ] {
        check(hook_type, &json!([{ "type": kind, "value": value }]), ("/commands/0/value", message, hint));
    }
    let telephony = problems(Telephony, &json!([{ "type": "com.okta.telephony.action", "value": {} }]));
    let hint = telephony[0].hint.as_deref().unwrap();
    assert!(hint.starts_with(r#"`value` is an array: `[{"status": …"#), "{hint}");
    for (commands, pointer, message, hint) in [
        (json!({}), "/commands", "commands must be an array", "Write `\"commands\": ["),
        (json!(["x"]), "/commands/0", "A command must be an object", "Write `{\"type\": "),
        (
            json!([{ "value": [] }]),
            "/commands/0/type",
            "A command must have a type, a string",
            "`type` names the command",
        ),
    ] {
        let problem = &problems(Token, &commands)[0];
        assert_eq!((problem.pointer.as_str(), problem.message.as_str()), (pointer, message));
        assert!(problem.hint.as_ref().unwrap().starts_with(hint), "{:?}", problem.hint);
    }
}
