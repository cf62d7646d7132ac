//! Every pattern that matches a path, not just the best one: rules add up.

use std::collections::HashMap;

use foldhash::fast::FixedState;
use smallvec::SmallVec;

use super::table::{in_lower_case, lower};
use super::{Overlap, PathPattern, Segment};

/// Patterns, found by path. The patterns that match one path contain one another, as the configuration ensured.
#[derive(Debug, Default)]
pub struct RuleTree {
    root: Node,
    patterns: Vec<Ranked>,
}

/// The places of all patterns that match, in the order in which they were given.
pub type MatchedRules = SmallVec<[u32; 8]>;

#[derive(Debug)]
struct Ranked {
    /// How many other patterns contain this one: the greater, the more specific.
    rank: u32,
    /// The literal segments, if case counts.
    exact: Option<Box<[Literal]>>,
}

#[derive(Debug)]
struct Literal {
    place: usize,
    text: Box<[u8]>,
}

#[derive(Debug, Default)]
struct Node {
    literals: HashMap<Box<[u8]>, Node, FixedState>,
    parameter: Option<Box<Node>>,
    ends: Vec<u32>,
    rests: Vec<u32>,
}

impl RuleTree {
    /// Builds the tree; `case_counts` says of each pattern whether it matches its exact spelling only.
    pub fn new<'p>(patterns: impl IntoIterator<Item = (&'p PathPattern, bool)>) -> Self {
        let patterns: Vec<_> = patterns.into_iter().collect();
        let mut tree = Self::default();
        for (at, (pattern, case_counts)) in (0u32..).zip(&patterns) {
            let containers = patterns.iter().filter(|(other, _)| other.overlap(pattern) == Overlap::Contains);
            let exact = case_counts.then(|| literals(pattern).collect());
            tree.patterns.push(Ranked { rank: containers.count() as u32, exact });
            let node = tree.root.descend(pattern.segments());
            match pattern.has_rest() {
                true => node.rests.push(at),
                false => node.ends.push(at),
            }
        }
        tree
    }

    /// The patterns that match `path`, which begins with `/` or is empty; a final slash does not count.
    pub fn matching(&self, path: &[u8]) -> MatchedRules {
        let mut matched = MatchedRules::new();
        let path = path.strip_suffix(b"/").unwrap_or(path);
        self.root.collect(path, &mut matched);
        matched.retain(|at| self.spelled_right(*at, path));
        matched.sort_unstable();
        matched
    }

    /// How specific a pattern is among those that match the same path: the greater, the more.
    pub fn rank(&self, at: u32) -> u32 {
        self.patterns[at as usize].rank
    }

    fn spelled_right(&self, at: u32, path: &[u8]) -> bool {
        match &self.patterns[at as usize].exact {
            None => true,
            Some(literals) => literals.iter().all(|literal| segment(path, literal.place) == Some(&literal.text)),
        }
    }
}

impl Node {
    fn descend(&mut self, segments: &[Segment]) -> &mut Self {
        segments.iter().fold(self, |node, segment| match segment {
            Segment::Literal(text) => node.literals.entry(lower(text.as_bytes()).as_slice().into()).or_default(),
            Segment::Parameter(_) => node.parameter.get_or_insert_default(),
        })
    }

    fn collect(&self, path: &[u8], matched: &mut MatchedRules) {
        matched.extend_from_slice(&self.rests);
        let Some(behind) = path.strip_prefix(b"/") else {
            matched.extend_from_slice(&self.ends);
            return;
        };
        let end = behind.iter().position(|byte| *byte == b'/').unwrap_or(behind.len());
        let (segment, rest) = behind.split_at(end);
        if !self.literals.is_empty()
            && let Some(child) = in_lower_case(segment, |segment| self.literals.get(segment))
        {
            child.collect(rest, matched);
        }
        if let Some(child) = &self.parameter
            && !segment.is_empty()
        {
            child.collect(rest, matched);
        }
    }
}

/// The segment of a path at a place.
pub(crate) fn segment(path: &[u8], place: usize) -> Option<&[u8]> {
    path.split(|byte| *byte == b'/').skip(1).nth(place)
}

fn literals(pattern: &PathPattern) -> impl Iterator<Item = Literal> {
    pattern.segments().iter().enumerate().filter_map(|(place, segment)| match segment {
        Segment::Literal(text) => Some(Literal { place, text: text.as_bytes().into() }),
        Segment::Parameter(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(patterns: &[(&str, bool)]) -> RuleTree {
        let parsed: Vec<_> = patterns.iter().map(|(text, exact)| (PathPattern::parse(text).unwrap(), *exact)).collect();
        RuleTree::new(parsed.iter().map(|(pattern, exact)| (pattern, *exact)))
    }

    #[test]
    fn every_matching_pattern_is_found() {
        let tree =
            tree(&[("/{*rest}", false), ("/a", false), ("/a/{*rest}", false), ("/a/{x}", false), ("/a/b", false)]);
        let matching = |path: &str| tree.matching(path.as_bytes()).to_vec();
        assert_eq!(matching("/"), [0]);
        assert_eq!(matching(""), [0]);
        assert_eq!(matching("/a"), [0, 1, 2]);
        assert_eq!(matching("/a/"), [0, 1, 2]);
        assert_eq!(matching("/A/B"), [0, 2, 3, 4]);
        assert_eq!(matching("/a/c"), [0, 2, 3]);
        assert_eq!(matching("/a/b/c"), [0, 2]);
        assert_eq!(matching("/ab"), [0]);
        assert!(tree.rank(4) > tree.rank(3) && tree.rank(3) > tree.rank(2) && tree.rank(2) > tree.rank(0));
    }

    #[test]
    fn where_case_counts_it_counts() {
        let tree = tree(&[("/healthz", true), ("/healthz", false), ("/{id}/Raw", true)]);
        assert_eq!(tree.matching(b"/healthz").to_vec(), [0, 1]);
        assert_eq!(tree.matching(b"/HealthZ").to_vec(), [1]);
        assert_eq!(tree.matching(b"/X/Raw").to_vec(), [2]);
        assert!(tree.matching(b"/X/raw").is_empty());
    }
}
