//! Where the operator gave up that one token opens one API (P1): every line of the file that does so.

use serde::Serialize;

use crate::config::{BroadTokens, Config, Places, ResourceId};

/// One exception.
#[derive(Debug, Serialize)]
pub(super) struct Exception {
    /// Which resource gave it up.
    pub(super) resource: String,
    /// What the file says.
    pub(super) setting: &'static str,
    /// What it means.
    pub(super) meaning: &'static str,
    pub(super) file: String,
    pub(super) line: usize,
    pub(super) column: usize,
}

/// All exceptions, in the order of the file. None of them concerns a public resource, which no token opens.
pub(super) fn exceptions(config: &Config, places: &Places) -> Vec<Exception> {
    let protected = config.resources.iter().enumerate().filter(|(_, resource)| !resource.public);
    let setting = |broad_tokens| match broad_tokens {
        BroadTokens::Reject | BroadTokens::Strict => None,
        BroadTokens::Narrow => Some((
            "broad_tokens: narrow",
            "a token that names another resource as well is let in here, and stays outside of the API",
        )),
        BroadTokens::Accept => {
            Some(("broad_tokens: accept", "a token that names another resource as well is let in here"))
        }
    };
    protected
        .filter_map(|(at, resource)| {
            let (setting, meaning) = setting(resource.broad_tokens)?;
            let place = places.broad_tokens(ResourceId(at));
            let (file, resource) = (places.file().display().to_string(), resource.key.to_string());
            Some(Exception { resource, setting, meaning, file, line: place.line, column: place.column })
        })
        .collect()
}
