//! A small world in which every refusal is one step away from a grant: two APIs, an issuer, and clients around them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use serde_json::Map;
use url::Url;

use super::*;
use crate::clock::Timestamp;
use crate::config::{
    AuthorizationServer, Client, ClientAuthentication, Config, Consent, EdgeScope, Environment, GrantType, IssuerId,
    KeyOrigin, LoginAuthentication, OpenIdLogin, ResourceId, Signing, SubjectForm, UserLogin, parse,
};
use crate::oauth::{RedirectUri, Scope, ScopePattern, SigningAlgorithm};
use crate::secret::Secret;
use crate::token::AudienceTable;
use crate::token::mint::GrantId;

mod access;
mod authorization;
mod authorization_scopes;
mod client_credentials;
mod consent;
mod development;
mod exchange;
mod narrowing;
mod needs;
mod subjects;
mod tokens;
mod user_grants;

const API1: ResourceId = ResourceId(0);
const API2: ResourceId = ResourceId(1);
const FREE: ResourceId = ResourceId(2);
const PUBLIC: ResourceId = ResourceId(3);
const ELSEWHERE: ResourceId = ResourceId(4);
const VETOED: ResourceId = ResourceId(5);
const WEB: ResourceId = ResourceId(6);

const ONE: &str = "https://api1.example.com";
const TWO: &str = "https://api2.example.com";

const CORP: TokenIssuer = TokenIssuer::Trusted(IssuerId(0));
const OTHER: TokenIssuer = TokenIssuer::Trusted(IssuerId(1));
const PLAIN: TokenIssuer = TokenIssuer::Trusted(IssuerId(2));

const YAML: &str = r#"
listen: 127.0.0.1:8080
trusted_issuers:
  corp: { issuer: https://login.example.com, exchange_audiences: [account] }
  other: { issuer: https://login.other.example }
  plain: { issuer: https://login.plain.example, subjects: plain }
resources:
  https://api1.example.com:
    upstream: http://127.0.0.1:9001
    scopes: [read, write, "transaction:{id}"]
    issuers:
      corp: { audiences: ["api://one"], exchange: true, scope_map: { Docs.Read: [read], Docs.All: [read, write] }, scopes_if_none: [read] }
      plain: { exchange: true }
  https://api2.example.com:
    upstream: http://127.0.0.1:9002
    scopes: [reports, read, "payment:{id}"]
    issuers: { corp: { exchange: true }, other: {}, plain: { exchange: true } }
  https://free.example.com: { upstream: http://127.0.0.1:9003 }
  https://public.example.com: { upstream: http://127.0.0.1:9004, public: true }
  https://elsewhere.example.com: { upstream: http://127.0.0.1:9005, issuers: { own: false, corp: {} } }
  https://vetoed.example.com: { upstream: http://127.0.0.1:9006, allowed_clients: [nobody] }
  https://web.example.com: { upstream: http://127.0.0.1:9007, allowed_clients: [corp|reporting-web] }
"#;

/// Who asks, and where.
struct World {
    config: Config,
    server: AuthorizationServer,
    audiences: AudienceTable,
}

impl World {
    fn new() -> Self {
        let loaded = parse(YAML, Path::new("gateway.yaml"), &Environment::default());
        let mut config = loaded.unwrap_or_else(|faults| panic!("{faults}")).config;
        let audiences = AudienceTable::new(&config).unwrap();
        let clients = vec![app(), service(), onward()];
        let server = AuthorizationServer {
            issuer: "https://auth.example.com".into(),
            url: Url::parse("https://auth.example.com").expect("this is a URL"),
            access_token_lifetime: Duration::from_secs(300),
            code_lifetime: AuthorizationServer::CODE_LIFETIME,
            refresh_token_lifetime: AuthorizationServer::REFRESH_TOKEN_LIFETIME,
            exchange_depth: 4,
            development_tokens: false,
            session_lifetime: AuthorizationServer::SESSION_LIFETIME,
            login: None,
            signing: Signing {
                algorithm: SigningAlgorithm::Es256,
                keys: KeyOrigin::Files(Vec::new()),
                encryption: None,
            },
            clients,
        };
        config.issuer = Some(server.clone());
        Self { config, server, audiences }
    }

    /// The same, with `web` behind the other clients.
    fn for_users() -> Self {
        let mut world = Self::new();
        world.server.clients.push(web());
        world.server.login = Some(UserLogin { openid: everywhere(), users: Vec::new() });
        world
    }

    /// The end of a token that is minted now.
    fn end(&self, grant: &Grant, now: u64) -> u64 {
        grant.access_token(&self.policy(), Timestamp(now)).unwrap().expires().0
    }

    fn policy(&self) -> Policy<'_> {
        Policy { server: &self.server, config: &self.config, audiences: &self.audiences }
    }
}

/// A client of its own, which corp knows as `reporting-web`.
fn app() -> Client {
    let matrix = [(API1, patterns(&["read", "write", "transaction:{id}"])), (API2, patterns(&["reports"]))];
    Client { resources: matrix.into(), known_as: known_as("reporting-web"), ..client("app") }
}

/// A public client that asks users.
fn web() -> Client {
    let redirect_uris = ["https://app.example.com/cb", "http://127.0.0.1/cb"];
    Client {
        grants: vec![GrantType::AuthorizationCode, GrantType::RefreshToken],
        authentication: ClientAuthentication::None,
        redirect_uris: redirect_uris.iter().map(|uri| RedirectUri::parse(uri).unwrap()).collect(),
        resources: BTreeMap::from([
            (API1, patterns(&["read", "write", "transaction:{id}"])),
            (API2, patterns(&["reports", "read"])),
            (FREE, Vec::new()),
        ]),
        ..client("web")
    }
}

/// The first API.
fn service() -> Client {
    let edge = vec![
        EdgeScope { from: pattern("read"), to: patterns(&["reports"]) },
        EdgeScope { from: pattern("transaction:{id}"), to: patterns(&["payment:{id}"]) },
    ];
    Client { serves: Some(API1), exchange: BTreeMap::from([(API2, edge)]), ..client("api1-service") }
}

/// A client with an edge to the second API, which serves nothing.
fn onward() -> Client {
    Client { exchange: service().exchange, known_as: known_as("corp-onward"), ..client("onward") }
}

/// A login at every trusted issuer.
fn everywhere() -> Vec<OpenIdLogin> {
    let at = |issuer| OpenIdLogin {
        issuer: IssuerId(issuer),
        title: "Log in".into(),
        client_id: "narrowgate".into(),
        authentication: LoginAuthentication::None,
        scopes: Vec::new(),
        userinfo: false,
    };
    (0..3).map(at).collect()
}

fn client(id: &str) -> Client {
    Client {
        id: id.into(),
        name: None,
        grants: vec![GrantType::ClientCredentials, GrantType::TokenExchange],
        authentication: ClientAuthentication::Secrets(vec![Secret::new("s")]),
        resources: BTreeMap::new(),
        default_resource: None,
        serves: None,
        exchange: BTreeMap::new(),
        secret_method: None,
        known_as: BTreeMap::new(),
        redirect_uris: Vec::new(),
        consent: Consent::Ask,
        require_pushed_authorization_requests: false,
        disabled: false,
    }
}

/// A server with these clients, and nothing that they may have.
pub(super) fn server_of(clients: &[(&str, ClientAuthentication)]) -> AuthorizationServer {
    let made =
        clients.iter().map(|(id, authentication)| Client { authentication: authentication.clone(), ..client(id) });
    AuthorizationServer { clients: made.collect(), ..World::new().server }
}

/// A configuration whose issuer is at a URL.
pub(super) fn config_with_issuer(url: &str) -> Config {
    let World { config, server, .. } = World::new();
    let issuer = AuthorizationServer { issuer: url.into(), url: Url::parse(url).unwrap(), ..server };
    Config { issuer: Some(issuer), ..config }
}

fn known_as(id: &str) -> BTreeMap<IssuerId, String> {
    BTreeMap::from([(IssuerId(0), id.to_owned())])
}

fn pattern(text: &str) -> ScopePattern {
    ScopePattern::parse(text).unwrap()
}

fn patterns(texts: &[&str]) -> Vec<ScopePattern> {
    texts.iter().map(|text| pattern(text)).collect()
}

fn scopes(texts: &[&str]) -> BTreeSet<Scope> {
    texts.iter().map(|text| Scope::parse(text).unwrap()).collect()
}

fn words(texts: &[&str]) -> Option<Vec<String>> {
    Some(texts.iter().map(|text| (*text).to_owned()).collect())
}

fn wanted(names: &[&str], asked: Option<&[&str]>) -> Wanted {
    Wanted { names: names.iter().map(|name| (*name).to_owned()).collect(), scopes: asked.map(scopes) }
}

fn root() -> GrantId {
    GrantId::parse("AAAAAAAAAAAAAAAAAAAAAA").unwrap()
}

/// A token of ours for the first API: alice's, issued to `app`.
fn ours() -> TokenFacts {
    TokenFacts {
        issuer: TokenIssuer::Own,
        audiences: vec![ONE.into()],
        expires: Timestamp(1_000),
        claimed: Claimed {
            subject: Some("corp|alice".into()),
            client: Some("app".into()),
            scopes: words(&["read", "transaction:7"]),
        },
        claimed_at: BTreeMap::new(),
        refused_at: BTreeSet::new(),
        may_act: None,
        act: Vec::new(),
        root: Some(root()),
        bound: false,
        login: None,
        user_claims: Map::new(),
    }
}

/// A token of corp for the first API, by corp's name for it: alice's, issued to `reporting-web`.
fn theirs() -> TokenFacts {
    TokenFacts {
        issuer: CORP,
        audiences: vec!["api://one".into()],
        claimed: Claimed {
            subject: Some("alice".into()),
            client: Some("reporting-web".into()),
            scopes: words(&["Docs.Read"]),
        },
        root: None,
        ..ours()
    }
}
