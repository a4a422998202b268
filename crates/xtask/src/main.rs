//! The developer's commands, `cargo xtask NAME`: one entry for people and for continuous integration.
//!
//! Start reading at [`test`], which runs everything the README promises, step by step. [`tidy`] holds the rules of the
//! workspace that no compiler checks. Nothing here is shipped, and nothing here depends on the shipped crates, so that
//! it builds in seconds.

mod cluster_suites;
mod fuzz;
mod interop;
mod packages;
mod pages;
mod postgres;
mod run;
mod say;
mod test;
mod tidy;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::{postgres::Cluster, run::Failure, say::say, workspace::Workspace};

/// The commands of the workspace.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run every check: format, clippy, tidy, tests on SQLite and PostgreSQL, interop
    Test(test::Options),
    /// Check the workspace's own rules: arrows between crates, file sizes, leftovers, dependencies
    Tidy,
    /// Run a benchmark in a release build
    Bench {
        /// Which one: `call`, `host`, `isolation`, `memory`, `contract`, `token`, `saml`, `scale` or `log`
        name: String,
        /// Passed on to the benchmark
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Run every fault in real time, then watch the engine under mixed faults at full load, in a release build: memory, lost
    /// records, deadline overruns
    Soak {
        /// How long
        #[arg(long, default_value = "10")]
        minutes: String,
        /// With the circuit breakers of the hooks
        #[arg(long)]
        breakers: bool,
    },
    /// Write `openapi/` from the contract's types: the OpenAPI document and the JSON Schemas
    Generate {
        /// Write nothing; fail when a file differs from the generated one
        #[arg(long)]
        check: bool,
    },
    /// Run the fuzz targets of the contract crate, each for some seconds
    Fuzz(fuzz::Options),
    /// Run third-party software against the built binary
    Interop {
        /// Which one; all of them without a name
        name: Option<interop::Suite>,
    },
    /// Run the commands of the documentation with the built binary
    Pages {
        /// The page, such as `first-server.md`; all of them without a name
        name: Option<String>,
    },
    /// Start a throwaway PostgreSQL server, run a command with its address in `TENTERHOOK_TEST_POSTGRES`, stop it
    Postgres {
        /// The command, such as `cargo test -p tenterhook-store`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        command: Vec<String>,
    },
}

fn main() -> ExitCode {
    match Workspace::find().and_then(|workspace| perform(&workspace, Arguments::parse().command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            say(&failure.to_string());
            ExitCode::FAILURE
        }
    }
}

fn perform(workspace: &Workspace, command: Command) -> Result<(), Failure> {
    match command {
        Command::Test(options) => test::run(workspace, &options),
        Command::Tidy => tidy::run(workspace),
        Command::Bench { name, arguments } => {
            let mut words = vec![name.as_str()];
            words.extend(arguments.iter().map(String::as_str));
            benchmark(workspace, &words)
        }
        Command::Soak { minutes, breakers } => {
            let mut words = vec!["soak", "--minutes", minutes.as_str()];
            words.extend(breakers.then_some("--breakers"));
            benchmark(workspace, &words)
        }
        Command::Generate { check } => generate(workspace, check),
        Command::Fuzz(options) => fuzz::run(workspace, &options)?.or_refuse(),
        Command::Interop { name } => interop::run(workspace, name)?.or_refuse(),
        Command::Pages { name } => pages::run(workspace, name.as_deref())?.or_refuse(),
        Command::Postgres { command } => on_postgres(workspace, &command),
    }
}

fn benchmark(workspace: &Workspace, words: &[&str]) -> Result<(), Failure> {
    let mut run = vec!["run", "--profile", "dist", "--package", "tenterhook-bench", "--"];
    run.extend(words);
    run::succeed(workspace.cargo(&run), "The benchmark's own output above says why.")
}

/// Runs the generators, which are examples so that ordinary builds leave them out.
fn generate(workspace: &Workspace, check: bool) -> Result<(), Failure> {
    let mut failed = None;
    for package in ["tenterhook-contract", "tenterhook-server"] {
        let mut words = vec!["run", "--quiet", "--package", package, "--features", "schema", "--example", "openapi"];
        if check {
            words.extend(["--", "--check"]);
        }
        // When the first fails, the second runs all the same.
        failed = run::succeed(workspace.cargo(&words), "Each message above says what to do.").err().or(failed);
    }
    failed.map_or(Ok(()), Err)
}

fn on_postgres(workspace: &Workspace, command: &[String]) -> Result<(), Failure> {
    let Some((program, arguments)) = command.split_first() else { return Ok(()) };
    let cluster = Cluster::start()?;
    say(&format!("PostgreSQL listens at {}", cluster.url()));
    let mut run = workspace.command(program);
    run.args(arguments).env(postgres::URL_VARIABLE, cluster.url());
    run::succeed(run, "The command's own output above says why.")
}
