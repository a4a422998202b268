//! What depends on an extension point that an org declares: the hooks of its type, and the conditions of its bindings.

use tenterhook_contract::{declared::DeclaredPoint, hook::InlineHook, problem::shown};
use tenterhook_model::ExtensionPoint;
use tenterhook_platform::OrgSnapshot;

use crate::hooks::policy_problems;

/// The member of a refusal that names a hook.
const HOOKS: &str = "inlineHooks";

/// Every hook of the point's type, each with the member and the text of a refusal.
pub(super) fn hooks(org: &OrgSnapshot, record: &ExtensionPoint) -> Vec<(String, String)> {
    let text = |hook| format!("{} is of this type: delete it first", named(hook));
    hooks_of(org, record).map(|hook| (HOOKS.to_owned(), text(hook))).collect()
}

/// Everything that fits the point as it is `before` and would not fit it as it is `after`, each with the member and the text
/// of a refusal. What does not fit today, such as a hook that is older than a rule, keeps nobody from changing the point.
pub(super) fn misfits(
    org: &OrgSnapshot,
    record: &ExtensionPoint,
    (before, after): (&DeclaredPoint, &DeclaredPoint),
) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for hook in hooks_of(org, record) {
        let known = policy_problems(&hook.policy, before);
        let new = policy_problems(&hook.policy, after).into_iter().filter(|problem| !known.contains(problem));
        found.extend(new.map(|problem| (HOOKS.to_owned(), format!("{}: {problem}", named(hook)))));
    }
    let conditions = record.bindings.iter().enumerate();
    for (place, (binding, condition)) in
        conditions.filter_map(|(place, binding)| Some((place, (binding, binding.when.as_ref()?))))
    {
        let problems = |point: &DeclaredPoint| {
            let declaration = point.declaration();
            condition.check(&declaration.context_schema, &declaration.subject_schema)
        };
        let known = problems(before);
        for problem in problems(after).into_iter().filter(|problem| !known.contains(problem)) {
            let hook = org.configuration.hooks.get(&binding.hook);
            let hook = hook.map_or_else(|| binding.hook.to_string(), named);
            found.push((format!("bindings[{place}].when{}", problem.pointer), format!("{hook}: {}", problem.message)));
        }
    }
    found
}

fn hooks_of<'a>(org: &'a OrgSnapshot, record: &'a ExtensionPoint) -> impl Iterator<Item = &'a InlineHook> {
    org.configuration.hooks.iter().filter(|hook| hook.hook_type == record.name)
}

/// Id and name, as a refusal names a hook.
fn named(hook: &InlineHook) -> String {
    format!("{} ({})", hook.id, shown(&hook.name))
}
