//! The program's own log, and the colours of the terminal.

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use tracing_subscriber::EnvFilter;

use crate::{
    Error,
    config::{LogFormat, setting},
};

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

/// What `log.level` lets through.
pub(crate) fn filter(level: &str) -> Result<EnvFilter, Error> {
    // The database libraries say at INFO what only they care about; an operator who wants it names them in `log.level`.
    EnvFilter::try_new(format!("sqlx=warn,sea_orm_migration=warn,{level}"))
        .map_err(|error| setting("log.level", &error).into())
}

/// Starts the log on standard error; in colour as everything else is: on a terminal only.
pub(crate) fn start(format: LogFormat, level: &str) -> Result<(), Error> {
    let colours = AutoStream::choice(&std::io::stderr()) != ColorChoice::Never;
    let builder = tracing_subscriber::fmt().with_env_filter(filter(level)?).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => builder.with_ansi(colours).try_init(),
        LogFormat::Json => builder.json().try_init(),
    }
}
