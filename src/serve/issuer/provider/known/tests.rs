//! How often a provider is asked where it answers, and what serves on while it is away.

use std::path::Path;

use serde_json::json;

use super::*;
use crate::config::{Environment, parse};
use crate::fetch::loopback::Reply;
use crate::token::keys::site::{Site, trusted};

const METADATA: &str = "/.well-known/openid-configuration";

const CONFIG: &str = "
    listen: 127.0.0.1:0
    trusted_issuers: { corp: { issuer: https://login.example.com } }
    resources: { https://a.example.com: { upstream: http://127.0.0.1:1 } }
    issuer:
      url: https://b.example.com
      login: { openid: { corp: { client_id: narrowgate } } }
    store: narrowgate.redb
";

fn config() -> Config {
    parse(CONFIG, Path::new("gateway.yaml"), &Environment::default()).unwrap().config
}

fn describe(site: &Site, issuer: &str) {
    let at = |path: &str| site.server.at(path).to_string();
    let metadata =
        json!({ "issuer": issuer, "authorization_endpoint": at("/authorize"), "token_endpoint": at("/token") });
    site.set(METADATA, Reply::ok(metadata.to_string()));
}

/// A provider that answers, and how it is trusted.
async fn provider() -> (Site, TrustedIssuer) {
    let site = Site::start().await;
    let issuer = site.issuer();
    describe(&site, &issuer);
    (site, trusted(&issuer))
}

#[tokio::test]
async fn all_who_come_at_once_share_one_reading() {
    let (site, trusted) = provider().await;
    let (providers, config) = (Providers::default(), config());
    let asked = || providers.metadata(&config, &trusted);
    let (one, other, third) = tokio::join!(asked(), asked(), asked());
    for known in [one, other, third, asked().await] {
        assert_eq!(known.unwrap().issuer, trusted.issuers[0]);
    }
    assert_eq!(site.server.count(METADATA), 1);
}

#[tokio::test]
async fn what_was_said_last_serves_on_while_nothing_is_said() {
    let (site, mut trusted) = provider().await;
    let (providers, config) = (Providers::default(), config());
    trusted.refresh = Duration::ZERO;
    let before = providers.metadata(&config, &trusted).await.unwrap();
    site.set(METADATA, Reply::status(503));
    for _ in 0..3 {
        assert!(Arc::ptr_eq(&before, &providers.metadata(&config, &trusted).await.unwrap()));
    }
    assert_eq!(site.server.count(METADATA), 2, "who has just failed is left alone");
    trusted.max_stale = Duration::ZERO;
    assert!(matches!(providers.metadata(&config, &trusted).await, Err(NotLoggedIn::Unreachable(_))));
}

#[tokio::test]
async fn a_document_about_somebody_else_is_none() {
    let (site, trusted) = provider().await;
    describe(&site, "https://evil.example");
    let refused = Providers::default().metadata(&config(), &trusted).await.unwrap_err();
    assert!(matches!(&refused, NotLoggedIn::Unreachable(why) if why.contains("`issuer`")), "{refused}");
}

#[tokio::test]
async fn what_a_configuration_has_no_more_is_forgotten() {
    let left_after = async |change: fn(&mut Config)| {
        let (_site, there) = provider().await;
        let (providers, mut config) = (Providers::default(), config());
        config.trusted_issuers[0] = there;
        providers.metadata(&config, &config.trusted_issuers[0]).await.unwrap();
        change(&mut config);
        providers.prune(&config);
        providers.kept().providers.len()
    };
    assert_eq!(left_after(|_| {}).await, 1);
    assert_eq!(left_after(|config| config.issuer = None).await, 0, "there is no issuer");
    assert_eq!(left_after(|config| config.issuer.as_mut().unwrap().login = None).await, 0, "nobody logs in");
    let elsewhere = left_after(|config| config.trusted_issuers[0] = trusted("https://login.example.com"));
    assert_eq!(elsewhere.await, 0, "it is found elsewhere");
    let with_other_roots = left_after(|config| config.trusted_cas = Some(b"another".as_slice().into()));
    assert_eq!(with_other_roots.await, 0, "it was fetched under other authorities");
}
