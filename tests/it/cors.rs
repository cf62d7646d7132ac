//! Pages of other origins (checklist 6.28): preflights are answered here, and refusals can be read there.

use crate::client::PROTOCOLS;
use crate::gateway::Gateway;

const HOST: &str = "api.example.com";
const PAGE: &str = "https://app.example.com";

#[tokio::test]
async fn only_a_genuine_preflight_needs_no_token() {
    let gateway = Gateway::start("metadata.yaml").await;
    let options = || gateway.ask("OPTIONS", HOST, "/orders/42");
    for protocol in PROTOCOLS {
        let preflight = options()
            .header("origin", PAGE)
            .header("access-control-request-method", "PUT")
            .header("access-control-request-headers", "authorization, content-type")
            .send_by(protocol)
            .await;
        assert!(matches!(preflight.status, 200 | 204), "CORS-4 {preflight:?}");
        assert_eq!(preflight.field("access-control-allow-origin"), PAGE);
        assert!(preflight.field("access-control-allow-methods").contains("PUT"), "{:?}", preflight.headers);
        let allowed = preflight.field("access-control-allow-headers").to_lowercase();
        assert!(allowed.contains("authorization"), "{allowed}");
        assert!(preflight.field("vary").to_lowercase().contains("origin"), "CORS-6 {:?}", preflight.headers);
        // No preflight: a method or an origin is missing.
        for ask in
            [options(), options().header("origin", PAGE), options().header("access-control-request-method", "PUT")]
        {
            let response = ask.send_by(protocol).await;
            assert_eq!(response.verdict(), "401 credential_missing", "CORS-4");
        }
    }
    assert_eq!(gateway.forwarded(), 0, "no preflight is forwarded");
}

#[tokio::test]
async fn a_page_that_is_not_listed_is_told_nothing() {
    let gateway = Gateway::start("metadata.yaml").await;
    for origin in ["https://evil.example", "https://app.example.com.evil.example", "http://app.example.com", "null"] {
        let preflight = gateway
            .ask("OPTIONS", HOST, "/orders/42")
            .header("origin", origin)
            .header("access-control-request-method", "PUT")
            .send()
            .await;
        assert_eq!(preflight.field("access-control-allow-origin"), "", "CORS-6 {origin}");
        let refused = gateway.ask("GET", HOST, "/orders/42").header("origin", origin).send().await;
        assert_eq!(refused.field("access-control-allow-origin"), "", "{origin}");
    }
    assert_eq!(gateway.forwarded(), 0);
}

#[tokio::test]
async fn a_listed_page_can_read_why_it_was_refused() {
    let gateway = Gateway::start("metadata.yaml").await;
    let good = gateway.issuer("ISSUER_CORP").token("https://api.example.com/orders", "orders.read");
    for (token, status) in [("x", 401), (good.as_str(), 200)] {
        for protocol in PROTOCOLS {
            let response = gateway.get(HOST, "/orders/42", token).header("origin", PAGE).send_by(protocol).await;
            assert_eq!(response.status, status);
            assert_eq!(response.field("access-control-allow-origin"), PAGE, "CORS-5");
            assert!(response.field("vary").to_lowercase().contains("origin"), "CORS-6");
            if status == 401 {
                let exposed = response.field("access-control-expose-headers").to_lowercase();
                assert!(exposed.contains("www-authenticate"), "CORS-5 {exposed}");
            }
        }
    }
}
