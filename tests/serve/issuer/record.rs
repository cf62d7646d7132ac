//! What is written down: an event for everything that was done, and never a secret.

use std::io::Write;
use std::sync::{Arc, Mutex};

use narrowgate::config::{Config, Forward};
use serde_json::Value;
use tracing_subscriber::fmt::MakeWriter;

use super::granted::{ALL, WEB, code, redeem, refresh, tokens_of, with_users};
use super::visitor::{self, PASSWORD, Visitor, asking};
use super::world::{ACCESS_TOKEN, APP, EXCHANGE, ONE, Plan, SERVICE, TWO, World, token_of};
use crate::client::Client;

/// Who asks in this test, and in no other.
const PEER: &str = "198.51.100.77";

/// The log, as lines of JSON.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// The events of this kind, apart from those of tests beside.
    fn deeds(&self, deed: &str) -> Vec<Value> {
        let lines = self.text().lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect::<Vec<_>>();
        lines.into_iter().filter(|line| line["peer"] == PEER && line["deed"] == deed).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_deed_is_written_down_and_no_secret() {
    let log = Log::default();
    let layer = tracing_subscriber::fmt().json().flatten_event(true).with_max_level(tracing::Level::TRACE);
    let subscriber = layer.with_writer(log.clone()).finish();
    tracing::subscriber::set_global_default(subscriber).expect("no other test of this program listens");
    let narrowing = |config: &mut Config| {
        config.resources[0].forward = Forward::Narrowed;
        with_users(config);
        visitor::with_users(config);
    };
    let plan = Plan { yaml: "trusted_proxies: [127.0.0.1]", change: Box::new(narrowing), ..Plan::default() };
    let mut world = World::planned(plan).await;
    world.fields = "X-Forwarded-For: 198.51.100.77\r\n";
    let subject = world.token(ONE).await;
    let exchange = |target: &'static str| {
        [
            ("grant_type", EXCHANGE),
            ("subject_token", &*subject),
            ("subject_token_type", ACCESS_TOKEN),
            ("resource", target),
        ]
    };
    let derived = token_of(&world.post("/token", Some(SERVICE), &exchange(TWO)).await);
    assert_eq!(world.post("/token", Some(SERVICE), &exchange(ONE)).await.status, 400);
    let more = [
        ("grant_type", EXCHANGE),
        ("subject_token", &*subject),
        ("subject_token_type", ACCESS_TOKEN),
        ("audience", "https://API2.example:443/"),
        ("scope", "reports scope-canary"),
    ];
    assert_eq!(world.post("/token", Some(SERVICE), &more).await.status, 400);
    for _ in 0..2 {
        let mut client = Client::connect(world.address).await;
        let fields = format!("Authorization: Bearer {subject}\r\n{}", world.fields);
        assert_eq!(client.ask_at("/", "api1.example", &fields).await.status, 502, "nothing listens behind the gate");
    }
    assert_eq!(world.post("/token", Some(("app", "wrong-canary")), &exchange(ONE)).await.status, 401);
    assert_eq!(world.post("/token", Some(("id-canary", "wrong-canary")), &exchange(ONE)).await.status, 401);
    assert_eq!(world.post("/revoke", Some(SERVICE), &[("token", &subject)]).await.status, 400);
    assert_eq!(world.post("/revoke", Some(APP), &[("token", &subject)]).await.status, 200);
    let assertion = world.assertion(|claims| claims["aud"] = "https://elsewhere.example".into());
    let form = [
        ("client_assertion", &*assertion),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
    ];
    assert_eq!(world.post("/token", None, &form).await.status, 401);
    assert_eq!(world.post("/token", None, &exchange(TWO)).await.status, 401);
    for line in [
        r#"narrowgate_token_refusals_total{grant="token_exchange",error="invalid_target"} 1"#,
        r#"narrowgate_token_refusals_total{grant="token_exchange",error="invalid_client"} 3"#,
        r#"narrowgate_tokens_issued_total{grant="token_exchange",resource="https://api2.example"} 1"#,
        r#"narrowgate_tokens_issued_total{grant="narrowing",resource="https://api1.example"} 1"#,
    ] {
        assert!(world.gateway.metrics.encode().contains(line), "{line}\n{}", world.gateway.metrics.encode());
    }
    let issued = log.deeds("token_issued");
    let jti = |token: &str| super::world::claims(token)["jti"].clone();
    assert_eq!((&issued[0]["client"], &issued[0]["jti"]), (&"app".into(), &jti(&subject)));
    let second = &issued[1];
    assert_eq!((&second["jti"], &second["parent_jti"]), (&jti(&derived), &jti(&subject)));
    assert_eq!(
        (&second["resource"], &second["scopes"], &second["grant"]),
        (&TWO.into(), &"reports".into(), &"token_exchange".into())
    );
    let narrowed: Vec<_> = issued.iter().filter(|line| line["grant"] == "narrowing").collect();
    assert_eq!(narrowed.len(), 1, "what is found again is not issued");
    assert_eq!(
        (&narrowed[0]["client"], &narrowed[0]["resource"], &narrowed[0]["parent_jti"]),
        (&"app".into(), &ONE.into(), &jti(&subject))
    );
    let all = log.deeds("token_refused");
    let refused = &all[0];
    assert_eq!((&refused["client"], &refused["resource"]), (&"api1-service".into(), &ONE.into()));
    let wider = &all[1];
    assert_eq!(
        (&wider["resource"], &wider["scopes"], &wider["subject"], &wider["parent_jti"]),
        (&TWO.into(), &"reports".into(), &"app".into(), &jti(&subject))
    );
    assert!(
        refused["reason"].is_string() && refused["target"] == "narrowgate::audit" && refused["request_id"].is_string()
    );
    let failed = log.deeds("authentication_failed");
    assert_eq!((failed.len(), &failed[0]["client"], failed[1].get("client")), (4, &"app".into(), None));
    assert_eq!((log.deeds("revocation_refused").len(), log.deeds("token_revoked").len()), (1, 1));
    let of_users = users_grants_are_written_down(&world, &log).await;
    let of_visits = visits_are_written_down(&world, &log).await;
    let text = log.text();
    for secret in of_users.iter().chain(&of_visits) {
        assert!(!text.contains(secret), "{secret} was written down");
    }
    for secret in
        [&*subject, &derived, &assertion, "app-s3cret", "one-s3cret", "wrong-canary", "id-canary", "scope-canary"]
    {
        assert!(!text.contains(secret), "{secret} was written down");
    }
    for token in [&subject, &derived, &assertion] {
        let signature = token.rsplit('.').next().unwrap();
        assert!(!text.contains(signature), "a signature was written down");
    }
}

/// A code and a refresh token, used and used again; what was a secret of it.
async fn users_grants_are_written_down(world: &World, log: &Log) -> Vec<String> {
    let (one, other) = (code(world, WEB.0, ALL).await, code(world, WEB.0, ALL).await);
    let (access_token, spent) = tokens_of(&redeem(world, WEB, &one, ONE).await);
    let (_, next) = tokens_of(&refresh(world, WEB, &spent, TWO).await);
    let (_, leaf) = tokens_of(&refresh(world, WEB, &next, TWO).await);
    assert_eq!(refresh(world, WEB, &spent, ONE).await.status, 400);
    let (_, unused) = tokens_of(&redeem(world, WEB, &other, ONE).await);
    assert_eq!(redeem(world, WEB, &other, ONE).await.status, 400);
    let root = super::world::claims(&access_token)["jti"].as_str().unwrap().split_once('.').unwrap().0.to_owned();
    let issued = log.deeds("token_issued");
    let by = |grant: &str| issued.iter().filter(|line| line["grant"] == grant).collect::<Vec<_>>();
    assert_eq!((by("authorization_code").len(), by("refresh_token").len()), (2, 2));
    let first = by("authorization_code")[0];
    assert_eq!(
        (&first["client"], &first["subject"], &first["resource"], &first["scopes"]),
        (&WEB.0.into(), &"corp|ada".into(), &ONE.into(), &"read write".into())
    );
    let reused = log.deeds("refresh_reused");
    assert_eq!((reused.len(), log.deeds("code_reused").len()), (1, 1));
    assert_eq!(
        (&reused[0]["client"], &reused[0]["subject"], &reused[0]["jti"], &reused[0]["grant"]),
        (&WEB.0.into(), &"corp|ada".into(), &root.into(), &"refresh_token".into())
    );
    vec![one, other, spent, next, leaf, unused]
}

/// A user's way from a wrong password to the end of his session; what was a secret of it.
async fn visits_are_written_down(world: &World, log: &Log) -> Vec<String> {
    let mut browser = Visitor::new(world);
    let login = browser.visit(&asking(&[("login_hint", "hint-canary")])).await;
    browser.log_in(&login, "name-canary", "password-canary").await;
    let consent = browser.log_in(&login, "alice", PASSWORD).await;
    let answer = browser.answer(&consent, "allow", &["scope-0-1"]).await;
    let denied = browser.visit(&asking(&[("prompt", "consent")])).await;
    browser.answer(&denied, "deny", &[]).await;
    browser.get(&asking(&[("client_id", "client-canary")])).await;
    let page = browser.get("/grants").await;
    let token = page.hidden("token");
    browser.post("/grants", &[("token", &token), ("client", "app"), ("api", ONE)]).await;
    browser.post("/logout", &[("token", &token)]).await;
    let (failed, succeeded) = (log.deeds("login_failed"), log.deeds("login_succeeded"));
    assert_eq!((failed.len(), failed[0].get("subject"), succeeded.len()), (1, None, 1));
    assert_eq!(succeeded[0]["subject"], "local|alice");
    let root = log.deeds("code_issued")[0]["jti"].as_str().unwrap().to_owned();
    assert_eq!(root.len(), 22);
    for deed in ["consent_granted", "code_issued"] {
        let line = &log.deeds(deed)[0];
        assert_eq!(
            (&line["client"], &line["subject"], &line["resource"], &line["scopes"]),
            (&"app".into(), &"local|alice".into(), &ONE.into(), &"read".into()),
            "{deed}"
        );
    }
    let refused = log.deeds("authorization_refused");
    assert_eq!((refused.len(), &refused[0]["client"], refused[1].get("client")), (2, &"app".into(), None));
    let withdrawn = log.deeds("consent_withdrawn");
    assert_eq!((withdrawn.len(), &withdrawn[0]["resource"], log.deeds("logged_out").len()), (1, &ONE.into(), 1));
    let canaries = ["hint-canary", "name-canary", "password-canary", "client-canary", PASSWORD, "a%2Bb c&d"];
    let told = [answer.told("code").unwrap(), login.hidden("transaction"), token];
    canaries.into_iter().map(str::to_owned).chain(told).chain(browser.cookies.into_values()).collect()
}
