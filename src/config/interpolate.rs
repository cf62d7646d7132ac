//! `${NAME}` and `${file:PATH}` inside values.
//!
//! The tree is interpolated after it was parsed, so that no value can bring structure with it. What was interpolated
//! may be a secret: messages show what the file says, never what came of it.

use std::collections::BTreeMap;

use super::fault::FaultKind;
use super::read::Reader;
use super::yaml::{Kind, Node, Scalar};

/// The longest file that `${file:…}` brings in, in bytes.
const MAX_FILE: u64 = 64 << 10;

/// The variables that `${NAME}` may name, taken once.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The variables of this process; one whose name or value is no text is as if it were not there.
    pub fn of_process() -> Self {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        Self(variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

impl std::fmt::Debug for Environment {
    /// The names; the values may be secrets.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}

/// Fills in every `${…}` below `node`; a value with one that cannot be had becomes a broken one.
pub(super) fn fill(node: &mut Node, environment: &Environment, reader: &mut Reader) {
    match &mut node.kind {
        Kind::Broken => {}
        Kind::Sequence(items) => items.iter_mut().for_each(|item| fill(item, environment, reader)),
        Kind::Mapping(mapping) => mapping.entries.iter_mut().for_each(|(_, value)| fill(value, environment, reader)),
        Kind::Scalar(scalar) if scalar.text.contains("${") => match replace(&scalar.text, environment, reader) {
            Ok(text) => {
                reader.note_interpolated(&text);
                let written = Some(std::mem::replace(&mut scalar.text, text));
                *scalar = Scalar { written, plain: false, text: std::mem::take(&mut scalar.text) };
            }
            Err((message, hint)) => {
                reader.log.tell(FaultKind::Interpolation, node.place, message, hint);
                node.kind = Kind::Broken;
            }
        },
        Kind::Scalar(_) => {}
    }
}

/// The text with every `${…}` replaced and `$${` read as `${`, or what is wrong and what to do.
fn replace(text: &str, environment: &Environment, reader: &mut Reader) -> Result<String, (String, String)> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, behind) = (&rest[..at], &rest[at + 2..]);
        if let Some(before) = before.strip_suffix('$') {
            filled.push_str(before);
            filled.push_str("${");
            rest = behind;
            continue;
        }
        filled.push_str(before);
        let Some(end) = behind.find('}') else {
            return Err(("`${` has no `}`".into(), "write `${NAME}`, or `$${` for the two characters".into()));
        };
        let name = &behind[..end];
        match name.strip_prefix("file:") {
            Some(path) => filled.push_str(&file(path, reader)?),
            None => filled.push_str(variable(name, environment)?),
        }
        rest = &behind[end + 1..];
    }
    filled.push_str(rest);
    Ok(filled)
}

fn variable<'e>(name: &str, environment: &'e Environment) -> Result<&'e str, (String, String)> {
    let legal = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if name.is_empty() || !legal || name.as_bytes()[0].is_ascii_digit() {
        let message = format!("`${{{name}}}` names no environment variable");
        return Err((message, "write `${NAME}`, `${file:PATH}`, or `$${` for the two characters".into()));
    }
    environment.get(name).ok_or_else(|| {
        let message = format!("the environment variable `{name}` is not set");
        (message, "set it before the start: the environment is read once".into())
    })
}

fn file(path: &str, reader: &mut Reader) -> Result<String, (String, String)> {
    if path.is_empty() {
        return Err(("`${file:}` names no file".into(), "write `${file:PATH}`".into()));
    }
    let bytes = reader.read_file(path, MAX_FILE).map_err(|why| {
        let hint = "a path is relative to the folder of the configuration";
        (format!("the file `{path}` {why}"), hint.to_owned())
    })?;
    let text = String::from_utf8(bytes).map_err(|_| {
        (format!("the file `{path}` is no text"), "`${file:…}` brings in UTF-8 text, such as a password".to_owned())
    })?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    Ok(line.strip_suffix('\r').unwrap_or(line).to_owned())
}
