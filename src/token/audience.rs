//! Whom a token is for (RFC 7519 §4.1.3, RFC 8707 §2, RFC 9068 §4): equality, byte for byte, and nothing else.
//!
//! Every name that any resource has is known here, so that a token which also names another resource can be told from
//! one which names a stranger. That is what makes "a token opens exactly one API" (P1) a property of one function.

use std::collections::{HashMap, HashSet};

use foldhash::fast::FixedState;

use crate::config::{BroadTokens, Config, IssuerId, ResourceId};
use crate::oauth::{Reason, Rejection};

/// Which resource each audience value names, for each issuer. The names are the operator's, so nobody else can make two of
/// them meet in a table.
#[derive(Debug, Default)]
pub struct AudienceTable {
    /// Keys count under every issuer.
    keys: HashMap<Box<str>, ResourceId, FixedState>,
    /// An issuer's own names for resources, by [`IssuerId`].
    names: Vec<HashMap<Box<str>, ResourceId, FixedState>>,
    /// Audiences that `strict` overlooks, by [`IssuerId`].
    ignored: Vec<HashSet<Box<str>, FixedState>>,
}

/// Two resources that share an audience under one issuer, which the configuration refuses.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("two resources share an audience under one issuer")]
pub struct SharedAudience {
    /// The resource that had the name first.
    pub first: ResourceId,
    /// The one that wanted it too.
    pub second: ResourceId,
}

/// The audience that a request needs: one resource, seen against all others.
#[derive(Clone, Copy, Debug)]
pub struct Audience<'a> {
    /// The resource that is asked.
    pub resource: ResourceId,
    /// What becomes of tokens that name another one as well.
    pub broad_tokens: BroadTokens,
    /// All names of all resources.
    pub table: &'a AudienceTable,
}

impl AudienceTable {
    /// Collects every name in the configuration.
    ///
    /// # Errors
    ///
    /// [`SharedAudience`] if one name would stand for two resources; the loader refuses such a file with its place.
    pub fn new(config: &Config) -> Result<Self, SharedAudience> {
        let issuers = config.trusted_issuers.len();
        let mut table = Self { names: vec![HashMap::default(); issuers], ..Self::default() };
        for (at, resource) in config.resources.iter().enumerate().filter(|(_, resource)| !resource.public) {
            let second = ResourceId(at);
            if let Some(first) = table.keys.insert(resource.key.as_str().into(), second) {
                return Err(SharedAudience { first, second });
            }
        }
        for (at, resource) in config.resources.iter().enumerate() {
            let second = ResourceId(at);
            for issuer in &resource.issuers {
                for name in &issuer.audiences {
                    let taken = table.names[issuer.issuer.0].insert(name.as_str().into(), second);
                    let key = table.keys.get(name.as_str()).copied();
                    if let Some(first) = taken.or(key).filter(|first| *first != second) {
                        return Err(SharedAudience { first, second });
                    }
                }
            }
        }
        let ignored = |ignored: &Vec<String>| ignored.iter().map(|name| name.as_str().into()).collect();
        table.ignored = config.trusted_issuers.iter().map(|issuer| ignored(&issuer.ignore_audiences)).collect();
        Ok(table)
    }

    /// The resource with this key, under which our own tokens name it; a public one is no audience.
    pub fn resource(&self, key: &str) -> Option<ResourceId> {
        self.keys.get(key).copied()
    }

    /// The resource that `name` stands for in a token of `issuer`.
    pub fn owner(&self, issuer: IssuerId, name: &str) -> Option<ResourceId> {
        self.keys.get(name).or_else(|| self.names.get(issuer.0)?.get(name)).copied()
    }

    fn is_ignored(&self, issuer: IssuerId, name: &str) -> bool {
        self.ignored.get(issuer.0).is_some_and(|ignored| ignored.contains(name))
    }
}

impl Audience<'_> {
    /// Judges the `aud` of a genuine token of `issuer`.
    ///
    /// # Errors
    ///
    /// [`Reason::AudienceMissing`], [`Reason::AudienceMismatch`] or [`Reason::AudienceTooBroad`], with the other
    /// resource that the token names, if there is one.
    pub fn judge<'n>(
        &self,
        issuer: IssuerId,
        audiences: impl IntoIterator<Item = &'n str>,
    ) -> Result<(), (Rejection, Option<ResourceId>)> {
        let (mut any, mut named, mut stranger, mut other) = (false, false, false, None);
        for name in audiences {
            any = true;
            match self.table.owner(issuer, name) {
                Some(owner) if owner == self.resource => named = true,
                Some(owner) => other = other.or(Some(owner)),
                None => stranger |= !self.table.is_ignored(issuer, name),
            }
        }
        if !any {
            let detail = "the issuer put no `aud` into the token; ask it for a token for this API";
            return Err((Rejection { reason: Reason::AudienceMissing, detail }, None));
        }
        if !named {
            let detail = "none of the token's audiences is this API";
            return Err((Rejection { reason: Reason::AudienceMismatch, detail }, other));
        }
        let too_broad = match self.broad_tokens {
            BroadTokens::Reject => other.is_some(),
            BroadTokens::Strict => other.is_some() || stranger,
            BroadTokens::Narrow | BroadTokens::Accept => false,
        };
        match too_broad {
            true => {
                let detail = "the token also names another audience";
                Err((Rejection { reason: Reason::AudienceTooBroad, detail }, other))
            }
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDERS: &str = "https://api.example.com/orders";

    /// A root, and two resources below it; issuer 0 calls R1 `orders` as well.
    fn table() -> AudienceTable {
        let keys = ["https://api.example.com", ORDERS, "https://api.example.com/billing"];
        AudienceTable {
            keys: keys.iter().enumerate().map(|(at, key)| ((*key).into(), ResourceId(at))).collect(),
            names: vec![HashMap::from_iter([("orders".into(), ResourceId(1))]), HashMap::default()],
            ignored: vec![HashSet::from_iter(["account".into()]), HashSet::default()],
        }
    }

    fn judge(broad_tokens: BroadTokens, issuer: usize, audiences: &[&str]) -> Option<Reason> {
        let table = table();
        let audience = Audience { resource: ResourceId(1), broad_tokens, table: &table };
        audience.judge(IssuerId(issuer), audiences.iter().copied()).err().map(|(rejection, _)| rejection.reason)
    }

    #[test]
    fn only_the_very_name_opens_the_api() {
        assert_eq!(judge(BroadTokens::Reject, 0, &[ORDERS]), None);
        assert_eq!(judge(BroadTokens::Reject, 0, &["orders"]), None);
        assert_eq!(judge(BroadTokens::Reject, 1, &["orders"]), Some(Reason::AudienceMismatch));
        for near in [
            "https://api.example.com/orders/",
            "HTTPS://api.example.com/orders",
            "https://api.example.com:443/orders",
            "https://api.example.com",
            "https://api.example.com/billing",
            "https://api.example.com/orders ",
            "https://api.example.com/orders/42",
            "Orders",
            "",
        ] {
            assert_eq!(judge(BroadTokens::Reject, 0, &[near]), Some(Reason::AudienceMismatch), "{near:?}");
        }
        assert_eq!(judge(BroadTokens::Reject, 0, &[]), Some(Reason::AudienceMissing));
    }

    #[test]
    fn a_second_resource_is_too_broad_and_a_stranger_is_not() {
        let broad = [ORDERS, "https://api.example.com/billing"];
        assert_eq!(judge(BroadTokens::Reject, 0, &broad), Some(Reason::AudienceTooBroad));
        assert_eq!(judge(BroadTokens::Strict, 0, &broad), Some(Reason::AudienceTooBroad));
        assert_eq!(judge(BroadTokens::Accept, 0, &broad), None);
        assert_eq!(judge(BroadTokens::Reject, 0, &[ORDERS, "stranger"]), None);
        assert_eq!(judge(BroadTokens::Strict, 0, &[ORDERS, "stranger"]), Some(Reason::AudienceTooBroad));
        assert_eq!(judge(BroadTokens::Strict, 0, &[ORDERS, "account"]), None);
    }
}
