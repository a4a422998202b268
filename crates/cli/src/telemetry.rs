//! The program's own log, and the colours of the terminal.

use anstyle::{AnsiColor, Style};
use tracing_subscriber::EnvFilter;

use crate::{Error, config::LogFormat};

/// Headings.
pub(crate) const HEADING: Style = Style::new().bold();
/// What was added, what worked.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
/// What was removed, what failed.
pub(crate) const BAD: Style = AnsiColor::Red.on_default();
/// What was changed.
pub(crate) const CHANGED: Style = AnsiColor::Yellow.on_default();
/// What matters less.
pub(crate) const FAINT: Style = Style::new().dimmed();

/// Starts the log on standard error.
pub(crate) fn start(format: LogFormat, level: &str) -> Result<(), Error> {
    // The database libraries say at INFO what only they care about; an operator who wants it names them in `log.level`.
    let filter = EnvFilter::try_new(format!("sqlx=warn,sea_orm_migration=warn,{level}"))
        .map_err(|error| format!("`log.level` is not usable: `{level}`: {error}"))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    }
}
