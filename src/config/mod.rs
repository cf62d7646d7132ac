//! What the operator means: [`Config`], complete and consistent, or all the faults of the file at once.
//!
//! The rooms: `yaml` reads text into a tree that knows its places, `interpolate` fills in `${…}`, `read` and `value` take
//! keys out of that tree, a file for each section of the configuration turns them into the types of `model`, `check`
//! holds the sections against each other, `advice` warns, and [`fault`] tells what is wrong, where, and what to do about
//! it; `schema` tells editors what may be written. Nothing here opens a socket; files that the configuration names are
//! read here, once.

use std::path::Path;

use authorization_server::Neighbours;
use fault::{FaultLog, Place};
use interpolate::fill;
use matrix::Resources;
use read::{Reader, Section};
use resource::{Surroundings, WrittenResource};
use yaml::{Node, START};

mod access;
mod advice;
mod authorization_server;
mod changes;
mod check;
mod claims;
mod clients;
mod cors;
mod database;
mod defaults;
pub mod describe;
mod endpoints;
pub mod fault;
mod files;
mod headers;
mod interpolate;
mod issuers;
mod keys;
mod limits;
mod listen;
mod login;
mod matching;
mod matrix;
mod model;
mod nearest;
mod network;
mod places;
mod read;
mod resource;
mod rules;
mod schema;
mod scopes;
mod signing;
mod source;
mod store;
#[cfg(test)]
mod tests;
mod tls;
mod upstream;
mod url;
mod user_claims;
mod value;
mod vouching;
mod yaml;

pub use changes::changes;
pub use claims::InvalidClaimPath;
pub use fault::{Fault, FaultKind, Faults};
pub use files::FilesRead;
pub use headers::{FoldedName, fold_field_name};
pub use interpolate::Environment;
pub use model::*;
pub use places::Places;
pub use schema::schema;
pub use source::{Reading, Source};
pub use tls::certificate_names;
pub use value::is_unseen;

/// A configuration that can be used, and what somebody should look at all the same.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Warnings, by place.
    pub warnings: Vec<Fault>,
    /// Where things stand, for what is found out later.
    pub places: Places,
}

/// Reads the configuration in the file at `path`.
///
/// # Errors
///
/// [`Faults`] holds everything that is wrong with it, or that the file cannot be read.
pub fn load(path: &Path, environment: &Environment) -> Result<Loaded, Faults> {
    read_all(path, environment, FilesRead::default()).loaded
}

/// Reads a configuration from `text`; `path` is what faults call it, and its folder is where relative paths begin.
///
/// # Errors
///
/// [`Faults`] holds everything that is wrong with it.
pub fn parse(text: &str, path: &Path, environment: &Environment) -> Result<Loaded, Faults> {
    read_text(text, path, environment, FilesRead::default()).loaded
}

fn read_all(path: &Path, environment: &Environment, mut files: FilesRead) -> Reading {
    let unreadable = |place, text: &str, message: String, hint: &str| {
        let mut log = FaultLog::new(path, text);
        log.error(place, message, hint);
        log.finish().map_or_else(|faults| faults, Faults)
    };
    let faults = match files.read(path, yaml::MAX_BYTES as u64).map(String::from_utf8) {
        Ok(Ok(text)) => return read_text(&text, path, environment, files),
        Ok(Err(error)) => {
            // What is valid before the first bad byte says where that byte is.
            let valid = String::from_utf8_lossy(&error.as_bytes()[..error.utf8_error().valid_up_to()]);
            let last = valid.rsplit('\n').next().unwrap_or_default();
            let place = Place { line: valid.matches('\n').count() + 1, column: last.chars().count() + 1 };
            let text = String::from_utf8_lossy(error.as_bytes());
            unreadable(place, &text, "this is not UTF-8".to_owned(), "write the file in UTF-8")
        }
        Err(why) => unreadable(START, "", format!("the file {why}"), "name the configuration with `-c FILE`"),
    };
    Reading { loaded: Err(faults), files, is_terminated: false }
}

fn read_text(text: &str, path: &Path, environment: &Environment, files: FilesRead) -> Reading {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut log = FaultLog::new(path, text);
    let root = yaml::parse(text, &mut log);
    let mut reader = Reader::new(path, log, files);
    let config = root.and_then(|mut root| {
        // Most files name nothing from outside. An escape may write the two characters without them.
        if text.contains("${") || text.contains('\\') {
            fill(&mut root, environment, &mut reader);
        }
        config(&mut reader, &root)
    });
    let (log, files) = reader.into_parts();
    // Without errors there is a configuration: whoever gives nothing has recorded why.
    let loaded = log.finish().and_then(|warnings| {
        let (config, places) = config.ok_or_else(|| Faults(Vec::new()))?;
        Ok(Loaded { config, warnings, places })
    });
    Reading { loaded, files, is_terminated: source::is_terminated(text) }
}

fn config(reader: &mut Reader, root: &Node) -> Option<(Config, Places)> {
    let mut section = reader.section(root, "the configuration")?;
    refuse_future(reader, &mut section);
    let listen_hint = "say where requests come in, like `listen: 127.0.0.1:8080`";
    let listeners = section.required(reader, "listen", listen_hint, listen::listeners);
    let admin = section.optional(reader, "admin", listen::admin);
    listen::check(reader, listeners.as_deref().unwrap_or_default(), admin.as_ref());
    let issuers = section.optional(reader, "trusted_issuers", issuers::issuers).unwrap_or_default();
    let limits = section.optional(reader, "limits", limits::limits).unwrap_or_default();
    let has_issuer = section.get("issuer").is_some();
    let defaults = section
        .optional(reader, "defaults", |reader, node| defaults::defaults(reader, node, has_issuer))
        .unwrap_or_default();
    let around = Surroundings { issuers: &issuers, defaults: &defaults, limits: &limits, has_issuer };
    let resources_hint = "say what is served, like `resources: { https://api.example.com: { upstream: … } }`";
    let resources = section
        .required(reader, "resources", resources_hint, |reader, node| resource::resources(reader, node, &around));
    let resources: Vec<WrittenResource> = resources.unwrap_or_default();
    let neighbours = Neighbours { issuers: &issuers, resources: &Resources::new(&resources), limits: &limits };
    let server =
        section.optional(reader, "issuer", |reader, node| authorization_server::server(reader, node, &neighbours));
    let store = section.optional(reader, "store", store::store);
    let store = store::decide(reader, store, server.as_ref(), has_issuer);
    let scopes = section.optional(reader, "scopes", scopes::described);
    let trusted_proxies = section.optional(reader, "trusted_proxies", network::networks);
    let trusted_cas = section.optional(reader, "trusted_cas", tls::authorities);
    let log = section.optional(reader, "log", limits::log);
    section.finish(reader);
    let admin_address = admin.as_ref().map(|(admin, _)| admin.address);
    check::check(reader, &issuers, &resources, admin_address);
    if let Some(server) = &server {
        check::check_own_clients(reader, server, &resources);
        endpoints::check(reader, server, &issuers, &resources);
    }
    access::check(reader, &issuers, &resources, has_issuer, server.as_ref());
    advice::advise(reader, &issuers, &resources, server.as_ref());
    let places = Places::new(reader.log.text(), &issuers, &resources, server.as_ref());
    // A section that is there and has faults has told them.
    let issuer = server.and_then(|written| written.server);
    let config = Config {
        listeners: listeners?.into_iter().map(|(listener, _)| listener).collect(),
        admin: admin.map(|(admin, _)| admin),
        trusted_issuers: issuers.0.into_iter().map(|written| written.issuer).collect::<Option<_>>()?,
        resources: resources.into_iter().map(|written| written.resource).collect::<Option<_>>()?,
        issuer,
        store,
        scopes: scopes.unwrap_or_default(),
        trusted_proxies: trusted_proxies.unwrap_or_default(),
        trusted_cas: trusted_cas.map(Into::into),
        log: log.unwrap_or_default(),
        limits,
    };
    Some((config, places))
}

/// Keys whose meaning is fixed, but which do nothing yet.
fn refuse_future(reader: &mut Reader, section: &mut Section<'_>) {
    section.not_yet(reader, "mode", "leave it out: every request is judged");
    section.not_yet(reader, "registration", "leave it out: clients are registered where the tokens come from");
    section.not_yet(reader, "proof", "leave it out: a token that is bound to a key is refused");
    section.not_yet(reader, "forward_auth", "leave it out: requests go through this gateway");
}
