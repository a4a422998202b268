//! Interprets the commands of a user import answer (`user-import.md` section 3).

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;

use super::{ACTION_UPDATE, APP_USER_UPDATE, DESCRIPTION, ImportAction, ImportSubject, PROFILE_UPDATE, USER_UPDATE};
use crate::{
    answer::{Answer, Command, Members, Operand, unknown_command},
    description::CommandRule,
    limits::VALUE_DEPTH_MAX,
    plain_json, pointer,
    problem::{Change, Problem, ProblemCode, Refused, in_answers_order, shown},
    profile::{Profile, ProfileSchema},
};

/// Applies the commands: first app attributes, then the mapping, then platform attributes, so that a platform value
/// that the hook set wins. The action is independent of them; its two commands may come in either order.
pub(super) fn interpret(subject: &mut ImportSubject, answer: Answer) -> Result<Vec<Change>, Vec<Problem>> {
    let mut draft = Draft::default();
    let mut problems = answer.problems;
    let mut link_asked_at = None;
    let mut app_places = BTreeMap::new();
    for command in answer.commands {
        let index = command.place;
        let Some(rule) = DESCRIPTION.command(&command.kind) else {
            problems.push(unknown_command(&DESCRIPTION, index, &command.kind));
            continue;
        };
        let Command { operand: Operand::Members(members), .. } = command else {
            problems.push(command.wrong_shape(index, rule));
            continue;
        };
        let place = format!("/commands/{index}/value");
        if *rule == APP_USER_UPDATE {
            let schema = subject.app_schema.as_deref();
            for (name, path) in draft.set(rule, members, schema, &place, &mut problems, |draft| &mut draft.app) {
                app_places.insert(name, path);
            }
        } else if *rule == PROFILE_UPDATE {
            let schema = Some(subject.user_schema.as_ref());
            draft.set(rule, members, schema, &place, &mut problems, |draft| &mut draft.user);
        } else if *rule == ACTION_UPDATE {
            match members.get("result").and_then(ImportAction::parse) {
                Some(action) => {
                    link_asked_at = (action == ImportAction::LinkUser).then(|| place.clone());
                    draft.action = Some(action);
                    draft.changes.push(change(rule, "set", "/result"));
                }
                None => problems.push(
                    Refused::new(ProblemCode::BadValue, "Invalid result(com.okta.action.update)")
                        .hint("`result` is `CREATE_USER` or `LINK_USER`".to_owned())
                        .at(format!("{place}/result")),
                ),
            }
        } else {
            match members.get("id").and_then(Value::as_str).filter(|id| !id.trim().is_empty()) {
                Some(id) => draft.target = Some(id.to_owned()),
                None => problems.push(
                    Refused::new(ProblemCode::BadValue, "Invalid id(com.okta.user.update)")
                        .hint("`id` is the id of an existing user".to_owned())
                        .at(format!("{place}/id")),
                ),
            }
        }
    }
    let action = draft.action.unwrap_or(subject.action);
    if let Some(place) = link_asked_at
        && draft.target.is_none()
        && subject.target.is_none()
    {
        problems.push(
            Refused::new(ProblemCode::NoTarget, "No user to link to(com.okta.action.update)")
                .hint("Name the user in `com.okta.user.update`: `{\"id\": \"00u…\"}`".to_owned())
                .at(place),
        );
    }
    for (name, target) in draft.mapped(&subject.mapping) {
        let checked = draft.app.get(name).map_or(Ok(()), |value| subject.user_schema.check(target, value));
        if let (Err(refused), Some(place)) = (checked, app_places.get(name)) {
            let mapped = format!("The app attribute `{}` is mapped to `{}`", shown(name), shown(target));
            let hint = refused.hint.as_deref().map_or(mapped.clone(), |hint| format!("{hint}. {mapped}"));
            problems.push(refused.hint(hint).at(place.clone()));
        }
    }
    if !problems.is_empty() {
        return Err(in_answers_order(problems));
    }
    Ok(draft.write(subject, action))
}

/// The accumulated changes of the commands, before the subject is changed.
#[derive(Default)]
struct Draft {
    action: Option<ImportAction>,
    target: Option<String>,
    app: Profile,
    user: Profile,
    changes: Vec<Change>,
}

/// Checks the depth of values of attributes without a schema.
fn check_depth(name: &str, value: &Value) -> Result<(), Refused> {
    if plain_json::is_nested_at_most(value, VALUE_DEPTH_MAX) {
        return Ok(());
    }
    Err(Refused::new(ProblemCode::BadValue, format!("Value nested too deep(attribute={})", shown(name)))
        .hint(format!("At most {VALUE_DEPTH_MAX} arrays and objects can be inside each other")))
}

fn change(rule: &CommandRule, op: &'static str, path: impl Into<String>) -> Change {
    Change { command: rule.name.clone(), op, path: path.into() }
}

impl Draft {
    /// Sets the attributes that the schema admits; returns the positions in the answer of those that were set.
    fn set(
        &mut self,
        rule: &CommandRule,
        members: Members,
        schema: Option<&ProfileSchema>,
        place: &str,
        problems: &mut Vec<Problem>,
        profile: impl Fn(&mut Self) -> &mut Profile,
    ) -> Vec<(String, String)> {
        let mut places = Vec::new();
        for (name, value) in members.last_of_each() {
            let path = format!("/{}", pointer::escape(&shown(&name)));
            match schema.map_or_else(|| check_depth(&name, &value), |schema| schema.check(&name, &value)) {
                Ok(()) => {
                    places.push((name.clone(), format!("{place}{path}")));
                    profile(self).insert(name, value);
                    self.changes.push(change(rule, "set", path));
                }
                Err(refused) => problems.push(refused.at(format!("{place}{path}"))),
            }
        }
        places
    }

    /// App attributes that the commands set and that are mapped to platform attributes which they do not set themselves.
    fn mapped<'a>(&self, mapping: &'a [(String, String)]) -> impl Iterator<Item = (&'a str, &'a str)> {
        let mapped = mapping.iter().filter(|(from, to)| self.app.contains_key(from) && !self.user.contains_key(to));
        mapped.map(|(from, to)| (from.as_str(), to.as_str()))
    }

    fn write(self, subject: &mut ImportSubject, action: ImportAction) -> Vec<Change> {
        let mapping = Arc::clone(&subject.mapping);
        let mapped = self.mapped(&mapping).collect::<Vec<_>>();
        let Self { target, app, user, mut changes, .. } = self;
        if let Some(target) = target {
            // The id alone has no effect on a user that is to be created.
            if action == ImportAction::LinkUser {
                subject.target = Some(target);
                changes.push(change(&USER_UPDATE, "set", "/id"));
            } else {
                changes.push(change(&USER_UPDATE, "ignore", "/id"));
            }
        }
        subject.action = action;
        for (from, to) in mapped {
            if let Some(value) = app.get(from) {
                subject.user_profile.insert(to.to_owned(), value.clone());
            }
        }
        subject.app_profile.extend(app);
        subject.user_profile.extend(user);
        changes
    }
}
