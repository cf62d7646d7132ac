//! Asking the gateway that runs, by its admin address, with `admin.token`.
//!
//! The address is the configuration's, so only that process is asked. Deliberately absent: redirects and proxies, which
//! would carry the token elsewhere.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use reqwest::RequestBuilder;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::redirect::Policy;
use serde::Serialize;
use serde_json::Value;
use url::form_urlencoded;

use crate::config::Admin;
use crate::issuer::DevelopmentToken;
use crate::serve::admin::grants::Which;

/// An RSA key takes a while.
const PATIENCE: Duration = Duration::from_secs(60);
/// Far more than all keys take.
const MOST_BYTES: usize = 4 << 20;

/// What is asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Order {
    ListKeys,
    RotateKeys,
    IssueToken(DevelopmentToken),
    ListGrants { which: Which, after: Option<String> },
    RevokeGrants(Which),
}

impl Order {
    /// What every good answer has.
    fn is_answered_by(&self, document: &Value) -> bool {
        match self {
            Self::ListKeys | Self::RotateKeys => document["keys"].is_array(),
            Self::IssueToken(_) => document["access_token"].is_string(),
            Self::ListGrants { .. } => document["grants"].is_array(),
            Self::RevokeGrants(_) => document["revoked"].is_array(),
        }
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("the store is in use, and nobody answers at the admin address {0}")]
    NoAnswer(SocketAddr),
    #[error("the gateway at {0} refuses: {1}")]
    Refused(SocketAddr, String),
    #[error("the gateway at {0} does not answer this; is it another version?")]
    NotAnswered(SocketAddr),
    #[error("`admin.token` cannot be sent: it has characters that no header field has")]
    Token,
}

/// Asks, and gives the document that is the answer.
pub(super) async fn ask(admin: &Admin, order: Order) -> Result<Value, Failure> {
    let address = reachable(admin.address);
    let no_answer = |_| Failure::NoAnswer(address);
    let builder = reqwest::Client::builder().no_proxy().redirect(Policy::none()).timeout(PATIENCE);
    // The provider is needed though nothing here is encrypted.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let client = builder.build().map_err(no_answer)?;
    let mut request = match &order {
        Order::ListKeys => client.get(format!("http://{address}/keys")),
        Order::RotateKeys => client.post(format!("http://{address}/keys/rotate")),
        Order::IssueToken(wanted) => in_json(client.post(format!("http://{address}/tokens")), wanted),
        Order::ListGrants { which, after } => client.get(format!("http://{address}/grants?{}", query(which, after))),
        Order::RevokeGrants(which) => in_json(client.post(format!("http://{address}/grants/revoke")), which),
    };
    if let Some(token) = &admin.token {
        let mut field = HeaderValue::from_bytes(&[b"Bearer ", token.expose()].concat()).map_err(|_| Failure::Token)?;
        field.set_sensitive(true);
        request = request.header(AUTHORIZATION, field);
    }
    let mut answer = request.send().await.map_err(no_answer)?;
    let status = answer.status();
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(no_answer)? {
        body.extend_from_slice(&chunk);
        if body.len() > MOST_BYTES {
            return Err(Failure::NotAnswered(address));
        }
    }
    let document: Value = serde_json::from_slice(&body).unwrap_or_default();
    match status.is_success() {
        true if order.is_answered_by(&document) => Ok(document),
        true => Err(Failure::NotAnswered(address)),
        false => {
            let why = document["error"].as_str().map_or_else(|| status.to_string(), str::to_owned);
            Err(Failure::Refused(address, why))
        }
    }
}

fn in_json(request: RequestBuilder, wanted: &impl Serialize) -> RequestBuilder {
    let body = serde_json::to_vec(wanted).expect("text under fixed names is always JSON");
    request.header(CONTENT_TYPE, "application/json").body(body)
}

fn query(which: &Which, after: &Option<String>) -> String {
    let (name, value) = match which {
        Which::Client(client) => ("client", client),
        Which::Subject(subject) => ("subject", subject),
        Which::Root(root) => ("root", root),
    };
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair(name, value);
    if let Some(after) = after {
        query.append_pair("after", after);
    }
    query.finish()
}

/// Where a listener of all addresses is reached from this machine.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    #[test]
    fn a_listener_of_all_addresses_is_reached_by_loopback() {
        let reached = |address: &str| reachable(address.parse().unwrap()).to_string();
        assert_eq!(reached("0.0.0.0:9090"), "127.0.0.1:9090");
        assert_eq!(reached("[::]:9090"), "[::1]:9090");
        assert_eq!(reached("10.0.0.7:9090"), "10.0.0.7:9090");
    }

    /// What `ask` makes of this answer, and what it sent.
    async fn asked(order: Order, answer: &'static str) -> (Result<Value, String>, String) {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let admin = Admin { address, token: Some(Secret::new("s3cret")), hosts: Vec::new() };
        let serving = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            let text = String::from_utf8_lossy(&head).into_owned();
            let body = text.lines().find_map(|line| line.strip_prefix("content-length: "));
            for _ in 0..body.map_or(0, |length| length.parse().unwrap()) {
                head.push(stream.read_u8().await.unwrap());
            }
            let length = answer.split_once(' ').map_or(0, |(_, body)| body.len());
            let (status, body) = answer.split_once(' ').unwrap();
            let told = format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n\r\n{body}");
            stream.write_all(told.as_bytes()).await.unwrap();
            String::from_utf8(head).unwrap()
        });
        let told = ask(&admin, order).await.map_err(|failure| failure.to_string().replace(&address.to_string(), "it"));
        (told, serving.await.unwrap())
    }

    #[tokio::test]
    async fn the_running_gateway_is_asked_with_the_token() {
        let (told, sent) = asked(Order::ListKeys, r#"200 {"keys":[]}"#).await;
        assert!(told.is_ok() && sent.starts_with("GET /keys HTTP/1.1\r\n"));
        assert!(sent.contains("authorization: Bearer s3cret\r\n"), "{sent}");
        let (told, sent) = asked(Order::RotateKeys, r#"200 {"keys":[]}"#).await;
        assert!(told.is_ok() && sent.starts_with("POST /keys/rotate HTTP/1.1\r\n"));
    }

    #[tokio::test]
    async fn a_token_is_asked_for_in_json() {
        let wanted = DevelopmentToken {
            resource: "urn:a".into(),
            scope: Some("read write".into()),
            sub: "corp|alice".into(),
            client_id: None,
        };
        let (told, sent) = asked(Order::IssueToken(wanted), r#"200 {"access_token":"t"}"#).await;
        assert_eq!(told.unwrap()["access_token"], "t");
        assert!(sent.starts_with("POST /tokens HTTP/1.1\r\n") && sent.contains("authorization: Bearer s3cret\r\n"));
        assert!(sent.contains("content-type: application/json\r\n"), "{sent}");
        assert!(sent.ends_with(r#"{"resource":"urn:a","scope":"read write","sub":"corp|alice"}"#), "{sent}");
    }

    #[tokio::test]
    async fn grants_are_asked_for_by_their_names() {
        let which = Which::Subject("corp|a b".into());
        let list = Order::ListGrants { which: which.clone(), after: Some("r".into()) };
        let (told, sent) = asked(list, r#"200 {"grants":[]}"#).await;
        assert!(told.is_ok() && sent.starts_with("GET /grants?subject=corp%7Ca+b&after=r HTTP/1.1\r\n"), "{sent}");
        let (told, sent) = asked(Order::RevokeGrants(which), r#"200 {"revoked":[]}"#).await;
        assert!(told.is_ok() && sent.starts_with("POST /grants/revoke HTTP/1.1\r\n"), "{sent}");
        assert!(sent.ends_with(r#"{"subject":"corp|a b"}"#), "{sent}");
    }

    #[tokio::test]
    async fn a_refusal_is_told() {
        let (told, _) = asked(Order::ListKeys, r#"401 {"error":"this needs `admin.token`"}"#).await;
        assert_eq!(told.unwrap_err(), "the gateway at it refuses: this needs `admin.token`");
        let (told, _) = asked(Order::ListKeys, "302 -").await;
        assert_eq!(told.unwrap_err(), "the gateway at it refuses: 302 Found");
        let (told, _) = asked(Order::ListKeys, "200 hello").await;
        assert_eq!(told.unwrap_err(), "the gateway at it does not answer this; is it another version?");
    }
}
