//! `GET /keys` and `POST /keys/rotate`: the keys of our own issuer, never a private half of them.

use std::fmt;

use async_trait::async_trait;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::{Asked, told};
use crate::clock::Timestamp;
use crate::token::mint::{KeyState, LEAD, ListedKey};

/// Who knows the keys of our own issuer while it runs.
#[async_trait]
pub trait KeyKeeper: fmt::Debug + Send + Sync {
    /// The keys that are published; nothing if there is no issuer of our own.
    async fn list(&self) -> Option<Vec<ListedKey>>;

    /// Lets the next keys sign from now on, and says what is published then; nothing if there is no issuer of our own.
    ///
    /// # Errors
    ///
    /// A sentence that says why nothing has changed.
    async fn rotate(&self) -> Option<Result<Vec<ListedKey>, String>>;
}

/// The keys in JSON, with times in seconds since 1970.
pub fn document(keys: &[ListedKey]) -> Value {
    let each = keys.iter().map(|key| {
        json!({
            "kid": key.kid,
            "algorithm": key.algorithm.as_str(),
            "state": key.state.as_str(),
            "published": key.published.map(|time| time.0),
            "since": key.since.map(|time| time.0),
            "until": key.until.map(|time| time.0),
        })
    });
    json!({ "keys": each.collect::<Vec<_>>() })
}

/// What verifiers notice of a rotation at `now` that led to these keys.
pub fn consequence(keys: &[ListedKey], now: Timestamp) -> String {
    let signing = keys.iter().filter(|key| key.state == KeyState::Current);
    let published = signing.filter_map(|key| key.published).max();
    match published.map(|published| now.0.saturating_sub(published.0)) {
        Some(age) if age < LEAD => format!(
            "a key that signs now was published {age} seconds ago: verifiers that keep an older key set and do not look for \
             unknown keys refuse new tokens until they read it again, within {} minutes where they heed its max-age or are \
             gateways of this kind",
            LEAD / 60
        ),
        _ => format!(
            "the keys that sign now were published for more than {} minutes: verifiers know them; earlier tokens stay good",
            LEAD / 60
        ),
    }
}

pub(super) async fn list(State(asked): State<Asked>) -> Response {
    match asked.desk.keys.list().await {
        Some(keys) => Json(document(&keys)).into_response(),
        None => told(StatusCode::NOT_FOUND, "there is no `issuer`"),
    }
}

pub(super) async fn rotate(State(asked): State<Asked>) -> Response {
    match asked.desk.keys.rotate().await {
        Some(Ok(keys)) => {
            let mut document = document(&keys);
            document["consequence"] = consequence(&keys, Timestamp::now()).into();
            Json(document).into_response()
        }
        Some(Err(why)) => told(StatusCode::CONFLICT, &why),
        None => told(StatusCode::NOT_FOUND, "there is no `issuer`"),
    }
}
