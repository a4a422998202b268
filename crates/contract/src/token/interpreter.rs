//! Interprets the commands of a token answer (`token.md` section 3): in order, all or none.

use serde_json::Value;

use super::{
    ACCESS_PATCH, DESCRIPTION, IDENTITY_PATCH, TokenDraft, TokenSubject,
    reserved::{TokenKind, is_reserved},
};
use crate::{
    answer::{Answer, unknown_command},
    limits::{OPERATIONS_MAX, TOKEN_LIFETIME_SECONDS_MAX, TOKEN_LIFETIME_SECONDS_MIN},
    patch::{Edit, Location, Operations, Root, each_operation, edit_below, too_many_operations},
    plain_json,
    problem::{Change, Problem, ProblemCode, Refused, in_answers_order, shown},
};

/// The one path outside the claims.
const LIFETIME: &str = "/token/lifetime/expiration";

/// Applies the commands; one failing operation discards the whole answer.
pub(super) fn interpret(subject: &mut TokenSubject, answer: Answer) -> Result<Vec<Change>, Vec<Problem>> {
    let dpop = subject.dpop;
    let mut problems = answer.problems;
    let mut changes = Vec::new();
    let mut identity = subject.identity.as_ref().map(|draft| Staged::new(draft, TokenKind::Identity, dpop));
    let mut access = subject.access.as_ref().map(|draft| Staged::new(draft, TokenKind::Access, dpop));
    let mut operations = 0;
    for command in answer.commands {
        let index = command.place;
        let (rule, staged, absent) = match command.kind.as_ref() {
            kind if kind == IDENTITY_PATCH.name => (&IDENTITY_PATCH, &mut identity, "ID Token not present"),
            kind if kind == ACCESS_PATCH.name => (&ACCESS_PATCH, &mut access, "Access Token not present"),
            unknown => {
                problems.push(unknown_command(&DESCRIPTION, index, unknown));
                continue;
            }
        };
        let Some(staged) = staged else {
            problems.push(
                Refused::new(ProblemCode::TokenNotPresent, absent)
                    .hint("Send this command only when the request has the token".to_owned())
                    .at(format!("/commands/{index}")),
            );
            continue;
        };
        let found = (&mut changes, &mut problems);
        operations +=
            each_operation(index, command, rule, (Root::Claims, Operations::All), found, |_, location, edit| {
                staged.edit(location, edit)
            });
        if operations > OPERATIONS_MAX {
            problems.push(too_many_operations(index, Root::Claims));
            break;
        }
    }
    if !problems.is_empty() {
        return Err(in_answers_order(problems));
    }
    let (identity, access) = (identity.map(Staged::finish), access.map(Staged::finish));
    for (draft, touched) in [(&mut subject.identity, identity), (&mut subject.access, access)] {
        if let (Some(draft), Some(touched)) = (draft, touched) {
            touched.write(draft);
        }
    }
    Ok(changes)
}

/// A token with the changes of the operations so far. Only touched claims are copied, so that the cost does not grow
/// with the token, and a failure has nothing to undo.
struct Staged<'a> {
    draft: &'a TokenDraft,
    kind: TokenKind,
    dpop: bool,
    touched: Touched,
}

/// The accumulated changes of operations.
#[derive(Default)]
struct Touched {
    /// Changed claims by name; `None` marks a removed one.
    claims: Vec<(String, Option<Value>)>,
    lifetime_seconds: Option<u32>,
}

impl<'a> Staged<'a> {
    fn new(draft: &'a TokenDraft, kind: TokenKind, dpop: bool) -> Self {
        Self { draft, kind, dpop, touched: Touched::default() }
    }

    fn finish(self) -> Touched {
        self.touched
    }

    fn edit(&mut self, location: Location<'_>, edit: Edit) -> Result<(), (&'static str, Refused)> {
        if location.path == LIFETIME {
            return self.set_lifetime(location, &edit).map_err(|refused| ("", refused));
        }
        self.edit_claim(location, edit).map_err(|refused| match refused.code {
            ProblemCode::BadValue => ("/value", refused),
            _ => ("/path", refused),
        })
    }

    fn set_lifetime(&mut self, location: Location<'_>, edit: &Edit) -> Result<(), Refused> {
        let Edit::Replace(value) = edit else {
            let refused = location.refused(ProblemCode::BadPath, "Invalid path");
            return Err(refused.hint("The lifetime can only be replaced".to_owned()));
        };
        let seconds = plain_json::integer(value).and_then(|seconds| u32::try_from(seconds).ok());
        match seconds {
            Some(seconds @ TOKEN_LIFETIME_SECONDS_MIN..=TOKEN_LIFETIME_SECONDS_MAX) => {
                self.touched.lifetime_seconds = Some(seconds);
                Ok(())
            }
            _ => Err(location.refused(ProblemCode::BadValue, "Invalid token lifetime").hint(format!(
                "The lifetime is an integer from {TOKEN_LIFETIME_SECONDS_MIN} to {TOKEN_LIFETIME_SECONDS_MAX} seconds"
            ))),
        }
    }

    fn edit_claim(&mut self, location: Location<'_>, edit: Edit) -> Result<(), Refused> {
        let mut tokens = location.tokens()?;
        let (root, claim) = (tokens.next().transpose()?, tokens.next().transpose()?);
        // Most paths end with the claim.
        let below = tokens.collect::<Result<Vec<_>, _>>()?;
        let Some(claim) = claim.filter(|_| root.is_some_and(|root| root == location.root.name())) else {
            let hint = format!("A path is `/claims/<name>` or `{LIFETIME}`");
            return Err(location.refused(ProblemCode::BadPath, "Invalid path").hint(hint));
        };
        let claim = claim.as_ref();
        if claim.is_empty() || below.iter().any(|name| name.is_empty()) {
            return Err(location.bad_path());
        }
        if is_reserved(self.kind, claim, self.dpop) {
            let hint = format!("The claim `{}` cannot be changed by a hook", shown(claim));
            return Err(location.refused(ProblemCode::ReservedClaim, "Reserved claim").hint(hint));
        }
        location.check_depth(&edit, below.len())?;
        match below.split_last() {
            None => self.edit_whole(location, claim, edit),
            Some((last, parents)) => {
                let Some(value) = self.claim_mut(claim) else { return Err(self.no_claim_to_enter(location, claim)) };
                edit_below(location, value, parents, last, edit)
            }
        }
    }

    fn edit_whole(&mut self, location: Location<'_>, claim: &str, edit: Edit) -> Result<(), Refused> {
        let slot = self.slot(claim);
        let value = match edit {
            Edit::Add(value) => Some(value),
            _ if !self.is_present(slot, claim) => return Err(location.no_claim(claim)),
            Edit::Replace(value) => Some(value),
            Edit::Remove => None,
        };
        match slot.and_then(|slot| self.touched.claims.get_mut(slot)) {
            Some((_, touched)) => *touched = value,
            None => self.touched.claims.push((claim.to_owned(), value)),
        }
        Ok(())
    }

    /// The index of the claim in the changed ones.
    fn slot(&self, claim: &str) -> Option<usize> {
        self.touched.claims.iter().position(|(name, _)| name == claim)
    }

    /// Whether the token has the claim, after the changes so far.
    fn is_present(&self, slot: Option<usize>, claim: &str) -> bool {
        match slot.and_then(|slot| self.touched.claims.get(slot)) {
            Some((_, value)) => value.is_some(),
            None => self.draft.claims.contains_key(claim),
        }
    }

    /// Claims nest, and names can have a `/`: a path into a claim that does not exist can be a mistake of either kind.
    fn no_claim_to_enter(&self, location: Location<'_>, claim: &str) -> Refused {
        let is_one_name = location.below_root().is_some_and(|name| self.is_present(self.slot(name), name));
        let nesting = if is_one_name { String::new() } else { location.add_first(claim, "an object") };
        location.no_claim_to_enter(claim, &nesting, true)
    }

    /// The current value of the claim, copied before its first change.
    fn claim_mut(&mut self, claim: &str) -> Option<&mut Value> {
        if let Some(slot) = self.slot(claim) {
            return self.touched.claims.get_mut(slot)?.1.as_mut();
        }
        let value = self.draft.claims.get(claim)?.clone();
        self.touched.claims.push((claim.to_owned(), Some(value)));
        self.touched.claims.last_mut()?.1.as_mut()
    }
}

impl Touched {
    fn write(self, draft: &mut TokenDraft) {
        if let Some(seconds) = self.lifetime_seconds {
            draft.lifetime_seconds = seconds;
        }
        for (name, value) in self.claims {
            match value {
                Some(value) => drop(draft.claims.insert(name, value)),
                // `shift_remove` keeps the order of the other claims.
                None => drop(draft.claims.shift_remove(&name)),
            }
        }
    }
}
