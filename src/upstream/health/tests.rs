//! What is asked, and what the answers mean.

use std::net::TcpListener as StdListener;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::upstream::trust::Trusts;

const SETTINGS: HealthCheck = HealthCheck {
    path: String::new(),
    interval: Duration::from_secs(5),
    timeout: Duration::from_secs(3),
    healthy_after: 1,
    unhealthy_after: 1,
    statuses: Vec::new(),
};

fn check(address: SocketAddr, settings: HealthCheck) -> Arc<Check> {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let trusts = Trusts::default();
    let manner = Manner {
        tls: false,
        server_name: address.ip().to_string(),
        protocol: UpstreamProtocol::Http1,
        trust: trusts.trust(&trusts.trusted_cas(None), None).unwrap(),
    };
    let authority = HeaderValue::from_str(&address.to_string()).unwrap();
    Arc::new(Check::new(address.to_string(), authority, manner, Addresses::Written(Arc::new(vec![address])), settings))
}

/// Answers one connection after the other with these statuses, then goes away.
async fn server(statuses: &'static [&'static str]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        for status in statuses {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let count = stream.read(&mut request).await.unwrap();
            let request = String::from_utf8_lossy(&request[..count]).to_ascii_lowercase();
            assert!(request.starts_with("get /healthz?deep=1 http/1.1\r\n"), "{request}");
            assert!(request.contains(&format!("\r\nhost: {address}\r\n")), "{request}");
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    address
}

async fn verdicts<const N: usize>(address: SocketAddr, settings: HealthCheck) -> [bool; N] {
    let (check, prober) = (check(address, settings), Arc::default());
    assert!(check.pulse(address).is_healthy(), "until it was asked");
    let mut verdicts = [true; N];
    for verdict in &mut verdicts {
        check.ask_all(&prober).await;
        *verdict = check.pulse(address).is_healthy();
    }
    verdicts
}

fn path() -> String {
    "/healthz?deep=1".to_owned()
}

#[tokio::test]
async fn only_a_2xx_is_healthy_unless_the_check_says_otherwise() {
    const STATUSES: &[&str] = &["503 Down", "204 Fine", "302 Elsewhere", "200 OK"];
    let usual = HealthCheck { path: path(), ..SETTINGS };
    assert_eq!(verdicts(server(STATUSES).await, usual).await, [false, true, false, true, false]);
    let other = HealthCheck { path: path(), statuses: vec![200, 302], ..SETTINGS };
    assert_eq!(verdicts(server(STATUSES).await, other).await, [false, false, true, true, false]);
}

#[tokio::test]
async fn a_server_that_is_silent_is_not_healthy() {
    let silent = StdListener::bind("127.0.0.1:0").unwrap();
    let settings = HealthCheck { path: path(), timeout: Duration::from_millis(50), ..SETTINGS };
    assert_eq!(verdicts(silent.local_addr().unwrap(), settings).await, [false]);
}

#[test]
fn a_verdict_changes_after_enough_answers_in_a_row_and_at_the_first_one() {
    let settings = HealthCheck { healthy_after: 2, unhealthy_after: 3, ..SETTINGS };
    let pulse = Pulse::default();
    let verdicts = [false, true, true, false, false, true, false, false, false].map(|is_well| {
        pulse.note(is_well, &settings);
        pulse.is_healthy()
    });
    assert_eq!(verdicts, [false, false, true, true, true, true, true, true, false]);
}

#[tokio::test]
async fn a_check_ends_when_nobody_holds_it() {
    let checks = Checks::default();
    let settings = HealthCheck { interval: Duration::from_millis(4), path: path(), ..SETTINGS };
    let address = StdListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let held = checks.check(1, || Arc::into_inner(check(address, settings)).unwrap());
    checks.start();
    checks.start();
    assert!(Arc::ptr_eq(&held, &checks.check(1, || unreachable!("there is one"))));
    // The task holds the prober as long as it lives.
    assert_eq!(Arc::strong_count(&checks.prober), 2);
    drop(held);
    while Arc::strong_count(&checks.prober) > 1 {
        tokio::task::yield_now().await;
    }
    checks.start();
    assert!(checks.known.lock().unwrap().is_empty());
}
