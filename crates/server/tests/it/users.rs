//! `GET /api/v1/users`: pages, and what is not supported.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::{Answer, World};

fn next(answer: &Answer) -> Option<String> {
    let mut links = answer.headers.get_all("link").iter().map(|value| value.to_str().unwrap());
    let link = links.find(|value| value.ends_with("rel=\"next\""))?;
    let url = link.split(['<', '>']).nth(1).unwrap();
    Some(url.split_once("/api/").map(|(_, rest)| format!("/api/{rest}")).unwrap())
}

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
    assert!(next(&whole).is_none(), "all fit the page");
    let whole = ids(&whole.json());
    assert!(whole.len() >= 5, "the demonstration's and ours");

    let (mut path, mut seen) = ("/api/v1/users?limit=2".to_owned(), Vec::new());
    loop {
        let page = world.api("GET", &path, None).await;
        assert_eq!(page.status, 200, "{}", page.text());
        let users = ids(&page.json());
        seen.extend(users.iter().cloned());
        let Some(behind) = next(&page) else { break };
        assert_eq!(users.len(), 2, "a page with another behind it is full");
        assert!(behind.contains("limit=2"), "the link repeats the query: {behind}");
        path = behind;
    }
    assert_eq!(seen, whole);
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), seen.len());
    let exact = world.api("GET", &format!("/api/v1/users?limit={}", whole.len()), None).await;
    assert!(next(&exact).is_none(), "nothing is behind the last user");
}

#[tokio::test]
async fn what_a_list_of_users_does_not_take_is_refused() {
    let world = World::start().await;
    for (query, code, named) in [
        ("limit=0", "E0000001", "limit: "),
        ("limit=201", "E0000001", "limit: "),
        ("limit=many", "E0000001", "limit: "),
        ("after=ada", "E0000001", "after: "),
        ("q=ada", "E0000053", "`q`"),
        ("search=status+eq+%22ACTIVE%22", "E0000053", "`search`"),
        ("filter=status+eq+%22ACTIVE%22", "E0000053", "`filter`"),
    ] {
        let answer = world.api("GET", &format!("/api/v1/users?{query}"), None).await;
        assert_eq!(answer.status, 400, "{query}: {}", answer.text());
        assert_eq!(answer.json()["errorCode"], code, "{query}");
        assert!(answer.text().contains(named), "{query}: {}", answer.text());
    }
    assert_eq!(world.api("GET", "/api/v1/users?limit=200&q=", None).await.status, 200);
}
