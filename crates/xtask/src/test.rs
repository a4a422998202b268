//! `cargo xtask test`: all checks that the README promises, the fastest first.

use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};

use crate::{
    fuzz, interop, packages, pages,
    postgres::{self, Cluster},
    run::{Ending, Failure, lacking, succeed},
    say::say,
    tidy,
    workspace::Workspace,
};

/// The crates whose tests use a database.
const DATABASE_CRATES: [&str; 5] =
    ["tenterhook-store", "tenterhook-management", "tenterhook-flows", "tenterhook-server", "tenterhook"];

/// The crate that asks the others for all their features, as the whole workspace does. Tested along with [`DATABASE_CRATES`], it keeps
/// cargo from building them a second time with fewer.
const EVERY_FEATURE: &str = "tenterhook-bench";

/// Seconds for each fuzz target: enough to run the kept inputs and a little more.
const FUZZ_SECONDS: u32 = 3;

/// Which steps to take.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Take this step only
    #[arg(long, value_name = "STEP", conflicts_with = "from")]
    only: Option<Step>,
    /// Take this step and those after it
    #[arg(long, value_name = "STEP")]
    from: Option<Step>,
    /// Name the steps and take none
    #[arg(long)]
    list: bool,
}

/// One thing to check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
enum Step {
    Format,
    Clippy,
    Tidy,
    Generated,
    Rustdoc,
    Packages,
    Sqlite,
    Postgres,
    Pages,
    Interop,
    Fuzz,
}

impl Step {
    fn name(self) -> &'static str {
        match self {
            Self::Format => "format",
            Self::Clippy => "clippy",
            Self::Tidy => "tidy",
            Self::Generated => "generated",
            Self::Rustdoc => "rustdoc",
            Self::Packages => "packages",
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
            Self::Pages => "pages",
            Self::Interop => "interop",
            Self::Fuzz => "fuzz",
        }
    }

    fn purpose(self) -> &'static str {
        match self {
            Self::Format => "every file is as `cargo fmt` writes it",
            Self::Clippy => "no lint complains",
            Self::Tidy => "the workspace's own rules",
            Self::Generated => "`openapi/` is what the types say",
            Self::Rustdoc => "the documentation of the crates for embedders has no warning",
            Self::Packages => "the crates for embedders can be packaged, and compile as packages",
            Self::Sqlite => "every test, with the embedded database",
            Self::Postgres => "the tests that use a database, with PostgreSQL",
            Self::Pages => "the commands of the documentation",
            Self::Interop => "other people's clients against the binary",
            Self::Fuzz => "the contract's fuzz targets, a few seconds each",
        }
    }

    fn take(self, workspace: &Workspace) -> Result<Ending, Failure> {
        match self {
            Self::Format => {
                let check = workspace.cargo(&["fmt", "--all", "--check"]);
                succeed(check, "Run `cargo fmt --all`.")?;
            }
            Self::Clippy => {
                let check = workspace.cargo(&["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"]);
                succeed(check, "Each message above names its lint; silence one only with `#[expect(lint, reason)]`.")?;
            }
            Self::Tidy => tidy::run(workspace)?,
            Self::Generated => crate::generate(workspace, true)?,
            Self::Rustdoc => packages::document(workspace)?,
            Self::Packages => packages::check(workspace)?,
            Self::Sqlite => {
                let mut tests = workspace.cargo(&["test", "--workspace"]);
                tests.env_remove(postgres::URL_VARIABLE);
                succeed(tests, "Run the failing crate alone with `cargo test -p CRATE`.")?;
            }
            Self::Postgres => return on_postgres(workspace),
            Self::Pages => return pages::run(workspace, None),
            Self::Interop => return interop::run(workspace, None),
            Self::Fuzz => return fuzz::run(workspace, &fuzz::Options { seconds: FUZZ_SECONDS, target: None }),
        }
        Ok(Ending::Passed)
    }
}

/// Takes the steps; stops at the first that fails.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<(), Failure> {
    let steps = chosen(options.only, options.from);
    if options.list {
        for step in steps {
            say(&format!("{:<10}{}", step.name(), step.purpose()));
        }
        return Ok(());
    }
    let begin = Instant::now();
    let mut report = Vec::new();
    for (number, step) in steps.iter().enumerate() {
        say(&format!(
            "[{}/{}] {} … ({}, {} so far)",
            number + 1,
            steps.len(),
            step.name(),
            step.purpose(),
            shown(begin.elapsed())
        ));
        let step_begin = Instant::now();
        let result = step.take(workspace);
        let took = shown(step_begin.elapsed());
        report.push(match &result {
            Ok(Ending::Passed) => format!("{:<10}passed   {took}", step.name()),
            Ok(Ending::Skipped(why)) => format!("{:<10}SKIPPED  {why}", step.name()),
            Err(_) => format!("{:<10}FAILED   {took}", step.name()),
        });
        if let Err(failure) = result {
            summarise(&report, begin);
            return Err(failure.hint(format!("Again from here: `cargo xtask test --from {}`.", step.name())));
        }
    }
    summarise(&report, begin);
    Ok(())
}

fn summarise(report: &[String], begin: Instant) {
    say("");
    for line in report {
        say(line);
    }
    say(&format!("{:<10}{}", "total", shown(begin.elapsed())));
}

fn chosen(only: Option<Step>, from: Option<Step>) -> Vec<Step> {
    let wanted = |step: &&Step| only.is_none_or(|only| only == **step) && from.is_none_or(|from| from <= **step);
    Step::value_variants().iter().filter(wanted).copied().collect()
}

fn on_postgres(workspace: &Workspace) -> Result<Ending, Failure> {
    let given = std::env::var(postgres::URL_VARIABLE).ok().filter(|url| !url.is_empty());
    if given.is_none() && postgres::find_binaries().is_none() {
        return lacking(postgres::absent());
    }
    // Dropped, and so stopped, after the tests.
    let cluster = if given.is_none() { Some(Cluster::start()?) } else { None };
    let mut tests = workspace.cargo(&["test"]);
    for package in DATABASE_CRATES.into_iter().chain([EVERY_FEATURE]) {
        tests.args(["--package", package]);
    }
    if let Some(cluster) = &cluster {
        say(&format!("A throwaway server listens at {}", cluster.url()));
        tests.env(postgres::URL_VARIABLE, cluster.url());
    }
    // Tests that need a server are ignored without one.
    tests.args(["--", "--include-ignored"]);
    succeed(tests, "Run one crate alone with `cargo xtask postgres cargo test -p CRATE -- --include-ignored`.")?;
    Ok(Ending::Passed)
}

fn shown(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ 60.. => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{:.1} s", duration.as_secs_f64()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::ValueEnum as _;

    use super::{Step, chosen, shown};

    #[test]
    fn without_options_every_step_is_taken_in_order() {
        assert_eq!(chosen(None, None), Step::value_variants());
    }

    #[test]
    fn one_step_or_the_rest_can_be_asked_for() {
        assert_eq!(chosen(Some(Step::Tidy), None), [Step::Tidy]);
        assert_eq!(chosen(None, Some(Step::Postgres)), [Step::Postgres, Step::Pages, Step::Interop, Step::Fuzz]);
    }

    #[test]
    fn durations_read_well() {
        assert_eq!(shown(Duration::from_millis(1_250)), "1.2 s");
        assert_eq!(shown(Duration::from_secs(61)), "1 min 1 s");
    }
}
