//! Who asks: the proof that a client sent, held against the configuration, its keys, and what was used before.

use std::sync::{Arc, Mutex, PoisonError};

use super::Desk;
use super::refused::Refused;
use crate::clock::Timestamp;
use crate::config::Client;
use crate::issuer::{
    AssertionFault, ClientAssertion, ClientCredential, ClientFault, OneUse, by_name, by_secret, with_keys,
};
use crate::snapshot::Snapshot;

/// A proof, and what was done for it: it may be asked for again under another configuration, but is used once.
#[derive(Debug)]
pub(super) struct Proof {
    credential: ClientCredential,
    used: Arc<Mutex<Option<OneUse>>>,
}

impl Proof {
    /// `used` is what the same request has used up already.
    pub(super) fn new(credential: ClientCredential, used: Arc<Mutex<Option<OneUse>>>) -> Self {
        Self { credential, used }
    }

    /// Whom it claims to come from, if the configuration knows somebody of that name.
    pub(super) fn claimed<'s>(&self, snapshot: &'s Snapshot) -> Option<&'s str> {
        let server = snapshot.config.issuer.as_ref()?;
        let client = match &self.credential {
            ClientCredential::Secret { readings, .. } => readings.iter().find_map(|offered| server.client(&offered.id)),
            ClientCredential::Assertion { compact, .. } => {
                let text = std::str::from_utf8(compact.expose()).ok()?;
                server.client(ClientAssertion::parse(text).ok()?.client())
            }
            ClientCredential::Name(id) => server.client(id),
        };
        client.map(|client| client.id.as_str())
    }

    /// The client that it proves.
    ///
    /// # Errors
    ///
    /// [`Refused`] if it proves nobody, or if that cannot be told now.
    pub(super) async fn client<'s>(&self, desk: &Desk, snapshot: &'s Snapshot) -> Result<&'s Client, Refused> {
        let server = snapshot.config.issuer.as_ref().ok_or(Refused::NoIssuer)?;
        let client = match &self.credential {
            ClientCredential::Secret { readings, method } => by_secret(server, *method, readings)?,
            ClientCredential::Name(id) => by_name(server, id)?,
            ClientCredential::Assertion { compact, id } => {
                let malformed = ClientFault::from(AssertionFault::Malformed);
                let text = std::str::from_utf8(compact.expose()).map_err(|_| malformed)?;
                let assertion = ClientAssertion::parse(text).map_err(ClientFault::from)?;
                if id.as_ref().is_some_and(|id| id != assertion.client()) {
                    return Err(ClientFault::from(AssertionFault::Parties).into());
                }
                let client = with_keys(server, assertion.client())?.0;
                let use_of_it = judge(desk, snapshot, &assertion).await?;
                let used = || self.used.lock().unwrap_or_else(PoisonError::into_inner);
                let is_used = used().as_ref() == Some(&use_of_it);
                if !is_used {
                    mark(snapshot, &use_of_it).await?;
                    *used() = Some(use_of_it);
                }
                client
            }
        };
        if client.disabled { Err(ClientFault::Disabled.into()) } else { Ok(client) }
    }
}

/// Holds an assertion against the client's keys, which are read again once if they might have changed.
async fn judge(desk: &Desk, snapshot: &Snapshot, assertion: &ClientAssertion<'_>) -> Result<OneUse, Refused> {
    let server = snapshot.config.issuer.as_ref().ok_or(Refused::NoIssuer)?;
    let (client, locations) = with_keys(server, assertion.client())?;
    let keyring = desk.client_keys.of(&snapshot.config, server, client, locations);
    let keyring = keyring.map_err(|_| Refused::Unavailable("the client's keys cannot be fetched".to_owned()))?;
    // The first reading is by schedule, so that it does not use up the one for an unknown key.
    keyring.tried().await;
    let mut is_last = false;
    loop {
        let now = Timestamp::now();
        let judged = keyring.current(now).map(|keys| assertion.judge(&keys, &server.issuer, now));
        match judged {
            Some(Err(AssertionFault::KeyUnknown)) | None if !is_last && keyring.wants_refetch(now) => {
                keyring.refetch().await;
                is_last = true;
            }
            Some(judged) => return Ok(judged.map_err(ClientFault::from)?),
            None => return Err(Refused::Unavailable("no key of the client could be had".to_owned())),
        }
    }
}

/// Uses it up.
async fn mark(snapshot: &Snapshot, one: &OneUse) -> Result<(), Refused> {
    let issuing = snapshot.issuing.as_ref().ok_or(Refused::NoIssuer)?;
    let marked = issuing.store.mark_used(&one.name, one.until).await;
    match marked.map_err(|error| Refused::Unavailable(error.to_string()))? {
        true => Ok(()),
        false => Err(ClientFault::Replayed.into()),
    }
}
