//! Tokens of the management API.

use std::time::Duration;

use tenterhook_contract::Secret;
use tenterhook_management::{
    api_tokens::{self, TokenRequest},
    request::{Given, TEXT_CHARACTERS_MAX},
};
use tenterhook_model::{ApiToken, HOST_POINTS_MAX};
use tenterhook_testkit::rig::{ADMIN_TOKEN, Rig};

use crate::support::{causes, not_found, submitted, text, texts};

const INVALID_NAME: &str = "name: The field has an invalid value: write 1 to 255 characters on one line";

/// Adds another token; it is valid for a minute.
async fn add(rig: &Rig, text: &str) -> ApiToken {
    let (platform, now) = (&rig.platform, rig.platform.now());
    let token = api_tokens::api_token(platform.entropy(), now, &rig.org_id, "Other", &Secret::new(text));
    let token = ApiToken { expires: Some(now.plus_seconds(60)), ..token };
    platform.store().insert_api_token(&token).await.unwrap();
    token
}

#[tokio::test]
async fn a_token_is_renamed_within_bounds_and_its_owner_stays() {
    let rig = Rig::start().await;
    let (platform, administrator) = (&rig.platform, rig.administrator().await);
    let token = add(&rig, "other").await;
    let update = async |id: &str, request| api_tokens::update(platform, &administrator, id, &submitted(request)).await;
    let named = |name: &str| TokenRequest { name: text(name), ..TokenRequest::default() };
    for (request, cause) in [
        (TokenRequest::default(), "name: The field cannot be left blank"),
        (named(" "), INVALID_NAME),
        (named("two\nlines"), INVALID_NAME),
        (named(&"x".repeat(TEXT_CHARACTERS_MAX + 1)), INVALID_NAME),
        (
            TokenRequest { owner: text("00u00000000000000000"), ..named("x") },
            "userId: The owner of a token cannot be changed",
        ),
        (TokenRequest { connection: text("ZONE"), ..named("x") }, "network.connection: Only `ANYWHERE` is supported"),
    ] {
        assert_eq!(causes(update(token.id.as_str(), request).await), [cause]);
    }
    let longest = "x".repeat(TEXT_CHARACTERS_MAX);
    let known = api_tokens::get(platform, &administrator, token.id.as_str()).await.unwrap();
    let request = TokenRequest { owner: text(known.owner.as_str()), ..named(&longest) };
    update(token.id.as_str(), request).await.unwrap();
    let renamed = api_tokens::get(platform, &administrator, token.id.as_str()).await.unwrap();
    assert_eq!((renamed.token.name, renamed.owner), (longest, known.owner));
    update("current", named("Mine")).await.unwrap();
    let current = api_tokens::get(platform, &administrator, "current").await.unwrap();
    assert_eq!((&current.token.id, current.token.name.as_str()), (&administrator.token.id, "Mine"));
    assert_eq!(rig.events("system.api_token.update").await.len(), 2, "what was refused is not logged");
}

#[tokio::test]
async fn a_token_is_valid_until_it_expires_or_is_revoked() {
    let rig = Rig::start().await;
    let (platform, administrator) = (&rig.platform, rig.administrator().await);
    let token = add(&rig, "other").await;
    let is_valid = async |text: &str| api_tokens::find(platform, &rig.org_id, text).await.unwrap().is_some();
    rig.clock.advance(Duration::from_secs(59));
    assert!(is_valid("other").await && is_valid(ADMIN_TOKEN).await && !is_valid("unknown").await);
    rig.clock.advance(Duration::from_secs(1));
    assert!(!is_valid("other").await, "its time is over");
    api_tokens::revoke(platform, &administrator, token.id.as_str()).await.unwrap();
    api_tokens::revoke(platform, &administrator, "current").await.unwrap();
    assert!(!is_valid(ADMIN_TOKEN).await);
    let again = api_tokens::revoke(platform, &administrator, token.id.as_str()).await;
    assert_eq!(not_found(again), (token.id.to_string(), "ApiToken"));
    assert_eq!(rig.events("system.api_token.revoke").await.len(), 2);
}

const POINT: &str = "com.okta.oauth2.tokens.transform";

fn host(points: &[&str]) -> TokenRequest {
    TokenRequest {
        name: text("Checkout"),
        role: text("HOST"),
        extension_points: texts(points),
        ..TokenRequest::default()
    }
}

#[tokio::test]
async fn the_token_of_a_host_is_created_for_known_extension_points() {
    let rig = Rig::start().await;
    let (platform, administrator) = (&rig.platform, rig.administrator().await);
    let create = async |request| api_tokens::create(platform, &administrator, &submitted(request)).await;
    let expires = rig.platform.now().plus_seconds(60);
    let request = TokenRequest { expires: Given::Is(expires), ..host(&[POINT, "com.okta.import.transform"]) };
    let (details, secret) = create(request).await.unwrap();
    let found = api_tokens::find(platform, &rig.org_id, secret.expose()).await.unwrap().unwrap();
    assert_eq!(found, details.token);
    assert_eq!((found.name.as_str(), found.expires), ("Checkout", Some(expires)));
    assert!(found.may_use(POINT) && found.may_use("com.okta.import.transform") && !found.is_administrator());
    assert!(!found.may_use("com.okta.saml.tokens.transform"));
    let events = rig.events("system.api_token.create").await;
    let event = events.iter().find(|event| event.targets.iter().any(|target| target.id == found.id.as_str())).unwrap();
    let data = serde_json::to_value(&event.debug_data).unwrap();
    assert_eq!(data.get("role"), Some(&"HOST".into()));
    assert_eq!(data.get("extensionPoints"), Some(&format!("{POINT}, com.okta.import.transform").into()));
    assert!(!format!("{event:?}").contains(secret.expose()));

    // It is renamed with what was got, and nothing else of it is changed.
    let update =
        async |request| api_tokens::update(platform, &administrator, found.id.as_str(), &submitted(request)).await;
    let renamed =
        update(TokenRequest { name: text("Renamed"), ..host(&[POINT, "com.okta.import.transform"]) }).await.unwrap();
    assert_eq!((renamed.token.name.as_str(), &renamed.token.role), ("Renamed", &found.role));
    let points = "extensionPoints: The extension points of a token cannot be changed: create another one";
    for (request, cause) in [
        (host(&[POINT]), points),
        (host(&["com.okta.import.transform", POINT]), points),
        (TokenRequest { extension_points: Given::Wrong, ..host(&[]) }, points),
        (
            TokenRequest { role: text("ADMINISTRATOR"), extension_points: Given::Absent, ..host(&[]) },
            "role: The role of a token cannot be changed",
        ),
    ] {
        assert_eq!(causes(update(request).await), [cause]);
    }
}

#[tokio::test]
async fn what_is_wrong_with_the_token_of_a_host_is_named_and_creates_nothing() {
    let rig = Rig::start().await;
    let (platform, administrator) = (&rig.platform, rig.administrator().await);
    let create = async |request| api_tokens::create(platform, &administrator, &submitted(request)).await;
    let many: Vec<_> = (0..=HOST_POINTS_MAX).map(|number| format!("com.example.p{number}")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    for (request, expected) in [
        (TokenRequest { role: Given::Absent, ..host(&[POINT]) }, "role: The field cannot be left blank: write `HOST`"),
        (
            TokenRequest { role: text("ADMINISTRATOR"), ..host(&[POINT]) },
            "role: Tokens of administrators are created on the server, by `tenterhook tokens create`. Write `HOST`",
        ),
        (TokenRequest { role: text("host"), ..host(&[POINT]) }, "role: The field has an invalid value. Write HOST"),
        (TokenRequest { name: Given::Absent, ..host(&[POINT]) }, "name: The field cannot be left blank"),
        (TokenRequest { name: text("a\nb"), ..host(&[POINT]) }, INVALID_NAME),
        (host(&[]), "extensionPoints: Name at least one"),
        (TokenRequest { extension_points: Given::Absent, ..host(&[]) }, "extensionPoints: Name at least one"),
        (
            TokenRequest { extension_points: Given::Wrong, ..host(&[]) },
            "extensionPoints: The field has an invalid value",
        ),
        (host(&many), "extensionPoints: The field has an invalid value"),
        (
            host(&["com.example.unknown"]),
            "extensionPoints[0]: The org has no extension point of the type `com.example.unknown`",
        ),
        (host(&[POINT, POINT]), "extensionPoints[1]: `com.okta.oauth2.tokens.transform` is named twice"),
        (
            TokenRequest { expires: Given::Is(platform.now()), ..host(&[POINT]) },
            "expiresAt: The time must be in the future",
        ),
        (TokenRequest { expires: Given::Wrong, ..host(&[POINT]) }, "expiresAt: The field has an invalid value"),
        (
            TokenRequest { owner: text("00u1"), ..host(&[POINT]) },
            "userId: The owner of a token is the user to whom the org's tokens belong",
        ),
        (
            TokenRequest { connection: text("ZONE"), ..host(&[POINT]) },
            "network.connection: Only `ANYWHERE` is supported",
        ),
    ] {
        assert_eq!(causes(create(request).await), [expected]);
    }
    let all = causes(create(TokenRequest { name: text(" "), role: text("X"), ..host(&["a..b", "x"]) }).await);
    assert_eq!(all.len(), 4, "{all:?}");
    assert_eq!(platform.store().count_api_tokens(&rig.org_id).await.unwrap(), 1);
    assert_eq!(rig.events("system.api_token.create").await.len(), 1, "that of the first token");
}
