//! One request of a browser, and what is known of who sits there.

use std::borrow::Cow;
use std::sync::Arc;

use http::{HeaderMap, HeaderName};
use url::form_urlencoded;

use super::cookies::Cookie;
use super::halted::Halted;
use super::kept;
use crate::clock::Timestamp;
use crate::config::AuthorizationServer;
use crate::issuer::{Asked, Goal, NotAsked, Policy, Session, Transaction, asked, asked_directly};
use crate::secret::Secret;
use crate::serve::issuer::asked::announces_form;
use crate::serve::issuer::{Call, Desk};
use crate::snapshot::Issuing;

const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// One request of a browser.
#[derive(Debug)]
pub(super) struct Visit<'v> {
    pub(super) desk: &'v Desk,
    pub(super) call: &'v Call,
    pub(super) headers: &'v HeaderMap,
    pub(super) policy: Policy<'v>,
    pub(super) issuing: &'v Arc<Issuing>,
    pub(super) now: Timestamp,
}

/// A user who has logged in here.
#[derive(Debug)]
pub(super) struct Present {
    /// The cookie's value.
    pub(super) token: Secret,
    /// Who he is.
    pub(super) session: Session,
}

impl<'v> Visit<'v> {
    /// # Errors
    ///
    /// [`Halted::NoIssuer`] where there is none.
    pub(super) fn new(desk: &'v Desk, call: &'v Call, headers: &'v HeaderMap) -> Result<Self, Halted> {
        let policy = call.snapshot.policy().ok_or(Halted::NoIssuer)?;
        let issuing = call.snapshot.issuing.as_ref().ok_or(Halted::NoIssuer)?;
        Ok(Self { desk, call, headers, policy, issuing, now: Timestamp::now() })
    }

    pub(super) fn server(&self) -> &'v AuthorizationServer {
        self.policy.server
    }

    /// Holds before anything has an effect that what was judged still counts.
    ///
    /// # Errors
    ///
    /// [`Halted::Superseded`] where another configuration has come.
    pub(super) fn settled(&self) -> Result<(), Halted> {
        let is_current = self.desk.gateway.current.is(&self.call.snapshot);
        is_current.then_some(()).ok_or(Halted::Superseded)
    }

    /// What only this browser has.
    pub(super) fn browser(&self) -> Option<Secret> {
        Cookie::Browser.read(self.headers, self.server())
    }

    /// Who has logged in here, if that counts still.
    ///
    /// # Errors
    ///
    /// [`Halted::Unavailable`] if the store cannot be read.
    pub(super) async fn present(&self) -> Result<Option<Present>, Halted> {
        let Some(token) = Cookie::Session.read(self.headers, self.server()) else { return Ok(None) };
        let session = kept::session(self.issuing, &token, self.now).await?;
        let session = session.and_then(|session| session.at(&self.policy, self.now));
        Ok(session.map(|session| Present { token, session }))
    }

    /// What stands behind the `?`.
    ///
    /// # Errors
    ///
    /// [`Halted::Form`].
    pub(super) fn query(&self) -> Result<Entries, Halted> {
        Entries::of(self.call.query.expose())
    }

    /// The form of one of our own pages, which came from there as far as the browser tells (Fetch Metadata §2.3).
    ///
    /// # Errors
    ///
    /// [`Halted::Foreign`] for a form of another site or of a script, [`Halted::Form`] for what is none.
    pub(super) fn form(&self) -> Result<Entries, Halted> {
        let is_foreign = |site: &[u8]| site == b"cross-site" || site == b"same-site";
        // A form leads to a page; what is not to be one was sent by a script, perhaps of an API at our host.
        let is_script = |destination: &[u8]| destination != b"document";
        let said =
            |name, is: &dyn Fn(&[u8]) -> bool| self.headers.get_all(name).iter().any(|value| is(value.as_bytes()));
        if said(SEC_FETCH_SITE, &is_foreign) || said(SEC_FETCH_DEST, &is_script) {
            return Err(Halted::Foreign);
        }
        self.check_is_form()?;
        Entries::of(self.call.body.expose())
    }

    /// # Errors
    ///
    /// [`Halted::Form`] if the body is announced as anything but a form.
    pub(super) fn check_is_form(&self) -> Result<(), Halted> {
        announces_form(self.headers).then_some(()).ok_or(Halted::Form)
    }

    /// The transaction that this browser brings back.
    ///
    /// # Errors
    ///
    /// [`Halted::Transaction`] for none, one of another browser, or one that took too long.
    pub(super) fn transaction(&self, entries: &Entries) -> Result<(String, Transaction), Halted> {
        let text = entries.one("transaction")?.ok_or(Halted::Transaction)?;
        let browser = self.browser().ok_or(Halted::Transaction)?;
        let transaction = kept::brought_back(self.issuing, text, &browser, self.now).ok_or(Halted::Transaction)?;
        Ok((text.to_owned(), transaction))
    }

    /// A transaction as an address carries it.
    ///
    /// # Errors
    ///
    /// [`Halted::TooLong`] if none can carry it.
    pub(super) fn handed_out(&self, transaction: &Transaction) -> Result<String, Halted> {
        Ok(kept::handed_out(self.issuing, transaction)?)
    }

    /// What the client of a transaction asks for, judged anew; nothing where no client asks.
    ///
    /// # Errors
    ///
    /// [`Halted::Fault`] and [`Halted::Refused`] if it may not any more.
    pub(super) fn asked(&self, transaction: &Transaction) -> Result<Option<Asked>, Halted> {
        match &transaction.goal {
            Goal::Grants => Ok(None),
            Goal::Authorization { request, pushed } => {
                let judged = match pushed {
                    Some(_) => asked(&self.policy, request),
                    None => asked_directly(&self.policy, request),
                };
                judged.map(Some).map_err(|not_asked| match not_asked {
                    NotAsked::Page(fault) => Halted::Fault(fault),
                    NotAsked::Client { to, fault } => {
                        // Whoever may be told is known.
                        Halted::refused(request.client().unwrap_or_default(), to, fault.error(), fault.to_string())
                    }
                })
            }
        }
    }
}

/// What a browser sends along: pairs, of which no name may come twice.
#[derive(Debug)]
pub(super) struct Entries(Vec<(String, String)>);

impl Entries {
    fn of(encoded: &[u8]) -> Result<Self, Halted> {
        let mut names: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(encoded) {
            if value.contains(char::REPLACEMENT_CHARACTER) {
                return Err(Halted::Form);
            }
            names.push((Cow::into_owned(name), Cow::into_owned(value)));
        }
        Ok(Self(names))
    }

    /// The value under a name.
    ///
    /// # Errors
    ///
    /// [`Halted::Form`] if there are two.
    pub(super) fn one(&self, name: &str) -> Result<Option<&str>, Halted> {
        let mut values = self.0.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str());
        match (values.next(), values.next()) {
            (value, None) => Ok(value.filter(|value| !value.is_empty())),
            (_, Some(_)) => Err(Halted::Form),
        }
    }

    /// Whether a box of this name was ticked.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }
}
