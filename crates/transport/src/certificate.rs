//! Reads those members of a certificate (RFC 5280 section 4) that the verifying library does not expose.

use std::{fmt::Write as _, iter};

/// Characters of a name in a certificate that a failure shows.
const NAME_CHARACTERS_MAX: usize = 100;
/// The tags of the version and of the extensions in the `tbsCertificate`.
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
/// The identifiers of extensions: basic constraints (2.5.29.19) and extended key usage (2.5.29.37).
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 19];
const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 37];
/// The use as a server's certificate (1.3.6.1.5.5.7.3.1).
const SERVER_AUTHENTICATION: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 1];

/// Whether the certificate is an authority's: it has CA:TRUE, or it is of version 1, which has no extensions.
pub(crate) fn is_authority(der: &[u8]) -> bool {
    let Some((_, signed, _)) = element(der).and_then(|(_, certificate, _)| element(certificate)) else { return false };
    if element(signed).is_some_and(|(tag, ..)| tag != VERSION) {
        return true;
    }
    let constraints = extension(signed, BASIC_CONSTRAINTS).and_then(element);
    matches!(constraints.and_then(|(_, constraints, _)| element(constraints)), Some((1, [0xff], _)))
}

/// Whether a server may use the certificate: it has no extended key usage, or one that includes server authentication.
pub(crate) fn is_for_servers(der: &[u8]) -> bool {
    let signed = element(der).and_then(|(_, certificate, _)| element(certificate));
    let uses = signed.and_then(|(_, signed, _)| extension(signed, EXTENDED_KEY_USAGE));
    uses.is_none_or(|uses| {
        element(uses).is_some_and(|(_, uses, _)| elements(uses).any(|(_, purpose)| purpose == SERVER_AUTHENTICATION))
    })
}

/// The value of an extension in a `tbsCertificate`.
fn extension<'a>(signed: &'a [u8], id: &[u8]) -> Option<&'a [u8]> {
    let (_, extensions) = elements(signed).find(|(tag, _)| *tag == EXTENSIONS)?;
    let (_, extensions, _) = element(extensions)?;
    let (_, extension) =
        elements(extensions).find(|(_, extension)| element(extension).is_some_and(|(_, of, _)| of == id))?;
    elements(extension).last().map(|(_, value)| value)
}

/// A distinguished name for people: common name, organisation and unit, in the certificate's order. The service chose
/// the text, so characters that are not printable are left out.
pub(crate) fn name(der: &[u8]) -> String {
    let mut text = String::new();
    for (_, set) in elements(der) {
        for (_, attribute) in elements(set) {
            let Some((_, kind, value)) = element(attribute) else { continue };
            let label = match kind {
                [0x55, 4, 3] => "CN",
                [0x55, 4, 10] => "O",
                [0x55, 4, 11] => "OU",
                _ => continue,
            };
            let Some((_, value, _)) = element(value) else { continue };
            let value: String = String::from_utf8_lossy(value).chars().filter(|c| !c.is_control()).collect();
            let separator = if text.is_empty() { "" } else { ", " };
            // Writing to a `String` does not fail.
            let _ = write!(text, "{separator}{label}={value}");
        }
    }
    text.chars().take(NAME_CHARACTERS_MAX).collect()
}

/// The consecutive elements of DER: their tags and contents.
fn elements(mut der: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    iter::from_fn(move || {
        let (tag, content, rest) = element(der)?;
        der = rest;
        Some((tag, content))
    })
}

/// The first element of DER (X.690 section 8.1): its tag, its content, and the rest.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, der) = der.split_first()?;
    let (length, der) = der.split_first()?;
    let (length, der) = match length {
        0x81 => der.split_first().map(|(length, der)| (usize::from(*length), der))?,
        0x82 => der.split_first_chunk().map(|(length, der)| (usize::from(u16::from_be_bytes(*length)), der))?,
        short => (usize::from(*short), der),
    };
    let (content, rest) = der.split_at_checked(length)?;
    Some((*tag, content, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_shown_without_what_is_not_printable() {
        let attribute = |kind: u8, value: &[u8]| {
            let length = |more: usize| u8::try_from(value.len() + more).unwrap_or_default();
            [&[0x31, length(9), 0x30, length(7), 6, 3, 0x55, 4, kind, 0x0c, length(0)], value].concat()
        };
        let der = [attribute(6, b"DE"), attribute(10, b"Lab\n"), attribute(3, "Wurzel Ü".as_bytes())].concat();
        assert_eq!(name(&der), "O=Lab, CN=Wurzel Ü");
        assert_eq!(name(&attribute(3, &[b'x'; 110])).chars().count(), NAME_CHARACTERS_MAX);
        for broken in [&[][..], &[0x31], &[0x31, 0x81], &[0x31, 5, 0x30], &[0x31, 0x82, 1], &[0x31, 0xff, 1]] {
            assert_eq!(name(broken), "", "{broken:?}");
        }
    }

    #[test]
    fn an_authority_is_one_that_says_so_or_cannot_say_it() {
        let of = |tag: u8, content: &[u8]| [&[tag, u8::try_from(content.len()).unwrap_or_default()], content].concat();
        let certificate = |parts: &[Vec<u8>]| of(0x30, &of(0x30, &parts.concat()));
        let extended = |id: &[u8], critical: &[u8], value: &[u8]| {
            let extension = of(0x30, &[&of(6, id), critical, &of(4, value)].concat());
            certificate(&[of(VERSION, &[2, 1, 2]), of(2, &[1]), of(EXTENSIONS, &of(0x30, &extension))])
        };
        let critical = [1, 1, 0xff];
        for (der, authority) in [
            (certificate(&[of(2, &[1])]), true),
            (certificate(&[of(VERSION, &[2, 1, 2]), of(2, &[1])]), false),
            (extended(BASIC_CONSTRAINTS, &critical, &of(0x30, &critical)), true),
            (extended(BASIC_CONSTRAINTS, &[], &of(0x30, &[&critical[..], &[2, 1, 0]].concat())), true),
            (extended(BASIC_CONSTRAINTS, &critical, &of(0x30, &[])), false),
            (extended(BASIC_CONSTRAINTS, &critical, &of(0x30, &[1, 1, 0])), false),
            (extended(EXTENDED_KEY_USAGE, &critical, &of(0x30, &critical)), false),
            (vec![0x30, 5], false),
            (vec![], false),
        ] {
            assert_eq!(is_authority(&der), authority, "{der:02x?}");
        }
        let uses = |purposes: &[u8]| extended(EXTENDED_KEY_USAGE, &[], &of(0x30, purposes));
        let (server, client) = (of(6, SERVER_AUTHENTICATION), of(6, &[0x2b, 6, 1, 5, 5, 7, 3, 2]));
        assert!(is_for_servers(&uses(&[client.clone(), server].concat())) && !is_for_servers(&uses(&client)));
        assert!(is_for_servers(&certificate(&[of(VERSION, &[2, 1, 2])])), "none are named");
    }
}
