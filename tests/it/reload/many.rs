//! A reload of many resources, of which one has changed: nobody who asks meanwhile notices, and the program tells how long
//! it took.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::*;

const RESOURCES: usize = 2_000;
const RELOADS: usize = 8;
const ASKING: usize = 4;

/// So many resources, the first one with another scope for each `turn`.
fn many(turn: usize) -> String {
    let first = format!("https://api1.example.com: {{ upstream: \"${{API_1}}\", scopes: [x, turn-{turn}] }}");
    let other = |at| {
        let name = format!("https://other{}.example.com/v{}", at / 10, at % 10);
        format!("{name}: {{ upstream: \"http://127.0.0.1:1\", scopes: {{ read: Read, write: Write }} }}")
    };
    let others: Vec<String> = (1..RESOURCES).map(other).collect();
    let all: Vec<&str> = std::iter::once(&first).chain(&others).map(String::as_str).collect();
    yaml(&all)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_go_on_while_one_of_many_resources_changes() {
    let place = Arc::new(Workplace::start(&many(0)).await);
    let token = place.gateway.issuer("ISSUER_CORP").token("https://api1.example.com", "x");
    let ending = Arc::new(AtomicBool::new(false));
    let ask = |place: Arc<Workplace>, token: String, ending: Arc<AtomicBool>| async move {
        let mut verdicts: BTreeMap<String, usize> = BTreeMap::new();
        while !ending.load(Ordering::Relaxed) {
            let verdict = place.gateway.get(API1, "/", &token).send().await.verdict();
            *verdicts.entry(verdict).or_default() += 1;
        }
        verdicts
    };
    let asking: Vec<_> =
        (0..ASKING).map(|_| tokio::spawn(ask(Arc::clone(&place), token.clone(), Arc::clone(&ending)))).collect();
    for turn in 1..=RELOADS {
        place.write("gateway.yaml", many(turn));
        let answer = place.reload().await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let told = answer.json();
        assert_eq!(told["generation"], turn + 1);
        let changed = format!("https://api1.example.com: scopes +turn-{turn} -turn-{}", turn - 1);
        assert_eq!(texts(&told["changed"]), [changed]);
        let took = told["took_ms"].as_f64().expect("a number of milliseconds");
        assert!(took > 0.0 && took < PATIENCE.as_secs_f64() * 1000.0, "{took}");
    }
    ending.store(true, Ordering::Relaxed);
    let mut total = 0;
    for one in asking {
        let verdicts = one.await.expect("it asked to the end");
        assert_eq!(verdicts.keys().collect::<Vec<_>>(), ["200"], "{verdicts:?}");
        total += verdicts["200"];
    }
    assert!(total > RELOADS, "{total} requests");
    assert!(place.gateway.line("the configuration was read again").await.contains("took_ms"));
}

#[tokio::test]
async fn a_reload_that_changes_nothing_says_how_long_it_took_too() {
    let place = Workplace::start(&yaml(&[FIRST])).await;
    place.write("gateway.yaml", format!("# a comment\n{}", yaml(&[FIRST])));
    let told = place.reload().await.json();
    assert_eq!((&told["generation"], texts(&told["changed"]).len()), (&1.into(), 0));
    assert!(told["took_ms"].is_f64(), "{told}");
}
