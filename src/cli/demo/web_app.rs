//! A web application of the demo: it signs a user in at the gateway's own issuer for two APIs at once, and shows the two
//! isolated tokens that come of it, with what each of them opens.
//!
//! It is a client like any other, with nothing but what the standards give one: an authorization request with two
//! `resource`s (RFC 8707 §2.1) and PKCE, a code, a refresh token.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use askama::Template;
use axum::Router;
use axum::extract::{RawQuery, State};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use http::header::{CACHE_CONTROL, COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use tokio::net::TcpListener;
use url::form_urlencoded::Serializer;

use super::token_client::{NoToken, REPORTING_APP, TokenAsked};
use crate::fetch::{FetchError, FetchFault, Fetcher};
use crate::oauth::CodeVerifier;
use crate::secret::Secret;

/// The most sign-ins that are begun and not finished.
const BEGUN: usize = 64;

/// The cookie that binds a sign-in to the browser in which it was begun.
const STATE_COOKIE: &str = "demo-state";

/// The application, ready to be started.
#[derive(Debug)]
pub(super) struct WebApp {
    /// Where it listens.
    pub(super) address: SocketAddr,
    /// The gateway's origin, which is its issuer's URL, too.
    pub(super) issuer: String,
    /// The two APIs.
    pub(super) apis: [String; 2],
}

/// The style of all pages, the issuer's, too.
const STYLE: &str = include_str!("../../../templates/style.css");

/// What its pages share.
#[derive(Clone)]
struct Shared {
    app: Arc<WebApp>,
    /// Of each sign-in that was begun, by its `state`, the proof that it is ours.
    begun: Arc<Mutex<HashMap<String, CodeVerifier>>>,
}

/// The first page.
#[derive(Template)]
#[template(path = "demo/start.html")]
struct Start<'a> {
    apis: &'a [String],
}

/// The page of the two tokens.
#[derive(Template)]
#[template(path = "demo/tokens.html")]
struct Tokens {
    tokens: Vec<Shown>,
}

/// Why there are none.
#[derive(Template)]
#[template(path = "demo/refused.html")]
struct Refused<'a> {
    error: &'a str,
}

/// A token, taken apart for people.
struct Shown {
    api: String,
    claims: String,
    opens: Vec<Verdict>,
}

/// What an API says to a token.
struct Verdict {
    api: String,
    status: u16,
}

impl WebApp {
    /// Starts it; it ends with the runtime.
    pub(super) fn start(self, listener: TcpListener) {
        let shared = Shared { app: Arc::new(self), begun: Arc::default() };
        let pages = Router::new()
            .route("/", get(start))
            .route("/sign-in", get(sign_in))
            .route("/callback", get(callback))
            .with_state(shared);
        tokio::spawn(async move { axum::serve(listener, pages).await });
    }

    fn redirect_uri(&self) -> String {
        format!("http://{}/callback", self.address)
    }
}

async fn start(State(shared): State<Shared>) -> Response {
    page(StatusCode::OK, &Start { apis: &shared.app.apis })
}

/// Sends the browser to the issuer, for both APIs at once.
async fn sign_in(State(shared): State<Shared>) -> Response {
    let (Ok(state), Ok(verifier)) = (Secret::random_token(), CodeVerifier::generate()) else {
        return page(StatusCode::SERVICE_UNAVAILABLE, &Refused { error: "there is no randomness" });
    };
    let state = String::from_utf8_lossy(state.expose()).into_owned();
    let app = &shared.app;
    let query = Serializer::new(String::new())
        .append_pair("response_type", "code")
        .append_pair("client_id", REPORTING_APP.id)
        .append_pair("redirect_uri", &app.redirect_uri())
        .append_pair("resource", &app.apis[0])
        .append_pair("resource", &app.apis[1])
        .append_pair("code_challenge", &verifier.challenge().to_string())
        .append_pair("code_challenge_method", "S256")
        .append_pair("state", &state)
        .finish();
    let mut begun = shared.begun.lock().unwrap_or_else(PoisonError::into_inner);
    if begun.len() >= BEGUN {
        begun.clear();
    }
    begun.insert(state.clone(), verifier);
    let cookie = format!("{STATE_COOKIE}={state}; HttpOnly; SameSite=Lax; Path=/");
    ([(SET_COOKIE, cookie)], Redirect::to(&format!("{}/authorize?{query}", app.issuer))).into_response()
}

/// Takes the issuer's answer.
async fn callback(State(shared): State<Shared>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let query = query.unwrap_or_default();
    let answer: HashMap<String, String> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let said = |name: &str| answer.get(name).map_or("", String::as_str);
    let is_here = cookie(&headers).is_some_and(|state| !state.is_empty() && state == said("state"));
    let verifier = shared.begun.lock().unwrap_or_else(PoisonError::into_inner).remove(said("state"));
    let Some(verifier) = verifier.filter(|_| is_here && said("iss") == shared.app.issuer) else {
        return page(
            StatusCode::BAD_REQUEST,
            &Refused { error: "this is not the answer to a sign-in of this browser" },
        );
    };
    if !said("error").is_empty() {
        return page(StatusCode::OK, &Refused { error: said("error") });
    }
    match tokens(&shared.app, said("code"), &verifier).await {
        Ok(tokens) => page(StatusCode::OK, &tokens),
        Err(error) => page(StatusCode::BAD_GATEWAY, &Refused { error: &error.to_string() }),
    }
}

/// A code gives a token for the first API, and the refresh token that came with it one for the second.
async fn tokens(app: &WebApp, code: &str, verifier: &CodeVerifier) -> Result<Tokens, NoToken> {
    let endpoint = format!("{}/token", app.issuer);
    let [one, two] = &app.apis;
    let first = TokenAsked::code(REPORTING_APP, code, verifier, &app.redirect_uri(), one).answer(&endpoint).await?;
    let refresh_token = first["refresh_token"].as_str().ok_or(NoToken::Form)?;
    let second = TokenAsked::refresh(REPORTING_APP, refresh_token, two).answer(&endpoint).await?;
    let mut tokens = Vec::new();
    for (api, answer) in [(one, &first), (two, &second)] {
        let token = answer["access_token"].as_str().ok_or(NoToken::Form)?;
        tokens.push(Shown { api: api.clone(), claims: claims(token), opens: opened(app, token).await? });
    }
    Ok(Tokens { tokens })
}

/// What each API says to a token.
async fn opened(app: &WebApp, token: &str) -> Result<Vec<Verdict>, NoToken> {
    let (fetcher, credential) = (Fetcher::new(None)?, Secret::new(token));
    let mut verdicts = Vec::new();
    for api in &app.apis {
        let url = url::Url::parse(&format!("{api}/anything")).map_err(|_| NoToken::Form)?;
        let status = match fetcher.fetch(&url, Some(&credential)).await {
            Ok(_) => 200,
            Err(FetchError { fault: FetchFault::Status(status), .. }) => status,
            Err(error) => return Err(error.into()),
        };
        verdicts.push(Verdict { api: api.clone(), status });
    }
    Ok(verdicts)
}

/// What a token says, as people read it.
fn claims(token: &str) -> String {
    let middle = token.split('.').nth(1).and_then(|middle| URL_SAFE_NO_PAD.decode(middle).ok());
    let claims = middle.and_then(|json| serde_json::from_slice::<Value>(&json).ok());
    claims.map_or_else(String::new, |claims| format!("{claims:#}"))
}

/// The one cookie of this application.
fn cookie(headers: &HeaderMap) -> Option<&str> {
    let fields = headers.get_all(COOKIE).iter().filter_map(|field| field.to_str().ok());
    let mut pairs = fields.flat_map(|field| field.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == STATE_COOKIE).map(|(_, value)| value)
}

/// A page, which shows tokens' content and is nobody's to keep.
fn page(status: StatusCode, page: &impl Template) -> Response {
    const POLICY: (HeaderName, HeaderValue) = (
        http::header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
    );
    match page.render() {
        Ok(html) => {
            (status, [(CACHE_CONTROL, HeaderValue::from_static("no-store")), POLICY], Html(html)).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
