//! Orgs: made, changed, suspended.

use tenterhook_management::{
    administrator::ManagementError,
    orgs::{self, NewOrg, OrgUpdate},
};
use tenterhook_model::{Org, OrgLimits, OrgStatus};
use tenterhook_platform::entropy::sha256_hex;
use tenterhook_testkit::rig::Rig;

use crate::support::{causes, not_found};

async fn create(rig: &Rig, host: &str) -> Result<Org, ManagementError> {
    let new = NewOrg { host: host.parse().unwrap(), name: None, limits: OrgLimits::default() };
    orgs::create(&rig.platform, None, new).await.map(|(org, _)| org)
}

#[tokio::test]
async fn a_new_org_has_what_it_needs_and_a_host_of_its_own() {
    let rig = Rig::start().await;
    let new = NewOrg { host: "north.example.com".parse().unwrap(), name: None, limits: OrgLimits::default() };
    let (org, token) = orgs::create(&rig.platform, Some(&rig.administrator().await), new).await.unwrap();
    assert_eq!((org.name.as_str(), org.status), ("north.example.com", OrgStatus::Active));
    let snapshot = rig.platform.org_for(Some("north.example.com")).await.unwrap().unwrap();
    assert_eq!(snapshot.org, org);
    assert!(snapshot.authorization_server("default").is_some());
    let known = rig.platform.store().find_api_token(&org.id, &sha256_hex(token.expose())).await.unwrap();
    assert!(known.is_some(), "its first token");
    // The host of the server itself is the default org's.
    for host in ["north.example.com", "North.Example.com:443", "id.example.com"] {
        assert_eq!(causes(create(&rig, host).await), ["host: An org with this host already exists"], "{host}");
    }
    let [event] = &rig.events("system.org.lifecycle.create").await[..] else { panic!("one event") };
    assert_eq!(event.targets.first().unwrap().id, org.id.as_str());
    assert_eq!(event.request_api_token_id.as_deref(), Some(rig.administrator().await.token.id.as_str()));
}

#[tokio::test]
async fn a_change_of_an_org_is_logged_and_what_changes_nothing_is_not() {
    let rig = Rig::start().await;
    let org = create(&rig, "north.example.com").await.unwrap();
    let id = org.id.as_str();
    let limits = OrgLimits { hooks: Some(3), ..OrgLimits::default() };
    for _ in 0..2 {
        let update = OrgUpdate { name: Some("North".to_owned()), limits: Some(limits) };
        let updated = orgs::update(&rig.platform, None, id, update).await.unwrap();
        assert_eq!((updated.name.as_str(), updated.limits), ("North", limits));
        let kept = orgs::update(&rig.platform, None, id, OrgUpdate::default()).await.unwrap();
        assert_eq!(kept, updated, "what is absent stays");
    }
    for _ in 0..2 {
        assert_eq!(orgs::suspend(&rig.platform, None, id).await.unwrap().status, OrgStatus::Suspended);
    }
    assert_eq!(rig.platform.load_org(&org.id).await.unwrap().unwrap().org.status, OrgStatus::Suspended);
    for _ in 0..2 {
        assert_eq!(orgs::resume(&rig.platform, None, id).await.unwrap().status, OrgStatus::Active);
    }
    for event in ["update", "suspend", "resume"] {
        assert_eq!(rig.events(&format!("system.org.lifecycle.{event}")).await.len(), 1, "{event}");
    }
    assert_eq!(orgs::get(&rig.platform, id).await.unwrap().limits, limits, "as it is stored");
}

#[tokio::test]
async fn the_default_org_cannot_be_suspended_and_an_unknown_one_not_be_changed() {
    let rig = Rig::start().await;
    let refused = causes(orgs::suspend(&rig.platform, None, rig.org_id.as_str()).await);
    assert_eq!(refused, ["status: The default org cannot be suspended"]);
    for unknown in ["00o00000000000000000", "north"] {
        let update = OrgUpdate { name: Some("North".to_owned()), limits: None };
        let changed = orgs::update(&rig.platform, None, unknown, update).await;
        assert_eq!(not_found(changed), (unknown.to_owned(), "Org"));
        assert_eq!(not_found(orgs::suspend(&rig.platform, None, unknown).await).1, "Org");
    }
    assert_eq!(orgs::list(&rig.platform, None, 10).await.unwrap().len(), 1);
}
