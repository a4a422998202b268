//! The program's own log, and the colours of the terminal.

use std::io::Write as _;

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use serde_json::{Map, Value, json};
use tenterhook_engine::{Clock as _, SystemClock};
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

/// The levels of the log, as `log.level` names them.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// The filter for `log.level`.
///
/// # Errors
/// When a part of it is neither a level nor a directive: the library takes an unknown word for the name of a module, so that
/// nothing else would be logged.
pub(crate) fn filter(level: &str) -> Result<EnvFilter, Error> {
    let refuse = |why: String| -> Error { setting("log.level", &why).into() };
    let levels = LEVELS.join("`, `");
    let is_level = |word: &str| LEVELS.iter().any(|level| level.eq_ignore_ascii_case(word));
    // The fields of a span, which the library reads, may contain commas and spaces.
    let has_fields = level.contains('{');
    let level = if has_fields { level.to_owned() } else { level.replace(' ', "") };
    for directive in level.split(',') {
        let word = directive.rsplit_once('=').map_or(directive, |(_, level)| level.trim());
        if !is_level(word) && !has_fields {
            let shown = word.chars().take(40).collect::<String>();
            return Err(refuse(format!(
                "`{shown}` is no level. The levels are `{levels}`, for a module as in `info,tenterhook_engine=debug`"
            )));
        }
    }
    // The database libraries log internals at INFO; an operator who wants them names the libraries in `log.level`. For
    // each connection that is ended for a flood h2 logs a line; our `http.flood` logs one a minute. What comes later wins.
    EnvFilter::try_new(format!("info,sqlx=warn,h2=error,{level}")).map_err(|error| refuse(error.to_string()))
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

/// One line of the form `json`, for what is said without the log: before it starts, from a panic, on standard output.
pub(crate) fn json_line(level: &str, message: &str, fields: &[(&str, &str)]) -> String {
    let mut all = Map::from_iter([("message".to_owned(), Value::from(message))]);
    all.extend(fields.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value))));
    let timestamp = SystemClock.now().to_string();
    json!({ "timestamp": timestamp, "level": level, "fields": all, "target": "tenterhook" }).to_string()
}

/// Shows the error that ends a command, on standard error.
pub(crate) fn fail(format: LogFormat, error: &Error) {
    match format {
        LogFormat::Text => anstream::eprintln!("{}error:{} {error}", BAD.render(), BAD.render_reset()),
        LogFormat::Json => {
            let line = json_line("ERROR", "process.failed", &[("error", &error.to_string())]);
            anstream::eprintln!("{line}");
        }
    }
}

/// From now on a panic is shown as the log is. The text form is that of the standard library.
pub(crate) fn show_panics(format: LogFormat) {
    if format == LogFormat::Text {
        return;
    }
    std::panic::set_hook(Box::new(|panic| {
        let text = panic.payload_as_str().unwrap_or("no text");
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        let line = json_line("ERROR", "process.panicked", &[("panic", text), ("location", &location)]);
        // Nothing can be done when standard error is gone.
        let _ = writeln!(std::io::stderr(), "{line}");
    }));
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn a_level_that_is_none_is_refused_with_the_levels() {
        for level in
            ["info", "WARN", "off", "info,tenterhook_engine=debug", "tenterhook_store=trace", "info, sqlx=info"]
        {
            filter(level).map_err(|error| format!("{level}: {error}")).unwrap();
        }
        for (level, shown) in
            [("loud", "`loud`"), ("", "``"), ("info,tenterhook_engine", "`tenterhook_engine`"), ("sqlx=loud", "`loud`")]
        {
            let said = filter(level).unwrap_err().to_string();
            assert!(said.contains(&format!("`log.level` is not usable: {shown} is no level")), "{said}");
            assert!(said.contains("`off`, `error`, `warn`, `info`, `debug`, `trace`"), "{said}");
        }
    }

    #[test]
    fn a_level_for_one_module_leaves_the_others_at_info() {
        let shown = filter("tenterhook_engine=debug").unwrap().to_string();
        assert!(shown.split(',').any(|directive| directive == "info"), "{shown}");
        let shown = filter("warn").unwrap().to_string();
        assert!(shown.split(',').all(|directive| directive != "info"), "the operator's level wins: {shown}");
    }

    #[test]
    fn a_line_in_json_is_one_object_whatever_is_in_it() {
        let line = json_line("ERROR", "process.failed", &[("error", "two\nlines \"quoted\"")]);
        assert!(!line.contains('\n'), "{line}");
        let read: Value = serde_json::from_str(&line).unwrap();
        let at = |pointer: &str| read.pointer(pointer).unwrap().as_str().unwrap();
        assert_eq!(at("/fields/error"), "two\nlines \"quoted\"");
        assert_eq!((at("/level"), at("/fields/message")), ("ERROR", "process.failed"));
        assert!(at("/timestamp").ends_with('Z'), "{line}");
    }
}
