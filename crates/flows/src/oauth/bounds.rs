//! What a query or a form may have. A fuzz target includes this file, so it knows nothing of the platform.

use std::borrow::Cow;

/// Parameters of a request, each of another name.
pub(super) const PARAMETERS_MAX: usize = 100;
/// Further ones of a name that may be there several times: as many as a form of ten lists with 50 choices each.
pub(super) const REPEATED_MAX: usize = 500;

/// The decoded names and values of a query or a form, in their order, if they are within bounds. `value_bytes_max` says how long the value
/// of a name may be, and `may_repeat` which names may be there several times.
///
/// # Errors
/// What is wrong, for the client: a parameter appears twice (RFC 6749 section 3.1), has a NUL character, or a bound is exceeded.
pub(super) fn bounded<'t>(
    pairs: impl Iterator<Item = (Cow<'t, str>, Cow<'t, str>)>,
    value_bytes_max: impl Fn(&str) -> usize,
    may_repeat: impl Fn(&str) -> bool,
) -> Result<Vec<(String, String)>, String> {
    let mut parameters: Vec<(String, String)> = Vec::new();
    let mut repeated = 0;
    for (name, value) in pairs {
        let is_known = parameters.iter().any(|(known, _)| *known == name);
        if is_known && !may_repeat(&name) {
            return Err(format!("The parameter `{}` appears twice.", shown(&name)));
        }
        if name.contains('\0') || value.contains('\0') {
            return Err(format!("The parameter `{}` has a character that is not allowed.", shown(&name)));
        }
        repeated += usize::from(is_known);
        let is_too_many = repeated > REPEATED_MAX || parameters.len() + 1 - repeated > PARAMETERS_MAX;
        if is_too_many || value.len() > value_bytes_max(&name) {
            return Err("The request has too many or too long parameters.".to_owned());
        }
        parameters.push((name.into_owned(), value.into_owned()));
    }
    Ok(parameters)
}

fn shown(name: &str) -> String {
    name.chars().filter(char::is_ascii_graphic).take(50).collect()
}
