//! vici's messages as bytes: strongSwan's `src/libcharon/plugins/vici/README.md`.

use std::io;

const SECTION_START: u8 = 1;
const SECTION_END: u8 = 2;
const KEY_VALUE: u8 = 3;
const LIST_START: u8 = 4;
const LIST_ITEM: u8 = 5;
const LIST_END: u8 = 6;
/// Deeper than charon ever nests.
const DEPTH_MAX: usize = 16;

/// What a key holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// Text, mostly.
    Text(String),
    /// Several of them.
    List(Vec<String>),
    /// Keys of its own.
    Section(Section),
}

/// Keys and values in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Section(pub(super) Vec<(String, Value)>);

impl Section {
    /// A message of plain texts.
    pub(super) fn of(pairs: &[(&str, &str)]) -> Self {
        let text = |(key, value): &(&str, &str)| {
            let value = Value::Text((*value).to_owned());
            ((*key).to_owned(), value)
        };
        Self(pairs.iter().map(text).collect())
    }

    /// The text under a key.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.0.iter().find_map(|(name, value)| match value {
            Value::Text(text) if name == key => Some(text.as_str()),
            Value::Text(_) | Value::List(_) | Value::Section(_) => None,
        })
    }

    /// The number under a key.
    pub(super) fn number(&self, key: &str) -> Option<u64> {
        self.text(key)?.parse().ok()
    }

    /// The texts under a key.
    pub(super) fn list(&self, key: &str) -> Option<&[String]> {
        self.0.iter().find_map(|(name, value)| match value {
            Value::List(items) if name == key => Some(items.as_slice()),
            Value::Text(_) | Value::List(_) | Value::Section(_) => None,
        })
    }

    /// The section under a key.
    pub(super) fn section(&self, key: &str) -> Option<&Self> {
        self.sections()
            .find_map(|(name, section)| (name == key).then_some(section))
    }

    /// Every section with its key.
    pub(super) fn sections(&self) -> impl Iterator<Item = (&str, &Self)> {
        self.0.iter().filter_map(|(name, value)| match value {
            Value::Section(section) => Some((name.as_str(), section)),
            Value::Text(_) | Value::List(_) => None,
        })
    }

    /// As bytes.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut Vec<u8>) {
        for (key, value) in &self.0 {
            match value {
                Value::Text(text) => {
                    out.push(KEY_VALUE);
                    name(out, key);
                    blob(out, text);
                }
                Value::List(items) => {
                    out.push(LIST_START);
                    name(out, key);
                    for item in items {
                        out.push(LIST_ITEM);
                        blob(out, item);
                    }
                    out.push(LIST_END);
                }
                Value::Section(section) => {
                    out.push(SECTION_START);
                    name(out, key);
                    section.write(out);
                    out.push(SECTION_END);
                }
            }
        }
    }

    /// From bytes.
    ///
    /// # Errors
    /// `InvalidData` where they are not a message.
    pub(super) fn decode(bytes: &[u8]) -> io::Result<Self> {
        let mut rest = bytes;
        let section = read(&mut rest, 0)?;
        if rest.is_empty() {
            Ok(section)
        } else {
            Err(broken())
        }
    }
}

fn name(out: &mut Vec<u8>, text: &str) {
    let bytes = text
        .as_bytes()
        .get(..255.min(text.len()))
        .unwrap_or_default();
    out.push(bytes.len() as u8);
    out.extend(bytes);
}

fn blob(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    let bytes = bytes.get(..65_535.min(bytes.len())).unwrap_or_default();
    out.extend((bytes.len() as u16).to_be_bytes());
    out.extend(bytes);
}

fn read(rest: &mut &[u8], depth: usize) -> io::Result<Section> {
    if depth > DEPTH_MAX {
        return Err(broken());
    }
    let mut section = Section::default();
    loop {
        let Some(kind) = rest.first().copied() else {
            // Only the outermost ends with the message.
            return if depth == 0 {
                Ok(section)
            } else {
                Err(broken())
            };
        };
        take(rest, 1)?;
        let entry = match kind {
            SECTION_END if depth > 0 => return Ok(section),
            SECTION_START => {
                let key = read_name(rest)?;
                (key, Value::Section(read(rest, depth + 1)?))
            }
            KEY_VALUE => {
                let key = read_name(rest)?;
                (key, Value::Text(read_blob(rest)?))
            }
            LIST_START => {
                let key = read_name(rest)?;
                let mut items = Vec::new();
                loop {
                    match take(rest, 1)? {
                        [LIST_ITEM] => items.push(read_blob(rest)?),
                        [LIST_END] => break,
                        _ => return Err(broken()),
                    }
                }
                (key, Value::List(items))
            }
            _ => return Err(broken()),
        };
        section.0.push(entry);
    }
}

fn read_name(rest: &mut &[u8]) -> io::Result<String> {
    let length = usize::from(*take(rest, 1)?.first().ok_or_else(broken)?);
    Ok(String::from_utf8_lossy(take(rest, length)?).into_owned())
}

fn read_blob(rest: &mut &[u8]) -> io::Result<String> {
    let length: [u8; 2] = take(rest, 2)?.try_into().map_err(|_| broken())?;
    let bytes = take(rest, usize::from(u16::from_be_bytes(length)))?;
    Ok(String::from_utf8_lossy(bytes).into_owned())
}

/// The name in front of a packet's message, and the message.
pub(super) fn named(bytes: &[u8]) -> io::Result<(String, Section)> {
    let mut rest = bytes;
    let name = read_name(&mut rest)?;
    Ok((name, Section::decode(rest)?))
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> io::Result<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(length).ok_or_else(broken)?;
    *rest = after;
    Ok(taken)
}

fn broken() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "not a message of vici")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The example of strongSwan's own description of the protocol.
    #[test]
    fn the_readmes_example_is_written_byte_for_byte() {
        let sub = Section(vec![("key2".into(), Value::Text("value2".into()))]);
        let section1 = Section(vec![
            ("sub-section".into(), Value::Section(sub)),
            (
                "list1".into(),
                Value::List(vec!["item1".into(), "item2".into()]),
            ),
        ]);
        let message = Section(vec![
            ("key1".into(), Value::Text("value1".into())),
            ("section1".into(), Value::Section(section1)),
        ]);
        let mut bytes = vec![3, 4];
        bytes.extend(b"key1\0\x06value1");
        bytes.extend(b"\x01\x08section1");
        bytes.extend(b"\x01\x0bsub-section");
        bytes.extend(b"\x03\x04key2\0\x06value2\x02");
        bytes.extend(b"\x04\x05list1\x05\0\x05item1\x05\0\x05item2\x06\x02");
        assert_eq!(message.encode(), bytes);
        assert_eq!(Section::decode(&bytes).unwrap(), message);
        let inner = message.section("section1").unwrap();
        assert_eq!(
            inner.section("sub-section").unwrap().text("key2"),
            Some("value2")
        );
    }

    #[test]
    fn half_a_message_is_an_error() {
        let whole = Section::of(&[("child", "tunnel"), ("timeout", "-1")]).encode();
        for length in 1..whole.len() {
            let half = Section::decode(&whole[..length]);
            assert!(half.is_err() || length == 15, "{length}: {half:?}");
        }
        assert!(Section::decode(&[SECTION_END]).is_err());
        assert!(Section::decode(&[SECTION_START, 1, b'a']).is_err());
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Section::decode(&bytes);
            let _ = named(&bytes);
        }
    }
}
