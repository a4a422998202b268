//! The brand of hosted pages, of settings and files.

use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use tenterhook_server::{Brand, BrandName, Image, Logo, Radius};

use super::{Config, setting};
use crate::Error;

/// The look of the default org's hosted pages.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Branding {
    /// The company's name; the org's when absent.
    pub(crate) name: Option<String>,
    /// The colour of buttons, as `#rrggbb`.
    pub(crate) color: Option<String>,
    /// The radius of corners in pixels.
    pub(crate) radius_px: Option<u32>,
    /// The logo, which is read at start-up.
    pub(crate) logo_file: Option<PathBuf>,
    /// The logo for dark backgrounds.
    pub(crate) logo_dark_file: Option<PathBuf>,
}

impl Config {
    /// The brand of the default org.
    ///
    /// # Errors
    /// When a setting is not usable; the text has its name.
    pub(crate) fn brand(&self) -> Result<Brand, Error> {
        let Branding { name, color, radius_px, logo_file, logo_dark_file } = &self.branding;
        let standard = Brand::default();
        let name = name.as_deref().map(BrandName::new).transpose().map_err(|error| setting("branding.name", &error))?;
        let color = color.as_deref().map(str::parse).transpose().map_err(|error| setting("branding.color", &error))?;
        let radius = radius_px.map(Radius::of_px).transpose().map_err(|error| setting("branding.radius_px", &error))?;
        let logo = match (logo_file, logo_dark_file) {
            (Some(light), dark) => Some(Logo {
                light: image("branding.logo_file", light)?,
                dark: dark.as_deref().map(|path| image("branding.logo_dark_file", path)).transpose()?,
            }),
            (None, Some(_)) => {
                let why = "name the logo for light backgrounds too, with `branding.logo_file`";
                return Err(setting("branding.logo_dark_file", &why).into());
            }
            (None, None) => None,
        };
        if logo.is_some() && name.is_none() {
            let why = "write the name too, with `branding.name`: people who cannot see the logo get it instead";
            return Err(setting("branding.logo_file", &why).into());
        }
        Ok(Brand { name, color: color.unwrap_or(standard.color), radius: radius.unwrap_or(standard.radius), logo })
    }
}

fn image(key: &str, path: &Path) -> Result<Image, Error> {
    let mut bytes = Vec::new();
    // One byte more than an image may have shows that the file has more.
    let bytes_max = u64::try_from(Image::BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
    let read = File::open(path).and_then(|file| file.take(bytes_max).read_to_end(&mut bytes));
    read.map_err(|error| setting(key, &format!("cannot read `{}`: {error}", path.display())))?;
    Image::new(bytes).map_err(|error| setting(key, &format!("`{}`: {error}", path.display())).into())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use std::fs;

    use super::*;

    #[test]
    fn a_brand_is_made_of_its_settings_or_refused_by_the_name_of_one() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            fs::write(&path, bytes).unwrap();
            Some(path)
        };
        let png = file("logo.png", b"\x89PNG\r\n\x1a\n");
        let page = file("page.html", b"<!doctype html>");
        let large = file("large.png", &[b"\x89PNG\r\n\x1a\n".as_slice(), &vec![0; Image::BYTES_MAX]].concat());
        let missing = Some(folder.path().join("missing.png"));
        let named = || Branding { name: Some("Acme".to_owned()), ..Branding::default() };
        for (branding, wanted) in [
            (Branding::default(), ""),
            (Branding { color: Some("#ffb81c".to_owned()), radius_px: Some(0), logo_file: png.clone(), ..named() }, ""),
            (Branding { logo_file: png.clone(), logo_dark_file: png.clone(), ..named() }, ""),
            (Branding { name: Some(" ".to_owned()), ..named() }, "`branding.name` is not usable: write 1 to 60"),
            (Branding { color: Some("blue".to_owned()), ..named() }, "`branding.color` is not usable: write a colour"),
            (Branding { radius_px: Some(33), ..named() }, "`branding.radius_px` is not usable: must be at most 32"),
            (Branding { logo_file: page, ..named() }, "page.html`: the file is no PNG"),
            (Branding { logo_file: large, ..named() }, "large.png`: the file is larger than 262144 bytes"),
            (Branding { logo_file: missing, ..named() }, "`branding.logo_file` is not usable: cannot read"),
            (Branding { logo_dark_file: png.clone(), ..named() }, "light backgrounds too, with `branding.logo_file`"),
            (Branding { logo_file: png, ..Branding::default() }, "write the name too, with `branding.name`"),
        ] {
            let shown = format!("{branding:?}");
            let said = Config { branding, ..Config::default() }.brand().err().map(|error| error.to_string());
            let said = said.unwrap_or_default();
            assert!(if wanted.is_empty() { said.is_empty() } else { said.contains(wanted) }, "{shown}: {said}");
        }
    }
}
