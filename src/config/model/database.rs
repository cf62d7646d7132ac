//! The database of several nodes, as it is reached.

use crate::secret::Secret;

/// A PostgreSQL database.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Database {
    /// The server: a name, an address, or the folder of a Unix socket, which begins with `/`.
    pub host: String,
    /// Its port; of a Unix socket, the end of its name.
    pub port: u16,
    /// Who we are there.
    pub user: String,
    /// What proves that; nothing where the server asks for nothing.
    pub password: Option<Secret>,
    /// The database.
    pub name: String,
    /// What the server must prove.
    pub encryption: DatabaseEncryption,
    /// The URL as it may be shown: host, port and database.
    pub shown: String,
}

/// What a database's server must prove before it hears anything.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DatabaseEncryption {
    /// TLS, and its name in a certificate that leads to a root.
    Verified,
    /// Nothing: it is this machine, or somebody wrote so.
    None,
}
