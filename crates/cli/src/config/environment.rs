//! Environment variables over the settings of the file. A variable that looks like a setting and is none is refused or
//! named, never ignored in silence.

use std::{collections::BTreeMap, fs};

use toml::{Table, Value};

use super::{
    ConfigError, LogFormat,
    settings::{self, Setting},
};

/// Prefix of the environment variables that overlay the file.
pub(crate) const PREFIX: &str = "TENTERHOOK_";
/// Separates section and key in such a variable: `TENTERHOOK_SERVER__LISTEN`.
const SEPARATOR: &str = "__";
/// A variable with this suffix names a file that holds the value.
const FILE_SUFFIX: &str = "_file";
/// The variable of `log.format`.
const LOG_FORMAT: &str = "TENTERHOOK_LOG__FORMAT";

/// Puts the variables over the settings of the file. Returns the names of those that are no setting and look like none.
///
/// # Errors
/// When a variable is not usable, or is a setting that is not written as one.
pub(super) fn overlay(table: &mut Table, environment: &BTreeMap<String, String>) -> Result<Vec<String>, ConfigError> {
    drop_secrets_of_file(table, environment);
    let mut ignored = Vec::new();
    for (name, text) in environment {
        let Some(path) = name.strip_prefix(PREFIX) else { continue };
        let refuse = |why: String| ConfigError::Environment { name: name.clone(), why };
        // What is in place of bytes that are not UTF-8.
        if text.contains(char::REPLACEMENT_CHARACTER) {
            return Err(refuse("write its value in UTF-8".to_owned()));
        }
        let Some((section, key)) = path.split_once(SEPARATOR) else {
            match meant(path) {
                Some(meant) => return Err(refuse(format!("write `{meant}`, with two underscores after the section"))),
                None if is_of_kubernetes(path) => {}
                None => ignored.push(name.clone()),
            }
            continue;
        };
        let (setting, is_file) = named(section, key).ok_or_else(|| refuse(of_unknown(path, section)))?;
        let text = if is_file {
            let content = fs::read_to_string(text).map_err(|error| refuse(format!("cannot read `{text}`: {error}")))?;
            content.trim_end().to_owned()
        } else {
            text.clone()
        };
        let value = setting.form.read(&text);
        if !setting.form.accepts(&value) {
            return Err(refuse(format!("write {}", setting.form.wanted(false))));
        }
        let section = table.entry(setting.section).or_insert_with(|| Value::Table(Table::new()));
        // A file whose section is no table was refused before.
        if let Some(section) = section.as_table_mut() {
            section.insert(setting.key.to_owned(), value);
        }
    }
    Ok(ignored)
}

/// The setting of a variable, and whether the variable names a file with its value. `master_key_file`,
/// `password_file`, `bootstrap_token_file` and those of `[telephony]` are settings of their own.
fn named(section: &str, key: &str) -> Option<(&'static Setting, bool)> {
    let (section, key) = (section.to_lowercase(), key.to_lowercase());
    if let Some(setting) = settings::find(&section, &key) {
        return Some((setting, false));
    }
    Some((settings::find(&section, key.strip_suffix(FILE_SUFFIX)?)?, true))
}

/// The variable that was meant by one with other underscores.
fn meant(path: &str) -> Option<String> {
    let squeezed = |text: &str| text.to_lowercase().replace('_', "");
    let written = squeezed(path);
    let names = settings::SETTINGS.iter().map(|setting| variable(setting.section, setting.key));
    let with_files = names.flat_map(|name| [format!("{name}{}", FILE_SUFFIX.to_uppercase()), name]);
    with_files.into_iter().find(|name| name.strip_prefix(PREFIX).is_some_and(|known| squeezed(known) == written))
}

fn of_unknown(path: &str, section: &str) -> String {
    match meant(path) {
        Some(meant) => format!("write `{meant}`"),
        None => format!("there is no such setting. {}", settings::those_of(&section.to_lowercase())),
    }
}

/// The name of a setting's variable.
fn variable(section: &str, key: &str) -> String {
    format!("{PREFIX}{}{SEPARATOR}{}", section.to_uppercase(), key.to_uppercase())
}

/// Whether Kubernetes sets this variable in every container beside a service whose name begins with `tenterhook`:
/// `TENTERHOOK_SERVICE_HOST`, `TENTERHOOK_PORT_8080_TCP_ADDR`.
fn is_of_kubernetes(path: &str) -> bool {
    let path = format!("_{path}");
    ["_SERVICE_HOST", "_SERVICE_PORT", "_PORT"].iter().any(|end| path.ends_with(end))
        || path.contains("_SERVICE_PORT_")
        || path.split("_PORT_").nth(1).is_some_and(|port| port.starts_with(|first: char| first.is_ascii_digit()))
}

/// Two settings name the same secret, itself or its file: if the environment has either, both settings of the file are dropped.
fn drop_secrets_of_file(table: &mut Table, environment: &BTreeMap<String, String>) {
    for (section, keys) in [
        ("keys", ["master_key", "master_key_file"]),
        ("mail", ["password", "password_file"]),
        ("telephony", ["twilio_secret", "twilio_secret_file"]),
        ("telephony", ["endpoint_secret", "endpoint_secret_file"]),
    ] {
        let given = |name: &String| {
            let parts = name.strip_prefix(PREFIX).and_then(|path| path.split_once(SEPARATOR));
            let setting = parts.and_then(|(section, key)| named(section, key));
            setting.is_some_and(|(setting, _)| setting.section == section && keys.contains(&setting.key))
        };
        if environment.keys().any(given)
            && let Some(of_file) = table.get_mut(section).and_then(Value::as_table_mut)
        {
            of_file.retain(|name, _| !keys.contains(&name));
        }
    }
}

/// `log.format` of the environment, whatever else is wrong.
pub(super) fn log_format(environment: &BTreeMap<String, String>) -> Option<LogFormat> {
    LogFormat::of(environment.get(LOG_FORMAT)?)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    fn over(name: &str, value: &str) -> Result<Vec<String>, String> {
        let environment = BTreeMap::from([(name.to_owned(), value.to_owned())]);
        overlay(&mut Table::new(), &environment).map_err(|error| error.to_string())
    }

    #[test]
    fn a_variable_that_is_no_setting_is_refused_or_named() {
        for (name, wanted) in [
            ("TENTERHOOK_SERVER_LISTEN", "write `TENTERHOOK_SERVER__LISTEN`, with two underscores"),
            ("TENTERHOOK_KEYS_MASTER_KEY_FILE", "write `TENTERHOOK_KEYS__MASTER_KEY_FILE`"),
            ("TENTERHOOK_STORE_DATABASE_FILE", "write `TENTERHOOK_STORE__DATABASE_FILE`"),
            ("TENTERHOOK__SERVER__LISTEN", "write `TENTERHOOK_SERVER__LISTEN`"),
            ("TENTERHOOK_LIMITS__IN__FLIGHT", "write `TENTERHOOK_LIMITS__IN_FLIGHT`"),
            ("TENTERHOOK_SERVER__LISSEN", "The settings of `[server]` are `listen`"),
            ("TENTERHOOK_SERVRE__LISTEN", "The sections are `server`"),
            ("TENTERHOOK_SERVER__LISTEN", "write an IP address with a port, such as `127.0.0.1:8080`"),
            ("TENTERHOOK_EGRESS__ALLOW", "write a list of texts in quotes, such as `[\"10.1.0.0/16:8443\"]`"),
            ("TENTERHOOK_LOG__FORMAT", "write `text` or `json`"),
        ] {
            let said = over(name, "marked").unwrap_err();
            assert!(said.contains(wanted) && said.contains(&format!("`{name}`")), "{said}");
            assert!(!said.contains("marked"), "a value may be a secret: {said}");
        }
        let said = over("TENTERHOOK_STORE__DATABASE", "sqlite://marked\u{fffd}").unwrap_err();
        assert!(said.contains("UTF-8") && !said.contains("marked"), "{said}");
        assert_eq!(over("TENTERHOOK_LISTEN", "x"), Ok(vec!["TENTERHOOK_LISTEN".to_owned()]));
        for name in [
            "TENTERHOOK_SERVICE_HOST",
            "TENTERHOOK_SERVICE_PORT",
            "TENTERHOOK_SERVICE_PORT_HTTP",
            "TENTERHOOK_PORT",
            "TENTERHOOK_PORT_8080_TCP_ADDR",
            "TENTERHOOK_WEB_PORT",
            "PATH",
        ] {
            assert_eq!(over(name, "x"), Ok(Vec::new()), "{name}");
        }
    }

    #[test]
    fn a_text_that_looks_like_a_number_is_a_text() {
        let mut table = Table::new();
        let environment = BTreeMap::from([("TENTERHOOK_OUTBOUND__USER_AGENT".to_owned(), "5".to_owned())]);
        overlay(&mut table, &environment).unwrap();
        assert_eq!(table.get("outbound").unwrap().get("user_agent").unwrap().as_str(), Some("5"));
    }
}
