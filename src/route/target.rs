//! A request target with exactly one reading (RFC 9112 §3.2.1, RFC 3986 §3.3).
//!
//! Nothing is normalised: what could be read in two ways is refused, so that what is matched here is what any upstream
//! will read there. Deliberately absent: decoding, dot-segment removal, slash merging.

use std::fmt;

/// A request target in origin form, checked; the path is what is matched and what is forwarded.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Target<'a> {
    path: &'a str,
    query: Option<&'a str>,
    plain: bool,
    has_parameters: bool,
}

/// Why a target is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TargetFault {
    /// Absolute form, authority form, `*`, or nothing that begins with `/`.
    NotOriginForm,
    /// A space, a control character, or a byte beyond ASCII.
    Character,
    /// A `#`, which no client sends.
    Fragment,
    /// A `\`, which some upstreams read as `/`.
    Backslash,
    /// `%2f`, which some upstreams read as `/`.
    EscapedSlash,
    /// An escaped control character.
    EscapedControl,
    /// An escape of a letter, a digit or `-._~`, which needs none (RFC 3986 §2.3).
    EscapedUnreserved,
    /// `%25` and two hex digits: an escape that becomes another one when it is decoded.
    DoubleEscape,
    /// `%` without two hex digits.
    BadEscape,
    /// `.` or `..`, also with a parameter behind it.
    DotSegment,
    /// `//`, or a segment that is nothing but a parameter.
    EmptySegment,
}

impl<'a> Target<'a> {
    /// Reads the target of a request line, or `:path`.
    ///
    /// `;` is let through here, because whether it may stand in a path is a matter of the resource: see
    /// [`Target::has_parameters`].
    ///
    /// # Errors
    ///
    /// [`TargetFault`] says what could be read in two ways.
    pub fn parse(raw: &'a [u8]) -> Result<Self, TargetFault> {
        if raw.first() != Some(&b'/') {
            return Err(TargetFault::NotOriginForm);
        }
        let holds = classes(raw);
        if holds & NEVER != 0 {
            return Err(TargetFault::Character);
        }
        // Checked above: every byte is ASCII.
        let text = std::str::from_utf8(raw).map_err(|_| TargetFault::Character)?;
        if holds & FRAGMENT != 0 {
            return Err(TargetFault::Fragment);
        }
        let (path, query) = match text.split_once('?') {
            Some((path, query)) if holds & QUERY != 0 => (path, Some(query)),
            _ => (text, None),
        };
        // Most paths hold nothing that anybody could read otherwise; then only the segments count.
        if holds & SPECIAL == 0 || classes(path.as_bytes()) & SPECIAL == 0 {
            check_plain_segments(path.as_bytes())?;
            return Ok(Self { path, query, plain: true, has_parameters: false });
        }
        check_path(path)?;
        let plain = !path.bytes().any(|byte| matches!(byte, b'%' | b';'));
        Ok(Self { path, query, plain, has_parameters: !plain && path.contains(';') })
    }

    /// The path, byte for byte as it was sent.
    pub fn path(&self) -> &'a str {
        self.path
    }

    /// The query without its `?`, if there is a `?`.
    pub fn query(&self) -> Option<&'a str> {
        self.query
    }

    /// Whether the path holds neither escapes nor parameters, so that case is all that an upstream may read differently.
    pub fn is_plain(&self) -> bool {
        self.plain
    }

    /// Whether a `;` stands in the path.
    pub fn has_parameters(&self) -> bool {
        self.has_parameters
    }
}

impl TargetFault {
    /// What is wrong, for the operator.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotOriginForm => "the target is not in origin form: it does not begin with `/`",
            Self::Character => "the target holds a space, a control character or a byte beyond ASCII",
            Self::Fragment => "the target holds `#`",
            Self::Backslash => "the path holds a backslash, plain or escaped",
            Self::EscapedSlash => "the path holds an escaped `/`",
            Self::EscapedControl => "the path holds an escaped control character",
            Self::EscapedUnreserved => "the path escapes a character that needs no escape",
            Self::DoubleEscape => "the path holds an escape of an escape",
            Self::BadEscape => "the path holds `%` without two hex digits",
            Self::DotSegment => "the path holds a dot segment",
            Self::EmptySegment => "the path holds an empty segment",
        }
    }
}

impl fmt::Display for TargetFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl std::error::Error for TargetFault {}

/// A space, a control character, or a byte beyond ASCII.
const NEVER: u8 = 1;
/// What begins a fragment.
const FRAGMENT: u8 = 2;
/// What begins the query.
const QUERY: u8 = 4;
/// What somebody may read as something else: escapes, parameters, and the other slash.
const SPECIAL: u8 = 8;

/// What each byte is.
const CLASSES: [u8; 256] = {
    let mut classes = [NEVER; 256];
    let mut byte = 0x21;
    while byte <= 0x7e {
        classes[byte] = match byte as u8 {
            b'#' => FRAGMENT,
            b'?' => QUERY,
            b'%' | b';' | b'\\' => SPECIAL,
            _ => 0,
        };
        byte += 1;
    }
    classes
};

/// What a text holds, in one pass.
fn classes(text: &[u8]) -> u8 {
    text.iter().fold(0, |seen, byte| seen | CLASSES[usize::from(*byte)])
}

/// Refuses dot segments, and empty ones but the last, in a path without escapes and parameters.
fn check_plain_segments(path: &[u8]) -> Result<(), TargetFault> {
    let mut start = 1;
    while let Some(length) = path[start..].iter().position(|byte| *byte == b'/') {
        match &path[start..start + length] {
            b"" => return Err(TargetFault::EmptySegment),
            b"." | b".." => return Err(TargetFault::DotSegment),
            _ => start += length + 1,
        }
    }
    match &path[start..] {
        b"." | b".." => Err(TargetFault::DotSegment),
        _ => Ok(()),
    }
}

/// Refuses a path that could be read in two ways; `;` is let through.
pub(super) fn check_path(path: &str) -> Result<(), TargetFault> {
    let bytes = path.as_bytes();
    if bytes.iter().any(|byte| !(0x21..=0x7e).contains(byte)) {
        return Err(TargetFault::Character);
    }
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'\\' => return Err(TargetFault::Backslash),
            b'%' => check_escape(&bytes[at + 1..])?,
            _ => {}
        }
    }
    let mut segments = path[1..].split('/').peekable();
    while let Some(segment) = segments.next() {
        // An upstream may drop a parameter, or cut at a `?` or `#` that it has decoded, and then see the dots alone.
        if matches!(&segment[..first_of(segment.as_bytes(), &[b"%3b", b"%3f", b"%23"])], "." | "..") {
            return Err(TargetFault::DotSegment);
        }
        let read = &segment[..parameter_start(segment.as_bytes())];
        let last_and_empty = segments.peek().is_none() && segment.is_empty();
        if read.is_empty() && !last_and_empty {
            return Err(TargetFault::EmptySegment);
        }
    }
    Ok(())
}

/// Judges the escape whose hex digits are at the start of `rest`.
fn check_escape(rest: &[u8]) -> Result<(), TargetFault> {
    let digit = |at: usize| rest.get(at).and_then(|byte| (*byte as char).to_digit(16));
    let (Some(high), Some(low)) = (digit(0), digit(1)) else {
        return Err(TargetFault::BadEscape);
    };
    // Two hex digits fit into a byte.
    match (high * 16 + low) as u8 {
        b'/' => Err(TargetFault::EscapedSlash),
        b'\\' => Err(TargetFault::Backslash),
        0..=0x1f | 0x7f => Err(TargetFault::EscapedControl),
        b'%' if digit(2).is_some() && digit(3).is_some() => Err(TargetFault::DoubleEscape),
        b'-' | b'.' | b'_' | b'~' => Err(TargetFault::EscapedUnreserved),
        decoded if decoded.is_ascii_alphanumeric() => Err(TargetFault::EscapedUnreserved),
        _ => Ok(()),
    }
}

/// Where the parameters of a segment begin: at its first `;`, plain or escaped; at its end if it has none.
pub(super) fn parameter_start(segment: &[u8]) -> usize {
    first_of(segment, &[b"%3b"])
}

/// Where the first `;`, or the first of these escapes, stands; the segment's end if there is none.
fn first_of(segment: &[u8], escapes: &[&[u8; 3]]) -> usize {
    let is_escape = |at: usize| {
        let here = segment.get(at..at + 3);
        here.is_some_and(|here| escapes.iter().any(|escape| here.eq_ignore_ascii_case(*escape)))
    };
    (0..segment.len()).find(|at| segment[*at] == b';' || is_escape(*at)).unwrap_or(segment.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lets_ordinary_targets_through_unchanged() {
        for (raw, path, query) in [
            ("/", "/", None),
            ("/orders/42", "/orders/42", None),
            ("/orders/", "/orders/", None),
            ("/orders?x=1", "/orders", Some("x=1")),
            ("/a%20b/%C3%A9", "/a%20b/%C3%A9", None),
            ("/a?b=%2f%00//..", "/a", Some("b=%2f%00//..")),
            ("/...", "/...", None),
            ("/a:b@c,d=e+f$g!h*i'(j)", "/a:b@c,d=e+f$g!h*i'(j)", None),
            ("/100%25", "/100%25", None),
            ("/a;v=1", "/a;v=1", None),
        ] {
            let target = Target::parse(raw.as_bytes()).unwrap_or_else(|fault| panic!("{raw}: {fault}"));
            assert_eq!((target.path(), target.query()), (path, query));
        }
    }

    proptest! {
        #[test]
        fn a_plain_path_is_judged_as_every_other_one(path in "/[a./]{0,12}") {
            prop_assert_eq!(check_plain_segments(path.as_bytes()), check_path(&path));
        }
    }

    #[test]
    fn refuses_every_second_reading() {
        use TargetFault::*;
        for (raw, fault) in [
            ("", NotOriginForm),
            ("*", NotOriginForm),
            ("zz", NotOriginForm),
            ("?zz", NotOriginForm),
            ("http://a/x", NotOriginForm),
            ("unix:/zz", NotOriginForm),
            ("/a b", Character),
            ("/a\tb", Character),
            ("/a\0", Character),
            ("/caf\u{e9}", Character),
            ("/a?b\u{e9}", Character),
            ("/a#b", Fragment),
            ("/a?b#c", Fragment),
            ("/a\\b", Backslash),
            ("/a%5cb", Backslash),
            ("/a%5Cb", Backslash),
            ("/a%2fb", EscapedSlash),
            ("/a%2Fb", EscapedSlash),
            ("/a%00", EscapedControl),
            ("/a%0d%0a", EscapedControl),
            ("/a%7f", EscapedControl),
            ("/%61", EscapedUnreserved),
            ("/a/%2e%2e/x", EscapedUnreserved),
            ("/%7Euser", EscapedUnreserved),
            ("/a%252fb", DoubleEscape),
            ("/a%", BadEscape),
            ("/a%2", BadEscape),
            ("/a%zz", BadEscape),
            ("/a/../b", DotSegment),
            ("/..", DotSegment),
            ("/.", DotSegment),
            ("/a/./b", DotSegment),
            ("/a/..;x=1/b", DotSegment),
            ("/a/..%3Bx/b", DotSegment),
            ("/a/..%3Fx", DotSegment),
            ("/a/.%23", DotSegment),
            ("//a", EmptySegment),
            ("/a//b", EmptySegment),
            ("/a//", EmptySegment),
            ("/;x/b", EmptySegment),
            ("/a/;", EmptySegment),
        ] {
            assert_eq!(Target::parse(raw.as_bytes()), Err(fault), "{raw:?}");
        }
    }
}
