//! Generated APIs, a client, a request, a consent, and what the configuration says later, small enough that they meet often.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use narrowgate::clock::Timestamp;
use narrowgate::config::{
    self, AllowedClient, AuthorizationServer, ClaimPath, Client, ClientAuthentication, Config, Consent, Environment,
    GrantType, IssuerId, KeyOrigin, LoginAuthentication, OpenIdLogin, Requirement, ResourceId, Signing, UserLogin,
};
use narrowgate::issuer::{
    Asked, AuthorizationRequest, CodeBinding, CodeRequest, Consenting, Form, Grant, GrantRecord, LoginFacts, NotAsked,
    Party, Policy, Refusal, Wanted, asked, authorization_code, refresh_token,
};
use narrowgate::oauth::{IssuerName, RedirectUri, ResourceIndicator, Scope, ScopePattern, SigningAlgorithm};
use narrowgate::token::AudienceTable;
use narrowgate::token::mint::{GrantId, NotMinted};
use proptest::prelude::*;
use proptest::sample::subsequence;
use serde_json::{Map, Value};
use url::{Url, form_urlencoded};

/// What resources declare and rows allow.
pub const PATTERNS: [&str; 5] = ["a", "b", "c", "t:{id}", "t:1"];

/// Every scope that a token can carry here.
pub const UNIVERSE: [&str; 5] = ["a", "b", "c", "t:1", "t:2"];

/// Every group that a user may be in, and that an API may be for.
const GROUPS: [&str; 2] = ["x", "y"];

/// How many APIs there are at one time.
pub const APIS: usize = 3;

/// When the user consents.
pub const BEGUN: u64 = 1_000;

const PLACE: &str = "https://app.example/cb";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

static PLAIN: LazyLock<Config> = LazyLock::new(|| {
    let head = "listen: 127.0.0.1:0\ntrusted_issuers: { corp: { issuer: https://corp.example } }\nresources:\n";
    let api = |api| format!("  {}: {{ upstream: http://127.0.0.1:9 }}\n", key(api));
    let text = [head.to_owned(), (0..APIS).map(api).collect()].concat();
    let loaded = config::parse(&text, Path::new("gateway.yaml"), &Environment::default());
    loaded.unwrap_or_else(|faults| panic!("{faults}")).config
});

/// What a configuration says of one API.
#[derive(Clone, Debug)]
pub struct Api {
    pub scopes: Vec<&'static str>,
    pub required: Vec<&'static str>,
    pub is_open: bool,
    /// The group that a user must be in, if he must.
    pub access: Option<&'static str>,
    /// The client's row at this API, if it has one.
    pub row: Option<Vec<&'static str>>,
}

/// A configuration: its APIs, each under a name; names from [`APIS`] on are new.
#[derive(Clone, Debug)]
pub struct World {
    pub apis: Vec<(usize, Api)>,
    pub default: Option<usize>,
}

/// Everything at once. APIs are numbered by their names.
#[derive(Clone, Debug)]
pub struct Scene {
    pub before: World,
    pub named: Vec<usize>,
    pub wanted: Option<Vec<&'static str>>,
    pub ticked: BTreeMap<usize, Vec<&'static str>>,
    /// The groups that the user is in.
    pub groups: Vec<&'static str>,
    pub later: World,
    pub named_later: Vec<usize>,
    pub wanted_later: Option<Vec<&'static str>>,
}

/// The key of an API.
pub fn key(api: usize) -> String {
    format!("https://api{api}.example")
}

/// The API with this key.
pub fn api_of(text: &str) -> usize {
    (0..2 * APIS).find(|api| key(*api) == text).expect("there is no other key")
}

fn some_of<const N: usize>(pool: [&'static str; N]) -> impl Strategy<Value = Vec<&'static str>> {
    prop_oneof![1 => subsequence(pool.to_vec(), 0..=N), 2 => subsequence(pool.to_vec(), N / 2..=N)]
}

fn any_api() -> impl Strategy<Value = Api> {
    let row = prop::option::weighted(0.9, some_of(PATTERNS));
    let access = prop::option::weighted(0.25, prop::sample::select(GROUPS.to_vec()));
    (some_of(PATTERNS), subsequence(PATTERNS.to_vec(), 0..2), prop::bool::weighted(0.93), row, access)
        .prop_map(|(scopes, required, is_open, row, access)| Api { scopes, required, is_open, access, row })
}

fn any_world() -> impl Strategy<Value = World> {
    let apis = prop::collection::vec(any_api(), APIS).prop_map(|apis| apis.into_iter().enumerate().collect());
    (apis, prop::option::weighted(0.2, 0..APIS)).prop_map(|(apis, default)| World { apis, default })
}

/// The same APIs later on: in another order, some of them changed, and some under another name.
fn any_later(before: World) -> impl Strategy<Value = World> {
    let change = (prop::bool::weighted(0.4), any_api(), prop::bool::weighted(0.1));
    let changes = prop::collection::vec(change, APIS);
    let default = prop_oneof![3 => Just(before.default), 1 => prop::option::of(0..APIS)];
    (changes, default, prop::bool::ANY).prop_map(move |(changes, default, turned)| {
        let kept = before.apis.iter().cloned().zip(changes).map(|((name, api), (changed, other, renamed))| {
            (if renamed { name + APIS } else { name }, if changed { other } else { api })
        });
        let mut apis: Vec<_> = kept.collect();
        if turned {
            apis.reverse();
        }
        World { apis, default }
    })
}

/// Any scene.
pub fn any_scene() -> impl Strategy<Value = Scene> {
    let names = || prop::collection::vec(0..APIS, 0..3);
    let later_names = prop_oneof![4 => prop::collection::vec(0..APIS, 1), 2 => names()];
    let scopes = || prop::option::weighted(0.4, subsequence(UNIVERSE.to_vec(), 1..4));
    let ticked = prop::collection::btree_map(0..APIS, some_of(UNIVERSE), 1..8);
    let groups = prop_oneof![1 => subsequence(GROUPS.to_vec(), 0..2), 4 => Just(GROUPS.to_vec())];
    let request = (names(), scopes(), ticked, groups, prop::bool::weighted(0.6));
    let head = any_world().prop_flat_map(|before| (Just(before.clone()), any_later(before)));
    (head, request, later_names, prop::option::weighted(0.3, subsequence(UNIVERSE.to_vec(), 1..3))).prop_map(
        |((before, later), (named, wanted, ticked, groups, stays), named_later, wanted_later)| {
            // Left alone, later requests rarely name what was granted.
            let named_later = named.last().filter(|_| stays).map_or(named_later, |named| vec![*named]);
            Scene { before, named, wanted, ticked, groups, later, named_later, wanted_later }
        },
    )
}

impl World {
    /// The name of the API at a place.
    pub fn name_of(&self, at: usize) -> usize {
        self.apis[at].0
    }

    /// What is said of the API with this name.
    pub fn api(&self, name: usize) -> Option<&Api> {
        self.apis.iter().find(|(known, _)| *known == name).map(|(_, api)| api)
    }

    fn place_of(&self, name: usize) -> Option<ResourceId> {
        self.apis.iter().position(|(known, _)| *known == name).map(ResourceId)
    }

    fn config(&self) -> Config {
        let mut config = PLAIN.clone();
        for (resource, (name, api)) in config.resources.iter_mut().zip(&self.apis) {
            resource.key = ResourceIndicator::parse(&key(*name)).expect("it is a key");
            resource.scopes = patterns(&api.scopes).into_iter().map(|pattern| (pattern, None)).collect();
            resource.required_scopes = patterns(&api.required);
            let groups = ClaimPath { text: "groups".to_owned(), steps: vec!["groups".to_owned()] };
            let demand = |group: &str| Requirement { claim: groups.clone(), values: vec![group.to_owned()] };
            resource.access = api.access.into_iter().map(demand).collect();
            resource.allowed_clients = (!api.is_open).then(|| vec![AllowedClient::Own("nobody".to_owned())]);
        }
        config
    }

    fn server(&self) -> AuthorizationServer {
        let rows = self.apis.iter().enumerate();
        let rows = rows.filter_map(|(at, (_, api))| Some((ResourceId(at), patterns(api.row.as_ref()?))));
        let client = Client {
            id: "web".to_owned(),
            grants: vec![GrantType::AuthorizationCode, GrantType::RefreshToken],
            authentication: ClientAuthentication::None,
            secret_method: None,
            resources: rows.collect(),
            default_resource: self.default.and_then(|name| self.place_of(name)),
            serves: None,
            exchange: BTreeMap::new(),
            known_as: BTreeMap::new(),
            redirect_uris: vec![RedirectUri::parse(PLACE).expect("it is a place")],
            name: None,
            consent: Consent::Ask,
            require_pushed_authorization_requests: false,
            disabled: false,
        };
        AuthorizationServer {
            issuer: "https://auth.example".into(),
            url: Url::parse("https://auth.example").expect("this is a URL"),
            access_token_lifetime: Duration::from_secs(300),
            code_lifetime: AuthorizationServer::CODE_LIFETIME,
            refresh_token_lifetime: AuthorizationServer::REFRESH_TOKEN_LIFETIME,
            session_lifetime: AuthorizationServer::SESSION_LIFETIME,
            login: Some(UserLogin { openid: vec![login_at_corp()], users: Vec::new() }),
            exchange_depth: 4,
            development_tokens: false,
            signing: Signing {
                algorithm: SigningAlgorithm::Es256,
                keys: KeyOrigin::Files(Vec::new()),
                encryption: None,
            },
            clients: vec![client],
        }
    }

    fn under<T>(&self, ask: impl FnOnce(&Policy<'_>, &Client) -> T) -> T {
        let (config, server) = (self.config(), self.server());
        let audiences = AudienceTable::new(&config).expect("every name is another one");
        ask(&Policy { server: &server, config: &config, audiences: &audiences }, &server.clients[0])
    }
}

impl Scene {
    /// What the program says of the request.
    pub fn asked(&self) -> Result<Asked, NotAsked> {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs([("response_type", "code"), ("client_id", "web"), ("redirect_uri", PLACE)]);
        query.extend_pairs([("code_challenge", CHALLENGE), ("code_challenge_method", "S256")]);
        query.extend_pairs(self.named.iter().map(|api| ("resource", key(*api))));
        query.extend_pairs(self.wanted.as_ref().map(|wanted| ("scope", wanted.join(" "))));
        let request = AuthorizationRequest::of_query(query.finish().as_bytes()).expect("it is well-formed");
        self.before.under(|policy, _| asked(policy, &request))
    }

    /// What the program leaves of the request for this user, without the consent: nothing if he is not asked.
    pub fn within_reach(&self) -> Option<Asked> {
        let asked = self.asked().ok()?;
        let reached = |policy: &Policy<'_>, _: &Client| asked.within_reach_of(policy, &self.user_claims());
        self.before.under(reached).ok().map(|(asked, _)| asked)
    }

    fn user_claims(&self) -> Map<String, Value> {
        Map::from_iter([("groups".to_owned(), self.groups.as_slice().into())])
    }

    /// What the program keeps of the user's consent; nothing where he was not asked, or declined.
    pub fn record(&self) -> Option<GrantRecord> {
        let asked = self.asked().ok()?;
        let place = |api: usize| self.before.place_of(api).expect("all are there");
        let ticked = self.ticked.iter().map(|(api, ticked)| (place(*api), scopes(ticked))).collect();
        let user = Consenting {
            provider: IssuerName::parse("corp").ok(),
            subject: Party { issuer: IssuerName::parse("corp").ok(), value: "alice".to_owned() },
            login: LoginFacts { time: Some(Timestamp(BEGUN)), acr: None, amr: Vec::new() },
            user_claims: self.user_claims(),
        };
        let root = GrantId::parse("AAAAAAAAAAAAAAAAAAAAAA").expect("this is a name");
        let consent = |policy: &Policy<'_>, _: &Client| {
            GrantRecord::after_consent(policy, &asked, &ticked, user, root, Timestamp(BEGUN))
        };
        self.before.under(consent).ok()
    }

    /// What the program gives for a code, later.
    pub fn redeemed(&self, record: &GrantRecord) -> Result<Grant, Refusal> {
        let body = format!("code=c&code_verifier={VERIFIER}");
        let request = CodeRequest::read(&Form::parse(body.as_bytes(), 8 << 10)?)?;
        let request = CodeRequest { wanted: self.wanted_then(), ..request };
        let challenge = self.asked().expect("there is a record").challenge;
        let binding = CodeBinding { redirect_uri: PLACE, challenge: &challenge };
        self.later.under(|policy, client| authorization_code(policy, client, record, binding, &request))
    }

    /// What the program gives for a refresh token, later.
    pub fn refreshed(&self, record: &GrantRecord) -> Result<Grant, Refusal> {
        self.later.under(|policy, client| refresh_token(policy, client, record, &self.wanted_then()))
    }

    /// The end of a token that is minted now; nothing if it would have ended already.
    pub fn end(&self, grant: &Grant, now: Timestamp) -> Option<u64> {
        match self.later.under(|policy, _| grant.access_token(policy, now)) {
            Ok(token) => Some(token.expires().0),
            Err(NotMinted::Ended) => None,
            Err(fault) => panic!("{fault}"),
        }
    }

    fn wanted_then(&self) -> Wanted {
        let names = self.named_later.iter().map(|api| key(*api)).collect();
        Wanted { names, scopes: self.wanted_later.as_deref().map(scopes) }
    }
}

fn patterns(texts: &[&str]) -> Vec<ScopePattern> {
    texts.iter().map(|text| ScopePattern::parse(text).expect("it is a pattern")).collect()
}

fn scopes(texts: &[&str]) -> BTreeSet<Scope> {
    texts.iter().map(|text| Scope::parse(text).expect("it is a scope")).collect()
}

/// Users log in at corp.
fn login_at_corp() -> OpenIdLogin {
    OpenIdLogin {
        issuer: IssuerId(0),
        title: "Corp".to_owned(),
        client_id: "narrowgate".to_owned(),
        authentication: LoginAuthentication::None,
        scopes: Vec::new(),
        userinfo: false,
    }
}
