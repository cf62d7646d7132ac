//! P1: every token, at every resource, by every protocol, opens the one resource that it was minted for, or none.
//!
//! The tokens are one good one for each resource, and a good one for the orders that is wrong in exactly one way. The
//! rows are those of the conformance checklist: RFC 9068 (6.3), RFC 8725 (6.11), RFC 7515, 7517 and 7519 (6.12), and the
//! audience vectors (1.4).

use serde_json::{Value, json};

use crate::client::PROTOCOLS;
use crate::gateway::Gateway;
use crate::issuer::Issuer;
use crate::keys::{SigningKey, base64url, now};

const ORDERS: &str = "https://api.example.com/orders";

/// Every resource: its identifier, and a request that belongs to it.
const RESOURCES: [(&str, &str, &str); 5] = [
    ("https://api.example.com", "api.example.com", "/other"),
    (ORDERS, "api.example.com", "/orders/42"),
    ("https://api.example.com/billing", "api.example.com", "/billing"),
    ("https://api.example.com/v1/", "api.example.com", "/v1/a"),
    ("https://other.example.com", "other.example.com", "/orders"),
];

/// A token, and what becomes of it at the resource that it is shown to in earnest.
struct Sample {
    row: &'static str,
    token: String,
    /// The resource that it opens; nothing for a defect, which is shown to the orders.
    opens: Option<&'static str>,
    verdict: &'static str,
}

fn good(row: &'static str, opens: &'static str, token: String) -> Sample {
    Sample { row, token, opens: Some(opens), verdict: "200" }
}

fn bad(row: &'static str, token: String, verdict: &'static str) -> Sample {
    Sample { row, token, opens: None, verdict }
}

/// Shows every sample to every resource.
async fn show(gateway: &Gateway, samples: &[Sample]) {
    let mut wrong = Vec::new();
    for sample in samples {
        let aimed = sample.opens.unwrap_or(ORDERS);
        for (resource, host, target) in RESOURCES {
            for protocol in PROTOCOLS {
                let before = gateway.forwarded();
                let response = gateway.get(host, target, &sample.token).send_by(protocol).await;
                let forwarded = gateway.forwarded() - before;
                let verdict = response.verdict();
                let is_right = match resource == aimed {
                    true => verdict == sample.verdict,
                    false => matches!(response.status, 400 | 401 | 403),
                };
                if !is_right || (forwarded == 1) != (response.status == 200) {
                    let row = sample.row;
                    wrong.push(format!("{row} at {resource} by {protocol:?}: {verdict}, {forwarded} forwarded"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), samples.len(), wrong.join("\n"));
}

/// `claims` with `patch` in it; `null` takes a claim out.
fn with(claims: &Value, patch: Value) -> Value {
    let mut claims = claims.clone();
    for (name, value) in patch.as_object().expect("a patch is an object") {
        match value {
            Value::Null => claims.as_object_mut().expect("claims are an object").remove(name),
            value => claims.as_object_mut().expect("claims are an object").insert(name.clone(), value.clone()),
        };
    }
    claims
}

#[tokio::test]
async fn a_good_token_opens_its_own_resource_and_no_other() {
    let gateway = Gateway::start("isolation.yaml").await;
    let mut samples = Vec::new();
    for (resource, ..) in RESOURCES {
        for issuer in ["ISSUER_CORP", "ISSUER_LEGACY"] {
            samples.push(good("8707-2-6", resource, gateway.issuer(issuer).token(resource, "")));
        }
    }
    let legacy = gateway.issuer("ISSUER_LEGACY");
    let claims = legacy.claims(ORDERS, "orders.read");
    for header in [
        json!({ "alg": "ES256", "kid": "k1" }),
        json!({ "alg": "ES256", "kid": "k1", "typ": "JWT" }),
        json!({ "alg": "ES256", "kid": "k1", "typ": "AT+JWT" }),
        json!({ "alg": "ES256", "kid": "k1", "typ": "application/at+jwt" }),
        // 7517-4.5-1: one key only, so no `kid` is needed.
        json!({ "alg": "ES256" }),
    ] {
        samples.push(good("9068-4-1", ORDERS, legacy.key().sign(&header.to_string(), &claims.to_string())));
    }
    let partner = gateway.issuer("ISSUER_PARTNER");
    samples.push(good("1.4 own name", ORDERS, partner.token("orders", "x")));
    samples.push(good("1.4 own name", "https://api.example.com/billing", partner.token("billing", "x")));
    samples.push(good("1.4 array", ORDERS, legacy.key().token(&with(&claims, json!({ "aud": [ORDERS] })))));
    show(&gateway, &samples).await;
}

#[tokio::test]
async fn every_algorithm_of_the_issuer_is_verified() {
    let gateway = Gateway::start("isolation.yaml").await;
    let corp = gateway.issuer("ISSUER_CORP");
    let mut samples = Vec::new();
    let claims = corp.claims(ORDERS, "orders.read");
    let rsa = corp.add_key("rsa", "RS256");
    samples.push(good("9068-2.1-2", ORDERS, rsa.token(&claims)));
    let ed = corp.add_key("ed", "EdDSA");
    samples.push(good("8725bis-alg-1 EdDSA", ORDERS, ed.token(&claims)));
    let named = json!({ "alg": "Ed25519", "typ": "at+jwt", "kid": "ed" });
    samples.push(good("8725bis-alg-1 Ed25519", ORDERS, ed.sign(&named.to_string(), &claims.to_string())));
    // One key, one algorithm (8725-3.1-1).
    let pss = SigningKey::of_rsa(&rsa, "PS256");
    samples.push(bad("8725-3.1-1 PS256", pss.token(&claims), "401 algorithm_not_allowed"));
    let hmac = SigningKey::with_secret("rsa", rsa.jwk().to_string().as_bytes());
    samples.push(bad("8725-3.1-1 HS256", hmac.token(&claims), "401 algorithm_not_allowed"));
    let crossed = json!({ "alg": "RS256", "typ": "at+jwt", "kid": "k1" });
    samples.push(bad(
        "8725-3.1-1 crossed",
        rsa.sign(&crossed.to_string(), &claims.to_string()),
        "401 algorithm_not_allowed",
    ));
    let wide = SigningKey::new("k1", "ES384");
    samples.push(bad("8725-3.1-1 ES384", wide.token(&claims), "401 algorithm_not_allowed"));
    // 7517-4.5-1: several keys fit, and nothing says which.
    corp.add_key("second", "ES256");
    let nameless = json!({ "alg": "ES256", "typ": "at+jwt" });
    samples.push(bad("7517-4.5-1", corp.key().sign(&nameless.to_string(), &claims.to_string()), "401 key_unknown"));
    show(&gateway, &samples).await;
}

/// Every defect that its claims can have.
fn wrong_claims(corp: &Issuer, legacy: &Issuer, partner: &Issuer) -> Vec<Sample> {
    let claims = corp.claims(ORDERS, "orders.read");
    let token = |patch| corp.key().token(&with(&claims, patch));
    let mut samples = Vec::new();
    for name in ["exp", "sub", "client_id", "iat", "jti"] {
        let token = corp.key().token(&with(&claims, json!({ name: null })));
        samples.push(bad("9068-2.2-2", token, "401 claim_missing"));
    }
    samples.push(bad("9068-2.2-2 iss", token(json!({ "iss": null })), "401 claim_missing"));
    samples.push(bad("9068-2.2-2 aud", token(json!({ "aud": null })), "401 audience_missing"));
    samples.push(bad("9068-4-3", token(json!({ "iss": format!("{}/", corp.url()) })), "401 issuer_untrusted"));
    samples.push(bad("9068-4-3", token(json!({ "iss": "https://evil.example" })), "401 issuer_untrusted"));
    // The key of one issuer, the name of another.
    let crossed = legacy.key().token(&claims);
    samples.push(bad("9068-4-5", crossed, "401 signature_invalid"));
    samples.push(bad("9068-4-6", token(json!({ "exp": now() - 31 })), "401 token_expired"));
    samples.push(bad("7519-4.1.5-1 nbf", token(json!({ "nbf": now() + 60 })), "401 token_not_yet_valid"));
    samples.push(bad("7519-4.1.6-1", token(json!({ "iat": now() + 60 })), "401 token_not_yet_valid"));
    for time in [json!("1790000000"), json!(-1), json!([]), json!(true)] {
        samples.push(bad("7519-4.1.5-1", token(json!({ "exp": time })), "401 claim_invalid"));
    }
    let huge = claims.to_string().replace(&format!("\"exp\":{}", claims["exp"]), "\"exp\":1e400");
    samples.push(bad(
        "7519-4.1.5-1 1e400",
        corp.key().sign(&corp.key().header().to_string(), &huge),
        "401 token_malformed",
    ));
    // 1.4: what is not byte for byte the key.
    for audience in [
        "https://api.example.com/orders/",
        "HTTPS://api.example.com/orders",
        "https://API.example.com/orders",
        "https://api.example.com:443/orders",
        "https://api.example.com/Orders",
        "https://api.example.com/orders?",
        "orders",
        " https://api.example.com/orders",
    ] {
        samples.push(bad("1.4 near miss", token(json!({ "aud": audience })), "401 audience_mismatch"));
    }
    let both = json!([ORDERS, "https://api.example.com/billing"]);
    samples.push(bad("1.4 broad", token(json!({ "aud": both })), "401 audience_too_broad"));
    let claims = legacy.claims(ORDERS, "orders.read");
    let token = |patch| legacy.key().token(&with(&claims, patch));
    samples.push(bad("1.4 broad, foreign", token(json!({ "aud": both })), "401 audience_too_broad"));
    samples.push(bad("1.4 missing", token(json!({ "aud": null })), "401 audience_missing"));
    samples.push(bad("1.4 empty", token(json!({ "aud": [] })), "401 audience_missing"));
    for audience in [json!(7), json!({ "a": 1 }), json!([[ORDERS]]), json!([7, ORDERS]), json!(true)] {
        samples.push(bad("1.4 no audience", token(json!({ "aud": audience })), "401 claim_invalid"));
    }
    samples.push(bad("1.4 empty text", token(json!({ "aud": "" })), "401 audience_mismatch"));
    samples.push(bad("1.4 another's name", partner.token("invoices", "x"), "401 audience_mismatch"));
    // Kinds that are no access tokens (9068-5-1, 8725-3.12-1).
    for mark in ["nonce", "at_hash", "c_hash", "events"] {
        samples.push(bad("8725-3.12-1", token(json!({ mark: "n" })), "401 token_type"));
    }
    samples.push(bad("8725-3.12-1 typ claim", token(json!({ "typ": "ID" })), "401 token_type"));
    let id_token = token(json!({ "scope": null, "client_id": null }));
    samples.push(bad("9068-5-1", id_token, "401 token_type"));
    samples.push(bad("7800 bound", token(json!({ "cnf": { "jkt": "x" } })), "401 proof_missing"));
    samples
}

/// Every defect that its form can have.
fn wrong_forms(corp: &Issuer) -> Vec<Sample> {
    let key = corp.key();
    let claims = corp.claims(ORDERS, "orders.read").to_string();
    let good = key.sign(&key.header().to_string(), &claims);
    let header = |header: &str| key.sign(header, &claims);
    let mut samples = Vec::new();
    for (row, text, verdict) in [
        ("9068-4-1 JWT", r#"{"alg":"ES256","kid":"k1","typ":"JWT"}"#, "401 token_type"),
        ("9068-4-1 id+jwt", r#"{"alg":"ES256","kid":"k1","typ":"id+jwt"}"#, "401 token_type"),
        ("9068-4-1 absent", r#"{"alg":"ES256","kid":"k1"}"#, "401 token_type"),
        ("9068-2.1-1 none", r#"{"alg":"none","kid":"k1","typ":"at+jwt"}"#, "401 algorithm_not_allowed"),
        ("8725bis-fmt-1 noNE", r#"{"alg":"noNE","kid":"k1","typ":"at+jwt"}"#, "401 algorithm_not_allowed"),
        ("8725bis-fmt-1 es256", r#"{"alg":"es256","kid":"k1","typ":"at+jwt"}"#, "401 algorithm_not_allowed"),
        ("8725-3.10-1 kid", r#"{"alg":"ES256","kid":"../../x","typ":"at+jwt"}"#, "401 key_unknown"),
        ("8725-3.10-1 kid", r#"{"alg":"ES256","kid":"k1' or '1'='1","typ":"at+jwt"}"#, "401 key_unknown"),
        (
            "7515-4.1.11-1 unknown",
            r#"{"alg":"ES256","kid":"k1","typ":"at+jwt","crit":["b64"],"b64":false}"#,
            "401 token_malformed",
        ),
        ("7515-4.1.11-1 empty", r#"{"alg":"ES256","kid":"k1","typ":"at+jwt","crit":[]}"#, "401 token_malformed"),
        ("7515-4.1.11-1 absent", r#"{"alg":"ES256","kid":"k1","typ":"at+jwt","crit":["exp"]}"#, "401 token_malformed"),
        ("7515-4-1 twice", r#"{"alg":"ES256","alg":"ES256","kid":"k1","typ":"at+jwt"}"#, "401 token_malformed"),
        ("7515-4-1 kid twice", r#"{"alg":"ES256","kid":"k1","kid":"k1","typ":"at+jwt"}"#, "401 token_malformed"),
        ("8725-3.1-1 no alg", r#"{"kid":"k1","typ":"at+jwt"}"#, "401 token_malformed"),
        ("7515 kid no text", r#"{"alg":"ES256","kid":1,"typ":"at+jwt"}"#, "401 token_malformed"),
        ("7515 no object", r#"["ES256"]"#, "401 token_malformed"),
    ] {
        samples.push(bad(row, header(text), verdict));
    }
    let twice = |member: &str| claims.replacen('{', &format!("{{{member},"), 1);
    for member in
        [format!(r#""aud":"{ORDERS}""#), r#""scope":"orders.write""#.into(), r#""act":{"sub":"a","sub":"b"}"#.into()]
    {
        samples.push(bad("7519-4-1", key.sign(&key.header().to_string(), &twice(&member)), "401 token_malformed"));
    }
    let parts: Vec<_> = good.split('.').collect();
    let [head, body, signature] = parts[..] else { unreachable!("a token has three parts") };
    let rejoined = |parts: [&str; 3]| parts.join(".");
    let json_form = json!({ "protected": head, "payload": body, "signature": signature }).to_string();
    for (row, token, verdict) in [
        ("8725bis-fmt-1 padded", format!("{good}="), "401 token_malformed"),
        ("8725bis-fmt-1 JSON", json_form.replace(' ', ""), "400 credential_malformed"),
        ("9068-4-8 JWE", format!("{head}.{body}.{signature}.{body}.{signature}"), "401 token_malformed"),
        ("7515 two parts", format!("{head}.{body}"), "401 token_malformed"),
        ("7515 opaque", "c0ffee".into(), "401 token_malformed"),
        ("7515 empty signature", rejoined([head, body, ""]), "401 token_malformed"),
        ("7515 empty claims", rejoined([head, "", signature]), "401 token_malformed"),
        (
            "8725bis-fmt-1 base64",
            rejoined([head, body, &signature.replacen(|c: char| c.is_ascii_alphanumeric(), "+", 1)]),
            "401 token_malformed",
        ),
    ] {
        samples.push(bad(row, token, verdict));
    }
    // 8725-3.3-1: a flipped bit anywhere in the signature, or another message.
    let bytes =
        base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, signature).expect("it was encoded");
    for at in [0, 31, 32, bytes.len() - 1] {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        samples.push(bad("8725-3.3-1", rejoined([head, body, &base64url(flipped)]), "401 signature_invalid"));
    }
    samples.push(bad("8725-3.3-1 short", rejoined([head, body, &base64url(&bytes[..32])]), "401 signature_invalid"));
    let wider = base64url(claims.replace("orders.read", "orders.write"));
    samples.push(bad("8725-3.3-1 claims", rejoined([head, &wider, signature]), "401 signature_invalid"));
    let long = format!("{head}.{}.{signature}", "A".repeat(9000));
    samples.push(bad("HTTP-LIM-1 token", long, "401 token_too_large"));
    samples
}

#[tokio::test]
async fn a_token_with_one_defect_opens_nothing() {
    let gateway = Gateway::start("isolation.yaml").await;
    let [corp, legacy, partner] = ["CORP", "LEGACY", "PARTNER"].map(|name| gateway.issuer(&format!("ISSUER_{name}")));
    show(&gateway, &wrong_claims(corp, legacy, partner)).await;
    show(&gateway, &wrong_forms(corp)).await;
}

/// 8725-3.10-1: nothing in a token is ever fetched, and nothing in it is a key.
#[tokio::test]
async fn a_key_that_a_token_brings_along_is_no_key() {
    let gateway = Gateway::start("isolation.yaml").await;
    let corp = gateway.issuer("ISSUER_CORP");
    let attacker = Issuer::start().await;
    let own = attacker.key();
    let claims = corp.claims(ORDERS, "orders.read").to_string();
    let mut samples = Vec::new();
    for (name, value) in [
        ("jku", json!(format!("{}/jwks", attacker.url()))),
        ("x5u", json!(format!("{}/x5u", attacker.url()))),
        ("jwk", own.jwk()),
        ("x5c", json!(["MIIB"])),
    ] {
        let mut header = own.header();
        header[name] = value;
        samples.push(bad("8725-3.10-1", own.sign(&header.to_string(), &claims), "401 token_malformed"));
    }
    show(&gateway, &samples).await;
    assert_eq!(attacker.asked(), Vec::<String>::new());
}

/// 7517-4.5-1: a key that nobody here can use costs the others nothing.
#[tokio::test]
async fn an_odd_key_in_a_set_is_passed_over() {
    let gateway = Gateway::start("isolation.yaml").await;
    let corp = gateway.issuer("ISSUER_CORP");
    corp.publish(json!({ "kty": "AKP", "alg": "ML-DSA-65", "kid": "pq", "pub": "AA" }));
    corp.publish(json!({ "kty": "oct", "k": "c2VjcmV0", "kid": "hmac", "alg": "HS256" }));
    corp.publish(json!("no key at all"));
    let fresh = corp.add_key("k2", "ES256");
    let token = fresh.token(&corp.claims(ORDERS, "orders.read"));
    show(&gateway, &[good("7517-4.5-1", ORDERS, token)]).await;
}

/// 8725-3.8-1: one `sub` at two issuers is two people.
#[tokio::test]
async fn the_same_subject_of_two_issuers_is_two_people() {
    let gateway = Gateway::start("keys.yaml").await;
    let mut seen = Vec::new();
    for (issuer, host, api) in
        [("ISSUER_CORP", "api1.example.com", "API_1"), ("ISSUER_PARTNER", "api2.example.com", "API_2")]
    {
        let token = gateway.issuer(issuer).token(&format!("https://{host}"), "x");
        assert_eq!(gateway.get(host, "/", &token).send().await.verdict(), "200");
        seen.push(gateway.api(api).last().values("x-user").join(""));
    }
    assert_eq!(seen, ["corp|jane", "partner|jane"]);
}
