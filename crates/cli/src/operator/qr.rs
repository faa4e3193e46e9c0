//! A share as a QR code, for a terminal.

use conclave_client::{Error, Reason};
use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;

use crate::failure::Failure;

/// The code in half-block characters, light modules on dark as most terminals have it.
pub(super) fn render(text: &str) -> Result<String, Failure> {
    let code = QrCode::new(text.as_bytes()).map_err(|error| {
        let reason = Reason::Other("INTERNAL".into());
        Error::new(reason, format!("no QR code can be made: {error}"), "leave out --qr")
    })?;
    Ok(code
        .render::<Dense1x2>()
        .dark_color(Dense1x2::Light)
        .light_color(Dense1x2::Dark)
        .quiet_zone(true)
        .build())
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_share_fits_into_a_code() {
        let code = super::render(&"X".repeat(200)).unwrap();
        assert!(code.lines().count() > 10);
        assert!(super::render(&"X".repeat(5000)).is_err());
    }
}
