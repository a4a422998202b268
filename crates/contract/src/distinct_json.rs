//! Reads JSON in which no object has two members with one name (I-JSON, RFC 7493 section 2.3): which of both is meant is not
//! known.

use serde::de::{Deserialize, DeserializeSeed as _, Deserializer};
use serde_json::Value;

use crate::plain_json::Reading;

/// Any JSON value, and where in it a member is given twice.
#[derive(Debug)]
pub(crate) struct DistinctJson {
    /// The value; of members with the same name the last.
    pub(crate) value: Value,
    /// Pointers to the members that are given twice, the first [`PROBLEMS_SHOWN_MAX`] ones, each cut to what an error shows.
    ///
    /// [`PROBLEMS_SHOWN_MAX`]: crate::limits::PROBLEMS_SHOWN_MAX
    pub(crate) repeated: Vec<String>,
}

impl<'de> Deserialize<'de> for DistinctJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut repeated = Vec::new();
        let value = Reading(Some(&mut repeated)).deserialize(deserializer)?;
        Ok(Self { value, repeated })
    }
}
