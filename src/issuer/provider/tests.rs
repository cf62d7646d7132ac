//! What a provider may say, and what is not believed: each defect is a good login that is wrong in one way.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use url::Url;

use super::*;
use crate::clock::Timestamp;
use crate::config::{
    ClaimPath, Config, IssuerId, LoginAuthentication, OpenIdLogin, Requirement, SecretMethod, SubjectForm,
};
use crate::issuer::tests::config_with_issuer;
use crate::oauth::{Algorithm, AuthorizationError, IssuerName, Scope};
use crate::secret::Secret;
use crate::token::keys::KeySet;
use crate::token::keys::signer::{TestSigner, jwks};
use crate::token::keys::site::trusted;

const PROVIDER: &str = "https://login.example.com";
const CLIENT: &str = "narrowgate";
const NONCE: &str = "n0nce";
const NOW: Timestamp = Timestamp(1_800_000_000);

/// A good ID token after a change of its header and claims, judged under the algorithms that are configured.
fn judged_with(
    signer: &TestSigner,
    algorithms: &[Algorithm],
    access_token: Option<&Secret>,
    change: impl FnOnce(&mut Value, &mut Value),
) -> Result<ProvenLogin, IdTokenFault> {
    let (keys, _) = KeySet::parse(&[&jwks(&[signer.jwk()])], &Algorithm::ALL).unwrap();
    let mut header = json!({ "alg": signer.jwk()["alg"], "kid": "k1", "typ": "JWT" });
    let mut claims = json!({
        "iss": PROVIDER, "sub": "ada", "aud": CLIENT, "exp": NOW.0 + 300, "iat": NOW.0 - 1, "nonce": NONCE,
    });
    change(&mut header, &mut claims);
    let signed = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
    let compact = format!("{signed}.{}", signer.sign(signed.as_bytes()));
    let mut trusted = trusted(PROVIDER);
    trusted.algorithms = algorithms.to_vec();
    let expected =
        ExpectedIdToken { trusted: &trusted, issuer: PROVIDER, client_id: CLIENT, nonce: NONCE, access_token };
    IdToken::parse(&compact)?.judge(&keys, &expected, NOW)
}

fn judged(change: impl FnOnce(&mut Value, &mut Value)) -> Result<ProvenLogin, IdTokenFault> {
    judged_with(&TestSigner::new("k1", "ES256"), &Algorithm::ALL, None, change)
}

/// A proven login that says this, too.
fn proven(more: Value) -> ProvenLogin {
    let more = more.as_object().unwrap().clone();
    judged(|_, claims| claims.as_object_mut().unwrap().extend(more)).unwrap()
}

fn path(name: &str) -> ClaimPath {
    ClaimPath { text: name.to_owned(), steps: vec![name.to_owned()] }
}

/// A configuration whose one trusted issuer is the provider.
fn config() -> Config {
    let mut config = config_with_issuer("https://auth.example.com");
    let mut corp = trusted(PROVIDER);
    corp.claims.subject = vec![path("sub")];
    config.trusted_issuers = vec![corp];
    config
}

#[test]
fn a_good_id_token_is_believed() {
    let login = judged(|_, _| {}).unwrap();
    assert_eq!((login.auth_time(), login.login_time()), (None, Timestamp(NOW.0 - 1)));
    assert!(judged(|_, claims| claims["aud"] = json!([CLIENT])).is_ok());
    assert!(judged(|_, claims| claims["azp"] = json!(CLIENT)).is_ok());
    assert!(judged(|_, claims| claims["exp"] = json!(NOW.0 - 29)).is_ok(), "clocks differ");
    assert!(judged(|header, _| drop(header.as_object_mut().unwrap().remove("typ"))).is_ok());
    let login = judged(|_, claims| claims["auth_time"] = json!(NOW.0 + 20)).unwrap();
    assert_eq!(login.auth_time(), Some(NOW), "another clock's future is our present");
}

#[test]
fn every_defect_of_a_claim_is_refused() {
    use IdTokenFault as Fault;
    for (name, value, fault) in [
        ("iss", json!("https://login.example.com/"), Fault::Issuer),
        ("iss", json!("https://evil.example"), Fault::Issuer),
        ("iss", json!(null), Fault::Issuer),
        ("aud", json!("other"), Fault::Audience),
        ("aud", json!([CLIENT, "other"]), Fault::Audience),
        ("aud", json!([]), Fault::Audience),
        ("aud", json!(null), Fault::Audience),
        ("azp", json!("other"), Fault::AuthorizedParty),
        ("azp", json!([CLIENT]), Fault::AuthorizedParty),
        ("exp", json!(NOW.0 - 30), Fault::Expired),
        ("exp", json!("1800000300"), Fault::Expired),
        ("exp", json!(null), Fault::Expired),
        ("nbf", json!(NOW.0 + 31), Fault::NotRecent),
        ("nbf", json!("soon"), Fault::NotRecent),
        ("iat", json!(NOW.0 + 31), Fault::NotRecent),
        ("iat", json!(NOW.0 - 601), Fault::NotRecent),
        ("iat", json!(null), Fault::NotRecent),
        ("auth_time", json!(NOW.0 + 31), Fault::AuthTime),
        ("auth_time", json!("1800000000"), Fault::AuthTime),
        ("nonce", json!("another"), Fault::Nonce),
        ("nonce", json!([NONCE]), Fault::Nonce),
        ("nonce", json!(null), Fault::Nonce),
        ("sub", json!(""), Fault::Subject),
        ("sub", json!(7), Fault::Subject),
        ("sub", json!(null), Fault::Subject),
    ] {
        let told = format!("{name} {value}");
        assert_eq!(judged(|_, claims| claims[name] = value).unwrap_err(), fault, "{told}");
    }
}

#[test]
fn only_the_providers_key_and_its_algorithms_count() {
    let of = |change: fn(&mut Value)| judged(|header, _| change(header)).unwrap_err();
    for name in ["none", "HS256", "HS512", ""] {
        assert_eq!(judged(|header, _| header["alg"] = json!(name)).unwrap_err(), IdTokenFault::Malformed, "{name}");
    }
    assert_eq!(of(|header| header["kid"] = json!("k2")), IdTokenFault::KeyUnknown);
    assert_eq!(of(|header| header["alg"] = json!("RS256")), IdTokenFault::Signature);
    assert_eq!(of(|header| header["typ"] = json!("at+jwt")), IdTokenFault::Kind);
    assert_eq!(of(|header| header["typ"] = json!("logout+jwt")), IdTokenFault::Kind);
    let only_rs256 = judged_with(&TestSigner::new("k1", "ES256"), &[Algorithm::Rs256], None, |_, _| {});
    assert_eq!(only_rs256.unwrap_err(), IdTokenFault::Algorithm);
}

#[test]
fn somebody_elses_signature_is_none() {
    let (one, other) = (TestSigner::new("k1", "ES256"), TestSigner::new("k1", "ES256"));
    let (keys, _) = KeySet::parse(&[&jwks(&[one.jwk()])], &Algorithm::ALL).unwrap();
    let signed = [json!({ "alg": "ES256", "kid": "k1" }), json!({ "iss": PROVIDER })];
    let signed = signed.map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
    let compact = format!("{signed}.{}", other.sign(signed.as_bytes()));
    let trusted = trusted(PROVIDER);
    let expected =
        ExpectedIdToken { trusted: &trusted, issuer: PROVIDER, client_id: CLIENT, nonce: NONCE, access_token: None };
    let judged = IdToken::parse(&compact).unwrap().judge(&keys, &expected, NOW);
    assert_eq!(judged.unwrap_err(), IdTokenFault::Signature);
}

#[test]
fn an_access_token_beside_it_is_its_own() {
    // OpenID Connect Core, appendix A.3 and A.4.
    let token = Secret::new("jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y");
    let es256 = TestSigner::new("k1", "ES256");
    let with = |signer: &TestSigner, hash: &str| {
        judged_with(signer, &Algorithm::ALL, Some(&token), |_, claims| claims["at_hash"] = json!(hash)).map(drop)
    };
    assert_eq!(with(&es256, "77QmUPtjPfzWtF2AnpK9RQ"), Ok(()));
    assert_eq!(with(&es256, "77QmUPtjPfzWtF2AnpK9RA"), Err(IdTokenFault::AccessToken));
    assert_eq!(with(&TestSigner::new("k1", "EdDSA"), "77QmUPtjPfzWtF2AnpK9RQ"), Err(IdTokenFault::AccessToken));
    let alone = judged(|_, claims| claims["at_hash"] = json!("x"));
    assert!(alone.is_ok(), "without an access token there is nothing to compare");
}

#[test]
fn userinfo_adds_what_is_missing_and_is_about_the_same_user() {
    let login = proven(json!({ "email": "ada@example.com" }));
    let told = br#"{"sub":"ada","email":"eve@example.com","groups":["dev"]}"#;
    let login = login.with_userinfo(told).unwrap();
    assert_eq!(login.claims()["email"], "ada@example.com");
    assert_eq!(login.claims()["groups"], json!(["dev"]));
    for (told, fault) in [
        (&br#"{"sub":"eve"}"#[..], UserInfoFault::OtherSubject),
        (br#"{"email":"ada@example.com"}"#, UserInfoFault::OtherSubject),
        (br#"{"sub":"ada","sub":"ada"}"#, UserInfoFault::Malformed),
        (b"eyJhbGciOiJub25lIn0.e30.", UserInfoFault::Malformed),
    ] {
        assert_eq!(proven(json!({})).with_userinfo(told).unwrap_err(), fault);
    }
}

#[test]
fn the_same_person_is_the_same_subject_there_and_here() {
    let mut config = config();
    let login = proven(json!({ "oid": "7-7", "acr": "mfa", "amr": ["pwd", "otp"], "auth_time": NOW.0 - 60 }));
    let identity = login.identity(&config, IssuerId(0)).unwrap();
    assert_eq!(identity.subject.to_string(), "corp|ada");
    assert_eq!(identity.login.time, Timestamp(NOW.0 - 60));
    assert_eq!((identity.login.acr.as_deref(), identity.login.amr.len()), (Some("mfa"), 2));
    config.trusted_issuers[0].claims.subject = vec![path("oid"), path("sub")];
    assert_eq!(login.identity(&config, IssuerId(0)).unwrap().subject.to_string(), "corp|7-7");
    config.trusted_issuers[0].subjects = SubjectForm::Plain;
    assert_eq!(login.identity(&config, IssuerId(0)).unwrap().subject.to_string(), "7-7");
}

#[test]
fn the_same_address_at_two_providers_is_two_people() {
    let mut config = config();
    let mut other = config.trusted_issuers[0].clone();
    other.name = IssuerName::parse("other").unwrap();
    config.trusted_issuers.push(other);
    let login = proven(json!({ "email": "ada@example.com" }));
    let at = |place| login.identity(&config, IssuerId(place)).unwrap().subject;
    assert_ne!(at(0), at(1));
}

#[test]
fn who_is_nobody_is_refused() {
    let of = |login: &ProvenLogin, change: fn(&mut Config)| {
        let mut config = config();
        change(&mut config);
        login.identity(&config, IssuerId(0)).unwrap_err()
    };
    let login = proven(json!({}));
    assert_eq!(of(&login, |config| config.trusted_issuers.clear()), IdentityFault::NoIssuer);
    let without = of(&login, |config| config.trusted_issuers[0].claims.subject = vec![path("oid")]);
    assert_eq!(without, IdentityFault::Subject);
    assert_eq!(of(&proven(json!({ "sub": "x".repeat(256) })), |_| {}), IdentityFault::Subject);
    let plain = |config: &mut Config| {
        let other = trusted("https://other.example");
        config.trusted_issuers.push(other);
        config.trusted_issuers[0].name = IssuerName::parse("mine").unwrap();
        config.trusted_issuers[0].subjects = SubjectForm::Plain;
    };
    assert_eq!(of(&proven(json!({ "sub": "corp|ada" })), plain), IdentityFault::ReadsLikeAnother);
    let required = |config: &mut Config| {
        config.trusted_issuers[0].require = vec![Requirement { claim: path("hd"), values: vec!["a.example".into()] }];
    };
    assert_eq!(of(&login, required), IdentityFault::Required);
    assert_eq!(of(&proven(json!({ "hd": "b.example" })), required), IdentityFault::Required);
}

#[test]
fn only_what_is_listed_is_known_of_him_and_not_too_much() {
    let mut config = config();
    config.trusted_issuers[0].claims.carry = vec![path("groups"), path("scope"), path("missing")];
    let login = proven(json!({ "groups": ["dev"], "scope": "admin", "email": "ada@example.com" }));
    let identity = login.identity(&config, IssuerId(0)).unwrap();
    assert_eq!(Value::Object(identity.user_claims), json!({ "groups": ["dev"] }));
    let login = proven(json!({ "groups": "x".repeat(4096) }));
    assert_eq!(login.identity(&config, IssuerId(0)).unwrap_err(), IdentityFault::TooMuch);
    let login = proven(json!({ "acr": "x".repeat(4096) }));
    assert_eq!(login.identity(&config, IssuerId(0)).unwrap_err(), IdentityFault::TooMuch);
}

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
    let verifier = crate::oauth::CodeVerifier::parse(std::str::from_utf8(attempt.verifier.expose()).unwrap()).unwrap();
    let challenge = crate::oauth::CodeChallenge::parse(value(&pairs, "code_challenge").unwrap()).unwrap();
    assert!(challenge.matches(&verifier));
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
