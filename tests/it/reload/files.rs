//! Changes that nobody orders: to the file, to what it names, by way of links, and half done.

use std::os::unix::fs::symlink;

use super::*;

#[tokio::test]
async fn a_change_of_the_file_is_found() {
    let place = Workplace::start(&yaml(&[FIRST])).await;
    place.write("gateway.yaml", yaml(&[FIRST, SECOND]));
    place.serves(2.0).await;
    assert_eq!(place.verdict(API2).await, "200");
    place.write("gateway.yaml", "nonsense");
    place.gateway.line("the configuration was refused").await;
    assert_eq!(place.verdict(API2).await, "200");
    fs::remove_file(place.folder.join("gateway.yaml")).expect("it is there");
    place.gateway.line("the file does not exist").await;
    place.write("gateway.yaml", yaml(&[FIRST]));
    place.serves(3.0).await;
    assert_eq!(place.verdict(API2).await, "421 host_unknown");
    let refusals = place.gateway.output().matches("the configuration was refused").count();
    assert_eq!(refusals, 2, "each is told once: {}", place.gateway.output());
}

/// As Kubernetes does it: the file is a link to a link to a folder, and the middle one is exchanged.
#[tokio::test]
async fn an_exchanged_link_is_a_change() {
    let folder = folder();
    let publish = |version: &str, text: &str| {
        fs::create_dir(folder.join(version)).expect("the folder is ours");
        fs::write(folder.join(version).join("gateway.yaml"), text).expect("so is this one");
        symlink(version, folder.join("..data_tmp")).expect("links can be made");
        fs::rename(folder.join("..data_tmp"), folder.join("..data")).expect("and exchanged");
    };
    publish("..2026_1", &yaml(&[FIRST]));
    symlink("..data/gateway.yaml", folder.join("gateway.yaml")).expect("links can be made");
    let place = Workplace::start_in(folder.clone(), Path::new("gateway.yaml")).await;
    publish("..2026_2", &yaml(&[FIRST, SECOND]));
    fs::remove_dir_all(folder.join("..2026_1")).expect("nobody needs it any more");
    place.serves(2.0).await;
    assert_eq!(place.verdict(API2).await, "200");
}

#[tokio::test]
async fn a_file_that_is_being_written_is_waited_for() {
    let place = Workplace::start(&yaml(&[FIRST])).await;
    let whole = yaml(&[FIRST, SECOND]);
    let order = tokio::spawn(Ask::new(place.gateway.admin, "POST", "localhost", "/reload").send_owned());
    // Each half alone is another configuration, or none; none of them stays for a quarter of a second.
    for end in (0..whole.len()).step_by(whole.len() / 12) {
        place.write("gateway.yaml", &whole[..end]);
        sleep(Duration::from_millis(60)).await;
    }
    place.write("gateway.yaml", &whole);
    let answer = order.await.expect("it is answered");
    assert_eq!((answer.status, &answer.json()["generation"]), (200, &2.into()), "{}", answer.body);
    assert!(!place.gateway.output().contains("refused"), "{}", place.gateway.output());
    assert_eq!(place.verdict(API2).await, "200");
}

#[tokio::test]
async fn a_file_that_ended_in_dots_ends_so_again() {
    let place = Workplace::start(&format!("{}...\n", yaml(&[FIRST, SECOND]))).await;
    // Good YAML, and a good configuration, were it not for its missing end.
    place.write("gateway.yaml", yaml(&[FIRST]));
    let answer = place.reload().await;
    assert_eq!(answer.status, 422);
    let message = "the file ended in `...` and does so no more: its end may be missing";
    assert_eq!(answer.json()["faults"][0]["message"], message);
    assert_eq!(place.verdict(API2).await, "200");
    place.adopt(&format!("{}...\n", yaml(&[FIRST]))).await;
    assert_eq!(place.verdict(API2).await, "421 host_unknown");
}

#[tokio::test]
async fn dots_count_from_the_reload_that_brought_them_even_if_nothing_else_did_change() {
    let place = Workplace::start(&yaml(&[FIRST, SECOND])).await;
    assert!(place.adopt(&format!("{}...\n", yaml(&[FIRST, SECOND]))).await.is_empty());
    place.write("gateway.yaml", yaml(&[FIRST]));
    assert_eq!(place.reload().await.status, 422);
    assert_eq!(place.verdict(API2).await, "200");
}

#[tokio::test]
async fn a_pipe_that_nobody_writes_to_holds_nothing_up() {
    let place = Workplace::start(&yaml(&[FIRST])).await;
    let made = std::process::Command::new("mkfifo").arg(place.folder.join("pipe")).status();
    assert!(made.expect("`mkfifo` can be run").success());
    let named = SECOND.replace("scopes:", "name: \"${file:pipe}\", scopes:");
    place.write("gateway.yaml", yaml(&[FIRST, &named]));
    let answer = place.reload().await;
    assert_eq!(answer.status, 422, "{}", answer.body);
    assert!(answer.body.contains("`pipe` is no regular file"), "{}", answer.body);
    place.write("gateway.yaml", yaml(&[FIRST, SECOND]));
    place.serves(2.0).await;
}

#[tokio::test]
async fn what_the_file_names_is_watched_as_well() {
    let folder = folder();
    let keys = |kid: &str| crate::keys::SigningKey::new(kid, "ES256");
    let (first, second) = (keys("k1"), keys("k2"));
    let publish = |key: &crate::keys::SigningKey| {
        let json = serde_json::json!({ "keys": [key.jwk()] }).to_string();
        fs::write(folder.join("jwks.json"), json).expect("the folder is ours");
    };
    publish(&first);
    fs::write(folder.join("name"), "Documents\n").expect("the folder is ours");
    let named = FIRST.replace("scopes:", "name: \"${file:name}\", scopes:");
    let text = yaml(&[&named]).replace("{ issuer: \"${ISSUER_CORP}\",", "{ issuer: corp, jwks: jwks.json,");
    fs::write(folder.join("gateway.yaml"), text).expect("the folder is ours");
    let place = Workplace::start_in(folder.clone(), Path::new("gateway.yaml")).await;
    let claims = serde_json::json!({
        "iss": "corp", "aud": "https://api1.example.com", "sub": "jane", "client_id": "app", "scope": "x",
        "iat": crate::keys::now() - 5, "exp": crate::keys::now() + 300, "jti": "1",
    });
    let verdict =
        async |key: &crate::keys::SigningKey| place.gateway.get(API1, "/", &key.token(&claims)).send().await.verdict();
    assert_eq!((verdict(&first).await.as_str(), verdict(&second).await.as_str()), ("200", "401 key_unknown"));
    publish(&second);
    place.serves(2.0).await;
    assert_eq!((verdict(&first).await.as_str(), verdict(&second).await.as_str()), ("401 key_unknown", "200"));
    place.write("name", "Papers\n");
    place.serves(3.0).await;
    place.gateway.line("https://api1.example.com: name Papers instead of Documents").await;
    place.write("jwks.json", "{\"keys\":[]}");
    place.gateway.line("issuer `corp` can never be verified").await;
    assert_eq!(verdict(&second).await, "200");
}
