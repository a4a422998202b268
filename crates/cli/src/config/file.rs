//! Reads the configuration file: every problem at once, each with its line, the setting and what to write. The text of
//! a line is never shown, because it may hold a secret.

use std::{fs, path::Path};

use toml::{
    Table, Value,
    de::{DeTable, DeValue},
};

use super::{
    ConfigError, LogFormat,
    settings::{self, Form, Setting},
};

/// The settings of the file with this text, each with a value of its form.
///
/// # Errors
/// With everything that is wrong in it.
pub(super) fn read(path: &Path, text: &str) -> Result<Table, ConfigError> {
    let refuse = |problems| ConfigError::File { path: path.to_owned(), problems };
    let document = DeTable::parse(text).map_err(|error| refuse(vec![of_syntax(text, &error)]))?;
    let mut table: Table = text.parse().map_err(|error| refuse(vec![of_syntax(text, &error)]))?;
    let problems = problems(text, document.get_ref(), &table);
    if !problems.is_empty() {
        return Err(refuse(problems));
    }
    // `Path::parent` of a bare name is an empty path, which `join` leaves out.
    resolve_paths(&mut table, path.parent().unwrap_or(Path::new("")));
    Ok(table)
}

/// What is wrong with sections, names and values, in the order of the lines.
fn problems(text: &str, document: &DeTable<'_>, table: &Table) -> Vec<String> {
    let mut problems = Vec::new();
    for (name, section) in document {
        let line = line_of(text, name.span().start);
        let name = name.get_ref();
        let values = table.get(name.as_ref()).and_then(Value::as_table);
        if !settings::sections().contains(&name.as_ref()) {
            problems.push((line, of_unknown_section(name, section.get_ref())));
        } else if let (DeValue::Table(section), Some(values)) = (section.get_ref(), values) {
            for (key, _) in section {
                let (line, key) = (line_of(text, key.span().start), key.get_ref().as_ref());
                match (settings::find(name, key), values.get(key)) {
                    (None, _) => {
                        let others = settings::those_of(name);
                        problems.push((line, format!("there is no setting `{name}.{key}`. {others}")));
                    }
                    (Some(setting), Some(value)) if !setting.form.accepts(value) => {
                        problems.push((line, unusable(setting)));
                    }
                    (Some(_), _) => {}
                }
            }
        } else {
            let why =
                format!("`{name}` is a section: write `[{name}]` on a line of its own, and its settings below it");
            problems.push((line, why));
        }
    }
    problems.sort_by_key(|(line, _)| *line);
    problems.into_iter().map(|(line, why)| format!("line {line}: {why}")).collect()
}

/// A name at the beginning of the file, or of a section, that is none.
fn of_unknown_section(name: &str, value: &DeValue<'_>) -> String {
    let setting = settings::SETTINGS.iter().find(|known| known.key == name);
    match setting {
        Some(setting) if !value.is_table() => {
            format!("`{name}` is a setting of a section: write `[{}]` on a line above it", setting.section)
        }
        _ => format!("there is no section `{name}`. {}", settings::those_of(name)),
    }
}

fn unusable(setting: &Setting) -> String {
    format!("`{}` is not usable: write {}", setting.name(), setting.form.wanted(true))
}

/// A text that is not TOML. The words of the parser are about its grammar, so they are not shown.
fn of_syntax(text: &str, error: &toml::de::Error) -> String {
    let start = error.span().map_or(0, |span| span.start).min(text.len());
    let line = line_of(text, start);
    let before = text.get(..start).unwrap_or_default();
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    if error.message().starts_with("duplicate key") {
        return format!("line {line}: this name is already used above: a section and a setting is written once");
    }
    match setting_at(text, line) {
        Some(setting) => {
            let (name, wanted) = (setting.name(), setting.form.wanted(true));
            format!("line {line}, column {column}: the value of `{name}` is not TOML: write {wanted}")
        }
        None => format!(
            "line {line}, column {column}: this is not TOML. A section is `[server]` on a line of its own, a setting is \
             `name = value`, a text is in quotes, and a comment begins with `#`"
        ),
    }
}

/// The known setting that is written in this line.
fn setting_at(text: &str, line: usize) -> Option<&'static Setting> {
    let (key, _) = text.lines().nth(line.checked_sub(1)?)?.split_once('=')?;
    let section = text.lines().take(line).filter_map(|line| line.trim().strip_prefix('[')?.split(']').next()).last()?;
    settings::find(section.trim(), key.trim())
}

fn line_of(text: &str, position: usize) -> usize {
    text.bytes().take(position).filter(|byte| *byte == b'\n').count() + 1
}

/// A path in the file is relative to the folder of the file.
fn resolve_paths(table: &mut Table, folder: &Path) {
    for setting in &settings::SETTINGS {
        let Some(value) = table.get_mut(setting.section).and_then(|section| section.get_mut(setting.key)) else {
            continue;
        };
        match (setting.form, value) {
            (Form::Path(_), path) => resolve(path, folder),
            (Form::Paths(_), Value::Array(paths)) => paths.iter_mut().for_each(|path| resolve(path, folder)),
            _ => {}
        }
    }
}

fn resolve(path: &mut Value, folder: &Path) {
    let resolved = path.as_str().filter(|path| !path.is_empty()).map(|path| folder.join(path).into_os_string());
    // A folder whose name is not Unicode cannot be part of a TOML text: the path stays as it was written.
    if let Some(Ok(resolved)) = resolved.map(std::ffi::OsString::into_string) {
        *path = Value::String(resolved);
    }
}

/// `log.format` of a file that may be unusable otherwise, for the form of the error that says so.
pub(super) fn log_format(path: &Path) -> Option<LogFormat> {
    let text = fs::read_to_string(path).ok()?;
    let (document, _) = DeTable::parse_recoverable(&text);
    let DeValue::Table(log) = member(document.get_ref(), "log")? else { return None };
    LogFormat::of(member(&log, "format")?.as_str()?)
}

fn member<'a>(table: &DeTable<'a>, name: &str) -> Option<DeValue<'a>> {
    table.iter().find(|(key, _)| key.get_ref() == name).map(|(_, value)| value.get_ref().clone())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    /// The problems of a file with this text.
    fn said(text: &str) -> String {
        match read(Path::new("folder/tenterhook.toml"), text) {
            Ok(_) => String::new(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_problem_has_its_line_its_setting_and_what_to_write() {
        for (text, wanted) in [
            (
                "[server]\nlisten = 8080",
                "line 2: `server.listen` is not usable: write an IP address with a port in quotes",
            ),
            ("[server]\nlisten = \"localhost:8080\"", "such as `\"127.0.0.1:8080\"`"),
            ("[server]\nlisten = 127.0.0.1:8080", "the value of `server.listen` is not TOML: write an IP address"),
            (
                "[server]\n\nconnections_max = \"many\"",
                "line 3: `server.connections_max` is not usable: write a whole number",
            ),
            ("[server]\nconnections_max = -1", "write a whole number"),
            ("[egress]\nallow = \"10.0.0.0/8\"", "write a list of texts in quotes, such as `[\"10.1.0.0/16:8443\"]`"),
            ("[egress]\nca_files = [1]", "`egress.ca_files` is not usable"),
            ("[log]\nformat = \"yaml\"", "line 2: `log.format` is not usable: write `\"text\"` or `\"json\"`"),
            ("[log]\nformat = json", "line 2, column 10: the value of `log.format` is not TOML"),
            (
                "[server]\nlissen = 1",
                "line 2: there is no setting `server.lissen`. The settings of `[server]` are `listen`",
            ),
            ("[server2]\nx = 1", "line 1: there is no section `server2`. The sections are `server`, `store`, `keys`"),
            (
                "listen = \"127.0.0.1:1\"",
                "line 1: `listen` is a setting of a section: write `[server]` on a line above it",
            ),
            ("keys = \"x\"", "line 1: `keys` is a section: write `[keys]` on a line of its own"),
            ("[server]\nlisten\n", "line 2, column 7: this is not TOML. A section is"),
            ("[log]\nlevel = \"info\"\n[log]\n", "line 3: this name is already used above"),
            ("[log]\nlevel = \"info\"\nlevel = \"warn\"", "line 3: this name is already used above"),
        ] {
            let said = said(text);
            assert!(said.contains(wanted) && said.contains("folder/tenterhook.toml"), "{text:?}: {said}");
            assert!(!said.contains("invalid type") && !said.contains("expected"), "words of the parser: {said}");
        }
    }

    #[test]
    fn all_problems_are_said_at_once_in_the_order_of_their_lines() {
        let said = said("[store]\nconnections_max = \"x\"\n[log]\nlevel = 1\nx = 1\n[keys]\n");
        let lines: Vec<_> = said.lines().skip(1).map(|line| line.trim_start().split(':').next().unwrap()).collect();
        assert_eq!(lines, ["line 2", "line 4", "line 5"], "{said}");
    }

    #[test]
    fn a_path_in_the_file_is_relative_to_the_file() {
        let text = "[server]\nbootstrap_token_file = \"a.token\"\n[keys]\nmaster_key_file = \"../k\"\n\
                    [egress]\nca_files = [\"one.pem\", \"/two.pem\"]\n[store]\ndatabase = \"sqlite://x.sqlite\"\n";
        let table = read(Path::new("/etc/tenterhook/server.toml"), text).unwrap();
        let value = |section: &str, key: &str| table.get(section).and_then(|it| it.get(key)).unwrap().clone();
        assert_eq!(value("server", "bootstrap_token_file").as_str(), Some("/etc/tenterhook/a.token"));
        assert_eq!(value("keys", "master_key_file").as_str(), Some("/etc/tenterhook/../k"));
        let ca_files = ["/etc/tenterhook/one.pem", "/two.pem"].map(|path| Value::String(path.to_owned()));
        assert_eq!(value("egress", "ca_files"), Value::Array(ca_files.to_vec()));
        assert_eq!(value("store", "database").as_str(), Some("sqlite://x.sqlite"), "relative to the working directory");
        let table = read(Path::new("server.toml"), text).unwrap();
        assert_eq!(table.get("keys").and_then(|keys| keys.get("master_key_file")).unwrap().as_str(), Some("../k"));
    }
}
