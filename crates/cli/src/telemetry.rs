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
/// Additions and successes.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
/// Removals and failures.
pub(crate) const BAD: Style = AnsiColor::Red.on_default();
/// Changes.
pub(crate) const CHANGED: Style = AnsiColor::Yellow.on_default();
/// Less important text.
pub(crate) const FAINT: Style = Style::new().dimmed();

/// The filter for `log.level`.
pub(crate) fn filter(level: &str) -> Result<EnvFilter, Error> {
    // The database libraries log internals at INFO; an operator who wants them names the libraries in `log.level`. For
    // each connection that is ended for a flood h2 logs a line; our `http.flood` logs one a minute.
    EnvFilter::try_new(format!("sqlx=warn,sea_orm_migration=warn,h2=error,{level}"))
        .map_err(|error| setting("log.level", &error).into())
}

/// Starts the log on standard error, in colour on a terminal only.
pub(crate) fn start(format: LogFormat, level: &str) -> Result<(), Error> {
    let colours = AutoStream::choice(&std::io::stderr()) != ColorChoice::Never;
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match format {
        LogFormat::Text => lines.with_ansi(colours).boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    Ok(tracing_subscriber::registry().with(filter(level)?).with(LineBound).with(lines).try_init()?)
}
