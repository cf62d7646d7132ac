use std::sync::Arc;
use std::time::Instant;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::runtime::Handle;
use tokio::task::{JoinSet, block_in_place, yield_now};
use tokio_postgres::NoTls;

use super::*;
use crate::config::{Config, Environment, StoreLocation, parse};
use crate::store::conformance::{Bench, conforms};

#[path = "../../../tests/postgres/cluster.rs"]
mod cluster;

use cluster::{Cluster, PASSWORD};

/// What `store: URL` means.
fn database_at(url: &str) -> Database {
    let text = format!(
        "listen: 127.0.0.1:0\nresources: {{ https://api.example: {{ upstream: http://127.0.0.1:1 }} }}\n\
         issuer: {{ url: https://auth.example, signing: {{ key_encryption: {} }} }}\nstore: \"{url}\"\n",
        "5a".repeat(32)
    );
    let loaded = parse(&text, std::path::Path::new("gateway.yaml"), &Environment::default());
    match loaded.unwrap_or_else(|faults| panic!("{faults}")).config {
        Config { store: Some(StoreLocation::Postgres(database)), .. } => *database,
        _ => panic!("{url} is no database"),
    }
}

async fn open(cluster: &Cluster) -> PostgresStore {
    PostgresStore::open(&database_at(&cluster.url("postgres")), None).await.unwrap()
}

async fn refusal(database: &Database, trusted_cas: Option<&[u8]>) -> String {
    let refusal = PostgresStore::open(database, trusted_cas).await.unwrap_err().to_string();
    assert!(!refusal.contains(PASSWORD), "{refusal}");
    refusal
}

fn revocation(name: &str) -> Revocation {
    Revocation { name: name.to_owned(), until: Timestamp(100) }
}

/// A session beside the store's.
async fn session(cluster: &Cluster) -> tokio_postgres::Client {
    let database = database_at(&cluster.url("postgres"));
    let mut config = tokio_postgres::Config::new();
    config.host(&database.host).port(database.port).user(&database.user).password(PASSWORD).dbname(&database.name);
    let (client, connection) = config.connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

struct Postgres(Cluster);

impl Bench for Postgres {
    fn fresh(_: &str) -> Self {
        Self(Cluster::start())
    }

    fn open(&self) -> Arc<dyn Store> {
        Arc::new(block_in_place(|| Handle::current().block_on(open(&self.0))))
    }
}

conforms!(Postgres);

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_is_not_committed_yet_is_not_stepped_over() {
    let cluster = Cluster::start();
    let store = Arc::new(open(&cluster).await);
    for ending in ["ROLLBACK", "COMMIT"] {
        let before = store.revocations_after(0).await.unwrap();
        let slow = session(&cluster).await;
        slow.batch_execute("BEGIN").await.unwrap();
        slow.execute(REVOKE, &[&format!("early, {ending}"), &100_i64]).await.unwrap();
        let quick = tokio::spawn({
            let store = Arc::clone(&store);
            async move { store.revoke(&revocation("late")).await }
        });
        let watching = session(&cluster).await;
        let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query = $1";
        while watching.query_one(waits, &[&REVOKE]).await.unwrap().get::<_, i64>(0) == 0 {
            assert!(!quick.is_finished(), "the later one must wait for the earlier one");
            yield_now().await;
        }
        assert_eq!(store.revocations_after(before.place).await.unwrap().revocations, [], "neither can be seen");
        slow.batch_execute(ending).await.unwrap();
        quick.await.unwrap().unwrap();
        let mut names = store.revocations_after(before.place).await.unwrap().revocations.into_iter().map(|it| it.name);
        if ending == "COMMIT" {
            assert_eq!(names.next().as_deref(), Some("early, COMMIT"));
        }
        assert_eq!((names.next().as_deref(), names.next()), (Some("late"), None));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_start_at_once_make_the_tables_once() {
    let cluster = Cluster::start();
    let database = database_at(&cluster.url("postgres"));
    let mut nodes = JoinSet::new();
    for _ in 0..6 {
        let database = database.clone();
        nodes.spawn(async move { PostgresStore::open(&database, None).await.map(|_| ()) });
    }
    for opened in nodes.join_all().await {
        opened.unwrap();
    }
    assert_eq!(cluster.sql("postgres", "SELECT number FROM narrowgate_migrations"), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_a_newer_program_is_left_alone() {
    let cluster = Cluster::start();
    drop(open(&cluster).await);
    cluster.sql("postgres", "INSERT INTO narrowgate_migrations VALUES (2)");
    let refused = refusal(&database_at(&cluster.url("postgres")), None).await;
    assert!(
        refused.ends_with(
            "it was written by a newer Narrowgate (form 2, and this one knows 1); start that one, or name another database"
        ),
        "{refused}"
    );
    cluster.sql("postgres", "DELETE FROM narrowgate_migrations WHERE number = 2");
    open(&cluster).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_finds_all_tables_needs_no_right_to_make_them() {
    let cluster = Cluster::start();
    let mut database = database_at(&cluster.url("postgres"));
    cluster.sql("postgres", &format!("CREATE ROLE node LOGIN PASSWORD '{PASSWORD}'"));
    database.user = "node".to_owned();
    let refused = refusal(&database, None).await;
    assert!(refused.contains("permission denied for schema public (42501)"), "{refused}");
    drop(open(&cluster).await);
    cluster.sql("postgres", "GRANT SELECT ON narrowgate_migrations TO node");
    cluster.sql(
        "postgres",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON narrowgate_key_ring, narrowgate_last_place, narrowgate_revocations, \
         narrowgate_used, narrowgate_codes, narrowgate_once, narrowgate_families, narrowgate_refresh_tokens TO node",
    );
    let store = PostgresStore::open(&database, None).await.unwrap();
    store.revoke(&revocation("root")).await.unwrap();
    assert!(store.mark_used("assertion", Timestamp(100)).await.unwrap());
    assert!(store.replace_key_ring(None, b"ring").await.unwrap());
    store.sweep(Timestamp(200)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn names_may_be_anything() {
    let cluster = Cluster::start();
    let store = open(&cluster).await;
    for name in ["a\0b", &"long".repeat(4000)] {
        assert!(store.mark_used(name, Timestamp(u64::MAX)).await.unwrap());
        assert!(!store.mark_used(name, Timestamp(1)).await.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_told_at_once_and_ends_by_itself() {
    let mut cluster = Cluster::start();
    let store = open(&cluster).await;
    store.revoke(&revocation("before")).await.unwrap();
    cluster.stop();
    let asked = Instant::now();
    for _ in 0..3 {
        let error = store.mark_used("assertion", Timestamp(100)).await.unwrap_err();
        assert!(matches!(error, StoreError::Unusable(_)) && !error.to_string().contains(PASSWORD), "{error}");
    }
    assert!(asked.elapsed() < PATIENCE, "{:?}", asked.elapsed());
    cluster.start_again();
    assert!(store.mark_used("assertion", Timestamp(100)).await.unwrap());
    assert_eq!(store.revocations_after(0).await.unwrap().revocations, [revocation("before")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verb_that_is_held_up_ends_within_seconds_and_does_nothing_later() {
    let cluster = Cluster::start();
    let store = open(&cluster).await;
    let holding = session(&cluster).await;
    holding.batch_execute("BEGIN; LOCK TABLE narrowgate_used").await.unwrap();
    let asked = Instant::now();
    let error = store.mark_used("assertion", Timestamp(100)).await.unwrap_err().to_string();
    assert!(error.contains("lock timeout") && asked.elapsed() < PATIENCE, "{error} after {:?}", asked.elapsed());
    holding.batch_execute("ROLLBACK").await.unwrap();
    assert!(store.mark_used("assertion", Timestamp(100)).await.unwrap(), "it was not marked behind our back");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_says_nothing_is_given_up() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let asked = Instant::now();
    let refused = refusal(&database_at(&format!("postgres://a@127.0.0.1:{port}/b")), None).await;
    assert!(refused.ends_with("it does not answer") && asked.elapsed() < 2 * PATIENCE, "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_told_without_it() {
    let cluster = Cluster::start();
    let url = cluster.url("postgres").replace("a-pass", "another-pass");
    let refused = refusal(&database_at(&url), None).await;
    assert!(refused.contains("password authentication failed") && !refused.contains("another-pass"), "{refused}");
}

/// A server with TLS for `localhost`, and the authority of its certificate.
fn with_tls() -> (Cluster, String) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let names = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let certificate = names.signed_by(&key, &authority).unwrap();
    let cluster = Cluster::start_with(|cluster| {
        let certificate = cluster.file("server.pem", &certificate.pem());
        let key = cluster.file("server.key", &key.serialize_pem());
        let file = |name: &str, path: &std::path::Path| format!("{name}={}", path.display());
        vec!["ssl=on".to_owned(), file("ssl_cert_file", &certificate), file("ssl_key_file", &key)]
    });
    (cluster, authority.pem())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_proves_its_name_or_hears_nothing() {
    let (cluster, authority) = with_tls();
    let named = |host: &str| database_at(&format!("{}?sslmode=verify-full", cluster.url_at(host, "postgres")));
    let (right, wrong) = (named("localhost"), named("127.0.0.1"));
    let store = PostgresStore::open(&right, Some(authority.as_bytes())).await.unwrap();
    store.revoke(&revocation("root")).await.unwrap();
    let encrypted = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
                     WHERE application_name = 'narrowgate'";
    assert_eq!(cluster.sql("postgres", encrypted), "t");
    let refused = refusal(&wrong, Some(authority.as_bytes())).await;
    assert!(refused.contains("not valid for"), "{refused}");
    let other = another_authority();
    let refused = refusal(&right, Some(other.as_bytes())).await;
    assert!(refused.contains("certificate"), "{refused}");
}

fn another_authority() -> String {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.self_signed(&KeyPair::generate().unwrap()).unwrap().pem()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_tls_hears_nothing_where_it_must_prove_itself() {
    let cluster = Cluster::start();
    let url = format!("{}?sslmode=verify-full", cluster.url_at("localhost", "postgres"));
    let authority = another_authority();
    let refused = refusal(&database_at(&url), Some(authority.as_bytes())).await;
    assert!(refused.contains("server does not support TLS"), "{refused}");
}
