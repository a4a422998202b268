//! Writes the table of the pages of `docs/` that `tenterhook dev` serves, so that a new page needs no further line.

use std::{
    env,
    error::Error,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

fn main() -> Result<(), Box<dyn Error>> {
    let docs = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../../docs").canonicalize()?;
    println!("cargo::rerun-if-changed={}", docs.display());
    let mut pages = Vec::new();
    find_pages(&docs, "", &mut pages)?;
    pages.sort();
    let mut table = "/// All pages, by name.\npub(super) const PAGES: &[Page] = &[\n".to_owned();
    for (name, path) in pages {
        let path = path.to_str().ok_or("a path of `docs/` is not UTF-8")?;
        writeln!(table, "    Page {{ name: {name:?}, text: include_str!({path:?}) }},")?;
    }
    table.push_str("];\n");
    fs::write(Path::new(&env::var("OUT_DIR")?).join("docs.rs"), table)?;
    Ok(())
}

/// The Markdown files below `folder`: the path in `docs/` without `.md`, and the whole path.
fn find_pages(folder: &Path, prefix: &str, pages: &mut Vec<(String, PathBuf)>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() {
            find_pages(&path, &format!("{prefix}{name}/"), pages)?;
        } else if let Some(page) = name.strip_suffix(".md") {
            pages.push((format!("{prefix}{page}"), path.clone()));
        }
    }
    Ok(())
}
