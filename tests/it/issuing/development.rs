//! `narrowgate token` beside a gateway that runs, and the admin endpoint that it asks.

use std::process::Output;

use serde_json::json;

use super::*;

const OPEN: &str = "  development_tokens: true\n  clients:\n    app:\n";
const CLOSED: &str = "  clients:\n    app:\n";

/// A world in which the line is written, whose admin address is known beforehand.
async fn open() -> World {
    at_admin(&format!("127.0.0.1:{}", free_port()), OPEN).await
}

async fn at_admin(admin: &str, clients: &str) -> World {
    World::start_with(|text| text.replace("admin: 127.0.0.1:0", &format!("admin: {admin}")).replace(CLOSED, clients))
        .await
}

impl World {
    /// What the command does with this world's file, while its gateway runs.
    async fn token(&self, arguments: &[&str]) -> Output {
        self.command(&[&["token"], arguments].concat()).await
    }

    fn post_tokens(&self, body: &Value) -> Ask {
        let ask = Ask::new(self.gateway.admin, "POST", "localhost", "/tokens");
        ask.header("content-type", "application/json").body(body.to_string())
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("it is text")
}

fn alice() -> Value {
    json!({ "resource": ONE, "scope": "read", "sub": "corp|alice", "client_id": "app" })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_that_runs_gives_a_token_that_opens_its_api_and_no_other() {
    let world = open().await;
    let output = world.token(&["--resource", ONE, "--scope", "read", "--sub", "corp|alice", "--client", "app"]).await;
    assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(0), ""));
    let printed = text(&output.stdout);
    let token = printed.strip_suffix('\n').expect("one line");
    assert_eq!(world.verdicts(token).await, ["200", "401 audience_mismatch", "401 audience_mismatch"]);
    let seen = world.gateway.api("API_1").last();
    assert_eq!((seen.values("x-user"), seen.values("x-client")), (vec!["corp|alice"], vec!["app"]));
    assert_eq!(seen.values("x-scope"), ["read"]);

    let metrics = Ask::new(world.gateway.admin, "GET", "localhost", "/metrics").send().await.body;
    let counted = format!(r#"narrowgate_tokens_issued_total{{grant="development",resource="{ONE}"}} 1"#);
    assert!(metrics.contains(&counted), "{metrics}");
    let event = world.gateway.line("token_issued").await;
    for told in [r#""grant":"development""#, r#""subject":"corp|alice""#, r#""peer":"127.0.0.1""#, r#""client":"app""#]
    {
        assert!(event.contains(told), "{event}");
    }
    assert!(!world.gateway.output().contains(token));

    // Its client may take it back.
    assert_eq!(world.post("/revoke", APP, &[("token", token)]).await.status, 200);
    assert_eq!(world.verdicts(token).await[0], "401 token_revoked");
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_get_the_members_of_a_token_response() {
    let world = open().await;
    let arguments = ["--resource", ONE, "--sub", "alice", "--client", "app", "--format", "json"];
    let answer: Value = serde_json::from_slice(&world.token(&arguments).await.stdout).expect("one document");
    assert_eq!((&answer["token_type"], &answer["expires_in"]), (&json!("Bearer"), &json!(300)));
    assert_eq!((&answer["scope"], &answer["resource"]), (&json!("read write"), &json!([ONE])));
    let said = claims(answer["access_token"].as_str().expect("a token"));
    assert_eq!((&said["sub"], &said["aud"], &said["iss"]), (&json!("alice"), &json!(ONE), &json!(world.url)));
}

#[tokio::test]
async fn without_the_line_nobody_gets_one() {
    let world = at_admin(&format!("127.0.0.1:{}", free_port()), CLOSED).await;
    let answer = world.post_tokens(&alice()).send().await;
    assert_eq!(answer.status, 403);
    let why = "there are no development tokens here: `issuer` does not say `development_tokens: true`";
    assert_eq!(answer.json(), json!({ "error": why }));
    let event = world.gateway.line("token_refused").await;
    assert!(event.contains(r#""grant":"development""#) && event.contains("development_tokens: true"), "{event}");
    let metrics = Ask::new(world.gateway.admin, "GET", "localhost", "/metrics").send().await.body;
    let counted = r#"narrowgate_token_refusals_total{grant="development",error="unauthorized_client"} 1"#;
    assert!(metrics.contains(counted), "{metrics}");
}

#[tokio::test]
async fn a_refusal_says_what_there_is() {
    let world = open().await;
    for (member, value, status) in [
        ("client_id", json!("helper"), 200),
        ("client_id", json!("robot"), 400),
        ("client_id", json!("nobody"), 400),
        ("scope", json!("write transaction:7"), 200),
        ("scope", json!("reports"), 400),
        ("resource", json!("https://nobody.example"), 400),
        ("sub", json!("nobody|alice"), 400),
        ("sub", json!("app"), 400),
        ("sub", json!(""), 400),
        ("sub", json!(7), 422),
        ("act", json!("somebody"), 422),
    ] {
        let mut body = alice();
        body[member] = value;
        let answer = world.post_tokens(&body).send().await;
        assert_eq!(answer.status, status, "{body} {}", answer.body);
        assert_eq!(answer.json()["access_token"].is_string(), status == 200, "{body}");
        assert_eq!(answer.json()["error"].is_string(), status != 200, "{body}");
    }
    let mut nobody = alice();
    nobody.as_object_mut().expect("an object").remove("client_id");
    let several =
        "several clients can have a token for `https://api1.example.com`, so one must be named: `app`, `helper`, `web`";
    assert_eq!(world.post_tokens(&nobody).send().await.json()["error"], several);
}

#[tokio::test]
async fn pages_and_other_forms_are_turned_away() {
    let world = open().await;
    let ask = || Ask::new(world.gateway.admin, "POST", "localhost", "/tokens").body(alice().to_string());
    assert_eq!(ask().send().await.status, 415);
    assert_eq!(ask().header("content-type", "text/plain").send().await.status, 415);
    let from_a_page = world.post_tokens(&alice()).header("origin", "https://evil.example");
    assert_eq!(from_a_page.send().await.status, 403);
    let get = Ask::new(world.gateway.admin, "GET", "localhost", "/tokens").send().await;
    assert_eq!((get.status, get.field("allow")), (405, "POST"));
    let large = json!({ "resource": ONE, "sub": "x".repeat(70_000) });
    assert_eq!(world.post_tokens(&large).send().await.status, 413);
    let host = world.url.trim_start_matches("http://");
    assert_eq!(Ask::new(world.gateway.address, "POST", host, "/tokens").send().await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn off_this_machine_it_needs_the_token_of_operators() {
    let secret = "admin-token-of-thirty-two-characters";
    let world = at_admin(&format!("{{ address: \"0.0.0.0:{}\", token: {secret} }}", free_port()), OPEN).await;
    for credential in [None, Some("Bearer wrong")] {
        let mut ask = world.post_tokens(&alice());
        if let Some(credential) = credential {
            ask = ask.header("authorization", credential);
        }
        let answer = ask.send().await;
        assert_eq!((answer.status, answer.field("www-authenticate")), (401, "Bearer realm=\"admin\""));
        assert_eq!(answer.json()["access_token"], Value::Null);
    }
    let output = world.token(&["--resource", ONE, "--sub", "alice", "--client", "app"]).await;
    let token = text(&output.stdout);
    assert_eq!(world.verdicts(token.trim_end()).await[0], "200", "the command sends it");
}
