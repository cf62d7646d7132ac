//! Codes and families as the checks need them: one of each kind, told apart by a name.

use std::time::Instant;

use crate::clock::Timestamp;
use crate::store::{Code, NewCode, NewFamily, Rotation, Store, TakingCode, TokenDigest};

/// When every family begins.
pub(super) const BEGIN: Timestamp = Timestamp(1_000);
/// Until when a leaf is good that was given at the beginning.
pub(super) const IDLE: Timestamp = Timestamp(5_000);
/// When the access token ends that came with it.
pub(super) const TOKENS: Timestamp = Timestamp(1_300);
/// When every family ends.
pub(super) const END: Timestamp = Timestamp(9_000);

pub(super) fn digest(token: &str) -> TokenDigest {
    TokenDigest::of(token.as_bytes())
}

/// A code that can be taken until 1060.
pub(super) fn code(name: &str) -> NewCode {
    NewCode {
        digest: digest(&format!("code {name}")),
        root: name.to_owned(),
        record: record(name),
        until: Timestamp(1_060),
    }
}

fn record(name: &str) -> Vec<u8> {
    format!("granted {name}").into_bytes()
}

/// The taking of that code.
pub(super) fn taking(name: &str, family: NewFamily) -> TakingCode {
    let digest = code(name).digest;
    TakingCode { digest, record: record(name), family, now: BEGIN }
}

/// A family of `app` and `ann`, whose leaf is the name.
pub(super) fn family(name: &str) -> NewFamily {
    NewFamily {
        client: "app".to_owned(),
        subject: "ann".to_owned(),
        record: record(name),
        leaf: digest(name),
        until: IDLE,
        tokens_until: TOKENS,
        end: END,
    }
}

/// Begins a family by its code.
pub(super) async fn begin(store: &dyn Store, name: &str, family: NewFamily) {
    store.save_code(&code(name)).await.unwrap();
    let taken = store.take_code(&taking(name, family)).await.unwrap();
    assert_eq!(taken, Code::Fresh { record: record(name), root: name.to_owned() });
}

/// A rotation of one token to another, which is sealed by standing in brackets.
pub(super) fn rotation(shown: &str, leaf: &str, now: u64) -> Rotation {
    Rotation {
        shown: digest(shown),
        leaf: digest(leaf),
        successor: sealed(leaf),
        until: Timestamp(now + 4_000),
        tokens_until: Timestamp(now + 300),
        now: Timestamp(now),
        asked: Instant::now(),
    }
}

pub(super) fn sealed(token: &str) -> Vec<u8> {
    format!("[{token}]").into_bytes()
}
