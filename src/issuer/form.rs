//! A request body as parameters (`application/x-www-form-urlencoded`, RFC 6749 appendix B), with one reading.
//!
//! The parser of the `url` crate keeps a bad escape as it is and replaces what is not UTF-8, so that two bodies can mean
//! one thing; here both are refused. Values may be secrets: nothing of a form shows itself, and what is not written
//! otherwise than it reads is left where it came, in the body.

use std::fmt;
use std::ops::Deref;

use smallvec::SmallVec;

use super::Refusal;
use crate::secret::{WipedBytes, WipedText};

/// Room for all but two tokens, in bytes.
const ROOM: usize = 32 << 10;

/// The most parameters.
const MAX_PARAMETERS: usize = 64;

/// How long any value may be, in bytes after decoding; where tokens are longer, as long as these.
const USUAL_VALUE: usize = 16 << 10;

/// Parameters that may come more than once (RFC 8707 §2, RFC 8693 §2.1).
const REPEATABLE: [&str; 2] = ["resource", "audience"];

/// The parameters of one request, those without a value left out (RFC 6749 §3.2).
pub struct Form<'b>(SmallVec<[(Decoded<'b>, Decoded<'b>); 8]>);

/// A text of a form, undone.
pub(super) enum Decoded<'b> {
    /// It stands in the body as it reads.
    AsSent(&'b str),
    /// It does not.
    Undone(WipedText),
}

impl<'b> Form<'b> {
    /// The longest body where tokens have so many bytes at most: a subject's and an actor's, and the rest.
    pub fn longest_body(token_bytes: usize) -> usize {
        2 * longest_value(token_bytes) + ROOM
    }

    /// Reads a body; no token is longer than `token_bytes`.
    ///
    /// # Errors
    ///
    /// [`Refusal::FormTooLarge`], [`Refusal::FormMalformed`] for a bad escape or what is not UTF-8, and
    /// [`Refusal::ParameterRepeated`] for any but `resource` and `audience`, known or not.
    pub fn parse(body: &'b [u8], token_bytes: usize) -> Result<Self, Refusal> {
        if body.len() > Self::longest_body(token_bytes) {
            return Err(Refusal::FormTooLarge);
        }
        let mut parameters: SmallVec<[(Decoded<'b>, Decoded<'b>); 8]> = SmallVec::new();
        let pieces = body.split(|byte| *byte == b'&').filter(|piece| !piece.is_empty());
        for (count, piece) in pieces.enumerate() {
            if count == MAX_PARAMETERS {
                return Err(Refusal::FormTooLarge);
            }
            let equals = piece.iter().position(|byte| *byte == b'=').unwrap_or(piece.len());
            let name = decode(&piece[..equals])?;
            let value = decode(piece.get(equals + 1..).unwrap_or_default())?;
            if value.len() > longest_value(token_bytes) {
                return Err(Refusal::FormTooLarge);
            }
            if value.is_empty() {
                continue;
            }
            if !REPEATABLE.contains(&&*name) && parameters.iter().any(|(known, _)| **known == *name) {
                return Err(Refusal::ParameterRepeated);
            }
            parameters.push((name, value));
        }
        Ok(Self(parameters))
    }

    /// The value of a parameter that comes at most once.
    pub fn one(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// Every value of a parameter that may come again, in the order in which they were sent.
    pub fn all<'f>(&'f self, name: &str) -> impl Iterator<Item = &'f str> {
        self.0.iter().filter(move |(known, _)| **known == *name).map(|(_, value)| &**value)
    }
}

fn longest_value(token_bytes: usize) -> usize {
    token_bytes.max(USUAL_VALUE)
}

impl Deref for Decoded<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::AsSent(text) => text,
            Self::Undone(text) => text,
        }
    }
}

impl fmt::Debug for Form<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Form({} parameters)", self.0.len())
    }
}

/// Undoes the encoding: `+` is a space, `%` and two hexadecimal digits are a byte, and all of it is UTF-8.
pub(super) fn decode(encoded: &[u8]) -> Result<Decoded<'_>, Refusal> {
    // Asked of every byte, as numbers, so that it is done for many at once; most texts of a form end here.
    let marks = encoded.iter().fold(0, |marks, byte| marks | u8::from(*byte == b'+') | u8::from(*byte == b'%'));
    if marks == 0 {
        return std::str::from_utf8(encoded).map(Decoded::AsSent).map_err(|_| Refusal::FormMalformed);
    }
    let digit = |byte: Option<&u8>| {
        let digit = byte.and_then(|byte| char::from(*byte).to_digit(16));
        digit.and_then(|digit| u8::try_from(digit).ok()).ok_or(Refusal::FormMalformed)
    };
    let mut decoded = WipedBytes::with_capacity(encoded.len());
    let mut bytes = encoded.iter();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => digit(bytes.next())? << 4 | digit(bytes.next())?,
            plain => *plain,
        });
    }
    std::str::from_utf8(&decoded).map_err(|_| Refusal::FormMalformed)?;
    let text = String::from_utf8(std::mem::take(&mut *decoded)).map_err(|_| Refusal::FormMalformed)?;
    Ok(Decoded::Undone(text.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where tokens have 8 KiB.
    fn parse(body: &[u8]) -> Result<Form<'_>, Refusal> {
        Form::parse(body, 8 << 10)
    }

    fn refused(body: &[u8]) -> Refusal {
        parse(body).unwrap_err()
    }

    #[test]
    fn undoes_the_encoding_once() {
        let form = parse(b"scope=read+write%20all&secret=%2525%C3%A9%2B&&x").unwrap();
        assert_eq!(form.one("scope"), Some("read write all"));
        assert_eq!(form.one("secret"), Some("%25\u{e9}+"));
        assert_eq!(form.one("x"), None);
    }

    #[test]
    fn what_reads_as_it_was_sent_is_not_copied() {
        let body = b"subject_token=a.b.c&scope=a%20b".to_vec();
        let form = parse(&body).unwrap();
        let at = form.one("subject_token").unwrap().as_ptr();
        assert!(std::ptr::eq(at, &raw const body["subject_token=".len()]));
        assert!(!body.as_ptr_range().contains(&form.one("scope").unwrap().as_ptr()));
    }

    #[test]
    fn what_has_two_readings_is_refused() {
        for body in [&b"a=%"[..], b"a=%2", b"a=%2g", b"a=%+1", b"%zz=a", b"a=\xff", b"a=%ff", b"a=%C3", b"\xc3=a"] {
            assert_eq!(refused(body), Refusal::FormMalformed, "{body:?}");
        }
    }

    #[test]
    fn an_empty_parameter_is_absent_and_no_repetition() {
        let form = parse(b"scope=&scope=read&resource=&=x").unwrap();
        assert_eq!((form.one("scope"), form.one("resource")), (Some("read"), None));
    }

    #[test]
    fn only_resource_and_audience_may_come_again() {
        let form = parse(b"resource=a&resource=b&audience=c&audience=d").unwrap();
        assert_eq!(form.all("resource").collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(form.all("audience").collect::<Vec<_>>(), ["c", "d"]);
        for body in ["scope=a&scope=a", "grant_type=a&grant%5Ftype=b", "unknown=1&unknown=1"] {
            assert_eq!(refused(body.as_bytes()), Refusal::ParameterRepeated, "{body}");
        }
    }

    #[test]
    fn count_and_length_are_bounded() {
        let many = |count: usize| (0..count).map(|at| format!("p{at}=1")).collect::<Vec<_>>().join("&");
        assert!(parse(many(MAX_PARAMETERS).as_bytes()).is_ok());
        assert_eq!(refused(many(MAX_PARAMETERS + 1).as_bytes()), Refusal::FormTooLarge);
        let long = |length: usize| format!("a={}", "x".repeat(length));
        assert!(parse(long(USUAL_VALUE).as_bytes()).is_ok());
        assert_eq!(refused(long(USUAL_VALUE + 1).as_bytes()), Refusal::FormTooLarge);
        assert_eq!(refused(&[b'&'; (64 << 10) + 1]), Refusal::FormTooLarge);
    }

    #[test]
    fn a_value_may_be_as_long_as_a_token() {
        let long = |length: usize| format!("subject_token={0}&actor_token={0}", "x".repeat(length));
        let token_bytes = 100 << 10;
        assert!(Form::parse(long(token_bytes).as_bytes(), token_bytes).is_ok());
        let longer = long(token_bytes + 1);
        assert_eq!(Form::parse(longer.as_bytes(), token_bytes).unwrap_err(), Refusal::FormTooLarge);
    }

    #[test]
    fn never_shows_itself() {
        let form = parse(b"client_secret=hunter2&hunter3=x").unwrap();
        assert!(!format!("{form:?}").contains("hunter"));
    }
}
