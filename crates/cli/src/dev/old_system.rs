//! The users of an old system whose passwords the sample service knows: set up with the password import hook. One of them signs in during
//! the demonstration, the other one is left for people to try.

use serde_json::{Value, json};
use tenterhook_contract::Secret;

use super::{
    client::Client,
    one_line::of_one_line,
    registration::{DevHook, Registration},
    saml::DevSamlApp,
    shown::Screen,
};
use crate::{
    Error,
    telemetry::{BAD, GOOD},
};

/// The type of the hook.
pub(super) const TYPE: &str = "com.okta.user.credential.password.import";
/// Who signs in during the demonstration.
const MIGRATED: OldUser = OldUser { login: "jun@legacy.example", password: "Rooftop 3", name: ("Jun", "Park") };
/// The user whom people migrate by hand.
pub(super) const TO_MIGRATE: OldUser =
    OldUser { login: "ravi@legacy.example", password: "Sunflower 7", name: ("Ravi", "Menon") };

/// A user of the old system. The password is no secret: everybody may read it here.
pub(super) struct OldUser {
    pub(super) login: &'static str,
    pub(super) password: &'static str,
    name: (&'static str, &'static str),
}

/// Whether this is the password of a user of the old system.
pub(super) fn knows(login: &str, password: &str) -> bool {
    [MIGRATED, TO_MIGRATE].iter().any(|user| user.login.eq_ignore_ascii_case(login) && user.password == password)
}

/// Registers the hook, and makes the users whose passwords it imports. With each start they are to be migrated anew.
pub(super) async fn set_up(client: Client, admin_token: &str, registration: &Registration) -> Result<(), Error> {
    let hooks = client.json("GET", &format!("/api/v1/inlineHooks?type={TYPE}"), admin_token, None).await?;
    let name = hooks.pointer("/0/name").and_then(Value::as_str);
    if let Some(other) = name.filter(|name| *name != DevHook::PasswordImport.name()) {
        return Err(format!("an org has one hook of this type, and this org has `{other}`").into());
    }
    registration.register(client, admin_token).await?;
    for OldUser { login, name: (first, last), .. } in [MIGRATED, TO_MIGRATE] {
        let found = format!("/api/v1/users?search=profile.login%20eq%20%22{login}%22");
        let known = client.json("GET", &found, admin_token, None).await?;
        let credentials = json!({ "password": { "hook": { "type": "default" } } });
        let (path, body) = if let Some(id) = known.pointer("/0/id").and_then(Value::as_str) {
            (format!("/api/v1/users/{id}"), json!({ "credentials": credentials }))
        } else {
            let profile = json!({ "login": login, "email": login, "firstName": first, "lastName": last });
            ("/api/v1/users?activate=true".to_owned(), json!({ "profile": profile, "credentials": credentials }))
        };
        client.json("POST", &path, admin_token, Some(body)).await?;
    }
    Ok(())
}

/// Signs the one user in, at the sign-in page of the SAML app. Answers with whether the password is stored then.
pub(super) async fn migrate(client: Client, admin_token: &str, app: &DevSamlApp) -> Result<bool, Error> {
    let OldUser { login, password, .. } = MIGRATED;
    app.sign_on(client, admin_token, login, &Secret::new(password)).await?;
    let user = client.json("GET", &format!("/api/v1/users/{login}"), admin_token, None).await?;
    Ok(user.pointer("/credentials/provider/type").is_some_and(|provider| provider == "OKTA"))
}

impl Screen {
    /// What became of the migration.
    pub(super) fn migrated(&self, migrated: &Result<bool, Error>) {
        let login = MIGRATED.login;
        let (is_stored, text) = match migrated {
            Ok(true) => {
                let text = format!(
                    "{GOOD}✓ Password import: the service verified the old password of {login}, and its hash is stored. The hook \
                     is not asked about this user again.{GOOD:#}"
                );
                (true, text)
            }
            Ok(false) => {
                (false, format!("{BAD}✗ password import: the old password of {login} was not imported{BAD:#}"))
            }
            Err(error) => (false, format!("{BAD}✗ password import: {}{BAD:#}", of_one_line(&error.to_string()))),
        };
        self.step("passwordImport", &text, || json!({ "login": login, "imported": is_stored }));
    }
}
