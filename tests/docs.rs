//! What README.md and docs/ say about the configuration is what the loader does.
//!
//! Every YAML sample is one of four kinds, and the fence says which:
//!
//! - `yaml`: a whole file. It loads as it stands, without a warning.
//! - `yaml fragment`: keys that belong where its first line says: `# at the top`, `# in an issuer` or `# in a resource`.
//!   What a whole file needs besides is put around it.
//! - `yaml refused`: a whole file that does not load. The `text` block below it holds its faults, as they are printed.
//! - `yaml workflow`: what a pipeline runs, which is no configuration.
//!
//! Files that samples name lie in `tests/fixtures/config/files`. Beside the samples: every key that the loader reads is
//! told, the table of limits holds what the loader holds, the tables of requests what the gate answers, and links lead
//! somewhere.

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use http::header::{HOST, WWW_AUTHENTICATE};
use http::{HeaderMap, Method};
use narrowgate::clock::Timestamp;
use narrowgate::config::{self, Environment, FaultKind, Faults, Limits, Loaded};
use narrowgate::fetch::Fetcher;
use narrowgate::guard::{ConnectionFacts, Decision, Gate, RequestView};
use narrowgate::token::{Keyring, TokenCache};

const CONFIGURATION: &str = "docs/configuration.md";

/// A fenced block: where its first line stands, what its fence says, and what is inside.
struct Block {
    page: PathBuf,
    line: usize,
    fence: String,
    text: String,
}

impl Block {
    fn place(&self) -> String {
        format!("{}:{}", self.page.display(), self.line)
    }
}

/// README.md and everything under docs/.
fn pages() -> Vec<PathBuf> {
    let guides = fs::read_dir("docs").unwrap().map(|entry| entry.unwrap().path());
    let mut pages: Vec<_> = guides.filter(|path| path.extension().is_some_and(|end| end == "md")).collect();
    pages.push("README.md".into());
    pages.sort();
    pages
}

fn blocks(page: &Path) -> Vec<Block> {
    let text = fs::read_to_string(page).unwrap();
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (at, line) in text.lines().enumerate() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(fence), None) => {
                open = Some(Block { page: page.into(), line: at + 2, fence: fence.into(), text: String::new() });
            }
            (None, Some(block)) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "{} has a block that does not end", page.display());
    blocks
}

fn samples(fence: &str) -> Vec<Block> {
    pages().iter().flat_map(|page| blocks(page)).filter(|block| block.fence == fence).collect()
}

fn load(text: &str) -> Result<Loaded, Faults> {
    let environment = [
        ("ADMIN_TOKEN", "a-token-that-is-long-enough"),
        ("API_PORT", "9001"),
        ("DB_PASSWORD", "a-password"),
        ("KEY_ENCRYPTION", "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a"),
        ("OIDC_SECRET", "a-secret-that-a-provider-gave"),
        ("REPORTING_SECRET", "a-secret-that-is-long-enough-for-reports"),
        ("CORP_SECRET", "a-secret-that-is-long-enough-for-corp"),
        ("NOTES_SECRET", "a-secret-that-is-long-enough-for-notes"),
        ("API1_SECRET", "a-secret-that-is-long-enough-for-an-api"),
    ];
    config::parse(text, Path::new("tests/fixtures/config/files/gateway.yaml"), &environment.into_iter().collect())
}

/// What is wrong with a sample that should load, warnings included.
fn complaint(text: &str) -> Option<String> {
    match load(text) {
        Ok(loaded) if loaded.warnings.is_empty() => None,
        Ok(loaded) => Some(loaded.warnings.iter().map(ToString::to_string).collect()),
        Err(faults) => Some(faults.to_string()),
    }
}

fn fail_with(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n\n{}\n", complaints.join("\n\n"));
}

/// A whole file around a fragment, or nothing if its first line does not say where it belongs.
fn whole(fragment: &str) -> Option<String> {
    let has = |key: &str| fragment.lines().any(|line| line.starts_with(&format!("{key}:")));
    let add = |key: &str, line: &str| if has(key) { String::new() } else { format!("{line}\n") };
    let indented = |by: usize| -> String { fragment.lines().map(|line| format!("{:by$}{line}\n", "")).collect() };
    let corp = "trusted_issuers: { corp: { issuer: https://login.example.com } }";
    let resources = "resources: { https://api.example.com: { upstream: http://127.0.0.1:9001 } }";
    let listen = "listen: 127.0.0.1:8080";
    match fragment.lines().next()? {
        "# at the top" => {
            let around = [add("listen", listen), add("trusted_issuers", corp), add("resources", resources)];
            Some(around.concat() + fragment)
        }
        "# in an issuer" => {
            let issuer = add("issuer", "    issuer: https://login.example.com");
            Some(format!("{listen}\n{resources}\ntrusted_issuers:\n  corp:\n{issuer}{}", indented(4)))
        }
        "# in a resource" => {
            let upstream = add("upstream", "    upstream: http://127.0.0.1:9001");
            let public = fragment.contains("\npublic: true");
            let scopes = "    scopes: [read, write, admin, reports, \"transaction:{id}\"]";
            let scopes = if public { String::new() } else { add("scopes", scopes) };
            let resource = format!("resources:\n  https://api.example.com:\n{upstream}{scopes}{}", indented(4));
            Some(format!("{listen}\n{corp}\n{resource}"))
        }
        _ => None,
    }
}

#[test]
fn every_whole_sample_loads_without_a_warning() {
    let samples = samples("yaml");
    assert!(samples.iter().any(|sample| sample.page.ends_with("README.md")), "README.md has a sample");
    let complaints = samples
        .iter()
        .filter_map(|sample| complaint(&sample.text).map(|complaint| format!("{}\n{complaint}", sample.place())));
    fail_with(&complaints.collect::<Vec<_>>());
}

#[test]
fn every_fragment_loads_where_it_says_that_it_belongs() {
    let complaints = samples("yaml fragment").into_iter().filter_map(|sample| match whole(&sample.text) {
        Some(text) => complaint(&text).map(|complaint| format!("{}\n{complaint}\nin\n{text}", sample.place())),
        None => Some(format!("{}: the first line does not say where this belongs", sample.place())),
    });
    fail_with(&complaints.collect::<Vec<_>>());
}

#[test]
fn every_refused_sample_is_refused_as_it_is_told() {
    for page in pages() {
        let blocks = blocks(&page);
        for (sample, answer) in blocks.iter().zip(blocks.iter().skip(1)) {
            if sample.fence != "yaml refused" {
                continue;
            }
            let faults = config::parse(&sample.text, Path::new("gateway.yaml"), &Environment::default()).unwrap_err();
            assert_eq!(answer.fence, "text", "{}: no `text` block follows", sample.place());
            assert_eq!(faults.to_string(), answer.text, "{}", answer.place());
        }
    }
}

#[test]
fn no_sample_has_another_fence() {
    let known = ["yaml", "yaml fragment", "yaml refused", "yaml workflow"];
    let strange = pages().into_iter().flat_map(|page| blocks(&page)).filter(|block| {
        let is_yaml = block.fence.starts_with("yaml") || block.fence.starts_with("yml");
        is_yaml && !known.contains(&block.fence.as_str())
    });
    fail_with(&strange.map(|block| format!("{}: `{}`", block.place(), block.fence)).collect::<Vec<_>>());
}

#[test]
fn every_rule_of_check_is_told() {
    let page = fs::read_to_string("docs/operating.md").unwrap();
    let table = page.split_once("\n| rule | severity |").unwrap().1;
    let told = rows(&format!("| rule | severity |{table}"));
    let known = FaultKind::ALL
        .map(|kind| vec![format!("`{}`", kind.as_str()), kind.severity().as_str().to_owned(), kind.about().to_owned()]);
    assert_eq!(told, known);
}

/// Every key that the loader asks a section for, also those that it only refuses: the text behind these beginnings.
fn keys_of_the_loader() -> BTreeSet<String> {
    const BEGINNINGS: [&str; 3] = ["reader, \"", "section, \"", "section.get(\""];
    let sources = fs::read_dir("src/config").unwrap().map(|entry| entry.unwrap().path());
    let mut keys = BTreeSet::new();
    for path in sources.filter(|path| path.is_file() && !path.ends_with("tests.rs")) {
        let source = fs::read_to_string(&path).unwrap();
        let code = source.split("#[cfg(test)]\nmod tests {").next().unwrap();
        for beginning in BEGINNINGS {
            keys.extend(code.split(beginning).skip(1).filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())));
        }
    }
    keys.retain(|key| !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'));
    keys
}

#[test]
fn every_key_is_told_and_stands_in_the_index() {
    let page = behind("\n## Every key\n");
    let (index, told) = page.split_at(page.find("\n## ").expect("sections follow the index"));
    let keys = keys_of_the_loader();
    assert!(keys.len() > 80, "only {} keys were found in the loader", keys.len());
    let missing = |text: &str| -> Vec<String> {
        let says = |key: &String| text.contains(&format!("`{key}`")) || text.contains(&format!("\n## {key}\n"));
        keys.iter().filter(|key| !says(key)).cloned().collect()
    };
    assert_eq!(missing(index), Vec::<String>::new(), "keys that the index does not name");
    assert_eq!(missing(told), Vec::<String>::new(), "keys that no section tells");
}

/// What the page says from these words on.
fn behind(words: &str) -> String {
    let page = fs::read_to_string(CONFIGURATION).unwrap();
    page.split_once(words).unwrap_or_else(|| panic!("the page does not say `{words}`")).1.to_owned()
}

/// The rows of the first table of a text, cell by cell.
fn rows(text: &str) -> Vec<Vec<String>> {
    let table = text.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    table.skip(2).map(cells).collect()
}

/// What stands between ticks.
fn words(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

#[test]
fn the_limits_are_the_loaders() {
    let rows: Vec<Vec<String>> = rows(&behind("\n## limits\n"));
    let rows: Vec<Vec<String>> =
        rows.into_iter().map(|row| row.into_iter().map(|cell| cell.replace('`', "")).collect()).collect();
    let defaults: String = rows.iter().map(|row| format!("  {}: {}\n", row[0], row[1])).collect();
    let around = "listen: 127.0.0.1:8080\nresources: { https://a.example.com: { upstream: http://127.0.0.1:9001 } }\n";
    let loaded = load(&format!("{around}limits:\n{defaults}")).unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(loaded.config.limits, Limits::default());
    assert!(rows.len() >= 15, "only {} limits", rows.len());
    for row in rows {
        let beyond = match row[1].trim_start_matches(|c: char| c.is_ascii_digit()) {
            "" => "999999999999",
            unit if unit.ends_with('B') => "999999TiB",
            _ => "99999d",
        };
        let faults = load(&format!("{around}limits: {{ {}: {beyond} }}\n", row[0])).unwrap_err();
        let hint = faults.0[0].hint.clone().unwrap_or_default().replace('`', "");
        assert_eq!(hint, format!("from {} is allowed", row[2]), "{}", row[0]);
    }
}

/// A gate that nobody brings a token to.
struct Asked {
    gate: Gate,
    keys: Vec<String>,
}

impl Asked {
    fn new(text: &str) -> Self {
        let config = load(text).unwrap_or_else(|faults| panic!("{faults}")).config;
        let fetcher = Fetcher::new(None).unwrap();
        let keyrings = config.trusted_issuers.iter().map(|issuer| Keyring::new(issuer.clone(), fetcher.clone()));
        let keys = config.resources.iter().map(|resource| resource.key.to_string()).collect();
        Self { gate: Gate::new(&config, keyrings.collect(), None).unwrap(), keys }
    }

    /// Asks over the listener on 443.
    fn ask(&self, method: &str, host: &str, target: &str) -> Decision {
        let headers = HeaderMap::from_iter([(HOST, host.parse().unwrap())]);
        let connection = ConnectionFacts { peer: IpAddr::V4(Ipv4Addr::LOCALHOST), own_port: 443, tls: true };
        let request = RequestView {
            method: &method.parse::<Method>().unwrap(),
            target: target.as_bytes(),
            uri_authority: None,
            headers: &headers,
            connection,
            keys_awaited: false,
        };
        self.gate.decide(&request, &TokenCache::new(1 << 16).unwrap(), Timestamp(0))
    }

    /// The resource that wants a token, or the status of a request that gets to none.
    fn answer(&self, host: &str, target: &str) -> String {
        match self.ask("GET", host, target) {
            Decision::Deny(denial) => match (denial.answer("").status.as_u16(), denial.resource) {
                (401, Some(resource)) => self.keys[resource.0].clone(),
                (status, _) => status.to_string(),
            },
            other => panic!("{host}{target}: {other:?}"),
        }
    }

    /// The scopes that the challenge names; nothing for a public request.
    fn needs(&self, method: &str, target: &str) -> Vec<String> {
        match self.ask(method, "api.example.com", target) {
            Decision::Forward(_) => Vec::new(),
            Decision::Deny(denial) => {
                let challenge = denial.answer("").headers[WWW_AUTHENTICATE].to_str().unwrap().to_owned();
                let (_, scopes) = challenge.split_once("scope=\"").expect("a token is needed, with scopes");
                scopes.split('"').next().unwrap().split(' ').map(str::to_owned).collect()
            }
            other => panic!("{method} {target}: {other:?}"),
        }
    }
}

#[test]
fn requests_are_read_as_the_tables_say() {
    let section = behind("\n## Reading a request\n");
    let sample = section.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let asked = Asked::new(sample);
    let targets = rows(&section);
    assert!(targets.len() > 15, "only {} targets", targets.len());
    for row in targets {
        let told = row[1].replace('`', "");
        assert_eq!(asked.answer("api.example.com", words(&row[0])[0]), told, "{}", row[0]);
    }
    for row in rows(section.split_once("\n| `Host`").map(|(_, rest)| format!("| `Host`{rest}")).as_deref().unwrap()) {
        let told = if row[1] == "matched" { "https://api.example.com/orders" } else { &row[1] };
        assert_eq!(asked.answer(words(&row[0])[0], "/orders"), told, "{}", row[0]);
    }
}

#[test]
fn rules_add_up_as_the_table_says() {
    let section = behind("And at the resource, or in `defaults`:\n");
    let sample = section.split("```yaml fragment\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let asked = Asked::new(&whole(sample).unwrap());
    let table = section.split_once("\n| request | needs |").unwrap().1;
    let rows = rows(&format!("| request | needs |{table}"));
    assert!(rows.len() > 5, "only {} requests", rows.len());
    for row in rows {
        let needs = words(row[1].split(':').next().unwrap());
        for request in words(&row[0]) {
            let (method, target) = request.split_once(' ').unwrap();
            assert_eq!(asked.needs(method, target), needs, "{request}");
        }
    }
}

/// The anchor that a heading gets: lower case, no punctuation, `-` for spaces.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

fn anchors(page: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(page).unwrap();
    let headings = text.lines().filter_map(|line| line.strip_prefix('#').map(|rest| rest.trim_start_matches('#')));
    headings.map(anchor).collect()
}

#[test]
fn links_between_guides_lead_somewhere() {
    let mut broken = Vec::new();
    for page in pages().into_iter().filter(|page| page.starts_with("docs")) {
        let text = fs::read_to_string(&page).unwrap();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if target.contains("://") {
                continue;
            }
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let file = if file.is_empty() { page.clone() } else { page.with_file_name(file) };
            if !file.exists() || (!heading.is_empty() && !anchors(&file).contains(heading)) {
                broken.push(format!("{}: {target}", page.display()));
            }
        }
    }
    fail_with(&broken);
}
