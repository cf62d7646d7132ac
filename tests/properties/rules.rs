//! Rules add up: one that is not public never lets more through. And what was matched is what is forwarded.

use std::fmt::Write;

use http::Method;
use narrowgate::guard::{Decision, UpstreamTarget};
use proptest::prelude::*;
use serde_json::json;

use super::workshop::{Gateway, sign};

const SCOPES: [&str; 3] = ["s0", "s1", "s2"];
const SEGMENTS: [&str; 3] = ["a", "b", "c"];

/// A rule as a model: segments (nothing for `{name}`), whether `{*rest}` follows, methods, and scopes unless public.
#[derive(Clone, Debug)]
struct Rule {
    path: Option<(Vec<Option<&'static str>>, bool)>,
    methods: Vec<&'static str>,
    scopes: Option<Vec<&'static str>>,
}

#[derive(Clone, Debug)]
struct Request {
    method: &'static str,
    segments: Vec<&'static str>,
    final_slash: bool,
    upper: bool,
    token: Option<Vec<&'static str>>,
}

impl Rule {
    fn yaml(&self) -> String {
        let mut text = String::from("      - { ");
        if let Some((segments, rest)) = &self.path {
            let mut path = String::new();
            for (at, segment) in segments.iter().enumerate() {
                let _ = match segment {
                    Some(literal) => write!(path, "/{literal}"),
                    None => write!(path, "/{{p{at}}}"),
                };
            }
            path.push_str(if *rest { "/{*rest}" } else { "/" });
            let _ = write!(text, "path: \"{path}\", ");
        }
        if !self.methods.is_empty() {
            let _ = write!(text, "methods: [{}], ", self.methods.join(", "));
        }
        let _ = match &self.scopes {
            Some(scopes) => writeln!(text, "scopes: [{}] }}", scopes.join(", ")),
            None => writeln!(text, "public: true }}"),
        };
        text
    }

    /// The set of paths, as the contract tells it; case counts for public rules only.
    fn matches_path(&self, request: &Request) -> bool {
        let Some((segments, rest)) = &self.path else {
            return true;
        };
        let asked: Vec<String> = request.path_segments();
        let fits = |(pattern, asked): (&Option<&str>, &String)| match (pattern, &self.scopes) {
            (None, _) => true,
            (Some(literal), Some(_)) => literal.eq_ignore_ascii_case(asked),
            (Some(literal), None) => literal == asked,
        };
        let length = asked.len() == segments.len() || (*rest && asked.len() > segments.len());
        length && segments.iter().zip(&asked).all(fits)
    }

    fn applies(&self, request: &Request) -> bool {
        let head = request.method == "HEAD" && self.methods.contains(&"GET");
        (self.methods.is_empty() || self.methods.contains(&request.method) || head) && self.matches_path(request)
    }

    /// Whether this rule's paths are a proper part of the other's.
    fn is_more_specific_than(&self, other: &Self) -> bool {
        let (segments, rest) = self.path.clone().unwrap_or((vec![], true));
        let (wider, wider_rest) = other.path.clone().unwrap_or((vec![], true));
        let covered = wider.len() <= segments.len()
            && wider.iter().zip(&segments).all(|(wide, own)| wide.is_none() || wide == own);
        let longer = segments.len() > wider.len();
        let inside = covered && (if longer || rest { wider_rest } else { true });
        let equal = segments == wider && rest == wider_rest;
        inside && !equal
    }
}

impl Request {
    fn path_segments(&self) -> Vec<String> {
        let spell = |segment: &&str| if self.upper { segment.to_ascii_uppercase() } else { segment.to_string() };
        self.segments.iter().map(spell).collect()
    }

    fn target(&self) -> String {
        let path = self.path_segments().concat_with_slashes();
        match (path.is_empty(), self.final_slash) {
            (true, _) => "/".into(),
            (false, true) => format!("{path}/?q=%2F"),
            (false, false) => path,
        }
    }
}

trait ConcatWithSlashes {
    fn concat_with_slashes(&self) -> String;
}

impl ConcatWithSlashes for Vec<String> {
    fn concat_with_slashes(&self) -> String {
        self.iter().map(|segment| format!("/{segment}")).collect()
    }
}

/// What the documentation says about rules, as plainly as it can be written down.
fn model_allows(rules: &[Rule], request: &Request) -> bool {
    let applying: Vec<&Rule> = rules.iter().filter(|rule| rule.applies(request)).collect();
    let most_specific: Vec<&&Rule> =
        applying.iter().filter(|rule| !applying.iter().any(|other| other.is_more_specific_than(rule))).collect();
    if !most_specific.is_empty() && most_specific.iter().all(|rule| rule.scopes.is_none()) {
        return true;
    }
    let Some(token) = &request.token else {
        return false;
    };
    applying.iter().filter_map(|rule| rule.scopes.as_ref()).flatten().all(|scope| token.contains(scope))
}

fn gateway(rules: &[Rule]) -> Option<Gateway> {
    let rules = match rules {
        [] => String::from("      []\n"),
        rules => rules.iter().map(Rule::yaml).collect(),
    };
    Gateway::of(&format!(
        "listen: 127.0.0.1:0\ntrusted_issuers:\n  corp: {{ issuer: https://login.example, jwks: jwks.json }}\nresources:\n  \
         https://api.example:\n    upstream: http://127.0.0.1:9\n    scopes: [s0, s1, s2]\n    rules:\n{rules}"
    ))
}

/// Whether the request passes; and if it does, that the target is the one that was sent.
fn allows(gateway: &Gateway, request: &Request) -> bool {
    let token = request.token.as_ref().map(|scopes| {
        let scope = scopes.join(" ");
        sign(json!({"iss": "https://login.example", "aud": "https://api.example", "sub": "u", "client_id": "c", "scope": scope}))
    });
    let method: Method = request.method.parse().expect("a method");
    match gateway.ask(&method, "api.example", &request.target(), token.as_deref()) {
        Decision::Forward(permit) => {
            assert_eq!(permit.target(), &UpstreamTarget::AsReceived);
            true
        }
        Decision::Deny(_) => false,
        other => panic!("no verdict: {other:?}"),
    }
}

fn any_rule(public: impl Strategy<Value = bool>) -> impl Strategy<Value = Rule> {
    let segment = prop::option::weighted(0.7, prop::sample::select(&SEGMENTS[..]));
    let path = prop::option::weighted(0.8, (prop::collection::vec(segment, 0..3), any::<bool>()));
    let methods = prop::sample::subsequence(vec!["GET", "POST"], 0..=2);
    let scopes = prop::sample::subsequence(SCOPES.to_vec(), 0..=2);
    (path, methods, scopes, public).prop_map(|(path, methods, scopes, public)| Rule {
        path,
        methods,
        scopes: (!public).then_some(scopes),
    })
}

fn any_request() -> impl Strategy<Value = Request> {
    let method = prop::sample::select(vec!["GET", "HEAD", "POST"]);
    let segments = prop::collection::vec(prop::sample::select(&SEGMENTS[..]), 0..4);
    let token = prop::option::weighted(0.8, prop::sample::subsequence(SCOPES.to_vec(), 0..=3));
    (method, segments, any::<bool>(), any::<bool>(), token).prop_map(|(method, segments, final_slash, upper, token)| {
        Request { method, segments, final_slash, upper, token }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, max_global_rejects: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn the_gate_allows_what_the_contract_says(
        rules in prop::collection::vec(any_rule(prop::bool::weighted(0.3)), 0..5),
        requests in prop::collection::vec(any_request(), 8),
    ) {
        let Some(gateway) = gateway(&rules) else { return Err(TestCaseError::reject("patterns cross")) };
        for request in requests {
            prop_assert_eq!(allows(&gateway, &request), model_allows(&rules, &request), "{:?}", request);
        }
    }

    #[test]
    fn a_rule_that_is_not_public_never_lets_more_through(
        rules in prop::collection::vec(any_rule(prop::bool::weighted(0.3)), 0..4),
        added in any_rule(Just(false)),
        requests in prop::collection::vec(any_request(), 8),
    ) {
        let (Some(before), Some(after)) = (gateway(&rules), gateway(&[rules.clone(), vec![added]].concat())) else {
            return Err(TestCaseError::reject("patterns cross"));
        };
        for request in requests {
            prop_assert!(allows(&before, &request) || !allows(&after, &request), "{:?}", request);
        }
    }

    #[test]
    fn what_is_forwarded_is_what_was_matched_and_nothing_ambiguous_is(target in "/[-a-zA-Z0-9._~%;:@!$&'()*+,=/?#\\\\ ]{0,12}") {
        let gateway = gateway(&[]).expect("no rules, no faults");
        let token = sign(json!({"iss": "https://login.example", "aud": "https://api.example", "sub": "u", "client_id": "c"}));
        if let Decision::Forward(permit) = gateway.ask(&Method::GET, "api.example", &target, Some(&token)) {
            prop_assert_eq!(permit.target(), &UpstreamTarget::AsReceived);
            let path = target.split('?').next().unwrap_or_default();
            let lower = path.to_ascii_lowercase();
            for second_reading in ["//", "/./", "/../", "\\", "%2f", "%5c", "%2e", ";", "#", " "] {
                prop_assert!(!lower.contains(second_reading), "{} was forwarded", target);
            }
            prop_assert!(!lower.ends_with("/.") && !lower.ends_with("/.."), "{} was forwarded", target);
        }
    }
}
