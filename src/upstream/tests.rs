//! Which address a request gets, and what is known of it.

use super::*;
use crate::config::{Environment, parse};

/// Pools as a configuration with these resources and their `upstream`s makes them.
fn pools(upstreams: &[(&str, &str)], before: &[Arc<UpstreamPool>]) -> Vec<Arc<UpstreamPool>> {
    let resource = |(key, upstream): &(&str, &str)| format!("  {key}: {{ public: true, upstream: {upstream} }}\n");
    let resources: String = upstreams.iter().map(resource).collect();
    let text = format!("listen: 127.0.0.1:0\nresources:\n{resources}");
    match parse(&text, "gateway.yaml".as_ref(), &Environment::of_process()) {
        Ok(loaded) => UpstreamPool::of(&loaded.config, before).unwrap(),
        Err(faults) => panic!("{faults:?}"),
    }
}

fn pool(upstream: &str) -> Arc<UpstreamPool> {
    pools(&[("https://api.example", upstream)], &[]).remove(0)
}

fn next(pool: &UpstreamPool) -> Destination {
    pool.next(&mut Tried::default(), Instant::now()).unwrap()
}

fn address(destination: &Destination) -> String {
    destination.attempt.endpoint.address.to_string()
}

fn addresses(pool: &UpstreamPool, count: usize) -> Vec<String> {
    (0..count).map(|_| address(&next(pool))).collect()
}

const TWO: &str = "[http://192.0.2.1, http://192.0.2.2:81]";

#[test]
fn servers_take_turns() {
    assert_eq!(addresses(&pool(TWO), 3), ["192.0.2.1:80", "192.0.2.2:81", "192.0.2.1:80"]);
}

#[test]
fn a_further_try_takes_no_turn() {
    let pool = pool(TWO);
    for begins_at in ["192.0.2.1:80", "192.0.2.2:81", "192.0.2.1:80"] {
        let mut tried = Tried::default();
        assert_eq!(address(&pool.next(&mut tried, Instant::now()).unwrap()), begins_at);
        assert_ne!(address(&pool.next(&mut tried, Instant::now()).unwrap()), begins_at);
    }
}

#[test]
fn a_request_never_tries_an_address_twice_unless_it_is_forgiven() {
    let pool = pool(TWO);
    let mut tried = Tried::default();
    let (first, second) = (pool.next(&mut tried, Instant::now()), pool.next(&mut tried, Instant::now()));
    assert_ne!(address(&first.unwrap()), address(second.as_ref().unwrap()));
    assert!(pool.next(&mut tried, Instant::now()).is_none());
    tried.forgive_last();
    assert_eq!(address(&pool.next(&mut tried, Instant::now()).unwrap()), address(&second.unwrap()));
}

#[test]
fn a_name_has_no_address_until_it_is_resolved_and_then_its_addresses_take_turns() {
    let pool = pool("http://api.internal");
    assert!(pool.next(&mut Tried::default(), Instant::now()).is_none());
    let found = |last: &[u8]| {
        let addresses = last.iter().map(|last| SocketAddr::from(([192, 0, 2, *last], 80))).collect();
        pool.shared.names.name("api.internal", 80).found(addresses);
    };
    found(&[9, 8]);
    assert_eq!(addresses(&pool, 3), ["192.0.2.9:80", "192.0.2.8:80", "192.0.2.9:80"]);
    found(&[7]);
    assert_eq!(address(&next(&pool)), "192.0.2.7:80");
}

#[test]
fn an_address_that_a_name_keeps_keeps_its_record() {
    let pool = pool("{ url: http://api.internal, eject: { after: 1 } }");
    let found = |last: [u8; 2]| {
        let addresses = last.map(|last| SocketAddr::from(([192, 0, 2, last], 80)));
        pool.shared.names.name("api.internal", 80).found(addresses.to_vec());
    };
    found([1, 2]);
    pool.failed(&next(&pool).attempt, Instant::now());
    found([1, 3]);
    assert_eq!(addresses(&pool, 3), ["192.0.2.3:80"; 3]);
}

#[tokio::test]
async fn localhost_is_resolved() {
    let pools = [pool("http://localhost:4711")];
    ready(&pools).await;
    assert!(address(&next(&pools[0])).ends_with(":4711"));
}

#[test]
fn an_address_that_fails_again_and_again_is_passed_over_until_one_request_succeeds() {
    let pool = pool("{ urls: [http://192.0.2.1, http://192.0.2.2], eject: { after: 2, for: 10s } }");
    let begun = Instant::now();
    let at = |seconds| begun + Duration::from_secs(seconds);
    let bad = next(&pool).attempt;
    pool.failed(&bad, begun);
    assert_eq!(addresses(&pool, 2), ["192.0.2.2:80", "192.0.2.1:80"], "once is not enough");
    pool.failed(&bad, begun);
    assert_eq!(addresses(&pool, 4), ["192.0.2.2:80"; 4]);
    let trials = |seconds| {
        let taken = (0..4).map(|_| pool.next(&mut Tried::default(), at(seconds)).unwrap());
        let mut trials: Vec<_> = taken.filter(|next| address(next) == "192.0.2.1:80").collect();
        assert_eq!(trials.len(), 1, "one request is enough");
        trials.remove(0).attempt
    };
    pool.failed(&trials(11), at(11));
    assert!((0..4).all(|_| address(&pool.next(&mut Tried::default(), at(30)).unwrap()) == "192.0.2.2:80"));
    let status: Vec<_> = pool.status().map(|server| (server.server, server.healthy)).collect();
    assert_eq!(status, [("192.0.2.1:80".to_owned(), false), ("192.0.2.2:80".to_owned(), true)]);
    pool.answered(&trials(32));
    assert_eq!(addresses(&pool, 4).iter().filter(|taken| *taken == "192.0.2.1:80").count(), 2);
}

#[test]
fn when_all_addresses_are_out_all_are_tried() {
    let pool = pool("{ urls: [http://192.0.2.1, http://192.0.2.2], eject: { after: 1 } }");
    for _ in 0..2 {
        pool.failed(&next(&pool).attempt, Instant::now());
    }
    let mut taken = addresses(&pool, 4);
    taken.sort();
    taken.dedup();
    assert_eq!(taken.len(), 2);
}

#[test]
fn when_none_takes_requests_one_that_is_well_comes_first() {
    let pool = pool("{ urls: [http://192.0.2.1, http://192.0.2.2], health_check: /healthz, eject: { after: 1 } }");
    let [well, ill] = [0, 1].map(|at| Arc::clone(&pool.servers[at].endpoints().all[0]));
    pool.servers[1].check.as_ref().unwrap().note(ill.address, Ok(503));
    pool.failed(&next(&pool).attempt, Instant::now());
    assert!(!ill.is_healthy() && well.is_healthy());
    assert_eq!(addresses(&pool, 4), ["192.0.2.1:80"; 4]);
}

#[test]
fn an_only_address_and_one_that_is_never_ejected_stay() {
    for upstream in [
        "{ url: http://192.0.2.1, eject: { after: 1 } }",
        "{ urls: [http://192.0.2.1, http://192.0.2.2], eject: never }",
    ] {
        let pool = pool(upstream);
        let first = next(&pool);
        pool.failed(&first.attempt, Instant::now());
        assert!(!first.attempt.endpoint.standing.is_out());
    }
}

#[test]
fn the_name_to_prove_is_the_urls_host_or_what_tls_says() {
    for (upstream, name, authority) in [
        ("https://api.internal", "api.internal", "api.internal"),
        ("https://api.internal:8443", "api.internal", "api.internal:8443"),
        ("https://192.0.2.1", "192.0.2.1", "192.0.2.1"),
        ("\"https://[2001:db8::1]:8443\"", "2001:db8::1", "[2001:db8::1]:8443"),
        ("{ url: https://192.0.2.1, tls: { server_name: api.internal } }", "api.internal", "192.0.2.1"),
    ] {
        let pool = pool(upstream);
        let manner = &pool.servers[0].manner;
        assert_eq!(manner.server_name, name);
        assert_eq!(pool.servers[0].authority, authority);
        assert!(rustls::pki_types::ServerName::try_from(manner.server_name.as_str()).is_ok());
    }
}

#[test]
fn every_bound_is_set() {
    let pool = pool("{ url: https://192.0.2.1, connect_timeout: 1s, read_timeout: 2s, idle_timeout: 3s }");
    let peer = pool.peer(&next(&pool).attempt);
    assert!(peer.is_tls() && peer.options.verify_cert && peer.options.verify_hostname);
    assert_eq!(peer.sni, "192.0.2.1");
    assert_eq!(peer.group_key, pool.group_key);
    assert_eq!(peer.options.total_connection_timeout, Some(Duration::from_secs(1)));
    assert_eq!(peer.options.read_timeout, Some(Duration::from_secs(2)));
    assert_eq!(peer.options.write_timeout, Some(Duration::from_secs(2)));
    assert_eq!(peer.options.idle_timeout, Some(Duration::from_secs(3)));
}

#[test]
fn connections_are_shared_by_neither_two_resources_nor_two_protocols() {
    let all = pools(
        &[
            ("https://a.example", "http://192.0.2.1"),
            ("https://b.example", "http://192.0.2.1"),
            ("https://c.example", "{ url: http://192.0.2.1, protocol: http2 }"),
        ],
        &[],
    );
    let keys: std::collections::BTreeSet<_> = all.iter().map(|pool| pool.peer(&next(pool).attempt).group_key).collect();
    assert_eq!(keys.len(), 3);
}

#[test]
fn an_unchanged_pool_is_taken_over_and_a_changed_one_is_not() {
    let key = "https://a.example";
    let first = pools(&[(key, "http://192.0.2.1")], &[]);
    let second = pools(&[("https://b.example", "http://192.0.2.1"), (key, "http://192.0.2.1")], &first);
    assert!(Arc::ptr_eq(&first[0], &second[1]));
    assert!(Arc::ptr_eq(&first[0].shared, &second[0].shared));
    for changed in [
        "http://192.0.2.2",
        "{ url: http://192.0.2.1, read_timeout: 1s }",
        "{ url: http://192.0.2.1, retry: never }",
        "{ url: http://192.0.2.1, eject: never }",
        "{ url: http://192.0.2.1, protocol: http2 }",
        "{ url: http://192.0.2.1, health_check: /healthz }",
    ] {
        assert!(!Arc::ptr_eq(&first[0], &pools(&[(key, changed)], &first)[0]), "{changed}");
    }
}

#[test]
fn a_server_that_stays_keeps_its_record_when_another_changes() {
    let key = "https://a.example";
    let first = pools(&[(key, "{ urls: [http://192.0.2.1, http://192.0.2.2], eject: { after: 1 } }")], &[]);
    first[0].failed(&next(&first[0]).attempt, Instant::now());
    let second = pools(&[(key, "{ urls: [http://192.0.2.3, http://192.0.2.1], eject: { after: 1 } }")], &first);
    assert_eq!(addresses(&second[0], 3), ["192.0.2.3:80"; 3]);
    assert_eq!(second[0].group_key, first[0].group_key, "its connections stay as well");
}

#[test]
fn many_resources_before_one_server_ask_one_question() {
    let keys: Vec<String> = (0..50).map(|number| format!("https://a{number}.example")).collect();
    let upstream = "{ url: http://api.internal, health_check: /healthz }";
    let all: Vec<_> = keys.iter().map(|key| (key.as_str(), upstream)).collect();
    let pools = pools(&all, &[]);
    let distinct: std::collections::BTreeSet<_> =
        pools.iter().map(|pool| Arc::as_ptr(pool.servers[0].check.as_ref().unwrap())).collect();
    assert_eq!(distinct.len(), 1);
}
