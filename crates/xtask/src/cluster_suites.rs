//! Suites that need more than Node.js: a PostgreSQL that fails over, and a pooler in front of it. They are not in the
//! default run.

use std::path::PathBuf;

use crate::{
    postgres::{self, Cluster},
    run::{Ending, Failure, lacking, search_path, succeed},
    workspace::Workspace,
};

/// A program, and the Debian package that contains it.
type Program = (&'static str, &'static str);

/// What `failover` runs.
const FAILOVER: [Program; 5] = [
    ("patroni", "patroni"),
    ("patronictl", "patroni"),
    ("etcd", "etcd-server"),
    ("haproxy", "haproxy"),
    ("python3", "python3"),
];
/// What `pgbouncer` runs.
const PGBOUNCER: [Program; 2] = [("pgbouncer", "pgbouncer"), ("python3", "python3")];

/// Two nodes on a PostgreSQL that fails over five times.
pub(crate) fn failover(workspace: &Workspace) -> Result<Ending, Failure> {
    let binaries = match needed(&FAILOVER) {
        Ok(binaries) => binaries,
        Err(failure) => return lacking(failure),
    };
    let mut script = script(workspace, "interop/failover.py")?;
    script.env("TENTERHOOK_POSTGRES_BINARIES", binaries);
    succeed(script, "Its own output above says why, and where the logs are.")?;
    Ok(Ending::Passed)
}

/// A node behind a pooler: with session pooling and with transaction pooling.
pub(crate) fn pgbouncer(workspace: &Workspace) -> Result<Ending, Failure> {
    if let Err(failure) = needed(&PGBOUNCER) {
        return lacking(failure);
    }
    let cluster = Cluster::start()?;
    let mut script = script(workspace, "interop/pgbouncer.py")?;
    script.env(postgres::URL_VARIABLE, cluster.url());
    succeed(script, "Its own output above says why.")?;
    Ok(Ending::Passed)
}

/// Builds the binary and returns the command of the script that runs it.
fn script(workspace: &Workspace, path: &str) -> Result<std::process::Command, Failure> {
    let binary = workspace.binary()?;
    let mut script = workspace.command("python3");
    script.arg(path).env("TENTERHOOK_BINARY", binary).env("PATH", search_path(&[]));
    Ok(script)
}

/// The folder of PostgreSQL's binaries, if all programs exist.
fn needed(programs: &[Program]) -> Result<PathBuf, Failure> {
    let path = search_path(&[]);
    let is_there = |name: &str| std::env::split_paths(&path).any(|folder| folder.join(name).is_file());
    let mut missing = programs.iter().filter(|(name, _)| !is_there(name)).copied().collect::<Vec<_>>();
    let binaries = postgres::find_binaries().filter(|folder| folder.join("psql").is_file());
    if binaries.is_none() {
        missing.push(("initdb, postgres and psql", "postgresql"));
    }
    match binaries {
        Some(binaries) if missing.is_empty() => Ok(binaries),
        _ => Err(absent(&missing)),
    }
}

fn absent(missing: &[Program]) -> Failure {
    let names = missing.iter().map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let mut packages = missing.iter().map(|(_, package)| *package).collect::<Vec<_>>();
    packages.dedup();
    let install = format!("apt-get install --no-install-recommends {}", packages.join(" "));
    // In one text, because the summary of skipped steps shows no hints.
    Failure::new(format!("this machine lacks {names}; with Debian: `{install}`"))
}

#[cfg(test)]
mod tests {
    use super::absent;

    #[test]
    fn what_is_missing_is_said_with_the_packages_that_have_it() {
        let said = absent(&[("patroni", "patroni"), ("patronictl", "patroni"), ("etcd", "etcd-server")]).to_string();
        assert!(said.contains("lacks `patroni`, `patronictl`, `etcd`"), "{said}");
        assert!(said.contains("--no-install-recommends patroni etcd-server`"), "{said}");
    }
}
