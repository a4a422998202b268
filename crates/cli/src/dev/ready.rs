//! What is there after the demonstration: addresses, credentials, and commands to copy.

use std::env;

use anstream::println;
use serde_json::json;

use super::{
    code_flow::{COPIED_STATE, COPIED_VERIFIER, token_path},
    demonstration::{Demonstration, SCOPE},
    old_system::TO_MIGRATE,
    order, pages,
    passcodes::TO_TRY,
    registration::{DevHook, Registration, SecretPlace},
    service_provider,
    shown::Screen,
    sign_up::{self, DIVISIONS, KNOWN_CODE},
};
use crate::telemetry::{FAINT, HEADING};

/// Where a service of the user may listen, in a command to copy.
fn example_hook(hook: DevHook) -> &'static str {
    match hook {
        DevHook::Token => "--hook http://127.0.0.1:3000/hooks/token",
        DevHook::Order => "--flow order --hook http://127.0.0.1:3000/hooks/order",
        DevHook::Saml => "--flow saml --hook http://127.0.0.1:3000/hooks/saml",
        DevHook::SignUp => "--flow both",
        DevHook::PasswordImport => "--hook http://127.0.0.1:3000/hooks/password",
        DevHook::Telephony => "--hook http://127.0.0.1:3000/hooks/telephony",
    }
}

impl Screen {
    /// The next steps for the user.
    pub(super) fn ready(&self, demonstration: &Demonstration) {
        let Demonstration { base_url: base, world, code_flow, .. } = demonstration;
        let registration = demonstration.tried();
        let host = demonstration.host_token.expose();
        let (admin, password) = (demonstration.admin_token.expose(), demonstration.user_password.expose());
        let (client_secret, issuer, token_path) =
            (demonstration.client_secret.expose(), demonstration.issuer(), token_path());
        let authorize = format!("{base}{}", code_flow.authorize_path(COPIED_STATE, COPIED_VERIFIER, &[]));
        let exchange = exchange_command(demonstration, "CODE", COPIED_VERIFIER);
        let sign_in = format!("{base}{}", pages::SIGN_IN_PATH);
        let [migrate, with_phone] = [TO_MIGRATE.login, TO_TRY.login].map(|login| format!("{sign_in}?login={login}"));
        let saml = demonstration.saml_app.get();
        let saml_sign_on = format!("{base}{}", service_provider::SIGN_ON_PATH);
        let sign_up = demonstration.signing_up.get().map(|it| format!("{base}{}", it.page));
        let ask = ask_command(demonstration);
        let commands = [
            (
                "a token",
                format!(
                    "curl -s -u '{}:{client_secret}' -d 'grant_type=client_credentials&scope={SCOPE}' {base}{token_path}",
                    world.confidential_client_id
                ),
            ),
            ("an order: a host pauses at the extension point of this org", order::command(base, host)),
            ("the hooks", format!("curl -s -H 'Authorization: SSWS {admin}' {base}/api/v1/inlineHooks")),
            (
                "the log",
                format!("curl -s -H 'Authorization: SSWS {admin}' '{base}/api/v1/logs?sortOrder=DESCENDING&limit=5'"),
            ),
        ];
        let beside = beside_command(registration.hook);
        if self.json {
            return self.step("ready", "Ready", || {
                json!({
                    "baseUrl": base,
                    "adminToken": admin,
                    "hostToken": host,
                    "extensionPoint": order::POINT,
                    "orderCommand": order::command(base, host),
                    "issuer": issuer,
                    "confidentialClient": { "id": world.confidential_client_id, "secret": client_secret },
                    "publicClient": {
                        "id": world.public_client_id,
                        "redirectUri": code_flow.redirect_uri,
                        "authorizeUrl": authorize,
                        "tokenCommand": exchange,
                    },
                    "users": world.user_logins,
                    "userPassword": password,
                    "userToMigrate": { "login": TO_MIGRATE.login, "oldPassword": TO_MIGRATE.password },
                    "userWithPhone": TO_TRY.login,
                    "signInUrl": sign_in,
                    "samlSignOnUrl": saml.map(|_| &saml_sign_on),
                    "samlMetadataUrl": saml.map(|app| &app.metadata_url),
                    "signUpUrl": sign_up,
                    "askCommand": ask,
                    "failuresUrl": format!("{base}{}", pages::FAILURES_PATH),
                    "hookCommand": beside,
                    "commands": commands.iter().map(|(_, command)| command).collect::<Vec<_>>(),
                })
            });
        }
        self.step("ready", "Ready", || json!({}));
        let hook_secret = secret_text(registration);
        for (name, value) in [
            ("Start page", format!("{base}/")),
            ("Base URL", base.clone()),
            ("Admin token", admin.to_owned()),
            ("Host token", format!("{host} (can only invoke {})", order::POINT)),
            ("Issuer", issuer),
            ("Client", format!("{} (secret {client_secret})", world.confidential_client_id)),
            ("Public client", world.public_client_id.as_str().to_owned()),
            ("Redirect URI", format!("{} (of the public client)", code_flow.redirect_uri)),
            ("Users", format!("{} (password {password})", world.user_logins.join(", "))),
            ("Hook", registration.uri.clone()),
            ("Hook's secret", hook_secret),
        ] {
            println!("  {FAINT}{name:<14}{FAINT:#}{value}");
        }
        println!("\n{HEADING}Try{HEADING:#}");
        let login = world.user_logins.first().map_or("a user", String::as_str);
        let code_flow = (
            format!(
                "the code flow: open this in a browser and sign in as {login}; a page shows the claims of both tokens"
            ),
            sign_in,
        );
        let commands = commands.into_iter().map(|(what, command)| (what.to_owned(), command));
        let saml = saml.map(|_| (saml_sign_on_text(login), saml_sign_on));
        let sign_up = sign_up.map(|url| (sign_up_text(), url));
        let hooks = [(password_import_text(), migrate), (telephony_text(), with_phone)];
        let ask = ask.map(|command| (ask_text(), command));
        let pages = [code_flow].into_iter().chain(saml).chain(sign_up).chain(hooks).chain(ask);
        for (what, command) in commands.chain(pages) {
            println!("  {FAINT}# {what}{FAINT:#}\n  {command}");
        }
        if !demonstration.own_service {
            let what = "your own external service, in a second process beside this one";
            println!("  {FAINT}# {what}{FAINT:#}\n  {beside}");
        }
        println!("\n{HEADING}System Log{HEADING:#} {FAINT}(Ctrl-C ends){FAINT:#}");
    }
}

/// Where the secret of a hook is.
fn secret_text(registration: &Registration) -> String {
    let secret = &registration.secret;
    match &registration.secret_place {
        SecretPlace::Given => format!("`{}`, as given with `--header`", secret.name),
        SecretPlace::Memory => format!("{}: {}", secret.name, secret.value.expose()),
        SecretPlace::File(path) => {
            format!("{}: the text `serviceAuthorization` in {}", secret.name, path.display())
        }
    }
}

/// What a first sign-in of a migrated user shows.
fn password_import_text() -> String {
    format!(
        "password import: open this in a browser and sign in as {} with the old password `{}`; the sample service verifies it once, and \
         the log below says so",
        TO_MIGRATE.login, TO_MIGRATE.password
    )
}

/// What a sign-in with a phone shows.
fn telephony_text() -> String {
    format!(
        "telephony: open this in a browser and sign in as {} with the password above; the sample service brings the passcode to the phone, \
         which is this terminal",
        TO_TRY.login
    )
}

/// What a sign-on with SAML shows.
fn saml_sign_on_text(login: &str) -> String {
    format!(
        "SAML: open this in a browser and sign in as {login}; a service provider shows the assertion before and after the hook"
    )
}

/// What signing up shows.
fn sign_up_text() -> String {
    format!(
        "sign up: open this in a browser; with the invitation {KNOWN_CODE} the hook gives a department, with another one it refuses at the field. The mail with the link is shown here"
    )
}

/// The command that lets the policy ask the users of the code flow.
fn ask_command(demonstration: &Demonstration) -> Option<String> {
    let Demonstration { base_url, admin_token, world, signing_up, .. } = demonstration;
    let asking = &signing_up.get()?.asking;
    Some(sign_up::asking_command(base_url, admin_token.expose(), world.public_client_id.as_str(), asking))
}

/// What asking existing users shows.
fn ask_text() -> String {
    let [one, other] = DIVISIONS;
    format!(
        "progressive profile: after this command the page of the code flow asks users who have none for their division, which the hook must \
         know ({one} or {other}); it adds a cost centre"
    )
}

/// The command that exchanges a code for tokens.
pub(super) fn exchange_command(demonstration: &Demonstration, code: &str, verifier: &str) -> String {
    let form = demonstration.code_flow.exchange_form(code, verifier);
    format!("curl -s -d '{form}' {}{}", demonstration.base_url, token_path())
}

/// A command that runs beside this process: its port is free, and its database is its own.
fn beside_command(hook: DevHook) -> String {
    let program = env::args().next().unwrap_or_else(|| "tenterhook".to_owned());
    let plain = |character: char| character.is_ascii_alphanumeric() || "/._-+:\\".contains(character);
    let program = if program.chars().all(plain) { program } else { format!("'{}'", program.replace('\'', r"'\''")) };
    format!("{program} dev --port 0 --ephemeral {}", example_hook(hook))
}
