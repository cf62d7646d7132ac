//! The contract once more, by asking of every single scope whether it may be there. Slow, and without a type of the program.

use std::collections::{BTreeMap, BTreeSet};

use super::scene::{Scene, UNIVERSE, World};

/// APIs by their names, and scopes at each.
pub type Rows = BTreeMap<usize, BTreeSet<&'static str>>;

impl World {
    /// Whether the client may have a scope at an API: it is in its row, and the API owns it.
    pub fn allows(&self, name: usize, scope: &str) -> bool {
        let api = self.api(name);
        api.is_some_and(|api| {
            let row = api.row.as_deref().unwrap_or_default();
            covers_any(row, scope) && covers_any(&api.scopes, scope)
        })
    }

    fn takes_client(&self, name: usize) -> bool {
        self.api(name).is_some_and(|api| api.is_open && api.row.is_some())
    }

    fn declares(&self, name: usize) -> bool {
        self.api(name).is_some_and(|api| !api.scopes.is_empty())
    }

    /// The API that is meant when none is named.
    fn told(&self, wanted: Option<&[&str]>) -> Option<usize> {
        if let Some(default) = self.default.filter(|default| self.api(*default).is_some()) {
            return Some(default);
        }
        let rows: Vec<_> = self.apis.iter().filter(|(_, api)| api.row.is_some()).collect();
        let owns_all = |scopes: &[&str]| wanted.is_some_and(|all| all.iter().all(|scope| covers_any(scopes, scope)));
        let owners: Vec<_> = rows.iter().filter(|(_, api)| owns_all(&api.scopes)).collect();
        match (&rows[..], &owners[..]) {
            ([(name, _)], _) | (_, [(name, _)]) => Some(*name),
            _ => None,
        }
    }
}

impl Scene {
    /// What the user is asked, by the contract, under the places of the first configuration: nothing if he is not.
    pub fn asked_by_contract(&self) -> Option<Rows> {
        let world = &self.before;
        let wanted = self.wanted.as_deref();
        let names = match &self.named[..] {
            [] => BTreeSet::from([world.told(wanted)?]),
            named => named.iter().copied().collect(),
        };
        let is_given = |name: usize, scope: &str| match wanted {
            Some(wanted) => wanted.contains(&scope) && world.allows(name, scope),
            None => {
                let is_in_row =
                    world.api(name).and_then(|api| api.row.as_ref()).is_some_and(|row| row.contains(&scope));
                is_in_row && world.allows(name, scope)
            }
        };
        let given = |name: usize| UNIVERSE.into_iter().filter(|scope| is_given(name, scope)).collect();
        let rows: Rows = names.into_iter().map(|name| (name, given(name))).collect();
        let is_fine =
            rows.iter().all(|(name, had)| world.takes_client(*name) && (!had.is_empty() || !world.declares(*name)));
        let is_had = |scope: &&str| rows.values().any(|had| had.contains(*scope));
        (is_fine && wanted.unwrap_or_default().iter().all(is_had)).then_some(rows)
    }

    /// What of that is for the user, by the contract: nothing if he is not asked, or nothing is.
    pub fn within_reach_by_contract(&self) -> Option<Rows> {
        let mut rows = self.asked_by_contract()?;
        rows.retain(|name, _| self.is_admitted(&self.before, *name));
        (!rows.is_empty()).then_some(rows)
    }

    /// Whether the user is one of those whom the API is for.
    fn is_admitted(&self, world: &World, name: usize) -> bool {
        world.api(name).is_some_and(|api| api.access.is_none_or(|group| self.groups.contains(&group)))
    }

    /// What is kept of the consent, by the contract: nothing if there is none.
    pub fn granted_by_contract(&self) -> Option<Rows> {
        let mut rows = self.asked_by_contract()?;
        let required =
            |name: usize, scope: &str| self.before.api(name).is_some_and(|api| covers_any(&api.required, scope));
        rows.retain(|name, had| {
            let Some(ticked) = self.ticked.get(name).filter(|_| self.is_admitted(&self.before, *name)) else {
                return false;
            };
            had.retain(|scope| ticked.contains(scope) || required(*name, scope));
            !had.is_empty() || !self.before.declares(*name)
        });
        (!rows.is_empty()).then_some(rows)
    }

    /// The token of later, by the contract: the place of its API then, and its scopes; nothing if there is none.
    pub fn token_by_contract(&self) -> Option<(usize, BTreeSet<&'static str>)> {
        let (record, world) = (self.granted_by_contract()?, &self.later);
        let wanted = self.wanted_later.as_deref();
        let named: BTreeSet<usize> = self.named_later.iter().copied().collect();
        let only = if record.len() == 1 { record.keys().next().copied() } else { None };
        let target = match named.len() {
            0 => only.or_else(|| world.told(wanted))?,
            1 => *named.first()?,
            _ => return None,
        };
        let granted = record.get(&target).filter(|_| world.takes_client(target))?;
        self.is_admitted(world, target).then_some(())?;
        let available = |scope: &&&str| granted.contains(*scope) && world.allows(target, scope);
        let mut token: BTreeSet<&str> = UNIVERSE.iter().filter(available).copied().collect();
        if let Some(wanted) = wanted {
            let owned = |scope: &&&str| world.api(target).is_some_and(|api| covers_any(&api.scopes, scope));
            let (there, elsewhere): (Vec<&str>, Vec<&str>) = wanted.iter().partition(|scope| owned(scope));
            let others = || record.iter().filter(|(name, _)| **name != target);
            let is_fine = !there.is_empty()
                && there.iter().all(|scope| token.contains(scope))
                && elsewhere.iter().all(|scope| others().any(|(_, had)| had.contains(scope)));
            is_fine.then_some(())?;
            token.retain(|scope| there.contains(scope));
        }
        let place = world.apis.iter().position(|(name, _)| *name == target)?;
        (!token.is_empty() || !world.declares(target)).then_some((place, token))
    }
}

fn covers_any(patterns: &[&str], scope: &str) -> bool {
    patterns.iter().any(|pattern| *pattern == scope || (*pattern == "t:{id}" && scope.starts_with("t:")))
}
