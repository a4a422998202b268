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

/// An id as the bytes of a column: the 16 bytes of its bits, or else a quote and its text. Such a text never has 16 bytes in all, so
/// the two forms are told apart by their length.
pub(crate) fn bytes_of_id<'a>(bits: Option<u128>, text: impl FnOnce() -> Cow<'a, str>) -> Vec<u8> {
    match bits {
        Some(bits) => bits.to_be_bytes().to_vec(),
        None => bytes_of_text(&text()),
    }
}

fn bytes_of_text(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() + 2);
    bytes.push(b'"');
    bytes.extend_from_slice(text.as_bytes());
    if bytes.len() == 16 {
        bytes.push(0);
    }
    bytes
}

/// The bits of an id that a column holds; `Err` is its text, when the id is no bits.
pub(crate) fn id_of_bytes(bytes: &[u8]) -> Result<u128, String> {
    if let Ok(bits) = bytes.try_into() {
        return Ok(u128::from_be_bytes(bits));
    }
    let text = bytes.strip_prefix(b"\"").unwrap_or(bytes);
    let text = if bytes.len() == 17 { text.strip_suffix(&[0]).unwrap_or(text) } else { text };
    Err(String::from_utf8_lossy(text).into_owned())
}

/// A transaction's id as the bytes of its column.
pub(crate) fn transaction_column(id: &str) -> Vec<u8> {
    bytes_of_id(bits_of_hexadecimal(id), || id.into())
}
