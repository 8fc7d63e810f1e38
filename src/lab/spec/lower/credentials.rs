//! Certificate files that the user has for an end of a VPN: what must be right of
//! them before anything is built. What day it is, is asked elsewhere.

use rcgen::{KeyPair, PublicKeyData};
use x509_parser::{certificate::X509Certificate, pem::Pem};

use super::{
    super::{At, NOT_TEXT, reader::Fields},
    Lower,
};
use crate::lab::model::{Moment, OwnConfig, OwnCredentials};

/// What is wrong with a file, and what may help.
#[derive(Debug, PartialEq, Eq)]
struct Fault(String, &'static str);

const MAKE_PEM: &str = "`openssl x509 -inform der -in FILE -out FILE.pem` makes PEM of DER";
const KEY_TO_PEM: &str =
    "`openssl pkcs8 -topk8 -nocrypt -inform der -in FILE -out FILE.pem` makes PEM of DER";
const MAKE_PKCS8: &str = "`openssl pkcs8 -topk8 -nocrypt -in FILE -out FILE.pem` makes it one";
const DECRYPT: &str = "`openssl pkcs8 -in FILE -out FILE.pem` decrypts it";

impl Lower<'_> {
    /// Reads the three files, and holds them against each other.
    pub(super) fn own_credentials(&mut self, fields: &Fields<'_>) -> Option<OwnCredentials> {
        let [certificate, key, ca] = ["certificate", "key", "ca"].map(|name| {
            let path = fields.text(&mut self.f, name)?;
            let at = fields.at_value(name);
            let text = self.pem_file(at, name, path)?;
            let path = path.to_owned();
            Some((at, OwnConfig { path, text }))
        });
        let certificate = certificate.and_then(|file| self.without_fault(file, end_certificate));
        let key = key.and_then(|file| self.without_fault(file, private_key));
        let ca = ca.and_then(|file| self.without_fault(file, authorities));
        let (own_at, own_file, end) = certificate?;
        if let Some((at, file, key)) = &key
            && !belongs(&end, key)
        {
            let message = format!("`{}` is not the key of `{}`", file.path, own_file.path);
            self.f
                .error(*at, "certificate", message)
                .help("the public key in the certificate is another");
            return None;
        }
        let (_, ca_file, authorities) = ca?;
        let (_, key_file, _) = key?;
        match chain(&end, &authorities) {
            Ok((since, until)) => Some(OwnCredentials {
                certificate: own_file,
                key: key_file,
                ca: ca_file.path,
                authorities: authorities.into_iter().map(|ca| ca.pem).collect(),
                since,
                until,
            }),
            Err(Fault(why, help)) => {
                let message = format!("`{}` {why} `{}`", own_file.path, ca_file.path);
                self.f.error(own_at, "certificate", message).help(help);
                None
            }
        }
    }

    /// A file that should be PEM, and is DER where it is no text.
    fn pem_file(&mut self, at: At, name: &str, path: &str) -> Option<String> {
        match (self.include)(path) {
            Ok(text) => Some(text),
            Err(why) => {
                let message = format!("`{path}` cannot be read: {why}");
                let found = self.f.error(at, "include", message);
                if why.contains(NOT_TEXT) {
                    found.help(if name == "key" { KEY_TO_PEM } else { MAKE_PEM });
                }
                None
            }
        }
    }

    fn without_fault<T>(
        &mut self,
        (at, file): (At, OwnConfig),
        read: impl Fn(&str) -> Result<T, Fault>,
    ) -> Option<(At, OwnConfig, T)> {
        match read(&file.text) {
            Ok(read) => Some((at, file, read)),
            Err(Fault(why, help)) => {
                let message = format!("`{}` {why}", file.path);
                let found = self.f.error(at, "certificate", message);
                if !help.is_empty() {
                    found.help(help);
                }
                None
            }
        }
    }
}

/// A certificate as it is in a file.
#[derive(Debug)]
struct Certificate {
    der: Vec<u8>,
    pem: String,
}

impl Certificate {
    fn parsed(&self) -> Result<X509Certificate<'_>, Fault> {
        match x509_parser::parse_x509_certificate(&self.der) {
            Ok((_, parsed)) => Ok(parsed),
            Err(_) => Err(Fault("holds PEM, but no X.509 certificate".to_owned(), "")),
        }
    }
}

/// The blocks of a PEM file.
fn blocks(text: &str) -> Result<Vec<Pem>, Fault> {
    let blocks: Result<Vec<Pem>, _> = Pem::iter_from_buffer(text.as_bytes()).collect();
    blocks
        .ok()
        .filter(|blocks| !blocks.is_empty())
        .ok_or_else(|| Fault("is not PEM".to_owned(), MAKE_PEM))
}

fn certificates(text: &str) -> Result<Vec<Certificate>, Fault> {
    let mut certificates = Vec::new();
    for block in blocks(text)? {
        if block.label != "CERTIFICATE" {
            let why = format!("holds a `{}` where a certificate should be", block.label);
            return Err(Fault(why, ""));
        }
        let certificate = Certificate {
            pem: pem_of(text, certificates.len()),
            der: block.contents,
        };
        certificate.parsed()?;
        certificates.push(certificate);
    }
    Ok(certificates)
}

/// The `number`th block as it is written: strongSwan reads one of each file.
fn pem_of(text: &str, number: usize) -> String {
    const END: &str = "-----END CERTIFICATE-----";
    let block = text.split_inclusive(END).nth(number).unwrap_or_default();
    let begin = block.find("-----BEGIN").unwrap_or_default();
    block.get(begin..).unwrap_or_default().to_owned() + "\n"
}

fn end_certificate(text: &str) -> Result<Certificate, Fault> {
    let mut all = certificates(text)?;
    match (all.pop(), all.is_empty()) {
        (Some(only), true) => Ok(only),
        _ => Err(Fault(
            format!("holds {} certificates, not the end's alone", all.len() + 1),
            "those of intermediate authorities belong into `ca`",
        )),
    }
}

fn authorities(text: &str) -> Result<Vec<Certificate>, Fault> {
    let all = certificates(text)?;
    for certificate in &all {
        let parsed = certificate.parsed()?;
        if !parsed.is_ca() {
            return Err(Fault(
                format!("holds `{}`, which is no authority", parsed.subject()),
                "its basic constraints say `CA:FALSE`, or nothing",
            ));
        }
    }
    Ok(all)
}

fn private_key(text: &str) -> Result<KeyPair, Fault> {
    let of_sort = |sort: &str, help| Err(Fault(format!("is {sort}"), help));
    let blocks = blocks(text).map_err(|Fault(why, _)| Fault(why, KEY_TO_PEM))?;
    // OpenSSL puts a curve's parameters before its key.
    let mut keys = blocks.iter().filter(|block| block.label.ends_with("KEY"));
    let Some(block) = keys.next() else {
        return of_sort("no private key", "");
    };
    match block.label.as_str() {
        "PRIVATE KEY" => KeyPair::try_from(block.contents.as_slice()).or_else(|_| {
            of_sort(
                "a private key of another sort than those read here",
                "RSA of 2048 to 4096 bits, ECDSA on P-256 or P-384, or Ed25519",
            )
        }),
        "ENCRYPTED PRIVATE KEY" => of_sort("encrypted", DECRYPT),
        "RSA PRIVATE KEY" | "EC PRIVATE KEY" => {
            of_sort("a private key, but not PKCS #8", MAKE_PKCS8)
        }
        _ => of_sort("no private key", ""),
    }
}

fn belongs(certificate: &Certificate, key: &KeyPair) -> bool {
    certificate.parsed().is_ok_and(|parsed| {
        let public = &parsed.public_key().subject_public_key;
        public.data.as_ref() == key.der_bytes()
    })
}

/// From the end to a root that has signed itself; when all of them are valid.
fn chain(end: &Certificate, authorities: &[Certificate]) -> Result<(Moment, Moment), Fault> {
    let mut parsed = Vec::new();
    for authority in authorities {
        parsed.push(authority.parsed()?);
    }
    let mut current = end.parsed()?;
    let (mut since, mut until) = validity(&current);
    // Each step goes up, and no chain is longer than what there is.
    if current.subject() == current.issuer()
        && current.verify_signature(Some(current.public_key())).is_ok()
    {
        return Err(Fault(
            "has signed itself, and is not signed by another in".to_owned(),
            "strongSwan refuses it (\"peer not authenticated by CA\") even as its own authority; AWS's are signed by a subordinate CA of AWS Private CA",
        ));
    }
    for _ in 0..=parsed.len() {
        let issuer = parsed.iter().find(|issuer| {
            issuer.subject() == current.issuer()
                && current.verify_signature(Some(issuer.public_key())).is_ok()
        });
        let Some(issuer) = issuer else {
            break;
        };
        let (from, to) = validity(issuer);
        since = since.max(from);
        until = until.min(to);
        if issuer.subject() == issuer.issuer() {
            return Ok((since, until));
        }
        current = issuer.clone();
    }
    Err(Fault(
        "is not signed, up to a root, by what is in".to_owned(),
        "`ca` holds the root and every authority between it and the end",
    ))
}

fn validity(certificate: &X509Certificate<'_>) -> (Moment, Moment) {
    let validity = certificate.validity();
    [validity.not_before, validity.not_after]
        .map(|time| Moment {
            seconds: time.timestamp(),
            text: time.to_string(),
        })
        .into()
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, date_time_ymd};

    use super::*;

    /// A certificate's parameters and key, and what was made of them.
    struct Made {
        params: CertificateParams,
        key: KeyPair,
        pem: String,
    }

    fn make(name: &str, ca: bool, years: [i32; 2], by: Option<&Made>) -> Made {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        [params.not_before, params.not_after] = years.map(|year| date_time_ymd(year, 1, 1));
        if ca {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        let key = KeyPair::generate().unwrap();
        let made = match by {
            Some(by) => params.signed_by(&key, &Issuer::from_params(&by.params, &by.key)),
            None => params.self_signed(&key),
        };
        let pem = made.unwrap().pem();
        Made { params, key, pem }
    }

    fn between(end: &str, authority: &str) -> Result<[i64; 2], Fault> {
        let (since, until) = chain(&end_certificate(end)?, &authorities(authority)?)?;
        Ok([since.seconds, until.seconds])
    }

    fn why<T>(result: Result<T, Fault>) -> String {
        result.err().map_or_else(String::new, |Fault(why, _)| why)
    }

    #[test]
    fn a_chain_leads_to_a_root_and_lasts_as_its_shortest_link() {
        let root = make("root", true, [2001, 2090], None);
        let middle = make("middle", true, [2010, 2030], Some(&root));
        let end = make("end", false, [2005, 2050], Some(&middle));
        let both = format!("# the root\n{}\n{}", root.pem, middle.pem);
        let seconds = |year| date_time_ymd(year, 1, 1).unix_timestamp();
        assert_eq!(between(&end.pem, &both), Ok([seconds(2010), seconds(2030)]));
        // One block of each file is what strongSwan reads.
        let blocks = authorities(&both).unwrap();
        let pems: Vec<&str> = blocks.iter().map(|ca| ca.pem.trim()).collect();
        assert_eq!(pems, [root.pem.trim(), middle.pem.trim()]);
        for missing in [&root.pem, &middle.pem] {
            assert!(why(between(&end.pem, missing)).contains("up to a root"));
        }
        // openssl makes authorities of what it has sign themselves.
        let own = make("own", true, [2010, 2030], None);
        assert!(why(between(&own.pem, &own.pem)).contains("has signed itself"));
        // Of the same name, but another's key.
        let stranger = make("middle", true, [2010, 2030], None);
        assert!(why(between(&end.pem, &stranger.pem)).contains("up to a root"));
    }

    #[test]
    fn a_key_belongs_to_one_certificate() {
        let root = make("root", true, [2001, 2090], None);
        let [one, other] =
            ["one", "other"].map(|name| make(name, false, [2001, 2090], Some(&root)));
        let certificate = end_certificate(&one.pem).unwrap();
        let key = |made: &Made| private_key(&made.key.serialize_pem()).unwrap();
        assert!(belongs(&certificate, &key(&one)));
        assert!(!belongs(&certificate, &key(&other)));
    }

    #[test]
    fn what_a_file_is_instead_is_said() {
        let root = make("root", true, [2001, 2090], None);
        let end = make("end", false, [2001, 2090], Some(&root));
        let twice = end.pem.clone() + &root.pem;
        assert!(why(end_certificate("not a certificate")).contains("is not PEM"));
        assert!(why(end_certificate(&twice)).contains("holds 2 certificates"));
        assert!(why(end_certificate(&end.key.serialize_pem())).contains("`PRIVATE KEY`"));
        assert!(why(authorities(&end.pem)).contains("CN=end`, which is no authority"));
        let empty = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(why(end_certificate(empty)).contains("no X.509"));
        let key = |label: &str| {
            let pem = end.key.serialize_pem().replace("PRIVATE KEY", label);
            why(private_key(&pem))
        };
        assert_eq!(key("ENCRYPTED PRIVATE KEY"), "is encrypted");
        assert_eq!(key("RSA PRIVATE KEY"), "is a private key, but not PKCS #8");
        assert_eq!(key("PUBLIC KEY"), "is no private key");
        assert_eq!(why(private_key(&end.pem)), "is no private key");
    }
}
