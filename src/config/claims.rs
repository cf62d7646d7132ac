//! Where tokens keep things (`claims`), and what they must say (`require`).

use super::model::{ClaimNames, ClaimPath, Requirement};
use super::read::Reader;
use super::yaml::Node;

/// Why a text names no claim.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidClaimPath {
    /// Nothing names nothing.
    #[error("names no claim")]
    Empty,
    /// A `~` that is neither `~0` nor `~1` (RFC 6901 §3).
    #[error("holds a `~` that is neither `~0` nor `~1`")]
    Escape,
}

impl ClaimPath {
    /// Reads a member's name, or a JSON pointer (RFC 6901) if the text begins with `/`.
    ///
    /// A name such as `https://example.com/roles` is a member's name; one that begins with `/` is written as a pointer
    /// with `~1` for its slashes.
    ///
    /// # Errors
    ///
    /// [`InvalidClaimPath`] for an empty name or a bad escape.
    pub fn parse(text: &str) -> Result<Self, InvalidClaimPath> {
        let steps = match text.strip_prefix('/') {
            None if text.is_empty() => return Err(InvalidClaimPath::Empty),
            None => vec![text.to_owned()],
            Some("") => return Err(InvalidClaimPath::Empty),
            Some(pointer) => pointer.split('/').map(unescape).collect::<Result<_, _>>()?,
        };
        Ok(Self { text: text.to_owned(), steps })
    }
}

fn unescape(step: &str) -> Result<String, InvalidClaimPath> {
    let bad = step.split('~').skip(1).any(|behind| !behind.starts_with(['0', '1']));
    // `~01` is `~1`, so the order matters (RFC 6901 §4).
    if bad { Err(InvalidClaimPath::Escape) } else { Ok(step.replace("~1", "/").replace("~0", "~")) }
}

impl Default for ClaimNames {
    /// Where RFC 9068 and most issuers keep them.
    fn default() -> Self {
        let paths = |names: &[&str]| {
            names.iter().map(|name| ClaimPath { text: (*name).to_owned(), steps: vec![(*name).to_owned()] }).collect()
        };
        Self {
            scope: paths(&["scope", "scp"]),
            client: paths(&["client_id", "azp"]),
            subject: paths(&["sub"]),
            carry: Vec::new(),
        }
    }
}

/// Reads `claims`; what it does not say is as in `base`.
pub(super) fn claims(reader: &mut Reader, node: &Node, base: &ClaimNames) -> Option<ClaimNames> {
    let mut section = reader.section(node, "`claims`")?;
    // An issuer whose tokens have no scopes says `scope: []`.
    let scope = section.optional(reader, "scope", paths);
    let client = section.optional(reader, "client", some_paths);
    let subject = section.optional(reader, "subject", some_paths);
    let carry = section.optional(reader, "carry", carried);
    section.finish(reader);
    Some(ClaimNames {
        scope: scope.unwrap_or_else(|| base.scope.clone()),
        client: client.unwrap_or_else(|| base.client.clone()),
        subject: subject.unwrap_or_else(|| base.subject.clone()),
        carry: carry.unwrap_or_else(|| base.carry.clone()),
    })
}

/// One claim.
pub(super) fn path(reader: &mut Reader, node: &Node) -> Option<ClaimPath> {
    let text = reader.string(node)?;
    let scalar = reader.scalar(node)?;
    match ClaimPath::parse(&text) {
        Ok(path) => Some(path),
        Err(why) => {
            let message = format!("`{}` {why}", scalar.shown());
            reader.log.error(
                node.place,
                message,
                "write a member's name, or a JSON pointer such as `/realm_access/roles`",
            );
            None
        }
    }
}

fn paths(reader: &mut Reader, node: &Node) -> Option<Vec<ClaimPath>> {
    let mut seen = Vec::new();
    reader.one_or_many(node, |reader, item| {
        let path = path(reader, item)?;
        if seen.contains(&path) {
            reader.repeated(item);
            return None;
        }
        seen.push(path.clone());
        Some(path)
    })
}

/// Claims that go into our own tokens, each under the last name of its path.
fn carried(reader: &mut Reader, node: &Node) -> Option<Vec<ClaimPath>> {
    let mut names: Vec<String> = Vec::new();
    let paths = paths(reader, node)?;
    for path in &paths {
        let name = path.steps.last().cloned().unwrap_or_default();
        if names.contains(&name) {
            let message = format!("two claims would be carried on as `{}`", reader.public(&name));
            reader.log.error(
                node.owner,
                message,
                "a claim is carried on under the last name of its path; keep one of the two",
            );
            return None;
        }
        names.push(name);
    }
    Some(paths)
}

fn some_paths(reader: &mut Reader, node: &Node) -> Option<Vec<ClaimPath>> {
    let before = reader.log.errors();
    let paths = paths(reader, node)?;
    if paths.is_empty() && reader.log.errors() == before {
        reader.log.error(node.owner, "no claim is named here", "leave the key out for the usual ones, or name one");
        return None;
    }
    Some(paths)
}

/// Reads `require`: claims, each with the values that it may have.
pub(super) fn require(reader: &mut Reader, node: &Node) -> Option<Vec<Requirement>> {
    let section = reader.section(node, "`require`")?;
    let mut requirements = Vec::new();
    for (key, node) in section.entries() {
        let claim = match ClaimPath::parse(&key.text) {
            Ok(claim) => claim,
            Err(why) => {
                let hint = "write a member's name, or a JSON pointer such as `/kubernetes.io/namespace`";
                reader.log.error(key.place, format!("`{}` {why}", key.shown()), hint);
                continue;
            }
        };
        // A number or a switch is compared as JSON prints it, which is how it stands here.
        let before = reader.log.errors();
        let Some(values) = reader.strings(node) else { continue };
        if values.is_empty() && reader.log.errors() == before {
            let message = format!("`{}` may have no value at all", key.shown());
            reader.log.error(key.place, message, "list the values that are let in; no token would be");
        }
        requirements.push(Requirement { claim, values });
    }
    Some(requirements)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_a_member_or_a_pointer() {
        let steps = |text: &str| ClaimPath::parse(text).map(|path| path.steps);
        assert_eq!(steps("scp"), Ok(vec!["scp".to_owned()]));
        assert_eq!(steps("https://acme.example/roles"), Ok(vec!["https://acme.example/roles".to_owned()]));
        assert_eq!(steps("/realm_access/roles"), Ok(vec!["realm_access".to_owned(), "roles".to_owned()]));
        assert_eq!(steps("/kubernetes.io/namespace"), Ok(vec!["kubernetes.io".to_owned(), "namespace".to_owned()]));
        assert_eq!(steps("/a~1b/~01"), Ok(vec!["a/b".to_owned(), "~1".to_owned()]));
        assert_eq!(steps(""), Err(InvalidClaimPath::Empty));
        assert_eq!(steps("/"), Err(InvalidClaimPath::Empty));
        assert_eq!(steps("/a~2"), Err(InvalidClaimPath::Escape));
        assert_eq!(steps("/a~"), Err(InvalidClaimPath::Escape));
    }
}
