//! A database as the configuration means it.

use std::path::Path;

use narrowgate::config::{self, Database, Environment, StoreLocation};

/// What `store: URL` means.
pub fn database_at(url: &str) -> Database {
    let text = format!(
        "listen: 127.0.0.1:0\nresources: {{ https://api.example: {{ upstream: http://127.0.0.1:1 }} }}\n\
         issuer: {{ url: https://auth.example, signing: {{ key_encryption: {} }} }}\nstore: \"{url}\"\n",
        "5a".repeat(32)
    );
    let loaded = config::parse(&text, Path::new("gateway.yaml"), &Environment::default());
    match loaded.unwrap_or_else(|faults| panic!("{faults}")).config.store {
        Some(StoreLocation::Postgres(database)) => *database,
        _ => panic!("{url} is no database"),
    }
}
