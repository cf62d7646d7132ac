//! Which address a request gets, and what is known of it.

use super::*;

fn server(url: &str) -> Server {
    Server::new(&Url::parse(url).unwrap(), None).unwrap()
}

fn pool(urls: &[&str]) -> UpstreamPool {
    UpstreamPool {
        resource: Arc::from("https://api.example"),
        servers: urls.iter().map(|url| server(url)).collect(),
        protocol: UpstreamProtocol::Http1,
        connect_timeout: Duration::from_secs(1),
        read_timeout: Duration::from_secs(2),
        roots: None,
        group_key: 7,
        turn: AtomicUsize::new(0),
        is_kept: AtomicBool::new(false),
    }
}

fn address(destination: Option<Destination>) -> String {
    destination.unwrap().peer._address.to_string()
}

#[test]
fn servers_take_turns() {
    let pool = pool(&["http://192.0.2.1", "http://192.0.2.2:81"]);
    let taken: Vec<String> = (0..3).map(|_| address(pool.next(&mut Tried::default()))).collect();
    assert_eq!(taken, ["192.0.2.1:80", "192.0.2.2:81", "192.0.2.1:80"]);
}

#[test]
fn a_request_never_tries_an_address_twice() {
    let pool = pool(&["http://192.0.2.1", "http://192.0.2.2"]);
    let mut tried = Tried::default();
    assert_ne!(address(pool.next(&mut tried)), address(pool.next(&mut tried)));
    assert!(pool.next(&mut tried).is_none());
}

#[test]
fn a_name_has_no_address_until_it_is_resolved() {
    let pool = pool(&["http://api.internal"]);
    assert!(pool.next(&mut Tried::default()).is_none());
    pool.servers[0].addresses.store(Arc::new(vec!["192.0.2.9:80".parse().unwrap()]));
    assert_eq!(address(pool.next(&mut Tried::default())), "192.0.2.9:80");
}

#[tokio::test]
async fn localhost_is_resolved() {
    let pool = pool(&["http://localhost:4711"]);
    pool.resolve().await;
    assert!(pool.next(&mut Tried::default()).unwrap().peer.to_string().contains(":4711"));
}

#[test]
fn an_unhealthy_server_is_passed_over_unless_all_are() {
    let mut pool = pool(&["http://192.0.2.1", "http://192.0.2.2"]);
    for server in &mut pool.servers {
        server.health = Some(health::Probe::new(&Url::parse("http://192.0.2.1").unwrap(), "/healthz"));
    }
    pool.servers[0].health.as_ref().unwrap().set_healthy(false);
    let taken: Vec<String> = (0..3).map(|_| address(pool.next(&mut Tried::default()))).collect();
    assert_eq!(taken, ["192.0.2.2:80"; 3]);
    pool.servers[1].health.as_ref().unwrap().set_healthy(false);
    assert!(pool.next(&mut Tried::default()).is_some());
}

#[test]
fn the_name_to_prove_is_the_urls_host() {
    for (url, name, authority) in [
        ("https://api.internal", "api.internal", "api.internal"),
        ("https://api.internal:8443", "api.internal", "api.internal:8443"),
        ("https://192.0.2.1", "192.0.2.1", "192.0.2.1"),
        ("https://[2001:db8::1]:8443", "2001:db8::1", "[2001:db8::1]:8443"),
    ] {
        let server = server(url);
        assert_eq!(server.server_name(), name);
        assert_eq!(server.authority, authority);
        assert!(rustls::pki_types::ServerName::try_from(server.server_name()).is_ok());
    }
}

#[test]
fn every_bound_is_set() {
    let peer = pool(&["https://192.0.2.1"]).next(&mut Tried::default()).unwrap().peer;
    assert!(peer.is_tls() && peer.options.verify_cert && peer.options.verify_hostname);
    assert_eq!(peer.sni, "192.0.2.1");
    assert_eq!(peer.group_key, 7);
    assert_eq!(peer.options.total_connection_timeout, Some(Duration::from_secs(1)));
    assert_eq!(peer.options.read_timeout, Some(Duration::from_secs(2)));
    assert!(peer.options.write_timeout.is_some() && peer.options.idle_timeout.is_some());
}

#[test]
fn an_unchanged_pool_is_taken_over_and_a_changed_one_is_not() {
    let config = |url: &str| {
        let text =
            format!("listen: 127.0.0.1:0\nresources: {{ https://a.example: {{ public: true, upstream: \"{url}\" }} }}");
        let loaded = crate::config::parse(&text, "gateway.yaml".as_ref(), &crate::config::Environment::of_process());
        loaded.unwrap().config
    };
    let first = UpstreamPool::of(&config("http://192.0.2.1"), &[]).unwrap();
    let second = UpstreamPool::of(&config("http://192.0.2.1"), &first).unwrap();
    assert!(Arc::ptr_eq(&first[0], &second[0]));
    let third = UpstreamPool::of(&config("http://192.0.2.2"), &second).unwrap();
    assert!(!Arc::ptr_eq(&second[0], &third[0]));
}
