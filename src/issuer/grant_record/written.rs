//! A grant record as it is stored: JSON, which is sealed before it is kept.
//!
//! What is not understood is refused, so that a program which knows less never takes a record for more than it is.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::GrantRecord;
use crate::clock::Timestamp;
use crate::issuer::Party;
use crate::issuer::facts::LoginFacts;
use crate::oauth::{IssuerName, ResourceIndicator, Scope};
use crate::token::mint::GrantId;

/// What a text that is no grant record is told. What stood in it is not: it is somebody's.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a grant record in the store cannot be read")]
pub struct UnreadableRecord;

/// The members, in the order in which they are written.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Written {
    root: String,
    client: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    provider: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    issuer: Option<String>,
    subject: String,
    resources: BTreeMap<String, Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    auth_time: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    acr: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    amr: Vec<String>,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    user_claims: Map<String, Value>,
    begun: u64,
    ends: u64,
}

impl GrantRecord {
    /// The record as it is stored. It says who granted what, and belongs under a seal.
    pub fn to_json(&self) -> Vec<u8> {
        let words = |scopes: &BTreeSet<Scope>| scopes.iter().map(ToString::to_string).collect();
        let written = Written {
            root: self.root.to_string(),
            client: self.client.clone(),
            provider: self.provider.as_ref().map(ToString::to_string),
            issuer: self.subject.issuer.as_ref().map(ToString::to_string),
            subject: self.subject.value.clone(),
            resources: self.resources.iter().map(|(key, scopes)| (key.to_string(), words(scopes))).collect(),
            auth_time: self.login.time.map(|time| time.0),
            acr: self.login.acr.clone(),
            amr: self.login.amr.clone(),
            user_claims: self.user_claims.clone(),
            begun: self.begun.0,
            ends: self.ends.0,
        };
        serde_json::to_vec(&written).expect("texts, numbers and JSON can be written")
    }

    /// Reads what [`GrantRecord::to_json`] wrote.
    ///
    /// # Errors
    ///
    /// [`UnreadableRecord`] for everything else.
    pub fn from_json(json: &[u8]) -> Result<Self, UnreadableRecord> {
        let written: Written = serde_json::from_slice(json).map_err(|_| UnreadableRecord)?;
        let scopes = |words: Vec<String>| words.iter().map(|word| Scope::parse(word)).collect::<Result<_, _>>();
        let mut resources = BTreeMap::new();
        for (key, words) in written.resources {
            let key = ResourceIndicator::parse(&key).map_err(|_| UnreadableRecord)?;
            resources.insert(key, scopes(words).map_err(|_| UnreadableRecord)?);
        }
        let name = |name: Option<String>| name.map(|name| IssuerName::parse(&name)).transpose();
        let issuer = name(written.issuer).map_err(|_| UnreadableRecord)?;
        let is_whole = !resources.is_empty() && !written.subject.is_empty() && !written.client.is_empty();
        is_whole.then_some(()).ok_or(UnreadableRecord)?;
        Ok(Self {
            root: GrantId::parse(&written.root).map_err(|_| UnreadableRecord)?,
            client: written.client,
            provider: name(written.provider).map_err(|_| UnreadableRecord)?,
            subject: Party { issuer, value: written.subject },
            resources,
            login: LoginFacts { time: written.auth_time.map(Timestamp), acr: written.acr, amr: written.amr },
            user_claims: written.user_claims,
            begun: Timestamp(written.begun),
            ends: Timestamp(written.ends),
        })
    }
}
