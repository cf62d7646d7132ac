//! A page that a person reads: what runs here, whether its issuers' keys are fresh, and which servers are passed over.

use std::fmt::Write;

use super::{Desk, Outcome};
use crate::clock::Timestamp;
use crate::config::{Forward, Resource};
use crate::upstream::UpstreamPool;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;\
    color:#222}table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3rem .8rem .3rem 0;\
    border-bottom:1px solid #ddd;vertical-align:top}th{font-weight:600}code{font-size:.9em}.bad{color:#b00020}\
    @media(prefers-color-scheme:dark){body{background:#161616;color:#ddd}th,td{border-color:#444}.bad{color:#ff8a80}}";

/// The most resources that somebody would scroll through; `/config` has all of them.
const MOST_RESOURCES: usize = 500;

/// The status page.
pub(super) fn status(desk: &Desk) -> String {
    let snapshot = desk.current.load();
    let mut issuers = String::new();
    for keyring in snapshot.gate.keyrings() {
        let status = keyring.status(Timestamp::now());
        let age = status.age_seconds.map_or_else(|| "–".to_owned(), |age| format!("{age} s ago"));
        let trouble = status
            .last_error
            .map_or_else(String::new, |error| format!(" <span class=\"bad\">{}</span>", escape(&error)));
        let keys = if status.has_keys { status.keys.to_string() } else { "<span class=\"bad\">none</span>".to_owned() };
        let name = escape(keyring.issuer().name.as_str());
        row(&mut issuers, &[&name, &escape(&keyring.issuer().issuers.join(", ")), &keys, &(age + &trouble)]);
    }
    let mut resources = String::new();
    for (resource, pool) in snapshot.config.resources.iter().zip(&snapshot.upstreams).take(MOST_RESOURCES) {
        let scopes: Vec<&str> = resource.scopes.iter().map(|(scope, _)| scope.as_str()).collect();
        let key = format!("<code>{}</code>", escape(resource.key.as_str()));
        row(&mut resources, &[&key, ground(resource), &escape(&scopes.join(" ")), &servers(resource, pool)]);
    }
    let left = snapshot.config.resources.len().saturating_sub(MOST_RESOURCES);
    if left > 0 {
        row(&mut resources, &[&format!("and {left} more"), "", "", ""]);
    }
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Narrowgate</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style><h1>Narrowgate</h1>\
         <p>Configuration {generation}, {state}. See <a href=\"/config\">the configuration</a> and \
         <a href=\"/metrics\">the metrics</a>.</p>{reload}\
         <h2>Resources</h2><table><tr><th>Resource<th>Opened by<th>Scopes<th>Upstream</tr>{resources}</table>\
         <h2>Issuers</h2><table><tr><th>Name<th>Issuer<th>Keys<th>Read</tr>{issuers}</table></html>\n",
        generation = snapshot.generation,
        state = desk.readiness.as_str(),
        reload = last_reload(desk),
    )
}

/// What came of reading the configuration again, if that was ever done; a refusal with everything that is wrong.
fn last_reload(desk: &Desk) -> String {
    let Some(last) = desk.orders.as_ref().and_then(|orders| orders.last()) else {
        return String::new();
    };
    let (at, outcome) = &*last;
    let ago = Timestamp::now().0.saturating_sub(at.0);
    match outcome {
        Outcome::Adopted { changed, needs_restart, .. } => {
            let list = |items: &[String]| items.iter().map(|item| format!("<li>{}", escape(item))).collect::<String>();
            let waits = match needs_restart.as_slice() {
                [] => String::new(),
                items => format!("<p class=\"bad\">Only a restart changes this:</p><ul>{}</ul>", list(items)),
            };
            let changed = match changed.as_slice() {
                [] => "; it changed nothing.</p>".to_owned(),
                items => format!(":</p><ul>{}</ul>", list(items)),
            };
            format!("<h2>Last reload</h2><p>The configuration was read again {ago} s ago{changed}{waits}")
        }
        Outcome::Refused { faults, .. } => format!(
            "<h2>Last reload</h2><p class=\"bad\">The configuration was refused {ago} s ago; the one before serves on.\
             </p><pre>{}</pre>",
            escape(&faults.to_string())
        ),
    }
}

/// The servers of an upstream, those marked that take no requests.
fn servers(resource: &Resource, pool: &UpstreamPool) -> String {
    let known: Vec<_> = pool.status().collect();
    if known.is_empty() {
        let hosts: Vec<&str> = resource.upstream.urls.iter().map(|url| url.host_str().unwrap_or("")).collect();
        return escape(&hosts.join(", "));
    }
    let shown = known.iter().map(|server| match (escape(&server.server), server.healthy) {
        (server, true) => server,
        (server, false) => format!("<span class=\"bad\">{server} takes no requests</span>"),
    });
    shown.collect::<Vec<_>>().join(", ")
}

fn ground(resource: &Resource) -> &'static str {
    match (resource.public, resource.forward) {
        (true, _) => "anyone",
        (false, Forward::None) => "its token",
        (false, Forward::Token) => "its token, which is forwarded",
        (false, Forward::Narrowed) => "its token, which is forwarded narrowed",
    }
}

fn row(table: &mut String, cells: &[&str]) {
    table.push_str("<tr>");
    for cell in cells {
        // Writing into a string cannot fail.
        let _ = write!(table, "<td>{cell}</td>");
    }
    table.push_str("</tr>");
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_becomes_markup() {
        assert_eq!(escape("<a href=\"x\">&'"), "&lt;a href=&quot;x&quot;&gt;&amp;&#39;");
    }
}
