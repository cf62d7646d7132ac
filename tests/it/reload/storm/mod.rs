//! Reloads under full load: no request fails or is misjudged, and each verdict fits the one configuration that its log
//! line names.
//!
//! A few seconds of it belong to every test run; `tests/storm.sh` runs a minute, in a release build. Every round writes
//! a configuration, by one of the ways in which they are written, and three ask for it at once: two operators and a
//! signal. A round takes a quarter of a second, because that is how far apart two equal readings must lie.

use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::time::Instant;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::CertificateDer;

use super::*;
use range::{Answers, Range};
use world::World;

mod range;
mod world;

const PLAIN: usize = 36;
const ENCRYPTED: usize = 4;
const HTTP2: usize = 4;
/// How many bytes the program may grow by between the warm tenth and the end.
const GROWTH: u64 = 24 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_or_is_misjudged_while_the_configuration_changes() {
    let seconds = std::env::var("NARROWGATE_STORM_SECONDS").ok().map(|text| text.parse().expect("a number of seconds"));
    let length = Duration::from_secs(seconds.unwrap_or(6));
    let folder = folder();
    let sites = [Site::new(), Site::new()];
    sites[World::of(1).certificate].write(&folder);
    fs::write(folder.join("gateway.yaml"), World::of(1).yaml()).expect("the folder is ours");
    let place = Workplace::start_in(folder, Path::new("gateway.yaml")).await;
    let range = Arc::new(Range::new(&place, &sites));
    let plain = (0..PLAIN).map(|first| tokio::spawn(Arc::clone(&range).ask_plainly(first)));
    let encrypted = (0..ENCRYPTED).map(|first| tokio::spawn(Arc::clone(&range).ask_encrypted(first)));
    let http2 = (0..HTTP2).map(|first| tokio::spawn(Arc::clone(&range).ask_by_http2(first)));
    let asking: Vec<_> = plain.chain(encrypted).chain(http2).collect();

    let mut storm = Storm { place: &place, range: &range, sites: &sites, generation: 1, orders: 0 };
    let (begun, mut rounds, mut warm) = (Instant::now(), 0, None);
    while begun.elapsed() < length {
        storm.round(rounds).await;
        rounds += 1;
        if warm.is_none() && begun.elapsed() > length / 10 {
            warm = Some(place.gateway.resident_bytes());
        }
    }
    let (generations, orders) = (storm.generation, storm.orders);
    let last = place.gateway.resident_bytes();
    range.end();
    let mut answers = Answers::new();
    for one in asking {
        answers.extend(one.await.expect("no request failed"));
    }
    hold_against_log(&place, &answers).await;
    let warm = warm.expect("it took its time");
    println!(
        "{orders} orders in {rounds} rounds and {length:?}, {generations} configurations; {} requests, none failed or \
         misjudged; {} KiB, then {} KiB",
        answers.len(),
        warm / 1024,
        last / 1024
    );
    assert!(answers.len() > 500 && generations > 5, "{} requests, {generations} configurations", answers.len());
    assert!(last < warm + GROWTH, "{warm} bytes became {last}");
}

/// A certificate of the gateway, and its key.
struct Site {
    certificate: CertificateDer<'static>,
    pem: [String; 2],
}

impl Site {
    fn new() -> Self {
        let names = vec![API1.to_owned(), API2.to_owned()];
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).expect("the names are names");
        Self { certificate: cert.der().clone(), pem: [cert.pem(), signing_key.serialize_pem()] }
    }

    fn write(&self, folder: &Path) {
        fs::write(folder.join("site.pem"), &self.pem[0]).expect("the folder is ours");
        fs::write(folder.join("site.key"), &self.pem[1]).expect("the folder is ours");
    }
}

/// Whoever changes the configuration.
struct Storm<'a> {
    place: &'a Workplace,
    range: &'a Range,
    sites: &'a [Site; 2],
    /// What is in force.
    generation: usize,
    orders: usize,
}

impl Storm<'_> {
    async fn round(&mut self, round: usize) {
        let world = World::of(self.generation + 1);
        match round % 5 {
            0 => self.place.write("gateway.yaml", world.yaml()),
            1 => return self.bad_one(round).await,
            2 => self.in_pieces(&world.yaml()).await,
            3 => self.by_link(round, &world.yaml()),
            // Beside the file, then in its place, as editors do it.
            _ => {
                self.place.write("gateway.yaml.new", world.yaml());
                self.exchange("gateway.yaml.new");
            }
        }
        self.sites[world.certificate].write(&self.place.folder);
        self.generation += 1;
        for answer in self.order().await {
            assert_eq!(
                (answer.status, &answer.json()["generation"]),
                (200, &self.generation.into()),
                "{}",
                answer.body
            );
        }
        self.range.acknowledge(self.generation as u64);
    }

    /// Two operators and a signal.
    async fn order(&mut self) -> [Response; 2] {
        self.place.gateway.signal("HUP");
        let (first, second) = tokio::join!(self.place.reload(), self.place.reload());
        self.orders += 3;
        [first, second]
    }

    async fn bad_one(&mut self, round: usize) {
        let good = World::of(self.generation).yaml();
        let bad = [
            good.replace("scopes", "scoops"),
            good[..good.len() / 2].to_owned(),
            String::new(),
            good.replace("required_scopes: [x", "required_scopes: [unheard"),
        ];
        self.place.write("gateway.yaml", &bad[round / 5 % bad.len()]);
        for answer in self.order().await {
            assert_eq!(
                (answer.status, &answer.json()["generation"]),
                (422, &self.generation.into()),
                "{}",
                answer.body
            );
        }
    }

    async fn in_pieces(&self, text: &str) {
        for end in [0, text.len() / 3, text.len() / 2, text.len() - 9] {
            self.place.write("gateway.yaml", &text[..end]);
            sleep(Duration::from_millis(15)).await;
        }
        self.place.write("gateway.yaml", text);
    }

    fn by_link(&self, round: usize, text: &str) {
        let name = format!("version-{round}.yaml");
        self.place.write(&name, text);
        let link = self.place.folder.join("link");
        symlink(&name, &link).expect("links can be made");
        self.exchange("link");
    }

    fn exchange(&self, name: &str) {
        let folder = &self.place.folder;
        fs::rename(folder.join(name), folder.join("gateway.yaml")).expect("the folder is ours");
    }
}

/// Holds every answer against the log line of its request, and that against what its generation allows.
async fn hold_against_log(place: &Workplace, answers: &Answers) {
    let newest = answers.keys().max().expect("something was asked");
    place.gateway.line(&format!("\"path\":\"/{newest}\"")).await;
    let mut judged = 0;
    for line in place.gateway.output().lines().filter(|line| line.contains("\"narrowgate::request\"")) {
        let line: Value = serde_json::from_str(line).expect("a log line is JSON");
        let number = line["path"].as_str().and_then(|path| path.strip_prefix('/')?.parse::<u64>().ok());
        let Some(request) = number.and_then(|number| answers.get(&number)) else { continue };
        let generation = line["generation"].as_u64().expect("a line names its configuration");
        let world = World::of(generation as usize);
        let told = (request.status, line["reason"].as_str());
        assert_eq!(told, world.verdict(request.kind), "{:?} in {world:?}: {line}", request.kind);
        assert!(generation >= request.acknowledged, "judged by what was replaced before it was sent: {line}");
        judged += 1;
    }
    // The last line of a connection may still be on its way.
    assert!(judged + PLAIN + ENCRYPTED + HTTP2 >= answers.len(), "{judged} lines for {} requests", answers.len());
}
