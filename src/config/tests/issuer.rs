//! What holds for an issuer of our own; the messages are compared in `tests/config_faults.rs`.

use super::*;
use crate::oauth::{ScopePattern, SigningAlgorithm};
use crate::secret::Secret;

/// A configuration whose issuer says `issuer` and whose top says `top`.
fn with_issuer(issuer: &str, top: &str) -> Config {
    let text = format!(
        "{HEAD}resources:
  https://api1.example.com: {{ upstream: http://127.0.0.1:9001, scopes: [read, write, 'order:{{id}}'] }}
  https://api2.example.com: {{ upstream: http://127.0.0.1:9002, scopes: [reports, 'order:{{id}}'] }}
issuer: {{ url: https://auth.example.com, {issuer} }}
{top}
"
    );
    let path = Path::new("tests/fixtures/config/files/gateway.yaml");
    parse(&text, path, &environment()).unwrap_or_else(|faults| panic!("{faults}")).config
}

#[test]
fn an_issuer_of_which_nothing_is_said_is_the_careful_one() {
    let config = with_issuer("", "");
    let issuer = config.issuer.as_ref().unwrap();
    assert_eq!(
        (issuer.issuer.as_str(), issuer.url.as_str()),
        ("https://auth.example.com", "https://auth.example.com/")
    );
    assert_eq!((issuer.access_token_lifetime, issuer.exchange_depth), (Duration::from_secs(300), 4));
    let keys = KeyOrigin::Store { rotate_every: Duration::from_secs(30 * 24 * 3600) };
    assert_eq!(issuer.signing, Signing { algorithm: SigningAlgorithm::Es256, keys, encryption: None });
    assert!(issuer.clients.is_empty() && !issuer.development_tokens);
    assert_eq!(config.own_issuer(), Some(IssuerId(1)));
    assert_eq!(with_resource("").unwrap().config.own_issuer(), None);
}

#[test]
fn a_lifetime_that_nobody_wrote_fits_the_limit() {
    let issuer = with_issuer("", "limits: { token_lifetime: 1m }").issuer.unwrap();
    assert_eq!(issuer.access_token_lifetime, Duration::from_secs(60));
}

#[test]
fn state_is_kept_beside_the_configuration_unless_the_keys_are_brought() {
    let folder = Path::new("tests/fixtures/config/files");
    let file = |name: &str| Some(StoreLocation::File(folder.join(name)));
    let keys = "signing: { keys: signing.pem }";
    assert_eq!(with_issuer("", "").store, file("narrowgate.redb"));
    assert_eq!(with_issuer("", "store: state/a.redb").store, file("state/a.redb"));
    assert_eq!(with_issuer("", "store: ./memory").store, file("./memory"));
    assert_eq!(with_issuer(keys, "").store, Some(StoreLocation::Memory));
    assert_eq!(with_issuer(keys, "store: memory").store, Some(StoreLocation::Memory));
    assert_eq!(with_issuer(keys, "store: a.redb").store, file("a.redb"));
    assert_eq!(with_resource("").unwrap().config.store, None);
}

#[test]
fn a_client_has_what_its_lines_say_and_nothing_else() {
    let clients = "clients: { api: {
        secret: [one-secret-of-thirty-two-characters, two-secret-of-thirty-two-characters],
        grants: [token_exchange], serves: https://api1.example.com, known_as: { corp: api },
        resources: { https://api1.example.com: [read, 'order:{id}', 'order:7'] },
        default_resource: https://api1.example.com,
        exchange: { https://api2.example.com: { read: reports, 'order:{id}': ['order:{id}'], write: [] } } } }";
    let issuer = with_issuer(clients, "").issuer.unwrap();
    let pattern = |text: &str| ScopePattern::parse(text).unwrap();
    let edge =
        |from: &str, to: &[&str]| EdgeScope { from: pattern(from), to: to.iter().map(|to| pattern(to)).collect() };
    let (here, there) = (ResourceId(0), ResourceId(1));
    let expected = Client {
        id: "api".to_owned(),
        grants: vec![GrantType::TokenExchange],
        authentication: ClientAuthentication::Secrets(vec![
            Secret::new("one-secret-of-thirty-two-characters"),
            Secret::new("two-secret-of-thirty-two-characters"),
        ]),
        resources: [(here, ["read", "order:{id}", "order:7"].map(pattern).to_vec())].into(),
        default_resource: Some(here),
        serves: Some(here),
        exchange: [(there, vec![edge("read", &["reports"]), edge("order:{id}", &["order:{id}"]), edge("write", &[])])]
            .into(),
        secret_method: None,
        known_as: [(IssuerId(0), "api".to_owned())].into(),
        name: None,
        redirect_uris: Vec::new(),
        consent: Consent::Ask,
        require_pushed_authorization_requests: false,
        disabled: false,
    };
    assert_eq!(issuer.clients, [expected]);
    assert!(!format!("{issuer:?}").contains("thirty-two"), "secrets do not print themselves");
}

#[test]
fn an_edge_that_lists_names_carries_each_to_itself() {
    let clients = "clients: { api: { jwks: https://api.example.com/jwks, grants: [token_exchange],
        serves: https://api1.example.com, exchange: { https://api2.example.com: ['order:{id}'] } } }";
    let client = with_issuer(clients, "").issuer.unwrap().clients.remove(0);
    let same = ScopePattern::parse("order:{id}").unwrap();
    assert_eq!(client.exchange[&ResourceId(1)], [EdgeScope { from: same.clone(), to: vec![same] }]);
    assert!(matches!(&client.authentication, ClientAuthentication::Keys(places) if places.len() == 1));
    assert!(client.is_confidential());
}

#[test]
fn a_claim_of_a_user_may_need_scopes() {
    let claims = |text: &str| {
        let claims = resource(&format!("scopes: [read, write], user_claims: {text}")).user_claims;
        claims.into_iter().map(|claim| (claim.name, claim.scopes.len())).collect::<Vec<_>>()
    };
    let named = |name: &str, scopes| (name.to_owned(), scopes);
    assert_eq!(claims("[email, roles]"), [named("email", 0), named("roles", 0)]);
    assert_eq!(
        claims("{ email: read, roles: [], groups: [read, write] }"),
        [named("email", 1), named("roles", 0), named("groups", 2)]
    );
}
