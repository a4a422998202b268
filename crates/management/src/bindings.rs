//! Lists of hooks at one place, each with its condition: reading what a request says of one.

use serde_json::Value;
use tenterhook_contract::{
    HookTypeName, binding::HookBinding, condition::Condition, declared::Declaration, hook::InlineHook, id::HookId,
    limits::BINDINGS_MAX,
};
use tenterhook_platform::OrgSnapshot;

use crate::{
    associations::hook_of_type,
    request::{Causes, Given},
};

/// What a request says of one hook of a list.
#[derive(Clone, Debug, Default)]
pub struct BindingRequest {
    /// The id of the hook.
    pub inline_hook_id: Given<String>,
    /// The condition; none when absent.
    pub when: Given<Value>,
    /// Whether the hook is called at all; true when absent.
    pub enabled: Given<bool>,
}

/// The place of a list, and which hooks it takes.
pub(crate) struct BindingPlace<'a, F> {
    pub(crate) org: &'a OrgSnapshot,
    /// The member with the list, as the causes of a refusal name it.
    pub(crate) member: &'a str,
    /// The member of an element with the hook's id.
    pub(crate) id: &'static str,
    /// The owner of the list and the noun of its elements, for messages: `An extension point`, `bindings`.
    pub(crate) in_words: (&'static str, &'static str),
    /// The type of its hooks.
    pub(crate) hook_type: &'a HookTypeName,
    /// The schemas that conditions must fit. The documents of the built-in types have none: of a condition there, only the form
    /// is checked.
    pub(crate) declaration: Option<&'a Declaration>,
    /// Why a hook of the type cannot be named here; `None` when it can.
    pub(crate) refuses: F,
}

impl<F: Fn(&InlineHook) -> Option<&'static str>> BindingPlace<'_, F> {
    /// Reads a list. Everything that is wrong with it is added to the causes.
    pub(crate) fn read(&self, causes: &mut Causes, requests: &[BindingRequest]) -> Vec<HookBinding> {
        if requests.len() > BINDINGS_MAX {
            let (who, what) = self.in_words;
            causes.add(self.member, &format!("{who} can have at most {BINDINGS_MAX} {what}"));
            return Vec::new();
        }
        let mut bindings: Vec<HookBinding> = Vec::with_capacity(requests.len());
        for (place, request) in requests.iter().enumerate() {
            let below = format!("{}[{place}]", self.member);
            let hook = self.read_hook(causes, request, &format!("{below}.{}", self.id));
            let when = self.read_condition(causes, &request.when, &format!("{below}.when"));
            let enabled = causes.plain(&format!("{below}.enabled"), &request.enabled, true);
            let Some(hook) = hook else { continue };
            if bindings.iter().any(|known| known.hook == hook) {
                let text = "The inline hook is named twice. Join its conditions with `any`";
                causes.add(&format!("{below}.{}", self.id), text);
            }
            bindings.push(HookBinding { hook, when, enabled });
        }
        bindings
    }

    fn read_hook(&self, causes: &mut Causes, request: &BindingRequest, member: &str) -> Option<HookId> {
        let id = causes.required(member, &request.inline_hook_id)?;
        let hook = match hook_of_type(self.org, self.hook_type, id.parse().ok().as_ref()) {
            Ok(hook) => hook,
            Err(why) => {
                causes.add(member, &why);
                return None;
            }
        };
        if let Some(why) = (self.refuses)(hook) {
            causes.add(member, why);
        }
        Some(hook.id.clone())
    }

    fn read_condition(&self, causes: &mut Causes, given: &Given<Value>, member: &str) -> Option<Condition> {
        let (condition, problems) = match Condition::parse(given.value()?) {
            Ok(condition) => {
                let fit = |declaration: &Declaration| {
                    condition.check(&declaration.context_schema, &declaration.subject_schema)
                };
                let problems = self.declaration.map(fit).unwrap_or_default();
                (Some(condition), problems)
            }
            Err(problems) => (None, problems),
        };
        for problem in problems {
            causes.add(&format!("{member}{}", problem.pointer), &problem.message);
        }
        condition
    }
}
