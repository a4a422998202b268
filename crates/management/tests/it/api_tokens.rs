//! Tokens of the management API.

use std::time::Duration;

use tenterhook_contract::Secret;
use tenterhook_management::{
    api_tokens::{self, TokenRequest},
    request::TEXT_CHARACTERS_MAX,
};
use tenterhook_model::ApiToken;
use tenterhook_testkit::rig::{ADMIN_TOKEN, Rig};

use crate::support::{causes, not_found, submitted, text};

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
