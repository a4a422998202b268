//! Documents for previews: built from a sample and a few inputs, or given as a whole; marked as previews, and read
//! back.

use serde_json::{Map, Value, json};

use crate::{
    Timestamp,
    context::{RequestContext, UserContext},
    description::{Description, Names},
    id::{EventId, HookId},
    profile::Profile,
};

/// The member that tells a service that its answer will have no effect.
pub const PREVIEW_MARK: &str = "preview";

/// When samples that are made, not written, were sent, in microseconds. It moves with the time of a preview.
pub(crate) const SAMPLES_SENT_MICROS: i64 = 1_770_802_215_000_000;

/// A request document as JSON.
#[derive(Clone, PartialEq)]
pub struct Document(Map<String, Value>);

/// A member of a document, or an input, that is missing or wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct DocumentError {
    /// The member's JSON Pointer (RFC 6901), or the input's name.
    pub field: String,
    /// What is wrong.
    pub message: String,
}

/// The inputs of a preview. Members without an input stay as in the sample.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    /// When the document is sent. The sample's dates are moved so that their distance from it is that from the sample's
    /// `eventTime`.
    pub at: Option<Timestamp>,
    /// The user of the token, assertion or passcode, or the person who registers.
    pub user: Option<UserContext>,
    /// That user's email address; only a registration contains it.
    pub email: Option<String>,
    /// The app or client.
    pub app: Option<App>,
    /// Granted scopes.
    pub scopes: Option<Vec<String>>,
    /// The OAuth grant type.
    pub grant_type: Option<String>,
    /// The type's `requestType`.
    pub request_type: Option<String>,
    /// Submitted attributes: a form's, or an imported user's.
    pub profile: Option<Profile>,
}

/// An app in the inputs of a preview.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct App {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
}

/// The members by which every document of a preview is marked.
#[derive(Clone, Debug)]
pub struct Mark<'a> {
    /// The document's id.
    pub event_id: &'a EventId,
    /// When it is sent.
    pub at: Timestamp,
    /// The hook.
    pub hook_id: &'a HookId,
    /// The org's base URL, without a slash at the end.
    pub base_url: &'a str,
    /// The request for the preview.
    pub request: &'a RequestContext,
}

impl std::fmt::Debug for Document {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Document").finish_non_exhaustive()
    }
}

impl DocumentError {
    /// The error that `field` is wrong in the way that `message` describes.
    ///
    /// ```
    /// let error = tenterhook_contract::preview::DocumentError::wrong("inputs.user", "No such user");
    /// assert_eq!(error.to_string(), "inputs.user: No such user");
    /// ```
    pub fn wrong(field: &str, message: &str) -> Self {
        Self { field: field.to_owned(), message: message.to_owned() }
    }
}

impl Inputs {
    /// Reads the inputs from a preview's body. Returns the user as the text that names one; the caller looks it up.
    ///
    /// # Errors
    /// An input that the type does not accept, or of the wrong JSON type.
    ///
    /// ```
    /// use serde_json::json;
    /// use tenterhook_contract::{BuiltInType, preview::Inputs};
    /// let body = json!({ "user": "ada@example.com", "scopes": ["openid"] });
    /// let (inputs, user) = Inputs::read(body.as_object().unwrap(), BuiltInType::Token.description()).unwrap();
    /// assert_eq!((inputs.scopes.unwrap().len(), user), (1, Some("ada@example.com")));
    /// assert!(Inputs::read(body.as_object().unwrap(), BuiltInType::Telephony.description()).is_err());
    /// ```
    pub fn read<'a>(
        body: &'a Map<String, Value>,
        description: &Description,
    ) -> Result<(Self, Option<&'a str>), DocumentError> {
        let taken = &description.preview_inputs;
        let mut inputs = Self::default();
        let mut user = None;
        for (name, value) in body.iter().filter(|(_, value)| !value.is_null()) {
            let wrong = |message: &str| DocumentError::wrong(&format!("inputs.{name}"), message);
            let text = || value.as_str().map(str::to_owned).ok_or_else(|| wrong("must be a string"));
            if !taken.contains(name) {
                let taken = taken.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
                if taken.is_empty() {
                    return Err(wrong("is not an input of this hook type, which has none. Give a `document`"));
                }
                return Err(wrong(&format!("is not an input of this hook type. Its inputs are {taken}")));
            }
            match name.as_str() {
                "user" => user = Some(value.as_str().ok_or_else(|| wrong("must be the id or the login of a user"))?),
                "grantType" => inputs.grant_type = Some(text()?),
                "requestType" => inputs.request_type = Some(text()?),
                "profile" => {
                    let profile = value.as_object().ok_or_else(|| wrong("must be an object of attributes"))?;
                    inputs.profile = Some(profile.clone());
                }
                "scopes" => {
                    let scopes = value.as_array().and_then(|scopes| {
                        scopes.iter().map(|scope| scope.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
                    });
                    inputs.scopes = Some(scopes.ok_or_else(|| wrong("must be an array of scope names"))?);
                }
                _ => {
                    let member = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
                    inputs.app = match (member("id"), member("name")) {
                        (Some(id), Some(name)) => Some(App { id, name }),
                        _ => return Err(wrong("must be an object with `id` and `name`")),
                    };
                }
            }
        }
        Ok((inputs, user))
    }
}

impl Document {
    /// A document that the caller supplied.
    ///
    /// # Errors
    /// When it is not an object, or names another type.
    ///
    /// ```
    /// use tenterhook_contract::{BuiltInType, preview::Document};
    /// assert!(Document::given(&serde_json::json!({ "eventType": "x" }), BuiltInType::Token.description()).is_err());
    /// ```
    pub fn given(value: &Value, description: &Description) -> Result<Self, DocumentError> {
        let Value::Object(members) = value else {
            return Err(DocumentError::wrong("document", "must be an object"));
        };
        match members.get("eventType") {
            Some(event_type) if event_type != description.event_type.as_str() => Err(DocumentError::wrong(
                "document.eventType",
                &format!("The inline hook has the type {}", description.event_type),
            )),
            _ => Ok(Self(members.clone())),
        }
    }

    /// A document that holds `data` and nothing else that a service gets; [`Self::take_data`] gives it back.
    pub(crate) fn of_data(request_type: Option<&str>, data: Value) -> Self {
        let mut members = Map::new();
        members.extend(request_type.map(|request_type| ("requestType".to_owned(), json!(request_type))));
        members.insert("data".to_owned(), data);
        Self(members)
    }

    /// Takes `data` out.
    pub(crate) fn take_data(&mut self) -> Value {
        self.0.get_mut("data").map(Value::take).unwrap_or_default()
    }

    /// `data`, where it has that member.
    #[cfg(feature = "declared")]
    pub(crate) fn data_mut(&mut self) -> Option<&mut Value> {
        self.0.get_mut("data")
    }

    /// The sample that fits `inputs`, with its `dates` moved; the type fills in the rest of `inputs`.
    pub(crate) fn of_samples(samples: &[&str], dates: &Names, inputs: &Inputs) -> Result<Self, DocumentError> {
        let samples = samples.iter().filter_map(|text| serde_json::from_str::<Value>(text).ok());
        let wanted = inputs.request_type.as_deref();
        // The sample of the wanted request type if there is one, else the first sample.
        let is_wanted =
            |sample: &Value| wanted.is_some() && sample.get("requestType").and_then(Value::as_str) == wanted;
        let samples = samples.collect::<Vec<_>>();
        let chosen = samples.iter().find(|sample| is_wanted(sample)).or(samples.first());
        let Some(Value::Object(members)) = chosen else {
            return Err(DocumentError::wrong("document", "the sample is not an object"));
        };
        let mut document = Self(members.clone());
        if let Some(at) = inputs.at {
            document.move_dates(dates, at);
        }
        Ok(document)
    }

    /// Moves the dates of a sample, so that at `at` its session and its passcode have not expired.
    fn move_dates(&mut self, dates: &Names, at: Timestamp) {
        let date = |value: &Value| value.as_str()?.parse::<Timestamp>().ok();
        let Some(sent) = self.find("/eventTime").and_then(date) else { return };
        let seconds = at.as_seconds().saturating_sub(sent.as_seconds());
        for pointer in dates.iter() {
            let Some(value) = self.find(pointer) else { continue };
            if let Some(date) = date(value) {
                self.set(pointer, json!(date.plus_seconds(seconds)));
            } else if let Some(numeric) = value.as_i64() {
                self.set(pointer, json!(numeric.saturating_add(seconds)));
            }
        }
        self.set("/eventTime", json!(at.whole_seconds()));
    }

    /// Marks the document as a preview: sets its id, time and origin, and [`PREVIEW_MARK`].
    pub fn mark(&mut self, mark: &Mark<'_>) {
        self.set("/eventId", json!(mark.event_id));
        self.set("/eventTime", json!(mark.at.whole_seconds()));
        self.set(&format!("/{PREVIEW_MARK}"), json!(true));
        let hook_type = self.0.get("eventType").and_then(Value::as_str).unwrap_or_default();
        let url = format!("/api/internal/v1/inlineHooks/{hook_type}/generatePreview");
        let source = match self.0.get("source").and_then(Value::as_str) {
            Some(source) if source.starts_with(HookId::PREFIX) => Some(mark.hook_id.to_string()),
            Some(source) if source.contains("/api/v1/inlineHooks/") => {
                Some(format!("{}/api/v1/inlineHooks/{}", mark.base_url, mark.hook_id))
            }
            _ => None,
        };
        if let Some(source) = source {
            self.set("/source", json!(source));
        }
        if self.find("/data/context/request").is_some() {
            self.set("/data/context/request", json!(mark.request));
            self.set("/data/context/request/url/value", json!(url));
        }
    }

    /// The bytes to send.
    ///
    /// ```
    /// use tenterhook_contract::{HookKind as _, BuiltInType, preview::Inputs};
    /// let document = BuiltInType::Saml.kind().sample(&Inputs::default()).unwrap();
    /// assert_eq!(document.to_json()["eventType"], "com.okta.saml.tokens.transform");
    /// ```
    pub fn to_json(&self) -> Value {
        Value::Object(self.0.clone())
    }

    /// The member at this pointer.
    ///
    /// # Errors
    /// When there is none.
    ///
    /// ```
    /// use tenterhook_contract::{HookKind as _, BuiltInType, preview::Inputs};
    /// let document = BuiltInType::Saml.kind().sample(&Inputs::default()).unwrap();
    /// assert!(document.get("/data/assertion").is_ok() && document.get("/data/none").is_err());
    /// ```
    pub fn get(&self, pointer: &str) -> Result<&Value, DocumentError> {
        self.find(pointer).ok_or_else(|| DocumentError::wrong(pointer, "is missing"))
    }

    /// The member at this pointer, unless there is none or it is null.
    pub fn find(&self, pointer: &str) -> Option<&Value> {
        let tokens = crate::pointer::tokens(pointer).ok()?;
        let (first, below) = tokens.split_first()?;
        let mut value = self.0.get(first.as_ref())?;
        for name in below {
            value = value.as_object()?.get(name.as_ref())?;
        }
        Some(value).filter(|value| !value.is_null())
    }

    /// The text at this pointer.
    ///
    /// # Errors
    /// When there is none.
    pub fn text(&self, pointer: &str) -> Result<&str, DocumentError> {
        self.get(pointer)?.as_str().ok_or_else(|| DocumentError::wrong(pointer, "must be a string"))
    }

    /// The object at this pointer.
    ///
    /// # Errors
    /// When there is none.
    pub fn object(&self, pointer: &str) -> Result<&Map<String, Value>, DocumentError> {
        self.get(pointer)?.as_object().ok_or_else(|| DocumentError::wrong(pointer, "must be an object"))
    }

    /// Sets a member; parents that are missing or not objects become objects.
    pub fn set(&mut self, pointer: &str, value: Value) {
        let tokens = crate::pointer::tokens(pointer).unwrap_or_default();
        let Some((last, parents)) = tokens.split_last() else { return };
        let mut members = &mut self.0;
        for name in parents {
            let child = members.entry(name.as_ref()).or_insert(Value::Null);
            if !child.is_object() {
                *child = Value::Object(Map::new());
            }
            match child {
                Value::Object(below) => members = below,
                _ => return,
            }
        }
        members.insert(last.as_ref().to_owned(), value);
    }

    /// Sets a member of the object at `parent`; a new one is inserted after its sibling `after`.
    pub(crate) fn set_after(&mut self, parent: &str, after: &str, name: &str, value: Value) {
        self.set(&format!("{parent}/{}", crate::pointer::escape(name)), value);
        let Some(Value::Object(mut members)) = self.find(parent).cloned() else { return };
        let Some((name, value)) = members.shift_remove_entry(name) else { return };
        let place = members.keys().position(|own| own == after).map_or(members.len(), |index| index + 1);
        members.shift_insert(place, name, value);
        self.set(parent, Value::Object(members));
    }

    pub(crate) fn remove(&mut self, parent: &str, name: &str) {
        let tokens = crate::pointer::tokens(parent).unwrap_or_default();
        let mut members = &mut self.0;
        for token in &tokens {
            match members.get_mut(token.as_ref()) {
                Some(Value::Object(below)) => members = below,
                _ => return,
            }
        }
        members.shift_remove(name);
    }
}
