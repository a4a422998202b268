//! Orgs in memory: how nodes follow each other's changes, which orgs they hold, and what an org that cannot be read does to others.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde_json::json;
use tenterhook_contract::{
    HookTypes,
    id::{ClientId, OrgId},
};
use tenterhook_engine::{BreakerState, Clock as _, Limits, SystemClock};
use tenterhook_management::{
    administrator::ManagementError,
    orgs::{NewOrg, create, resume, suspend},
    provision::bootstrap,
    signing_keys::{DueKeys, rotate_due_keys},
};
use tenterhook_model::{
    ClientAuthenticationMethod, ConfigurationObject, ConfigurationVersion, ConfigurationWrite, OAuthClient, Org,
    OrgLimits, OrgStatus, SigningKey, Status,
};
use tenterhook_platform::{FollowSettings, OrgError, OrgSnapshot, Platform};
use tenterhook_store::{Keyring, Store};
use tenterhook_testkit::{postgres::execute, wait};
use tokio::task::JoinSet;

use crate::harness::{World, hook_body, platform_following, store_config};

const HOUR: Duration = Duration::from_hours(1);

fn client(number: u64) -> OAuthClient {
    OAuthClient {
        id: ClientId::from_parts(number, [9; 8]),
        name: format!("Client {number}"),
        application_type: None,
        authentication: ClientAuthenticationMethod::None,
        secret_sha256: None,
        redirect_uris: vec![format!("https://c{number}.example.com/cb")],
        grant_types: Vec::new(),
        response_types: Vec::new(),
        implicit_assignment: true,
        pkce_required: false,
        refresh_rotation: None,
        hide: tenterhook_model::AppHide::default(),
        user_name: tenterhook_model::UserNameTemplate::default(),
        told: tenterhook_model::AppTold::default(),
        enrollment_policy: None,
        status: Status::Active,
        created: SystemClock.now(),
        last_updated: SystemClock.now(),
    }
}

/// Changes an org's configuration, and answers with its version then.
async fn add_client(platform: &Platform, org: &OrgId, number: u64) -> ConfigurationVersion {
    let write = ConfigurationWrite::put(ConfigurationObject::Client(Box::new(client(number))));
    platform.change(org, |_: &OrgSnapshot| Ok::<_, ()>((vec![write.clone()], ()))).await.unwrap();
    platform.org(org).unwrap().version()
}

async fn add_org(platform: &Platform, number: u8) -> OrgId {
    let id = OrgId::from_parts(1, [number; 8]);
    let host = format!("org{number}.example.com");
    platform.add_org(&Org::new(id.clone(), Some(host.clone()), host, SystemClock.now())).await.unwrap();
    id
}

/// Waits until a node that follows has this version in memory: nothing here makes it ask the database.
async fn has(platform: &Platform, org: &OrgId, version: ConfigurationVersion) {
    wait::until("the node has the change", || platform.org(org).is_some_and(|org| org.version() == version)).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask postgres`"]
async fn a_change_is_seen_by_notice_alone_and_by_asking_alone() {
    tenterhook_testkit::postgres::server();
    let world = World::start().await;
    let listening = world.follower(FollowSettings { every: HOUR, ..FollowSettings::default() }).await;
    let every = Duration::from_millis(20);
    let asking = world.follower(FollowSettings { every, listens: false, ..FollowSettings::default() }).await;
    let mut following = JoinSet::new();
    for node in [&listening, &asking] {
        let node = Arc::clone(node);
        following.spawn(async move { node.follow().await });
    }
    let org = world.platform.org_by_host(None).unwrap().org.id.clone();
    for node in [&listening, &asking] {
        node.load_org(&org).await.unwrap().unwrap();
    }
    // The first ones may be seen by the questions with which following and listening begin; no other is asked in an hour.
    for number in 0..6 {
        let version = add_client(&world.platform, &org, number).await;
        tokio::join!(has(&listening, &org, version), has(&asking, &org, version));
        for node in [&listening, &asking] {
            let seen = node.org(&org).unwrap();
            let own = world.platform.org(&org).unwrap();
            assert!(seen.configuration == own.configuration, "the same objects in the same order");
            assert!(seen.is_registered_origin(&format!("https://c{number}.example.com")));
        }
    }
    // An org of its own host, and one that is made after the nodes were started.
    let other = add_org(&world.platform, 7).await;
    for node in [&listening, &asking] {
        wait::until("the node knows the org", || node.org_id_by_host(Some("org7.example.com")).is_some()).await;
        node.load_org(&other).await.unwrap().unwrap();
    }
    let version = add_client(&world.platform, &other, 1).await;
    tokio::join!(has(&listening, &other, version), has(&asking, &other, version));
}

#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask postgres`"]
async fn a_change_is_read_once() {
    tenterhook_testkit::postgres::server();
    let world = World::start().await;
    let other = world.follower(FollowSettings::default()).await;
    let org = world.platform.org_by_host(None).unwrap().org.id.clone();
    other.load_org(&org).await.unwrap().unwrap();
    for number in 0..3 {
        let version = add_client(&world.platform, &org, number).await;
        other.follow_now().await.unwrap();
        let read = other.org(&org).unwrap();
        assert_eq!(read.version(), version);
        other.follow_now().await.unwrap();
        assert!(Arc::ptr_eq(&read, &other.org(&org).unwrap()), "nothing was read again");
    }
}

#[tokio::test]
async fn orgs_that_nobody_uses_are_let_go_and_those_in_use_stay_as_they_are() {
    const MANY: u8 = 12;
    let folder = tempfile::tempdir().unwrap();
    let keyring = Keyring::from_text(&Keyring::generate_text()).unwrap();
    let store = Store::open(&store_config(folder.path()).await, keyring).await.unwrap();
    let follow = FollowSettings { orgs_loaded_max: 2, ..FollowSettings::default() };
    let platform =
        platform_following(store, "http://127.0.0.1".into(), Limits::default(), HookTypes::built_in(), follow).await;
    let mut orgs = Vec::new();
    for number in 1..=MANY {
        orgs.push(add_org(&platform, number).await);
    }
    let held = platform.load_org(&orgs[0]).await.unwrap().unwrap();
    // Changes of one org queue while all others are asked for.
    let mut changes = JoinSet::new();
    for number in 0..20 {
        let (platform, org) = (Arc::clone(&platform), orgs[1].clone());
        changes.spawn(async move { add_client(&platform, &org, number).await });
    }
    for _ in 0..3 {
        for (number, org) in orgs.iter().enumerate() {
            let by_host =
                platform.org_for(Some(&format!("ORG{}.example.com:8443", number + 1))).await.unwrap().unwrap();
            assert_eq!(by_host.org.id, *org);
            assert!(Arc::ptr_eq(&platform.org(&orgs[0]).unwrap(), &held), "it is in use");
        }
    }
    assert_eq!(changes.join_all().await.len(), 20);
    let second = platform.load_org(&orgs[1]).await.unwrap().unwrap();
    assert_eq!(second.configuration.clients.len(), 20, "no change was lost");
    drop((held, second));
    platform.load_org(&orgs[5]).await.unwrap();
    let (known, loaded, unreadable) = platform.org_counts();
    assert!(known == usize::from(MANY) && loaded <= 2 && unreadable == 0, "{loaded} of {known}");
}

/// A 404 would tell a client that what it asked for was deleted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_of_the_management_api_keeps_its_org_in_memory() {
    const REQUESTS: usize = 100;
    let world = World::start().await;
    let is_over = Arc::new(AtomicBool::new(false));
    let letting_go = tokio::task::spawn_blocking({
        let (platform, is_over) = (Arc::clone(&world.platform), Arc::clone(&is_over));
        move || {
            while !is_over.load(Ordering::Relaxed) {
                platform.let_go_of_idle_orgs(0);
            }
        }
    });
    let mut answers = Vec::new();
    for _ in 0..REQUESTS {
        answers.push(world.api("GET", "/api/v1/authorizationServers", None).await.status.as_u16());
    }
    is_over.store(true, Ordering::Relaxed);
    letting_go.await.unwrap();
    assert_eq!(answers, [200; REQUESTS]);
}

#[tokio::test]
async fn nothing_is_read_of_an_org_to_tell_of_the_server_or_that_it_is_suspended() {
    let world = World::start().await;
    let north = add_org(&world.platform, 1).await;
    let loaded = || world.platform.org_counts().1;
    world.platform.let_go_of_idle_orgs(0);
    for path in ["/healthz", "/readyz"] {
        assert_eq!(world.send("GET", path, &[], b"").await.status, 200, "{path}");
    }
    assert_eq!(loaded(), 0);
    suspend(&world.platform, None, north.as_str()).await.unwrap();
    world.platform.let_go_of_idle_orgs(0);
    let refused = world.send_to_host("org1.example.com", "GET", "/oauth2/default/v1/keys", &[], b"").await;
    assert_eq!((refused.status.as_u16(), loaded()), (403, 0), "{}", refused.text());
}

#[tokio::test]
async fn nothing_is_read_of_a_suspended_org_to_look_for_keys_that_are_due() {
    let world = World::start().await;
    let new = NewOrg { host: "north.example.com".parse().unwrap(), name: None, limits: OrgLimits::default() };
    let (north, _) = create(&world.platform, None, new).await.unwrap();
    let created = world.platform.now().plus_seconds(-365 * 86_400);
    let aged = world.platform.change(&north.id, |org| {
        let keys = org.configuration.signing_keys.iter();
        let keys = keys.map(|key| ConfigurationObject::SigningKey(SigningKey { created, ..key.clone() }));
        Ok::<_, ()>((keys.map(ConfigurationWrite::put).collect(), ()))
    });
    aged.await.unwrap();
    suspend(&world.platform, None, north.id.as_str()).await.unwrap();
    world.platform.let_go_of_idle_orgs(0);
    let mut due = DueKeys::default();
    for _ in 0..2 {
        assert_eq!(rotate_due_keys(&world.platform, &mut due).await, 0);
        assert_eq!(world.platform.org_counts().1, 0, "no org is in memory");
    }
    resume(&world.platform, None, north.id.as_str()).await.unwrap();
    rotate_due_keys(&world.platform, &mut due).await;
    assert_eq!(rotate_due_keys(&world.platform, &mut due).await, 1);
}

/// A service that does not answer would be asked again by every request if that were forgotten first.
#[tokio::test]
async fn an_org_with_an_open_breaker_is_let_go_last() {
    let world = World::start().await;
    let (id, _service) = world.hook_with_open_breaker().await;
    let state = || {
        let org = world.platform.org_by_host(None).unwrap();
        org.hook(&id.parse().unwrap()).unwrap().breaker().state
    };
    assert_eq!(state(), BreakerState::Open);
    for number in 1..=3 {
        let org = add_org(&world.platform, number).await;
        world.platform.load_org(&org).await.unwrap().unwrap();
    }
    world.platform.let_go_of_idle_orgs(1);
    assert_eq!(world.platform.org_counts().1, 1);
    assert_eq!(state(), BreakerState::Open, "it is the one that stays");
}

#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask postgres`"]
async fn an_org_that_cannot_be_read_is_out_of_service_and_no_other() {
    tenterhook_testkit::postgres::server();
    let world = World::start().await;
    let default = world.platform.org_by_host(None).unwrap().org.id.clone();
    let north = add_org(&world.platform, 1).await;
    add_client(&world.platform, &north, 1).await;
    let database = world.database_url();
    let write = async |sql: &str| execute(&database, sql).await.unwrap();
    for (damaged, repaired) in [
        ("document = '{'", "document = kept"),
        ("kind = 'weather'", "kind = 'client'"),
        // A hook in a form that a newer version writes.
        (r#"kind = 'hook', document = '{"v":99}'"#, "kind = 'client', document = kept"),
        (r#"secrets = '{"x":"v1.AAAAAAAA.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}'"#, "secrets = '{}'"),
    ] {
        write("ALTER TABLE configuration_objects ADD COLUMN IF NOT EXISTS kept text").await;
        write(&format!("UPDATE configuration_objects SET kept = document WHERE org_id = '{north}'")).await;
        write(&format!("UPDATE configuration_objects SET {damaged} WHERE org_id = '{north}'")).await;
        // A node that starts now.
        let other = world.beside().await;
        let refused = other.send_to_host("org1.example.com", "GET", "/oauth2/default/v1/keys", &[], b"").await;
        assert_eq!((refused.status.as_u16(), &refused.json()["errorCode"]), (503, &json!("E0000010")), "{damaged}");
        assert!(refused.text().contains("The org is out of service"), "{}", refused.text());
        assert!(!refused.header("retry-after").is_empty());
        let path = "/api/v1/extensionPoints/com.okta.saml.tokens.transform/invocations";
        let invoked = other.send_to_host("org1.example.com", "POST", path, &[], b"{}").await;
        assert_eq!((invoked.status.as_u16(), &invoked.json()["errorCode"]), (503, &json!("E0000010")), "{damaged}");
        assert_eq!(other.send_to_host("org1.example.com", "GET", "/readyz", &[], b"").await.status, 200);
        assert_eq!(other.send("GET", "/oauth2/default/v1/keys", &[], b"").await.status, 200, "another org");
        assert!(other.platform.metrics_text().contains(r#"tenterhook_orgs{state="UNREADABLE"} 1"#));
        suspend(&other.platform, None, north.as_str()).await.unwrap();
        let resumed = resume(&other.platform, None, north.as_str()).await;
        assert!(matches!(resumed, Err(ManagementError::OrgOutOfService)), "{resumed:?}");
        // Another org is followed.
        let version = add_client(&world.platform, &default, 5).await;
        other.platform.follow_now().await.unwrap();
        has(&other.platform, &default, version).await;
        write(&format!("UPDATE configuration_objects SET {repaired} WHERE org_id = '{north}'")).await;
        wait::found("the org is in service", async || other.platform.load_org(&north).await.ok()).await;
        let active = Org { status: OrgStatus::Active, ..other.platform.org(&north).unwrap().org.clone() };
        let suspended = Org { status: OrgStatus::Suspended, ..active.clone() };
        other.platform.update_org(&suspended, &active).await.unwrap();
        let served = other.send_to_host("org1.example.com", "GET", "/oauth2/default/v1/keys", &[], b"").await;
        assert_eq!(served.status, 404, "it has no authorization server, and is asked for one");
    }
    // Its own row: it is out of service too, not suspended.
    write(&format!("UPDATE orgs SET status = 'WEIRD' WHERE id = '{north}'")).await;
    let other = world.beside().await;
    let ask = async || other.send_to_host("org1.example.com", "GET", "/oauth2/default/v1/keys", &[], b"").await.status;
    // Nothing else of it is read.
    write("ALTER TABLE configuration_objects RENAME TO elsewhere").await;
    assert_eq!(ask().await, 503);
    assert!(matches!(other.platform.load_org(&north).await, Err(OrgError::Unreadable)));
    write("ALTER TABLE elsewhere RENAME TO configuration_objects").await;
    assert_eq!(other.send("GET", "/oauth2/default/v1/keys", &[], b"").await.status, 200, "another org");
    // The answer is true when the row stays as it is.
    write(
        "CREATE FUNCTION damage() RETURNS trigger AS $$ BEGIN NEW.status = 'WEIRD'; RETURN NEW; END $$ LANGUAGE plpgsql; \
         CREATE TRIGGER damage BEFORE UPDATE ON orgs FOR EACH ROW EXECUTE FUNCTION damage()",
    )
    .await;
    let resumed = resume(&other.platform, None, north.as_str()).await;
    assert!(matches!(resumed, Err(ManagementError::OrgOutOfService)), "{resumed:?}");
    write("DROP TRIGGER damage ON orgs").await;
    resume(&other.platform, None, north.as_str()).await.unwrap();
    wait::found("the org is in service", async || other.platform.load_org(&north).await.ok()).await;
    assert_eq!(ask().await, 404);
}

#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask postgres`"]
async fn a_node_starts_and_says_so_when_its_default_org_cannot_be_read() {
    tenterhook_testkit::postgres::server();
    let world = World::start().await;
    let damage = "UPDATE configuration_objects SET document = '{' WHERE kind = 'client'; \
                  UPDATE orgs SET configuration_version = configuration_version + 1, configuration_mark = 7";
    execute(&world.database_url(), damage).await.unwrap();
    let node = world.follower(FollowSettings::default()).await;
    assert!(matches!(node.org_for(None).await, Err(OrgError::Unreadable)));
    assert!(bootstrap(&node).await.unwrap().is_none(), "no second default org is made");
    assert_eq!(node.store().list_orgs(None, 10).await.unwrap().len(), 1);
    // A node that had it in memory takes it out of service too.
    let refused = world.api("POST", "/api/v1/inlineHooks", Some(&hook_body("Lost", world.address))).await;
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert_eq!(world.send("GET", "/oauth2/default/v1/keys", &[], b"").await.status, 503);
    assert_eq!(world.send("GET", "/readyz", &[], b"").await.status, 200);
}

/// Of a default org whose row cannot be read, or is gone while its configuration is there, no second one is made.
#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask postgres`"]
async fn a_default_org_whose_row_cannot_be_read_is_out_of_service_and_not_made_anew() {
    for damage in ["UPDATE orgs SET id = 'damaged'", "DELETE FROM orgs"] {
        let world = World::start().await;
        execute(&world.database_url(), damage).await.unwrap();
        let node = world.follower(FollowSettings::default()).await;
        assert!(bootstrap(&node).await.unwrap().is_none(), "{damage}: no second default org is made");
        assert!(matches!(node.org_for(None).await, Err(OrgError::Unreadable)), "{damage}");
        assert!(node.is_default_org_lost(), "{damage}");
        assert_eq!(node.store().list_orgs(None, 10).await.unwrap().len(), 0, "{damage}");
    }
}
