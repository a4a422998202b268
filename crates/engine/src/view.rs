//! A text after an encoding or the case of its letters was removed, with the original offset of each byte.

use std::{ops::Range, rc::Rc};

/// A text with encodings removed, and the offset of each byte in the original text.
pub(crate) struct View {
    pub(crate) bytes: Vec<u8>,
    /// The original offset of each byte, and of the end of the text; `None` when nothing was removed.
    offsets: Option<Rc<[usize]>>,
}

impl View {
    pub(crate) fn of(text: &[u8]) -> Self {
        Self { bytes: text.to_vec(), offsets: None }
    }

    /// The offset in the original text of the byte at `index`.
    pub(crate) fn offset(&self, index: usize) -> usize {
        self.offsets.as_ref().map_or(index, |offsets| offsets.get(index).copied().unwrap_or_default())
    }

    /// The range in the original text; it includes the whole encoding of its last byte.
    pub(crate) fn origin(&self, range: Range<usize>) -> Range<usize> {
        let (start, last) = (self.offset(range.start), self.offset(range.end.saturating_sub(1)));
        let ends = (range.end..self.bytes.len()).map(|index| self.offset(index)).find(|offset| *offset > last);
        start..ends.unwrap_or_else(|| self.offset(self.bytes.len()))
    }

    /// The view with its case folded, for comparison.
    pub(crate) fn folded(&self) -> Self {
        if self.bytes.is_ascii() {
            return Self { bytes: self.bytes.iter().copied().map(fold).collect(), offsets: self.offsets.clone() };
        }
        let mut bytes = Vec::with_capacity(self.bytes.len());
        let mut offsets = Vec::with_capacity(self.bytes.len() + 1);
        let mut index = 0;
        for chunk in self.bytes.utf8_chunks() {
            for character in chunk.valid().chars() {
                let mut encoded = [0; 4];
                if character.is_ascii() {
                    bytes.extend(character.encode_utf8(&mut encoded).bytes().map(fold));
                } else {
                    without_case(character).for_each(|folded| {
                        bytes.extend(folded.encode_utf8(&mut encoded).bytes());
                    });
                }
                offsets.resize(bytes.len(), self.offset(index));
                index += character.len_utf8();
            }
            for byte in chunk.invalid() {
                bytes.push(*byte);
                offsets.push(self.offset(index));
                index += 1;
            }
        }
        offsets.push(self.offset(index));
        Self { bytes, offsets: Some(offsets.into()) }
    }

    /// The view with percent-encoded bytes (RFC 3986 section 2.1) decoded; `None` when it has none.
    pub(crate) fn without_percents(&self) -> Option<Self> {
        self.rewritten(b'%', |rest, decoded| match rest {
            [_, high, low, ..] => {
                decoded.push(hex(*high)? * 16 + hex(*low)?);
                Some(3)
            }
            _ => None,
        })
    }

    /// The view with those HTML and XML character references decoded that escaping produces: the five named ones and
    /// all numeric ones; `None` when it has none.
    pub(crate) fn without_entities(&self) -> Option<Self> {
        const NAMED: [(&[u8], u8); 5] =
            [(b"&amp;", b'&'), (b"&lt;", b'<'), (b"&gt;", b'>'), (b"&quot;", b'"'), (b"&apos;", b'\'')];
        self.rewritten(b'&', |rest, decoded| {
            if let Some((name, plain)) = NAMED.iter().find(|(name, _)| rest.starts_with(name)) {
                decoded.push(*plain);
                return Some(name.len());
            }
            let number = rest.strip_prefix(b"&#")?;
            let (digits, radix) = match number {
                [b'x' | b'X', digits @ ..] => (digits, 16),
                digits => (digits, 10),
            };
            // Character numbers have no more digits, including a few leading zeros.
            let length = digits.iter().take(10).position(|byte| *byte == b';')?;
            let digits = std::str::from_utf8(digits.get(..length)?).ok()?;
            let character = u32::from_str_radix(digits, radix).ok().and_then(char::from_u32)?;
            decoded.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            Some(rest.len() - number.len() + usize::from(radix == 16) + length + 1)
        })
    }

    /// `bytes` without single separators between digits; `None` when there are none.
    pub(crate) fn without_separators(bytes: &[u8]) -> Option<Self> {
        let is_digit =
            |offset: Option<usize>| offset.and_then(|offset| bytes.get(offset)).is_some_and(u8::is_ascii_digit);
        let is_separator = |(offset, byte): (usize, u8)| {
            matches!(byte, b' ' | b'-' | b'.' | b',') && is_digit(offset.checked_sub(1)) && is_digit(Some(offset + 1))
        };
        let kept = bytes.iter().copied().enumerate().filter(|indexed| !is_separator(*indexed));
        let (mut offsets, kept): (Vec<_>, Vec<_>) = kept.unzip();
        offsets.push(bytes.len());
        (kept.len() < bytes.len()).then_some(Self { bytes: kept, offsets: Some(offsets.into()) })
    }

    /// `bytes` without the punctuation that people write between the digits of phone numbers, a few characters at once; `None`
    /// when there is none.
    pub(crate) fn without_punctuation(bytes: &[u8]) -> Option<Self> {
        const RUN_BYTES_MAX: usize = 3;
        let mut kept = Vec::with_capacity(bytes.len());
        let mut offsets = Vec::with_capacity(bytes.len());
        let mut run = 0;
        for (offset, byte) in bytes.iter().copied().enumerate() {
            if byte.is_ascii_digit() {
                let follows_digit =
                    kept.len().checked_sub(run + 1).and_then(|last| kept.get(last)).is_some_and(u8::is_ascii_digit);
                if run <= RUN_BYTES_MAX && follows_digit {
                    kept.truncate(kept.len() - run);
                    offsets.truncate(offsets.len() - run);
                }
                run = 0;
            } else if matches!(byte, b' ' | b'-' | b'.' | b',' | b'/' | b'(' | b')') {
                run += 1;
            } else {
                run = 0;
            }
            kept.push(byte);
            offsets.push(offset);
        }
        offsets.push(bytes.len());
        (kept.len() < bytes.len()).then_some(Self { bytes: kept, offsets: Some(offsets.into()) })
    }

    /// The view with the escapes of JSON strings (RFC 8259 section 7) decoded; `None` when it has none.
    pub(crate) fn without_escapes(&self) -> Option<Self> {
        self.rewritten(b'\\', |rest, decoded| {
            let plain = match rest.get(1)? {
                escaped @ (b'"' | b'\\' | b'/') => *escaped,
                b'b' => 8,
                b'f' => 12,
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'u' => {
                    let first = unit(rest)?;
                    let second = rest.get(6..).filter(|rest| rest.starts_with(b"\\u")).and_then(unit);
                    let pair = second.and_then(|second| char::decode_utf16([first, second]).next()?.ok());
                    let (character, length) = match pair {
                        Some(pair) if pair.len_utf16() == 2 => (pair, 12),
                        _ => (char::decode_utf16([first]).next()?.ok()?, 6),
                    };
                    decoded.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                    return Some(length);
                }
                _ => return None,
            };
            decoded.push(plain);
            Some(2)
        })
    }

    /// The view with each sequence that begins with `mark` decoded. `decode` gets the rest of the text, appends the
    /// decoded bytes and returns the length of the sequence; `None` leaves the byte as it is.
    fn rewritten(&self, mark: u8, decode: impl Fn(&[u8], &mut Vec<u8>) -> Option<usize>) -> Option<Self> {
        if !self.bytes.contains(&mark) {
            return None;
        }
        let mut bytes = Vec::with_capacity(self.bytes.len());
        let mut offsets = Vec::with_capacity(self.bytes.len() + 1);
        let mut index = 0;
        while let Some(byte) = self.bytes.get(index) {
            let rest = self.bytes.get(index..).unwrap_or_default();
            let decoded = if *byte == mark { decode(rest, &mut bytes) } else { None };
            if decoded.is_none() {
                bytes.push(*byte);
            }
            offsets.resize(bytes.len(), self.offset(index));
            index += decoded.unwrap_or(1);
        }
        offsets.push(self.offset(index));
        Some(Self { bytes, offsets: Some(offsets.into()) })
    }
}

/// The code unit of an escape `\uXXXX`.
fn unit(escape: &[u8]) -> Option<u16> {
    escape.get(2..6)?.iter().try_fold(0, |unit, digit| Some(unit * 16 + u16::from(hex(*digit)?)))
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// A byte folded for comparison: case is removed, and bytes that encodings use for each other become one: the space and
/// `+` of a form, and the two alphabets of base64.
fn fold(byte: u8) -> u8 {
    match byte {
        b'+' | b'-' => b' ',
        b'_' => b'/',
        other => other.to_ascii_lowercase(),
    }
}

/// A character without case: the same for its lower, upper and title case. `ß` is `ss`, for its upper case is `SS`.
fn without_case(character: char) -> impl Iterator<Item = char> {
    character.to_lowercase().flat_map(char::to_uppercase).flat_map(char::to_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks every character: an echo in another case must compare equal.
    #[test]
    fn every_character_is_compared_without_its_case() {
        let folded = |text: &str| text.chars().flat_map(without_case).collect::<String>();
        for character in '\0'..=char::MAX {
            let (lower, upper) = (character.to_lowercase().to_string(), character.to_uppercase().to_string());
            if lower == upper {
                continue;
            }
            let text = folded(character.encode_utf8(&mut [0; 4]));
            assert_eq!((&folded(&lower), &folded(&upper)), (&text, &text), "{character:?}");
            assert_eq!(folded(&text), text, "{character:?}");
            // `bytes_min` relies on this for secrets that are ASCII.
            assert!(!text.is_ascii() || text.len() <= character.len_utf8(), "{character:?}");
        }
    }
}
