//! The arrows between the crates of the workspace, and the form of their manifests.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Value;

/// Which of our crates each of our crates may depend on. The map of ARCHITECTURE.md: arrows point inward, to
/// `tenterhook-contract`. Only tests may go against them.
const ARROWS: [(&str, &[&str]); 17] = [
    ("tenterhook-contract", &[]),
    ("tenterhook-engine", &["tenterhook-contract"]),
    ("tenterhook-jose", &["tenterhook-contract"]),
    ("tenterhook-saml", &["tenterhook-contract", "tenterhook-jose"]),
    ("tenterhook-transport", &["tenterhook-contract", "tenterhook-engine", "tenterhook-jose"]),
    ("tenterhook-model", &["tenterhook-contract", "tenterhook-jose"]),
    ("tenterhook-store", &["tenterhook-contract", "tenterhook-jose", "tenterhook-model"]),
    (
        "tenterhook-platform",
        &[
            "tenterhook-contract",
            "tenterhook-engine",
            "tenterhook-jose",
            "tenterhook-model",
            "tenterhook-saml",
            "tenterhook-store",
        ],
    ),
    ("tenterhook-management", ON_THE_PLATFORM),
    ("tenterhook-flows", ON_THE_PLATFORM),
    (
        "tenterhook-server",
        &[
            "tenterhook-contract",
            "tenterhook-engine",
            "tenterhook-flows",
            "tenterhook-management",
            "tenterhook-model",
            "tenterhook-platform",
            "tenterhook-saml",
        ],
    ),
    ("tenterhook", SHIPPED),
    ("tenterhook-testkit", TESTKIT),
    ("tenterhook-bench", BENCH),
    ("xtask", &[]),
    // What a hook author copies stands on nothing of ours.
    ("token-hook-sample", &[]),
    ("order-checkout-example", &["tenterhook-contract", "tenterhook-engine", "tenterhook-transport"]),
];

/// What stands on the platform: the management API's operations and the flows, which know nothing of each other.
const ON_THE_PLATFORM: &[&str] = &[
    "tenterhook-contract",
    "tenterhook-engine",
    "tenterhook-jose",
    "tenterhook-model",
    "tenterhook-platform",
    "tenterhook-saml",
    "tenterhook-store",
];

const SHIPPED: &[&str] = &[
    "tenterhook-contract",
    "tenterhook-engine",
    "tenterhook-flows",
    "tenterhook-jose",
    "tenterhook-management",
    "tenterhook-model",
    "tenterhook-platform",
    "tenterhook-saml",
    "tenterhook-server",
    "tenterhook-store",
    "tenterhook-transport",
];

/// What is shipped, and what tests use: the benchmarks play the same faults, and ask a PostgreSQL server what it does.
const BENCH: &[&str] = &[
    "tenterhook-contract",
    "tenterhook-engine",
    "tenterhook-flows",
    "tenterhook-jose",
    "tenterhook-management",
    "tenterhook-model",
    "tenterhook-platform",
    "tenterhook-saml",
    "tenterhook-server",
    "tenterhook-store",
    "tenterhook-testkit",
    "tenterhook-transport",
];

/// What tests stand on: a platform with the development org, too.
const TESTKIT: &[&str] = &[
    "tenterhook-contract",
    "tenterhook-engine",
    "tenterhook-management",
    "tenterhook-model",
    "tenterhook-platform",
    "tenterhook-store",
    "tenterhook-transport",
];

type Dependencies = BTreeMap<String, Value>;

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Manifest {
    package: Package,
    #[serde(default)]
    lints: BTreeMap<String, Value>,
    #[serde(flatten)]
    everywhere: Sections,
    #[serde(default)]
    target: BTreeMap<String, Sections>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Sections {
    #[serde(default)]
    dependencies: Dependencies,
    #[serde(default)]
    dev_dependencies: Dependencies,
    #[serde(default)]
    build_dependencies: Dependencies,
}

/// What is wrong with the `Cargo.toml` of one of our crates.
pub(super) fn check(text: &str) -> Vec<String> {
    let manifest: Manifest = match toml::from_str(text) {
        Ok(manifest) => manifest,
        Err(error) => return vec![format!("cannot be read: {}", error.message())],
    };
    let sections = || std::iter::once(&manifest.everywhere).chain(manifest.target.values());
    let mut complaints = Vec::new();
    if !inherits(manifest.lints.get("workspace")) {
        complaints.push("`[lints] workspace = true` is missing".to_owned());
    }
    complaints.extend(sections().flat_map(own_versions));
    let shipped = sections().flat_map(|section| section.dependencies.keys().chain(section.build_dependencies.keys()));
    complaints.extend(wrong_arrows(&manifest.package.name, shipped.map(String::as_str)));
    complaints
}

fn inherits(flag: Option<&Value>) -> bool {
    flag.and_then(Value::as_bool) == Some(true)
}

fn own_versions(section: &Sections) -> Vec<String> {
    let all = [&section.dependencies, &section.dev_dependencies, &section.build_dependencies].into_iter().flatten();
    all.filter(|(_, value)| !inherits(value.get("workspace")))
        .map(|(name, _)| format!("`{name}` has a version of its own; versions live in `[workspace.dependencies]`"))
        .collect()
}

fn wrong_arrows<'a>(from: &str, to: impl Iterator<Item = &'a str>) -> Vec<String> {
    let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == from) else {
        return vec![format!("`{from}` is not in the table of arrows (crates/xtask/src/tidy/manifest.rs)")];
    };
    to.filter(|name| ARROWS.iter().any(|(ours, _)| ours == name) && !allowed.contains(name))
        .map(|name| format!("`{from}` may not depend on `{name}`: the arrow is not in the table"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::check;

    fn complaints(name: &str, rest: &str) -> Vec<String> {
        check(&format!("[package]\nname = \"{name}\"\n[lints]\nworkspace = true\n{rest}"))
    }

    const NONE: [&str; 0] = [];

    #[test]
    fn an_arrow_of_the_table_passes() {
        assert_eq!(complaints("tenterhook-engine", "[dependencies]\ntenterhook-contract.workspace = true"), NONE);
    }

    #[test]
    fn an_arrow_that_points_outward_is_named() {
        let found = complaints("tenterhook-contract", "[dependencies]\ntenterhook-engine.workspace = true");
        let expected = "`tenterhook-contract` may not depend on `tenterhook-engine`: the arrow is not in the table";
        assert_eq!(found, [expected]);
    }

    #[test]
    fn an_arrow_for_one_platform_only_is_an_arrow() {
        let found =
            complaints("tenterhook-store", "[target.'cfg(unix)'.dependencies]\ntenterhook-flows.workspace = true");
        assert_eq!(found.len(), 1, "{found:?}");
    }

    #[test]
    fn tests_may_depend_on_anything() {
        let rest = "[dev-dependencies]\ntenterhook-testkit.workspace = true";
        assert_eq!(complaints("tenterhook-server", rest), NONE);
    }

    #[test]
    fn a_crate_outside_the_table_is_named() {
        assert_eq!(complaints("tenterhook-utils", "").len(), 1);
    }

    #[test]
    fn a_version_of_its_own_is_named_in_every_section() {
        for section in ["dependencies", "dev-dependencies", "build-dependencies", "target.x.dependencies"] {
            let found = complaints("xtask", &format!("[{section}]\nserde = \"1\"\nclap = {{ workspace = true }}"));
            let expected = "`serde` has a version of its own; versions live in `[workspace.dependencies]`";
            assert_eq!(found, [expected], "{section}");
        }
    }

    #[test]
    fn missing_workspace_lints_are_named() {
        assert_eq!(check("[package]\nname = \"xtask\""), ["`[lints] workspace = true` is missing"]);
    }
}
