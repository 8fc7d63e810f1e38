//! Questions and answers (RFC 1035 §4), as far as one address for a name needs them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use simple_dns::{
    CLASS, Name, OPCODE, Packet, PacketFlag, QCLASS, QTYPE, Question, RCODE, ResourceRecord, TYPE,
    rdata::{A, AAAA, RData},
};

use crate::units::Family;

/// Why a message is no use as an answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// It is malformed.
    #[error("the answer cannot be read")]
    Malformed,
    /// It answers another question.
    #[error("it answers another question")]
    Stray,
    /// The server refuses.
    #[error("the server says {0}")]
    Code(String),
    /// The name has no address of the family.
    #[error("the name has no such address")]
    Empty,
}

fn type_of(family: Family) -> TYPE {
    match family {
        Family::Ipv4Unicast => TYPE::A,
        Family::Ipv6Unicast => TYPE::AAAA,
    }
}

/// A question for the addresses of `name`; `None` when that is no name of DNS.
pub fn query(id: u16, name: &str, family: Family) -> Option<Vec<u8>> {
    let mut packet = Packet::new_query(id);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    packet.questions.push(Question::new(
        Name::new(name).ok()?,
        QTYPE::TYPE(type_of(family)),
        QCLASS::CLASS(CLASS::IN),
        false,
    ));
    packet.build_bytes_vec().ok()
}

/// The address and its TTL in seconds, from the answer to question `id` for `name`.
///
/// # Errors
/// It is no answer, not to this question, or holds no address of the family.
pub fn read_answer(
    answer: &[u8],
    id: u16,
    name: &str,
    family: Family,
) -> Result<(IpAddr, u32), AnswerError> {
    let packet = Packet::parse(answer).map_err(|_| AnswerError::Malformed)?;
    let same = |other: &Name<'_>| other.to_string().eq_ignore_ascii_case(name);
    let ours = packet.questions.iter().any(|asked| same(&asked.qname));
    if packet.id() != id || !packet.has_flags(PacketFlag::RESPONSE) || !ours {
        return Err(AnswerError::Stray);
    }
    let code = packet.rcode();
    if code == RCODE::NameError {
        return Err(AnswerError::Code("NXDOMAIN".to_owned()));
    }
    if code != RCODE::NoError {
        return Err(AnswerError::Code(format!("{code:?}")));
    }
    let mut records = packet.answers.iter().filter(|record| same(&record.name));
    let found = records.find_map(|record| {
        let address = match (&record.rdata, family) {
            (RData::A(a), Family::Ipv4Unicast) => Ipv4Addr::from(a.address).into(),
            (RData::AAAA(a), Family::Ipv6Unicast) => Ipv6Addr::from(a.address).into(),
            _ => return None,
        };
        Some((address, record.ttl))
    });
    found.ok_or(AnswerError::Empty)
}

/// Answers a query with what `look_up` has for its name: TTL in seconds and addresses.
/// `None` for what is no query.
pub(super) fn respond<'z>(
    query: &[u8],
    look_up: impl Fn(&str) -> Option<(u32, &'z [IpAddr])>,
) -> Option<Vec<u8>> {
    let query = Packet::parse(query).ok()?;
    if query.has_flags(PacketFlag::RESPONSE) {
        return None;
    }
    let mut answer = Packet::new_reply(query.id());
    answer.set_flags(PacketFlag::AUTHORITATIVE_ANSWER);
    if query.has_flags(PacketFlag::RECURSION_DESIRED) {
        answer.set_flags(PacketFlag::RECURSION_DESIRED);
    }
    let code = match (query.opcode(), query.questions.as_slice()) {
        (OPCODE::StandardQuery, [question]) => {
            answer.questions.push(question.clone());
            match look_up(&question.qname.to_string()) {
                Some((ttl, addresses)) => {
                    let records = records(question, ttl, addresses);
                    answer.answers.extend(records);
                    RCODE::NoError
                }
                None => RCODE::NameError,
            }
        }
        (OPCODE::StandardQuery, _) => RCODE::FormatError,
        _ => RCODE::NotImplemented,
    };
    *answer.rcode_mut() = code;
    answer.build_bytes_vec_compressed().ok()
}

fn records<'q>(question: &Question<'q>, ttl: u32, addresses: &[IpAddr]) -> Vec<ResourceRecord<'q>> {
    let wanted = |kind: TYPE| matches!(question.qtype, QTYPE::ANY) || question.qtype == kind.into();
    let of_class = matches!(question.qclass, QCLASS::ANY | QCLASS::CLASS(CLASS::IN));
    let record = |address: &IpAddr| {
        let data = match address {
            IpAddr::V4(v4) => wanted(TYPE::A).then(|| RData::A(A::from(*v4))),
            IpAddr::V6(v6) => wanted(TYPE::AAAA).then(|| RData::AAAA(AAAA::from(*v6))),
        };
        data.filter(|_| of_class)
            .map(|data| ResourceRecord::new(question.qname.clone(), CLASS::IN, ttl, data))
    };
    addresses.iter().filter_map(record).collect()
}
