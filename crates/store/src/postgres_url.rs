//! Checks `postgres://` URLs. The driver only warns about unknown parameters; we refuse a setting that would have no
//! effect.

use crate::StoreConfigError;

/// The parameters that the driver evaluates.
const PARAMETERS: [&str; 18] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "statement-cache-capacity",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
];
/// Parameters of other clients that choose among several servers.
const OF_SEVERAL_HOSTS: [&str; 2] = ["target_session_attrs", "load_balance_hosts"];
/// Characters of an unknown parameter's name that are shown.
const NAME_CHARACTERS_MAX: usize = 60;

/// Refuses settings without effect: several hosts, and parameters that the driver does not know.
pub(crate) fn check(url: &str) -> Result<(), StoreConfigError> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    // A name or a password with such a character ends the part in which the `@` is due.
    let after_authority = rest.find(['/', '?', '#']).and_then(|end| rest.get(end..)).unwrap_or_default();
    let (path, fragment) = after_authority.split_once('#').unwrap_or((after_authority, ""));
    if path.split('?').next().unwrap_or_default().contains('@') || fragment.contains('@') {
        return Err(StoreConfigError::Unescaped);
    }
    let rest = rest.split('#').next().unwrap_or_default();
    let (before, query) = rest.split_once('?').unwrap_or((rest, ""));
    let authority = before.split('/').next().unwrap_or_default();
    let hosts = authority.rsplit('@').next().unwrap_or_default();
    if names_several(hosts) {
        return Err(StoreConfigError::SeveralHosts);
    }
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if OF_SEVERAL_HOSTS.contains(&name) || (matches!(name, "host" | "hostaddr" | "port") && names_several(value)) {
            return Err(StoreConfigError::SeveralHosts);
        }
        if !PARAMETERS.contains(&name) && !name.starts_with("options[") {
            // The rest of a password must not be shown as a name.
            if pair.contains('@') {
                return Err(StoreConfigError::Unescaped);
            }
            return Err(StoreConfigError::Parameter(name.chars().take(NAME_CHARACTERS_MAX).collect()));
        }
    }
    Ok(())
}

/// Several hosts are separated by a comma, which may be escaped.
fn names_several(hosts: &str) -> bool {
    hosts.contains(',') || hosts.to_ascii_lowercase().contains("%2c")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_not_be_in_force_is_refused_by_its_name() {
        let parameter = |name: &str| Err(StoreConfigError::Parameter(name.to_owned()));
        for (url, result) in [
            ("postgres://u:p@db:5432/x", Ok(())),
            ("postgres://u:p,q@db/x", Ok(())),
            ("postgres://u:p@[::1]:5432/x?sslmode=verify-full&sslrootcert=/ca.pem", Ok(())),
            ("postgres:///x?host=/run/postgresql&options[search_path]=a", Ok(())),
            ("postgres://u@db/x?", Ok(())),
            ("postgres://u:p@one:5432,two:5432/x", Err(StoreConfigError::SeveralHosts)),
            ("postgres://u:p@one,two/x", Err(StoreConfigError::SeveralHosts)),
            ("postgres://one%2Ctwo/x", Err(StoreConfigError::SeveralHosts)),
            ("postgres:///x?host=one,two", Err(StoreConfigError::SeveralHosts)),
            ("postgres:///x?port=5432%2c5433", Err(StoreConfigError::SeveralHosts)),
            ("postgres://db/x?target_session_attrs=read-write", Err(StoreConfigError::SeveralHosts)),
            ("postgres://db/x?load_balance_hosts=random", Err(StoreConfigError::SeveralHosts)),
            ("postgres://db/x?connect_timeout=5", parameter("connect_timeout")),
            ("postgres://db/x?sslmode=require&SSLMODE=disable", parameter("SSLMODE")),
            ("postgres://db/x?pgbouncer=true#fragment", parameter("pgbouncer")),
            ("postgres://db/x?user=ada@example.com", Ok(())),
            ("postgres://u:top%3Fsecret%40x@db/x", Ok(())),
            ("postgres://u:top?secret@db:5432/x", Err(StoreConfigError::Unescaped)),
            ("postgres://u:top?secret=1@db:5432/x", Err(StoreConfigError::Unescaped)),
            ("postgres://u:top/secret@db:5432/x", Err(StoreConfigError::Unescaped)),
            ("postgres://u:top#secret@db:5432/x", Err(StoreConfigError::Unescaped)),
        ] {
            assert_eq!(check(url), result, "{url}");
        }
    }
}
