//! Families as chains of tokens of which nothing is ever thrown away.

/// How long things are good.
pub struct Lives {
    pub idle: u64,
    pub tokens: u64,
    pub whole: u64,
}

pub const LIFE: Lives = Lives { idle: 600, tokens: 300, whole: 2_000 };

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Worth {
    Leaf,
    Grace,
    Reused,
    Nothing,
}

/// All tokens of a family, the first one first.
pub struct Chain {
    /// When each was given.
    given: Vec<u64>,
    pub end: u64,
    /// False once it was revoked, or swept.
    pub is_kept: bool,
}

pub struct Model {
    pub now: u64,
    pub chains: Vec<Option<Chain>>,
    pub feed: Vec<(String, u64)>,
}

impl Chain {
    pub fn begin(now: u64) -> Self {
        Self { given: vec![now], end: now + LIFE.whole, is_kept: true }
    }

    pub fn leaf(&self) -> usize {
        self.given.len() - 1
    }

    fn until(&self, at: usize) -> u64 {
        (self.given[at] + LIFE.idle).min(self.end)
    }

    fn tokens_until(&self) -> u64 {
        self.given[self.leaf()] + LIFE.tokens
    }
}

impl Model {
    pub fn of(families: usize) -> Self {
        Self { now: 1_000, chains: (0..families).map(|_| None).collect(), feed: Vec::new() }
    }

    pub fn stands(&self, family: usize) -> bool {
        self.chains[family].as_ref().is_some_and(|chain| chain.is_kept && self.now <= chain.until(chain.leaf()))
    }

    /// Whether anything of it lives, so that somebody may want to end it.
    pub fn is_listed(&self, family: usize) -> bool {
        let lives = |chain: &Chain| self.now <= chain.until(chain.leaf()).max(chain.tokens_until());
        self.chains[family].as_ref().is_some_and(|chain| chain.is_kept && lives(chain))
    }

    pub fn worth(&self, family: usize, at: usize) -> Worth {
        let Some(chain) = self.chains[family].as_ref().filter(|_| self.stands(family)) else { return Worth::Nothing };
        if at == chain.leaf() {
            return Worth::Leaf;
        }
        let spent_at = chain.given[at + 1];
        let grace_until = spent_at + 10;
        if at + 1 == chain.leaf() && self.now <= grace_until {
            Worth::Grace
        } else if self.now <= chain.until(at).max(grace_until) {
            Worth::Reused
        } else {
            Worth::Nothing
        }
    }

    pub fn rotate(&mut self, family: usize) {
        let now = self.now;
        self.chains[family].as_mut().expect("it was shown").given.push(now);
    }

    /// Whether there was something to revoke.
    pub fn revoke(&mut self, family: usize) -> bool {
        let Some(chain) = self.chains[family].as_mut().filter(|chain| chain.is_kept) else { return false };
        chain.is_kept = false;
        self.feed.push((family.to_string(), chain.tokens_until()));
        true
    }

    pub fn sweep(&mut self) {
        let now = self.now;
        for chain in self.chains.iter_mut().flatten() {
            chain.is_kept &= now <= chain.until(chain.leaf()).max(chain.tokens_until());
        }
        self.feed.retain(|(_, until)| *until >= now);
    }
}
