//! What a provider may say of a login, and what is not believed: each defect is a good login that is wrong in one way.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::*;
use crate::clock::Timestamp;
use crate::config::{ClaimPath, Config, IssuerId, Requirement, SubjectForm};
use crate::issuer::tests::config_with_issuer;
use crate::oauth::{Algorithm, IssuerName};
use crate::secret::Secret;
use crate::token::keys::KeySet;
use crate::token::keys::signer::{TestSigner, jwks};
use crate::token::keys::site::trusted;

mod messages;

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
    assert_eq!(login.auth_time(), None, "when it was issued is not when he logged in");
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
    assert_eq!(identity.login.time, Some(Timestamp(NOW.0 - 60)));
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
