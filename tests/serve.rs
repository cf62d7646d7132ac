//! The sockets, from outside: the real listeners and proxy on free loopback ports, before servers made for the purpose.

#[path = "serve/client.rs"]
mod client;
#[path = "serve/gateway.rs"]
mod gateway;
#[path = "serve/origin.rs"]
mod origin;
#[path = "serve/tls_client.rs"]
mod tls_client;

#[path = "serve/answers.rs"]
mod answers;
#[path = "serve/draining.rs"]
mod draining;
#[path = "serve/failures.rs"]
mod failures;
#[path = "serve/forwarding.rs"]
mod forwarding;
#[path = "serve/framing.rs"]
mod framing;
#[path = "serve/http2.rs"]
mod http2;
#[path = "serve/issuer/mod.rs"]
mod issuer;
#[path = "serve/limits.rs"]
mod limits;
#[path = "serve/operators.rs"]
mod operators;
#[path = "serve/redirects.rs"]
mod redirects;
#[path = "serve/refusals.rs"]
mod refusals;
#[path = "serve/tls.rs"]
mod tls;
#[path = "serve/tls_names.rs"]
mod tls_names;
#[path = "serve/tunnels.rs"]
mod tunnels;
#[path = "serve/upstream_tls.rs"]
mod upstream_tls;
#[path = "serve/upstreams.rs"]
mod upstreams;
