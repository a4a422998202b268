//! The SAML interpreter and the JSON mapping: a row for each cell and sentence of `saml.md` sections 2 to 4, and for
//! each line of `observed.md` section 3 that can happen to it.

use serde_json::{Value, json};
use tenterhook_contract::{
    BuiltInType, ExtensionPoint as _,
    answer::Answer,
    context::{IdentityProviderContext, RequestContext, SessionContext, UrlValue, UserContext, UserLinks, UserProfile},
    id::{RequestId, SessionId, UserId},
    limits::{ASSERTION_TEXT_BYTES_MAX, ASSERTION_VALUES_MAX},
    problem::{Problem, ProblemCode},
    saml::{Saml, SamlContext, SamlIssuer, SamlProtocol, assertion::Assertion, size::AssertionSize},
};

const TEAM: &str = "/claims/http:~1~1schemas.example.com~1identity~1claims~1team";

fn sample() -> Value {
    let sample: Value = serde_json::from_str(BuiltInType::Saml.kind().sample_requests()[0]).unwrap();
    sample["data"]["assertion"].clone()
}

fn assertion() -> Assertion {
    Assertion::from_json(&sample()).unwrap()
}

fn interpret(before: &Assertion, commands: &Value) -> Result<Value, Vec<Problem>> {
    let mut after = before.clone();
    let answer = json!({ "commands": commands }).to_string();
    match Saml.interpret(&mut after, Answer::parse(answer.as_bytes()).unwrap()) {
        Ok(_) => Ok(serde_json::to_value(after).unwrap()),
        Err(problems) => {
            assert_eq!(&after, before, "open-questions.md E1: nothing applied");
            Err(problems)
        }
    }
}

fn patch(operations: Value) -> Value {
    json!([{ "type": "com.okta.assertion.patch", "value": operations }])
}

fn op(op: &str, path: &str, value: Value) -> Value {
    json!({ "op": op, "path": path, "value": value })
}

/// One operation: what is at a pointer afterwards, or the code of the problem and the member it names.
fn check(source: &str, operation: Value, wanted: Result<(&str, Value), (ProblemCode, &str)>) {
    match (interpret(&assertion(), &patch(json!([operation]))), wanted) {
        (Ok(after), Ok((pointer, value))) => {
            assert_eq!(after.pointer(pointer), Some(&value), "{source}: {operation}");
        }
        (Err(problems), Err((code, member))) => {
            let place = format!("/commands/0/value/0{member}");
            assert_eq!((problems[0].code, &problems[0].pointer), (code, &place), "{source}: {operation}");
        }
        (outcome, wanted) => panic!("{source}: {operation} gave {outcome:?}, not {wanted:?}"),
    }
}

#[test]
fn attributes_as_a_whole() {
    use ProblemCode::{BadPath, BadValue, PathNotFound};
    let level = json!({
        "attributes": { "NameFormat": "urn:oasis:names:tc:SAML:2.0:attrname-format:basic" },
        "attributeValues": [{ "attributes": { "xsi:type": "xs:string" }, "value": "L3" }],
    });
    let bare = json!({ "attributeValues": [{ "value": 7 }, { "value": true }, { "value": 1.5 }] });
    let defaults = json!({
        "attributes": { "NameFormat": "urn:oasis:names:tc:SAML:2.0:attrname-format:unspecified" },
        "attributeValues": [
            { "attributes": { "xsi:type": "xs:string" }, "value": "7" },
            { "attributes": { "xsi:type": "xs:string" }, "value": "true" },
            { "attributes": { "xsi:type": "xs:string" }, "value": "1.5" },
        ],
    });
    let empty = json!({ "attributeValues": [] });
    check(
        "saml.md 3, add: new attribute",
        op("add", "/claims/level", level.clone()),
        Ok(("/claims/level", level.clone())),
    );
    check(
        "saml.md 3, add: existing is overwritten",
        op("add", "/claims/costCentre", level.clone()),
        Ok(("/claims/costCentre", level.clone())),
    );
    check("saml.md 3, replace: whole attribute", op("replace", TEAM, level.clone()), Ok((TEAM, level.clone())));
    check("saml.md 3, replace: must exist", op("replace", "/claims/none", level.clone()), Err((PathNotFound, "/path")));
    check("saml.md 3, value rules: defaults, string forms", op("add", "/claims/x", bare), Ok(("/claims/x", defaults)));
    check("saml.md 2: no value", op("add", "/claims/x", empty), Ok(("/claims/x/attributeValues", json!([]))));
    check(
        "saml.md 3: attributeValues must be an array",
        op("add", "/claims/x", json!({ "attributeValues": {} })),
        Err((BadValue, "/value")),
    );
    check(
        "saml.md 3: attributeValues is needed",
        op("add", "/claims/x", json!({ "attributes": {} })),
        Err((BadValue, "/value")),
    );
    check("saml.md 3: an object", op("add", "/claims/x", json!("L3")), Err((BadValue, "/value")));
    check(
        "saml.md 3: value texts",
        op("add", "/claims/x", json!({ "attributeValues": [{ "value": {} }] })),
        Err((BadValue, "/value")),
    );
    check(
        "saml.md 3: value is needed",
        op("add", "/claims/x", json!({ "attributeValues": [{}] })),
        Err((BadValue, "/value")),
    );
    check("open-questions.md D7: empty name", op("add", "/claims/", level.clone()), Err((BadPath, "/path")));
    check("saml.md 3: anything else", op("add", "/claims", level), Err((BadPath, "/path")));
}

#[test]
fn values_and_xml_attributes_of_an_attribute() {
    use ProblemCode::{BadIndex, BadPath, BadValue, PathNotFound};
    let value = json!({ "attributes": { "xsi:type": "xs:string" }, "value": "legal" });
    let values = format!("{TEAM}/attributeValues");
    let at = |rest: &str| format!("{values}/{rest}");
    check("saml.md 3: insert", op("add", &at("0"), value.clone()), Ok((&at("0"), value.clone())));
    check("saml.md 3: insert moves up", op("add", &at("1"), value.clone()), Ok((&at("2/value"), json!("audit"))));
    check("saml.md 3: index = length", op("add", &at("2"), value.clone()), Ok((&at("2"), value.clone())));
    check("saml.md 3: append", op("add", &at("-"), value.clone()), Ok((&at("2"), value.clone())));
    check("saml.md 3: beyond", op("add", &at("3"), value.clone()), Err((BadIndex, "/path")));
    check("saml.md 3: replace element", op("replace", &at("1"), value.clone()), Ok((&at("1"), value.clone())));
    check("saml.md 3: element must exist", op("replace", &at("2"), value.clone()), Err((BadIndex, "/path")));
    check("saml.md 3: no replace at -", op("replace", &at("-"), value.clone()), Err((BadIndex, "/path")));
    check("saml.md 3: index", op("replace", &at("01"), value.clone()), Err((BadIndex, "/path")));
    check(
        "saml.md 3: sample",
        op("replace", &at("1/value"), json!("treasury")),
        Ok((&at("1/value"), json!("treasury"))),
    );
    check(
        "saml.md 3: add at a member",
        op("add", &at("1/value"), json!("treasury")),
        Ok((&at("1/value"), json!("treasury"))),
    );
    check("saml.md 3: number", op("replace", &at("0/value"), json!(42)), Ok((&at("0/value"), json!("42"))));
    check("saml.md 3: boolean", op("replace", &at("0/value"), json!(false)), Ok((&at("0/value"), json!("false"))));
    check("saml.md 3: no object", op("replace", &at("0/value"), json!({})), Err((BadValue, "/value")));
    check("saml.md 3: member must exist", op("replace", &at("2/value"), json!("x")), Err((BadIndex, "/path")));
    check("saml.md 3: element is an object", op("add", &at("0"), json!("legal")), Err((BadValue, "/value")));
    check(
        "open-questions.md E8: passes through",
        op("replace", &at("0/attributes/xsi:type"), json!("xs:anyType")),
        Ok((&at("0/attributes/xsi:type"), json!("xs:anyType"))),
    );
    for kind in ["xsd:string", "string", "xs:integer"] {
        let path = at("0/attributes/xsi:type");
        check("open-questions.md E8: passes through", op("replace", &path, json!(kind)), Ok((&path, json!(kind))));
        let element = json!({ "attributes": { "xsi:type": kind }, "value": "x" });
        check("open-questions.md E8: passes through", op("add", &at("0"), element.clone()), Ok((&at("0"), element)));
    }
    for kind in ["", "my:level", "xs:level", "xs:", "evil:<type>"] {
        let element = json!({ "attributes": { "xsi:type": kind }, "value": "x" });
        for operation in [
            op("replace", &at("0/attributes/xsi:type"), json!(kind)),
            op("add", &at("0"), element.clone()),
            op("add", "/claims/x", json!({ "attributeValues": [element] })),
        ] {
            check("no receiver can resolve it", operation, Err((BadValue, "/value")));
        }
    }
    check(
        "saml.md 3: type is a text",
        op("replace", &at("0/attributes/xsi:type"), json!(1)),
        Err((BadValue, "/value")),
    );
    check("saml.md 3: anything else", op("replace", &at("0/attributes"), json!({})), Err((BadPath, "/path")));
    check("saml.md 3: anything else", op("replace", &at("x/value"), json!("x")), Err((BadIndex, "/path")));
    check("saml.md 3: anything else", op("replace", &values, json!([])), Err((BadPath, "/path")));
    check(
        "saml.md 3: absent claim",
        op("replace", "/claims/none/attributeValues/0/value", json!("x")),
        Err((PathNotFound, "/path")),
    );
    let format = "urn:oasis:names:tc:SAML:2.0:attrname-format:basic";
    let wanted = json!({ "NameFormat": format });
    let xml = format!("{TEAM}/attributes");
    let member = format!("{xml}/NameFormat");
    check("saml.md 3: NameFormat", op("replace", &member, json!(format)), Ok((&member, json!(format))));
    check("saml.md 3: add NameFormat", op("add", &member, json!(format)), Ok((&member, json!(format))));
    check("open-questions.md E3: the plain form", op("replace", &xml, wanted.clone()), Ok((&xml, wanted.clone())));
    check(
        "open-questions.md E3: one level too deep",
        op("replace", &xml, json!({ "attributes": wanted.clone() })),
        Ok((&xml, wanted)),
    );
    for misspelt in [json!({ "nameFormat": format }), json!({ "attributes": { "nameFormat": format } })] {
        let outcome = op("replace", &xml, misspelt);
        check("observed.md 3: nothing changes by accident", outcome, Err((BadValue, "/value")));
    }
    check(
        "saml.md 3: NameFormat is a text",
        op("replace", &xml, json!({ "NameFormat": 7 })),
        Err((BadValue, "/value")),
    );
}

/// XML 1.0, section 2.2: a text with any other character cannot be written into an assertion, escaped or not.
#[test]
fn texts_are_what_xml_can_hold() {
    let values = |text: &str| json!({ "attributeValues": [{ "value": text }] });
    let element = |text: &str| json!({ "value": text });
    let data = |text: &str| json!({ "recipient": text });
    let confirmation = |text: &str| json!({ "method": text, "data": { "recipient": "x" } });
    let class = |text: &str| json!({ "authnContextClassRef": text });
    for (text, fits) in [
        ("\t\n\r \u{7f}\u{d7ff}\u{e000}\u{fffd}\u{10000}\u{10ffff}", true),
        ("a\u{0}", false),
        ("\u{1}", false),
        ("\u{1f}", false),
        ("\u{b}", false),
        ("\u{fffe}", false),
        ("\u{ffff}", false),
    ] {
        for (path, value) in [
            ("/subject/nameId", json!(text)),
            ("/subject/nameFormat", json!(text)),
            ("/subject/confirmation", confirmation(text)),
            ("/subject/confirmation/method", json!(text)),
            ("/subject/confirmation/data", data(text)),
            ("/subject/confirmation/data/recipient", json!(text)),
            ("/conditions/audienceRestriction", json!([text])),
            ("/conditions/audienceRestriction/0", json!(text)),
            ("/authentication/sessionIndex", json!(text)),
            ("/authentication/authnContext", class(text)),
            ("/authentication/authnContext/authnContextClassRef", json!(text)),
            ("/claims/costCentre", values(text)),
            ("/claims/costCentre", json!({ "attributeValues": [], "attributes": { "NameFormat": text } })),
            ("/claims/costCentre/attributes", json!({ "NameFormat": text })),
            ("/claims/costCentre/attributes/NameFormat", json!(text)),
            ("/claims/costCentre/attributeValues/0", element(text)),
            ("/claims/costCentre/attributeValues/0/value", json!(text)),
        ] {
            match interpret(&assertion(), &patch(json!([op("replace", path, value)]))) {
                Ok(_) => assert!(fits, "{text:?} at {path}"),
                Err(problems) => {
                    let code = problems[0].code;
                    assert!(!fits && code == ProblemCode::BadValue, "{text:?} at {path}: {problems:?}");
                    assert_eq!(problems[0].pointer, "/commands/0/value/0/value", "{text:?} at {path}");
                }
            }
        }
        let named = interpret(&assertion(), &patch(json!([op("add", &format!("/claims/{text}"), values("x"))])));
        assert_eq!(named.is_ok(), fits, "{text:?} as a name");
    }
}

/// SAML core 1.3.1 and 1.3.2: a text or a URI has more than white space.
#[test]
fn no_text_but_a_value_can_be_made_empty() {
    for empty in ["", " ", "\t\n"] {
        let recipient = json!({ "recipient": empty });
        for (path, value) in [
            ("/subject/nameId", json!(empty)),
            ("/subject/nameFormat", json!(empty)),
            ("/subject/confirmation", json!({ "method": empty, "data": { "recipient": "x" } })),
            ("/subject/confirmation/method", json!(empty)),
            ("/subject/confirmation/data", recipient.clone()),
            ("/subject/confirmation/data/recipient", json!(empty)),
            ("/conditions/audienceRestriction", json!(["urn:a", empty])),
            ("/conditions/audienceRestriction/0", json!(empty)),
            ("/authentication/sessionIndex", json!(empty)),
            ("/authentication/authnContext", json!({ "authnContextClassRef": empty })),
            ("/authentication/authnContext", json!({ "authContextClassRef": empty })),
            ("/authentication/authnContext/authnContextClassRef", json!(empty)),
            ("/claims/costCentre", json!({ "attributeValues": [], "attributes": { "NameFormat": empty } })),
            ("/claims/costCentre/attributes", json!({ "NameFormat": empty })),
            ("/claims/costCentre/attributes/NameFormat", json!(empty)),
        ] {
            check("SAML core 1.3", op("replace", path, value), Err((ProblemCode::BadValue, "/value")));
        }
        let value = "/claims/costCentre/attributeValues/0/value";
        check("SAML core 2.7.3.1.1", op("replace", value, json!(empty)), Ok((value, json!(empty))));
    }
}

/// Invalid commands (`saml.md` section 4): every bound as it is, and one beyond.
#[test]
fn an_answer_cannot_make_the_assertion_larger_than_its_bounds() {
    let before = assertion();
    let size = AssertionSize::of(&before);
    let values = |count: usize, text: &str| json!({ "attributeValues": vec![json!({ "value": text }); count] });
    let grown = |before: &Assertion, value: Value| {
        let mut after = before.clone();
        let answer = json!({ "commands": patch(json!([op("add", "/claims/more", value)])) }).to_string();
        let interpreted = Saml.interpret(&mut after, Answer::parse(answer.as_bytes()).unwrap());
        assert_eq!(interpreted.is_ok(), after != *before, "completely or not at all");
        interpreted.map(|_| after).map_err(|problems| {
            assert_eq!((problems.len(), problems[0].code), (1, ProblemCode::TooMany), "{problems:?}");
            assert_eq!(problems[0].pointer, "/commands");
            problems[0].message.clone()
        })
    };
    let room = ASSERTION_VALUES_MAX - size.values;
    let full = grown(&before, values(room, "")).unwrap();
    assert_eq!(AssertionSize::of(&full).values, ASSERTION_VALUES_MAX);
    let told = grown(&before, values(room + 1, "")).unwrap_err();
    assert!(told.starts_with("The assertion would have more than 1000 values"), "{told}");
    assert_eq!(grown(&full, json!({ "attributeValues": [] })).map(drop), Ok(()), "it takes the place of the former");
    let more = patch(json!([op("add", "/claims/empty", json!({ "attributeValues": [] }))]));
    assert!(interpret(&full, &more).is_err(), "an attribute without a value counts as one");

    // The texts of an attribute without a value.
    let with_one =
        |text: String| json!({ "attributeValues": [{ "value": text }], "attributes": { "NameFormat": "f" } });
    let own = size.text_bytes + "more".len() + "f".len() + "xs:string".len();
    let half = "é".repeat(50_000);
    let first = grown(&before, with_one(half.clone())).unwrap();
    assert_eq!(AssertionSize::of(&first).text_bytes, own + half.len());
    let mut second = first;
    second.claims.insert("half", second.claims.get("more").unwrap().clone());
    let room = ASSERTION_TEXT_BYTES_MAX - AssertionSize::of(&second).text_bytes + half.len();
    assert!(grown(&second, with_one("x".repeat(room))).is_ok());
    let told = grown(&second, with_one("x".repeat(room + 1))).unwrap_err();
    assert_eq!(told, "The assertion would have more than 262144 bytes of text");
}

/// An embedding program's assertion is its own: it may be larger, and an answer may change it, but not enlarge it.
#[test]
fn an_assertion_that_is_larger_from_the_beginning_can_be_changed_and_not_enlarged() {
    let value = json!({ "value": "x" });
    let mut json: Value = serde_json::to_value(assertion()).unwrap();
    json["claims"]["many"] = json!({ "attributeValues": vec![value.clone(); 2_000] });
    let before = Assertion::from_json(&json).unwrap();
    let first = "/claims/many/attributeValues/0/value";
    assert!(interpret(&before, &patch(json!([op("replace", first, json!("y"))]))).is_ok());
    assert!(interpret(&before, &patch(json!([op("add", "/claims/many/attributeValues/-", value)]))).is_err());
}

/// `open-questions.md` C13: unknown members are ignored; a misspelt known member is a mistake.
#[test]
fn further_xml_attributes_are_ignored() {
    let unspecified = json!({ "NameFormat": "urn:oasis:names:tc:SAML:2.0:attrname-format:unspecified" });
    for xml in [json!({ "FriendlyName": "team" }), json!({ "attributes": { "FriendlyName": "team" } }), json!({})] {
        let attribute = json!({ "attributeValues": [], "attributes": xml });
        check("C13", op("add", "/claims/x", attribute), Ok(("/claims/x/attributes", unspecified.clone())));
    }
    for name in ["nameFormat", "nameformat", "NAMEFORMAT", "name_format", "Name-Format"] {
        let attribute = json!({ "attributeValues": [], "attributes": { name: "urn:x" } });
        check("observed.md 3", op("add", "/claims/x", attribute), Err((ProblemCode::BadValue, "/value")));
    }
}

#[test]
fn subject_and_conditions() {
    use ProblemCode::{BadIndex, BadPath, BadValue};
    for path in [
        "/subject/nameId",
        "/subject/nameFormat",
        "/subject/confirmation/method",
        "/subject/confirmation/data/recipient",
    ] {
        for name in ["add", "replace"] {
            check("saml.md 3, /subject/…", op(name, path, json!("new")), Ok((path, json!("new"))));
        }
        check("saml.md 3, /subject/…: a text", op("replace", path, json!(7)), Err((BadValue, "/value")));
    }
    let data = json!({ "recipient": "https://x/acs" });
    let confirmation = json!({ "method": "urn:m", "data": data });
    check(
        "saml.md 3, /subject/…",
        op("replace", "/subject/confirmation", confirmation.clone()),
        Ok(("/subject/confirmation", confirmation)),
    );
    check(
        "saml.md 3, /subject/…",
        op("replace", "/subject/confirmation/data", data.clone()),
        Ok(("/subject/confirmation/data", data)),
    );
    check(
        "saml.md 3, /subject/…: incomplete",
        op("replace", "/subject/confirmation", json!({})),
        Err((BadValue, "/value")),
    );
    check("saml.md 3, /subject/…: no such member", op("add", "/subject/other", json!("x")), Err((BadPath, "/path")));
    let audiences = "/conditions/audienceRestriction";
    check(
        "saml.md 3, /conditions/…",
        op("replace", "/conditions/audienceRestriction/0", json!("urn:b")),
        Ok((audiences, json!(["urn:b"]))),
    );
    check(
        "saml.md 3, /conditions/…",
        op("add", "/conditions/audienceRestriction/-", json!("urn:b")),
        Ok((audiences, json!(["urn:example:benefits", "urn:b"]))),
    );
    check("saml.md 3, /conditions/…", op("replace", audiences, json!(["urn:c"])), Ok((audiences, json!(["urn:c"]))));
    check("saml.md 3, /conditions/…", op("replace", audiences, json!([1])), Err((BadValue, "/value")));
    check("not for everybody", op("replace", audiences, json!([])), Err((BadValue, "/value")));
    check(
        "saml.md 3, /conditions/…",
        op("replace", "/conditions/audienceRestriction/0", json!(1)),
        Err((BadValue, "/value")),
    );
    check(
        "saml.md 3, /conditions/…",
        op("replace", "/conditions/audienceRestriction/1", json!("x")),
        Err((BadIndex, "/path")),
    );
}

#[test]
fn the_authentication_statement() {
    use ProblemCode::{BadPath, BadValue, PathNotFound};
    let class = "/authentication/authnContext/authnContextClassRef";
    let x509 = json!("urn:oasis:names:tc:SAML:2.0:ac:classes:X509");
    check(
        "saml.md 3, authentication",
        op("replace", "/authentication/sessionIndex", json!("id2")),
        Ok(("/authentication/sessionIndex", json!("id2"))),
    );
    check("saml.md 3, authentication", op("replace", class, x509.clone()), Ok((class, x509.clone())));
    check(
        "saml.md 3, authentication",
        op("replace", "/authentication/authnContext", json!({ "authnContextClassRef": x509 })),
        Ok((class, x509.clone())),
    );
    check(
        "open-questions.md E4: the short spelling",
        op("replace", "/authentication/authnContext", json!({ "authContextClassRef": x509 })),
        Ok((class, x509.clone())),
    );
    check(
        "open-questions.md E4: in this one place",
        op("replace", "/authentication/authnContext/authContextClassRef", x509.clone()),
        Err((BadPath, "/path")),
    );
    check(
        "saml.md 3, authentication",
        op("replace", "/authentication/authnContext", json!({})),
        Err((BadValue, "/value")),
    );
    check(
        "saml.md 3, authentication",
        op("replace", "/authentication/authnContext", json!({ "authContextClassRef": 1 })),
        Err((BadValue, "/value")),
    );
    for path in ["/authentication/sessionIndex", "/authentication/authnContext", class] {
        check("saml.md 3, authentication: no add", op("add", path, x509.clone()), Err((BadPath, "/path")));
    }
    let lifetime = "/authentication/sessionLifetime";
    check("saml.md 3, sessionLifetime", op("add", lifetime, json!(900)), Ok((lifetime, json!(900))));
    check(
        "open-questions.md E6: replace when absent",
        op("replace", lifetime, json!(900)),
        Err((PathNotFound, "/path")),
    );
    check("an integer (JSON Schema 6.1.1)", op("add", lifetime, json!(6e2)), Ok((lifetime, json!(600))));
    for bad in [json!(0), json!(-1), json!(1.5), json!("900"), json!(5_000_000_000_u64)] {
        check("open-questions.md E6: positive integer", op("add", lifetime, bad), Err((BadValue, "/value")));
    }
    let twice = patch(json!([op("add", lifetime, json!(900)), op("replace", lifetime, json!(60))]));
    assert_eq!(
        interpret(&assertion(), &twice).unwrap().pointer(lifetime),
        Some(&json!(60)),
        "each sees the one before"
    );
}

#[test]
fn what_is_refused_and_what_to_write_instead() {
    use ProblemCode::{BadPath, PathNotFound, UnknownOperation, ValueNotAllowed, ValueRequired};
    for name in ["add", "replace"] {
        check("open-questions.md E2", op(name, "/lifetime/expiration", json!(60)), Err((BadPath, "/path")));
        for path in ["", "/", "/lifetime", "/subject", "/conditions", "/other/x", "/context/user"] {
            check("saml.md 3: anything else", op(name, path, json!("x")), Err((BadPath, "/path")));
        }
    }
    let remove = json!({ "op": "remove", "path": "/claims/costCentre" });
    check("saml.md 3, open-questions.md E5: no remove", remove, Err((UnknownOperation, "/op")));
    check(
        "token.md 3, shared dialect",
        op("remove", "/claims/costCentre", json!("x")),
        Err((ValueNotAllowed, "/value")),
    );
    check("saml.md 3: op", op("ADD", "/claims/x", json!({})), Err((UnknownOperation, "/op")));
    check(
        "observed.md 3: add without value",
        json!({ "op": "add", "path": "/claims/x" }),
        Err((ValueRequired, "/value")),
    );
    check(
        "observed.md 3: explicit null",
        op("replace", "/subject/nameId", Value::Null),
        Err((ValueRequired, "/value")),
    );
    check(
        "observed.md 3: without its leading slash",
        op("replace", "subject/nameId", json!("x")),
        Err((BadPath, "/path")),
    );
    check("pointer.rs: bad escape", op("replace", "/claims/a~2", json!({})), Err((BadPath, "/path")));
    let value = json!({ "attributeValues": [] });
    let unescaped = patch(json!([op("add", "/claims/http://schemas.example.com/team", value)]));
    let problems = interpret(&assertion(), &unescaped).unwrap_err();
    assert_eq!(problems[0].code, PathNotFound);
    let hint = problems[0].hint.as_ref().unwrap();
    assert!(
        hint.contains("/claims/http:~1~1schemas.example.com~1team"),
        "observed.md 3: shows the escaped form: {hint}"
    );
    for path in ["/claims/none/attributeValues/0/value", "/claims/none/attributes/NameFormat"] {
        let problems = interpret(&assertion(), &patch(json!([op("replace", path, json!("x"))]))).unwrap_err();
        let wanted = "There is no claim `none`: `add` it first, as a whole attribute, at `/claims/none`";
        assert_eq!((problems[0].code, problems[0].hint.as_deref()), (PathNotFound, Some(wanted)), "{path}");
    }
    let slashless = interpret(&assertion(), &patch(json!([op("add", "claims/x", json!({}))]))).unwrap_err();
    assert_eq!(slashless[0].hint.as_deref(), Some("A path begins with `/`: `/claims/x`"));
}

#[test]
fn sloppy_answers() {
    use ProblemCode::{UnknownCommand, WrongShape};
    for (source, commands, code, pointer) in [
        ("observed.md 3: an object where an array is due", patch(json!({})), WrongShape, "/commands/0/value"),
        ("observed.md 3: explicit nulls", patch(json!(null)), WrongShape, "/commands/0/value"),
        ("observed.md 3: array of no objects", patch(json!(["x"])), WrongShape, "/commands/0/value/0"),
        (
            "open-questions.md A16",
            json!([{ "type": "com.okta.identity.patch", "value": [] }]),
            UnknownCommand,
            "/commands/0/type",
        ),
        (
            "observed.md 3: a hook type",
            json!([{ "type": "com.okta.saml.tokens.transform", "value": [] }]),
            UnknownCommand,
            "/commands/0/type",
        ),
        (
            "observed.md 3: arguments beside type",
            json!([{ "type": "com.okta.assertion.patch", "op": "add", "path": "/claims/x" }]),
            WrongShape,
            "/commands/0/value",
        ),
        ("overview.md 4.1", json!([{ "value": [] }]), WrongShape, "/commands/0/type"),
    ] {
        let problems = interpret(&assertion(), &commands).unwrap_err();
        assert_eq!((problems[0].code, problems[0].pointer.as_str()), (code, pointer), "{source}: {commands}");
    }
    let good = op("replace", "/subject/nameId", json!("x"));
    let mixed = patch(json!([good, op("add", "/lifetime/x", json!(1)), op("add", "/other", json!(1))]));
    assert_eq!(interpret(&assertion(), &mixed).unwrap_err().len(), 2, "every problem, and nothing applied");
    let twice = json!([
        { "type": "com.okta.assertion.patch", "value": [op("replace", "/subject/nameId", json!("first"))] },
        { "type": "com.okta.assertion.patch", "value": [op("replace", "/subject/nameId", json!("second"))] },
    ]);
    assert_eq!(interpret(&assertion(), &twice).unwrap()["subject"]["nameId"], "second", "observed.md 3: in order");
    let many = vec![op("replace", "/subject/nameId", json!("x")); 10_001];
    let problems = interpret(&assertion(), &patch(json!(many))).unwrap_err();
    assert_eq!(problems[0].code, ProblemCode::TooMany);
}

#[test]
fn the_sample_answer() {
    let sample: Value = serde_json::from_str(BuiltInType::Saml.kind().sample_answers()[0]).unwrap();
    let after = interpret(&assertion(), &sample["commands"]).unwrap();
    assert_eq!(after["claims"]["entitlementLevel"]["attributeValues"][0]["value"], "L3");
    assert_eq!(after.pointer(&format!("{TEAM}/attributeValues/1/value")), Some(&json!("treasury")));
    assert_eq!(after["authentication"]["sessionLifetime"], 900);
    let class = &after["authentication"]["authnContext"]["authnContextClassRef"];
    assert_eq!(class, "urn:oasis:names:tc:SAML:2.0:ac:classes:X509");
    assert_eq!(after["lifetime"], json!({ "expiration": 300 }));
}

/// `saml.md` section 2: the assertion both ways, member by member.
#[test]
fn the_json_mapping() {
    let json = sample();
    assert_eq!(serde_json::to_string(&assertion()).unwrap(), json.to_string(), "member order too");
    let mut without = json.clone();
    without.as_object_mut().unwrap().shift_remove("claims");
    let bare = Assertion::from_json(&without).unwrap();
    assert_eq!(serde_json::to_value(&bare).unwrap(), without, "observed.md 2: no claims member");
    let added = patch(json!([op("add", "/claims/x", json!({ "attributeValues": [{ "value": "1" }] }))]));
    assert_eq!(interpret(&bare, &added).unwrap()["claims"]["x"]["attributeValues"][0]["value"], "1");
    let mut long = json.clone();
    long["authentication"]["sessionLifetime"] = json!(60);
    assert_eq!(serde_json::to_value(Assertion::from_json(&long).unwrap()).unwrap(), long);
    for pointer in [
        "/subject",
        "/subject/nameId",
        "/subject/nameFormat",
        "/subject/confirmation",
        "/subject/confirmation/method",
        "/subject/confirmation/data",
        "/subject/confirmation/data/recipient",
        "/authentication",
        "/authentication/sessionIndex",
        "/authentication/authnContext",
        "/authentication/authnContext/authnContextClassRef",
        "/conditions",
        "/conditions/audienceRestriction",
        "/lifetime",
        "/lifetime/expiration",
        "/claims/costCentre/attributeValues",
        "/claims/costCentre/attributeValues/0/value",
    ] {
        for wrong in [Value::Null, json!([7])] {
            let mut broken = json.clone();
            *broken.pointer_mut(pointer).unwrap() = wrong.clone();
            let error = Assertion::from_json(&broken).unwrap_err();
            assert!(error.pointer.starts_with(pointer), "{pointer} {wrong}: {error}");
        }
    }
    assert!(Assertion::from_json(&json!("x")).is_err());
    let names = assertion().claims.iter().map(|(name, _)| name.to_owned()).collect::<Vec<_>>();
    assert_eq!(names, ["costCentre", "http://schemas.example.com/identity/claims/team"], "in the statement's order");
    assert!(!format!("{:?}", assertion()).contains("7301"), "values are not shown");
    let Assertion { subject, authentication, conditions, claims, .. } = assertion();
    let attribute = claims.get("costCentre").unwrap();
    let shown = format!(
        "{subject:?} {:?} {:?} {authentication:?} {:?} {conditions:?} {:?} {:?}",
        subject.confirmation,
        subject.confirmation.data,
        authentication.authn_context,
        attribute.attributes,
        attribute.values[0].attributes,
    );
    for value in [subject.name_id, subject.name_format, authentication.session_index, "urn:".into(), "xs:".into()] {
        assert!(!shown.contains(&value), "{value}: {shown}");
    }
}

/// `saml.md` section 2, the whole `data` of the sample.
#[test]
fn the_request_is_the_sample() {
    let sample: Value = serde_json::from_str(BuiltInType::Saml.kind().sample_requests()[0]).unwrap();
    let context = &sample["data"]["context"];
    let text = |pointer: &str| context.pointer(pointer).unwrap().as_str().unwrap().to_owned();
    let at = |pointer: &str| text(pointer).parse().unwrap();
    let user_id = UserId::from_parts(1, [1; 8]);
    let typed = SamlContext {
        request: RequestContext {
            id: RequestId::from_entropy([7; 16]),
            method: "POST".into(),
            url: UrlValue { value: text("/request/url/value") },
            ip_address: text("/request/ipAddress"),
        },
        protocol: SamlProtocol {
            kind: "SAML2.0",
            issuer: SamlIssuer {
                id: text("/protocol/issuer/id"),
                name: text("/protocol/issuer/name"),
                uri: text("/protocol/issuer/uri"),
            },
        },
        session: SessionContext {
            id: SessionId::from_parts(1, [1; 8]),
            user_id: user_id.clone(),
            login: text("/session/login"),
            created_at: at("/session/createdAt"),
            expires_at: at("/session/expiresAt"),
            status: "ACTIVE",
            last_password_verification: Some(at("/session/lastPasswordVerification")),
            last_factor_verification: Some(at("/session/lastFactorVerification")),
            amr: vec!["PASSWORD".into(), "ONE_TIME_PASSWORD".into(), "MULTIFACTOR_AUTHENTICATION".into()],
            idp: IdentityProviderContext { id: text("/session/idp/id"), kind: "OKTA" },
            mfa_active: true,
        },
        user: UserContext {
            links: UserLinks::of("https://org.example.com", &user_id),
            id: user_id.clone(),
            password_changed: Some(at("/user/passwordChanged")),
            profile: UserProfile {
                login: text("/user/profile/login"),
                first_name: text("/user/profile/firstName"),
                last_name: text("/user/profile/lastName"),
                locale: text("/user/profile/locale"),
                time_zone: text("/user/profile/timeZone"),
                custom: serde_json::Map::new(),
            },
        },
    };
    let mut wanted = sample["data"].to_string().replace(&text("/user/id"), user_id.as_str());
    wanted = wanted.replace(&text("/request/id"), typed.request.id.as_str());
    wanted = wanted.replace(&text("/session/id"), typed.session.id.as_str());
    let data = serde_json::to_value(Saml.data(&typed, &assertion())).unwrap();
    assert_eq!(data, serde_json::from_str::<Value>(&wanted).unwrap());
    assert!(Saml.request_type(&typed).is_none(), "overview.md 3.3");
}
