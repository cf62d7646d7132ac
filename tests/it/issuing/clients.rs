//! Clients that others wrote: panva's openid-client and jose on Node, Authlib on Python. They know nothing of Narrowgate.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::json;

use super::*;
use crate::oidc_provider::{Provider, node};

/// Runs a client program with these steps, and gives what came of each.
fn run(mut program: Command, world: &World, steps: &Value) -> Vec<Value> {
    program.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = program.spawn().expect("the client can be run");
    let asked = json!({ "issuer": world.url, "steps": steps }).to_string();
    child.stdin.take().expect("stdin is piped").write_all(asked.as_bytes()).expect("the client reads");
    let output = child.wait_with_output().expect("the client ends");
    let (told, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{told}\n{errors}");
    told.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
}

pub async fn openid_client(world: &World, steps: Value) -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/node");
    let installed = folder.join("node_modules/openid-client").is_dir();
    assert!(installed, "the client is missing; install it with: cd tests/node && npm ci");
    let mut program = Command::new(node(&folder));
    program.arg("client.mjs").current_dir(&folder);
    tokio::task::block_in_place(|| run(program, world, &steps))
}

pub async fn authlib(world: &World, steps: Value) -> Vec<Value> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = root.join("target/tools/bin/python");
    assert!(python.is_file(), "the client is missing; install it with: tests/run.sh");
    let mut program = Command::new(python);
    // Authlib refuses plain http, which a gateway on loopback has.
    program.arg(root.join("tests/python/client.py")).env("AUTHLIB_INSECURE_TRANSPORT", "1");
    tokio::task::block_in_place(|| run(program, world, &steps))
}

pub fn text<'v>(answer: &'v Value, name: &str) -> &'v str {
    answer[name].as_str().unwrap_or_else(|| panic!("no {name} in {answer}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn openid_client_gets_narrow_tokens_and_jose_verifies_them() {
    let world = World::start().await;
    let broad = world.of_corp(|claims| claims["aud"] = json!([ONE, TWO]));
    let app = |method: &str| json!({ "client": APP.0, "secret": APP.1, "method": method });
    let step = |base: Value, more: Value| {
        let mut step = base;
        step.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        step
    };
    let basic = || app("client_secret_basic");
    let robot =
        json!({ "client": "robot", "method": "private_key_jwt", "key": world.robot.pem(), "algorithm": "ES256" });
    let answers = openid_client(
        &world,
        json!([
            step(basic(), json!({ "verb": "client_credentials", "parameters": { "resource": ONE, "scope": "read" } })),
            step(basic(), json!({ "verb": "verify", "token_of": 0, "audience": ONE })),
            step(app("client_secret_post"), json!({ "verb": "client_credentials", "parameters": { "resource": TWO } })),
            step(basic(), json!({ "verb": "verify", "token_of": 2, "audience": TWO })),
            step(basic(), json!({ "verb": "exchange", "token": broad, "parameters": { "resource": ONE } })),
            step(basic(), json!({ "verb": "verify", "token_of": 4, "audience": ONE })),
            step(robot, json!({ "verb": "client_credentials", "parameters": { "resource": TWO } })),
            step(
                basic(),
                json!({ "verb": "client_credentials", "parameters": { "resource": "https://api3.example.com" } })
            ),
            step(basic(), json!({ "verb": "verify", "token_of": 0, "audience": TWO })),
            step(basic(), json!({ "verb": "revoke", "token_of": 0 })),
            step(basic(), json!({ "verb": "metadata", "discovery": "oidc" })),
        ]),
    )
    .await;
    let [own, own_said, posted, _, exchanged, exchanged_said, robots, refused, wrong, revoked, metadata] = &answers[..]
    else {
        panic!("{answers:#?}")
    };
    assert_eq!((text(own, "token_type"), text(own, "scope"), &own["resource"]), ("bearer", "read", &json!([ONE])));
    assert_eq!((&own_said["payload"]["aud"], &own_said["header"]["alg"]), (&json!(ONE), &json!("ES256")));
    assert_eq!(text(posted, "scope"), "read reports", "all that the matrix has there");
    assert_eq!(exchanged_said["payload"]["sub"], "corp|alice");
    assert_eq!(refused["failed"]["error"], "invalid_target", "{refused}");
    assert_eq!(wrong["failed"]["code"], "ERR_JWT_CLAIM_VALIDATION_FAILED", "{wrong}");
    assert_eq!(revoked, &json!({}));
    assert_eq!(text(metadata, "issuer"), world.url);
    let mismatch = "401 audience_mismatch";
    for (answer, verdicts) in [
        (posted, [mismatch, "200", mismatch]),
        (exchanged, ["200", mismatch, mismatch]),
        (robots, [mismatch, "200", mismatch]),
        (own, ["401 token_revoked", "401 token_revoked", "401 token_revoked"]),
    ] {
        assert_eq!(world.verdicts(text(answer, "access_token")).await, verdicts, "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn authlib_gets_narrow_tokens() {
    let world = World::start().await;
    let broad = world.of_corp(|claims| claims["aud"] = json!([ONE, TWO]));
    let (id, secret) = APP;
    let answers = authlib(
        &world,
        json!([
            { "verb": "client_credentials", "client": id, "secret": secret, "method": "client_secret_basic",
              "parameters": { "resource": ONE, "scope": "read" } },
            { "verb": "client_credentials", "client": id, "secret": secret, "method": "client_secret_post",
              "parameters": { "resource": TWO } },
            { "verb": "exchange", "client": id, "secret": secret, "method": "client_secret_basic", "token": broad,
              "parameters": { "resource": TWO, "scope": "read" } },
            { "verb": "client_credentials", "client": "robot", "method": "private_key_jwt", "key": world.robot.pem(),
              "algorithm": "ES256", "parameters": { "resource": TWO } },
            { "verb": "introspect", "client": API1_SERVICE.0, "secret": API1_SERVICE.1, "method": "client_secret_basic",
              "token_of": 0 },
            { "verb": "revoke", "client": id, "secret": secret, "method": "client_secret_basic", "token_of": 0 },
            { "verb": "introspect", "client": API1_SERVICE.0, "secret": API1_SERVICE.1, "method": "client_secret_basic",
              "token_of": 0 },
            { "verb": "client_credentials", "client": id, "secret": "wrong-secret", "method": "client_secret_basic",
              "parameters": { "resource": ONE } },
        ]),
    )
    .await;
    let [own, posted, exchanged, robots, active, revoked, inactive, refused] = &answers[..] else {
        panic!("{answers:#?}")
    };
    assert_eq!((&active["active"], &active["client_id"], &active["aud"]), (&json!(true), &json!(id), &json!(ONE)));
    assert_eq!((&revoked["status"], &inactive["active"]), (&json!(200), &json!(false)));
    assert_eq!(refused["failed"]["error"], "invalid_client", "{refused}");
    let mismatch = "401 audience_mismatch";
    for answer in [posted, exchanged, robots] {
        assert_eq!(world.verdicts(text(answer, "access_token")).await, [mismatch, "200", mismatch], "{answer}");
    }
    assert_eq!(world.verdicts(text(own, "access_token")).await[0], "401 token_revoked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_a_provider_that_others_wrote_is_exchanged() {
    let provider = Provider::start();
    let issuer = format!("http://{}", provider.address);
    let world = World::start_with(|text| {
        text.replace("trusted_issuers:\n", &format!("trusted_issuers:\n  panva: {{ issuer: \"{issuer}\" }}\n"))
            .replace("issuers: { corp: { exchange: true }, other", "issuers: { panva: { exchange: true }, other")
            .replace("known_as: { corp: web }", "known_as: { panva: es256 }")
    })
    .await;
    let token = provider.token("es256", ONE).await;
    let app = json!({ "client": APP.0, "secret": APP.1, "method": "client_secret_basic", "verb": "exchange",
                      "token": token, "parameters": { "resource": ONE } });
    let answers = openid_client(&world, json!([app])).await;
    let narrow = text(&answers[0], "access_token");
    let said = claims(narrow);
    assert_eq!(
        (&said["sub"], &said["client_id"], &said["scope"]),
        (&json!("panva|es256"), &json!("app"), &json!("read"))
    );
    assert_eq!(world.verdicts(narrow).await[..2], ["200", "401 audience_mismatch"]);
    let of_another_client = provider.token("rs256", ONE).await;
    let answer = world.exchange(APP, &of_another_client, &[("resource", ONE)]).await;
    assert_eq!(refusal(&answer), "400 invalid_request");
}
