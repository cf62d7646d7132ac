//! Connections that wait at one address for the next request.
//!
//! Pingora's own pool watches each of them with a task that begins and ends with every request. Here a connection is looked at
//! when it is taken, the last one kept first, and one task a process looks through all that wait, every second: it lets go
//! of what the server has closed, what has waited too long, and the oldest of what is too many.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use pingora_core::protocols::Stream;
use tokio::io::AsyncReadExt;
use tokio::task::coop::unconstrained;
use tokio::time::sleep;

use crate::alarm::Alarm;

/// How often what waits is looked through.
const PERIOD: Duration = Duration::from_secs(1);
/// How many connections wait for each worker, all upstreams together: a machine of more cores has more requests under way.
pub const MOST: usize = 512;

/// The connections that wait at one address.
#[derive(Debug, Default)]
pub(super) struct Kept(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// In the order in which they were kept.
    waiting: VecDeque<Waiting>,
    /// Whether the task that looks through them knows of this address.
    is_known: bool,
}

#[derive(Debug)]
struct Waiting {
    connection: ServerConnection,
    since: Instant,
    until: Instant,
}

/// A connection to a server.
#[derive(Debug)]
pub struct ServerConnection {
    /// What it is read from and written to.
    pub stream: Stream,
    /// For whoever waits for the server; it stays with the connection, so that its timer does.
    pub alarm: Alarm,
}

impl From<Stream> for ServerConnection {
    fn from(stream: Stream) -> Self {
        Self { stream, alarm: Alarm::default() }
    }
}

impl Kept {
    /// A connection that the server has not closed, as far as it can be known.
    pub(super) fn take(&self, now: Instant) -> Option<ServerConnection> {
        loop {
            let Waiting { mut connection, until, .. } = self.state().waiting.pop_back()?;
            if until > now && is_silent(&mut connection.stream) {
                return Some(connection);
            }
        }
    }

    /// Keeps a connection over which a whole answer has come, for `patience` at most.
    pub(super) fn keep(
        self: &Arc<Self>,
        connection: ServerConnection,
        since: Instant,
        patience: Duration,
        all: &AllKept,
    ) {
        let mut state = self.state();
        state.waiting.push_back(Waiting { connection, since, until: since + patience });
        if !std::mem::replace(&mut state.is_known, true) {
            drop(state);
            all.lists().push(Arc::downgrade(self));
        }
    }

    /// Lets go of what is of no use, and of what has waited since `last` or longer.
    fn look_through(&self, now: Instant, last: Option<Instant>) {
        let mut gone = Vec::new();
        let mut state = self.state();
        for mut waiting in std::mem::take(&mut state.waiting) {
            let is_late = waiting.until <= now || last.is_some_and(|last| waiting.since <= last);
            match !is_late && is_silent(&mut waiting.connection.stream) {
                true => state.waiting.push_back(waiting),
                false => gone.push(waiting),
            }
        }
        drop(state);
        // Closing takes a system call each.
        drop(gone);
    }

    /// The lock; what it guards is whole after each statement.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Every address at which connections wait.
#[derive(Debug, Default)]
pub(super) struct AllKept {
    lists: Mutex<Vec<Weak<Kept>>>,
    is_looked_after: AtomicBool,
}

impl AllKept {
    /// Looks through all that wait in the background, for as long as anybody holds `self`; further calls change nothing.
    pub(super) fn look_after(self: &Arc<Self>) {
        if !self.is_looked_after.swap(true, Ordering::Relaxed) {
            tokio::spawn(look_after(Arc::downgrade(self)));
        }
    }

    fn look_through(&self, now: Instant, most: usize) {
        let known = std::mem::take(&mut *self.lists());
        let lists: Vec<Arc<Kept>> = known.iter().filter_map(Weak::upgrade).collect();
        lists.iter().for_each(|list| list.look_through(now, None));
        let mut since: Vec<Instant> = Vec::new();
        lists.iter().for_each(|list| since.extend(list.state().waiting.iter().map(|waiting| waiting.since)));
        if let Some(too_many) = since.len().checked_sub(most + 1) {
            let (_, last, _) = since.select_nth_unstable(too_many);
            lists.iter().for_each(|list| list.look_through(now, Some(*last)));
        }
        let has_some = |list: &&Arc<Kept>| {
            let mut state = list.state();
            state.is_known = !state.waiting.is_empty();
            state.is_known
        };
        let still: Vec<Weak<Kept>> = lists.iter().filter(has_some).map(Arc::downgrade).collect();
        self.lists().extend(still);
    }

    /// The lock; what it guards is whole after each statement.
    fn lists(&self) -> MutexGuard<'_, Vec<Weak<Kept>>> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn look_after(all: Weak<AllKept>) {
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    loop {
        sleep(PERIOD).await;
        let Some(all) = all.upgrade() else { return };
        all.look_through(Instant::now(), MOST * workers);
    }
}

/// Whether a connection is open and nothing has come over it. A server that speaks without being asked has closed it, or
/// says what nobody could tell from the next answer.
fn is_silent(stream: &mut Stream) -> bool {
    let mut byte = [0; 1];
    // Outside of a task's budget: "not ready, for fairness' sake" would pass for silence.
    let read = pin!(unconstrained(stream.read(&mut byte)));
    read.poll(&mut Context::from_waker(Waker::noop())).is_pending()
}

#[cfg(test)]
mod tests {
    use pingora_core::protocols::l4::stream::Stream as TcpConnection;
    use tokio::io::AsyncWriteExt;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    /// A connection, and its server's end.
    async fn connection() -> (ServerConnection, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (near, far) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
        let stream: Stream = Box::new(TcpConnection::from(near.unwrap()));
        (stream.into(), far.unwrap().0)
    }

    fn count(kept: &Kept) -> usize {
        kept.state().waiting.len()
    }

    #[tokio::test]
    async fn the_last_that_was_kept_is_the_first_that_is_taken() {
        let (kept, all, now) = (Arc::<Kept>::default(), AllKept::default(), Instant::now());
        let ((first, _far), (last, _other)) = (connection().await, connection().await);
        let ids = [last.stream.id(), first.stream.id()];
        kept.keep(first, now, MINUTE, &all);
        kept.keep(last, now, MINUTE, &all);
        let taken = ids.map(|_| kept.take(now).unwrap().stream.id());
        assert_eq!(taken, ids);
        assert!(kept.take(now).is_none());
    }

    #[tokio::test]
    async fn what_was_closed_or_spoke_or_waited_too_long_is_not_taken() {
        let (kept, all, now) = (Arc::<Kept>::default(), AllKept::default(), Instant::now());
        let (good, _far) = connection().await;
        let id = good.stream.id();
        kept.keep(good, now, MINUTE, &all);
        let (closed, far) = connection().await;
        drop(far);
        kept.keep(closed, now, MINUTE, &all);
        let (noisy, mut far) = connection().await;
        far.write_all(b"HTTP/1.1 200 OK\r\n").await.unwrap();
        kept.keep(noisy, now, MINUTE, &all);
        let (old, _far) = connection().await;
        kept.keep(old, now - MINUTE, MINUTE, &all);
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(kept.take(now).map(|taken| taken.stream.id()), Some(id));
        assert_eq!(count(&kept), 0);
    }

    #[tokio::test]
    async fn what_nobody_takes_is_let_go() {
        let (kept, all, now) = (Arc::<Kept>::default(), AllKept::default(), Instant::now());
        let (good, _far) = connection().await;
        kept.keep(good, now, MINUTE, &all);
        let (closed, far) = connection().await;
        drop(far);
        kept.keep(closed, now, MINUTE, &all);
        tokio::time::sleep(Duration::from_millis(50)).await;
        all.look_through(now, 8);
        assert_eq!((count(&kept), all.lists().len()), (1, 1));
        all.look_through(now + MINUTE, 8);
        assert_eq!((count(&kept), all.lists().len()), (0, 0));
        // It is known again once something waits there again.
        let (again, _far) = connection().await;
        kept.keep(again, now, MINUTE, &all);
        assert_eq!(all.lists().len(), 1);
    }

    #[tokio::test]
    async fn the_oldest_of_too_many_go_wherever_they_wait() {
        let (all, now) = (AllKept::default(), Instant::now());
        let lists: [Arc<Kept>; 2] = Default::default();
        let mut far = Vec::new();
        for second in 0..10 {
            let (connection, end) = connection().await;
            far.push(end);
            // The first of them are all in one list.
            let list = &lists[usize::from(second > 5)];
            // How long they may wait at most does not count, only how long they have.
            let patience = MINUTE * (20 - u32::try_from(second).unwrap());
            list.keep(connection, now + Duration::from_secs(second), patience, &all);
        }
        all.look_through(now, 5);
        assert_eq!(lists.each_ref().map(|list| count(list)), [1, 4]);
        all.look_through(now, 5);
        assert_eq!(lists.each_ref().map(|list| count(list)), [1, 4]);
    }

    #[tokio::test]
    async fn an_address_that_is_no_more_takes_its_connections_along() {
        let (kept, all, now) = (Arc::<Kept>::default(), AllKept::default(), Instant::now());
        let (connection, mut far) = connection().await;
        kept.keep(connection, now, MINUTE, &all);
        drop(kept);
        assert_eq!(far.read(&mut [0]).await.unwrap(), 0);
        all.look_through(now, 8);
        assert!(all.lists().is_empty());
    }
}
