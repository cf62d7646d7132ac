//! `store: postgres://user:password@host/name`: a database, from one URL.
//!
//! It is the URL that PostgreSQL's own tools take (libpq), with less in it: one host, and of the parameters `sslmode` alone,
//! as `verify-full` or `disable`. Nothing of it is ever shown but host, port and database: what is wrong with a URL is
//! often a password that was not encoded.

use std::net::IpAddr;

use rustls::pki_types::ServerName;
use url::Url;

use super::fault::FaultKind;
use super::model::{Database, DatabaseEncryption};
use super::read::Reader;
use super::yaml::Node;
use crate::secret::Secret;

/// PostgreSQL's own port.
const USUAL_PORT: u16 = 5432;
/// What a password may need.
const ENCODE: &str = "encode what has a meaning in URLs with `%`, in the password too: `@` is `%40`, `/` is `%2F`";
const SAMPLE: &str = "write it like `postgres://narrowgate:${DB_PASSWORD}@db.example.com/narrowgate`";

/// What is wrong with a URL, as the end of a sentence, and what to do.
type Wrong = (&'static str, &'static str);

/// Whether a text means a database.
pub(super) fn is_meant(text: &str) -> bool {
    matches!(text.split_once("://"), Some(("postgres" | "postgresql", _)))
}

/// Reads the URL of a database.
pub(super) fn database(reader: &mut Reader, node: &Node) -> Option<Database> {
    let text = reader.string(node)?;
    match parse(&text) {
        Ok((database, is_clear)) => {
            if is_clear {
                let message = format!("`{}` is reached without TLS", database.shown);
                let hint = "whoever is on the way can read and change what is kept; use `sslmode=verify-full`";
                reader.log.tell(FaultKind::Plaintext, node.place, message, hint);
            }
            Some(database)
        }
        Err((why, hint)) => {
            reader.log.error(node.place, format!("this URL of a database {why}"), hint);
            None
        }
    }
}

/// The database, and whether it is reached over a network in the clear.
fn parse(text: &str) -> Result<(Database, bool), Wrong> {
    if !text.bytes().all(|byte| (0x21..=0x7e).contains(&byte)) || text.contains(['\\', '"', '<', '>', '`', '#']) {
        return Err(("holds a character that a URL cannot hold as it is", ENCODE));
    }
    let url = Url::parse(text).map_err(|_| ("cannot be taken apart", ENCODE))?;
    let host = match decoded(url.host_str().unwrap_or_default())? {
        host if host.is_empty() => return Err(("names no host", SAMPLE)),
        host => host,
    };
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(&host).to_owned();
    let is_socket = host.starts_with('/');
    if !is_socket && ServerName::try_from(bare.as_str()).is_err() {
        return Err(("has no valid host", ENCODE));
    }
    let port = match url.port() {
        Some(0) => return Err(("has the port 0", SAMPLE)),
        port => port.unwrap_or(USUAL_PORT),
    };
    let user = match decoded(url.username())? {
        user if user.is_empty() => return Err(("names no user", SAMPLE)),
        user => user,
    };
    let password = url.password().map(decoded).transpose()?.map(Secret::new);
    let name = match url.path().strip_prefix('/') {
        Some(name) if name.contains(['/', '@']) => return Err(("has more behind its host than a database", ENCODE)),
        Some(name) if !name.is_empty() => decoded(name)?,
        Some(_) | None => return Err(("names no database", SAMPLE)),
    };
    let is_near = is_socket || is_loopback(&bare);
    let encryption = encryption(&url, is_socket, is_near)?;
    let is_clear = !is_near && encryption == DatabaseEncryption::None;
    let shown_host = url.host_str().unwrap_or_default();
    let shown = format!("postgres://{shown_host}:{port}{}", url.path());
    Ok((Database { host: bare, port, user, password, name, encryption, shown }, is_clear))
}

/// What the URL says of TLS; where it says nothing, only this machine is spoken to without.
fn encryption(url: &Url, is_socket: bool, is_near: bool) -> Result<DatabaseEncryption, Wrong> {
    let mut written = None;
    for (key, value) in url.query_pairs() {
        if key != "sslmode" {
            return Err(("has a parameter other than `sslmode`", "leave it out"));
        }
        if written.is_some() {
            return Err(("has `sslmode` twice", "take one of the two out"));
        }
        written = Some(match &*value {
            "verify-full" if is_socket => {
                return Err(("asks a Unix socket for a certificate", "leave `sslmode` out"));
            }
            "verify-full" => DatabaseEncryption::Verified,
            "disable" => DatabaseEncryption::None,
            _ => {
                let hint = "write `sslmode=verify-full`, with `trusted_cas` if its authority is your own; or `sslmode=disable`";
                return Err(("has an `sslmode` that does not prove who the server is", hint));
            }
        });
    }
    Ok(written.unwrap_or(if is_near { DatabaseEncryption::None } else { DatabaseEncryption::Verified }))
}

/// Whether a host is this machine.
fn is_loopback(host: &str) -> bool {
    match host.parse::<IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => host == "localhost" || host.ends_with(".localhost"),
    }
}

/// A part of the URL as it is meant.
fn decoded(part: &str) -> Result<String, Wrong> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        (rest, _) = match (first, behind) {
            (b'%', [high, low, behind @ ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => (behind, bytes.push(high << 4 | low)),
                _ => return Err(("has a `%` that encodes nothing", "a `%` itself is `%25`")),
            },
            (b'%', _) => return Err(("has a `%` that encodes nothing", "a `%` itself is `%25`")),
            (plain, behind) => (behind, bytes.push(*plain)),
        };
    }
    match String::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => Ok(text),
        _ => Err(("encodes what is no text", ENCODE)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_all_that_a_database_needs() {
        let (database, is_clear) = parse("postgres://gate:p%40ss%2Fw%25@db.example.com:6432/nar%20row").unwrap();
        let meant = Database {
            host: "db.example.com".to_owned(),
            port: 6432,
            user: "gate".to_owned(),
            password: Some(Secret::new("p@ss/w%")),
            name: "nar row".to_owned(),
            encryption: DatabaseEncryption::Verified,
            shown: "postgres://db.example.com:6432/nar%20row".to_owned(),
        };
        assert_eq!((database, is_clear), (meant, false));
    }

    #[test]
    fn only_this_machine_is_spoken_to_without_tls_unless_somebody_says_so() {
        for (host, end, clear, warned) in [
            ("db.example.com", "", false, false),
            ("db.example.com", "?sslmode=verify-full", false, false),
            ("db.example.com", "?sslmode=disable", true, true),
            ("10.0.0.1", "", false, false),
            ("localhost.example.com", "", false, false),
            ("localhost", "", true, false),
            ("127.0.0.1", "", true, false),
            ("[::1]", "", true, false),
            ("[::2]", "", false, false),
            ("localhost", "?sslmode=verify-full", false, false),
            ("%2Frun%2Fpostgresql", "", true, false),
        ] {
            let (database, is_clear) = parse(&format!("postgresql://gate@{host}/name{end}")).unwrap();
            assert_eq!((database.encryption == DatabaseEncryption::None, is_clear), (clear, warned), "{host}{end}");
        }
    }

    #[test]
    fn hosts_are_what_is_connected_to() {
        let host = |text: &str| parse(&format!("postgres://gate@{text}/name")).unwrap().0.host;
        assert_eq!(host("%2Frun%2Fpostgresql"), "/run/postgresql");
        assert_eq!(host("[::1]:5433"), "::1");
        assert_eq!(host("10.0.0.1"), "10.0.0.1");
    }

    #[test]
    fn what_is_odd_is_refused_and_not_shown() {
        for text in [
            "postgres://gate:hunter2@db",
            "postgres://gate:hunter2@db/",
            "postgres://gate:hunter2@db/a/b",
            "postgres://gate:hunter2@db:0/a",
            "postgres://gate:hunter2@db:99999/a",
            "postgres://gate:hunt/er2@db/a",
            "postgres://gate:12/hunter2@db/a",
            "postgres://gate:12?hunter2@db/a",
            "postgres://gate:hunt#er2@db/a",
            "postgres://gate:hunt er2@db/a",
            "postgres://gate:hunter2%@db/a",
            "postgres://gate:hunter2%zz@db/a",
            "postgres://gate:hunter2%00@db/a",
            "postgres://gate:hunter2%ff@db/a",
            "postgres://gate:hunter2@one,two/a",
            "postgres://gate:hunter2@under score/a",
            "postgres://:hunter2@db/a",
            "postgres://db/a",
            "postgres:///a",
            "postgres://gate:hunter2@db/a?sslmode=require",
            "postgres://gate:hunter2@db/a?sslmode=verify-full&sslmode=disable",
            "postgres://gate:hunter2@db/a?connect_timeout=10",
            "postgres://gate:hunter2@%2Frun/a?sslmode=verify-full",
        ] {
            let (why, hint) = parse(text).expect_err(text);
            assert!(!why.contains("hunter2") && !hint.contains("hunter2"), "{text}");
        }
    }
}
