//! Who may ask our own issuer for which tokens: the matrix of clients and resources, and the edges of exchanges.

use serde::Serialize;

use crate::config::{
    AuthorizationServer, Client, ClientAuthentication, Config, Consent, EdgeScope, GrantType, ResourceId,
    StoreLocation, UserLogin,
};

/// Our own issuer, and its clients in the order of the file.
#[derive(Debug, Serialize)]
pub(super) struct Issuer {
    pub(super) url: String,
    /// Where its state is kept.
    pub(super) store: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) login: Option<Login>,
    pub(super) clients: Vec<Row>,
}

/// How users log in.
#[derive(Debug, Serialize)]
pub(super) struct Login {
    pub(super) openid: Vec<Provider>,
    /// The names of those who have a password in the configuration.
    pub(super) users: Vec<String>,
}

/// An OpenID provider.
#[derive(Debug, Serialize)]
pub(super) struct Provider {
    pub(super) issuer: String,
    /// What the button says.
    pub(super) title: String,
}

/// One client.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) client: String,
    /// What users read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    /// How it proves who it is.
    pub(super) proof: &'static str,
    pub(super) disabled: bool,
    pub(super) grants: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) redirect_uris: Vec<String>,
    /// Whether users are asked, where it asks for what is theirs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) consent: Option<&'static str>,
    /// Whether its authorization requests must be pushed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) require_pushed_authorization_requests: bool,
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
        let AuthorizationServer { issuer, clients, login, .. } = config.issuer.as_ref()?;
        let store = config.store.as_ref().unwrap_or(&StoreLocation::Memory).to_string();
        let clients = clients.iter().map(|client| Row::of(config, client)).collect();
        let login = login.as_ref().map(|login| Login::of(config, login));
        Some(Self { url: issuer.clone(), store, login, clients })
    }
}

impl Login {
    fn of(config: &Config, login: &UserLogin) -> Self {
        let openid = login.openid.iter().map(|each| Provider {
            issuer: config.trusted_issuers[each.issuer.0].name.to_string(),
            title: each.title.clone(),
        });
        Self { openid: openid.collect(), users: login.users.iter().map(|user| user.name.clone()).collect() }
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
            name: client.name.clone(),
            proof: match client.authentication {
                ClientAuthentication::Secrets(_) => "secret",
                ClientAuthentication::Keys(_) => "jwks",
                ClientAuthentication::None => "none",
            },
            disabled: client.disabled,
            grants: client.grants.iter().map(|grant| word(*grant)).collect(),
            redirect_uris: texts(&client.redirect_uris),
            consent: client.grants.contains(&GrantType::AuthorizationCode).then_some(match client.consent {
                Consent::Ask => "ask",
                Consent::Never => "never",
            }),
            require_pushed_authorization_requests: client.require_pushed_authorization_requests,
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
        let pushed = if self.require_pushed_authorization_requests { "; pushed requests only" } else { "" };
        format!("{disabled}{proof}; {grants}{pushed}")
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
