//! Every refusal of the token endpoint that concerns the grants that are offered: status, code, fields.

use super::world::{ACCESS_TOKEN, APP, EXCHANGE, ONE, SERVICE, TWO, World, encoded};

const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";
const CREDENTIALS: (&str, &str) = ("grant_type", "client_credentials");

/// One row: what is sent, and what comes back.
struct Row<'a> {
    situation: &'a str,
    client: Option<(&'a str, &'a str)>,
    form: Vec<(&'a str, &'a str)>,
    status: u16,
    error: &'a str,
}

fn row<'a>(
    situation: &'a str,
    client: Option<(&'a str, &'a str)>,
    form: &[(&'a str, &'a str)],
    status: u16,
    error: &'a str,
) -> Row<'a> {
    Row { situation, client, form: form.to_vec(), status, error }
}

async fn holds(world: &World, row: &Row<'_>) {
    let reply = world.post("/token", row.client, &row.form).await;
    let body = reply.json();
    let told = format!("{}: {body}", row.situation);
    assert_eq!((reply.status, body["error"].as_str()), (row.status, Some(row.error)), "{told}");
    assert_eq!(reply.field("cache-control"), Some("no-store"), "{told}");
    assert_eq!(reply.field("content-type"), Some("application/json"), "{told}");
    let challenge = (row.status == 401).then_some("Basic realm=\"https://auth.example\", charset=\"UTF-8\"");
    assert_eq!(reply.field("www-authenticate"), challenge, "{told}");
    let description = body["error_description"].as_str().unwrap();
    assert!(description.bytes().all(|byte| matches!(byte, 0x20 | 0x21 | 0x23..=0x5b | 0x5d..=0x7e)), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_of_the_table_for_client_credentials() {
    let world = World::start().await;
    let app = Some(APP);
    let good = [CREDENTIALS, ("resource", ONE)];
    assert_eq!(world.post("/token", app, &good).await.status, 200);
    for row in [
        row("no grant type", app, &[("resource", ONE)], 400, "invalid_request"),
        row("unknown grant type", app, &[("grant_type", "password")], 400, "unsupported_grant_type"),
        row("a grant that is not offered", app, &[("grant_type", "authorization_code")], 400, "unsupported_grant_type"),
        row("a repeated parameter", app, &[CREDENTIALS, ("scope", "read"), ("scope", "read")], 400, "invalid_request"),
        row("nobody asks", None, &good, 401, "invalid_client"),
        row("a wrong secret", Some(("app", "x")), &good, 401, "invalid_client"),
        row("an unknown client", Some(("nobody", "app-s3cret")), &good, 401, "invalid_client"),
        row("a disabled client", Some(("disabled", "off-s3cret")), &good, 401, "invalid_client"),
        row("a client without the grant", Some(("no-grant", "no-s3cret")), &good, 400, "unauthorized_client"),
        row(
            "a public client",
            None,
            &[CREDENTIALS, ("resource", ONE), ("client_id", "public")],
            400,
            "unauthorized_client",
        ),
        row("an unknown resource", app, &[CREDENTIALS, ("resource", "https://api3.example")], 400, "invalid_target"),
        row("a malformed resource", app, &[CREDENTIALS, ("resource", "https://api1.example#x")], 400, "invalid_target"),
        row("two resources", app, &[CREDENTIALS, ("resource", ONE), ("resource", TWO)], 400, "invalid_target"),
        row("no resource where several could be", app, &[CREDENTIALS], 400, "invalid_target"),
        row("a malformed scope", app, &[CREDENTIALS, ("resource", ONE), ("scope", "re\"ad")], 400, "invalid_scope"),
        row("another API's scope", app, &[CREDENTIALS, ("resource", ONE), ("scope", "reports")], 400, "invalid_scope"),
        row("a user's scope", app, &[CREDENTIALS, ("resource", ONE), ("scope", "openid")], 400, "invalid_scope"),
    ] {
        holds(&world, &row).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_of_the_table_for_an_exchange() {
    let world = World::start().await;
    let (subject, elsewhere) = (world.token(ONE).await, world.token(TWO).await);
    let service = Some(SERVICE);
    let kind = ("subject_token_type", ACCESS_TOKEN);
    let good = [("grant_type", EXCHANGE), ("subject_token", &*subject), kind, ("resource", TWO)];
    assert_eq!(world.post("/token", service, &good).await.status, 200);
    let with = |more: &[(&'static str, &'static str)]| [&good[..], more].concat();
    let replaced = |at: usize, pair: (&'static str, &'static str)| {
        let mut form = good.to_vec();
        form[at] = pair;
        form
    };
    let foreign = [("grant_type", EXCHANGE), ("subject_token", &*elsewhere), kind, ("resource", TWO)];
    let no_type = [good[0], good[1], good[3]];
    let no_target = [good[0], good[1], good[2]];
    for row in [
        row("no subject token", service, &[good[0], kind, good[3]], 400, "invalid_request"),
        row("no type of it", service, &no_type, 400, "invalid_request"),
        row("an unsupported type", service, &replaced(2, ("subject_token_type", "urn:x")), 400, "invalid_request"),
        row("an actor's type alone", service, &with(&[("actor_token_type", ACCESS_TOKEN)]), 400, "invalid_request"),
        row("an actor without its type", service, &with(&[("actor_token", "a.b.c")]), 400, "invalid_request"),
        row("an unsupported wish", service, &with(&[("requested_token_type", "urn:x")]), 400, "invalid_request"),
        row("a subject that is no token", service, &replaced(1, ("subject_token", "opaque")), 400, "invalid_request"),
        row("a subject for another API", service, &foreign, 400, "invalid_request"),
        row("no edge to the target", service, &replaced(3, ("resource", ONE)), 400, "invalid_target"),
        row("no target", service, &no_target, 400, "invalid_target"),
        row("beyond the edge", service, &with(&[("scope", "read")]), 400, "invalid_scope"),
        row("a public client", None, &with(&[("client_id", "public")]), 400, "unauthorized_client"),
    ] {
        holds(&world, &row).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_no_form_is_refused() {
    let world = World::start().await;
    let body = encoded(&[CREDENTIALS, ("resource", ONE), ("client_id", "app"), ("client_secret", "app-s3cret")]);
    let ask = async |target: &str, fields: &str, body: &[u8]| {
        let reply = world.ask("POST", target, fields, body).await;
        (reply.status, reply.json()["error"].as_str().unwrap_or_default().to_owned())
    };
    let refused = (400, "invalid_request".to_owned());
    assert_eq!(ask("/token", FORM, body.as_bytes()).await.0, 200);
    let with_charset = "Content-Type: application/x-www-form-urlencoded; charset=UTF-8\r\n";
    assert_eq!(ask("/token", with_charset, body.as_bytes()).await.0, 200);
    for fields in ["", "Content-Type: application/json\r\n", "Content-Type: text/plain\r\n", &FORM.repeat(2)] {
        assert_eq!(ask("/token", fields, body.as_bytes()).await, refused, "{fields}");
    }
    assert_eq!(ask("/token?grant_type=client_credentials", FORM, body.as_bytes()).await, refused);
    for malformed in [&b"grant_type=%zz"[..], b"grant_type=\xff", b"a=%"] {
        assert_eq!(ask("/token", FORM, malformed).await, refused, "{malformed:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_method_is_told_which_one_is_right() {
    let world = World::start().await;
    for target in ["/token", "/introspect", "/revoke"] {
        for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"] {
            let reply = world.ask(method, target, "", b"").await;
            assert_eq!((reply.status, reply.field("allow")), (405, Some("POST")), "{method} {target}");
        }
    }
    let reply = world.ask("POST", "/jwks", "", b"").await;
    assert_eq!((reply.status, reply.field("allow")), (405, Some("GET,HEAD")));
}
