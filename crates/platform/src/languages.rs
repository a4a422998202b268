//! The language of what a person is told: the person's own, else one that the request asks for (`Accept-Language`, RFC 9110
//! section 12.5.4), else the default.

use std::{borrow::Cow, cmp::Reverse};

use tenterhook_model::{Profile, is_language};

/// Most bytes of a header that are read.
const HEADER_BYTES_MAX: usize = 1_000;
/// Most languages of a header.
const LANGUAGES_MAX: usize = 20;
/// The language of a person of whom none is known.
pub const LANGUAGE_DEFAULT: &str = "en";

/// Names of languages such as `de-AT`, as an `Accept-Language` header has them. They are read when somebody asks for them, which few
/// requests do.
///
/// ```
/// use tenterhook_platform::Languages;
/// let languages = Languages::of_header("fr;q=0.8, de-AT, *;q=0.1");
/// assert_eq!(languages.iter().collect::<Vec<_>>(), ["de-AT", "fr"]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Languages(String);

impl Languages {
    /// The languages of an `Accept-Language` header. Those with the weight zero, `*`, and what is no name of a language are left out;
    /// of those with the same weight the first one counts more. Only the whole elements in the first 1,000 bytes, and 20 languages, are read.
    pub fn of_header(header: &str) -> Self {
        Self::of_lines([header])
    }

    /// The same of a header that has several lines, which are one list (RFC 9110 section 5.3).
    pub fn of_lines<'a>(lines: impl IntoIterator<Item = &'a str>) -> Self {
        let mut text = String::new();
        for line in lines {
            if !text.is_empty() {
                text.push(',');
            }
            let room = HEADER_BYTES_MAX.saturating_sub(text.len());
            if line.len() > room {
                let read = line.get(..line.floor_char_boundary(room)).unwrap_or_default();
                // What is left of the element after the last comma would be another language, or have another weight.
                text.push_str(read.rsplit_once(',').map_or("", |(whole, _)| whole));
                break;
            }
            text.push_str(line);
        }
        Self(text)
    }

    /// Each language, the one that is preferred most first.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let mut languages: Vec<_> = self.0.split(',').filter_map(weighted).take(LANGUAGES_MAX).collect();
        languages.sort_by_key(|(weight, _)| Reverse(*weight));
        languages.into_iter().map(|(_, name)| name)
    }
}

/// The language of what a person is told in this request: the first of `preferredLanguage` of the profile for which there is a text
/// (`has_text`), else its first one, else `locale` of the profile, else the same of the request's languages, else [`LANGUAGE_DEFAULT`].
///
/// ```
/// use tenterhook_model::Profile;
/// use tenterhook_platform::{Languages, language_for};
/// let (ada, request) = (Profile::new("ada", "ada@example.com", "Ada", "Okoye"), Languages::of_header("ja, de"));
/// assert_eq!(language_for(&ada, &request, |language| language == "de"), "de");
/// assert_eq!(language_for(&ada.with("locale", "pt_BR"), &request, |language| language == "de"), "pt_BR");
/// ```
pub fn language_for<'a>(profile: &'a Profile, request: &'a Languages, has_text: impl Fn(&str) -> bool) -> Cow<'a, str> {
    // Its form is that of the header (RFC 7643 section 4.1.1); some write the locale of their system.
    let preferred = profile.preferred_language().map(|text| Languages::of_header(&text.replace('_', "-")));
    if let Some(language) = preferred.as_ref().and_then(|preferred| first_told(preferred, &has_text)) {
        return language.to_owned().into();
    }
    let language = profile.locale().or_else(|| first_told(request, &has_text));
    language.unwrap_or(LANGUAGE_DEFAULT).into()
}

/// The first language with a text, else the first one.
fn first_told(languages: &Languages, has_text: impl Fn(&str) -> bool) -> Option<&str> {
    languages.iter().find(|language| has_text(language)).or_else(|| languages.iter().next())
}

/// Weight in thousandths and name of an element of the header.
fn weighted(element: &str) -> Option<(u16, &str)> {
    let mut parts = element.split(';').map(str::trim);
    let name = parts.next().filter(|name| is_name(name))?;
    let weight = match parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q="))) {
        None => 1_000,
        Some(text) => thousandths(text)?,
    };
    (weight > 0).then_some((weight, name))
}

fn is_name(text: &str) -> bool {
    is_language(text) && !text.contains('_')
}

/// A weight of RFC 9110 section 12.4.2: zero to one with three decimals at most.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let is_weight =
        matches!(whole, "0" | "1") && decimals.len() <= 3 && decimals.bytes().all(|byte| byte.is_ascii_digit());
    let all = is_weight.then(|| format!("{whole}{decimals:0<3}"))?;
    all.parse().ok().filter(|weight| *weight <= 1_000)
}

#[cfg(test)]
mod tests {
    use proptest::{prop_assert, proptest};

    use super::*;

    #[test]
    fn a_header_is_read_by_its_weights() {
        for (header, expected) in [
            ("de", &["de"][..]),
            ("da, en-gb;q=0.8, en;q=0.7", &["da", "en-gb", "en"]),
            ("en;q=0.7, da, fr;q=0.70, en-GB ; q=0.8", &["da", "en-GB", "en", "fr"]),
            ("de;q=0, *;q=0.5, fr;q=0.001", &["fr"]),
            ("de;q=1.1, fr;q=2, it;q=x, es;q=, pt;q=0.1234", &[]),
            ("", &[]),
            ("d, -de, de-, de--AT, d€, ${code}", &[]),
            ("zh-Hant-TW;Q=1.000", &["zh-Hant-TW"]),
        ] {
            assert_eq!(Languages::of_header(header).iter().collect::<Vec<_>>(), expected, "{header}");
        }
        let many = "de,".repeat(100_000);
        assert_eq!(Languages::of_header(&many).iter().count(), LANGUAGES_MAX);
        let lines = Languages::of_lines(["fr;q=0.5", "", "de, it;q=0.1"]);
        assert_eq!(lines.iter().collect::<Vec<_>>(), ["de", "fr", "it"], "lines are one list");
    }

    #[test]
    fn an_element_that_is_not_read_whole_is_left_out() {
        let weightless = format!("{}de-AT;q=0.01", " ".repeat(HEADER_BYTES_MAX - "de-AT".len()));
        assert_eq!(Languages::of_header(&weightless).iter().count(), 0, "it has the weight one when it is cut");
        for name in ["zh-Hant-TW", "ä-zh-Hant-TW"] {
            for rest in 0..20 {
                let long = format!("fr,{}{name},de", " ".repeat(HEADER_BYTES_MAX - "fr,".len() - rest));
                let read = Languages::of_lines(["it;q=0.1", &long]);
                assert!(read.iter().all(|language| ["it", "fr", name].contains(&language)), "{read:?}");
                assert_eq!(read.iter().next(), Some("fr"), "{read:?}");
            }
        }
    }

    #[test]
    fn a_person_has_the_own_language_else_one_of_the_request_with_a_text() {
        let ada = || Profile::new("ada", "ada@example.com", "Ada", "Okoye");
        let has_text = |language: &str| ["de", "en"].contains(&language);
        for (profile, header, expected) in [
            (ada().with("preferredLanguage", "fr-CA, it;q=0.5").with("locale", "pt_BR"), "de", "fr-CA"),
            (ada().with("preferredLanguage", "ja, de;q=0.9").with("locale", "pt_BR"), "en", "de"),
            (ada().with("preferredLanguage", "it_CH").with("locale", "pt_BR"), "de", "it-CH"),
            (ada().with("preferredLanguage", "whatever I speak").with("locale", "pt_BR"), "de", "pt_BR"),
            (ada(), "ja, de;q=0.9, en;q=0.8", "de"),
            (ada(), "ja, ko", "ja"),
            (ada(), "", "en"),
        ] {
            assert_eq!(language_for(&profile, &Languages::of_header(header), has_text), expected, "{header}");
        }
    }

    proptest! {
        #[test]
        fn any_header_is_read(header in ".{0,80}|[a-zA-Z0-9;=,.*q -]{0,80}") {
            for language in Languages::of_header(&header).iter() {
                prop_assert!(is_name(language), "{}", language);
            }
        }
    }
}
