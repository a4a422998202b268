//! Third-party clients against our binary; the suites are in `interop/`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::ValueEnum;

use crate::{
    cluster_suites,
    postgres::{self, Cluster},
    run::{Ending, Failure, capture, lacking, succeed},
    say::say,
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
    /// The vendor's SDK for Java: users with passwords of an old system
    JavaSdk,
    /// PyPI `aiosmtpd`: mails
    Mail,
    /// The sample services of `samples/` in Node.js, Python and Rust, called in both flows
    Samples,
    /// The hosts of `examples/hosts/` in Node.js, Python and Rust, each with its service
    Hosts,
    /// npm `node-saml`, PyPI `pysaml2` and `python3-saml`, Maven's `java-saml-core`, `xmlsec1` and Chromium: the SAML flow
    Saml,
    /// Chromium: people sign up, verify their addresses, and bring old passwords along
    Browser,
    /// Chromium: people recover a forgotten password with a passcode and with a link, and unlock themselves
    Recovery,
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
            Self::JavaSdk => Some("interop/java-sdk.test.mjs"),
            Self::Mail => Some("interop/mail.test.mjs"),
            Self::Samples => Some("interop/samples.test.mjs"),
            Self::Hosts => Some("interop/hosts.test.mjs"),
            Self::Saml => Some("interop/saml.test.mjs"),
            Self::Browser => Some("interop/browser.test.mjs"),
            Self::Recovery => Some("interop/recovery.test.mjs"),
            Self::Failover | Self::Pgbouncer => None,
        }
    }

    /// What it needs besides Node.js and Python.
    fn programs(self) -> &'static [Program] {
        const JAVA: Program = Program { name: "java", version: "-version", package: "default-jdk-headless" };
        const MAVEN: Program = Program { name: "mvn", version: "--version", package: "maven" };
        const XMLSEC: Program = Program { name: "xmlsec1", version: "--version", package: "xmlsec1" };
        const CHROMIUM: Program = Program { name: "chromium", version: "--version", package: "chromium" };
        match self {
            Self::Saml => &[JAVA, MAVEN, XMLSEC, CHROMIUM],
            Self::JavaSdk => &[JAVA, MAVEN],
            Self::Browser | Self::Recovery => &[CHROMIUM],
            _ => &[],
        }
    }
}

/// A program of the machine.
struct Program {
    name: &'static str,
    /// The argument with which it only says its version.
    version: &'static str,
    /// The Debian package that has it.
    package: &'static str,
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
    let mut suites = Vec::new();
    for suite in Suite::value_variants().iter().copied().filter(|suite| only.is_none_or(|only| only == *suite)) {
        let Err(failure) = programs_of(workspace, suite) else {
            suites.push(suite);
            continue;
        };
        if let Ending::Skipped(why) = lacking(failure)? {
            if only.is_some() {
                return Ok(Ending::Skipped(why));
            }
            let name = suite.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
            say(&format!("SKIPPED the suite `{name}`: {why}"));
        }
    }
    let binary = workspace.binary()?;
    for what in [
        &["tenterhook-contract", "--example", "patch_suite"][..],
        &["tenterhook-saml", "--example", "read_metadata"],
        &["token-hook-sample"],
        &["order-checkout-example"],
    ] {
        let build = workspace.cargo(&[&["build", "--package"], what].concat());
        succeed(build, "The compiler's message above says why.")?;
    }
    if stale(&workspace.root().join("interop")) {
        let mut install = workspace.command("npm");
        install.args(["ci", "--prefix", "interop", "--no-audit", "--no-fund"]);
        succeed(install, "The clients of `interop/package-lock.json` come from the npm registry: is it reachable?")?;
    }
    // Stopped, when it is dropped, after the tests.
    let cluster = if suites.contains(&Suite::Saml) { throwaway_postgres()? } else { None };
    let mut tests = workspace.command("node");
    tests.arg("--test").args(suites.iter().filter_map(|suite| suite.file()));
    if let Some(cluster) = &cluster {
        tests.env(postgres::URL_VARIABLE, cluster.url());
    }
    for (suite, variable, project, folder) in [
        (Suite::Saml, "TENTERHOOK_JAVA_LIBRARIES", "interop/saml/java/pom.xml", "interop-java"),
        (Suite::JavaSdk, "TENTERHOOK_JAVA_SDK", "interop/java-sdk/pom.xml", "interop-java-sdk"),
    ] {
        if suites.contains(&suite) {
            tests.env(variable, java_libraries(workspace, project, &Workspace::built(folder)?)?);
        }
    }
    tests.env("TENTERHOOK_PYTHON", python(workspace, &Workspace::built("interop-python")?)?);
    tests.env("TENTERHOOK_BINARY", binary);
    tests.env("TENTERHOOK_SAMPLE_RUST", Workspace::built("token-hook-sample")?);
    tests.env("TENTERHOOK_HOST_RUST", Workspace::built("order-checkout")?);
    tests.env("TENTERHOOK_HOST_RUST_SERVICE", Workspace::built("order-service")?);
    tests.env("TENTERHOOK_PATCH_SUITE", Workspace::built("examples")?.join("patch_suite"));
    tests.env("TENTERHOOK_READ_METADATA", Workspace::built("examples")?.join("read_metadata"));
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

/// Fails when a program that only this suite needs is not there.
fn programs_of(workspace: &Workspace, suite: Suite) -> Result<(), Failure> {
    for Program { name, version, package } in suite.programs() {
        let mut ask = workspace.command(name);
        ask.arg(version);
        let hint = format!("Install the package `{package}`.");
        capture(ask).map_err(|_| Failure::new(format!("no `{name}` on this machine")).hint(hint))?;
    }
    Ok(())
}

/// A PostgreSQL server for the suites that also run on it, unless one is named or there is none to start.
fn throwaway_postgres() -> Result<Option<Cluster>, Failure> {
    let given = std::env::var(postgres::URL_VARIABLE).is_ok_and(|url| !url.is_empty());
    if given {
        return Ok(None);
    }
    if postgres::find_binaries().is_some() {
        return Cluster::start().map(Some);
    }
    lacking(postgres::absent()).map(|_| None)
}

/// The folder with the libraries of a Maven project.
fn java_libraries(workspace: &Workspace, project: &str, folder: &Path) -> Result<PathBuf, Failure> {
    let wanted = workspace.root().join(project);
    let (libraries, installed) = (folder.join("libraries"), folder.join("installed.xml"));
    let read = |path: &Path| fs::read_to_string(path).ok();
    if read(&wanted).is_some() && read(&wanted) == read(&installed) {
        return Ok(libraries);
    }
    let unusable = |error| Failure::new(format!("cannot write to {}: {error}", folder.display()));
    if libraries.exists() {
        fs::remove_dir_all(&libraries).map_err(unusable)?;
    }
    let mut install = workspace.command("mvn");
    install.args(["--quiet", "--batch-mode", "dependency:copy-dependencies", "--file"]).arg(&wanted);
    install.arg(format!("-DoutputDirectory={}", libraries.display()));
    let hint = format!("The libraries of `{project}` come from Maven Central: is it reachable?");
    succeed(install, &hint)?;
    fs::copy(&wanted, &installed).map_err(unusable)?;
    Ok(libraries)
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
