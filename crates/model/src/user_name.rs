//! How a user is named at an app.

use crate::{AppInput, Assigned, Inputs, User, UserNameTemplate};

/// The name of a user at an app: the one of the user's own assignment, else what the app's template makes of the user with its
/// suffix, else the login. A template cannot look at groups or at the session.
pub fn user_name_at(app: AppInput<'_>, user: &User, assigned: Option<&Assigned>) -> String {
    let own = assigned.and_then(|assigned| assigned.user.as_ref()?.user_name.clone());
    own.unwrap_or_else(|| {
        let profile = assigned.map(Assigned::profile);
        let inputs = Inputs { user: Some(user), app: Some(app), app_user: profile.as_deref(), ..Inputs::default() };
        let UserNameTemplate { template, suffix, .. } = app.user_name();
        match template.text(&inputs) {
            Some(name) => name + suffix.as_deref().unwrap_or_default(),
            None => user.profile.login.clone(),
        }
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use serde_json::json;
    use tenterhook_contract::{
        Timestamp,
        id::{AppId, GroupId, OrgId, UserId},
    };

    use super::*;
    use crate::{AppGroup, AppUser, OAuthClient, Password, Profile, SignInCounts, Template, UserStatus};

    fn user() -> User {
        let at = Timestamp::from_micros(0);
        User {
            id: UserId::from_parts(1, [0; 8]),
            org_id: OrgId::from_parts(1, [0; 8]),
            profile: Profile::new("ada@example.com", "ada@example.org", "Ada", "Okoye"),
            password: Password::None,
            status: UserStatus::Active,
            created: at,
            activated: None,
            status_changed: None,
            last_updated: at,
            version: 1,
            sign_ins: SignInCounts::default(),
        }
    }

    fn client(user_name: UserNameTemplate) -> OAuthClient {
        let stored = json!({
            "id": "0oa4k9wq7XbTz2RmN1d7", "name": "Shop", "authentication": "none", "redirectUris": [], "grantTypes": [],
            "responseTypes": [], "status": "ACTIVE", "created": "2026-01-01T00:00:00.000Z", "lastUpdated": "2026-01-01T00:00:00.000Z",
        });
        OAuthClient { user_name, ..serde_json::from_value(stored).unwrap() }
    }

    #[test]
    fn a_user_is_named_by_the_assignment_then_the_template_then_the_login() {
        let at = Timestamp::from_micros(0);
        let app_id = AppId::from_parts(1, [0; 8]);
        let group = |priority, profile: serde_json::Value| AppGroup {
            app_id: app_id.clone(),
            group_id: GroupId::from_parts(1, [0; 8]),
            priority,
            profile: profile.as_object().unwrap().clone(),
            last_updated: at,
        };
        let by_groups = Assigned {
            user: None,
            groups: vec![
                group(0, json!({ "alias": "first" })).into(),
                group(1, json!({ "alias": "second", "site": "Lagos" })).into(),
            ],
        };
        let own = |user_name: Option<&str>| AppUser {
            app_id: app_id.clone(),
            user_id: user().id,
            user_name: user_name.map(str::to_owned),
            profile: json!({ "alias": "own" }).as_object().unwrap().clone(),
            created: at,
            last_updated: at,
        };
        let named = Assigned { user: Some(own(Some("countess"))), ..by_groups.clone() };
        let unnamed = Assigned { user: Some(own(None)), ..by_groups.clone() };
        for (template, suffix, assigned, wanted) in [
            ("${source.login}", None, None, "ada@example.com"),
            ("${source.email}", None, None, "ada@example.org"),
            ("${fn:substringBefore(source.login, \"@\")}", Some("@corp"), None, "ada@corp"),
            ("String.toLowerCase(source.firstName)", None, None, "ada"),
            ("${source.nickName}", Some("@corp"), None, "ada@example.com"),
            ("${source.email}", Some("@corp"), Some(&named), "countess"),
            ("${appuser.alias}", None, Some(&unnamed), "own"),
            ("${appuser.alias}-${appuser.site}", None, Some(&by_groups), "first-Lagos"),
            ("${app.name}/${user.userName}", None, None, "Shop/ada@example.com"),
        ] {
            let template = Template::parse(template).unwrap();
            let user_name =
                UserNameTemplate { template, suffix: suffix.map(str::to_owned), ..UserNameTemplate::default() };
            let client = client(user_name);
            assert_eq!(user_name_at(AppInput::OAuth(&client), &user(), assigned), wanted, "{:?}", client.user_name);
        }
    }
}
