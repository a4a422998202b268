//! Users in the order of an infrastructure-as-code client: create, get, update, get, delete, get; their search; their life.

use serde_json::{Value, json};

use crate::{
    harness::{Answer, World},
    oauth::{authorization_path, sign_in},
};

fn profile(login: &str) -> Value {
    json!({ "login": login, "email": login, "firstName": "Ada", "lastName": "Okoye", "city": "Lagos" })
}

async fn create(world: &World, body: &Value) -> String {
    let created = world.api("POST", "/api/v1/users", Some(body)).await;
    assert_eq!(created.status, 200, "{}", created.text());
    format!("/api/v1/users/{}", created.json()["id"].as_str().unwrap())
}

async fn sign_in_status(world: &World, login: &str, password: &str) -> u16 {
    let path = authorization_path(world, world.org.public_client_id.as_str(), "openid", "");
    let page = world.send("GET", &path, &[], b"").await;
    sign_in(world, &page, login, password).await.status.as_u16()
}

fn refused(answer: &Answer, cause: &str) {
    assert_eq!(answer.status, 400, "{cause}: {}", answer.text());
    assert!(answer.text().contains(cause), "{cause}: {}", answer.text());
}

#[tokio::test]
async fn a_user_is_what_was_written_from_its_creation_to_its_end() {
    let world = World::start().await;
    let created = world.api("POST", "/api/v1/users", Some(&json!({ "profile": profile("ada@x.example") }))).await;
    assert_eq!(created.status, 200, "{}", created.text());
    let created = created.json();
    assert_eq!(created["profile"], profile("ada@x.example"));
    let path = format!("/api/v1/users/{}", created["id"].as_str().unwrap());
    assert_eq!(world.api("GET", &path, None).await.json(), created);
    assert_eq!(world.api("GET", "/api/v1/users/Ada@X.example", None).await.json(), created, "by its login too");
    assert_eq!(created["activated"], created["created"]);
    assert!(created["type"]["id"].as_str().unwrap().starts_with("oty"));

    // POST merges, null takes away.
    let merge = json!({ "profile": { "nickName": "Ace", "city": null, "lastName": "Obi" } });
    let merged = world.api("POST", &path, Some(&merge)).await;
    assert_eq!(merged.status, 200, "{}", merged.text());
    let wanted = json!({
        "login": "ada@x.example", "email": "ada@x.example", "firstName": "Ada", "lastName": "Obi", "nickName": "Ace",
    });
    assert_eq!(merged.json()["profile"], wanted);
    assert_eq!(world.api("GET", &path, None).await.json(), merged.json());

    // PUT replaces; what was got may be put back whole.
    let same = world.api("PUT", &path, Some(&merged.json())).await;
    assert_eq!(same.json(), merged.json(), "nothing was changed");
    let replaced = world.api("PUT", &path, Some(&json!({ "profile": profile("zoe@x.example") }))).await;
    assert_eq!(replaced.status, 200, "{}", replaced.text());
    assert_eq!(replaced.json()["profile"], profile("zoe@x.example"));
    assert_eq!(world.api("GET", &path, None).await.json(), replaced.json());
    assert_eq!(world.api("GET", "/api/v1/users/ada@x.example", None).await.status, 404);
    assert_eq!(world.api("GET", "/api/v1/users/zoe@x.example", None).await.json(), replaced.json());

    for (method, body, cause) in [
        ("PUT", json!({}), "profile: The field cannot be left blank"),
        ("PUT", json!({ "profile": { "login": "z" } }), "email: The field cannot be left blank"),
        ("POST", json!({ "profile": { "email": null } }), "email: The field cannot be left blank"),
        ("POST", json!({ "profile": { "login": "me" } }), "login: Nobody is found by `me`"),
        ("POST", json!({ "profile": { "city": 5 } }), "city: The field has an invalid value"),
        ("POST", json!({ "profile": { "timezone": "a", "timeZone": "b" } }), "timeZone: Give either"),
        ("POST", json!({ "profile": { "password": "x" } }), "profile.password: The password is not"),
        ("POST", json!({ "profile": [] }), "profile: The field has an invalid value"),
        ("POST", json!({ "prfile": { "city": "x" } }), "prfile: The member is not supported"),
        ("POST", json!({ "type": { "id": "otyfnly5cQjJT9PnR0g4" } }), "type: Types of users are not supported"),
        (
            "POST",
            json!({ "profile": { "login": "ADA@example.com" } }),
            "login: An object with this field already exists",
        ),
    ] {
        refused(&world.api(method, &path, Some(&body)).await, cause);
    }
    assert_eq!(world.api("GET", &path, None).await.json(), replaced.json(), "nothing was changed");

    // The first DELETE ends the use, the second one removes.
    assert_eq!(world.api("DELETE", &path, None).await.status, 204);
    assert_eq!(world.api("GET", &path, None).await.json()["status"], "DEPROVISIONED");
    let late = world.api("POST", &path, Some(&json!({ "profile": { "city": "x" } }))).await;
    refused(&late, "status: The user has left: the user is DEPROVISIONED");
    assert_eq!(world.api("DELETE", &path, None).await.status, 204);
    for (method, body, status) in [
        ("GET", None, 404),
        ("DELETE", None, 404),
        ("POST", Some(json!({})), 404),
        // A body is judged before the user is looked for.
        ("PUT", Some(json!({})), 400),
    ] {
        let gone = world.api(method, &path, body.as_ref()).await;
        assert_eq!(gone.status, status, "{method}: {}", gone.text());
    }
}

#[tokio::test]
async fn ten_clients_in_parallel_lose_nothing_of_each_other() {
    let world = World::start().await;
    let path = create(&world, &json!({ "profile": profile("shared@x.example") })).await;
    let attributes = [
        "middleName",
        "title",
        "displayName",
        "nickName",
        "division",
        "costCenter",
        "state",
        "zipCode",
        "manager",
        "userType",
    ];
    let one = async |number: usize| {
        let login = format!("p{number}@x.example");
        let own = create(&world, &json!({ "profile": profile(&login) })).await;
        let merge = json!({ "profile": { attributes[number]: "set" } });
        let merged = world.api("POST", &path, Some(&merge)).await;
        assert_eq!(merged.status, 200, "{}", merged.text());
        assert_eq!(world.api("DELETE", &own, None).await.status, 204);
        assert_eq!(world.api("DELETE", &own, None).await.status, 204);
        assert_eq!(world.api("GET", &own, None).await.status, 404);
    };
    tokio::join!(one(0), one(1), one(2), one(3), one(4), one(5), one(6), one(7), one(8), one(9));
    let shared = world.api("GET", &path, None).await.json();
    for attribute in attributes {
        assert_eq!(shared["profile"][attribute], "set", "{attribute}");
    }
}

#[tokio::test]
async fn the_life_of_a_user_is_the_vendors() {
    const FIRST: &str = "Corkscrew-7-orbit";
    const SECOND: &str = "Harmonica-8-pylon";
    let world = World::start().await;
    let body = json!({
        "profile": profile("ada@x.example"), "credentials": { "password": { "value": FIRST } },
    });
    let created = world.api("POST", "/api/v1/users?activate=false", Some(&body)).await.json();
    assert_eq!((&created["status"], &created["activated"]), (&json!("STAGED"), &Value::Null));
    let path = format!("/api/v1/users/{}", created["id"].as_str().unwrap());
    let lifecycle = async |operation: &str| world.api("POST", &format!("{path}/lifecycle/{operation}"), None).await;
    let status = async || world.api("GET", &path, None).await.json()["status"].as_str().unwrap().to_owned();
    assert_eq!(sign_in_status(&world, "ada@x.example", FIRST).await, 401, "not activated");
    for (operation, answer, after) in [
        ("suspend", 400, "STAGED"),
        ("unlock", 400, "STAGED"),
        ("expire_password", 400, "STAGED"),
        ("activate", 200, "ACTIVE"),
        ("activate", 400, "ACTIVE"),
        ("unsuspend", 400, "ACTIVE"),
        ("suspend", 204, "SUSPENDED"),
        ("expire_password", 400, "SUSPENDED"),
        ("unsuspend", 204, "ACTIVE"),
        ("reset_password", 400, "ACTIVE"),
        ("reset_password?sendEmail=false", 200, "RECOVERY"),
        ("reset_password?sendEmail=false", 200, "RECOVERY"),
        ("suspend", 400, "RECOVERY"),
        ("activate", 400, "RECOVERY"),
        ("expire_password", 400, "RECOVERY"),
        ("deactivate", 204, "DEPROVISIONED"),
        ("reset_password?sendEmail=false", 400, "DEPROVISIONED"),
        ("activate", 200, "ACTIVE"),
        ("expire_password", 200, "PASSWORD_EXPIRED"),
        ("deactivate", 204, "DEPROVISIONED"),
        ("deactivate", 400, "DEPROVISIONED"),
        ("activate", 200, "ACTIVE"),
        ("reactivate", 400, "ACTIVE"),
    ] {
        let answered = lifecycle(operation).await;
        assert_eq!(answered.status, answer, "{operation}: {}", answered.text());
        assert_eq!(status().await, after, "{operation}");
        if answer == 400 {
            let said =
                if operation == "reset_password" { "sendEmail: No mail server is configured" } else { operation };
            let said = said.split('?').next().unwrap();
            assert!(answered.text().contains(said), "{}", answered.text());
        }
    }
    assert_eq!(sign_in_status(&world, "ada@x.example", FIRST).await, 303);
    for (operation, query) in [("deactivate", "sendEmail=true"), ("expire_password", "revokeSessions=true")] {
        let answer = lifecycle(&format!("{operation}?{query}")).await;
        refused(&answer, &format!("{}: The parameter is not supported here", query.split('=').next().unwrap()));
    }
    refused(&lifecycle("expire_password?tempPassword=yes").await, "tempPassword: must be true or false");
    assert_eq!(status().await, "ACTIVE");

    // An expired password lets nobody in until another one is set.
    assert_eq!(lifecycle("expire_password").await.status, 200);
    assert_eq!(sign_in_status(&world, "ada@x.example", FIRST).await, 401);
    let before = world.api("GET", &path, None).await.json();
    let set = world.api("POST", &path, Some(&json!({ "credentials": { "password": { "value": SECOND } } }))).await;
    assert_eq!((set.status.as_u16(), &set.json()["status"]), (200, &json!("ACTIVE")));
    assert_eq!(set.json()["profile"], before["profile"], "no attribute was named");
    assert_eq!(sign_in_status(&world, "ada@x.example", FIRST).await, 401);
    assert_eq!(sign_in_status(&world, "ada@x.example", SECOND).await, 303);

    let change = async |old: &str, new: &str| {
        let body = json!({ "oldPassword": { "value": old }, "newPassword": { "value": new } });
        world.api("POST", &format!("{path}/credentials/change_password"), Some(&body)).await
    };
    refused(&change(FIRST, "Third-9-lantern").await, "oldPassword: The old password is not correct");
    refused(&change(SECOND, "").await, "newPassword: The field has an invalid value");
    let changed = change(SECOND, FIRST).await;
    assert_eq!(changed.status, 200, "{}", changed.text());
    assert_eq!(changed.json()["provider"], json!({ "type": "OKTA", "name": "OKTA" }));
    assert_eq!(sign_in_status(&world, "ada@x.example", FIRST).await, 303);

    // A temporary password takes the place of the old one, and lets nobody in by itself.
    let mut known = Vec::new();
    for old in [FIRST, SECOND] {
        let expired = lifecycle("expire_password?tempPassword=true").await;
        assert_eq!(expired.status, 200, "{}", expired.text());
        let temporary = expired.json()["tempPassword"].as_str().unwrap().to_owned();
        assert_eq!(expired.json(), json!({ "tempPassword": temporary }), "and no other member");
        assert_eq!((temporary.len(), known.contains(&temporary)), (20, false));
        assert_eq!(status().await, "PASSWORD_EXPIRED");
        assert_eq!(sign_in_status(&world, "ada@x.example", &temporary).await, 401);
        refused(&change(old, "Third-9-lantern").await, "oldPassword: The old password is not correct");
        assert_eq!(change(&temporary, SECOND).await.status, 200);
        assert_eq!((status().await.as_str(), sign_in_status(&world, "ada@x.example", SECOND).await), ("ACTIVE", 303));
        known.push(temporary);
    }

    // Whoever has no password has none that could expire.
    let without = create(&world, &json!({ "profile": profile("none@x.example") })).await;
    for query in ["", "?tempPassword=true"] {
        let answer = world.api("POST", &format!("{without}/lifecycle/expire_password{query}"), None).await;
        refused(&answer, "password: The user has no password");
    }
}

#[tokio::test]
async fn users_are_searched_by_what_has_an_index() {
    let world = World::start().await;
    for (login, first, last) in
        [("qa@x.example", "Quentin", "Zimmer"), ("qb@x.example", "Bo", "Quist"), ("qc@x.example", "Qi", "Zimmer")]
    {
        let profile = json!({ "login": login, "email": format!("m{login}"), "firstName": first, "lastName": last });
        create(&world, &json!({ "profile": profile })).await;
    }
    let found = async |query: &str| {
        let answer = world.api("GET", &format!("/api/v1/users?{query}"), None).await;
        assert_eq!(answer.status, 200, "{query}: {}", answer.text());
        let users = answer.json();
        users
            .as_array()
            .unwrap()
            .iter()
            .map(|user| user["profile"]["login"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    for (query, logins) in [
        ("q=QUI", vec!["qb@x.example"]),
        ("q=q", vec!["qa@x.example", "qb@x.example", "qc@x.example"]),
        ("q=nobody", vec![]),
        ("q=mqa", vec!["qa@x.example"]),
        ("filter=profile.lastName+eq+%22zimmer%22", vec!["qa@x.example", "qc@x.example"]),
        ("search=profile.login+eq+%22QC%40x.example%22", vec!["qc@x.example"]),
        ("search=profile.lastName+sw+%22zim%22+and+profile.firstName+eq+%22Qi%22", vec!["qc@x.example"]),
        ("q=zim&search=profile.firstName+sw+%22qu%22", vec!["qa@x.example"]),
        ("filter=profile.firstName+sw+%22q%22+and+status+eq+%22ACTIVE%22", vec!["qa@x.example", "qc@x.example"]),
        (
            "search=profile.lastName+eq+%22Quist%22+or+(profile.lastName+sw+%22Z%22+and+profile.firstName+eq+%22Qi%22)",
            vec!["qb@x.example", "qc@x.example"],
        ),
        (
            "search=profile.lastName+eq+%22Quist%22+and+created+gt+%222020-01-01T00:00:00.000Z%22+and+activated+pr",
            vec!["qb@x.example"],
        ),
        ("search=profile.lastName+eq+%22Quist%22+and+lastUpdated+lt+%222020-01-01T00:00:00.000Z%22", vec![]),
        ("search=status+eq+%22DEPROVISIONED%22", vec![]),
        ("search=id+eq+%22nobody%22", vec![]),
    ] {
        assert_eq!(found(query).await, logins, "{query}");
    }
    let first = world.api("GET", "/api/v1/users?q=q&limit=2", None).await;
    let next = first.next().unwrap();
    assert!(next.contains("q=q"), "the link repeats the query: {next}");
    let second = world.api("GET", &next, None).await;
    assert_eq!((first.json().as_array().unwrap().len(), second.json().as_array().unwrap().len()), (2, 1));
    assert!(second.next().is_none());
}
