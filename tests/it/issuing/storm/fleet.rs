//! Clients that live through a storm: they ask random nodes, and ask again when no answer comes.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use super::seeds::{CLIENT, VERIFIER};
use crate::client::parse;
use crate::issuing::{ONE, TWO};

/// How long a client waits for one answer.
const ONE_ANSWER: Duration = Duration::from_secs(4);
/// For how long it shows a refresh token again whose answer was lost: within the grace.
const GIVES_UP: Duration = Duration::from_secs(9);

/// The nodes, wherever they listen now, and everything that they answered.
pub struct Fleet {
    /// The issuer's own authority.
    pub host: String,
    pub nodes: Mutex<Vec<SocketAddr>>,
    pub accepted: Mutex<Vec<Accepted>>,
    /// How often an answer was lost or late.
    pub lost: AtomicUsize,
}

/// A refresh token that was taken, and what it gave.
pub struct Accepted {
    pub shown: String,
    pub successor: String,
    pub at: Instant,
}

/// A status, and the body.
pub type Answer = (u16, Value);

impl Fleet {
    pub fn new(host: &str, nodes: Vec<SocketAddr>) -> Self {
        let host = host.trim_start_matches("http://").to_owned();
        Self { host, nodes: Mutex::new(nodes), accepted: Mutex::default(), lost: AtomicUsize::new(0) }
    }

    pub fn count(&self) -> usize {
        self.accepted.lock().expect("nobody panics with it").len()
    }

    /// What a random node answers to a form; nothing if no whole answer comes.
    pub async fn ask(&self, form: &[(&str, &str)]) -> Option<Answer> {
        let node = {
            let nodes = self.nodes.lock().expect("nobody panics with it");
            nodes[random(nodes.len())]
        };
        timeout(ONE_ANSWER, self.ask_at(node, form)).await.ok().flatten()
    }

    async fn ask_at(&self, node: SocketAddr, form: &[(&str, &str)]) -> Option<Answer> {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let basic = STANDARD.encode(format!("{}:{}", CLIENT.0, CLIENT.1));
        let request = format!(
            "POST /token HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nAuthorization: Basic {basic}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            self.host,
            body.len()
        );
        let mut stream = TcpStream::connect(node).await.ok()?;
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.ok()?;
        let answer = parse(&answer);
        Some((answer.status, serde_json::from_str(&answer.body).ok()?))
    }

    /// Redeems a code once.
    pub async fn redeem(&self, code: &str) -> Option<Answer> {
        let form = [("grant_type", "authorization_code"), ("code", code), ("code_verifier", VERIFIER)];
        self.ask(&[&form[..], &[("resource", ONE)]].concat()).await
    }

    /// Shows a code until somebody answers who can.
    pub async fn redeem_somewhere(&self, code: &str) -> Option<Answer> {
        let begun = Instant::now();
        loop {
            match self.redeem(code).await {
                None | Some((500.., _)) if begun.elapsed() < GIVES_UP => sleep(Duration::from_millis(20)).await,
                answer => return answer,
            }
        }
    }

    /// Shows a refresh token once, for one API or the other.
    pub async fn refresh(&self, shown: &str) -> Option<Answer> {
        let resource = [ONE, TWO][random(2)];
        self.ask(&[("grant_type", "refresh_token"), ("refresh_token", shown), ("resource", resource)]).await
    }

    /// Shows a refresh token until an answer comes, and gives its successor.
    pub async fn next(&self, shown: &str) -> Result<String, String> {
        let begun = Instant::now();
        loop {
            match self.refresh(shown).await {
                Some((200, answer)) => {
                    let successor = answer["refresh_token"].as_str().expect("every answer has one").to_owned();
                    let accepted =
                        Accepted { shown: shown.to_owned(), successor: successor.clone(), at: Instant::now() };
                    self.accepted.lock().expect("nobody panics with it").push(accepted);
                    return Ok(successor);
                }
                None | Some((500.., _)) if begun.elapsed() < GIVES_UP => {
                    self.lost.fetch_add(1, Ordering::Relaxed);
                    sleep(Duration::from_millis(20)).await;
                }
                answer => return Err(format!("after {:?}: {answer:?}", begun.elapsed())),
            }
        }
    }
}

/// A number below `end`.
pub fn random(end: usize) -> usize {
    usize::try_from(RandomState::new().build_hasher().finish() >> 33).expect("31 bits") % end
}
