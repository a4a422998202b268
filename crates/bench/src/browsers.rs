//! Browsers of users who have signed in already: a sign-in itself, which is mostly the hash of a password, is not measured.

use tenterhook_contract::id::SessionId;
use tenterhook_model::{Session, User};
use tenterhook_platform::entropy::sha256_hex;
use tenterhook_store::{BeginningSession, BegunSession, Store};

use crate::{Error, token_server::World};

/// The `Cookie` header of a browser.
pub(crate) fn cookie_of(browser: usize) -> String {
    format!("tenterhook_session={}", value_of(browser))
}

fn value_of(browser: usize) -> String {
    format!("bench-browser-{browser}")
}

/// Gives `count` browsers a session each of the first user. Answers with the user, and with the session of the first browser.
pub(crate) async fn sign_in(world: &World, count: usize) -> Result<(User, Session), Error> {
    let (platform, store) = (&world.platform, world.platform.store());
    let org = platform.org_by_host(None).ok_or("there is an org")?.org.id.clone();
    let login = world.org.user_logins.first().ok_or("there is a user")?;
    let user = store.find_user_by_login(&org, login).await?.ok_or("there is a user")?;
    let now = platform.now();
    let session_of = |browser: usize| {
        let (unix_ms, random) = platform.id_parts();
        Session {
            id: SessionId::from_parts(unix_ms, random),
            org_id: org.clone(),
            cookie_sha256: sha256_hex(&value_of(browser)),
            user_id: user.id.clone(),
            created: now,
            expires: now.plus_seconds(7_200),
            last_password_verification: now,
            factor: None,
            signed_in_for: None,
            waiting: Vec::new(),
        }
    };
    let first = session_of(0);
    begin(store, &user, &first).await?;
    for browser in 1..count {
        begin(store, &user, &session_of(browser)).await?;
    }
    Ok((user, first))
}

async fn begin(store: &Store, user: &User, session: &Session) -> Result<(), Error> {
    let proofs_ended = user.sign_ins.proofs_ended;
    let begun =
        store.begin_session(BeginningSession { session, proofs_ended, token: None, previous_sha256: None }).await?;
    if let BegunSession::Yes(_) = begun { Ok(()) } else { Err("the user can sign in".into()) }
}
