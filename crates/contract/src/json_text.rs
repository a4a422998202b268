//! Reads every JSON text of the grammar of RFC 8259, including those that `serde_json` rejects: lone surrogates,
//! numbers beyond a double, nesting beyond [`ANSWER_DEPTH_MAX`].
//!
//! Slower than `serde_json`, so it is used only for a text that `serde_json` has rejected. Time is proportional to the
//! length of the text; recursion is bounded by [`ANSWER_DEPTH_MAX`].

use serde_json::Number;

use crate::limits::ANSWER_DEPTH_MAX;

/// A JSON value. Members are in the order of the text, duplicates included.
#[derive(Debug, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    Array(Vec<Self>),
    Object(Vec<(String, Self)>),
    Lost(Lost),
}

/// A value of the text that a `serde_json::Value` cannot hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// A number beyond a double, as it is written.
    Number(String),
    /// An array or object that is nested too deep.
    Depth,
}

/// A text that was read.
#[derive(Debug, PartialEq)]
pub(crate) struct Document {
    pub(crate) root: Json,
    /// Byte offset of the first lone surrogate; each one was replaced by U+FFFD.
    pub(crate) replaced_at: Option<usize>,
}

/// A text that is not JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Broken {
    /// Byte offset of the first unexpected byte; that of the last byte if the text ends too early.
    pub(crate) at: usize,
    pub(crate) fault: Fault,
}

/// What is wrong with a text that is not JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    EndsEarly,
    AfterTheEnd,
    NoValue,
    SingleQuotes,
    NoQuotes,
    Comment,
    TrailingComma,
    NoColon,
    NoComma,
    /// `NaN`, `Infinity`.
    NoNumber,
    /// `None`, `True`, `False`, `undefined`: words of programming languages.
    Word,
    NumberForm,
    ControlCharacter,
    Escape,
}

/// Reads a whole text.
pub(crate) fn read(text: &str) -> Result<Document, Broken> {
    let mut reader = Reader { text, at: 0, replaced_at: None };
    reader.white_space();
    let root = reader.value(0)?;
    reader.white_space();
    match reader.peek() {
        None => Ok(Document { root, replaced_at: reader.replaced_at }),
        Some(_) => Err(reader.broken(Fault::AfterTheEnd)),
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    replaced_at: Option<usize>,
}

type Read<T> = Result<T, Broken>;

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Steps over `byte` when it is next.
    fn take(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn white_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// The error `fault` at this position, or that the text ends here.
    fn broken(&self, fault: Fault) -> Broken {
        if self.at < self.text.len() {
            return Broken { at: self.at, fault };
        }
        let last = self.text.trim_ascii_end().len().saturating_sub(1);
        Broken { at: last, fault: Fault::EndsEarly }
    }

    /// A value with `depth` arrays and objects around it.
    fn value(&mut self, depth: usize) -> Read<Json> {
        let opens = matches!(self.peek(), Some(b'{' | b'['));
        // The same depth as in `serde_json`.
        if opens && depth + 1 >= ANSWER_DEPTH_MAX {
            self.skip()?;
            return Ok(Json::Lost(Lost::Depth));
        }
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => {
                let mut text = String::new();
                self.string(Some(&mut text))?;
                Ok(Json::Text(text))
            }
            _ => self.scalar(),
        }
    }

    fn object(&mut self, depth: usize) -> Read<Json> {
        let mut members = Vec::new();
        let mut more = self.open(b'}');
        while more {
            let mut name = String::new();
            self.name(Some(&mut name))?;
            members.push((name, self.value(depth + 1)?));
            more = self.goes_on(b'}')?;
        }
        Ok(Json::Object(members))
    }

    fn array(&mut self, depth: usize) -> Read<Json> {
        let mut items = Vec::new();
        let mut more = self.open(b']');
        while more {
            items.push(self.value(depth + 1)?);
            more = self.goes_on(b']')?;
        }
        Ok(Json::Array(items))
    }

    /// Skips an opening bracket, and `closes` if it follows directly; returns whether there are elements.
    fn open(&mut self, closes: u8) -> bool {
        self.at += 1;
        self.white_space();
        !self.take(closes)
    }

    /// After an element: skips a comma or `closes`; returns whether another element follows.
    fn goes_on(&mut self, closes: u8) -> Read<bool> {
        self.white_space();
        if self.take(closes) {
            return Ok(false);
        }
        if !self.take(b',') {
            return Err(self.broken(if self.at_comment() { Fault::Comment } else { Fault::NoComma }));
        }
        self.white_space();
        if self.peek() == Some(closes) {
            return Err(self.broken(Fault::TrailingComma));
        }
        Ok(true)
    }

    fn at_comment(&self) -> bool {
        matches!(self.peek(), Some(b'/' | b'#'))
    }

    /// A member's name and its colon.
    fn name(&mut self, into: Option<&mut String>) -> Read<()> {
        match self.peek() {
            Some(b'"') => self.string(into)?,
            Some(b'\'') => return Err(self.broken(Fault::SingleQuotes)),
            _ if self.at_comment() => return Err(self.broken(Fault::Comment)),
            _ => return Err(self.broken(Fault::NoQuotes)),
        }
        self.white_space();
        if !self.take(b':') {
            return Err(self.broken(Fault::NoColon));
        }
        self.white_space();
        Ok(())
    }

    /// Steps over a value of any depth, without recursion.
    fn skip(&mut self) -> Read<()> {
        let mut open = Vec::new();
        loop {
            let entered = match self.peek() {
                Some(b'{') => Some(b'}'),
                Some(b'[') => Some(b']'),
                Some(b'"') => {
                    self.string(None)?;
                    None
                }
                _ => {
                    self.scalar()?;
                    None
                }
            };
            let mut more = match entered {
                Some(closes) => {
                    let more = self.open(closes);
                    if more {
                        open.push(closes);
                    }
                    more
                }
                None => false,
            };
            // The value is complete; the enclosing ones may be complete too.
            while !more {
                let Some(closes) = open.last().copied() else { return Ok(()) };
                more = self.goes_on(closes)?;
                if !more {
                    open.pop();
                }
            }
            if open.last() == Some(&b'}') {
                self.name(None)?;
            }
        }
    }

    /// A number or a literal.
    fn scalar(&mut self) -> Read<Json> {
        let fault = match self.peek() {
            Some(b'-' | b'0'..=b'9') => return self.number(),
            Some(byte) if byte.is_ascii_alphabetic() => {
                let rest = self.rest();
                let end = rest.bytes().position(|byte| !byte.is_ascii_alphanumeric()).unwrap_or(rest.len());
                let word = rest.get(..end).unwrap_or_default();
                let literal = match word {
                    "null" => Json::Null,
                    "true" => Json::Bool(true),
                    "false" => Json::Bool(false),
                    "NaN" | "Infinity" => return Err(self.broken(Fault::NoNumber)),
                    "None" | "True" | "False" | "undefined" => return Err(self.broken(Fault::Word)),
                    // The text ends inside a literal.
                    cut if end == rest.len() && ["null", "true", "false"].iter().any(|word| word.starts_with(cut)) => {
                        self.at = self.text.len();
                        return Err(self.broken(Fault::EndsEarly));
                    }
                    _ => return Err(self.broken(Fault::NoValue)),
                };
                self.at += end;
                return Ok(literal);
            }
            Some(b'\'') => Fault::SingleQuotes,
            Some(b'/' | b'#') => Fault::Comment,
            _ => Fault::NoValue,
        };
        Err(self.broken(fault))
    }

    fn number(&mut self) -> Read<Json> {
        let start = self.at;
        if self.take(b'-') && self.peek() == Some(b'I') {
            return Err(self.broken(Fault::NoNumber));
        }
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            let _ = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'0'..=b'9' | b'.' | b'_' | b'x')) {
            return Err(self.broken(Fault::NumberForm));
        }
        let written = self.text.get(start..self.at).unwrap_or_default();
        Ok(match written.parse() {
            Ok(number) => Json::Number(number),
            Err(_) => Json::Lost(Lost::Number(written.to_owned())),
        })
    }

    /// One digit at least.
    fn digits(&mut self) -> Read<()> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start { Err(self.broken(Fault::NumberForm)) } else { Ok(()) }
    }

    /// Reads a string; appends its content to `into`.
    fn string(&mut self, mut into: Option<&mut String>) -> Read<()> {
        self.at += 1;
        loop {
            let rest = self.rest();
            let end = rest.bytes().position(|byte| matches!(byte, b'"' | b'\\' | ..b' ')).unwrap_or(rest.len());
            if let Some(text) = &mut into {
                text.push_str(rest.get(..end).unwrap_or_default());
            }
            self.at += end;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => {
                    let character = self.escape()?;
                    if let Some(text) = &mut into {
                        text.push(character);
                    }
                }
                _ => return Err(self.broken(Fault::ControlCharacter)),
            }
        }
    }

    /// An escape, from its backslash (RFC 8259, section 7). A lone surrogate becomes U+FFFD (`open-questions.md` C17).
    fn escape(&mut self) -> Read<char> {
        let start = self.at;
        self.at += 1;
        let plain = match self.peek() {
            Some(plain @ (b'"' | b'\\' | b'/')) => char::from(plain),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.code_unit_escape(start),
            _ => return Err(self.broken(Fault::Escape)),
        };
        self.at += 1;
        Ok(plain)
    }

    fn code_unit_escape(&mut self, start: usize) -> Read<char> {
        let Some(first) = self.code_unit(self.at) else {
            if self.rest().len() < 5 {
                self.at = self.text.len();
            }
            return Err(self.broken(Fault::Escape));
        };
        self.at += 5;
        if let 0xd800..=0xdbff = first
            && self.rest().starts_with('\\')
            && let Some(second @ 0xdc00..=0xdfff) = self.code_unit(self.at + 1)
        {
            self.at += 6;
            let pair = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
            return Ok(char::from_u32(pair).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        Ok(char::from_u32(first).unwrap_or_else(|| {
            self.replaced_at.get_or_insert(start);
            char::REPLACEMENT_CHARACTER
        }))
    }

    /// The code unit of `uXXXX` at `at`.
    fn code_unit(&self, at: usize) -> Option<u32> {
        let digits = self.text.get(at..at + 5)?.strip_prefix('u')?;
        let plain = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        if plain { u32::from_str_radix(digits, 16).ok() } else { None }
    }
}
