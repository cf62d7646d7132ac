//! Stopping: what is under way comes to its end, and nothing new begins.

use std::time::Duration;

use narrowgate::config::{Limits, Purpose};
use tokio::net::TcpStream;

use crate::client::Client;
use crate::gateway::start_public;
use crate::origin::Origin;

#[tokio::test(flavor = "multi_thread")]
async fn a_request_under_way_is_finished_and_idle_connections_end() {
    let origin = Origin::start(false).await;
    let gateway = start_public(origin.address).await;
    let mut idle = Client::connect(gateway.address).await;
    idle.request("GET", "/", "").await;
    assert_eq!(idle.reply().await.status, 200);
    let mut silent = Client::connect(gateway.address).await;
    let mut busy = Client::connect(gateway.address).await;
    busy.request("GET", "/held", "").await;
    origin.held.notified().await;
    let address = gateway.address;
    let draining = tokio::spawn(async move { gateway.serving.drain(&Limits::default()).await });
    assert!(idle.is_closed().await && silent.is_closed().await);
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
    origin.release.notify_one();
    let reply = busy.reply().await;
    assert_eq!(reply.body, b"released");
    assert_eq!(draining.await.unwrap(), 0);
    assert!(busy.is_closed().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_end_is_cut() {
    let origin = Origin::start(false).await;
    let gateway = start_public(origin.address).await;
    let mut busy = Client::connect(gateway.address).await;
    busy.request("GET", "/held", "").await;
    origin.held.notified().await;
    let limits = Limits { drain: Duration::from_millis(200), ..Limits::default() };
    let metrics = gateway.gateway.metrics.clone();
    assert_eq!(gateway.serving.drain(&limits).await, 1);
    assert!(busy.is_closed().await);
    let recorded = r#"narrowgate_requests_total{resource="https://api.example",decision="forward",reason=""} 1"#;
    assert!(metrics.encode().contains(recorded), "what is cut is recorded too");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_taken_is_an_ordinary_error() {
    let gateway = start_public("127.0.0.1:1".parse().unwrap()).await;
    let listener = narrowgate::config::Listener { address: gateway.address, purpose: Purpose::Http };
    let error = narrowgate::serve::Listening::bind(&[listener]).unwrap_err();
    assert_eq!(error.to_string(), format!("cannot listen on `{}`", gateway.address));
}
