//! Templates of text messages with passcodes over HTTP, in the vendor's shapes.

use serde_json::{Value, json};

use crate::harness::World;

const TEMPLATES: &str = "/api/v1/templates/sms";

fn body() -> Value {
    json!({
        "name": "Custom",
        "type": "SMS_VERIFY_CODE",
        "template": "${org.name}: your verification code is ${code}",
        "translations": {
            "es": "${org.name}: el código de verificación es ${code}",
            "fr": "${org.name}: votre code de vérification est ${code}",
            "it": "${org.name}: il codice di verifica è ${code}",
        },
    })
}

fn causes(error: &Value) -> Vec<String> {
    let causes = error["errorCauses"].as_array().unwrap().iter();
    causes.map(|cause| cause["errorSummary"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_template_is_created_read_changed_and_deleted_and_each_is_logged() {
    let world = World::start().await;
    assert_eq!(world.api("GET", TEMPLATES, None).await.json(), json!([]), "the default texts are no template");
    let created = world.api("POST", TEMPLATES, Some(&body())).await;
    assert_eq!(created.status, 200, "{}", created.text());
    let created = created.json();
    let mut expected = body();
    for member in ["id", "created", "lastUpdated"] {
        expected[member] = created[member].clone();
    }
    assert_eq!(created, expected);
    let id = created["id"].as_str().unwrap();
    assert!(id.starts_with("cst") && id.len() == 20, "{id}");
    let path = format!("{TEMPLATES}/{id}");
    assert_eq!(world.api("GET", &path, None).await.json(), created);
    for (query, found) in [("", 1), ("?templateType=SMS_VERIFY_CODE", 1), ("?templateType=SMS_ENROLLMENT_CODE", 0)] {
        let list = world.api("GET", &format!("{TEMPLATES}{query}"), None).await.json();
        assert_eq!(list.as_array().unwrap().len(), found, "{query}");
    }

    // In part: a translation is added, one is changed, two are removed; the other members stay.
    let update = json!({ "translations": {
        "de": "Ihr Code ist ${code}", "es": "Código ${code}", "fr": null, "it": "",
    } });
    let updated = world.api("POST", &path, Some(&update)).await.json();
    assert_eq!(updated["translations"], json!({ "de": "Ihr Code ist ${code}", "es": "Código ${code}" }));
    assert_eq!((&updated["name"], &updated["template"]), (&body()["name"], &body()["template"]));
    assert_eq!(updated["created"], created["created"]);
    let updated = world.api("POST", &path, Some(&json!({ "name": "Ours", "template": "Code ${code}" }))).await.json();
    assert_eq!((&updated["name"], &updated["template"]), (&json!("Ours"), &json!("Code ${code}")));
    assert_eq!(updated["translations"].as_object().unwrap().len(), 2);

    // In full: what the body has not is gone. Clients send what they received.
    let mut whole = updated.clone();
    whole["translations"] = json!({ "pt-BR": "Seu código é ${code}" });
    let replaced = world.api("PUT", &path, Some(&whole)).await;
    assert_eq!(replaced.status, 200, "{}", replaced.text());
    assert_eq!(replaced.json()["translations"], whole["translations"]);
    let mut without = whole.clone();
    without.as_object_mut().unwrap().remove("translations");
    assert_eq!(world.api("PUT", &path, Some(&without)).await.json()["translations"], json!({}));

    let deleted = world.api("DELETE", &path, None).await;
    assert_eq!((deleted.status.as_u16(), deleted.text().as_str()), (204, ""));
    let gone = world.api("GET", &path, None).await;
    assert_eq!((gone.status.as_u16(), &gone.json()["errorCode"]), (404, &json!("E0000007")));
    for (verb, count) in [("create", 1), ("update", 4), ("delete", 1)] {
        let events = world.events(&format!("system.sms.template.{verb}")).await;
        assert_eq!(events.len(), count, "{verb}");
        assert_eq!(events[0]["target"][0]["id"], json!(id), "{verb}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_template_is_named_and_changes_nothing() {
    let world = World::start().await;
    let created = world.api("POST", TEMPLATES, Some(&body())).await.json();
    let path = format!("{TEMPLATES}/{}", created["id"].as_str().unwrap());
    let blank = "The field cannot be left blank";
    let long = |text: &str, length: usize| format!("{text}{}", "x".repeat(length - text.chars().count()));
    for (member, value, expected) in [
        ("name", json!(""), format!("name: {blank}")),
        ("name", json!(long("", 51)), "name: The field cannot be longer than 50 characters".to_owned()),
        ("type", json!("SMS_ENROLLMENT_CODE"), "type: Only `SMS_VERIFY_CODE` is supported".to_owned()),
        ("template", json!("Your code"), "template: Write `${code}` where the code is put in".to_owned()),
        ("template", json!(7), "template: The field has an invalid value".to_owned()),
        (
            "template",
            json!("${code} ${user.login}"),
            "template: Only the placeholders `${code}` and `${org.name}` are supported".to_owned(),
        ),
        ("template", json!("${code}\u{7}"), "template: The text cannot have control characters".to_owned()),
        (
            "template",
            json!(long("${code}", 162)),
            "template: The field cannot be longer than 161 characters".to_owned(),
        ),
        (
            "translations",
            json!({ "de": "Ihr Code" }),
            "translations.de: Write `${code}` where the code is put in".to_owned(),
        ),
        (
            "translations",
            json!({ "Deutsch, bitte": "${code}" }),
            "translations.Deutsch, bitte: Write the language as in `de` or `pt-BR`".to_owned(),
        ),
        ("translations", json!({ "de": 7 }), "translations.de: The field has an invalid value".to_owned()),
        ("translations", json!("de"), "translations: The field has an invalid value".to_owned()),
        (
            "translations",
            json!({ "de": long("${code}", 162) }),
            "translations.de: The field cannot be longer than 161 characters".to_owned(),
        ),
        ("colour", json!("red"), "colour: The member is not supported".to_owned()),
    ] {
        let mut wrong = body();
        wrong[member] = value.clone();
        for (method, path) in [("PUT", &path), ("POST", &path)] {
            let answer = world.api(method, path, Some(&wrong)).await;
            assert_eq!(answer.status, 400, "{method} {wrong}: {}", answer.text());
            let error = answer.json();
            assert_eq!((&error["errorCode"], causes(&error)), (&json!("E0000001"), vec![expected.clone()]), "{wrong}");
        }
    }
    for missing in ["name", "type", "template"] {
        let mut wrong = body();
        wrong.as_object_mut().unwrap().remove(missing);
        let error = world.api("PUT", &path, Some(&wrong)).await.json();
        assert_eq!(causes(&error), [format!("{missing}: {blank}")]);
    }
    let second = world.api("POST", TEMPLATES, Some(&body())).await;
    assert_eq!(causes(&second.json()), ["type: The org has a template of this type. Update that one"]);
    let many: serde_json::Map<_, _> = (0..201).map(|number| (format!("de-x{number:03}"), json!("${code}"))).collect();
    let error = world.api("POST", &path, Some(&json!({ "translations": many }))).await.json();
    assert_eq!(causes(&error), ["translations: A template can have at most 200 translations"]);
    assert_eq!(world.api("GET", &path, None).await.json(), created, "nothing has changed");

    // At the bounds.
    let mut most = body();
    (most["name"], most["template"]) = (json!(long("", 50)), json!(long("${code}\n", 161)));
    most["translations"] = json!({ "de": long("${code}", 161) });
    let replaced = world.api("PUT", &path, Some(&most)).await;
    assert_eq!(replaced.status, 200, "{}", replaced.text());
    assert_eq!(replaced.json()["template"], most["template"]);
    // One language, however it is written.
    let update = json!({ "translations": { "DE": "Code ${code}" } });
    assert_eq!(world.api("POST", &path, Some(&update)).await.json()["translations"], update["translations"]);
}
