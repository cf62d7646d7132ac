//! What is asked of a provider and what comes back by the browser: its own document, the place where a user is sent, and the answer.

use std::time::Duration;

use serde_json::{Value, json};
use url::Url;

use super::{CLIENT, NOW, PROVIDER};
use crate::clock::Timestamp;
use crate::config::{IssuerId, LoginAuthentication, OpenIdLogin, SecretMethod};
use crate::issuer::provider::{
    Answer, InvalidProvider, LoginAttempt, LoginDemand, ProviderMetadata, ProviderResponse, ResponseFault,
};
use crate::oauth::{AuthorizationError, CodeChallenge, IssuerName, Scope};
use crate::secret::Secret;

#[test]
fn a_login_is_as_young_as_is_asked() {
    let begun = Timestamp(NOW.0 - 100);
    let met = |demand: &LoginDemand, at: Option<u64>| demand.is_met(at.map(Timestamp), begun, NOW);
    assert!(met(&LoginDemand::default(), None));
    let fresh = LoginDemand { fresh: true, ..LoginDemand::default() };
    assert_eq!([None, Some(begun.0 - 31), Some(begun.0 - 30)].map(|at| met(&fresh, at)), [false, false, true]);
    let recent = LoginDemand { max_age: Some(Duration::from_secs(300)), ..LoginDemand::default() };
    assert_eq!([None, Some(NOW.0 - 331), Some(NOW.0 - 330)].map(|at| met(&recent, at)), [false, false, true]);
}

fn metadata(change: impl FnOnce(&mut Value)) -> Result<ProviderMetadata, InvalidProvider> {
    let mut document = json!({
        "issuer": PROVIDER,
        "authorization_endpoint": "https://login.example.com/authorize?tenant=7",
        "token_endpoint": "https://login.example.com/token",
        "userinfo_endpoint": "https://login.example.com/me",
        "jwks_uri": "https://login.example.com/jwks",
    });
    change(&mut document);
    let place = Url::parse("https://login.example.com/.well-known/openid-configuration").unwrap();
    ProviderMetadata::read(document.to_string().as_bytes(), &[PROVIDER.to_owned()], &place)
}

#[test]
fn metadata_says_where_and_how() {
    let plain = metadata(|_| {}).unwrap();
    assert_eq!((plain.secret_method, plain.says_iss), (SecretMethod::Basic, false));
    let method = |methods: Value| {
        metadata(|document| document["token_endpoint_auth_methods_supported"] = methods).unwrap().secret_method
    };
    assert_eq!(method(json!(["client_secret_post"])), SecretMethod::Post);
    assert_eq!(method(json!(["client_secret_post", "client_secret_basic"])), SecretMethod::Basic);
    assert_eq!(method(json!(["private_key_jwt"])), SecretMethod::Basic);
    let says = metadata(|document| document["authorization_response_iss_parameter_supported"] = json!(true));
    assert!(says.unwrap().says_iss);
}

#[test]
fn metadata_of_somebody_else_or_without_tls_is_refused() {
    let of = |name: &'static str, value: Value| metadata(|document| document[name] = value).unwrap_err();
    assert_eq!(of("issuer", json!("https://login.example.com/")), InvalidProvider::OtherIssuer);
    assert_eq!(of("token_endpoint", json!(null)), InvalidProvider::Json);
    for name in ["authorization_endpoint", "token_endpoint", "userinfo_endpoint"] {
        for url in ["http://login.example.com/x", "/x", "https://a:b@login.example.com/", "javascript:alert(1)"] {
            assert_eq!(of(name, json!(url)), InvalidProvider::Endpoint(name), "{url}");
        }
    }
}

fn read(query: &str) -> Result<ProviderResponse, ResponseFault> {
    ProviderResponse::read(query.as_bytes())
}

#[test]
fn an_answer_is_from_whom_was_asked() {
    let from = |query: &str, says_iss| read(query).unwrap().from(PROVIDER, says_iss);
    let code = || Ok(Answer::Code(Secret::new("c")));
    let iss = "iss=https%3A%2F%2Flogin.example.com";
    assert_eq!(from("state=s&code=c", false), code());
    assert_eq!(from(&format!("state=s&code=c&{iss}"), true), code());
    assert_eq!(from(&format!("state=s&code=c&{iss}"), false), code());
    assert_eq!(from("state=s&code=c", true), Err(ResponseFault::IssuerMissing));
    assert_eq!(from("state=s&code=c&iss=https%3A%2F%2Fevil.example", false), Err(ResponseFault::OtherIssuer));
    assert_eq!(from(&format!("state=s&code=c&{iss}%2F"), true), Err(ResponseFault::OtherIssuer));
    assert_eq!(from("state=s&error=x&iss=https%3A%2F%2Fevil.example", false), Err(ResponseFault::OtherIssuer));
    assert_eq!(from("state=s", false), Err(ResponseFault::NoAnswer));
    assert_eq!(from("state=s&code=c&error=access_denied", false), Err(ResponseFault::NoAnswer));
}

#[test]
fn an_answer_with_two_readings_is_none() {
    for query in ["state=s&code=c&code=d", "state=s&state=t&code=c", "state=%zz&code=c", "state=s&iss=a&iss=b"] {
        assert_eq!(read(query).unwrap_err(), ResponseFault::Malformed, "{query}");
    }
    assert_eq!(read(&format!("state=s&code={}", "c".repeat(17 << 10))).unwrap_err(), ResponseFault::Malformed);
    for query in ["", "code=c", "state=&code=c"] {
        assert_eq!(read(query).unwrap_err(), ResponseFault::NoState, "{query}");
    }
}

#[test]
fn a_client_learns_what_an_error_means_and_not_what_it_says() {
    use AuthorizationError as Error;
    for (said, told) in [
        ("access_denied", Error::AccessDenied),
        ("login_required", Error::AccessDenied),
        ("consent_required", Error::AccessDenied),
        ("interaction_required", Error::AccessDenied),
        ("account_selection_required", Error::AccessDenied),
        ("unmet_authentication_requirements", Error::UnmetAuthenticationRequirements),
        ("temporarily_unavailable", Error::TemporarilyUnavailable),
        ("server_error", Error::TemporarilyUnavailable),
        ("invalid_scope", Error::ServerError),
        ("unauthorized_client", Error::ServerError),
        ("<script>", Error::ServerError),
    ] {
        let answer = read(&format!("state=s&error={said}&error_description=x")).unwrap().from(PROVIDER, false);
        assert_eq!(answer, Ok(Answer::Error(told)), "{said}");
    }
}

fn login() -> OpenIdLogin {
    OpenIdLogin {
        issuer: IssuerId(0),
        title: "Corp".to_owned(),
        client_id: CLIENT.to_owned(),
        authentication: LoginAuthentication::None,
        scopes: ["openid", "email"].map(|scope| Scope::parse(scope).unwrap()).to_vec(),
        userinfo: false,
    }
}

fn location(demand: &LoginDemand) -> (Vec<(String, String)>, LoginAttempt) {
    let attempt = LoginAttempt::new("t", "b", IssuerName::parse("corp").unwrap(), PROVIDER).unwrap();
    let callback = "https://auth.example.com/login/callback";
    let location = demand.location(&metadata(|_| {}).unwrap(), &login(), callback, &attempt, "st4te");
    let url = Url::parse(&location).unwrap();
    assert!(location.starts_with("https://login.example.com/authorize?tenant=7&response_type=code&"));
    (url.query_pairs().into_owned().collect(), attempt)
}

fn value<'p>(pairs: &'p [(String, String)], name: &str) -> Option<&'p str> {
    let mut found = pairs.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let one = found.next();
    assert!(found.next().is_none(), "{name} is there twice");
    one
}

#[test]
fn a_user_is_sent_with_all_that_protects_him() {
    let (pairs, attempt) = location(&LoginDemand::default());
    let (again, other) = location(&LoginDemand::default());
    for (name, expected) in [
        ("client_id", CLIENT),
        ("redirect_uri", "https://auth.example.com/login/callback"),
        ("scope", "openid email"),
        ("state", "st4te"),
        ("nonce", attempt.nonce.as_str()),
        ("code_challenge_method", "S256"),
    ] {
        assert_eq!(value(&pairs, name), Some(expected));
    }
    for name in ["prompt", "max_age", "login_hint"] {
        assert_eq!(value(&pairs, name), None);
    }
    assert_ne!(value(&pairs, "nonce"), value(&again, "nonce"));
    assert_ne!(attempt.verifier, other.verifier);
    let challenge = CodeChallenge::parse(value(&pairs, "code_challenge").unwrap()).unwrap();
    assert!(challenge.matches(&attempt.verifier));
}

#[test]
fn what_a_client_asks_of_a_login_is_passed_on() {
    let asked = |demand: LoginDemand| {
        let pairs = location(&demand).0;
        ["prompt", "max_age", "login_hint"].map(|name| value(&pairs, name).map(str::to_owned))
    };
    let fresh = LoginDemand { fresh: true, max_age: Some(Duration::from_secs(60)), ..LoginDemand::default() };
    assert_eq!(asked(fresh), [Some("login".to_owned()), Some("0".to_owned()), None]);
    let hinted = LoginDemand {
        select_account: true,
        max_age: Some(Duration::from_secs(60)),
        hint: Some("ada&x".to_owned()),
        ..LoginDemand::default()
    };
    assert_eq!(asked(hinted), [Some("select_account".to_owned()), Some("60".to_owned()), Some("ada&x".to_owned())]);
}

#[test]
fn an_attempt_comes_back_as_it_went() {
    let went = LoginAttempt::new("t", "b", IssuerName::parse("corp").unwrap(), PROVIDER).unwrap();
    let back = LoginAttempt::from_json(&went.to_json()).unwrap();
    assert_eq!((&back.transaction, &back.browser, &back.issuer), (&went.transaction, &went.browser, &went.issuer));
    assert_eq!((&back.provider, &back.nonce, &back.verifier), (&went.provider, &went.nonce, &went.verifier));
    assert!(LoginAttempt::from_json(b"{}").is_err());
    assert!(!format!("{went:?}").contains(&went.nonce));
}
