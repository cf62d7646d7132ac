//! The contract once more, by asking of every single scope whether it may be in the token. Slow, and without a type of
//! the program.

use std::collections::BTreeSet;

use super::scene::{Api, Asker, Scene, UNIVERSE, key, name};

/// Our own issuer's number.
const OURS: usize = 2;

/// An API, and the scopes of a token for it.
pub type Granted = (usize, BTreeSet<&'static str>);

impl Scene {
    fn asker(&self) -> &Asker {
        &self.askers[self.who]
    }

    /// The exchange by the contract: nothing if it is to be refused.
    pub fn exchange_by_contract(&self) -> Option<Granted> {
        let (token, asker) = (&self.token, self.asker());
        let target = *self.targets.first()?;
        let one_target = self.targets.iter().all(|other| *other == target);
        let from_ours = token.issuer == OURS;
        let genuine = !token.bound
            && match from_ours {
                true => token.audiences.len() == 1,
                false => self.apis[target].entries[token.issuer].as_ref().is_some_and(|entry| entry.exchange),
            };
        let blocked = token.may_act.is_some_and(|(issuer, id)| !self.is_asker(issuer, id));
        if !one_target || !genuine || blocked || !self.takes_asker(target) {
            return None;
        }
        let named = self.named();
        let own = self.is_asker(token.issuer, token.client);
        let account = !from_ours && token.audiences.iter().any(|name| name == "account");
        let stays =
            own && asker.matrix.contains_key(&target) && (named.contains(&target) || (account && named.is_empty()));
        if stays {
            let row = &asker.matrix[&target];
            return self.finished(target, token.actors, |scope| {
                self.carries(target, scope) && covers_any(row, scope) && covers_any(&self.apis[target].scopes, scope)
            });
        }
        let (edge, may_act) = (asker.edges.get(&target)?, token.may_act.is_some());
        let source = match named.iter().collect::<Vec<_>>()[..] {
            [only] if self.serves_or_nothing(*only) && (may_act || asker.serves.is_some()) && self.lets_in(*only) => {
                *only
            }
            _ => return None,
        };
        self.finished(target, token.actors + 1, |wanted| {
            let arrives = |(from, to): &(&str, Vec<&str>), scope: &str| {
                covers(from, scope) && to.iter().any(|to| written(to, from, scope).as_deref() == Some(wanted))
            };
            let carried = UNIVERSE.iter().filter(|scope| self.carries(source, scope));
            let mut carried = carried.filter(|scope| edge.iter().any(|rule| arrives(rule, scope)));
            carried.next().is_some() && covers_any(&self.apis[target].scopes, wanted)
        })
    }

    /// The token for an API in place of the one that was shown to it, by the contract: nothing if none may be made.
    pub fn narrowed_by_contract(&self, api: usize) -> Option<Granted> {
        let is_only_there = self.named().into_iter().eq([api]);
        let is_good_there = !self.token.bound && is_only_there && self.lets_in(api);
        let carried = |scope: &&&str| self.carries(api, scope) && covers_any(&self.apis[api].scopes, scope);
        is_good_there.then(|| (api, UNIVERSE.iter().filter(carried).copied().collect()))
    }

    /// The client's own request by the contract.
    pub fn own_by_contract(&self) -> Option<Granted> {
        let asker = self.asker();
        let owns_all = |api: &usize| {
            let asked = self.asked.as_deref().unwrap_or_default();
            !asked.is_empty() && asked.iter().all(|scope| covers_any(&self.apis[*api].scopes, scope))
        };
        let rows: Vec<usize> = asker.matrix.keys().copied().collect();
        let owners: Vec<usize> = rows.iter().copied().filter(owns_all).collect();
        let target = match (&self.targets[..], asker.default, &rows[..], &owners[..]) {
            ([first, others @ ..], ..) => others.iter().all(|other| other == first).then_some(*first)?,
            ([], Some(default), ..) => default,
            ([], None, [only], _) | ([], None, _, [only]) => *only,
            _ => return None,
        };
        let row = asker.matrix.get(&target)?;
        let api = &self.apis[target];
        let asks = self.asked.is_some();
        self.takes_asker(target).then_some(())?;
        // What the target does not know is left out, if the client may have it elsewhere.
        let had = |scope: &&str, at: usize| {
            at != target && covers_any(&asker.matrix[&at], scope) && covers_any(&self.apis[at].scopes, scope)
        };
        let (there, elsewhere): (Vec<&str>, Vec<&str>) =
            self.asked.iter().flatten().partition(|scope| covers_any(&api.scopes, scope));
        let is_had = |scope: &&str| rows.iter().any(|at| had(scope, *at));
        if asks && (there.is_empty() || !elsewhere.iter().all(is_had)) {
            return None;
        }
        self.finished_of(asks.then_some(there), target, 0, |scope| {
            let in_row = if asks { covers_any(row, scope) } else { row.contains(&scope) };
            in_row && covers_any(&api.scopes, scope)
        })
    }

    /// The APIs that the token names.
    pub fn named(&self) -> BTreeSet<usize> {
        let names = |api: &usize| {
            let knows = self.token.issuer != OURS && self.apis[*api].entries[self.token.issuer].is_some();
            let audiences = &self.token.audiences;
            audiences.contains(&key(*api)) || (knows && audiences.contains(&name(*api, self.token.issuer)))
        };
        (0..self.apis.len()).filter(names).collect()
    }

    fn is_asker(&self, issuer: usize, id: &str) -> bool {
        match issuer {
            OURS => id == format!("c{}", self.who),
            0 | 1 => self.asker().known_as[issuer] == Some(id),
            _ => false,
        }
    }

    /// Whether an edge of the client that asks may begin at this API.
    fn serves_or_nothing(&self, api: usize) -> bool {
        self.asker().serves.is_none_or(|served| served == api)
    }

    /// Whether the token carries this scope, as an API understands it.
    fn carries(&self, api: usize, scope: &str) -> bool {
        let words = self.token.scopes.as_deref();
        if self.token.issuer == OURS {
            return words.unwrap_or_default().contains(&scope);
        }
        let Some(entry) = &self.apis[api].entries[self.token.issuer] else { return false };
        match (words, &entry.map) {
            (None, _) => entry.if_none.contains(&scope),
            (Some(words), None) => words.contains(&scope),
            (Some(words), Some(map)) => map.iter().any(|(word, worth)| words.contains(word) && worth.contains(&scope)),
        }
    }

    /// Whether an API takes tokens of ours for the client that asks.
    fn takes_asker(&self, api: usize) -> bool {
        let api = &self.apis[api];
        api.takes_ours && self.is_allowed(api, OURS, &format!("c{}", self.who))
    }

    /// Whether an API would take the token itself.
    fn lets_in(&self, api: usize) -> bool {
        let api = &self.apis[api];
        let vouches = if self.token.issuer == OURS { api.takes_ours } else { api.entries[self.token.issuer].is_some() };
        vouches && self.is_allowed(api, self.token.issuer, self.token.client)
    }

    fn is_allowed(&self, api: &Api, issuer: usize, id: &str) -> bool {
        let Some(allowed) = &api.allowed else { return true };
        // All the names of the first client of ours that has this one.
        let names = |at: usize| {
            let foreign = self.askers[at].known_as.iter().enumerate();
            let foreign = foreign.filter_map(|(issuer, id)| Some((issuer, (*id)?.to_owned())));
            foreign.chain([(OURS, format!("c{at}"))]).collect::<Vec<_>>()
        };
        let this = (issuer, id.to_owned());
        let same = match (0..self.askers.len()).map(names).find(|names| names.contains(&this)) {
            Some(names) => names,
            // A client of ours that is no more.
            None if issuer == OURS => return false,
            None => vec![this],
        };
        allowed.iter().any(|(issuer, id)| same.contains(&(*issuer, (*id).to_owned())))
    }

    fn finished(&self, api: usize, actors: usize, may_be: impl Fn(&'static str) -> bool) -> Option<Granted> {
        self.finished_of(self.asked.clone(), api, actors, may_be)
    }

    fn finished_of(
        &self,
        asked: Option<Vec<&'static str>>,
        api: usize,
        actors: usize,
        may_be: impl Fn(&'static str) -> bool,
    ) -> Option<Granted> {
        let available: BTreeSet<_> = UNIVERSE.into_iter().filter(|scope| may_be(scope)).collect();
        let asked: Option<BTreeSet<_>> = asked.map(|asked| asked.into_iter().collect());
        let granted = match asked {
            Some(asked) if asked.difference(&available).next().is_some() => return None,
            Some(asked) => asked,
            None => available,
        };
        let enough = !granted.is_empty() || self.apis[api].scopes.is_empty();
        (enough && actors <= 4).then_some((api, granted))
    }
}

fn covers(pattern: &str, scope: &str) -> bool {
    pattern == scope || (pattern == "t:{id}" && scope.starts_with("t:"))
}

/// Whether one of these patterns stands for the scope.
pub fn covers_any(patterns: &[&str], scope: &str) -> bool {
    patterns.iter().any(|pattern| covers(pattern, scope))
}

/// What `to` says once it has taken the value of `scope` from `from`.
fn written(to: &str, from: &str, scope: &str) -> Option<String> {
    match (to.contains('{'), from.contains('{')) {
        (false, _) => Some(to.to_owned()),
        (true, true) => Some(to.replace("{id}", &scope["t:".len()..])),
        (true, false) => None,
    }
}
