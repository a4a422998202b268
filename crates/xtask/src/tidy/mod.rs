//! The workspace's own rules, which no compiler checks.
//!
//! [`manifest`] knows the arrows between crates and the form of a `Cargo.toml`, [`compiled`] the banned crates,
//! [`text`] what may not stand in a file, [`links`] that links between pages lead somewhere. All four are pure: texts in,
//! complaints out. Only [`run`] looks around.

mod compiled;
mod links;
mod manifest;
mod text;

use crate::{
    pages,
    run::{Failure, capture},
    say::say,
    workspace::{TextFile, Workspace},
};

/// Checks every rule and prints every complaint.
pub(crate) fn run(workspace: &Workspace) -> Result<(), Failure> {
    let files = workspace.text_files()?;
    let private = private_paths(workspace);
    let mut complaints = compiled::check(&capture(workspace.cargo(&compiled::LIST))?);
    complaints.extend(pages::complaints(workspace));
    complaints.extend(files.iter().flat_map(|file| complaints_of(file, &private)));
    complaints.extend(links::check(&files));
    for complaint in &complaints {
        say(complaint);
    }
    if complaints.is_empty() {
        say(&format!("Tidy: {} files.", files.len()));
        return Ok(());
    }
    let hint = "Each line above names a file and the rule that it breaks.";
    Err(Failure::new(format!("untidy places: {}", complaints.len())).hint(hint))
}

fn complaints_of(file: &TextFile, private: &[String]) -> Vec<String> {
    let mut complaints = text::check(&file.path, &file.text, private);
    if ["crates/", "examples/", "samples/"].iter().any(|folder| file.path.starts_with(folder))
        && file.path.ends_with("/Cargo.toml")
    {
        complaints.extend(manifest::check(&file.text));
    }
    complaints.iter().map(|complaint| format!("{}: {complaint}", file.path)).collect()
}

/// Paths that mean something on this machine only: the checkout's and the home folder's.
fn private_paths(workspace: &Workspace) -> Vec<String> {
    let home = std::env::var("HOME").unwrap_or_default();
    let root = workspace.root().display().to_string();
    // A short path such as `/src` stands in many an innocent text.
    [root, home].into_iter().filter(|path| path.matches('/').count() > 1).collect()
}
