//! What a lab must survive, whatever fails.

use crate::units::Span;

/// Traffic comes back after any failure of so many things. A sweep holds the lab to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survives {
    /// How many things fail together: 1 or 2.
    pub failures: u8,
    /// How long traffic may be gone, each way; `None`: as long as it comes back.
    pub within: Option<Span>,
    /// Names of links, LAGs and nodes and values of tags that may take traffic with them.
    pub except: Vec<String>,
    /// Line of the file.
    pub line: u32,
    /// And column, from 1.
    pub column: u32,
}

impl Survives {
    /// The lab file's words for how many things fail.
    pub const WORDS: [&str; 2] = ["single-failure", "double-failure"];

    /// How many things a word means.
    pub fn parse(word: &str) -> Option<u8> {
        let at = Self::WORDS.iter().position(|known| *known == word)?;
        u8::try_from(at + 1).ok()
    }
}
