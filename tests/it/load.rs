//! The program under load: 64 connections, good and bad tokens mixed, no wrong verdict, and memory that stays.
//!
//! Five seconds of it belong to every test run; `tests/load.sh` runs a minute of it, in a release build.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::client::answer;
use crate::gateway::Gateway;

const CONNECTIONS: usize = 64;
const HOST: &str = "api1.example.com";

/// How many bytes the program may grow by between the warm tenth and the end.
const GROWTH: u64 = 24 << 20;

/// A request, and the status that is its due.
struct Shot {
    bytes: Vec<u8>,
    status: u16,
}

fn shot(host: &str, token: &str, status: u16) -> Shot {
    let text = format!("GET /x HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n");
    Shot { bytes: text.into_bytes(), status }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_no_verdict_is_wrong_and_memory_stays() {
    let seconds = std::env::var("NARROWGATE_LOAD_SECONDS").ok().map(|text| text.parse().expect("a number of seconds"));
    let length = Duration::from_secs(seconds.unwrap_or(5));
    let gateway = Gateway::start("load.yaml").await;
    let corp = gateway.issuer("ISSUER_CORP");
    let mut shots = Vec::new();
    for _ in 0..50 {
        shots.push(shot(HOST, &corp.token("https://api1.example.com", "read"), 200));
        shots.push(shot(HOST, &corp.token("https://api2.example.com", "read"), 401));
        shots.push(shot(HOST, &corp.token("https://api1.example.com", "other"), 403));
        let good = corp.token("https://api1.example.com", "read");
        let cut = good.rfind('.').expect("a token has parts");
        shots.push(shot(HOST, &format!("{}.{}", &good[..cut], "A".repeat(86)), 401));
        shots.push(shot("unknown.example", &good, 421));
    }
    let shots = Arc::new(shots);
    let answered = Arc::new(AtomicU64::new(0));
    let end = Instant::now() + length;
    let gunners: Vec<_> = (0..CONNECTIONS)
        .map(|at| tokio::spawn(fire(gateway.address, Arc::clone(&shots), at * 7, end, Arc::clone(&answered))))
        .collect();
    tokio::time::sleep(length / 10).await;
    let warm = gateway.resident_bytes();
    for gunner in gunners {
        gunner.await.expect("no verdict was wrong");
    }
    let (answered, last) = (answered.load(Ordering::Relaxed), gateway.resident_bytes());
    println!("{answered} answers in {length:?}; {} KiB, then {} KiB", warm / 1024, last / 1024);
    assert!(answered > 500, "only {answered} answers");
    assert!(last < warm + GROWTH, "{warm} bytes became {last}");
}

/// One connection: shot after shot, each answer held against its due.
async fn fire(
    address: std::net::SocketAddr,
    shots: Arc<Vec<Shot>>,
    first: usize,
    end: Instant,
    answered: Arc<AtomicU64>,
) {
    let mut stream = TcpStream::connect(address).await.expect("the gateway listens");
    for shot in shots.iter().cycle().skip(first % shots.len()) {
        if Instant::now() > end {
            break;
        }
        stream.write_all(&shot.bytes).await.expect("a request is taken");
        let Some((status, closes)) = answer(&mut stream).await else {
            panic!("the connection ended without an answer")
        };
        assert_eq!(status, shot.status, "{}", String::from_utf8_lossy(&shot.bytes));
        answered.fetch_add(1, Ordering::Relaxed);
        if closes {
            stream = TcpStream::connect(address).await.expect("the gateway still listens");
        }
    }
}
