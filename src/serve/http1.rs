//! HTTP/1: one request after the other on one connection.
//!
//! Pingora would wait for the next request inside the future that serves it, which is as large as the longest way that a
//! request can take: tens of kilobytes for each client that says nothing. Here nothing of an exchange is left while a
//! connection is idle but the stream itself, and Pingora gets it back when there is something to read.

use std::sync::Arc;

use pingora_core::apps::{HttpPersistentSettings, HttpServerApp};
use pingora_core::protocols::Shutdown;
use pingora_core::protocols::http::ServerSession;
use pingora_core::server::ShutdownWatch;

use super::ending::Served;
use super::watched::Watched;
use super::wire::Wire;

/// Serves requests until the client or an answer ends the connection, or until there shall be no more of them.
pub(super) async fn converse<W: Wire>(served: Arc<Served>, mut stream: Box<Watched<W>>, mut stopping: ShutdownWatch) {
    let mut settings: Option<HttpPersistentSettings> = None;
    loop {
        let begins = tokio::select! {
            biased;
            begins = stream.begins() => begins,
            _ = stopping.wait_for(|stop| *stop) => false,
        };
        if !begins {
            // TLS says that it ends (RFC 8446 §6.1).
            return stream.shutdown().await;
        }
        let mut session = ServerSession::new_http1(stream);
        match settings {
            Some(settings) => settings.apply_to_session(&mut session),
            // For ever: the stream itself knows how long a client may be idle.
            None => session.set_keepalive(Some(0)),
        }
        let Some(reused) = served.process_new_http(session, &stopping).await else {
            return;
        };
        let (reused, kept) = reused.consume();
        let Ok(same) = reused.into_any().downcast() else {
            return;
        };
        (stream, settings) = (same, kept);
    }
}
