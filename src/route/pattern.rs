//! What a rule says about paths: literal segments, `{name}` for one segment, `{*rest}` for all that follow.

use std::fmt;

/// One segment of a pattern.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Segment {
    /// This text.
    Literal(String),
    /// `{name}`: any one segment, not empty.
    Parameter(String),
}

/// A path as a rule writes it, relative to its resource.
///
/// `/admin` also covers `/admin/`; `/admin/{*rest}` covers `/admin`, `/admin/` and everything below.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PathPattern {
    text: String,
    segments: Vec<Segment>,
    rest: bool,
}

/// Why a text is no pattern.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidPattern {
    /// No `/` at the start.
    #[error("a path begins with `/`")]
    NotAbsolute,
    /// `//`, `.` or `..`: no request that is let in has them.
    #[error("a path has no empty segment and no dot segment")]
    Segment,
    /// A brace that is not around a whole segment, or a name that is none.
    #[error("a parameter is a whole segment: `{{name}}`, or `{{*rest}}` at the end")]
    Parameter,
    /// One name twice.
    #[error("a parameter's name occurs twice")]
    Repeated,
    /// A character that no request path has: a query, a fragment, a control character, …
    #[error("holds a character that no request path has")]
    Character,
    /// An escape: requests for it are refused, because an upstream may or may not undo it.
    #[error("holds an escape, which an upstream may read undone or as it is; leave such paths to a `{{name}}`")]
    Escape,
}

/// How the sets of paths of two patterns lie to each other.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Overlap {
    /// No path matches both.
    Disjoint,
    /// Exactly the same paths match both.
    Equal,
    /// Every path of the other matches this one.
    Contains,
    /// Every path of this one matches the other.
    Within,
    /// Some paths match both, and each has paths of its own.
    Crossing,
}

impl PathPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    ///
    /// [`InvalidPattern`] says which rule the text breaks.
    pub fn parse(text: &str) -> Result<Self, InvalidPattern> {
        let path = text.strip_prefix('/').ok_or(InvalidPattern::NotAbsolute)?;
        let mut pattern = Self { text: text.to_owned(), segments: Vec::new(), rest: false };
        let path = path.strip_suffix('/').unwrap_or(path);
        if path.is_empty() {
            return Ok(pattern);
        }
        let mut names: Vec<&str> = Vec::new();
        for written in path.split('/') {
            if pattern.rest {
                return Err(InvalidPattern::Parameter);
            }
            let name = match written.strip_prefix('{').map(|inner| inner.strip_suffix('}')) {
                None => {
                    pattern.segments.push(Segment::Literal(literal(written)?.to_owned()));
                    continue;
                }
                Some(None) => return Err(InvalidPattern::Parameter),
                Some(Some(name)) => name,
            };
            let (name, rest) = name.strip_prefix('*').map_or((name, false), |name| (name, true));
            if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
                return Err(InvalidPattern::Parameter);
            }
            if names.contains(&name) {
                return Err(InvalidPattern::Repeated);
            }
            names.push(name);
            match rest {
                true => pattern.rest = true,
                false => pattern.segments.push(Segment::Parameter(name.to_owned())),
            }
        }
        Ok(pattern)
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The segments before `{*rest}`.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Whether the pattern ends in `{*rest}`.
    pub fn has_rest(&self) -> bool {
        self.rest
    }

    /// The place of `{name}` among the segments; nothing for `{*rest}`, which is no single value.
    pub fn parameter(&self, name: &str) -> Option<usize> {
        self.segments.iter().position(|segment| matches!(segment, Segment::Parameter(own) if own == name))
    }

    /// How the paths of this pattern lie to those of `other`, without regard to ASCII case.
    pub fn overlap(&self, other: &Self) -> Overlap {
        let (mut ours_wider, mut theirs_wider) = (false, false);
        for at in 0..self.segments.len().max(other.segments.len()) {
            match (self.segments.get(at), other.segments.get(at)) {
                (Some(Segment::Literal(ours)), Some(Segment::Literal(theirs))) => {
                    if !ours.eq_ignore_ascii_case(theirs) {
                        return Overlap::Disjoint;
                    }
                }
                (Some(Segment::Parameter(_)), Some(Segment::Literal(_))) => ours_wider = true,
                (Some(Segment::Literal(_)), Some(Segment::Parameter(_))) => theirs_wider = true,
                (Some(Segment::Parameter(_)), Some(Segment::Parameter(_))) => {}
                (None, _) if self.rest => {
                    ours_wider = true;
                    break;
                }
                (_, None) if other.rest => {
                    theirs_wider = true;
                    break;
                }
                _ => return Overlap::Disjoint,
            }
        }
        if self.segments.len() == other.segments.len() {
            ours_wider |= self.rest && !other.rest;
            theirs_wider |= other.rest && !self.rest;
        }
        match (ours_wider, theirs_wider) {
            (false, false) => Overlap::Equal,
            (true, false) => Overlap::Contains,
            (false, true) => Overlap::Within,
            (true, true) => Overlap::Crossing,
        }
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// A literal segment that a request path may have, as [`super::Target`] lets it in.
fn literal(text: &str) -> Result<&str, InvalidPattern> {
    if text.contains(['{', '}']) {
        return Err(InvalidPattern::Parameter);
    }
    if text.is_empty() || text == "." || text == ".." {
        return Err(InvalidPattern::Segment);
    }
    if text.contains('%') {
        return Err(InvalidPattern::Escape);
    }
    super::target::check_path(&format!("/{text}")).map_err(|_| InvalidPattern::Character)?;
    match text.contains(['?', '#', ';']) {
        true => Err(InvalidPattern::Character),
        false => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pattern(text: &str) -> PathPattern {
        PathPattern::parse(text).unwrap()
    }

    #[test]
    fn refuses_what_is_no_pattern() {
        let error = |text: &str| PathPattern::parse(text).unwrap_err();
        assert_eq!(error("admin"), InvalidPattern::NotAbsolute);
        assert_eq!(error("/a//b"), InvalidPattern::Segment);
        assert_eq!(error("/a/.."), InvalidPattern::Segment);
        assert_eq!(error("/{a}/{a}"), InvalidPattern::Repeated);
        for text in ["/{}", "/x{a}", "/{a", "/a}", "/{*r}/x", "/{a-b}"] {
            assert_eq!(error(text), InvalidPattern::Parameter, "{text}");
        }
        for text in ["/%41", "/a%2fb", "/a%40b", "/caf%C3%A9", "/%zz"] {
            assert_eq!(error(text), InvalidPattern::Escape, "{text}");
        }
        for text in ["/a?b", "/a#b", "/a;b", "/\u{e9}", "/a b"] {
            assert_eq!(error(text), InvalidPattern::Character, "{text}");
        }
    }

    #[test]
    fn tells_how_two_patterns_lie_to_each_other() {
        let overlap = |ours: &str, theirs: &str| pattern(ours).overlap(&pattern(theirs));
        assert_eq!(overlap("/a", "/b"), Overlap::Disjoint);
        assert_eq!(overlap("/a", "/A/"), Overlap::Equal);
        assert_eq!(overlap("/a", "/a/b"), Overlap::Disjoint);
        assert_eq!(overlap("/a/{*rest}", "/a"), Overlap::Contains);
        assert_eq!(overlap("/a/{x}", "/a/b"), Overlap::Contains);
        assert_eq!(overlap("/a/b", "/a/{*rest}"), Overlap::Within);
        assert_eq!(overlap("/{x}/b", "/a/{y}"), Overlap::Crossing);
        assert_eq!(overlap("/a/{*rest}", "/{x}/b"), Overlap::Crossing);
        assert_eq!(overlap("/{*rest}", "/{*other}"), Overlap::Equal);
        assert_eq!(overlap("/a/{x}/{*rest}", "/a/{*rest}"), Overlap::Within);
    }

    fn any_pattern() -> impl Strategy<Value = PathPattern> {
        let segment = prop_oneof![Just("a"), Just("b"), Just("{}")];
        (prop::collection::vec(segment, 0..4), any::<bool>()).prop_map(|(segments, rest)| {
            let mut text = String::new();
            for (at, segment) in segments.iter().enumerate() {
                text.push('/');
                text.push_str(&segment.replace("{}", &format!("{{p{at}}}")));
            }
            text.push_str(if rest { "/{*rest}" } else { "/" });
            PathPattern::parse(&text).unwrap()
        })
    }

    /// Whether a path of plain segments matches, straight from the definition.
    fn matches(pattern: &PathPattern, path: &[&str]) -> bool {
        let fits = |(segment, text): (&Segment, &&str)| match segment {
            Segment::Literal(literal) => literal == text,
            Segment::Parameter(_) => true,
        };
        let long_enough =
            path.len() == pattern.segments().len() || (pattern.has_rest() && path.len() > pattern.segments().len());
        long_enough && pattern.segments().iter().zip(path).all(fits)
    }

    proptest! {
        #[test]
        fn overlap_is_what_the_sets_of_paths_say(ours in any_pattern(), theirs in any_pattern()) {
            let alphabet = ["a", "b", "c"];
            let mut paths: Vec<Vec<&str>> = vec![vec![]];
            for length in 0..5usize {
                let longer: Vec<_> = paths.iter().filter(|path| path.len() == length)
                    .flat_map(|path| alphabet.map(|next| [path.as_slice(), &[next]].concat())).collect();
                paths.extend(longer);
            }
            let both = paths.iter().any(|path| matches(&ours, path) && matches(&theirs, path));
            let only_ours = paths.iter().any(|path| matches(&ours, path) && !matches(&theirs, path));
            let only_theirs = paths.iter().any(|path| !matches(&ours, path) && matches(&theirs, path));
            let expected = match (both, only_ours, only_theirs) {
                (false, _, _) => Overlap::Disjoint,
                (true, false, false) => Overlap::Equal,
                (true, true, false) => Overlap::Contains,
                (true, false, true) => Overlap::Within,
                (true, true, true) => Overlap::Crossing,
            };
            prop_assert_eq!(ours.overlap(&theirs), expected);
        }
    }
}
