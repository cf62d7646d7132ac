//! What is minted here is held against what is verified here, and against the standard's text.

use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use super::*;
use crate::clock::Timestamp;
use crate::config::{self, BroadTokens, Config, Environment, JwksLocation, KeySource, Resource, ResourceId};
use crate::fetch::Fetcher;
use crate::oauth::{Algorithm, ClientRef, IssuerName, Reason, Scope, SigningAlgorithm, Subject};
use crate::token::keys::KeySet;
use crate::token::{Audience, AudienceTable, Keyring, Presented, Refused, TokenCache, TrustedKeys, VerifiedToken};
use crate::token::{Voucher, verify};

const NOW: Timestamp = Timestamp(1_790_000_000);

const CONFIGURATION: &str = "
listen: 127.0.0.1:0
trusted_issuers:
  auth: { issuer: https://auth.example, jwks: https://auth.example/jwks, token_type: at+jwt }
resources:
  https://api1.example: { upstream: http://127.0.0.1:1, scopes: [read, write, 'transaction:{id}'] }
  https://api2.example: { upstream: http://127.0.0.1:2, scopes: [read, reports] }
  https://open.example: { upstream: http://127.0.0.1:3, public: true }
  https://plain.example: { upstream: http://127.0.0.1:4 }
";

fn configuration() -> Config {
    let loaded = config::parse(CONFIGURATION, Path::new("gateway.yaml"), &Environment::default());
    loaded.unwrap_or_else(|faults| panic!("{faults}")).config
}

/// The issuer's keys, and a gate that trusts exactly what they publish.
struct Bench {
    config: Config,
    keys: SigningKeys,
    corp: IssuerName,
    root: GrantId,
    user_claims: UserClaims,
}

impl Bench {
    fn new() -> Self {
        let key = |algorithm| SigningKey::generate(algorithm).unwrap().0;
        let others = vec![key(SigningAlgorithm::Rs256), key(SigningAlgorithm::Ps256), key(SigningAlgorithm::EdDsa)];
        Self::with(SigningKeys::new(key(SigningAlgorithm::Es256), others, Vec::new()).unwrap())
    }

    fn with(keys: SigningKeys) -> Self {
        let mut config = configuration();
        let json = keys.jwk_set().to_shared();
        config.trusted_issuers[0].keys =
            KeySource::Jwks(vec![JwksLocation::File { path: PathBuf::from("jwks.json"), json }]);
        let corp = IssuerName::parse("corp").unwrap();
        Self { config, keys, corp, root: GrantId::generate().unwrap(), user_claims: UserClaims::default() }
    }

    /// With the one key that costs least to make.
    fn quick() -> Self {
        let (key, _) = SigningKey::generate(SigningAlgorithm::Es256).unwrap();
        Self::with(SigningKeys::new(key, Vec::new(), Vec::new()).unwrap())
    }

    fn resource(&self, at: usize) -> &Resource {
        &self.config.resources[at]
    }

    /// A token of a user: right in every way until a test makes it wrong in one.
    fn right(&self) -> NewAccessToken<'_> {
        NewAccessToken {
            issuer: "https://auth.example",
            subject: TokenSubject::Named(Subject { issuer: Some(&self.corp), value: "alice" }),
            client: ClientRef { issuer: None, id: "reporting-app" },
            scopes: &[],
            now: NOW,
            lifetime: Duration::from_secs(300),
            source: Source::Grant(self.root),
            login: None,
            actor: None,
            user_claims: &self.user_claims,
        }
    }

    fn mint(&self, at: usize, new: &NewAccessToken<'_>) -> MintedToken {
        AccessToken::new(self.resource(at), new).unwrap().sign(&self.keys, self.keys.default_algorithm()).unwrap()
    }

    fn refusal<'b>(&'b self, change: impl FnOnce(&mut NewAccessToken<'b>)) -> NotMinted {
        let mut new = self.right();
        change(&mut new);
        AccessToken::new(self.resource(0), &new).unwrap_err()
    }

    /// What the gate says to this token at one of its resources.
    fn verify(&self, at: usize, compact: &str, now: Timestamp) -> Result<VerifiedToken, Reason> {
        let keyring = Keyring::new(self.config.trusted_issuers[0].clone(), Fetcher::new(None).unwrap());
        let trusted = TrustedKeys::new(vec![keyring], None, 8192, 86_400);
        let table = AudienceTable::new(&self.config).unwrap();
        let audience = Audience { resource: ResourceId(at), broad_tokens: BroadTokens::Strict, table: &table };
        let presented = Presented { compact, now, keys_awaited: true };
        let tokens = TokenCache::new(1 << 20).unwrap();
        match verify(&audience, &presented, &trusted, &tokens, |_| Some(Voucher { claims: None })) {
            Ok(verified) => Ok(verified),
            Err(Refused::Rejected { rejection, .. }) => Err(rejection.reason),
            Err(Refused::AwaitKeys(_)) => panic!("keys in files are never awaited"),
        }
    }
}

fn scopes(words: &[&str]) -> Vec<Scope> {
    words.iter().map(|word| Scope::parse(word).unwrap()).collect()
}

fn part(compact: &str, at: usize) -> String {
    let part = compact.split('.').nth(at).unwrap();
    String::from_utf8(URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

#[test]
fn our_own_gate_accepts_what_was_minted_for_it_and_nobody_else_does() {
    let bench = Bench::new();
    let scopes = scopes(&["read"]);
    for algorithm in SigningAlgorithm::ALL {
        for (at, other) in [(0, 1), (1, 0)] {
            let new = NewAccessToken { scopes: &scopes, ..bench.right() };
            let token = AccessToken::new(bench.resource(at), &new).unwrap().sign(&bench.keys, algorithm).unwrap();
            let verified = bench.verify(at, token.expose(), NOW).unwrap();
            let genuine = verified.genuine();
            assert_eq!(genuine.scopes().unwrap().iter().collect::<Vec<_>>(), ["read"]);
            assert_eq!((genuine.subject(), genuine.client()), (Some("corp|alice"), Some("reporting-app")));
            assert_eq!(bench.verify(other, token.expose(), NOW).unwrap_err(), Reason::AudienceMismatch);
            let end = Timestamp(token.access_token().expires().0 + 30);
            assert_eq!(bench.verify(at, token.expose(), end).unwrap_err(), Reason::TokenExpired);
        }
    }
}

#[test]
fn a_token_without_scopes_is_accepted_and_has_no_scope() {
    let bench = Bench::quick();
    for at in [0, 3] {
        let token = bench.mint(at, &bench.right());
        assert_eq!(token.access_token().scope(), None);
        assert!(bench.verify(at, token.expose(), NOW).unwrap().genuine().scopes().is_none());
    }
}

#[test]
fn the_header_has_three_members() {
    let bench = Bench::new();
    for algorithm in SigningAlgorithm::ALL {
        let said = AccessToken::new(bench.resource(0), &bench.right()).unwrap();
        let token = said.sign(&bench.keys, algorithm).unwrap();
        let kid = bench.keys.key(algorithm).unwrap().kid();
        let expected = format!(r#"{{"typ":"at+jwt","alg":"{algorithm}","kid":"{kid}"}}"#);
        assert_eq!(part(token.expose(), 0), expected);
    }
}

#[test]
fn the_claims_are_these_and_no_others() {
    let mut bench = Bench::quick();
    bench.user_claims = UserClaims::new(Map::from_iter([
        ("department".to_owned(), json!("sales")),
        ("groups".to_owned(), json!(["a", "b"])),
    ]))
    .unwrap();
    let scopes = scopes(&["read", "transaction:7", "read"]);
    let actor = Actor::new("api1-service", Some("https://auth.example"), None).unwrap();
    let actor = Actor::new("api2-service", Some("https://auth.example"), Some(actor)).unwrap();
    let amr = ["pwd".to_owned(), "otp".to_owned()];
    let login = Login { time: Some(Timestamp(NOW.0 - 60)), acr: Some("urn:mace:incommon:iap:silver"), amr: &amr };
    let source = Source::Ending { root: bench.root, ends: Timestamp(NOW.0 + 40) };
    let new = NewAccessToken { scopes: &scopes, login: Some(login), actor: Some(&actor), source, ..bench.right() };
    let token = bench.mint(0, &new);
    let jti = token.access_token().jti();
    assert_eq!(GrantId::of_jti(jti), Ok(bench.root));
    let golden = concat!(
        r#"{"iss":"https://auth.example","sub":"corp|alice","aud":"https://api1.example","client_id":"reporting-app","#,
        r#""iat":1790000000,"exp":1790000040,"jti":"JTI","scope":"read transaction:7","#,
        r#""auth_time":1789999940,"acr":"urn:mace:incommon:iap:silver","amr":["pwd","otp"],"#,
        r#""act":{"sub":"api2-service","iss":"https://auth.example","#,
        r#""act":{"sub":"api1-service","iss":"https://auth.example"}},"#,
        r#""department":"sales","groups":["a","b"]}"#,
    );
    assert_eq!(part(token.expose(), 1), golden.replace("JTI", jti));
    assert_eq!(token.expires_in(), Duration::from_secs(40));
    assert!(bench.verify(0, token.expose(), NOW).is_ok());
}

#[test]
fn a_login_that_nobody_dates_has_no_time() {
    let bench = Bench::quick();
    let login = Login { time: None, acr: Some("mfa"), amr: &[] };
    let said = part(bench.mint(0, &NewAccessToken { login: Some(login), ..bench.right() }).expose(), 1);
    assert!(said.contains(r#""acr":"mfa""#) && !said.contains("auth_time"), "{said}");
}

#[test]
fn a_client_without_a_user_is_its_own_subject() {
    let bench = Bench::quick();
    let token = bench.mint(0, &NewAccessToken { subject: TokenSubject::Client, ..bench.right() });
    let golden = concat!(
        r#"{"iss":"https://auth.example","sub":"reporting-app","aud":"https://api1.example","#,
        r#""client_id":"reporting-app","iat":1790000000,"exp":1790000300,"jti":"JTI"}"#,
    );
    assert_eq!(part(token.expose(), 1), golden.replace("JTI", token.access_token().jti()));
}

#[test]
fn subject_and_client_of_another_issuer_carry_its_name() {
    let bench = Bench::quick();
    let client = ClientRef { issuer: Some(&bench.corp), id: "web" };
    let token = bench.mint(0, &NewAccessToken { client, ..bench.right() });
    assert_eq!((token.access_token().subject(), token.access_token().client_id()), ("corp|alice", "corp|web"));
    // What one of our own tokens says already has the name, and keeps it.
    let subject = TokenSubject::Named(Subject { issuer: None, value: "corp|alice" });
    assert_eq!(bench.mint(0, &NewAccessToken { subject, ..bench.right() }).access_token().subject(), "corp|alice");
}

#[test]
fn nobody_is_refused() {
    let bench = Bench::quick();
    let empty = Subject { issuer: Some(&bench.corp), value: "" };
    assert_eq!(bench.refusal(|new| new.subject = TokenSubject::Named(empty)), NotMinted::Subject);
    for id in ["", "corp|alice", "|"] {
        assert_eq!(bench.refusal(|new| new.client.id = id), NotMinted::ClientId, "{id}");
    }
}

#[test]
fn a_scope_of_another_resource_is_refused() {
    let bench = Bench::quick();
    for word in ["reports", "Read", "transaction:{id}", "transaction:", "transaction:7/8"] {
        let scopes = scopes(&["read", word]);
        let new = NewAccessToken { scopes: &scopes, ..bench.right() };
        let refused = AccessToken::new(bench.resource(0), &new).unwrap_err();
        assert_eq!(refused, NotMinted::ForeignScope(scopes[1].clone()));
    }
    let scopes = scopes(&["read"]);
    let new = NewAccessToken { scopes: &scopes, ..bench.right() };
    assert!(matches!(AccessToken::new(bench.resource(3), &new), Err(NotMinted::ForeignScope(_))));
}

#[test]
fn a_public_resource_is_never_an_audience() {
    let bench = Bench::quick();
    let refused = AccessToken::new(bench.resource(2), &bench.right()).unwrap_err();
    assert_eq!(refused, NotMinted::PublicAudience);
}

#[test]
fn what_has_ended_yields_nothing() {
    let bench = Bench::quick();
    for ends in [0, NOW.0 - 1, NOW.0] {
        let source = Source::Ending { root: bench.root, ends: Timestamp(ends) };
        assert_eq!(bench.refusal(|new| new.source = source), NotMinted::Ended, "{ends}");
    }
    for lifetime in [Duration::ZERO, Duration::from_millis(999)] {
        assert_eq!(bench.refusal(|new| new.lifetime = lifetime), NotMinted::Ended);
    }
    let source = Source::Ending { root: bench.root, ends: Timestamp(NOW.0 + 1) };
    let token = bench.mint(0, &NewAccessToken { source, ..bench.right() });
    assert_eq!(token.expires_in(), Duration::from_secs(1));
    let source = Source::Ending { root: bench.root, ends: Timestamp(u64::MAX) };
    let token = bench.mint(0, &NewAccessToken { source, ..bench.right() });
    assert_eq!(token.expires_in(), Duration::from_secs(300), "a later end lengthens nothing");
}

#[test]
fn the_longest_chain_of_actors_can_still_be_read() {
    let bench = Bench::quick();
    let actor = (1..Actor::MOST)
        .fold(Actor::new("a", None, None).unwrap(), |earlier, _| Actor::new("a", None, Some(earlier)).unwrap());
    let token = bench.mint(0, &NewAccessToken { actor: Some(&actor), ..bench.right() });
    let verified = bench.verify(0, token.expose(), NOW).unwrap();
    assert_eq!(Actor::from_claim(&verified.genuine().claims().get("act").unwrap().to_value()), Ok(actor));
}

#[test]
fn an_algorithm_without_a_key_signs_nothing() {
    let bench = Bench::quick();
    let said = AccessToken::new(bench.resource(0), &bench.right()).unwrap();
    let refused = said.sign(&bench.keys, SigningAlgorithm::Rs256).unwrap_err();
    assert_eq!(refused, NotMinted::NoKey(SigningAlgorithm::Rs256));
}

#[test]
fn a_token_never_shows_itself() {
    let bench = Bench::quick();
    let token = bench.mint(0, &bench.right());
    assert_eq!(format!("{token:?}"), format!("MintedToken {{ jti: {:?}, .. }}", token.access_token().jti()));
}

#[test]
fn all_keys_are_published_and_only_their_public_halves() {
    use SigningAlgorithm::{EdDsa, Es256, Rs256};
    let key = |algorithm| SigningKey::generate(algorithm).unwrap().0;
    let (now, rsa, next, old) = (key(Es256), key(Rs256), key(Es256), key(EdDsa));
    let published = vec![next.public_jwk().clone(), old.public_jwk().clone(), now.public_jwk().clone()];
    let keys = SigningKeys::new(now.clone(), vec![rsa.clone()], published).unwrap();
    let document: Value = serde_json::from_slice(keys.jwk_set().as_bytes()).unwrap();
    let kids: Vec<_> = document["keys"].as_array().unwrap().iter().map(|jwk| jwk["kid"].as_str().unwrap()).collect();
    assert_eq!(kids, [now.kid(), rsa.kid(), next.kid(), old.kid()]);
    for jwk in document["keys"].as_array().unwrap() {
        let members: Vec<_> = jwk.as_object().unwrap().keys().map(String::as_str).collect();
        let expected: &[&str] = match jwk["kty"].as_str().unwrap() {
            "EC" => &["alg", "crv", "kid", "kty", "use", "x", "y"],
            "RSA" => &["alg", "e", "kid", "kty", "n", "use"],
            _ => &["alg", "crv", "kid", "kty", "use", "x"],
        };
        assert_eq!(members, expected);
    }
    let (set, skipped) = KeySet::parse(&[keys.jwk_set().as_bytes()], &Algorithm::ALL).unwrap();
    assert_eq!((set.count(), skipped.len()), (4, 0));
    for signer in [&now, &rsa, &next, &old] {
        assert!(set.find(Some(signer.kid()), signer.algorithm().algorithm()).is_ok());
    }
    assert_eq!(keys.key(Es256).map(SigningKey::kid), Some(now.kid()), "the next key does not sign");
    assert!(keys.key(EdDsa).is_none(), "the old key does not sign");
}

#[test]
fn a_token_of_the_old_key_stays_good_after_a_rotation() {
    let key = || SigningKey::generate(SigningAlgorithm::Es256).unwrap().0;
    let (old, new) = (key(), key());
    let before = Bench::with(SigningKeys::new(old.clone(), Vec::new(), vec![new.public_jwk().clone()]).unwrap());
    let token = before.mint(0, &before.right());
    let after = Bench::with(SigningKeys::new(new.clone(), Vec::new(), vec![old.public_jwk().clone()]).unwrap());
    assert!(after.verify(0, token.expose(), NOW).is_ok());
    let withdrawn = Bench::with(SigningKeys::new(new, Vec::new(), Vec::new()).unwrap());
    assert_eq!(withdrawn.verify(0, token.expose(), NOW).unwrap_err(), Reason::KeyUnknown);
}

#[test]
fn no_look_up_finds_two_keys() {
    use SigningAlgorithm::{Es256, Ps256, Rs256};
    let key = |algorithm| SigningKey::generate(algorithm).unwrap();
    let fault = |default, others| SigningKeys::new(default, others, Vec::new()).unwrap_err();
    assert_eq!(fault(key(Es256).0, vec![key(Es256).0]), SigningKeysFault::TwoKeys(Es256));
    let (rsa, pkcs8) = key(Rs256);
    let again = SigningKey::from_pkcs8(&pkcs8, Ps256).unwrap();
    assert_eq!(fault(rsa.clone(), vec![again.clone()]), SigningKeysFault::TwoAlgorithms(Rs256, Ps256));
    let published = SigningKeys::new(rsa, Vec::new(), vec![again.public_jwk().clone()]).unwrap_err();
    assert_eq!(published, SigningKeysFault::TwoAlgorithms(Rs256, Ps256));
}
