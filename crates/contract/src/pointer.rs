//! JSON Pointer (RFC 6901) as the contract's patch dialect uses it.

use std::borrow::Cow;

use serde_json::Value;

/// Why a text is not a JSON Pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PointerError;

/// The reference tokens of a pointer, unescaped (`~1` is `/`, `~0` is `~`). The empty pointer has none.
///
/// # Errors
/// When the pointer does not begin with `/`, or a `~` is followed by neither `0` nor `1`.
///
/// ```
/// use tenterhook_contract::pointer::tokens;
/// assert_eq!(tokens("/claims/https:~1~1example.com").unwrap(), ["claims", "https://example.com"]);
/// assert!(tokens("claims/x").is_err());
/// assert!(tokens("/claims/~2").is_err());
/// ```
pub fn tokens(pointer: &str) -> Result<Vec<Cow<'_, str>>, PointerError> {
    split(pointer)?.collect()
}

/// Like [`tokens`], but yields the tokens one by one without allocating.
///
/// # Errors
/// Returns an error when the pointer does not begin with `/`; yields one in place of a token with an invalid `~`
/// escape.
///
/// ```
/// use tenterhook_contract::pointer::split;
/// let mut tokens = split("/claims/a~0b").unwrap();
/// assert_eq!(tokens.next().unwrap().unwrap(), "claims");
/// assert_eq!(tokens.next().unwrap().unwrap(), "a~b");
/// assert!(tokens.next().is_none() && split("").unwrap().next().is_none());
/// ```
pub fn split(pointer: &str) -> Result<impl Iterator<Item = Result<Cow<'_, str>, PointerError>>, PointerError> {
    let tokens = match pointer.strip_prefix('/') {
        Some(tokens) => Some(tokens.split('/')),
        None if pointer.is_empty() => None,
        None => return Err(PointerError),
    };
    Ok(tokens.into_iter().flatten().map(unescape))
}

/// `name` as one reference token.
///
/// ```
/// assert_eq!(tenterhook_contract::pointer::escape("https://x~y"), "https:~1~1x~0y");
/// ```
pub fn escape(name: &str) -> Cow<'_, str> {
    if name.contains(['~', '/']) { Cow::Owned(name.replace('~', "~0").replace('/', "~1")) } else { Cow::Borrowed(name) }
}

fn unescape(token: &str) -> Result<Cow<'_, str>, PointerError> {
    if !token.contains('~') {
        return Ok(Cow::Borrowed(token));
    }
    let mut pieces = token.split('~');
    let mut name = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (escaped, rest) = piece.split_at_checked(1).ok_or(PointerError)?;
        name.push(match escaped {
            "0" => '~',
            "1" => '/',
            _ => return Err(PointerError),
        });
        name.push_str(rest);
    }
    Ok(Cow::Owned(name))
}

/// The value at the pointer with these reference tokens, below `value`.
///
/// ```
/// use serde_json::json;
/// use tenterhook_contract::pointer::find;
/// let order = json!({ "lines": [{ "price": 5 }] });
/// assert_eq!(find(&order, &["lines", "0", "price"]), Some(&json!(5)));
/// assert_eq!(find(&order, &["lines", "-"]), None);
/// ```
pub fn find<'v>(value: &'v Value, tokens: &[impl AsRef<str>]) -> Option<&'v Value> {
    tokens.iter().try_fold(value, |parent, token| child(parent, token.as_ref()))
}

/// The member with this name, or the element with this index.
pub(crate) fn child<'v>(parent: &'v Value, token: &str) -> Option<&'v Value> {
    match parent {
        Value::Object(members) => members.get(token),
        Value::Array(items) => items.get(index(token)?),
        _ => None,
    }
}

/// The same, to change it.
pub(crate) fn child_mut<'v>(parent: &'v mut Value, token: &str) -> Option<&'v mut Value> {
    match parent {
        Value::Object(members) => members.get_mut(token),
        Value::Array(items) => items.get_mut(index(token)?),
        _ => None,
    }
}

/// An array index as RFC 6901 writes it: decimal digits without a leading zero.
///
/// ```
/// use tenterhook_contract::pointer::index;
/// assert_eq!(index("10"), Some(10));
/// assert_eq!(index("01"), None);
/// assert_eq!(index("+1"), None);
/// ```
pub fn index(token: &str) -> Option<usize> {
    let plain = token.bytes().all(|byte| byte.is_ascii_digit()) && (token == "0" || !token.starts_with('0'));
    if plain { token.parse().ok() } else { None }
}
