//! The baseline: a Pingora proxy that does nothing but forward, accepting as the gate does.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora_core::apps::ServerApp;
use pingora_core::protocols::l4::stream::Stream;
use pingora_core::server::configuration::ServerConf;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_error::Result;
use pingora_proxy::{ProxyHttp, Session, http_proxy};
use tokio::net::TcpListener;
use tokio::sync::watch;

struct Bare {
    upstream: SocketAddr,
}

#[async_trait]
impl ProxyHttp for Bare {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _: &mut Session, (): &mut ()) -> Result<Box<HttpPeer>> {
        let mut peer = HttpPeer::new(self.upstream, false, String::new());
        // What the gate always sets, so that both pay for their timers.
        peer.options.connection_timeout = Some(Duration::from_secs(5));
        peer.options.read_timeout = Some(Duration::from_secs(60));
        peer.options.write_timeout = Some(Duration::from_secs(60));
        peer.options.idle_timeout = Some(Duration::from_secs(60));
        Ok(Box::new(peer))
    }
}

/// Serves until the process is ended; prints its address as the gate does.
pub async fn serve(upstream: &str) {
    let upstream = upstream.parse().expect("an address");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port is free");
    eprintln!("listening on http://{} (listen)", listener.local_addr().expect("a bound socket has an address"));
    let proxy = Arc::new(http_proxy(&Arc::new(ServerConf::default()), Bare { upstream }));
    let (_stop, stopping) = watch::channel(false);
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let (proxy, stopping) = (Arc::clone(&proxy), stopping.clone());
        tokio::spawn(async move {
            let mut stream = Stream::from(stream);
            let _ = stream.set_nodelay();
            proxy.process_new(Box::new(stream), &stopping).await;
        });
    }
}
