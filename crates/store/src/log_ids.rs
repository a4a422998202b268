//! Ids of the System Log as bits: half as long as their texts, and told from other texts.

use std::borrow::Cow;

/// The bits of 32 hexadecimal characters, none of them upper case.
pub(crate) fn bits_of_hexadecimal(text: &str) -> Option<u128> {
    if text.len() != 32 {
        return None;
    }
    bits_of(text.bytes())
}

/// The bits of a UUID in its canonical form.
pub(crate) fn bits_of_uuid(text: &str) -> Option<u128> {
    let is_canonical = text.len() == 36
        && text.bytes().enumerate().all(|(place, byte)| (byte == b'-') == matches!(place, 8 | 13 | 18 | 23));
    is_canonical.then(|| bits_of(text.bytes().filter(|byte| *byte != b'-'))).flatten()
}

fn bits_of(digits: impl Iterator<Item = u8>) -> Option<u128> {
    let mut bits = 0;
    for digit in digits {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        bits = bits << 4 | u128::from(value);
    }
    Some(bits)
}

/// The bits of the UUID (RFC 9562 version 4) that these bits make.
pub(crate) fn as_uuid(bits: u128) -> u128 {
    (bits & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62)
}

/// The text of those bits.
pub(crate) fn uuid_of_bits(bits: u128) -> String {
    tenterhook_contract::id::uuid(bits.to_be_bytes())
}

/// The byte before the text of an id.
const TEXT: u8 = b'"';
/// The byte before a text of 15 bytes: with [`TEXT`] before it, it would be as long as the bits. A zero byte follows the text.
const TEXT_OF_15: u8 = b'\'';

/// An id as the bytes of a column: the 16 bytes of its bits, or else its text behind one byte. The two are told apart by their length:
/// with a text there are never 16 bytes.
pub(crate) fn bytes_of_id<'a>(bits: Option<u128>, text: impl FnOnce() -> Cow<'a, str>) -> Vec<u8> {
    match bits {
        Some(bits) => bits.to_be_bytes().to_vec(),
        None => bytes_of_text(text().as_bytes()),
    }
}

fn bytes_of_text(text: &[u8]) -> Vec<u8> {
    if text.len() == 15 { [&[TEXT_OF_15], text, &[0]].concat() } else { [&[TEXT], text].concat() }
}

/// The bits of an id that a column holds; `Err` is its text, when it has no bits.
pub(crate) fn id_of_bytes(bytes: &[u8]) -> Result<u128, String> {
    if let Ok(bits) = bytes.try_into() {
        return Ok(u128::from_be_bytes(bits));
    }
    let text = match bytes {
        [TEXT_OF_15, text @ .., 0] | [TEXT, text @ ..] => text,
        damaged => damaged,
    };
    Err(String::from_utf8_lossy(text).into_owned())
}

/// A transaction's id as the bytes of its column.
pub(crate) fn transaction_column(id: &str) -> Vec<u8> {
    bytes_of_id(bits_of_hexadecimal(id), || id.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_any_length_and_end_is_told_from_bits() {
        for length in 0..20 {
            for text in ["a".repeat(length), format!("{}\0", "a".repeat(length)), format!("'{}\0", "\"".repeat(length))]
            {
                let bytes = bytes_of_id(None, || text.as_str().into());
                assert_eq!(id_of_bytes(&bytes), Err(text));
            }
        }
        assert_eq!(id_of_bytes(&bytes_of_id(Some(7), || "".into())), Ok(7));
    }
}
