//! The gate's configurations.

use std::fmt::Write;
use std::path::Path;

use crate::options::Protocol;
use crate::place::Place;
use crate::process::{GATE, Measured};
use crate::tokens::{AUDIENCE, ISSUER};

/// What it logs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Log {
    /// What is wrong.
    Quiet,
    /// One line a request.
    Requests,
}

/// Starts the gate before one API, as an API of some size has it.
pub fn start(place: &Place, log: Log) -> Measured {
    let level = if log == Log::Quiet { "warn" } else { "info" };
    let text = head(place, level) + "resources:\n" + &resource(AUDIENCE, place);
    run(place, &place.folder.write("gate.yaml", &text))
}

/// Starts it before so many APIs, ten a host.
pub fn start_with(place: &Place, resources: usize) -> Measured {
    let mut text = head(place, "warn") + "resources:\n";
    for at in 0..resources {
        text.push_str(&resource(&one_of_many(at), place));
    }
    run(place, &place.folder.write("many.yaml", &text))
}

/// Starts it with room for thousands of connections that wait.
pub fn start_roomy(place: &Place) -> Measured {
    let limits = "limits: { connections: 100000, connections_per_address: 100000, idle_timeout: 1h }\n";
    let text = head(place, "warn") + limits + "resources:\n" + &resource(AUDIENCE, place);
    run(place, &place.folder.write("roomy.yaml", &text))
}

/// The key of one of many APIs.
pub fn one_of_many(at: usize) -> String {
    format!("https://api{}.example.com/v{}", at / 10, at % 10)
}

fn run(place: &Place, configuration: &Path) -> Measured {
    Measured::gate(place.machine.measured(GATE), configuration)
}

fn head(place: &Place, level: &str) -> String {
    let alpn = if place.protocol == Protocol::H1Tls { "[http/1.1]" } else { "[h2, http/1.1]" };
    let listen = match place.protocol.is_encrypted() {
        true => format!("{{ address: 127.0.0.1:0, tls: {{ cert: site.pem, key: site.key }}, alpn: {alpn} }}"),
        false => "127.0.0.1:0".into(),
    };
    format!(
        "listen: {listen}\nlog: {{ level: {level}, format: json }}\n\
         trusted_issuers:\n  corp: {{ issuer: {ISSUER}, jwks: jwks.json }}\n\
         defaults: {{ identity_headers: {{ X-User: sub, X-Client: client_id }} }}\n"
    )
}

fn resource(key: &str, place: &Place) -> String {
    let mut text = String::new();
    let written = write!(
        text,
        "  {key}:\n    upstream: http://{}\n    scopes: [read, write]\n    required_scopes: [read]\n    rules:\n      \
         - {{ path: /healthz, public: true }}\n      - {{ methods: [POST], scopes: [write] }}\n",
        place.upstream
    );
    written.expect("a string takes everything");
    text
}
