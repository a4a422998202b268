//! Masks the secrets of a call in the answer of its service. A service may repeat what it was sent, in any member and
//! in any encoding, and no secret may be stored, logged or shown.
//!
//! [`finder`](crate::finder) finds secrets in a text; this module lists the secrets of a call and the texts to search.

use std::{
    borrow::Cow,
    collections::HashSet,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use base64::{
    Engine as _,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use bytes::Bytes;
use serde_json::Value;
use tenterhook_contract::{
    Description, ExtensionPoint, HookKind, MASK, Secret,
    answer::{Answer, Lists, rewrite_json},
    hook::{Channel, ChannelAuthentication, ClientCredential},
    plain_json::PlainJson,
    pointer_pattern::PointerPattern,
    problem::{Change, Problem},
};

use crate::{
    CallFailure, Progress, RawAnswer, ReadyHook, Sent,
    finder::{Budget, Finder, form_bytes_min, may_hold},
};

/// Values that the management API shows in clear (custom headers and parameters of the URI) are masked from this length
/// on: shorter ones are words such as `north` or `true`, and masking them would make texts unreadable.
const SHOWN_VALUE_BYTES_MIN: usize = 8;
/// Segments of the URI's path are masked from this length on: shorter ones are names of endpoints, longer ones are
/// often keys of a webhook.
const PATH_SEGMENT_BYTES_MIN: usize = 16;
/// A value of a document is looked for inside of texts from this length on: shorter ones are digits of indexes and parts of
/// words. A text that is nothing else is masked.
const DOCUMENT_VALUE_BYTES_MIN: usize = 3;
/// Base64 with padding or without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The secrets of one attempt: those of the hook's channel, the access token that was sent, and those in the document.
///
/// Finders are built only when there is a text to mask.
pub(crate) struct CallSecrets<'a> {
    hook: &'a ReadyHook,
    held: Held,
    progress: Progress,
    of_document: OnceLock<Arc<DocumentSecrets>>,
    document_finder: OnceLock<Finder>,
    cuts: Budget,
}

/// What is known of the secrets in the document of a call.
#[derive(Clone)]
pub(crate) enum Held {
    /// There are none.
    Nothing,
    /// A host submitted them, or a flow did.
    Found(Arc<DocumentSecrets>),
    /// They are in this document, which was sent as it is.
    In(Bytes),
}

impl Held {
    /// The secrets of what a flow submits, also those that no document has.
    pub(crate) fn by_flow<P: ExtensionPoint>(
        hook: &ReadyHook,
        point: &P,
        context: &P::Context,
        subject: &P::Subject,
    ) -> Self {
        let places = hook.secret_places();
        if places.is_empty() {
            return Self::Nothing;
        }
        let values = point.submitted_values(context, subject, places);
        let data = || point.submitted_data(context, subject);
        let secrets = secrets_of(&values, places, &**hook.kind(), data);
        Self::Found(Arc::new(DocumentSecrets::of(Some(secrets))))
    }

    /// The secrets of a document that is sent as it is.
    pub(crate) fn in_document(hook: &ReadyHook, document: &Bytes) -> Self {
        if hook.secret_places().is_empty() { Self::Nothing } else { Self::In(document.clone()) }
    }
}

/// The secrets in a document.
#[derive(Default)]
pub(crate) struct DocumentSecrets {
    /// Those that are found inside of texts.
    long: Vec<Secret>,
    /// Those that are masked where a text is nothing else.
    short: Vec<Secret>,
    /// It could not be read, so that nobody knows what its secrets are: every text is masked as a whole.
    is_unreadable: bool,
}

impl DocumentSecrets {
    /// Of those that were found; `None` where the document could not be read.
    fn of(found: Option<Vec<Secret>>) -> Self {
        let Some(found) = found else {
            return Self { is_unreadable: true, ..Self::default() };
        };
        let is_long = |secret: &Secret| secret.expose().trim().len() >= DOCUMENT_VALUE_BYTES_MIN;
        let (long, short) = found.into_iter().partition(is_long);
        Self { long, short, is_unreadable: false }
    }

    fn is_all_of(&self, text: &str) -> bool {
        !text.is_empty()
            && (self.is_unreadable || self.short.iter().any(|secret| secret.expose().trim() == text.trim()))
    }
}

/// The finder of the access token that a hook's last call was sent with. It is kept because a token serves many calls,
/// and building a finder costs more than a call.
#[derive(Default)]
pub(crate) struct TokenFinder(Mutex<Option<(Secret, Arc<Finder>)>>);

impl TokenFinder {
    fn of(&self, token: &Secret) -> Arc<Finder> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, finder)) = kept.filter(|(known, _)| known == token) {
            return finder;
        }
        let finder = Arc::new(Finder::new(std::iter::once(token.expose())));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((token.clone(), Arc::clone(&finder)));
        finder
    }
}

impl<'a> CallSecrets<'a> {
    /// The secrets of an attempt that writes its access token into `progress`.
    pub(crate) fn new(hook: &'a ReadyHook, held: Held, progress: Progress) -> Self {
        let (of_document, document_finder) = (OnceLock::new(), OnceLock::new());
        Self { hook, held, progress, of_document, document_finder, cuts: Budget::new() }
    }

    /// `text` with every secret masked; `None` when it holds none.
    pub(crate) fn mask(&self, text: &str) -> Option<String> {
        if self.of_document().is_all_of(text) {
            return Some(MASK.to_owned());
        }
        let masked = self.mask_bytes(text.as_bytes(), Some(&self.cuts));
        masked.map(|masked| String::from_utf8_lossy(&masked).into_owned())
    }

    /// Like [`Self::mask`], for a text of any encoding; `cuts` is given for a text that we may have truncated.
    fn mask_bytes(&self, text: &[u8], cuts: Option<&Budget>) -> Option<Vec<u8>> {
        // Most texts are shorter than the secret, so they need no finder.
        let may_be_in = |secret: &Secret| may_hold(text, form_bytes_min(secret.expose()));
        let token = self.progress.access_token().filter(|token| may_be_in(token));
        let token = token.map(|token| self.hook.token_finder().of(token));
        let of_document = &self.of_document().long;
        let document = of_document
            .iter()
            .any(may_be_in)
            .then(|| self.document_finder.get_or_init(|| Finder::new(of_document.iter().map(Secret::expose))));
        let finders = [Some(self.hook.finder()), token.as_deref(), document];
        Finder::mask(&finders.into_iter().flatten().collect::<Vec<_>>(), text, cuts)
    }

    fn of_document(&self) -> &DocumentSecrets {
        self.of_document.get_or_init(|| match &self.held {
            Held::Nothing => Arc::default(),
            Held::Found(found) => Arc::clone(found),
            Held::In(body) => {
                Arc::new(DocumentSecrets::of(in_document(self.hook.secret_places(), &**self.hook.kind(), body)))
            }
        })
    }

    /// Masks the text of a failure, which may quote the service or a proxy.
    pub(crate) fn mask_failure(&self, failure: &mut CallFailure) {
        if let Some(masked) = self.mask(&failure.detail) {
            failure.detail = masked;
        }
    }

    /// Masks all of an answer except its commands, which are applied as they are: a service may put any value into a
    /// token.
    pub(crate) fn mask_answer(&self, answer: &mut Answer) {
        answer.rewrite_texts(&mut |text| self.mask(text));
    }

    /// Also masks the commands, for an answer that is shown and never applied.
    pub(crate) fn mask_commands(&self, answer: &mut Answer) {
        answer.rewrite_commands(&mut |text| self.mask(text));
    }

    /// Masks a raw answer.
    pub(crate) fn mask_raw(&self, raw: &mut RawAnswer) {
        let of_document = self.of_document();
        if of_document.is_unreadable {
            raw.body = MASK.into();
        } else if let (false, Ok(PlainJson(mut body))) =
            (of_document.short.is_empty(), serde_json::from_slice::<PlainJson>(&raw.body))
        {
            rewrite_json(&mut body, &mut |text| self.mask(text));
            raw.body = body.to_string().into();
        } else if let Some(masked) = self.mask_bytes(&raw.body, None) {
            raw.body = masked.into();
        }
        // The masked text of the failure has both.
        (raw.media_type, raw.redirects_to) = (None, None);
    }

    /// Masks a document that was sent. It stays JSON.
    pub(crate) fn mask_document(&self, body: &mut Bytes) {
        let mut document = serde_json::from_slice(body).map_or_else(|_| MASK.into(), |PlainJson(document)| document);
        if let Some(data) = document.get_mut("data") {
            self.mask_data(data);
        }
        rewrite_json(&mut document, &mut |text| self.mask(text));
        *body = document.to_string().into();
    }

    /// Masks the URI and the header values of a request, for display.
    pub(crate) fn mask_sent(&self, sent: &mut Sent) {
        let Sent { uri, headers } = sent;
        for text in std::iter::once(uri).chain(headers.iter_mut().map(|(_, value)| value)) {
            if let Some(masked) = self.mask(text) {
                *text = masked;
            }
        }
    }

    /// Masks the `data` of a document: the secret places whatever is there, and the texts.
    pub(crate) fn mask_data(&self, data: &mut Value) {
        for pattern in self.hook.secret_places() {
            pattern.replace(data, &MASK.into());
        }
        rewrite_json(data, &mut |text| self.mask(text));
    }

    /// Masks the paths of changes, which the service chose.
    pub(crate) fn mask_changes(&self, changes: &mut [Change]) {
        for change in changes {
            change.rewrite_texts(&mut |text| self.mask(text));
        }
    }

    /// Masks the names and paths that problems quote of an answer with these lists.
    pub(crate) fn mask_problems(&self, problems: &mut [Problem], lists: &Lists) {
        for problem in problems {
            problem.rewrite_texts(lists, &mut |text| self.mask(text));
        }
    }
}

/// A finder of the secrets in a channel's configuration.
pub(crate) fn of_channel(channel: &Channel) -> Finder {
    let mut secrets = Vec::new();
    match &channel.authentication {
        ChannelAuthentication::Header { value, .. } => secrets.extend(of_header(value.expose())),
        ChannelAuthentication::OAuth { credential: ClientCredential::SecretPost(secret), .. } => {
            secrets.push(secret.expose().to_owned());
        }
        // The key is never sent.
        ChannelAuthentication::None
        | ChannelAuthentication::OAuth { credential: ClientCredential::PrivateKeyJwt(_), .. } => {}
    }
    let headers = channel.headers.iter().flat_map(|header| of_header(&header.value));
    let shown = headers.chain(of_query(&channel.uri)).filter(|value| value.len() >= SHOWN_VALUE_BYTES_MIN);
    secrets.extend(shown);
    secrets.extend(of_path(&channel.uri).filter(|segment| segment.len() >= PATH_SEGMENT_BYTES_MIN).map(str::to_owned));
    Finder::new(secrets.iter().map(String::as_str))
}

/// The secrets in a header's value: the whole value, the part after the scheme, and for `Basic` credentials (RFC 7617)
/// the decoded credentials and the password.
fn of_header(value: &str) -> Vec<String> {
    let value = value.trim();
    let mut secrets = vec![value.to_owned()];
    let Some((scheme, credentials)) = value.split_once(char::is_whitespace) else { return secrets };
    let credentials = credentials.trim();
    secrets.push(credentials.to_owned());
    let decoded = BASE64.decode(credentials).ok().and_then(|decoded| String::from_utf8(decoded).ok());
    if let Some(decoded) = decoded.filter(|_| scheme.eq_ignore_ascii_case("Basic")) {
        secrets.extend(decoded.split_once(':').map(|(_, password)| password.to_owned()));
        secrets.push(decoded);
    }
    secrets
}

/// The values of a URI's query parameters, where cloud functions have their keys.
fn of_query(uri: &str) -> impl Iterator<Item = String> {
    let query = uri.split_once('?').map_or("", |(_, query)| query);
    let query = query.split_once('#').map_or(query, |(query, _)| query);
    query.split('&').map(|parameter| parameter.split_once('=').map_or("", |(_, value)| value).to_owned())
}

/// The segments of a URI's path.
fn of_path(uri: &str) -> impl Iterator<Item = &str> {
    let rest = uri.split_once("://").map_or(uri, |(_, rest)| rest);
    rest.split(['?', '#']).next().unwrap_or_default().split('/').skip(1)
}

/// The places below `data` where documents of a type have secrets: a submitted password, a passcode, whatever a declared type
/// masks; and where what a host submitted has those that no document has.
pub(crate) fn secret_places(description: &Description) -> Vec<PointerPattern> {
    let places = description.secret_members.iter().chain(description.unsent_members.iter());
    places.filter_map(|text| text.parse().ok()).collect()
}

/// The secrets at these places of a document of this type; `None` when it cannot be read. A body without a byte has none.
fn in_document(places: &[PointerPattern], kind: &dyn HookKind, body: &[u8]) -> Option<Vec<Secret>> {
    if body.is_empty() {
        return Some(Vec::new());
    }
    let PlainJson(document) = serde_json::from_slice(body).ok()?;
    let Some(data) = document.get("data") else { return Some(Vec::new()) };
    let values = places.iter().flat_map(|place| place.find(data)).map(Cow::Borrowed).collect::<Vec<_>>();
    Some(secrets_of(&values, places, kind, || data.clone()))
}

/// The secrets in `values`, which stand at these places of `data` of this type: every text and number, and the names that tell
/// something.
fn secrets_of(
    values: &[Cow<'_, Value>],
    places: &[PointerPattern],
    kind: &dyn HookKind,
    data: impl FnOnce() -> Value,
) -> Vec<Secret> {
    let (mut secrets, mut names) = (Vec::new(), HashSet::new());
    for value in values {
        add_texts(value, &mut secrets);
        add_names(value, &mut names);
    }
    names.retain(|name| !kind.names_members(name));
    if !names.is_empty() {
        // A name that stands elsewhere in the document too is none.
        let mut shown = data();
        for pattern in places {
            pattern.replace(&mut shown, &Value::Null);
        }
        let mut open = HashSet::new();
        add_names(&shown, &mut open);
        secrets.extend(names.difference(&open).map(|name| Secret::new(*name)));
    }
    secrets
}

/// Adds the name of every member in `value` to `names`.
fn add_names<'v>(value: &'v Value, names: &mut HashSet<&'v str>) {
    match value {
        Value::Object(members) => {
            names.extend(members.keys().map(String::as_str));
            members.values().for_each(|member| add_names(member, names));
        }
        Value::Array(items) => items.iter().for_each(|item| add_names(item, names)),
        _ => {}
    }
}

/// Adds every text and number in `value` to `secrets`. The nesting of `value` is that of a document that was parsed.
fn add_texts(value: &Value, secrets: &mut Vec<Secret>) {
    match value {
        Value::String(text) => secrets.push(Secret::new(text)),
        Value::Number(number) => secrets.push(Secret::new(number.to_string())),
        Value::Array(items) => items.iter().for_each(|item| add_texts(item, secrets)),
        Value::Object(members) => members.values().for_each(|member| add_texts(member, secrets)),
        Value::Null | Value::Bool(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use tenterhook_contract::{
        BuiltInType, EmptyAnswer, ErrorDefault, FailureDefault, PerOrg, Retry, description::Names,
    };

    use super::*;

    #[test]
    fn the_secrets_of_a_header_are_its_value_its_credentials_and_the_password_in_them() {
        assert_eq!(of_header(" opaque "), ["opaque"]);
        assert_eq!(of_header("Bearer  a.b.c"), ["Bearer  a.b.c", "a.b.c"]);
        let basic = ["basic dXNlcjpwYTpzcw==", "dXNlcjpwYTpzcw==", "pa:ss", "user:pa:ss"];
        assert_eq!(of_header("basic dXNlcjpwYTpzcw=="), basic);
        assert_eq!(of_header("Basic dXNlcjpwYTpzcw").len(), 4, "without padding");
        assert_eq!(of_header("Basic not-base64"), ["Basic not-base64", "not-base64"]);
    }

    #[test]
    fn calls_with_the_same_token_share_what_finds_it() {
        let finders = TokenFinder::default();
        let [first, again, renewed] = ["first-token", "first-token", "renewed-token"].map(Secret::new);
        let [first, again, renewed] = [&first, &again, &renewed].map(|token| finders.of(token));
        assert!(Arc::ptr_eq(&first, &again));
        let shown = |finder: &Finder| Finder::mask(&[finder], b"first-token renewed-token", None);
        assert_eq!(shown(&first), Some("•••• renewed-token".into()));
        assert_eq!(shown(&renewed), Some("first-token ••••".into()));
    }

    #[test]
    fn the_parameters_of_a_uri_have_values() {
        let values = |uri| of_query(uri).collect::<Vec<_>>();
        assert_eq!(values("https://x.example/f?code=k3y==&flag&a=b#c=d"), ["k3y==", "", "b"]);
        assert_eq!(values("https://x.example/f"), [""]);
    }

    #[test]
    fn a_uri_has_segments() {
        let segments = |uri| of_path(uri).collect::<Vec<_>>();
        assert_eq!(segments("https://x.example/hooks/k3y?a=/b#/c"), ["hooks", "k3y"]);
        assert!(segments("https://x.example?a=/b").is_empty());
    }

    #[test]
    fn a_long_segment_of_the_uri_is_a_secret_and_a_short_one_is_not() {
        let channel =
            |uri: &str| Channel { uri: uri.to_owned(), headers: vec![], authentication: ChannelAuthentication::None };
        let shown = |uri: &str| Finder::mask(&[&of_channel(&channel(uri))], uri.as_bytes(), None);
        let masked = shown("https://x.example/fifteen-letters/0123456789abcdef");
        assert_eq!(masked, Some("https://x.example/fifteen-letters/••••".as_bytes().to_vec()));
        assert_eq!(shown("https://host-of-some-length.example/0123456789abcde"), None);
    }

    #[test]
    fn the_secrets_of_a_document_are_where_its_type_says() {
        let read = |hook_type: BuiltInType, text: &str| {
            in_document(&secret_places(hook_type.description()), &**hook_type.kind(), text.as_bytes())
        };
        let of = |hook_type: BuiltInType, text: &str| read(hook_type, text).unwrap_or_default();
        assert_eq!(read(BuiltInType::Telephony, "no JSON"), None);
        let password = r#"{"data":{"context":{"credential":{"username":"mei","password":"pw"}}}}"#;
        assert_eq!(of(BuiltInType::PasswordImport, password), [Secret::new("pw")]);
        assert_eq!(
            of(BuiltInType::Telephony, r#"{"data":{"messageProfile":{"otpCode":12345}}}"#),
            [Secret::new("12345")]
        );
        assert!(of(BuiltInType::Token, password).is_empty() && of(BuiltInType::Telephony, "no JSON").is_empty());
    }

    #[test]
    fn everything_below_a_masked_place_of_a_declared_type_is_a_secret() {
        let names = |names: &[&str]| Names::from(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        let description = Description {
            event_type: BuiltInType::Token.name().clone(),
            event_type_version: "1.0".into(),
            title: "Order check".into(),
            commands: Vec::new().into(),
            default_outcome: "nothing".into(),
            timeout_ms: 3_000,
            retry: Retry::Never,
            empty_answer: EmptyAnswer::DefaultAction,
            failure: FailureDefault::Continue,
            error: ErrorDefault::Refuse,
            per_org: PerOrg::Many,
            authentication_required: false,
            secret_members: names(&["/context/*/phone", "/subject/lines/*/buyer", "/subject/none", "no pointer"]),
            unsent_members: Names::NONE,
            relatives: Vec::new().into(),
            filler_words: Names::NONE,
            preview_inputs: Names::NONE,
            sample_dates: Names::NONE,
        };
        let document = r#"{"data":{
            "context": {"a": {"phone": "+46 1"}, "b": {"phone": 4567, "name": "open"}},
            "subject": {"lines": [{"buyer": {"name": "Ada", "ids": [["x1"], 22.5, true, null]}}, {"sku": "open"}]}
        }}"#;
        let found = in_document(&secret_places(&description), &**BuiltInType::Token.kind(), document.as_bytes());
        assert_eq!(found, Some(Vec::from(["+46 1", "4567", "Ada", "x1", "22.5", "ids"].map(Secret::new))));
    }
}
