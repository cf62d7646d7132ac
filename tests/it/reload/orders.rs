//! `POST /reload`, SIGHUP, and what they answer.

use super::*;

const STATUS: &str = "narrowgate_config_last_reload_successful";

#[tokio::test]
async fn an_order_is_answered_once_the_change_serves() {
    let place = Workplace::start(&yaml(&[FIRST])).await;
    assert_eq!(place.verdict(API2).await, "421 host_unknown");
    let changed = place.adopt(&yaml(&[&FIRST.replace("[x]", "[x, y]"), SECOND])).await;
    assert_eq!(changed, ["https://api1.example.com: scopes +y", "https://api2.example.com: added"]);
    assert_eq!(place.verdict(API2).await, "200");
    assert_eq!(place.metric("narrowgate_config_generation").await, 2.0);
    place.gateway.line("https://api1.example.com: scopes +y | https://api2.example.com: added").await;
    assert_eq!(place.adopt(&format!("# by hand\n{}", yaml(&[&FIRST.replace("[x]", "[x, y]"), SECOND]))).await, [""; 0]);
    assert_eq!(place.metric("narrowgate_config_generation").await, 2.0, "a comment changes nothing");
}

#[tokio::test]
async fn a_bad_configuration_changes_nothing_and_says_why() {
    let place = Workplace::start(&yaml(&[FIRST])).await;
    place.write("gateway.yaml", yaml(&[&FIRST.replace("scopes", "scoops"), SECOND]));
    let answer = place.reload().await;
    assert_eq!(answer.status, 422);
    let answer = answer.json();
    assert_eq!((&answer["generation"], answer["faults"].as_array().map(Vec::len)), (&1.into(), Some(1)));
    let fault = &answer["faults"][0];
    assert_eq!((&fault["line"], &fault["column"]), (&6.into(), &53.into()), "{fault}");
    assert_eq!(fault["message"], "the resource `https://api1.example.com` knows no key `scoops`");
    assert_eq!(fault["hint"], "did you mean `scopes`?");
    assert!(fault["file"].as_str().is_some_and(|file| file.ends_with("gateway.yaml")), "{fault}");
    assert_eq!((place.verdict(API1).await.as_str(), place.verdict(API2).await.as_str()), ("200", "421 host_unknown"));
    assert_eq!(place.metric(STATUS).await, 0.0);
    // Place, message and hint; the line itself may hold a secret.
    place.gateway.line("gateway.yaml:6:53: the resource `https://api1.example.com` knows no key `scoops`").await;
    place.gateway.line("= hint: did you mean `scopes`?").await;
    let page = Ask::new(place.gateway.admin, "GET", "localhost", "/").send().await.body;
    assert!(page.contains("The configuration was refused") && page.contains("knows no key `scoops`"), "{page}");

    assert_eq!(place.adopt(&yaml(&[FIRST])).await, [""; 0]);
    assert_eq!(place.metric(STATUS).await, 1.0, "what was good before is good again");
}

#[tokio::test]
async fn a_hangup_is_an_order_too() {
    let place = Workplace::start(&yaml(&[FIRST])).await;
    place.write("gateway.yaml", yaml(&[FIRST, SECOND]));
    place.gateway.signal("HUP");
    place.serves(2.0).await;
    assert_eq!(place.verdict(API2).await, "200");
}

#[tokio::test]
async fn many_orders_at_once_share_their_rounds() {
    let place = Workplace::start(&yaml(&[FIRST])).await;
    place.write("gateway.yaml", yaml(&[FIRST, SECOND]));
    let orders = (0..20).map(|_| Ask::new(place.gateway.admin, "POST", "localhost", "/reload"));
    let orders: Vec<_> = orders.map(|ask| tokio::spawn(async move { ask.send().await })).collect();
    for order in orders {
        let answer = order.await.expect("it is answered");
        assert_eq!((answer.status, &answer.json()["generation"]), (200, &2.into()), "{}", answer.body);
    }
    assert_eq!(place.metric("narrowgate_config_generation").await, 2.0);
}

#[tokio::test]
async fn only_an_operator_may_order() {
    let place = Workplace::start(&yaml(&[FIRST])).await;
    let ask = |method: &str| Ask::new(place.gateway.admin, method, "localhost", "/reload");
    let answer = ask("GET").send().await;
    assert_eq!((answer.status, answer.field("allow")), (405, "POST"));
    assert_eq!(ask("POST").header("origin", "https://evil.example").send().await.status, 403);
    assert_eq!(place.gateway.ask("POST", API1, "/reload").send().await.verdict(), "401 credential_missing");
}

#[tokio::test]
async fn bound_addresses_wait_for_a_restart_and_the_rest_does_not() {
    let place = Workplace::start(&yaml(&[FIRST])).await;
    let text = yaml(&[FIRST, SECOND]).replace("listen: 127.0.0.1:0", "listen: 127.0.0.1:1");
    place.write("gateway.yaml", text.replace("admin: 127.0.0.1:0", "admin: 127.0.0.1:2"));
    let answer = place.reload().await;
    assert_eq!(answer.status, 200);
    let told = [
        "listen: `127.0.0.1:0` goes on until a restart",
        "listen: `127.0.0.1:1` needs a restart",
        "admin: `127.0.0.1:2` needs a restart",
    ];
    assert_eq!(texts(&answer.json()["needs_restart"]), told);
    assert_eq!(place.verdict(API2).await, "200");
    let page = Ask::new(place.gateway.admin, "GET", "localhost", "/").send().await.body;
    assert!(page.contains("Only a restart changes this") && page.contains(told[1]), "{page}");
}

#[tokio::test]
async fn no_route_leads_to_the_admin_listener_that_waits_for_its_new_address() {
    let place = Workplace::start(&yaml(&[FIRST])).await;
    let route = format!("https://api2.example.com: {{ public: true, upstream: \"http://{}\" }}", place.gateway.admin);
    let text = yaml(&[FIRST, &route]);
    for admin in ["admin: 127.0.0.1:0\n", "admin: 127.0.0.1:2\n", ""] {
        place.write("gateway.yaml", text.replace("admin: 127.0.0.1:0\n", admin));
        let answer = place.reload().await;
        assert_eq!(answer.status, 422, "{admin}");
        assert!(answer.body.contains("leads to the admin listener"), "{}", answer.body);
        assert_eq!(place.gateway.ask("GET", API2, "/config").send().await.verdict(), "421 host_unknown");
    }
}

#[tokio::test]
async fn the_log_level_and_the_limits_follow() {
    let place = Workplace::start(&yaml(&[FIRST])).await;
    let quiet = format!("log: {{ level: error }}\nlimits: {{ token_bytes: 256 }}\n{}", yaml(&[FIRST]));
    let changed = place.adopt(&quiet).await;
    assert_eq!(changed, ["log: level error instead of info", "limits: token_bytes 256 instead of 8192"]);
    assert_eq!(place.verdict(API1).await, "401 token_too_large");
    assert!(!place.gateway.output().contains("token_too_large"), "no line a request at this level");
    place.adopt(&format!("log: {{ format: text }}\n{}", yaml(&[FIRST]))).await;
    assert_eq!(place.verdict(API1).await, "200");
    place.gateway.line("decision=\"forward\"").await;
}
