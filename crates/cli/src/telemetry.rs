//! The program's own log, and the colours of the terminal.

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use tracing_subscriber::{EnvFilter, Layer as _, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use crate::{
    Error,
    config::{LogFormat, setting},
    line_bound::LineBound,
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
    // Of a connection that is ended for a flood, h2 says so each time; `http.flood` does once a minute.
    EnvFilter::try_new(format!("sqlx=warn,sea_orm_migration=warn,h2=error,{level}"))
        .map_err(|error| setting("log.level", &error).into())
}

/// Starts the log on standard error; in colour as everything else is: on a terminal only.
pub(crate) fn start(format: LogFormat, level: &str) -> Result<(), Error> {
    let colours = AutoStream::choice(&std::io::stderr()) != ColorChoice::Never;
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match format {
        LogFormat::Text => lines.with_ansi(colours).boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    Ok(tracing_subscriber::registry().with(filter(level)?).with(LineBound).with(lines).try_init()?)
}
