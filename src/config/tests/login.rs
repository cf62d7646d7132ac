//! What a login and the clients of users mean; the messages are compared in `tests/config_faults.rs`.

use serde_json::json;

use super::*;
use crate::oauth::RedirectUri;
use crate::secret::Secret;

/// What a fixture loads as.
fn fixture(name: &str) -> (Config, AuthorizationServer) {
    let path = format!("tests/fixtures/config/good/{name}.yaml");
    let environment = [("SECRET", "correct-horse-battery-staple")].into_iter().collect();
    let config = load(Path::new(&path), &environment).unwrap_or_else(|faults| panic!("{faults}")).config;
    let server = config.issuer.clone().unwrap();
    (config, server)
}

#[test]
fn providers_are_as_they_were_written_or_as_usual() {
    let (_, server) = fixture("login");
    let login = server.login.unwrap();
    let pem = std::fs::read_to_string("tests/fixtures/config/files/signing.pem").unwrap();
    let scope = |text: &str| crate::oauth::Scope::parse(text).unwrap();
    let corp = OpenIdLogin {
        issuer: IssuerId(0),
        title: "Acme staff".into(),
        client_id: "narrowgate".into(),
        authentication: LoginAuthentication::Key { pem: Secret::new(pem.trim_end()), kid: Some("one".into()) },
        scopes: vec![scope("openid"), scope("email")],
        userinfo: true,
    };
    let partner = OpenIdLogin {
        issuer: IssuerId(1),
        title: "partner".into(),
        authentication: LoginAuthentication::Secret(Secret::new("correct-horse-battery-staple")),
        scopes: vec![scope("openid")],
        userinfo: false,
        ..corp.clone()
    };
    assert_eq!(login, UserLogin { openid: vec![corp, partner], users: Vec::new() });
}

#[test]
fn lifetimes_are_as_they_were_written_or_as_usual() {
    let of = |server: AuthorizationServer| {
        [server.code_lifetime, server.refresh_token_lifetime, server.session_lifetime].map(|one| one.as_secs())
    };
    assert_eq!(of(fixture("login").1), [30, 90 * 86_400, 12 * 3600]);
    assert_eq!(of(fixture("login_users").1), [60, 30 * 86_400, 8 * 3600]);
}

#[test]
fn what_is_known_of_a_local_user_has_the_types_that_yaml_gives_it() {
    let (_, server) = fixture("login_users");
    let login = server.login.unwrap();
    let claims = json!({ "department": "sales", "groups": ["admins", "7"], "level": 7, "staff": true });
    assert_eq!(json!(login.user("alice").unwrap().claims), claims);
    assert_eq!(json!(login.user("bob").unwrap().claims), json!({}));
    assert!(login.user("eve").is_none());
    assert!(!format!("{login:?}").contains("sales") && !format!("{login:?}").contains("argon2id"));
}

#[test]
fn a_client_of_users_is_as_it_was_written() {
    let (_, server) = fixture("login");
    let web = server.client("web").unwrap();
    assert_eq!((web.shown(), web.consent), ("Monthly reports", Consent::Never));
    assert!(web.require_pushed_authorization_requests);
    assert_eq!(web.grants, [GrantType::AuthorizationCode, GrantType::RefreshToken]);
    assert_eq!(web.redirect_uris, [RedirectUri::parse("https://app.example.com/callback").unwrap()]);
    let (_, server) = fixture("login_in_memory");
    let web = server.client("web").unwrap();
    assert_eq!((web.shown(), web.consent), ("web", Consent::Ask));
    assert!(!web.require_pushed_authorization_requests);
}

#[test]
fn access_is_a_demand_for_each_claim() {
    let (config, _) = fixture("login");
    let demand = |claim: &str, values: &[&str]| Requirement {
        claim: ClaimPath { text: claim.into(), steps: vec![claim.into()] },
        values: values.iter().map(|value| (*value).to_owned()).collect(),
    };
    assert_eq!(config.resources[0].access, [demand("department", &["sales", "7"])]);
    assert_eq!(config.resources[1].access, [demand("department", &["sales"]), demand("roles", &["admins"])]);
}

#[test]
fn what_is_sealed_beside_key_files_has_its_text() {
    let (config, server) = fixture("login");
    assert!(matches!(server.signing.keys, KeyOrigin::Files(_)) && server.signing.encryption.is_some());
    assert!(matches!(config.store, Some(StoreLocation::File(_))));
}
