#![expect(clippy::unwrap_used, reason = "a test may panic")]

use serde_json::{Value, json};
use tenterhook_contract::{
    Timestamp,
    id::{GroupId, OrgId, UserId},
};

use super::function::Function;
use super::*;
use crate::{AuthenticationMethod, Group, GroupKind, Org, Password, Profile, SignInCounts, User, UserStatus};

mod printing;
mod properties;

fn user() -> User {
    let profile = Profile::new("winston.churchill@example.com", "w.churchill@example.org", "Winston", "Churchill")
        .with("city", "San Francisco")
        .with("salary", 1_000_000)
        .with("rate", 1.5)
        .with("isContractor", false)
        .with("tags", json!(["payroll", "audit"]));
    User {
        id: UserId::from_parts(1, [0; 8]),
        org_id: OrgId::from_parts(1, [0; 8]),
        profile,
        password: Password::None,
        status: UserStatus::Active,
        created: Timestamp::from_micros(1_700_000_000_000_000),
        activated: None,
        status_changed: None,
        last_updated: Timestamp::from_micros(1_700_000_000_000_000),
        version: 1,
        sign_ins: SignInCounts::default(),
    }
}

/// `Everyone`, and groups with these names.
fn groups(names: &[&str]) -> Vec<Group> {
    let at = Timestamp::from_micros(0);
    let group = |(number, name): (u64, &&str)| Group {
        id: GroupId::from_parts(number, [0; 8]),
        org_id: OrgId::from_parts(1, [0; 8]),
        kind: GroupKind::Own,
        name: (*name).to_owned(),
        description: None,
        created: at,
        last_updated: at,
        members_changed: at,
    };
    (1..).zip(names).map(group).collect()
}

/// The value of an expression for one user, Winston Churchill, with his groups, at one app.
fn evaluated(expression: &Expression) -> Option<Value> {
    let (user, groups) = (user(), groups(&["Everyone", "app-admins", "app-users", "IT West"]));
    let app_user = json!({ "role": "approver", "limits": [1, 2] });
    let org = Org::new(user.org_id.clone(), Some("acme.example.com".to_owned()), "Acme", user.created);
    expression.evaluate(&Inputs {
        user: Some(&user),
        app_user: app_user.as_object(),
        user_name: Some("wchurchill"),
        groups: Some(&groups),
        org: Some(&org),
        amr: Some(&[AuthenticationMethod::Password]),
        ..Inputs::default()
    })
}

#[track_caller]
fn check(text: &str, wanted: &Value) {
    let expression = Expression::parse(text).unwrap_or_else(|problem| panic!("{text}: {problem}"));
    assert_eq!(&evaluated(&expression).unwrap_or(Value::Null), wanted, "{text}");
}

/// The vendor's reference of its expression language gives these facts.
#[test]
fn functions_do_what_the_vendor_documents() {
    for (text, wanted) in [
        ("String.append('This is', ' a test')", json!("This is a test")),
        (r#"String.join(",", "This", "is", "a", "test")"#, json!("This,is,a,test")),
        (r#"String.join("", "This", "is", "a", "test")"#, json!("Thisisatest")),
        ("String.len('This')", json!(4)),
        ("String.removeSpaces('This is a test')", json!("Thisisatest")),
        ("String.replace('This is a test', 'is', 'at')", json!("That at a test")),
        ("String.replaceFirst('This is a test', 'is', 'at')", json!("That is a test")),
        ("String.startsWith('This is a test', 'This')", json!(true)),
        ("String.stringContains('This is a test', 'test')", json!(true)),
        (r#"String.stringContains("This is a test", "doesn'tExist")"#, json!(false)),
        ("String.stringSwitch('This is a test', 'default', 'key1', 'value1')", json!("default")),
        ("String.stringSwitch('This is a test', 'default', 'test', 'value1')", json!("value1")),
        ("String.stringSwitch('First match wins', 'd', 'absent', '1', 'wins', '2', 'match', '3')", json!("2")),
        ("String.stringSwitch('Substrings count', 'default', 'ring', 'value1')", json!("value1")),
        ("String.substring('This is a test', 2, 9)", json!("is is a")),
        ("String.substringAfter('abc@example.com', '@')", json!("example.com")),
        ("String.substringBefore('abc@example.com', '@')", json!("abc")),
        ("String.toUpperCase('This')", json!("THIS")),
        ("String.toLowerCase('ThiS')", json!("this")),
        ("toUpperCase('Alexander')", json!("ALEXANDER")),
        ("toLowerCase(source.firstName)", json!("winston")),
        ("substringBefore(user.login, '@')", json!("winston.churchill")),
        ("substringAfter(user.login, '@')", json!("example.com")),
        ("substring(source.firstName, 1, 4)", json!("ins")),
        ("fn:substringBefore(source.login, \"@\")", json!("winston.churchill")),
        ("Arrays.add({10, 20, 30}, 40)", json!([10, 20, 30, 40])),
        ("Arrays.remove({10, 20, 30}, 20)", json!([10, 30])),
        ("Arrays.clear({10, 20, 30})", json!([])),
        ("Arrays.get({0, 1, 2}, 0)", json!(0)),
        ("Arrays.flatten(10, {20, 30}, 40)", json!([10, 20, 30, 40])),
        ("Arrays.contains({10, 20, 30}, 10)", json!(true)),
        ("Arrays.contains({10, 20, 30}, 50)", json!(false)),
        ("Arrays.size({10, 20, 30})", json!(3)),
        ("Arrays.size(NULL)", json!(0)),
        ("Arrays.isEmpty({10, 20})", json!(false)),
        ("Arrays.isEmpty(NULL)", json!(true)),
        (r#"Arrays.toCsvString({"This", "is", " a ", "test"})"#, json!("This,is, a ,test")),
        ("Convert.toInt('1234')", json!(1234)),
        ("Convert.toInt(123.4)", json!(123)),
        ("Convert.toInt(123.6)", json!(124)),
        ("Convert.toNum('2.75')", json!(2.75)),
        ("isMemberOfGroupName('IT West')", json!(true)),
        ("isMemberOfGroupName('IT')", json!(false)),
        ("isMemberOfGroupNameStartsWith('IT')", json!(true)),
        ("isMemberOfGroupNameContains('admin')", json!(true)),
        ("isMemberOfGroupNameRegex('.*admin.*')", json!(true)),
        ("isMemberOfGroupNameRegex('admin')", json!(false)),
        ("Groups.startsWith('OKTA', 'app-', 10)", json!(["app-admins", "app-users"])),
        ("Groups.startsWith('OKTA', 'app-', 1)", json!(["app-admins"])),
        ("Groups.endsWith('OKTA', 'West', 100)", json!(["IT West"])),
        ("Groups.contains('OKTA', 'p-', 100)", json!(["app-admins", "app-users"])),
        ("Groups.startsWith('active_directory', 'app-', 10)", Value::Null),
        ("Groups.startsWith('OKTA', 'none', 10) == null ? {} : Groups.startsWith('OKTA', 'none', 10)", json!([])),
        ("session.amr", json!(["pwd"])),
        ("user.getInternalProperty('status') == 'ACTIVE'", json!(true)),
        ("user.getInternalProperty('id') == user.id", json!(true)),
        ("'Hello world'", json!("Hello world")),
        ("1234", json!(1234)),
        ("2.75", json!(2.75)),
        ("true", json!(true)),
        ("user.firstName + user.lastName", json!("WinstonChurchill")),
        ("user.firstName + \" \" + user.lastName", json!("Winston Churchill")),
        ("user.salary == 123 ? 'Sales' : 'Other'", json!("Other")),
        ("substring(user.firstName, 0, 1) + substring(user.lastName, 0, 6)", json!("WChurch")),
        (r#""XDOMAIN\" + toLowerCase(substring(user.firstName, 0, 1))"#, json!(r"XDOMAIN\w")),
        ("user.city == 'San Francisco'", json!(true)),
        ("user.salary >= 1000000", json!(true)),
        ("!user.isContractor", json!(true)),
        ("user.salary > 1000000 AND !user.isContractor", json!(false)),
        ("String.len(user.middleName) == 0 ? '' : (String.substring(user.middleName, 0, 1) + '. ')", json!("")),
        ("user.nickName != '' AND user.nickName != null ? user.nickName : user.firstName", json!("Winston")),
        ("Convert.toInt('2018') == 2018.0", json!(true)),
    ] {
        check(text, &wanted);
    }
}

#[test]
fn references_name_the_user_the_app_the_org_and_the_session() {
    let id = GroupId::from_parts(2, [0; 8]);
    for (text, wanted) in [
        ("user.login", json!("winston.churchill@example.com")),
        ("user.profile.email", json!("w.churchill@example.org")),
        ("user.userName", json!("wchurchill")),
        ("appuser.userName", json!("wchurchill")),
        ("appuser.role", json!("approver")),
        ("appUser.limits", json!([1, 2])),
        ("appuser.unknown", Value::Null),
        ("appuser != null", json!(true)),
        ("app == null", json!(true)),
        ("idpuser.email", Value::Null),
        ("user.tags", json!(["payroll", "audit"])),
        ("user.rate", json!(1.5)),
        ("org.name + '/' + org.subDomain", json!("Acme/acme")),
        (&format!("isMemberOfGroup('{id}')"), json!(true)),
        (&format!("isMemberOfAnyGroup('00gnone', {{'{id}'}})"), json!(true)),
        (&format!("getFilteredGroups({{'{id}'}}, \"group.name\", 40)"), json!(["app-admins"])),
        (
            &format!("Arrays.flatten(String.replace(getFilteredGroups({{'{id}'}}, 'group.name', 9), 'app-', ''))"),
            json!(["admins"]),
        ),
    ] {
        check(text, &wanted);
    }
}

#[test]
fn null_is_harmless_everywhere() {
    for (text, wanted) in [
        ("user.nickName", Value::Null),
        ("user.nickName + '-' + user.firstName", json!("-Winston")),
        ("user.nickName + user.middleName", Value::Null),
        ("String.toLowerCase(user.nickName)", Value::Null),
        ("String.len(user.nickName)", json!(0)),
        ("String.append(null, 'x')", json!("x")),
        ("String.join('-', 'a', null, 'b')", json!("a-b")),
        ("String.stringContains(user.nickName, 'x')", json!(false)),
        ("String.stringSwitch(user.nickName, 'default', 'a', 'b')", json!("default")),
        ("!user.nickName", json!(true)),
        ("user.nickName ? 1 : 2", json!(2)),
        ("user.nickName > 1 || user.nickName < 1", json!(false)),
        ("Arrays.add(user.nickName, 1)", json!([1])),
        ("Arrays.get({1}, 1)", Value::Null),
        ("Arrays.isEmpty(Arrays.toCsvString(Groups.startsWith('OKTA', 'none', 100)))", json!(true)),
        ("Convert.toInt('x')", Value::Null),
        ("user.city - 1", Value::Null),
        ("9223372036854775807 + 1", json!(9_223_372_036_854_775_808.0)),
        ("-5 + 2", json!(-3)),
        ("String.substring('abc', 2, 9)", json!("c")),
        ("String.substring('abc', 4, 5)", Value::Null),
        ("String.substring('äöü', 1, 2)", json!("ö")),
        ("String.substringBefore('abc', '@')", json!("abc")),
        ("String.substringAfter('abc', '@')", json!("")),
        ("String.replace('abc', '', 'x')", json!("abc")),
        ("'it''s' + \"\"\"\"", json!("it's\"")),
    ] {
        check(text, &wanted);
    }
    let nobody = Expression::parse("user.id").unwrap();
    assert_eq!(nobody.evaluate(&Inputs::default()), None, "a client's own token has no user");
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    for (text, at, message) in [
        ("", 1, "Expected a value, found the end"),
        ("user.", 5, "`.` has no meaning here"),
        ("user.(", 5, "`.` has no meaning here"),
        ("user", 1, "Name an attribute, such as `user.email`; alone it can only be compared with null"),
        ("user == 1", 1, "Name an attribute; alone it can only be compared with null"),
        ("usr.email", 1, "`usr.email` is nothing that is known here; did you mean `user`?"),
        ("app.nme", 1, "There is no `app.nme`; did you mean `app.name`?"),
        ("user.a.b", 1, "`user.a.b` names no attribute: write `user.ATTRIBUTE`"),
        (
            "'ä' + String.tolowercase('x')",
            7,
            "There is no function `String.tolowercase`; did you mean `String.toLowerCase`?",
        ),
        (
            "user.email.toLowerCase()",
            1,
            "There is no function `user.email.toLowerCase`; did you mean `String.toLowerCase`?",
        ),
        ("Time.now()", 1, "The function `Time.now` is not supported"),
        ("String.len('a', 'b')", 1, "`String.len` takes 1 argument, here are 2"),
        (
            "String.stringSwitch('a', 'b', 'c')",
            1,
            "`String.stringSwitch` takes 2 arguments and any number of pairs, here are 3",
        ),
        ("String.len({1})", 12, "This argument of `String.len` must be a text"),
        ("Arrays.size('a')", 13, "This argument of `Arrays.size` must be an array"),
        ("Groups.contains('OKTA', 'a', 101)", 30, "Write a count from 1 to 100"),
        (
            "getFilteredGroups({'a'}, 'group.mail', 1)",
            26,
            "Write one of \"group.name\", \"group.id\", \"group.description\"",
        ),
        (
            "user.getInternalProperty('login')",
            26,
            "Write one of \"id\", \"status\", \"created\", \"lastUpdated\", \"passwordChanged\"",
        ),
        ("isMemberOfGroupNameRegex(user.city)", 1, "`isMemberOfGroupNameRegex` takes a regular expression in quotes"),
        (
            "isMemberOfGroupNameRegex('(')",
            26,
            "It is no regular expression that can be evaluated in linear time: look-around and back references are not supported",
        ),
        ("'a' ? 1 : 2", 1, "The condition before `?` must be true or false"),
        ("true ? 1", 9, "Expected `:`, found the end"),
        ("1 && true", 1, "Both sides of `&&` must be true or false"),
        ("{1} + {2}", 1, "`+` joins texts and adds numbers; use `Arrays.flatten` for arrays"),
        ("!'a'", 2, "What follows `!` must be true or false"),
        ("user.city = 'a'", 11, "Write `==` to compare"),
        ("user.city 'a'", 11, "There is something after the end of the expression: a text"),
        ("'a", 1, "The text that begins here does not end: a ' is missing"),
        ("(1", 3, "Expected `)`, found the end"),
    ] {
        let problem = Expression::parse(text).unwrap_err();
        assert_eq!((problem.at, problem.message.as_str()), (at, message), "{text}");
    }
    assert!(Expression::parse("isMemberOfGroupNameRegex('a)(b')").is_err(), "alone it is no pattern");
}

#[test]
fn each_limit_holds_at_the_limit_and_not_past_it() {
    let parses = |text: &str| Expression::parse(text).is_ok();
    let text = |bytes: usize| format!("'{}'", "x".repeat(bytes - 2));
    assert!(parses(&text(EXPRESSION_BYTES_MAX)) && !parses(&text(EXPRESSION_BYTES_MAX + 1)));
    let deep = |levels: usize| format!("{}1{}", "(".repeat(levels - 1), ")".repeat(levels - 1));
    assert!(parses(&deep(EXPRESSION_DEPTH_MAX)) && !parses(&deep(EXPRESSION_DEPTH_MAX + 1)));
    let wide = |parts: usize| format!("{{{}}}", vec!["1"; parts - 1].join(","));
    assert!(parses(&wide(EXPRESSION_PARTS_MAX)) && !parses(&wide(EXPRESSION_PARTS_MAX + 1)));
    let patterns = |count: usize| vec!["isMemberOfGroupNameRegex('a')"; count].join(" || ");
    assert!(parses(&patterns(EXPRESSION_PATTERNS_MAX)) && !parses(&patterns(EXPRESSION_PATTERNS_MAX + 1)));
    let pattern = |characters: usize| format!("isMemberOfGroupNameRegex('{}')", "a".repeat(characters));
    assert!(parses(&pattern(EXPRESSION_PATTERN_CHARACTERS_MAX)));
    assert!(!parses(&pattern(EXPRESSION_PATTERN_CHARACTERS_MAX + 1)));

    let long = "x".repeat(EXPRESSION_RESULT_BYTES_MAX - 1);
    let user = User {
        profile: user().profile.with("long", long).with("many", json!(vec![1; EXPRESSION_ELEMENTS_MAX - 1])),
        ..user()
    };
    let is_null = |text: &str| {
        let inputs = Inputs { user: Some(&user), ..Inputs::default() };
        Expression::parse(text).unwrap().evaluate(&inputs).is_none()
    };
    assert!(!is_null("user.long + 'x'") && is_null("user.long + 'xx'"));
    assert!(!is_null("Arrays.add(user.many, 1)") && is_null("Arrays.flatten(user.many, 1, 2)"));
    assert!(is_null("String.replace(user.long, 'x', user.long)"), "it would have four gigabytes");
    assert!(is_null("String.replace({user.long, user.long}, 'x', 'y')") && is_null("{user.long, 'xx'}"));
    assert!(is_null("String.join(user.long, 1, 2, 3)"));
}

#[test]
fn a_template_is_pieces_or_an_expression_or_a_constant() {
    let user = user();
    let inputs = Inputs { user: Some(&user), ..Inputs::default() };
    for (text, wanted) in [
        ("${user.email}", json!("w.churchill@example.org")),
        ("${source.login}", json!("winston.churchill@example.com")),
        ("${fn:substringBefore(source.login, \"@\")}", json!("winston.churchill")),
        ("${user.userName}", json!("winston.churchill@example.com")),
        ("${source.firstName}.${source.lastName}@x", json!("Winston.Churchill@x")),
        ("${Arrays.size({1, 2})}-${'}'}", json!("2-}")),
        ("it's ${user.nickName}", json!("it's ")),
        ("String.toUpperCase(user.city)", json!("SAN FRANCISCO")),
        ("Value", json!("Value")),
        ("ValueFromAPI", json!("ValueFromAPI")),
        ("\"Value\"", json!("Value")),
        ("arn:aws:iam::123456789012:role/staff,arn:x", json!("arn:aws:iam::123456789012:role/staff,arn:x")),
        ("7301", json!(7301)),
        ("", json!("")),
    ] {
        let template = Template::parse(text).unwrap_or_else(|problem| panic!("{text}: {problem}"));
        assert_eq!(template.evaluate(&inputs), Some(wanted), "{text}");
    }
    for (text, at) in [("ä${user.}", 8), ("${user.email", 1), ("user.email.x.y", 1), ("String.len(1", 13), ("${}", 3)]
    {
        assert_eq!(Template::parse(text).unwrap_err().at, at, "{text}");
    }
}

/// Stored by another version, which had more functions.
#[test]
fn a_stored_text_that_is_no_expression_is_null_and_stays_as_it_is() {
    let stored: Expression = serde_json::from_value(json!("Time.now()")).unwrap();
    assert!(!stored.is_readable() && !stored.names_groups() && stored.user_attributes().is_empty());
    assert_eq!(evaluated(&stored), None);
    assert_eq!(json!(stored), json!("Time.now()"));
    let stored: Template = serde_json::from_value(json!("${user.email}")).unwrap();
    assert!(stored.is_readable() && stored.user_attributes().contains("email"));
}

#[test]
fn whether_groups_are_looked_at_is_known_before() {
    for (text, groups) in [
        ("user.city", false),
        ("Arrays.size(user.tags) > 1", false),
        ("user.city == 'x' ? isMemberOfGroupName('a') : true", true),
        ("{Groups.contains('OKTA', 'a', 1)}", true),
        ("!isMemberOfGroupNameRegex('a')", true),
    ] {
        assert_eq!(Expression::parse(text).unwrap().names_groups(), groups, "{text}");
    }
}

/// `docs/expressions.md`: readers copy what it shows.
#[test]
fn the_examples_of_the_page_give_what_it_says() {
    let page = include_str!("../../../../docs/expressions.md");
    let (mut expressions, mut templates, mut of_templates) = (0, 0, false);
    for line in page.lines() {
        of_templates = line == "| Template | Gives |" || of_templates && line.starts_with('|');
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(|cell| cell.trim().trim_matches('`')).collect();
        let [.., example, gives] = cells.as_slice() else { continue };
        if !line.starts_with("| ")
            || line.ends_with("| Gives |")
            || page.split("## Limits").nth(1).unwrap().contains(line)
        {
            continue;
        }
        let wanted: Value = serde_json::from_str(gives).unwrap_or_else(|error| panic!("{line}: {error}"));
        if of_templates {
            let template = Template::parse(example).unwrap_or_else(|problem| panic!("{line}: {problem}"));
            assert_eq!(template.evaluate(&Inputs { user: Some(&user()), ..Inputs::default() }), Some(wanted), "{line}");
            templates += 1;
        } else {
            check(example, &wanted);
            expressions += 1;
        }
    }
    // Every function is shown, and every form of a template.
    assert!(expressions > Function::ALL.len() && templates == 6, "{expressions} {templates}");
    for function in Function::ALL {
        assert!(function.rule().names.iter().all(|name| page.contains(name.trim_start_matches("fn:"))), "{function:?}");
    }
    for limit in [
        EXPRESSION_BYTES_MAX,
        EXPRESSION_DEPTH_MAX,
        EXPRESSION_PARTS_MAX,
        EXPRESSION_ELEMENTS_MAX,
        EXPRESSION_PATTERNS_MAX,
    ] {
        let shown = if limit < 1_000 { limit.to_string() } else { format!("{},{:03}", limit / 1_000, limit % 1_000) };
        assert!(page.contains(&format!("| {shown}")), "{shown}");
    }
}

/// An app may have hundreds of them, which nobody may ever evaluate.
#[test]
fn what_is_read_from_the_store_is_compiled_when_it_is_evaluated() {
    let text = "isMemberOfGroupNameRegex('stored-.*') || isMemberOfGroupNameRegex('other-.*')";
    let stored: Vec<Expression> = serde_json::from_value(json!([text, text])).unwrap();
    let [one, other] = stored.as_slice() else { panic!("{stored:?}") };
    let compiled =
        |expression: &Expression| expression.patterns().iter().map(|pattern| pattern.is_compiled()).collect::<Vec<_>>();
    assert_eq!((compiled(one), compiled(other)), (vec![false, false], vec![false, false]));
    let groups = groups(&["stored-x"]);
    let inputs = Inputs { groups: Some(&groups), ..Inputs::default() };
    assert_eq!(one.evaluate(&inputs), Some(true.into()));
    assert_eq!(compiled(other), [true, true], "equal ones");
    let large: Expression = serde_json::from_value(json!(r"!isMemberOfGroupNameRegex('\w{900}{900}')")).unwrap();
    assert_eq!(large.evaluate(&inputs), None, "another version stored it");
}
