//! The document that is sent: the envelope around a type's `data`.

use serde::Serialize;

use crate::{Description, Timestamp, id::EventId};

/// The request document, its members in the order seen on the wire (`observed.md` section 2).
///
/// ```
/// use tenterhook_contract::{BuiltInType, Timestamp, envelope::Envelope, id::EventId};
/// let id = EventId::from_entropy([7; 16]);
/// let at = Timestamp::from_micros(1_770_802_215_500_000);
/// let envelope = Envelope::new(&id, at, BuiltInType::UserImport.description(), "cal1rTy6uIo8PzLk1d7", None, ());
/// let document = serde_json::to_value(&envelope).unwrap();
/// assert_eq!(document["eventTime"], "2026-02-11T09:30:15.000Z");
/// ```
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(description = "The request document."))]
pub struct Envelope<'a, D> {
    event_id: &'a EventId,
    event_time: Timestamp,
    event_type: &'a str,
    event_type_version: &'a str,
    #[cfg_attr(feature = "schema", schemars(extend("const" = "application/json")))]
    content_type: &'static str,
    #[cfg_attr(feature = "schema", schemars(extend("const" = "0.1")))]
    cloud_event_version: &'static str,
    source: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_type: Option<&'a str>,
    data: D,
}

impl<'a, D: Serialize> Envelope<'a, D> {
    /// Wraps `data` of the type that `description` is of; `at` is written in whole seconds (`open-questions.md` C12).
    pub fn new(
        event_id: &'a EventId,
        at: Timestamp,
        description: &'a Description,
        source: &'a str,
        request_type: Option<&'a str>,
        data: D,
    ) -> Self {
        Self {
            event_id,
            event_time: at.whole_seconds(),
            event_type: &description.event_type,
            event_type_version: &description.event_type_version,
            content_type: "application/json",
            cloud_event_version: "0.1",
            source,
            request_type,
            data,
        }
    }
}
