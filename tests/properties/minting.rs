//! P3: every token minted for a resource has that one audience, only scopes that it owns, and an end no later than that of
//! what it came from.

use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use narrowgate::clock::Timestamp;
use narrowgate::config::{self, BroadTokens, Config, Environment, JwksLocation, KeySource, ResourceId};
use narrowgate::fetch::Fetcher;
use narrowgate::oauth::{ClientRef, IssuerName, PROTOCOL_CLAIMS, Scope, SigningAlgorithm, Subject};
use narrowgate::token::mint::{AccessToken, Actor, GrantId, Login, NewAccessToken, NotMinted, SigningKey, SigningKeys};
use narrowgate::token::mint::{MintedToken, Source, TokenSubject, UserClaims};
use narrowgate::token::{Audience, AudienceTable, Keyring, Presented, TokenCache, TrustedKeys, Voucher, verify};
use proptest::prelude::*;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value, json};

const ISSUER: &str = "https://auth.example";
const RESOURCES: [(&str, &[&str]); 3] = [
    ("https://api1.example", &["read", "write", "transaction:{id}"]),
    ("https://api2.example", &["read", "reports"]),
    ("https://plain.example", &[]),
];

/// The issuer's keys and a gate that trusts them, made once.
struct World {
    config: Config,
    keys: SigningKeys,
    trusted: TrustedKeys,
    table: AudienceTable,
    tokens: TokenCache,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let key = |algorithm| SigningKey::generate(algorithm).expect("the system has randomness").0;
    let others = vec![key(SigningAlgorithm::EdDsa)];
    let keys = SigningKeys::new(key(SigningAlgorithm::Es256), others, Vec::new()).expect("one key an algorithm");
    let mut yaml = format!(
        "listen: 127.0.0.1:0\ntrusted_issuers:\n  auth: {{ issuer: {ISSUER}, jwks: {ISSUER}/jwks, token_type: at+jwt }}\n\
         resources:\n"
    );
    for (key, scopes) in RESOURCES {
        let scopes: Vec<String> = scopes.iter().map(|scope| format!("'{scope}'")).collect();
        yaml += &format!("  {key}: {{ upstream: http://127.0.0.1:9, scopes: [{}] }}\n", scopes.join(", "));
    }
    let loaded = config::parse(&yaml, Path::new("gateway.yaml"), &Environment::default());
    let mut config = loaded.unwrap_or_else(|faults| panic!("{faults}")).config;
    let file = JwksLocation::File { path: "jwks.json".into(), json: keys.jwk_set().to_shared() };
    config.trusted_issuers[0].keys = KeySource::Jwks(vec![file]);
    let fetcher = Fetcher::new(None).expect("the platform's roots can be read");
    let keyring = Keyring::new(config.trusted_issuers[0].clone(), fetcher);
    let trusted = TrustedKeys::new(vec![keyring], None, 1 << 16, 1 << 20);
    let table = AudienceTable::new(&config).expect("no two resources share a name");
    let tokens = TokenCache::new(1 << 20).expect("the system has randomness");
    World { config, keys, trusted, table, tokens }
});

impl World {
    fn is_accepted(&self, at: usize, compact: &str, now: Timestamp) -> bool {
        let audience = Audience { resource: ResourceId(at), broad_tokens: BroadTokens::Strict, table: &self.table };
        let presented = Presented { compact, now, keys_awaited: true };
        verify(&audience, &presented, &self.trusted, &self.tokens, |_| Some(Voucher { claims: None })).is_ok()
    }
}

/// All that a grant could want of a token, sound or not.
#[derive(Clone, Debug)]
struct Wish {
    at: usize,
    algorithm: SigningAlgorithm,
    /// The issuer's name and the value; nothing for the client itself.
    subject: Option<(Option<&'static str>, String)>,
    client: (Option<&'static str>, String),
    scopes: Vec<Scope>,
    now: u64,
    lifetime: u64,
    /// How much later than now the source ends; it may also have ended.
    ends_after: Option<i64>,
    login: Option<(u64, Option<String>, Vec<String>)>,
    actors: Vec<String>,
    user_claims: Map<String, Value>,
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn any_claims() -> impl Strategy<Value = Map<String, Value>> {
    let protocol = prop::sample::select(PROTOCOL_CLAIMS.to_vec()).prop_map(str::to_owned);
    let name = prop_oneof![20 => any::<String>(), 20 => "[a-z_]{1,8}", 1 => protocol];
    prop::collection::btree_map(name, any_json(), 0..5).prop_map(|claims| claims.into_iter().collect())
}

fn any_scopes() -> impl Strategy<Value = Vec<Scope>> {
    let word = prop_oneof![
        8 => prop::sample::select(vec!["read", "write", "transaction:7", "reports", "transaction:{id}"]).prop_map(str::to_owned),
        1 => "[!#-\\[\\]-~]{1,12}",
    ];
    prop::collection::vec(word.prop_map(|word| Scope::parse(&word).expect("the words are scopes")), 0..4)
}

prop_compose! {
    fn any_wish()(
        at in 0..RESOURCES.len(),
        algorithm in prop::sample::select(vec![SigningAlgorithm::Es256, SigningAlgorithm::EdDsa]),
        subject in prop::option::of((prop::option::of(Just("corp")), any::<String>())),
        client in (prop::option::of(Just("corp")), prop_oneof!["[a-z|]{0,6}", any::<String>()]),
        scopes in any_scopes(),
        now in 1_000u64..4_000_000_000,
    )(
        now in Just(now),
        lifetime in prop_oneof![0u64..4, 1u64..86_400],
        ends_after in prop::option::of(prop_oneof![-3i64..4, -1_000i64..100_000]),
        login in prop::option::of((0..=now, prop::option::of(any::<String>()), prop::collection::vec(any::<String>(), 0..3))),
        actors in prop::collection::vec("\\PC{1,6}", 0..18),
        user_claims in any_claims(),
        at in Just(at), algorithm in Just(algorithm), subject in Just(subject), client in Just(client),
        scopes in Just(scopes),
    ) -> Wish {
        Wish { at, algorithm, subject, client, scopes, now, lifetime, ends_after, login, actors, user_claims }
    }
}

impl Wish {
    fn ends(&self) -> Option<u64> {
        self.ends_after.map(|after| self.now.saturating_add_signed(after))
    }

    /// The token, if nothing on the way refuses it.
    fn mint(&self, root: GrantId) -> Option<MintedToken> {
        let corp = IssuerName::parse("corp").expect("a name");
        let user_claims = UserClaims::new(self.user_claims.clone()).ok()?;
        let mut actor = None;
        for name in &self.actors {
            actor = Some(Actor::new(name, Some(ISSUER), actor).ok()?);
        }
        let by_corp = |issuer: &Option<&str>| issuer.map(|_| &corp);
        let named = |(issuer, value): &'_ (Option<&'static str>, String)| (by_corp(issuer), value.clone());
        let subject = self.subject.as_ref().map(named);
        let new = NewAccessToken {
            issuer: ISSUER,
            subject: match &subject {
                Some((issuer, value)) => TokenSubject::Named(Subject { issuer: *issuer, value }),
                None => TokenSubject::Client,
            },
            client: ClientRef { issuer: by_corp(&self.client.0), id: &self.client.1 },
            scopes: &self.scopes,
            now: Timestamp(self.now),
            lifetime: Duration::from_secs(self.lifetime),
            source: match self.ends() {
                Some(ends) => Source::Ending { root, ends: Timestamp(ends) },
                None => Source::Grant(root),
            },
            login: self.login.as_ref().map(|(time, acr, amr)| Login {
                time: Some(Timestamp(*time)),
                acr: acr.as_deref(),
                amr,
            }),
            actor: actor.as_ref(),
            user_claims: &user_claims,
        };
        match AccessToken::new(&WORLD.config.resources[self.at], &new) {
            Ok(said) => Some(said.sign(&WORLD.keys, self.algorithm).expect("the key is there")),
            Err(NotMinted::Randomness) => panic!("the system has randomness"),
            Err(_) => None,
        }
    }
}

/// The names of an object's members, as they are written, so that one which is there twice is seen.
fn names(json: &[u8]) -> Vec<String> {
    struct Names;
    impl<'de> Visitor<'de> for Names {
        type Value = Vec<String>;
        fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            formatter.write_str("an object")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Vec<String>, A::Error> {
            let mut names = Vec::new();
            while let Some((name, IgnoredAny)) = members.next_entry()? {
                names.push(name);
            }
            Ok(names)
        }
    }
    serde_json::Deserializer::from_slice(json).deserialize_map(Names).expect("a part is an object")
}

fn part(compact: &str, at: usize) -> Vec<u8> {
    let part = compact.split('.').nth(at).expect("a token has three parts");
    URL_SAFE_NO_PAD.decode(part).expect("a part is base64url")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 250, max_global_rejects: 100_000, ..ProptestConfig::default() })]

    #[test]
    fn a_minted_token_is_narrow(wish in any_wish()) {
        let root = GrantId::generate().expect("the system has randomness");
        let Some(token) = wish.mint(root) else { return Err(TestCaseError::reject("refused")) };
        let (key, declared) = RESOURCES[wish.at];
        let header: Value = serde_json::from_slice(&part(token.expose(), 0)).unwrap();
        let kid = WORLD.keys.key(wish.algorithm).unwrap().kid();
        prop_assert_eq!(header, json!({ "typ": "at+jwt", "alg": wish.algorithm.as_str(), "kid": kid }));

        let json = part(token.expose(), 1);
        let claims: Map<String, Value> = serde_json::from_slice(&json).unwrap();
        prop_assert_eq!(names(&json).len(), claims.len(), "a member is there twice");
        prop_assert_eq!(&claims["aud"], &json!(key));
        prop_assert_eq!(&claims["iss"], &json!(ISSUER));

        let exp = claims["exp"].as_u64().unwrap();
        prop_assert_eq!(&claims["iat"], &json!(wish.now));
        prop_assert!(exp > wish.now && exp <= wish.now + wish.lifetime);
        prop_assert!(wish.ends().is_none_or(|ends| exp <= ends));
        prop_assert_eq!(token.expires_in().as_secs(), exp - wish.now);
        prop_assert_eq!(GrantId::of_jti(claims["jti"].as_str().unwrap()), Ok(root));

        let scope = claims.get("scope").map(|scope| scope.as_str().unwrap());
        prop_assert_eq!(scope.is_none(), wish.scopes.is_empty());
        for word in scope.iter().flat_map(|scope| scope.split(' ')) {
            let is_owned = declared.contains(&word) && !word.contains('{');
            prop_assert!(is_owned || wish.at == 0 && word.starts_with("transaction:"), "{}", word);
        }

        for (name, value) in &wish.user_claims {
            prop_assert!(!PROTOCOL_CLAIMS.contains(&name.as_str()));
            prop_assert_eq!(claims.get(name), Some(value));
        }
        let ours = claims.keys().filter(|name| !wish.user_claims.contains_key(*name));
        prop_assert!(ours.into_iter().all(|name| PROTOCOL_CLAIMS.contains(&name.as_str())));

        for at in 0..RESOURCES.len() {
            prop_assert_eq!(WORLD.is_accepted(at, token.expose(), Timestamp(wish.now)), at == wish.at);
        }
    }

    #[test]
    fn nobody_gets_what_is_not_sound(wish in any_wish()) {
        let root = GrantId::generate().expect("the system has randomness");
        let (_, declared) = RESOURCES[wish.at];
        let is_foreign = |scope: &Scope| {
            let is_filled = wish.at == 0 && scope.as_str().starts_with("transaction:");
            !declared.contains(&scope.as_str()) && !is_filled
        };
        let shadows = wish.user_claims.keys().any(|name| PROTOCOL_CLAIMS.contains(&name.as_str()));
        let has_ended = wish.lifetime == 0 || wish.ends().is_some_and(|ends| ends <= wish.now);
        let is_unsound = shadows || has_ended || wish.scopes.iter().any(is_foreign);
        prop_assert!(!(is_unsound && wish.mint(root).is_some()));
    }
}
