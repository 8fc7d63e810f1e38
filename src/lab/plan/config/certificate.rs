//! Certificates for the ends of IPsec tunnels, derived from names as pre-shared
//! keys are: the same for every run of a lab. Ed25519 signs without randomness.

use std::net::IpAddr;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, Error, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SanType, date_time_ymd,
};
use sha2::{Digest, Sha256};

/// What comes before the 32 bytes of an Ed25519 key in PKCS #8 (RFC 8410 §7).
const PKCS8: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// A certificate, its key and who vouches for it, all in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The lab's own certification authority.
    pub ca: String,
    /// The end's certificate; its alternative name is the end's outer address.
    pub certificate: String,
    /// The end's private key.
    pub key: String,
}

/// The identity of `endpoint`, whose outer address is `address`.
///
/// # Errors
/// None today: what is asked for is known to be possible.
pub fn identity(lab: &str, endpoint: &str, address: IpAddr) -> Result<Identity, Error> {
    let ca_key = key(&["ca", lab])?;
    let mut ca = params(&format!("{lab} CA"))?;
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let of_ca = ca.self_signed(&ca_key)?;
    let own_key = key(&["end", lab, endpoint])?;
    let mut own = params(endpoint)?;
    own.subject_alt_names = vec![SanType::IpAddress(address)];
    own.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    own.use_authority_key_identifier_extension = true;
    let certificate = own.signed_by(&own_key, &Issuer::from_params(&ca, &ca_key))?;
    Ok(Identity {
        ca: of_ca.pem(),
        certificate: certificate.pem(),
        key: own_key.serialize_pem(),
    })
}

fn key(words: &[&str]) -> Result<KeyPair, Error> {
    let mut hasher = Sha256::new();
    hasher.update(b"certificate");
    for word in words {
        hasher.update([0]);
        hasher.update(word);
    }
    let mut der = PKCS8.to_vec();
    der.extend(hasher.finalize());
    KeyPair::try_from(der)
}

/// Valid in this century: a plan knows no clock.
fn params(name: &str) -> Result<CertificateParams, Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.not_before = date_time_ymd(2000, 1, 1);
    params.not_after = date_time_ymd(2099, 12, 31);
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::CommonName, name);
    Ok(params)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lab: &str, endpoint: &str) -> Identity {
        identity(lab, endpoint, "198.18.0.1".parse().unwrap()).unwrap()
    }

    #[test]
    fn an_identity_is_always_the_same_and_nobody_elses() {
        let one = of("lab", "dc1.backup.1");
        assert_eq!(one, of("lab", "dc1.backup.1"));
        let other = of("lab", "vgw.backup.1");
        assert_eq!(one.ca, other.ca);
        assert_ne!(one.key, other.key);
        assert_ne!(one.ca, of("other", "dc1.backup.1").ca);
        assert!(one.certificate.starts_with("-----BEGIN CERTIFICATE-----"));
        assert!(one.key.starts_with("-----BEGIN PRIVATE KEY-----"));
    }
}
