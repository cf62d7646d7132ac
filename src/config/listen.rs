//! `listen` and `admin`: where requests come in, and where operators look in.

use std::net::SocketAddr;

use super::fault::Place;
use super::model::{Admin, Listener};
use super::read::Reader;
use super::tls;
use super::yaml::{Kind, Node};

/// An admin token shorter than this can be guessed.
const SHORT_TOKEN: usize = 16;

/// A listener and where its address stands.
pub(super) type Placed<T> = (T, Place);

/// Reads `listen`: an address, `{ address, tls }`, or a list of them.
pub(super) fn listeners(reader: &mut Reader, node: &Node) -> Option<Vec<Placed<Listener>>> {
    let before = reader.log.errors();
    let listeners = reader.one_or_many(node, listener)?;
    if listeners.is_empty() && reader.log.errors() == before {
        reader.log.error(node.owner, "`listen` is an empty list", "write at least one address, like `0.0.0.0:8443`");
    }
    Some(listeners)
}

fn listener(reader: &mut Reader, node: &Node) -> Option<Placed<Listener>> {
    if let Kind::Scalar(_) = node.kind {
        return Some((Listener { address: address(reader, node)?, tls: Vec::new() }, node.place));
    }
    let mut section = reader.section(node, "`listen`")?;
    let mut place = node.place;
    let address = section.required(reader, "address", "write `address: 0.0.0.0:8443`", |reader, node| {
        place = node.place;
        address(reader, node)
    });
    let tls = section.optional(reader, "tls", tls::certificates);
    section.finish(reader);
    Some((Listener { address: address?, tls: tls.unwrap_or_default() }, place))
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
