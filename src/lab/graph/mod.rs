//! A lab's picture: as Mermaid, as DOT for Graphviz, and as an SVG that is laid
//! out here and needs no installed program.
//!
//! [`scene`] says what is to be seen, in words; the three writers say it in
//! their languages. Nothing here knows a plan: the picture is of what the user
//! wrote, the same on every host.

mod dot;
mod mermaid;
mod ranks;
mod scene;
mod svg;
mod words;

#[cfg(test)]
mod tests;

use super::model::Lab;

/// A language for pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A flowchart in Mermaid, which Markdown on many sites shows as a picture.
    Mermaid,
    /// A graph in Graphviz's DOT.
    Dot,
    /// A finished picture.
    Svg,
}

impl Format {
    /// What a file with this extension holds.
    pub fn of_extension(extension: &str) -> Option<Self> {
        Some(match extension.to_ascii_lowercase().as_str() {
            "mmd" | "mermaid" => Self::Mermaid,
            "dot" | "gv" => Self::Dot,
            "svg" => Self::Svg,
            _ => return None,
        })
    }
}

/// The picture of a lab. The same lab always gives the same text.
pub fn render(lab: &Lab, format: Format) -> String {
    let scene = scene::Scene::of(lab);
    match format {
        Format::Mermaid => mermaid::write(&scene),
        Format::Dot => dot::write(&scene),
        Format::Svg => svg::write(&scene),
    }
}
