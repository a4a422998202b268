//! Registration: a row for each cell and sentence of `registration.md` sections 2 to 5, and for each line of
//! `observed.md` section 3 that can happen to it.

use std::sync::Arc;

use serde_json::{Value, json};
use tenterhook_contract::{
    BuiltInType, ExtensionPoint,
    answer::Answer,
    context::{RequestContext, UrlValue, UserContext, UserLinks, UserProfile},
    id::RequestId,
    problem::{Change, Problem, ProblemCode},
    profile::ProfileSchema,
    registration::{
        Progressive, ProgressiveContext, RegistrationAction, RegistrationFlow, RegistrationSubject, SelfService,
        message::FormMessages,
    },
};

const UPDATE: &str = "com.okta.user.profile.update";
const PROGRESSIVE_UPDATE: &str = "com.okta.user.progressive.profile.update";
const ACTION: &str = "com.okta.action.update";

fn schema() -> Arc<ProfileSchema> {
    let schema = json!({
        "properties": {
            "login": { "type": "string", "minLength": 5, "maxLength": 40 }, "firstName": { "type": "string" },
            "employeeNumber": { "type": "string" }, "customerId": { "type": "integer" },
            "score": { "type": "number" }, "vip": { "type": "boolean" },
            "tags": { "type": "array", "items": { "type": "string" } },
            "roles": { "type": "array", "items": { "type": "string", "enum": ["admin", "guest"] } },
            "tier": { "type": "string", "enum": ["gold", "silver"] },
            "pin": { "type": "string", "sensitive": true },
        },
        "required": ["login"],
    });
    Arc::new(ProfileSchema::parse(&schema).unwrap())
}

fn subject() -> RegistrationSubject {
    let profile =
        json!({ "firstName": "Noor", "login": "noor@partner.example", "inviteCode": "SPRING-44", "pin": "0000" });
    RegistrationSubject {
        action: RegistrationAction::Allow,
        profile: profile.as_object().unwrap().clone(),
        schema: schema(),
    }
}

type Outcome = Result<(RegistrationSubject, Vec<Change>), Vec<Problem>>;

fn interpret<P: ExtensionPoint<Subject = RegistrationSubject>>(point: &P, commands: &Value) -> Outcome {
    let mut after = subject();
    let answer = json!({ "commands": commands }).to_string();
    match point.interpret(&mut after, Answer::parse(answer.as_bytes()).unwrap()) {
        Ok(changes) => Ok((after, changes)),
        Err(problems) => {
            assert_eq!(after, subject(), "atomic");
            Err(problems)
        }
    }
}

fn command(kind: &str, value: Value) -> Value {
    json!({ "type": kind, "value": value })
}

fn decide(action: &str) -> Value {
    command(ACTION, json!({ "registration": action }))
}

#[test]
fn the_decision() {
    for (source, commands, wanted) in [
        ("registration.md 3: ALLOW is superfluous", json!([decide("ALLOW")]), RegistrationAction::Allow),
        ("registration.md 3: DENY", json!([decide("DENY")]), RegistrationAction::Deny),
        ("registration.md 3: last one wins", json!([decide("DENY"), decide("ALLOW")]), RegistrationAction::Allow),
        ("registration.md 3: last one wins", json!([decide("ALLOW"), decide("DENY")]), RegistrationAction::Deny),
        (
            "registration.md 5: without a decision",
            json!([command(UPDATE, json!({ "vip": true }))]),
            RegistrationAction::Allow,
        ),
        ("registration.md 5: no commands", json!([]), RegistrationAction::Allow),
    ] {
        assert_eq!(interpret(&SelfService, &commands).unwrap().0.action, wanted, "{source}: {commands}");
    }
    let denied = json!([command(UPDATE, json!({ "vip": true })), decide("DENY")]);
    let (after, changes) = interpret(&SelfService, &denied).unwrap();
    assert_eq!(after.profile, subject().profile, "registration.md 3: profile changes are dropped");
    assert_eq!(changes.len(), 1, "the log names only what was done");
    for decision in
        [json!({ "action": "DENY" }), json!({ "registration": "deny" }), json!({}), json!({ "registration": true })]
    {
        let problems = interpret(&SelfService, &json!([command(ACTION, decision.clone())])).unwrap_err();
        assert_eq!(problems[0].code, ProblemCode::BadValue, "open-questions.md A12: {decision}");
        assert_eq!(problems[0].pointer, "/commands/0/value/registration");
        assert!(problems[0].hint.as_ref().unwrap().contains("registration"));
    }
}

#[test]
fn attributes_are_set_in_order() {
    for (source, commands, wanted) in [
        (
            "registration.md 6, first sample",
            json!([command(UPDATE, json!({ "customerId": 90211 })), decide("ALLOW")]),
            json!({ "firstName": "Noor", "login": "noor@partner.example", "inviteCode": "SPRING-44", "pin": "0000", "customerId": 90211 }),
        ),
        (
            "registration.md 3: later settings of the same attribute win",
            json!([
                command(UPDATE, json!({ "vip": true, "firstName": "A" })),
                command(UPDATE, json!({ "firstName": "B" }))
            ]),
            json!({ "firstName": "B", "login": "noor@partner.example", "inviteCode": "SPRING-44", "pin": "0000", "vip": true }),
        ),
        (
            "registration.md 3: sensitive attributes can be set",
            json!([command(UPDATE, json!({ "pin": "1234" }))]),
            json!({ "firstName": "Noor", "login": "noor@partner.example", "inviteCode": "SPRING-44", "pin": "1234" }),
        ),
        (
            "open-questions.md F8: the login may change",
            json!([command(UPDATE, json!({ "login": "other@partner.example" }))]),
            json!({ "firstName": "Noor", "login": "other@partner.example", "inviteCode": "SPRING-44", "pin": "0000" }),
        ),
        (
            "profile: each type",
            json!([command(
                UPDATE,
                json!({ "score": 1.5, "vip": false, "tags": ["a"], "tier": "gold", "firstName": null })
            )]),
            json!({ "firstName": null, "login": "noor@partner.example", "inviteCode": "SPRING-44", "pin": "0000", "score": 1.5, "vip": false, "tags": ["a"], "tier": "gold" }),
        ),
    ] {
        let (after, _) = interpret(&SelfService, &commands).unwrap();
        assert_eq!(json!(after.profile).to_string(), wanted.to_string(), "{source}");
    }
    let one = json!([command(UPDATE, json!({ "vip": true, "score": 1 }))]);
    let two = json!([command(UPDATE, json!({ "vip": true })), command(UPDATE, json!({ "score": 1 }))]);
    assert_eq!(
        interpret(&SelfService, &one).unwrap(),
        interpret(&SelfService, &two).unwrap(),
        "registration.md 3: one command with two attributes equals two commands with one"
    );
    let update = json!([command(PROGRESSIVE_UPDATE, json!({ "employeeNumber": "4821", "vip": true }))]);
    let (after, changes) = interpret(&Progressive, &update).unwrap();
    assert_eq!(after.profile["employeeNumber"], "4821", "registration.md 3: also attributes not in the delta");
    assert_eq!((&*changes[0].command, changes[1].path.as_str()), (PROGRESSIVE_UPDATE, "/vip"));
    let raw =
        br#"{"commands": [{"type": "com.okta.user.profile.update", "value": {"firstName": "A", "firstName": "B"}}]}"#;
    let mut twice = subject();
    SelfService.interpret(&mut twice, Answer::parse(raw).unwrap()).unwrap();
    assert_eq!(twice.profile["firstName"], "B", "open-questions.md C13: the last wins");
    let raw =
        br#"{"commands": [{"type": "com.okta.user.profile.update", "value": {"customerId": "x", "customerId": 90211.0}}]}"#;
    let mut corrected = subject();
    let changes = SelfService.interpret(&mut corrected, Answer::parse(raw).unwrap()).unwrap();
    assert_eq!(corrected.profile["customerId"], json!(90_211.0), "C13; JSON Schema: 90211.0 is an integer");
    for fits in [json!(u64::MAX), json!(i64::MIN), json!(9e18)] {
        let update = json!([command(UPDATE, json!({ "customerId": fits }))]);
        assert_eq!(interpret(&SelfService, &update).unwrap().0.profile["customerId"], fits);
    }
    assert_eq!(changes.len(), 1);
}

#[test]
fn what_is_not_acceptable() {
    use ProblemCode::{BadValue, ForbiddenAttribute, UnknownAttribute, UnknownCommand, WrongShape};
    let set = |name: &str, value: Value| json!([command(UPDATE, json!({ name: value }))]);
    for (source, commands, code, pointer) in [
        ("open-questions.md F7: unknown attribute", set("nope", json!(1)), UnknownAttribute, "/commands/0/value/nope"),
        (
            "registration.md 3: not in the schema, though on the form",
            set("inviteCode", json!("x")),
            UnknownAttribute,
            "/commands/0/value/inviteCode",
        ),
        (
            "registration.md 3: the password can never be set",
            set("password", json!("x")),
            ForbiddenAttribute,
            "/commands/0/value/password",
        ),
        (
            "open-questions.md F7: wrong type",
            set("customerId", json!("90211")),
            BadValue,
            "/commands/0/value/customerId",
        ),
        ("profile: no integer", set("customerId", json!(1.5)), BadValue, "/commands/0/value/customerId"),
        (
            "profile: 2^70",
            set("customerId", json!(1_180_591_620_717_411_303_424.0)),
            BadValue,
            "/commands/0/value/customerId",
        ),
        (
            "profile: 2^63",
            set("customerId", json!(9_223_372_036_854_775_808.0)),
            BadValue,
            "/commands/0/value/customerId",
        ),
        ("profile: no number", set("score", json!("1.5")), BadValue, "/commands/0/value/score"),
        ("profile: no boolean", set("vip", json!("true")), BadValue, "/commands/0/value/vip"),
        ("profile: items", set("tags", json!(["a", 1])), BadValue, "/commands/0/value/tags"),
        ("profile: enum", set("tier", json!("bronze")), BadValue, "/commands/0/value/tier"),
        ("profile: enum of items", set("roles", json!(["admin", "root"])), BadValue, "/commands/0/value/roles"),
        ("profile: too short", set("login", json!("a")), BadValue, "/commands/0/value/login"),
        ("profile: too long", set("login", json!("a".repeat(41))), BadValue, "/commands/0/value/login"),
        ("profile: required", set("login", Value::Null), BadValue, "/commands/0/value/login"),
        ("observed.md 3: [] for {}", json!([command(UPDATE, json!([]))]), WrongShape, "/commands/0/value"),
        ("open-questions.md F5: a string", json!([command(UPDATE, json!("{}"))]), WrongShape, "/commands/0/value"),
        ("observed.md 3: explicit nulls", json!([command(UPDATE, Value::Null)]), WrongShape, "/commands/0/value"),
        (
            "observed.md 3: beside type",
            json!([{ "type": ACTION, "registration": "DENY" }]),
            WrongShape,
            "/commands/0/value",
        ),
        (
            "open-questions.md A13",
            json!([{ "type": "com.action.update", "value": {} }]),
            UnknownCommand,
            "/commands/0/type",
        ),
        (
            "observed.md 3: a hook type",
            json!([{ "type": "com.okta.user.pre-registration", "value": {} }]),
            UnknownCommand,
            "/commands/0/type",
        ),
    ] {
        let problems = interpret(&SelfService, &commands).unwrap_err();
        assert_eq!((problems[0].code, problems[0].pointer.as_str()), (code, pointer), "{source}: {commands}");
    }
    for (problems, own) in [
        (interpret(&SelfService, &json!([command(PROGRESSIVE_UPDATE, json!({}))])), UPDATE),
        (interpret(&Progressive, &json!([command(UPDATE, json!({}))])), PROGRESSIVE_UPDATE),
    ] {
        let problems = problems.unwrap_err();
        assert_eq!(problems[0].code, ProblemCode::WrongFlow, "open-questions.md F6");
        assert!(problems[0].hint.as_ref().unwrap().contains(own), "the log says which name is right");
    }
    let marked = set("customerId", json!("SECRET-VALUE"));
    assert!(!format!("{:?}", interpret(&SelfService, &marked).unwrap_err()).contains("SECRET-VALUE"));
    assert!(!format!("{:?}", subject()).contains("SPRING-44"), "values are not shown");
}

/// `registration.md` section 4, the table of messages and the rules below it.
#[test]
fn messages_of_the_form() {
    use RegistrationFlow::{Progressive as Update, SelfService as New};
    let form = |text: &str| FormMessages { fields: vec![], form: vec![text.to_owned()] };
    let field =
        |name: &str, text: &str| FormMessages { fields: vec![(name.to_owned(), text.to_owned())], form: vec![] };
    let generic = "Registration cannot be completed at this time.";
    let cause = |location: &str| json!({ "errorCauses": [{ "errorSummary": "Expired.", "location": location, "domain": "end-user" }] });
    for (source, flow, error, wanted) in [
        ("an attribute", New, cause("data.userProfile.inviteCode"), field("inviteCode", "Expired.")),
        ("an attribute", Update, cause("data.userProfile.inviteCode"), field("inviteCode", "Expired.")),
        ("open-questions.md F4", Update, cause("data.userProfileUpdate.inviteCode"), field("inviteCode", "Expired.")),
        ("no known attribute: form level", New, cause("data.userProfile.nope"), form("Expired.")),
        ("no known attribute: form level", New, cause("inviteCode"), form("Expired.")),
        ("no causes", New, json!({ "errorSummary": "secret reason" }), form(generic)),
        ("no causes", Update, json!({}), form("We found some errors. Please review the form and make corrections.")),
        ("no summaries: as no causes", New, json!({ "errorCauses": [{ "reason": "X" }, {}] }), form(generic)),
        ("observed.md 3: error as a string", New, json!("no"), form(generic)),
        (
            "observed.md 3: a numeric summary in its string form",
            New,
            json!({ "errorCauses": [{ "errorSummary": 7, "location": "data.userProfile.login" }] }),
            field("login", "7"),
        ),
    ] {
        let answer = Answer::parse(json!({ "error": error }).to_string().as_bytes()).unwrap();
        let messages = FormMessages::refused(flow, &answer.error.unwrap(), &subject().profile);
        assert_eq!(messages, wanted, "registration.md 4, {source}");
    }
    for (messages, text) in [
        (FormMessages::denied(New), "Registration denied."),
        (FormMessages::denied(Update), "Profile update denied."),
        (FormMessages::failed(New), "There was an error creating your account. Please try registering again."),
        (FormMessages::failed(Update), "There was an error updating your profile. Please try again later."),
    ] {
        assert_eq!(messages, form(text), "registration.md 4");
    }
}

/// `registration.md` section 2, the whole `data` of both samples.
#[test]
fn the_requests_are_the_samples() {
    let samples = BuiltInType::Registration.kind().sample_requests();
    let request = |path: &str| RequestContext {
        id: RequestId::from_entropy([7; 16]),
        method: "POST".into(),
        url: UrlValue { value: path.into() },
        ip_address: "203.0.113.9".into(),
    };
    let wanted = |index: usize, request: &RequestContext| {
        let sample: Value = serde_json::from_str(samples[index]).unwrap();
        let mut data = sample["data"].clone();
        data["context"]["request"]["id"] = json!(request.id);
        (data, sample["requestType"].as_str().unwrap().to_owned())
    };
    let new = request("/idp/idx/enroll/new");
    let (data, request_type) = wanted(0, &new);
    let form = |profile: &Value| {
        let mut profile = profile.as_object().unwrap().clone();
        profile.insert("pin".into(), json!("0000"));
        profile.insert("password".into(), json!("never"));
        RegistrationSubject { profile, ..subject() }
    };
    let submitted = form(&data["userProfile"]);
    let written = serde_json::to_string(&SelfService.data(&new, &submitted)).unwrap();
    assert_eq!(written, data.to_string(), "registration.md 2: never password, never sensitive; order kept");
    assert_eq!(SelfService.request_type(&new), Some(request_type.as_str()));

    let update = request("/idp/idx/enroll/update");
    let (data, request_type) = wanted(1, &update);
    let id = "00u00000000000000001".parse().unwrap();
    let context = ProgressiveContext {
        request: update,
        user: UserContext {
            links: UserLinks::of("", &id),
            id,
            password_changed: Some("2026-01-05T07:00:00.000Z".parse().unwrap()),
            profile: UserProfile {
                login: "noor@partner.example".into(),
                first_name: "Noor".into(),
                last_name: "Haddad".into(),
                locale: "fr_FR".into(),
                time_zone: "Europe/Paris".into(),
                custom: serde_json::Map::new(),
            },
        },
    };
    let submitted = form(&data["userProfileUpdate"]);
    let written = serde_json::to_value(Progressive.data(&context, &submitted)).unwrap();
    let wanted = data.to_string().replace("00u8mQv4tYcZr1xKe1d7", "00u00000000000000001");
    assert_eq!(written, serde_json::from_str::<Value>(&wanted).unwrap());
    assert_eq!(Progressive.request_type(&context), Some(request_type.as_str()));
}

#[test]
fn schemas_say_where_they_are_wrong() {
    for (schema, field) in [
        (json!({}), "properties"),
        (json!({ "properties": { "a": 1 } }), "properties.a"),
        (json!({ "properties": { "a": { "type": "date" } } }), "properties.a.type"),
        (json!({ "properties": { "a": { "type": "array" } } }), "properties.a.items"),
        (
            json!({ "properties": { "a": { "type": "array", "items": { "type": "array", "items": { "type": "string" } } } } }),
            "properties.a.items",
        ),
        (json!({ "properties": { "a": { "type": "string", "minLength": -1 } } }), "properties.a.minLength"),
        (json!({ "properties": { "password": { "type": "string" } } }), "properties.password"),
    ] {
        assert_eq!(ProfileSchema::parse(&schema).unwrap_err().field, field, "{schema}");
    }
    let base = ProfileSchema::base();
    assert!(base.attribute("login").unwrap().required && !base.attribute("nickName").unwrap().required);
    let wider = schema()
        .as_ref()
        .clone()
        .with([base.attribute("login").unwrap().clone(), base.attribute("city").unwrap().clone()]);
    assert!(wider.may_set("login", &json!("a")) && wider.may_set("city", &json!("Lagos")), "replaced and added");
}
