//! A text as it reads once an encoding or the case of its letters is taken away, and where each of its bytes was before.

use std::{ops::Range, rc::Rc};

/// A text with encodings taken away, and where each byte was in the text as it came.
pub(crate) struct View {
    pub(crate) bytes: Vec<u8>,
    /// The place of each byte, and the end of the text; `None` when nothing was taken away.
    places: Option<Rc<[usize]>>,
}

impl View {
    pub(crate) fn of(text: &[u8]) -> Self {
        Self { bytes: text.to_vec(), places: None }
    }

    /// Where the byte at `index` was in the text as it came.
    pub(crate) fn place(&self, index: usize) -> usize {
        self.places.as_ref().map_or(index, |places| places.get(index).copied().unwrap_or_default())
    }

    /// Where a range was in the text as it came: all of what its last byte stands for.
    pub(crate) fn origin(&self, range: Range<usize>) -> Range<usize> {
        let (start, last) = (self.place(range.start), self.place(range.end.saturating_sub(1)));
        let ends = (range.end..self.bytes.len()).map(|index| self.place(index)).find(|place| *place > last);
        start..ends.unwrap_or_else(|| self.place(self.bytes.len()))
    }

    /// The view as it is compared.
    pub(crate) fn folded(&self) -> Self {
        if self.bytes.is_ascii() {
            return Self { bytes: self.bytes.iter().copied().map(fold).collect(), places: self.places.clone() };
        }
        let mut bytes = Vec::with_capacity(self.bytes.len());
        let mut places = Vec::with_capacity(self.bytes.len() + 1);
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
                places.resize(bytes.len(), self.place(index));
                index += character.len_utf8();
            }
            for byte in chunk.invalid() {
                bytes.push(*byte);
                places.push(self.place(index));
                index += 1;
            }
        }
        places.push(self.place(index));
        Self { bytes, places: Some(places.into()) }
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

    /// The view with the character references of HTML and XML decoded that an escaping of text writes: the five named ones, and
    /// any number; `None` when it has none.
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
            // Numbers of characters have no more digits, and a few zeros before them.
            let length = digits.iter().take(10).position(|byte| *byte == b';')?;
            let digits = std::str::from_utf8(digits.get(..length)?).ok()?;
            let character = u32::from_str_radix(digits, radix).ok().and_then(char::from_u32)?;
            decoded.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            Some(rest.len() - number.len() + usize::from(radix == 16) + length + 1)
        })
    }

    /// `bytes` without single separators between digits; `None` when there are none.
    pub(crate) fn without_separators(bytes: &[u8]) -> Option<Self> {
        let is_digit = |place: Option<usize>| place.and_then(|place| bytes.get(place)).is_some_and(u8::is_ascii_digit);
        let is_separator = |(place, byte): (usize, u8)| {
            matches!(byte, b' ' | b'-' | b'.' | b',') && is_digit(place.checked_sub(1)) && is_digit(Some(place + 1))
        };
        let kept = bytes.iter().copied().enumerate().filter(|indexed| !is_separator(*indexed));
        let (mut places, kept): (Vec<_>, Vec<_>) = kept.unzip();
        places.push(bytes.len());
        (kept.len() < bytes.len()).then_some(Self { bytes: kept, places: Some(places.into()) })
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

    /// The view with each sequence that begins with `mark` decoded: `decode` gets what begins there, appends what it
    /// stands for and says how long it is; `None` leaves the byte as it is.
    fn rewritten(&self, mark: u8, decode: impl Fn(&[u8], &mut Vec<u8>) -> Option<usize>) -> Option<Self> {
        if !self.bytes.contains(&mark) {
            return None;
        }
        let mut bytes = Vec::with_capacity(self.bytes.len());
        let mut places = Vec::with_capacity(self.bytes.len() + 1);
        let mut index = 0;
        while let Some(byte) = self.bytes.get(index) {
            let rest = self.bytes.get(index..).unwrap_or_default();
            let decoded = if *byte == mark { decode(rest, &mut bytes) } else { None };
            if decoded.is_none() {
                bytes.push(*byte);
            }
            places.resize(bytes.len(), self.place(index));
            index += decoded.unwrap_or(1);
        }
        places.push(self.place(index));
        Some(Self { bytes, places: Some(places.into()) })
    }
}

/// The code unit of an escape `\uXXXX`.
fn unit(escape: &[u8]) -> Option<u16> {
    escape.get(2..6)?.iter().try_fold(0, |unit, digit| Some(unit * 16 + u16::from(hex(*digit)?)))
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// A byte as it is compared: without case, and with those as one that encodings exchange for each other, which are the
/// space of a form and the two alphabets of base64.
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

    /// Of every character, so that no echo in another case is compared to something else.
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
            // What `bytes_min` says of a secret that is ASCII.
            assert!(!text.is_ascii() || text.len() <= character.len_utf8(), "{character:?}");
        }
    }
}
