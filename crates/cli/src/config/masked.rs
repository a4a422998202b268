//! Hides secrets in what is shown of a configuration.

use std::fmt;

use tenterhook_contract::MASK;

use super::{Config, Egress, Keys, Store};

impl Config {
    /// The same with secrets masked.
    pub(crate) fn masked(&self) -> Self {
        let mut shown = self.clone();
        shown.keys.master_key = shown.keys.masked_key();
        shown.egress.proxy = shown.egress.masked_proxy();
        shown.mail.password = shown.mail.masked_password();
        shown.telephony = shown.telephony.masked();
        shown.store.database = mask_password(&shown.store.database);
        shown
    }
}

impl Keys {
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
