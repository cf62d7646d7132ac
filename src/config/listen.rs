//! `listen` and `admin`: where requests come in, and where operators look in.

use std::net::SocketAddr;

use super::fault::Place;
use super::model::{Admin, ClientProtocol, Listener, Purpose, Tls, TlsVersion};
use super::read::{Reader, Section};
use super::tls;
use super::yaml::{Kind, Node};

/// An admin token shorter than this can be guessed.
const SHORT_TOKEN: usize = 16;

/// A listener and where its address stands.
pub(super) type Placed<T> = (T, Place);

/// Reads `listen`: an address, a section, or a list of them.
pub(super) fn listeners(reader: &mut Reader, node: &Node) -> Option<Vec<Placed<Listener>>> {
    let before = reader.log.errors();
    let listeners = reader.one_or_many(node, listener)?;
    let all_redirect = listeners.iter().all(|(listener, _)| listener.purpose.redirects_to().is_some());
    match reader.log.errors() == before {
        true if listeners.is_empty() => {
            reader.log.error(
                node.owner,
                "`listen` is an empty list",
                "write at least one address, like `0.0.0.0:8443`",
            );
        }
        true if all_redirect => {
            let hint = "add a listener that serves, like `{ address: 0.0.0.0:443, tls: { cert: …, key: … } }`";
            reader.log.error(node.owner, "every listener redirects, so nothing is served", hint);
        }
        _ => {}
    }
    Some(listeners)
}

fn listener(reader: &mut Reader, node: &Node) -> Option<Placed<Listener>> {
    if let Kind::Scalar(_) = node.kind {
        return Some((Listener { address: address(reader, node)?, purpose: Purpose::Http }, node.place));
    }
    let mut section = reader.section(node, "`listen`")?;
    let mut place = node.place;
    let address = section.required(reader, "address", "write `address: 0.0.0.0:8443`", |reader, node| {
        place = node.place;
        address(reader, node)
    });
    let purpose = purpose(reader, &mut section);
    section.finish(reader);
    let listener = Listener { address: address?, purpose: purpose? };
    if listener.purpose.redirects_to() == Some(listener.address.port()) {
        let message = "this address redirects to its own port";
        reader.log.error(place, message, "every client would go round in circles; name the port where TLS is spoken");
    }
    Some((listener, place))
}

/// What stands beside the address.
fn purpose(reader: &mut Reader, section: &mut Section<'_>) -> Option<Purpose> {
    let is_tls = section.get("tls").is_some();
    let certificates = section.optional(reader, "tls", tls::certificates);
    let min_version = section.optional(reader, "min_tls", |reader, node| {
        only_beside_tls(reader, node, "min_tls", is_tls)?;
        let words = [TlsVersion::Tls12, TlsVersion::Tls13].map(|version| (version.as_str(), version));
        reader.choice(node, "version of TLS that is spoken here", &words)
    });
    let protocols = section.optional(reader, "alpn", |reader, node| {
        only_beside_tls(reader, node, "alpn", is_tls)?;
        protocols(reader, node)
    });
    let redirect = section.optional(reader, "redirect", |reader, node| {
        if is_tls {
            let message = "`redirect` stands beside `tls`";
            reader.log.error(node.owner, message, "give each an address of its own: plain HTTP redirects, TLS serves");
            return None;
        }
        https_port(reader, node)
    });
    if section.get("redirect").is_some() {
        return Some(Purpose::Redirect { https_port: redirect? });
    }
    if !is_tls {
        return Some(Purpose::Http);
    }
    let mut tls = Tls::new(certificates?);
    tls.min_version = min_version.unwrap_or(tls.min_version);
    tls.protocols = protocols.unwrap_or(tls.protocols);
    Some(Purpose::Https(tls))
}

fn only_beside_tls(reader: &mut Reader, node: &Node, key: &str, is_tls: bool) -> Option<()> {
    if !is_tls {
        let message = format!("`{key}` stands here without `tls`");
        reader.log.error(node.owner, message, "write `tls: { cert: …, key: … }` beside it, or leave it out");
    }
    is_tls.then_some(())
}

/// What is spoken over TLS, the preferred one first.
fn protocols(reader: &mut Reader, node: &Node) -> Option<Vec<ClientProtocol>> {
    let before = reader.log.errors();
    let mut protocols: Vec<ClientProtocol> = Vec::new();
    reader.one_or_many(node, |reader, node| {
        let words = [ClientProtocol::Http2, ClientProtocol::Http1].map(|protocol| (protocol.as_str(), protocol));
        let protocol = reader.choice(node, "protocol that is spoken here", &words)?;
        match protocols.contains(&protocol) {
            true => reader.repeated(node),
            false => protocols.push(protocol),
        }
        Some(())
    })?;
    if protocols.is_empty() && reader.log.errors() == before {
        reader.log.error(node.owner, "`alpn` is an empty list", "write `[h2, http/1.1]`, or leave it out");
    }
    Some(protocols)
}

/// Reads `redirect`: `https`, or the port where TLS is spoken.
fn https_port(reader: &mut Reader, node: &Node) -> Option<u16> {
    /// Where `https` URLs lead that name no port (RFC 9110 §4.2.2).
    const HTTPS: u16 = 443;
    let scalar = reader.scalar(node)?;
    if scalar.text == "https" {
        return Some(HTTPS);
    }
    let digits = scalar.text.bytes().all(|byte| byte.is_ascii_digit());
    match scalar.text.parse() {
        Ok(port) if digits && port > 0 => Some(port),
        _ => {
            let message = format!("`{}` is neither `https` nor a port", scalar.shown());
            reader.log.error(node.place, message, "write `redirect: https`, or the port of the `https` URLs: `8443`");
            None
        }
    }
}

/// Reads `admin`: an address, or `{ address, token, hosts }`.
pub(super) fn admin(reader: &mut Reader, node: &Node) -> Option<Placed<Admin>> {
    if let Kind::Scalar(_) = node.kind {
        let address = address(reader, node)?;
        let admin = Admin { address, token: None, hosts: Vec::new() };
        return guarded(reader, admin, node.place);
    }
    let mut section = reader.section(node, "`admin`")?;
    let mut place = node.place;
    let address = section.required(reader, "address", "write `address: 127.0.0.1:9090`", |reader, node| {
        place = node.place;
        address(reader, node)
    });
    let has_token = section.get("token").is_some();
    let token = section.optional(reader, "token", |reader, node| {
        let secret = reader.secret(node)?;
        if secret.expose().len() < SHORT_TOKEN {
            let message = format!("the admin token is shorter than {SHORT_TOKEN} characters");
            reader.log.warning(node.place, message, "make a long one, for example with `openssl rand -base64 32`");
        }
        Some(secret)
    });
    let hosts = section.optional(reader, "hosts", |reader, node| reader.one_or_many(node, host));
    section.finish(reader);
    let admin = Admin { address: address?, token, hosts: hosts.unwrap_or_default() };
    // A token with a fault is one all the same: its own fault says enough.
    if has_token { Some((admin, place)) } else { guarded(reader, admin, place) }
}

/// Whoever reaches an admin address beyond this machine must show a token.
fn guarded(reader: &mut Reader, admin: Admin, place: Place) -> Option<Placed<Admin>> {
    if admin.address.ip().to_canonical().is_loopback() || admin.token.is_some() {
        return Some((admin, place));
    }
    let message = "the admin address is not loopback and has no token";
    let hint = "write `admin: { address: …, token: \"${ADMIN_TOKEN}\" }`, or use `127.0.0.1`";
    reader.log.error(place, message, hint);
    None
}

fn host(reader: &mut Reader, node: &Node) -> Option<String> {
    let text = reader.string(node)?;
    match crate::route::HostPattern::parse(&text) {
        Ok(host) if host.port.is_none() => Some(host.host),
        _ => {
            let message = format!("`{}` is no host name", reader.scalar(node)?.shown());
            reader.log.error(node.place, message, "write the name alone, without scheme and port");
            None
        }
    }
}

fn address(reader: &mut Reader, node: &Node) -> Option<SocketAddr> {
    let scalar = reader.scalar(node)?;
    if let Ok(address) = scalar.text.parse() {
        return Some(address);
    }
    let text = &scalar.text;
    let hint = if text.starts_with(':') || text.bytes().all(|byte| byte.is_ascii_digit()) {
        "write the address too: `0.0.0.0:PORT` for everybody, `127.0.0.1:PORT` for this machine"
    } else if text.starts_with("localhost") {
        "write `127.0.0.1` for `localhost`"
    } else if text.contains("://") {
        "write address and port alone, without a scheme"
    } else {
        "write an IP address and a port, like `0.0.0.0:8443` or `[::]:8443`"
    };
    reader.log.error(node.place, format!("`{}` is no address with a port", scalar.shown()), hint);
    None
}

/// Tells of addresses that are used twice; port 0 is another one each time.
pub(super) fn check(reader: &mut Reader, listeners: &[Placed<Listener>], admin: Option<&Placed<Admin>>) {
    let all = listeners.iter().map(|(listener, place)| (listener.address, *place));
    let all: Vec<_> = all.chain(admin.map(|(admin, place)| (admin.address, *place))).collect();
    for (at, (address, place)) in all.iter().enumerate() {
        let earlier = all[..at].iter().find(|(other, _)| other == address && address.port() != 0);
        if let Some((_, first)) = earlier {
            let message = "this address is used twice";
            let hint = format!("it stands in line {} already; each needs a port of its own", first.line);
            reader.log.error(*place, message, hint);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Environment, parse};

    /// The purposes of the listeners in the fixture that has one of each.
    fn purposes() -> Vec<Purpose> {
        let path = Path::new("tests/fixtures/config/good/listeners.yaml");
        let text = std::fs::read_to_string(path).unwrap();
        let loaded = parse(&text, path, &Environment::default()).unwrap();
        loaded.config.listeners.into_iter().map(|listener| listener.purpose).collect()
    }

    #[test]
    fn what_stands_beside_the_address_is_what_the_listener_is_for() {
        use ClientProtocol::{Http1, Http2};
        use TlsVersion::{Tls12, Tls13};
        let told: Vec<_> = purposes()
            .into_iter()
            .map(|purpose| match purpose {
                Purpose::Https(tls) => Ok((tls.min_version, tls.protocols)),
                other => Err(other.redirects_to()),
            })
            .collect();
        let expected = [
            Ok((Tls12, vec![Http2, Http1])),
            Ok((Tls13, vec![Http1])),
            Ok((Tls12, vec![Http1, Http2])),
            Err(Some(443)),
            Err(Some(8443)),
        ];
        assert_eq!(told, expected);
    }
}
