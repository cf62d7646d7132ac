//! Where the operator gave up that one token opens one API (P1): every line of the file that does so.

use serde::Serialize;

use crate::config::{BroadTokens, Config};

/// One exception.
#[derive(Debug, Serialize)]
pub(super) struct Exception {
    /// Where it stands.
    pub(super) resource: String,
    /// The line of the file.
    pub(super) setting: &'static str,
    /// What it means.
    pub(super) meaning: &'static str,
}

/// All exceptions, in the order of the file. None of them concerns a public resource, which no token opens.
pub(super) fn exceptions(config: &Config) -> Vec<Exception> {
    let protected = config.resources.iter().filter(|resource| !resource.public);
    let setting = |broad_tokens| match broad_tokens {
        BroadTokens::Reject | BroadTokens::Strict => None,
        BroadTokens::Accept => {
            Some(("broad_tokens: accept", "a token that names another resource as well is let in here"))
        }
    };
    protected
        .filter_map(|resource| {
            let (setting, meaning) = setting(resource.broad_tokens)?;
            Some(Exception { resource: resource.key.to_string(), setting, meaning })
        })
        .collect()
}
