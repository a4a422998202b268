//! Lists: each evaluates a parameter of the vendor's lists or refuses it by its name.

use serde_json::{Value, json};

use crate::harness::{World, hook_body};

fn server_path(world: &World) -> String {
    format!("/api/v1/authorizationServers/{}", world.org.authorization_server_id)
}

/// Every list that is in memory, with the member that ids its objects, and whether it has `q`.
fn lists(world: &World) -> Vec<(String, &'static str, bool)> {
    let server = server_path(world);
    vec![
        ("/api/v1/inlineHooks".to_owned(), "id", false),
        ("/api/v1/extensionPoints".to_owned(), "id", true),
        ("/api/v1/hook-keys".to_owned(), "id", false),
        ("/api/v1/authorizationServers".to_owned(), "id", true),
        (format!("{server}/scopes"), "id", true),
        (format!("{server}/claims"), "id", false),
        (format!("{server}/policies"), "id", false),
        (world.rule_path().rsplit_once('/').unwrap().0.to_owned(), "id", false),
        ("/oauth2/v1/clients".to_owned(), "client_id", true),
    ]
}

#[tokio::test]
async fn a_parameter_that_a_list_does_not_evaluate_is_refused_by_its_name() {
    let world = World::start().await;
    let users = ("/api/v1/users".to_owned(), "id", true);
    for (path, _, has_q) in lists(&world).into_iter().chain([users]) {
        for name in ["q", "search", "filter", "cursor", "sortBy", "sortOrder", "expand"] {
            let answer = world.api("GET", &format!("{path}?{name}=x"), None).await;
            if name == "q" && has_q {
                assert_eq!(answer.status, 200, "{path} {name}: {}", answer.text());
                continue;
            }
            assert_eq!(answer.status, 400, "{path} {name}: {}", answer.text());
            assert!(answer.text().contains(name), "{path} {name}: {}", answer.text());
            let empty = world.api("GET", &format!("{path}?{name}="), None).await;
            assert_eq!(empty.status, 200, "{path} {name}: it asks for nothing");
        }
        for limit in ["0", "201", "many", "-1"] {
            let answer = world.api("GET", &format!("{path}?limit={limit}"), None).await;
            assert_eq!(answer.status, 400, "{path} {limit}: {}", answer.text());
            assert!(answer.text().contains("limit: "), "{path}: {}", answer.text());
        }
        assert_eq!(world.api("GET", &format!("{path}?limit=200&unknown=1"), None).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn a_list_in_pages_has_every_object_once() {
    let world = World::start().await;
    for number in 0..5 {
        let name = format!("Number {number}");
        world.api("POST", "/api/v1/inlineHooks", Some(&hook_body(&name, world.address))).await;
        world.api("POST", "/api/v1/hook-keys", Some(&json!({ "name": name }))).await;
    }
    for (path, id, _) in lists(&world) {
        let whole = world.api("GET", &path, None).await;
        assert!(whole.next().is_none(), "{path}: without a limit it is whole");
        let ids = |list: &Value| {
            let objects = list.as_array().unwrap().iter();
            objects.map(|object| object[id].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let (mut wanted, mut seen, mut at) = (ids(&whole.json()), Vec::new(), format!("{path}?limit=2"));
        loop {
            let page = world.api("GET", &at, None).await;
            assert_eq!(page.status, 200, "{at}: {}", page.text());
            seen.extend(ids(&page.json()));
            match page.next() {
                Some(further) => at = further,
                None => break,
            }
        }
        wanted.sort();
        assert_eq!(seen, wanted, "{path}");
    }
}

#[tokio::test]
async fn q_finds_what_a_name_contains_whatever_its_case() {
    let world = World::start().await;
    let server = server_path(&world);
    for (query, member, wanted) in [
        (format!("{server}/scopes?q=ORDERS"), "name", vec!["orders.read", "orders.write"]),
        ("/api/v1/authorizationServers?q=api%3A%2F%2F".to_owned(), "name", vec!["default"]),
        ("/api/v1/authorizationServers?q=nothing".to_owned(), "name", vec![]),
        ("/oauth2/v1/clients?q=service".to_owned(), "client_name", vec!["Development service"]),
    ] {
        let found = world.api("GET", &query, None).await.json();
        let found = found.as_array().unwrap().iter().map(|object| object[member].as_str().unwrap().to_owned());
        assert_eq!(found.collect::<Vec<_>>(), wanted, "{query}");
    }
}
