//! Codes as they lie in the store: under their digest, sealed under themselves, so that only who shows a code reads what it
//! stands for.

use crate::clock::Timestamp;
use crate::issuer::CodeRecord;
use crate::secret::{NoRandomness, Secret};
use crate::store::sealing::SealingKey;
use crate::store::{NewCode, TokenDigest};

/// What a code's record is sealed as.
const CODE: &str = "code";

/// A new code for what was granted, and what is to be kept of it until `until`.
///
/// # Errors
///
/// [`NoRandomness`].
pub(super) fn made(record: &CodeRecord, until: Timestamp) -> Result<(Secret, NewCode), NoRandomness> {
    let code = Secret::random_token()?;
    let sealed = SealingKey::of_token(&code, CODE).seal(&record.to_json()).map_err(|_| NoRandomness)?;
    let new = NewCode {
        digest: TokenDigest::of(code.expose()),
        root: record.grant.root().to_string(),
        record: sealed,
        until,
    };
    Ok((code, new))
}

/// What a code that was shown stands for; nothing if what is kept does not belong to it.
pub(super) fn opened(code: &Secret, sealed: &[u8]) -> Option<CodeRecord> {
    let json = SealingKey::of_token(code, CODE).open(sealed).ok()?;
    CodeRecord::from_json(json.expose()).ok()
}
