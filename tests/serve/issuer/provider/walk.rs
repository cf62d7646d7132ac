//! A user's way through a login, in a browser that keeps its cookies and follows nothing by itself.

use std::collections::BTreeMap;

use narrowgate::clock::Timestamp;
use narrowgate::config::{
    ClaimNames, ClaimPath, Client as Registered, ClientAuthentication, Config, GrantType, IssuerId, KeySource,
    LoginAuthentication, OpenIdLogin, UserLogin,
};
use narrowgate::oauth::{IssuerName, RedirectUri, Scope};
use narrowgate::secret::Secret;
use serde_json::Value;
use url::{Url, form_urlencoded};

use super::mock::{CANARIES, CLIENT, Mock, SECRET};
use crate::client::Reply;
use crate::issuer::world::{ISSUER, ONE, Plan, World};

pub const REDIRECT: &str = "https://app.example/cb";

/// The challenge of RFC 7636 appendix B.
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// What a user was sent to a provider with.
pub struct Sent(pub Url);

impl Sent {
    pub fn value(&self, name: &str) -> Option<String> {
        self.0.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
    }

    pub fn nonce(&self) -> String {
        self.value("nonce").unwrap()
    }

    /// The provider's answer with a code.
    pub fn code(&self, issuer: &str) -> String {
        self.answer(&[("code", CANARIES[2]), ("iss", issuer)])
    }

    /// Another answer of it.
    pub fn answer(&self, more: &[(&str, &str)]) -> String {
        let state = self.value("state").unwrap();
        let pairs = [&[("state", state.as_str())], more].concat();
        form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
    }
}

/// A browser.
#[derive(Clone, Default)]
pub struct Browser(pub BTreeMap<String, String>);

impl Browser {
    pub async fn get(&mut self, world: &World, target: &str) -> Reply {
        let cookies: Vec<String> = self.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let field = if cookies.is_empty() { String::new() } else { format!("Cookie: {}\r\n", cookies.join("; ")) };
        let target = target.strip_prefix(ISSUER).unwrap_or(target);
        let reply = world.ask("GET", target, &field, b"").await;
        for line in reply.head.lines().filter(|line| line.to_ascii_lowercase().starts_with("set-cookie:")) {
            let pair = line.split_once(':').unwrap().1.split(';').next().unwrap();
            let (name, value) = pair.trim().split_once('=').unwrap();
            self.0.insert(name.to_owned(), value.to_owned());
        }
        let whole = format!("{}{}", reply.head, String::from_utf8_lossy(&reply.body));
        assert!(CANARIES.iter().all(|canary| !whole.contains(canary)), "the provider's secrets stay inside: {whole}");
        reply
    }

    pub fn session(&self) -> Option<&String> {
        self.0.get("__Host-narrowgate-session")
    }

    /// Goes to the provider of this name, for a client that asks for `more`, too.
    pub async fn begin_at(&mut self, world: &World, provider: &str, more: &str) -> Reply {
        let reply = self.get(world, &authorize(more)).await;
        let login = location(&reply);
        assert!(login.starts_with(&format!("{ISSUER}/login?transaction=")), "{login}");
        self.get(world, &format!("{login}&provider={provider}")).await
    }

    /// The same, at `corp`, which works.
    pub async fn begin(&mut self, world: &World, more: &str) -> Sent {
        sent(&self.begin_at(world, "corp", more).await)
    }

    pub async fn come_back(&mut self, world: &World, answer: &str) -> Reply {
        self.get(world, &format!("/login/callback?{answer}")).await
    }
}

/// Where a user is sent.
pub fn sent(reply: &Reply) -> Sent {
    Sent(Url::parse(&location(reply)).unwrap())
}

pub fn location(reply: &Reply) -> String {
    assert_eq!(reply.status, 303, "{}{}", reply.head, String::from_utf8_lossy(&reply.body));
    reply.field("location").unwrap().to_owned()
}

/// What a client gets in place of a code.
pub fn error_for_the_client(reply: &Reply) -> String {
    let location = location(reply);
    let url = Url::parse(&location).unwrap();
    assert!(location.starts_with(REDIRECT), "{location}");
    let pairs: BTreeMap<_, _> = url.query_pairs().into_owned().collect();
    assert_eq!((pairs["state"].as_str(), pairs["iss"].as_str()), ("client-state", ISSUER));
    assert_eq!(pairs.len(), 3, "nothing else is told: {location}");
    pairs["error"].clone()
}

/// A page that says no, in words of ours alone.
pub fn assert_page(reply: &Reply, told: &str) {
    assert_eq!(reply.status, 400, "{told}: {}", reply.head);
    assert!(reply.field("set-cookie").is_none(), "{told}: nobody is logged in");
    assert_eq!(reply.field("cache-control"), Some("no-store"));
    assert!(String::from_utf8_lossy(&reply.body).contains("The login failed"), "{told}");
}

/// The request of a client that wants a code.
pub fn authorize(more: &str) -> String {
    format!(
        "/authorize?response_type=code&client_id=web&redirect_uri={REDIRECT}&state=client-state&resource={ONE}\
         &scope=read&code_challenge={CHALLENGE}&code_challenge_method=S256{more}"
    )
}

/// A world whose users log in at `corp`, or at `other`.
pub async fn start(corp: &Mock, other: &Mock, change: impl FnOnce(&mut Config) + Send + 'static) -> World {
    let issuers = [corp.issuer.clone(), other.issuer.clone()];
    let change = move |config: &mut Config| {
        config.trusted_issuers.push(config.trusted_issuers[0].clone());
        config.trusted_issuers[1].name = IssuerName::parse("other").unwrap();
        for (trusted, issuer) in config.trusted_issuers.iter_mut().zip(issuers) {
            trusted.keys = KeySource::Discovery { issuer: Url::parse(&issuer).unwrap() };
            trusted.issuers = vec![issuer];
            trusted.refetch_after = std::time::Duration::ZERO;
            let path = |name: &str| vec![ClaimPath { text: name.to_owned(), steps: vec![name.to_owned()] }];
            trusted.claims = ClaimNames { subject: path("sub"), carry: path("groups"), ..trusted.claims.clone() };
        }
        let server = config.issuer.as_mut().unwrap();
        server.login = Some(UserLogin { openid: vec![login(0), login(1)], users: Vec::new() });
        let web = Registered {
            id: "web".to_owned(),
            grants: vec![GrantType::AuthorizationCode],
            authentication: ClientAuthentication::Secrets(vec![Secret::new("web-s3cret")]),
            redirect_uris: vec![RedirectUri::parse(REDIRECT).unwrap()],
            ..server.clients[0].clone()
        };
        server.clients.push(web);
        change(config);
    };
    World::planned(Plan { change: Box::new(change), ..Plan::default() }).await
}

fn login(issuer: usize) -> OpenIdLogin {
    OpenIdLogin {
        issuer: IssuerId(issuer),
        title: "Corp".to_owned(),
        client_id: CLIENT.to_owned(),
        authentication: LoginAuthentication::Secret(Secret::new(SECRET)),
        scopes: vec![Scope::parse("openid").unwrap()],
        userinfo: false,
    }
}

/// The login at `corp` of a configuration.
pub fn of_corp(config: &mut Config) -> &mut OpenIdLogin {
    &mut config.issuer.as_mut().unwrap().login.as_mut().unwrap().openid[0]
}

/// A login at `corp` whose ID token says something else.
pub async fn with_claims(world: &World, corp: &Mock, more: &str, change: impl FnOnce(&mut Value)) -> Reply {
    let mut browser = Browser::default();
    let sent = browser.begin(world, more).await;
    corp.gives(&corp.id_token(&sent.nonce(), change));
    browser.come_back(world, &sent.code(&corp.issuer)).await
}

/// Now, and so many seconds before.
pub fn ago(seconds: u64) -> u64 {
    Timestamp::now().0 - seconds
}
