//! `access` of a resource against what is known of users: a demand that nobody could meet is a slip of the pen.

use super::authorization_server::WrittenServer;
use super::fault::Place;
use super::issuers::Issuers;
use super::model::{ClaimNames, ClaimPath, Requirement, Resource};
use super::read::Reader;
use super::resource::WrittenResource;
use crate::oauth::is_protocol_claim;

/// Where users come from, and which claims are known of those who come from there.
struct Known {
    /// The words of a message for the place, if users log in there.
    login: Option<String>,
    /// The claims, as they are called here and as they were written.
    claims: Vec<(String, String)>,
}

/// Records every `access` that means nothing, or that nobody or only some could meet.
pub(super) fn check(
    reader: &mut Reader,
    issuers: &Issuers,
    resources: &[WrittenResource],
    has_issuer: bool,
    server: Option<&WrittenServer>,
) {
    for written in resources {
        let (Some(place), Some(resource)) = (written.access_place, &written.resource) else { continue };
        if resource.public {
            // Told with all that means nothing there.
            continue;
        }
        if !has_issuer || !resource.own_issuer {
            let why = if has_issuer { "this resource says `own: false`" } else { "there is no `issuer`" };
            let message = format!("`access` is about tokens that are made here, and {why}");
            reader.log.error(
                place,
                message,
                "demand it of the tokens of others: `require`, in the resource's `issuers`",
            );
            continue;
        }
        let is_whole = issuers.0.iter().all(|written| written.issuer.is_some());
        let login = server.and_then(|server| server.login.as_ref());
        if !is_whole || server.is_none() || login.is_some_and(|written| written.login.is_none()) {
            // What has faults may know more.
            continue;
        }
        let known = known(issuers, server, resource);
        for requirement in &resource.access {
            check_one(reader, place, requirement, &known);
        }
    }
}

/// All who may be users at a resource: those who log in, and those whose tokens are exchanged there.
fn known(issuers: &Issuers, server: Option<&WrittenServer>, resource: &Resource) -> Vec<Known> {
    let login = server.and_then(|server| server.login.as_ref()?.login.as_ref());
    let trusted = |at: usize| issuers.0.get(at).and_then(|written| written.issuer.as_ref());
    let carried = |names: &ClaimNames| {
        let last = |path: &ClaimPath| Some((path.steps.last()?.clone(), path.text.clone()));
        names.carry.iter().filter_map(last).filter(|(name, _)| !is_protocol_claim(name)).collect()
    };
    let mut known = Vec::new();
    for provider in login.into_iter().flat_map(|login| &login.openid) {
        let Some(issuer) = trusted(provider.issuer.0) else { continue };
        known.push(Known { login: Some(issuer.name.to_string()), claims: carried(&issuer.claims) });
    }
    for user in login.into_iter().flat_map(|login| &login.users) {
        known
            .push(Known { login: None, claims: user.claims.keys().map(|name| (name.clone(), name.clone())).collect() });
    }
    for entry in resource.issuers.iter().filter(|entry| entry.exchange) {
        let Some(issuer) = trusted(entry.issuer.0) else { continue };
        known.push(Known { login: None, claims: carried(entry.claims.as_ref().unwrap_or(&issuer.claims)) });
    }
    known
}

fn check_one(reader: &mut Reader, place: Place, requirement: &Requirement, known: &[Known]) {
    let Some(name) = requirement.claim.steps.first() else { return };
    let is_known = |known: &&Known| known.claims.iter().any(|(claim, _)| claim == name);
    let shown = reader.public(&requirement.claim.text).to_owned();
    if known.iter().any(|known| is_known(&known)) {
        for without in known.iter().filter(|known| !is_known(known)).filter_map(|known| known.login.as_deref()) {
            let message =
                format!("users who log in at `{without}` never get a token here: nobody says their `{shown}`");
            let hint = format!("add it to `claims: {{ carry: [ … ] }}` of `{without}`, if its tokens say it");
            reader.log.warning(place, message, hint);
        }
        return;
    }
    let all = || known.iter().flat_map(|known| &known.claims);
    let renamed = all().find(|(_, written)| *written == requirement.claim.text);
    let hint = match renamed {
        Some((name, written)) => format!("`{written}` is carried on as `{name}`; write that"),
        None if known.is_empty() => "say how users log in, under `login` of the issuer".to_owned(),
        None => {
            let mut names: Vec<&str> = all().map(|(name, _)| name.as_str()).collect();
            names.sort_unstable();
            names.dedup();
            let known = match names.is_empty() {
                true => "nothing is known of any user;".to_owned(),
                false => {
                    let suggested = reader.suggest(name, names);
                    let joint = if suggested.ends_with('?') { " Else" } else { ";" };
                    format!("{suggested}{joint}")
                }
            };
            format!("{known} list it under `claims: {{ carry: [ … ] }}` of a trusted issuer at which users log in")
        }
    };
    reader.log.error(place, format!("`{shown}` is known of no user, so nobody could get a token here"), hint);
}
