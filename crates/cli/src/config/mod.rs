//! The configuration of `tenterhook serve`: one TOML file, an environment overlay, secrets from files.
//!
//! Unknown keys are refused. Every setting has its default here, its form in [`settings`], and its reason in
//! `docs/configuration.md`.

mod branding;
mod environment;
mod file;
mod mail;
mod masked;
mod settings;
mod sign_in;
mod telephony;

use std::{
    collections::BTreeMap,
    fmt, fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use branding::Branding;
use serde::{Deserialize, Serialize};
use sign_in::SignIn;
use tenterhook_contract::Secret;
use tenterhook_flows::oauth::token::{REFRESH_GRACE_SECONDS, REFRESH_GRACE_SECONDS_MAX};
use tenterhook_platform::ORGS_LOADED_MAX;
use tenterhook_server::ProxyHeader;
use tenterhook_store::{CONNECTIONS_MIN, Keyring, StoreConfig};

use crate::{Error, key_file};

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
    pub(crate) sign_in: SignIn,
    pub(crate) branding: Branding,
    pub(crate) mail: mail::Mail,
    pub(crate) telephony: telephony::Telephony,
    pub(crate) limits: Limits,
    pub(crate) log: Log,
    /// Environment variables with the prefix of settings that are none.
    #[serde(skip)]
    pub(crate) ignored_variables: Vec<String>,
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
    /// The file that the first start writes the bootstrap token to; standard output when absent.
    pub(crate) bootstrap_token_file: Option<PathBuf>,
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

impl LogFormat {
    /// The form with this name.
    fn of(name: &str) -> Option<Self> {
        match name {
            "text" => Some(Self::Text),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

/// The form of the log that a configuration asks for, also of one that is not usable otherwise: its error has that form.
pub(crate) fn log_format(path: &Path, environment: &BTreeMap<String, String>) -> LogFormat {
    environment::log_format(environment).or_else(|| file::log_format(path)).unwrap_or_default()
}

/// Why a configuration cannot be used: what, where, what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("Cannot read `{path}`: {source}", path = path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("`{path}` is not a usable configuration:\n  {problems}", path = path.display(), problems = problems.join("\n  "))]
    File { path: PathBuf, problems: Vec<String> },
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
            bootstrap_token_file: None,
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
        let mut table = file::read(path, &text)?;
        let ignored_variables = environment::overlay(&mut table, environment)?;
        // Every value has the form of its setting, so this does not fail. Its text could show a value.
        let config: Self = table.try_into().map_err(|_| ConfigError::File {
            path: path.to_owned(),
            problems: vec!["a value has another form than its setting".to_owned()],
        })?;
        config.check()?;
        Ok(Self { ignored_variables, ..config })
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
    ///
    /// # Errors
    /// When they cannot be read or used; the text names the setting and the file.
    pub(crate) fn keyring(&self) -> Result<Keyring, Error> {
        let text = match (&self.keys.master_key, &self.keys.master_key_file) {
            (Some(text), _) => Secret::new(text.as_str()),
            (None, Some(path)) => key_file::read(path).map_err(|error| {
                let why = format!("cannot read `{}`: {error}. {}", path.display(), self.where_to_get_a_key(path));
                setting("keys.master_key_file", &why)
            })?,
            (None, None) => return Err("`keys.master_key_file` is missing".into()),
        };
        Keyring::from_text(&text).map_err(|error| {
            let file = self.keys.master_key_file.as_ref().map(|path| format!("`{}`: ", path.display()));
            setting(self.keys.source(), &format!("{}{error}", file.unwrap_or_default())).into()
        })
    }

    /// What to do without the file of the master keys. A new key never helps a database that has data.
    fn where_to_get_a_key(&self, path: &Path) -> String {
        let generate = format!("`tenterhook keys generate --out {}` makes one", path.display());
        match self.database() {
            Ok(StoreConfig::Sqlite { path: database }) if database.exists() => format!(
                "The database `{}` needs the key that its secrets were encrypted with: restore the file from your copy",
                database.display()
            ),
            Ok(StoreConfig::Postgres { .. }) => format!(
                "A database that has data needs the key that its secrets were encrypted with: restore the file from your \
                 copy. Only for a new database: {generate}"
            ),
            _ => generate,
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
                "a master key is required: name the file with the one that the database has, or make one for a new database \
                 with `tenterhook keys generate --out FILE`",
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
        self.sign_in.check(self.mail.host.is_some())?;
        self.mail.check()?;
        self.telephony.check()?;
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
}

impl Keys {
    /// The setting that the master keys come from.
    pub(crate) fn source(&self) -> &'static str {
        if self.master_key.is_some() { "keys.master_key" } else { "keys.master_key_file" }
    }

    /// The place of the master keys, as errors name it.
    pub(crate) fn place(&self) -> String {
        match &self.master_key_file {
            Some(path) => format!("`{}` (`keys.master_key_file`)", path.display()),
            None => "`keys.master_key`".to_owned(),
        }
    }
}

impl fmt::Display for Config {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Every member of the configuration has a TOML form.
        formatter.write_str(&toml::to_string(&self.masked()).unwrap_or_default())
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
    fn a_wrong_configuration_says_what_and_where() {
        for (text, environment, wanted) in [
            ("[server]\nlissen = 1", &[][..], "there is no setting `server.lissen`"),
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
