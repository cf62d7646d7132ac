//! What users have granted, as operators see it and end it: by the admin address, and by `narrowgate grants`.

use narrowgate::store::EmbeddedStore;
use serde_json::json;

use super::storm::seeds::{self, CLIENT, VERIFIER};
use super::*;

/// A grant of each of some users, with its tokens.
struct Granted {
    access_token: String,
    refresh_token: String,
}

impl Granted {
    fn root(&self) -> String {
        claims(&self.access_token)["jti"].as_str().expect("a name").split_once('.').expect("a root").0.to_owned()
    }
}

/// A code of each of some users.
async fn waiting(count: usize) -> (World, Vec<String>) {
    let admin = format!("admin: 127.0.0.1:{}", free_port());
    let mut codes = Vec::new();
    let world = World::start_in(async |folder, text| {
        let store = EmbeddedStore::open(&folder.join("narrowgate.redb")).expect("the folder is ours");
        codes = seeds::codes(&store, count).await;
        seeds::with_users(&text).replace("admin: 127.0.0.1:0", &admin)
    })
    .await;
    (world, codes)
}

async fn redeemed(world: &World, code: &str) -> Response {
    let form = [("grant_type", "authorization_code"), ("code", code), ("code_verifier", VERIFIER), ("resource", ONE)];
    world.post("/token", CLIENT, &form).await
}

async fn granted(count: usize) -> (World, Vec<Granted>) {
    let (world, codes) = waiting(count).await;
    let mut granted = Vec::new();
    for code in &codes {
        let answer = redeemed(&world, code).await;
        let access_token = token_in(&answer);
        let refresh_token = answer.json()["refresh_token"].as_str().expect("it may refresh").to_owned();
        granted.push(Granted { access_token, refresh_token });
    }
    (world, granted)
}

async fn stands(world: &World, granted: &Granted) -> bool {
    let verdict = world.verdicts(&granted.access_token).await[0].clone();
    let form = [("grant_type", "refresh_token"), ("refresh_token", &*granted.refresh_token), ("resource", TWO)];
    match (&*verdict, world.post("/token", CLIENT, &form).await.status) {
        ("200", 200) => true,
        ("401 token_revoked", 400) => false,
        half => panic!("it is neither: {half:?}"),
    }
}

fn admin(world: &World, method: &str, target: &str) -> Ask {
    Ask::new(world.gateway.admin, method, "localhost", target)
}

async fn order(world: &World, body: &Value) -> Response {
    let ask = admin(world, "POST", "/grants/revoke").header("content-type", "application/json");
    ask.body(body.to_string()).send().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sees_grants_and_ends_them() {
    let (world, granted) = granted(4).await;
    let listed = admin(&world, "GET", "/grants?subject=corp%7Cuser+1").send().await;
    let document = listed.json();
    assert_eq!((listed.status, &document["next"]), (200, &Value::Null), "{document}");
    let [grant] = &document["grants"].as_array().expect("a list")[..] else { panic!("{document}") };
    assert_eq!((&grant["root"], &grant["client"]), (&granted[1].root().into(), &CLIENT.0.into()));
    assert_eq!(grant["resources"], json!({ ONE: ["read"], TWO: ["reports"] }));
    assert!(grant["begun"].is_u64() && grant["until"].is_u64() && grant["ends"].is_u64());
    for secret in [&granted[1].refresh_token, &granted[1].access_token] {
        assert!(!listed.body.contains(&**secret));
    }
    let all = admin(&world, "GET", &format!("/grants?client={}", CLIENT.0)).send().await.json();
    assert_eq!(all["grants"].as_array().map(Vec::len), Some(4));

    for one in &granted {
        assert!(stands(&world, one).await);
    }
    let root = granted[0].root();
    let ended = order(&world, &json!({ "root": root })).await.json();
    assert_eq!(ended, json!({ "revoked": [{ "root": root, "client": null, "subject": null }] }));
    let ended = order(&world, &json!({ "subject": "corp|user 1" })).await.json();
    let expected = json!({ "root": granted[1].root(), "client": CLIENT.0, "subject": "corp|user 1" });
    assert_eq!(ended, json!({ "revoked": [expected] }));
    let event = world.gateway.line("grant_revoked").await;
    assert!(event.contains(&root) && event.contains(r#""peer":"127.0.0.1""#), "{event}");
    for (one, still) in granted.iter().zip([false, false, true, true]) {
        assert_eq!(stands(&world, one).await, still);
    }
    let ended = order(&world, &json!({ "client": CLIENT.0 })).await.json();
    assert_eq!(ended["revoked"].as_array().map(Vec::len), Some(2));
    assert!(!stands(&world, &granted[3]).await);
    assert_eq!(order(&world, &json!({ "client": CLIENT.0 })).await.json(), json!({ "revoked": [] }));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_redeemed_yet_is_ended_as_well() {
    let (world, codes) = waiting(3).await;
    assert_eq!(order(&world, &json!({ "subject": "corp|user 1" })).await.json(), json!({ "revoked": [] }));
    assert_eq!(refusal(&redeemed(&world, &codes[1]).await), "400 invalid_grant");
    token_in(&redeemed(&world, &codes[0]).await);
    let ended = order(&world, &json!({ "client": CLIENT.0 })).await.json();
    assert_eq!(ended["revoked"].as_array().map(Vec::len), Some(1), "what was redeemed");
    assert_eq!(refusal(&redeemed(&world, &codes[2]).await), "400 invalid_grant");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_means_nothing_is_refused() {
    let (world, _) = granted(0).await;
    for target in
        ["/grants", "/grants?client=a&subject=b", "/grants?client=a&client=b", "/grants?root=a", "/grants?client="]
    {
        assert_eq!(admin(&world, "GET", target).send().await.status, 400, "{target}");
    }
    for body in [json!({ "root": "short" }), json!({ "subject": "" })] {
        assert_eq!(order(&world, &body).await.status, 400, "{body}");
    }
    for body in [json!({}), json!({ "client": "a", "subject": "b" }), json!({ "everything": true }), json!("root")] {
        let answer = order(&world, &body).await;
        assert!(matches!(answer.status, 400 | 422), "{body}: {}", answer.body);
    }
    assert_eq!(admin(&world, "GET", "/grants/revoke").send().await.status, 405);
    assert_eq!(admin(&world, "POST", "/grants").send().await.status, 405);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_asks_the_gateway_that_runs_or_opens_its_store() {
    let (mut world, granted) = granted(3).await;
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("it is text");
    let listed = world.command(&["grants", "list", "--client", CLIENT.0, "--format", "json"]).await;
    assert_eq!((listed.status.code(), text(&listed.stderr).as_str()), (Some(0), ""));
    let document: Value = serde_json::from_slice(&listed.stdout).expect("JSON");
    assert_eq!(document["grants"].as_array().map(Vec::len), Some(3));
    let root = granted[0].root();
    let ended = world.command(&["grants", "revoke", "--root", &root]).await;
    assert_eq!((ended.status.code(), text(&ended.stdout)), (Some(0), format!("1 grant revoked\n{root}\n")));
    assert!(!stands(&world, &granted[0]).await && stands(&world, &granted[1]).await);

    world.gateway.kill();
    let ended = world.command(&["grants", "revoke", "--subject", "corp|user 1"]).await;
    let expected = format!("1 grant revoked\n{}  corp|user 1 to {}\n", granted[1].root(), CLIENT.0);
    assert_eq!((ended.status.code(), text(&ended.stdout)), (Some(0), expected));
    let listed = world.command(&["grants", "list", "--subject", "corp|user 2"]).await;
    let shown = text(&listed.stdout);
    assert!(shown.starts_with(&granted[2].root()) && shown.contains(&format!("\n  {ONE}  read\n")), "{shown}");
    world.gateway.kill_and_start_again().await;
    assert!(!stands(&world, &granted[1]).await && stands(&world, &granted[2]).await);

    for arguments in [&["grants", "list"][..], &["grants", "revoke"], &["grants", "revoke", "--root", "short"]] {
        assert_eq!(world.command(arguments).await.status.code(), Some(2), "{arguments:?}");
    }
}
