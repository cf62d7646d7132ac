//! The page that `check` prints for people: aligned, without colour, and within 120 columns.
//!
//! A matrix is for few resources. With many, each resource tells which tokens open it, and the rest is counted.

use std::collections::BTreeMap;
use std::path::Path;

use super::Meaning;
use super::clients::{Issuer, Row as Client};
use super::exceptions::Exception;
use super::isolation::{Isolation, Row, Verdict};
use super::routes::{Demand, Route, Routes};
use crate::cli::output::count;
use crate::cli::rule_line::RuleLine;

/// The widest line of a matrix, in characters.
const WIDEST: usize = 120;
/// The most resources that a matrix has columns for.
const MOST_COLUMNS: usize = 8;

/// The whole page.
pub(super) fn page(file: &Path, meaning: &Meaning) -> String {
    let Meaning { routes, isolation, issuer, exceptions } = meaning;
    let mut page = format!("{}: good, {}\n", file.display(), count(routes.routes.len(), "resource"));
    doors(&mut page, routes);
    resources(&mut page, &routes.routes);
    tokens(&mut page, isolation, issuer.as_ref());
    if let Some(issuer) = issuer {
        clients(&mut page, issuer);
        unasked(&mut page, issuer);
    }
    waivers(&mut page, exceptions);
    page
}

fn line(page: &mut String, text: impl AsRef<str>) {
    page.push_str(text.as_ref().trim_end());
    page.push('\n');
}

/// Columns side by side, each as wide as its widest cell.
fn aligned<const N: usize>(rows: &[[String; N]]) -> Vec<String> {
    let width = |at: usize| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    let joined = |row: &[String; N]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(joined).collect()
}

fn doors(page: &mut String, routes: &Routes) {
    line(page, "\nAddresses");
    let scheme = |tls: bool| if tls { "https" } else { "http" };
    for door in &routes.listeners {
        let redirects = match door.redirect {
            None => String::new(),
            Some(443) => "  (redirects to https)".to_owned(),
            Some(port) => format!("  (redirects to https, port {port})"),
        };
        line(page, format!("  requests  {}://{}{redirects}", scheme(door.tls), door.address));
    }
    match &routes.admin {
        Some(admin) => line(page, format!("  admin     http://{admin}")),
        None => line(page, "  admin     none"),
    }
}

fn resources(page: &mut String, routes: &[Route]) {
    line(page, "\nResources");
    for (at, route) in routes.iter().enumerate() {
        let name = route.name.as_ref().map_or(String::new(), |name| format!("  ({name})"));
        line(page, format!("  [{}] {}{name}", at + 1, route.resource));
        let mut told = |what: &str, text: String| line(page, format!("      {what:9} {text}"));
        told("requests", route.requests());
        let stripped = if route.strip_prefix { format!("  (without {})", route.path) } else { String::new() };
        told("upstream", format!("{}{stripped}", route.upstream.join(", ")));
        match route.public {
            true => told("needs", "nothing: everything here is public".to_owned()),
            false => demands(&mut told, route),
        }
    }
}

fn demands(told: &mut impl FnMut(&str, String), route: &Route) {
    let listed = |names: &[String], nothing: &str| match names {
        [] => nothing.to_owned(),
        names => names.join(" "),
    };
    told("issuers", listed(&route.issuers, "none, so every request is refused"));
    let credential = match route.forward {
        "token" => "the token",
        "narrowed" => "a token that is minted for it alone",
        _ => "no credential",
    };
    told("forwards", credential.to_owned());
    if !route.access.is_empty() {
        let demands: Vec<_> = route.access.iter().map(Demand::in_words).collect();
        told("users", format!("those with {}", demands.join(", and ")));
    }
    told("needs", listed(&route.required_scopes, "a token for this resource"));
    let mut rows: Vec<[String; 3]> = route.rules.iter().map(RuleLine::columns).collect();
    if route.unmatched == "refuse" {
        rows.push(["every method".to_owned(), "every other path".to_owned(), "refused, 404 or 405".to_owned()]);
    }
    for (at, row) in aligned(&rows).into_iter().enumerate() {
        told(if at == 0 { "rules" } else { "" }, row);
    }
}

fn tokens(page: &mut String, isolation: &Isolation, own: Option<&Issuer>) {
    line(page, "\nIsolation: what a token opens, by its issuer and audience");
    if let Some(Issuer { url, .. }) = own {
        line(page, format!("  own  {url}: each token has one audience, and opens that resource alone"));
    }
    if isolation.is_left_out {
        let resources = count(isolation.resources.len(), "resource");
        return line(
            page,
            format!("  every audience stands for one resource alone; a table for {resources} is left out"),
        );
    }
    if isolation.rows.is_empty() && own.is_some() {
        return;
    }
    if isolation.rows.is_empty() {
        return line(page, "  no issuer is trusted, so no token opens anything");
    }
    match matrix(isolation) {
        Some(matrix) => matrix.into_iter().for_each(|row| line(page, format!("  {row}"))),
        None => by_resource(page, isolation),
    }
}

/// The matrix, if it is narrow enough.
fn matrix(isolation: &Isolation) -> Option<Vec<String>> {
    let columns = isolation.resources.len();
    if columns > MOST_COLUMNS {
        return None;
    }
    let label = |row: &Row| match row.audiences.as_slice() {
        [audience] => format!("{}  {audience}", row.issuer),
        _ => format!("{}  all of these at once", row.issuer),
    };
    let label_width = isolation.rows.iter().map(|row| label(row).chars().count()).max().unwrap_or(0);
    let words = isolation.rows.iter().flat_map(|row| row.verdicts.iter().map(|verdict| verdict.short().len()));
    let width = words.max().unwrap_or(0);
    let heads: String = (1..=columns).map(|at| format!("  {:width$}", format!("[{at}]"))).collect();
    let mut lines = vec![format!("{:label_width$}{heads}", "")];
    for row in &isolation.rows {
        let cells: String = row.verdicts.iter().map(|verdict| format!("  {:width$}", verdict.short())).collect();
        lines.push(format!("{:label_width$}{cells}", label(row)));
    }
    lines.iter().all(|line| line.chars().count() + 2 <= WIDEST).then_some(lines)
}

/// For each resource the tokens that open it, and how many others do not.
fn by_resource(page: &mut String, isolation: &Isolation) {
    for (at, resource) in isolation.resources.iter().enumerate() {
        line(page, format!("  [{}] {resource}", at + 1));
        let verdicts = isolation.rows.iter().map(|row| (row, row.verdicts[at]));
        let (mut accepted, mut refused) = (Vec::new(), BTreeMap::<&str, usize>::new());
        for (row, verdict) in verdicts {
            match verdict {
                Verdict::Public => {}
                Verdict::Refused(reason) => *refused.entry(reason.as_str()).or_default() += 1,
                Verdict::Accepted => accepted.push(["accepts".to_owned(), row.issuer.clone(), audiences(row)]),
            }
        }
        aligned(&accepted).into_iter().for_each(|row| line(page, format!("      {row}")));
        let refused: Vec<_> = refused.iter().map(|(reason, times)| format!("{times} {reason}")).collect();
        match accepted.is_empty() && refused.is_empty() {
            true => line(page, "      public, no token is asked for"),
            false => line(page, format!("      refuses  {}", refused.join(", "))),
        }
    }
}

fn audiences(row: &Row) -> String {
    match row.audiences.as_slice() {
        [audience] => audience.clone(),
        several => format!("all {} audiences at once", several.len()),
    }
}

/// What each client may have, and where it may carry tokens of others on to.
fn clients(page: &mut String, issuer: &Issuer) {
    if let Some(login) = &issuer.login {
        line(page, format!("\nUsers of {}", issuer.url));
        for provider in &login.openid {
            line(page, format!("  {}  log in there ({})", provider.issuer, provider.title));
        }
        if !login.users.is_empty() {
            line(page, format!("  local  have a password in this file: {}", login.users.join(", ")));
        }
    }
    line(page, format!("\nClients of {}, whose state is kept in {}", issuer.url, issuer.store));
    if issuer.clients.is_empty() {
        line(page, "  none, so nobody can ask it for a token");
    }
    for client in &issuer.clients {
        line(page, format!("  {}  ({})", client.client, client.manner()));
        rights(client).into_iter().for_each(|row| line(page, format!("      {row}")));
    }
}

fn rights(client: &Client) -> Vec<String> {
    let mut rows: Vec<[String; 3]> = Vec::new();
    if let Some(served) = &client.serves {
        rows.push(["serves".to_owned(), served.clone(), String::new()]);
    }
    for (at, uri) in client.redirect_uris.iter().enumerate() {
        rows.push([if at == 0 { "answers to" } else { "" }.to_owned(), uri.clone(), String::new()]);
    }
    for (at, cell) in client.resources.iter().enumerate() {
        let what = if at == 0 { "may have" } else { "" };
        let scopes = if cell.scopes.is_empty() { "no scope".to_owned() } else { cell.scopes.join(" ") };
        rows.push([what.to_owned(), cell.resource.clone(), scopes]);
    }
    for (at, edge) in client.exchange.iter().enumerate() {
        let what = if at == 0 { "carries on to" } else { "" };
        rows.push([what.to_owned(), edge.resource.clone(), edge.worth()]);
    }
    aligned(&rows)
}

/// Clients that get what is a user's because the operator says so.
fn unasked(page: &mut String, issuer: &Issuer) {
    let unasked: Vec<_> = issuer.clients.iter().filter(|client| client.consent == Some("never")).collect();
    if !unasked.is_empty() {
        line(page, "\nClients for which users are not asked (`consent: never`)");
    }
    for client in unasked {
        line(page, format!("  {}  gets what it may have from whoever logs in", client.client));
    }
}

fn waivers(page: &mut String, exceptions: &[Exception]) {
    line(page, "\nExceptions to \"a token opens exactly one API\"");
    if exceptions.is_empty() {
        line(page, "  none");
    }
    for exception in exceptions {
        let Exception { resource, setting, meaning, file, line: number, column } = exception;
        line(page, format!("  {resource}\n      {setting}: {meaning}\n      {file}:{number}:{column}"));
    }
}
