//! Interprets the commands of a registration answer (`registration.md` section 3).

use serde_json::Value;

use super::{
    ACTION_UPDATE, DESCRIPTION, PROFILE_UPDATE, PROGRESSIVE_UPDATE, RegistrationAction, RegistrationFlow,
    RegistrationSubject,
};
use crate::{
    answer::{Answer, Command, Operand, unknown_command},
    pointer,
    problem::{Change, Problem, ProblemCode, Refused, in_answers_order, shown},
    profile::{Profile, spelled},
};

/// Applies the commands in order; a final DENY drops the profile changes.
pub(super) fn interpret(
    flow: RegistrationFlow,
    subject: &mut RegistrationSubject,
    answer: Answer,
) -> Result<Vec<Change>, Vec<Problem>> {
    let (own, other) = match flow {
        RegistrationFlow::SelfService => (&PROFILE_UPDATE, &PROGRESSIVE_UPDATE),
        RegistrationFlow::Progressive => (&PROGRESSIVE_UPDATE, &PROFILE_UPDATE),
    };
    let mut problems = answer.problems;
    let mut changes = Vec::new();
    let mut action = subject.action;
    let mut attributes = Profile::new();
    for command in answer.commands {
        let index = command.place;
        let place = format!("/commands/{index}");
        let Some(rule) = DESCRIPTION.command(&command.kind) else {
            problems.push(unknown_command(&DESCRIPTION, index, &command.kind));
            continue;
        };
        if rule == other {
            problems.push(
                Refused::new(ProblemCode::WrongFlow, format!("Command of another flow({})", rule.name))
                    .hint(format!("With the request type `{}` write `{}`", flow.request_type(), own.name))
                    .at(format!("{place}/type")),
            );
            continue;
        }
        let Command { operand: Operand::Members(members), .. } = command else {
            problems.push(command.wrong_shape(index, rule));
            continue;
        };
        if *rule == ACTION_UPDATE {
            match members.get("registration").and_then(RegistrationAction::parse) {
                Some(decided) => {
                    action = decided;
                    changes.push(Change { command: rule.name.clone(), op: "set", path: "/registration".to_owned() });
                }
                None => problems.push(
                    Refused::new(ProblemCode::BadValue, "Invalid registration(com.okta.action.update)")
                        .hint("`value` is `{\"registration\": \"ALLOW\"}` or `{\"registration\": \"DENY\"}`".to_owned())
                        .at(format!("{place}/value/registration")),
                ),
            }
            continue;
        }
        for (name, value) in members.last_of_each() {
            let path = format!("/{}", pointer::escape(&shown(&name)));
            // Null would take away what the user has: a hook sets values.
            let removes = flow == RegistrationFlow::Progressive && value.is_null();
            let checked = subject.schema.check(&name, &value);
            let checked = checked.and_then(|()| if removes { Err(no_value(&name)) } else { Ok(()) });
            match checked {
                Ok(()) => {
                    set(&mut attributes, name, value);
                    changes.push(Change { command: rule.name.clone(), op: "set", path });
                }
                Err(refused) => problems.push(refused.at(format!("{place}/value{path}"))),
            }
        }
    }
    if !problems.is_empty() {
        return Err(in_answers_order(problems));
    }
    subject.action = action;
    if action == RegistrationAction::Allow {
        for (name, value) in attributes {
            set(&mut subject.profile, name, value);
        }
    } else {
        changes.retain(|change| change.command == ACTION_UPDATE.name);
    }
    Ok(changes)
}

/// Sets an attribute, whichever spelling of its name is there.
fn set(profile: &mut Profile, name: String, value: Value) {
    let known = profile.keys().find(|known| spelled(known) == spelled(&name)).cloned();
    profile.insert(known.unwrap_or(name), value);
}

fn no_value(name: &str) -> Refused {
    let shown = shown(name);
    Refused::new(ProblemCode::BadValue, format!("Invalid value(attribute={shown})"))
        .hint(format!("`{shown}` cannot be null: a hook sets values of a user's profile and removes none"))
}
