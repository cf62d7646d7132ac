//! The endpoints of our own issuer, on the gate's own listeners.
//!
//! `bridge` takes a request over from Pingora and hands it to a [`Router`] in process. [`asked`] is the way of everything
//! that a client must prove itself for: `proof` says who asks, `throttle` how often that may fail, [`token`] and
//! [`minted_tokens`] what comes of it, `refused` why it is nothing. What a user has granted is got by [`redeeming`] a code and
//! by [`refreshing`], and [`recalls`] is how a code is taken back that was not redeemed; [`pushing`] leaves beforehand what he
//! will be asked. `browser` has the pages that he meets, `provider` the logins elsewhere. [`documents`] are for everybody. What
//! may be minted is decided in [`crate::issuer`].
//!
//! The router knows no configuration: each request brings the snapshot that it is judged by, so a reload makes nothing anew.
//! Deliberately absent: CORS at endpoints that no page asks by a script (introspection never, by RFC 7662 §4); [`cors`] is
//! for the pages that are public clients, where those get tokens and give them up.

mod asked;
mod bridge;
mod browser;
mod client_keys;
mod codes;
mod cors;
mod documents;
pub(super) mod given;
mod minted_tokens;
mod proof;
mod provider;
mod pushed;
mod pushing;
pub(in crate::serve) mod recalls;
mod redeeming;
mod refreshing;
mod refused;
mod throttle;
mod token;

use std::any::Any;
use std::fmt;
use std::net::IpAddr;
use std::ops::Deref;
use std::sync::{Arc, Mutex, Weak};

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, PRAGMA};
use http::{HeaderMap, HeaderValue, StatusCode};
use tokio::sync::watch;
use tower_http::catch_panic::CatchPanicLayer;

pub(super) use bridge::{answer, beside, errand, peer};
pub(super) use browser::cookies::{sets_ours, without_ours};

use self::browser::Passwords;
use self::client_keys::ClientKeys;
use self::provider::known::Providers;
use self::throttle::Throttle;
use super::proxy::Gateway;
use crate::issuer::{Endpoint, OneUse};
use crate::secret::Secret;
use crate::snapshot::Snapshot;

/// What the endpoints share.
#[derive(Clone, Debug)]
struct Desk(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    gateway: Gateway,
    throttle: Throttle,
    passwords: Passwords,
    client_keys: ClientKeys,
    providers: Providers,
}

impl Deref for Desk {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

/// One request as the endpoints see it. They share it: what it holds is copied for none of them.
#[derive(Debug)]
struct Call {
    endpoint: Endpoint,
    headers: HeaderMap,
    /// Who asks: behind a trusted proxy, whom that names.
    peer: IpAddr,
    request_id: String,
    /// What stands behind the `?`.
    query: Secret,
    /// The whole body.
    body: Secret,
    /// What it is judged by.
    snapshot: Arc<Snapshot>,
    /// What was used up for it: it may be judged again under another configuration.
    used: Arc<Mutex<Option<OneUse>>>,
}

/// Why a caller got nothing, on its way from an endpoint to the request's line in the log.
#[derive(Clone, Debug)]
struct Told(String);

/// Another configuration took the place of the one that a request was judged by, before anything had an effect: what was
/// judged counts for nothing.
#[derive(Clone, Copy, Debug)]
struct Superseded;

/// All endpoints, ready to be asked.
#[derive(Clone)]
pub(super) struct Endpoints(Router);

impl Endpoints {
    pub(super) fn new(gateway: Gateway) -> Self {
        let (throttle, passwords, client_keys, providers) = Default::default();
        let shared = Arc::new(Shared { gateway, throttle, passwords, client_keys, providers });
        tokio::spawn(prune(Arc::downgrade(&shared), shared.gateway.current.replacements()));
        Self(router(Desk(shared)))
    }
}

/// Ends what is known of clients and providers that each new configuration has no more, for as long as there are endpoints.
async fn prune(shared: Weak<Shared>, mut replacements: watch::Receiver<u64>) {
    while replacements.changed().await.is_ok() {
        let Some(shared) = shared.upgrade() else { return };
        let snapshot = shared.gateway.current.load();
        shared.client_keys.prune(&snapshot.config);
        shared.providers.prune(&snapshot.config);
    }
}

impl fmt::Debug for Endpoints {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Endpoints")
    }
}

fn router(desk: Desk) -> Router {
    Router::new()
        .route(Endpoint::Token.path(), post(asked::answer))
        .route(Endpoint::Revocation.path(), post(asked::answer))
        .route(Endpoint::Introspection.path(), post(asked::answer))
        .route(Endpoint::PushedAuthorization.path(), post(asked::answer))
        .merge(browser::router())
        .route(Endpoint::LoginCallback.path(), get(provider::callback::answer))
        .route(Endpoint::Metadata.path(), get(documents::metadata))
        .route(Endpoint::Keys.path(), get(documents::keys))
        .layer(CatchPanicLayer::custom(panicked))
        .with_state(desk)
}

/// Says of every answer of an endpoint who may keep it and which pages may read it. It is done behind the router: a layer of
/// its own for each would cost a request more than what it asks for.
fn dress(call: &Call, headers: &mut HeaderMap) {
    match call.endpoint {
        Endpoint::Metadata | Endpoint::Keys => {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
            return;
        }
        Endpoint::Token | Endpoint::Revocation => {
            cors::for_pages(call, headers);
            headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
        }
        Endpoint::Introspection | Endpoint::PushedAuthorization => {
            headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
        }
        Endpoint::Authorization
        | Endpoint::Login
        | Endpoint::LoginCallback
        | Endpoint::Consent
        | Endpoint::Grants
        | Endpoint::Logout => {}
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

/// What a caller gets whose request made an endpoint panic; the panic itself was told by its hook.
fn panicked(_: Box<dyn Any + Send>) -> Response {
    let mut response = StatusCode::INTERNAL_SERVER_ERROR.into_response();
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.extensions_mut().insert(Told("an endpoint of the issuer panicked".to_owned()));
    response
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http::Request;
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn a_panic_stays_where_it_is() {
        let router: Router = Router::new()
            .route("/token", post(async || -> StatusCode { panic!("a bug") }))
            .layer(CatchPanicLayer::custom(panicked));
        let request = Request::post("/token").body(Body::empty()).unwrap();
        let response = router.oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert!(response.extensions().get::<Told>().is_some());
    }
}
