//! Regular expressions of the names of groups in requests: bounded in number, and compiled before a change is queued for its org.

use std::collections::HashSet;

use tenterhook_model::GroupPattern;
use tokio::sync::Semaphore;

use crate::request::Causes;

/// Different regular expressions of an app, and of the claims of an authorization server.
pub const PATTERNS_MAX: usize = 20;
/// Requests whose regular expressions are compiled at the same time: the others of a node have its other cores.
static COMPILING: Semaphore = Semaphore::const_new(1);

/// A regular expression, and the member of a request that has it.
pub(crate) type Named<'a> = (String, &'a GroupPattern);

/// Compiles regular expressions away from the threads that serve requests. While the result is kept, [`check`] finds them compiled.
/// Those that are too many are left as they are, because `check` refuses them. Those of a client that goes away are compiled to the
/// end, while its place is taken.
pub(crate) async fn compiled(patterns: impl IntoIterator<Item = GroupPattern>) -> Vec<GroupPattern> {
    let mut different = HashSet::new();
    let mut patterns: Vec<_> = patterns.into_iter().collect();
    patterns.retain(|pattern| different.insert(pattern.as_str().to_owned()));
    if patterns.len() > PATTERNS_MAX || patterns.iter().all(GroupPattern::is_compiled) {
        return patterns;
    }
    let place = COMPILING.acquire().await;
    let compile = move || {
        let _place = place;
        // What is wrong with them is said by `check`.
        for pattern in &patterns {
            drop(pattern.compile());
        }
        patterns
    };
    tokio::task::spawn_blocking(compile).await.unwrap_or_default()
}

/// Refuses more different regular expressions than [`PATTERNS_MAX`], and those that are too large. `whose` begins the sentence about
/// too many, and `known` are those that stay.
pub(crate) fn check<'a>(
    causes: &mut Causes,
    whose: &str,
    known: impl IntoIterator<Item = &'a GroupPattern>,
    named: &[Named<'_>],
) {
    let mut different: HashSet<&str> = known.into_iter().map(GroupPattern::as_str).collect();
    for (member, pattern) in named {
        if different.insert(pattern.as_str()) && different.len() > PATTERNS_MAX {
            return causes.add(member, &format!("{whose} at most {PATTERNS_MAX} different regular expressions"));
        }
    }
    for (member, pattern) in named {
        if let Err(problem) = pattern.compile()
            && !causes.has(member)
        {
            causes.add(member, &problem.to_string());
        }
    }
}
