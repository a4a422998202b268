//! The parts that a text is written with.

use super::ExpressionProblem;

/// A part, and where it begins.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token<'a> {
    /// In bytes.
    pub(super) at: usize,
    pub(super) kind: Kind<'a>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind<'a> {
    /// `user.email`, `String.len`, `fn:toUpperCase`, `AND`.
    Name(&'a str),
    /// As it is written.
    Number(&'a str),
    /// Without its quotes.
    Text(String),
    Symbol(&'static str),
    End,
}

/// The longer ones first.
const SYMBOLS: [&str; 19] =
    ["&&", "||", "==", "!=", "<=", ">=", "(", ")", "{", "}", ",", "?", ":", "+", "-", "<", ">", "!", "="];

/// Splits a text. The last token is the end.
pub(super) fn tokens(text: &str) -> Result<Vec<Token<'_>>, ExpressionProblem> {
    let mut tokens = Vec::new();
    let mut at = 0;
    loop {
        let rest = text.get(at..).unwrap_or_default();
        let blank = rest.len() - rest.trim_start().len();
        at += blank;
        let rest = rest.get(blank..).unwrap_or_default();
        let (kind, length) = first(rest).map_err(|message| problem(text, at, message))?;
        let is_end = kind == Kind::End;
        tokens.push(Token { at, kind });
        if is_end {
            return Ok(tokens);
        }
        at += length;
    }
}

/// A problem at a byte of the text.
pub(super) fn problem(text: &str, at: usize, message: impl Into<String>) -> ExpressionProblem {
    let before = text.get(..at).unwrap_or(text).chars().count();
    ExpressionProblem { at: before + 1, message: message.into() }
}

/// The first token of a text without blanks before it, and its length in bytes.
fn first(rest: &str) -> Result<(Kind<'_>, usize), String> {
    let Some(character) = rest.chars().next() else { return Ok((Kind::End, 0)) };
    match character {
        '"' | '\'' => quoted(rest, character),
        '0'..='9' => {
            let length = number_length(rest);
            Ok((Kind::Number(rest.get(..length).unwrap_or_default()), length))
        }
        'a'..='z' | 'A'..='Z' | '_' => {
            let length = name_length(rest);
            Ok((Kind::Name(rest.get(..length).unwrap_or_default()), length))
        }
        _ => match SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)) {
            Some(symbol) => Ok((Kind::Symbol(symbol), symbol.len())),
            None => Err(format!("`{}` has no meaning here", character.escape_debug())),
        },
    }
}

/// A text in quotes. A quote inside is written twice; a backslash is a character like any other, as at the vendor.
fn quoted(rest: &str, quote: char) -> Result<(Kind<'_>, usize), String> {
    let mut text = String::new();
    let mut characters = rest.char_indices().skip(1).peekable();
    while let Some((at, character)) = characters.next() {
        if character != quote {
            text.push(character);
        } else if characters.next_if(|(_, next)| *next == quote).is_some() {
            text.push(quote);
        } else {
            return Ok((Kind::Text(text), at + 1));
        }
    }
    Err(format!("The text that begins here does not end: a {quote} is missing"))
}

fn number_length(rest: &str) -> usize {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let whole = digits(rest);
    let fraction = rest.get(whole..).and_then(|rest| rest.strip_prefix('.')).map_or(0, digits);
    if fraction == 0 { whole } else { whole + 1 + fraction }
}

/// `fn:` may stand before a name; parts of a name are separated by dots.
fn name_length(rest: &str) -> usize {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let part = |text: &str| text.bytes().take_while(is_part).count();
    let mut length = match rest.strip_prefix("fn:").map(part) {
        Some(after) if after > 0 => "fn:".len() + after,
        _ => part(rest),
    };
    while let Some(after) =
        rest.get(length..).and_then(|rest| rest.strip_prefix('.')).map(part).filter(|after| *after > 0)
    {
        length += 1 + after;
    }
    length
}
