//! A filter rule a test: each takes a key that works and makes it wrong in exactly one way.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::*;
use crate::token::keys::signer::{TestSigner, jwks};

const MESSAGE: &[u8] = b"header.claims";

fn parse(keys: &[Value], algorithms: &[Algorithm]) -> Result<(KeySet, Vec<SkippedKey>), InvalidKeySet> {
    KeySet::parse(&[&jwks(keys)], algorithms)
}

/// Why `key` is left out of a set that has one good key beside it; the good one must stay usable.
fn fault_of(key: &Value, algorithms: &[Algorithm]) -> KeyFault {
    let good = TestSigner::new("good", "ES256");
    let mut listed = vec![Algorithm::Es256];
    listed.extend_from_slice(algorithms);
    let (set, skipped) = parse(&[key.clone(), good.jwk()], &listed).expect("one key is good");
    let found = set.find(Some("good"), Algorithm::Es256).expect("the good key stays");
    assert!(found.verify(MESSAGE, &signed(&good)));
    assert_eq!((set.count(), skipped.len()), (1, 1), "{skipped:?}");
    skipped[0].why.clone()
}

/// A JWK of a real key with one member changed; `null` removes it.
fn changed(algorithm: &str, member: &str, value: Value) -> Value {
    let mut jwk = TestSigner::new("odd", algorithm).jwk();
    if value.is_null() {
        jwk.as_object_mut().expect("a JWK is an object").remove(member);
    } else {
        jwk[member] = value;
    }
    jwk
}

/// A signature over [`MESSAGE`].
fn signed(signer: &TestSigner) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(signer.sign(MESSAGE)).unwrap()
}

/// An RSA key whose modulus is `characters` / 4 * 3 bytes of ones; nobody can sign with it.
fn rsa_of(characters: usize) -> Value {
    json!({ "kty": "RSA", "kid": "odd", "alg": "RS256", "n": "_".repeat(characters), "e": "AQAB" })
}

#[test]
fn every_algorithm_verifies_its_own_signature_and_no_other_message() {
    for name in ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"] {
        let signer = TestSigner::new("k1", name);
        let algorithm: Algorithm = name.parse().unwrap();
        let (set, skipped) = parse(&[signer.jwk()], &Algorithm::ALL).unwrap();
        let key = set.find(Some("k1"), algorithm).unwrap();
        assert_eq!((key.algorithm(), key.kid(), skipped), (algorithm, Some("k1"), Vec::new()));
        let signature = signed(&signer);
        assert!(key.verify(MESSAGE, &signature), "{name}");
        assert!(!key.verify(b"header.claimz", &signature), "{name}");
        assert!(
            !key.verify(MESSAGE, &[]) && !key.verify(MESSAGE, &[0; 3]) && !key.verify(MESSAGE, &signature[1..]),
            "{name}"
        );
    }
}

#[test]
fn a_key_is_bound_to_one_algorithm() {
    let (rsa, ec) = (TestSigner::new("rsa", "RS256"), TestSigner::new("ec", "ES256"));
    let (set, _) = parse(&[rsa.jwk(), ec.jwk()], &Algorithm::ALL).unwrap();
    for other in [Algorithm::Ps256, Algorithm::Rs384, Algorithm::Rs512, Algorithm::Es256] {
        assert_eq!(set.find(Some("rsa"), other), Err(KeyMiss::Algorithm), "{other}");
    }
    assert_eq!(set.find(Some("ec"), Algorithm::Es384), Err(KeyMiss::Algorithm));
}

#[test]
fn a_kid_is_compared_byte_for_byte() {
    let (set, _) = parse(&[TestSigner::new("Key-1=", "ES256").jwk()], &Algorithm::ALL).unwrap();
    assert!(set.find(Some("Key-1="), Algorithm::Es256).is_ok());
    for kid in ["key-1=", "Key-1", "Key-1= ", "", "../../Key-1=", "Key-1=\0"] {
        assert_eq!(set.find(Some(kid), Algorithm::Es256), Err(KeyMiss::Unknown), "{kid}");
    }
}

#[test]
fn without_a_kid_the_only_fitting_key_counts() {
    let (one, two) = (TestSigner::new("1", "ES256"), TestSigner::new("2", "ES384"));
    let (set, _) = parse(&[one.jwk(), two.jwk()], &Algorithm::ALL).unwrap();
    assert_eq!(set.find(None, Algorithm::Es256).map(VerifyingKey::kid), Ok(Some("1")));
    assert_eq!(set.find(None, Algorithm::Rs256), Err(KeyMiss::Unknown));
    let third = TestSigner::new("3", "ES256");
    let (set, _) = parse(&[one.jwk(), two.jwk(), third.jwk()], &Algorithm::ALL).unwrap();
    assert_eq!(set.find(None, Algorithm::Es256), Err(KeyMiss::Unknown));
}

#[test]
fn a_key_without_a_kid_answers_to_no_kid() {
    let (set, _) = parse(&[changed("ES256", "kid", Value::Null)], &Algorithm::ALL).unwrap();
    assert!(set.find(None, Algorithm::Es256).is_ok());
    assert_eq!(set.find(Some(""), Algorithm::Es256), Err(KeyMiss::Unknown));
}

#[test]
fn both_names_of_ed25519_are_one_computation() {
    for named in [json!("EdDSA"), json!("Ed25519"), Value::Null] {
        for listed in [Algorithm::EdDsa, Algorithm::Ed25519] {
            let (set, _) = parse(&[changed("EdDSA", "alg", named.clone())], &[listed]).unwrap();
            assert!(set.find(Some("odd"), Algorithm::EdDsa).is_ok(), "{named} {listed}");
            assert!(set.find(Some("odd"), Algorithm::Ed25519).is_ok(), "{named} {listed}");
        }
    }
}

#[test]
fn an_rsa_key_without_alg_is_bound_by_the_issuers_list() {
    use Algorithm::{Es256, Ps256, Ps384, Rs256, Rs512};
    let key = changed("RS256", "alg", Value::Null);
    for (listed, bound) in [(&[Ps256, Es256][..], Ps256), (&[Rs512], Rs512), (&[Rs512, Rs256, Ps256], Rs256)] {
        let (set, _) = parse(std::slice::from_ref(&key), listed).unwrap();
        assert_eq!(set.find(Some("odd"), bound).map(VerifyingKey::algorithm), Ok(bound));
    }
    assert_eq!(fault_of(&key, &[Ps256, Ps384]), KeyFault::AlgorithmUnclear);
    assert_eq!(fault_of(&key, &[]), KeyFault::AlgorithmNotAllowed);
}

#[test]
fn a_key_for_another_use_is_skipped() {
    assert_eq!(fault_of(&changed("ES256", "use", json!("enc")), &[]), KeyFault::Use);
    assert_eq!(fault_of(&changed("ES256", "use", json!("")), &[]), KeyFault::Use);
    assert_eq!(fault_of(&changed("ES256", "key_ops", json!(["encrypt"])), &[]), KeyFault::Operations);
    assert_eq!(fault_of(&changed("ES256", "key_ops", json!([])), &[]), KeyFault::Operations);
    assert!(parse(&[changed("ES256", "key_ops", json!(["sign", "verify"]))], &[Algorithm::Es256]).is_ok());
    assert!(parse(&[changed("ES256", "use", Value::Null)], &[Algorithm::Es256]).is_ok());
}

#[test]
fn a_symmetric_key_is_never_a_key() {
    let key = json!({ "kty": "oct", "kid": "odd", "k": "c2VjcmV0" });
    assert_eq!(fault_of(&key, &[]), KeyFault::Type);
    let posing = json!({ "kty": "oct", "kid": "odd", "alg": "RS256", "k": "c2VjcmV0", "n": "AQAB", "e": "AQAB" });
    assert_eq!(fault_of(&posing, &[Algorithm::Rs256]), KeyFault::Type);
}

#[test]
fn an_unknown_type_or_curve_is_skipped() {
    for (kty, crv) in [("EC", "P-521"), ("EC", "secp256k1"), ("OKP", "X25519"), ("OKP", "Ed448"), ("AKP", "ML")] {
        let key = json!({ "kty": kty, "crv": crv, "kid": "odd", "x": "AA", "y": "AA", "alg": "ES256" });
        assert_eq!(fault_of(&key, &Algorithm::ALL), KeyFault::Type, "{kty} {crv}");
    }
    assert_eq!(fault_of(&changed("ES256", "crv", Value::Null), &[]), KeyFault::Type);
    assert_eq!(fault_of(&changed("ES256", "kty", json!("ec")), &[]), KeyFault::Type);
}

#[test]
fn an_alg_that_does_not_fit_is_skipped() {
    let rsa = |alg: &str| changed("RS256", "alg", json!(alg));
    assert_eq!(fault_of(&rsa("RSA-OAEP"), &[Algorithm::Rs256]), KeyFault::UnknownAlgorithm);
    assert_eq!(fault_of(&rsa("HS256"), &[Algorithm::Rs256]), KeyFault::UnknownAlgorithm);
    assert_eq!(fault_of(&rsa("none"), &[Algorithm::Rs256]), KeyFault::UnknownAlgorithm);
    assert_eq!(fault_of(&rsa("ES256"), &[Algorithm::Rs256]), KeyFault::AlgorithmMismatch);
    assert_eq!(fault_of(&rsa("PS256"), &[Algorithm::Rs256]), KeyFault::AlgorithmNotAllowed);
    assert_eq!(fault_of(&changed("ES256", "alg", json!("ES384")), &Algorithm::ALL), KeyFault::AlgorithmMismatch);
}

#[test]
fn a_weak_or_huge_rsa_key_is_skipped() {
    let listed = &[Algorithm::Rs256];
    assert_eq!(fault_of(&rsa_of(340), listed), KeyFault::ModulusSize(2040));
    assert_eq!(fault_of(&rsa_of(1368), listed), KeyFault::ModulusSize(8208));
    assert_eq!(fault_of(&rsa_of(0), listed), KeyFault::ModulusSize(0));
    assert!(parse(&[rsa_of(344)], listed).is_ok());
}

#[test]
fn a_degenerate_rsa_key_is_skipped() {
    // 1, 0, 65536, 2^32 + 1, nothing.
    for exponent in ["AQ", "AA", "AQAA", "AQAAAAE", ""] {
        let key = changed("RS256", "e", json!(exponent));
        assert_eq!(fault_of(&key, &[Algorithm::Rs256]), KeyFault::Degenerate, "{exponent}");
    }
    let mut even = rsa_of(344);
    even["n"] = json!(format!("{}-", "_".repeat(343)));
    assert_eq!(fault_of(&even, &[Algorithm::Rs256]), KeyFault::Degenerate);
}

#[test]
fn a_sign_byte_before_the_modulus_is_no_part_of_the_number() {
    let mut key = rsa_of(344);
    let (plain, _) = parse(std::slice::from_ref(&key), &[Algorithm::Rs256]).unwrap();
    key["n"] = json!(format!("AAAA{}", "_".repeat(344)));
    let (padded, _) = parse(&[key], &[Algorithm::Rs256]).unwrap();
    assert!(plain.has_same_keys(&padded));
}

#[test]
fn a_point_off_the_curve_is_skipped() {
    let signer = TestSigner::new("odd", "ES256");
    let mut swapped = signer.jwk();
    (swapped["x"], swapped["y"]) = (signer.jwk()["y"].clone(), signer.jwk()["x"].clone());
    assert_eq!(fault_of(&swapped, &[]), KeyFault::Point);
    assert_eq!(fault_of(&changed("ES256", "x", json!("AAAA")), &[]), KeyFault::Point);
    assert_eq!(fault_of(&changed("EdDSA", "x", json!("AAAA")), &[Algorithm::EdDsa]), KeyFault::Point);
    // The key behind the head that a certificate puts before it.
    let x = TestSigner::new("odd", "EdDSA").jwk()["x"].as_str().map(|x| format!("MCowBQYDK2VwAyEA{x}"));
    assert_eq!(fault_of(&changed("EdDSA", "x", json!(x)), &[Algorithm::EdDsa]), KeyFault::Point);
    assert_eq!(fault_of(&changed("ES384", "crv", json!("P-256")), &[]), KeyFault::AlgorithmMismatch);
}

#[test]
fn an_ordinate_of_another_length_is_skipped() {
    // RFC 7517 §A.1.
    let (x, y) = ("MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM");
    let key = |x: &str, y: &str| json!({ "kty": "EC", "crv": "P-256", "kid": "odd", "x": x, "y": y });
    assert!(parse(&[key(x, y)], &[Algorithm::Es256]).is_ok());
    // The same bytes in a row, the first one of `y` moved to the end of `x`.
    let (x, y) = ("MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D7g", "S2XpJFbZiItSs3m9-9Ue6GnvHw_GW2ZZaVtszggXIw");
    assert_eq!(fault_of(&key(x, y), &[]), KeyFault::Point);
}

#[test]
fn a_missing_or_unreadable_member_costs_its_key_only() {
    assert_eq!(fault_of(&changed("ES256", "y", Value::Null), &[]), KeyFault::Member);
    assert_eq!(fault_of(&changed("RS256", "n", Value::Null), &[Algorithm::Rs256]), KeyFault::Member);
    assert_eq!(fault_of(&changed("RS256", "e", json!("AQAB=")), &[Algorithm::Rs256]), KeyFault::Member);
    assert_eq!(fault_of(&changed("EdDSA", "x", Value::Null), &[Algorithm::EdDsa]), KeyFault::Member);
    assert_eq!(fault_of(&changed("ES256", "kid", json!(7)), &[]), KeyFault::Malformed);
    assert_eq!(fault_of(&changed("ES256", "kty", Value::Null), &[]), KeyFault::Malformed);
    assert_eq!(fault_of(&json!("a key"), &[]), KeyFault::Malformed);
    assert_eq!(fault_of(&json!(null), &[]), KeyFault::Malformed);
}

#[test]
fn a_published_private_key_is_skipped() {
    assert_eq!(fault_of(&changed("ES256", "d", json!("AAAA")), &[]), KeyFault::Private);
}

#[test]
fn a_member_that_stands_there_twice_costs_its_key() {
    let good = TestSigner::new("good", "ES256").jwk().to_string();
    let twice = good.replacen('{', r#"{"kid":"other","#, 1);
    let document = format!(r#"{{"keys":[{twice},{good}]}}"#);
    let (set, skipped) = KeySet::parse(&[document.as_bytes()], &Algorithm::ALL).unwrap();
    assert_eq!((set.count(), skipped[0].why.clone()), (1, KeyFault::Malformed));
}

#[test]
fn of_two_keys_with_one_name_the_earlier_counts() {
    let (first, second) = (TestSigner::new("k", "ES256"), TestSigner::new("k", "ES256"));
    let (set, skipped) = parse(&[first.jwk(), second.jwk()], &Algorithm::ALL).unwrap();
    assert_eq!(skipped, [SkippedKey { kid: Some("k".to_owned()), why: KeyFault::Repeated }]);
    let key = set.find(Some("k"), Algorithm::Es256).unwrap();
    assert!(key.verify(MESSAGE, &signed(&first)) && !key.verify(MESSAGE, &signed(&second)));
}

#[test]
fn one_name_for_two_algorithms_is_no_conflict() {
    let (ec, rsa) = (TestSigner::new("k", "ES256"), TestSigner::new("k", "RS256"));
    let (set, skipped) = parse(&[ec.jwk(), rsa.jwk()], &Algorithm::ALL).unwrap();
    assert_eq!((set.count(), skipped), (2, Vec::new()));
    assert!(set.find(Some("k"), Algorithm::Es256).unwrap().verify(MESSAGE, &signed(&ec)));
    assert!(set.find(Some("k"), Algorithm::Rs256).unwrap().verify(MESSAGE, &signed(&rsa)));
    assert_eq!(set.find(Some("k"), Algorithm::Ps256), Err(KeyMiss::Algorithm));
}

#[test]
fn the_same_keys_are_the_same_in_any_order_and_number() {
    let (one, two) = (TestSigner::new("1", "ES256"), TestSigner::new("2", "ES256"));
    let (set, _) = parse(&[one.jwk(), two.jwk()], &Algorithm::ALL).unwrap();
    let (same, skipped) = parse(&[two.jwk(), one.jwk(), two.jwk()], &Algorithm::ALL).unwrap();
    assert!(set.has_same_keys(&same) && skipped.is_empty());
    assert_ne!(set.id(), same.id());
    let (fewer, _) = parse(&[one.jwk()], &Algorithm::ALL).unwrap();
    assert!(!set.has_same_keys(&fewer));
}

#[test]
fn keys_of_several_documents_are_put_together() {
    let (one, two) = (TestSigner::new("1", "ES256"), TestSigner::new("2", "ES256"));
    let (set, _) = KeySet::parse(&[&jwks(&[one.jwk()]), &jwks(&[two.jwk()])], &Algorithm::ALL).unwrap();
    assert!(set.find(Some("1"), Algorithm::Es256).is_ok() && set.find(Some("2"), Algorithm::Es256).is_ok());
}

#[test]
fn what_providers_add_costs_nothing() {
    let mut key = changed("RS256", "alg", Value::Null);
    key["x5c"] = json!(["MIIC"]);
    key["x5t"] = json!("AAAA");
    key["issuer"] = json!("https://login.example.com/v2.0");
    let document = json!({ "keys": [key], "note": { "keys": [] } }).to_string();
    let (set, skipped) = KeySet::parse(&[document.as_bytes()], &[Algorithm::Rs256]).unwrap();
    assert_eq!((set.count(), skipped), (1, Vec::new()));
}

#[test]
fn no_more_than_a_hundred_keys_are_read() {
    let good = TestSigner::new("good", "ES256").jwk();
    let mut keys = vec![good.clone()];
    keys.extend((0..99).map(|_| json!({})));
    assert_eq!(parse(&keys, &Algorithm::ALL).unwrap().1.len(), 99);
    keys.push(changed("ES256", "kid", json!("late")));
    let (set, skipped) = parse(&keys, &Algorithm::ALL).unwrap();
    assert_eq!((set.count(), skipped[0].why.clone()), (1, KeyFault::TooMany(100)));
}

#[test]
fn a_document_that_is_no_key_set_is_refused() {
    let texts =
        ["", "null", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[]"#, r#"{"keys":[],"keys":[]}"#, "{\"keys\":[]}x"];
    for text in texts {
        let refused = KeySet::parse(&[text.as_bytes()], &Algorithm::ALL);
        assert!(matches!(refused, Err(InvalidKeySet::Json(_))), "{text}");
    }
    assert!(matches!(KeySet::parse(&[b"{\"keys\":[\xff]}"], &Algorithm::ALL), Err(InvalidKeySet::Json(_))));
}

#[test]
fn a_document_beyond_the_bound_is_refused() {
    let mut document = jwks(&[TestSigner::new("good", "ES256").jwk()]);
    document.resize(DOCUMENT_BYTES, b' ');
    assert!(KeySet::parse(&[&document], &Algorithm::ALL).is_ok());
    document.push(b' ');
    assert!(matches!(KeySet::parse(&[&document], &Algorithm::ALL), Err(InvalidKeySet::TooLong)));
}

#[test]
fn a_set_without_a_usable_key_is_refused_and_says_why() {
    assert!(matches!(parse(&[], &Algorithm::ALL), Err(InvalidKeySet::NoUsableKey(None))));
    assert!(matches!(KeySet::parse(&[], &Algorithm::ALL), Err(InvalidKeySet::NoUsableKey(None))));
    let error = parse(&[json!({ "kty": "oct", "kid": "a\nb" })], &Algorithm::ALL).unwrap_err();
    assert_eq!(
        error.to_string(),
        r"the key set has no usable key: key `a\nb`: its type or curve is not one that this gateway verifies with"
    );
}

#[test]
fn a_long_kid_is_cut_where_it_is_shown() {
    let key = json!({ "kty": "oct", "kid": "k".repeat(5000) });
    let (_, skipped) = parse(&[key, TestSigner::new("good", "ES256").jwk()], &Algorithm::ALL).unwrap();
    assert_eq!(skipped[0].kid.as_ref().map(String::len), Some(64));
}
