//! The guard inside somebody else's Pingora proxy: three lines in `request_filter`, and an upstream only with a permit.
//!
//! `cargo run --example embedded -- gateway.yaml` serves the configuration's first listener with a proxy of its own. It shows
//! the seam and nothing else: what `narrowgate run` adds (framing, header hygiene, limits, draining) is the embedder's to keep.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use bytes::Bytes;
use narrowgate::clock::Timestamp;
use narrowgate::config::{self, Environment};
use narrowgate::fetch::Fetcher;
use narrowgate::guard::{ConnectionFacts, Decision, Gate, Permit, RequestView, UpstreamTarget};
use narrowgate::token::{Keyring, TokenCache};
use narrowgate::upstream::{self, Tried, UpstreamPool};
use pingora_core::apps::ServerApp;
use pingora_core::protocols::l4::stream::Stream;
use pingora_core::server::configuration::ServerConf;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_error::{Error as PingoraError, ErrorType, Result};
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::{ProxyHttp, Session, http_proxy};
use tokio::net::TcpListener;
use tokio::sync::watch;

struct Embedded {
    gate: Gate,
    tokens: TokenCache,
    upstreams: Vec<Arc<UpstreamPool>>,
    own_port: u16,
}

#[async_trait]
impl ProxyHttp for Embedded {
    /// What proves that the guard let the request through.
    type CTX = Option<Permit>;

    fn new_ctx(&self) -> Self::CTX {
        None
    }

    async fn request_filter(&self, session: &mut Session, permit: &mut Self::CTX) -> Result<bool> {
        let mut decision = self.decide(session, false);
        if let Decision::AwaitKeys(issuer) = decision {
            self.gate.keyrings()[issuer.0].refetch().await;
            decision = self.decide(session, true);
        }
        let answer = match decision {
            Decision::Forward(granted) => {
                *permit = Some(granted);
                return Ok(false);
            }
            Decision::Deny(denial) => denial.answer("embedded"),
            Decision::Answer(document) => document.answer(),
            Decision::AwaitKeys(_) => return PingoraError::e_explain(ErrorType::HTTPStatus(503), "no keys"),
        };
        let mut header = ResponseHeader::build(answer.status, Some(answer.headers.len()))?;
        for (name, value) in &answer.headers {
            header.append_header(name, value)?;
        }
        header.insert_header("content-length", answer.body.len())?;
        session.set_keepalive(None);
        session.write_response_header(Box::new(header), answer.body.is_empty()).await?;
        session.write_response_body(Some(answer.body).filter(|body: &Bytes| !body.is_empty()), true).await?;
        Ok(true)
    }

    async fn upstream_peer(&self, _: &mut Session, permit: &mut Self::CTX) -> Result<Box<HttpPeer>> {
        let Some(permit) = permit else {
            return PingoraError::e_explain(ErrorType::InternalError, "no permit, no upstream");
        };
        let pool = &self.upstreams[permit.resource().0];
        match pool.next(&mut Tried::default(), Instant::now()) {
            Some(destination) => Ok(Box::new(pool.peer(&destination.attempt))),
            None => PingoraError::e_explain(ErrorType::ConnectError, "the upstream has no address"),
        }
    }

    async fn upstream_request_filter(
        &self,
        _: &mut Session,
        upstream: &mut RequestHeader,
        permit: &mut Self::CTX,
    ) -> Result<()> {
        let Some(permit) = permit else {
            return PingoraError::e_explain(ErrorType::InternalError, "no permit, no upstream");
        };
        if let UpstreamTarget::Rewritten(target) = permit.target() {
            upstream.set_raw_path(target.as_bytes())?;
        }
        let stripped: Vec<_> = upstream.headers.keys().filter(|name| self.gate.strips(name)).cloned().collect();
        for name in stripped {
            upstream.remove_header(&name);
        }
        if !permit.keeps_credential() {
            upstream.remove_header("authorization");
        }
        for (name, value) in permit.identity_headers(&self.gate) {
            upstream.insert_header(name, value)?;
        }
        Ok(())
    }
}

impl Embedded {
    fn decide(&self, session: &Session, keys_awaited: bool) -> Decision {
        let header = session.req_header();
        let peer = session.client_addr().and_then(|address| address.as_inet()).map(|address| address.ip());
        let view = RequestView {
            method: &header.method,
            target: header.raw_path(),
            uri_authority: header.uri.authority().map(|authority| authority.as_str()),
            headers: &header.headers,
            connection: ConnectionFacts {
                peer: peer.unwrap_or([0, 0, 0, 0].into()),
                own_port: self.own_port,
                tls: false,
            },
            keys_awaited,
        };
        self.gate.decide(&view, &self.tokens, Timestamp::now())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "gateway.yaml".into());
    let config =
        config::load(Path::new(&path), &Environment::of_process()).map_err(|faults| faults.to_string())?.config;
    let fetcher = Fetcher::new(config.trusted_cas.as_deref())?;
    let keyrings = config.trusted_issuers.iter().map(|issuer| Keyring::new(issuer.clone(), fetcher.clone())).collect();
    let upstreams = UpstreamPool::of(&config, &[])?;
    upstream::ready(&upstreams).await;
    let listener = TcpListener::bind(config.listeners[0].address).await?;
    let embedded = Embedded {
        gate: Gate::new(&config, keyrings, None)?,
        tokens: TokenCache::new(config.limits.token_cache_bytes)?,
        upstreams,
        own_port: listener.local_addr()?.port(),
    };
    eprintln!("listening on http://{}", listener.local_addr()?);
    let proxy = Arc::new(http_proxy(&Arc::new(ServerConf::default()), embedded));
    let (_stop, stopping) = watch::channel(false);
    loop {
        let (stream, _) = listener.accept().await?;
        let (proxy, stopping) = (Arc::clone(&proxy), stopping.clone());
        tokio::spawn(async move { proxy.process_new(Box::new(Stream::from(stream)), &stopping).await });
    }
}
