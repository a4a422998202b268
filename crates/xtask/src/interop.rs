//! Third-party clients against our binary; the suites are in `interop/`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::ValueEnum;

use crate::{
    cluster_suites,
    run::{Ending, Failure, capture, lacking, succeed},
    workspace::Workspace,
};

/// The oldest Node.js that the suites run on.
const NODE_MAJOR_MIN: u32 = 20;

/// One foreign client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Suite {
    /// npm `openid-client`: discovery, every grant, verification of patched tokens
    Oidc,
    /// npm `ajv`, an OpenAPI validator and `json-patch-test-suite`: our schemas and our dialect of JSON Patch
    Contract,
    /// npm `oidc-provider`: the token server of OAUTH channels
    OauthChannel,
    /// `standardwebhooks` of npm and PyPI: signatures of request bodies
    Signatures,
    /// The vendor's SDKs for Node.js and Python: the management API
    Sdks,
    /// The sample services of `samples/` in Node.js, Python and Rust, called in both flows
    Samples,
    /// The hosts of `examples/hosts/` in Node.js, Python and Rust, each with its service
    Hosts,
    /// Patroni, etcd and HAProxy: two nodes while PostgreSQL fails over five times. Only when it is named
    Failover,
    /// pgbouncer in front of PostgreSQL. Only when it is named
    Pgbouncer,
}

impl Suite {
    /// Its file for Node.js; a suite without one runs only when it is named.
    fn file(self) -> Option<&'static str> {
        match self {
            Self::Oidc => Some("interop/oidc.test.mjs"),
            Self::OauthChannel => Some("interop/oauth-channel.test.mjs"),
            Self::Signatures => Some("interop/signatures.test.mjs"),
            Self::Contract => Some("interop/contract.test.mjs"),
            Self::Sdks => Some("interop/sdks.test.mjs"),
            Self::Samples => Some("interop/samples.test.mjs"),
            Self::Hosts => Some("interop/hosts.test.mjs"),
            Self::Failover | Self::Pgbouncer => None,
        }
    }
}

/// Builds the binary, installs the clients, runs `only` or every suite.
pub(crate) fn run(workspace: &Workspace, only: Option<Suite>) -> Result<Ending, Failure> {
    match only {
        Some(Suite::Failover) => return cluster_suites::failover(workspace),
        Some(Suite::Pgbouncer) => return cluster_suites::pgbouncer(workspace),
        _ => {}
    }
    if let Err(failure) = node(workspace) {
        return lacking(failure);
    }
    let binary = workspace.binary()?;
    for what in
        [&["tenterhook-contract", "--example", "patch_suite"][..], &["token-hook-sample"], &["order-checkout-example"]]
    {
        let build = workspace.cargo(&[&["build", "--package"], what].concat());
        succeed(build, "The compiler's message above says why.")?;
    }
    if stale(&workspace.root().join("interop")) {
        let mut install = workspace.command("npm");
        install.args(["ci", "--prefix", "interop", "--no-audit", "--no-fund"]);
        succeed(install, "The clients of `interop/package-lock.json` come from the npm registry: is it reachable?")?;
    }
    let suites = Suite::value_variants().iter().filter(|suite| only.is_none_or(|only| only == **suite));
    let mut tests = workspace.command("node");
    tests.arg("--test").args(suites.filter_map(|suite| suite.file()));
    tests.env("TENTERHOOK_PYTHON", python(workspace, &Workspace::built("interop-python")?)?);
    tests.env("TENTERHOOK_BINARY", binary);
    tests.env("TENTERHOOK_SAMPLE_RUST", Workspace::built("token-hook-sample")?);
    tests.env("TENTERHOOK_HOST_RUST", Workspace::built("order-checkout")?);
    tests.env("TENTERHOOK_HOST_RUST_SERVICE", Workspace::built("order-service")?);
    tests.env("TENTERHOOK_PATCH_SUITE", Workspace::built("examples")?.join("patch_suite"));
    succeed(tests, "Run one suite alone with `cargo xtask interop NAME`.")?;
    Ok(Ending::Passed)
}

fn node(workspace: &Workspace) -> Result<(), Failure> {
    let hint = format!("Install the packages `nodejs` and `npm`, version {NODE_MAJOR_MIN} or newer.");
    for program in ["node", "npm"] {
        let mut ask = workspace.command(program);
        ask.arg("--version");
        let version = capture(ask).map_err(|_| Failure::new(format!("no `{program}` on this machine")).hint(&hint))?;
        if program == "node" && major(&version).is_none_or(|major| major < NODE_MAJOR_MIN) {
            return Err(Failure::new(format!("`node` is {}", version.trim())).hint(&hint));
        }
    }
    Ok(())
}

/// The Python of the virtual environment in this folder, with the packages of `requirements.txt`.
fn python(workspace: &Workspace, environment: &Path) -> Result<PathBuf, Failure> {
    let wanted = workspace.root().join("interop/requirements.txt");
    let (python, installed) = (environment.join("bin/python"), environment.join("installed.txt"));
    let read = |path: &Path| fs::read_to_string(path).ok();
    if read(&wanted).is_some() && read(&wanted) == read(&installed) {
        return Ok(python);
    }
    let mut make = workspace.command("python3");
    make.args(["-m", "venv", "--clear"]).arg(environment);
    succeed(make, "Install the packages `python3` and `python3-venv`.")?;
    let mut install = workspace.command(&python);
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]).arg(&wanted);
    succeed(install, "The packages of `interop/requirements.txt` come from PyPI: is it reachable?")?;
    fs::copy(&wanted, &installed)
        .map_err(|error| Failure::new(format!("cannot write {}: {error}", installed.display())))?;
    Ok(python)
}

/// The major version: 20 for `v20.11.1`.
fn major(version: &str) -> Option<u32> {
    version.trim().strip_prefix('v')?.split('.').next()?.parse().ok()
}

/// Whether the installed packages are older than the lock file.
fn stale(folder: &Path) -> bool {
    let written = |path: &str| fs::metadata(folder.join(path)).and_then(|metadata| metadata.modified());
    match (written("node_modules/.package-lock.json"), written("package-lock.json")) {
        (Ok(installed), Ok(locked)) => installed < locked,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::major;

    #[test]
    fn the_major_version_is_read() {
        assert_eq!(major("v20.20.2\n"), Some(20));
        assert_eq!(major("20"), None);
    }
}
