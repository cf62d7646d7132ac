//! P1: under one configuration, at most one resource accepts a given token, unless the operator wrote otherwise there.

use std::fmt::Write;

use http::Method;
use narrowgate::guard::Decision;
use proptest::prelude::*;
use serde_json::json;

use super::workshop::{Gateway, sign};

/// A resource as its place in the list determines it, and what varies.
#[derive(Clone, Debug)]
struct Resource {
    nested: bool,
    broad_tokens: &'static str,
    issuers: Option<Vec<(usize, Vec<usize>)>>,
}

const ISSUERS: [&str; 2] = ["https://one.example", "https://two.example"];

fn key(at: usize, resource: &Resource) -> String {
    match resource.nested {
        true => format!("https://shared.example/r{at}"),
        false => format!("https://r{at}.example"),
    }
}

fn yaml(resources: &[Resource]) -> String {
    let mut text = String::from("listen: 127.0.0.1:0\ntrusted_issuers:\n");
    for (name, issuer) in ["one", "two"].iter().zip(ISSUERS) {
        let _ = writeln!(text, "  {name}: {{ issuer: {issuer}, jwks: jwks.json, ignore_audiences: [account] }}");
    }
    text.push_str("resources:\n");
    for (at, resource) in resources.iter().enumerate() {
        let _ = writeln!(text, "  {}:\n    upstream: http://127.0.0.1:9", key(at, resource));
        let _ = writeln!(text, "    broad_tokens: {}", resource.broad_tokens);
        if let Some(issuers) = &resource.issuers {
            text.push_str("    issuers:\n");
            for (issuer, names) in issuers {
                let names: Vec<String> = names.iter().map(|name| format!("name{name}")).collect();
                let _ = writeln!(text, "      {}: {{ audiences: [{}] }}", ["one", "two"][*issuer], names.join(", "));
            }
        }
    }
    text
}

fn any_resource() -> impl Strategy<Value = Resource> {
    let names = || prop::collection::btree_set(0usize..6, 0..2).prop_map(|names| names.into_iter().collect());
    let entries = (prop::option::of(names()), prop::option::of(names())).prop_map(
        |(one, two): (Option<Vec<_>>, Option<Vec<_>>)| {
            [one.map(|names| (0, names)), two.map(|names| (1, names))].into_iter().flatten().collect::<Vec<_>>()
        },
    );
    let broad_tokens = prop::sample::select(vec!["reject", "strict", "accept"]);
    (any::<bool>(), broad_tokens, prop::option::weighted(0.7, entries)).prop_map(|(nested, broad_tokens, issuers)| {
        Resource { nested, broad_tokens, issuers: issuers.filter(|list| !list.is_empty()) }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, max_global_rejects: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn a_token_opens_at_most_one_api(
        resources in prop::collection::vec(any_resource(), 1..6),
        issuer in 0usize..2,
        audience_picks in prop::collection::vec((0usize..14, 0usize..5), 0..4),
    ) {
        let Some(gateway) = Gateway::of(&yaml(&resources)) else { return Err(TestCaseError::reject("a shared audience")) };
        let audience = |(pick, variant): &(usize, usize)| match pick {
            0..6 => {
                let at = pick % resources.len();
                let key = key(at, &resources[at]);
                // Mostly the key itself, else a near miss of it.
                match variant {
                    0 => format!("{key}/"),
                    1 => key.to_ascii_uppercase(),
                    _ => key,
                }
            }
            6..12 => format!("name{}", pick - 6),
            12 => "account".into(),
            _ => "https://stranger.example".into(),
        };
        let audiences: Vec<String> = audience_picks.iter().map(audience).collect();
        let aud = match audiences.as_slice() {
            [only] => json!(only),
            several => json!(several),
        };
        let token = sign(json!({"iss": ISSUERS[issuer], "aud": aud, "sub": "u", "client_id": "c", "scope": "x"}));
        let accepting: Vec<usize> = (0..resources.len()).filter(|at| {
            let key = key(*at, &resources[*at]);
            let address = key.trim_start_matches("https://");
            let (host, path) = address.split_at(address.find('/').unwrap_or(address.len()));
            let path = if path.is_empty() { "/" } else { path };
            matches!(gateway.ask(&Method::GET, host, path, Some(&token)), Decision::Forward(_))
        }).collect();
        let without_exception = accepting.iter().filter(|at| resources[**at].broad_tokens != "accept").count();
        // One that insists on narrow tokens never shares a token with any other, not even with one that does not insist.
        prop_assert!(without_exception == 0 || accepting.len() == 1, "{:?} opens {:?}", audiences, accepting);
    }
}
