//! `store`: where our own issuer keeps what must outlive the process.
//!
//! Nothing is opened here. Whether the file or the database can be used is found out by whoever opens it.

use super::authorization_server::WrittenServer;
use super::database;
use super::fault::{FaultKind, Place};
use super::model::{KeyOrigin, Signing, StoreLocation};
use super::read::Reader;
use super::yaml::Node;

/// The store where nobody names one, beside the configuration.
const USUAL: &str = "narrowgate.redb";

/// What stands under `store`.
pub(super) struct WrittenStore {
    /// Where it stands.
    place: Place,
    /// Nothing if it has faults.
    location: Option<StoreLocation>,
}

/// Reads `store`.
pub(super) fn store(reader: &mut Reader, node: &Node) -> Option<WrittenStore> {
    Some(WrittenStore { place: node.owner, location: location(reader, node) })
}

fn location(reader: &mut Reader, node: &Node) -> Option<StoreLocation> {
    let path = reader.string(node)?;
    let scalar = reader.scalar(node)?;
    if database::is_meant(&path) {
        return database::database(reader, node).map(|database| StoreLocation::Postgres(Box::new(database)));
    }
    if path.contains("://") {
        let hint = "write `store: narrowgate.redb`, or `store: postgres://…` for several nodes";
        reader.log.error(node.place, "a URL stands here that names no PostgreSQL database", hint);
        return None;
    }
    if path.ends_with('/') || matches!(path.as_str(), "." | "..") {
        let message = format!("`{}` is a folder", scalar.shown());
        reader.log.error(node.place, message, "name the file, like `store: state/narrowgate.redb`");
        return None;
    }
    match path.as_str() {
        "memory" => Some(StoreLocation::Memory),
        path => Some(StoreLocation::File(reader.resolve(path))),
    }
}

/// Where the issuer's state is kept: where the file says, or else beside it; nothing without an issuer. `has_issuer` is
/// whether the file has one, also one with faults.
pub(super) fn decide(
    reader: &mut Reader,
    written: Option<WrittenStore>,
    server: Option<&WrittenServer>,
    has_issuer: bool,
) -> Option<StoreLocation> {
    if let Some(store) = written.as_ref().filter(|_| !has_issuer) {
        let hint = "take it out: the gate alone keeps no state";
        reader.log.error(store.place, "`store` keeps nothing: there is no `issuer`", hint);
    }
    let server = server?;
    let Some(store) = written else {
        if !server.has_key_files {
            return Some(StoreLocation::File(reader.resolve(USUAL)));
        }
        let message = "nothing is kept: with `signing.keys` and no `store`, what was revoked is forgotten at a restart";
        let hint = "write `store: narrowgate.redb`; or `store: memory`, if tokens are short enough for that";
        match &server.login {
            None => reader.log.tell(FaultKind::StateForgotten, server.place, message, hint),
            Some(login) => logins_are_forgotten(reader, login.place),
        }
        return Some(StoreLocation::Memory);
    };
    check_sealed(reader, &store, server);
    if let Some(login) = server.login.as_ref().filter(|_| store.location == Some(StoreLocation::Memory)) {
        logins_are_forgotten(reader, login.place);
    }
    if store.location == Some(StoreLocation::Memory) && server.server.is_some() && !server.has_key_files {
        let message = "keys that are made here are kept in the store, so it cannot be `memory`";
        let hint = "name a file (`./memory`, if that is its name), or bring keys of your own with `signing.keys`";
        reader.log.error(store.place, message, hint);
    }
    store.location
}

/// A database is read by whoever has a copy of it, so what is secret there needs a key from elsewhere.
fn check_sealed(reader: &mut Reader, store: &WrittenStore, server: &WrittenServer) {
    let Some(Signing { keys, encryption: None, .. }) = server.server.as_ref().map(|server| &server.signing) else {
        return;
    };
    if !matches!(store.location, Some(StoreLocation::Postgres(_))) {
        return;
    }
    let (message, way_out) = match (keys, &server.login) {
        (KeyOrigin::Files(_), None) => return,
        (KeyOrigin::Store { .. }, None) => (
            "keys that are made here are kept in the database, and nothing is given to encrypt them under",
            "; or bring keys of your own with `signing.keys`",
        ),
        (_, Some(_)) => ("what users grant is kept in the database, and nothing is given to encrypt it under", ""),
    };
    let hint = format!(
        "write `signing: {{ key_encryption: \"${{KEY_ENCRYPTION}}\" }}` in the issuer, the same for every node \
         (`openssl rand -base64 32`){way_out}"
    );
    reader.log.error(store.place, message, hint);
}

fn logins_are_forgotten(reader: &mut Reader, place: Place) {
    let message = "logins, what users granted and what was revoked are forgotten at a restart";
    reader.log.tell(FaultKind::StateForgotten, place, message, "write `store: narrowgate.redb` to keep them");
}
