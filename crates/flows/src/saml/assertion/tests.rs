#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use serde_json::json;
use tenterhook_contract::{
    BuiltInType, Timestamp,
    id::{GroupId, OrgId, UserId},
};
use tenterhook_model::{
    AppUser, FactorType, GroupKind, NameIdFormat, Password, Profile, SignInCounts, Template, UserStatus,
};

use super::*;

const UNSPECIFIED: &str = "urn:oasis:names:tc:SAML:2.0:attrname-format:unspecified";
const URI: &str = "urn:oasis:names:tc:SAML:2.0:attrname-format:uri";

/// The app of the contract's sample.
fn app() -> SamlApp {
    let team = "http://schemas.example.com/identity/claims/team";
    serde_json::from_value(json!({
        "id": "0oa2hYc8vKpTq5wNe1d7", "externalKey": "exk4mRt7yWqZ2cLb1d7", "name": "benefits_1", "label": "Benefits portal",
        "status": "ACTIVE", "implicitAssignment": false, "hide": { "ios": false, "web": false },
        "userName": { "template": "${source.login}", "type": "BUILT_IN", "suffix": null, "pushStatus": null },
        "signingKid": "kid", "idpIssuer": null, "acsUrl": "https://benefits.example.com/acs",
        "recipient": "https://benefits.example.com/acs", "destination": "https://benefits.example.com/acs", "acsEndpoints": [],
        "audience": "urn:example:benefits", "defaultRelayState": null, "subjectNameIdTemplate": "${user.userName}",
        "subjectNameIdFormat": "EmailAddress", "responseSigned": true, "assertionSigned": true, "honorForceAuthn": true,
        "authnContextClassRef": "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport", "requestCompressed": false,
        "assertionLifetimeSeconds": 300,
        "attributeStatements": [
            { "name": "costCentre", "nameFormat": UNSPECIFIED, "source": { "type": "EXPRESSION", "values": ["user.costCentre"] } },
            { "name": team, "nameFormat": URI, "source": { "type": "EXPRESSION", "values": ["user.teams"] } },
        ],
        "singleLogout": null, "spCertificates": [], "signedRequests": false, "encryption": null, "hooks": [],
        "created": "2026-01-01T00:00:00.000Z", "lastUpdated": "2026-01-01T00:00:00.000Z",
    }))
    .unwrap()
}

fn user() -> User {
    let at = Timestamp::from_micros(0);
    let profile = Profile::new("ada@example.com", "ada@example.org", "Ada", "Okoye");
    User {
        id: UserId::from_parts(1, [0; 8]),
        org_id: OrgId::from_parts(1, [0; 8]),
        profile: profile.with("costCentre", 7301).with("teams", json!(["payroll", "audit"])),
        password: Password::None,
        status: UserStatus::Active,
        created: at,
        activated: None,
        status_changed: None,
        last_updated: at,
        version: 1,
        sign_ins: SignInCounts::default(),
    }
}

fn group(name: &str) -> Group {
    let at = Timestamp::from_micros(0);
    Group {
        id: GroupId::from_parts(1, [0; 8]),
        org_id: OrgId::from_parts(1, [0; 8]),
        kind: GroupKind::Own,
        name: name.to_owned(),
        description: None,
        created: at,
        last_updated: at,
        members_changed: at,
    }
}

fn built(app: &SamlApp, user: &User, assigned: Option<&Assigned>) -> Result<Assertion, AssertionProblem> {
    built_of(app, user, assigned, &[group("Everyone"), group("app-admins"), group("app-users")])
}

fn built_of(
    app: &SamlApp,
    user: &User,
    assigned: Option<&Assigned>,
    groups: &[Group],
) -> Result<Assertion, AssertionProblem> {
    let org = Org::new(user.org_id.clone(), None, "Acme", user.created);
    let source = Source {
        org: &org,
        app,
        user,
        methods: AuthenticationMethod::of_sign_in(Some(FactorType::Totp)),
        assigned,
        recipient: "https://benefits.example.com/acs",
        session_index: "id1770804300000.482910",
        class_ref: &app.authn_context_class_ref,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(assertion(&source, groups))
}

/// An app with attributes of these names, each with these expressions.
fn app_with(names: impl Iterator<Item = String>, expressions: &[&str]) -> SamlApp {
    let statement =
        |name| json!({ "name": name, "nameFormat": URI, "source": { "type": "EXPRESSION", "values": expressions } });
    let statements = names.map(|name| serde_json::from_value(statement(name)).unwrap());
    SamlApp { attribute_statements: statements.collect(), ..app() }
}

fn groups(count: usize) -> Vec<Group> {
    (0..count).map(|number| group(&format!("team-{number}"))).collect()
}

/// The values of the one attribute that an app with these statements has.
fn values(source: &Value) -> Result<Vec<(String, String)>, AssertionProblem> {
    let statement = json!({ "name": "one", "nameFormat": UNSPECIFIED, "source": source });
    let app = SamlApp { attribute_statements: vec![serde_json::from_value(statement).unwrap()], ..app() };
    let assertion = built(&app, &user(), None)?;
    let values = assertion.claims.get("one").unwrap().values.iter();
    Ok(values.map(|value| (value.attributes.kind.clone(), value.value.clone())).collect())
}

fn name_id(
    template: &str,
    format: NameIdFormat,
    assigned: Option<&Assigned>,
) -> Result<(String, String), AssertionProblem> {
    let subject_name_id_template = Template::parse(template).unwrap();
    let app = SamlApp { subject_name_id_template, subject_name_id_format: format, ..app() };
    built(&app, &user(), assigned).map(|assertion| (assertion.subject.name_id, assertion.subject.name_format))
}

/// `saml.md` section 2.
#[test]
fn the_assertion_of_the_contracts_sample_is_built_member_by_member() {
    let sample: Value = serde_json::from_str(BuiltInType::Saml.kind().sample_requests()[0]).unwrap();
    let assertion = built(&app(), &user(), None).unwrap();
    assert_eq!(serde_json::to_value(assertion).unwrap(), sample["data"]["assertion"]);
}

#[test]
fn each_expression_is_a_value_and_an_array_several_each_with_its_type() {
    let expressions = |values: &[&str]| json!({ "type": "EXPRESSION", "values": values });
    for (expressions_of, wanted) in [
        (
            &["user.email", "\"x\"", "Value"][..],
            &[("xs:string", "ada@example.org"), ("xs:string", "x"), ("xs:string", "Value")][..],
        ),
        (&["user.costCentre", "1.5", "true"], &[("xs:integer", "7301"), ("xs:double", "1.5"), ("xs:boolean", "true")]),
        (&["user.teams"], &[("xs:string", "payroll"), ("xs:string", "audit")]),
        (&["{1, {2, null}}"], &[("xs:integer", "1"), ("xs:integer", "2")]),
        (&["user.nickName"], &[]),
        (&["${user.firstName} ${user.lastName}"], &[("xs:string", "Ada Okoye")]),
        (&["Groups.startsWith(\"OKTA\", \"app-\", 10)"], &[("xs:string", "app-admins"), ("xs:string", "app-users")]),
        (&["session.amr"], &[("xs:string", "pwd"), ("xs:string", "otp"), ("xs:string", "mfa")]),
    ] {
        let wanted: Vec<_> = wanted.iter().map(|(kind, value)| ((*kind).to_owned(), (*value).to_owned())).collect();
        assert_eq!(values(&expressions(expressions_of)).unwrap(), wanted, "{expressions_of:?}");
    }
}

#[test]
fn an_attribute_of_groups_has_the_names_that_pass_its_filter() {
    let groups = |filter: &str, value: &str| {
        let found = values(&json!({ "type": "GROUP", "filter": filter, "value": value })).unwrap();
        found.into_iter().map(|(kind, name)| format!("{kind} {name}")).collect::<Vec<_>>()
    };
    assert_eq!(groups("STARTS_WITH", "app-"), ["xs:string app-admins", "xs:string app-users"]);
    assert_eq!(groups("REGEX", ".*admins"), ["xs:string app-admins"]);
    assert!(groups("EQUALS", "app").is_empty());
    let (with, without) = (
        json!({ "type": "GROUP", "filter": "EQUALS", "value": "x" }),
        json!({ "type": "EXPRESSION", "values": ["user.email"] }),
    );
    for (source, wanted) in [(with, true), (without, false)] {
        let statement = json!({ "name": "one", "nameFormat": URI, "source": source });
        let app = SamlApp { attribute_statements: vec![serde_json::from_value(statement).unwrap()], ..app() };
        assert_eq!(names_groups(&app), wanted);
    }
}

#[test]
fn the_name_identifier_is_the_templates_value_in_every_format() {
    for format in NameIdFormat::ALL {
        let named = name_id("${user.userName}", format, None).unwrap();
        assert_eq!(named, ("ada@example.com".to_owned(), format.uri().to_owned()));
    }
    let app_user = AppUser {
        app_id: app().id,
        user_id: user().id,
        user_name: Some("countess".to_owned()),
        profile: json!({ "badge": "B-7" }).as_object().unwrap().clone(),
        created: Timestamp::from_micros(0),
        last_updated: Timestamp::from_micros(0),
    };
    let assigned = Assigned { user: Some(app_user), groups: Vec::new() };
    for (template, wanted) in [
        ("${user.userName}", "countess"),
        ("${user.email}", "ada@example.org"),
        ("${appuser.badge}@${app.label}", "B-7@Benefits portal"),
    ] {
        assert_eq!(name_id(template, NameIdFormat::Unspecified, Some(&assigned)).unwrap().0, wanted);
    }
}

/// A part of the names would be taken for all of them.
#[test]
fn more_groups_than_an_attribute_may_have_are_a_problem_and_no_part_of_them() {
    let statement = json!({ "name": "teams", "nameFormat": URI, "source": { "type": "GROUP", "filter": "STARTS_WITH", "value": "team-" } });
    let app = SamlApp { attribute_statements: vec![serde_json::from_value(statement).unwrap()], ..app() };
    let mut groups: Vec<_> = (0..GROUP_NAMES_MAX).map(|number| group(&format!("team-{number}"))).collect();
    groups.push(group("Everyone"));
    let assertion = built_of(&app, &user(), None, &groups).unwrap();
    assert_eq!(assertion.claims.get("teams").unwrap().values.len(), GROUP_NAMES_MAX);
    groups.push(group("team-more"));
    let problem = built_of(&app, &user(), None, &groups).unwrap_err().to_string();
    assert_eq!(problem, "more than 100 groups of the user pass the filter of the attribute `teams`");
}

#[test]
fn what_cannot_be_an_assertion_is_a_problem_that_names_no_value() {
    let problem = |result: Result<_, AssertionProblem>| result.map(drop).unwrap_err().to_string();
    let wanted = "the name identifier's template has no value for this user";
    assert_eq!(problem(name_id("${user.nickName}", NameIdFormat::Persistent, None).map(drop)), wanted);
    let user = User { profile: user().profile.with("nickName", "secret\u{b}"), ..user() };
    let app = |template: &str| SamlApp { subject_name_id_template: Template::parse(template).unwrap(), ..app() };
    let wanted = "the name identifier has a character that XML 1.0 does not allow";
    assert_eq!(problem(built(&app("${user.nickName}"), &user, None).map(drop)), wanted);
    let statement =
        json!({ "name": "nick", "nameFormat": URI, "source": { "type": "EXPRESSION", "values": ["user.nickName"] } });
    let app =
        SamlApp { attribute_statements: vec![serde_json::from_value(statement).unwrap()], ..app("${user.email}") };
    assert_eq!(
        problem(built(&app, &user, None).map(drop)),
        "the attribute `nick` has a character that XML 1.0 does not allow"
    );
}

/// 100 attributes of 20 expressions with 100 groups each would be a page of 97 MB.
#[test]
fn an_assertion_with_too_many_values_is_not_built() {
    let groups = groups(100);
    let names = |count: usize| (0..count).map(|number| format!("a{number}"));
    let of_groups = r#"Groups.startsWith("OKTA", "team-", 100)"#;
    let all = app_with(names(100), &[of_groups; 20]);
    let problem = built_of(&all, &user(), None, &groups).unwrap_err();
    assert!(matches!(problem, AssertionProblem::TooLarge(AssertionTooLarge::Values)), "{problem:?}");
    assert!(problem.to_string().starts_with("the assertion would have more than 1000 values"), "{problem}");

    // With its audience as many as the bound: 9 * 100 + 99 + 1.
    let mut fits = app_with(names(9), &[of_groups]);
    let last = app_with(["last".to_owned()].into_iter(), &[r#"Groups.startsWith("OKTA", "team-", 99)"#]);
    fits.attribute_statements.extend(last.attribute_statements);
    let assertion = built_of(&fits, &user(), None, &groups).unwrap();
    assert_eq!(AssertionSize::of(&assertion).values, 1_000);
    for name in ["a0", "a8"] {
        let values = assertion.claims.get(name).unwrap().values.iter().map(|value| value.value.as_str());
        assert!(values.eq(groups.iter().map(|group| group.name.as_str())), "each attribute has the groups of its own");
    }
    fits.attribute_statements.extend(app_with(["none".to_owned()].into_iter(), &["user.title"]).attribute_statements);
    assert!(built_of(&fits, &user(), None, &groups).is_err(), "an attribute without a value counts as one");
}

#[test]
fn an_assertion_with_too_much_text_is_not_built() {
    let long = "é".repeat(30_000);
    let user = User { profile: user().profile.with("nickName", long.as_str()), ..user() };
    let one = || ["nick".to_owned()].into_iter();
    assert!(built(&app_with(one(), &["user.nickName"; 4]), &user, None).is_ok());
    let problem = built(&app_with(one(), &["user.nickName"; 5]), &user, None).unwrap_err();
    assert_eq!(problem.to_string(), "the assertion would have more than 262144 bytes of text");
}

/// A user with many groups, and an app that asks for them in many ways: other tasks go on meanwhile.
#[tokio::test]
async fn building_gives_other_tasks_their_turn() {
    let expressions = (0..20).map(|number| format!(r#"isMemberOfGroupNameContains("none-{number}")"#));
    let app = app_with(
        (0..40).map(|number| format!("a{number}")),
        &expressions.collect::<Vec<_>>().iter().map(String::as_str).collect::<Vec<_>>(),
    );
    let (user, groups) = (user(), groups(5_000));
    let org = Org::new(user.org_id.clone(), None, "Acme", user.created);
    let source = Source {
        org: &org,
        app: &app,
        user: &user,
        methods: &[AuthenticationMethod::Password],
        assigned: None,
        recipient: "https://benefits.example.com/acs",
        session_index: "id1",
        class_ref: &app.authn_context_class_ref,
    };
    let mut turns = 0;
    let other = async {
        loop {
            turns += 1;
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        built = assertion(&source, &groups) => drop(built.unwrap()),
        () = other => {}
    }
    assert!(turns > 0, "the other task has had no turn");
}
