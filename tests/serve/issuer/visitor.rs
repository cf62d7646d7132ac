//! A browser as far as cookies, redirects and forms go, and a world in which its user can log in.

use std::collections::BTreeMap;
use std::sync::Arc;

use argon2::password_hash::PasswordHasher;
use argon2::{Algorithm, Argon2, Params, Version};
use narrowgate::clock::Timestamp;
use narrowgate::config::{
    Client as Registered, ClientAuthentication, Config, Consent, GrantType, LocalUser, UserLogin,
};
use narrowgate::issuer::{CodeRecord, GrantRecord};
use narrowgate::oauth::RedirectUri;
use narrowgate::secret::Secret;
use narrowgate::store::sealing::SealingKey;
use narrowgate::store::{Code, Store, TokenDigest};
use serde_json::json;
use url::{Url, form_urlencoded};

use super::world::{ISSUER, ONE, Plan, World, encoded};

/// Where the answers to `app` go.
pub const CALLBACK: &str = "https://app.example/cb";

/// Where those to the program on the user's machine go.
pub const MACHINE: &str = "http://127.0.0.1:7777/cb";

pub const PASSWORD: &str = "wonderland";

/// The challenge of RFC 7636 appendix B.
pub const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// A world with users, and what else is different.
pub async fn world_with(change: impl FnOnce(&mut Config) + Send + 'static) -> World {
    let change = Box::new(|config: &mut Config| {
        with_users(config);
        change(config);
    });
    World::planned(Plan { change, ..Plan::default() }).await
}

pub async fn world_over(store: Arc<dyn Store>) -> World {
    World::planned(Plan { store, change: Box::new(with_users), ..Plan::default() }).await
}

pub async fn world() -> World {
    world_with(|_| {}).await
}

/// Alice and Bob, and clients that ask them.
pub fn with_users(config: &mut Config) {
    let words = ["Read your documents", "Change your documents"];
    for ((_, description), word) in config.resources[0].scopes.iter_mut().zip(words) {
        *description = Some(word.to_owned());
    }
    config.resources[0].name = Some("Documents".to_owned());
    let server = config.issuer.as_mut().unwrap();
    let users = ["alice", "bob"].map(|name| LocalUser {
        name: name.to_owned(),
        password: Secret::new(hash(PASSWORD)),
        claims: json!({ "department": "sales" }).as_object().unwrap().clone(),
    });
    let openid = server.login.take().map(|login| login.openid).unwrap_or_default();
    server.login = Some(UserLogin { openid, users: users.into() });
    let app = server.clients.iter().position(|client| client.id == "app").unwrap();
    server.clients[app].name = Some("Reporting <App>".to_owned());
    server.clients[app].redirect_uris = vec![RedirectUri::parse(CALLBACK).unwrap()];
    server.clients[app].grants.extend([GrantType::AuthorizationCode, GrantType::RefreshToken]);
    let like_app = |id: &str| Registered { id: id.to_owned(), name: None, ..server.clients[app].clone() };
    let more = [
        Registered { consent: Consent::Never, ..like_app("quiet") },
        Registered { require_pushed_authorization_requests: true, ..like_app("pusher") },
        Registered {
            authentication: ClientAuthentication::None,
            redirect_uris: vec![RedirectUri::parse("http://127.0.0.1/cb").unwrap()],
            ..like_app("program")
        },
    ];
    server.clients.extend(more);
}

fn hash(password: &str) -> String {
    // As cheap as can be: that it is slow is no matter here.
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(8, 1, 1, None).unwrap());
    argon2.hash_password_with_salt(password.as_bytes(), b"some salt, 16 by").unwrap().to_string()
}

/// What `app` asks for, as it is usually asked.
pub fn asking(more: &[(&str, &str)]) -> String {
    let usual = [
        ("client_id", "app"),
        ("redirect_uri", CALLBACK),
        ("response_type", "code"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
        ("state", "a%2Bb c&d"),
    ];
    let is_said = |name: &str| name != "resource" && more.iter().any(|(other, _)| *other == name);
    let mut all: Vec<_> = usual.into_iter().filter(|(name, _)| !is_said(name)).collect();
    all.extend(more.iter().filter(|(_, value)| !value.is_empty()));
    if !more.iter().any(|(name, _)| *name == "resource") {
        all.push(("resource", ONE));
    }
    format!("/authorize?{}", encoded(&all))
}

/// One browser.
pub struct Visitor<'w> {
    world: &'w World,
    pub cookies: BTreeMap<String, String>,
    /// Fields that every request carries.
    pub fields: String,
}

/// What a browser got.
#[derive(Debug)]
pub struct Page {
    pub status: u16,
    pub head: String,
    pub text: String,
    pub location: Option<String>,
}

impl<'w> Visitor<'w> {
    pub fn new(world: &'w World) -> Self {
        Self { world, cookies: BTreeMap::new(), fields: String::new() }
    }

    pub async fn get(&mut self, target: &str) -> Page {
        self.ask("GET", target, "", b"").await
    }

    pub async fn post(&mut self, target: &str, form: &[(&str, &str)]) -> Page {
        let kind = "Content-Type: application/x-www-form-urlencoded\r\n";
        self.ask("POST", target, kind, encoded(form).as_bytes()).await
    }

    pub async fn ask(&mut self, method: &str, target: &str, fields: &str, body: &[u8]) -> Page {
        let target = target.strip_prefix(ISSUER).unwrap_or(target);
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let cookies = match cookies.is_empty() {
            true => String::new(),
            false => format!("Cookie: {}\r\n", cookies.join("; ")),
        };
        let reply = self.world.ask(method, target, &format!("{fields}{}{cookies}", self.fields), body).await;
        for line in reply.head.lines() {
            let Some((name, value)) = line.split_once(':') else { continue };
            if !name.eq_ignore_ascii_case("set-cookie") {
                continue;
            }
            let (pair, attributes) = value.trim().split_once("; ").unwrap();
            assert!(attributes.contains("Path=/; HttpOnly; SameSite=Lax; Secure"), "{line}");
            let (name, value) = pair.split_once('=').unwrap();
            match attributes.contains("Max-Age=0") {
                true => self.cookies.remove(name),
                false => self.cookies.insert(name.to_owned(), value.to_owned()),
            };
        }
        let location = reply.field("location").map(str::to_owned);
        assert!(![301, 302, 307, 308].contains(&reply.status), "{}", reply.head);
        let cors = reply.head.to_ascii_lowercase().contains("access-control-");
        assert!(!cors && reply.field("cache-control") == Some("no-store"), "{}", reply.head);
        // Addresses may be broken anywhere that a line is full.
        let text = String::from_utf8(reply.body).unwrap().replace("<wbr>", "");
        Page { status: reply.status, text, head: reply.head, location }
    }

    /// Goes where it is sent, as long as that is one of our pages.
    pub async fn follow(&mut self, mut page: Page) -> Page {
        while let Some(location) = page.location.as_ref().filter(|location| location.starts_with(ISSUER)) {
            assert_eq!((page.status, &*page.text), (303, ""));
            page = self.get(&location.clone()).await;
        }
        page
    }

    pub async fn visit(&mut self, target: &str) -> Page {
        let page = self.get(target).await;
        self.follow(page).await
    }

    /// Fills in the form of the login page.
    pub async fn log_in(&mut self, page: &Page, name: &str, password: &str) -> Page {
        let form =
            [("transaction", page.hidden("transaction")), ("username", name.into()), ("password", password.into())];
        let form: Vec<_> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let page = self.post("/login", &form).await;
        self.follow(page).await
    }

    /// Answers the consent page: every box that it ticks, but for these.
    pub async fn answer(&mut self, page: &Page, answer: &str, unticked: &[&str]) -> Page {
        let boxes = page.boxes().into_iter().filter(|name| !unticked.contains(&name.as_str()));
        let mut form: Vec<(String, String)> = boxes.map(|name| (name, "on".to_owned())).collect();
        for name in ["transaction", "shown"] {
            form.push((name.to_owned(), page.hidden(name)));
        }
        form.push(("answer".to_owned(), answer.to_owned()));
        let form: Vec<_> = form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.post("/consent", &form).await
    }

    /// Everything up to the consent page.
    pub async fn reach_consent(&mut self, target: &str) -> Page {
        let login = self.visit(target).await;
        assert_eq!((login.status, login.title()), (200, "Sign in".to_owned()), "{}", login.text);
        let consent = self.log_in(&login, "alice", PASSWORD).await;
        assert_eq!(consent.status, 200, "{consent:?}");
        consent
    }

    /// What a code that came stands for.
    pub async fn granted(&self, page: &Page) -> GrantRecord {
        let code = page.told("code").unwrap_or_else(|| panic!("{page:?}"));
        let snapshot = self.world.gateway.current.load();
        let store = &snapshot.issuing.as_ref().unwrap().store;
        let found = store.peek_code(&TokenDigest::of(code.as_bytes()), Timestamp::now()).await.unwrap();
        let Code::Fresh { record, root } = found else { panic!("{found:?}") };
        let json = SealingKey::of_token(&Secret::new(code), "code").open(&record).unwrap();
        let record = CodeRecord::from_json(json.expose()).unwrap();
        assert_eq!(record.grant.root().to_string(), root);
        assert_eq!(record.challenge.to_string(), CHALLENGE);
        record.grant
    }
}

impl Page {
    /// A parameter of the answer to the client.
    pub fn told(&self, name: &str) -> Option<String> {
        let location = self.location.as_ref().filter(|location| !location.starts_with(ISSUER))?;
        let query = Url::parse(location).unwrap().query().unwrap().to_owned();
        let mut pairs = form_urlencoded::parse(query.as_bytes()).into_owned();
        pairs.find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// The value of a hidden field.
    pub fn hidden(&self, name: &str) -> String {
        let start = format!("name=\"{name}\" value=\"");
        let (_, rest) = self.text.split_once(&start).unwrap_or_else(|| panic!("no `{name}`: {self:?}"));
        rest.split('"').next().unwrap().to_owned()
    }

    /// The names of all boxes that are ticked.
    pub fn boxes(&self) -> Vec<String> {
        let parts = self.text.split("<input type=\"checkbox\" name=\"").skip(1);
        parts.map(|part| part.split('"').next().unwrap().to_owned()).collect()
    }

    pub fn title(&self) -> String {
        let (_, rest) = self.text.split_once("<title>").unwrap_or_else(|| panic!("{self:?}"));
        rest.split("</title>").next().unwrap().to_owned()
    }

    /// A header field's value.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// What was granted, in words.
pub fn words(record: &GrantRecord) -> Vec<(String, String)> {
    let rows = record.resources().iter().map(|(key, scopes)| {
        let scopes: Vec<_> = scopes.iter().map(ToString::to_string).collect();
        (key.to_string(), scopes.join(" "))
    });
    rows.collect()
}
