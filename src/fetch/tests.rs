//! Every bound of a fetch, each against a server that breaks it.

use super::loopback::{Loopback, Reply};
use super::*;

fn fetcher() -> Fetcher {
    Fetcher::new(None).unwrap()
}

/// What fetching a document from a server that replies so ends in.
async fn fetched(reply: Reply) -> Result<Fetched, FetchFault> {
    let server = Loopback::start(move |_| reply.clone()).await;
    fetcher().fetch(&server.at("/doc"), None).await.map_err(|error| error.fault)
}

#[tokio::test]
async fn brings_the_body_and_how_long_it_is_fresh() {
    let reply = Reply::ok("{}").with("Cache-Control: public, max-age=600");
    let expected = Fetched { body: b"{}".to_vec(), max_age: Some(Duration::from_secs(600)) };
    assert_eq!(fetched(reply).await, Ok(expected));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let server = Loopback::start(|path| match path {
        "/doc" => Reply::status(302).with("Location: /other"),
        _ => Reply::ok("{}"),
    })
    .await;
    let error = fetcher().fetch(&server.at("/doc"), None).await.unwrap_err();
    assert_eq!((error.fault, server.count("/other")), (FetchFault::Redirect(302), 0));
}

#[tokio::test]
async fn every_status_but_200_is_refused() {
    for status in [201, 204, 206, 400, 401, 404, 429, 500, 503] {
        assert_eq!(fetched(Reply::status(status)).await, Err(FetchFault::Status(status)));
    }
}

#[tokio::test]
async fn a_body_up_to_the_bound_is_read_and_none_beyond() {
    let whole = fetched(Reply::ok(vec![b' '; BODY_BYTES])).await.unwrap();
    assert_eq!(whole.body.len(), BODY_BYTES);
    assert_eq!(fetched(Reply::ok(vec![b' '; BODY_BYTES + 1])).await, Err(FetchFault::TooLong));
    assert_eq!(fetched(Reply::Flood).await, Err(FetchFault::TooLong));
}

#[tokio::test]
async fn silence_and_dripping_end_with_the_patience() {
    for reply in [Reply::Silence, Reply::Drip] {
        let server = Loopback::start(move |_| reply.clone()).await;
        let fetcher = Fetcher::impatient(Duration::from_millis(100));
        let error = fetcher.fetch(&server.at("/doc"), None).await.unwrap_err();
        assert_eq!(error.fault, FetchFault::Timeout);
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_refused() {
    let short = Reply::ok("{}").with("Content-Length: 9");
    assert_eq!(fetched(short).await, Err(FetchFault::Interrupted));
}

#[tokio::test]
async fn nobody_there_is_no_connection() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).unwrap();
    let url = Url::parse(&format!("http://{closed}/doc")).unwrap();
    assert_eq!(fetcher().fetch(&url, None).await.unwrap_err().fault, FetchFault::Connection);
}

#[tokio::test]
async fn a_credential_goes_along_as_bearer_token() {
    let server = Loopback::start(|_| Reply::ok("{}")).await;
    fetcher().fetch(&server.at("/doc"), Some(&Secret::new("s3cret"))).await.unwrap();
    fetcher().fetch(&server.at("/doc"), None).await.unwrap();
    let requests = server.requests();
    assert!(requests[0].contains("authorization: Bearer s3cret\r\n"));
    assert!(!requests[1].to_lowercase().contains("authorization"));
}

#[tokio::test]
async fn no_error_shows_a_credential_or_a_query() {
    let server = Loopback::start(|_| Reply::status(401)).await;
    let mut url = server.at("/doc?key=hidden#hidden");
    url.set_username("hidden").unwrap();
    for credential in ["s3cret", "s3cret\n"] {
        let error = fetcher().fetch(&url, Some(&Secret::new(credential))).await.unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("hidden") && !shown.contains("s3cret"), "{shown}");
        assert!(error.to_string().starts_with(&format!("`{}`: ", server.at("/doc"))), "{error}");
    }
    let nobody = Url::parse("http://127.0.0.1:1/doc?key=hidden").unwrap();
    let error = fetcher().fetch(&nobody, None).await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("hidden"));
}

#[tokio::test]
async fn tls_is_trusted_by_the_configured_root_only() {
    let (server, pem) = Loopback::start_tls(|_| Reply::ok("{}")).await;
    let error = fetcher().fetch(&server.at("/doc"), None).await.unwrap_err();
    assert_eq!(error.fault, FetchFault::Connection);
    let trusting = Fetcher::new(Some(pem.as_bytes())).unwrap();
    assert_eq!(trusting.fetch(&server.at("/doc"), None).await.unwrap().body, b"{}");
}

#[test]
fn trust_without_a_certificate_is_refused() {
    for pem in ["", "no PEM", "-----BEGIN CERTIFICATE-----\nAAAA\n"] {
        assert!(matches!(Fetcher::new(Some(pem.as_bytes())), Err(InvalidTrust::NoCertificate)), "{pem}");
    }
    let odd = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(matches!(Fetcher::new(Some(odd.as_bytes())), Err(InvalidTrust::Root(_))));
}

#[test]
fn freshness_is_read_as_written() {
    let fresh = |lines: &[(&'static str, &'static str)]| {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        max_age(&headers).map(|age| age.as_secs())
    };
    assert_eq!(fresh(&[]), None);
    assert_eq!(fresh(&[("cache-control", "public")]), None);
    assert_eq!(fresh(&[("cache-control", "Max-Age=\"90\", public")]), Some(90));
    assert_eq!(fresh(&[("cache-control", "s-maxage=5, max-age=90")]), Some(90));
    assert_eq!(fresh(&[("cache-control", "max-age=90, no-store")]), Some(0));
    assert_eq!(fresh(&[("cache-control", "no-cache")]), Some(0));
    assert_eq!(fresh(&[("cache-control", "max-age=90"), ("cache-control", "max-age=30")]), Some(30));
    assert_eq!(fresh(&[("cache-control", "max-age=90"), ("age", "60")]), Some(30));
    assert_eq!(fresh(&[("cache-control", "max-age=90"), ("age", "600")]), Some(0));
    assert_eq!(fresh(&[("cache-control", "max-age=-1")]), Some(0));
    assert_eq!(fresh(&[("cache-control", "max-age=")]), Some(0));
    assert_eq!(fresh(&[("cache-control", "max-age=99999999999999999999999")]), Some(u64::MAX));
}

#[test]
fn a_client_is_encoded_before_it_is_joined() {
    let value = basic("my app", &Secret::new("a:b&c%"));
    assert_eq!(value, format!("Basic {}", STANDARD.encode("my+app:a%3Ab%26c%25")));
    assert!(value.is_sensitive());
}

#[test]
fn of_a_refusal_the_code_is_repeated_and_nothing_else() {
    assert_eq!(oauth_error(br#"{"error":"invalid_grant","error_description":"x"}"#), Some(OAuthError::InvalidGrant));
    for body in [&br#"{"error":"<script>"}"#[..], br#"{"error":7}"#, b"{}", b"invalid_grant"] {
        assert_eq!(oauth_error(body), None);
    }
}
