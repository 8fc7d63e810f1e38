//! How wide text is, without a font: Helvetica's own metrics, which Arial, Liberation Sans and
//! Nimbus Sans share. Text is also written with its length, so that a browser with another font
//! fits it in.

/// Advance widths of the characters from space to tilde, in thousandths of the size.
#[rustfmt::skip]
const REGULAR: [u16; 95] = [
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278,
    556, 556, 556, 556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556,
    1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778,
    667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556,
    333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556,
    556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584,
];

/// The same in bold.
#[rustfmt::skip]
const BOLD: [u16; 95] = [
    278, 333, 474, 556, 556, 889, 722, 238, 333, 333, 389, 584, 278, 333, 278, 278,
    556, 556, 556, 556, 556, 556, 556, 556, 556, 556, 333, 333, 584, 584, 584, 611,
    975, 722, 722, 722, 722, 667, 611, 778, 722, 278, 556, 722, 611, 833, 722, 778,
    667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 333, 278, 333, 584, 556,
    333, 556, 611, 556, 611, 556, 333, 611, 611, 278, 278, 556, 278, 889, 611, 611,
    611, 611, 389, 556, 333, 611, 556, 778, 556, 556, 500, 389, 280, 389, 584,
];

/// The width of a line in pixels.
pub(super) fn width(text: &str, size: f64, bold: bool) -> f64 {
    let table = if bold { &BOLD } else { &REGULAR };
    let thousandths = |c: char| match u32::from(c) {
        code @ 0x20..=0x7E => f64::from(table[code as usize - 0x20]),
        0xA0 => 278.0,
        0xB7 => 333.0,
        0xB1 | 0xB5 | 0xD7 => 584.0,
        // Letters of European alphabets; then arrows, symbols and whatever may be as wide as high.
        0x80..=0x24F => 667.0,
        _ => 1000.0,
    };
    text.chars().map(thousandths).sum::<f64>() * size / 1000.0
}

#[cfg(test)]
mod tests {
    use super::width;

    #[test]
    fn widths_are_helveticas() {
        // Summed by hand from the AFM files.
        assert_eq!(width("AWS", 1000.0, false), 667.0 + 944.0 + 667.0);
        assert_eq!(width("~z ", 1000.0, false), 584.0 + 500.0 + 278.0);
        assert_eq!(width("dc1", 10.0, true), (6.11 + 5.56) + 5.56);
        assert_eq!(width("·×", 1000.0, false), 917.0);
    }
}
