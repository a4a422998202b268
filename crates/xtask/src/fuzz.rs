//! `cargo xtask fuzz`: the targets of `fuzz/`, built and run without `cargo-fuzz`, which not every machine has.

use std::{fs, path::Path};

use clap::Args;

use crate::{
    run::{Ending, Failure, capture, lacking, succeed},
    say::say,
    workspace::Workspace,
};

/// Compiler flags with which the fuzzer sees which code an input reaches.
const INSTRUMENTATION: &str = "--cfg fuzzing -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares";
/// Longest input: a few samples.
const INPUT_BYTES_MAX: u32 = 8_192;

/// Which targets to run, and how long.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Seconds for each target
    #[arg(long, default_value_t = 60)]
    pub(crate) seconds: u32,
    /// This target only
    pub(crate) target: Option<String>,
}

/// Builds the targets and runs them one after another. The corpus is kept in `fuzz/corpus/`.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<Ending, Failure> {
    let mut compiler = workspace.command("c++");
    compiler.arg("--version");
    if capture(compiler).is_err() {
        return lacking(Failure::new("no C++ compiler, which the fuzzer's runtime needs").hint("Install `g++`."));
    }
    // Naming the target keeps the instrumentation away from build scripts and macros.
    let triple = host(workspace)?;
    let mut build = workspace.cargo(&["build", "--release", "--manifest-path", "fuzz/Cargo.toml", "--target", &triple]);
    build.args(["--target-dir", "target/fuzz"]).env("RUSTFLAGS", INSTRUMENTATION);
    succeed(build, "The compiler's message above says why.")?;
    let folder = workspace.root().join("target/fuzz").join(&triple).join("release");
    let mut names = targets(&workspace.root().join("fuzz/fuzz_targets"))?;
    if let Some(only) = &options.target {
        names.retain(|name| name == only);
        if names.is_empty() {
            return Err(Failure::new(format!("`{only}` is no file of `fuzz/fuzz_targets`")));
        }
    }
    for (number, name) in names.iter().enumerate() {
        say(&format!("[{}/{}] {name}, {} s", number + 1, names.len(), options.seconds));
        let corpus = workspace.root().join("fuzz/corpus").join(name);
        fs::create_dir_all(&corpus)
            .map_err(|error| Failure::new(format!("`{}` cannot be made: {error}", corpus.display())))?;
        let mut fuzzer = workspace.command(folder.join(name));
        fuzzer.arg(corpus).args(["crates/contract/samples", "fuzz/seeds"]);
        fuzzer.arg(format!("-max_total_time={}", options.seconds)).arg(format!("-max_len={INPUT_BYTES_MAX}"));
        fuzzer.args(["-dict=fuzz/words.dict", "-verbosity=0", "-timeout=5", "-rss_limit_mb=1024"]);
        fuzzer.arg(format!("-artifact_prefix=target/fuzz/{name}-"));
        // Silent unless it fails, because the runtime prints much.
        capture(fuzzer).map_err(|failure| {
            failure.hint("The input that failed is in `target/fuzz/`; give its path to the target to see it again.")
        })?;
    }
    Ok(Ending::Passed)
}

fn host(workspace: &Workspace) -> Result<String, Failure> {
    let mut ask = workspace.command("rustc");
    ask.arg("-vV");
    let version = capture(ask)?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| Failure::new("`rustc -vV` names no host"))
}

fn targets(folder: &Path) -> Result<Vec<String>, Failure> {
    let unreadable = |error| Failure::new(format!("`{}` cannot be read: {error}", folder.display()));
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        names.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
    }
    names.sort();
    Ok(names)
}
