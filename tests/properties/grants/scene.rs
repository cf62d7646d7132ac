//! Generated APIs, clients, tokens and requests, small enough that they meet often.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use narrowgate::clock::Timestamp;
use narrowgate::config::{
    self, AllowedClient, AuthorizationServer, Client, ClientAuthentication, Config, Consent, EdgeScope, Environment,
    GrantType, IssuerId, KeyOrigin, ResourceId, ResourceIssuer, Signing,
};
use narrowgate::issuer::{
    Claimed, Exchange, Grant, MayAct, Policy, Refusal, TokenFacts, TokenIssuer, Wanted, client_credentials, narrow,
    token_exchange,
};
use narrowgate::oauth::{Scope, ScopePattern, SigningAlgorithm};
use narrowgate::secret::Secret;
use narrowgate::token::AudienceTable;
use narrowgate::token::mint::{GrantId, NotMinted};
use proptest::array::uniform2;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::Map;
use url::Url;

/// The root of every token of ours.
pub fn root() -> GrantId {
    GrantId::parse("AAAAAAAAAAAAAAAAAAAAAA").expect("this is a name")
}

/// What resources declare, rows allow and edges map.
pub const PATTERNS: [&str; 5] = ["a", "b", "c", "t:{id}", "t:1"];

/// Every scope that a token can carry here.
pub const UNIVERSE: [&str; 5] = ["a", "b", "c", "t:1", "t:2"];

/// The names of the two trusted issuers.
pub const ISSUERS: [&str; 2] = ["one", "two"];

const APIS: usize = 3;
const CLIENTS: usize = 2;

/// The APIs and issuers, before anybody says anything of scopes, issuers and clients.
static PLAIN: LazyLock<Config> = LazyLock::new(|| {
    let mut text = String::from("listen: 127.0.0.1:0\ntrusted_issuers:\n");
    for name in ISSUERS {
        text += &format!("  {name}: {{ issuer: https://{name}.example, exchange_audiences: [account] }}\n");
    }
    text += "resources:\n";
    for api in 0..APIS {
        text += &format!("  {}: {{ upstream: http://127.0.0.1:9 }}\n", key(api));
    }
    let loaded = config::parse(&text, Path::new("gateway.yaml"), &Environment::default());
    loaded.unwrap_or_else(|faults| panic!("{faults}")).config
});

/// An API.
#[derive(Clone, Debug)]
pub struct Api {
    pub scopes: Vec<&'static str>,
    pub takes_ours: bool,
    pub entries: [Option<Entry>; 2],
    /// The only clients let in: ours by number, others by issuer and id.
    pub allowed: Option<Vec<(usize, &'static str)>>,
}

/// What an API says of an issuer.
#[derive(Clone, Debug)]
pub struct Entry {
    pub exchange: bool,
    pub map: Option<BTreeMap<&'static str, Vec<&'static str>>>,
    pub if_none: Vec<&'static str>,
}

/// A client of ours; its id is `c0`, `c1`.
#[derive(Clone, Debug)]
pub struct Asker {
    pub matrix: BTreeMap<usize, Vec<&'static str>>,
    pub default: Option<usize>,
    pub serves: Option<usize>,
    pub edges: BTreeMap<usize, Vec<(&'static str, Vec<&'static str>)>>,
    pub known_as: [Option<&'static str>; 2],
}

/// A subject token; issuer 2 is our own.
#[derive(Clone, Debug)]
pub struct Token {
    pub issuer: usize,
    pub audiences: Vec<String>,
    pub client: &'static str,
    pub subject: &'static str,
    pub scopes: Option<Vec<&'static str>>,
    pub may_act: Option<(usize, &'static str)>,
    pub actors: usize,
    pub bound: bool,
    pub end: u64,
}

/// Everything at once.
#[derive(Clone, Debug)]
pub struct Scene {
    pub apis: Vec<Api>,
    pub askers: Vec<Asker>,
    pub token: Token,
    pub who: usize,
    pub targets: Vec<usize>,
    pub asked: Option<Vec<&'static str>>,
}

/// The key of an API.
pub fn key(api: usize) -> String {
    format!("https://api{api}.example")
}

/// The other name of an API at an issuer.
pub fn name(api: usize, issuer: usize) -> String {
    format!("api://{api}/{issuer}")
}

fn some_of<const N: usize>(pool: [&'static str; N]) -> impl Strategy<Value = Vec<&'static str>> {
    prop_oneof![1 => subsequence(pool.to_vec(), 0..=N), 2 => subsequence(pool.to_vec(), N / 2..=N)]
}

fn client_name() -> impl Strategy<Value = &'static str> {
    select(vec!["c0", "c0", "c1", "x"])
}

fn any_api() -> impl Strategy<Value = Api> {
    let map = prop::collection::btree_map(select(UNIVERSE.to_vec()), some_of(UNIVERSE), 1..4);
    let entry = (prop::bool::weighted(0.9), prop::option::weighted(0.3, map), some_of(UNIVERSE))
        .prop_map(|(exchange, map, if_none)| Entry { exchange, map, if_none });
    let entry = prop::option::weighted(0.9, entry);
    let allowed = prop::collection::vec((0usize..3, client_name()), 1..5);
    (some_of(PATTERNS), prop::bool::weighted(0.9), uniform2(entry), prop::option::weighted(0.15, allowed))
        .prop_map(|(scopes, takes_ours, entries, allowed)| Api { scopes, takes_ours, entries, allowed })
}

fn any_asker() -> impl Strategy<Value = Asker> {
    let edge = prop::collection::vec((select(PATTERNS.to_vec()), some_of(PATTERNS)), 0..4);
    let known = prop::option::weighted(0.6, client_name());
    (
        prop::collection::btree_map(0..APIS, some_of(PATTERNS), 1..6),
        prop::option::weighted(0.3, 0..APIS),
        prop::option::weighted(0.6, 0..APIS),
        prop::collection::btree_map(0..APIS, edge, 1..6),
        uniform2(known),
    )
        .prop_map(|(matrix, default, serves, edges, known_as)| Asker { matrix, default, serves, edges, known_as })
}

fn any_token() -> impl Strategy<Value = Token> {
    let audience = prop_oneof![
        5 => (0..APIS).prop_map(key),
        3 => (0..APIS, 0usize..2).prop_map(|(api, issuer)| name(api, issuer)),
        2 => Just("account".to_owned()),
        1 => Just("stranger".to_owned()),
    ];
    let audiences =
        prop_oneof![4 => prop::collection::vec(audience.clone(), 1), 1 => prop::collection::vec(audience, 0..4)];
    let may_act = prop::option::weighted(0.15, (0usize..4, client_name()));
    let tail = (select(vec![0, 0, 1, 3, 4, 5]), prop::bool::weighted(0.05), 0u64..2_000);
    let head = (select(vec![0, 1, 2, 2]), audiences, client_name(), select(vec!["alice", "one|alice"]));
    (head, prop::option::weighted(0.8, some_of(UNIVERSE)), may_act, tail).prop_map(
        |((issuer, audiences, client, subject), scopes, may_act, (actors, bound, end))| Token {
            issuer,
            audiences,
            client,
            subject,
            scopes,
            may_act,
            actors,
            bound,
            end,
        },
    )
}

/// Any scene.
pub fn any_scene() -> impl Strategy<Value = Scene> {
    let targets = prop_oneof![6 => prop::collection::vec(0..APIS, 1), 1 => prop::collection::vec(0..APIS, 0..3)];
    let asked = prop::option::weighted(0.2, subsequence(UNIVERSE.to_vec(), 1..3));
    let (apis, askers) = (prop::collection::vec(any_api(), APIS), prop::collection::vec(any_asker(), CLIENTS));
    (apis, askers, any_token(), 0..CLIENTS, targets, asked)
        .prop_map(|(apis, askers, token, who, targets, asked)| Scene { apis, askers, token, who, targets, asked })
        .prop_flat_map(|scene| (Just(scene), 0usize..5))
        .prop_map(|(scene, nudge)| scene.nudged(nudge))
}

impl Scene {
    /// The same scene, with a token that concerns the client: issued to it, for the target or for exchange; addressed to
    /// it; or naming it. Left alone, tokens rarely do.
    fn nudged(mut self, nudge: usize) -> Self {
        let (asker, token) = (&self.askers[self.who], &mut self.token);
        let mut lead = |to: Option<&usize>| {
            self.targets.first_mut().zip(to).map_or(0, |(target, to)| {
                *target = *to;
                *to
            })
        };
        let own_name = ["c0", "c1"][self.who];
        match nudge {
            0 | 1 => {
                let target = lead(asker.matrix.keys().next());
                let known_as = asker.known_as.get(token.issuer).copied().unwrap_or(Some(own_name));
                token.client = known_as.unwrap_or("x");
                token.audiences = vec![if nudge == 0 { key(target) } else { "account".into() }];
                token.may_act = None;
            }
            2 => {
                lead(asker.edges.keys().next_back());
                token.audiences = asker.serves.map(key).into_iter().collect();
                token.may_act = None;
            }
            3 => {
                lead(asker.edges.keys().next_back());
                token.may_act = Some((2, own_name));
            }
            _ => {}
        }
        self
    }

    /// What the program says of the exchange.
    pub fn exchanged(&self) -> Result<Grant, Refusal> {
        let server = self.server();
        let (client, subject, wanted) = (&server.clients[self.who], &self.token.facts(), &self.wanted());
        self.under(&server, |policy| token_exchange(policy, &Exchange { client, wanted, subject, actor: None }))
    }

    /// What the program says of the client's own request.
    pub fn own(&self) -> Result<Grant, Refusal> {
        let server = self.server();
        self.under(&server, |policy| client_credentials(policy, &server.clients[self.who], &self.wanted()))
    }

    /// What the program makes of the token for an API that it was shown to.
    pub fn narrowed(&self, api: usize) -> Result<Grant, Refusal> {
        self.under(&self.server(), |policy| narrow(policy, ResourceId(api), &self.token.facts()))
    }

    /// The end of a token that is minted now; nothing if it would have ended already.
    pub fn end(&self, grant: &Grant, now: u64) -> Option<u64> {
        let minted = self.under(&self.server(), |policy| grant.access_token(policy, Timestamp(now)));
        match minted {
            Ok(token) => Some(token.expires().0),
            Err(NotMinted::Ended) => None,
            Err(fault) => panic!("{fault}"),
        }
    }

    fn wanted(&self) -> Wanted {
        let scopes = self.asked.as_ref().map(|asked| asked.iter().map(|scope| parsed(scope)).collect());
        Wanted { names: self.targets.iter().map(|api| key(*api)).collect(), scopes }
    }

    fn under<T>(&self, server: &AuthorizationServer, ask: impl FnOnce(&Policy<'_>) -> T) -> T {
        let config = self.config();
        let audiences = AudienceTable::new(&config).expect("every name is another one");
        ask(&Policy { server, config: &config, audiences: &audiences })
    }

    fn config(&self) -> Config {
        let mut config = PLAIN.clone();
        for (at, (resource, api)) in config.resources.iter_mut().zip(&self.apis).enumerate() {
            resource.scopes = patterns(&api.scopes).into_iter().map(|pattern| (pattern, None)).collect();
            resource.own_issuer = api.takes_ours;
            resource.allowed_clients = api.allowed.as_ref().map(|allowed| allowed.iter().map(allowed_client).collect());
            let entries = api.entries.iter().enumerate();
            resource.issuers = entries.filter_map(|(issuer, entry)| Some(entry.as_ref()?.meant(at, issuer))).collect();
        }
        config
    }

    fn server(&self) -> AuthorizationServer {
        AuthorizationServer {
            issuer: "https://auth.example".into(),
            url: Url::parse("https://auth.example").expect("this is a URL"),
            access_token_lifetime: Duration::from_secs(300),
            code_lifetime: AuthorizationServer::CODE_LIFETIME,
            refresh_token_lifetime: AuthorizationServer::REFRESH_TOKEN_LIFETIME,
            session_lifetime: AuthorizationServer::SESSION_LIFETIME,
            login: None,
            exchange_depth: 4,
            development_tokens: false,
            signing: Signing {
                algorithm: SigningAlgorithm::Es256,
                keys: KeyOrigin::Files(Vec::new()),
                encryption: None,
            },
            clients: self.askers.iter().enumerate().map(|(at, asker)| asker.meant(at)).collect(),
        }
    }
}

impl Entry {
    fn meant(&self, api: usize, issuer: usize) -> ResourceIssuer {
        let worth = |scopes: &Vec<&str>| scopes.iter().map(|scope| parsed(scope)).collect();
        let map = self.map.as_ref();
        ResourceIssuer {
            issuer: IssuerId(issuer),
            audiences: vec![name(api, issuer)],
            claims: None,
            scope_map: map.map(|map| map.iter().map(|(word, scopes)| ((*word).to_owned(), worth(scopes))).collect()),
            scopes_if_none: worth(&self.if_none),
            require: Vec::new(),
            exchange: self.exchange,
        }
    }
}

impl Asker {
    fn meant(&self, at: usize) -> Client {
        let edge = |rules: &Vec<(&str, Vec<&str>)>| {
            let rule =
                |(from, to): &(&str, Vec<&str>)| EdgeScope { from: patterns(&[from]).remove(0), to: patterns(to) };
            rules.iter().map(rule).collect()
        };
        let known_as = self.known_as.iter().enumerate();
        Client {
            id: format!("c{at}"),
            grants: vec![GrantType::ClientCredentials, GrantType::TokenExchange],
            authentication: ClientAuthentication::Secrets(vec![Secret::new("s")]),
            resources: self.matrix.iter().map(|(api, row)| (ResourceId(*api), patterns(row))).collect(),
            default_resource: self.default.map(ResourceId),
            serves: self.serves.map(ResourceId),
            exchange: self.edges.iter().map(|(api, rules)| (ResourceId(*api), edge(rules))).collect(),
            secret_method: None,
            known_as: known_as.filter_map(|(at, id)| Some((IssuerId(at), (*id)?.to_owned()))).collect(),
            name: None,
            redirect_uris: Vec::new(),
            consent: Consent::Ask,
            require_pushed_authorization_requests: false,
            disabled: false,
        }
    }
}

impl Token {
    fn facts(&self) -> TokenFacts {
        let owned = |words: &Vec<&str>| words.iter().map(|word| (*word).to_owned()).collect();
        TokenFacts {
            issuer: issuer(self.issuer),
            audiences: self.audiences.clone(),
            expires: Timestamp(self.end),
            claimed: Claimed {
                subject: Some(self.subject.into()),
                client: Some(self.client.into()),
                scopes: self.scopes.as_ref().map(owned),
            },
            claimed_at: BTreeMap::new(),
            refused_at: BTreeSet::new(),
            may_act: self.may_act.map(|(at, id)| match at {
                3 => MayAct::Stranger,
                at => MayAct::Client { issuer: issuer(at), id: id.into() },
            }),
            act: vec!["before".into(); self.actors],
            root: (self.issuer == 2).then(root),
            bound: self.bound,
            login: None,
            user_claims: Map::new(),
        }
    }
}

fn issuer(at: usize) -> TokenIssuer {
    if at == 2 { TokenIssuer::Own } else { TokenIssuer::Trusted(IssuerId(at)) }
}

fn allowed_client((issuer, id): &(usize, &'static str)) -> AllowedClient {
    let id = (*id).to_owned();
    if *issuer == 2 { AllowedClient::Own(id) } else { AllowedClient::Foreign(IssuerId(*issuer), id) }
}

fn patterns(texts: &[&str]) -> Vec<ScopePattern> {
    texts.iter().map(|text| ScopePattern::parse(text).expect("it is a pattern")).collect()
}

fn parsed(text: &str) -> Scope {
    Scope::parse(text).expect("it is a scope")
}
