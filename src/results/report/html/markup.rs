//! HTML that cannot be injected into: markup is text of this program, everything else is escaped.

use std::fmt::Write as _;

/// A page, or a part of one, as it is written.
#[derive(Debug, Default)]
pub(super) struct Markup(String);

impl Markup {
    /// This program's own markup.
    pub(super) fn raw(&mut self, html: &'static str) -> &mut Self {
        self.0.push_str(html);
        self
    }

    /// Anybody's text, inside an element or a quoted attribute.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        for c in text.chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                c if c.is_control() && c != '\n' => self.0.push('\u{fffd}'),
                c => self.0.push(c),
            }
        }
        self
    }

    /// A number, as JSON writes it.
    pub(super) fn number(&mut self, value: f64) -> &mut Self {
        let _ = write!(self.0, "{value}");
        self
    }

    /// A part that was written elsewhere.
    pub(super) fn part(&mut self, part: &Self) -> &mut Self {
        self.0.push_str(&part.0);
        self
    }

    /// The lab's picture, which escapes for itself. A picture that somebody else put into the
    /// run's directory can hold markup; the page's policy runs none of it.
    pub(super) fn picture(&mut self, svg: &str) -> &mut Self {
        self.0.push_str(svg);
        self
    }

    /// Data for the page's script. Inside the element nothing can end it.
    pub(super) fn data(&mut self, json: &str) -> &mut Self {
        self.raw("<script type=\"application/json\" id=\"data\">");
        self.0.push_str(&json.replace('<', "\\u003c"));
        self.raw("</script>\n")
    }

    /// `<element>text</element>`, for elements of this program.
    pub(super) fn element(&mut self, name: &'static str, text: &str) -> &mut Self {
        self.raw("<").raw(name).raw(">").text(text);
        self.raw("</").raw(name).raw(">\n")
    }

    /// A term and what it is here.
    pub(super) fn fact(&mut self, term: &'static str, text: &str) -> &mut Self {
        self.raw("<div><dt>").raw(term).raw("</dt><dd>");
        self.text(text).raw("</dd></div>\n")
    }

    pub(super) fn done(self) -> String {
        self.0
    }
}
