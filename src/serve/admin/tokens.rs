//! `POST /tokens`: a development token, for whoever may also order a reload.
//!
//! What it may say is decided by [`development_token`]; the configuration must open it. Each one, and each refusal, is an
//! event in the audit log and counted.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{ConnectInfo, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::{Asked, Peer, told};
use crate::clock::Timestamp;
use crate::issuer::{DevelopmentFault, DevelopmentToken, development_token};
use crate::serve::identifier::RequestId;
use crate::serve::minting::{Issued, TokenResponse, mint};
use crate::snapshot::Snapshot;
use crate::telemetry::audit::{AuditLine, Deed};
use crate::token::mint::{MintedToken, NotMinted};

/// The largest request; names of resources and scopes are far shorter.
pub(super) const MOST_BYTES: usize = 64 << 10;

/// What the grant is called in audit and metrics.
const GRANT: &str = "development";

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("there is no `issuer`")]
    NoIssuer,
    #[error(transparent)]
    NotAllowed(#[from] DevelopmentFault),
    #[error(transparent)]
    NotMinted(#[from] NotMinted),
}

pub(super) async fn issue(
    State(asked): State<Asked>,
    ConnectInfo(Peer(peer)): ConnectInfo<Peer>,
    wanted: Result<Json<DevelopmentToken>, JsonRejection>,
) -> Response {
    let wanted = match wanted {
        Ok(Json(wanted)) => wanted,
        Err(rejection) => {
            return told(rejection.status(), "the body is no request for a token, as `narrowgate token` sends it");
        }
    };
    let (current, metrics) = (&asked.desk.current, &asked.desk.metrics);
    let (snapshot, minted) = loop {
        let snapshot = current.load();
        let minted = minted(&snapshot, &wanted);
        // What another configuration allowed counts for nothing.
        if current.is(&snapshot) {
            break (snapshot, minted);
        }
    };
    let request_id = RequestId::random();
    match minted {
        Ok(minted) => {
            let line = AuditLine::new(Deed::TokenIssued, &request_id, peer);
            Issued { minted: &minted, grant: GRANT }.record(line, &snapshot, metrics);
            Json(TokenResponse::of(&minted)).into_response()
        }
        Err(refused) => {
            let reason = refused.to_string();
            let line = AuditLine::new(Deed::TokenRefused, &request_id, peer);
            AuditLine { grant: Some(GRANT), reason: Some(&reason), ..line }.write();
            metrics.token_refused(GRANT, refused.label());
            told(refused.status(), &reason)
        }
    }
}

fn minted(snapshot: &Snapshot, wanted: &DevelopmentToken) -> Result<MintedToken, Refused> {
    let (policy, issuing) = snapshot.policy().zip(snapshot.issuing.as_ref()).ok_or(Refused::NoIssuer)?;
    let grant = development_token(&policy, wanted)?;
    Ok(mint(&policy, &grant, &issuing.keys.load(), Timestamp::now())?)
}

impl Refused {
    fn status(&self) -> StatusCode {
        match self {
            Self::NoIssuer => StatusCode::NOT_FOUND,
            Self::NotAllowed(DevelopmentFault::Off) => StatusCode::FORBIDDEN,
            Self::NotAllowed(_) => StatusCode::BAD_REQUEST,
            Self::NotMinted(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn label(&self) -> &'static str {
        match self {
            Self::NotAllowed(fault) => fault.error().as_str(),
            Self::NoIssuer | Self::NotMinted(_) => "unavailable",
        }
    }
}
