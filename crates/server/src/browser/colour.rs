//! Colours of a brand, and the contrast of two (WCAG 2.2, "contrast ratio").

use std::{fmt, str::FromStr};

/// An opaque sRGB colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colour([u8; 3]);

/// A text is not a colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write a colour as `#` with six hexadecimal digits, such as `#1b4dd1`")]
pub struct ColourError;

impl Colour {
    pub(super) const WHITE: Self = Self([0xff; 3]);
    pub(super) const BLACK: Self = Self([0; 3]);

    pub(super) const fn of_rgb(rgb: [u8; 3]) -> Self {
        Self(rgb)
    }

    /// The contrast ratio of two colours, 1 to 21.
    pub(super) fn contrast(self, other: Self) -> f64 {
        let (one, other) = (self.luminance() + 0.05, other.luminance() + 0.05);
        one.max(other) / one.min(other)
    }

    /// The relative luminance, 0 to 1.
    fn luminance(self) -> f64 {
        let linear = |channel: u8| {
            let channel = f64::from(channel) / 255.0;
            if channel <= 0.04045 { channel / 12.92 } else { ((channel + 0.055) / 1.055).powf(2.4) }
        };
        let [red, green, blue] = self.0.map(linear);
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }

    /// This colour with `percent` of `other` in it.
    pub(super) fn mixed(self, other: Self, percent: u16) -> Self {
        let percent = percent.min(100);
        let mix = |one: u8, other: u8| {
            let sum = u16::from(one) * (100 - percent) + u16::from(other) * percent;
            // The mean of two bytes is a byte.
            u8::try_from(sum / 100).unwrap_or(u8::MAX)
        };
        let ([r, g, b], [other_r, other_g, other_b]) = (self.0, other.0);
        Self([mix(r, other_r), mix(g, other_g), mix(b, other_b)])
    }

    /// White or black: what can be read better on this colour. The contrast is at least 4.5 on any.
    pub(super) fn text_on_it(self) -> Self {
        if self.contrast(Self::WHITE) >= self.contrast(Self::BLACK) { Self::WHITE } else { Self::BLACK }
    }

    /// This colour, or the one nearest to it, on the way to what can be read best on `surface`, that has the contrast `ratio`
    /// with it.
    pub(super) fn readable_on(self, surface: Self, ratio: f64) -> Self {
        let end = surface.text_on_it();
        let mut candidates = (0..=100).map(|percent| self.mixed(end, percent));
        candidates.find(|candidate| candidate.contrast(surface) >= ratio).unwrap_or(end)
    }
}

impl FromStr for Colour {
    type Err = ColourError;

    /// Reads `#rrggbb`.
    ///
    /// ```
    /// use tenterhook_server::Colour;
    /// assert_eq!("#1B4dd1".parse::<Colour>().unwrap().to_string(), "#1b4dd1");
    /// assert!("red".parse::<Colour>().is_err());
    /// ```
    fn from_str(text: &str) -> Result<Self, ColourError> {
        let digits = text.strip_prefix('#').ok_or(ColourError)?;
        // `from_str_radix` takes a sign.
        if digits.len() != 6 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(ColourError);
        }
        let [_, r, g, b] = u32::from_str_radix(digits, 16).map_err(|_| ColourError)?.to_be_bytes();
        Ok(Self([r, g, b]))
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [r, g, b] = self.0;
        write!(formatter, "#{r:02x}{g:02x}{b:02x}")
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn a_colour_is_six_hexadecimal_digits_and_nothing_else() {
        for (text, shown) in [
            ("#1b4dd1", Some("#1b4dd1")),
            ("#FFB81C", Some("#ffb81c")),
            ("#000000", Some("#000000")),
            ("", None),
            ("#", None),
            ("1b4dd1", None),
            ("#fff", None),
            ("#1b4dd1ff", None),
            ("#1b4dg1", None),
            ("#+b4dd1", None),
            ("#1b4dd\u{e9}", None),
            ("rgb(0 0 0)", None),
            ("red", None),
            ("#1b4dd1;}", None),
        ] {
            assert_eq!(text.parse::<Colour>().ok().map(|colour| colour.to_string()).as_deref(), shown, "{text}");
        }
    }

    #[test]
    fn the_contrast_is_that_of_the_standard() {
        // Computed with other people's tools.
        for (one, other, wanted) in [
            ("#ffffff", "#000000", 21.0),
            ("#777777", "#ffffff", 4.48),
            ("#767676", "#ffffff", 4.54),
            ("#ff0000", "#ffffff", 4.0),
            ("#1b4dd1", "#1b4dd1", 1.0),
        ] {
            let (one, other): (Colour, Colour) = (one.parse().unwrap(), other.parse().unwrap());
            assert!((one.contrast(other) - wanted).abs() < 0.01, "{one} {other}: {}", one.contrast(other));
            assert!((one.contrast(other) - other.contrast(one)).abs() < f64::EPSILON);
        }
    }
}
