//! `GET /api/v1/users`: pages, and what is not supported.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{
    harness::{Behaviour, Service, World},
    oauth::{authorization_path, sign_in},
    user_schema::define,
};

fn ids(page: &Value) -> Vec<String> {
    page.as_array().unwrap().iter().map(|user| user["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn pages_have_every_user_once() {
    let world = World::start().await;
    for number in 0..4 {
        let login = format!("user{number}@example.com");
        let profile = json!({ "login": login, "email": login, "firstName": "User", "lastName": "User" });
        let created = world.api("POST", "/api/v1/users", Some(&json!({ "profile": profile }))).await;
        assert_eq!(created.status, 200, "{}", created.text());
    }
    let whole = world.api("GET", "/api/v1/users", None).await;
    assert!(whole.next().is_none(), "all fit the page");
    let whole = ids(&whole.json());
    assert!(whole.len() >= 5, "the demonstration's and ours");

    let (mut path, mut seen) = ("/api/v1/users?limit=2".to_owned(), Vec::new());
    loop {
        let page = world.api("GET", &path, None).await;
        assert_eq!(page.status, 200, "{}", page.text());
        let users = ids(&page.json());
        seen.extend(users.iter().cloned());
        let Some(behind) = page.next() else { break };
        assert_eq!(users.len(), 2, "a page with another behind it is full");
        assert!(behind.contains("limit=2"), "the link repeats the query: {behind}");
        path = behind;
    }
    assert_eq!(seen, whole);
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), seen.len());
    let exact = world.api("GET", &format!("/api/v1/users?limit={}", whole.len()), None).await;
    assert!(exact.next().is_none(), "nothing is behind the last user");
}

#[tokio::test]
async fn what_a_list_of_users_does_not_take_is_refused() {
    let world = World::start().await;
    for (query, code, named) in [
        ("limit=0", "E0000001", "limit: "),
        ("limit=201", "E0000001", "limit: "),
        ("limit=many", "E0000001", "limit: "),
        ("after=ada", "E0000001", "after: "),
        (&format!("q={}", "x".repeat(200)), "E0000001", "q: "),
        ("search=status+eq+%22active%22", "E0000053", "`search` is refused: `status` is compared with `STAGED`"),
        ("filter=profile.city+eq+%22Lagos%22", "E0000053", "`filter` is refused: `profile.city` is not searched"),
        (
            "search=profile.email+co+%22x%22",
            "E0000053",
            "`co` is not possible on `profile.email`: use `eq`, `sw` or `pr`",
        ),
        ("search=status+eq+%22ACTIVE%22&sortBy=created", "E0000001", "sortBy: The parameter is not supported here"),
        ("search=status+eq+%22ACTIVE%22&sortOrder=desc", "E0000001", "sortOrder: The parameter is not supported here"),
    ] {
        let answer = world.api("GET", &format!("/api/v1/users?{query}"), None).await;
        assert_eq!(answer.status, 400, "{query}: {}", answer.text());
        assert_eq!(answer.json()["errorCode"], code, "{query}");
        assert!(answer.text().contains(named), "{query}: {}", answer.text());
    }
    assert_eq!(world.api("GET", "/api/v1/users?limit=200&q=", None).await.status, 200);
}

fn profile(login: &str) -> Value {
    json!({ "login": login, "email": login, "firstName": "Ada", "lastName": "Okoye" })
}

/// `clients.md` section 5: every member of the vendor's shape is either in the answer or in the error.
#[tokio::test]
async fn every_member_of_a_new_user_comes_back_or_is_refused_by_its_name() {
    const DIGEST: &str = "YfvX9qO4RLcQfRGK0M6eDVOkuN4mk9DqYCxI4E2RmDc=";
    let world = World::start().await;
    define(&world, &json!({ "level": { "title": "Level", "type": "integer" } })).await;
    let stored = world.api("GET", "/api/v1/users", None).await.json();
    for (member, value, cause) in [
        ("/credentials/password/vlaue", json!("x"), "credentials.password.vlaue: The member is not supported"),
        ("/credentials/password", json!("x"), "credentials.password: The field has an invalid value"),
        ("/credentials/password/hash", json!("x"), "credentials.password.hash: The field has an invalid value"),
        (
            "/credentials/password/hash",
            json!({ "algorithm": "BCRYPT", "workFactor": 10, "salt": "x", "value": "x" }),
            "credentials.password.hash.salt: Write 22 characters of bcrypt's own base64",
        ),
        ("/credentials/password/hash", json!({ "algorithm": "MD4" }), "credentials.password.hash.algorithm: Only"),
        (
            "/credentials/password",
            json!({ "value": "Corkscrew-7-orbit", "hash": { "algorithm": "SHA-256", "value": DIGEST } }),
            "credentials.password.hash: Give either",
        ),
        (
            "/credentials/recovery_question",
            json!({ "question": "Who?", "answer": "Nobody" }),
            "credentials.recovery_question: Recovery questions are not supported",
        ),
        (
            "/credentials/provider",
            json!({ "type": "LDAP", "name": "corp" }),
            "credentials.provider.type: Only `OKTA` is supported",
        ),
        (
            "/groupIds",
            json!(["00g1"]),
            "groupIds: Add the user to each group with `PUT /api/v1/groups/GROUP/users/USER`",
        ),
        ("/type", json!({ "id": "otyfnly5cQjJT9PnR0g4" }), "type: Types of users are not supported"),
        ("/status", json!("STAGED"), "status: The status is changed by `lifecycle`"),
        ("/realmId", json!("guo1"), "realmId: Realms are not supported"),
        ("/profile/password", json!("x"), "profile.password: The password is not an attribute"),
        ("/profle", json!({ "city": "Lagos" }), "profle: The member is not supported"),
        // They would be made and never found.
        ("/profile/login", json!("me"), "login: Nobody is found by `me`"),
        ("/profile/login", json!("Me"), "login: Nobody is found by `me`"),
        ("/profile/login", json!("00ufnly5cQjJT9PnR0g4"), "login: Nobody is found by"),
    ] {
        let mut body = json!({ "profile": profile("new@example.com"), "credentials": { "password": {} } });
        let (above, name) = member.rsplit_once('/').unwrap();
        body.pointer_mut(above).unwrap()[name] = value;
        let answer = world.api("POST", "/api/v1/users", Some(&body)).await;
        assert_eq!(answer.status, 400, "{member}: {}", answer.text());
        assert!(answer.text().contains(cause), "{member}: {}", answer.text());
    }
    assert_eq!(world.api("GET", "/api/v1/users", None).await.json(), stored, "nothing was added");

    let mut body = json!({ "profile": profile("new@example.com"), "credentials": { "provider": { "type": "OKTA", "name": "OKTA" } } });
    for (name, value) in [("nickName", json!("Ace")), ("timezone", json!("Africa/Lagos")), ("level", json!(3))] {
        body["profile"][name] = value;
    }
    for (name, value) in
        [("id", json!("00u1")), ("created", json!("2001-01-01T00:00:00.000Z")), ("_links", json!({ "self": 1 }))]
    {
        body[name] = value;
    }
    let created = world.api("POST", "/api/v1/users", Some(&body)).await;
    assert_eq!(created.status, 200, "{}", created.text());
    let created = created.json();
    assert_eq!(created["profile"], body["profile"], "as it was written, and nothing beside it");
    assert_eq!(created["credentials"], body["credentials"]);
    assert_ne!(
        (&created["id"], &created["created"]),
        (&body["id"], &body["created"]),
        "read-only members are passed over"
    );
    let path = format!("/api/v1/users/{}", created["id"].as_str().unwrap());
    for method in ["PUT", "POST"] {
        let sent_back = world.api(method, &path, Some(&created)).await;
        assert_eq!(sent_back.status, 200, "what was got can be sent back: {}", sent_back.text());
        let mut other = created.clone();
        other["status"] = json!("SUSPENDED");
        let refused = world.api(method, &path, Some(&other)).await;
        assert!(refused.status == 400 && refused.text().contains("status: The status is"), "{}", refused.text());
    }
    for (query, cause) in
        [("activate=maybe", "activate: "), ("provider=true", "provider: "), ("nextLogin=changePassword", "nextLogin: ")]
    {
        let answer = world.api("POST", &format!("/api/v1/users?{query}"), Some(&body)).await;
        assert_eq!(answer.status, 400, "{query}");
        assert!(answer.text().contains(cause), "{query}: {}", answer.text());
    }
}

#[tokio::test]
async fn custom_attributes_are_bounded_together() {
    const BYTES_MAX: usize = 64 * 1_024;
    let world = World::start().await;
    define(&world, &json!({ "note": { "title": "Note", "type": "string" } })).await;
    // `{"note":"…"}`
    for (characters, status) in [(BYTES_MAX - 11, 200), (BYTES_MAX - 10, 400)] {
        let mut body = json!({ "profile": profile(&format!("{characters}@example.com")) });
        body["profile"]["note"] = json!("x".repeat(characters));
        let answer = world.api("POST", "/api/v1/users", Some(&body)).await;
        assert_eq!(answer.status, status, "{characters}: {:.300}", answer.text());
    }
}

/// The hash of another system is replaced by one of our own at the first sign-in.
#[tokio::test]
async fn a_user_with_a_password_hash_signs_in_and_is_rehashed() {
    let world = World::start().await;
    let sha256 = json!({
        "algorithm": "SHA-256", "salt": "c2FsdA==", "saltOrder": "PREFIX",
        "value": "2qrdjDtJ1ZdrxZS6wwQpAtj14KtOs3poYEATEYZvo0U=",
    });
    let bcrypt = json!({
        "algorithm": "BCRYPT", "workFactor": 10, "salt": "EGdrhbKUv8Oc9vGiXX0HQO",
        "value": "PJFtB.bPLT9LFyfP9LkxYRDd74QsMxK",
    });
    for (login, hash) in [("sha256@example.com", sha256), ("bcrypt@example.com", bcrypt)] {
        is_rehashed(&world, login, &hash).await;
    }
}

async fn is_rehashed(world: &World, login: &str, hash: &Value) {
    let body = json!({ "profile": profile(login), "credentials": { "password": { "hash": hash } } });
    let created = world.api("POST", "/api/v1/users", Some(&body)).await;
    assert_eq!(created.status, 200, "{}", created.text());
    assert!(!created.text().contains(hash["value"].as_str().unwrap()), "the hash is not shown");
    let org = world.platform.org_by_host(None).unwrap();
    let stored = async || {
        let user = world.platform.store().find_user_by_login(&org.org.id, login).await.unwrap();
        user.unwrap().password.hash().unwrap().expose().to_owned()
    };
    let try_password = async |password: &str| {
        let path = authorization_path(world, world.org.public_client_id.as_str(), "openid", "");
        let page = world.send("GET", &path, &[], b"").await;
        sign_in(world, &page, login, password).await.status.as_u16()
    };
    let imported = stored().await;
    assert_eq!(try_password("Legacy-Pass-2").await, 401);
    assert_eq!(stored().await, imported, "a wrong password changes nothing");
    assert_eq!(try_password("Legacy-Pass-1").await, 303);
    let own = stored().await;
    assert!(own.starts_with("$argon2id$"), "{own}");
    assert_eq!(try_password("Legacy-Pass-1").await, 303);
    assert_eq!(try_password("Legacy-Pass-2").await, 401);
    assert_eq!(stored().await, own);
}

/// `clients.md` section 1.
#[tokio::test]
async fn the_tokens_of_an_org_belong_to_one_user_and_the_org_says_its_pipeline() {
    let world = World::start().await;
    let before = ids(&world.api("GET", "/api/v1/users", None).await.json());
    let me = world.api("GET", "/api/v1/users/me", None).await;
    assert_eq!(me.status, 200, "{}", me.text());
    let me = me.json();
    assert_eq!(me["status"], "ACTIVE");
    assert_eq!(world.api("GET", "/api/v1/users/me", None).await.json(), me, "the same one each time");
    let by_id = world.api("GET", &format!("/api/v1/users/{}", me["id"].as_str().unwrap()), None).await;
    assert_eq!(by_id.json(), me);
    let after = ids(&world.api("GET", "/api/v1/users", None).await.json());
    assert_eq!(after.len(), before.len() + 1, "one for all tokens, stored as any other");

    let organization = world.send("GET", "/.well-known/okta-organization", &[], b"").await;
    assert_eq!(organization.status, 200, "it needs no token: {}", organization.text());
    let org = world.platform.org_by_host(None).unwrap();
    assert_eq!(organization.json()["id"], json!(org.org.id));
    assert_eq!(organization.json()["pipeline"], "idx");
}

/// What nobody set is absent from users, their tokens and user information; only hooks are told a default.
#[tokio::test]
async fn locale_and_time_zone_are_not_invented() {
    let world = World::start().await;
    let body = json!({ "profile": profile("plain@example.com") });
    let created = world.api("POST", "/api/v1/users", Some(&body)).await.json();
    assert_eq!(created["profile"], body["profile"]);
    let service = Service::start(Behaviour::json(&json!({}))).await;
    let hook = world.hook(service.address).await;
    let inputs = json!({ "inputs": { "user": "plain@example.com" }, "call": false });
    let preview = world.api("POST", &format!("/api/v1/inlineHooks/{hook}/preview"), Some(&inputs)).await.json();
    let told = &preview["request"]["data"]["context"]["user"]["profile"];
    assert_eq!((&told["locale"], &told["timeZone"]), (&json!("en_US"), &json!("America/Los_Angeles")), "{preview}");
}
