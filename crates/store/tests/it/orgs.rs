//! Orgs: found by their hosts, changed without losing what somebody else changes.

use sea_orm::ConnectionTrait as _;
use tenterhook_contract::id::OrgId;
use tenterhook_model::{Org, OrgLimits, OrgStatus};
use tenterhook_store::Store;

use crate::databases::{self, at, on_every_database, other_org};

on_every_database! {
    whoever_suspends_an_org_and_whoever_limits_it_at_once_both_do
    orgs_are_found_by_host_whatever_its_case_and_listed_by_id
}

fn north() -> Org {
    Org::new(other_org(), Some("North.example".into()), "North", at(1))
}

async fn whoever_suspends_an_org_and_whoever_limits_it_at_once_both_do(store: Store) {
    let known = north();
    store.insert_org(&known).await.unwrap();
    let before = store.configuration_version(&known.id).await.unwrap();
    let limits = OrgLimits { hooks: Some(3), ..OrgLimits::default() };
    assert!(store.update_org(&known, &Org { status: OrgStatus::Suspended, ..known.clone() }).await.unwrap());
    assert!(store.update_org(&known, &Org { limits, ..known.clone() }).await.unwrap());
    let stored = store.find_org(&known.id).await.unwrap().unwrap();
    assert_eq!(stored, Org { status: OrgStatus::Suspended, limits, ..known.clone() });
    let after = store.configuration_version(&known.id).await.unwrap();
    assert!(after.number == before.number + 2 && after.mark != before.mark, "{before:?} {after:?}");
    let gone = Org { id: OrgId::from_parts(9, [9; 8]), ..known };
    assert!(!store.update_org(&gone, &gone).await.unwrap());
}

async fn orgs_are_found_by_host_whatever_its_case_and_listed_by_id(store: Store) {
    let known = north();
    store.insert_org(&known).await.unwrap();
    for host in ["north.example", "NORTH.EXAMPLE"] {
        assert_eq!(store.find_org_by_host(host).await.unwrap().as_ref(), Some(&known), "{host}");
    }
    assert_eq!(store.find_org_by_host("orth.example").await.unwrap(), None);
    let all = store.list_orgs(None, 10).await.unwrap();
    assert_eq!(all.len(), 2);
    assert_eq!(store.list_orgs(None, 1).await.unwrap(), all.get(..1).unwrap());
    assert_eq!(store.list_orgs(Some(&all.first().unwrap().id), 10).await.unwrap(), all.get(1..).unwrap());
}

/// A damaged row neither hides other orgs from their operator nor stays damaged for ever.
#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask postgres`"]
async fn an_org_whose_row_is_damaged_is_listed_and_a_change_repairs_it() {
    let config = databases::postgres().await;
    let store = databases::open(&config).await;
    let known = north();
    store.insert_org(&known).await.unwrap();
    let connection = databases::connect(&config).await;
    for damage in ["status = 'WEIRD'", "limits = '{'", "limits = '{\"users\":\"x\"}'"] {
        let damage = format!("UPDATE orgs SET {damage} WHERE id = '{}'", known.id);
        connection.execute_unprepared(&damage).await.unwrap();
        let read = store.find_org(&known.id).await.unwrap().unwrap();
        assert_eq!(read, Org { status: OrgStatus::Unreadable, ..known.clone() }, "{damage}");
        let listed = store.list_orgs(None, 10).await.unwrap();
        assert_eq!(store.find_org_by_host("north.example").await.unwrap().as_ref(), Some(&read), "{damage}");
        assert!(listed.len() == 2 && listed.contains(&read), "{damage}");
        let limits = OrgLimits { hooks: Some(3), ..OrgLimits::default() };
        let repaired = Org { status: OrgStatus::Active, limits, ..read.clone() };
        assert!(store.update_org(&read, &repaired).await.unwrap());
        assert_eq!(store.find_org(&known.id).await.unwrap(), Some(repaired.clone()), "{damage}");
        assert!(store.update_org(&repaired, &known).await.unwrap());
    }
    let default = store.default_org().await.unwrap().unwrap();
    let damage = format!("UPDATE orgs SET status = 'WEIRD' WHERE id = '{}'", default.id);
    connection.execute_unprepared(&damage).await.unwrap();
    let read = store.default_org().await.unwrap().unwrap();
    assert_eq!(read, Org { status: OrgStatus::Unreadable, ..default });
}
