//! `log.format = "json"`: every line is an object, from the first one on.

use std::{fs, net::TcpListener};

use serde_json::Value;

use crate::{
    process::{Program, run, tenterhook},
    serve::config,
};

/// The lines as objects.
fn objects(text: &str) -> Vec<Value> {
    let read = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    text.lines().map(read).collect()
}

fn messages(objects: &[Value]) -> Vec<&str> {
    objects.iter().map(|object| object["fields"]["message"].as_str().unwrap()).collect()
}

#[test]
fn every_line_of_a_server_is_an_object() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let config = config(folder.path(), "[log]\nformat = \"json\"");
    let mut serve = tenterhook(&["serve", "--config", &config]);
    serve.env("TENTERHOOK_LISTEN", "1").env("TENTERHOOK_SERVER__METRICS_LISTEN", "127.0.0.1:0");
    let mut server = Program::spawn(serve.stderr(fs::File::create(&path).unwrap()));
    let first = server.line();
    let mut said = vec![first];
    while !said.last().unwrap().contains("server.metrics") {
        said.push(server.line());
    }
    said.push(server.terminate());
    let said = objects(said.join("\n").trim_end());
    assert_eq!(messages(&said), ["store.created", "bootstrap.token", "server.listening", "server.metrics"]);
    assert!(said[1]["fields"]["token"].is_string(), "it is said on standard output only: {said:?}");
    let log = objects(&fs::read_to_string(&path).unwrap());
    let log = messages(&log);
    assert!(log[0].starts_with("config.variable_ignored") && log.contains(&"draining"), "{log:?}");
}

#[test]
fn an_error_that_keeps_a_server_from_starting_is_an_object_too() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();
    for (more, variable, wanted) in [
        ("[log]\nformat = \"json\"", ("TENTERHOOK_SERVER__LISTEN", address.as_str()), "Cannot listen on"),
        ("[log]\nformat = \"json\"\nlevel = \"loud\"", ("X", ""), "`log.level` is not usable: `loud` is no level"),
        (
            "[log]\nformat = \"json\"\nlevel = \"off\"",
            ("TENTERHOOK_SERVER__LISTEN", address.as_str()),
            "Cannot listen on",
        ),
        ("[log]\nformat = \"json\"\n[server2]\n", ("X", ""), "there is no section `server2`"),
        ("[log]\nformat = \"json\"\nlevel = \"info", ("X", ""), "the value of `log.level` is not TOML"),
        ("[limits]\nin_flight = 0", ("TENTERHOOK_LOG__FORMAT", "json"), "`limits.in_flight`"),
        ("[log]\nformat = \"json\"", ("TENTERHOOK_STORE_DATABASE", "x"), "`TENTERHOOK_STORE__DATABASE`"),
    ] {
        let config = config(folder.path(), more);
        let output = tenterhook(&["serve", "--config", &config]).env(variable.0, variable.1).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        let said = objects(&text);
        let last = &said.last().unwrap()["fields"];
        assert!(!output.status.success() && last["message"] == "process.failed", "{more}: {text}");
        assert!(last["error"].as_str().unwrap().contains(wanted), "{more}: {text}");
    }
}

#[test]
fn a_variable_that_is_written_with_one_underscore_is_refused_by_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), "");
    for command in [&["serve"][..], &["config"], &["tokens", "list"]] {
        let mut command = tenterhook(&[command, &["--config", &config]].concat());
        let (done, said) = run(command.env("TENTERHOOK_STORE_DATABASE", "postgres://u:marked@db/x"));
        assert!(!done && said.contains("`TENTERHOOK_STORE_DATABASE` is not usable"), "{said}");
        assert!(said.contains("write `TENTERHOOK_STORE__DATABASE`") && !said.contains("marked"), "{said}");
    }
    let mut command = tenterhook(&["config", "--config", &config]);
    let (done, said) = run(command.env("TENTERHOOK_LISTEN", "x"));
    assert!(done && said.contains("`TENTERHOOK_LISTEN` is no setting"), "{said}");
}
