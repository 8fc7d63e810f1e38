//! The frame of every page: head, style, script, and the policy that keeps everything else out.

use sha2::{Digest, Sha256};

use super::markup::Markup;

const UPLOT: &str = include_str!("vendor/uplot/uPlot.iife.min.js");
const UPLOT_STYLE: &str = include_str!("vendor/uplot/uPlot.min.css");
const SCRIPT: &str = include_str!("page.js");
const STYLE: &str = include_str!("page.css");

/// A whole document around `body`. `data` is what the charts show, as JSON.
///
/// Nothing but the page's own two scripts runs, told by their hashes, and nothing is loaded.
pub(super) fn write(title: &str, body: &Markup, data: &str) -> String {
    let mut page = Markup::default();
    page.raw(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"/>\n\
         <meta name=\"color-scheme\" content=\"light dark\"/>\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
         style-src 'unsafe-inline'; script-src ",
    );
    page.text(&format!("{} {}", hash(UPLOT), hash(SCRIPT)));
    page.raw("\"/>\n<title>")
        .text(title)
        .raw("</title>\n<style>");
    page.raw(UPLOT_STYLE).raw("</style>\n<style>\n").raw(STYLE);
    page.raw("</style>\n</head>\n<body>\n")
        .part(body)
        .data(data);
    page.raw("<script>").raw(UPLOT).raw("</script>\n<script>");
    page.raw(SCRIPT).raw("</script>\n</body>\n</html>\n");
    page.done()
}

/// A script's name in a Content Security Policy (CSP level 2, §4.2.5).
fn hash(script: &str) -> String {
    format!("'sha256-{}'", base64(&Sha256::digest(script.as_bytes())))
}

/// RFC 4648 §4.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= chunk.len() {
                char::from(digit)
            } else {
                '='
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The test vectors of RFC 4648 §10.
    #[test]
    fn base64_is_that_of_the_rfc() {
        for (plain, coded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }

    #[test]
    fn a_script_is_named_by_the_hash_that_a_browser_computes() {
        // The example of CSP level 3, §2.3.1, is alert('Hello, world.');
        assert_eq!(
            hash("alert('Hello, world.');"),
            "'sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng='"
        );
    }

    /// A browser ends a script at the first of these, wherever it stands.
    #[test]
    fn no_script_of_the_page_ends_itself() {
        for script in [UPLOT, SCRIPT] {
            assert!(!script.to_ascii_lowercase().contains("</script"));
            assert!(!script.contains("<!--"));
        }
    }
}
