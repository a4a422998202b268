//! What a query or a form may have. A fuzz target includes this file, so it knows nothing of the platform.

use std::borrow::Cow;

/// Parameters of a request.
pub(super) const PARAMETERS_MAX: usize = 100;

/// The decoded names and values of a query or a form, in their order, if they are within bounds. `value_bytes_max` says how long the value
/// of a name may be.
///
/// # Errors
/// What is wrong, for the client: a parameter appears twice (RFC 6749 section 3.1), has a NUL character, or a bound is exceeded.
pub(super) fn bounded<'t>(
    pairs: impl Iterator<Item = (Cow<'t, str>, Cow<'t, str>)>,
    value_bytes_max: impl Fn(&str) -> usize,
) -> Result<Vec<(String, String)>, String> {
    let mut parameters: Vec<(String, String)> = Vec::new();
    for (name, value) in pairs {
        if parameters.iter().any(|(known, _)| *known == name) {
            return Err(format!("The parameter `{}` appears twice.", shown(&name)));
        }
        if name.contains('\0') || value.contains('\0') {
            return Err(format!("The parameter `{}` has a character that is not allowed.", shown(&name)));
        }
        if parameters.len() == PARAMETERS_MAX || value.len() > value_bytes_max(&name) {
            return Err("The request has too many or too long parameters.".to_owned());
        }
        parameters.push((name.into_owned(), value.into_owned()));
    }
    Ok(parameters)
}

fn shown(name: &str) -> String {
    name.chars().filter(char::is_ascii_graphic).take(50).collect()
}
