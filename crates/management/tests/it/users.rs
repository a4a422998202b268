//! Users.

use serde_json::json;
use tenterhook_contract::Secret;
use tenterhook_management::{
    administrator::ManagementError,
    orgs::{self, OrgUpdate},
    request::Given,
    users::{self, PasswordRequest, ProfileChange, UserRequest},
};
use tenterhook_model::{OrgLimits, User, UserStatus, UserTransition};
use tenterhook_testkit::rig::Rig;

use crate::support::{causes, not_found, submitted};

fn profile(login: &str) -> serde_json::Map<String, serde_json::Value> {
    let profile = json!({ "login": login, "email": login, "firstName": "Mae", "lastName": "Ito" });
    profile.as_object().unwrap().clone()
}

async fn create(rig: &Rig, login: &str) -> Result<User, ManagementError> {
    let request = submitted(UserRequest { profile: Given::Is(profile(login)), ..UserRequest::default() });
    users::create(&rig.platform, &rig.administrator().await, &request, true).await
}

#[tokio::test]
async fn a_login_is_one_users_whatever_its_case() {
    let rig = Rig::start().await;
    let (platform, administrator) = (&rig.platform, rig.administrator().await);
    let mae = create(&rig, "mae@example.com").await.unwrap();
    let taken = |result| causes(result).concat();
    let wanted = taken(create(&rig, "Mae@Example.com").await);
    assert!(wanted.starts_with("login: "), "{wanted}");
    let ada = || async {
        let profile = Given::Is(profile("mae@example.com"));
        let request = submitted(UserRequest { profile, ..UserRequest::default() });
        users::update(platform, &administrator, "ada@example.com", &request, ProfileChange::Merge).await
    };
    assert_eq!(taken(ada().await), wanted);
    let found = users::get(platform, &administrator, "MAE@example.com").await.unwrap();
    assert_eq!(found.id, mae.id);
    assert_eq!(not_found(users::get(platform, &administrator, "may@example.com").await).1, "User");
    assert_eq!(rig.events("user.lifecycle.create").await.len(), 1);
    assert!(rig.events("user.account.update_profile").await.is_empty());
}

#[tokio::test]
async fn an_org_has_as_many_users_as_its_own_limit_allows() {
    let rig = Rig::start().await;
    // The two of the development org, and one more.
    let limits = Some(OrgLimits { users: Some(3), ..OrgLimits::default() });
    orgs::update(&rig.platform, None, rig.org_id.as_str(), OrgUpdate { limits, name: None }).await.unwrap();
    create(&rig, "mae@example.com").await.unwrap();
    assert_eq!(causes(create(&rig, "lin@example.com").await), ["login: This org can have at most 3 users"]);
}

#[tokio::test]
async fn a_profile_is_replaced_or_merged_and_logged_when_it_is_another() {
    let rig = Rig::start().await;
    let (platform, administrator) = (&rig.platform, rig.administrator().await);
    let mae = create(&rig, "mae@example.com").await.unwrap();
    let update = async |profile, how| {
        let request = submitted(UserRequest { profile, ..UserRequest::default() });
        users::update(platform, &administrator, mae.id.as_str(), &request, how).await
    };
    let city = || Given::Is(json!({ "city": "Kyoto" }).as_object().unwrap().clone());
    for _ in 0..2 {
        let merged = update(city(), ProfileChange::Merge).await.unwrap();
        assert_eq!((merged.profile.login.as_str(), merged.version), ("mae@example.com", mae.version + 1));
    }
    causes(update(city(), ProfileChange::Replace).await);
    assert_eq!(
        causes(update(Given::Absent, ProfileChange::Replace).await),
        ["profile: The field cannot be left blank"]
    );
    let replaced = update(Given::Is(profile("mae@example.com")), ProfileChange::Replace).await.unwrap();
    assert_eq!(replaced.profile, mae.profile, "the city is gone");
    assert_eq!(rig.events("user.account.update_profile").await.len(), 2);
}

#[tokio::test]
async fn a_user_moves_as_the_vendor_allows_and_each_move_is_logged() {
    let rig = Rig::start().await;
    let (platform, administrator) = (&rig.platform, rig.administrator().await);
    let id = create(&rig, "mae@example.com").await.unwrap().id;
    let go = async |transition| {
        users::transition(platform, &administrator, id.as_str(), transition).await.map(|user| user.status)
    };
    assert!(go(UserTransition::Unsuspend).await.is_err());
    assert_eq!(go(UserTransition::Deactivate).await.unwrap(), UserStatus::Deprovisioned);
    assert!(go(UserTransition::Suspend).await.is_err(), "the user has left");
    assert_eq!(rig.events("user.lifecycle.deactivate").await.len(), 1);
    assert!(rig.events("user.lifecycle.suspend").await.is_empty(), "what was refused is not logged");
    assert!(rig.events("user.lifecycle.unsuspend").await.is_empty());
}

#[tokio::test]
async fn a_password_is_changed_with_the_old_one() {
    let rig = Rig::start().await;
    let (platform, administrator) = (&rig.platform, rig.administrator().await);
    let secret = |text: &str| Given::Is(Secret::new(text));
    let request = UserRequest {
        profile: Given::Is(profile("mae@example.com")),
        password: secret("the first password"),
        ..UserRequest::default()
    };
    let mae = users::create(platform, &administrator, &submitted(request), true).await.unwrap();
    let change = async |old: &str, new: &str| {
        let request = submitted(PasswordRequest { old: secret(old), new: secret(new) });
        users::change_password(platform, &administrator, mae.id.as_str(), &request).await
    };
    assert!(change("a wrong password", "the second password").await.is_err());
    let before = users::get(platform, &administrator, mae.id.as_str()).await.unwrap();
    assert_eq!(before.password, mae.password, "nothing was changed");
    change("the first password", "the second password").await.unwrap();
    assert!(change("the first password", "the third password").await.is_err());
    change("the second password", "the third password").await.unwrap();
}

/// The first one deactivates, the second one removes, and there is nobody for the others: as if they had come one by one.
#[tokio::test]
async fn deletions_at_the_same_moment_deactivate_and_remove_and_fail_for_no_other_reason() {
    let rig = Rig::start().await;
    let (platform, administrator) = (&rig.platform, rig.administrator().await);
    for number in 0..10 {
        let id = create(&rig, &format!("mae{number}@example.com")).await.unwrap().id;
        let delete = || users::delete(platform, &administrator, id.as_str());
        let (one, other, third) = tokio::join!(delete(), delete(), delete());
        let gone = [one, other, third].into_iter().filter(Result::is_err).map(not_found).count();
        assert_eq!(gone, 1);
    }
    for event in ["user.lifecycle.deactivate", "user.lifecycle.delete.completed"] {
        assert_eq!(rig.events(event).await.len(), 10, "{event}");
    }
}
