//! Our own issuer at the gate: its tokens are proven with its own keys, and end when it says so.

use std::time::Duration;

use super::*;
use crate::config::{AuthorizationServer, Client, ClientAuthentication, Consent, GrantType, KeyOrigin, Signing};
use crate::oauth::{ClientRef, Scope, SigningAlgorithm, Subject};
use crate::token::mint::{
    AccessToken, GrantId, NewAccessToken, SigningKey, SigningKeyring, SigningKeys, Source, TokenSubject, UserClaims,
};
use crate::token::{OwnIssuer, Presented, Refused, Revocations};

const ISSUER: &str = "https://auth.example";

/// A gate for one API, with an issuer of its own whose client `app` is `web` at corp.
struct Own {
    config: config::Config,
    gate: Gate,
    keys: SigningKeyring,
    revocations: Arc<Revocations>,
    tokens: TokenCache,
}

impl Own {
    fn with(resource: &str) -> Self {
        let yaml = format!(
            "listen: 127.0.0.1:0\ntrusted_issuers:\n  corp: {{ issuer: https://corp.example, jwks: https://corp.example/jwks }}\n\
             resources:\n  https://api.example:\n    upstream: http://127.0.0.1:1/base\n    scopes: [read]\n{resource}"
        );
        let loaded = config::parse(&yaml, Path::new("gateway.yaml"), &Environment::default());
        let mut config = loaded.unwrap_or_else(|faults| panic!("{faults}")).config;
        let client = Client {
            id: "app".into(),
            grants: vec![GrantType::ClientCredentials],
            authentication: ClientAuthentication::None,
            resources: [].into(),
            default_resource: None,
            serves: None,
            exchange: [].into(),
            secret_method: None,
            known_as: [(config::IssuerId(0), "web".to_owned())].into(),
            name: None,
            redirect_uris: Vec::new(),
            consent: Consent::Ask,
            require_pushed_authorization_requests: false,
            disabled: false,
        };
        let server = AuthorizationServer {
            issuer: ISSUER.into(),
            url: url::Url::parse(ISSUER).unwrap(),
            access_token_lifetime: Duration::from_secs(300),
            code_lifetime: AuthorizationServer::CODE_LIFETIME,
            refresh_token_lifetime: AuthorizationServer::REFRESH_TOKEN_LIFETIME,
            session_lifetime: AuthorizationServer::SESSION_LIFETIME,
            login: None,
            exchange_depth: 4,
            development_tokens: false,
            signing: Signing {
                algorithm: SigningAlgorithm::Es256,
                keys: KeyOrigin::Files(Vec::new()),
                encryption: None,
            },
            clients: vec![client],
        };
        let (key, _) = SigningKey::generate(SigningAlgorithm::Es256).unwrap();
        let signing = SigningKeys::new(key, Vec::new(), Vec::new()).unwrap();
        let fetcher = Fetcher::new(None).unwrap();
        let keys = SigningKeyring::new(server.as_trusted_issuer(), fetcher.clone(), signing).unwrap();
        config.issuer = Some(server);
        let revocations = Arc::<Revocations>::default();
        let own = OwnIssuer { keyring: Arc::clone(keys.verifying()), revocations: Arc::clone(&revocations) };
        let corp = Keyring::new(config.trusted_issuers[0].clone(), fetcher);
        let gate = Gate::new(&config, vec![corp], Some(own)).unwrap();
        Self { config, gate, keys, revocations, tokens: TokenCache::new(1 << 20).unwrap() }
    }

    fn minted(&self, client: &str, root: GrantId) -> (String, String) {
        let scopes = [Scope::parse("read").unwrap()];
        let new = NewAccessToken {
            issuer: ISSUER,
            subject: TokenSubject::Named(Subject { issuer: None, value: "corp|alice" }),
            client: ClientRef { issuer: None, id: client },
            scopes: &scopes,
            now: NOW,
            lifetime: Duration::from_secs(300),
            source: Source::Grant(root),
            login: None,
            actor: None,
            user_claims: &UserClaims::default(),
        };
        let minted = AccessToken::new(&self.config.resources[0], &new).unwrap();
        let minted = minted.sign(&self.keys.load(), SigningAlgorithm::Es256).unwrap();
        (minted.expose().to_owned(), minted.access_token().jti().to_owned())
    }

    fn ask(&self, token: &str) -> Decision {
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static("api.example"));
        headers.insert("authorization", HeaderValue::from_str(&format!("Bearer {token}")).unwrap());
        let request = RequestView {
            method: &Method::GET,
            target: b"/",
            uri_authority: None,
            headers: &headers,
            connection: ConnectionFacts { peer: [127, 0, 0, 1].into(), own_port: 443, tls: true },
            keys_awaited: false,
        };
        self.gate.decide(&request, &self.tokens, NOW)
    }

    fn refused(&self, token: &str) -> Option<Reason> {
        reason(self.ask(token))
    }
}

fn root() -> GrantId {
    GrantId::generate().unwrap()
}

#[test]
fn a_token_of_our_own_opens_its_api_and_tells_its_names_as_they_are() {
    let own = Own::with("    identity_headers: { X-User: sub, X-Client: client_id, X-Scope: scope }\n");
    let Decision::Forward(permit) = own.ask(&own.minted("app", root()).0) else { panic!("the token is good") };
    let headers = permit.identity_headers(&own.gate).collect::<Vec<_>>();
    let shown: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    assert_eq!(shown, [("x-user", "corp|alice"), ("x-client", "app"), ("x-scope", "read")]);
}

#[test]
fn a_resource_may_keep_tokens_of_our_own_out() {
    let own = Own::with("    issuers: { own: false, corp: {} }\n");
    assert_eq!(own.refused(&own.minted("app", root()).0), Some(Reason::IssuerUntrusted));
}

#[test]
fn a_token_that_was_taken_back_opens_nothing_more() {
    let own = Own::with("");
    let root = root();
    let ((one, jti), (other, _)) = (own.minted("app", root), own.minted("app", root));
    assert_eq!((own.refused(&one), own.refused(&other)), (None, None));
    own.revocations.add(&jti, Timestamp(NOW.0 + 300));
    assert_eq!((own.refused(&one), own.refused(&other)), (Some(Reason::TokenRevoked), None));
    own.revocations.add(&root.to_string(), Timestamp(NOW.0 + 300));
    assert_eq!(own.refused(&other), Some(Reason::TokenRevoked));
    assert_eq!(own.refused(&own.minted("app", self::root()).0), None);
}

#[test]
fn a_client_is_let_in_by_any_of_its_names() {
    for (allowed, is_let_in) in [("app", true), ("\"corp|web\"", true), ("other", false), ("\"corp|app\"", false)] {
        let own = Own::with(&format!("    allowed_clients: [{allowed}]\n"));
        let expected = (!is_let_in).then_some(Reason::ClientNotAllowed);
        assert_eq!(own.refused(&own.minted("app", root()).0), expected, "{allowed}");
    }
}

#[test]
fn keys_that_rotate_take_the_old_tokens_with_them_only_when_they_go() {
    let own = Own::with("");
    let (token, _) = own.minted("app", root());
    let old = own.keys.load().key(SigningAlgorithm::Es256).unwrap().public_jwk().clone();
    let next = || SigningKey::generate(SigningAlgorithm::Es256).unwrap().0;
    own.keys.replace(SigningKeys::new(next(), Vec::new(), vec![old]).unwrap()).unwrap();
    assert_eq!((own.refused(&token), own.refused(&own.minted("app", root()).0)), (None, None));
    own.keys.replace(SigningKeys::new(next(), Vec::new(), Vec::new()).unwrap()).unwrap();
    assert_eq!(own.refused(&token), Some(Reason::KeyUnknown));
}

#[test]
fn a_token_that_is_asked_about_is_proven_without_leeway_at_its_end() {
    let own = Own::with("");
    let (token, jti) = own.minted("app", root());
    let ask = |now: u64| {
        let presented = Presented { compact: &token, now: Timestamp(now), keys_awaited: true };
        let target = config::ResourceId(0);
        let reason = |refused| match refused {
            Refused::Rejected { rejection, .. } => Some(rejection.reason),
            Refused::AwaitKeys(_) => None,
        };
        let exchange = own.gate.prove_for_exchange(target, &presented, &own.tokens).map_err(reason);
        let own = own.gate.prove_own(&presented, &own.tokens).map_err(reason);
        (exchange.err().flatten(), own.err().flatten())
    };
    let both = |reason| (Some(reason), Some(reason));
    assert_eq!(ask(NOW.0), (None, None));
    assert_eq!(ask(NOW.0 + 300), both(Reason::TokenExpired));
    assert_eq!(ask(NOW.0 - 30), (None, None), "a clock may be a little behind");
    assert_eq!(ask(NOW.0 - 31), both(Reason::TokenNotYetValid));
    own.revocations.add(&jti, Timestamp(NOW.0 + 300));
    assert_eq!(ask(NOW.0), both(Reason::TokenRevoked));
}
