//! Members of an answer that have no effect are named, with their place and what to write instead (`open-questions.md`
//! C13).

use serde_json::json;
use tenterhook_contract::{
    BuiltInType,
    answer::{Answer, NOTICES_MAX, NoticeCode},
};

/// The notices of an answer to a hook of this type, as texts.
fn notices(hook_type: BuiltInType, text: &str) -> Vec<(NoticeCode, String)> {
    let answer = Answer::parse_for(text.as_bytes(), hook_type.description()).unwrap();
    answer.notices.iter().map(|notice| (notice.code, notice.to_string())).collect()
}

#[test]
fn a_member_without_effect_is_told_its_right_name_or_those_that_there_are() {
    use BuiltInType::{PasswordImport, Registration, Telephony, Token, UserImport};
    use NoticeCode::{MisnamedMember, UnknownMember};
    const OF_ANSWERS: &str = "An answer has `commands`, `error` and `debugContext`. What only the log should show belongs \
                              into `debugContext`";
    const OF_COMMANDS: &str = "A command has `type` and `value`. Its arguments belong into `value`";
    let of_command = |members: &str| format!(r#"{{"commands": [{{"type": "com.okta.access.patch", {members}}}]}}"#);
    let of_operation =
        |member: &str| of_command(&format!(r#""value": [{{"op": "add", "path": "/claims/x", "value": 1, {member}}}]"#));
    for (hook_type, text, code, wanted) in [
        (Token, r#"{"Commands": [{}]}"#.to_owned(), MisnamedMember, "`Commands` has no effect. Write `commands`, an array of commands [/Commands]"),
        (Token, r#"{"comands": [{}]}"#.to_owned(), MisnamedMember, "`comands` has no effect. Write `commands`, an array of commands [/comands]"),
        (Token, r#"{"command": {}}"#.to_owned(), MisnamedMember, "`command` has no effect. Write `commands`, an array of commands [/command]"),
        (Token, r#"{"eror": "no"}"#.to_owned(), MisnamedMember, "`eror` has no effect. Write `error`: an answer with it refuses [/eror]"),
        (
            Token,
            r#"{"ops": [{}]}"#.to_owned(),
            MisnamedMember,
            r#"`ops` has no effect. Put them into the `value` of a command: `{"commands": [{"type": …, "value": [{"op": …}]}]}` [/ops]"#,
        ),
        (Token, r#"{"debug": "x"}"#.to_owned(), MisnamedMember, "`debug` has no effect. Write `debugContext`: the System Log shows it [/debug]"),
        (Token, r#"{"a/b": "x"}"#.to_owned(), UnknownMember, &format!("`a/b` has no effect. {OF_ANSWERS} [/a~1b]")),
        (Token, of_command(r#""value": [], "Value": [{}]"#), MisnamedMember, "`Value` has no effect. Write `value` [/commands/0/Value]"),
        (Token, of_command(r#""value": [], "values": [{}]"#), MisnamedMember, "`values` has no effect. Write `value` [/commands/0/values]"),
        (Token, of_command(r#""value": [], "ops": [{}]"#), MisnamedMember, "`ops` has no effect. Write `value` [/commands/0/ops]"),
        (Token, of_command(r#""value": [], "Type": "x""#), MisnamedMember, "`Type` has no effect. Write `type` [/commands/0/Type]"),
        (Token, of_command(r#""value": [], "comment": "x""#), UnknownMember, &format!("`comment` has no effect. {OF_COMMANDS} [/commands/0/comment]")),
        (Token, of_operation(r#""Path": "x""#), MisnamedMember, "`Path` has no effect. Write `path` [/commands/0/value/0/Path]"),
        (Token, of_operation(r#""operation": "x""#), MisnamedMember, "`operation` has no effect. Write `op` [/commands/0/value/0/operation]"),
        (
            Token,
            of_operation(r#""comment": "x""#),
            UnknownMember,
            "`comment` has no effect. An element of the `value` of this command has `op`, `path`, `value` [/commands/0/value/0/comment]",
        ),
        (
            Telephony,
            r#"{"commands": [{"type": "com.okta.telephony.action", "value": [{"status": "SUCCESSFUL", "Provider": "x"}]}]}"#.to_owned(),
            MisnamedMember,
            "`Provider` has no effect. Write `provider` [/commands/0/value/0/Provider]",
        ),
        (
            Registration,
            r#"{"commands": [{"type": "com.okta.action.update", "value": {"registration": "DENY", "reason": "x"}}]}"#.to_owned(),
            UnknownMember,
            "`reason` has no effect. The `value` of this command has `registration` [/commands/0/value/reason]",
        ),
        (
            PasswordImport,
            r#"{"commands": [{"type": "com.okta.action.update", "value": {"credential": "VERIFIED", "Credentials": "x"}}]}"#.to_owned(),
            MisnamedMember,
            "`Credentials` has no effect. Write `credential` [/commands/0/value/Credentials]",
        ),
        (
            Token,
            r#"{"error": {"message": "on hold"}}"#.to_owned(),
            MisnamedMember,
            "`message` has no effect. Write `errorSummary` [/error/message]",
        ),
        (
            Token,
            r#"{"error": {"errorSummary": "on hold", "status": 403}}"#.to_owned(),
            UnknownMember,
            "`status` has no effect. An error has `errorSummary` and `errorCauses` [/error/status]",
        ),
        (
            UserImport,
            r#"{"error": {"errorCauses": [{}, {"error_summary": "on hold"}]}}"#.to_owned(),
            MisnamedMember,
            "`error_summary` has no effect. Write `errorSummary` [/error/errorCauses/1/error_summary]",
        ),
    ] {
        assert_eq!(notices(hook_type, &text), [(code, wanted.to_owned())], "{text}");
    }
}

#[test]
fn members_with_an_effect_or_without_a_value_get_no_notice() {
    use BuiltInType::{Registration, Saml, Token, UserImport};
    for (hook_type, text) in [
        (
            Token,
            r#"{"commands": [{"type": "com.okta.access.patch", "value": [{"op": "add", "path": "/claims/x", "value": {"Op": 1}}]}]}"#,
        ),
        (
            Token,
            r#"{"commands": [{"type": "com.okta.access.patch", "value": [{"op": "remove", "path": "/claims/x", "from": null}], "op": null}]}"#,
        ),
        (
            Saml,
            r#"{"commands": [{"type": "com.okta.assertion.patch", "value": [{"op": "add", "path": "/claims/x", "value": {}}]}]}"#,
        ),
        // The names of attributes are free; the schema judges them.
        (
            Registration,
            r#"{"commands": [{"type": "com.okta.user.profile.update", "value": {"Op": "x", "comment": "x"}}]}"#,
        ),
        (UserImport, r#"{"commands": [{"type": "com.okta.appUser.profile.update", "value": {"value": "x"}}]}"#),
        // It is no command of the type: its problem says so.
        (Token, r#"{"commands": [{"type": "com.example.other", "value": [{"comment": 1}]}]}"#),
        (
            Token,
            r#"{"error": {"errorSummary": "x", "errorCauses": [{"errorSummary": "x", "reason": "x", "locationType": "x", "location": "x", "domain": "x"}], "status": null}}"#,
        ),
        (Token, r#"{"error": "on hold", "debugContext": {"Value": 1}}"#),
        (Token, r#"{"type": null, "value": []}"#),
    ] {
        assert_eq!(notices(hook_type, text), [], "{text}");
    }
}

#[test]
fn the_same_member_is_named_once_and_all_notices_have_a_bound() {
    let operation = json!({ "op": "add", "path": "/claims/x", "value": 1, "comment": "x" });
    let same = json!({ "commands": [{ "type": "com.okta.access.patch", "value": vec![operation; 50] }] });
    assert_eq!(notices(BuiltInType::Token, &same.to_string()).len(), 1);
    let other = |count: usize| {
        let operations = (0..count).map(|number| {
            let mut operation = json!({ "op": "add", "path": "/claims/x", "value": 1 });
            operation[format!("comment{number}")] = json!("x");
            operation
        });
        let value = operations.collect::<Vec<_>>();
        // The likely mistake comes last, and is shown.
        let text = json!({ "commands": [{ "type": "com.okta.access.patch", "value": value }], "errors": ["x"] });
        notices(BuiltInType::Token, &text.to_string())
    };
    assert_eq!((other(NOTICES_MAX - 1).len(), other(NOTICES_MAX).len()), (NOTICES_MAX, NOTICES_MAX));
    assert_eq!(other(50)[0].0, NoticeCode::MisnamedMember);
    let long = json!({ "x".repeat(10_000): 1 }).to_string();
    assert!(notices(BuiltInType::Token, &long)[0].1.len() < 1_000);
}

/// A command whose `type` or `value` has a wrong name is invalid, and its problem says which name is right.
#[test]
fn a_command_without_type_or_value_is_told_which_member_was_meant() {
    for (command, wanted) in [
        (json!({ "Type": "com.okta.access.patch", "value": [] }), "Write `type`: `Type` has no effect"),
        (json!({ "command": "com.okta.access.patch", "value": [] }), "Write `type`: `command` has no effect"),
        (json!({ "type": "com.okta.access.patch", "Value": [{}] }), "Write `value`: `Value` has no effect"),
        (json!({ "type": "com.okta.access.patch", "operations": [{}] }), "Write `value`: `operations` has no effect"),
        (
            json!({ "type": "com.okta.access.patch", "op": "add", "path": "/claims/x" }),
            "Arguments belong inside `value`; found beside `type`: `op`, `path`",
        ),
    ] {
        let text = json!({ "commands": [command] }).to_string();
        let answer = Answer::parse_for(text.as_bytes(), BuiltInType::Token.description()).unwrap();
        let problems = answer.shape_problems(BuiltInType::Token.description());
        assert_eq!(problems[0].hint.as_deref(), Some(wanted), "{text}");
        assert_eq!(answer.notices, [], "the problem says it: {text}");
    }
}
