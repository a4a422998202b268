//! The examples of `--help`: every command has one, and it works.

use std::{collections::BTreeSet, fs, process::Command};

use crate::process::{Program, run, tenterhook};

/// The help of a command.
fn help(path: &[&str]) -> String {
    let (done, said) = run(&mut tenterhook(&[path, &["--help"]].concat()));
    assert!(done, "{path:?}: {said}");
    said
}

/// The commands below one, by its help.
fn below(help: &str) -> Vec<String> {
    let Some((_, commands)) = help.split_once("Commands:\n") else { return Vec::new() };
    let names = commands.lines().take_while(|line| !line.is_empty()).filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(ToOwned::to_owned).collect()
}

/// The commands that run something, each with its examples.
fn examples() -> Vec<(String, Vec<String>)> {
    let mut all = Vec::new();
    let mut open: Vec<Vec<String>> = below(&help(&[])).into_iter().map(|name| vec![name]).collect();
    while let Some(path) = open.pop() {
        let help = help(&path.iter().map(String::as_str).collect::<Vec<_>>());
        let children = below(&help);
        let examples: Vec<_> =
            help.lines().filter_map(|line| line.strip_prefix("  tenterhook ")).map(ToOwned::to_owned).collect();
        assert!(!examples.is_empty(), "`{}` has no example: {help}", path.join(" "));
        if children.is_empty() {
            let command = path.join(" ");
            assert!(examples.iter().all(|example| example.starts_with(&command)), "{command}: {examples:?}");
            all.push((command, examples));
        }
        open.extend(children.into_iter().map(|child| [path.clone(), vec![child]].concat()));
    }
    all
}

#[test]
fn every_command_has_an_example_that_works() {
    /// In an order in which each finds what it needs. `dev` has tests of its own.
    const ORDER: [&str; 16] = [
        "keys generate",
        "config",
        "tokens create",
        "serve",
        "tokens list",
        "tokens revoke",
        "backup",
        "import",
        "orgs create",
        "orgs list",
        "orgs limit",
        "orgs suspend",
        "orgs resume",
        "keys add",
        "keys rotate",
        "dev",
    ];
    let all = examples();
    let names: BTreeSet<_> = all.iter().map(|(command, _)| command.as_str()).collect();
    assert_eq!(names, BTreeSet::from(ORDER));
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("tenterhook.toml"),
        "[server]\nlisten = \"127.0.0.1:0\"\n[keys]\nmaster_key_file = \"master.key\"\n",
    )
    .unwrap();
    fs::write(folder.path().join("users.csv"), "login,email,firstName,lastName\na@x.example,a@x.example,Ada,Okoye\n")
        .unwrap();
    let here = |arguments: &[&str]| -> Command {
        let mut command = tenterhook(arguments);
        command.current_dir(folder.path());
        command
    };
    let mut servers = Vec::new();
    let mut token = String::new();
    for command in ORDER {
        let (_, examples) = all.iter().find(|(name, _)| name == command).unwrap();
        for example in examples {
            let arguments: Vec<_> =
                example.split_whitespace().map(|word| if word.starts_with("00T") { &token } else { word }).collect();
            if command == "dev" {
                continue;
            }
            if command == "serve" {
                let mut server = Program::spawn(&mut here(&arguments));
                server.line_where(|line| line.starts_with("listening on "));
                servers.push(server);
                continue;
            }
            let (done, said) = run(&mut here(&arguments));
            assert!(done, "{example}: {said}");
            if command == "tokens list" {
                said.split(' ').next().unwrap().clone_into(&mut token);
            }
        }
    }
    let example = &all.iter().find(|(name, _)| name == "tokens revoke").unwrap().1[0];
    let shown = example.split_whitespace().find(|word| word.starts_with("00T")).unwrap();
    assert_eq!(shown.len(), token.len(), "the id in the help looks like {token}");
}
