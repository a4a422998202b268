//! The configuration of `tenterhook serve`: one TOML file, an environment overlay, secrets from files.
//!
//! Unknown keys are refused. Every setting has its default here and its reason in `docs/configuration.md`.

use std::{
    collections::BTreeMap,
    fmt, fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tenterhook_contract::{MASK, Secret};
use tenterhook_flows::oauth::token::{REFRESH_GRACE_SECONDS, REFRESH_GRACE_SECONDS_MAX};
use tenterhook_platform::ORGS_LOADED_MAX;
use tenterhook_server::ProxyHeader;
use tenterhook_store::{CONNECTIONS_MIN, StoreConfig};
use toml::{Table, Value};

use crate::{Error, key_file};

/// Prefix of the environment variables that overlay the file.
pub(crate) const ENVIRONMENT_PREFIX: &str = "TENTERHOOK_";
/// Separates table and key in such a variable: `TENTERHOOK_SERVER__LISTEN`.
const ENVIRONMENT_SEPARATOR: &str = "__";
/// A variable with this suffix names a file that holds the value.
const FILE_SUFFIX: &str = "_FILE";

/// The whole configuration.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    pub(crate) server: Server,
    pub(crate) store: Store,
    pub(crate) keys: Keys,
    pub(crate) egress: Egress,
    pub(crate) outbound: Outbound,
    pub(crate) oauth: OAuth,
    pub(crate) limits: Limits,
    pub(crate) log: Log,
}

/// The server's listener.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Server {
    /// Address to listen on; port 0 takes a free one.
    pub(crate) listen: SocketAddr,
    /// The public URL: issuer, links and `source` begin with it.
    pub(crate) base_url: Option<String>,
    /// Open connections at the same time.
    pub(crate) connections_max: usize,
    /// Addresses and blocks of proxies that may name the client.
    pub(crate) trusted_proxies: Vec<String>,
    /// The header in which they name it; either when absent.
    pub(crate) proxy_header: Option<ProxyHeader>,
    /// Seconds that requests in flight get after SIGTERM.
    pub(crate) drain_seconds: u64,
    /// Address of `/metrics`; none when absent.
    pub(crate) metrics_listen: Option<SocketAddr>,
    /// Management API requests per minute and endpoint.
    pub(crate) api_requests_per_minute: u32,
}

/// The database.
#[derive(Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Store {
    /// `sqlite://FILE` or `postgres://…`.
    pub(crate) database: String,
    /// Connections to PostgreSQL.
    pub(crate) connections_max: u32,
}

/// The master key that encrypts stored secrets.
#[derive(Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Keys {
    /// The key itself, from the environment.
    pub(crate) master_key: Option<String>,
    /// Or a file that holds it.
    pub(crate) master_key_file: Option<PathBuf>,
}

/// Addresses that may be called.
#[derive(Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Egress {
    /// Addresses that may be called in addition to public ones on port 443 or from 1024: host, CIDR, each with an
    /// optional port.
    pub(crate) allow: Vec<String>,
    /// Addresses that may not be called; wins over `allow`.
    pub(crate) deny: Vec<String>,
    /// The proxy of every connection to a service.
    pub(crate) proxy: Option<String>,
    /// PEM files with further trust anchors.
    pub(crate) ca_files: Vec<PathBuf>,
}

/// Outgoing calls.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Outbound {
    /// The whole `User-Agent`, for services that require another product's.
    pub(crate) user_agent: Option<String>,
    /// Name of a claim with the reason why a token's hook was missed.
    pub(crate) missed_hook_claim: Option<String>,
}

/// The token endpoint.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct OAuth {
    /// Seconds in which a refresh token that was used may be used once more.
    pub(crate) refresh_grace_seconds: u32,
}

impl Default for OAuth {
    fn default() -> Self {
        Self { refresh_grace_seconds: REFRESH_GRACE_SECONDS }
    }
}

/// Bounds of the engine, and of what is in memory.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Limits {
    /// Invocations that may wait for their services at the same time.
    pub(crate) in_flight: usize,
    /// Invocations of one org that may wait at the same time.
    pub(crate) in_flight_per_org: usize,
    /// Invocations that may wait for services on one host at the same time.
    pub(crate) in_flight_per_host: usize,
    /// Orgs whose configuration is in memory; more only while they are in use at the same time.
    pub(crate) orgs_in_memory: usize,
}

/// The program's own log, on standard error.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Log {
    /// `text` or `json`.
    pub(crate) format: LogFormat,
    /// `error`, `warn`, `info`, `debug`, or directives such as `info,tenterhook_engine=debug`.
    pub(crate) level: String,
}

/// Form of the program's own log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One object a line.
    Json,
}

/// Why a configuration cannot be used: what, where, what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("Cannot read `{path}`: {source}", path = path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("`{path}` is not a valid configuration:\n{why}", path = path.display())]
    File { path: PathBuf, why: String },
    #[error("The environment variable `{name}` is not usable: {why}")]
    Environment { name: String, why: String },
    #[error("`{key}` is not usable: {why}")]
    Setting { key: &'static str, why: String },
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            base_url: None,
            connections_max: 10_000,
            trusted_proxies: Vec::new(),
            proxy_header: None,
            drain_seconds: 20,
            metrics_listen: None,
            api_requests_per_minute: 1_000,
        }
    }
}

impl Default for Store {
    fn default() -> Self {
        Self { database: "sqlite://tenterhook.sqlite".to_owned(), connections_max: 10 }
    }
}

impl Default for Limits {
    fn default() -> Self {
        let tenterhook_engine::Limits { in_flight, in_flight_per_org, in_flight_per_host } =
            tenterhook_engine::Limits::default();
        Self { in_flight, in_flight_per_org, in_flight_per_host, orgs_in_memory: ORGS_LOADED_MAX }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Text, level: "info".to_owned() }
    }
}

/// The error text for a setting that cannot be used.
pub(crate) fn setting(key: &str, error: &dyn fmt::Display) -> String {
    format!("`{key}` is not usable: {error}")
}

impl Config {
    /// Reads `path`, lays `environment` over it and checks the result.
    pub(crate) fn load(path: &Path, environment: &BTreeMap<String, String>) -> Result<Self, ConfigError> {
        let text =
            fs::read_to_string(path).map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        let invalid = |error: toml::de::Error| ConfigError::File { path: path.to_owned(), why: located(&text, &error) };
        // The file is checked alone first, so that its errors show their line.
        let _: Self = toml::from_str(&text).map_err(invalid)?;
        let mut table: Table = toml::from_str(&text).map_err(invalid)?;
        let mut config = Self::default();
        overlay(&mut table, environment, &mut config)?;
        config.check()?;
        Ok(config)
    }

    /// The configuration of the store.
    pub(crate) fn database(&self) -> Result<StoreConfig, Error> {
        Ok(match self.store.database.parse().map_err(|error| setting("store.database", &error))? {
            StoreConfig::Postgres { url, .. } => {
                StoreConfig::Postgres { url, max_connections: self.store.connections_max }
            }
            other => other,
        })
    }

    /// The master keys.
    pub(crate) fn master_key(&self) -> Result<Secret, Error> {
        match (&self.keys.master_key, &self.keys.master_key_file) {
            (Some(text), _) => Ok(Secret::new(text.as_str())),
            (None, Some(path)) => key_file::read(path).map_err(|error| {
                let path = path.display();
                let why = format!("cannot read `{path}`: {error}. `tenterhook keys generate --out {path}` makes one");
                setting("keys.master_key_file", &why).into()
            }),
            (None, None) => Err("`keys.master_key_file` is missing".into()),
        }
    }

    fn check(&self) -> Result<(), ConfigError> {
        let refuse = |key, why: &str| Err(ConfigError::Setting { key, why: why.to_owned() });
        if let Some(base_url) = &self.server.base_url {
            let origin = base_url.strip_prefix("https://").or_else(|| base_url.strip_prefix("http://"));
            if origin.is_none_or(|host| host.is_empty() || host.contains(['/', '?', '#', ' '])) {
                return refuse("server.base_url", "write scheme and host only, such as `https://hooks.example.com`");
            }
        }
        let claim = self.outbound.missed_hook_claim.as_deref();
        if claim.is_some_and(|claim| !claim.starts_with("x-") || !claim.bytes().all(|byte| byte.is_ascii_graphic())) {
            return refuse("outbound.missed_hook_claim", "write a name that begins with `x-`, such as `x-hook-missed`");
        }
        if self.oauth.refresh_grace_seconds > REFRESH_GRACE_SECONDS_MAX {
            let why = format!("must be at most {REFRESH_GRACE_SECONDS_MAX}");
            return refuse("oauth.refresh_grace_seconds", &why);
        }
        if self.keys.master_key.is_some() && self.keys.master_key_file.is_some() {
            return refuse("keys.master_key", "give either `master_key` or `master_key_file`, not both");
        }
        if self.keys.master_key.is_none() && self.keys.master_key_file.is_none() {
            return refuse(
                "keys.master_key_file",
                "a master key is required; `tenterhook keys generate --out FILE` makes one",
            );
        }
        for (key, value) in [
            ("server.connections_max", self.server.connections_max),
            ("limits.in_flight", self.limits.in_flight),
            ("limits.in_flight_per_org", self.limits.in_flight_per_org),
            ("limits.in_flight_per_host", self.limits.in_flight_per_host),
            ("limits.orgs_in_memory", self.limits.orgs_in_memory),
            ("server.api_requests_per_minute", self.server.api_requests_per_minute as usize),
        ] {
            if value == 0 {
                return refuse(key, "must be at least 1");
            }
        }
        if self.store.connections_max < CONNECTIONS_MIN {
            let text = format!(
                "must be at least {CONNECTIONS_MIN}: one connection each for short reads, long reads, changes, the System Log \
                 and the health check"
            );
            return refuse("store.connections_max", &text);
        }
        Ok(())
    }

    /// Time for requests in flight after SIGTERM.
    pub(crate) fn drain(&self) -> Duration {
        Duration::from_secs(self.server.drain_seconds)
    }

    /// The effective configuration as TOML, secrets masked.
    pub(crate) fn masked(&self) -> Self {
        let mut shown = self.clone();
        shown.keys.master_key = shown.keys.masked_key();
        shown.egress.proxy = shown.egress.masked_proxy();
        shown.store.database = mask_password(&shown.store.database);
        shown
    }
}

impl Keys {
    /// The setting that the master keys come from.
    pub(crate) fn source(&self) -> &'static str {
        if self.master_key.is_some() { "keys.master_key" } else { "keys.master_key_file" }
    }

    fn masked_key(&self) -> Option<String> {
        self.master_key.as_ref().map(|_| MASK.to_owned())
    }
}

impl Egress {
    fn masked_proxy(&self) -> Option<String> {
        self.proxy.as_deref().map(mask_password)
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { database, connections_max } = self;
        formatter
            .debug_struct("Store")
            .field("database", &mask_password(database))
            .field("connections_max", connections_max)
            .finish()
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { master_key: _, master_key_file } = self;
        formatter
            .debug_struct("Keys")
            .field("master_key", &self.masked_key())
            .field("master_key_file", master_key_file)
            .finish()
    }
}

impl fmt::Debug for Egress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { allow, deny, proxy: _, ca_files } = self;
        formatter
            .debug_struct("Egress")
            .field("allow", allow)
            .field("deny", deny)
            .field("proxy", &self.masked_proxy())
            .field("ca_files", ca_files)
            .finish()
    }
}

impl fmt::Display for Config {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Every member of the configuration has a TOML form.
        formatter.write_str(&toml::to_string(&self.masked()).unwrap_or_default())
    }
}

/// Replaces the password of a URL, before its host or in its query; all of a URL that can be read in two ways.
fn mask_password(url: &str) -> String {
    if url.starts_with("sqlite:") {
        // A file has no password, and its name may have any character.
        return url.to_owned();
    }
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    let (authority, after) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    // If an `@` follows, the authority may end in a password that contains one of these characters unescaped.
    if after.contains('@') || (scheme.is_empty() && url.contains('@')) {
        return if scheme.is_empty() { MASK.to_owned() } else { format!("{scheme}://{MASK}") };
    }
    let (path, query) = url.split_once('?').map_or((url, None), |(path, query)| (path, Some(query)));
    let mut masked = path.to_owned();
    if let Some((credentials, host)) = authority.rsplit_once('@') {
        let user = credentials.split_once(':').map_or(credentials, |(user, _)| user);
        let after = after.split('?').next().unwrap_or_default();
        masked = format!("{scheme}://{user}:{MASK}@{host}{after}");
    }
    for (number, parameter) in query.into_iter().flat_map(|query| query.split('&')).enumerate() {
        masked.push(if number == 0 { '?' } else { '&' });
        match parameter.split_once('=') {
            Some((name @ "password", _)) => masked.extend([name, "=", MASK]),
            _ => masked.push_str(parameter),
        }
    }
    masked
}

/// The error and its position in the file. Never the lines themselves, which may hold a secret.
fn located(text: &str, error: &toml::de::Error) -> String {
    let why = said(error);
    let Some(before) = error.span().and_then(|span| text.get(..span.start)) else { return why };
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    format!("line {line}, column {column}: {why}")
}

/// The error of a setting without the value: a value in the wrong position may be a secret.
fn said(error: &toml::de::Error) -> String {
    let message = error.message();
    match (message.split_once("string \""), message.rsplit_once("\", expected")) {
        (Some((before, _)), Some((_, after))) => format!("{before}string, expected{after}"),
        _ => message.to_owned(),
    }
}

/// Two settings name the master keys: if the environment has either, both settings of the file are dropped.
fn drop_keys_of_file(table: &mut Table, environment: &BTreeMap<String, String>) {
    let names = ["master_key", "master_key_file"];
    let variables = names.map(|name| format!("{ENVIRONMENT_PREFIX}keys{ENVIRONMENT_SEPARATOR}{name}"));
    let given = |name: &String| variables.iter().any(|variable| name.eq_ignore_ascii_case(variable));
    if environment.keys().any(given)
        && let Some(keys) = table.get_mut("keys").and_then(Value::as_table_mut)
    {
        keys.retain(|name, _| !names.contains(&name));
    }
}

fn overlay(table: &mut Table, environment: &BTreeMap<String, String>, config: &mut Config) -> Result<(), ConfigError> {
    drop_keys_of_file(table, environment);
    for (name, value) in environment {
        let Some(path) = name.strip_prefix(ENVIRONMENT_PREFIX) else { continue };
        let Some((section, key)) = path.split_once(ENVIRONMENT_SEPARATOR) else { continue };
        let refuse = |why: String| ConfigError::Environment { name: name.clone(), why };
        let (section, key) = (section.to_lowercase(), key.to_lowercase());
        let section = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
        let Some(section) = section.as_table_mut() else {
            return Err(refuse("no such section".to_owned()));
        };
        // `master_key_file` and `ca_files` are settings of their own; any other `…_file` names the value's file.
        let (key, value) = match key.strip_suffix(&FILE_SUFFIX.to_lowercase()) {
            Some(setting) if key != "master_key_file" => {
                let content = fs::read_to_string(value).map_err(|error| refuse(format!("`{value}`: {error}")))?;
                (setting.to_owned(), content.trim_end().to_owned())
            }
            _ => (key, value.clone()),
        };
        section.insert(key, parse_value(&value));
        // Checked one by one, so that the error names the variable.
        let _: Config = table.clone().try_into().map_err(|error: toml::de::Error| refuse(said(&error)))?;
    }
    *config = table
        .clone()
        .try_into()
        .map_err(|error: toml::de::Error| ConfigError::Setting { key: "configuration", why: said(&error) })?;
    Ok(())
}

/// Numbers, booleans and arrays as TOML writes them; anything else is a text.
fn parse_value(text: &str) -> Value {
    match format!("value = {text}").parse::<Table>() {
        Ok(mut parsed) => match parsed.remove("value") {
            Some(value @ (Value::Integer(_) | Value::Boolean(_) | Value::Array(_))) => value,
            _ => Value::String(text.to_owned()),
        },
        Err(_) => Value::String(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    const MINIMAL: &str = "[keys]\nmaster_key_file = \"master.key\"\n";

    fn load(text: &str, environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        let environment = environment.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        Config::load(file.path(), &environment)
    }

    #[test]
    fn the_environment_wins_over_the_file() {
        let text = format!("{MINIMAL}[server]\nlisten = \"127.0.0.1:1\"\n");
        let config = load(
            &text,
            &[
                ("TENTERHOOK_SERVER__LISTEN", "127.0.0.1:2"),
                ("TENTERHOOK_LIMITS__IN_FLIGHT_PER_ORG", "5"),
                ("TENTERHOOK_EGRESS__ALLOW", "[\"10.0.0.0/8\"]"),
                ("TENTERHOOK_TEST_POSTGRES", "not a setting"),
            ],
        )
        .unwrap();
        assert_eq!(config.server.listen.port(), 2);
        assert_eq!(config.limits.in_flight_per_org, 5);
        assert_eq!(config.egress.allow, ["10.0.0.0/8"]);
    }

    #[test]
    fn a_master_key_of_the_environment_wins_over_the_files_whichever_way_it_is_given() {
        let config = load(MINIMAL, &[("TENTERHOOK_KEYS__MASTER_KEY", "x")]).unwrap();
        assert_eq!((config.keys.master_key.as_deref(), config.keys.master_key_file), (Some("x"), None));
        let config =
            load("[keys]\nmaster_key = \"x\"\n", &[("TENTERHOOK_KEYS__MASTER_KEY_FILE", "other.key")]).unwrap();
        assert_eq!((config.keys.master_key, config.keys.master_key_file), (None, Some("other.key".into())));
    }

    #[test]
    fn a_file_suffix_reads_the_value_from_that_file() {
        let secret = tempfile::NamedTempFile::new().unwrap();
        fs::write(secret.path(), "postgres://u:hunter2@db/x\n").unwrap();
        let path = secret.path().to_str().unwrap();
        let config = load(MINIMAL, &[("TENTERHOOK_STORE__DATABASE_FILE", path)]).unwrap();
        assert_eq!(config.store.database, "postgres://u:hunter2@db/x");
        let shown = config.to_string();
        assert!(!shown.contains("hunter2") && shown.contains("postgres://u:••••@db/x"), "{shown}");
    }

    #[test]
    fn a_wrong_configuration_shows_none_of_its_values() {
        let secret = "marked-secret";
        for (text, environment) in [
            (format!("[keys]\nmaster_key = {secret}"), &[][..]),
            (format!("[keys]\nmaster_key = \"{secret}"), &[]),
            (format!("[keys]\nmaster_key = \"{secret}\" x"), &[]),
            (format!("[keys]\nmaster_kay = \"{secret}\""), &[]),
            (format!("[keys]\nmaster_key = [\"{secret}\"]"), &[]),
            (format!("keys = \"{secret}\""), &[]),
            (format!("store = \"postgres://u:{secret}@db/x\""), &[]),
            (format!("[store]\nconnections_max = \"a \\\", expected {secret}\""), &[]),
            (MINIMAL.to_owned(), &[("TENTERHOOK_STORE__CONNECTIONS_MAX", secret)]),
        ] {
            let error = load(&text, environment).unwrap_err();
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains(secret), "{shown}");
            assert!(shown.contains("line") || shown.contains("CONNECTIONS_MAX"), "{shown}");
        }
    }

    #[test]
    fn a_debug_print_shows_no_secret() {
        let text = "[keys]\nmaster_key = \"marked-secret\"\n\
                    [store]\ndatabase = \"postgres://db/x?user=u&password=marked-secret\"\n\
                    [egress]\nproxy = \"http://u:marked-secret@proxy:8080\"\n";
        let config = load(text, &[]).unwrap();
        let shown = format!("{config:?} {config} {:?}", config.masked());
        assert!(!shown.contains("marked-secret"), "{shown}");
        assert!(shown.contains("?user=u&password=••••") && shown.contains("http://u:••••@proxy:8080"), "{shown}");
    }

    #[test]
    fn no_part_of_a_password_is_shown_however_it_is_written() {
        for (url, shown) in [
            ("postgres://u:marked@host:5432/db?sslmode=require", "postgres://u:••••@host:5432/db?sslmode=require"),
            ("postgres://u:mar@ked@host/db", "postgres://u:••••@host/db"),
            ("postgres://u@host/db", "postgres://u:••••@host/db"),
            ("postgres://u:ma?rked@host/db", "postgres://••••"),
            ("postgres://u:12?marked@host/db", "postgres://••••"),
            ("postgres://u:ma/rked@host/db", "postgres://••••"),
            ("postgres://u:ma#rked@host/db", "postgres://••••"),
            ("postgres://u:ma@r?ked@host/db", "postgres://••••"),
            ("postgres://host:5432/db?user=me@server&password=marked", "postgres://••••"),
            (
                "postgres://host/db?user=u&password=marked&sslmode=require",
                "postgres://host/db?user=u&password=••••&sslmode=require",
            ),
            ("http://u:ma?rked@proxy:8080", "http://••••"),
            ("u:marked@proxy:8080", "••••"),
            ("postgres:u:marked@host", "••••"),
            ("http://proxy:8080", "http://proxy:8080"),
            ("nothing", "nothing"),
            ("sqlite:///data/me@corp/db.sqlite", "sqlite:///data/me@corp/db.sqlite"),
        ] {
            assert_eq!(mask_password(url), shown, "{url}");
        }
    }

    #[test]
    fn a_wrong_configuration_says_what_and_where() {
        for (text, environment, wanted) in [
            ("[server]\nlissen = 1", &[][..], "unknown field `lissen`"),
            ("[server]\nlisten = \"nowhere\"", &[], "line 2"),
            ("", &[], "a master key is required"),
            (MINIMAL, &[("TENTERHOOK_SERVER__LISSEN", "1")], "`TENTERHOOK_SERVER__LISSEN`"),
            (MINIMAL, &[("TENTERHOOK_SERVER__CONNECTIONS_MAX", "many")], "`TENTERHOOK_SERVER__CONNECTIONS_MAX`"),
            (MINIMAL, &[("TENTERHOOK_SERVER__BASE_URL", "hooks.example.com")], "server.base_url"),
            (MINIMAL, &[("TENTERHOOK_LIMITS__IN_FLIGHT_PER_ORG", "0")], "at least 1"),
            (
                MINIMAL,
                &[("TENTERHOOK_STORE__CONNECTIONS_MAX", "4")],
                "`store.connections_max` is not usable: must be at least 5",
            ),
            (MINIMAL, &[("TENTERHOOK_KEYS__MASTER_KEY", "x"), ("TENTERHOOK_KEYS__MASTER_KEY_FILE", "y")], "not both"),
            ("[keys]\nmaster_key = \"x\"\nmaster_key_file = \"y\"", &[], "not both"),
        ] {
            let error = load(text, environment).unwrap_err().to_string();
            assert!(error.contains(wanted), "{error} does not contain {wanted}");
        }
    }
}
