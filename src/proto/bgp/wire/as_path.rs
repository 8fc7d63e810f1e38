//! AS_PATH (RFC 4271 §4.3, §5.1.2; RFC 6793).

use std::fmt;

use super::cursor::Cursor;
use crate::units::Asn;

/// Most numbers one segment can hold on the wire.
const SEGMENT_MAX: usize = 255;

/// Whether the order of a segment means anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum SegmentKind {
    /// AS_SET: unordered.
    Set = 1,
    /// AS_SEQUENCE: nearest AS first.
    Sequence = 2,
}

/// A segment; never empty when it came off the wire.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Segment {
    /// Its kind.
    pub kind: SegmentKind,
    /// Its numbers.
    pub asns: Vec<u32>,
}

/// The ASes a route has passed, nearest first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct AsPath {
    /// The segments, nearest first.
    pub segments: Vec<Segment>,
}

impl AsPath {
    /// One AS_SEQUENCE; the empty path for no numbers.
    pub fn sequence(asns: impl IntoIterator<Item = u32>) -> Self {
        let asns: Vec<u32> = asns.into_iter().collect();
        if asns.is_empty() {
            return Self::default();
        }
        Self {
            segments: vec![Segment {
                kind: SegmentKind::Sequence,
                asns,
            }],
        }
    }

    /// Length for comparison: a set counts as one (RFC 4271 §9.1.2.2 a).
    pub fn length(&self) -> usize {
        self.segments.iter().map(Segment::length).sum()
    }

    /// Whether no AS has been passed.
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// Whether the number occurs anywhere.
    pub fn contains(&self, asn: u32) -> bool {
        self.asns().any(|passed| passed == asn)
    }

    /// The AS the route was learned from; none when empty or led by a set.
    pub fn neighbour(&self) -> Option<u32> {
        let first = self.segments.first()?;
        (first.kind == SegmentKind::Sequence)
            .then(|| first.asns.first().copied())
            .flatten()
    }

    /// The AS that originated the route; none when empty or ended by a set.
    pub fn origin(&self) -> Option<u32> {
        let last = self.segments.last()?;
        (last.kind == SegmentKind::Sequence)
            .then(|| last.asns.last().copied())
            .flatten()
    }

    /// Puts a number in front `times` times (RFC 4271 §5.1.2 b).
    pub fn prepend(&mut self, asn: Asn, times: usize) {
        if times == 0 {
            return;
        }
        let front = std::iter::repeat_n(asn.get(), times);
        match self.segments.first_mut() {
            Some(first) if first.kind == SegmentKind::Sequence => {
                first.asns.splice(0..0, front);
            }
            Some(_) | None => self.segments.insert(
                0,
                Segment {
                    kind: SegmentKind::Sequence,
                    asns: front.collect(),
                },
            ),
        }
    }

    /// Every number, sets included.
    pub fn asns(&self) -> impl Iterator<Item = u32> + '_ {
        self.segments
            .iter()
            .flat_map(|segment| segment.asns.iter().copied())
    }

    /// The path that a speaker of two-octet numbers handed on, put together
    /// from its AS_PATH and AS4_PATH (RFC 6793 §4.2.3).
    pub(super) fn merge(self, as4: Self) -> Self {
        let Some(mut leading) = self.length().checked_sub(as4.length()) else {
            return self;
        };
        let mut merged = Self::default();
        for segment in self.segments {
            if leading == 0 {
                break;
            }
            let mut segment = segment;
            if segment.kind == SegmentKind::Sequence {
                segment.asns.truncate(leading);
            }
            leading = leading.saturating_sub(segment.length());
            merged.push(segment);
        }
        for segment in as4.segments {
            merged.push(segment);
        }
        merged
    }

    /// Appends a segment, joining neighbouring sequences.
    fn push(&mut self, segment: Segment) {
        match self.segments.last_mut() {
            Some(last)
                if last.kind == SegmentKind::Sequence && segment.kind == SegmentKind::Sequence =>
            {
                last.asns.extend(segment.asns);
            }
            Some(_) | None => self.segments.push(segment),
        }
    }

    /// Reads an attribute's value; none if malformed (RFC 7606 §7.2), which a
    /// confederation segment from outside (RFC 5065 §5) and AS 0 (RFC 7607) are.
    pub(super) fn decode(value: &[u8], four_octet: bool) -> Option<Self> {
        let mut cursor = Cursor::new(value);
        let mut path = Self::default();
        while !cursor.is_empty() {
            let kind = match cursor.u8()? {
                1 => SegmentKind::Set,
                2 => SegmentKind::Sequence,
                _ => return None,
            };
            let count = usize::from(cursor.u8()?);
            let mut asns = Vec::with_capacity(count);
            for _ in 0..count {
                asns.push(if four_octet {
                    cursor.u32()?
                } else {
                    u32::from(cursor.u16()?)
                });
            }
            if asns.is_empty() || asns.contains(&0) {
                return None;
            }
            path.push(Segment { kind, asns });
        }
        Some(path)
    }

    /// Appends an attribute's value; AS_TRANS stands in where two octets do
    /// not suffice.
    pub(super) fn encode(&self, out: &mut Vec<u8>, four_octet: bool) {
        for segment in &self.segments {
            for chunk in segment.asns.chunks(SEGMENT_MAX) {
                out.extend_from_slice(&[segment.kind as u8, chunk.len() as u8]);
                for &asn in chunk {
                    if four_octet {
                        out.extend_from_slice(&asn.to_be_bytes());
                    } else {
                        let short = u16::try_from(asn).unwrap_or(Asn::TRANS.get() as u16);
                        out.extend_from_slice(&short.to_be_bytes());
                    }
                }
            }
        }
    }
}

impl Segment {
    fn length(&self) -> usize {
        match self.kind {
            SegmentKind::Set => 1,
            SegmentKind::Sequence => self.asns.len(),
        }
    }
}

impl fmt::Display for AsPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, segment) in self.segments.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            let (open, separator, close) = match segment.kind {
                SegmentKind::Set => ("{", ",", "}"),
                SegmentKind::Sequence => ("", " ", ""),
            };
            f.write_str(open)?;
            for (index, asn) in segment.asns.iter().enumerate() {
                if index > 0 {
                    f.write_str(separator)?;
                }
                write!(f, "{asn}")?;
            }
            f.write_str(close)?;
        }
        Ok(())
    }
}
