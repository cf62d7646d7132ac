//! Reloads under full load: no request fails or is misjudged, and each verdict fits the one configuration that its log
//! line names.
//!
//! A few seconds of it belong to every test run; `tests/storm.sh` runs a minute, in a release build. Every round writes
//! a configuration, by one of the ways in which they are written, and three ask for it at once: two operators and a
//! signal. A round takes a quarter of a second, because that is how far apart two equal readings must lie.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::*;
use crate::client::answer;

const CONNECTIONS: usize = 48;
/// How many bytes the program may grow by between the warm tenth and the end.
const GROWTH: u64 = 24 << 20;

/// What a configuration of the storm allows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct World {
    /// Whether the second API is there.
    second: bool,
    /// Whether the partner's tokens count.
    partner: bool,
    /// Whether the first API wants a further scope.
    strict: bool,
}

/// Whom a request asks, and with what.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Small,
    Large,
    Partner,
    Second,
    SecondByFirst,
    FirstBySecond,
    Forged,
}

const KINDS: [Kind; 7] =
    [Kind::Small, Kind::Large, Kind::Partner, Kind::Second, Kind::SecondByFirst, Kind::FirstBySecond, Kind::Forged];

impl World {
    /// Some world for each number; neighbours differ.
    fn number(at: usize) -> Self {
        // A Gray code of three bits: each differs from the one before in one thing.
        let gray = (at % 8) ^ (at % 8 >> 1);
        Self { second: gray & 1 != 0, partner: gray & 2 != 0, strict: gray & 4 != 0 }
    }

    fn yaml(self) -> String {
        let first = match self.strict {
            true => "https://api1.example.com: { upstream: \"${API_1}\", scopes: [x, y], required_scopes: [x, y] }",
            false => "https://api1.example.com: { upstream: \"${API_1}\", scopes: [x, y], required_scopes: [x] }",
        };
        let mut resources = vec![first];
        if self.second {
            resources.push(SECOND);
        }
        let text = yaml(&resources);
        match self.partner {
            true => text.replace("resources:", "  partner: { issuer: \"${ISSUER_PARTNER}\" }\nresources:"),
            false => text,
        }
    }

    /// The one right answer.
    fn verdict(self, kind: Kind) -> (u16, Option<&'static str>) {
        match kind {
            Kind::Small if self.strict => (403, Some("scope_insufficient")),
            Kind::Partner if !self.partner => (401, Some("issuer_untrusted")),
            Kind::Second | Kind::SecondByFirst if !self.second => (421, Some("host_unknown")),
            Kind::SecondByFirst | Kind::FirstBySecond => (401, Some("audience_mismatch")),
            Kind::Forged => (401, Some("signature_invalid")),
            Kind::Small | Kind::Large | Kind::Partner | Kind::Second => (200, None),
        }
    }
}

/// A request that was answered, by the number in its path.
struct Answered {
    kind: Kind,
    status: u16,
    /// The newest generation that was acknowledged when it was sent.
    acknowledged: u64,
}

/// What the gunners share.
struct Range {
    address: SocketAddr,
    requests: HashMap<&'static str, (String, String)>,
    numbers: AtomicU64,
    acknowledged: AtomicU64,
    is_over: AtomicBool,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_or_is_misjudged_while_the_configuration_changes() {
    let seconds = std::env::var("NARROWGATE_STORM_SECONDS").ok().map(|text| text.parse().expect("a number of seconds"));
    let length = Duration::from_secs(seconds.unwrap_or(6));
    let place = Workplace::start(&World::number(0).yaml()).await;
    let range = Arc::new(Range::new(&place));
    let gunners: Vec<_> = (0..CONNECTIONS).map(|first| tokio::spawn(fire(Arc::clone(&range), first))).collect();
    let mut storm = Storm { place: &place, range: &range, worlds: vec![World::number(0)], orders: AtomicUsize::new(0) };
    let begun = Instant::now();
    let mut warm = None;
    let mut round = 0;
    while begun.elapsed() < length {
        storm.round(round).await;
        round += 1;
        if warm.is_none() && begun.elapsed() > length / 10 {
            warm = Some(place.gateway.resident_bytes());
        }
    }
    let last = place.gateway.resident_bytes();
    range.is_over.store(true, Ordering::Relaxed);
    let mut answered = HashMap::new();
    for gunner in gunners {
        answered.extend(gunner.await.expect("no request failed"));
    }
    let (worlds, orders) = (storm.worlds, storm.orders.into_inner());
    let judged = hold_against_log(&place, &worlds, &answered).await;
    let warm = warm.expect("it took its time");
    println!(
        "{orders} orders and {round} rounds in {length:?}, {} configurations; {judged} requests, none failed or \
         misjudged; {} KiB, then {} KiB",
        worlds.len(),
        warm / 1024,
        last / 1024
    );
    assert!(judged > 500 && worlds.len() > 5, "{judged} requests, {} configurations", worlds.len());
    assert!(last < warm + GROWTH, "{warm} bytes became {last}");
}

/// Whoever changes the configuration.
struct Storm<'a> {
    place: &'a Workplace,
    range: &'a Range,
    /// What each generation allows, beginning with the first.
    worlds: Vec<World>,
    orders: AtomicUsize,
}

impl Storm<'_> {
    async fn round(&mut self, round: usize) {
        let world = World::number(self.worlds.len());
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
        let answers = self.order().await;
        self.worlds.push(world);
        let generation = self.worlds.len() as u64;
        for answer in answers {
            assert_eq!((answer.status, &answer.json()["generation"]), (200, &generation.into()), "{}", answer.body);
        }
        self.range.acknowledged.store(generation, Ordering::SeqCst);
    }

    /// Two operators and a signal.
    async fn order(&self) -> [Response; 2] {
        self.place.gateway.signal("HUP");
        let (first, second) = tokio::join!(self.place.reload(), self.place.reload());
        self.orders.fetch_add(3, Ordering::Relaxed);
        [first, second]
    }

    async fn bad_one(&self, round: usize) {
        let good = World::number(round).yaml();
        let bad = [
            good.replace("scopes", "scoops"),
            good[..good.len() / 2].to_owned(),
            String::new(),
            good.replace("required_scopes: [x", "required_scopes: [unheard"),
        ];
        self.place.write("gateway.yaml", &bad[round / 5 % bad.len()]);
        for answer in self.order().await {
            assert_eq!((answer.status, &answer.json()["generation"]), (422, &self.worlds.len().into()));
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

impl Range {
    fn new(place: &Workplace) -> Self {
        let (corp, partner) = (place.gateway.issuer("ISSUER_CORP"), place.gateway.issuer("ISSUER_PARTNER"));
        let (first, second) = ("https://api1.example.com", "https://api2.example.com");
        let large = corp.token(first, "x y");
        let forged = format!("{}.{}", &large[..large.rfind('.').expect("a token has parts")], "A".repeat(86));
        let requests = KINDS.map(|kind| {
            let (host, token) = match kind {
                Kind::Small => (API1, corp.token(first, "x")),
                Kind::Large => (API1, large.clone()),
                Kind::Partner => (API1, partner.token(first, "x y")),
                Kind::Second => (API2, corp.token(second, "x")),
                Kind::SecondByFirst => (API2, large.clone()),
                Kind::FirstBySecond => (API1, corp.token(second, "x")),
                Kind::Forged => (API1, forged.clone()),
            };
            (kind.name(), (host.to_owned(), token))
        });
        Self {
            address: place.gateway.address,
            requests: HashMap::from(requests),
            numbers: AtomicU64::new(0),
            acknowledged: AtomicU64::new(1),
            is_over: AtomicBool::new(false),
        }
    }
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Large => "large",
            Self::Partner => "partner",
            Self::Second => "second",
            Self::SecondByFirst => "second-by-first",
            Self::FirstBySecond => "first-by-second",
            Self::Forged => "forged",
        }
    }
}

/// One kept connection, request after request.
async fn fire(range: Arc<Range>, first: usize) -> HashMap<u64, Answered> {
    let mut answered = HashMap::new();
    let mut stream = TcpStream::connect(range.address).await.expect("the gateway listens");
    for kind in KINDS.into_iter().cycle().skip(first) {
        if range.is_over.load(Ordering::Relaxed) {
            break;
        }
        let number = range.numbers.fetch_add(1, Ordering::Relaxed);
        let acknowledged = range.acknowledged.load(Ordering::SeqCst);
        let (host, token) = &range.requests[kind.name()];
        let request = format!("GET /{number} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("a request is taken");
        let (status, closes) = answer(&mut stream).await.expect("a request is answered");
        answered.insert(number, Answered { kind, status, acknowledged });
        if closes {
            stream = TcpStream::connect(range.address).await.expect("the gateway still listens");
        }
    }
    answered
}

/// Holds every answer against the log line of its request, and that against what its generation allows.
async fn hold_against_log(place: &Workplace, worlds: &[World], answered: &HashMap<u64, Answered>) -> usize {
    let newest = answered.keys().max().expect("something was asked");
    place.says(&format!("\"path\":\"/{newest}\"")).await;
    let mut judged = 0;
    for line in place.gateway.output().lines().filter(|line| line.contains("\"narrowgate::request\"")) {
        let line: Value = serde_json::from_str(line).expect("a log line is JSON");
        let number = line["path"].as_str().and_then(|path| path.strip_prefix('/')?.parse::<u64>().ok());
        let Some(request) = number.and_then(|number| answered.get(&number)) else { continue };
        let generation = line["generation"].as_u64().expect("a line names its configuration");
        let world = worlds[generation as usize - 1];
        let (status, reason) = world.verdict(request.kind);
        assert_eq!(
            (request.status, line["reason"].as_str()),
            (status, reason),
            "{:?} in {world:?}: {line}",
            request.kind
        );
        assert!(generation >= request.acknowledged, "judged by what was replaced before it was sent: {line}");
        judged += 1;
    }
    assert!(judged >= answered.len() - CONNECTIONS, "{judged} lines for {} requests", answered.len());
    judged
}
