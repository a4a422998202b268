//! Why a call of the hook changed nothing: what, where, and what to do, for the terminal and for programs.

use std::time::Duration;

use serde_json::{Value, json};
use tenterhook_contract::{
    hook::explain_host,
    problem::{Problem, ProblemCode},
};
use tenterhook_engine::{CallFailure, Outcome, Witnessed};
use tenterhook_model::{DebugValue, LogEvent};

use super::{docs, flow::Flow, registration::DevHook};

/// What the message of a status says when the body has an `error`.
const ERROR_IGNORED: &str = "the `error` in its body does not count";
/// Problems that are shown; the System Log has more.
const PROBLEMS_MAX: usize = 10;
/// A service that answers nothing until the limit.
const NO_ANSWER: &str = "The service answered nothing until the limit: it is slow, or an exception left the request without \
                         an answer. Look at its log";

/// A call that ended without a change because something is wrong, or because the service refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// A stable code; `None` for a service that refused, and for a hook that was passed over.
    pub(super) code: Option<String>,
    /// What happened, one sentence for each problem, with its place in the answer and a hint.
    pub(super) sentences: Vec<String>,
    /// The URI that was called, unless the sentences name a place in the answer.
    pub(super) called: Option<String>,
    /// What to do in `tenterhook dev`.
    pub(super) advice: Vec<String>,
    /// The problems as programs read them.
    problems: Vec<Problem>,
}

impl Failure {
    /// The failure of a call whose request was made; `given_header` is the name of the secret header if it was given.
    pub(super) fn of(seen: &Witnessed, flow: Flow, given_header: Option<&str>) -> Option<Self> {
        let code = seen.outcome.missed();
        let (sentences, problems) = match &seen.outcome {
            Outcome::Applied(_) | Outcome::Unchanged => return None,
            Outcome::Refused(error) => {
                (vec![format!("The service refused: {}", error.summary_or_default())], Vec::new())
            }
            Outcome::Failed(CallFailure { detail, .. }) => (vec![detail.clone()], Vec::new()),
            Outcome::Invalid(problems) => (sentences_of(problems), problems.clone()),
            Outcome::Skipped(_) => (vec!["The service was not asked".to_owned()], Vec::new()),
        };
        let has_error = sentences.iter().any(|sentence| sentence.contains(ERROR_IGNORED));
        let whose = Whose::Dev { given_header, is_cut_short: false };
        let mut advice = advice_for(code.as_deref().unwrap_or_default(), whose, has_error);
        // What the document lacks is a likelier cause than a limit that is too short.
        advice.splice(1.min(advice.len())..1.min(advice.len()), advice_for_flow(code.as_deref(), &problems, flow));
        let sentences = after_advice(code.as_deref(), sentences, &mut advice);
        let called = matches!(seen.outcome, Outcome::Failed(_)).then(|| seen.sent.uri.clone());
        Some(Self { code, sentences, called, advice, problems })
    }

    /// The failure of a call that nobody witnessed, from its System Log event. `timeout` is what the hooks of `dev` have.
    pub(super) fn of_event(event: &LogEvent, given_header: Option<&str>, timeout: Duration) -> Self {
        let text = |name: &str| match event.debug_data.get(name) {
            Some(DebugValue::Text(text)) => Some(text.to_string()),
            _ => None,
        };
        // A hook that is INACTIVE has a reason and no code.
        let code = text("failureCode");
        let message = text("errorMessage").or_else(|| event.reason.as_deref().map(ToOwned::to_owned));
        let has_error = message.as_deref().is_some_and(|message| message.contains(ERROR_IGNORED));
        let mut advice =
            advice_for(code.as_deref().unwrap_or_default(), Whose::of(event, given_header, timeout), has_error);
        let sentences = after_advice(code.as_deref(), vec![message.unwrap_or_default()], &mut advice);
        Self { code, sentences, called: None, advice, problems: Vec::new() }
    }

    /// Adds what the flow before explains: a service that was asked once and refuses the next call has ended.
    pub(super) fn after(mut self, was_asked: bool) -> Self {
        if was_asked && self.code.as_deref() == Some("CONNECTION_REFUSED") {
            self.advice = vec![
                "It accepted the call of the flow before: did it end while it handled that one? Look at its output"
                    .to_owned(),
            ];
        }
        self
    }

    /// The first line: code and first sentence.
    pub(super) fn headline(&self) -> String {
        let first = self.sentences.first().map(String::as_str).unwrap_or_default();
        match &self.code {
            Some(code) => format!("{code}: {first}"),
            None => first.to_owned(),
        }
    }

    /// The address of the page about its code: on the server at `base_url`, or, without one, in the source code.
    pub(super) fn page(&self, base_url: Option<&str>) -> Option<String> {
        page(self.code.as_deref()?, base_url)
    }

    /// For `--json`.
    pub(super) fn to_json(&self, base_url: Option<&str>) -> Value {
        json!({
            "code": self.code,
            "message": self.sentences.join("; "),
            "called": self.called,
            "problems": self.problems,
            "advice": self.advice,
            "page": self.page(base_url),
        })
    }
}

/// The address of the page about a code, if there is one: on the server at `base_url`, or, without one, in the source
/// code.
pub(super) fn page(code: &str, base_url: Option<&str>) -> Option<String> {
    let page = docs::of_code(code)?;
    Some(match base_url {
        Some(base) => format!("{base}/dev/failures/{code}"),
        None => format!("docs/{}.md", page.name),
    })
}

fn sentences_of(problems: &[Problem]) -> Vec<String> {
    let mut sentences: Vec<_> = problems.iter().take(PROBLEMS_MAX).map(Problem::sentence).collect();
    if problems.len() > PROBLEMS_MAX {
        sentences.push(format!("and {} more problems, which the System Log has", problems.len() - PROBLEMS_MAX));
    }
    sentences
}

/// Whether the service refused by an `error`.
pub(super) fn is_refusal(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Refused(_))
}

/// Whose hook failed, which decides whether options of `tenterhook dev` can help.
#[derive(Clone, Copy)]
enum Whose<'a> {
    /// That of `dev`. `given_header` is the name of its secret header if it was given, `is_cut_short` says that the call ended
    /// before the hook's own time: by the deadline of a host.
    Dev { given_header: Option<&'a str>, is_cut_short: bool },
    /// One that somebody registered through the API.
    Other,
}

impl<'a> Whose<'a> {
    fn of(event: &LogEvent, given_header: Option<&'a str>, timeout: Duration) -> Self {
        let name = event.targets.first().and_then(|target| target.display_name.as_deref());
        if !DevHook::ALL.iter().any(|hook| name == Some(hook.name())) {
            return Self::Other;
        }
        let is_cut_short = match event.debug_data.get("timings") {
            Some(DebugValue::Timings([.., total])) => Duration::from_micros(*total) < timeout * 9 / 10,
            _ => false,
        };
        Self::Dev { given_header, is_cut_short }
    }
}

/// What may help: options of `tenterhook dev`, where the hook is that of `dev`.
fn advice_for(code: &str, whose: Whose<'_>, has_error: bool) -> Vec<String> {
    match whose {
        Whose::Dev { is_cut_short: true, .. } if code == "TIMEOUT_RESPONSE" => {
            let why = "The deadline of the host (`deadlineMs`) ended the call before the hook's own time did";
            vec![NO_ANSWER.to_owned(), why.to_owned()]
        }
        Whose::Dev { given_header, .. } => advice_for_dev(code, given_header, has_error),
        Whose::Other => match code {
            "TIMEOUT_RESPONSE" => vec![NO_ANSWER.to_owned()],
            "STATUS_401" | "STATUS_403" if !has_error => {
                vec![
                    "Does the service expect the secret with which this hook is registered (`channel.config`)?"
                        .to_owned(),
                ]
            }
            "STATUS_404" | "STATUS_405" | "STATUS_410" => {
                vec!["The hook is called by POST at exactly its `uri`, with its path".to_owned()]
            }
            "TIMEOUT_BODY" | "STATUS_401" | "STATUS_403" => Vec::new(),
            _ => advice_for_dev(code, None, has_error),
        },
    }
}

/// What options of `tenterhook dev` may help.
fn advice_for_dev(code: &str, given_header: Option<&str>, has_error: bool) -> Vec<String> {
    const DEBUGGER: &str = "`--timeout 60s` gives you time in a debugger";
    let advice = match code {
        "TIMEOUT_RESPONSE" => return vec![NO_ANSWER.to_owned(), DEBUGGER.to_owned()],
        "TIMEOUT_BODY" => DEBUGGER,
        // It knew the secret, and wanted to refuse.
        "STATUS_403" if has_error => return Vec::new(),
        "STATUS_401" | "STATUS_403" if given_header.is_some() => {
            let name = given_header.unwrap_or_default();
            return vec![format!("The service refused the `{name}` that you gave: does it expect another value?")];
        }
        "STATUS_401" | "STATUS_403" => {
            "`--header 'Authorization: …'` registers the hook with the secret that your service expects"
        }
        "STATUS_404" | "STATUS_405" | "STATUS_410" => {
            "The hook is called by POST at exactly the URL of `--hook`, with its path"
        }
        "CONNECTION_REFUSED" => "Does your service run, at this address?",
        "EGRESS_DENIED" => {
            "`dev` calls `https://` services with public addresses, and any service on this machine at 127.0.0.1 or \
             localhost"
        }
        code if code.starts_with("STATUS_5") => {
            "Look at the log of your service: it failed while it handled the document"
        }
        _ => return Vec::new(),
    };
    vec![advice.to_owned()]
}

/// Moves what the message of a refused connection says about containers behind the advice: `dev` runs in one seldom, and
/// a service that does not run is the commoner cause.
fn after_advice(code: Option<&str>, sentences: Vec<String>, advice: &mut Vec<String>) -> Vec<String> {
    let Some(about_containers) = explain_host("localhost").filter(|_| code == Some("CONNECTION_REFUSED")) else {
        return sentences;
    };
    let short = |sentence: String| match sentence.strip_suffix(about_containers) {
        Some(rest) => {
            advice.push(about_containers.to_owned());
            rest.trim_end_matches(['.', ' ']).to_owned()
        }
        None => sentence,
    };
    sentences.into_iter().map(short).collect()
}

/// What is different in a flow without a user, when that may be the cause.
fn advice_for_flow(code: Option<&str>, problems: &[Problem], flow: Flow) -> Option<String> {
    let code = code.filter(|_| flow == Flow::ClientCredentials)?;
    let lacks_token = problems.iter().any(|problem| problem.code == ProblemCode::TokenNotPresent);
    let crashed = code.starts_with("STATUS_5") || matches!(code, "CONNECTION_RESET" | "TIMEOUT_RESPONSE");
    if lacks_token {
        Some(
            "Nobody signs in with client credentials, so no ID token is issued. Send `com.okta.identity.patch` only when \
             the document has `data.identity`. `--flow code` runs only the flow with an ID token"
                .to_owned(),
        )
    } else if crashed {
        Some(
            "Nobody signs in with client credentials, so the document has no `data.context.user`, no \
             `data.context.session` and no `data.identity`: does your service read one of them without a check? \
             `--flow code` runs only the flow with a user"
                .to_owned(),
        )
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_dev_are_advised_only_where_they_help() {
        let own = Whose::Dev { given_header: None, is_cut_short: false };
        let cut_short = Whose::Dev { given_header: None, is_cut_short: true };
        let advice = |code, whose| advice_for(code, whose, false).join("; ");
        for (code, option) in [("TIMEOUT_RESPONSE", "--timeout"), ("STATUS_401", "--header"), ("STATUS_404", "--hook")]
        {
            assert!(advice(code, own).contains(option), "{code}");
            let of_other = advice(code, Whose::Other);
            assert!(!of_other.is_empty() && !of_other.contains("--"), "{of_other}");
        }
        let hint = advice("TIMEOUT_RESPONSE", cut_short);
        assert!(hint.contains("deadlineMs") && !hint.contains("--timeout"), "{hint}");
    }
}
