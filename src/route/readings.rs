//! What an upstream might read into a path that is not plain: decoded, without parameters, cut at an escaped `?`.
//!
//! Each reading must select the same resource and the same rules as the path itself; the caller compares. Case is the
//! matcher's own business: it folds what it compares.

use super::Target;
use super::target::parameter_start;

/// The further readings of one path; none for a plain one.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Readings(Vec<Vec<u8>>);

impl Readings {
    /// Every reading of the target's path that differs from it.
    pub fn of(target: &Target<'_>) -> Self {
        if target.is_plain() {
            return Self::default();
        }
        let path = target.path().as_bytes();
        let decoded = decode(path);
        let mut readings = vec![without_parameters(path), without_parameters(&decoded)];
        if let Some(cut) = decoded.iter().position(|byte| matches!(byte, b'?' | b'#')) {
            readings.push(decoded[..cut].to_vec());
            readings.push(without_parameters(&decoded[..cut]));
        }
        readings.push(decoded);
        readings.retain(|reading| reading != path);
        readings.sort_unstable();
        readings.dedup();
        Self(readings)
    }

    /// The readings as paths.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(Vec::as_slice)
    }
}

fn decode(path: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((byte, behind)) = rest.split_first() {
        let escape = (*byte == b'%').then(|| behind.get(..2)).flatten();
        let value = escape
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match value {
            Some(value) => {
                decoded.push(value);
                rest = &behind[2..];
            }
            None => {
                decoded.push(*byte);
                rest = behind;
            }
        }
    }
    decoded
}

fn without_parameters(path: &[u8]) -> Vec<u8> {
    let segments: Vec<&[u8]> =
        path.split(|byte| *byte == b'/').map(|segment| &segment[..parameter_start(segment)]).collect();
    segments.join(&b'/')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readings(raw: &str) -> Vec<String> {
        let readings = Readings::of(&Target::parse(raw.as_bytes()).unwrap());
        readings.iter().map(|reading| String::from_utf8_lossy(reading).into_owned()).collect()
    }

    #[test]
    fn a_plain_path_has_one_reading() {
        assert!(readings("/orders/42?a=%20").is_empty());
    }

    #[test]
    fn escapes_and_parameters_have_more() {
        assert_eq!(readings("/a;v=1/b"), ["/a/b"]);
        assert_eq!(readings("/a%3Bv/b"), ["/a/b", "/a;v/b"]);
        assert_eq!(readings("/a%20b"), ["/a b"]);
        assert_eq!(readings("/a%3Fb"), ["/a", "/a?b"]);
    }
}
