//! Clients of our own issuer that can do nothing, rights that lead nowhere, and resources that none of them reaches.

use std::collections::{BTreeMap, HashSet};

use super::super::authorization_server::WrittenServer;
use super::super::clients::WrittenClient;
use super::super::fault::FaultKind;
use super::super::issuers::Issuers;
use super::super::model::{AllowedClient, Client, GrantType, Resource, ResourceId};
use super::super::read::Reader;
use super::super::resource::WrittenResource;
use crate::oauth::{FOR_USERS, ScopePattern};

/// What clients may have at each resource that one of them reaches.
pub(super) struct Minted<'s>(BTreeMap<ResourceId, Vec<&'s ScopePattern>>);

impl<'s> Minted<'s> {
    /// Nothing while the issuer has faults.
    pub(super) fn of(server: &'s WrittenServer) -> Option<Self> {
        let mut minted: BTreeMap<ResourceId, Vec<&ScopePattern>> = BTreeMap::new();
        let clients = &server.server.as_ref()?.clients;
        for client in clients.iter().filter(|client| !client.grants.is_empty()) {
            for (resource, scopes) in &client.resources {
                minted.entry(*resource).or_default().extend(scopes);
            }
            for (resource, edge) in &client.exchange {
                minted.entry(*resource).or_default().extend(edge.iter().flat_map(|rule| &rule.to));
            }
        }
        Some(Self(minted))
    }

    /// What they may have there; nothing if nobody may have a token at all.
    pub(super) fn at(&self, resource: ResourceId) -> Option<&[&'s ScopePattern]> {
        self.0.get(&resource).map(Vec::as_slice)
    }
}

/// Warns of what one client has and cannot use, and of names that our own issuer makes ambiguous.
pub(super) fn advise(reader: &mut Reader, server: &WrittenServer, issuers: &Issuers, resources: &[WrittenResource]) {
    for issuer in &issuers.0 {
        if let Some(place) = issuer.plain_subjects {
            let message = format!("the subjects of `{}` are printed like those of our own issuer", issuer.name);
            let hint = "whose subject is whose can no longer be told; an exchange refuses those that could be both";
            reader.log.warning(place, message, hint);
        }
    }
    for written in resources {
        advise_on_user_scopes(reader, written);
    }
    advise_on_login(reader, server);
    for written in &server.clients {
        let Some(client) = written.client.as_ref().filter(|client| !client.disabled) else { continue };
        advise_on_use(reader, written, client);
        advise_on_reached(reader, written, client, resources);
    }
}

/// Users who log in and are asked by nobody see what they have granted, which is nothing.
fn advise_on_login(reader: &mut Reader, server: &WrittenServer) {
    let clients = server.server.iter().flat_map(|server| &server.clients);
    let asks = |client: &Client| client.grants.contains(&GrantType::AuthorizationCode);
    if let Some(login) = server.login.as_ref().filter(|_| server.server.is_some() && !clients.clone().any(asks)) {
        let hint = "give a client the grant `authorization_code`, or take `login` out";
        reader.log.tell(FaultKind::ClientNeedless, login.place, "users can log in, and no client asks them", hint);
    }
}

/// Our own issuer never grants what asks for a user or a refresh token.
fn advise_on_user_scopes(reader: &mut Reader, written: &WrittenResource) {
    let Some(resource) = written.resource.as_ref().filter(|resource| resource.own_issuer) else { return };
    let is_for_users = |scope: &&ScopePattern| FOR_USERS.contains(&scope.as_str());
    if let Some(scope) = resource.scopes.iter().map(|(scope, _)| scope).find(is_for_users) {
        let message = format!("our own issuer never grants `{scope}`, which `{}` declares", written.key);
        let hint = "an API has no use for it; call it something else, or take it out";
        reader.log.tell(FaultKind::ScopeUnattainable, written.place, message, hint);
    }
}

fn advise_on_use(reader: &mut Reader, written: &WrittenClient, client: &Client) {
    if !client.grants.is_empty() {
        return;
    }
    let (message, hint) = match (client.resources.is_empty(), client.serves) {
        (false, _) => ("has `resources` and no grant, so it gets no token", "write `grants: [client_credentials]`"),
        (true, None) => ("can do nothing", "give it `grants` and `resources`, or take it out"),
        // It may ask what tokens for its resource are worth.
        (true, Some(_)) => return,
    };
    let message = format!("the client `{}` {message}", written.id);
    reader.log.tell(FaultKind::ClientNeedless, written.place, message, hint);
}

fn advise_on_reached(reader: &mut Reader, written: &WrittenClient, client: &Client, resources: &[WrittenResource]) {
    let mut told = HashSet::new();
    for (id, place) in &written.reached {
        let Some(resource) = resources.get(id.0).and_then(|written| written.resource.as_ref()) else { continue };
        if !lets_in(resource, client) && told.insert(id) {
            let message = format!("`allowed_clients` of `{}` does not let `{}` in", resource.key, client.id);
            let hint = "nothing is minted for it there; add it to that list, or take the resource out here";
            reader.log.tell(FaultKind::ClientNeedless, *place, message, hint);
        }
        let edge = client.exchange.get(id).filter(|_| !client.resources.contains_key(id));
        if edge.is_some_and(|edge| edge.iter().all(|rule| rule.to.is_empty())) && !resource.scopes.is_empty() {
            let message = format!("nothing is carried on to `{}`, so every exchange for it is refused", resource.key);
            let hint = "say what scopes are worth there, like `{ read: [reports] }`, or take it out";
            reader.log.tell(FaultKind::ClientNeedless, *place, message, hint);
        }
    }
}

/// Whether the owner of an API lets this client in, by its own id or by one that it is known as.
fn lets_in(resource: &Resource, client: &Client) -> bool {
    let Some(allowed) = &resource.allowed_clients else { return true };
    allowed.iter().any(|allowed| match allowed {
        AllowedClient::Own(id) => *id == client.id,
        AllowedClient::Foreign(issuer, id) => client.known_as.get(issuer) == Some(id),
    })
}

/// Warns of a resource that takes our own tokens alone, where no client may have one.
pub(super) fn advise_on_reach(reader: &mut Reader, written: &WrittenResource, resource: &Resource) {
    if resource.public || !resource.issuers.is_empty() {
        return;
    }
    let message = format!("no client may have a token for `{}`, so every request is refused", written.key);
    let hint = "write it under `resources` of a client, or name an issuer under `trusted_issuers`";
    reader.log.tell(FaultKind::ResourceUnreachable, written.place, message, hint);
}
