//! P7: nothing granted is lost or doubled. Whatever happens to a few codes and families in whatever order, a store says
//! of each token what a small model says, which keeps every chain of tokens whole.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use narrowgate::clock::Timestamp;
use narrowgate::store::{
    Code, EmbeddedStore, FAMILY_PAGE, MemoryStore, NewCode, NewFamily, PostgresStore, Refresh, Rotated, Rotation,
    Store, TakingCode, TokenDigest, Whose,
};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use tokio::runtime::Runtime;

use model::{Chain, LIFE, Model, Worth};

#[path = "../postgres/cluster.rs"]
mod cluster;
#[path = "../postgres/database.rs"]
mod database;
mod model;

const FAMILIES: usize = 3;

/// What may happen next.
#[derive(Clone, Debug)]
enum Event {
    /// Time goes by.
    Pass(u64),
    /// The code of a family is shown; the second time that revokes, as the contract says.
    Redeem(usize),
    /// A token of a family is shown, so many steps behind the one that is good.
    Show { family: usize, behind: usize },
    /// A family is revoked.
    Revoke(usize),
    /// What ended is swept.
    Sweep,
}

fn any_event() -> impl Strategy<Value = Event> {
    let family = 0..FAMILIES;
    let behind = prop_oneof![6 => Just(0usize), 3 => Just(1), 1 => 2usize..5];
    let seconds = prop_oneof![6 => 0u64..3, 3 => 9u64..12, 2 => Just(200), 1 => 500u64..1_500];
    prop_oneof![
        6 => seconds.prop_map(Event::Pass),
        3 => family.clone().prop_map(Event::Redeem),
        16 => (family.clone(), behind).prop_map(|(family, behind)| Event::Show { family, behind }),
        1 => family.prop_map(Event::Revoke),
        2 => Just(Event::Sweep),
    ]
}

fn any_story() -> impl Strategy<Value = Vec<Event>> {
    proptest::collection::vec(any_event(), 1..60)
}

fn digest(token: &str) -> TokenDigest {
    TokenDigest::of(token.as_bytes())
}

fn token(family: usize, at: usize) -> String {
    format!("token {at} of {family}")
}

/// A store, what it should say, and what it has said.
struct Scene {
    store: Arc<dyn Store>,
    model: Model,
    accepted: HashSet<String>,
}

impl Scene {
    fn new(store: Arc<dyn Store>) -> Self {
        Self { store, model: Model::of(FAMILIES), accepted: HashSet::new() }
    }

    fn now(&self) -> Timestamp {
        Timestamp(self.model.now)
    }

    async fn play(mut self, story: &[Event]) -> Result<(), TestCaseError> {
        for event in story {
            match event {
                Event::Pass(seconds) => self.model.now += seconds,
                Event::Redeem(family) => self.redeem(*family).await?,
                Event::Show { family, behind } => self.show(*family, *behind).await?,
                Event::Revoke(family) => self.revoke(*family).await?,
                Event::Sweep => {
                    self.store.sweep(self.now()).await.unwrap();
                    self.model.sweep();
                }
            }
            self.is_as_the_model_says().await?;
        }
        Ok(())
    }

    async fn redeem(&mut self, family: usize) -> Result<(), TestCaseError> {
        let (root, now) = (family.to_string(), self.now());
        let code = NewCode { digest: digest(&root), root: root.clone(), record: b"grant".to_vec(), until: now };
        if self.model.chains[family].is_none() {
            self.store.save_code(&code).await.unwrap();
        }
        let new = NewFamily {
            client: "app".to_owned(),
            subject: "ann".to_owned(),
            record: b"grant".to_vec(),
            leaf: digest(&token(family, 0)),
            until: Timestamp(now.0 + LIFE.idle),
            tokens_until: Timestamp(now.0 + LIFE.tokens),
            end: Timestamp(now.0 + LIFE.whole),
        };
        let taking = TakingCode { digest: code.digest, record: code.record, family: new, now };
        match self.store.take_code(&taking).await.unwrap() {
            Code::Fresh { .. } => {
                prop_assert!(self.model.chains[family].is_none(), "a code gives one grant");
                self.model.chains[family] = Some(Chain::begin(now.0));
            }
            Code::Spent { .. } => {
                prop_assert!(self.model.chains[family].is_some());
                self.revoke(family).await?;
            }
            Code::Unknown => {
                prop_assert!(self.model.chains[family].as_ref().is_some_and(|chain| chain.end < now.0));
            }
        }
        Ok(())
    }

    fn rotation(&self, family: usize, at: usize, leaf: usize) -> Rotation {
        let now = self.now();
        Rotation {
            shown: digest(&token(family, at)),
            leaf: digest(&token(family, leaf)),
            successor: token(family, leaf).into_bytes(),
            until: Timestamp(now.0 + LIFE.idle),
            tokens_until: Timestamp(now.0 + LIFE.tokens),
            now,
            asked: Instant::now(),
        }
    }

    async fn show(&mut self, family: usize, behind: usize) -> Result<(), TestCaseError> {
        let Some(chain) = &self.model.chains[family] else { return Ok(()) };
        let Some(at) = chain.leaf().checked_sub(behind) else { return Ok(()) };
        let next = chain.leaf() + 1;
        let told = self.store.rotate_refresh(&self.rotation(family, at, next)).await.unwrap();
        let expected = self.model.worth(family, at);
        match told {
            Rotated::Rotated => {
                prop_assert_eq!(expected, Worth::Leaf);
                prop_assert!(self.accepted.insert(token(family, at)), "no token gives two successors");
                self.model.rotate(family);
            }
            Rotated::Grace { successor, .. } => {
                prop_assert_eq!(expected, Worth::Grace);
                prop_assert_eq!(successor, token(family, at + 1).into_bytes(), "the same one again");
            }
            Rotated::Reused(ended) => {
                prop_assert_eq!((expected, ended.root), (Worth::Reused, family.to_string()));
                self.model.revoke(family);
            }
            Rotated::Gone => prop_assert_eq!(expected, Worth::Nothing),
        }
        Ok(())
    }

    async fn revoke(&mut self, family: usize) -> Result<(), TestCaseError> {
        let was_there = self.store.revoke_family(&family.to_string()).await.unwrap();
        prop_assert_eq!(was_there, self.model.revoke(family));
        Ok(())
    }

    async fn is_as_the_model_says(&self) -> Result<(), TestCaseError> {
        let mut standing = Vec::new();
        for (family, chain) in self.model.chains.iter().enumerate() {
            let Some(chain) = chain else { continue };
            let mut leaves = 0;
            for at in 0..=chain.leaf() {
                let looked = self.store.look_up_refresh(&digest(&token(family, at)), self.now()).await.unwrap();
                let worth = match looked {
                    Refresh::Leaf(_) => Worth::Leaf,
                    Refresh::Grace { .. } => Worth::Grace,
                    Refresh::Reused(_) => Worth::Reused,
                    Refresh::Unknown => Worth::Nothing,
                };
                leaves += usize::from(worth == Worth::Leaf);
                prop_assert_eq!(worth, self.model.worth(family, at), "token {} of {}", at, family);
            }
            prop_assert_eq!(leaves, usize::from(self.model.stands(family)), "one leaf while it stands, and none after");
            standing.extend(self.model.is_listed(family).then(|| family.to_string()));
        }
        for of in [Whose::Client("app"), Whose::Subject("ann")] {
            let listed = self.store.families(of, None, self.now()).await.unwrap();
            prop_assert!(listed.len() < FAMILY_PAGE);
            prop_assert_eq!(listed.into_iter().map(|family| family.root).collect::<Vec<_>>(), &*standing);
        }
        let feed = self.store.revocations_after(0).await.unwrap().revocations;
        let feed: Vec<_> = feed.into_iter().map(|revocation| (revocation.name, revocation.until.0)).collect();
        prop_assert_eq!(&feed, &self.model.feed);
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_or_doubled_in_memory(story in any_story()) {
        let scene = Scene::new(Arc::new(MemoryStore::default()));
        Runtime::new().unwrap().block_on(scene.play(&story))?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 50, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_or_doubled_in_a_file(story in any_story()) {
        let file = std::env::temp_dir().join(format!("narrowgate-families-{}.redb", std::process::id()));
        let _ = std::fs::remove_file(&file);
        let scene = Scene::new(Arc::new(EmbeddedStore::open(&file).unwrap()));
        let played = Runtime::new().unwrap().block_on(scene.play(&story));
        let _ = std::fs::remove_file(&file);
        played?;
    }
}

#[test]
fn nothing_is_lost_or_doubled_in_a_database() {
    let cluster = cluster::Cluster::start();
    let count = std::cell::Cell::new(0);
    let config = ProptestConfig { cases: 20, failure_persistence: None, ..ProptestConfig::default() };
    let held = TestRunner::new(config).run(&any_story(), |story| {
        let name = format!("story_{}", count.replace(count.get() + 1));
        cluster.sql("postgres", &format!("CREATE DATABASE {name}"));
        let played = Runtime::new().unwrap().block_on(async {
            let store = PostgresStore::open(&database::database_at(&cluster.url(&name)), None).await.unwrap();
            Scene::new(Arc::new(store)).play(&story).await
        });
        cluster.sql("postgres", &format!("DROP DATABASE {name} WITH (FORCE)"));
        played
    });
    held.unwrap_or_else(|error| panic!("{error}"));
}
