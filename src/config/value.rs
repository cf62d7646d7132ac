//! Single values: switches, words, numbers, durations, sizes.
//!
//! Everything has bounds, because a zero or a slip of the finger in a timeout is an outage or an open door.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::read::Reader;
use super::yaml::Node;

const DURATION_HINT: &str = "write a whole number and `ms`, `s`, `m`, `h` or `d`, like `90s`";
/// The longest name for people, in characters.
const MAX_LABEL: usize = 80;

const SIZE_HINT: &str = "write a whole number of bytes, or one with `KiB`, `MiB`, `GiB` or `TiB`, like `64KiB`";

impl Reader {
    /// `true` or `false`; YAML 1.1's `yes` and `on` are words like any other.
    pub(super) fn boolean(&mut self, node: &Node) -> Option<bool> {
        let scalar = self.scalar(node)?;
        match scalar.text.as_str() {
            "true" => Some(true),
            "false" => Some(false),
            _ => {
                let message = format!("`{}` is neither `true` nor `false`", scalar.shown());
                self.log.error(node.place, message, "write `true` or `false`");
                None
            }
        }
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(&mut self, node: &Node, what: &str, words: &[(&'static str, T)]) -> Option<T> {
        let scalar = self.scalar(node)?;
        let found = words.iter().find(|(word, _)| *word == scalar.text).map(|(_, value)| *value);
        if found.is_none() {
            let hint = self.suggest(&scalar.text, words.iter().map(|(word, _)| *word));
            self.log.error(node.place, format!("`{}` is no {what}", scalar.shown()), hint);
        }
        found
    }

    /// A whole number.
    pub(super) fn integer(&mut self, node: &Node, bounds: RangeInclusive<u64>) -> Option<u64> {
        let scalar = self.scalar(node)?;
        let Some(number) = digits(&scalar.text).and_then(|digits| digits.parse::<u64>().ok()) else {
            let hint = format!("write a whole number from {} to {}", bounds.start(), bounds.end());
            let above_zero = if *bounds.start() > 0 { " above zero" } else { "" };
            self.log.error(node.place, format!("`{}` is no whole number{above_zero}", scalar.shown()), hint);
            return None;
        };
        if !bounds.contains(&number) {
            let message = format!("`{}` is out of bounds", scalar.shown());
            self.log.error(node.place, message, format!("from {} to {} is allowed", bounds.start(), bounds.end()));
            return None;
        }
        Some(number)
    }

    /// A duration, like `90s` or `250ms`.
    pub(super) fn duration(&mut self, node: &Node, bounds: RangeInclusive<Duration>) -> Option<Duration> {
        let scalar = self.scalar(node)?;
        let Some(duration) = parse_duration(&scalar.text) else {
            self.log.error(node.place, format!("`{}` is no duration", scalar.shown()), DURATION_HINT);
            return None;
        };
        if !bounds.contains(&duration) {
            let (least, most) = (print_duration(*bounds.start()), print_duration(*bounds.end()));
            let message = format!("`{}` is out of bounds", scalar.shown());
            self.log.error(node.place, message, format!("from `{least}` to `{most}` is allowed"));
            return None;
        }
        Some(duration)
    }

    /// A number of bytes, like `64KiB` or `4096`.
    pub(super) fn size(&mut self, node: &Node, bounds: RangeInclusive<u64>) -> Option<u64> {
        let scalar = self.scalar(node)?;
        let Some(size) = parse_size(&scalar.text) else {
            self.log.error(node.place, format!("`{}` is no size", scalar.shown()), SIZE_HINT);
            return None;
        };
        if !bounds.contains(&size) {
            let (least, most) = (print_size(*bounds.start()), print_size(*bounds.end()));
            let message = format!("`{}` is out of bounds", scalar.shown());
            self.log.error(node.place, message, format!("from `{least}` to `{most}` is allowed"));
            return None;
        }
        Some(size)
    }

    /// A name for people: one line that looks like what it says.
    pub(super) fn label(&mut self, node: &Node) -> Option<String> {
        let text = self.string(node)?;
        let why = match text.as_str() {
            text if text.chars().count() > MAX_LABEL => "is longer than 80 characters",
            text if text.trim() != text => "begins or ends with a space",
            text if text.chars().any(is_unseen) => "holds a character that nobody sees",
            _ => return Some(text),
        };
        // Without the name itself: what nobody sees would be shown.
        let hint = "write a short name on one line; users read it";
        self.log.error(node.place, format!("this name {why}"), hint);
        None
    }

    /// A list of texts, none twice.
    pub(super) fn strings(&mut self, node: &Node) -> Option<Vec<String>> {
        let mut seen: Vec<String> = Vec::new();
        self.one_or_many(node, |reader, item| {
            let text = reader.string(item)?;
            if seen.contains(&text) {
                reader.repeated(item);
                return None;
            }
            seen.push(text.clone());
            Some(text)
        })
    }

    /// A word of a list that stands there already.
    pub(super) fn repeated(&mut self, node: &Node) {
        let Some(scalar) = self.scalar(node) else {
            return;
        };
        let shown = scalar.shown();
        self.log.error(node.place, format!("`{shown}` stands here twice"), "once is enough; is another one meant?");
    }
}

/// A control character, or one that is not seen or turns the direction of what is: names that users trust have none.
pub fn is_unseen(c: char) -> bool {
    let is_format = matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}');
    c.is_control() || is_format || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

/// The text, if it is nothing but digits.
fn digits(text: &str) -> Option<&str> {
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then_some(text)
}

/// Units of time, in milliseconds, the longest first.
const TIMES: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];
/// Units of size, in bytes, the largest first.
const SIZES: [(&str, u64); 4] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];

fn parse_duration(text: &str) -> Option<Duration> {
    let number = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(number);
    let (_, scale) = TIMES.into_iter().find(|(name, _)| *name == unit)?;
    Some(Duration::from_millis(digits(number)?.parse::<u64>().ok()?.checked_mul(scale)?))
}

fn parse_size(text: &str) -> Option<u64> {
    let number = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(number);
    let scale = match unit {
        "" => 1,
        unit => SIZES.into_iter().find(|(name, _)| *name == unit)?.1,
    };
    digits(number)?.parse::<u64>().ok()?.checked_mul(scale)
}

/// A duration as a configuration would write it.
fn print_duration(duration: Duration) -> String {
    // Bounds are far below what 64 bits of milliseconds hold.
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let (unit, scale) =
        TIMES.into_iter().find(|(_, scale)| millis >= *scale && millis.is_multiple_of(*scale)).unwrap_or(("s", 1));
    format!("{}{unit}", millis / scale)
}

/// A size as a configuration would write it.
fn print_size(size: u64) -> String {
    let (unit, scale) =
        SIZES.into_iter().find(|(_, scale)| size >= *scale && size.is_multiple_of(*scale)).unwrap_or(("", 1));
    format!("{}{unit}", size / scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_durations() {
        assert_eq!(parse_duration("90s"), Some(Duration::from_secs(90)));
        assert_eq!(parse_duration("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(parse_duration("5m"), Some(Duration::from_secs(300)));
        assert_eq!(parse_duration("1h"), Some(Duration::from_secs(3600)));
        assert_eq!(parse_duration("30d"), Some(Duration::from_secs(30 * 86400)));
        for text in ["", "5", "s", "-5s", "5 s", "1.5s", "5S", "5min", "99999999999999999999s", "18446744073709551615d"]
        {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }

    #[test]
    fn reads_sizes() {
        assert_eq!(parse_size("4096"), Some(4096));
        assert_eq!(parse_size("64KiB"), Some(64 << 10));
        assert_eq!(parse_size("1MiB"), Some(1 << 20));
        for text in ["", "KiB", "64KB", "64K", "-1", "1.5MiB", "64 KiB", "18446744073709551615TiB"] {
            assert_eq!(parse_size(text), None, "{text}");
        }
    }

    #[test]
    fn prints_what_it_reads() {
        for text in ["90s", "250ms", "5m", "1h", "30d"] {
            assert_eq!(print_duration(parse_duration(text).unwrap()), text);
        }
        for text in ["4095", "64KiB", "3MiB", "1TiB"] {
            assert_eq!(print_size(parse_size(text).unwrap()), text);
        }
    }
}
