//! Messages and attributes as bytes (netlink(7), rtnetlink(7)).

/// Length in bytes of `struct nlmsghdr`.
pub(crate) const HEADER_LEN: usize = 16;
/// Length in bytes of `struct nlattr`.
const ATTRIBUTE_LEN: usize = 4;
/// NLA_F_NESTED and NLA_F_NET_BYTEORDER are not part of an attribute's type.
const TYPE_MASK: u16 = 0x3FFF;

/// Requests written one after the other, to be sent in one go.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    bytes: Vec<u8>,
    start: usize,
    count: u32,
}

impl Messages {
    /// Begins a message; its sequence number is its index.
    pub(crate) fn begin(&mut self, kind: u16, flags: u16, body: &[u8]) {
        self.start = self.bytes.len();
        self.bytes.extend([0; 4]);
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend(flags.to_ne_bytes());
        self.bytes.extend(self.count.to_ne_bytes());
        self.bytes.extend([0; 4]);
        self.bytes.extend(body);
        self.count += 1;
        self.pad();
    }

    /// Adds an attribute to the message begun last.
    pub(crate) fn attribute(&mut self, kind: u16, value: &[u8]) {
        put_attribute(&mut self.bytes, kind, value);
        self.pad();
    }

    /// How many messages were begun.
    pub(crate) fn count(&self) -> usize {
        self.count as usize
    }

    /// All of them.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        let length = (self.bytes.len() - self.start) as u32;
        if let Some(field) = self.bytes.get_mut(self.start..self.start + 4) {
            field.copy_from_slice(&length.to_ne_bytes());
        }
    }
}

/// An attribute by itself, padded: the value of another, or the first of some.
pub(crate) fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_attribute(&mut out, kind, value);
    out
}

/// Appends an attribute, padded.
pub(crate) fn put_attribute(out: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let length = (ATTRIBUTE_LEN + value.len()) as u16;
    out.extend(length.to_ne_bytes());
    out.extend(kind.to_ne_bytes());
    out.extend(value);
    out.resize(out.len().next_multiple_of(4), 0);
}

/// One received message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Received<'a> {
    pub(crate) kind: u16,
    pub(crate) flags: u16,
    pub(crate) sequence: u32,
    /// What follows the header.
    pub(crate) body: &'a [u8],
}

/// The messages of a datagram; stops at the first malformed one.
pub(crate) fn messages(mut datagram: &[u8]) -> impl Iterator<Item = Received<'_>> {
    std::iter::from_fn(move || {
        let header = datagram.get(..HEADER_LEN)?;
        let length = u32_at(header, 0)? as usize;
        let body = datagram.get(HEADER_LEN..length)?;
        let received = Received {
            kind: u16_at(header, 4)?,
            flags: u16_at(header, 6)?,
            sequence: u32_at(header, 8)?,
            body,
        };
        datagram = datagram.get(length.next_multiple_of(4)..).unwrap_or(&[]);
        Some(received)
    })
}

/// Attributes by type.
pub(crate) type Attributes<'a> = std::collections::BTreeMap<u16, &'a [u8]>;

/// The attributes that follow a message's fixed part of `skip` bytes.
pub(crate) fn attributes(body: &[u8], skip: usize) -> Attributes<'_> {
    let mut rest = body.get(skip..).unwrap_or(&[]);
    std::iter::from_fn(|| {
        let length = usize::from(u16_at(rest, 0)?);
        let kind = u16_at(rest, 2)? & TYPE_MASK;
        let value = rest.get(ATTRIBUTE_LEN..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or(&[]);
        Some((kind, value))
    })
    .collect()
}

/// A native-endian number at a byte offset.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes
        .get(at..)?
        .first_chunk()
        .map(|raw| u32::from_ne_bytes(*raw))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes
        .get(at..)?
        .first_chunk()
        .map(|raw| u16::from_ne_bytes(*raw))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let mut out = Messages::default();
        out.begin(24, 5, &[1, 2, 3, 4]);
        out.attribute(1, &[10, 0, 0, 0]);
        out.attribute(30, &[7]);
        out.begin(25, 1, &[9; 12]);
        let read: Vec<_> = messages(out.as_bytes()).collect();
        assert_eq!(read.len(), out.count());
        assert_eq!((read[0].kind, read[0].flags, read[0].sequence), (24, 5, 0));
        assert_eq!((read[1].kind, read[1].sequence), (25, 1));
        let attributes = attributes(read[0].body, 4);
        assert_eq!(attributes.get(&1), Some(&&[10, 0, 0, 0][..]));
        assert_eq!(attributes.get(&30), Some(&&[7][..]));
        assert_eq!(read[1].body, [9; 12]);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_end_and_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            for message in messages(&bytes) {
                let _ = attributes(message.body, 4);
            }
        }
    }
}
