//! A resource whose upstream has two servers, of which one is down.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::client::Ask;
use crate::gateway::{Gateway, PATIENCE};

async fn metrics(gateway: &Gateway) -> String {
    Ask::new(gateway.admin, "GET", "localhost", "/metrics").send().await.body
}

#[tokio::test]
async fn the_server_that_is_up_takes_all_requests_and_operators_see_which_is_down() {
    let gateway = Gateway::start("upstreams.yaml").await;
    for _ in 0..4 {
        assert_eq!(gateway.ask("POST", "api1.example.com", "/").send().await.status, 200);
    }
    let down = "narrowgate_upstream_healthy{resource=\"https://api1.example.com\",server=\"127.0.0.1:9\"} 0";
    let told = async {
        while !metrics(&gateway).await.contains(down) {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, told).await.expect("the check notices");
    let text = metrics(&gateway).await;
    let servers: Vec<_> = text.lines().filter(|line| line.starts_with("narrowgate_upstream_healthy{")).collect();
    assert!(servers.len() == 2 && servers[1].ends_with(" 1"), "{servers:?}");
    let probe = gateway.api("API_1").requests().into_iter().find(|seen| seen.target().starts_with("/health"));
    assert_eq!(probe.expect("it is asked, too").target(), "/health?deep=1");
    let log = gateway.stop().await;
    assert_eq!(log.matches("an upstream fails its health check").count(), 1, "{log}");
}
