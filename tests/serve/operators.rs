//! The operators' listener, from outside.

use std::sync::Arc;

use async_trait::async_trait;
use narrowgate::config::Admin;
use narrowgate::secret::Secret;
use narrowgate::serve::admin::{AdminListening, Desk, KeyKeeper, Readiness};
use narrowgate::snapshot::Current;
use narrowgate::token::mint::ListedKey;
use tokio::sync::watch;

use crate::client::{Client, Reply};
use crate::gateway::{Issuer, protected, start_with};

/// Where only the gate runs.
#[derive(Debug)]
struct NoIssuer;

#[async_trait]
impl KeyKeeper for NoIssuer {
    async fn list(&self) -> Option<Vec<ListedKey>> {
        None
    }

    async fn rotate(&self) -> Option<Result<Vec<ListedKey>, String>> {
        None
    }
}

struct Office {
    address: std::net::SocketAddr,
    current: Arc<Current>,
    readiness: Arc<Readiness>,
    stop: watch::Sender<bool>,
    serving: tokio::task::JoinHandle<()>,
}

impl Office {
    async fn open(address: &str) -> Self {
        Self::open_with(address, &protected("127.0.0.1:1".parse().unwrap(), "")).await
    }

    async fn open_with(address: &str, yaml: &str) -> Self {
        let admin = Admin {
            address: address.parse().unwrap(),
            token: Some(Secret::new("s3cret")),
            hosts: vec!["admin.internal".to_owned()],
        };
        let listening = AdminListening::bind(&admin).unwrap();
        let gateway = start_with(yaml, &Issuer::new(), |config| config.admin = Some(admin)).await.gateway;
        let readiness = Arc::new(Readiness::default());
        let (stop, stopping) = watch::channel(false);
        let address = listening.address();
        let (current, metrics) = (gateway.current, gateway.metrics);
        let (keys, orders) = (Arc::new(NoIssuer), None);
        let desk = Desk { current: Arc::clone(&current), metrics, readiness: Arc::clone(&readiness), orders, keys };
        Self { address, current, readiness, stop, serving: listening.serve(desk, stopping) }
    }

    async fn ask(&self, request: &str) -> Reply {
        let mut client = Client::connect(([127, 0, 0, 1], self.address.port()).into()).await;
        client.send(format!("{request}\r\n\r\n")).await;
        client.reply().await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn health_and_metrics_are_told_to_anyone() {
    let office = Office::open("127.0.0.1:0").await;
    let alive = office.ask("GET /livez HTTP/1.1\r\nHost: 127.0.0.1").await;
    assert_eq!((alive.status, alive.field("cache-control")), (200, Some("no-store")));
    let ask = "GET /readyz HTTP/1.1\r\nHost: localhost";
    assert_eq!(office.ask(ask).await.status, 503);
    office.readiness.started();
    assert_eq!(office.ask(ask).await.status, 200);
    office.readiness.draining();
    assert_eq!(office.ask(ask).await.body, b"draining\n");
    let metrics = office.ask("GET /metrics HTTP/1.1\r\nHost: admin.internal").await;
    assert!(metrics.field("content-type").unwrap().starts_with("application/openmetrics-text"));
    assert!(metrics.body.ends_with(b"# EOF\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_configuration_and_the_page_are_shown_without_secrets() {
    let office = Office::open("127.0.0.1:0").await;
    let configuration = office.ask("GET /config HTTP/1.1\r\nHost: localhost").await.json();
    assert_eq!((&configuration["generation"], &configuration["admin"]["token"]), (&1.into(), &"(set)".into()));
    let page = office.ask("GET / HTTP/1.1\r\nHost: localhost").await;
    let text = String::from_utf8(page.body.clone()).unwrap();
    assert!(page.field("content-type").unwrap().starts_with("text/html"));
    assert!(text.contains("https://api.example") && text.contains("corp") && !text.contains("s3cret"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_shows_which_server_takes_no_requests() {
    let yaml = "resources:\n  https://api.example: { public: true, upstream: { \
                urls: [\"http://127.0.0.1:1\", \"http://127.0.0.1:2\"], eject: { after: 1, for: 1h } } }\n";
    let office = Office::open_with("127.0.0.1:0", yaml).await;
    let pool = office.current.load().upstreams[0].clone();
    let tried = pool.next(&mut Default::default(), std::time::Instant::now()).unwrap();
    pool.failed(&tried.attempt, std::time::Instant::now());
    let page = office.ask("GET / HTTP/1.1\r\nHost: localhost").await;
    let text = String::from_utf8(page.body).unwrap();
    assert!(text.contains("<span class=\"bad\">127.0.0.1:1 takes no requests</span>, 127.0.0.1:2"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_are_turned_away() {
    let office = Office::open("127.0.0.1:0").await;
    for (request, status) in [
        ("GET /livez HTTP/1.1\r\nHost: evil.example", 421),
        ("GET /config HTTP/1.1\r\nHost: localhost.evil.example", 421),
        ("GET http://evil.example/config HTTP/1.1\r\nHost: 127.0.0.1", 421),
        ("GET /metrics HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example", 403),
        ("GET /config HTTP/1.1\r\nHost: localhost\r\nOrigin: null", 403),
        ("GET /nothing HTTP/1.1\r\nHost: localhost", 404),
    ] {
        assert_eq!(office.ask(request).await.status, status, "{request}");
    }
    let wrong = office.ask("POST /config HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0").await;
    assert_eq!((wrong.status, wrong.field("allow")), (405, Some("GET,HEAD")));
}

#[tokio::test(flavor = "multi_thread")]
async fn off_this_machine_the_configuration_needs_the_token() {
    let office = Office::open("0.0.0.0:0").await;
    for path in ["/", "/config"] {
        let bare = office.ask(&format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1")).await;
        assert_eq!((bare.status, bare.field("www-authenticate")), (401, Some("Bearer realm=\"admin\"")));
        let wrong = office.ask(&format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer no")).await;
        assert_eq!(wrong.status, 401);
        let right =
            office.ask(&format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer s3cret")).await;
        assert_eq!(right.status, 200);
    }
    assert_eq!(office.ask("GET /metrics HTTP/1.1\r\nHost: 127.0.0.1").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_stops_when_it_is_told_to() {
    let office = Office::open("127.0.0.1:0").await;
    office.stop.send(true).unwrap();
    office.serving.await.unwrap();
}
