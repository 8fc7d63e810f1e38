//! Tables that say where in `result.json` each of their numbers is: `data-of` of the table, `data-i`
//! of the row and `data-field` of the column make the path.

use super::markup::Markup;
use crate::results::report::rfc::bound;

/// What a number or word is shown for when it is absent.
const NONE: &str = "–";

/// A column.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    head: &'static str,
    field: Option<&'static str>,
    numeric: bool,
    prose: bool,
}

/// A table of more columns than this is set closer.
const DENSE: usize = 11;

impl Column {
    /// Words.
    pub(super) const fn words(head: &'static str) -> Self {
        Self {
            head,
            field: None,
            numeric: false,
            prose: false,
        }
    }

    /// Sentences, which want some room.
    pub(super) const fn prose(head: &'static str) -> Self {
        Self {
            prose: true,
            ..Self::words(head)
        }
    }

    /// Numbers.
    pub(super) const fn numbers(head: &'static str) -> Self {
        Self {
            numeric: true,
            ..Self::words(head)
        }
    }

    /// As `field` of the result has them.
    pub(super) const fn of(self, field: &'static str) -> Self {
        Self {
            field: Some(field),
            ..self
        }
    }
}

/// What is in a cell.
#[derive(Debug, Clone)]
pub(super) enum Cell {
    /// Words.
    Text(String),
    /// Good or bad news.
    Verdict(String, bool),
    /// A number, and how it is shown.
    Number(f64, String),
    /// A file beside the page.
    Link(String, String),
}

impl Cell {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// With so many decimals.
    pub(super) fn number(value: impl Into<Option<f64>>, decimals: usize) -> Self {
        match value.into() {
            Some(value) => Self::Number(value, format!("{value:.decimals$}")),
            None => Self::text(NONE),
        }
    }

    /// The same, where it is only a lower bound of it.
    pub(super) fn at_least(self, is_bound: bool) -> Self {
        match self {
            Self::Number(value, text) => Self::Number(value, format!("{}{text}", bound(is_bound))),
            other @ (Self::Text(_) | Self::Verdict(..) | Self::Link(..)) => other,
        }
    }

    pub(super) fn count(value: u64) -> Self {
        Self::Number(value as f64, crate::results::report::words::count(value))
    }

    pub(super) fn yes(value: bool) -> Self {
        Self::Verdict(if value { "yes" } else { "no" }.to_owned(), value)
    }
}

/// A table.
#[derive(Debug)]
pub(super) struct Table<'a> {
    caption: String,
    of: &'static str,
    columns: &'a [Column],
    rows: Vec<(String, Vec<Cell>)>,
}

impl<'a> Table<'a> {
    /// Of the list at this path of the result; empty: of none.
    pub(super) fn new(caption: impl Into<String>, of: &'static str, columns: &'a [Column]) -> Self {
        Self {
            caption: caption.into(),
            of,
            columns,
            rows: Vec::new(),
        }
    }

    /// Another row, of the list's element with this index or path.
    pub(super) fn row(&mut self, index: impl ToString, cells: impl Into<Vec<Cell>>) {
        self.rows.push((index.to_string(), cells.into()));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Writes it; nothing when it has no rows.
    pub(super) fn write(&self, page: &mut Markup) {
        if self.is_empty() {
            return;
        }
        page.raw("<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"");
        page.text(&self.caption).raw("\"><table");
        if self.columns.len() > DENSE {
            page.raw(" class=\"dense\"");
        }
        page.raw(" data-of=\"");
        page.raw(self.of).raw("\">\n<caption>");
        page.text(&self.caption);
        page.raw("</caption>\n<thead><tr>");
        for column in self.columns {
            page.raw("<th scope=\"col\"");
            if column.numeric {
                page.raw(" class=\"n\"");
            }
            if column.prose {
                page.raw(" class=\"prose\"");
            }
            if let Some(field) = column.field {
                page.raw(" data-field=\"").raw(field).raw("\"");
            }
            page.raw(">").raw(column.head).raw("</th>");
        }
        page.raw("</tr></thead>\n<tbody>\n");
        for (index, cells) in &self.rows {
            page.raw("<tr data-i=\"").text(index).raw("\">");
            for (nth, (cell, column)) in cells.iter().zip(self.columns).enumerate() {
                write_cell(cell, *column, nth == 0, page);
            }
            page.raw("</tr>\n");
        }
        page.raw("</tbody></table></div>\n");
    }
}

fn write_cell(cell: &Cell, column: Column, first: bool, page: &mut Markup) {
    let (open, close) = match first {
        true => ("<th scope=\"row\"", "</th>"),
        false => ("<td", "</td>"),
    };
    page.raw(open);
    if column.numeric {
        page.raw(" class=\"n\"");
    }
    match cell {
        Cell::Text(text) => page.raw(">").text(text),
        Cell::Verdict(text, true) => page.raw("><span class=\"good\">").text(text).raw("</span>"),
        Cell::Verdict(text, false) => page.raw("><span class=\"bad\">").text(text).raw("</span>"),
        Cell::Number(value, text) => page.raw(" data-v=\"").number(*value).raw("\">").text(text),
        Cell::Link(to, text) => {
            page.raw("><a href=\"").text(to).raw("\">");
            page.text(text).raw("</a>")
        }
    };
    page.raw(close);
}
