//! Interprets the command of a telephony answer (`telephony.md` section 3): the first object decides.

use serde_json::Value;

use super::{DESCRIPTION, Delivery, DeliveryStatus, TELEPHONY_ACTION, TelephonySubject};
use crate::{
    answer::{Answer, Command, Item, Members, Operand, unknown_command},
    problem::{Change, Problem, ProblemCode, Refused, in_answers_order},
};

/// Longest text about a delivery that is stored, in characters.
const TEXT_CHARACTERS_MAX: usize = 255;

pub(super) fn interpret(subject: &mut TelephonySubject, answer: Answer) -> Result<Vec<Change>, Vec<Problem>> {
    let mut problems = answer.problems;
    let mut changes = Vec::new();
    let mut decided = None;
    if answer.commands.is_empty() && problems.is_empty() {
        problems.push(no_command("/commands".to_owned()));
    }
    for command in answer.commands {
        let index = command.place;
        if command.kind != TELEPHONY_ACTION.name {
            problems.push(unknown_command(&DESCRIPTION, index, &command.kind));
            continue;
        }
        let Command { operand: Operand::Items(items), .. } = command else {
            problems.push(command.wrong_shape(index, &TELEPHONY_ACTION));
            continue;
        };
        if items.is_empty() {
            problems.push(no_command(format!("/commands/{index}/value")));
        }
        for (place, item) in items.into_iter().enumerate() {
            let mut change = Change { command: TELEPHONY_ACTION.name, op: "ignore", path: "/status".to_owned() };
            // The other objects are ignored: they are no reason to send a message twice (`open-questions.md` I7).
            if place == 0 && decided.is_none() {
                match delivery(item) {
                    Ok(delivery) => decided = Some(delivery),
                    Err((member, refused)) => problems.push(refused.at(format!("/commands/{index}/value/0{member}"))),
                }
                change.op = "set";
            }
            changes.push(change);
        }
    }
    if !problems.is_empty() {
        return Err(in_answers_order(problems));
    }
    subject.delivery = decided;
    Ok(changes)
}

/// `value` as an object in place of an array with one, and the status `SUCCESS`: services in the field answer both
/// (`open-questions.md` I8).
pub(super) fn lenient(mut answer: Answer) -> Answer {
    for command in answer.commands.iter_mut().filter(|command| command.kind == TELEPHONY_ACTION.name) {
        if let Operand::Members(members) = &mut command.operand {
            command.operand = Operand::Items(vec![Item::Members(std::mem::take(members))]);
        }
        let Operand::Items(items) = &mut command.operand else { continue };
        for item in items {
            let Item::Members(Members(members)) = item else { continue };
            // Of members with one name the last counts.
            let status = members.iter_mut().rfind(|(name, _)| name == "status").map(|(_, status)| status);
            if let Some(status) = status.filter(|status| *status == "SUCCESS") {
                *status = "SUCCESSFUL".into();
            }
        }
    }
    answer
}

fn no_command(pointer: String) -> Problem {
    Refused::new(ProblemCode::NoCommand, "The answer does not say how the delivery went")
        .hint("Answer with one `com.okta.telephony.action` that has a `status`".to_owned())
        .at(pointer)
}

fn delivery(item: Item) -> Result<Delivery, (&'static str, Refused)> {
    let Item::Members(mut members) = item else {
        let refused = Refused::new(ProblemCode::WrongShape, "value must hold objects(com.okta.telephony.action)");
        return Err(("", refused.hint("Write `[{\"status\": \"SUCCESSFUL\"}]`".to_owned())));
    };
    let status = match members.get("status").and_then(Value::as_str) {
        Some("SUCCESSFUL") => DeliveryStatus::Successful,
        Some("PENDING") => DeliveryStatus::Pending,
        Some("FAILED") => DeliveryStatus::Failed,
        _ => {
            let refused = Refused::new(ProblemCode::BadValue, "Invalid status(com.okta.telephony.action)");
            let hint = "`status` is `SUCCESSFUL`, `PENDING` or `FAILED`, in upper case";
            return Err(("/status", refused.hint(hint.to_owned())));
        }
    };
    Ok(Delivery {
        status,
        provider: text(&mut members, "provider"),
        transaction_id: text(&mut members, "transactionId"),
        transaction_metadata: text(&mut members, "transactionMetadata"),
    })
}

/// An optional text. A number is shown in its string form and anything else is left out: neither is a reason to send
/// a message twice.
fn text(members: &mut Members, name: &str) -> Option<String> {
    let text = match members.take(name)? {
        Value::String(text) => text,
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    Some(text.chars().take(TEXT_CHARACTERS_MAX).collect())
}
