//! Authorization servers, their scopes, claims and signing keys (`clients.md` section 2).

use std::time::Duration;

use tenterhook_contract::id::{AuthorizationServerId, ScopeId};
use tenterhook_management::{
    administrator::ManagementError,
    authorization_servers::{self, ServerDetails, ServerRequest},
    claims::{self, ClaimRequest},
    patterns::PATTERNS_MAX,
    request::Given,
    scopes::{self, ScopeRequest},
    signing_keys::{self, RotationRequest},
};
use tenterhook_model::{AuthorizationServer, ClaimDefinition, ConfigurationObject, KeyRotation, Scope, Status};
use tenterhook_testkit::rig::Rig;

use crate::support::{TAKEN, assert_same, causes, not_found, submitted, text, texts};

/// Objects of one kind below one parent.
const OBJECTS_MAX: usize = 1_000;

fn server_request(name: &str) -> ServerRequest {
    ServerRequest { name: text(name), audiences: texts(&["api://orders"]), ..ServerRequest::default() }
}

async fn create_server(rig: &Rig, name: &str) -> Result<ServerDetails, ManagementError> {
    // Such a key is made sooner.
    let request = ServerRequest { algorithm: text("ES256"), ..server_request(name) };
    authorization_servers::create(&rig.platform, &rig.administrator().await, &submitted(request)).await
}

async fn create_scope(rig: &Rig, server: &str, name: &str) -> Result<Scope, ManagementError> {
    let request = submitted(ScopeRequest { name: text(name), ..ScopeRequest::default() });
    scopes::create(&rig.platform, &rig.administrator().await, server, &request).await
}

#[tokio::test]
async fn a_server_has_its_name_alone_and_one_audience() {
    let rig = Rig::start().await;
    let (platform, administrator) = (&rig.platform, rig.administrator().await);
    let orders = create_server(&rig, "Orders").await.unwrap();
    let stock = create_server(&rig, "Stock").await.unwrap();
    assert_eq!(causes(create_server(&rig, "Orders").await), [TAKEN]);
    let replace = async |request: ServerRequest| {
        authorization_servers::replace(platform, &administrator, stock.server.id.as_str(), &submitted(request)).await
    };
    assert_eq!(causes(replace(server_request("Orders")).await), [TAKEN]);
    let none = ServerRequest { audiences: Given::Absent, ..server_request("Stock") };
    let two = ServerRequest { audiences: texts(&["api://a", "api://b"]), ..server_request("Stock") };
    for wrong in [none, two] {
        assert_eq!(causes(replace(wrong).await), ["audiences: Exactly one audience is supported"]);
    }
    let other = ServerRequest { algorithm: text("RS256"), ..server_request("Stock") };
    let refused = causes(replace(other).await);
    assert_eq!(refused, ["credentials.signing.alg: The algorithm of an authorization server cannot be changed"]);
    let kept = replace(ServerRequest { rotation_mode: text("MANUAL"), ..server_request("Stock") }).await.unwrap();
    assert_eq!((kept.server.key_rotation, kept.next_rotation), (KeyRotation::Manual, None));
    assert_eq!(kept.signing_key, stock.signing_key, "its key stays");
    assert_eq!(rig.events("oauth2.as.created").await.len(), 2);
    let [updated] = &rig.events("oauth2.as.updated").await[..] else { panic!("one update") };
    assert_eq!(updated.targets.first().unwrap().id, stock.server.id.as_str());
    assert_ne!(orders.signing_key, stock.signing_key);
}

#[tokio::test]
async fn an_org_has_a_thousand_servers() {
    let rig = Rig::start().await;
    let like = create_server(&rig, "like").await.unwrap().server;
    // The default one, this one, and the last.
    let copy = |number: usize| AuthorizationServer {
        id: AuthorizationServerId::from_parts(1, u64::try_from(number).unwrap().to_be_bytes()),
        name: number.to_string(),
        ..like.clone()
    };
    rig.put((3..OBJECTS_MAX).map(|number| ConfigurationObject::AuthorizationServer(copy(number)))).await;
    create_server(&rig, "the last").await.unwrap();
    assert_eq!(
        causes(create_server(&rig, "one more").await),
        ["name: This org can have at most 1000 authorization servers"]
    );
    assert_eq!(rig.stored().await.configuration.authorization_servers.len(), OBJECTS_MAX);
}

#[tokio::test]
async fn a_server_goes_with_everything_below_it_and_the_default_one_stays() {
    let rig = Rig::start().await;
    let (platform, administrator) = (&rig.platform, rig.administrator().await);
    let before = rig.snapshot().configuration.clone();
    let server = create_server(&rig, "Orders").await.unwrap().server;
    let id = server.id.as_str();
    let claim = ClaimRequest {
        name: text("tier"),
        claim_type: text("RESOURCE"),
        value: text("\"gold\""),
        ..ClaimRequest::default()
    };
    claims::create(platform, &administrator, id, &submitted(claim)).await.unwrap();
    create_scope(&rig, id, "stock.read").await.unwrap();
    drop(administrator);
    let with_it = rig.stored().await.configuration.clone();
    assert_eq!(with_it.claims.below(&server.id).count(), 1);
    assert!(with_it.scopes.below(&server.id).count() > 1 && with_it.signing_keys.below(&server.id).count() == 2);
    let administrator = rig.administrator().await;
    authorization_servers::delete(platform, &administrator, id).await.unwrap();
    drop(administrator);
    assert_same(&rig.stored().await.configuration, &before);
    let administrator = rig.administrator().await;
    let refused = causes(authorization_servers::delete(platform, &administrator, "default").await);
    assert_eq!(refused, ["id: The default authorization server cannot be deleted: deactivate it"]);
    assert_eq!(
        not_found(authorization_servers::get(platform, &administrator, id)),
        (id.to_owned(), "AuthorizationServer")
    );
    assert_eq!(rig.events("oauth2.as.deleted").await.len(), 1);
}

#[tokio::test]
async fn a_status_that_changes_is_logged_and_one_that_does_not_is_not() {
    let rig = Rig::start().await;
    let administrator = rig.administrator().await;
    for _ in 0..2 {
        authorization_servers::deactivate(&rig.platform, &administrator, "default").await.unwrap();
    }
    let server = authorization_servers::get(&rig.platform, &administrator, "default").unwrap().server;
    assert_eq!(server.status, Status::Inactive);
    for _ in 0..2 {
        authorization_servers::activate(&rig.platform, &administrator, "default").await.unwrap();
    }
    for event in ["oauth2.as.deactivated", "oauth2.as.activated"] {
        assert_eq!(rig.events(event).await.len(), 1, "{event}");
    }
}

#[tokio::test]
async fn a_scope_has_its_name_alone_on_its_server() {
    let rig = Rig::start().await;
    let (platform, administrator) = (&rig.platform, rig.administrator().await);
    let other = create_server(&rig, "Orders").await.unwrap().server.id.to_string();
    let scope = create_scope(&rig, "default", "stock.read").await.unwrap();
    let id = scope.id.as_str();
    assert_eq!(causes(create_scope(&rig, "default", "stock.read").await), [TAKEN]);
    create_scope(&rig, &other, "stock.read").await.unwrap();
    let replace = async |server: &str, name: &str| {
        let request = submitted(ScopeRequest { name: text(name), ..ScopeRequest::default() });
        scopes::replace(platform, &administrator, (server, id), &request).await
    };
    assert_eq!(causes(replace("default", "openid").await), [TAKEN]);
    assert_eq!(replace("default", "stock.read").await.unwrap().name, "stock.read", "its own name is free");
    // A scope-token of RFC 6749 section 3.3.
    for name in ["stock read", "stock\"read", "stock\\read", "st\u{f6}ck", " "] {
        assert!(causes(replace("default", name).await).concat().starts_with("name: "), "{name}");
    }
    assert!(replace("default", &"x".repeat(255)).await.is_ok());
    let too_long = causes(replace("default", &"x".repeat(256)).await);
    assert_eq!(too_long, ["name: The field cannot be longer than 255 characters"]);
    assert_eq!(not_found(replace(&other, "x").await), (id.to_owned(), "Scope"), "it is below another server");
    assert_eq!(not_found(create_scope(&rig, "elsewhere", "x").await), ("elsewhere".to_owned(), "AuthorizationServer"));
    scopes::delete(platform, &administrator, ("default", id)).await.unwrap();
    assert_eq!(not_found(scopes::get(platform, &administrator, ("default", id))).1, "Scope");
    for (event, count) in [("created", 2), ("updated", 2), ("deleted", 1)] {
        assert_eq!(rig.events(&format!("oauth2.scope.{event}")).await.len(), count, "{event}");
    }
}

#[tokio::test]
async fn a_server_has_a_thousand_scopes() {
    let rig = Rig::start().await;
    let like = create_scope(&rig, "default", "like").await.unwrap();
    let known = rig.snapshot().configuration.scopes.below(&like.authorization_server_id).count();
    let copy = |number: usize| Scope {
        id: ScopeId::from_parts(1, u64::try_from(number).unwrap().to_be_bytes()),
        name: number.to_string(),
        ..like.clone()
    };
    rig.put((known + 1..OBJECTS_MAX).map(|number| ConfigurationObject::Scope(copy(number)))).await;
    create_scope(&rig, "default", "the-last").await.unwrap();
    assert_eq!(
        causes(create_scope(&rig, "default", "one-more").await),
        ["name: This authorization server can have at most 1000 scopes"]
    );
    assert_eq!(rig.stored().await.configuration.scopes.below(&like.authorization_server_id).count(), OBJECTS_MAX);
}

/// Access tokens and ID tokens have claims of their own.
#[tokio::test]
async fn a_claim_has_its_name_alone_among_those_of_its_token() {
    let rig = Rig::start().await;
    let (platform, administrator) = (&rig.platform, rig.administrator().await);
    let create = async |name: &str, claim_type: &str, value: &str| -> Result<ClaimDefinition, ManagementError> {
        let (name, claim_type, value) = (text(name), text(claim_type), text(value));
        let request = submitted(ClaimRequest { name, claim_type, value, ..ClaimRequest::default() });
        claims::create(platform, &administrator, "default", &request).await
    };
    let claim = create("region", "RESOURCE", "\"north\"").await.unwrap();
    assert_eq!(causes(create("region", "RESOURCE", "\"south\"").await), [TAKEN]);
    create("region", "IDENTITY", "\"south\"").await.unwrap();
    for (name, claim_type, value, member) in [
        ("iss", "RESOURCE", "\"x\"", "name"),
        ("other", "BOTH", "\"x\"", "claimType"),
        ("other", "RESOURCE", "user.(", "value"),
        ("", "RESOURCE", "\"x\"", "name"),
    ] {
        let causes = causes(create(name, claim_type, value).await);
        assert!(causes.len() == 1 && causes.concat().starts_with(&format!("{member}: ")), "{causes:?}");
    }
    claims::delete(platform, &administrator, ("default", claim.id.as_str())).await.unwrap();
    create("region", "RESOURCE", "\"east\"").await.unwrap();
    for (event, count) in [("created", 3), ("updated", 0), ("deleted", 1)] {
        assert_eq!(rig.events(&format!("oauth2.claim.{event}")).await.len(), count, "{event}");
    }
}

#[tokio::test]
async fn the_claims_of_a_server_have_twenty_different_regular_expressions() {
    let rig = Rig::start().await;
    let (platform, administrator) = (&rig.platform, rig.administrator().await);
    let request = |name: &str, value: &str, kind: Option<&str>| {
        let group_filter_type = kind.map_or(Given::Absent, text);
        let value_type = if kind.is_some() { text("GROUPS") } else { text("EXPRESSION") };
        submitted(ClaimRequest {
            name: text(name),
            claim_type: text("RESOURCE"),
            value_type,
            value: text(value),
            group_filter_type,
            ..ClaimRequest::default()
        })
    };
    let create = async |name: &str, value: &str, kind: Option<&str>| {
        claims::create(platform, &administrator, "default", &request(name, value, kind)).await
    };
    let of = |number: usize| format!("isMemberOfGroupNameRegex('claim-{number}-.*')");
    for number in 0..PATTERNS_MAX / 4 {
        let four: Vec<String> = (number * 4..number * 4 + 4).map(of).collect();
        create(&format!("c{number}"), &four.join(" || "), None).await.unwrap();
    }
    let cause = "value: The claims of an authorization server have at most 20 different regular expressions";
    assert_eq!(causes(create("more", &of(PATTERNS_MAX), None).await), [cause]);
    assert_eq!(causes(create("more", "more-.*", Some("REGEX")).await), [cause]);
    create("prefix", "more-", Some("STARTS_WITH")).await.unwrap();
    let again = create("again", "claim-0-.*", Some("REGEX")).await.unwrap();
    let other = request("again", "claim-1-.*", Some("REGEX"));
    claims::replace(platform, &administrator, ("default", again.id.as_str()), &other).await.unwrap();
    let too_large = causes(create("large", r"\w{900}{900}", Some("REGEX")).await);
    assert_eq!(too_large, [cause], "how many there are is looked at before the size");
    // One that goes makes room.
    let known = claims::list(platform, &administrator, "default").unwrap();
    let last = known.iter().find(|claim| claim.name == "c4").unwrap();
    claims::delete(platform, &administrator, ("default", last.id.as_str())).await.unwrap();
    let too_large = causes(create("large", r"\w{900}{900}", Some("REGEX")).await);
    assert_eq!(too_large, ["value: The regular expression is too large: compiled it may have 256 KB"]);
    create("more", "more-.*", Some("REGEX")).await.unwrap();
}

/// Keys whose tokens may still be in use are published, ten at most, and the key that signs next.
#[tokio::test]
async fn a_server_has_ten_keys_whose_tokens_may_live() {
    const DAY: Duration = Duration::from_hours(24);
    let rig = Rig::start().await;
    let (platform, administrator) = (&rig.platform, rig.administrator().await);
    let id = create_server(&rig, "Orders").await.unwrap().server.id.to_string();
    let rotate = async || {
        let request = submitted(RotationRequest { purpose: text("sig") });
        signing_keys::rotate(platform, &administrator, &id, &request).await
    };
    for count in 2..=10 {
        assert_eq!(rotate().await.unwrap().len(), count + 1, "and the next one");
    }
    assert_eq!(causes(rotate().await).len(), 1);
    // As long as a token may live.
    rig.clock.advance(DAY);
    assert_eq!(causes(rotate().await).len(), 1);
    rig.clock.advance(Duration::from_secs(3_601));
    let keys = rotate().await.unwrap();
    assert!(keys.len() < 10, "{}", keys.len());
    let purpose = submitted(RotationRequest { purpose: text("enc") });
    assert_eq!(causes(signing_keys::rotate(platform, &administrator, &id, &purpose).await), ["use: Write `sig`"]);
}
