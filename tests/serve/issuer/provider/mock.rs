//! An OpenID provider that says whatever a test wants it to say, and remembers what it was asked.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use narrowgate::clock::Timestamp;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use url::form_urlencoded;

use crate::issuer::world;

/// The name of the gateway at each of them, and its secret.
pub const CLIENT: &str = "narrowgate";
pub const SECRET: &str = "the secret & the rest";

/// What must never leave the issuer.
pub const CANARIES: [&str; 3] = ["canary-access", "canary-refresh", "canary-code"];

/// The provider.
#[derive(Clone)]
pub struct Mock {
    pub issuer: String,
    state: Arc<Mutex<State>>,
}

struct State {
    key: rcgen::KeyPair,
    kid: String,
    metadata: Value,
    token: (u16, Value),
    userinfo: (u16, Value),
    asked: Vec<Asked>,
    /// What happens while a code is redeemed.
    meanwhile: Option<Box<dyn FnOnce() + Send>>,
}

/// One request that came.
#[derive(Clone, Debug)]
pub struct Asked {
    pub path: String,
    pub authorization: Option<String>,
    pub form: Vec<(String, String)>,
}

impl Asked {
    pub fn value(&self, name: &str) -> Option<&str> {
        self.form.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl Mock {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        let issuer = format!("http://{address}");
        let metadata = json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{issuer}/token"),
            "userinfo_endpoint": format!("{issuer}/me"),
            "jwks_uri": format!("{issuer}/jwks"),
            "authorization_response_iss_parameter_supported": true,
        });
        let state = State {
            key: rcgen::KeyPair::generate().unwrap(),
            kid: "p1".to_owned(),
            metadata,
            token: (500, Value::Null),
            userinfo: (200, json!({})),
            asked: Vec::new(),
            meanwhile: None,
        };
        let mock = Self { issuer, state: Arc::new(Mutex::new(state)) };
        let serving = mock.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let mock = serving.clone();
                let service = service_fn(move |request| mock.clone().answer(request));
                tokio::spawn(async move {
                    let connection = hyper::server::conn::http1::Builder::new();
                    let _ = connection.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        mock
    }

    async fn answer(self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let path = request.uri().path().to_owned();
        let authorization = request.headers().get("authorization");
        let authorization = authorization.map(|value| value.to_str().unwrap().to_owned());
        let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let form = form_urlencoded::parse(&body).into_owned().collect();
        let mut state = self.state.lock().unwrap();
        state.asked.push(Asked { path: path.clone(), authorization, form });
        let (status, answer) = match path.as_str() {
            "/.well-known/openid-configuration" => (200, state.metadata.clone()),
            "/jwks" => (200, serde_json::from_str(&world::jwks(&state.key, &state.kid)).unwrap()),
            "/token" => {
                state.meanwhile.take().into_iter().for_each(|act| act());
                state.token.clone()
            }
            "/me" => state.userinfo.clone(),
            _ => (404, Value::Null),
        };
        Ok(Response::builder().status(status).body(Full::from(answer.to_string())).unwrap())
    }

    /// What was asked at a path.
    pub fn asked(&self, path: &str) -> Vec<Asked> {
        self.state.lock().unwrap().asked.iter().filter(|asked| asked.path == path).cloned().collect()
    }

    /// Changes what the provider says of itself.
    pub fn describe(&self, name: &str, value: Value) {
        self.state.lock().unwrap().metadata[name] = value;
    }

    /// What UserInfo says from now on.
    pub fn knows(&self, claims: Value) {
        self.state.lock().unwrap().userinfo = (200, claims);
    }

    /// It says nothing from now on.
    pub fn tells_nothing(&self, status: u16) {
        self.state.lock().unwrap().userinfo = (status, Value::Null);
    }

    /// What happens while the next code is redeemed.
    pub fn meanwhile(&self, act: impl FnOnce() + Send + 'static) {
        self.state.lock().unwrap().meanwhile = Some(Box::new(act));
    }

    /// Another key, under another name.
    pub fn rotate(&self, kid: &str) {
        let mut state = self.state.lock().unwrap();
        (state.key, state.kid) = (rcgen::KeyPair::generate().unwrap(), kid.to_owned());
    }

    /// What is given for every code from now on.
    pub fn gives(&self, id_token: &str) {
        let [access, refresh, _] = CANARIES;
        let answer =
            json!({ "access_token": access, "refresh_token": refresh, "token_type": "Bearer", "id_token": id_token });
        self.state.lock().unwrap().token = (200, answer);
    }

    /// What is said to every code from now on.
    pub fn refuses(&self, status: u16, answer: Value) {
        self.state.lock().unwrap().token = (status, answer);
    }

    /// An ID token of ada's for a login, after a change of its claims.
    pub fn id_token(&self, nonce: &str, change: impl FnOnce(&mut Value)) -> String {
        let now = Timestamp::now().0;
        let mut claims = json!({
            "iss": self.issuer, "sub": "ada", "aud": CLIENT, "exp": now + 300, "iat": now, "nonce": nonce,
        });
        change(&mut claims);
        let state = self.state.lock().unwrap();
        let header = jsonwebtoken::Header {
            kid: Some(state.kid.clone()),
            ..jsonwebtoken::Header::new(jsonwebtoken::Algorithm::ES256)
        };
        let key = jsonwebtoken::EncodingKey::from_ec_pem(state.key.serialize_pem().as_bytes()).unwrap();
        jsonwebtoken::encode(&header, &claims, &key).unwrap()
    }
}

/// The same claims under another header, with another signature.
pub fn resealed(id_token: &str, header: &Value, sign: impl FnOnce(&[u8]) -> String) -> String {
    let payload = id_token.split('.').nth(1).unwrap();
    let signed = format!("{}.{payload}", URL_SAFE_NO_PAD.encode(header.to_string()));
    let signature = sign(signed.as_bytes());
    format!("{signed}.{signature}")
}
