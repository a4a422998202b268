//! Factors of users: what a user proves to have besides knowing a password, a phone or an authenticator app.
//!
//! A user has at most one factor of each [`FactorType`].

use std::fmt;

use data_encoding::BASE32_NOPAD;
use serde::{Deserialize, Serialize};
use tenterhook_contract::{
    Secret, Timestamp,
    id::{FactorId, OrgId, UserId},
};

use crate::{Passcode, PhoneNumber};

/// Bytes of the secret that an authenticator app shares (RFC 4226 section 4, R6 recommends them).
pub const TOTP_SECRET_BYTES: usize = 20;
/// How long a passcode that was sent to a phone works.
pub const FACTOR_CODE_SECONDS: i64 = 300;
/// How long a factor waits until the next passcode is sent to its phone, as the vendor's does (`telephony.md` section 1).
pub const FACTOR_RESEND_SECONDS: i64 = 30;
/// Wrong codes of a factor in a row until it is locked: [`factor_lock_seconds`].
pub const FACTOR_ATTEMPTS_MAX: i64 = 5;
/// How long a factor is locked for the first time. It is no shorter than a passcode works, so that the attempts on one passcode are
/// [`FACTOR_ATTEMPTS_MAX`] at most.
pub const FACTOR_LOCK_SECONDS: i64 = 300;
/// How long a factor is locked at most.
pub const FACTOR_LOCK_SECONDS_MAX: i64 = 86_400;

/// A factor of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Factor {
    /// The id.
    pub id: FactorId,
    /// The org.
    pub org_id: OrgId,
    /// The user.
    pub user_id: UserId,
    /// What the user has.
    pub method: FactorMethod,
    /// Whether the user has proven to have it.
    pub status: FactorStatus,
    /// When it was enrolled.
    pub created: Timestamp,
    /// When it was last changed.
    pub last_updated: Timestamp,
}

/// What a user has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FactorMethod {
    /// A phone that gets passcodes as text messages.
    Sms(PhoneNumber),
    /// A phone that is called.
    Call(PhoneNumber),
    /// An authenticator app (RFC 6238).
    Totp(TotpSecret),
}

/// A factor that is to be enrolled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NewFactor {
    /// A phone that gets passcodes as text messages.
    Sms(PhoneNumber),
    /// A phone that is called.
    Call(PhoneNumber),
    /// An authenticator app, whose secret is drawn at enrollment.
    Totp,
}

/// The kind of a factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FactorType {
    /// A text message.
    #[serde(rename = "sms")]
    Sms,
    /// A call.
    #[serde(rename = "call")]
    Call,
    /// An authenticator app.
    #[serde(rename = "token:software:totp")]
    Totp,
}

/// A factor that a user has verified besides the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VerifiedFactor {
    /// What the user has proven to have.
    pub factor_type: FactorType,
    /// When.
    pub at: Timestamp,
}

/// Whether a user has proven to have a factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FactorStatus {
    /// Not yet.
    PendingActivation,
    /// The factor is in use.
    Active,
}

/// What a passcode that was sent to a phone is for. A code of one purpose is none of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodePurpose {
    /// It proves that the user has the phone, and activates the factor.
    Enrollment,
    /// It proves to an administrator that somebody who is known to be the user has the phone.
    Verification,
    /// It proves in a sign-in that whoever has given the password has the phone.
    SignIn,
}

/// A passcode that was sent to the phone of a factor. A factor has at most one of each purpose; the next one replaces it.
#[derive(Clone, Debug)]
pub struct FactorCode {
    /// What it is for.
    pub purpose: CodePurpose,
    /// The digits, known to the user only. They are stored as a keyed hash.
    pub passcode: Passcode,
    /// When it stops working.
    pub expires: Timestamp,
}

/// The secret that an authenticator app shares. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct TotpSecret([u8; TOTP_SECRET_BYTES]);

/// A text that is not the base32 of such a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not {TOTP_SECRET_BYTES} bytes in base32")]
pub struct MalformedTotpSecret;

/// How long a factor is locked after so many wrong codes in a row, in seconds; zero when it is not. Every [`FACTOR_ATTEMPTS_MAX`]th wrong
/// code locks it, twice as long as the one before, so that whoever guesses on for a year has fewer than 2,000 guesses. Only a right code
/// begins the count anew.
///
/// ```
/// use tenterhook_model::factor_lock_seconds;
/// assert_eq!([4, 5, 6, 10, 15].map(factor_lock_seconds), [0, 300, 0, 600, 1_200]);
/// ```
pub const fn factor_lock_seconds(wrong: i64) -> i64 {
    if wrong <= 0 || wrong % FACTOR_ATTEMPTS_MAX != 0 {
        return 0;
    }
    let mut seconds = FACTOR_LOCK_SECONDS;
    let mut locks = wrong / FACTOR_ATTEMPTS_MAX;
    while locks > 1 && seconds < FACTOR_LOCK_SECONDS_MAX {
        seconds *= 2;
        locks -= 1;
    }
    if seconds < FACTOR_LOCK_SECONDS_MAX { seconds } else { FACTOR_LOCK_SECONDS_MAX }
}

impl FactorType {
    /// Every type, in the order of the catalogue.
    pub const ALL: [Self; 3] = [Self::Sms, Self::Call, Self::Totp];

    /// The vendor's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sms => "sms",
            Self::Call => "call",
            Self::Totp => "token:software:totp",
        }
    }

    /// The vendor's name of what verifies it.
    pub const fn provider(self) -> &'static str {
        match self {
            Self::Sms | Self::Call => "OKTA",
            Self::Totp => "GOOGLE",
        }
    }

    /// The vendor's name in log events.
    pub const fn log_name(self) -> &'static str {
        match self {
            Self::Sms => "SMS_FACTOR",
            Self::Call => "CALL_FACTOR",
            Self::Totp => "GOOGLE_AUTHENTICATOR",
        }
    }

    /// What people call it.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Sms => "SMS Authentication",
            Self::Call => "Voice Call Authentication",
            Self::Totp => "Google Authenticator",
        }
    }
}

impl std::str::FromStr for FactorType {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|known| known.as_str() == text).ok_or(())
    }
}

impl FactorMethod {
    /// The kind.
    pub const fn factor_type(&self) -> FactorType {
        match self {
            Self::Sms(_) => FactorType::Sms,
            Self::Call(_) => FactorType::Call,
            Self::Totp(_) => FactorType::Totp,
        }
    }

    /// The phone; `None` of an authenticator app.
    pub const fn phone(&self) -> Option<&PhoneNumber> {
        match self {
            Self::Sms(phone) | Self::Call(phone) => Some(phone),
            Self::Totp(_) => None,
        }
    }
}

impl NewFactor {
    /// The kind.
    pub const fn factor_type(&self) -> FactorType {
        match self {
            Self::Sms(_) => FactorType::Sms,
            Self::Call(_) => FactorType::Call,
            Self::Totp => FactorType::Totp,
        }
    }
}

impl FactorStatus {
    /// The vendor's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PendingActivation => "PENDING_ACTIVATION",
            Self::Active => "ACTIVE",
        }
    }
}

impl std::str::FromStr for FactorStatus {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::PendingActivation, Self::Active].into_iter().find(|known| known.as_str() == text).ok_or(())
    }
}

impl CodePurpose {
    /// The name in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enrollment => "ENROLLMENT",
            Self::Verification => "VERIFICATION",
            Self::SignIn => "SIGN_IN",
        }
    }
}

impl TotpSecret {
    /// A secret of random bytes.
    pub const fn new(bytes: [u8; TOTP_SECRET_BYTES]) -> Self {
        Self(bytes)
    }

    /// The bytes, for the one place that computes codes.
    pub const fn as_bytes(&self) -> &[u8; TOTP_SECRET_BYTES] {
        &self.0
    }

    /// As people type it into an app: base32 without padding (RFC 4648 section 6).
    ///
    /// ```
    /// use tenterhook_model::TotpSecret;
    /// let secret = TotpSecret::new(*b"12345678901234567890");
    /// assert_eq!(secret.to_base32().expose(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
    /// assert_eq!(TotpSecret::from_base32(&secret.to_base32()), Ok(secret));
    /// ```
    pub fn to_base32(&self) -> Secret {
        Secret::new(BASE32_NOPAD.encode(&self.0))
    }

    /// The secret of its base32.
    ///
    /// # Errors
    /// When the text is not base32 of [`TOTP_SECRET_BYTES`] bytes.
    pub fn from_base32(text: &Secret) -> Result<Self, MalformedTotpSecret> {
        let bytes = BASE32_NOPAD.decode(text.expose().as_bytes()).map_err(|_| MalformedTotpSecret)?;
        bytes.try_into().map(Self).map_err(|_| MalformedTotpSecret)
    }
}

impl fmt::Debug for TotpSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TotpSecret(…)")
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for known in FactorType::ALL {
            assert_eq!(known.as_str().parse(), Ok(known));
            assert_eq!(serde_json::to_value(known).unwrap(), known.as_str());
        }
        for known in [FactorStatus::PendingActivation, FactorStatus::Active] {
            assert_eq!(known.as_str().parse(), Ok(known));
        }
        assert!("SMS".parse::<FactorType>().is_err());
    }

    #[test]
    fn locks_double_up_to_a_day_and_a_year_has_few_guesses() {
        assert_eq!(
            [-5, 0, 1, 5, 40, 45, 50, i64::MAX - i64::MAX % 5].map(factor_lock_seconds)[3..],
            [300, 38_400, 76_800, 86_400, 86_400]
        );
        assert_eq!([-5, 0, 1].map(factor_lock_seconds), [0; 3]);
        let (mut seconds, mut wrong) = (0, 0);
        while seconds < 365 * 86_400 {
            wrong += 1;
            seconds += factor_lock_seconds(wrong);
        }
        assert!(wrong < 2_000, "{wrong}");
    }

    #[test]
    fn a_secret_is_not_printed_and_one_of_another_length_is_refused() {
        let secret = TotpSecret::new([0x5a; TOTP_SECRET_BYTES]);
        let shown = format!("{:?}", FactorMethod::Totp(secret.clone()));
        assert!(!shown.contains("90") && !shown.contains(secret.to_base32().expose()), "{shown}");
        for text in ["", "GEZDGNBVGY3TQOJQ", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJ1", "gezdgnbvgy3tqojqgezdgnbvgy3tqojq"] {
            assert_eq!(TotpSecret::from_base32(&Secret::new(text)), Err(MalformedTotpSecret), "{text}");
        }
        assert_eq!(TotpSecret::from_base32(&secret.to_base32()).unwrap(), secret);
    }
}
