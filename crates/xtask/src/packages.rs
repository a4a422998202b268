//! The crates of which a program that embeds the engine is made: their documentation, and their packages.
//!
//! `cargo package` compiles each package against those of the others that it finds in its cache, which can be of an earlier run
//! with the same version. So the packages are unpacked here, and checked as a workspace of their own.

use std::fs;

use crate::{
    run::{Failure, succeed},
    workspace::Workspace,
};

/// The three crates of an embedder, and the one of ours that they need.
const CRATES: [&str; 4] = ["tenterhook-contract", "tenterhook-engine", "tenterhook-jose", "tenterhook-transport"];

/// The folder of the unpacked packages, in that of the packages.
const UNPACKED: &str = "target/package/unpacked";

/// Fails on any warning in the documentation.
pub(crate) fn document(workspace: &Workspace) -> Result<(), Failure> {
    let mut check = workspace.cargo(&["doc", "--no-deps", "--all-features"]);
    check.env("RUSTDOCFLAGS", "--deny warnings");
    check.args(CRATES.iter().flat_map(|name| ["--package", name]));
    succeed(check, "Each message above says what the documentation of an item lacks.")
}

/// Packages the crates and checks that the packages compile together.
pub(crate) fn check(workspace: &Workspace) -> Result<(), Failure> {
    // What is not committed yet is packaged too.
    let mut package =
        workspace.cargo(&["package", "--quiet", "--no-verify", "--allow-dirty", "--target-dir", "target"]);
    package.args(CRATES.iter().flat_map(|name| ["--package", name]));
    succeed(package, "The message above names the manifest that cannot be packaged.")?;

    let folder = workspace.root().join(UNPACKED);
    let unusable = |error: std::io::Error| Failure::new(format!("`{UNPACKED}`: {error}"));
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(unusable)?;
    }
    fs::create_dir_all(&folder).map_err(unusable)?;
    let version = env!("CARGO_PKG_VERSION");
    let mut manifest = "[workspace]\nresolver = \"3\"\nmembers = [\"tenterhook-*\"]\n\n[patch.crates-io]\n".to_owned();
    for name in CRATES {
        let mut unpack = workspace.command("tar");
        unpack.args(["-xzf", &format!("target/package/{name}-{version}.crate"), "-C", UNPACKED]);
        succeed(unpack, "`cargo package` writes the file.")?;
        manifest.extend([name, " = { path = \"", name, "-", version, "\" }\n"]);
    }
    fs::write(folder.join("Cargo.toml"), manifest).map_err(unusable)?;
    // The versions that everything else is tested with.
    fs::copy(workspace.root().join("Cargo.lock"), folder.join("Cargo.lock")).map_err(unusable)?;
    let mut check = workspace.cargo(&["check", "--quiet", "--workspace", "--target-dir", "target"]);
    check.arg("--manifest-path").arg(folder.join("Cargo.toml"));
    succeed(check, "A package has only the files that `include` in its `Cargo.toml` names.")
}
