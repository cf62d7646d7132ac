//! From host and path to an entry: one look-up for the host, one for each segment, however many entries there are.

use std::collections::HashMap;

use foldhash::fast::FixedState;
use smallvec::SmallVec;

use super::{Authority, HostPattern};

/// Entries by host and path prefix; whole segments, the longest prefix wins.
#[derive(Debug)]
pub struct HostTable<T> {
    /// What it holds is the operator's, so nobody else can make entries meet: a quick hash will do.
    hosts: HashMap<Box<[u8]>, Vec<PortEntry<T>>, FixedState>,
}

/// What was found for a request.
#[derive(Debug, Eq, PartialEq)]
pub enum Lookup<'t, T> {
    /// The entry with the longest prefix, and that prefix's length in the path (without a final slash).
    Found(&'t T, usize),
    /// An entry's prefix differs from the path by case alone: some upstreams would take it for that entry.
    CaseVariant,
    /// The host is known, the path is not.
    UnknownPath,
    /// The host is not known.
    UnknownHost,
}

/// Two entries that claim the same requests.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PrefixClash<T>(pub T);

#[derive(Debug)]
struct PortEntry<T> {
    port: u16,
    tree: Node<T>,
}

#[derive(Debug)]
struct Node<T> {
    here: Option<Entry<T>>,
    children: HashMap<Box<[u8]>, Node<T>, FixedState>,
}

#[derive(Debug)]
struct Entry<T> {
    /// As it was written, without a final slash.
    prefix: Box<[u8]>,
    /// Whether the entry begins behind the slash, as `/v1/` does.
    below_only: bool,
    value: T,
}

impl<T> Default for Node<T> {
    fn default() -> Self {
        Self { here: None, children: HashMap::default() }
    }
}

impl<T> Default for HostTable<T> {
    fn default() -> Self {
        Self { hosts: HashMap::default() }
    }
}

impl<T: Copy> HostTable<T> {
    /// Adds an entry. `default_port` is the port of a host that says none; `prefix` is empty for the root.
    ///
    /// # Errors
    ///
    /// [`PrefixClash`] holds the entry that claims the same requests already, also where the two differ only by case or
    /// by a final slash.
    pub fn insert(
        &mut self,
        host: &HostPattern,
        default_port: u16,
        prefix: &str,
        value: T,
    ) -> Result<(), PrefixClash<T>> {
        let port = host.port.unwrap_or(default_port);
        let entries = self.hosts.entry(lower(host.host.as_bytes()).as_slice().into()).or_default();
        let at = entries.iter().position(|entry| entry.port == port).unwrap_or_else(|| {
            entries.push(PortEntry { port, tree: Node::default() });
            entries.len() - 1
        });
        let mut node = &mut entries[at].tree;
        let spelled = prefix.strip_suffix('/').unwrap_or(prefix);
        for segment in spelled.split('/').skip(1) {
            node = node.children.entry(lower(segment.as_bytes()).as_slice().into()).or_default();
        }
        if let Some(taken) = &node.here {
            return Err(PrefixClash(taken.value));
        }
        let below_only = prefix.ends_with('/') && !spelled.is_empty();
        node.here = Some(Entry { prefix: spelled.as_bytes().into(), below_only, value });
        Ok(())
    }
}

impl<T> HostTable<T> {
    /// The entry for a request.
    ///
    /// A port that the request names is the entry's; where all entries of a host have one port, `own_port`, the
    /// listener's, will do as well. No port stands for any of the schemes' own.
    pub fn find(&self, authority: &Authority<'_>, own_port: u16, path: &[u8]) -> Lookup<'_, T> {
        match self.tree(authority, own_port) {
            Some(tree) => tree.longest(path),
            None => Lookup::UnknownHost,
        }
    }

    fn tree(&self, authority: &Authority<'_>, own_port: u16) -> Option<&Node<T>> {
        let entries = in_lower_case(authority.host().as_bytes(), |host| self.hosts.get(host))?;
        let with_port = |port: u16| entries.iter().find(|entry| entry.port == port);
        let is_scheme_port = |port: u16| port == 443 || port == 80;
        let exact = match authority.port() {
            Some(port) => with_port(port),
            None => with_port(443).or_else(|| with_port(80)),
        };
        let own = || match (entries.as_slice(), authority.port()) {
            ([only], Some(port)) if port == own_port => Some(only),
            ([only], None) if is_scheme_port(own_port) => Some(only),
            _ => None,
        };
        exact.or_else(own).map(|entry| &entry.tree)
    }
}

impl<T> Node<T> {
    fn longest(&self, path: &[u8]) -> Lookup<'_, T> {
        let mut node = self;
        let mut found = self.here.as_ref();
        let mut rest = path;
        while let Some(behind) = rest.strip_prefix(b"/") {
            let end = behind.iter().position(|byte| *byte == b'/').unwrap_or(behind.len());
            let Some(child) = in_lower_case(&behind[..end], |segment| node.children.get(segment)) else {
                break;
            };
            node = child;
            rest = &behind[end..];
            match &node.here {
                Some(entry) if !entry.below_only || !rest.is_empty() => found = Some(entry),
                _ => {}
            }
        }
        match found {
            None => Lookup::UnknownPath,
            Some(entry) if path.starts_with(&entry.prefix) => Lookup::Found(&entry.value, entry.prefix.len()),
            Some(_) => Lookup::CaseVariant,
        }
    }
}

/// Looks something up by a text in ASCII lower case, which most texts are in already.
pub(super) fn in_lower_case<R>(text: &[u8], look_up: impl FnOnce(&[u8]) -> R) -> R {
    match text.iter().fold(false, |any, byte| any | byte.is_ascii_uppercase()) {
        false => look_up(text),
        true => look_up(&lower(text)),
    }
}

/// The text in ASCII lower case, on the stack for all but the longest.
pub(super) fn lower(text: &[u8]) -> SmallVec<[u8; 64]> {
    let mut lower = SmallVec::from_slice(text);
    lower.make_ascii_lowercase();
    lower
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(entries: &[(&str, &str, usize)]) -> HostTable<usize> {
        let mut table = HostTable::default();
        for (host, prefix, value) in entries {
            table.insert(&HostPattern::parse(host).unwrap(), 443, prefix, *value).unwrap();
        }
        table
    }

    fn find(table: &HostTable<usize>, authority: &str, path: &str) -> Option<usize> {
        match table.find(&Authority::parse(authority).unwrap(), 8080, path.as_bytes()) {
            Lookup::Found(value, _) => Some(*value),
            _ => None,
        }
    }

    #[test]
    fn the_longest_prefix_of_whole_segments_wins() {
        let table =
            table(&[("api.example.com", "", 0), ("api.example.com", "/orders", 1), ("api.example.com", "/v1/", 2)]);
        for (path, value) in [
            ("/orders", 1),
            ("/orders/", 1),
            ("/orders/42", 1),
            ("/ordersadmin", 0),
            ("/order", 0),
            ("/v1/", 2),
            ("/v1/a", 2),
            ("/v1", 0),
            ("/", 0),
            ("/other", 0),
        ] {
            assert_eq!(find(&table, "api.example.com", path), Some(value), "{path}");
        }
        let variant = table.find(&Authority::parse("api.example.com").unwrap(), 8080, b"/Orders");
        assert_eq!(variant, Lookup::CaseVariant);
    }

    #[test]
    fn the_port_is_the_entrys_or_the_listeners() {
        let one = table(&[("api.example.com", "", 0)]);
        assert_eq!(find(&one, "API.example.com", "/"), Some(0));
        assert_eq!(find(&one, "api.example.com:443", "/"), Some(0));
        assert_eq!(find(&one, "api.example.com:8080", "/"), Some(0));
        assert_eq!(find(&one, "api.example.com:8443", "/"), None);
        assert_eq!(find(&one, "api.example.com.", "/"), None);
        let two = table(&[("localhost:9001", "", 1), ("localhost:9002", "", 2)]);
        assert_eq!(find(&two, "localhost:9001", "/"), Some(1));
        assert_eq!(find(&two, "localhost:9002", "/"), Some(2));
        assert_eq!(find(&two, "localhost:8080", "/"), None, "the listener's port would mean either");
    }

    #[test]
    fn the_same_requests_cannot_be_claimed_twice() {
        let mut table = table(&[("a.example", "/v1", 1)]);
        let host = HostPattern::parse("A.example").unwrap();
        for prefix in ["/v1", "/V1", "/v1/"] {
            assert_eq!(table.insert(&host, 443, prefix, 2), Err(PrefixClash(1)), "{prefix}");
        }
        assert_eq!(table.insert(&host, 443, "/v2", 2), Ok(()));
    }
}
