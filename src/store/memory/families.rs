//! Refresh families in memory.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

use async_trait::async_trait;

use super::{Kept, MemoryStore};
use crate::clock::Timestamp;
use crate::store::families::{KeptFamily, Shown, SpentParent};
use crate::store::{
    FAMILY_PAGE, Family, FamilyStore, NewFamily, Refresh, Revocation, Rotated, Rotation, StoreError, TokenDigest, Whose,
};

#[derive(Debug, Default)]
pub(super) struct Families {
    /// By their roots.
    families: BTreeMap<String, KeptFamily>,
    /// Every token that was given, with its family and until when that matters.
    tokens: HashMap<TokenDigest, (String, Timestamp)>,
}

impl Families {
    pub(super) fn begin(&mut self, root: &str, new: &NewFamily) -> Result<(), StoreError> {
        if self.families.contains_key(root) || self.tokens.contains_key(&new.leaf) {
            return Err(StoreError::NotNew);
        }
        let kept = KeptFamily::begin(root, new);
        self.tokens.insert(new.leaf, (root.to_owned(), kept.family.until));
        self.families.insert(root.to_owned(), kept);
        Ok(())
    }

    /// The family that a token is of, unless either has ended.
    fn of(&self, digest: &TokenDigest, now: Timestamp) -> Option<&KeptFamily> {
        let (root, _) = self.tokens.get(digest).filter(|(_, until)| *until >= now)?;
        self.families.get(root).filter(|kept| !kept.has_ended(now))
    }

    fn rotate(&mut self, mut kept: KeptFamily, rotation: &Rotation) -> Result<Rotated, StoreError> {
        if self.tokens.contains_key(&rotation.leaf) {
            return Err(StoreError::NotNew);
        }
        let rotated_at = rotation.turn();
        if let Some((_, until)) = self.tokens.get_mut(&rotation.shown) {
            *until = SpentParent::known_until(rotated_at, *until);
        }
        kept.rotate(rotation, rotated_at);
        self.tokens.insert(rotation.leaf, (kept.family.root.clone(), kept.family.until));
        self.families.insert(kept.family.root.clone(), kept);
        Ok(Rotated::Rotated)
    }

    pub(super) fn sweep(&mut self, now: Timestamp) {
        self.families.retain(|_, kept| kept.kept_until() >= now);
        self.tokens.retain(|_, (_, until)| *until >= now);
    }
}

impl Kept {
    /// Ends a family; nothing if there is none.
    fn end_family(&mut self, root: &str) -> Option<Family> {
        let Family { root, tokens_until, .. } = self.families.families.get(root)?.family.clone();
        self.revoke(Revocation { name: root.clone(), until: tokens_until });
        self.families.families.remove(&root).map(|kept| kept.family)
    }
}

#[async_trait]
impl FamilyStore for MemoryStore {
    async fn look_up_refresh(&self, digest: &TokenDigest, now: Timestamp) -> Result<Refresh, StoreError> {
        let kept = self.kept();
        let Some(found) = kept.families.of(digest, now) else { return Ok(Refresh::Unknown) };
        let family = found.family.clone();
        Ok(match found.shown(digest, now) {
            Shown::Leaf => Refresh::Leaf(family),
            Shown::Grace(successor) => Refresh::Grace { family, successor },
            Shown::Spent => Refresh::Reused(family),
        })
    }

    async fn rotate_refresh(&self, rotation: &Rotation) -> Result<Rotated, StoreError> {
        let mut kept = self.kept();
        let Some(found) = kept.families.of(&rotation.shown, rotation.now).cloned() else { return Ok(Rotated::Gone) };
        match found.shown(&rotation.shown, rotation.now) {
            Shown::Leaf => kept.families.rotate(found, rotation),
            Shown::Grace(successor) => Ok(Rotated::Grace { family: found.family, successor }),
            Shown::Spent => Ok(kept.end_family(&found.family.root).map_or(Rotated::Gone, Rotated::Reused)),
        }
    }

    async fn revoke_family(&self, root: &str) -> Result<bool, StoreError> {
        Ok(self.kept().end_family(root).is_some())
    }

    async fn families(&self, of: Whose<'_>, after: Option<&str>, now: Timestamp) -> Result<Vec<Family>, StoreError> {
        let kept = self.kept();
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let behind = kept.families.families.range::<str, _>((from, Bound::Unbounded)).map(|(_, found)| found);
        let is_whose = |found: &&KeptFamily| match of {
            Whose::Client(client) => found.family.client == client,
            Whose::Subject(subject) => found.family.subject == subject,
        };
        let theirs = behind.filter(is_whose).filter(|found| found.kept_until() >= now);
        Ok(theirs.take(FAMILY_PAGE).map(|found| found.family.clone()).collect())
    }
}
