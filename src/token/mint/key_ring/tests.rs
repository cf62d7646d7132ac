//! The life of signing keys, over simulated years.

use std::collections::HashMap;

use SigningAlgorithm::{EdDsa, Es256};
use proptest::prelude::*;
use serde_json::Value;

use super::*;

const START: Timestamp = Timestamp(1_800_000_000);
const DAY: u64 = 24 * 60 * 60;
const MONTH: Duration = Duration::from_secs(30 * DAY);

fn policy(others: &[SigningAlgorithm], longest: u64) -> KeyPolicy {
    let longest_lifetime = Duration::from_secs(longest);
    KeyPolicy { default_algorithm: Es256, others: others.to_vec(), longest_lifetime }
}

fn continued(ring: &KeyRing, now: Timestamp, policy: &KeyPolicy) -> KeyRing {
    ring.continued(now, policy, MONTH, SigningKey::generate).unwrap().unwrap_or_else(|| ring.clone())
}

fn after(days: u64) -> Timestamp {
    Timestamp(START.0 + days * DAY)
}

fn published(keys: &SigningKeys) -> Vec<String> {
    let document: Value = serde_json::from_slice(keys.jwk_set().as_bytes()).unwrap();
    document["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

fn states(ring: &KeyRing, now: Timestamp) -> Vec<(SigningAlgorithm, KeyState)> {
    ring.list(now).into_iter().map(|key| (key.algorithm, key.state)).collect()
}

#[test]
fn a_ring_begins_with_a_key_that_signs_and_one_that_waits() {
    let ring = continued(&KeyRing::default(), START, &policy(&[EdDsa], 300));
    let expected =
        [(Es256, KeyState::Current), (Es256, KeyState::Next), (EdDsa, KeyState::Current), (EdDsa, KeyState::Next)];
    assert_eq!(states(&ring, START), expected);
    let listed = ring.list(START);
    assert_eq!((listed[0].since, listed[0].until), (Some(START), Some(after(30))));
    assert_eq!((listed[1].since, listed[1].until), (Some(START), Some(after(30))));
    let again = ring.continued(after(29), &policy(&[EdDsa], 300), MONTH, SigningKey::generate).unwrap();
    assert!(again.is_none(), "nothing is to be done for a month");
    assert_eq!(ring.next_change(START), Some(after(30)));
}

#[test]
fn a_key_signs_for_its_time_and_stays_for_its_last_token() {
    let policy = policy(&[], 3600);
    let first = continued(&KeyRing::default(), START, &policy);
    let [old, new] = &first.list(START)[..] else { panic!("two keys") };
    let changed_over = first.signing_keys(after(30), &policy).unwrap();
    assert_eq!(changed_over.key(Es256).map(SigningKey::kid), Some(&*new.kid), "without the store's help");
    let second = continued(&first, after(30), &policy);
    assert_eq!(states(&second, after(30)).len(), 3);
    let gone = Timestamp(after(30).0 + 3600 + SLACK);
    assert_eq!(second.next_change(after(30)), Some(gone));
    assert!(published(&second.signing_keys(Timestamp(gone.0 - 1), &policy).unwrap()).contains(&old.kid));
    assert!(!published(&second.signing_keys(gone, &policy).unwrap()).contains(&old.kid));
    assert_eq!(continued(&second, gone, &policy).keys.len(), 2);
}

#[test]
fn an_old_key_is_kept_without_its_private_half() {
    let policy = policy(&[], 3600);
    let ring = continued(&KeyRing::default(), START, &policy).rotated(after(1), &policy, MONTH, SigningKey::generate);
    let ring = ring.unwrap();
    let old = ring.keys.iter().find(|key| key.signs_until == Some(after(1))).unwrap();
    assert!(old.half.as_private().is_none());
    let expected = [KeyState::Retired, KeyState::Current, KeyState::Next];
    assert_eq!(states(&ring, after(1)).into_iter().map(|(_, state)| state).collect::<Vec<_>>(), expected);
    let Value::Object(json) = serde_json::from_slice(ring.to_json().expose()).unwrap() else { panic!("an object") };
    let halves: Vec<_> = json["keys"].as_array().unwrap().iter().map(|key| key["half"].as_object().unwrap()).collect();
    assert_eq!(halves.iter().filter(|half| half.contains_key("private")).count(), 2);
}

#[test]
fn a_longer_lifetime_counts_for_keys_that_sign_still() {
    let ring = continued(&KeyRing::default(), START, &policy(&[], 300));
    let ring = continued(&ring, after(1), &policy(&[], 7200));
    let ring = continued(&ring, after(2), &policy(&[], 300));
    assert_eq!(ring.keys[0].published_until(), Some(Timestamp(after(30).0 + 7200 + SLACK)));
}

#[test]
fn what_is_needed_no_more_is_not_continued() {
    let ring = continued(&KeyRing::default(), START, &policy(&[EdDsa], 300));
    let alone = policy(&[], 300);
    assert!(ring.continued(after(1), &alone, MONTH, SigningKey::generate).unwrap().is_none(), "nothing is undone");
    let ring = continued(&ring, after(30), &alone);
    let ring = continued(&ring, Timestamp(after(30).0 + LEAD), &alone);
    let ring = continued(&ring, after(31), &alone);
    assert!(ring.keys.iter().all(|key| key.algorithm() == Es256));
    let back = continued(&ring, after(31), &policy(&[EdDsa], 300));
    assert!(back.signing_keys(after(31), &policy(&[EdDsa], 300)).unwrap().key(EdDsa).is_some());
}

#[test]
fn another_period_moves_the_next_key_but_not_into_its_lead() {
    let policy = policy(&[], 300);
    let ring = continued(&KeyRing::default(), START, &policy);
    let begins = |ring: &KeyRing| ring.keys[1].signs_from;
    let in_a_week = ring.rescheduled(after(1), Duration::from_secs(7 * DAY)).unwrap();
    assert_eq!((begins(&in_a_week), in_a_week.keys[0].signs_until), (after(7), Some(after(7))));
    let overdue = ring.rescheduled(after(2), Duration::from_secs(DAY)).unwrap();
    assert_eq!(begins(&overdue), after(2));
    let early = Timestamp(START.0 + 60);
    let soon = ring.rescheduled(early, Duration::from_secs(60)).unwrap();
    assert_eq!(begins(&soon), Timestamp(START.0 + LEAD));
    assert!(ring.rescheduled(after(1), MONTH).is_none());
}

#[test]
fn a_clock_that_was_set_back_leaves_somebody_who_signs() {
    let policy = policy(&[], 300);
    let ring = continued(&KeyRing::default(), after(10), &policy);
    let back = continued(&ring, START, &policy);
    assert_eq!(
        back.signing_keys(START, &policy).unwrap().key(Es256).map(SigningKey::kid),
        Some(&*ring.list(after(10))[0].kid)
    );
    assert!(KeyRing::from_json(&back.to_json()).is_ok());
}

#[test]
fn nothing_signs_before_it_is_made() {
    let fault = KeyRing::default().signing_keys(START, &policy(&[], 300)).unwrap_err();
    assert_eq!(fault, KeyRingFault::NoKey(Es256));
}

#[test]
fn json_reads_back_and_nothing_else_does() {
    let policy = policy(&[EdDsa, SigningAlgorithm::Rs256], 300);
    let ring = continued(&KeyRing::default(), START, &policy);
    let ring = ring.rotated(after(1), &policy, MONTH, SigningKey::generate).unwrap();
    let json = ring.to_json();
    let read = KeyRing::from_json(&json).unwrap();
    assert_eq!(read.list(after(1)), ring.list(after(1)));
    assert_eq!(read.to_json(), json);
    let value: Value = serde_json::from_slice(json.expose()).unwrap();
    let refusal = |change: &dyn Fn(&mut Value)| {
        let mut changed = value.clone();
        change(&mut changed);
        KeyRing::from_json(&Secret::new(changed.to_string())).unwrap_err()
    };
    assert_eq!(refusal(&|ring| ring["form"] = 2.into()), InvalidKeyRing::OtherForm);
    let changes: [&dyn Fn(&mut Value); 8] = [
        &|ring| ring["more"] = 1.into(),
        &|ring| ring["keys"][0]["more"] = 1.into(),
        &|ring| ring["keys"][0]["algorithm"] = "HS256".into(),
        &|ring| ring["keys"][0]["algorithm"] = "ES384".into(),
        &|ring| ring["keys"][1]["half"]["private"] = "AAAA".into(),
        &|ring| ring["keys"][1]["made"] = u64::MAX.into(),
        &|ring| ring["keys"][0] = ring["keys"][1].clone(),
        &|ring| *ring = Value::Null,
    ];
    for (at, change) in changes.iter().enumerate() {
        assert_eq!(refusal(change), InvalidKeyRing::Malformed, "change {at}");
    }
}

/// What happens to an issuer between two looks.
#[derive(Clone, Debug)]
enum Event {
    Pass(u64),
    Outage(u64),
    Configure { every: u64, longest: u64, eddsa: bool },
    Rotate,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (0..45 * DAY).prop_map(Event::Pass),
        3 => (0..2 * LEAD).prop_map(Event::Pass),
        1 => (0..90 * DAY).prop_map(Event::Outage),
        2 => (60..60 * DAY, 1..2 * DAY, any::<bool>())
            .prop_map(|(every, longest, eddsa)| Event::Configure { every, longest, eddsa }),
        1 => Just(Event::Rotate),
    ]
}

/// An issuer that mints a token of each algorithm at every look, and remembers all.
struct Issuer {
    ring: KeyRing,
    policy: KeyPolicy,
    every: Duration,
    now: Timestamp,
    /// When a key was published first, and when somebody made it sign early.
    since: HashMap<String, Timestamp>,
    forced: bool,
    signing: HashMap<SigningAlgorithm, String>,
    tokens: Vec<(String, Timestamp)>,
}

impl Issuer {
    fn look(&mut self) {
        let keys = self.ring.signing_keys(self.now, &self.policy).unwrap();
        let published = published(&keys);
        for kid in &published {
            self.since.entry(kid.clone()).or_insert(self.now);
        }
        self.tokens.retain(|(_, ends)| *ends > self.now);
        for (kid, ends) in &self.tokens {
            assert!(published.contains(kid), "a token lives until {ends:?}, and its key is gone at {:?}", self.now);
        }
        for algorithm in self.policy.algorithms().collect::<Vec<_>>() {
            let kid = keys.key(algorithm).unwrap().kid().to_owned();
            let before = self.signing.insert(algorithm, kid.clone());
            let is_followed = before.is_some_and(|before| before != kid && published.contains(&before));
            if is_followed && !self.forced {
                assert!(self.since[&kid].0 + LEAD <= self.now.0, "a key signs before everybody knows it");
            }
            self.tokens.push((kid, Timestamp(self.now.0 + self.policy.longest_lifetime.as_secs())));
        }
    }

    /// Time goes by in small steps, in each of which the issuer does what it would do by itself, if it can.
    fn pass(&mut self, seconds: u64, is_store_up: bool) {
        let end = Timestamp(self.now.0 + seconds);
        while self.now < end {
            let next = self.ring.next_change(self.now).unwrap_or(end);
            self.now = next.min(end).min(Timestamp(self.now.0 + 5 * DAY));
            self.look();
            if is_store_up {
                self.keep();
            }
            self.look();
            self.forced = false;
        }
    }

    fn keep(&mut self) {
        let continued = self.ring.continued(self.now, &self.policy, self.every, SigningKey::generate).unwrap();
        if let Some(ring) = continued {
            self.ring = KeyRing::from_json(&ring.to_json()).unwrap();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_token_verifies_while_it_lives_and_every_key_is_known_before_it_signs(
        events in prop::collection::vec(event(), 1..40),
    ) {
        let mut issuer = Issuer {
            ring: KeyRing::default(),
            policy: policy(&[], 300),
            every: MONTH,
            now: START,
            since: HashMap::new(),
            forced: false,
            signing: HashMap::new(),
            tokens: Vec::new(),
        };
        issuer.keep();
        issuer.look();
        for event in events {
            match event {
                Event::Pass(seconds) => issuer.pass(seconds, true),
                Event::Outage(seconds) => issuer.pass(seconds, false),
                Event::Configure { every, longest, eddsa } => {
                    issuer.every = Duration::from_secs(every);
                    issuer.policy = policy(if eddsa { &[EdDsa] } else { &[] }, longest);
                    // What is asked for again is new again: its first key has no lead.
                    let asked: Vec<_> = issuer.policy.algorithms().collect();
                    issuer.signing.retain(|algorithm, _| asked.contains(algorithm));
                    if let Some(ring) = issuer.ring.rescheduled(issuer.now, issuer.every) {
                        issuer.ring = ring;
                    }
                    issuer.keep();
                    issuer.look();
                }
                Event::Rotate => {
                    let rotated = issuer.ring.rotated(issuer.now, &issuer.policy, issuer.every, SigningKey::generate);
                    issuer.ring = rotated.unwrap();
                    issuer.forced = true;
                    issuer.look();
                    issuer.forced = false;
                }
            }
        }
    }
}
