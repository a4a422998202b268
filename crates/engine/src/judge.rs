//! Turns a status and a body into an answer or a technical failure (`overview.md` sections 4.2 and 4.3).

use tenterhook_contract::{Description, EmptyAnswer, answer::Answer};

use crate::{CallFailure, FailureCode, RawAnswer};

/// Whether the body of an answer with this status is read (`overview.md` 4.3). For every other status the status alone
/// decides, whatever the body holds.
pub const fn carries_answer(status: u16) -> bool {
    matches!(status, 200..=203)
}

/// Judges a raw answer. An accepted empty body gives an answer without members.
///
/// # Errors
/// A technical failure: a redirect, a status that is not success, a body that is not a JSON object.
pub(crate) fn judge(description: &Description, raw: &RawAnswer) -> Result<Answer, CallFailure> {
    match raw.status {
        status if carries_answer(status) && Answer::is_empty_body(&raw.body) => empty(description),
        status if carries_answer(status) => Answer::parse_for(&raw.body, description).map_err(|unparsable| {
            let sent_as = raw.media_type.as_deref().unwrap_or("without a `Content-Type`");
            CallFailure::new(FailureCode::BodyUnparsable, unparsable.explained(Some(sent_as)))
        }),
        204 => empty(description),
        status @ 300..=399 => Err(CallFailure::new(
            FailureCode::Redirect(status),
            match &raw.redirects_to {
                Some(target) => {
                    format!("The service answered HTTP {status}, which leads to {target}: redirects are never followed")
                }
                None => format!("The service answered HTTP {status}: redirects are never followed"),
            },
        )),
        status => Err(CallFailure::new(FailureCode::Status(status), of_status(description, status, &raw.body))),
    }
}

/// The text for a status that is not success. The status alone decides (`overview.md` 4.3), so the text explains how to
/// refuse when the body has an `error`.
fn of_status(description: &Description, status: u16, body: &[u8]) -> String {
    let text = format!("The service answered HTTP {status}");
    if Answer::parse_for(body, description).is_ok_and(|answer| answer.error.is_some()) {
        return format!(
            "{text}: the status makes it a failure, and the `error` in its body does not count. To refuse, answer 200 \
             with the `error`"
        );
    }
    text
}

fn empty(description: &Description) -> Result<Answer, CallFailure> {
    match description.empty_answer {
        EmptyAnswer::DefaultAction => Ok(Answer::default()),
        EmptyAnswer::Malformed => {
            let command = description.commands.first();
            let command = command.map(|rule| format!(" with the command `{}`", rule.name)).unwrap_or_default();
            let text = "The service answered without a body, which this hook type does not allow";
            Err(CallFailure::new(FailureCode::BodyEmpty, format!("{text}. Answer one JSON object{command}")))
        }
    }
}
