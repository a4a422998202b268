//! Points in time as the contract writes them.

use std::fmt;

use jiff::{Timestamp as Instant, fmt::temporal::Pieces};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// A point in time in microseconds since the Unix epoch, UTC.
///
/// Serialises as RFC 3339 with three digits of milliseconds, the form of `management-api.md` section 1.
///
/// ```
/// use tenterhook_contract::Timestamp;
/// let at = Timestamp::from_micros(1_770_802_218_114_000);
/// assert_eq!(at.to_string(), "2026-02-11T09:30:18.114Z");
/// assert_eq!(at.whole_seconds().to_string(), "2026-02-11T09:30:18.000Z");
/// assert_eq!("2026-02-11T09:30:18.114Z".parse(), Ok(at));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// Why a text is not an RFC 3339 date and time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a valid date-time")]
pub struct TimestampError;

impl Timestamp {
    /// From microseconds since the Unix epoch, clamped to the years that RFC 3339 can write.
    pub fn from_micros(micros: i64) -> Self {
        let (min, max) = (Instant::MIN.as_microsecond(), Instant::MAX.as_microsecond());
        Self(micros.clamp(min, max))
    }

    /// Microseconds since the Unix epoch.
    pub fn as_micros(self) -> i64 {
        self.0
    }

    /// Seconds since the Unix epoch, rounded down: the `NumericDate` of RFC 7519.
    pub fn as_seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// The same moment without its fraction of a second, as `eventTime` and hook dates are written.
    #[must_use]
    pub fn whole_seconds(self) -> Self {
        Self(self.0 - self.0.rem_euclid(1_000_000))
    }

    /// This moment moved by `seconds`, which may be negative.
    ///
    /// ```
    /// use tenterhook_contract::Timestamp;
    /// assert_eq!(Timestamp::from_micros(0).plus_seconds(60).as_seconds(), 60);
    /// ```
    #[must_use]
    pub fn plus_seconds(self, seconds: i64) -> Self {
        Self::from_micros(self.0.saturating_add(seconds.saturating_mul(1_000_000)))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The constructor clamps to this range, so the fallback is never taken.
        let instant = Instant::from_microsecond(self.0).unwrap_or(Instant::UNIX_EPOCH);
        write!(formatter, "{instant:.3}")
    }
}

impl std::str::FromStr for Timestamp {
    type Err = TimestampError;

    /// Reads an RFC 3339 date and time. One in the last hours of the year 9999 is the last moment that
    /// [`from_micros`](Timestamp::from_micros) can hold.
    ///
    /// ```
    /// use tenterhook_contract::Timestamp;
    /// let end = Timestamp::from_micros(i64::MAX);
    /// assert_eq!("9999-12-31T23:59:59Z".parse(), Ok(end));
    /// assert!("9999-12-32T23:59:59Z".parse::<Timestamp>().is_err());
    /// ```
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(instant) = text.parse::<Instant>() {
            return Ok(Self(instant.as_microsecond()));
        }
        // The library keeps a margin for time zones at the end of its years.
        let pieces = Pieces::parse(text).map_err(|_| TimestampError)?;
        let is_at_the_end = pieces.time().is_some() && pieces.offset().is_some() && pieces.date().year() == 9_999;
        if is_at_the_end { Ok(Self::from_micros(i64::MAX)) } else { Err(TimestampError) }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Timestamp {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Timestamp".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "format": "date-time",
            "pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$",
        })
    }
}
