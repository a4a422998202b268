//! Finds secrets in a text, whatever their encoding, in time that grows with the text alone.
//!
//! A text is searched as it is, and after its percent-encoding (also twice), its HTML entities and its JSON escapes are
//! decoded. Each of these forms is searched for the secrets themselves, their base64 and their hexadecimal digits, and
//! for numeric secrets also with separators between the digits. A phone number is also found as people write and dial it. The
//! search ignores case. One automaton (Aho-Corasick) finds them all in one pass.

use std::{
    borrow::Cow,
    cell::Cell,
    ops::Range,
    sync::atomic::{AtomicUsize, Ordering},
};

use aho_corasick::AhoCorasick;
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use tenterhook_contract::{MASK, pointer, problem::CUT};

use crate::view::View;

/// A secret of at least this many bytes is masked everywhere. A shorter one is masked only where no letter or digit is
/// next to it, because a passcode of four digits would otherwise be found inside other numbers.
const ANYWHERE_BYTES_MIN: usize = 6;
/// The automaton searches for this many bytes of a secret; where they are found, the rest is compared. This bounds the
/// memory of the automaton of a channel with many long headers.
const PREFIX_BYTES: usize = 64;
/// A numeric secret with leading zeros is also searched without them, if at least this many digits are left.
const NUMBER_DIGITS_MIN: usize = 3;
/// A phone number has at least and at most this many digits after its `+` (E.164).
const PHONE_DIGITS: std::ops::RangeInclusive<usize> = 4..=15;
/// Digits of the longest calling code. People leave it out; which digits it has is not known here.
const CALLING_CODE_DIGITS_MAX: usize = 3;
/// Fewest digits of a phone number without its calling code that are searched for.
const NATIONAL_DIGITS_MIN: usize = 4;
/// How often JSON escapes are decoded: once for a raw answer, once for a document that the answer repeats as a string.
const UNESCAPES: usize = 2;
/// Bytes that may be compared after found prefixes, for each byte of the text. Beyond that, matches are masked without
/// a comparison.
const COMPARED_PER_BYTE: usize = 4;

/// Comparisons that may be spent on truncated secrets, in all texts of an answer together: enough for some thousand
/// truncation marks, while our own texts have a few hundred. Beyond that, texts are masked as a whole.
const CUT_COMPARISONS_MAX: usize = 1 << 20;
/// Most patterns of a finder. A channel with the most headers and parameters that are allowed has fewer.
const PATTERNS_MAX: usize = 5_120;

/// Finds a set of secrets in texts. It holds them, so it has no `Debug`.
pub(crate) struct Finder {
    /// `None` when there is nothing to find.
    automaton: Option<AhoCorasick>,
    /// There are more patterns than [`PATTERNS_MAX`]: every text is masked as a whole.
    overfull: bool,
    /// Sorted by text.
    patterns: Vec<Pattern>,
    /// Bytes of the shortest text in which a pattern can occur.
    shortest: usize,
    /// One of the secrets consists of digits, which people write in groups.
    has_digits: bool,
    /// One of the secrets is a phone number.
    has_phone: bool,
}

/// The comparisons that are left for truncated secrets, in all texts of an answer.
pub(crate) struct Budget(AtomicUsize);

impl Budget {
    pub(crate) fn new() -> Self {
        Self(AtomicUsize::new(CUT_COMPARISONS_MAX))
    }

    fn left(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    fn spend(&self, comparisons: usize) {
        self.0.store(self.left().saturating_sub(comparisons), Ordering::Relaxed);
    }
}

/// A secret in one of its forms, folded.
struct Pattern {
    text: Vec<u8>,
    form: Form,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Anywhere,
    Alone,
    /// Digits of a phone number: anywhere, and in groups with any punctuation between them.
    Phone,
    /// Base64, without the characters at both ends that depend on the neighbouring bytes.
    Base64,
}

impl Finder {
    /// A finder of `secrets`; blank ones are ignored.
    pub(crate) fn new<'s>(secrets: impl Iterator<Item = &'s str>) -> Self {
        let mut patterns = Vec::new();
        let secrets = secrets.map(str::trim).filter(|secret| !secret.is_empty());
        // A service may repeat a parameter of a URI decoded.
        let secrets = secrets.flat_map(|secret| {
            let forms = [Some(secret.to_owned()), percent_decoded(secret)].into_iter().flatten();
            let dialled = phone_forms(secret).map(|digits| (digits.to_owned(), true));
            forms.map(|form| (form, false)).chain(dialled).collect::<Vec<_>>()
        });
        for (secret, is_phone) in secrets {
            let secret = secret.as_str();
            let form = if secret.len() < ANYWHERE_BYTES_MIN {
                Form::Alone
            } else if is_phone {
                Form::Phone
            } else {
                Form::Anywhere
            };
            let mut add = |text: &[u8], form| patterns.push(Pattern { text: View::of(text).folded().bytes, form });
            add(secret.as_bytes(), form);
            add(&hexadecimal(secret), form);
            match form {
                Form::Alone => add(STANDARD_NO_PAD.encode(secret).as_bytes(), Form::Alone),
                _ => (0..3).for_each(|offset| add(&base64_at(secret, offset), Form::Base64)),
            }
            let number = secret.trim_start_matches('0');
            if is_digits(secret.as_bytes()) && number.len() < secret.len() && number.len() >= NUMBER_DIGITS_MIN {
                add(number.as_bytes(), Form::Alone);
            }
            // The secret as one name of a JSON Pointer.
            if let Cow::Owned(name) = pointer::escape(secret) {
                add(name.as_bytes(), form);
            }
            // The secret as it stands in a JSON document that was then encoded as a whole.
            let escaped = serde_json::to_string(secret).unwrap_or_default();
            let escaped = escaped.trim_matches('"');
            if escaped.len() > secret.len() {
                add(&hexadecimal(escaped), form);
                (0..3).for_each(|offset| add(&base64_at(escaped, offset), Form::Base64));
            }
        }
        patterns.sort_unstable_by(|one, other| one.text.cmp(&other.text));
        patterns.dedup_by(|one, other| one.text == other.text && one.form == other.form);
        let shortest = patterns.iter().map(|Pattern { text, .. }| bytes_min(text)).min().unwrap_or_default();
        let prefixes = patterns.iter().map(|Pattern { text, .. }| text.get(..PREFIX_BYTES).unwrap_or(text));
        let too_many = patterns.len() > PATTERNS_MAX;
        let automaton = if patterns.is_empty() || too_many { None } else { AhoCorasick::new(prefixes).ok() };
        let has_digits = patterns.iter().any(|Pattern { text, .. }| is_digits(text));
        let has_phone = patterns.iter().any(|Pattern { form, .. }| *form == Form::Phone);
        let overfull = automaton.is_none() && !patterns.is_empty();
        Self { automaton, overfull, patterns, shortest, has_digits, has_phone }
    }

    /// `text` with every match of `finders` masked; `None` when there is no match. With `cuts`, truncated secrets at a
    /// truncation mark are found too, until that budget is spent.
    pub(crate) fn mask(finders: &[&Self], text: &[u8], cuts: Option<&Budget>) -> Option<Vec<u8>> {
        if !text.is_empty() && finders.iter().any(|finder| finder.overfull) {
            return Some(MASK.as_bytes().to_vec());
        }
        let finders = finders.iter().filter(|finder| finder.automaton.is_some() && may_hold(text, finder.shortest));
        let finders = finders.collect::<Vec<_>>();
        if finders.is_empty() {
            return None;
        }
        let mut found = Vec::new();
        let mut view = View::of(text);
        for unescapes in 0..=UNESCAPES {
            let once = view.without_percents();
            let twice = once.as_ref().and_then(View::without_percents);
            let entities = view.without_entities();
            for view in [Some(&view), once.as_ref(), twice.as_ref(), entities.as_ref()].into_iter().flatten() {
                let folded = view.folded();
                for finder in &finders {
                    found.extend(finder.find(&folded.bytes, cuts).into_iter().map(|range| folded.origin(range)));
                    found.extend(finder.find_in_groups(&view.bytes).into_iter().map(|range| view.origin(range)));
                    found.extend(finder.find_phones(&view.bytes).into_iter().map(|range| view.origin(range)));
                }
            }
            match view.without_escapes() {
                Some(next) if unescapes < UNESCAPES => view = next,
                _ => break,
            }
        }
        masked(text, found)
    }

    fn find(&self, folded: &[u8], cuts: Option<&Budget>) -> Vec<Range<usize>> {
        let mut found = cuts.map(|budget| self.cut_off(folded, budget)).unwrap_or_default();
        let mut comparisons = folded.len().saturating_mul(COMPARED_PER_BYTE);
        let mut hits = 0;
        let Some(automaton) = &self.automaton else { return found };
        // Fails only for match kinds other than the default.
        let Ok(matches) = automaton.try_find_overlapping_iter(folded) else { return whole(folded) };
        for hit in matches {
            hits += 1;
            if hits > folded.len() {
                // Too many overlapping matches: such a text consists of little else than secrets.
                found.push(0..folded.len());
                return found;
            }
            let Some(Pattern { text, form }) = self.patterns.get(hit.pattern().as_usize()) else { continue };
            let (prefix, rest) = (hit.range(), text.get(PREFIX_BYTES..).unwrap_or_default());
            let following = folded.get(prefix.end..).unwrap_or_default();
            let same = if rest.len() <= comparisons {
                let same = rest.iter().zip(following).take_while(|(own, there)| own == there).count();
                comparisons -= same.min(comparisons);
                same
            } else {
                rest.len().min(following.len())
            };
            let range = prefix.start..prefix.end + same;
            match form {
                Form::Anywhere | Form::Phone => found.push(range),
                Form::Alone if stands_alone(folded, &range) => found.push(range),
                Form::Alone => {}
                Form::Base64 => found.push(with_edges(folded, range)),
            }
        }
        found
    }
}

/// Bytes of the shortest text that can hold `secret`. No encoding shortens a secret, but a change of case may if it is
/// not ASCII.
pub(crate) fn bytes_min(secret: &[u8]) -> usize {
    if secret.is_ascii() { secret.len() } else { 1 }
}

/// Bytes of the shortest text that can hold `secret` in one of its forms.
pub(crate) fn form_bytes_min(secret: &str) -> usize {
    let secret = secret.trim();
    let forms = std::iter::once(secret).chain(phone_forms(secret));
    forms.map(|form| bytes_min(form.trim_start_matches('0').as_bytes())).min().unwrap_or_default()
}

/// Whether a text is long enough to hold a secret of `secret_bytes`, or the prefix that is searched for.
pub(crate) fn may_hold(text: &[u8], secret_bytes: usize) -> bool {
    let mut mark = [0; 4];
    let mark = CUT.encode_utf8(&mut mark).as_bytes();
    secret_bytes.min(PREFIX_BYTES) <= text.len() || text.windows(mark.len()).any(|window| window == mark)
}

impl Finder {
    /// Numeric secrets in `bytes` with a separator between some digits, as people write numbers.
    fn find_in_groups(&self, bytes: &[u8]) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        let Some(automaton) = self.automaton.as_ref().filter(|_| self.has_digits) else { return found };
        let Some(joined) = View::without_separators(bytes) else { return found };
        let Ok(matches) = automaton.try_find_overlapping_iter(&joined.bytes) else { return whole(bytes) };
        for (hits, hit) in matches.enumerate() {
            if hits > bytes.len() {
                return whole(bytes);
            }
            let pattern = self.patterns.get(hit.pattern().as_usize());
            if pattern.is_some_and(|Pattern { text, .. }| is_digits(text) && text.len() == hit.len()) {
                // The range ends after the last digit: a separator that follows is not part of the secret.
                let range = joined.offset(hit.start())..joined.offset(hit.end().saturating_sub(1)) + 1;
                found.extend(Some(range).filter(|range| stands_alone(bytes, range)));
            }
        }
        found
    }

    /// Phone numbers in `bytes` as people write them, such as `(202) 555-0173`.
    fn find_phones(&self, bytes: &[u8]) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        let Some(automaton) = self.automaton.as_ref().filter(|_| self.has_phone) else { return found };
        let Some(joined) = View::without_punctuation(bytes) else { return found };
        let Ok(matches) = automaton.try_find_overlapping_iter(&joined.bytes) else { return whole(bytes) };
        for (hits, hit) in matches.enumerate() {
            if hits > bytes.len() {
                return whole(bytes);
            }
            let pattern = self.patterns.get(hit.pattern().as_usize());
            if pattern.is_some_and(|pattern| pattern.form == Form::Phone && is_digits(&pattern.text)) {
                found.push(joined.offset(hit.start())..joined.offset(hit.end().saturating_sub(1)) + 1);
            }
        }
        found
    }

    /// Truncated secrets: text before a truncation mark that is the beginning of a secret.
    fn cut_off(&self, folded: &[u8], budget: &Budget) -> Vec<Range<usize>> {
        let mut mark = [0; 4];
        let mark = CUT.encode_utf8(&mut mark).as_bytes();
        let cuts =
            folded.windows(mark.len()).enumerate().filter(|(_, window)| *window == mark).map(|(offset, _)| offset);
        let mut found = Vec::new();
        for cut in cuts {
            if budget.left() == 0 {
                // The budget is spent, so it is unknown whether the text holds a part of a secret.
                return whole(folded);
            }
            let before = folded.get(..cut).unwrap_or_default();
            let (length, comparisons) = self.begun_at_the_end_of(before);
            budget.spend(comparisons);
            found.extend(length.map(|length| cut - length..cut));
        }
        found
    }

    /// How many bytes at the end of `text` are the beginning of a pattern, and how many comparisons the search took.
    /// The patterns are sorted, so their number adds little.
    fn begun_at_the_end_of(&self, text: &[u8]) -> (Option<usize>, usize) {
        let comparisons = Cell::new(0);
        let begins_a_pattern = |ending: &[u8]| {
            let offset = self.patterns.partition_point(|pattern| {
                comparisons.set(comparisons.get() + 1);
                pattern.text.as_slice() < ending
            });
            self.patterns.get(offset).is_some_and(|pattern| pattern.text.starts_with(ending))
        };
        let lengths = (ANYWHERE_BYTES_MIN..=PREFIX_BYTES.min(text.len())).rev();
        let length = lengths.into_iter().find(|length| text.get(text.len() - length..).is_some_and(&begins_a_pattern));
        (length, comparisons.get())
    }
}

/// The range of a whole text, for one that cannot be searched to its end.
fn whole(folded: &[u8]) -> Vec<Range<usize>> {
    std::iter::once(0..folded.len()).collect()
}

/// The bytes of `secret` as hexadecimal digits.
fn hexadecimal(secret: &str) -> Vec<u8> {
    secret.bytes().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect()
}

fn is_digits(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(u8::is_ascii_digit)
}

/// The digits of a phone number in E.164 form with its `+`, and what is left of them without a calling code: all suffixes that
/// can be the national number. Nothing of any other text.
fn phone_forms(secret: &str) -> impl Iterator<Item = &str> {
    let digits = secret.strip_prefix('+').filter(|digits| PHONE_DIGITS.contains(&digits.len()));
    let digits = digits.filter(|digits| is_digits(digits.as_bytes()));
    let suffixes = (0..=CALLING_CODE_DIGITS_MAX).filter_map(move |code| digits?.get(code..));
    suffixes.filter(|digits| digits.len() >= NATIONAL_DIGITS_MIN)
}

/// A secret with its percent-encoding decoded, if it has one.
fn percent_decoded(secret: &str) -> Option<String> {
    let decoded = View::of(secret.as_bytes()).without_percents()?;
    String::from_utf8(decoded.bytes).ok().filter(|decoded| decoded != secret)
}

fn stands_alone(folded: &[u8], range: &Range<usize>) -> bool {
    let is_word = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || !byte.is_ascii());
    let before = range.start.checked_sub(1).and_then(|offset| folded.get(offset));
    !is_word(before) && !is_word(folded.get(range.end))
}

/// A base64 match and the characters next to it, which hold some bits of the secret.
fn with_edges(folded: &[u8], range: Range<usize>) -> Range<usize> {
    let is_part = |offset: usize| {
        folded.get(offset).is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b' ' | b'/' | b'='))
    };
    let start = range.start.checked_sub(1).filter(|offset| is_part(*offset)).unwrap_or(range.start);
    start..if is_part(range.end) { range.end + 1 } else { range.end }
}

/// The base64 of `secret` at an offset of `offset` bytes after a multiple of three: only the characters that no
/// neighbouring byte changes.
fn base64_at(secret: &str, offset: usize) -> Vec<u8> {
    let mut bytes = vec![0; offset];
    bytes.extend_from_slice(secret.as_bytes());
    let encoded = STANDARD_NO_PAD.encode(bytes);
    let (start, end) = ((8 * offset).div_ceil(6), 8 * (offset + secret.len()) / 6);
    encoded.as_bytes().get(start..end).unwrap_or_default().to_vec()
}

/// `text` with each of the ranges masked once.
fn masked(text: &[u8], mut ranges: Vec<Range<usize>>) -> Option<Vec<u8>> {
    if ranges.is_empty() {
        return None;
    }
    ranges.sort_unstable_by_key(|range| range.start);
    let mut masked = Vec::with_capacity(text.len());
    let mut end = None;
    for range in ranges {
        match end {
            Some(end) if range.start <= end => {}
            _ => {
                masked.extend_from_slice(text.get(end.unwrap_or(0)..range.start).unwrap_or_default());
                masked.extend_from_slice(MASK.as_bytes());
            }
        }
        end = end.max(Some(range.end));
    }
    masked.extend_from_slice(text.get(end.unwrap_or(0)..).unwrap_or_default());
    Some(masked)
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

    use super::*;

    fn mask(secrets: &[&str], text: &str) -> String {
        let finder = Finder::new(secrets.iter().copied());
        Finder::mask(&[&finder], text.as_bytes(), Some(&Budget::new()))
            .map_or_else(|| text.to_owned(), |masked| String::from_utf8_lossy(&masked).into_owned())
    }

    #[test]
    fn a_secret_is_found_in_every_encoding() {
        const SECRET: &str = r#"Pa$$ w+rd/"\é=:-_"#;
        let json = serde_json::to_string(SECRET).unwrap_or_default();
        let json_in_json = serde_json::to_string(&json).unwrap_or_default();
        let percent = SECRET.bytes().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat();
        let hex = |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
        let units = SECRET.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect::<Vec<_>>().concat();
        for encoded in [
            SECRET.to_owned(),
            SECRET.to_lowercase(),
            SECRET.to_uppercase(),
            pointer::escape(SECRET).into_owned(),
            hex(SECRET),
            hex(SECRET).to_uppercase(),
            hex(json.trim_matches('"')),
            json.clone(),
            json_in_json,
            percent.clone(),
            percent.to_lowercase(),
            "Pa%24%24+w%2Brd%2F%22%5C%C3%A9%3D%3A-_".to_owned(),
            "Pa$$%20w+rd/%22%5C%C3%A9=:-_".to_owned(),
            units.clone(),
            units.replace('\\', "\\\\"),
            percent.replace('%', "%25"),
            r"Pa$$ w+rd/&quot;\é=:-_".to_owned(),
            "&#80;a$$&#x20;w&#43;rd/&#34;&#92;&#XE9;=:-_".to_owned(),
        ] {
            let shown = mask(&[SECRET], &format!("got {encoded}, sorry"));
            assert!(shown.starts_with("got ") && shown.ends_with(", sorry"), "{encoded}: {shown}");
            assert!(shown.contains(MASK) && !shown.contains("rd") && !shown.contains("00"), "{encoded}: {shown}");
        }
        for before in ["", "a", "ab", "abc"] {
            for (body, engine) in [(SECRET, STANDARD), (&json, STANDARD), (SECRET, URL_SAFE_NO_PAD)] {
                let whole = engine.encode(format!("{before}{body}, and more"));
                let shown = mask(&[SECRET], &whole);
                assert!(shown.contains(MASK), "{before} {body}: {shown}");
                let rest = shown.split(MASK).map(str::len).sum::<usize>();
                assert!(rest <= whole.len() - SECRET.len(), "{before} {body}: {shown}");
            }
        }
    }

    #[test]
    fn hexadecimal_digits_are_found_in_those_of_a_longer_text() {
        let hex = |text: &str| text.bytes().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().concat();
        assert_eq!(mask(&["secret-value"], &hex("a secret-value!")), format!("{}••••{}", hex("a "), hex("!")));
        assert_eq!(mask(&["secret-value"], &hex("a secret-valu")), hex("a secret-valu"));
        assert_eq!(mask(&["1234"], "code 31323334, not 3132333435"), "code ••••, not 3132333435", "a short one");
        let long = (0..100).map(|number| format!("{number:03}")).collect::<Vec<_>>().concat();
        assert_eq!(mask(&[&long], &format!("<{}>", hex(&long))), "<••••>");
    }

    #[test]
    fn letters_of_another_case_are_found_whatever_they_are() {
        for secret in
            ["Grüße-aus-Łódź", "Πάσγουορντς", "пароль", "\u{390}\u{390}\u{390}", "İzmir-ıı", "\u{212a}elvin-Ω"]
        {
            let alternating = secret.chars().enumerate().flat_map(|(offset, character)| {
                let (lower, upper) = (character.to_lowercase(), character.to_uppercase());
                if offset % 2 == 0 { lower.collect::<String>() } else { upper.collect() }.chars().collect::<Vec<_>>()
            });
            for echo in [secret.to_uppercase(), secret.to_lowercase(), alternating.collect()] {
                assert_eq!(mask(&[secret], &echo), MASK, "{secret}");
                assert_eq!(mask(&[secret], &format!("x {echo} ÿ")), format!("x {MASK} ÿ"), "{secret}: {echo}");
                let json = serde_json::to_string(&format!("€ {echo}")).unwrap_or_default();
                assert_eq!(mask(&[secret], &json), format!("\"€ {MASK}\""), "{secret}: {echo}");
                let percent = echo.bytes().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat();
                assert_eq!(mask(&[secret], &percent), MASK, "{secret}: {echo}");
            }
        }
        assert_eq!(mask(&["secret-pas"], "€ secret-paß, secret-p€"), "€ ••••, secret-p€", "all of a letter");
        let invalid = [b"\xff GR\xc3\x9c".as_slice(), b"SSE-x \xc3"].concat();
        let finder = Finder::new(std::iter::once("grüße-x"));
        let masked = Finder::mask(&[&finder], &invalid, None);
        assert_eq!(masked, Some([b"\xff ".as_slice(), MASK.as_bytes(), b" \xc3"].concat()));
    }

    #[test]
    fn a_short_secret_is_masked_where_it_stands_alone() {
        assert_eq!(mask(&["1234"], "code 1234, not 51234 or 12345"), "code ••••, not 51234 or 12345");
        assert_eq!(mask(&["1234"], r#"{"otp":"1234"}"#), r#"{"otp":"••••"}"#);
        assert_eq!(mask(&["1234"], "b64 MTIzNA== it"), "b64 ••••== it");
        assert_eq!(mask(&["é"], "é, née"), "••••, née");
        assert_eq!(mask(&["", "  "], "nothing to mask"), "nothing to mask");
    }

    #[test]
    fn markup_is_taken_for_what_it_stands_for() {
        assert_eq!(mask(&["a&b<c>d'e"], "got a&amp;b&lt;c&gt;d&apos;e."), "got ••••.");
        assert_eq!(mask(&["a&b<c>d'e"], "got a&#0038;b&lt;c&gt;d&#x27;e."), "got ••••.");
        for text in ["&", "&#", "&#x;", "&#;", "&#99999999999;", "&#xd800;", "&amp", "a&b<c&gt;d&x;"] {
            assert_eq!(mask(&["a&b<c>d'e"], text), text);
        }
    }

    #[test]
    fn a_passcode_is_found_in_groups_and_as_a_number() {
        assert_eq!(mask(&["123456"], "code 1 2 3 4 5 6 7"), "code •••• 7");
        assert_eq!(mask(&["123456"], "123-456, 123.456 and [1,2,3,4,5,6]"), "••••, •••• and [••••]");
        assert_eq!(mask(&["1234"], "12-34 or 012-34"), "•••• or 012-34", "a short one must stand alone");
        assert_eq!(mask(&["123456"], "12  34 56, 12-34-5"), "12  34 56, 12-34-5", "one separator, and all its digits");
        assert_eq!(mask(&["012345"], r#"{"otp":12345} 112345"#), r#"{"otp":••••} 112345"#);
        assert_eq!(mask(&["000001", "s3cret-value"], "1 of 1"), "1 of 1", "too little to be known");
        assert_eq!(mask(&["0123456789"], &"0123456789 ".repeat(3)), "•••• •••• •••• ");
    }

    #[test]
    fn a_phone_number_is_found_as_people_write_it() {
        for (number, text, expected) in [
            // `+` is a space in a form, so it is found with the space before it.
            ("+12025550173", "to 12025550173.", "to••••."),
            ("+12025550173", "(12025550173)", "(••••)"),
            ("+12025550173", "to 2025550173", "to ••••"),
            ("+12025550173", "to +1 202-555-0173", "to +••••"),
            ("+12025550173", "to +1 (202) 555-0173", "to +••••"),
            ("+12025550173", "to (202) 555-0173", "to (••••"),
            ("+12025550173", "00 1 202.555.0173", "00 ••••"),
            ("+12025550173", "tel:%2B1%20202%20555%200173", "tel:%2B••••"),
            ("+12025550173", r#"{"to":2025550173}"#, r#"{"to":••••}"#),
            ("+12025550173", "to+12025550173x", "to••••x"),
            ("+2348012345678", "0801 234 5678 or 08012345678", "0•••• or 0••••"),
            ("+4930901820", "030/90 18 20", "0••••"),
            ("+29022158", "22158, 122158", "••••, 122158"),
            ("+12025550173", "2025550174 and 555-0173", "2025550174 and 555-0173"),
            ("+12025550173", "MTIwMjU1NTAxNzM=", "••••="),
        ] {
            assert_eq!(mask(&[number], text), expected, "{number} in {text}");
        }
        assert_eq!(mask(&["12025550173"], "2025550173"), "2025550173", "without `+` it is no phone number");
    }

    #[test]
    fn an_encoded_secret_is_found_decoded() {
        assert_eq!(mask(&["k3y%2Fw%C3%A9"], "k3y/wé, k3y%2fw%c3%a9, (azN5L3fDqQ==)"), "••••, ••••, (••••==)");
    }

    #[test]
    fn secrets_beside_and_inside_each_other_leave_nothing_of_themselves() {
        assert_eq!(mask(&["abcdefgh", "efghijkl"], "x abcdefghijkl y"), "x •••• y");
        assert_eq!(mask(&["abcdef", "abcdefghij"], "abcdefghij"), MASK);
        assert_eq!(mask(&["abcdef"], "abcdefabcdef-abcdef"), "••••-••••");
    }

    #[test]
    fn a_long_secret_is_masked_to_its_end() {
        let long = (0..400).map(|number| format!("{number:03}")).collect::<Vec<_>>().concat();
        assert_eq!(mask(&[&long], &format!("a{long}b")), "a••••b");
        assert_eq!(mask(&[&long], &format!("{} tail", long.split_at(900).0)), "•••• tail", "one that was cut off");
        assert_eq!(mask(&[&long], long.split_at(PREFIX_BYTES - 1).0), long.split_at(PREFIX_BYTES - 1).0);
    }

    #[test]
    fn a_secret_that_was_cut_off_is_masked_as_far_as_it_goes() {
        assert_eq!(mask(&["secret-value"], "path=/claims/secret-va…)"), "path=/claims/••••…)");
        assert_eq!(mask(&["secret-value"], "path=/claims/secre…)"), "path=/claims/secre…)", "too little to be known");
        assert_eq!(mask(&["secret-value"], "secret-va"), "secret-va", "it was not cut");
    }

    /// The comparisons of all texts of an answer together are bounded, and texts beyond the bound are masked.
    #[test]
    fn the_search_for_what_was_cut_off_costs_no_more_than_its_budget() {
        let secrets = (0..400).map(|number| format!("{number:03}-secret-{}", "x".repeat(80))).collect::<Vec<_>>();
        let finder = Finder::new(secrets.iter().map(String::as_str));
        let (patterns, lengths) = (finder.patterns.len(), PREFIX_BYTES - ANYWHERE_BYTES_MIN + 1);
        assert!(patterns >= 400);
        let (_, comparisons) = finder.begun_at_the_end_of("y".repeat(256_000).as_bytes());
        let for_each_length = usize::try_from(patterns.ilog2()).unwrap_or(usize::MAX) + 2;
        assert!((1..=lengths * for_each_length).contains(&comparisons), "{comparisons} of {patterns} patterns");

        // As many strings as fit into an answer, each of them the longest compared text followed by marks only.
        let (budget, mut spent) = (Budget::new(), 0);
        let text = format!("{}{}", "y".repeat(64), "…".repeat(16));
        let shown = (0..2_280).map(|_| {
            let before = budget.left();
            let shown = Finder::mask(&[&finder], text.as_bytes(), Some(&budget));
            spent += before - budget.left();
            shown.map(|shown| String::from_utf8_lossy(&shown).into_owned())
        });
        let shown = shown.collect::<Vec<_>>();
        assert_eq!(spent, CUT_COMPARISONS_MAX);
        assert_eq!(shown.first(), Some(&None), "as many as our own texts have are searched");
        assert_eq!(shown.last(), Some(&Some(MASK.to_owned())), "what is not searched is masked");
        let uncut = Finder::mask(&[&finder], "as short as it came".as_bytes(), Some(&budget));
        assert_eq!(uncut, None, "a text without a mark needs nothing of it");
        assert_eq!(Finder::mask(&[&finder], text.as_bytes(), None), None, "nor does one that nobody cut");
    }

    #[test]
    fn more_secrets_than_can_be_looked_for_mask_every_text() {
        let masked = |secrets: usize| {
            // Each secret is a pattern of its own and in three forms of base64.
            let secrets = (0..secrets).map(|number| format!("secret-{number:05}")).collect::<Vec<_>>();
            let finder = Finder::new(secrets.iter().map(String::as_str));
            (finder.patterns.len() > PATTERNS_MAX, Finder::mask(&[&finder], b"nothing", None))
        };
        assert_eq!(masked(1_000), (false, None));
        assert_eq!(masked(PATTERNS_MAX), (true, Some(MASK.as_bytes().to_vec())));
    }

    /// For every text, time and memory are proportional to its length, and the result holds no secret.
    #[test]
    fn a_text_that_is_nothing_but_parts_of_secrets_is_masked_in_bounded_time() {
        const BYTES: usize = 262_143;
        let secrets = (6..60).map(|length| "a".repeat(length)).chain(["a".repeat(8_192)]).collect::<Vec<_>>();
        let secrets = secrets.iter().map(String::as_str).collect::<Vec<_>>();
        assert_eq!(mask(&secrets, &"a".repeat(BYTES)), MASK);
        let shown = mask(&["secret-value"], &r"\u0073ecret-value %73".repeat(BYTES / 21));
        assert!(!shown.contains("ecret") && shown.contains(" %73"));
    }

    #[test]
    fn a_text_of_no_encoding_is_left_as_it_is() {
        let finder = Finder::new(["s3cret-value"].into_iter());
        for text in [&b"\xff\xfe s3cret-valu"[..], b"% %4 %zz \\ \\u12 \\ud800 \\q", b""] {
            assert_eq!(Finder::mask(&[&finder], text, None), None);
        }
        assert_eq!(
            Finder::mask(&[&finder], b"\xff s3cret-value \xff", None).unwrap_or_default(),
            b"\xff \xe2\x80\xa2\xe2\x80\xa2\xe2\x80\xa2\xe2\x80\xa2 \xff"
        );
    }
}
