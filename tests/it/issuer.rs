//! An issuer that a test holds in its hand: it publishes keys, counts who asks for them, rotates, and goes away.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::keys::{SigningKey, now};

/// An issuer on a loopback port.
pub struct Issuer {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    serving: Mutex<Option<JoinHandle<()>>>,
}

struct State {
    keys: Vec<Arc<SigningKey>>,
    /// JWKs that are published beside the keys, whatever they are.
    odd: Vec<Value>,
    asked: Vec<String>,
}

impl Issuer {
    /// An issuer with one ES256 key, whose `kid` is `k1`.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a port");
        let address = listener.local_addr().expect("it is bound");
        let keys = vec![Arc::new(SigningKey::new("k1", "ES256"))];
        let state = Arc::new(Mutex::new(State { keys, odd: Vec::new(), asked: Vec::new() }));
        let issuer = Self { address, state, serving: Mutex::default() };
        issuer.serve(listener);
        issuer
    }

    /// `iss`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The newest key.
    pub fn key(&self) -> Arc<SigningKey> {
        Arc::clone(self.state().keys.last().expect("an issuer has a key"))
    }

    /// A new key beside the others.
    pub fn add_key(&self, kid: &str, algorithm: &str) -> Arc<SigningKey> {
        let key = Arc::new(SigningKey::new(kid, algorithm));
        self.state().keys.push(Arc::clone(&key));
        key
    }

    /// A new key in the place of all others.
    pub fn rotate(&self, kid: &str) -> Arc<SigningKey> {
        self.state().keys.clear();
        self.add_key(kid, "ES256")
    }

    /// Publishes something else beside the keys.
    pub fn publish(&self, jwk: Value) {
        self.state().odd.push(jwk);
    }

    /// The paths that were asked for, since the start.
    pub fn asked(&self) -> Vec<String> {
        self.state().asked.clone()
    }

    /// How often the key set was asked for.
    pub fn key_reads(&self) -> usize {
        self.asked().iter().filter(|path| *path == "/jwks").count()
    }

    /// Goes away: from now on nobody listens here.
    pub async fn stop(&self) {
        let serving = self.serving.lock().expect("nobody panics with it").take();
        if let Some(serving) = serving {
            serving.abort();
            // The port is free once the task is gone.
            let _ = serving.await;
        }
    }

    /// Comes back at the same address.
    pub async fn start_again(&self) {
        let listener = TcpListener::bind(self.address).await.expect("the port is still free");
        self.serve(listener);
    }

    /// The claims of a good token for `audience`.
    pub fn claims(&self, audience: &str, scope: &str) -> Value {
        json!({
            "iss": self.url(), "aud": audience, "sub": "jane", "client_id": "app", "jti": format!("{:x}", rand()),
            "iat": now() - 5, "exp": now() + 300, "scope": scope,
        })
    }

    /// A good token for `audience`.
    pub fn token(&self, audience: &str, scope: &str) -> String {
        self.key().token(&self.claims(audience, scope))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics with it")
    }

    fn serve(&self, listener: TcpListener) {
        let (url, state) = (self.url(), Arc::clone(&self.state));
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, url.clone(), Arc::clone(&state)));
            }
        });
        *self.serving.lock().expect("nobody panics with it") = Some(serving);
    }
}

async fn answer(stream: TcpStream, url: String, state: Arc<Mutex<State>>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    let mut request = String::new();
    stream.read_line(&mut request).await.ok()?;
    let mut line = String::from(" ");
    while !line.trim().is_empty() {
        line.clear();
        stream.read_line(&mut line).await.ok()?;
    }
    let path = request.split(' ').nth(1)?.to_owned();
    let (status, body) = {
        let mut state = state.lock().expect("nobody panics with it");
        state.asked.push(path.clone());
        let keys: Vec<_> = state.keys.iter().map(|key| key.jwk()).chain(state.odd.iter().cloned()).collect();
        match path.as_str() {
            "/.well-known/openid-configuration" => {
                ("200 OK", json!({ "issuer": url, "jwks_uri": format!("{url}/jwks") }))
            }
            "/jwks" => ("200 OK", json!({ "keys": keys })),
            _ => ("404 Not Found", json!({})),
        }
    };
    let body = body.to_string();
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await.ok()?;
    stream.shutdown().await.ok()
}

fn rand() -> u64 {
    let mut bytes = [0; 8];
    aws_lc_rs::rand::fill(&mut bytes).expect("the system has randomness");
    u64::from_ne_bytes(bytes)
}
