//! The life of our signing keys: what signs when, what is published until when, and what must be done about it.
//!
//! Of each algorithm there is a current key and the next one, which is made when the current one begins and so is published
//! for a whole period before it signs. The ring says when that is: every node changes over by its own clock, also while
//! the store is down. An old key loses its private half, and stays published until its last token has ended.
//!
//! Nodes whose configurations differ for a while do not undo each other's work: nothing is taken away because a
//! configuration does not ask for it, it merely is not continued. Deliberately absent: the store, sealing, and tasks.

mod form;

use std::time::Duration;

use super::{PublicJwk, SigningKey, SigningKeyFault, SigningKeys, SigningKeysFault};
use crate::clock::Timestamp;
use crate::config::{AuthorizationServer, Resource};
use crate::oauth::SigningAlgorithm;
use crate::secret::Secret;

pub use form::InvalidKeyRing;

/// How long a key is published at least before it signs, in seconds: as long as `/jwks` may be kept (5 minutes), and as
/// long as another gateway of this kind goes without reading it again (10 minutes).
pub const LEAD: u64 = 15 * 60;

/// How long an old key stays beyond its last token, in seconds: what clocks and leeways may differ by.
const SLACK: u64 = 5 * 60;

/// What the configuration asks of the keys.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyPolicy {
    /// What signs where a resource asks for no algorithm of its own.
    pub default_algorithm: SigningAlgorithm,
    /// What resources ask for beyond that, each once.
    pub others: Vec<SigningAlgorithm>,
    /// The longest that any token lives.
    pub longest_lifetime: Duration,
}

/// All keys of our issuer that matter still or already.
#[derive(Clone, Debug, Default)]
pub struct KeyRing {
    /// Of each algorithm in the order in which they sign, without a gap or an overlap but after an algorithm came back.
    keys: Vec<RingKey>,
}

#[derive(Clone, Debug)]
struct RingKey {
    half: Half,
    made: Timestamp,
    signs_from: Timestamp,
    /// Nothing while nothing comes after it.
    signs_until: Option<Timestamp>,
    /// The longest lifetime that a token of it may have, in seconds.
    longest_lifetime: u64,
}

/// What is left of a key.
#[derive(Clone, Debug)]
enum Half {
    Private { key: SigningKey, pkcs8: Secret },
    Public(PublicJwk),
}

/// One key, as an operator sees it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ListedKey {
    /// Its name.
    pub kid: String,
    /// What it signs with.
    pub algorithm: SigningAlgorithm,
    /// Where it is in its life.
    pub state: KeyState,
    /// Since when it is published. Nothing where nothing says so.
    pub published: Option<Timestamp>,
    /// When that began: when it was made and published, began to sign, or ceased to. Nothing where nothing says so.
    pub since: Option<Timestamp>,
    /// When that ends: it begins to sign, ceases to, or is published no more. Nothing where nothing says so yet.
    pub until: Option<Timestamp>,
}

/// Where a key is in its life.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KeyState {
    /// Published, and signs nothing yet.
    Next,
    /// Signs.
    Current,
    /// Published for the tokens that it signed.
    Retired,
    /// Published, by an operator who knows whether it comes or goes.
    Published,
}

impl KeyPolicy {
    /// What a configuration asks for. A resource's algorithm that nothing signs with was refused when it was read.
    pub fn of(server: &AuthorizationServer, resources: &[Resource]) -> Self {
        let default_algorithm = server.signing.algorithm;
        let mut others = Vec::new();
        let asked = resources.iter().filter_map(|resource| resource.signing_algorithm);
        for algorithm in asked {
            if algorithm != default_algorithm && !others.contains(&algorithm) {
                others.push(algorithm);
            }
        }
        let own = resources.iter().filter_map(|resource| resource.access_token_lifetime);
        let longest_lifetime = own.fold(server.access_token_lifetime, Duration::max);
        Self { default_algorithm, others, longest_lifetime }
    }

    /// How long a token may live at most.
    pub fn longest_lifetime(&self) -> Duration {
        self.longest_lifetime
    }

    /// Everything that something must sign with.
    pub fn algorithms(&self) -> impl Iterator<Item = SigningAlgorithm> {
        std::iter::once(self.default_algorithm).chain(self.others.iter().copied())
    }
}

impl KeyRing {
    /// The ring at `now`, with what `policy` needs and without what has ended; nothing if that is this one. It may take a
    /// while, where `make` makes an RSA key.
    ///
    /// # Errors
    ///
    /// [`SigningKeyFault`] if no key can be made.
    pub fn continued(
        &self,
        now: Timestamp,
        policy: &KeyPolicy,
        rotate_every: Duration,
        make: impl Fn(SigningAlgorithm) -> Result<(SigningKey, Secret), SigningKeyFault>,
    ) -> Result<Option<Self>, SigningKeyFault> {
        let mut ring = self.clone();
        let mut is_changed = ring.forget(now);
        for algorithm in policy.algorithms() {
            is_changed |= ring.provide(algorithm, now, rotate_every, &make)?;
        }
        let longest = policy.longest_lifetime.as_secs();
        let needed = |key: &RingKey| policy.algorithms().any(|algorithm| algorithm == key.algorithm());
        for key in ring.keys.iter_mut().filter(|key| key.signs_until.is_none_or(|until| until > now) && needed(key)) {
            is_changed |= key.longest_lifetime < longest;
            key.longest_lifetime = key.longest_lifetime.max(longest);
        }
        // What is last and was not continued is needed nowhere; other nodes have had the time to say otherwise.
        let is_left = |key: &RingKey| key.signs_until.is_none() && key.signs_from.0.saturating_add(LEAD) <= now.0;
        for key in ring.keys.iter_mut().filter(|key| is_left(key) && !needed(key)) {
            key.signs_until = Some(now);
            is_changed = true;
        }
        Ok(is_changed.then_some(ring))
    }

    /// The ring in which the next keys begin when `rotate_every` says so; nothing if that is this one. A key signs no
    /// sooner than [`LEAD`] after it was made.
    pub fn rescheduled(&self, now: Timestamp, rotate_every: Duration) -> Option<Self> {
        let mut ring = self.clone();
        let mut is_changed = false;
        for algorithm in SigningAlgorithm::ALL {
            let (Some(current), Some(next)) = (ring.current(algorithm, now), ring.next(algorithm, now)) else {
                continue;
            };
            let planned = due(&ring.keys[current], rotate_every)
                .max(Timestamp(ring.keys[next].made.0.saturating_add(LEAD)))
                .max(now);
            is_changed |= ring.keys[next].signs_from != planned;
            ring.hand_over(current, next, planned);
        }
        is_changed.then_some(ring)
    }

    /// The ring in which the next keys of what `policy` needs sign from now on, and new ones wait after them.
    ///
    /// # Errors
    ///
    /// [`SigningKeyFault`] if no key can be made.
    pub fn rotated(
        &self,
        now: Timestamp,
        policy: &KeyPolicy,
        rotate_every: Duration,
        make: impl Fn(SigningAlgorithm) -> Result<(SigningKey, Secret), SigningKeyFault>,
    ) -> Result<Self, SigningKeyFault> {
        // There may be no next key yet, or nothing at all.
        let mut ring = self.continued(now, policy, rotate_every, &make)?.unwrap_or_else(|| self.clone());
        for algorithm in policy.algorithms() {
            if let (Some(current), Some(next)) = (ring.current(algorithm, now), ring.next(algorithm, now)) {
                ring.hand_over(current, next, now);
            }
        }
        Ok(ring.continued(now, policy, rotate_every, make)?.unwrap_or(ring))
    }

    /// What signs and what is published at `now`.
    ///
    /// # Errors
    ///
    /// [`KeyRingFault`] if something must be made first, or the keys do not go together.
    pub fn signing_keys(&self, now: Timestamp, policy: &KeyPolicy) -> Result<SigningKeys, KeyRingFault> {
        let signing = |algorithm| {
            let key = self.current(algorithm, now).and_then(|at| self.keys[at].half.as_private());
            key.cloned().ok_or(KeyRingFault::NoKey(algorithm))
        };
        let others = policy.others.iter().map(|algorithm| signing(*algorithm)).collect::<Result<_, _>>()?;
        let published = self.keys.iter().filter(|key| key.is_published(now)).map(|key| key.half.public().clone());
        Ok(SigningKeys::new(signing(policy.default_algorithm)?, others, published.collect())?)
    }

    /// The longest lifetime of any token that these keys have signed.
    pub fn longest_lifetime(&self) -> Duration {
        Duration::from_secs(self.keys.iter().map(|key| key.longest_lifetime).max().unwrap_or(0))
    }

    /// When something changes by itself, after `now`: a key begins, ends, or is published no more.
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        let times = self.keys.iter().flat_map(|key| [Some(key.signs_from), key.signs_until, key.published_until()]);
        times.flatten().filter(|time| *time > now).min()
    }

    /// The keys that are published at `now`, of each algorithm in the order in which they sign.
    pub fn list(&self, now: Timestamp) -> Vec<ListedKey> {
        let mut keys: Vec<&RingKey> = self.keys.iter().filter(|key| key.is_published(now)).collect();
        keys.sort_by_key(|key| (key.algorithm(), key.signs_from));
        let listed = keys.into_iter().map(|key| {
            let (state, since, until) = match key.signs_until {
                _ if key.signs_from > now => (KeyState::Next, key.made, Some(key.signs_from)),
                Some(until) if until <= now => (KeyState::Retired, until, key.published_until()),
                until => (KeyState::Current, key.signs_from, until),
            };
            let public = key.half.public();
            let (kid, algorithm) = (public.kid().to_owned(), public.algorithm());
            ListedKey { kid, algorithm, state, published: Some(key.made), since: Some(since), until }
        });
        listed.collect()
    }

    /// Takes away what is published no more, and the private halves of what signs no more.
    fn forget(&mut self, now: Timestamp) -> bool {
        let before = self.keys.len();
        self.keys.retain(|key| key.is_published(now));
        let mut is_changed = self.keys.len() != before;
        for key in self.keys.iter_mut().filter(|key| key.signs_until.is_some_and(|until| until <= now)) {
            is_changed |= key.half.as_private().is_some();
            key.half = Half::Public(key.half.public().clone());
        }
        is_changed
    }

    /// Sees to it that something signs and something comes next.
    fn provide(
        &mut self,
        algorithm: SigningAlgorithm,
        now: Timestamp,
        rotate_every: Duration,
        make: impl Fn(SigningAlgorithm) -> Result<(SigningKey, Secret), SigningKeyFault>,
    ) -> Result<bool, SigningKeyFault> {
        let is_current_missing = self.current(algorithm, now).is_none();
        let current = match (self.current(algorithm, now), self.next(algorithm, now)) {
            (Some(current), _) => current,
            // The clock was set back behind its beginning.
            (None, Some(next)) => {
                self.keys[next].signs_from = now;
                self.keys[next].made = now.min(self.keys[next].made);
                next
            }
            (None, None) => self.add(make(algorithm)?, now, now),
        };
        if self.next(algorithm, now).is_some() {
            return Ok(is_current_missing);
        }
        let begins = due(&self.keys[current], rotate_every).max(Timestamp(now.0.saturating_add(LEAD)));
        let next = self.add(make(algorithm)?, now, begins);
        self.hand_over(current, next, begins);
        Ok(true)
    }

    fn add(&mut self, (key, pkcs8): (SigningKey, Secret), made: Timestamp, signs_from: Timestamp) -> usize {
        let half = Half::Private { key, pkcs8 };
        self.keys.push(RingKey { half, made, signs_from, signs_until: None, longest_lifetime: 0 });
        self.keys.len() - 1
    }

    fn hand_over(&mut self, current: usize, next: usize, at: Timestamp) {
        self.keys[current].signs_until = Some(at);
        self.keys[next].signs_from = at;
    }

    /// The key that signs at `now`.
    fn current(&self, algorithm: SigningAlgorithm, now: Timestamp) -> Option<usize> {
        self.keys.iter().position(|key| {
            let is_now = key.signs_from <= now && key.signs_until.is_none_or(|until| now < until);
            is_now && key.algorithm() == algorithm && key.half.as_private().is_some()
        })
    }

    /// The key that signs first after `now`.
    fn next(&self, algorithm: SigningAlgorithm, now: Timestamp) -> Option<usize> {
        let later = self.keys.iter().enumerate();
        let later = later.filter(|(_, key)| key.algorithm() == algorithm && key.signs_from > now);
        later.min_by_key(|(_, key)| key.signs_from).map(|(at, _)| at)
    }
}

/// When a key has signed for long enough.
fn due(key: &RingKey, rotate_every: Duration) -> Timestamp {
    Timestamp(key.signs_from.0.saturating_add(rotate_every.as_secs()))
}

impl RingKey {
    fn algorithm(&self) -> SigningAlgorithm {
        self.half.public().algorithm()
    }

    /// When no token of it can be left; nothing while nobody knows when it ceases to sign.
    fn published_until(&self) -> Option<Timestamp> {
        let until = self.signs_until?;
        Some(Timestamp(until.0.saturating_add(self.longest_lifetime).saturating_add(SLACK)))
    }

    fn is_published(&self, now: Timestamp) -> bool {
        self.published_until().is_none_or(|until| now < until)
    }
}

impl Half {
    fn public(&self) -> &PublicJwk {
        match self {
            Self::Private { key, .. } => key.public_jwk(),
            Self::Public(public) => public,
        }
    }

    fn as_private(&self) -> Option<&SigningKey> {
        match self {
            Self::Private { key, .. } => Some(key),
            Self::Public(_) => None,
        }
    }
}

impl KeyState {
    /// The state in one word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Current => "current",
            Self::Retired => "retired",
            Self::Published => "published",
        }
    }
}

/// Why a ring does not sign as it is.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum KeyRingFault {
    /// None signs now.
    #[error("no key signs with {0}")]
    NoKey(SigningAlgorithm),
    /// They do not go together.
    #[error(transparent)]
    Keys(#[from] SigningKeysFault),
}

#[cfg(test)]
mod tests;
