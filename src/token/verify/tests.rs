use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::*;
use crate::config::{self, BroadTokens, Config, Environment, JwksLocation, KeySource, TokenProfile};
use crate::fetch::Fetcher;
use crate::token::AudienceTable;
use crate::token::keys::signer::{TestSigner, jwks};

const NOW: Timestamp = Timestamp(1_790_000_000);

const CONFIGURATION: &str = "
listen: 127.0.0.1:0
trusted_issuers:
  one: { issuer: https://one.example, jwks: https://one.example/jwks, algorithms: [ES256, RS256] }
  two: { issuer: https://two.example, jwks: https://two.example/jwks }
resources:
  https://api1.example: { upstream: http://127.0.0.1:1 }
  https://api2.example: { upstream: http://127.0.0.1:2 }
";

/// Two issuers that both call a key `k1`, and tokens signed by them.
struct Bench {
    config: Config,
    one: TestSigner,
    one_rsa: TestSigner,
    two: TestSigner,
    tokens: TokenCache,
}

/// A token as it is about to be signed: right in every way until a test makes it wrong in one.
struct Draft {
    header: Value,
    claims: Value,
}

impl Bench {
    fn new() -> Self {
        let loaded = config::parse(CONFIGURATION, Path::new("gateway.yaml"), &Environment::default());
        let mut config = loaded.unwrap_or_else(|faults| panic!("{faults}")).config;
        let (one, one_rsa, two) =
            (TestSigner::new("k1", "ES256"), TestSigner::new("r1", "RS256"), TestSigner::new("k1", "ES256"));
        for (issuer, keys) in config.trusted_issuers.iter_mut().zip([vec![one.jwk(), one_rsa.jwk()], vec![two.jwk()]]) {
            let json = jwks(&keys).into();
            issuer.keys = KeySource::Jwks(vec![JwksLocation::File { path: PathBuf::from("jwks.json"), json }]);
        }
        let tokens = TokenCache::new(1 << 20).unwrap();
        Self { config, one, one_rsa, two, tokens }
    }

    fn verify(&self, compact: &str) -> Result<VerifiedToken, Refused> {
        self.verify_with(&self.trusted(), NOW, compact)
    }

    /// Keyrings of their own: nothing that was proven with others counts.
    fn trusted(&self) -> TrustedKeys {
        let fetcher = Fetcher::new(None).unwrap();
        let keyring = |issuer: &config::TrustedIssuer| Keyring::new(issuer.clone(), fetcher.clone());
        let keyrings = self.config.trusted_issuers.iter().map(keyring).collect();
        TrustedKeys::new(keyrings, None, 8192, 86_400)
    }

    fn verify_with(&self, trusted: &TrustedKeys, now: Timestamp, compact: &str) -> Result<VerifiedToken, Refused> {
        let table = AudienceTable::new(&self.config).unwrap();
        let audience = Audience { resource: ResourceId(0), broad_tokens: BroadTokens::Reject, table: &table };
        let presented = Presented { compact, now, keys_awaited: false };
        verify(&audience, &presented, trusted, &self.tokens, |_| Some(Voucher { claims: None }))
    }

    fn reason(&self, compact: &str) -> Option<Reason> {
        match self.verify(compact) {
            Ok(_) => None,
            Err(Refused::Rejected { rejection, .. }) => Some(rejection.reason),
            Err(Refused::AwaitKeys(_)) => panic!("keys in files are never awaited"),
        }
    }

    /// The reason for a token of the first issuer, after one change.
    fn reason_after(&self, change: impl FnOnce(&mut Draft)) -> Option<Reason> {
        let mut draft = Draft::right();
        change(&mut draft);
        self.reason(&draft.sign(&self.one))
    }
}

impl Draft {
    fn right() -> Self {
        Self {
            header: json!({"alg": "ES256", "kid": "k1", "typ": "at+jwt"}),
            claims: json!({
                "iss": "https://one.example", "aud": "https://api1.example", "sub": "u", "client_id": "c", "scope": "read",
                "iat": NOW.0, "exp": NOW.0 + 300, "jti": "j",
            }),
        }
    }

    fn with(member: &str, value: Value) -> impl FnOnce(&mut Self) {
        move |draft| draft.claims[member] = value
    }

    fn without(member: &str) -> impl FnOnce(&mut Self) {
        move |draft| drop(draft.claims.as_object_mut().unwrap().remove(member))
    }

    fn sign(&self, signer: &TestSigner) -> String {
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(&self.header), encode(&self.claims));
        let signature = signer.sign(signed.as_bytes());
        format!("{signed}.{signature}")
    }
}

#[test]
fn accepts_a_right_token_and_knows_what_it_says() {
    let bench = Bench::new();
    let verified = bench.verify(&Draft::right().sign(&bench.one)).unwrap();
    let token = verified.genuine();
    assert_eq!((token.issuer(), token.subject(), token.client()), (IssuerId(0), Some("u"), Some("c")));
    assert_eq!(token.scopes().unwrap().iter().collect::<Vec<_>>(), ["read"]);
    assert_eq!(verified.resource(), ResourceId(0));
}

#[test]
fn a_kid_means_nothing_without_its_issuer() {
    let bench = Bench::new();
    assert_eq!(bench.reason(&Draft::right().sign(&bench.two)), Some(Reason::SignatureInvalid));
    assert_eq!(bench.reason_after(Draft::with("iss", json!("https://two.example"))), Some(Reason::SignatureInvalid));
}

#[test]
fn the_issuer_is_one_of_ours_byte_for_byte() {
    let bench = Bench::new();
    for iss in ["https://one.example/", "https://ONE.example", "https://one.example.evil", "", "one"] {
        assert_eq!(bench.reason_after(Draft::with("iss", json!(iss))), Some(Reason::IssuerUntrusted), "{iss}");
    }
    for iss in [json!(null), json!(7), json!(["https://one.example"]), json!({})] {
        assert_eq!(bench.reason_after(Draft::with("iss", iss.clone())), Some(Reason::ClaimInvalid), "{iss}");
    }
    assert_eq!(bench.reason_after(Draft::without("iss")), Some(Reason::ClaimMissing));
}

#[test]
fn a_key_proves_one_algorithm() {
    let bench = Bench::new();
    let with_header = |member: &str, value: &str| bench.reason_after(|draft| draft.header[member] = json!(value));
    assert_eq!(with_header("alg", "RS256"), Some(Reason::AlgorithmNotAllowed), "the key is for ES256");
    assert_eq!(with_header("alg", "ES384"), Some(Reason::AlgorithmNotAllowed), "not on the issuer's list");
    assert_eq!(with_header("alg", "HS256"), Some(Reason::AlgorithmNotAllowed));
    assert_eq!(with_header("alg", "none"), Some(Reason::AlgorithmNotAllowed));
    assert_eq!(with_header("kid", "k2"), Some(Reason::KeyUnknown));
    assert_eq!(with_header("kid", "../../k1"), Some(Reason::KeyUnknown));
    assert_eq!(with_header("kid", "r1"), Some(Reason::AlgorithmNotAllowed));
    let mut rsa = Draft::right();
    rsa.header = json!({"alg": "RS256", "kid": "r1"});
    assert_eq!(bench.reason(&rsa.sign(&bench.one_rsa)), None);
    rsa.header = json!({"alg": "PS256", "kid": "r1"});
    assert_eq!(bench.reason(&rsa.sign(&bench.one_rsa)), Some(Reason::AlgorithmNotAllowed));
}

#[test]
fn without_a_kid_the_single_fitting_key_counts() {
    let bench = Bench::new();
    let reason = bench.reason_after(|draft| draft.header = json!({"alg": "ES256"}));
    assert_eq!(reason, None);
}

#[test]
fn every_altered_byte_breaks_the_signature() {
    let bench = Bench::new();
    let token = Draft::right().sign(&bench.one);
    let signature_from = token.rfind('.').unwrap() + 1;
    for at in [0, 10, 40, signature_from, signature_from + 40] {
        let mut altered = token.clone().into_bytes();
        altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
        assert!(bench.reason(std::str::from_utf8(&altered).unwrap()).is_some(), "byte {at}");
    }
    let zero = format!("{}{}", &token[..signature_from], URL_SAFE_NO_PAD.encode([0; 64]));
    assert_eq!(bench.reason(&zero), Some(Reason::SignatureInvalid), "r and s are zero");
}

#[test]
fn other_kinds_of_token_are_refused() {
    let bench = Bench::new();
    for kind in ["JWT", "jwt", "AT+JWT", "application/at+jwt", "application/jwt"] {
        assert_eq!(bench.reason_after(|draft| draft.header["typ"] = json!(kind)), None, "{kind}");
    }
    for kind in ["dpop+jwt", "logout+jwt", "id+jwt", "secevent+jwt", "at", "", "at+jwt "] {
        assert_eq!(bench.reason_after(|draft| draft.header["typ"] = json!(kind)), Some(Reason::TokenType), "{kind}");
    }
    for mark in ["at_hash", "c_hash", "events", "nonce"] {
        assert_eq!(bench.reason_after(Draft::with(mark, json!("x"))), Some(Reason::TokenType), "{mark}");
    }
    assert_eq!(bench.reason_after(Draft::with("typ", json!("Bearer"))), None);
    for kind in ["ID", "Refresh", "Offline", "Logout", "bearer"] {
        assert_eq!(bench.reason_after(Draft::with("typ", json!(kind))), Some(Reason::TokenType), "{kind}");
    }
    let bare = |draft: &mut Draft| {
        let claims = draft.claims.as_object_mut().unwrap();
        claims.remove("scope");
        claims.remove("client_id");
    };
    assert_eq!(bench.reason_after(bare), Some(Reason::TokenType), "neither scope nor client");
}

#[test]
fn a_bound_token_is_no_bearer_token_whatever_else_it_is() {
    let bench = Bench::new();
    for binding in [json!({"jkt": "x"}), json!({"x5t#S256": "x"}), json!({}), json!(null)] {
        assert_eq!(bench.reason_after(Draft::with("cnf", binding)), Some(Reason::ProofMissing));
    }
    let reason = bench.reason_after(|draft| {
        draft.claims["cnf"] = json!({"jkt": "x"});
        draft.claims["typ"] = json!("DPoP");
    });
    assert_eq!(reason, Some(Reason::ProofMissing), "the proof is what is missing");
}

#[test]
fn rfc_9068_in_full_where_the_issuer_says_so() {
    let mut bench = Bench::new();
    bench.config.trusted_issuers[0].token_type = TokenProfile::AtJwt;
    assert_eq!(bench.reason_after(|_| {}), None);
    for claim in ["sub", "client_id", "iat", "jti"] {
        assert_eq!(bench.reason_after(Draft::without(claim)), Some(Reason::ClaimMissing), "{claim}");
    }
    assert_eq!(bench.reason_after(Draft::with("jti", json!(7))), Some(Reason::ClaimInvalid));
    for header in [json!({"alg": "ES256", "kid": "k1"}), json!({"alg": "ES256", "kid": "k1", "typ": "JWT"})] {
        assert_eq!(bench.reason_after(|draft| draft.header = header), Some(Reason::TokenType));
    }
}

#[test]
fn times_are_numbers_and_fail_closed() {
    let bench = Bench::new();
    assert_eq!(bench.reason_after(Draft::without("exp")), Some(Reason::ClaimMissing));
    for claim in ["exp", "nbf", "iat"] {
        for value in [json!("1790000300"), json!(-1), json!(1e18), json!(null), json!([1]), json!(true)] {
            assert_eq!(
                bench.reason_after(Draft::with(claim, value.clone())),
                Some(Reason::ClaimInvalid),
                "{claim}: {value}"
            );
        }
    }
    assert_eq!(bench.reason_after(Draft::with("exp", json!(NOW.0 - 29))), None, "within the leeway");
    assert_eq!(bench.reason_after(Draft::with("exp", json!(NOW.0 - 30))), Some(Reason::TokenExpired));
    assert_eq!(bench.reason_after(Draft::with("exp", json!(NOW.0 as f64 + 300.5))), None, "a fraction is a number");
    for claim in ["nbf", "iat"] {
        assert_eq!(bench.reason_after(Draft::with(claim, json!(NOW.0 + 30))), None, "{claim} within the leeway");
        assert_eq!(
            bench.reason_after(Draft::with(claim, json!(NOW.0 + 31))),
            Some(Reason::TokenNotYetValid),
            "{claim}"
        );
    }
    assert_eq!(
        bench.reason_after(Draft::with("exp", json!(NOW.0 + 86_401))),
        Some(Reason::ClaimInvalid),
        "too long a life"
    );
}

#[test]
fn what_is_asked_about_may_begin_a_little_late_and_never_ends_so() {
    let bench = Bench::new();
    let trusted = bench.trusted();
    let reason = |claim: &str, value: u64| {
        let mut draft = Draft::right();
        Draft::with(claim, json!(value))(&mut draft);
        let compact = draft.sign(&bench.one);
        let presented = Presented { compact: &compact, now: NOW, keys_awaited: false };
        match prove_asked_about(&presented, &trusted, &bench.tokens, |_| Some(Voucher { claims: None })) {
            Ok(_) => None,
            Err(Refused::Rejected { rejection, .. }) => Some(rejection.reason),
            Err(Refused::AwaitKeys(_)) => panic!("keys in files are never awaited"),
        }
    };
    for claim in ["nbf", "iat"] {
        assert_eq!(reason(claim, NOW.0 + 30), None, "{claim}");
        assert_eq!(reason(claim, NOW.0 + 31), Some(Reason::TokenNotYetValid), "{claim}");
    }
    assert_eq!((reason("exp", NOW.0 + 1), reason("exp", NOW.0)), (None, Some(Reason::TokenExpired)));
}

#[test]
fn the_audience_is_a_string_or_strings_and_this_api() {
    let bench = Bench::new();
    let reason = |aud: Value| bench.reason_after(Draft::with("aud", aud));
    assert_eq!(reason(json!(["https://api1.example"])), None);
    assert_eq!(reason(json!(["https://api1.example", "https://stranger.example"])), None);
    assert_eq!(reason(json!("https://api2.example")), Some(Reason::AudienceMismatch));
    assert_eq!(reason(json!("")), Some(Reason::AudienceMismatch));
    assert_eq!(reason(json!(["https://api1.example", "https://api2.example"])), Some(Reason::AudienceTooBroad));
    assert_eq!(reason(json!([])), Some(Reason::AudienceMissing));
    assert_eq!(bench.reason_after(Draft::without("aud")), Some(Reason::AudienceMissing));
    for aud in [json!(null), json!(7), json!({}), json!(["https://api1.example", 7]), json!([["https://api1.example"]])]
    {
        assert_eq!(reason(aud.clone()), Some(Reason::ClaimInvalid), "{aud}");
    }
    assert_eq!(reason(json!(vec!["https://api1.example"; 65])), Some(Reason::ClaimInvalid));
}

#[test]
fn subject_client_and_scope_have_their_types() {
    let bench = Bench::new();
    for (claim, value) in
        [("sub", json!([])), ("sub", json!("")), ("client_id", json!({})), ("scope", json!(7)), ("scope", json!([7]))]
    {
        assert_eq!(
            bench.reason_after(Draft::with(claim, value.clone())),
            Some(Reason::ClaimInvalid),
            "{claim}: {value}"
        );
    }
    let nobody = |draft: &mut Draft| {
        let claims = draft.claims.as_object_mut().unwrap();
        claims.remove("sub");
        claims.remove("client_id");
    };
    assert_eq!(bench.reason_after(nobody), Some(Reason::ClaimMissing));
    assert_eq!(bench.reason_after(Draft::without("sub")), None, "machines have a client");
}

#[test]
fn a_cached_proof_is_judged_anew_in_time() {
    let bench = Bench::new();
    let (token, trusted) = (Draft::right().sign(&bench.one), bench.trusted());
    assert!(bench.verify_with(&trusted, NOW, &token).is_ok());
    assert!(bench.verify_with(&trusted, NOW, &token).is_ok());
    let later = bench.verify_with(&trusted, Timestamp(NOW.0 + 331), &token);
    assert_eq!((bench.tokens.hits(), bench.tokens.misses()), (2, 1));
    assert!(matches!(later, Err(Refused::Rejected { rejection, .. }) if rejection.reason == Reason::TokenExpired));
}

#[test]
fn a_proof_ends_with_the_key_set_that_gave_it() {
    let mut bench = Bench::new();
    let token = Draft::right().sign(&bench.one);
    assert!(bench.verify(&token).is_ok());
    let json = jwks(&[TestSigner::new("k1", "ES256").jwk()]).into();
    let withdrawn = JwksLocation::File { path: PathBuf::from("jwks.json"), json };
    bench.config.trusted_issuers[0].keys = KeySource::Jwks(vec![withdrawn]);
    assert_eq!(bench.reason(&token), Some(Reason::SignatureInvalid), "the cache must not outlive the key");
    assert_eq!(bench.tokens.hits(), 0);
}

#[test]
fn a_refusal_is_not_kept() {
    let bench = Bench::new();
    let (forged, trusted) = (Draft::right().sign(&bench.two), bench.trusted());
    for _ in 0..2 {
        assert!(bench.verify_with(&trusted, NOW, &forged).is_err());
    }
    assert_eq!((bench.tokens.hits(), bench.tokens.misses()), (0, 2));
}

#[test]
fn size_is_judged_before_anything_else() {
    let bench = Bench::new();
    assert_eq!(bench.reason(&"a".repeat(8193)), Some(Reason::TokenTooLarge));
    assert_eq!(bench.reason(&"a".repeat(8192)), Some(Reason::TokenMalformed));
}
