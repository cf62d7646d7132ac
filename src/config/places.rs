//! Where in the file things stand, for whoever finds something out after it was read.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use super::fault::{Fault, FaultKind, Place, Source};
use super::model::{IssuerId, ResourceId};
use super::yaml::START;

/// Places in the file that was read.
#[derive(Clone, Debug)]
pub struct Places {
    pub(super) source: Arc<Source>,
    /// Of each trusted issuer: where it says where its keys are.
    pub(super) keys: Vec<Place>,
    /// Of each resource that says, or for which `defaults` says, how broad tokens are treated: where.
    pub(super) broad_tokens: HashMap<ResourceId, Place>,
}

impl Places {
    /// Something that is wrong with the file as a whole.
    pub fn fault(&self, message: &str, hint: &str) -> Fault {
        self.source.fault(FaultKind::Fault, START, message, hint.to_owned())
    }

    /// An issuer whose keys lie in files alone, none of which can be used.
    pub fn keys_unusable(&self, issuer: IssuerId, message: &str, hint: &str) -> Fault {
        let place = self.keys.get(issuer.0).copied().unwrap_or(START);
        self.source.fault(FaultKind::KeysUnusable, place, message, hint.to_owned())
    }

    /// Where a resource, or `defaults` for it, says how broad tokens are treated; the beginning if nobody does.
    pub fn broad_tokens(&self, resource: ResourceId) -> Place {
        self.broad_tokens.get(&resource).copied().unwrap_or(START)
    }

    /// The file, as the operator named it.
    pub fn file(&self) -> &Path {
        self.source.file()
    }
}
