//! Who may ask what of the operators' listener.
//!
//! A browser can be made to send requests to an address that only its user reaches. Two things tell them apart from an
//! operator's: the page's origin, and the name that the attacker's server is called by. Both are checked before
//! anything is answered.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::Response;

use super::{Asked, told};
use crate::config::Admin;
use crate::route::Authority;

/// Refuses what comes under a foreign name, or from a foreign page.
pub(super) async fn refuse_strangers(State(asked): State<Asked>, request: Request, next: Next) -> Response {
    let snapshot = asked.desk.current.load();
    let hosts = snapshot.config.admin.as_ref().map_or(&[][..], |admin| &admin.hosts);
    // A target that names an authority itself would count more than `Host` (RFC 9112 §3.2.2); no operator sends one.
    let is_absolute = request.uri().authority().is_some();
    let Some(authority) = own_authority(request.headers(), hosts).filter(|_| !is_absolute) else {
        return told(StatusCode::MISDIRECTED_REQUEST, "this host is not served here");
    };
    if is_foreign_page(request.headers(), authority) {
        return told(StatusCode::FORBIDDEN, "pages of other origins have no business here");
    }
    next.run(request).await
}

/// Asks for `admin.token`, unless only this machine can ask.
pub(super) async fn require_token(State(asked): State<Asked>, request: Request, next: Next) -> Response {
    let snapshot = asked.desk.current.load();
    if asked.is_loopback || has_token(request.headers(), snapshot.config.admin.as_ref()) {
        return next.run(request).await;
    }
    let mut response = told(StatusCode::UNAUTHORIZED, "this needs `admin.token`");
    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"admin\""));
    response
}

/// The one host that was asked for, if it is an address, `localhost`, or one of `hosts`.
fn own_authority<'a>(headers: &'a HeaderMap, hosts: &[String]) -> Option<&'a str> {
    let mut fields = headers.get_all(HOST).iter();
    let text = fields.next()?.to_str().ok().filter(|_| fields.next().is_none())?;
    let host = Authority::parse(text).ok()?.host();
    let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok();
    let named = host.eq_ignore_ascii_case("localhost") || hosts.iter().any(|known| known.eq_ignore_ascii_case(host));
    (literal || named).then_some(text)
}

fn is_foreign_page(headers: &HeaderMap, authority: &str) -> bool {
    let mut origins = headers.get_all(ORIGIN).iter();
    origins.any(|origin| {
        let origin = origin.to_str().unwrap_or("null");
        let host = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        !host.is_some_and(|host| host.eq_ignore_ascii_case(authority))
    })
}

fn has_token(headers: &HeaderMap, admin: Option<&Admin>) -> bool {
    let Some(token) = admin.and_then(|admin| admin.token.as_ref()) else {
        return false;
    };
    let mut fields = headers.get_all(AUTHORIZATION).iter();
    let (Some(field), None) = (fields.next(), fields.next()) else {
        return false;
    };
    let field = field.as_bytes();
    field.len() > 7 && field[..7].eq_ignore_ascii_case(b"bearer ") && token.matches(&field[7..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn only_addresses_localhost_and_named_hosts_are_ours() {
        let hosts = ["admin.internal".to_owned()];
        for host in ["127.0.0.1:9090", "[::1]:9090", "10.0.0.7", "localhost", "LOCALHOST:1", "Admin.internal:9090"] {
            let headers = headers(&[("host", host)]);
            assert_eq!(own_authority(&headers, &hosts), Some(host));
        }
        for host in ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "a@127.0.0.1", ""] {
            assert_eq!(own_authority(&headers(&[("host", host)]), &hosts), None, "{host}");
        }
        assert_eq!(own_authority(&headers(&[]), &hosts), None);
        assert_eq!(own_authority(&headers(&[("host", "localhost"), ("host", "localhost")]), &hosts), None);
    }

    #[test]
    fn a_page_of_another_origin_is_foreign() {
        let is_foreign = |origin| is_foreign_page(&headers(&[("origin", origin)]), "localhost:9090");
        assert!(!is_foreign("http://localhost:9090"));
        for origin in ["http://localhost", "http://evil.example", "null", "", "localhost:9090"] {
            assert!(is_foreign(origin), "{origin}");
        }
        assert!(!is_foreign_page(&headers(&[]), "localhost:9090"));
    }

    #[test]
    fn the_token_is_one_and_exact() {
        let token = Some(Secret::new("s3cret"));
        let admin = Admin { address: "192.0.2.1:9090".parse().unwrap(), token, hosts: Vec::new() };
        let opens = |fields: &[(&'static str, &'static str)]| has_token(&headers(fields), Some(&admin));
        assert!(opens(&[("authorization", "Bearer s3cret")]) && opens(&[("authorization", "bearer s3cret")]));
        for value in ["Bearer s3cre", "Bearer s3cret ", "Basic s3cret", "s3cret", "Bearer "] {
            assert!(!opens(&[("authorization", value)]), "{value}");
        }
        assert!(!opens(&[]) && !opens(&[("authorization", "Bearer s3cret"), ("authorization", "Bearer s3cret")]));
        let without = Admin { token: None, ..admin.clone() };
        assert!(!has_token(&headers(&[("authorization", "Bearer ")]), Some(&without)));
        assert!(!has_token(&headers(&[("authorization", "Bearer s3cret")]), None));
    }
}
