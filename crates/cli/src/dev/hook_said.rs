//! What became of the call of the hook, for the page at the end of a sign-in.

use serde_json::Value;
use tenterhook_engine::{Outcome, Witnessed};

use super::{
    demonstration::changed_names,
    docs,
    failure::{Failure, is_refusal},
    flow::Flow,
};

/// What became of a call: names of claims, never a value that the service has set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HookSaid {
    pub(super) text: String,
    /// A failure code and the path of the page about it.
    pub(super) page: Option<(String, String)>,
}

impl HookSaid {
    /// Of a call whose `document` was sent in the code flow.
    pub(super) fn of(seen: &Witnessed, document: &Value) -> Self {
        let changed = changed_names(document, &seen.data_after);
        let Some(failure) = Failure::of(seen, Flow::Code, None) else {
            let text = match (&seen.outcome, changed) {
                (Outcome::Unchanged, _) => "The hook changed nothing: its answer has no commands.".to_owned(),
                (_, None) => "The hook changed nothing: its commands leave every claim as it was.".to_owned(),
                (_, Some(changed)) => format!("The hook changed {changed}."),
            };
            return Self { text, page: None };
        };
        if is_refusal(&seen.outcome) {
            return Self { text: format!("{}.", failure.headline()), page: None };
        }
        let tokens = match changed {
            None => "the tokens are unmodified".to_owned(),
            Some(changed) => format!("fallback commands changed {changed}"),
        };
        let text = format!("The hook failed: {}; {tokens}.", failure.headline());
        let page =
            failure.code.and_then(|code| docs::of_code(&code).map(|_| (code.clone(), docs::path_of_code(&code))));
        Self { text, page }
    }

    /// Of a sign-in without a call.
    pub(super) fn not_seen() -> Self {
        Self { text: "The hook was not called: the log in the terminal says why.".to_owned(), page: None }
    }
}
