//! Secrets in the lines of a file that are shown: what is shown may end up in a log.
//!
//! A file with faults may have no tree, so this looks at the text. Where the text leaves a doubt, more is hidden.

use std::ops::Range;

/// Keys whose values are secrets, if they are written out and not named by `${…}`.
const KEYS: [&str; 7] = ["token", "fetch_token", "secret", "client_secret", "client_key", "password", "key_encryption"];

/// The line with a star for each character of a secret. `parent` is the line above that it belongs to, if there is one.
pub(super) fn hidden(line: &str, parent: Option<&str>) -> String {
    let mut shown: Vec<char> = line.chars().collect();
    let parent: Vec<char> = parent.unwrap_or_default().chars().collect();
    if values(&parent).any(|value| value.goes_on()) {
        shown.iter_mut().filter(|c| !c.is_whitespace()).for_each(|c| *c = '*');
        return shown.into_iter().collect();
    }
    for user in users(&shown) {
        shown[user].fill('*');
    }
    let written = shown.clone();
    for Value { from, text, in_braces } in values(&written) {
        let length = length(text, in_braces);
        if !is_elsewhere(text) && !is_harmless(&text[..length]) {
            shown[from..from + length].fill('*');
        }
    }
    shown.into_iter().collect()
}

/// What stands between `://` and `@`, where the URL of a server may have its password.
fn users(line: &[char]) -> Vec<Range<usize>> {
    let is_quote = |c: &char| matches!(c, '"' | '\'');
    let is_end = |c: &char| c.is_whitespace() || is_quote(c) || matches!(c, '/' | ',');
    let begins = line.windows(3).enumerate().filter(|(_, text)| *text == [':', '/', '/']).map(|(at, _)| at + 3);
    let users = begins.filter_map(|from| {
        let scheme: String = line[..from].iter().collect();
        // The password of a database may hold what should have been encoded.
        let is_database = ["postgres://", "postgresql://"].iter().any(|known| scheme.ends_with(known));
        let goes_on = |c: &&char| if is_database { !is_quote(c) } else { !is_end(c) };
        let length = line[from..].iter().take_while(goes_on).collect::<Vec<_>>();
        let at = length.iter().rposition(|c| **c == '@')?;
        Some(from..from + at)
    });
    users.collect()
}

/// What stands behind a secret's key, up to the end of the line.
struct Value<'l> {
    from: usize,
    text: &'l [char],
    /// Whether a `{` stands before it in the line, so that a `,` or a `}` ends it.
    in_braces: bool,
}

impl Value<'_> {
    /// Whether lines that are indented more belong to it.
    fn goes_on(&self) -> bool {
        let is_open = matches!(self.text.first(), Some('"' | '\'' | '[')) && length(self.text, true) == self.text.len();
        !self.in_braces || is_elsewhere(self.text) || is_open
    }
}

fn values(line: &[char]) -> impl Iterator<Item = Value<'_>> {
    let is_word = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    (0..line.len()).filter(move |at| *at == 0 || !is_word(&line[at - 1])).filter_map(move |at| {
        let word: String = line[at..].iter().take_while(|c| is_word(c)).collect();
        if !KEYS.contains(&word.to_ascii_lowercase().as_str()) {
            return None;
        }
        let mut from = at + word.len();
        from += usize::from(matches!(line.get(from), Some('"' | '\'')));
        from += blanks(&line[from..]);
        if line.get(from) != Some(&':') {
            return None;
        }
        from += 1;
        from += blanks(&line[from..]);
        Some(Value { from, text: &line[from..], in_braces: line[..at].contains(&'{') })
    })
}

fn blanks(text: &[char]) -> usize {
    text.iter().take_while(|c| c.is_whitespace()).count()
}

/// Whether the value stands in the lines below.
fn is_elsewhere(value: &[char]) -> bool {
    matches!(value.first(), None | Some('|' | '>' | '#'))
}

/// How much of the line is the value.
fn length(value: &[char], in_braces: bool) -> usize {
    let quoted = |quote: char| {
        let mut at = 1;
        while let Some(c) = value.get(at) {
            match (*c, value.get(at + 1)) {
                ('\\', Some(_)) if quote == '"' => at += 1,
                ('\'', Some('\'')) if quote == '\'' => at += 1,
                (c, _) if c == quote => return at + 1,
                _ => {}
            }
            at += 1;
        }
        value.len()
    };
    let plain = match value.first() {
        Some(quote @ ('"' | '\'')) => return quoted(*quote),
        Some('[') => value.iter().position(|c| *c == ']'),
        _ if in_braces => {
            let name = if value.starts_with(&['$', '{']) { value.iter().position(|c| *c == '}') } else { None };
            let behind = name.map_or(0, |end| end + 1);
            value[behind..].iter().position(|c| matches!(c, ',' | '}')).map(|at| behind + at)
        }
        _ => value.windows(2).position(|pair| pair[0].is_whitespace() && pair[1] == '#'),
    };
    let end = plain.unwrap_or(value.len());
    value[..end].iter().rposition(|c| !c.is_whitespace()).map_or(0, |last| last + 1)
}

/// Whether a value is nothing, or the name of what it is and nothing else.
fn is_harmless(value: &[char]) -> bool {
    let text: String = value.iter().filter(|c| !matches!(c, '"' | '\'')).collect();
    text.is_empty() || (text.starts_with("${") && text.find('}') == Some(text.len() - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_line_shows_no_secret() {
        for (line, shown) in [
            (
                "admin: { address: 1.2.3.4:5, token: hunter2, hosts: a }",
                "admin: { address: 1.2.3.4:5, token: *******, hosts: a }",
            ),
            ("    fetch_token: \"h\u{e9}nter2\"", "    fetch_token: *********"),
            ("  { token: \"a, b } c\", x: 1 }", "  { token: **********, x: 1 }"),
            ("  { 'token' : 'it''s a', x: 1 }", "  { 'token' : *********, x: 1 }"),
            ("{\"token\": \"hunter2\", \"x\": 1}", "{\"token\": *********, \"x\": 1}"),
            ("{\"x\":1,\"Secret\":\"a\\\"b\"}", "{\"x\":1,\"Secret\":******}"),
            ("  token: a, b and c # why", "  token: ********** # why"),
            ("  secret: [new, \"${OLD}\"]", "  secret: **************]"),
            ("  secret: \"${A}hunter2\"", "  secret: *************"),
            ("  { secret: ${A}hunter2, x: 1 }", "  { secret: ***********, x: 1 }"),
            ("  corp: { client_key: hunter2, client_key_id: a }", "  corp: { client_key: *******, client_key_id: a }"),
            ("  alice: { password: hunter2, claims: {} }", "  alice: { password: *******, claims: {} }"),
            ("signing: { key_encryption: hunter2 }", "signing: { key_encryption: ******* }"),
            ("store: \"postgres://me:hunt@er2@db/x\" # a@b", "store: \"postgres://***********@db/x\" # a@b"),
            ("store: 'postgresql://me:hu/nt er,2@db/x'", "store: 'postgresql://*************@db/x'"),
        ] {
            assert_eq!(hidden(line, None), shown);
        }
    }

    #[test]
    fn what_is_no_secret_is_shown() {
        for line in [
            "  secret:",
            "  token: |",
            "token: \"${TOKEN}\"",
            "token: ${file:a}",
            "admin: { token: ${TOKEN} }",
            "token: \"\"",
            "token_bytes: 8KiB",
            "forward: token",
            "lifetimes: { access_token: 2d }",
            "broad_tokens: accept",
            "upstream: [http://127.0.0.1:9001, http://a/b@c]",
        ] {
            assert_eq!(hidden(line, None), line);
        }
    }

    #[test]
    fn a_secret_below_its_key_is_hidden_whole() {
        let parents = ["token: |", "token: >-", "\"secret\":", "token: # for scrapers", "token: a", "x: { token: \"a"];
        for parent in parents {
            assert_eq!(hidden("    hunter 2", Some(parent)), "    ****** *");
        }
        for parent in ["forward:", "admin: { token: \"a\",", "x: { secret: [a],"] {
            assert_eq!(hidden("    hunter 2", Some(parent)), "    hunter 2");
        }
    }
}
