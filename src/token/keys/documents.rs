//! What an issuer's places gave last, and the key set that it makes.
//!
//! A value that readings are put into, with the time brought along: no I/O, no clock, no log line. A place that fails
//! keeps its last good document until that is too stale, whatever the other places do.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::freshness;
use super::key::SkippedKey;
use super::key_set::KeySet;
use super::place::{Place, ReadError, Reading};
use crate::clock::Timestamp;
use crate::config::TrustedIssuer;

/// The documents of one issuer.
#[derive(Debug)]
pub(super) struct Documents {
    shelves: Vec<Shelf>,
    keys: Option<Arc<KeySet>>,
    skipped: Vec<SkippedKey>,
    failures: u32,
    last_error: Option<String>,
}

/// One place, and its last good document.
#[derive(Debug)]
struct Shelf {
    place: Arc<Place>,
    last: Option<(Reading, Timestamp)>,
}

/// A key set, and until when it may serve.
#[derive(Clone, Debug)]
pub(super) struct Current {
    pub(super) keys: Arc<KeySet>,
    /// The last second; the largest one for keys that do not come from the network.
    pub(super) until: Timestamp,
}

/// What a round of readings changed: what an operator wants to know.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct News {
    /// There is another key set, with so many keys.
    pub(super) keys: Option<usize>,
    /// Other keys than before are left out.
    pub(super) skipped: Vec<SkippedKey>,
    /// Reading works no longer.
    pub(super) failed: Option<String>,
    /// Reading works again.
    pub(super) recovered: bool,
}

/// A place to be fetched: which, and where its keys lay the last time if metadata said so.
pub(super) struct Errand {
    pub(super) index: usize,
    pub(super) place: Arc<Place>,
    pub(super) known: Option<Url>,
}

impl Documents {
    /// The places of `issuer`, with what was read along with the configuration.
    pub(super) fn new(issuer: &TrustedIssuer) -> (Self, News) {
        let places = Place::all(issuer);
        let at_hand: Vec<_> = places
            .iter()
            .enumerate()
            .filter_map(|(index, place)| place.at_hand(issuer).map(|reading| (index, reading)))
            .collect();
        let shelves = places.into_iter().map(|place| Shelf { place: Arc::new(place), last: None }).collect();
        let mut documents = Self { shelves, keys: None, skipped: Vec::new(), failures: 0, last_error: None };
        let news = documents.take_in(at_hand, Timestamp(0), issuer);
        (documents, news)
    }

    /// Takes over what an earlier ring was given by the very same places, as old as it is.
    pub(super) fn inherit(&mut self, before: &Self, issuer: &TrustedIssuer) {
        for shelf in self.shelves.iter_mut().filter(|shelf| shelf.place.is_fetched()) {
            let same = before.shelves.iter().find(|other| other.place == shelf.place);
            shelf.last = same.and_then(|other| other.last.clone());
        }
        self.put_together(Timestamp::now(), issuer, &mut News::default());
    }

    /// What has to be fetched.
    pub(super) fn errands(&self) -> Vec<Errand> {
        let fetched = self.shelves.iter().enumerate().filter(|(_, shelf)| shelf.place.is_fetched());
        fetched
            .map(|(index, shelf)| Errand {
                index,
                place: Arc::clone(&shelf.place),
                known: shelf.last.as_ref().and_then(|(reading, _)| reading.found_at.clone()),
            })
            .collect()
    }

    /// Takes in what one round brought, at `now`.
    pub(super) fn take_in(
        &mut self,
        readings: Vec<(usize, Result<Reading, ReadError>)>,
        now: Timestamp,
        issuer: &TrustedIssuer,
    ) -> News {
        let mut news = News::default();
        let mut errors = Vec::new();
        for (index, reading) in readings {
            match reading {
                Ok(reading) => self.shelves[index].last = Some((reading, now)),
                Err(error) => errors.push(with_cause(&error)),
            }
        }
        if errors.is_empty() {
            news.recovered = self.failures > 0;
            (self.failures, self.last_error) = (0, None);
        } else {
            let error = errors.join("; ");
            news.failed = (self.failures == 0).then(|| error.clone());
            (self.failures, self.last_error) = (self.failures.saturating_add(1), Some(error));
        }
        self.put_together(now, issuer, &mut news);
        news
    }

    /// Makes the key set anew from what is not too stale; the same keys stay the same set.
    fn put_together(&mut self, now: Timestamp, issuer: &TrustedIssuer, news: &mut News) {
        let documents: Vec<&[u8]> = self
            .shelves
            .iter()
            .filter(|shelf| shelf.until(issuer).is_some_and(|until| now <= until))
            .filter_map(|shelf| shelf.last.as_ref().map(|(reading, _)| &*reading.document))
            .collect();
        // Nothing fresh: what was there stays, and `Current::until` has already ended it.
        let Ok((keys, skipped)) = KeySet::parse(&documents, &issuer.algorithms) else { return };
        if self.keys.as_ref().is_none_or(|current| !current.has_same_keys(&keys)) {
            news.keys = Some(keys.count());
            self.keys = Some(Arc::new(keys));
        }
        if self.skipped != skipped {
            self.skipped.clone_from(&skipped);
            news.skipped = skipped;
        }
    }

    /// The key set, if there ever was one. Where places differ in age the youngest decides: what an older one gave is
    /// left out at the next round.
    pub(super) fn current(&self, issuer: &TrustedIssuer) -> Option<Current> {
        let until = self.shelves.iter().filter_map(|shelf| shelf.until(issuer)).max()?;
        Some(Current { keys: Arc::clone(self.keys.as_ref()?), until })
    }

    /// How long to wait before the next round.
    pub(super) fn pause(&self, issuer: &TrustedIssuer) -> Duration {
        let ages = self.shelves.iter().filter_map(|shelf| shelf.last.as_ref().map(|(reading, _)| reading.max_age));
        let interval = ages
            .chain(std::iter::once(None))
            .map(|max_age| freshness::interval(max_age, issuer))
            .min()
            .unwrap_or(issuer.refresh);
        match self.failures {
            0 => interval,
            failures => freshness::retry_after(failures, interval),
        }
    }

    /// How many rounds in a row have failed, at least at one place, and why the last one did.
    pub(super) fn failures(&self) -> (u32, Option<String>) {
        (self.failures, self.last_error.clone())
    }

    /// When the place that has been silent the longest gave its last document; nothing if none ever did.
    pub(super) fn oldest(&self) -> Option<Timestamp> {
        let fetched = self.shelves.iter().filter(|shelf| shelf.place.is_fetched());
        fetched.filter_map(|shelf| shelf.last.as_ref().map(|(_, read_at)| *read_at)).min()
    }
}

impl Shelf {
    /// The last second at which what lies here may serve.
    fn until(&self, issuer: &TrustedIssuer) -> Option<Timestamp> {
        let (_, read_at) = self.last.as_ref()?;
        if !self.place.is_fetched() {
            return Some(Timestamp(u64::MAX));
        }
        Some(Timestamp(read_at.0.saturating_add(issuer.max_stale.as_secs())))
    }
}

/// The message, and the innermost cause if that says more: `no connection: Connection refused`.
fn with_cause(error: &ReadError) -> String {
    let message = error.to_string();
    let mut innermost: &dyn Error = error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    let cause = innermost.to_string();
    if message.contains(&cause) { message } else { format!("{message}: {cause}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{JwksLocation, KeySource};
    use crate::oauth::Algorithm;
    use crate::token::keys::signer::{TestSigner, jwks};
    use crate::token::keys::site::trusted;

    const MAX_STALE: u64 = 3600;

    /// An issuer with key sets at two URLs.
    fn issuer() -> TrustedIssuer {
        let at = |path: &str| JwksLocation::Url(Url::parse(&format!("https://login.example.com/{path}")).unwrap());
        TrustedIssuer {
            keys: KeySource::Jwks(vec![at("one"), at("two")]),
            max_stale: Duration::from_secs(MAX_STALE),
            ..trusted("https://login.example.com")
        }
    }

    fn reading(kid: &str) -> Result<Reading, ReadError> {
        let document = jwks(&[TestSigner::new(kid, "ES256").jwk()]).into();
        Ok(Reading { document, max_age: Some(Duration::from_secs(120)), found_at: None })
    }

    fn kids(documents: &Documents) -> Vec<&'static str> {
        let keys = documents.current(&issuer()).expect("there are keys").keys;
        ["a", "b"].into_iter().filter(|kid| keys.find(Some(kid), Algorithm::Es256).is_ok()).collect()
    }

    #[test]
    fn what_a_silent_place_gave_is_left_out_once_it_is_too_stale() {
        let (mut documents, _) = Documents::new(&issuer());
        documents.take_in(vec![(0, reading("a")), (1, reading("b"))], Timestamp(1_000), &issuer());
        let later = [(1_000 + MAX_STALE, &["a", "b"][..]), (1_001 + MAX_STALE, &["b"])];
        for (now, expected) in later {
            let again = vec![(0, Err(ReadError::Timeout)), (1, reading("b"))];
            documents.take_in(again, Timestamp(now), &issuer());
            assert_eq!(kids(&documents), expected, "{now}");
        }
        assert_eq!(documents.oldest(), Some(Timestamp(1_000)));
    }

    #[test]
    fn news_comes_once_for_each_change() {
        let (mut documents, _) = Documents::new(&issuer());
        let mut take_in = |reading| documents.take_in(vec![(0, reading)], Timestamp(1_000), &issuer());
        let failed = take_in(Err(ReadError::Timeout));
        assert_eq!(failed.failed.as_deref(), Some("reading the keys took too long"));
        assert_eq!(take_in(Err(ReadError::Timeout)), News::default());
        let good = reading("a").unwrap();
        assert_eq!(take_in(Ok(good.clone())), News { keys: Some(1), recovered: true, ..News::default() });
        assert_eq!(take_in(Ok(good)), News::default());
        assert!(take_in(Err(ReadError::Timeout)).failed.is_some());
    }

    #[test]
    fn the_next_round_comes_by_the_shortest_max_age_or_after_a_failure_sooner() {
        let (mut documents, _) = Documents::new(&issuer());
        assert_eq!(documents.pause(&issuer()), issuer().refresh);
        documents.take_in(vec![(0, reading("a"))], Timestamp(1_000), &issuer());
        assert_eq!(documents.pause(&issuer()), Duration::from_secs(120));
        documents.take_in(vec![(0, Err(ReadError::Timeout))], Timestamp(1_000), &issuer());
        assert_eq!(documents.pause(&issuer()), Duration::from_secs(1));
    }
}
