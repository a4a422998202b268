//! Codes of authenticator apps (RFC 6238): HMAC-SHA-1, six digits, steps of 30 seconds; what every app computes.

use aws_lc_rs::{constant_time::verify_slices_are_equal, hmac};
use tenterhook_contract::Timestamp;
use tenterhook_model::{PASSCODE_DIGITS, Passcode, TotpSecret};

/// Seconds of a time step.
pub const STEP_SECONDS: i64 = 30;
/// Steps by which the clock of an app may be wrong, each way (RFC 6238 section 6).
const DRIFT_STEPS: i64 = 1;

/// The time step whose code this is, if it is one of those that count at `now`.
pub(super) fn step_of(secret: &TotpSecret, passcode: &Passcode, now: Timestamp) -> Option<i64> {
    let current = now.as_micros().div_euclid(STEP_SECONDS * 1_000_000);
    // Every step is compared, so that the time tells nothing.
    (current - DRIFT_STEPS..=current + DRIFT_STEPS).fold(None, |found, step| {
        let code = code(secret, step);
        if verify_slices_are_equal(code.as_bytes(), passcode.expose().as_bytes()).is_ok() { Some(step) } else { found }
    })
}

/// The code of a time step (RFC 4226 section 5.3).
fn code(secret: &TotpSecret, step: i64) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.as_bytes());
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let bytes = tag.as_ref();
    let offset = bytes.last().map_or(0, |last| usize::from(last & 0x0f));
    // The offset is 15 at most, and a tag has 20 bytes.
    let four = bytes.get(offset..offset + 4).and_then(|four| four.try_into().ok()).unwrap_or_default();
    let number = u32::from_be_bytes(four) & 0x7fff_ffff;
    format!("{:0PASSCODE_DIGITS$}", number % 10_u32.pow(6))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    const SECRET: TotpSecret = TotpSecret::new(*b"12345678901234567890");

    /// RFC 6238 appendix B, of which six digits are the last ones.
    const VECTORS: [(i64, &str); 6] = [
        (59, "287082"),
        (1_111_111_109, "081804"),
        (1_111_111_111, "050471"),
        (1_234_567_890, "005924"),
        (2_000_000_000, "279037"),
        (20_000_000_000, "353130"),
    ];

    #[test]
    fn codes_are_those_of_the_standard() {
        for (seconds, expected) in VECTORS {
            assert_eq!(code(&SECRET, seconds / STEP_SECONDS), expected, "{seconds}");
        }
    }

    #[test]
    fn a_code_counts_in_its_step_and_one_step_before_and_after() {
        let (seconds, text) = (1_234_567_890, "005924");
        let (begin, passcode) = (seconds - seconds % STEP_SECONDS, Passcode::parse(text).unwrap());
        for (late, expected) in [(-31, false), (-30, true), (-1, true), (0, true), (59, true), (60, false)] {
            let now = Timestamp::from_micros((begin + late) * 1_000_000);
            let step = step_of(&SECRET, &passcode, now);
            assert_eq!(step, expected.then_some(begin / STEP_SECONDS), "{late}");
        }
        let other = Passcode::parse("005925").unwrap();
        assert_eq!(step_of(&SECRET, &other, Timestamp::from_micros(begin * 1_000_000)), None);
    }
}
