//! The brand of hosted pages: a name, a colour, a radius, a logo. Every colour that follows from the brand's is computed here, so
//! that no brand makes a page unreadable.
//!
//! The server's configuration holds the brand of the default org. Another org is shown with its own name and nothing of the default
//! org's.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use axum::{
    http::{HeaderName, HeaderValue, header},
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use tenterhook_model::Org;

use super::{
    colour::Colour,
    pages::{ASSET_CACHE, STYLESHEET},
};
use crate::error::ApiError;

/// The name of the default org until somebody gives it one: it tells nobody anything.
const NAMELESS: &str = "Default";
/// Characters of a brand's name.
const NAME_CHARACTERS_MAX: usize = 60;
/// Pixels of the radius.
const RADIUS_PX_MAX: u8 = 32;
/// Bytes of a logo.
const LOGO_BYTES_MAX: usize = 256 * 1_024;
/// How far into a file the element of an SVG may begin.
const SVG_HEAD_BYTES: usize = 4 * 1_024;

/// Colour of the card in the light scheme: `--surface` of the stylesheet.
const SURFACE: Colour = Colour::of_rgb([0xff; 3]);
/// And in the dark one.
const SURFACE_DARK: Colour = Colour::of_rgb([0x18, 0x1c, 0x22]);
/// Contrast of text (WCAG 2.2, 1.4.3).
const TEXT_CONTRAST: f64 = 4.5;
/// Contrast of links and focus rings in the dark scheme, where a colour that is just readable looks switched off.
const ACCENT_CONTRAST_DARK: f64 = 6.0;
/// Contrast of the edges of what is used (WCAG 2.2, 1.4.11).
const EDGE_CONTRAST: f64 = 3.0;
/// How much the button changes under the pointer.
const HOVER_PERCENT: u16 = 14;

/// What a company's pages look like.
#[derive(Clone, Debug)]
pub struct Brand {
    /// Its name; without it, the org's.
    pub name: Option<BrandName>,
    /// The colour of buttons; links and focus rings are derived from it.
    pub color: Colour,
    /// The radius of corners.
    pub radius: Radius,
    /// The logo, which is shown in place of the name.
    pub logo: Option<Logo>,
}

impl Default for Brand {
    fn default() -> Self {
        Self { name: None, color: Colour::of_rgb([0x1b, 0x4d, 0xd1]), radius: Radius(8), logo: None }
    }
}

/// The name of a brand: 1 to 60 characters on one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrandName(String);

/// Pixels, 0 to 32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Radius(u8);

/// A logo, and the one for the dark scheme, if that is another.
#[derive(Clone, Debug)]
pub struct Logo {
    /// On a light background.
    pub light: Image,
    /// On a dark background.
    pub dark: Option<Image>,
}

/// An image that a browser can show.
#[derive(Clone)]
pub struct Image {
    content_type: &'static str,
    bytes: Bytes,
}

/// Why something of a brand is not usable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BrandError {
    /// The name.
    #[error("write 1 to {NAME_CHARACTERS_MAX} characters on one line")]
    Name,
    /// The radius.
    #[error("must be at most {RADIUS_PX_MAX}")]
    Radius,
    /// The size of an image.
    #[error("the file is larger than {LOGO_BYTES_MAX} bytes")]
    ImageTooLarge,
    /// The format of an image.
    #[error("the file is no PNG, JPEG, WebP or SVG")]
    ImageFormat,
}

impl BrandName {
    /// The name in this text.
    ///
    /// # Errors
    /// When it is empty, too long or has control characters.
    pub fn new(text: &str) -> Result<Self, BrandError> {
        let text = text.trim();
        let is_name =
            !text.is_empty() && !text.contains(char::is_control) && text.chars().count() <= NAME_CHARACTERS_MAX;
        if is_name { Ok(Self(text.to_owned())) } else { Err(BrandError::Name) }
    }
}

impl Radius {
    /// A radius of so many pixels.
    ///
    /// # Errors
    /// When it is larger than 32.
    pub fn of_px(px: u32) -> Result<Self, BrandError> {
        let px = u8::try_from(px).map_err(|_| BrandError::Radius)?;
        if px <= RADIUS_PX_MAX { Ok(Self(px)) } else { Err(BrandError::Radius) }
    }
}

impl Image {
    /// Most bytes of an image, for a reader that stops in time.
    pub const BYTES_MAX: usize = LOGO_BYTES_MAX;

    /// The image in a file of one of the formats PNG, JPEG, WebP and SVG, told by its content.
    ///
    /// # Errors
    /// When it is too large or of no such format.
    pub fn new(bytes: Vec<u8>) -> Result<Self, BrandError> {
        if bytes.len() > LOGO_BYTES_MAX {
            return Err(BrandError::ImageTooLarge);
        }
        let content_type = match bytes.as_slice() {
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => "image/png",
            [0xff, 0xd8, 0xff, ..] => "image/jpeg",
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => "image/webp",
            bytes if is_svg(bytes) => "image/svg+xml",
            _ => return Err(BrandError::ImageFormat),
        };
        Ok(Self { content_type, bytes: bytes.into() })
    }

    /// The image as an answer. An SVG that is opened by itself is a document: the policy lets it run no script and load nothing.
    fn answer(&self) -> Response {
        let policy = HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; sandbox");
        let of_type: [(HeaderName, HeaderValue); 3] = [
            (header::CONTENT_TYPE, HeaderValue::from_static(self.content_type)),
            (header::CACHE_CONTROL, HeaderValue::from_static(ASSET_CACHE)),
            (header::CONTENT_SECURITY_POLICY, policy),
        ];
        (of_type, self.bytes.clone()).into_response()
    }
}

impl std::fmt::Debug for Image {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (content_type, bytes) = (self.content_type, self.bytes.len());
        formatter.debug_struct("Image").field("content_type", &content_type).field("bytes", &bytes).finish()
    }
}

/// Whether a file is text that begins as XML does and has the element `svg` near its beginning.
fn is_svg(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let place = text.find("<svg");
    text.starts_with('<') && place.is_some_and(|place| place < SVG_HEAD_BYTES)
}

/// The brands of this server, with everything that their pages need computed.
#[derive(Debug)]
pub(crate) struct Brands {
    of_default_org: Prepared,
    of_others: Prepared,
}

/// A brand with its stylesheet.
#[derive(Debug)]
pub(crate) struct Prepared {
    brand: Brand,
    stylesheet: String,
    /// Part of the addresses of stylesheets and logos, so that browsers load them again when they change.
    pub(super) version: String,
}

impl Brands {
    pub(crate) fn new(of_default_org: Brand) -> Self {
        Self { of_default_org: Prepared::new(of_default_org), of_others: Prepared::new(Brand::default()) }
    }

    /// The brand of an org.
    pub(super) fn of(&self, org: &Org) -> &Prepared {
        if org.is_default() { &self.of_default_org } else { &self.of_others }
    }
}

impl Prepared {
    fn new(brand: Brand) -> Self {
        let stylesheet = stylesheet(&brand);
        let mut hasher = DefaultHasher::new();
        (STYLESHEET, &stylesheet).hash(&mut hasher);
        for image in brand.logo.iter().flat_map(|logo| std::iter::once(&logo.light).chain(&logo.dark)) {
            image.bytes.hash(&mut hasher);
        }
        let version = format!("{:016x}", hasher.finish());
        Self { brand, stylesheet, version }
    }

    /// What a page of the org calls it.
    pub(super) fn name_of<'a>(&'a self, org: &'a Org) -> Option<&'a str> {
        let of_org = || Some(org.name.as_str()).filter(|name| !org.is_default() || *name != NAMELESS);
        self.brand.name.as_ref().map(|name| name.0.as_str()).or_else(of_org)
    }

    pub(super) fn has_logo(&self) -> bool {
        self.brand.logo.is_some()
    }

    pub(super) fn has_dark_logo(&self) -> bool {
        self.brand.logo.as_ref().is_some_and(|logo| logo.dark.is_some())
    }

    /// The answer with the brand's stylesheet.
    pub(super) fn stylesheet_answer(&self) -> Response {
        let headers = [(header::CONTENT_TYPE, "text/css"), (header::CACHE_CONTROL, ASSET_CACHE)];
        (headers, self.stylesheet.clone()).into_response()
    }

    /// The answer with the logo, or with the one for a dark background.
    pub(super) fn logo_answer(&self, is_dark: bool) -> Response {
        let logo = self.brand.logo.as_ref();
        let image = logo.and_then(|logo| if is_dark { logo.dark.as_ref() } else { Some(&logo.light) });
        image.map_or_else(|| ApiError::UnknownPath.into_response(), Image::answer)
    }
}

/// The custom properties of a brand.
fn stylesheet(brand: &Brand) -> String {
    let color = brand.color;
    let on_it = color.text_on_it();
    // Away from the text, so that the contrast grows.
    let hover = color.mixed(if on_it == Colour::WHITE { Colour::BLACK } else { Colour::WHITE }, HOVER_PERCENT);
    let of_scheme = |surface: Colour, ratio: f64| {
        let (edge, accent) = (color.readable_on(surface, EDGE_CONTRAST), color.readable_on(surface, ratio));
        format!("--brand-edge: {edge}; --accent: {accent};")
    };
    format!(
        ":root {{ --brand: {color}; --on-brand: {on_it}; --brand-hover: {hover}; {light} --radius: {radius}px; }}\n\
         @media (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}\n",
        light = of_scheme(SURFACE, TEXT_CONTRAST),
        dark = of_scheme(SURFACE_DARK, ACCENT_CONTRAST_DARK),
        radius = brand.radius.0,
    )
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    /// The value of a custom property where it stands the first and the last time: in the light and the dark scheme.
    fn both(text: &str, property: &str) -> [Colour; 2] {
        let values: Vec<Colour> = text
            .split(&format!("{property}: "))
            .skip(1)
            .map(|rest| rest.split(';').next().unwrap().parse().unwrap())
            .collect();
        [*values.first().unwrap(), *values.last().unwrap()]
    }

    #[test]
    fn the_surfaces_are_those_of_the_stylesheet() {
        assert_eq!(both(STYLESHEET, "--surface"), [SURFACE, SURFACE_DARK]);
    }

    #[test]
    fn every_colour_of_a_brand_gives_pages_that_can_be_read() {
        let channel = || (0..=255_u8).step_by(15);
        for [r, g, b] in channel().flat_map(|r| channel().flat_map(move |g| channel().map(move |b| [r, g, b]))) {
            let color = Colour::of_rgb([r, g, b]);
            let text = stylesheet(&Brand { color, ..Brand::default() });
            let [on_it, _] = both(&text, "--on-brand");
            let [hover, _] = both(&text, "--brand-hover");
            assert!(color.contrast(on_it) >= TEXT_CONTRAST && hover.contrast(on_it) >= TEXT_CONTRAST, "{text}");
            for (surface, place) in [(SURFACE, 0), (SURFACE_DARK, 1)] {
                let [accent, edge] = ["--accent", "--brand-edge"].map(|name| *both(&text, name).get(place).unwrap());
                assert!(accent.contrast(surface) >= TEXT_CONTRAST && edge.contrast(surface) >= EDGE_CONTRAST, "{text}");
            }
        }
    }

    #[test]
    fn the_stylesheets_own_colours_can_be_read_in_both_schemes() {
        for (text, background, ratio) in [
            ("--text", "--surface", TEXT_CONTRAST),
            ("--text", "--page", TEXT_CONTRAST),
            ("--muted", "--surface", TEXT_CONTRAST),
            ("--danger", "--surface", TEXT_CONTRAST),
            ("--text", "--danger-surface", TEXT_CONTRAST),
            ("--border", "--surface", EDGE_CONTRAST),
            ("--danger", "--danger-surface", EDGE_CONTRAST),
        ] {
            for (one, other) in both(STYLESHEET, text).iter().zip(both(STYLESHEET, background)) {
                assert!(one.contrast(other) >= ratio, "{text} on {background}: {}", one.contrast(other));
            }
        }
    }

    #[test]
    fn an_image_is_told_by_its_content_and_bounded() {
        let svg = |before: &str| format!("{before}<svg xmlns=\"http://www.w3.org/2000/svg\"/>").into_bytes();
        let largest = |bytes: usize| [b"\x89PNG\r\n\x1a\n".as_slice(), &vec![0; bytes - 8]].concat();
        for (bytes, wanted) in [
            (b"\x89PNG\r\n\x1a\nrest".to_vec(), Ok("image/png")),
            (b"\xff\xd8\xff\xe0rest".to_vec(), Ok("image/jpeg")),
            (b"RIFF\x01\x02\x03\x04WEBPVP8 ".to_vec(), Ok("image/webp")),
            (svg(""), Ok("image/svg+xml")),
            (svg("\u{feff}<?xml version=\"1.0\"?>\n<!-- made by hand -->\n"), Ok("image/svg+xml")),
            (svg("no markup "), Err(BrandError::ImageFormat)),
            (svg(&format!("<!--{}-->", "a".repeat(SVG_HEAD_BYTES))), Err(BrandError::ImageFormat)),
            (b"<!doctype html><script>1</script>".to_vec(), Err(BrandError::ImageFormat)),
            (b"GIF89a".to_vec(), Err(BrandError::ImageFormat)),
            (Vec::new(), Err(BrandError::ImageFormat)),
            (largest(LOGO_BYTES_MAX), Ok("image/png")),
            (largest(LOGO_BYTES_MAX + 1), Err(BrandError::ImageTooLarge)),
        ] {
            let begin = String::from_utf8_lossy(bytes.get(..bytes.len().min(40)).unwrap()).into_owned();
            assert_eq!(Image::new(bytes).map(|image| image.content_type), wanted, "{begin}");
        }
    }

    #[test]
    fn names_and_radii_have_bounds() {
        let longest = "\u{e9}".repeat(NAME_CHARACTERS_MAX);
        for (text, is_name) in
            [("Acme & Sons", true), (longest.as_str(), true), ("", false), ("  ", false), ("a\nb", false)]
        {
            assert_eq!(BrandName::new(text).is_ok(), is_name, "{text:?}");
        }
        assert_eq!(BrandName::new(&format!("{longest}a")), Err(BrandError::Name));
        for (px, is_radius) in [(0, true), (32, true), (33, false), (256, false)] {
            assert_eq!(Radius::of_px(px).is_ok(), is_radius, "{px}");
        }
    }
}
