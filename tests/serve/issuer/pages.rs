//! Pages that ask for tokens themselves: which may, where, and how a browser is told (CORS).

use super::granted::{self, ALL, ORIGIN, PAGE, code, redemption};
use super::world::{ONE, encoded};

const PREFLIGHT: &str = "Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: content-type\r\n";

fn from(origin: &str) -> String {
    format!("Origin: {origin}\r\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_is_a_public_client_may_ask() {
    let world = granted::world().await;
    for target in ["/token", "/revoke"] {
        let reply = world.ask("OPTIONS", target, &format!("{}{PREFLIGHT}", from(ORIGIN)), b"").await;
        assert_eq!((reply.status, reply.body.len()), (204, 0), "{target}");
        assert_eq!(reply.field("access-control-allow-origin"), Some(ORIGIN));
        assert_eq!(reply.field("access-control-allow-methods"), Some("POST"));
        assert_eq!(reply.field("access-control-allow-headers"), Some("Authorization, Content-Type"));
        assert_eq!((reply.field("vary"), reply.field("access-control-allow-credentials")), (Some("Origin"), None));
    }
    let code = code(&world, PAGE, ALL).await;
    let body = encoded(&[&redemption(&code)[..], &[("resource", ONE), ("client_id", PAGE)]].concat());
    let fields = format!("{}Content-Type: application/x-www-form-urlencoded\r\n", from(ORIGIN));
    for status in [200, 400] {
        let reply = world.ask("POST", "/token", &fields, body.as_bytes()).await;
        assert_eq!((reply.status, reply.field("access-control-allow-origin")), (status, Some(ORIGIN)));
        assert_eq!((reply.field("vary"), reply.field("cache-control")), (Some("Origin"), Some("no-store")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_other_page_may() {
    let world = granted::world().await;
    // The second is the origin of clients that keep a secret, the others are near misses.
    for origin in
        ["https://evil.example", "https://web.example", "null", "http://page.example", "https://page.example:444"]
    {
        let reply = world.ask("OPTIONS", "/token", &format!("{}{PREFLIGHT}", from(origin)), b"").await;
        assert_eq!((reply.status, reply.field("allow")), (405, Some("POST")), "{origin}");
        assert_eq!(
            (reply.field("access-control-allow-origin"), reply.field("vary")),
            (None, Some("Origin")),
            "{origin}"
        );
        let reply = world.ask("POST", "/token", &from(origin), b"").await;
        assert_eq!((reply.status, reply.field("access-control-allow-origin")), (400, None), "{origin}");
    }
    let twice = format!("{}{}{PREFLIGHT}", from(ORIGIN), from(ORIGIN));
    assert_eq!(world.ask("OPTIONS", "/token", &twice, b"").await.status, 405);
    assert_eq!(world.ask("OPTIONS", "/token", &from(ORIGIN), b"").await.status, 405, "no preflight");
    world.reload(|config| {
        let clients = &mut config.issuer.as_mut().unwrap().clients;
        clients.iter_mut().filter(|client| client.id == PAGE).for_each(|client| client.disabled = true);
    });
    let reply = world.ask("OPTIONS", "/token", &format!("{}{PREFLIGHT}", from(ORIGIN)), b"").await;
    assert_eq!((reply.status, reply.field("access-control-allow-origin")), (405, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_page_may_elsewhere() {
    let world = granted::world().await;
    for target in ["/introspect", "/par"] {
        for (method, fields) in [("OPTIONS", PREFLIGHT), ("POST", "")] {
            let reply = world.ask(method, target, &format!("{}{fields}", from(ORIGIN)), b"").await;
            assert_eq!(reply.field("access-control-allow-origin"), None, "{method} {target}");
            assert!(reply.status >= 400, "{method} {target}");
        }
    }
}
