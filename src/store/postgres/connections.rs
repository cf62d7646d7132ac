//! The connections to the database: how many, how long each may keep somebody waiting, and what is told when none comes.
//!
//! A connection that has ended is noticed when the next one takes it, and another one is made in its place. One that is
//! dead and does not know it ends with the first statement that it does not answer, or by TCP.

use std::error::Error;
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Pool, PoolError, RecyclingMethod, Runtime, TimeoutType};
use tokio_postgres::config::{ChannelBinding, SslMode, TargetSessionAttrs};
use tokio_postgres::{Config, NoTls};

use super::tls::{TlsFault, VerifiedTls};
use crate::config::{Database, DatabaseEncryption};

/// The most connections of one node. A verb takes one for a few milliseconds.
const MOST: usize = 8;
/// How long a connection may take to open, with TLS and the proof of who we are.
const CONNECT: Duration = Duration::from_secs(3);
/// How long a verb waits while all connections are busy.
const WAIT: Duration = Duration::from_secs(2);
/// How long what was sent may stay unacknowledged, and a connection silent, before it counts as dead.
const SILENCE: Duration = Duration::from_secs(10);

/// What the server holds each session to, whatever its defaults are. A statement ends there before we give it up here,
/// so that nothing is done that nobody waits for.
const SESSION: &str = "-c statement_timeout=3s -c lock_timeout=2s -c idle_in_transaction_session_timeout=30s \
                       -c default_transaction_isolation=read\\ committed";

/// Connections, none of which is open yet.
pub(super) fn pool(database: &Database, trusted_cas: Option<&[u8]>) -> Result<Pool, TlsFault> {
    let mut config = Config::new();
    config.host(&database.host).port(database.port).user(&database.user).dbname(&database.name);
    if let Some(password) = &database.password {
        config.password(password.expose());
    }
    config
        .application_name("narrowgate")
        .options(SESSION)
        .connect_timeout(CONNECT)
        .tcp_user_timeout(SILENCE)
        .keepalives_idle(SILENCE)
        .channel_binding(ChannelBinding::Disable)
        // A server that was demoted takes no writes, and what it has may be old.
        .target_session_attrs(TargetSessionAttrs::ReadWrite);
    let how = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = match database.encryption {
        DatabaseEncryption::Verified => {
            Manager::from_config(config.ssl_mode(SslMode::Require).clone(), VerifiedTls::new(trusted_cas)?, how)
        }
        DatabaseEncryption::None => Manager::from_config(config.ssl_mode(SslMode::Disable).clone(), NoTls, how),
    };
    let pool = Pool::builder(manager)
        .max_size(MOST)
        .runtime(Runtime::Tokio1)
        .wait_timeout(Some(WAIT))
        .create_timeout(Some(CONNECT))
        .recycle_timeout(Some(CONNECT));
    Ok(pool.build().expect("a runtime is named, and nothing else is asked for"))
}

/// Why there is no connection.
pub(super) fn why_none(error: &PoolError) -> String {
    match error {
        PoolError::Backend(error) => told(error),
        PoolError::Timeout(TimeoutType::Wait) => "all connections are busy".to_owned(),
        PoolError::Timeout(TimeoutType::Create | TimeoutType::Recycle) => "it does not answer".to_owned(),
        PoolError::Closed | PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_) => error.to_string(),
    }
}

/// What the database, or the way there, says. The server's own detail stays out: it may hold values.
pub(super) fn told(error: &tokio_postgres::Error) -> String {
    if let Some(database) = error.as_db_error() {
        return format!("{} ({})", database.message(), database.code().code());
    }
    let mut told = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_told = cause.to_string();
        if !told.contains(&cause_told) {
            told = format!("{told}: {cause_told}");
        }
        source = cause.source();
    }
    told
}
