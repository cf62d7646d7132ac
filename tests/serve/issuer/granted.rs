//! What users have granted, put into the store as the browser's part would: codes for every kind of client.

use std::collections::{BTreeMap, BTreeSet};

use narrowgate::clock::Timestamp;
use narrowgate::config::{
    AuthorizationServer, Client as Registered, ClientAuthentication, Config, Consent, GrantType, IssuerId,
    LoginAuthentication, OpenIdLogin, UserLogin,
};
use narrowgate::issuer::{CodeRecord, GrantRecord, RecallsSeen};
use narrowgate::oauth::{CodeChallenge, RedirectUri};
use narrowgate::secret::Secret;
use narrowgate::store::sealing::SealingKey;
use narrowgate::store::{self, NewCode, Store, TokenDigest, Whose};
use narrowgate::token::mint::GrantId;
use serde_json::json;

use super::world::{ONE, Plan, TWO, World, claims};
use crate::client::{Client, Reply};

/// RFC 7636 appendix B.
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
/// Another one, as good as that.
pub const WRONG: &str = "eBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub const PLACE: &str = "https://web.example/cb";

/// Clients of users: one with a secret, one like it, one that may not refresh, one whose users are not asked, and a page.
pub const WEB: (&str, &str) = ("web", "web-s3cret");
pub const OTHER: (&str, &str) = ("other", "other-s3cret");
pub const ONCE: (&str, &str) = ("once", "once-s3cret");
pub const TRUSTED: (&str, &str) = ("trusted", "trusted-s3cret");
pub const PAGE: &str = "page";
pub const ORIGIN: &str = "https://page.example";

/// A world in which users can log in.
pub async fn world() -> World {
    World::planned(Plan { change: Box::new(with_users), ..Plan::default() }).await
}

/// Adds users, and those clients.
pub fn with_users(config: &mut Config) {
    let server = config.issuer.as_mut().unwrap();
    server.login = Some(UserLogin { openid: vec![login_at_corp()], users: Vec::new() });
    let like_app = server.client("app").unwrap().clone();
    let client = |id: &str, secret: Option<&str>, place: &str| Registered {
        id: id.to_owned(),
        grants: vec![GrantType::AuthorizationCode, GrantType::RefreshToken],
        authentication: match secret {
            Some(secret) => ClientAuthentication::Secrets(vec![Secret::new(secret)]),
            None => ClientAuthentication::None,
        },
        redirect_uris: vec![RedirectUri::parse(place).unwrap()],
        ..like_app.clone()
    };
    server.clients.extend([
        client(WEB.0, Some(WEB.1), PLACE),
        client(OTHER.0, Some(OTHER.1), PLACE),
        Registered { grants: vec![GrantType::AuthorizationCode], ..client(ONCE.0, Some(ONCE.1), PLACE) },
        Registered { consent: Consent::Never, ..client(TRUSTED.0, Some(TRUSTED.1), PLACE) },
        client(PAGE, None, &format!("{ORIGIN}/cb")),
    ]);
}

/// Ada logs in at corp, the only issuer that is trusted.
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

/// What ada grants: everything.
pub const ALL: &[(&str, &[&str])] = &[(ONE, &["read", "write"]), (TWO, &["reports"])];

/// A code of ada's for this client and these rights, to which she has agreed.
pub async fn code(world: &World, client: &str, rights: &[(&str, &[&str])]) -> String {
    agree(world, client, rights).await;
    code_of(world, client, rights, AuthorizationServer::REFRESH_TOKEN_LIFETIME.as_secs()).await
}

/// The same, of a grant that lasts so long, without her consent being remembered.
pub async fn code_of(world: &World, client: &str, rights: &[(&str, &[&str])], lasts: u64) -> String {
    let now = Timestamp::now();
    let resources: BTreeMap<&str, &[&str]> = rights.iter().copied().collect();
    let record = json!({
        "root": GrantId::generate().unwrap().to_string(), "client": client, "provider": "corp", "issuer": "corp", "subject": "ada",
        "resources": resources, "auth_time": now.0 - 100, "begun": now.0, "ends": now.0 + lasts,
    });
    let grant = GrantRecord::from_json(record.to_string().as_bytes()).unwrap();
    let root = grant.root().to_string();
    let challenge = CodeChallenge::parse(CHALLENGE).unwrap();
    let record = CodeRecord { grant, redirect_uri: PLACE.to_owned(), challenge, recalls: RecallsSeen::default() };
    let code = Secret::random_token().unwrap();
    let sealed = SealingKey::of_token(&code, "code").seal(&record.to_json()).unwrap();
    let digest = TokenDigest::of(code.expose());
    let until = Timestamp(now.0 + 60);
    kept(world).save_code(&NewCode { digest, root, record: sealed, until }).await.unwrap();
    text(&code)
}

/// Remembers that ada has agreed to these rights.
pub async fn agree(world: &World, client: &str, rights: &[(&str, &[&str])]) {
    for (resource, scopes) in rights {
        let consent = store::Consent {
            client: client.to_owned(),
            subject: "corp|ada".to_owned(),
            resource: (*resource).to_owned(),
            scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
            declined: BTreeSet::new(),
        };
        kept(world).remember_consent(&consent).await.unwrap();
    }
}

/// The world's store.
pub fn kept(world: &World) -> std::sync::Arc<dyn Store> {
    std::sync::Arc::clone(&world.gateway.current.load().issuing.as_ref().unwrap().store)
}

/// How many families of a client stand.
pub async fn families(world: &World, client: &str) -> usize {
    kept(world).families(Whose::Client(client), None, Timestamp::now()).await.unwrap().len()
}

pub fn text(secret: &Secret) -> String {
    String::from_utf8(secret.expose().to_vec()).unwrap()
}

/// A request with a code.
pub fn redemption(code: &str) -> Vec<(&str, &str)> {
    vec![("grant_type", "authorization_code"), ("code", code), ("code_verifier", VERIFIER), ("redirect_uri", PLACE)]
}

/// Redeems a code for one API.
pub async fn redeem(world: &World, client: (&str, &str), code: &str, resource: &str) -> Reply {
    world.post("/token", Some(client), &[&redemption(code)[..], &[("resource", resource)]].concat()).await
}

/// Refreshes, for one API.
pub async fn refresh(world: &World, client: (&str, &str), refresh_token: &str, resource: &str) -> Reply {
    let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token), ("resource", resource)];
    world.post("/token", Some(client), &form).await
}

/// The tokens of an answer.
pub fn tokens_of(reply: &Reply) -> (String, String) {
    let answer = reply.json();
    assert_eq!(reply.status, 200, "{answer}");
    let text = |name: &str| answer[name].as_str().unwrap_or_else(|| panic!("no {name}: {answer}")).to_owned();
    (text("access_token"), text("refresh_token"))
}

/// Status and error of a refusal.
pub fn refusal(reply: &Reply) -> String {
    format!("{} {}", reply.status, reply.json()["error"].as_str().unwrap_or("no error"))
}

/// Whether the gate lets a token in at the API that it is for: 502 is the upstream's, which nobody runs.
pub async fn opens(world: &World, token: &str) -> bool {
    let audience = claims(token)["aud"].as_str().unwrap().to_owned();
    let host = audience.strip_prefix("https://").unwrap();
    let mut client = Client::connect(world.address).await;
    match client.ask(host, &format!("Authorization: Bearer {token}\r\n")).await.status {
        502 => true,
        401 => false,
        other => panic!("{other}"),
    }
}
