//! The grant of the resource owner's password (RFC 6749 section 4.3): the client asks for the password, and sends it. For clients that
//! cannot open a browser, or not yet. No client and no rule has the grant until somebody gives it to them.

use tenterhook_contract::Secret;
use tenterhook_platform::{
    Platform,
    entropy::{random_token, sha256_hex},
};
use tenterhook_store::{Proof, Standing};

use super::{
    assigned_after_hooks,
    authorize::{NOT_ASSIGNED, may_use, protocol_request, refresh_token_id},
    error::OAuthError,
    mint::{self, Minting},
    policy::{PolicyQuestion, chosen},
    token::{FamilyBegun, PASSWORD, Request, TokenAnswer, begin_family, denied, lapsed, log_issued, some_scopes},
};
use crate::{
    sign_in::password::{SubmittedPassword, Verdict, log_needs_factor, log_not_active, verify},
    user_groups::UserGroups,
};

/// The vendor's text, whatever is wrong: a stranger must not learn which logins exist.
pub(super) const INVALID_CREDENTIALS: &str = "The credentials provided were invalid.";
const TOO_MANY_ATTEMPTS: &str =
    "There were too many attempts to sign in with this username. Try again in five minutes.";

/// Grants tokens to a client that has the password of a user. No session begins.
pub(super) async fn grant(platform: &Platform, request: &Request<'_>) -> Result<TokenAnswer, OAuthError> {
    let Request { org, server, caller, parameters, client, attempts, commitment } = *request;
    let (login, password) = (parameters.require("username")?, Secret::new(parameters.require("password")?));
    let scopes = some_scopes(request)?;
    // There is nobody to ask: the client has sent all that it has.
    let submitted = SubmittedPassword { attempts, login, password: &password, asks_for_factor: false };
    let user = match verify(platform, org, caller, submitted, commitment).await? {
        Verdict::Active(user) => user,
        Verdict::NotActive(user) => {
            log_not_active(platform, org, caller, login, &user);
            return Err(OAuthError::invalid_grant(INVALID_CREDENTIALS));
        }
        Verdict::NeedsFactor(user) => {
            log_needs_factor(platform, org, caller, login, &user);
            return Err(OAuthError::invalid_grant(INVALID_CREDENTIALS));
        }
        Verdict::Wrong | Verdict::LockedOut => return Err(OAuthError::invalid_grant(INVALID_CREDENTIALS)),
        Verdict::TooManyAttempts => return Err(OAuthError::invalid_grant(TOO_MANY_ATTEMPTS)),
        Verdict::Busy => return Err(OAuthError::busy()),
    };
    if !may_use(platform, org, client, &user).await? {
        return Err(OAuthError::invalid_grant(NOT_ASSIGNED).for_user(&user));
    }
    let question = PolicyQuestion {
        org: &org.org.id,
        server: &server.id,
        client: &client.id,
        grant_type: PASSWORD,
        user: Some(&user.id),
        scopes: &scopes,
    };
    let groups = UserGroups::of(platform.store(), &org.org.id, Some(&user.id));
    let (policy, rule) = chosen(org, question, &groups).await?.ok_or_else(|| denied().for_user(&user))?;
    let refresh_token_id = refresh_token_id(platform, client, &scopes);
    let signed_in = platform.now();
    let minting = Minting {
        org,
        server,
        client,
        policy,
        rule,
        user: Some(&user),
        groups: &groups,
        session: None,
        session_id: None,
        scopes: &scopes,
        request: protocol_request(parameters),
        original_grant: None,
        refresh_token_id: refresh_token_id.clone(),
        nonce: None,
        auth_time: Some(signed_in),
        factor: None,
        caller,
    };
    let subject = mint::mint(platform, &minting).await?;
    let tokens = mint::sign(platform, org, server, subject, &scopes, Some(signed_in))?;
    let (assigned, now) = (assigned_after_hooks(platform, org, client)?, platform.now());
    let issued = refresh_token_id.map(|id| {
        let begun = FamilyBegun {
            id,
            user: &user.id,
            scopes: &scopes,
            code_sha256: sha256_hex(random_token(platform.entropy()).expose()),
            by_password: true,
            authorization_request: protocol_request(parameters),
            auth_time: Some(signed_in),
            factor: None,
        };
        begin_family(platform, request, rule, begun)
    });
    let (refresh, refresh_token) = issued.unzip();
    let proof = Proof::Password(user.sign_ins.proofs_ended);
    let standing = Standing { org: &org.org.id, user: &user.id, proof, assigned: assigned.as_ref(), now };
    // The hooks took time: what was checked before them must still hold.
    if let Some(what) =
        platform.store().insert_tokens((&tokens.issued(&user.id, None), refresh.as_ref()), &standing).await?
    {
        return Err(lapsed(what));
    }
    log_issued(platform, request, rule, (&user, None), &scopes, &tokens);
    Ok(TokenAnswer { tokens, refresh_token, scopes })
}
