//! A family as a backend keeps it, and what each of its tokens is worth by that: the rules that must not differ.

use super::{Family, GRACE_SECONDS, NewFamily, Rotation};
use crate::clock::Timestamp;
use crate::store::TokenDigest;

/// A family with its tokens.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::store) struct KeptFamily {
    pub(in crate::store) family: Family,
    /// The token that is good.
    pub(in crate::store) leaf: TokenDigest,
    /// The token that it came from.
    pub(in crate::store) parent: Option<SpentParent>,
}

/// The token that was spent last.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::store) struct SpentParent {
    pub(in crate::store) digest: TokenDigest,
    pub(in crate::store) rotated_at: Timestamp,
    pub(in crate::store) successor: Vec<u8>,
}

/// What a token of a family is to it.
pub(in crate::store) enum Shown {
    /// The one that is good.
    Leaf,
    /// The one before, still within the grace, with the sealed one that is good.
    Grace(Vec<u8>),
    /// One that was spent before that.
    Spent,
}

impl KeptFamily {
    pub(in crate::store) fn begin(root: &str, new: &NewFamily) -> Self {
        let NewFamily { client, subject, record, leaf, until, tokens_until, end } = new.clone();
        let (root, until) = (root.to_owned(), until.min(end));
        Self { family: Family { root, client, subject, record, until, tokens_until, end }, leaf, parent: None }
    }

    /// Whether it has ended, by its end or because nobody used it.
    pub(in crate::store) fn has_ended(&self, now: Timestamp) -> bool {
        self.family.until < now
    }

    /// What a token that was given for this family is to it.
    pub(in crate::store) fn shown(&self, digest: &TokenDigest, now: Timestamp) -> Shown {
        if self.leaf == *digest {
            return Shown::Leaf;
        }
        // A clock that lies behind the one of who rotated is within the grace.
        let in_grace = |parent: &&SpentParent| now.0.saturating_sub(parent.rotated_at.0) <= GRACE_SECONDS;
        match self.parent.as_ref().filter(|parent| parent.digest == *digest).filter(in_grace) {
            Some(parent) => Shown::Grace(parent.successor.clone()),
            None => Shown::Spent,
        }
    }

    /// Puts the successor in the leaf's place, at a time that [`Rotation::turn`] gave.
    pub(in crate::store) fn rotate(&mut self, rotation: &Rotation, rotated_at: Timestamp) {
        let Rotation { shown, leaf, successor, until, tokens_until, .. } = rotation.clone();
        self.parent = Some(SpentParent { digest: shown, rotated_at, successor });
        self.leaf = leaf;
        self.family.until = until.min(self.family.end);
        self.family.tokens_until = tokens_until.max(self.family.tokens_until);
    }

    /// Until when it must be there to be revoked: what it gave may live longer than itself.
    pub(in crate::store) fn kept_until(&self) -> Timestamp {
        self.family.until.max(self.family.tokens_until)
    }
}

impl SpentParent {
    /// Until when it must be known that a token was spent, which was good until `until`: as long as it might be shown in
    /// good faith, and then through the grace.
    pub(in crate::store) fn known_until(rotated_at: Timestamp, until: Timestamp) -> Timestamp {
        until.max(Timestamp(rotated_at.0.saturating_add(GRACE_SECONDS)))
    }
}

impl Rotation {
    /// When it has its turn, which is now: ask once nobody else can change the family any more.
    pub(in crate::store) fn turn(&self) -> Timestamp {
        Timestamp(self.now.0.saturating_add(self.asked.elapsed().as_secs()))
    }
}
