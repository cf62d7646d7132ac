//! The operators' own listener: health, metrics, the configuration in force, and a page to look at.
//!
//! It is apart from the listeners that clients reach, and no route leads to it. `access` says who may ask what,
//! `page` is for people.

mod access;
pub mod grants;
pub mod keys;
mod orders;
mod page;
mod readiness;
mod socket;
mod tokens;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::connect_info::Connected;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::IncomingStream;
use axum::{Json, Router};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use keys::KeyKeeper;
pub use orders::{Order, Orders, Outcome, milliseconds};
pub use readiness::Readiness;
use socket::Bounded;

use super::{BindError, listen};
use crate::config::Admin;
use crate::config::describe::describe;
use crate::snapshot::Current;
use crate::telemetry::Metrics;

const BACKLOG: u32 = 64;
const OPEN_METRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

/// What operators look at.
#[derive(Clone, Debug)]
pub struct Desk {
    /// The configuration in force.
    pub current: Arc<Current>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Whether requests should be sent here.
    pub readiness: Arc<Readiness>,
    /// Where reloads are ordered; nothing if the configuration cannot be read again.
    pub orders: Option<Orders>,
    /// The keys of our own issuer.
    pub keys: Arc<dyn KeyKeeper>,
}

/// The operators' socket, bound; connections wait in it until [`AdminListening::serve`].
#[derive(Debug)]
pub struct AdminListening {
    listener: TcpListener,
    address: SocketAddr,
}

impl AdminListening {
    /// Binds the listener; call it on a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`BindError::Address`] if the address cannot be had.
    pub fn bind(admin: &Admin) -> Result<Self, BindError> {
        let failed = |source| BindError::Address { address: admin.address, source };
        let (listener, address) = listen::bind(admin.address, BACKLOG).map_err(failed)?;
        Ok(Self { listener, address })
    }

    /// Where operators are awaited.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stopping` is true, or its sender gone.
    pub fn serve(self, desk: Desk, mut stopping: watch::Receiver<bool>) -> JoinHandle<()> {
        let router = router(Asked { desk, is_loopback: self.address.ip().is_loopback() });
        tokio::spawn(async move {
            let stopped = async move {
                let _ = stopping.wait_for(|stop| *stop).await;
            };
            let service = router.into_make_service_with_connect_info::<Peer>();
            if let Err(error) = axum::serve(Bounded::new(self.listener), service).with_graceful_shutdown(stopped).await
            {
                tracing::error!(%error, "the admin listener failed");
            }
        })
    }
}

/// What every request to this listener is judged by.
#[derive(Clone)]
struct Asked {
    desk: Desk,
    is_loopback: bool,
}

/// Who is at the other end.
#[derive(Clone, Copy, Debug)]
struct Peer(IpAddr);

impl Connected<IncomingStream<'_, Bounded>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Bounded>) -> Self {
        Self(stream.remote_addr().ip())
    }
}

fn router(asked: Asked) -> Router {
    let kept = Router::new()
        .route("/", get(status_page))
        .route("/config", get(configuration))
        .route("/grants", get(grants::list))
        .route("/grants/revoke", post(grants::revoke).layer(DefaultBodyLimit::max(grants::MOST_BYTES)))
        .route("/keys", get(keys::list))
        .route("/keys/rotate", post(keys::rotate))
        .route("/reload", post(orders::reload))
        .route("/tokens", post(tokens::issue).layer(DefaultBodyLimit::max(tokens::MOST_BYTES)))
        .route_layer(from_fn_with_state(asked.clone(), access::require_token));
    Router::new()
        .route("/livez", get(|| async { "alive\n" }))
        .route("/readyz", get(readiness))
        .route("/metrics", get(metrics))
        .merge(kept)
        .fallback(|| async { told(StatusCode::NOT_FOUND, "nothing is served at this path") })
        .method_not_allowed_fallback(|| async {
            told(StatusCode::METHOD_NOT_ALLOWED, "the method is not allowed here")
        })
        .layer(from_fn_with_state(asked.clone(), access::refuse_strangers))
        .layer(map_response(harmless))
        .with_state(asked)
}

async fn readiness(State(asked): State<Asked>) -> Response {
    let readiness = &asked.desk.readiness;
    let status = if readiness.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, format!("{}\n", readiness.as_str())).into_response()
}

async fn metrics(State(asked): State<Asked>) -> Response {
    ([(CONTENT_TYPE, OPEN_METRICS)], asked.desk.metrics.encode()).into_response()
}

async fn configuration(State(asked): State<Asked>) -> Response {
    let snapshot = asked.desk.current.load();
    let mut described = describe(&snapshot.config);
    described["generation"] = snapshot.generation.into();
    Json(described).into_response()
}

async fn status_page(State(asked): State<Asked>) -> Response {
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    let page = page::status(&asked.desk);
    ([(CONTENT_TYPE, html)], page).into_response()
}

/// An answer without anything but its reason.
fn told(status: StatusCode, why: &str) -> Response {
    (status, Json(json!({ "error": why }))).into_response()
}

/// Nothing from here is kept, framed, sniffed, or loads anything.
async fn harmless(mut response: Response) -> Response {
    const FIELDS: [(HeaderName, &str); 4] = [
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
    ];
    for (name, value) in FIELDS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
