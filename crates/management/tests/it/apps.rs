//! Apps and who may sign on to them.

use serde_json::{Map, Value, json};
use tenterhook_management::{
    administrator::ManagementError,
    apps::{
        self, App, AppCondition, assignments, keys,
        request::{
            AppGroupRequest, AppRequest, AppSettingsRequest, AppUserRequest, AttributeStatementRequest,
            OAuthSettingsRequest, SignOnRequest,
        },
    },
    groups::{self, GroupRequest},
    patterns::PATTERNS_MAX,
    request::Given,
    users,
};
use tenterhook_model::{
    AttributeSource, ConfigurationWrite, Group, GroupPattern, RefreshRotation, RotationKind, Status, User, everyone_id,
};
use tenterhook_testkit::rig::Rig;

use crate::support::{causes, not_found, submitted, text, texts};

fn saml(label: &str) -> AppRequest {
    let sign_on = SignOnRequest {
        sso_acs_url: text("https://sp.example.com/acs"),
        audience: text("urn:example:sp"),
        ..SignOnRequest::default()
    };
    AppRequest {
        sign_on_mode: text("SAML_2_0"),
        label: text(label),
        settings: AppSettingsRequest { sign_on: Some(Box::new(sign_on)), ..AppSettingsRequest::default() },
        ..AppRequest::default()
    }
}

fn open_id_connect(settings: OAuthSettingsRequest) -> AppRequest {
    let oauth_client = Some(Box::new(OAuthSettingsRequest {
        redirect_uris: texts(&["https://shop.example.com/cb"]),
        grant_types: texts(&["authorization_code", "refresh_token"]),
        ..settings
    }));
    AppRequest {
        sign_on_mode: text("OPENID_CONNECT"),
        label: text("Shop"),
        settings: AppSettingsRequest { oauth_client, ..AppSettingsRequest::default() },
        ..AppRequest::default()
    }
}

async fn create(rig: &Rig, request: AppRequest) -> Result<App, ManagementError> {
    let created = apps::create(&rig.platform, &rig.administrator().await, Status::Active, &submitted(request)).await;
    created.map(|(app, _)| app)
}

async fn user(rig: &Rig, number: usize) -> User {
    let login = rig.org.user_logins.get(number).unwrap();
    users::get(&rig.platform, &rig.administrator().await, login).await.unwrap()
}

async fn group(rig: &Rig, name: &str) -> Group {
    let request = submitted(GroupRequest { name: text(name), ..GroupRequest::default() });
    groups::create(&rig.platform, &rig.administrator().await, &request).await.unwrap()
}

fn profile(name: &str, value: impl Into<Value>) -> Given<Map<String, Value>> {
    Given::Is(Map::from_iter([(name.to_owned(), value.into())]))
}

#[tokio::test]
async fn an_app_is_made_with_a_key_listed_changed_and_deleted_when_it_is_not_in_use() {
    let rig = Rig::start().await;
    let app = create(&rig, saml("Payroll")).await.unwrap();
    let id = app.id();
    let App::Saml(made) = &app else { panic!("{app:?}") };
    assert_eq!(rig.stored().await.configuration.saml_apps.get(&id), Some(&**made));
    let (platform, administrator) = (&rig.platform, rig.administrator().await);
    let known = keys::list(platform, &administrator, id.as_str()).unwrap();
    assert_eq!(known.iter().map(|key| &key.kid).collect::<Vec<_>>(), [&made.signing_kid]);
    let key = keys::generate(platform, &administrator, id.as_str(), 2).await.unwrap();
    let renamed = AppRequest { signing_kid: text(&key.kid), ..saml("Wages") };
    let (renamed, secret) = apps::replace(platform, &administrator, id.as_str(), &submitted(renamed)).await.unwrap();
    assert_eq!((renamed.label(), renamed.name(), secret.is_none()), ("Wages", app.name(), true));
    let with_key = [AppCondition::Key(key.kid.clone()), AppCondition::Status(Status::Active)];
    assert_eq!(apps::list(platform, &administrator, &with_key).await.unwrap(), [renamed]);
    let deleted = apps::delete(platform, &administrator, id.as_str()).await;
    assert!(matches!(deleted, Err(ManagementError::AppIsActive)), "{deleted:?}");
    apps::set_status(platform, &administrator, id.as_str(), Status::Inactive).await.unwrap();
    apps::delete(platform, &administrator, id.as_str()).await.unwrap();
    assert_eq!(not_found(apps::get(platform, &administrator, id.as_str())).1, "AppInstance");
    drop(administrator);
    let stored = rig.stored().await;
    assert!(stored.configuration.app_keys.below(&id).next().is_none(), "its keys go with it");
    for event in ["create", "update", "deactivate", "delete"] {
        assert_eq!(rig.events(&format!("application.lifecycle.{event}")).await.len(), 1, "{event}");
    }
}

#[tokio::test]
async fn what_a_request_says_of_refresh_tokens_is_kept() {
    let rig = Rig::start().await;
    for (kind, leeway, kept) in [
        (Given::Absent, Given::Absent, None),
        (text("STATIC"), Given::Is(0), Some((RotationKind::Static, Some(0)))),
        (text("STATIC"), Given::Absent, Some((RotationKind::Static, None))),
        (text("ROTATE"), Given::Is(60), Some((RotationKind::Rotate, Some(60)))),
        (Given::Absent, Given::Is(5), Some((RotationKind::Rotate, Some(5)))),
    ] {
        let settings =
            OAuthSettingsRequest { refresh_rotation: kind, refresh_leeway: leeway, ..OAuthSettingsRequest::default() };
        let app = create(&rig, open_id_connect(settings)).await.unwrap();
        let App::OpenIdConnect(client) = app else { panic!("{app:?}") };
        let kept = kept.map(|(kind, leeway_seconds)| RefreshRotation { kind, leeway_seconds });
        assert_eq!(client.refresh_rotation, kept);
        let stored = rig.stored().await;
        assert_eq!(stored.configuration.clients.get(&client.id), Some(&*client));
    }
    for (kind, leeway, cause) in [
        (text("rotate"), Given::Absent, "rotation_type: The field has an invalid value. Write one of ROTATE, STATIC"),
        (Given::Absent, Given::Is(61), "leeway: Write 0 to 60 seconds"),
    ] {
        let settings =
            OAuthSettingsRequest { refresh_rotation: kind, refresh_leeway: leeway, ..OAuthSettingsRequest::default() };
        let refused = causes(create(&rig, open_id_connect(settings)).await);
        assert_eq!(refused, [format!("settings.oauthClient.refresh_token.{cause}")]);
    }
}

#[tokio::test]
async fn an_app_has_the_users_it_is_assigned_to_and_the_members_of_its_groups() {
    let rig = Rig::start().await;
    let (platform, administrator) = (&rig.platform, rig.administrator().await);
    let app = create(&rig, saml("Payroll")).await.unwrap().id();
    let mut users = [user(&rig, 0).await, user(&rig, 1).await];
    users.sort_by(|one, other| one.id.cmp(&other.id));
    let [ada, grace] = users;
    let staff = group(&rig, "Staff").await;
    for member in [&ada, &grace] {
        groups::add_member(platform, &administrator, (staff.id.as_str(), member.id.as_str())).await.unwrap();
    }
    let list = async || {
        let users = assignments::list_users(platform, &administrator, app.as_str(), (None, 10)).await.unwrap();
        users.into_iter().map(|user| (user.user.id, user.group, Value::from(user.profile))).collect::<Vec<_>>()
    };
    assert_eq!(list().await, []);
    let of_staff = submitted(AppGroupRequest { profile: profile("team", "staff"), ..AppGroupRequest::default() });
    let path = (app.as_str(), staff.id.as_str());
    assignments::put_group(platform, &administrator, path, &of_staff).await.unwrap();
    let of_everyone = submitted(AppGroupRequest { priority: Given::Is(3), profile: profile("team", "all") });
    let everyone = everyone_id(&rig.org_id);
    assignments::put_group(platform, &administrator, (app.as_str(), everyone.as_str()), &of_everyone).await.unwrap();
    let by_staff = |user: &User| (user.id.clone(), Some(staff.id.clone()), json!({ "team": "staff" }));
    assert_eq!(list().await, [by_staff(&ada), by_staff(&grace)]);
    // An update makes it the user's own.
    let own = submitted(AppUserRequest { profile: profile("team", "own"), ..AppUserRequest::default() });
    let path = (app.as_str(), Some(ada.id.as_str()));
    assignments::put_user(platform, &administrator, path, &own).await.unwrap();
    assert_eq!(list().await, [(ada.id.clone(), None, json!({ "team": "own" })), by_staff(&grace)]);
    assignments::delete_group(platform, &administrator, (app.as_str(), everyone.as_str())).await.unwrap();
    assignments::delete_group(platform, &administrator, (app.as_str(), staff.id.as_str())).await.unwrap();
    assert_eq!(list().await.len(), 1);
    assignments::delete_user(platform, &administrator, (app.as_str(), ada.id.as_str())).await.unwrap();
    assert_eq!(list().await, []);
    let gone = assignments::put_user(platform, &administrator, path, &own).await;
    assert_eq!(not_found(gone), (ada.id.to_string(), "AppUser"));
}

/// Each names one member of the assignment; neither undoes what the other wrote.
#[tokio::test]
async fn two_who_change_one_assignment_at_the_same_moment_both_have_their_way() {
    let rig = Rig::start().await;
    let (platform, administrator) = (&rig.platform, rig.administrator().await);
    let app = create(&rig, saml("Payroll")).await.unwrap().id();
    let (ada, staff) = (user(&rig, 0).await, group(&rig, "Staff").await);
    let of_user = (app.as_str(), Some(ada.id.as_str()));
    let of_group = (app.as_str(), staff.id.as_str());
    let new = submitted(AppUserRequest { id: text(ada.id.as_str()), ..AppUserRequest::default() });
    assignments::put_user(platform, &administrator, (app.as_str(), None), &new).await.unwrap();
    let new = submitted(AppGroupRequest::default());
    assignments::put_group(platform, &administrator, of_group, &new).await.unwrap();
    for round in 1..=20_u32 {
        let name = format!("ada{round}");
        let named = submitted(AppUserRequest { user_name: text(&name), ..AppUserRequest::default() });
        let profiled = submitted(AppUserRequest { profile: profile("round", round), ..AppUserRequest::default() });
        let (one, other) = tokio::join!(
            assignments::put_user(platform, &administrator, of_user, &named),
            assignments::put_user(platform, &administrator, of_user, &profiled),
        );
        one.unwrap();
        other.unwrap();
        let stored = platform.store().find_app_user(&rig.org_id, &app, &ada.id).await.unwrap().unwrap();
        assert_eq!((stored.user_name, Value::from(stored.profile)), (Some(name), json!({ "round": round })));
        let first = submitted(AppGroupRequest { priority: Given::Is(round), ..AppGroupRequest::default() });
        let profiled = submitted(AppGroupRequest { profile: profile("round", round), ..AppGroupRequest::default() });
        let (one, other) = tokio::join!(
            assignments::update_group(platform, &administrator, of_group, &first),
            assignments::update_group(platform, &administrator, of_group, &profiled),
        );
        one.unwrap();
        other.unwrap();
        let stored = platform.store().find_app_group(&rig.org_id, &app, &staff.id).await.unwrap().unwrap();
        assert_eq!((stored.priority, Value::from(stored.profile)), (round, json!({ "round": round })));
    }
}

#[tokio::test]
async fn names_that_people_read_have_no_control_characters() {
    let rig = Rig::start().await;
    let (platform, administrator) = (&rig.platform, rig.administrator().await);
    let why = |member: &str| [format!("{member}: The field cannot have control characters")];
    assert_eq!(causes(create(&rig, saml("Pay\u{7}roll")).await), why("label"));
    let app = create(&rig, saml("Payroll")).await.unwrap().id();
    let ada = user(&rig, 0).await;
    let request = |name: &str| {
        submitted(AppUserRequest { id: text(ada.id.as_str()), user_name: text(name), ..AppUserRequest::default() })
    };
    let put =
        async |name: &str| assignments::put_user(platform, &administrator, (app.as_str(), None), &request(name)).await;
    assert_eq!(causes(put("a\nda").await), why("credentials.userName"));
    assert_eq!(causes(put("  ").await), ["credentials.userName: The field cannot be left blank"]);
    for name in ["two\nlines", "bell\u{7}"] {
        let request = submitted(GroupRequest { name: text(name), ..GroupRequest::default() });
        let refused = causes(groups::create(platform, &administrator, &request).await);
        assert!(refused.concat().starts_with("profile.name: "), "{refused:?}");
    }
    assert!(platform.store().find_app_user(&rig.org_id, &app, &ada.id).await.unwrap().is_none());
}

/// Another node has deleted the app, and this one has not heard of it.
#[tokio::test]
async fn an_app_that_is_gone_is_not_assigned() {
    let rig = Rig::start().await;
    let (platform, administrator) = (&rig.platform, rig.administrator().await);
    let app = create(&rig, saml("Payroll")).await.unwrap().id();
    let store = platform.store();
    let version = store.configuration_version(&rig.org_id).await.unwrap();
    store.commit_configuration(&rig.org_id, version, vec![ConfigurationWrite::Delete(app.to_string())]).await.unwrap();
    let ada = user(&rig, 0).await.id.to_string();
    let request = submitted(AppUserRequest { id: text(&ada), ..AppUserRequest::default() });
    let put = assignments::put_user(platform, &administrator, (app.as_str(), None), &request).await;
    assert_eq!(not_found(put), (ada, "User"));
}

/// A SAML app with a statement of these expressions for each of these lists.
fn with_statements(label: &str, statements: &[Vec<String>]) -> AppRequest {
    let statements = statements.iter().enumerate().map(|(number, values)| AttributeStatementRequest {
        name: text(&format!("a{number}")),
        kind: text("EXPRESSION"),
        values: Given::Is(values.clone()),
        ..AttributeStatementRequest::default()
    });
    let mut request = saml(label);
    if let Some(sign_on) = &mut request.settings.sign_on {
        sign_on.attribute_statements = Given::Is(statements.collect());
    }
    request
}

/// Every statement of an app may ask for the same expression: what is bounded is how many different ones there are.
#[tokio::test]
async fn an_app_has_twenty_different_regular_expressions_each_compiled_once_and_none_of_one_that_is_refused() {
    let rig = Rig::start().await;
    let of = |number: usize| format!("isMemberOfGroupNameRegex('app-{number}-.*')");
    let most: Vec<String> = (0..PATTERNS_MAX).map(of).collect();
    let held = GroupPattern::new("app-0-.*").unwrap();

    let mut one_more = vec![most.clone(); 3];
    one_more.push(vec![of(0), of(PATTERNS_MAX)]);
    let refused = causes(create(&rig, with_statements("Too many", &one_more)).await);
    let cause = "settings.signOn.attributeStatements[3].values[1]: An app has at most 20 different regular expressions";
    assert_eq!(refused, [cause]);
    assert!(!held.is_compiled(), "nothing of it");

    let app = create(&rig, with_statements("Most", &vec![most.clone(); 100])).await.unwrap();
    let App::Saml(made) = &app else { panic!("{app:?}") };
    for statement in &made.attribute_statements {
        let AttributeSource::Expression { values } = &statement.source else { panic!("{statement:?}") };
        let patterns: Vec<_> = values.iter().flat_map(|value| value.patterns()).collect();
        assert_eq!(patterns.len(), PATTERNS_MAX);
        assert!(patterns.iter().all(|pattern| pattern.is_compiled()));
        assert!(patterns.first().is_some_and(|pattern| pattern.is_same(&held)));
    }

    let (platform, administrator) = (&rig.platform, rig.administrator().await);
    let (id, too_many) = (app.id(), submitted(with_statements("Most", &one_more)));
    assert_eq!(causes(apps::replace(platform, &administrator, id.as_str(), &too_many).await), [cause]);
    let large = vec![vec!["isMemberOfGroupNameRegex('\\w{900}{900}')".to_owned()]];
    let refused = causes(create(&rig, with_statements("Large", &large)).await);
    let cause = "settings.signOn.attributeStatements[0].values[0]: The regular expression is too large: compiled it may have 256 KB";
    assert_eq!(refused, [cause]);
}
