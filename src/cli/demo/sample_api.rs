//! An API that knows nothing of tokens: it answers with what it was asked, so that one can see what the gateway sends.

use std::io;
use std::net::SocketAddr;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, Method, Uri};
use axum::response::IntoResponse;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

/// Starts the API `name`; ends with the runtime.
pub(super) fn start(name: &'static str, listener: TcpListener) -> io::Result<SocketAddr> {
    let address = listener.local_addr()?;
    let mirror = Router::new().fallback(move |method, uri, headers| answer(name, method, uri, headers));
    tokio::spawn(async move { axum::serve(listener, mirror).await });
    Ok(address)
}

/// The request, as it arrived.
async fn answer(api: &str, method: Method, uri: Uri, headers: HeaderMap) -> impl IntoResponse {
    let text = |value: &axum::http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let received: Map<String, Value> =
        headers.iter().map(|(name, value)| (name.to_string(), text(value).into())).collect();
    let seen = json!({ "api": api, "method": method.as_str(), "path": uri.path(), "headers": received });
    ([(CONTENT_TYPE, "application/json")], format!("{seen:#}\n"))
}
