//! What the configuration allows: who is whose client, which resource a token names, and who is let in where.
//!
//! Names are compared byte for byte, and a client id means nothing without its issuer (RFC 9068 §5): only `known_as` says
//! that two are one.

use std::collections::BTreeSet;

use super::{TokenFacts, TokenIssuer};
use crate::config::{
    AllowedClient, AuthorizationServer, Client, Config, IssuerId, Resource, ResourceId, ResourceIssuer, TrustedIssuer,
};
use crate::oauth::SigningAlgorithm;
use crate::token::{Audience, AudienceTable};

/// The configuration, as far as it rules what is minted.
#[derive(Clone, Copy, Debug)]
pub struct Policy<'a> {
    /// The clients and what they may have.
    pub server: &'a AuthorizationServer,
    /// Resources and trusted issuers.
    pub config: &'a Config,
    /// Every name of every resource.
    pub audiences: &'a AudienceTable,
}

impl<'a> Policy<'a> {
    /// A resource of the configuration.
    pub(super) fn resource(&self, id: ResourceId) -> Option<&'a Resource> {
        self.config.resources.get(id.0)
    }

    /// What tokens for a resource are signed with, if it asks for anything of its own.
    pub fn signing_algorithm(&self, id: ResourceId) -> Option<SigningAlgorithm> {
        self.resource(id)?.signing_algorithm
    }

    /// The resources that a token names, each once.
    pub(super) fn named_by(&self, token: &TokenFacts) -> BTreeSet<ResourceId> {
        token.audiences.iter().filter_map(|name| self.owner(token.issuer, name)).collect()
    }

    fn owner(&self, issuer: TokenIssuer, name: &str) -> Option<ResourceId> {
        match issuer {
            TokenIssuer::Trusted(issuer) => self.audiences.owner(issuer, name),
            // Our own tokens carry the key and have no other names.
            TokenIssuer::Own => self.audiences.resource(name),
        }
    }

    /// The issuer whose `iss` this is, byte for byte.
    pub(super) fn issuer_named(&self, iss: &str) -> Option<TokenIssuer> {
        if self.server.issuer == iss {
            return Some(TokenIssuer::Own);
        }
        let is_named = |trusted: &TrustedIssuer| trusted.issuers.iter().any(|known| known == iss);
        let place = self.config.trusted_issuers.iter().position(is_named);
        place.map(|place| TokenIssuer::Trusted(IssuerId(place)))
    }

    /// Whether a token says that it is addressed to this gateway for exchange, and to none of its APIs.
    pub(super) fn is_for_exchange(&self, token: &TokenFacts) -> bool {
        let TokenIssuer::Trusted(issuer) = token.issuer else {
            return false;
        };
        let Some(trusted) = self.config.trusted_issuers.get(issuer.0) else {
            return false;
        };
        let meant = token.audiences.iter().any(|name| trusted.exchange_audiences.contains(name));
        meant && self.named_by(token).is_empty()
    }

    /// What a resource says about a trusted issuer; nothing if that may not vouch there.
    pub(super) fn entry(&self, resource: ResourceId, issuer: TokenIssuer) -> Option<&'a ResourceIssuer> {
        let TokenIssuer::Trusted(issuer) = issuer else {
            return None;
        };
        self.resource(resource)?.issuers.iter().find(|entry| entry.issuer == issuer)
    }

    /// Whether a resource would let this token in, as far as issuer, claims and client go.
    pub(super) fn lets_in(&self, resource: ResourceId, token: &TokenFacts) -> bool {
        let Some(known) = self.resource(resource).filter(|known| !known.public) else {
            return false;
        };
        let vouches = match token.issuer {
            TokenIssuer::Own => known.own_issuer,
            TokenIssuer::Trusted(_) => self.entry(resource, token.issuer).is_some(),
        };
        let client = token.claimed_at(resource).client.as_deref();
        vouches
            && self.is_narrow_enough(known, resource, token)
            && !token.refused_at.contains(&resource)
            && self.allows(known, token.issuer, client)
    }

    /// What `broad_tokens` says of the token's audiences, by the gate's own judgement.
    fn is_narrow_enough(&self, known: &Resource, resource: ResourceId, token: &TokenFacts) -> bool {
        let issuer = match token.issuer {
            TokenIssuer::Trusted(issuer) => Some(issuer),
            TokenIssuer::Own => self.config.own_issuer(),
        };
        let audience = Audience { resource, broad_tokens: known.broad_tokens, table: self.audiences };
        // Without an issuer of ours in the configuration, our tokens have the names that all have.
        audience.judge(issuer.unwrap_or(IssuerId(usize::MAX)), token.audiences.iter().map(String::as_str)).is_ok()
    }

    /// Whether a token of ours for `client` would be good for anything at a resource: it is not public, takes our tokens,
    /// and its owner does not veto the client.
    pub(super) fn can_mint(&self, resource: ResourceId, client: &Client) -> bool {
        self.resource(resource).is_some_and(|known| {
            !known.public && known.own_issuer && self.allows(known, TokenIssuer::Own, Some(&client.id))
        })
    }

    /// The owner's veto: `allowed_clients`.
    fn allows(&self, resource: &Resource, issuer: TokenIssuer, client: Option<&str>) -> bool {
        let Some(allowed) = &resource.allowed_clients else {
            return true;
        };
        let Some(client) = client else {
            return false;
        };
        let (issuer, client) = self.as_its_issuer_names_it(issuer, client);
        let ours = self.server.clients.iter().find(|ours| is_known_as(ours, issuer, client));
        allowed.iter().any(|allowed| match allowed {
            AllowedClient::Own(id) => ours.is_some_and(|ours| ours.id == *id),
            AllowedClient::Foreign(foreign, id) => {
                let foreign = TokenIssuer::Trusted(*foreign);
                (foreign == issuer && id == client) || ours.is_some_and(|ours| is_known_as(ours, foreign, id))
            }
        })
    }
}

impl Policy<'_> {
    /// A client by its own issuer. A token that was narrowed here is ours and names a foreign client as it is printed.
    fn as_its_issuer_names_it<'c>(&self, issuer: TokenIssuer, client: &'c str) -> (TokenIssuer, &'c str) {
        let foreign = client.split_once('|').filter(|_| issuer == TokenIssuer::Own);
        let place = |name: &str| self.config.trusted_issuers.iter().position(|trusted| trusted.name.as_str() == name);
        let named = foreign.and_then(|(name, id)| Some((TokenIssuer::Trusted(IssuerId(place(name)?)), id)));
        named.unwrap_or((issuer, client))
    }
}

/// Whether `id`, at this issuer, is this client of ours.
pub(super) fn is_known_as(client: &Client, issuer: TokenIssuer, id: &str) -> bool {
    match issuer {
        TokenIssuer::Own => client.id == id,
        TokenIssuer::Trusted(issuer) => client.known_as.get(&issuer).is_some_and(|known| known == id),
    }
}
