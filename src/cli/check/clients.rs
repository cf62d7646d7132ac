//! Who may ask our own issuer for which tokens: the matrix of clients and resources, and the edges of exchanges.

use serde::Serialize;

use crate::config::{
    AuthorizationServer, Client, ClientAuthentication, Config, EdgeScope, GrantType, ResourceId, StoreLocation,
};

/// Our own issuer, and its clients in the order of the file.
#[derive(Debug, Serialize)]
pub(super) struct Issuer {
    pub(super) url: String,
    /// Where its state is kept.
    pub(super) store: String,
    pub(super) clients: Vec<Row>,
}

/// One client.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) client: String,
    /// How it proves who it is.
    pub(super) proof: &'static str,
    pub(super) disabled: bool,
    pub(super) grants: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) serves: Option<String>,
    pub(super) resources: Vec<Cell>,
    pub(super) exchange: Vec<Edge>,
}

/// What a client may have at a resource.
#[derive(Debug, Serialize)]
pub(super) struct Cell {
    pub(super) resource: String,
    pub(super) scopes: Vec<String>,
}

/// Where a client may carry tokens of others on to.
#[derive(Debug, Serialize)]
pub(super) struct Edge {
    pub(super) resource: String,
    pub(super) scopes: Vec<Worth>,
}

/// What one scope is worth there.
#[derive(Debug, Serialize)]
pub(super) struct Worth {
    pub(super) from: String,
    pub(super) to: Vec<String>,
}

impl Issuer {
    /// Nothing where only the gate runs.
    pub(super) fn of(config: &Config) -> Option<Self> {
        let AuthorizationServer { issuer, clients, .. } = config.issuer.as_ref()?;
        let store = config.store.as_ref().unwrap_or(&StoreLocation::Memory).to_string();
        let clients = clients.iter().map(|client| Row::of(config, client)).collect();
        Some(Self { url: issuer.clone(), store, clients })
    }
}

impl Row {
    fn of(config: &Config, client: &Client) -> Self {
        let key = |id: ResourceId| config.resources[id.0].key.to_string();
        let cells = client.resources.iter().map(|(id, scopes)| Cell { resource: key(*id), scopes: texts(scopes) });
        let edges = client.exchange.iter().map(|(id, scopes)| Edge {
            resource: key(*id),
            scopes: scopes
                .iter()
                .map(|EdgeScope { from, to }| Worth { from: from.to_string(), to: texts(to) })
                .collect(),
        });
        Self {
            client: client.id.clone(),
            proof: match client.authentication {
                ClientAuthentication::Secrets(_) => "secret",
                ClientAuthentication::Keys(_) => "jwks",
                ClientAuthentication::None => "none",
            },
            disabled: client.disabled,
            grants: client.grants.iter().map(|grant| word(*grant)).collect(),
            serves: client.serves.map(key),
            resources: cells.collect(),
            exchange: edges.collect(),
        }
    }

    /// How it asks, in a few words.
    pub(super) fn manner(&self) -> String {
        let proof = match self.proof {
            "none" => "proves nothing",
            proof => proof,
        };
        let grants = if self.grants.is_empty() { "no grant".to_owned() } else { self.grants.join(", ") };
        let disabled = if self.disabled { "disabled; " } else { "" };
        format!("{disabled}{proof}; {grants}")
    }
}

impl Edge {
    /// What scopes are worth, in a few words.
    pub(super) fn worth(&self) -> String {
        let each = self.scopes.iter().filter(|worth| !worth.to.is_empty());
        let each: Vec<_> = each.map(|worth| format!("{} → {}", worth.from, worth.to.join(" "))).collect();
        if each.is_empty() { "no scope".to_owned() } else { each.join(", ") }
    }
}

fn texts<T: ToString>(scopes: &[T]) -> Vec<String> {
    scopes.iter().map(ToString::to_string).collect()
}

/// A grant as the configuration writes it.
fn word(grant: GrantType) -> &'static str {
    match grant {
        GrantType::TokenExchange => "token_exchange",
        GrantType::AuthorizationCode | GrantType::RefreshToken | GrantType::ClientCredentials => grant.as_str(),
    }
}
