//! The one binary: `dev`, `serve` and the tools.
//!
//! The only room that reads files and the environment and writes to the terminal. Start reading at [`dev`].
#![expect(clippy::print_stdout, reason = "a command's result goes to standard output")]

mod backup;
mod config;
mod connect;
mod descriptors;
mod dev;
mod import;
mod key_file;
mod keys;
mod line_bound;
mod orgs;
mod process_figures;
mod running_server;
mod serve;
mod telemetry;
mod tokens;
mod tool;

use std::{collections::BTreeMap, env, path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};
use config::LogFormat;
use tenterhook_contract::id::ApiTokenId;
use tenterhook_model::OrgHost;

/// An error for people: the first line says what happened, hints follow.
type Error = Box<dyn std::error::Error + Send + Sync>;

/// Inline hooks as a product of its own: Okta's contract, on your machine.
#[derive(Parser)]
#[command(version, after_help = "Example:\n  tenterhook dev            watch a token being changed by a hook")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start everything on this machine and show a token that a hook changed.
    #[command(after_help = "Examples:
  tenterhook dev
  tenterhook dev --once --ephemeral --json
  tenterhook dev --hook http://127.0.0.1:3000/hooks/token
  tenterhook dev --hook http://127.0.0.1:3000/hooks/token --header 'Authorization: Bearer s3cret'
  tenterhook dev --hook http://127.0.0.1:3000/hooks/token --flow code --timeout 60s")]
    Dev(dev::Options),
    /// Run the server.
    #[command(after_help = "Example:\n  tenterhook serve --config tenterhook.toml")]
    Serve(ConfigFile),
    /// Check every setting by itself, and show the effective settings with secrets masked.
    #[command(
        after_help = "Examples:\n  tenterhook config --config tenterhook.toml\n  tenterhook config --config tenterhook.toml --connect"
    )]
    Config {
        #[command(flatten)]
        file: ConfigFile,
        /// Also try the database, whether the master key decrypts what is in it, and the egress proxy. Changes nothing.
        #[arg(long)]
        connect: bool,
    },
    /// Master keys.
    #[command(after_help = "Example:\n  tenterhook keys generate --out master.key")]
    Keys {
        #[command(subcommand)]
        command: Keys,
    },
    /// Copy an embedded database into a new file, also while the server runs. A PostgreSQL database has `pg_dump` for that.
    #[command(after_help = "Example:\n  tenterhook backup --config tenterhook.toml --out backup.sqlite")]
    Backup {
        #[command(flatten)]
        file: ConfigFile,
        /// The copy; must not exist yet.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Orgs: tenants, each with its own host.
    #[command(after_help = "Example:\n  tenterhook orgs create --config tenterhook.toml --host north.example.com")]
    Orgs {
        #[command(subcommand)]
        command: Orgs,
    },
    /// Bring users of another system into an org, without their passwords; works while servers run, and can be run again.
    #[command(after_help = "Examples:
  tenterhook import users.csv --config tenterhook.toml --password-hook
  tenterhook import users.csv --config tenterhook.toml --report")]
    Import {
        #[command(flatten)]
        file: ConfigFile,
        #[command(flatten)]
        options: import::Options,
    },
    /// Tokens of the management API.
    #[command(after_help = "Example:\n  tenterhook tokens create --config tenterhook.toml --name ada")]
    Tokens {
        #[command(subcommand)]
        command: Tokens,
    },
}

/// The location of the configuration.
#[derive(Args)]
struct ConfigFile {
    /// The TOML file; environment variables such as TENTERHOOK_SERVER__LISTEN win over it.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

#[derive(Subcommand)]
enum Keys {
    /// Write a new master key to a file that only its owner can read.
    #[command(after_help = "Example:\n  tenterhook keys generate --out master.key")]
    Generate {
        /// The file; must not exist yet.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Add a new key to a file of master keys, in front: it encrypts from now on.
    #[command(after_help = "Example:\n  tenterhook keys add --to master.key")]
    Add {
        /// The file.
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
        /// Add it at the end: it only decrypts. For several nodes, until all of them have the file.
        #[arg(long)]
        standby: bool,
    },
    /// Re-encrypt every stored secret under the first master key, while servers run; can be interrupted and run again.
    #[command(after_help = "Example:\n  tenterhook keys rotate --config tenterhook.toml")]
    Rotate(ConfigFile),
}

#[derive(Subcommand)]
enum Tokens {
    /// Create a new token and show it once; it works at once, also while servers run, or before the first start.
    #[command(
        after_help = "Examples:\n  tenterhook tokens create --config tenterhook.toml --name ada\n  tenterhook tokens create --config \
                      tenterhook.toml --name checkout --role host --point com.okta.telephony.provider"
    )]
    Create {
        #[command(flatten)]
        file: ConfigFile,
        /// A name that says who uses the token, or for what.
        #[arg(long)]
        name: String,
        /// The org that the token manages, by its host or id; the default one without it.
        #[arg(long)]
        org: Option<String>,
        /// Create a token that manages orgs (`/api/v1/orgs`), and nothing in them.
        #[arg(long, conflicts_with_all = ["org", "days", "role", "point"])]
        operator: bool,
        /// What the token may do in its org.
        #[arg(long, value_enum, default_value_t)]
        role: tokens::Role,
        /// The type of an extension point that a host may invoke and ask for its health; once for each.
        #[arg(long, value_name = "TYPE", required_if_eq("role", "host"))]
        point: Vec<String>,
        /// How many days the token is valid; without it, until it is revoked. A token of an operator has no such end.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=3_650))]
        days: Option<u32>,
    },
    /// Show id, name, role, and times of creation, expiry and last use of every token.
    #[command(after_help = "Example:\n  tenterhook tokens list --config tenterhook.toml")]
    List {
        #[command(flatten)]
        file: ConfigFile,
        /// The org whose tokens they are, by its host or id; without it those of the default org and of operators.
        #[arg(long)]
        org: Option<String>,
    },
    /// Revoke a token: every running server refuses it at once, that of a host within a second, or within a minute while the
    /// database does not answer.
    #[command(after_help = "Example:\n  tenterhook tokens revoke --config tenterhook.toml 00T0VcBIhqLdWc7kRm3P")]
    Revoke {
        #[command(flatten)]
        file: ConfigFile,
        /// The org whose token it is, by its host or id; the default one, or the operator, without it.
        #[arg(long)]
        org: Option<String>,
        /// Its id, as `tokens list` shows it.
        id: ApiTokenId,
    },
}

#[derive(Subcommand)]
enum Orgs {
    /// Create an org with a default authorization server and show its first API token, once; works while servers run.
    #[command(
        after_help = "Example:\n  tenterhook orgs create --config tenterhook.toml --host north.example.com --name North --hooks 20"
    )]
    Create {
        #[command(flatten)]
        file: ConfigFile,
        /// The `Host` whose requests are for the org, with a port if clients name one.
        #[arg(long)]
        host: OrgHost,
        /// A name for people; the host without it.
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        limits: orgs::LimitArguments,
    },
    /// Show id, status, time of creation, host and name of every org.
    #[command(after_help = "Example:\n  tenterhook orgs list --config tenterhook.toml")]
    List(ConfigFile),
    /// Refuse every request to an org; what it has is kept.
    #[command(after_help = "Example:\n  tenterhook orgs suspend --config tenterhook.toml north.example.com")]
    Suspend {
        #[command(flatten)]
        file: ConfigFile,
        /// Its host or id.
        org: String,
    },
    /// Serve a suspended org again.
    #[command(after_help = "Example:\n  tenterhook orgs resume --config tenterhook.toml north.example.com")]
    Resume {
        #[command(flatten)]
        file: ConfigFile,
        /// Its host or id.
        org: String,
    },
    /// Give an org limits of its own, or those of the server again with `default`; show them all.
    #[command(
        after_help = "Example:\n  tenterhook orgs limit --config tenterhook.toml north.example.com --hooks 20 --in-flight default"
    )]
    Limit {
        #[command(flatten)]
        file: ConfigFile,
        /// Its host or id.
        org: String,
        #[command(flatten)]
        limits: orgs::LimitArguments,
    },
}

fn main() -> ExitCode {
    let command = Arguments::parse().command;
    let environment: BTreeMap<String, String> = env::vars_os()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
        .collect();
    // All output of `serve` has the form of `log.format`, also the error that prevents its start.
    let format = match &command {
        Command::Serve(file) => config::log_format(&file.config, &environment),
        _ => LogFormat::Text,
    };
    telemetry::show_panics(format);
    run(command, &environment).unwrap_or_else(|error| {
        telemetry::fail(format, &error);
        ExitCode::FAILURE
    })
}

fn run(command: Command, environment: &BTreeMap<String, String>) -> Result<ExitCode, Error> {
    let load_quietly = |file: &ConfigFile| config::Config::load(&file.config, environment);
    let load = |file: &ConfigFile| {
        let config = load_quietly(file)?;
        for name in &config.ignored_variables {
            anstream::eprintln!("warning: the environment variable `{name}` is no setting, and is ignored");
        }
        Ok::<_, Error>(config)
    };
    match command {
        Command::Dev(options) => block_on(dev::run(options)),
        Command::Serve(file) => {
            let config = load_quietly(&file)?;
            telemetry::start(config.log.format, &config.log.level)?;
            block_on(serve::run(config)).map(|()| ExitCode::SUCCESS)
        }
        Command::Config { file, connect } => {
            let config = load(&file)?;
            serve::plan(&config)?;
            if connect {
                let all_usable = block_on(connect::run(&config))?;
                return Ok(if all_usable { ExitCode::SUCCESS } else { ExitCode::FAILURE });
            }
            tool::print(&format!(
                "{config}\n# Every setting is usable by itself. Nothing was connected to: `--connect` tries the database, the master \
                 key\n# and the egress proxy."
            ))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Keys { command } => match command {
            Keys::Generate { out } => keys::generate(&out),
            Keys::Add { to, standby } => keys::add(&to, standby),
            Keys::Rotate(file) => block_on(keys::rotate(&load(&file)?)),
        }
        .map(|()| ExitCode::SUCCESS),
        Command::Backup { file, out } => block_on(backup::run(&load(&file)?, &out)).map(|()| ExitCode::SUCCESS),
        Command::Import { file, options } => {
            let complete = block_on(import::run(&load(&file)?, &options))?;
            Ok(if complete { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Command::Orgs { command } => match command {
            Orgs::Create { file, host, name, limits } => block_on(orgs::create(&load(&file)?, host, name, &limits)),
            Orgs::List(file) => block_on(orgs::list(&load(&file)?)),
            Orgs::Suspend { file, org } => block_on(orgs::suspend(&load(&file)?, &org)),
            Orgs::Resume { file, org } => block_on(orgs::resume(&load(&file)?, &org)),
            Orgs::Limit { file, org, limits } => block_on(orgs::limit(&load(&file)?, &org, &limits)),
        }
        .map(|()| ExitCode::SUCCESS),
        Command::Tokens { command } => match command {
            Tokens::Create { file, name, operator: true, .. } => {
                block_on(tokens::create_for_operator(&load(&file)?, &name))
            }
            Tokens::Create { file, name, org, days, role, point, .. } => {
                let new = tokens::New { name: &name, days, role, points: &point };
                block_on(tokens::create(&load(&file)?, org.as_deref(), new))
            }
            Tokens::List { file, org } => block_on(tokens::list(&load(&file)?, org.as_deref())),
            Tokens::Revoke { file, org, id } => block_on(tokens::revoke(&load(&file)?, org.as_deref(), &id)),
        }
        .map(|()| ExitCode::SUCCESS),
    }
}

fn block_on<T>(future: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(future)
}
