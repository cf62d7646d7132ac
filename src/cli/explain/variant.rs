//! The one spelling of a path that has several: what a client should have sent instead of a refused target.
//!
//! A suggestion for people, and nothing else: the gate never repairs a request.

use crate::config::Config;
use crate::route::{Authority, Target};

/// The path that was probably meant; nothing if nobody can tell, or if it is the one that was sent.
pub(super) fn canonical(target: &str, authority: Option<&Authority<'_>>, config: &Config) -> Option<String> {
    let path = target.split(['?', '#']).next().unwrap_or(target);
    let segments = segments(&unescaped(path));
    let meant = with_resource_case(format!("/{}", segments.join("/")), authority, config);
    let differs = meant != path || target.contains('#');
    (differs && Target::parse(meant.as_bytes()).is_ok()).then_some(meant)
}

/// The path with plain slashes, and without escapes of what needs none.
fn unescaped(path: &str) -> String {
    let mut plain = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(at) = rest.find(['%', '\\']) {
        plain.push_str(&rest[..at]);
        if rest.as_bytes()[at] == b'\\' {
            plain.push('/');
            rest = &rest[at + 1..];
            continue;
        }
        let byte = rest.get(at + 1..at + 3).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match byte {
            Some(byte) if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) => plain.push(byte.into()),
            Some(b'\\') => plain.push('/'),
            Some(_) => plain.push_str(&rest[at..at + 3]),
            None => plain.push('%'),
        }
        rest = &rest[if byte.is_some() { at + 3 } else { at + 1 }..];
    }
    plain + rest
}

/// The segments that remain when dot segments are followed, empty ones dropped and parameters cut off.
fn segments(path: &str) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    for written in path.split('/') {
        match written.split(';').next().unwrap_or(written) {
            "" | "." => {}
            ".." => {
                kept.pop();
            }
            segment => kept.push(segment.to_owned()),
        }
    }
    if path.ends_with('/') && !kept.is_empty() {
        kept.push(String::new());
    }
    kept
}

/// The path with the resource's own spelling of its prefix.
fn with_resource_case(path: String, authority: Option<&Authority<'_>>, config: &Config) -> String {
    let serves = |host: &str| authority.is_none_or(|authority| authority.host().eq_ignore_ascii_case(host));
    let prefixes = config.resources.iter().filter(|resource| {
        resource.matches.hosts.iter().any(|pattern| serves(&pattern.host)) && {
            let prefix = resource.matches.path.trim_end_matches('/');
            path.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
                && matches!(path.as_bytes().get(prefix.len()), None | Some(b'/'))
        }
    });
    let longest = prefixes.map(|resource| resource.matches.path.trim_end_matches('/')).max_by_key(|path| path.len());
    match longest {
        Some(prefix) => format!("{prefix}{}", &path[prefix.len()..]),
        None => path,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{self, Environment};

    const ORDERS: &str = "
listen: 127.0.0.1:0
resources:
  https://a.example/orders: { public: true, upstream: http://127.0.0.1:1 }";

    #[test]
    fn finds_the_one_spelling() {
        let config = config::parse(ORDERS, Path::new("gateway.yaml"), &Environment::default()).unwrap().config;
        let meant = |target| canonical(target, None, &config);
        for target in [
            "/x/../orders/7?a=b",
            "/orders//7",
            "/%6frders/7",
            "/Orders\\7?a=b",
            "/orders%2F7",
            "/orders;v=1/7;x",
            "/orders/7#part",
        ] {
            assert_eq!(meant(target).as_deref(), Some("/orders/7"), "{target}");
        }
        assert_eq!(meant("/orders/7?a=b"), None, "it is the one that was sent");
        assert_eq!(meant("/orders/%zz"), None, "nobody knows what was meant");
        assert_eq!(meant("/\u{e4}"), None);
    }
}
