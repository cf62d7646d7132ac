//! What an issuer is called (`issuer`), and where its keys come from (`jwks`, `discovery`, or the issuer itself).

use url::Url;

use super::fault::Place;
use super::model::{JwksLocation, KeySource};
use super::read::{Reader, Section};
use super::url::is_loopback;
use super::yaml::Node;

/// The longest key set in a file, in bytes.
const MAX_JWKS: u64 = 1 << 20;

/// Hosts of Entra ID, which answers for every directory under a few shared names.
const ENTRA_HOSTS: [&str; 4] =
    ["login.microsoftonline.com", "login.microsoftonline.us", "login.partner.microsoftonline.cn", "sts.windows.net"];

/// Reads `issuer`, `jwks` and `discovery`; what `iss` may be goes to `names`.
pub(super) fn source(
    reader: &mut Reader,
    section: &mut Section<'_>,
    insecure_http: bool,
    names: &mut Vec<(String, Place)>,
) -> Option<KeySource> {
    let mut nodes = Vec::new();
    let issuer_hint = "write the value of `iss` in its tokens, byte for byte, like `issuer: https://login.example.com`";
    section.required(reader, "issuer", issuer_hint, |reader, node| {
        let before = reader.log.errors();
        reader.one_or_many(node, |reader, item| {
            names.push((issuer(reader, item)?, item.place));
            nodes.push(item);
            Some(())
        })?;
        if nodes.is_empty() && reader.log.errors() == before {
            reader.log.error(node.owner, "`issuer` is an empty list", issuer_hint);
        }
        Some(())
    });
    let jwks_node = section.get("jwks");
    let discovery_node = section.get("discovery");
    if let (Some(_), Some(node)) = (jwks_node, discovery_node) {
        let message = "`jwks` and `discovery` both say where the keys are";
        reader.log.error(node.owner, message, "keep `jwks` if the keys have a place of their own, else `discovery`");
    }
    if let Some(node) = jwks_node {
        return jwks(reader, node, insecure_http).map(KeySource::Jwks);
    }
    if let Some(node) = discovery_node {
        refuse_shared_entra(reader, node)?;
        let url = reader.trusted_url(node, insecure_http)?;
        return Some(KeySource::DiscoveryAt { url });
    }
    let first = nodes.first()?;
    if nodes.len() > 1 {
        let message = "only the first of these issuers is asked for keys";
        reader.log.warning(nodes[1].place, message, "write `jwks:` or `discovery:` to say where the keys of all are");
    }
    let issuer = discoverable(reader, first, insecure_http)?;
    Some(KeySource::Discovery { issuer })
}

fn issuer(reader: &mut Reader, node: &Node) -> Option<String> {
    let text = reader.string(node)?;
    refuse_shared_entra(reader, node)?;
    Some(text)
}

/// Refuses the names under which Entra ID answers for every directory: the tokens carry a directory's own.
fn refuse_shared_entra(reader: &mut Reader, node: &Node) -> Option<()> {
    let scalar = reader.scalar(node)?;
    let (host, path) = split(&scalar.text);
    let first = path.split('/').next().unwrap_or_default();
    let shared = ENTRA_HOSTS.contains(&host) && matches!(first, "common" | "organizations" | "consumers");
    if !shared && !scalar.text.contains(['{', '}']) {
        return Some(());
    }
    let message = format!("`{}` stands for every directory, and no token carries it", scalar.shown());
    let hint = "write your directory's GUID there: `https://login.microsoftonline.com/GUID/v2.0`";
    reader.log.error(node.place, message, hint);
    None
}

/// The host of a URL and its path without the first slash; empty where there is none.
fn split(text: &str) -> (&str, &str) {
    let rest = text.split_once("://").map_or("", |(_, rest)| rest);
    rest.split_once('/').unwrap_or((rest, ""))
}

/// The host of an issuer, to recognise the well-known ones.
pub(super) fn host_of(issuer: &str) -> &str {
    split(issuer).0
}

/// An issuer whose own discovery document is asked.
fn discoverable(reader: &mut Reader, node: &Node, insecure_http: bool) -> Option<Url> {
    let scalar = reader.scalar(node)?;
    if !scalar.text.starts_with("https://") && !scalar.text.starts_with("http://") {
        let message = format!("`{}` is no URL, so its keys cannot be discovered", scalar.shown());
        let hint = "say where they are with `jwks:`, or write the issuer with `https://` if its tokens do";
        reader.log.error(node.place, message, hint);
        return None;
    }
    let url = reader.trusted_url(node, insecure_http)?;
    if url.query().is_some() {
        let message = format!("`{}` has a query, which no issuer has (RFC 8414 section 2)", scalar.shown());
        reader.log.error(node.place, message, "take it out, or say where the keys are with `jwks:`");
        return None;
    }
    Some(url)
}

fn jwks(reader: &mut Reader, node: &Node, insecure_http: bool) -> Option<Vec<JwksLocation>> {
    let before = reader.log.errors();
    let locations = reader.one_or_many(node, |reader, item| location(reader, item, insecure_http))?;
    if locations.is_empty() && reader.log.errors() == before {
        let hint = "name a URL or a file, or leave the key out for the issuer's own discovery document";
        reader.log.error(node.owner, "`jwks` is an empty list", hint);
        return None;
    }
    Some(locations)
}

fn location(reader: &mut Reader, node: &Node, insecure_http: bool) -> Option<JwksLocation> {
    let path = reader.string(node)?;
    if path.contains("://") {
        return reader.trusted_url(node, insecure_http).map(JwksLocation::Url);
    }
    key_set(reader, node, &path)
}

/// Reads `jwks` of a client: the places of its own keys. Whoever could exchange those would be the client, so there is
/// no way to fetch them in the clear.
pub(super) fn of_client(reader: &mut Reader, node: &Node) -> Option<Vec<JwksLocation>> {
    let before = reader.log.errors();
    let places = reader.one_or_many(node, |reader, item| {
        let path = reader.string(item)?;
        if !path.contains("://") {
            return key_set(reader, item, &path).filter(|file| is_public(reader, item, file));
        }
        let url = reader.url(item)?;
        if url.scheme() == "https" || is_loopback(&url) {
            return Some(JwksLocation::Url(url));
        }
        let message = format!("`{}` is not `https`, and its host is not loopback", reader.scalar(item)?.shown());
        reader.log.error(item.place, message, "use `https`, or put the keys into a file");
        None
    })?;
    if places.is_empty() && reader.log.errors() == before {
        let hint = "name a URL or a file with the client's public keys";
        reader.log.error(node.owner, "`jwks` is an empty list", hint);
        return None;
    }
    Some(places)
}

/// Whether a client's file holds nothing that it signs with itself: then it would prove nothing to anybody who reads it.
fn is_public(reader: &mut Reader, node: &Node, file: &JwksLocation) -> bool {
    let JwksLocation::File { json, .. } = file else { return true };
    let set = serde_json::from_slice::<serde_json::Value>(json).unwrap_or_default();
    let mut keys = set.get("keys").and_then(serde_json::Value::as_array).into_iter().flatten();
    // RFC 7518 §6.2.2, §6.3.2 and §6.4.1.
    let is_secret = |key: &serde_json::Value| ["d", "p", "q", "k"].iter().any(|member| key.get(member).is_some());
    if !keys.any(is_secret) {
        return true;
    }
    let message = "the file holds a private or a shared key, with which whoever reads it is the client";
    reader.log.error(node.place, message, "make a new key pair for the client, and put its public half here");
    false
}

/// A key set in a file.
fn key_set(reader: &mut Reader, node: &Node, path: &str) -> Option<JwksLocation> {
    let json = reader.file(node, MAX_JWKS)?;
    let keys = serde_json::from_slice::<serde_json::Value>(&json).ok();
    if !keys.is_some_and(|set| set.get("keys").is_some_and(serde_json::Value::is_array)) {
        let message = format!("the file `{}` is no JWK set", reader.scalar(node)?.shown());
        reader.log.error(node.place, message, "a JWK set is a JSON object with a list `keys` (RFC 7517 section 5)");
        return None;
    }
    Some(JwksLocation::File { path: reader.resolve(path), json: json.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_what_lies_between_scheme_and_path() {
        assert_eq!(host_of("https://login.example.com/tenant/v2.0"), "login.example.com");
        assert_eq!(host_of("https://login.example.com"), "login.example.com");
        assert_eq!(host_of("acme.com"), "");
        assert_eq!(split("https://login.example.com/common/v2.0").1, "common/v2.0");
    }
}
