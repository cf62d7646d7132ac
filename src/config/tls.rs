//! Certificate files: read and tried once at load, so that a bad one is a fault and not an outage.

use std::collections::HashSet;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use webpki::EndEntityCert;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use super::fault::Place;
use super::model::Certificate;
use super::read::{Reader, Section};
use super::yaml::{Kind, Node};
use crate::clock::Timestamp;
use crate::secret::Secret;

/// The longest PEM file, in bytes; a whole bundle of public roots is a quarter of that.
const MAX_PEM: u64 = 1 << 20;

/// Reads `tls`: `{ cert, key }`, or a list of them.
pub(super) fn certificates(reader: &mut Reader, node: &Node) -> Option<Vec<Certificate>> {
    let before = reader.log.errors();
    let mut chains = Vec::new();
    let certificates = reader.one_or_many(node, |reader, node| {
        let (certificate, leaf) = certificate(reader, node)?;
        chains.push((leaf, node.place));
        Some(certificate)
    })?;
    if reader.log.errors() == before {
        advise_on_names(reader, &chains);
    }
    if certificates.is_empty() && reader.log.errors() == before {
        reader.log.error(
            node.owner,
            "`tls` is an empty list",
            "name a certificate, or leave the key out for plain HTTP",
        );
    }
    Some(certificates)
}

/// The DNS names that a certificate is for, as they stand in it: those of its subject's alternative names, and nothing
/// from its subject. A client verifies them itself; here they only choose what it is shown.
pub fn certificate_names(leaf: &CertificateDer<'_>) -> Vec<String> {
    let leaf = EndEntityCert::try_from(leaf).ok();
    leaf.map_or_else(Vec::new, |leaf| leaf.valid_dns_names().map(str::to_ascii_lowercase).collect())
}

/// Of several certificates, one that has no name of its own is never shown to anybody, unless it is the first.
fn advise_on_names(reader: &mut Reader, chains: &[(CertificateDer<'_>, Place)]) {
    let mut seen = HashSet::new();
    for (at, (leaf, place)) in chains.iter().enumerate() {
        let names = certificate_names(leaf);
        let fresh = names.iter().filter(|name| seen.insert((*name).clone())).count();
        if at > 0 && fresh == 0 {
            let hint = match names.is_empty() {
                true => {
                    "it has no DNS name among its subject's alternative names; put it first, or have it issued anew"
                }
                false => "the certificates before it have all of its names; take one of them out",
            };
            reader.log.warning(*place, "nobody is ever shown this certificate", hint);
        }
    }
}

/// A certificate, and the first of its chain.
fn certificate(reader: &mut Reader, node: &Node) -> Option<(Certificate, CertificateDer<'static>)> {
    let mut section = reader.section(node, "`tls`")?;
    let certificate = key_pair(reader, &mut section);
    section.finish(reader);
    certificate
}

/// Reads `cert` and `key` of a section, which must belong together; the certificate is also given read.
pub(super) fn key_pair(
    reader: &mut Reader,
    section: &mut Section<'_>,
) -> Option<(Certificate, CertificateDer<'static>)> {
    let mut key_node = None;
    let chain = section.required(reader, "cert", "name the PEM file of the certificate chain", |reader, node| {
        let pem = reader.file(node, MAX_PEM)?;
        Some((reader.string(node)?, chain(reader, node, &pem)?, pem))
    });
    let key = section.required(reader, "key", "name the PEM file of the private key", |reader, node| {
        key_node = Some(node);
        let pem = reader.file(node, MAX_PEM)?;
        Some((key(reader, node, &pem)?, Secret::new(pem)))
    });
    let ((path, chain, cert_pem), (key, key_pem)) = (chain?, key?);
    let node = key_node?;
    let signing = match aws_lc_rs::default_provider().key_provider.load_private_key(key) {
        Ok(signing) => signing,
        Err(_) => {
            let message = "this kind of private key cannot be used for TLS";
            reader.log.error(node.place, message, "use an ECDSA (P-256, P-384), Ed25519 or RSA key");
            return None;
        }
    };
    let leaf = chain.first()?.clone();
    match CertifiedKey::new(chain, signing).keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {
            if has_expired(&leaf) {
                let message = format!("the certificate `{}` has expired", reader.public(&path));
                reader.log.warning(section.place(), message, "whoever checks it refuses it; have it renewed");
            }
            let certificate = Certificate { cert: reader.resolve(&path), cert_pem: cert_pem.into(), key_pem };
            Some((certificate, leaf))
        }
        Err(rustls::Error::InconsistentKeys(_)) => {
            let message = "the private key is not the certificate's";
            reader.log.error(node.place, message, "name the key that the certificate was requested with");
            None
        }
        Err(_) => {
            reader.log.error(
                section.place(),
                "the certificate cannot be read",
                "is it an X.509 certificate of version 3?",
            );
            None
        }
    }
}

/// Whether a certificate's time is over; one that cannot be read tells nothing.
fn has_expired(certificate: &CertificateDer<'_>) -> bool {
    let read = X509Certificate::from_der(certificate);
    let end = read.ok().map(|(_, certificate)| certificate.validity().not_after.timestamp());
    end.is_some_and(|end| u64::try_from(end).is_ok_and(|end| end < Timestamp::now().0))
}

fn chain(reader: &mut Reader, node: &Node, pem: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    match CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>() {
        Ok(chain) if !chain.is_empty() => Some(chain),
        _ => {
            let message = format!("the file `{}` holds no certificate", reader.scalar(node)?.shown());
            reader.log.error(node.place, message, "a PEM file has `-----BEGIN CERTIFICATE-----` in it, the leaf first");
            None
        }
    }
}

fn key(reader: &mut Reader, node: &Node, pem: &[u8]) -> Option<PrivateKeyDer<'static>> {
    match PrivateKeyDer::from_pem_slice(pem) {
        Ok(key) => Some(key),
        Err(_) => {
            let message = format!("the file `{}` holds no private key", reader.scalar(node)?.shown());
            reader.log.error(
                node.place,
                message,
                "a PEM file has `-----BEGIN PRIVATE KEY-----` in it, without a password",
            );
            None
        }
    }
}

/// Reads `trusted_cas`: PEM files, put together.
pub(super) fn authorities(reader: &mut Reader, node: &Node) -> Option<Vec<u8>> {
    if let Kind::Mapping(_) = node.kind {
        reader.unexpected(node, "a file name or a list of them", "name PEM files");
        return None;
    }
    let files = reader.one_or_many(node, |reader, node| {
        let mut pem = reader.file(node, MAX_PEM)?;
        chain(reader, node, &pem)?;
        pem.push(b'\n');
        Some(pem)
    })?;
    Some(files.concat())
}
