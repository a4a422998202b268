//! What the tests of every resource need.

use tenterhook_management::{
    administrator::ManagementError,
    request::{Given, Submitted},
};
use tenterhook_model::Configuration;

/// A request without members that the resource does not take.
pub(crate) fn submitted<T>(request: T) -> Submitted<T> {
    Submitted::of(request)
}

/// A member that is a text.
pub(crate) fn text(text: &str) -> Given<String> {
    Given::Is(text.to_owned())
}

/// A member that is a list of texts.
pub(crate) fn texts(items: &[&str]) -> Given<Vec<String>> {
    Given::Is(items.iter().map(|item| (*item).to_owned()).collect())
}

/// The causes of a refusal.
pub(crate) fn causes<T: std::fmt::Debug>(result: Result<T, ManagementError>) -> Vec<String> {
    match result.unwrap_err() {
        ManagementError::Invalid { causes, .. } => causes,
        other => panic!("{other:?}"),
    }
}

/// The id and the kind of what was not found.
pub(crate) fn not_found<T: std::fmt::Debug>(result: Result<T, ManagementError>) -> (String, &'static str) {
    match result.unwrap_err() {
        ManagementError::NotFound { id, kind } => (id, kind),
        other => panic!("{other:?}"),
    }
}

/// The cause of a refusal when another object has the name.
pub(crate) const TAKEN: &str = "name: An object with this field already exists";

/// Both have the same objects, whatever was changed in between.
pub(crate) fn assert_same(one: &Configuration, other: &Configuration) {
    assert!(Configuration { version: other.version, ..one.clone() } == *other, "something is left or gone");
}
