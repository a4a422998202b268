//! What the QR code says that an authenticator app is set up with, and the link to it. The link needs no API token, because browsers load
//! images without one: its own token is the proof.

use std::fmt::Write as _;

use aws_lc_rs::{constant_time::verify_slices_are_equal, hmac};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tenterhook_contract::{
    Secret,
    id::{FactorId, UserId},
};
use tenterhook_model::{Factor, FactorMethod, FactorStatus, PASSCODE_DIGITS, TotpSecret, User};
use tenterhook_platform::{OrgSnapshot, Platform};
use tenterhook_store::StoreError;

use super::{check_status, totp::STEP_SECONDS};

/// What the token of a link is made for: a key of one purpose.
const LINK: &[u8] = b"qr-code link of ";
/// Characters of the org's name, and of the login, that the app shows. A QR code holds both, also when each character takes four bytes.
const SHOWN_CHARACTERS_MAX: usize = 64;
/// What a URI has as it is (RFC 3986 section 2.3).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The token of the link to the QR code of an authenticator app: whoever has it gets the secret while the factor is pending. It is made
/// of the secret and does not tell it, so that nothing is stored, and a secret that is drawn anew has another one. `None` of a phone.
pub fn link_token(factor: &Factor) -> Option<Secret> {
    let FactorMethod::Totp(secret) = &factor.method else { return None };
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let mut context = hmac::Context::with_key(&key);
    context.update(LINK);
    context.update(factor.id.as_str().as_bytes());
    Some(Secret::new(URL_SAFE_NO_PAD.encode(context.sign())))
}

/// The URI of the QR code that a link with this token shows. `None` when it shows none: the token is not that of the factor, the factor
/// is active already, or it is gone.
///
/// # Errors
/// When the store fails.
pub async fn uri_of_link(
    platform: &Platform,
    org: &OrgSnapshot,
    (user, factor): (&UserId, &FactorId),
    token: &str,
) -> Result<Option<Secret>, StoreError> {
    let Some(factor) = platform.store().find_factor(&org.org.id, user, factor).await? else { return Ok(None) };
    let FactorMethod::Totp(secret) = &factor.method else { return Ok(None) };
    let expected = link_token(&factor).filter(|_| factor.status == FactorStatus::PendingActivation);
    let is_right = expected
        .is_some_and(|expected| verify_slices_are_equal(expected.expose().as_bytes(), token.as_bytes()).is_ok());
    if !is_right {
        return Ok(None);
    }
    let user = platform.store().find_user(&org.org.id, user).await?;
    Ok(user.filter(|user| check_status(user).is_ok()).map(|user| otpauth_uri(org, &user, secret)))
}

/// The URI that authenticator apps read (Google Authenticator's "Key Uri Format"): the secret, and what the app shows of whose it is. Some
/// apps ignore what differs from the defaults, so it has them all.
pub fn otpauth_uri(org: &OrgSnapshot, user: &User, secret: &TotpSecret) -> Secret {
    uri(&org.org.name, &user.profile.login, secret)
}

fn uri(issuer: &str, account: &str, secret: &TotpSecret) -> Secret {
    // A colon is between the two.
    let shown = |text: &str| -> String { text.chars().filter(|it| *it != ':').take(SHOWN_CHARACTERS_MAX).collect() };
    let (issuer, account) = (shown(issuer), shown(account));
    let (issuer, account) = (utf8_percent_encode(&issuer, ESCAPED), utf8_percent_encode(&account, ESCAPED));
    let base32 = secret.to_base32();
    let mut uri = format!("otpauth://totp/{issuer}:{account}?secret={}&issuer={issuer}", base32.expose());
    // Writing to a text does not fail.
    let _ = write!(uri, "&algorithm=SHA1&digits={PASSCODE_DIGITS}&period={STEP_SECONDS}");
    Secret::new(uri)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: TotpSecret = TotpSecret::new(*b"12345678901234567890");

    #[test]
    fn the_uri_names_the_org_and_the_user_and_has_no_room_for_more() {
        let rest = "secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer";
        let end = "&algorithm=SHA1&digits=6&period=30";
        for (issuer, account, label, shown) in [
            ("Acme", "ada@example.com", "Acme:ada%40example.com", "Acme"),
            ("Acme: EU & Co", "a:b?c#d", "Acme%20EU%20%26%20Co:ab%3Fc%23d", "Acme%20EU%20%26%20Co"),
            ("Caf\u{e9}", "", "Caf%C3%A9:", "Caf%C3%A9"),
        ] {
            let expected = format!("otpauth://totp/{label}?{rest}={shown}{end}");
            assert_eq!(uri(issuer, account, &SECRET).expose(), expected);
        }
        let long = "\u{1f600}".repeat(1_000);
        // Bytes of the largest QR code.
        assert!(uri(&long, &long, &SECRET).expose().len() <= 2_953);
    }
}
