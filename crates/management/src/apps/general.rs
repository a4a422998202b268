//! What requests say of an app of any sign-on mode, and the checks of texts that both kinds of app need.

use tenterhook_contract::saml::assertion::is_xml_text;
use tenterhook_model::{AppHide, AppTold, Template, UserNameTemplate};
use url::Url;

use super::request::{AppRequest, UserNameRequest};
use crate::{
    patterns::Named,
    request::{BLANK, Causes, Given, NOT_ONE_LINE},
};

/// Characters of a label.
pub const LABEL_CHARACTERS_MAX: usize = 100;
/// Bytes of a URL, and of a text such as an entity id.
pub(super) const URL_BYTES_MAX: usize = 1_024;
/// Characters of a note.
pub const NOTE_CHARACTERS_MAX: usize = 1_000;
/// Bytes of `profile` and of `visibility.appLinks` as JSON.
pub const PROFILE_BYTES_MAX: usize = 16 * 1_024;

/// Metadata and assertions could not be written.
const NOT_XML: &str = "The field has a character that XML 1.0 does not allow";

const TEMPLATE: &str = "credentials.userNameTemplate.template";

/// The members that apps of every sign-on mode have.
pub(super) struct General {
    pub(super) label: String,
    pub(super) implicit_assignment: bool,
    pub(super) hide: AppHide,
    pub(super) user_name: UserNameTemplate,
    pub(super) told: AppTold,
}

impl General {
    /// Reads a request. What it does not say has the value of a new app: a request replaces the whole app.
    pub(super) fn read(causes: &mut Causes, request: &AppRequest) -> Self {
        let AppRequest { accessibility, visibility, settings, .. } = request;
        let label = causes.line("label", &request.label);
        if label.chars().count() > LABEL_CHARACTERS_MAX && !causes.has("label") {
            causes.add("label", &format!("The field cannot be longer than {LABEL_CHARACTERS_MAX} characters"));
        }
        if causes.plain("settings.manualProvisioning", &settings.manual_provisioning, false) {
            causes.add("settings.manualProvisioning", "Provisioning is not supported: leave it out, or write false");
        }
        causes.constant("settings.notifications.vpn.network.connection", &settings.vpn_connection, "DISABLED");
        let told = AppTold {
            self_service: causes.plain("accessibility.selfService", &accessibility.self_service, false),
            error_redirect_url: url(causes, "accessibility.errorRedirectUrl", &accessibility.error_redirect_url),
            login_redirect_url: url(causes, "accessibility.loginRedirectUrl", &accessibility.login_redirect_url),
            auto_submit_toolbar: causes.plain("visibility.autoSubmitToolbar", &visibility.auto_submit_toolbar, false),
            auto_launch: causes.plain("visibility.autoLaunch", &visibility.auto_launch, false),
            app_links: object(causes, "visibility.appLinks", &visibility.app_links),
            admin_note: note(causes, "settings.notes.admin", &settings.admin_note),
            enduser_note: note(causes, "settings.notes.enduser", &settings.enduser_note),
            profile: object(causes, "profile", &request.profile),
            ..AppTold::default()
        };
        if !told.app_links.values().all(serde_json::Value::is_boolean) {
            causes.add("visibility.appLinks", "Write true or false for each link");
        }
        Self {
            label,
            implicit_assignment: causes.plain("settings.implicitAssignment", &settings.implicit_assignment, false),
            hide: AppHide {
                ios: causes.plain("visibility.hide.iOS", &visibility.hide_ios, false),
                web: causes.plain("visibility.hide.web", &visibility.hide_web, false),
            },
            user_name: read_user_name(causes, &request.user_name),
            told,
        }
    }
}

fn read_user_name(causes: &mut Causes, request: &UserNameRequest) -> UserNameTemplate {
    const TYPES: [&str; 3] = ["BUILT_IN", "CUSTOM", "NONE"];
    const PUSH_STATUSES: [&str; 3] = ["PUSH", "DONT_PUSH", "NOT_CONFIGURED"];
    let default = UserNameTemplate::default();
    let parsed = match bounded(causes, TEMPLATE, &request.template) {
        Some(text) => template(causes, TEMPLATE, &text).unwrap_or(default.template),
        None => default.template,
    };
    let kind = choice(causes, "credentials.userNameTemplate.type", &request.kind, &TYPES);
    let suffix = bounded(causes, "credentials.userNameTemplate.userSuffix", &request.user_suffix);
    let older = bounded(causes, "credentials.userNameTemplate.suffix", &request.suffix);
    if suffix.is_some() && older.is_some() && suffix != older {
        causes.add("credentials.userNameTemplate.suffix", "It is another one than `userSuffix`. Leave it out");
    }
    let push_status = choice(causes, "credentials.userNameTemplate.pushStatus", &request.push_status, &PUSH_STATUSES);
    UserNameTemplate {
        template: parsed,
        kind: kind.unwrap_or(&default.kind).to_owned(),
        suffix: suffix.or(older),
        push_status: push_status.map(ToOwned::to_owned),
    }
}

/// A text with expressions in `${…}`; `None` is a problem that has been noted.
pub(super) fn template(causes: &mut Causes, member: &str, text: &str) -> Option<Template> {
    if !causes.has(member) && !is_xml_text(text) {
        causes.add(member, NOT_XML);
    }
    Template::parse(text).map_err(|problem| causes.add(member, &problem.to_string())).ok()
}

/// The regular expressions of a template, which `member` has.
pub(super) fn named<'a>(member: &str, template: &'a Template) -> impl Iterator<Item = Named<'a>> {
    template.patterns().into_iter().map(move |pattern| (member.to_owned(), pattern))
}

/// The regular expressions of the names of users at an app.
pub(super) fn of_user_name(user_name: &UserNameTemplate) -> Vec<Named<'_>> {
    named(TEMPLATE, &user_name.template).collect()
}

/// One of these texts, or nothing where the member is absent.
pub(super) fn choice<'a>(
    causes: &mut Causes,
    member: &str,
    given: &Given<String>,
    choices: &[&'a str],
) -> Option<&'a str> {
    let text = match given {
        Given::Absent => return None,
        Given::Is(text) => choices.iter().copied().find(|choice| choice == text),
        Given::Wrong => None,
    };
    if text.is_none() {
        causes.none_of(member, choices.iter().copied());
    }
    text
}

/// A text of [`URL_BYTES_MAX`] bytes at most, or nothing where it is absent or empty. Texts of spaces alone are refused.
pub(super) fn bounded(causes: &mut Causes, member: &str, given: &Given<String>) -> Option<String> {
    let text = causes.given(member, given).filter(|text| !text.is_empty())?;
    if text.trim().is_empty() {
        causes.add(member, BLANK);
    } else if text.len() > URL_BYTES_MAX {
        causes.add(member, &format!("The field cannot be longer than {URL_BYTES_MAX} bytes"));
    } else if text.contains(char::is_control) {
        causes.add(member, NOT_ONE_LINE);
    } else if !is_xml_text(text) {
        causes.add(member, NOT_XML);
    }
    Some(text.clone())
}

/// The same of a text that must be there.
pub(super) fn required(causes: &mut Causes, member: &str, given: &Given<String>) -> String {
    let text = bounded(causes, member, given);
    if text.is_none() && !causes.has(member) {
        causes.add(member, BLANK);
    }
    text.unwrap_or_default()
}

/// A URL of the web, or nothing where the member is absent or empty.
pub(super) fn url(causes: &mut Causes, member: &str, given: &Given<String>) -> Option<String> {
    let text = bounded(causes, member, given)?;
    check_url(causes, member, &text);
    Some(text)
}

/// The same of a URL that must be there.
pub(super) fn required_url(causes: &mut Causes, member: &str, given: &Given<String>) -> String {
    let text = required(causes, member, given);
    if !text.is_empty() {
        check_url(causes, member, &text);
    }
    text
}

fn check_url(causes: &mut Causes, member: &str, text: &str) {
    if !causes.has(member) && !is_web_url(text) {
        causes.add(member, "Write a URL such as `https://app.example.com/path`, without a fragment or a user name");
    }
}

/// Whether a browser may be sent there: a URL of `http` or `https` with a host, written without what the parser of URLs would
/// drop in silence.
fn is_web_url(text: &str) -> bool {
    let Ok(url) = Url::parse(text) else { return false };
    let rest = text.get(url.scheme().len()..).unwrap_or_default();
    matches!(url.scheme(), "http" | "https")
        && rest.starts_with("://")
        && !rest.starts_with(":///")
        && text.bytes().all(|byte| byte.is_ascii_graphic())
        && !text.contains(['#', '\\'])
        && url.username().is_empty()
        && url.password().is_none()
}

/// A note, which may have several lines.
fn note(causes: &mut Causes, member: &str, given: &Given<String>) -> Option<String> {
    let text = causes.given(member, given)?;
    if text.chars().count() > NOTE_CHARACTERS_MAX {
        causes.add(member, &format!("The field cannot be longer than {NOTE_CHARACTERS_MAX} characters"));
    }
    Some(text.clone())
}

/// An object of [`PROFILE_BYTES_MAX`] bytes at most.
pub(super) fn object(
    causes: &mut Causes,
    member: &str,
    given: &Given<serde_json::Map<String, serde_json::Value>>,
) -> serde_json::Map<String, serde_json::Value> {
    let Some(object) = causes.given(member, given) else { return serde_json::Map::new() };
    let bytes = serde_json::to_string(object).map_or(usize::MAX, |text| text.len());
    if bytes > PROFILE_BYTES_MAX {
        causes.add(member, &format!("The field cannot be longer than {PROFILE_BYTES_MAX} bytes"));
    }
    object.clone()
}
