//! Tokens that an operator makes: each refusal is one step away from a token.

use super::*;
use crate::oauth::OAuthError;

const FREE_KEY: &str = "https://free.example.com";

/// A world in which the line is written, and corp and another issuer are the only ones that are trusted.
fn open() -> World {
    let mut world = World::new();
    world.server.development_tokens = true;
    world.config.trusted_issuers.truncate(2);
    world.config.resources.iter_mut().for_each(|resource| resource.issuers.retain(|entry| entry.issuer.0 < 2));
    world
}

/// What is good: corp's alice reads at the first API.
fn good() -> DevelopmentToken {
    DevelopmentToken { resource: ONE.into(), scope: Some("read".into()), sub: "corp|alice".into(), client_id: None }
}

fn ask(world: &World, wanted: &DevelopmentToken) -> Result<Grant, DevelopmentFault> {
    development_token(&world.policy(), wanted)
}

fn fault(wanted: &DevelopmentToken) -> DevelopmentFault {
    ask(&open(), wanted).unwrap_err()
}

fn for_sub(sub: &str) -> DevelopmentToken {
    DevelopmentToken { sub: sub.into(), ..good() }
}

fn for_scope(scope: &str) -> DevelopmentToken {
    DevelopmentToken { scope: Some(scope.into()), ..good() }
}

fn for_resource(resource: &str) -> DevelopmentToken {
    DevelopmentToken { resource: resource.into(), scope: None, ..good() }
}

fn by_client(client: &str) -> DevelopmentToken {
    DevelopmentToken { client_id: Some(client.into()), ..good() }
}

fn one() -> crate::oauth::ResourceIndicator {
    crate::oauth::ResourceIndicator::parse(ONE).unwrap()
}

#[test]
fn it_is_as_any_other_token_but_for_its_subject() {
    let world = open();
    let grant = ask(&world, &for_resource("HTTPS://API1.example.com:443/")).unwrap();
    assert_eq!((grant.resource(), grant.audience().as_str()), (API1, ONE));
    assert_eq!((grant.client().to_string(), grant.subject().to_string()), ("app".into(), "corp|alice".into()));
    assert_eq!(grant.scopes(), &scopes(&["read", "write"]), "all that need no value");
    assert_eq!((grant.act(), grant.root(), grant.expires_no_later_than()), (&[][..], None, None));
    assert!(grant.user_claims() == &Default::default());
    let now = Timestamp(1_000);
    let (first, second) = (grant.access_token(&world.policy(), now), grant.access_token(&world.policy(), now));
    assert_ne!(first.unwrap().root(), second.unwrap().root(), "each begins a grant of its own");
}

#[test]
fn it_lives_as_long_as_the_resource_says() {
    let mut world = open();
    assert_eq!(world.end(&ask(&world, &good()).unwrap(), 1_000), 1_300);
    world.config.resources[0].access_token_lifetime = Some(Duration::from_secs(60));
    assert_eq!(world.end(&ask(&world, &good()).unwrap(), 1_000), 1_060);
}

#[test]
fn a_line_of_configuration_opens_it() {
    let mut world = open();
    assert!(ask(&world, &good()).is_ok());
    world.server.development_tokens = false;
    let fault = ask(&world, &good()).unwrap_err();
    assert_eq!((&fault, fault.error()), (&DevelopmentFault::Off, OAuthError::UnauthorizedClient));
}

#[test]
fn a_resource_is_named_as_clients_name_it() {
    for name in ["https://api1.example.com/x", "http://api1.example.com", "https://nobody.example", "api1", ""] {
        assert_eq!(fault(&for_resource(name)), DevelopmentFault::ResourceUnknown, "{name}");
    }
    for name in ["https://public.example.com", "https://elsewhere.example.com"] {
        assert!(matches!(fault(&for_resource(name)), DevelopmentFault::ResourceClosed(_)), "{name}");
    }
}

#[test]
fn the_only_client_with_that_resource_is_meant() {
    let mut world = open();
    assert_eq!(ask(&world, &for_resource(TWO)).unwrap().client().to_string(), "app");
    world.server.clients.push(Client { resources: app().resources, ..client("second") });
    let clients = vec!["app".to_owned(), "second".to_owned()];
    let several = DevelopmentFault::ClientAmbiguous { resource: one(), clients };
    let told = several.to_string();
    assert_eq!(ask(&world, &good()), Err(several));
    assert!(told.ends_with("so one must be named: `app`, `second`"), "{told}");
    assert_eq!(ask(&world, &by_client("second")).unwrap().client().to_string(), "second");
    world.server.clients[0].disabled = true;
    assert_eq!(ask(&world, &good()).unwrap().client().to_string(), "second");
}

#[test]
fn a_resource_in_nobodys_matrix_has_no_such_token() {
    for name in [FREE_KEY, "https://vetoed.example.com"] {
        assert!(matches!(fault(&for_resource(name)), DevelopmentFault::NobodyThere(_)), "{name}");
    }
    let mut world = open();
    world.server.clients[0].resources.insert(VETOED, Vec::new());
    let vetoed = for_resource("https://vetoed.example.com");
    assert!(matches!(ask(&world, &vetoed), Err(DevelopmentFault::NobodyThere(_))), "the owner's veto");
    world.server.clients[0].resources.insert(FREE, Vec::new());
    let grant = ask(&world, &for_resource(FREE_KEY)).unwrap();
    assert_eq!(grant.scopes(), &scopes(&[]), "it declares none");
}

#[test]
fn a_client_that_is_named_must_have_the_resource() {
    assert!(ask(&open(), &by_client("app")).is_ok());
    assert_eq!(fault(&by_client("nobody")), DevelopmentFault::ClientUnknown);
    assert_eq!(fault(&by_client("corp|app")), DevelopmentFault::ClientUnknown);
    // An edge of exchange is no right of its own.
    assert_eq!(fault(&by_client("onward")), DevelopmentFault::ClientElsewhere(one()));
    let mut world = open();
    world.server.clients[0].disabled = true;
    assert_eq!(ask(&world, &by_client("app")), Err(DevelopmentFault::ClientDisabled));
    let mut world = open();
    world.config.resources[0].allowed_clients = Some(Vec::new());
    assert_eq!(ask(&world, &by_client("app")), Err(DevelopmentFault::ClientElsewhere(one())));
}

#[test]
fn it_stands_for_a_login_so_the_clients_grants_and_proof_do_not_matter() {
    let mut world = open();
    world.server.clients[0].grants.clear();
    world.server.clients[0].authentication = ClientAuthentication::None;
    assert!(ask(&world, &good()).is_ok());
}

#[test]
fn scopes_are_the_clients_own_and_the_resources() {
    let granted = |wanted| ask(&open(), &wanted).unwrap().scopes().clone();
    assert_eq!(granted(for_scope("read transaction:7")), scopes(&["read", "transaction:7"]));
    for scope in ["reports", "transaction:{id}", "transaction:", "Read", "read reports"] {
        assert!(matches!(fault(&for_scope(scope)), DevelopmentFault::ScopeNotAvailable { .. }), "{scope}");
    }
    for scope in ["", " ", "read  write", "read ", "a\"b"] {
        assert_eq!(fault(&for_scope(scope)), DevelopmentFault::ScopeMalformed, "{scope}");
    }
    let mut world = open();
    // The API declares it, and the client does not have it.
    world.server.clients[0].resources.insert(API1, patterns(&["read", "transaction:{id}"]));
    let told = ask(&world, &for_scope("write")).unwrap_err().to_string();
    let expected = "the client `app` can have these scopes at `https://api1.example.com`, and no others: `read`, \
                    `transaction:{id}`";
    assert_eq!(told, expected);
    // The client has it, and the API declares it no more.
    world.server.clients[0].resources.insert(API1, patterns(&["reports"]));
    assert!(matches!(ask(&world, &for_scope("reports")), Err(DevelopmentFault::ScopeNotAvailable { .. })));
    world.server.clients[0].resources.insert(API1, patterns(&["transaction:{id}"]));
    assert!(matches!(ask(&world, &for_resource(ONE)), Err(DevelopmentFault::ScopeNotAvailable { .. })));
}

#[test]
fn a_subject_reads_like_nobody_else() {
    let printed = |sub: &str| ask(&open(), &for_sub(sub)).unwrap().subject().to_string();
    for sub in ["corp|alice", "other|alice", "alice", "corp|auth0|42", "corp|app", "corp|other|alice", "Ä"] {
        assert_eq!(printed(sub), sub);
    }
    let unknown = DevelopmentFault::SubjectIssuerUnknown(vec!["corp".into(), "other".into()]);
    for sub in ["nobody|alice", "Corp|alice", "|alice", "own|alice", "auth0|42", "https://login.example.com|alice"] {
        assert_eq!(fault(&for_sub(sub)), unknown, "{sub}");
    }
    assert!(unknown.to_string().ends_with("these are: `corp`, `other`"));
    assert_eq!(fault(&for_sub("app")), DevelopmentFault::SubjectAmbiguous, "a client of ours");
    let (longest, too_long) = ("x".repeat(255), "x".repeat(256));
    assert_eq!(printed(&longest), longest);
    for sub in ["", "corp|", "a\nb", "corp|a\u{7f}", too_long.as_str()] {
        assert_eq!(fault(&for_sub(sub)), DevelopmentFault::SubjectMalformed, "{sub:?}");
    }
}

#[test]
fn a_subject_of_the_plain_issuer_is_printed_alone_and_written_with_its_name() {
    let mut world = World::new();
    world.server.development_tokens = true;
    let printed = |sub: &str| ask(&world, &for_sub(sub)).map(|grant| grant.subject().to_string());
    assert_eq!(printed("plain|alice"), Ok("alice".into()));
    assert_eq!(printed("corp|alice"), Ok("corp|alice".into()));
    assert_eq!(printed("alice"), Err(DevelopmentFault::SubjectOfPlainIssuer("plain".into())));
    for sub in ["plain|corp|alice", "plain|app"] {
        assert_eq!(printed(sub), Err(DevelopmentFault::SubjectAmbiguous), "{sub}");
    }
}

#[test]
fn no_fault_tells_what_was_sent() {
    let secret = "hunter2";
    for wanted in [for_resource(secret), for_scope(secret), by_client(secret), for_sub("hunter2|x")] {
        assert!(!fault(&wanted).to_string().contains(secret));
    }
}

#[test]
fn a_request_is_read_whole_or_not_at_all() {
    let read = |text: &str| serde_json::from_str::<DevelopmentToken>(text);
    assert!(read(r#"{"resource":"urn:a","sub":"alice"}"#).is_ok());
    for text in [r#"{"resource":"urn:a"}"#, r#"{"sub":"alice"}"#, r#"{"resource":"urn:a","sub":"alice","act":"b"}"#] {
        assert!(read(text).is_err(), "{text}");
    }
}
