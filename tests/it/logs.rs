//! 6750-5.3-1: no token, no secret and no query string in anything that the program writes, whatever the level.

use crate::client::{PROTOCOLS, raw};
use crate::gateway::Gateway;

#[tokio::test]
async fn nothing_secret_is_written_at_any_level() {
    let gateway = Gateway::start("logs.yaml").await;
    let corp = gateway.issuer("ISSUER_CORP");
    let good = corp.token("https://api1.example.com", "read");
    let narrow = corp.token("https://api1.example.com", "");
    let elsewhere = corp.token("https://api2.example.com", "read");
    let expired = {
        let mut claims = corp.claims("https://api1.example.com", "read");
        claims["exp"] = 1.into();
        corp.key().token(&claims)
    };
    let forged = good.replacen("eyJ", "eyK", 1);
    let tokens = [good, narrow, elsewhere, expired, forged, "opaque-canary-token".into()];
    for token in &tokens {
        for host in ["api1.example.com", "api2.example.com", "unknown.example"] {
            for target in ["/x?query-canary=1", "/x?access_token=query-canary", "/%2e%2e/x?query-canary"] {
                for protocol in PROTOCOLS {
                    let ask = gateway.get(host, target, token);
                    ask.header("cookie", "cookie-canary=1").header("x-api-key", "key-canary").send_by(protocol).await;
                }
            }
        }
    }
    // What never becomes a request, and what the operator sends.
    for text in [
        "GET /x?query-canary HTTP/1.1\r\nAuthorization: Bearer opaque-canary-token\r\n",
        "\x16\x03\x01 opaque-canary-token\r\n\r\n",
    ] {
        raw(gateway.address, format!("{text}Bad\r\n\r\n").as_bytes()).await;
    }
    for target in ["/config", "/metrics", "/?query-canary"] {
        let ask = crate::client::Ask::new(gateway.admin, "GET", "localhost", target);
        let response = ask.header("authorization", "Bearer admin-secret-canary").send().await;
        assert!(!response.body.contains("canary"), "{target}: {}", response.body);
    }
    let output = gateway.stop().await;
    assert!(output.contains("scope_insufficient") && output.contains("audience_mismatch"), "requests are logged");
    for canary in ["canary", "Bearer ey"] {
        let line = output.lines().find(|line| line.contains(canary));
        assert_eq!(line, None, "`{canary}` was written");
    }
    for token in tokens {
        for part in token.split('.').filter(|part| part.len() > 20) {
            let line = output.lines().find(|line| line.contains(part));
            assert_eq!(line, None, "a part of a token was written");
        }
    }
}
