//! Second factors of `tenterhook dev`: two users with phones, whose numbers are reserved for fiction, and the sample service that brings
//! them their passcodes. One user signs in during the demonstration, the other one is left for people to try.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use tenterhook_contract::Secret;

use super::{
    client::{Client, Sent},
    one_line::of_one_line,
    registration::{DevHook, Registration},
    shown::{self, Screen},
};
use crate::{
    Error,
    telemetry::{BAD, GOOD},
};

/// The type of the hook.
pub(super) const TYPE: &str = "com.okta.telephony.provider";
/// Who signs in during the demonstration.
const SHOWN: PhoneUser = PhoneUser { login: "lin@phones.example", number: "+12025550143", name: ("Lin", "Moreau") };
/// The user as whom people sign in.
pub(super) const TO_TRY: PhoneUser =
    PhoneUser { login: "mei@phones.example", number: "+12025550164", name: ("Mei", "Tanaka") };

/// A user with a phone.
pub(super) struct PhoneUser {
    pub(super) login: &'static str,
    number: &'static str,
    name: (&'static str, &'static str),
}

/// The phones that the sample service brings messages to.
#[derive(Clone, Default)]
pub(super) struct Phones(Arc<Mutex<Received>>);

#[derive(Default)]
struct Received {
    /// Whether messages are printed as objects of JSON.
    json: bool,
    /// The code at the phone of the demonstration.
    code: Option<Secret>,
}

impl Phones {
    pub(super) fn new(json: bool) -> Self {
        Self(Arc::new(Mutex::new(Received { json, code: None })))
    }

    /// A message of a hook's document arrives: the one of the demonstration stays in its phone, any other is shown in the terminal.
    pub(super) fn receive(&self, message: &Value) {
        let text = |member: &str| message.get(member).and_then(Value::as_str).unwrap_or_default();
        let mut received = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if text("phoneNumber") == SHOWN.number {
            received.code = Some(Secret::new(text("otpCode")));
        } else {
            shown::message(received.json, text("deliveryChannel") == "SMS", text("phoneNumber"), text("msgTemplate"));
        }
    }

    fn take_code(&self) -> Option<Secret> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).code.take()
    }
}

/// Registers the hook, and makes the users. With each start they have their phones anew, so that nobody has to wait for a passcode.
pub(super) async fn set_up(
    client: Client,
    admin_token: &str,
    registration: &Registration,
    password: &Secret,
) -> Result<(), Error> {
    let hooks = client.json("GET", &format!("/api/v1/inlineHooks?type={TYPE}"), admin_token, None).await?;
    let is = |hook: &Value, member: &str, text: &str| hook.get(member).is_some_and(|value| value == text);
    let other = hooks.as_array().and_then(|hooks| {
        hooks.iter().find(|it| is(it, "status", "ACTIVE") && !is(it, "name", DevHook::Telephony.name()))
    });
    if let Some(name) = other.and_then(|hook| hook.get("name")?.as_str()) {
        return Err(format!("an org has one active hook of this type, and this org has `{name}`").into());
    }
    registration.register(client, admin_token).await?;
    for PhoneUser { login, number, name: (first, last) } in [SHOWN, TO_TRY] {
        let found = format!("/api/v1/users?search=profile.login%20eq%20%22{login}%22");
        let known = client.json("GET", &found, admin_token, None).await?;
        let user = if let Some(user) = known.get(0) {
            user.clone()
        } else {
            let profile = json!({ "login": login, "email": login, "firstName": first, "lastName": last });
            let credentials = json!({ "password": { "value": password.expose() } });
            let body = json!({ "profile": profile, "credentials": credentials });
            client.json("POST", "/api/v1/users?activate=true", admin_token, Some(body)).await?
        };
        let id = user.get("id").and_then(Value::as_str).ok_or("the user has no `id`")?;
        let user = format!("/api/v1/users/{id}");
        let authorization = format!("SSWS {admin_token}");
        let reset = Sent { authorization: Some(&authorization), ..Sent::default() };
        client.send("POST", &format!("{user}/lifecycle/reset_factors"), reset).await?;
        let phone = json!({ "factorType": "sms", "provider": "OKTA", "profile": { "phoneNumber": number } });
        client.json("POST", &format!("{user}/factors?activate=true"), admin_token, Some(phone)).await?;
    }
    Ok(())
}

/// Signs the one user in by password and passcode.
pub(super) async fn sign_in(
    client: Client,
    admin_token: &str,
    password: &Secret,
    phones: &Phones,
) -> Result<(), Error> {
    let post = async |path: &str, body: Value| client.json("POST", path, admin_token, Some(body)).await;
    let body = json!({ "username": SHOWN.login, "password": password.expose() });
    let begun = post("/api/v1/authn", body).await?;
    let text = |value: &Value, pointer: &str| value.pointer(pointer).and_then(Value::as_str).map(ToOwned::to_owned);
    let state = text(&begun, "/stateToken").ok_or("the sign-in asks for no factor")?;
    let factor = text(&begun, "/_embedded/factors/0/id").ok_or("the sign-in names no factor")?;
    let verify = format!("/api/v1/authn/factors/{factor}/verify");
    post(&verify, json!({ "stateToken": state })).await?;
    let code = phones.take_code().ok_or("the service got no passcode")?;
    let done = post(&verify, json!({ "stateToken": state, "passCode": code.expose() })).await?;
    match text(&done, "/status").as_deref() {
        Some("SUCCESS") => Ok(()),
        other => Err(format!("the sign-in ended with {}", other.unwrap_or("nothing")).into()),
    }
}

impl Screen {
    /// What became of the sign-in with a passcode.
    pub(super) fn second_factor(&self, signed_in: &Result<(), Error>) {
        let login = SHOWN.login;
        let text = match signed_in {
            Ok(()) => format!(
                "{GOOD}✓ Telephony: the service brought the passcode to the phone of {login}, who signed in with password and \
                 passcode.{GOOD:#}"
            ),
            Err(error) => format!("{BAD}✗ telephony: {}{BAD:#}", of_one_line(&error.to_string())),
        };
        self.step("telephony", &text, || json!({ "login": login, "signedIn": signed_in.is_ok() }));
    }
}
