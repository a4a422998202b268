//! User import: a row for each sentence of `user-import.md` sections 2 and 3, and for each line of `observed.md`
//! section 3 that can happen to it.

use std::sync::Arc;

use serde_json::{Value, json};
use tenterhook_contract::{
    BuiltInType, ExtensionPoint as _,
    answer::Answer,
    limits::VALUE_DEPTH_MAX,
    problem::{Change, Problem, ProblemCode},
    profile::ProfileSchema,
    user_import::{Application, ImportAction, ImportContext, ImportSubject, Job, UserImport},
};

fn profile(value: &Value) -> tenterhook_contract::profile::Profile {
    value.as_object().unwrap().clone()
}

pub(crate) fn subject() -> ImportSubject {
    let schema = json!({
        "properties": {
            "login": { "type": "string", "minLength": 5 }, "firstName": { "type": "string" },
            "mobilePhone": { "type": "string" }, "level": { "type": "integer" },
            "groups": { "type": "array", "items": { "type": "string" } }, "userName": { "type": "string" },
        },
        "required": ["login"],
    });
    let schema = Arc::new(ProfileSchema::parse(&schema).unwrap());
    ImportSubject {
        action: ImportAction::CreateUser,
        target: None,
        app_profile: profile(&json!({ "userName": "tlind", "mobilePhone": null, "groups": ["a"] })),
        user_profile: profile(&json!({ "login": "tomas@acme.example", "firstName": "Tomas", "mobilePhone": null })),
        app_schema: Some(Arc::clone(&schema)),
        user_schema: schema,
        mapping: Arc::new(vec![("userName".into(), "login".into())]),
    }
}

fn on(mut subject: ImportSubject, commands: &Value) -> Result<(ImportSubject, Vec<Change>), Vec<Problem>> {
    let before = subject.clone();
    let answer = json!({ "commands": commands }).to_string();
    match UserImport.interpret(&mut subject, Answer::parse(answer.as_bytes()).unwrap()) {
        Ok(changes) => Ok((subject, changes)),
        Err(problems) => {
            assert_eq!(subject, before, "atomic");
            Err(problems)
        }
    }
}

fn matched(action: ImportAction) -> ImportSubject {
    ImportSubject { action, target: Some("00uMatch".into()), ..subject() }
}

fn action(result: &str) -> Value {
    json!({ "type": "com.okta.action.update", "value": { "result": result } })
}

fn user(id: &str) -> Value {
    json!({ "type": "com.okta.user.update", "value": { "id": id } })
}

fn app(value: Value) -> Value {
    json!({ "type": "com.okta.appUser.profile.update", "value": value })
}

fn platform(value: Value) -> Value {
    json!({ "type": "com.okta.user.profile.update", "value": value })
}

#[test]
fn the_action_and_its_target() {
    use ImportAction::{CreateUser, LinkUser};
    for (source, before, commands, wanted) in [
        (
            "user-import.md 6, first sample",
            subject(),
            json!([action("LINK_USER"), user("00uX")]),
            (LinkUser, Some("00uX")),
        ),
        (
            "user-import.md 3: in either order",
            subject(),
            json!([user("00uX"), action("LINK_USER")]),
            (LinkUser, Some("00uX")),
        ),
        (
            "user-import.md 3: without an id: data.user.id",
            matched(CreateUser),
            json!([action("LINK_USER")]),
            (LinkUser, Some("00uMatch")),
        ),
        (
            "user-import.md 3: user.update alone, the default links",
            matched(LinkUser),
            json!([user("00uX")]),
            (LinkUser, Some("00uX")),
        ),
        (
            "user-import.md 3: user.update alone, the default creates",
            subject(),
            json!([user("00uX")]),
            (CreateUser, None),
        ),
        (
            "user-import.md 3: overrides the default",
            matched(LinkUser),
            json!([action("CREATE_USER")]),
            (CreateUser, Some("00uMatch")),
        ),
        (
            "user-import.md 3: later wins",
            subject(),
            json!([action("LINK_USER"), action("CREATE_USER")]),
            (CreateUser, None),
        ),
        (
            "user-import.md 3: later wins",
            subject(),
            json!([user("00uX"), user("00uY"), action("LINK_USER")]),
            (LinkUser, Some("00uY")),
        ),
        ("user-import.md 4: no commands", matched(LinkUser), json!([]), (LinkUser, Some("00uMatch"))),
    ] {
        let (after, _) = on(before, &commands).unwrap();
        assert_eq!((after.action, after.target.as_deref()), wanted, "{source}: {commands}");
    }
    let (_, changes) = on(subject(), &json!([user("00uX")])).unwrap();
    assert_eq!((changes[0].op, changes[0].path.as_str()), ("ignore", "/id"), "user-import.md 3: ignore it and log it");
}

#[test]
fn attributes_are_set_in_order_and_the_platform_value_wins() {
    for (source, commands, app_profile, login) in [
        (
            "user-import.md 6, second sample",
            json!([app(json!({ "userName": "tlind2" })), platform(json!({ "login": "tomas.lind2@acme.example" }))]),
            json!({ "userName": "tlind2", "mobilePhone": null, "groups": ["a"] }),
            "tomas.lind2@acme.example",
        ),
        (
            "user-import.md 3: an explicit platform value wins, in any order",
            json!([platform(json!({ "login": "explicit" })), app(json!({ "userName": "tlind2" }))]),
            json!({ "userName": "tlind2", "mobilePhone": null, "groups": ["a"] }),
            "explicit",
        ),
        (
            "user-import.md 3: then re-run mapping",
            json!([app(json!({ "userName": "tlind2" }))]),
            json!({ "userName": "tlind2", "mobilePhone": null, "groups": ["a"] }),
            "tlind2",
        ),
        (
            "user-import.md 3: array order, later wins",
            json!([app(json!({ "userName": "first" })), app(json!({ "userName": "second", "groups": [] }))]),
            json!({ "userName": "second", "mobilePhone": null, "groups": [] }),
            "second",
        ),
        (
            "user-import.md 2: attribute values may be null",
            json!([app(json!({ "groups": null }))]),
            json!({ "userName": "tlind", "mobilePhone": null, "groups": null }),
            "tomas@acme.example",
        ),
    ] {
        let (after, changes) = on(subject(), &commands).unwrap();
        assert_eq!(json!(after.app_profile), app_profile, "{source}");
        assert_eq!(after.user_profile["login"], login, "{source}");
        assert!(changes.iter().all(|change| change.op == "set"), "{source}");
    }
}

/// `user-import.md` section 3: attributes must exist in the target schema and fit it, set directly or by the mapping.
#[test]
fn mapped_values_fit_the_platform_schema() {
    for value in [json!(null), json!(42), json!("a")] {
        let mut free = subject();
        free.app_schema = None;
        let answer = json!([app(json!({ "groups": [], "userName": value }))]);
        let problems = on(free.clone(), &answer).unwrap_err();
        assert_eq!((problems.len(), problems[0].code), (1, ProblemCode::BadValue), "{value}");
        assert_eq!(problems[0].pointer, "/commands/0/value/userName", "{value}");
        assert!(problems[0].hint.as_deref().unwrap().contains("`login`"), "{:?}", problems[0].hint);
        let explicit = json!([app(json!({ "userName": value })), platform(json!({ "login": "explicit" }))]);
        let (after, _) = on(free.clone(), &explicit).unwrap();
        assert_eq!(after.user_profile["login"], "explicit", "the mapped value is not written");
        let later = json!([app(json!({ "userName": value })), app(json!({ "userName": "later" }))]);
        assert_eq!(on(free, &later).unwrap().0.user_profile["login"], "later", "nor one that another follows");
    }
    let mut free = subject();
    free.app_schema = None;
    let nested = |depth: usize| (0..depth).fold(json!(1), |inner, _| json!([inner]));
    assert!(on(free.clone(), &json!([app(json!({ "x": nested(VALUE_DEPTH_MAX) }))])).is_ok());
    let problems = on(free, &json!([app(json!({ "x": nested(VALUE_DEPTH_MAX + 1) }))])).unwrap_err();
    assert_eq!(problems[0].message, "Value nested too deep(attribute=x)");
}

#[test]
fn what_is_not_acceptable() {
    use ProblemCode::{BadValue, ForbiddenAttribute, NoTarget, UnknownAttribute, UnknownCommand, WrongShape};
    for (source, commands, code, pointer) in [
        ("user-import.md 3: LINK_USER without an id", json!([action("LINK_USER")]), NoTarget, "/commands/0/value"),
        ("observed.md 3: unknown enum value", json!([action("link_user")]), BadValue, "/commands/0/value/result"),
        ("user-import.md 3: id", json!([user("")]), BadValue, "/commands/0/value/id"),
        (
            "user-import.md 3: id",
            json!([{ "type": "com.okta.user.update", "value": { "id": 7 } }]),
            BadValue,
            "/commands/0/value/id",
        ),
        (
            "user-import.md 3: attributes must exist",
            json!([app(json!({ "no": 1 }))]),
            UnknownAttribute,
            "/commands/0/value/no",
        ),
        (
            "user-import.md 3: attributes must exist",
            json!([platform(json!({ "no": 1 }))]),
            UnknownAttribute,
            "/commands/0/value/no",
        ),
        (
            "observed.md 3: type rules of the schema",
            json!([platform(json!({ "level": "7" }))]),
            BadValue,
            "/commands/0/value/level",
        ),
        (
            "observed.md 3: type rules of the schema",
            json!([platform(json!({ "groups": [1] }))]),
            BadValue,
            "/commands/0/value/groups",
        ),
        ("profile: lengths", json!([platform(json!({ "login": "a" }))]), BadValue, "/commands/0/value/login"),
        ("profile: required", json!([platform(json!({ "login": null }))]), BadValue, "/commands/0/value/login"),
        (
            "profile: the password",
            json!([platform(json!({ "password": "x" }))]),
            ForbiddenAttribute,
            "/commands/0/value/password",
        ),
        ("user-import.md 3: value is always an object", json!([app(json!([]))]), WrongShape, "/commands/0/value"),
        (
            "observed.md 3: retired names",
            json!([{ "type": "com.okta.action.update.import", "value": {} }]),
            UnknownCommand,
            "/commands/0/type",
        ),
    ] {
        let problems = on(subject(), &commands).unwrap_err();
        assert_eq!((problems[0].code, problems[0].pointer.as_str()), (code, pointer), "{source}: {commands}");
    }
    let many = on(subject(), &json!([app(json!({ "no": 1, "never": 2 })), action("x")])).unwrap_err();
    assert_eq!(many.len(), 3, "every problem is reported");
    let good_and_bad = json!([app(json!({ "userName": "changed" })), action("x")]);
    assert!(on(subject(), &good_and_bad).is_err(), "user-import.md 3: invalid commands discard the whole answer");
}

/// `user-import.md` section 2, the whole `data` of the sample.
#[test]
fn the_request_is_the_sample() {
    let sample: Value = serde_json::from_str(BuiltInType::UserImport.kind().sample_requests()[0]).unwrap();
    let data = &sample["data"];
    let text = |pointer: &str| data.pointer(pointer).unwrap().as_str().unwrap().to_owned();
    let context = ImportContext {
        conflicts: vec!["login".into()],
        application: Application {
            name: text("/context/application/name"),
            id: text("/context/application/id"),
            label: text("/context/application/label"),
            status: "ACTIVE".into(),
        },
        job: Job { id: text("/context/job/id"), kind: "import:users" },
        matches: vec![],
        policy: vec!["EMAIL".into(), "FIRST_AND_LAST_NAME".into()],
    };
    let mut typed = ImportSubject {
        app_profile: profile(&data["appUser"]["profile"]),
        user_profile: profile(&data["user"]["profile"]),
        ..subject()
    };
    let written = |subject: &ImportSubject| serde_json::to_string(&UserImport.data(&context, subject)).unwrap();
    assert_eq!(written(&typed), data.to_string(), "member order and nulls as in the sample; no id without a match");
    typed.target = Some("00uMatch".into());
    assert!(written(&typed).contains(r#""user":{"id":"00uMatch","profile""#), "user-import.md 2: only when matched");
    assert!(!format!("{typed:?}").contains("Tomas"), "values are not shown");
}
