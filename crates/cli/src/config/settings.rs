//! The table of all settings: name, and the form of the value. Errors of the file and of the environment are explained
//! with it; `docs/configuration.md` has a row for each.

use std::net::SocketAddr;

use toml::Value;

use Form::{Address, Number, OneOf, Path, Paths, Text, Texts};

/// One setting.
#[derive(Debug)]
pub(crate) struct Setting {
    pub(crate) section: &'static str,
    pub(crate) key: &'static str,
    pub(crate) form: Form,
}

/// What a value has to be. Examples are as TOML writes them.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Form {
    /// An IP address with a port.
    Address(&'static str),
    /// A whole number, not negative.
    Number(&'static str),
    /// Any text.
    Text(&'static str),
    /// A list of texts.
    Texts(&'static str),
    /// A file; relative to the configuration file that names it.
    Path(&'static str),
    /// A list of files, in the same way.
    Paths(&'static str),
    /// One of these words.
    OneOf(&'static [&'static str]),
}

/// Every setting, in the order of the documentation.
pub(crate) const SETTINGS: [Setting; 63] = [
    setting("server", "listen", Address("\"127.0.0.1:8080\"")),
    setting("server", "base_url", Text("\"https://hooks.example.com\"")),
    setting("server", "connections_max", Number("10000")),
    setting("server", "trusted_proxies", Texts("[\"10.0.0.0/8\"]")),
    setting("server", "proxy_header", OneOf(&["x-forwarded-for", "forwarded"])),
    setting("server", "drain_seconds", Number("20")),
    setting("server", "metrics_listen", Address("\"127.0.0.1:9090\"")),
    setting("server", "api_requests_per_minute", Number("1000")),
    setting("server", "bootstrap_token_file", Path("\"bootstrap.token\"")),
    setting("store", "database", Text("\"sqlite://tenterhook.sqlite\"")),
    setting("store", "connections_max", Number("10")),
    setting("keys", "master_key_file", Path("\"master.key\"")),
    setting("keys", "master_key", Text("\"v1.ID.KEY\"")),
    setting("egress", "allow", Texts("[\"10.1.0.0/16:8443\"]")),
    setting("egress", "deny", Texts("[\"10.9.0.0/16\"]")),
    setting("egress", "proxy", Text("\"http://proxy.example.com:3128\"")),
    setting("egress", "ca_files", Paths("[\"private-ca.pem\"]")),
    setting("outbound", "user_agent", Text("\"Okta-Inline-Hooks\"")),
    setting("outbound", "missed_hook_claim", Text("\"x-hook-missed\"")),
    setting("oauth", "refresh_grace_seconds", Number("30")),
    setting("sign_in", "lockout_attempts", Number("10")),
    setting("sign_in", "unlock_minutes", Number("30")),
    setting("sign_in", "lockout_failures", OneOf(&["hide", "show"])),
    setting("sign_in", "recovery", Texts("[\"email\", \"sms\", \"call\"]")),
    setting("branding", "name", Text("\"Acme\"")),
    setting("branding", "color", Text("\"#1b4dd1\"")),
    setting("branding", "radius_px", Number("8")),
    setting("branding", "logo_file", Path("\"logo.svg\"")),
    setting("branding", "logo_dark_file", Path("\"logo-dark.svg\"")),
    setting("mail", "host", Text("\"smtp.example.com\"")),
    setting("mail", "port", Number("587")),
    setting("mail", "security", OneOf(&["starttls", "tls", "none"])),
    setting("mail", "user", Text("\"tenterhook\"")),
    setting("mail", "password", Text("\"PASSWORD\"")),
    setting("mail", "password_file", Path("\"mail.password\"")),
    setting("mail", "from", Text("\"Example <no-reply@example.com>\"")),
    setting("mail", "ca_files", Paths("[\"private-ca.pem\"]")),
    setting("telephony", "fallback", Texts("[\"twilio\", \"endpoint\"]")),
    setting("telephony", "fallback_per_minute", Number("60")),
    setting("telephony", "twilio_url", Text("\"https://api.twilio.com\"")),
    setting("telephony", "twilio_account", Text("\"AC0123456789\"")),
    setting("telephony", "twilio_secret", Text("\"SECRET\"")),
    setting("telephony", "twilio_secret_file", Path("\"twilio.secret\"")),
    setting("telephony", "twilio_from", Text("\"+12025550100\"")),
    setting("telephony", "endpoint_url", Text("\"https://sms.example.com/passcodes\"")),
    setting("telephony", "endpoint_header", Text("\"Authorization\"")),
    setting("telephony", "endpoint_secret", Text("\"SECRET\"")),
    setting("telephony", "endpoint_secret_file", Path("\"endpoint.secret\"")),
    setting("telephony", "default_region", Text("\"US\"")),
    setting("telephony", "allow", Texts("[\"US\", \"+44\"]")),
    setting("telephony", "deny", Texts("[\"+1876\"]")),
    setting("telephony", "per_number_per_hour", Number("10")),
    setting("telephony", "per_block_per_hour", Number("100")),
    setting("telephony", "per_address_per_hour", Number("300")),
    setting("telephony", "per_org_per_day", Number("10000")),
    setting("telephony", "sms_texts", Texts("[\"en: Your code is ${code}\"]")),
    setting("telephony", "voice_texts", Texts("[\"en: Your code is ${code}\"]")),
    setting("limits", "in_flight", Number("1024")),
    setting("limits", "in_flight_per_host", Number("256")),
    setting("limits", "in_flight_per_org", Number("75")),
    setting("limits", "orgs_in_memory", Number("1000")),
    setting("log", "format", OneOf(&["text", "json"])),
    setting("log", "level", Text("\"info\"")),
];

const fn setting(section: &'static str, key: &'static str, form: Form) -> Setting {
    Setting { section, key, form }
}

/// The sections, in order.
pub(crate) fn sections() -> Vec<&'static str> {
    let mut sections: Vec<_> = SETTINGS.iter().map(|setting| setting.section).collect();
    sections.dedup();
    sections
}

/// The setting with this name.
pub(crate) fn find(section: &str, key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.section == section && setting.key == key)
}

/// The sentence that lists the settings of a section, or the sections if there is no such section.
pub(crate) fn those_of(section: &str) -> String {
    let keys: Vec<_> = SETTINGS.iter().filter(|known| known.section == section).map(|known| known.key).collect();
    if keys.is_empty() {
        return format!("The sections are {}", listed(&sections(), "and"));
    }
    format!("The settings of `[{section}]` are {}", listed(&keys, "and"))
}

/// Words in backticks, with commas and `last` before the last one.
fn listed(words: &[&str], last: &str) -> String {
    let words: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
    match words.as_slice() {
        [before @ .., end] if !before.is_empty() => format!("{} {last} {end}", before.join(", ")),
        words => words.concat(),
    }
}

impl Setting {
    /// The name in documentation and errors: `server.listen`.
    pub(crate) fn name(&self) -> String {
        format!("{}.{}", self.section, self.key)
    }
}

impl Form {
    /// Whether a value has this form.
    pub(crate) fn accepts(self, value: &Value) -> bool {
        match self {
            Address(_) => value.as_str().is_some_and(|text| text.parse::<SocketAddr>().is_ok()),
            Number(_) => value.as_integer().is_some_and(|number| u32::try_from(number).is_ok()),
            Text(_) | Path(_) => value.is_str(),
            Texts(_) | Paths(_) => value.as_array().is_some_and(|values| values.iter().all(Value::is_str)),
            OneOf(words) => value.as_str().is_some_and(|text| words.contains(&text)),
        }
    }

    /// What to write, as in the sentence `write …`. `in_file` is false for an environment variable, whose texts have no
    /// quotes.
    pub(crate) fn wanted(self, in_file: bool) -> String {
        let shown = |example: &str| if in_file { example.to_owned() } else { example.trim_matches('"').to_owned() };
        let quoted = if in_file { " in quotes" } else { "" };
        match self {
            Address(example) => format!("an IP address with a port{quoted}, such as `{}`", shown(example)),
            Number(example) => format!("a whole number, such as `{example}`"),
            Text(example) => format!("a text{quoted}, such as `{}`", shown(example)),
            Path(example) => format!("the path of a file{quoted}, such as `{}`", shown(example)),
            Texts(example) | Paths(example) => format!("a list of texts in quotes, such as `{example}`"),
            OneOf(words) => {
                let words: Vec<_> =
                    words.iter().map(|word| if in_file { format!("\"{word}\"") } else { (*word).to_owned() }).collect();
                listed(&words.iter().map(String::as_str).collect::<Vec<_>>(), "or")
            }
        }
    }

    /// The value of an environment variable: numbers and lists as TOML writes them, anything else is a text.
    pub(crate) fn read(self, text: &str) -> Value {
        let parsed = || format!("value = {text}").parse::<toml::Table>().ok()?.remove("value");
        match self {
            Number(_) | Texts(_) | Paths(_) => parsed().unwrap_or_else(|| Value::String(text.to_owned())),
            Address(_) | Text(_) | Path(_) | OneOf(_) => Value::String(text.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use std::collections::BTreeSet;

    use toml::Table;

    use super::*;
    use crate::config::Config;

    /// The names in backticks of an error of the parser, after `expected`.
    fn expected(text: &str) -> BTreeSet<String> {
        let error = toml::from_str::<Config>(text).unwrap_err().message().to_owned();
        let (_, names) = error.split_once("expected").unwrap();
        names.split('`').skip(1).step_by(2).map(ToOwned::to_owned).collect()
    }

    #[test]
    fn the_table_has_every_setting_and_no_other() {
        let of_table: BTreeSet<_> = sections().into_iter().map(ToOwned::to_owned).collect();
        assert_eq!(expected("no_such_section = 1"), of_table);
        for section in sections() {
            let keys: BTreeSet<_> =
                SETTINGS.iter().filter(|known| known.section == section).map(|known| known.key.to_owned()).collect();
            assert_eq!(expected(&format!("[{section}]\nno_such_setting = 1")), keys, "{section}");
        }
    }

    #[test]
    fn every_example_is_a_value_of_its_setting() {
        for setting in &SETTINGS {
            let example = match setting.form {
                Address(text) | Number(text) | Text(text) | Texts(text) | Path(text) | Paths(text) => text.to_owned(),
                OneOf(words) => format!("{:?}", words.first().unwrap()),
            };
            let text = format!("[{}]\n{} = {example}", setting.section, setting.key);
            let table: Table = text.parse().unwrap();
            let value = table.values().next().and_then(|section| section.get(setting.key)).unwrap();
            assert!(setting.form.accepts(value), "{text}");
            toml::from_str::<Config>(&text).unwrap();
            let in_environment = example.trim_matches('"');
            assert_eq!(setting.form.read(in_environment), *value, "{text}");
        }
    }

    #[test]
    fn every_setting_has_a_row_in_the_documentation() {
        let page = include_str!("../../../../docs/configuration.md");
        let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`')).map(|(name, _)| name);
        let rows: BTreeSet<_> = rows.filter(|name| name.contains('.')).map(ToOwned::to_owned).collect();
        assert_eq!(rows, SETTINGS.iter().map(Setting::name).collect());
    }
}
