//! `GET /grants` and `POST /grants/revoke`: what users have granted, by client or by user, and its end.
//!
//! What a family of refresh tokens knows of its grant is shown without any token: those are kept as digests. Ending a grant
//! ends its refresh tokens and every access token of it, on this node at once and on others soon. That the user has agreed is
//! left as it is: the client may ask for another grant.
//!
//! Deliberately absent: all grants of everybody at once. Nobody reads such a list, and it may be long.

use std::time::Duration;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{ConnectInfo, RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::{Asked, Peer, told};
use crate::clock::Timestamp;
use crate::serve::identifier::RequestId;
use crate::serve::issuer::given;
use crate::serve::issuer::recalls::{Recalled, recall};
use crate::snapshot::Issuing;
use crate::store::sealing::Seals;
use crate::store::{FAMILY_PAGE, Family, Revocation, Store, StoreError, Whose};
use crate::telemetry::audit::{AuditLine, Deed};
use crate::token::mint::GrantId;

/// The largest order.
pub(super) const MOST_BYTES: usize = 16 << 10;

/// Whose grants are meant, or which one.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Which {
    /// All that were granted to a client.
    Client(String),
    /// All that a user has granted; as a token prints him.
    Subject(String),
    /// The one with this root: what stands before the `.` of each `jti` that came of it.
    Root(String),
}

/// A grant that is to end.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ending {
    /// Its root.
    pub root: String,
    /// To whom it was granted; nothing where only its tokens know.
    pub client: Option<String>,
    /// Who granted it.
    pub subject: Option<String>,
    /// When the last access token of it ends.
    pub until: Timestamp,
}

impl Which {
    /// Whose families these are; nothing for a single grant.
    pub fn whose(&self) -> Option<Whose<'_>> {
        match self {
            Self::Client(client) => Some(Whose::Client(client)),
            Self::Subject(subject) => Some(Whose::Subject(subject)),
            Self::Root(_) => None,
        }
    }

    /// Whether it can mean anything.
    ///
    /// # Errors
    ///
    /// A sentence that says why not.
    pub fn check(&self) -> Result<(), &'static str> {
        match self {
            Self::Root(root) if GrantId::parse(root).is_err() => {
                Err("a root is the 22 characters before the `.` of a `jti`")
            }
            Self::Client(name) | Self::Subject(name) if name.is_empty() => Err("the name is empty"),
            Self::Root(_) | Self::Client(_) | Self::Subject(_) => Ok(()),
        }
    }
}

/// One page of grants in JSON, times in seconds since 1970; `next` is where to go on, if there may be more.
pub fn document(seals: &Seals, families: &[Family]) -> Value {
    let next = families.last().filter(|_| families.len() == FAMILY_PAGE).map(|family| &family.root);
    let each = families.iter().map(|family| {
        let record = given::opened(seals, family);
        json!({
            "root": family.root,
            "client": family.client,
            "subject": family.subject,
            // What cannot be read can be ended all the same.
            "resources": record.as_ref().map(|record| record.resources().iter().map(|(key, scopes)| {
                (key.to_string(), scopes.iter().map(ToString::to_string).collect::<Vec<_>>().into())
            }).collect::<serde_json::Map<String, Value>>()),
            "begun": record.as_ref().map(|record| record.begun().0),
            "until": family.until.0,
            "ends": family.end.0,
        })
    });
    json!({ "grants": each.collect::<Vec<_>>(), "next": next })
}

/// What is to end next: for a client or a user the first page of what stands, and nothing once nothing does.
///
/// # Errors
///
/// [`StoreError`] if the store cannot be read.
pub async fn endings(
    store: &dyn Store,
    which: &Which,
    longest_lifetime: Duration,
    now: Timestamp,
) -> Result<Vec<Ending>, StoreError> {
    let Some(whose) = which.whose() else {
        let Which::Root(root) = which else { return Ok(Vec::new()) };
        let until = Timestamp(now.0.saturating_add(longest_lifetime.as_secs()));
        return Ok(vec![Ending { root: root.clone(), client: None, subject: None, until }]);
    };
    let families = store.families(whose, None, now).await?;
    let ending = |family: Family| Ending {
        root: family.root,
        client: Some(family.client),
        subject: Some(family.subject),
        until: family.tokens_until,
    };
    Ok(families.into_iter().map(ending).collect())
}

/// Takes back what was granted and is not redeemed yet: before the grants that stand are ended, so that none begins anew.
///
/// # Errors
///
/// [`StoreError`] if the store cannot be written.
pub async fn recall_codes(store: &dyn Store, which: &Which, now: Timestamp) -> Result<(), StoreError> {
    match which {
        Which::Client(client) => recall(store, Recalled::Client(client), now).await,
        Which::Subject(subject) => recall(store, Recalled::Subject(subject), now).await,
        // What it came from was redeemed.
        Which::Root(_) => Ok(()),
    }
}

/// Ends a grant in a store that no node of ours uses now, or that tells them.
///
/// # Errors
///
/// [`StoreError`] if the store cannot be written.
pub async fn end(store: &dyn Store, ending: &Ending) -> Result<(), StoreError> {
    match store.revoke_family(&ending.root).await? {
        true => Ok(()),
        false => store.revoke(&Revocation { name: ending.root.clone(), until: ending.until }).await,
    }
}

/// What was ended, in JSON.
pub fn ended(endings: &[Ending]) -> Value {
    let each =
        endings.iter().map(|ending| json!({ "root": ending.root, "client": ending.client, "subject": ending.subject }));
    json!({ "revoked": each.collect::<Vec<_>>() })
}

pub(super) async fn list(State(asked): State<Asked>, RawQuery(query): RawQuery) -> Response {
    let (mut which, mut after) = (Vec::new(), None);
    for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned() {
        match &*name {
            "client" => which.push(Which::Client(value)),
            "subject" => which.push(Which::Subject(value)),
            "after" => after = Some(value),
            _ => return told(StatusCode::BAD_REQUEST, "say `client` or `subject`, and `after` to go on"),
        }
    }
    let [which] = &which[..] else {
        return told(StatusCode::BAD_REQUEST, "say either `client` or `subject`, once");
    };
    let Some(whose) = which.whose().filter(|_| which.check().is_ok()) else {
        return told(StatusCode::BAD_REQUEST, "the name is empty");
    };
    let Some(issuing) = asked.desk.current.load().issuing.clone() else { return no_issuer() };
    match issuing.store.families(whose, after.as_deref(), Timestamp::now()).await {
        Ok(families) => Json(document(&issuing.seals, &families)).into_response(),
        Err(error) => told(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
    }
}

pub(super) async fn revoke(
    State(asked): State<Asked>,
    ConnectInfo(Peer(peer)): ConnectInfo<Peer>,
    which: Result<Json<Which>, JsonRejection>,
) -> Response {
    let which = match which {
        Ok(Json(which)) => which,
        Err(rejection) => return told(rejection.status(), "the body is no object with `client`, `subject` or `root`"),
    };
    if let Err(why) = which.check() {
        return told(StatusCode::BAD_REQUEST, why);
    }
    let Some(issuing) = asked.desk.current.load().issuing.clone() else { return no_issuer() };
    let request_id = RequestId::random();
    let line = AuditLine::new(Deed::GrantRevoked, &request_id, peer);
    match revoke_all(&issuing, &which, line).await {
        Ok(endings) => Json(ended(&endings)).into_response(),
        Err(error) => told(StatusCode::SERVICE_UNAVAILABLE, &format!("not all was ended: {error}")),
    }
}

/// Ends all of them, each with an event.
async fn revoke_all(issuing: &Issuing, which: &Which, line: AuditLine<'_>) -> Result<Vec<Ending>, StoreError> {
    recall_codes(&*issuing.store, which, Timestamp::now()).await?;
    let mut done: Vec<Ending> = Vec::new();
    loop {
        let endings = endings(&*issuing.store, which, issuing.longest_lifetime, Timestamp::now()).await?;
        for ending in &endings {
            given::end(issuing, &ending.root, ending.until).await?;
            AuditLine {
                client: ending.client.as_deref(),
                subject: ending.subject.as_deref(),
                jti: Some(&ending.root),
                ..line
            }
            .write();
        }
        let is_last = endings.len() < FAMILY_PAGE;
        done.extend(endings);
        if is_last {
            return Ok(done);
        }
    }
}

fn no_issuer() -> Response {
    told(StatusCode::NOT_FOUND, "there is no `issuer`")
}
