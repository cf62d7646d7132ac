//! What a request asks for: one target, one authority.

use http::header::HOST;
use http::{HeaderName, Method};

use super::RequestView;
use crate::oauth::{Reason, Rejection};
use crate::route::{Authority, Target};

/// A request's target and authority, each with one reading.
#[derive(Clone, Copy, Debug)]
pub(super) struct Address<'a> {
    pub(super) target: Target<'a>,
    pub(super) authority: Authority<'a>,
}

const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

impl<'a> Address<'a> {
    /// Reads both; `trusts_peer` says whether the peer's `X-Forwarded-Host` counts.
    pub(super) fn of(request: &RequestView<'a>, trusts_peer: bool) -> Result<Self, Rejection> {
        if request.method == Method::CONNECT || request.method == Method::TRACE {
            return Err(Rejection::new(Reason::MethodNotAllowed, "CONNECT and TRACE are never passed on"));
        }
        // `post` is not POST (RFC 9110 §9.1), but some servers run it as one, past the rules for POST.
        if request.method.as_str().bytes().any(|byte| byte.is_ascii_lowercase()) {
            return Err(Rejection::new(Reason::MethodNotAllowed, "a method is written in upper case"));
        }
        let target =
            Target::parse(request.target).map_err(|fault| Rejection::new(Reason::TargetInvalid, fault.as_str()))?;
        let own = request.authority()?;
        let authority = match trusts_peer {
            true => forwarded_authority(request)?.unwrap_or(own),
            false => own,
        };
        Ok(Self { target, authority })
    }
}

impl<'a> RequestView<'a> {
    /// The authority that the request itself names, whatever a proxy says of another one: `Host` or `:authority`,
    /// exactly one host, and the same where both are sent (RFC 9112 §3.2, RFC 9113 §8.3.1).
    ///
    /// # Errors
    ///
    /// [`Reason::TargetInvalid`] for everything else.
    pub fn authority(&self) -> Result<Authority<'a>, Rejection> {
        let invalid = |detail| Rejection::new(Reason::TargetInvalid, detail);
        let parse =
            |text: &'a str| Authority::parse(text).map_err(|_| invalid("the host is not `host` or `host:port`"));
        let mut fields = self.headers.get_all(HOST).iter();
        let field = fields.next();
        if fields.next().is_some() {
            return Err(invalid("more than one `Host` was sent"));
        }
        let field = match field.map(|value| value.to_str()) {
            None => None,
            Some(Ok(text)) => Some(parse(text)?),
            Some(Err(_)) => return Err(invalid("`Host` is not ASCII")),
        };
        match (self.uri_authority.map(parse).transpose()?, field) {
            (Some(pseudo), Some(field)) if !pseudo.agrees_with(&field) => {
                Err(invalid("`Host` and `:authority` differ"))
            }
            (Some(authority), _) | (None, Some(authority)) => Ok(authority),
            (None, None) => Err(invalid("no host was named")),
        }
    }
}

/// `X-Forwarded-Host`, which a trusted proxy sends once and with one value.
fn forwarded_authority<'a>(request: &RequestView<'a>) -> Result<Option<Authority<'a>>, Rejection> {
    let invalid = |detail| Rejection::new(Reason::TargetInvalid, detail);
    let mut fields = request.headers.get_all(X_FORWARDED_HOST).iter();
    let Some(value) = fields.next() else {
        return Ok(None);
    };
    if fields.next().is_some() {
        return Err(invalid("more than one `X-Forwarded-Host` was sent"));
    }
    let text = value.to_str().map_err(|_| invalid("`X-Forwarded-Host` is not ASCII"))?;
    Authority::parse(text).map(Some).map_err(|_| invalid("`X-Forwarded-Host` is not one `host` or `host:port`"))
}
