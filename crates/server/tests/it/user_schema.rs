//! The profile schema of an org: in the order of an infrastructure-as-code client, and what it means for profiles, hooks and
//! previews.

use serde_json::{Value, json};

use crate::harness::{Answer, Behaviour, Service, World};

const PATH: &str = "/api/v1/meta/schemas/user/default";

async fn post(world: &World, properties: &Value) -> Answer {
    world.api("POST", PATH, Some(&json!({ "definitions": { "custom": { "properties": properties } } }))).await
}

/// Defines custom attributes.
pub(crate) async fn define(world: &World, properties: &Value) {
    let defined = post(world, properties).await;
    assert_eq!(defined.status, 200, "{}", defined.text());
}

fn property<'a>(schema: &'a Value, name: &str) -> &'a Value {
    &schema["definitions"]["custom"]["properties"][name]
}

fn user(login: &str, attributes: &Value) -> Value {
    let mut profile = json!({ "login": login, "email": login, "firstName": "Ada", "lastName": "Okoye" });
    for (name, value) in attributes.as_object().unwrap() {
        profile[name] = value.clone();
    }
    json!({ "profile": profile })
}

/// An attribute as the vendor's clients write it, and get it back.
fn tier() -> Value {
    json!({
        "title": "Tier", "description": "What was bought", "type": "string", "required": false, "minLength": 2,
        "maxLength": 10, "enum": ["gold", "silver"], "mutability": "READ_WRITE", "scope": "NONE",
        "oneOf": [{ "const": "gold", "title": "Gold" }, { "const": "silver", "title": "Silver" }],
        "permissions": [{ "principal": "SELF", "action": "READ_WRITE" }], "master": { "type": "PROFILE_MASTER" },
    })
}

#[tokio::test]
async fn an_attribute_is_what_was_written_until_it_is_removed() {
    let world = World::start().await;
    let before = world.api("GET", PATH, None).await;
    assert_eq!(before.status, 200, "{}", before.text());
    let before = before.json();
    assert_eq!(before["definitions"]["custom"]["properties"], json!({}));
    assert_eq!(before["definitions"]["base"]["properties"]["login"]["required"], true);
    assert!(before["definitions"]["base"]["properties"].get("timezone").is_some());
    assert!(before["definitions"]["base"]["properties"].get("timeZone").is_none(), "one spelling");

    let lists = json!({ "title": "Seats", "type": "array", "items": { "type": "integer", "enum": [1, 2] } });
    let created = post(&world, &json!({ "tier": tier(), "seats": lists })).await;
    assert_eq!(created.status, 200, "{}", created.text());
    let created = created.json();
    assert_eq!(*property(&created, "tier"), tier());
    assert_eq!(property(&created, "seats")["items"], lists["items"]);
    assert_eq!(world.api("GET", PATH, None).await.json(), created);

    let mut renamed = tier();
    renamed["title"] = json!("Plan");
    let updated = post(&world, &json!({ "tier": renamed })).await.json();
    assert_eq!((property(&updated, "tier"), property(&updated, "seats")), (&renamed, property(&created, "seats")));
    let same = world.api("POST", PATH, Some(&updated)).await;
    assert_eq!(same.json(), updated, "what was got may be put back whole");

    let removed = post(&world, &json!({ "tier": null, "unknown": null })).await.json();
    assert_eq!(*property(&removed, "tier"), Value::Null);
    assert_eq!(world.api("GET", PATH, None).await.json(), removed);
}

#[tokio::test]
async fn ten_attributes_are_defined_in_parallel() {
    let world = World::start().await;
    let one = async |number: usize| {
        let name = format!("attribute{number}");
        define(&world, &json!({ name: { "title": "One", "type": "boolean" } })).await;
    };
    tokio::join!(one(0), one(1), one(2), one(3), one(4), one(5), one(6), one(7), one(8), one(9));
    let schema = world.api("GET", PATH, None).await.json();
    assert_eq!(schema["definitions"]["custom"]["properties"].as_object().unwrap().len(), 10);
}

#[tokio::test]
async fn what_a_definition_cannot_be_is_refused_by_its_name() {
    let world = World::start().await;
    define(&world, &json!({ "tier": tier() })).await;
    let before = world.api("GET", PATH, None).await.json();
    for (name, change, cause) in [
        ("2nd", json!({}), "2nd: A name has letters"),
        ("city", json!({}), "city: The name is taken by a base attribute"),
        ("timeZone", json!({}), "timeZone: The name is taken by a base attribute"),
        ("password", json!({}), "password: The name is taken"),
        (
            "tier",
            json!({ "type": "number", "minLength": null, "maxLength": null, "enum": null, "oneOf": null }),
            "tier.type: The type cannot be changed",
        ),
        ("a", json!({ "title": null }), "a.title: The field cannot be left blank"),
        ("a", json!({ "type": "date" }), "a.type: Write `string`"),
        ("a", json!({ "required": "yes" }), "a.required: The field has an invalid value"),
        ("a", json!({ "minLength": 11 }), "a.minLength: It is greater"),
        ("a", json!({ "minLength": -1 }), "a.minLength: The field has an invalid value"),
        ("a", json!({ "enum": [1] }), "a.enum: Write at most"),
        ("a", json!({ "oneOf": [{ "const": "bronze", "title": "Bronze" }] }), "a.oneOf: Write at most"),
        ("a", json!({ "oneOf": [["bronze", "Bronze"]] }), "a.oneOf: "),
        ("a", json!({ "scope": "SELF" }), "a.scope: Only `NONE`"),
        ("a", json!({ "unique": "UNIQUE_VALIDATED" }), "a.unique: Only `NOT_UNIQUE`"),
        ("a", json!({ "mutability": "IMMUTABLE" }), "a.mutability: Only `READ_WRITE`"),
        ("a", json!({ "master": { "type": "OVERRIDE" } }), "a.master.type: Only `PROFILE_MASTER`"),
        ("a", json!({ "permissions": [{ "principal": "ALL", "action": "HIDE" }] }), "a.permissions: Write one"),
        ("a", json!({ "permissions": [["SELF", "READ_WRITE"]] }), "a.permissions: "),
        (
            "a",
            json!({ "permissions": [{ "principal": "SELF", "action": "HIDE", "until": "noon" }] }),
            "a.permissions[0].until: The member is not supported",
        ),
        (
            "a",
            json!({ "oneOf": [{ "const": "gold", "title": "Gold" }, { "const": "silver", "title": "S", "icon": "x" }] }),
            "a.oneOf[1].icon: The member is not supported",
        ),
        (
            "a",
            json!({ "type": "array", "minLength": null, "maxLength": null, "enum": null, "oneOf": null, "items": {
                "type": "string", "enum": ["x"], "oneOf": [{ "const": "x", "title": "X", "icon": "x" }],
            } }),
            "a.items.oneOf[0].icon: The member is not supported",
        ),
        ("a", json!({ "pattern": ".+" }), "a.pattern: Patterns are not supported"),
        ("a", json!({ "externalName": "x" }), "a.externalName: Attributes of other systems"),
        ("a", json!({ "colour": "red" }), "a.colour: The member is not supported"),
        (
            "a",
            json!({ "type": "array", "minLength": null, "maxLength": null, "enum": null, "oneOf": null }),
            "a.items.type: Write `string`",
        ),
    ] {
        let mut definition = tier();
        for (member, value) in change.as_object().unwrap() {
            definition[member] = value.clone();
        }
        let refused = post(&world, &json!({ name: definition })).await;
        assert_eq!(refused.status, 400, "{cause}: {}", refused.text());
        assert!(refused.text().contains(cause), "{cause}: {}", refused.text());
    }
    for (body, cause) in [
        (
            json!({ "definitions": { "base": { "properties": { "login": { "required": false } } } } }),
            "base.properties.login: Base attributes cannot be changed",
        ),
        (json!({ "definitions": { "custom": { "required": ["tier"] } } }), "custom.required: Say it in each attribute"),
        (json!({ "definitons": { "x": 1 } }), "definitons: The member is not supported"),
    ] {
        let refused = world.api("POST", PATH, Some(&body)).await;
        assert!(refused.status == 400 && refused.text().contains(cause), "{cause}: {}", refused.text());
    }
    let many =
        |count: usize| (0..count).map(|number| (format!("a{number}"), json!({ "title": "A", "type": "boolean" })));
    let beyond = post(&world, &Value::Object(many(100).collect())).await;
    assert!(beyond.status == 400 && beyond.text().contains("At most 100 custom attributes"), "{}", beyond.text());
    assert_eq!(world.api("GET", PATH, None).await.json(), before, "nothing was changed");
    define(&world, &Value::Object(many(99).collect())).await;
}

#[tokio::test]
async fn profiles_are_judged_by_the_schema_of_their_org() {
    let world = World::start().await;
    let create = async |login: &str, attributes: Value| {
        world.api("POST", "/api/v1/users", Some(&user(login, &attributes))).await
    };
    let unknown = create("a@x.example", json!({ "tier": "gold" })).await;
    assert!(
        unknown.status == 400 && unknown.text().contains("tier: The attribute is not in the profile schema"),
        "{}",
        unknown.text()
    );
    let early = create("early@x.example", json!({})).await.json();

    let badge = json!({ "title": "Badge", "type": "integer", "required": true });
    define(&world, &json!({ "tier": tier(), "badge": badge })).await;
    for (attributes, cause) in [
        (json!({ "badge": 1, "tier": "bronze" }), "tier: The field must be one of the values"),
        (json!({ "badge": 1.5 }), "badge: The field must be an integer"),
        (
            serde_json::from_str(r#"{"badge": 18446744073709551616}"#).unwrap(),
            "badge: The field must be an integer that fits",
        ),
        (
            serde_json::from_str(r#"{"badge": -9223372036854775809}"#).unwrap(),
            "badge: The field must be an integer that fits",
        ),
        (json!({ "badge": null }), "badge: The field cannot be left blank"),
        (json!({}), "badge: The field cannot be left blank"),
    ] {
        let refused = create("a@x.example", attributes).await;
        assert!(refused.status == 400 && refused.text().contains(cause), "{cause}: {}", refused.text());
    }
    for (login, badge) in [("most", json!(u64::MAX)), ("least", json!(i64::MIN))] {
        let exact = create(&format!("{login}@x.example"), json!({ "badge": badge })).await.json();
        assert_eq!(exact["profile"]["badge"], badge, "64 bits are kept exactly");
    }
    let created = create("a@x.example", json!({ "badge": 1, "tier": "gold" })).await;
    assert_eq!(created.status, 200, "{}", created.text());
    let path = format!("/api/v1/users/{}", created.json()["id"].as_str().unwrap());
    let blank = world.api("POST", &path, Some(&json!({ "profile": { "badge": null } }))).await;
    assert!(blank.status == 400 && blank.text().contains("badge: "), "{}", blank.text());

    // Whoever was there before the schema became narrower can still be changed, and so can whoever has a value that is
    // no longer in it.
    let early = format!("/api/v1/users/{}", early["id"].as_str().unwrap());
    let changed = world.api("POST", &early, Some(&json!({ "profile": { "city": "Lagos" } }))).await;
    assert_eq!(changed.status, 200, "{}", changed.text());
    define(&world, &json!({ "tier": null })).await;
    let kept = world.api("POST", &path, Some(&json!({ "profile": { "city": "Lagos" } }))).await;
    assert_eq!((kept.status.as_u16(), &kept.json()["profile"]["tier"]), (200, &json!("gold")), "{}", kept.text());
    let other = world.api("POST", &path, Some(&json!({ "profile": { "tier": "silver" } }))).await;
    assert_eq!(other.status, 400, "{}", other.text());
    let without = world.api("POST", &path, Some(&json!({ "profile": { "tier": null } }))).await;
    assert_eq!((without.status.as_u16(), without.json()["profile"].get("tier")), (200, None));
}

#[tokio::test]
async fn hooks_are_judged_by_the_schema_and_are_not_told_what_is_sensitive() {
    let world = World::start().await;
    let pin = json!({ "title": "PIN", "type": "string", "sensitive": true });
    define(&world, &json!({ "tier": tier(), "pin": pin })).await;
    let body = user("a@x.example", &json!({ "tier": "gold", "pin": "pin-marked-secret" }));
    assert_eq!(world.api("POST", "/api/v1/users", Some(&body)).await.status, 200);
    let service = Service::start(Behaviour::json(&json!({}))).await;
    let hook = world.hook(service.address).await;
    let inputs = json!({ "inputs": { "user": "a@x.example" }, "call": false });
    let preview = world.api("POST", &format!("/api/v1/inlineHooks/{hook}/preview"), Some(&inputs)).await;
    assert_eq!(preview.json()["request"]["data"]["context"]["user"]["profile"]["tier"], "gold", "{}", preview.text());
    assert!(!preview.text().contains("pin-marked-secret"), "{}", preview.text());

    let registration = json!({
        "name": "registration", "type": "com.okta.user.pre-registration", "version": "1.0.0",
        "channel": { "type": "HTTP", "version": "1.0.0", "config": {
            "uri": format!("http://{}/", service.address), "method": "POST",
            "authScheme": { "type": "HEADER", "key": "x", "value": "y" },
        } },
    });
    let created = world.api("POST", "/api/v1/inlineHooks", Some(&registration)).await;
    assert_eq!(created.status, 200, "{}", created.text());
    let hook = created.json()["id"].as_str().unwrap().to_owned();
    for (attribute, value, outcome) in
        [("tier", json!("silver"), "APPLIED"), ("tier", json!("bronze"), "INVALID"), ("unknown", json!(1), "INVALID")]
    {
        let command = json!({ "type": "com.okta.user.profile.update", "value": { attribute: value } });
        let body = json!({ "inputs": {}, "answer": { "commands": [command] } });
        let preview = world.api("POST", &format!("/api/v1/inlineHooks/{hook}/preview"), Some(&body)).await;
        assert_eq!(preview.json()["outcome"], outcome, "{attribute}: {}", preview.text());
    }
}
