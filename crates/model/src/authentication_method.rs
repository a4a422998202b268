//! How a user has proven who they are, as tokens and hook documents say it.

use crate::FactorType;

/// One method of a sign-in (RFC 8176).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthenticationMethod {
    /// A password.
    Password,
    /// A passcode that was sent as a text message.
    Sms,
    /// A passcode that was said in a call.
    Call,
    /// A passcode of an authenticator app.
    OneTimePassword,
    /// Several factors.
    Multifactor,
}

impl AuthenticationMethod {
    /// The methods of a sign-in by password, and by `factor` too where one was verified.
    pub const fn of_sign_in(factor: Option<FactorType>) -> &'static [Self] {
        match factor {
            None => &[Self::Password],
            Some(FactorType::Sms) => &[Self::Password, Self::Sms, Self::Multifactor],
            Some(FactorType::Call) => &[Self::Password, Self::Call, Self::Multifactor],
            Some(FactorType::Totp) => &[Self::Password, Self::OneTimePassword, Self::Multifactor],
        }
    }

    /// The code in claims (RFC 8176 section 2).
    pub const fn code(self) -> &'static str {
        match self {
            Self::Password => "pwd",
            Self::Sms => "sms",
            Self::Call => "tel",
            Self::OneTimePassword => "otp",
            Self::Multifactor => "mfa",
        }
    }

    /// The vendor's name in hook documents (`overview.md` section 3.3).
    pub const fn hook_name(self) -> &'static str {
        match self {
            Self::Password => "PASSWORD",
            Self::Sms => "SMS_MESSAGE",
            Self::Call => "TELEPHONE_CALL",
            Self::OneTimePassword => "ONE_TIME_PASSWORD",
            Self::Multifactor => "MULTIFACTOR_AUTHENTICATION",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_in_has_the_method_of_its_factor_in_both_vocabularies() {
        for (factor_type, codes, names) in [
            (None, &["pwd"][..], &["PASSWORD"][..]),
            (Some(FactorType::Sms), &["pwd", "sms", "mfa"], &["PASSWORD", "SMS_MESSAGE", "MULTIFACTOR_AUTHENTICATION"]),
            (
                Some(FactorType::Call),
                &["pwd", "tel", "mfa"],
                &["PASSWORD", "TELEPHONE_CALL", "MULTIFACTOR_AUTHENTICATION"],
            ),
            (
                Some(FactorType::Totp),
                &["pwd", "otp", "mfa"],
                &["PASSWORD", "ONE_TIME_PASSWORD", "MULTIFACTOR_AUTHENTICATION"],
            ),
        ] {
            let methods = AuthenticationMethod::of_sign_in(factor_type);
            assert_eq!(methods.iter().map(|method| method.code()).collect::<Vec<_>>(), codes, "{factor_type:?}");
            assert_eq!(methods.iter().map(|method| method.hook_name()).collect::<Vec<_>>(), names, "{factor_type:?}");
        }
    }
}
