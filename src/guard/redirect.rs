//! The decision of a listener that serves nothing: to the same URL over TLS, or a refusal.
//!
//! Only bytes that were judged are sent back, only to hosts of this gateway, and at the port that the configuration
//! names (RFC 9110 §15.4.9). A credential that comes here was readable on its way; to redirect it in silence would keep
//! the client doing that (RFC 6750 §5.3), so it is refused. Deliberately absent: every way to a route, to a token's
//! verification and to a permit.

use bytes::Bytes;
use http::header::{AUTHORIZATION, CACHE_CONTROL, LOCATION};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::address::Address;
use super::credential::refuse_query_token;
use super::decide::refuse;
use super::{Answer, Denial, Document, Gate, RequestView};
use crate::oauth::{Reason, Rejection};
use crate::route::{Authority, Lookup};

/// The port of `https` URLs that name none (RFC 9110 §4.2.2).
const HTTPS_PORT: u16 = 443;

impl Gate {
    /// Sends a request to the same URL over TLS, at `https_port`.
    ///
    /// # Errors
    ///
    /// A refusal: the target has more than one reading, the request carries a credential, or no resource of this
    /// gateway has the host. The port that the request came by does not count; the one it is sent to does.
    pub fn redirect(&self, request: &RequestView<'_>, https_port: u16) -> Result<Document, Denial> {
        let trusts_peer = self.trusts_proxy(request.connection.peer);
        let Address { target, authority } =
            Address::of(request, trusts_peer).map_err(|refusal| refuse(refusal, None))?;
        let in_query = refuse_query_token(target.query(), request.headers).is_err();
        if in_query || request.headers.contains_key(AUTHORIZATION) {
            let detail = "a credential was sent to a listener that only redirects; whoever issued it should revoke it";
            return Err(Rejection::new(Reason::TransportInsecure, detail).into());
        }
        if !self.has_host(&authority.at_port(https_port), https_port, target.path()) {
            return Err(Denial::new(Reason::HostUnknown, None));
        }
        let host = authority.host().to_ascii_lowercase();
        let port = if https_port == HTTPS_PORT { String::new() } else { format!(":{https_port}") };
        let query = target.query().map(|query| format!("?{query}")).unwrap_or_default();
        let location = format!("https://{host}{port}{}{query}", target.path());
        let location = HeaderValue::from_str(&location).map_err(|_| Denial::new(Reason::Internal, None))?;
        let mut headers = HeaderMap::new();
        headers.insert(LOCATION, location);
        // A redirection that is stored outlives the configuration that it came from.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(Document::new(Answer { status: StatusCode::PERMANENT_REDIRECT, headers, body: Bytes::new() }))
    }

    /// Whether a resource, the metadata document of one, or our own issuer lies at this authority; where there does not matter.
    fn has_host(&self, authority: &Authority<'_>, own_port: u16, path: &str) -> bool {
        let tables = [&self.tables.routes, &self.tables.documents];
        let is_issuers = self.tables.issuer.find(authority, own_port, path.as_bytes()) != Lookup::UnknownHost;
        is_issuers
            || tables.into_iter().any(|table| table.find(authority, own_port, path.as_bytes()) != Lookup::UnknownHost)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use http::header::HOST;
    use http::{HeaderName, Method};

    use super::*;
    use crate::config::{Environment, parse};
    use crate::guard::ConnectionFacts;

    const PROXY: &str = "192.0.2.9";

    fn gate() -> Gate {
        let yaml = "
            listen: 127.0.0.1:0
            trusted_proxies: [192.0.2.9]
            resources:
              https://api.example/v1: { public: true, upstream: http://127.0.0.1:9001 }
              https://two.example: { public: true, upstream: http://127.0.0.1:9001 }
              https://two.example:8443: { public: true, upstream: http://127.0.0.1:9001 }
            issuer: { url: https://auth.example/t1 }
        ";
        let loaded = parse(yaml, Path::new("gateway.yaml"), &Environment::of_process()).unwrap();
        Gate::new(&loaded.config, Vec::new(), None).unwrap()
    }

    /// Where a request is sent, or why not.
    fn asked(peer: &str, target: &str, fields: &[(HeaderName, &str)], https_port: u16) -> Result<String, Reason> {
        let headers: HeaderMap =
            fields.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap())).collect();
        let connection = ConnectionFacts { peer: peer.parse().unwrap(), own_port: 80, tls: false };
        let request = RequestView {
            method: &Method::POST,
            target: target.as_bytes(),
            uri_authority: None,
            headers: &headers,
            connection,
            keys_awaited: false,
        };
        match gate().redirect(&request, https_port) {
            Ok(document) => {
                let answer = document.answer();
                assert_eq!((answer.status.as_u16(), answer.headers.len()), (308, 2));
                Ok(answer.headers[LOCATION].to_str().unwrap().to_owned())
            }
            Err(denial) => Err(denial.reason),
        }
    }

    fn redirected(host: &str, target: &str, https_port: u16) -> Result<String, Reason> {
        asked("192.0.2.1", target, &[(HOST, host)], https_port)
    }

    #[test]
    fn a_host_of_a_resource_is_sent_to_the_same_url_over_tls() {
        for (host, target, https_port, location) in [
            ("api.example", "/v1/a?b=c%20d", 443, "https://api.example/v1/a?b=c%20d"),
            ("API.example:80", "/v1", 443, "https://api.example/v1"),
            ("api.example:8080", "/elsewhere;x?", 443, "https://api.example/elsewhere;x?"),
            ("api.example", "/v1", 8443, "https://api.example:8443/v1"),
            ("two.example", "/", 8443, "https://two.example:8443/"),
            ("auth.example", "/t1/jwks", 443, "https://auth.example/t1/jwks"),
        ] {
            assert_eq!(redirected(host, target, https_port).as_deref(), Ok(location), "{host} {target}");
        }
    }

    #[test]
    fn another_host_is_not() {
        for host in ["evil.example", "api.example.evil.example", "127.0.0.1", "api.example."] {
            assert_eq!(redirected(host, "/v1", 443), Err(Reason::HostUnknown), "{host}");
        }
        assert_eq!(redirected("two.example", "/", 9443), Err(Reason::HostUnknown), "nothing is served at that port");
    }

    #[test]
    fn what_has_two_readings_is_not() {
        for target in ["//evil.example", "/v1/..", "/v1/%2e%2e", "http://api.example/v1", "/a\\b", "*"] {
            assert_eq!(redirected("api.example", target, 443), Err(Reason::TargetInvalid), "{target}");
        }
        for host in ["a@api.example", "api.example:x", "api.example/", ""] {
            assert_eq!(redirected(host, "/v1", 443), Err(Reason::TargetInvalid), "{host}");
        }
        let twice = [(HOST, "api.example"), (HOST, "api.example")];
        assert_eq!(asked("192.0.2.1", "/v1", &twice, 443), Err(Reason::TargetInvalid));
    }

    #[test]
    fn a_credential_is_refused_whatever_it_is() {
        for value in ["Bearer a.b.c", "Basic YTpi", ""] {
            let fields = [(HOST, "api.example"), (AUTHORIZATION, value)];
            assert_eq!(asked("192.0.2.1", "/v1", &fields, 443), Err(Reason::TransportInsecure), "{value}");
        }
        for target in ["/v1?access_token=x", "/v1?a=b&access%5Ftoken=x"] {
            assert_eq!(redirected("api.example", target, 443), Err(Reason::TransportInsecure), "{target}");
        }
    }

    #[test]
    fn only_a_trusted_proxy_names_another_host() {
        let forwarded = HeaderName::from_static("x-forwarded-host");
        let fields = [(HOST, "gate.internal"), (forwarded, "api.example")];
        assert_eq!(asked(PROXY, "/v1", &fields, 443).as_deref(), Ok("https://api.example/v1"));
        assert_eq!(asked("192.0.2.1", "/v1", &fields, 443), Err(Reason::HostUnknown));
    }
}
