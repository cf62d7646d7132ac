//! HAProxy and Envoy, configured to check what the gate checks, as far as they can.

use std::path::PathBuf;

use crate::contender::{free_address, start};
use crate::machine::{ENVOY, HAPROXY};
use crate::options::Protocol;
use crate::place::Place;
use crate::process::Measured;
use crate::tokens::{AUDIENCE, Algorithm, ISSUER};

/// Whether Envoy keeps what it has verified.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cache {
    None,
    Tokens,
}

/// HAProxy with one thread.
///
/// # Errors
///
/// It is missing, cannot verify the algorithm, or did not start.
pub fn haproxy(place: &Place, algorithm: Algorithm) -> Result<Measured, String> {
    let program = HAPROXY.find().ok_or_else(|| HAPROXY.missing())?;
    if algorithm == Algorithm::EdDsa {
        return Err("HAProxy has no EdDSA".into());
    }
    let address = free_address();
    // HAProxy wants certificate and key in one file.
    let site = place.folder.text("site.pem") + &place.folder.text("site.key");
    let site = place.folder.write("haproxy-site.pem", &site);
    let tls = match place.protocol {
        Protocol::H1 => String::new(),
        Protocol::H1Tls => format!(" ssl crt {} alpn http/1.1", site.display()),
        Protocol::H2Tls => format!(" ssl crt {} alpn h2,http/1.1", site.display()),
    };
    let key = place.folder.path(&format!("{algorithm}.pem"));
    let configuration = filled(
        include_str!("haproxy.cfg"),
        &[
            ("LISTEN", &address.to_string()),
            ("TLS", &tls),
            ("ALGORITHM", &algorithm.to_string()),
            ("ISSUER", ISSUER),
            ("AUDIENCE", AUDIENCE),
            ("KEY", &key.display().to_string()),
            ("UPSTREAM", &place.upstream.to_string()),
        ],
    );
    let path = place.folder.write("haproxy.cfg", &configuration);
    let mut command = place.machine.measured(program);
    command.args(["-db", "-f"]).arg(path);
    start(command, address, &place.folder.path("haproxy.log"))
}

/// Envoy with one worker.
///
/// # Errors
///
/// It is missing, or did not start.
pub fn envoy(place: &Place, cache: Cache) -> Result<Measured, String> {
    let program = ENVOY.find().ok_or_else(|| ENVOY.missing())?;
    let address = free_address();
    let quoted = |path: PathBuf| format!("\"{}\"", path.display());
    let alpn = match place.protocol {
        Protocol::H1 => None,
        Protocol::H1Tls => Some("[http/1.1]"),
        Protocol::H2Tls => Some("[h2, http/1.1]"),
    };
    let tls = alpn.map_or_else(String::new, |alpn| {
        let (cert, key) = (quoted(place.folder.path("site.pem")), quoted(place.folder.path("site.key")));
        let kind = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext";
        let certificate =
            format!("{{ certificate_chain: {{ filename: {cert} }}, private_key: {{ filename: {key} }} }}");
        format!(
            "transport_socket: {{ name: envoy.transport_sockets.tls, typed_config: {{ \"@type\": {kind}, \
             common_tls_context: {{ alpn_protocols: {alpn}, tls_certificates: [{certificate}] }} }} }}"
        )
    });
    let cache = match cache {
        Cache::None => "",
        Cache::Tokens => "jwt_cache_config: { jwt_cache_size: 20000 }",
    };
    let configuration = filled(
        include_str!("envoy.yaml"),
        &[
            ("PORT", &address.port().to_string()),
            ("TLS", &tls),
            ("ISSUER", ISSUER),
            ("AUDIENCE", AUDIENCE),
            ("JWKS", &quoted(place.folder.path("jwks.json"))),
            ("CACHE", cache),
            ("UPSTREAM_PORT", &place.upstream.port().to_string()),
        ],
    );
    let path = place.folder.write("envoy.yaml", &configuration);
    let mut command = place.machine.measured(program);
    command.args(["--concurrency", "1", "--disable-hot-restart", "-l", "error", "-c"]).arg(path);
    start(command, address, &place.folder.path("envoy.log"))
}

/// A template with its `{NAMES}` filled in.
fn filled(template: &str, values: &[(&str, &str)]) -> String {
    values.iter().fold(template.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
}
