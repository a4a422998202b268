//! `bench directory`: whether what is done with users takes as long among a million of them as among ten thousand.
//!
//! Two databases of one kind, one with few users and one with many, are asked in turns, so that what else the machine does slows both.
//! Printed are the ratios, and the plans of the queries among the many. Users are copied inside of the database ([`seed`]); what
//! is measured goes through the HTTP API ([`asked`]), but for the sign-in, which is the flow.

mod asked;
mod seed;

use clap::Args;
use tenterhook_contract::Secret;
use tenterhook_store::{Keyring, StoreConfig};
use tenterhook_testkit::postgres;

use self::asked::{Asked, Measured};
use crate::{Error, figure};

/// Options of `bench directory`.
#[derive(Args)]
pub(crate) struct Options {
    /// Users of the org that has many.
    #[arg(long, default_value_t = 1_000_000)]
    users: u64,
    /// Users of the org that has few.
    #[arg(long, default_value_t = 10_000)]
    few: u64,
    /// How often each thing is done.
    #[arg(long, default_value_t = 200)]
    times: u64,
    /// Only this database: `sqlite` or `postgres`.
    #[arg(long)]
    only: Option<String>,
}

/// Runs the benchmark on SQLite, and on PostgreSQL where there is a server.
pub(crate) fn run(options: &Options) -> Result<(), Error> {
    if options.few < 2_000 || options.users <= options.few || options.users > 9_000_000 {
        return Err("`--few` is 2000 at least, and `--users` is more, 9000000 at most".into());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let wanted = |name: &str| options.only.as_deref().is_none_or(|only| only == name);
        if wanted("sqlite") {
            let folder = tempfile::tempdir()?;
            let config = |users: &str| StoreConfig::Sqlite { path: folder.path().join(format!("{users}.sqlite")) };
            measure("sqlite", &config("few"), &config("many"), options).await?;
        }
        if !wanted("postgres") {
            return Ok(());
        }
        let Ok(server) = std::env::var(postgres::URL_VARIABLE) else {
            println!(
                "No PostgreSQL server: only SQLite (`cargo xtask postgres cargo xtask bench directory` starts one)."
            );
            return Ok(());
        };
        let config = async |users: &str| {
            let name = format!("bench_directory_{users}_{}", std::process::id());
            let url = Secret::new(postgres::create_database(&server, &name).await?);
            Ok::<_, Error>(StoreConfig::Postgres { url, max_connections: 10 })
        };
        measure("postgres", &config("few").await?, &config("many").await?, options).await
    })
}

async fn measure(name: &str, few: &StoreConfig, many: &StoreConfig, options: &Options) -> Result<(), Error> {
    let Options { users, few: few_users, times, .. } = options;
    println!("\n{name}: orgs of {few_users} and of {users} users; {times} times each, pages of 100.");
    let few = Asked::start(few, Keyring::generate_text().expose(), *few_users).await?;
    let many = Asked::start(many, Keyring::generate_text().expose(), *users).await?;
    seed::fill(&few, *few_users).await?;
    seed::fill(&many, *users).await?;
    let (at_few, at_many) = asked::measure([&few, &many], *times).await?;
    println!("\n{:<34}{:>10}{:>10}{:>10}{:>10}{:>9}", "ms", "p50", "p99", "p50 many", "p99 many", "ratio");
    let mut ratios = Vec::new();
    for (of_few, of_many) in at_few.iter().zip(&at_many) {
        let ratio = of_many.median / of_few.median;
        println!(
            "{:<34}{:>10.2}{:>10.2}{:>10.2}{:>10.2}{ratio:>9.2}",
            of_few.name, of_few.median, of_few.p99, of_many.median, of_many.p99
        );
        ratios.push((of_few.name, ratio));
    }
    println!("\nPlans at {users} users:");
    for (what, plan) in many.plans().await? {
        println!("\n{what}\n  {}", plan.replace('\n', "\n  "));
    }
    println!();
    let figures = |users: u64, all: &[Measured]| {
        for Measured { name: what, median, p99 } in all {
            figure(&format!("directory_{name}_{users}_{what}"), *median, "ms");
            figure(&format!("directory_{name}_{users}_{what}_p99"), *p99, "ms");
        }
    };
    figures(*few_users, &at_few);
    figures(*users, &at_many);
    for (what, ratio) in ratios {
        figure(&format!("directory_{name}_{what}"), ratio, "x");
    }
    few.stop().await;
    many.stop().await;
    Ok(())
}
