//! `POST /reload`: an operator's order to read the configuration again, and what came of it.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use super::{Asked, told};
use crate::clock::Timestamp;
use crate::config::{Fault, Faults};

/// How many orders may wait; whoever comes later is told to come again.
const WAITING: usize = 64;

/// What came of reading the configuration again.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// It is in force.
    Adopted {
        /// Which configuration serves now.
        generation: u64,
        /// What it changed, in words; nothing if it means the same as the one before.
        changed: Vec<String>,
        /// What the file says differently, and only a restart can change.
        needs_restart: Vec<String>,
        /// What somebody should look at all the same.
        warnings: Vec<Fault>,
        /// How long it took, from the moment at which the files were known to have settled.
        took: Duration,
    },
    /// It changed nothing.
    Refused {
        /// Which configuration goes on serving.
        generation: u64,
        /// What is wrong with the one that was read.
        faults: Faults,
    },
}

/// An order, to be answered with what came of it.
pub type Order = oneshot::Sender<Outcome>;

/// Where orders are given, and where the last outcome is looked up.
#[derive(Clone, Debug)]
pub struct Orders {
    sender: mpsc::Sender<Order>,
    last: Arc<ArcSwapOption<(Timestamp, Outcome)>>,
}

impl Orders {
    /// A place for orders, and the end where they come out.
    pub fn new() -> (Self, mpsc::Receiver<Order>) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Self { sender, last: Arc::default() }, receiver)
    }

    /// Orders a reload, and waits for what comes of it; nothing if nobody takes orders, or too many are waiting.
    pub async fn reload(&self) -> Option<Outcome> {
        let (order, outcome) = oneshot::channel();
        self.sender.try_send(order).ok()?;
        outcome.await.ok()
    }

    /// Orders a reload, and does not wait. Where too many wait already, one of those is as good.
    pub fn order(&self) {
        let _ = self.sender.try_send(oneshot::channel().0);
    }

    /// Keeps an outcome for those who look later.
    pub fn note(&self, at: Timestamp, outcome: Outcome) {
        self.last.store(Some(Arc::new((at, outcome))));
    }

    /// The last outcome, and when it was; nothing before the first.
    pub fn last(&self) -> Option<Arc<(Timestamp, Outcome)>> {
        self.last.load_full()
    }
}

impl Outcome {
    /// As `POST /reload` answers it.
    pub fn as_json(&self) -> Value {
        match self {
            Self::Adopted { generation, changed, needs_restart, warnings, took } => json!({
                "generation": generation,
                "changed": changed,
                "needs_restart": needs_restart,
                "warnings": warnings,
                "took_ms": milliseconds(*took),
            }),
            Self::Refused { generation, faults } => {
                json!({ "generation": generation, "faults": faults.0 })
            }
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Adopted { .. } => StatusCode::OK,
            Self::Refused { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        }
    }
}

/// A duration in milliseconds, as answers and logs tell it: to a tenth.
pub fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 10_000.0).round() / 10.0
}

pub(super) async fn reload(State(asked): State<Asked>) -> Response {
    let Some(orders) = &asked.desk.orders else {
        return told(StatusCode::NOT_FOUND, "this gateway was not started from a file");
    };
    match orders.reload().await {
        Some(outcome) => (outcome.status(), Json(outcome.as_json())).into_response(),
        None => told(StatusCode::SERVICE_UNAVAILABLE, "the gateway is stopping, or too many reloads are waiting"),
    }
}
