//! QR codes as SVG: for an `<img>`, and to put into a page as it is.

use std::fmt::Write as _;

use axum::{
    http::header,
    response::{IntoResponse as _, Response},
};
use qrcodegen::{QrCode, QrCodeEcc};
use tenterhook_contract::Secret;

/// Light modules around the code (ISO/IEC 18004 section 5.3.8).
const QUIET_MODULES: i32 = 4;
/// Width and height where nothing else says so, in CSS pixels.
const SIDE_PIXELS: i32 = 256;
/// Of an image that somebody opens as a page.
const POLICY: &str = "default-src 'none'; sandbox";

/// The text is longer than a QR code can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the text is longer than a QR code can be")]
pub(crate) struct TooLong;

/// The QR code of a text as an SVG document, which is as secret as the text. It is black on white in every colour scheme, because not every
/// camera reads the reverse.
///
/// # Errors
/// When the text has more than 2,953 bytes.
pub(crate) fn svg(text: &Secret) -> Result<Secret, TooLong> {
    // The library corrects more errors where the code stays as small.
    let code = QrCode::encode_text(text.expose(), QrCodeEcc::Low).map_err(|_| TooLong)?;
    let side = code.size() + 2 * QUIET_MODULES;
    let mut svg = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="{SIDE_PIXELS}" height="{SIDE_PIXELS}" viewBox="0 0 {side} {side}" role="img" aria-label="QR code" shape-rendering="crispEdges"><path fill="#fff" d="M0 0h{side}v{side}H0z"/><path d=""##
    );
    for y in 0..code.size() {
        let mut x = 0;
        while x < code.size() {
            let dark = (x..code.size()).take_while(|x| code.get_module(*x, y)).count();
            if dark > 0 {
                // Writing to a text does not fail.
                let _ = write!(svg, "M{} {}h{dark}v1h-{dark}z", x + QUIET_MODULES, y + QUIET_MODULES);
            }
            // The module behind them is light.
            x += i32::try_from(dark).unwrap_or(0) + 1;
        }
    }
    svg.push_str(r#""/></svg>"#);
    Ok(Secret::new(svg))
}

/// The answer with an SVG document.
pub(crate) fn answer(svg: &Secret) -> Response {
    let headers = [(header::CONTENT_TYPE, "image/svg+xml"), (header::CONTENT_SECURITY_POLICY, POLICY)];
    (headers, svg.expose().to_owned()).into_response()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

    use super::*;

    /// The text that another library reads from the drawing, whose paths are drawn here by themselves.
    fn read(svg: &str) -> String {
        const SCALE: usize = 4;
        let document = roxmltree::Document::parse(svg).unwrap();
        let paths: Vec<_> = document.descendants().filter_map(|node| node.attribute("d")).collect();
        let side: usize =
            document.root_element().attribute("viewBox").unwrap().rsplit_once(' ').unwrap().1.parse().unwrap();
        assert_eq!(paths[0], format!("M0 0h{side}v{side}H0z"), "the ground is light");
        let mut dark = vec![false; side * side];
        for run in paths[1].split_terminator('z') {
            let (place, run) = run.strip_prefix('M').unwrap().split_once('h').unwrap();
            let (x, y) = place.split_once(' ').unwrap();
            let (x, y): (usize, usize) = (x.parse().unwrap(), y.parse().unwrap());
            let width: usize = run.split_once('v').unwrap().0.parse().unwrap();
            assert_eq!(run, format!("{width}v1h-{width}"));
            dark[y * side + x..y * side + x + width].fill(true);
        }
        let is_dark = |x: usize, y: usize| dark[y / SCALE * side + x / SCALE];
        let grey = |x, y| if is_dark(x, y) { 0 } else { 255 };
        let mut image = rqrr::PreparedImage::prepare_from_greyscale(side * SCALE, side * SCALE, grey);
        let grids = image.detect_grids();
        assert_eq!(grids.len(), 1);
        grids[0].decode().unwrap().1
    }

    #[test]
    fn another_library_reads_the_text() {
        let texts = [
            "A".to_owned(),
            "otpauth://totp/Acme:ada%40example.com?secret=GEZDGNBVGY3TQOJQ".to_owned(),
            "x".repeat(1_000),
        ];
        for text in texts {
            assert_eq!(read(svg(&Secret::new(text.clone())).unwrap().expose()), text);
        }
        assert_eq!(svg(&Secret::new("x".repeat(2_953))).map(drop), Ok(()));
        assert_eq!(svg(&Secret::new("x".repeat(2_954))).map(drop), Err(TooLong));
    }
}
