//! The second step of a sign-in: a user with an active factor verifies one after the password. For clients with pages of their own and for
//! the hosted pages.
//!
//! The step has a state token, which is in the database like every token of primary authentication. Whoever verifies a factor goes on in one
//! transaction that uses the token up: a session token takes its place, or a session begins. Start reading at [`required`].

use tenterhook_contract::{Secret, Timestamp, id::FactorId};
use tenterhook_model::{AuthnPurpose, AuthnToken, CodePurpose, Factor, User, UserStatus, VerifiedFactor};
use tenterhook_platform::{Caller, OrgSnapshot, Platform, events::user_actor};
use tenterhook_store::StoreError;

use crate::{
    authn::{find_token, new_token},
    commitment::Commitment,
    factors::{self, FactorProblem, Requester},
};

/// A sign-in whose user has to verify a factor.
#[derive(Clone, Debug)]
pub struct FactorStep {
    /// The state token, known to nobody else.
    pub token: Secret,
    /// The user, who has proven the password.
    pub user: Box<User>,
    /// The factors one of which is to be verified. There is at least one.
    pub factors: Vec<Factor>,
    /// The one whose code is asked for at present.
    pub challenged: Option<FactorId>,
    /// What the client gets back.
    pub relay_state: Option<String>,
    /// When the state token stops working.
    pub expires: Timestamp,
}

/// Whether a sign-in needs a second factor.
#[derive(Debug)]
pub enum Required {
    /// It does.
    Yes(Box<FactorStep>),
    /// The user has no active factor.
    No,
    /// What the user had proven counts no longer: the password, the access or the status is another one now.
    Lapsed,
}

/// A factor that was verified in a sign-in, whose state token still works.
#[derive(Debug)]
pub struct FactorVerified {
    /// The state token, which is to be used up.
    pub state: AuthnToken,
    /// The factor.
    pub factor: VerifiedFactor,
    /// The user as read after the token.
    pub user: Box<User>,
}

impl FactorStep {
    /// The factor whose code is asked for at present.
    pub fn challenged_factor(&self) -> Option<&Factor> {
        self.factors.iter().find(|factor| Some(&factor.id) == self.challenged.as_ref())
    }
}

/// Begins the second step of a user who has just proven the password, which may have expired. `proven` is the factor that has proven who the user is in
/// place of the password: it is not asked for again.
///
/// # Errors
/// When the store fails.
pub async fn required(
    platform: &Platform,
    user: &User,
    relay_state: Option<String>,
    proven: Option<VerifiedFactor>,
) -> Result<Required, StoreError> {
    let factors = usable_factors(platform, user, proven).await?;
    if factors.is_empty() {
        return Ok(Required::No);
    }
    let (text, token) = new_token(platform, AuthnPurpose::SecondFactor, user, relay_state, proven);
    if platform.store().insert_authn_token(&token, user).await?.is_some() {
        return Ok(Required::Lapsed);
    }
    Ok(Required::Yes(Box::new(step(text, token, user.clone(), factors))))
}

/// The step of a state token, unchanged. `None` when the token does not work, or when the user has no active factor any more: the user
/// signs in again.
///
/// # Errors
/// When the store fails.
pub async fn find(
    platform: &Platform,
    org: &OrgSnapshot,
    state_token: &Secret,
) -> Result<Option<FactorStep>, StoreError> {
    let found = found(platform, org, state_token).await?;
    Ok(found.map(|(token, user, factors)| step(state_token.clone(), token, user, factors)))
}

/// Asks for the code of a factor, and sends one to its phone; an authenticator app shows its own. `commitment` begins before anything is
/// stored; from then on this must run to its end.
///
/// # Errors
/// [`FactorProblem::TokenGone`] when the token does not work, [`FactorProblem::Gone`] when the step has no such factor; when the passcode
/// cannot be sent, or one was sent a moment ago: the step is unchanged then.
pub async fn challenge(
    platform: &Platform,
    org: &OrgSnapshot,
    caller: &Caller,
    (state_token, factor): (&Secret, &FactorId),
    commitment: &Commitment,
) -> Result<FactorStep, FactorProblem> {
    let (token, user, factors) = found(platform, org, state_token).await?.ok_or(FactorProblem::TokenGone)?;
    let factor = factors.iter().find(|known| known.id == *factor).ok_or(FactorProblem::Gone)?;
    commitment.begin();
    if factor.method.phone().is_some() {
        let requester = requester(caller, &user);
        factors::challenge_for(platform, org, &requester, (&user, factor), CodePurpose::SignIn).await?;
    }
    let challenged = Some(factor.id.clone());
    if !platform.store().challenge_authn_token(&token, challenged.as_ref(), platform.now()).await? {
        return Err(FactorProblem::TokenGone);
    }
    Ok(FactorStep { challenged, ..step(state_token.clone(), token, user, factors) })
}

/// Goes back to the choice of a factor. `None` when the token does not work.
///
/// # Errors
/// When the store fails.
pub async fn back(
    platform: &Platform,
    org: &OrgSnapshot,
    state_token: &Secret,
) -> Result<Option<FactorStep>, StoreError> {
    let Some((token, user, factors)) = found(platform, org, state_token).await? else { return Ok(None) };
    let is_done = platform.store().challenge_authn_token(&token, None, platform.now()).await?;
    Ok(is_done.then(|| FactorStep { challenged: None, ..step(state_token.clone(), token, user, factors) }))
}

/// Verifies the code of a factor, asked for or not. The code is used up, and the state token is not: the caller does that in the
/// transaction that ends the sign-in. `commitment` begins before anything is stored; from then on this must run to its end.
///
/// # Errors
/// [`FactorProblem::TokenGone`] when the token does not work, [`FactorProblem::Gone`] when the step has no such factor; when the code is
/// wrong or the factor is locked: the token works on.
pub async fn verify(
    platform: &Platform,
    org: &OrgSnapshot,
    caller: &Caller,
    (state_token, factor, code): (&Secret, &FactorId, &str),
    commitment: &Commitment,
) -> Result<FactorVerified, FactorProblem> {
    let (state, user, factors) = found(platform, org, state_token).await?.ok_or(FactorProblem::TokenGone)?;
    let factor = factors.iter().find(|known| known.id == *factor).ok_or(FactorProblem::Gone)?;
    commitment.begin();
    factors::verify_for(platform, &requester(caller, &user), (&user, factor), CodePurpose::SignIn, code).await?;
    let factor = VerifiedFactor { factor_type: factor.method.factor_type(), at: platform.now() };
    Ok(FactorVerified { state, factor, user: Box::new(user) })
}

/// The factors that a user may verify in a sign-in, for which `proven` is not enough.
///
/// # Errors
/// When the store fails.
pub(crate) async fn usable_factors(
    platform: &Platform,
    user: &User,
    proven: Option<VerifiedFactor>,
) -> Result<Vec<Factor>, StoreError> {
    Ok(others(platform.store().list_active_factors(&user.org_id, &user.id).await?, proven))
}

/// The factors that add something to a proven one: another phone, or an app. Whoever has a phone gets its texts and its calls.
fn others(mut factors: Vec<Factor>, proven: Option<VerifiedFactor>) -> Vec<Factor> {
    let Some(proven) = proven else { return factors };
    let number = |factor: &Factor| factor.method.phone().map(|phone| phone.as_e164().to_owned());
    let is_proven = |factor: &Factor| factor.method.factor_type() == proven.factor_type;
    let phone = factors.iter().find(|factor| is_proven(factor)).and_then(number);
    factors.retain(|factor| !is_proven(factor) && (phone.is_none() || number(factor) != phone));
    factors
}

pub(crate) fn step(text: Secret, token: AuthnToken, user: User, factors: Vec<Factor>) -> FactorStep {
    let AuthnToken { relay_state, challenged, expires, .. } = token;
    // It may have been removed since.
    let challenged = challenged.filter(|id| factors.iter().any(|factor| factor.id == *id));
    FactorStep { token: text, user: Box::new(user), factors, challenged, relay_state, expires }
}

/// A token with its user and the factors that the user may verify.
async fn found(
    platform: &Platform,
    org: &OrgSnapshot,
    state_token: &Secret,
) -> Result<Option<(AuthnToken, User, Vec<Factor>)>, StoreError> {
    let found = find_token(platform, org, state_token, AuthnPurpose::SecondFactor).await?;
    let Some(token) = found else { return Ok(None) };
    // After the token: if the user's access ends before this, the token is gone, and if it ends later, what is read here is old.
    let user = platform.store().find_user(&org.org.id, &token.user_id).await?;
    let may_go_on = |user: &User| matches!(user.status, UserStatus::Active | UserStatus::PasswordExpired);
    let Some(user) = user.filter(may_go_on) else { return Ok(None) };
    let factors = usable_factors(platform, &user, token.factor).await?;
    Ok((!factors.is_empty()).then_some((token, user, factors)))
}

fn requester<'a>(caller: &'a Caller, user: &User) -> Requester<'a> {
    Requester { caller, actor: user_actor(user), token: None }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use tenterhook_contract::id::{OrgId, UserId};
    use tenterhook_model::{FactorMethod, FactorStatus, FactorType, PhoneNumber, TOTP_SECRET_BYTES, TotpSecret};

    use super::*;

    fn factor(method: FactorMethod) -> Factor {
        let at = Timestamp::from_micros(0);
        Factor {
            id: FactorId::from_parts(0, [0; 8]),
            org_id: OrgId::from_parts(0, [0; 8]),
            user_id: UserId::from_parts(0, [0; 8]),
            method,
            status: FactorStatus::Active,
            created: at,
            last_updated: at,
        }
    }

    #[test]
    fn text_and_call_of_one_phone_are_one_factor() {
        let phone = |text: &str| PhoneNumber::parse(text, None).unwrap();
        let own = phone("+2348031234567");
        let sms = || factor(FactorMethod::Sms(own.clone()));
        let same = factor(FactorMethod::Call(own.clone().with_extension("42").unwrap()));
        let other = factor(FactorMethod::Call(phone("+447911123456")));
        let app = factor(FactorMethod::Totp(TotpSecret::new([7; TOTP_SECRET_BYTES])));
        for (factors, proven, expected) in [
            (vec![sms(), same.clone(), app.clone()], None, vec![sms(), same.clone(), app.clone()]),
            (vec![sms(), same.clone(), app.clone()], Some(FactorType::Sms), vec![app.clone()]),
            (vec![sms(), same.clone(), app.clone()], Some(FactorType::Call), vec![app.clone()]),
            (vec![sms(), same.clone()], Some(FactorType::Sms), vec![]),
            (vec![sms(), other.clone()], Some(FactorType::Sms), vec![other.clone()]),
            (vec![sms(), same.clone(), app], Some(FactorType::Totp), vec![sms(), same]),
        ] {
            let proven = proven.map(|factor_type| VerifiedFactor { factor_type, at: Timestamp::from_micros(0) });
            assert_eq!(others(factors, proven), expected, "{proven:?}");
        }
    }
}
