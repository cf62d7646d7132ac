//! Many writes, one commit: who comes while a transaction goes to the disk has a part in the next one.
//!
//! A disk takes milliseconds to say that it has something, however much that is, so whoever writes joins a queue, and all who
//! wait there are written in one transaction. Everybody is answered behind the commit, also who changed nothing: what he was
//! told could rest on what another one of the same transaction had changed. Each sees what those before it in the queue have
//! done, as if they had been transactions of their own.
//!
//! Whoever finds nobody at work sends somebody to where blocking is allowed, who works until the queue is empty. There is no
//! thread of our own, which would have to be told to end.

use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::{Database, WriteTransaction};
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

/// How many writes have one commit at most, so that nobody waits for thousands of others.
const AT_ONCE: usize = 512;

/// What becomes of a write.
pub(super) enum Ending<T> {
    /// It changed something, which is kept.
    Kept(T),
    /// It changed nothing. Nobody says so who has written: what others did stands in the same transaction.
    Unchanged(T),
}

/// Why nothing was written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Failure {
    /// What the database says.
    Said(String),
    /// The disk failed before.
    Disk,
    /// redb panics where a file contradicts itself.
    Panicked,
    /// The process ends, and nobody was left to write.
    Ended,
}

/// Writes into one database, one transaction at a time.
pub(super) struct Writer {
    database: Arc<Database>,
    shared: Arc<Shared>,
}

/// What whoever is at work shares with those who come. He has no database of his own: once the last answer is there, nobody
/// has the file open who does not have the store.
struct Shared {
    queue: Mutex<Queue>,
    #[cfg(test)]
    commits: std::sync::atomic::AtomicUsize,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    /// Whether somebody is at work, who will look here again.
    is_served: bool,
}

/// A write that waits for its turn, and where it belongs.
struct Waiting {
    write: Box<dyn Write>,
    database: Arc<Database>,
}

/// A write, and whoever waits for it.
trait Write: Send {
    /// Does it; true if it has changed something. It may be asked again in another transaction, where this one came to nothing.
    fn run(&mut self, transaction: &WriteTransaction) -> Result<bool, redb::Error>;
    /// Says how it ended.
    fn answer(self: Box<Self>, ended: Result<(), Failure>);
}

struct Asked<T, V> {
    verb: V,
    value: Option<T>,
    answer: oneshot::Sender<Result<T, Failure>>,
}

/// Somebody's turn at work; where it does not come to its end, nobody is left waiting.
struct Turn {
    shared: Arc<Shared>,
    is_over: bool,
}

impl Writer {
    pub(super) fn new(database: Arc<Database>) -> Self {
        let shared = Shared {
            queue: Mutex::default(),
            #[cfg(test)]
            commits: Default::default(),
        };
        Self { database, shared: Arc::new(shared) }
    }

    /// Does a write, and answers once it is on the disk.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        verb: impl Fn(&WriteTransaction) -> Result<Ending<T>, redb::Error> + Send + 'static,
    ) -> Result<T, Failure> {
        let (answer, answered) = oneshot::channel();
        let is_served = {
            let mut queue = self.shared.queue();
            let write = Box::new(Asked { verb, value: None, answer });
            queue.waiting.push_back(Waiting { write, database: Arc::clone(&self.database) });
            std::mem::replace(&mut queue.is_served, true)
        };
        if !is_served {
            let turn = Turn { shared: Arc::clone(&self.shared), is_over: false };
            spawn_blocking(move || turn.serve());
        }
        answered.await.unwrap_or(Err(Failure::Ended))
    }
}

impl Turn {
    /// Writes until nobody waits any more.
    fn serve(mut self) {
        while let Some(batch) = self.next() {
            self.shared.write(batch);
        }
    }

    /// Those who are written together now; nothing if nobody waits, and then the turn is over.
    fn next(&mut self) -> Option<Vec<Waiting>> {
        let mut queue = self.shared.queue();
        let many = queue.waiting.len().min(AT_ONCE);
        if many == 0 {
            // Under the same lock as the look at the queue: who comes later sends somebody else.
            queue.is_served = false;
            self.is_over = true;
            return None;
        }
        Some(queue.waiting.drain(..many).collect())
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if !self.is_over {
            let mut queue = self.shared.queue();
            queue.waiting.clear();
            queue.is_served = false;
        }
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes them, and answers each. Where one of them fails, it takes nobody with it: then each is written alone.
    fn write(&self, batch: Vec<Waiting>) {
        let (mut writes, mut databases): (Vec<_>, Vec<_>) =
            batch.into_iter().map(|waiting| (waiting.write, waiting.database)).unzip();
        // All have the same one.
        let Some(database) = databases.pop() else { return };
        drop(databases);
        let together = self.transact(&database, &mut writes);
        let ended: Vec<_> = match together.is_err() && writes.len() > 1 {
            true => writes.iter_mut().map(|write| self.transact(&database, std::slice::from_mut(write))).collect(),
            false => vec![together; writes.len()],
        };
        drop(database);
        for (write, ended) in writes.into_iter().zip(ended) {
            write.answer(ended);
        }
    }

    /// One transaction. Dropped on the way out of a failure, and then nothing of it is to be seen.
    fn transact(&self, database: &Database, batch: &mut [Box<dyn Write>]) -> Result<(), Failure> {
        let all = || -> Result<(), redb::Error> {
            let transaction = database.begin_write()?;
            let mut is_changed = false;
            for write in batch {
                is_changed |= write.run(&transaction)?;
            }
            match is_changed {
                true => transaction.commit()?,
                false => transaction.abort()?,
            }
            Ok(())
        };
        let done = catch_unwind(AssertUnwindSafe(all));
        #[cfg(test)]
        self.commits.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Failure::outcome(done)
    }
}

impl Failure {
    /// What was done, or why it was not.
    pub(super) fn outcome<T>(done: Result<Result<T, redb::Error>, Box<dyn Any + Send>>) -> Result<T, Self> {
        match done {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(redb::Error::PreviousIo)) => Err(Self::Disk),
            Ok(Err(error)) => Err(Self::Said(error.to_string())),
            Err(_) => Err(Self::Panicked),
        }
    }
}

impl<T: Send, V: Fn(&WriteTransaction) -> Result<Ending<T>, redb::Error> + Send> Write for Asked<T, V> {
    fn run(&mut self, transaction: &WriteTransaction) -> Result<bool, redb::Error> {
        let (value, is_changed) = match (self.verb)(transaction)? {
            Ending::Kept(value) => (value, true),
            Ending::Unchanged(value) => (value, false),
        };
        self.value = Some(value);
        Ok(is_changed)
    }

    fn answer(self: Box<Self>, ended: Result<(), Failure>) {
        let Self { value, answer, .. } = *self;
        // Whoever asked may not wait any more; what was written counts all the same.
        let _ = answer.send(ended.and_then(|()| value.ok_or(Failure::Ended)));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use redb::{ReadableDatabase, TableDefinition};
    use tokio::task::{JoinSet, yield_now};

    use super::*;

    impl Queue {
        fn is_alone_at_work(&self) -> bool {
            self.is_served && self.waiting.is_empty()
        }
    }

    const NUMBERS: TableDefinition<u64, u64> = TableDefinition::new("numbers");

    fn writer() -> Writer {
        let database = Database::builder().create_with_backend(redb::backends::InMemoryBackend::new()).unwrap();
        let transaction = database.begin_write().unwrap();
        transaction.open_table(NUMBERS).unwrap();
        transaction.commit().unwrap();
        Writer::new(Arc::new(database))
    }

    /// Counts, and fails or panics at a number, but only behind what it has written.
    fn put(number: u64, worst: &'static str) -> impl Fn(&WriteTransaction) -> Result<Ending<u64>, redb::Error> {
        move |transaction| {
            transaction.open_table(NUMBERS)?.insert(number, number)?;
            match worst {
                "fails" => Err(redb::Error::Corrupted("of the test".to_owned())),
                "panics" => panic!("of the test"),
                _ => Ok(Ending::Kept(number)),
            }
        }
    }

    /// Has so many write while nobody can, so that they wait together.
    async fn together(writer: &Arc<Writer>, verbs: &[&'static str]) -> Vec<Result<u64, Failure>> {
        let held = writer.database.begin_write().unwrap();
        let mut asked = JoinSet::new();
        for (number, worst) in verbs.iter().copied().enumerate() {
            let (writer, number) = (Arc::clone(writer), number as u64);
            let is_at_work = Arc::clone(&writer);
            asked.spawn(async move { (number, writer.write(put(number, worst)).await) });
            // The first is at work and waits for us, before any other one comes.
            while number == 0 && !is_at_work.shared.queue().is_alone_at_work() {
                yield_now().await;
            }
        }
        while writer.shared.queue().waiting.len() < verbs.len() - 1 {
            yield_now().await;
        }
        drop(held);
        let mut answers = asked.join_all().await;
        answers.sort_by_key(|(number, _)| *number);
        answers.into_iter().map(|(_, answer)| answer).collect()
    }

    fn numbers(writer: &Writer) -> Vec<u64> {
        use redb::ReadableTable;
        let table = writer.database.begin_read().unwrap().open_table(NUMBERS).unwrap();
        table.iter().unwrap().map(|entry| entry.unwrap().0.value()).collect()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn who_waits_together_is_written_together() {
        let writer = Arc::new(writer());
        let answers = together(&writer, &["is good"; 64]).await;
        assert!(answers.iter().enumerate().all(|(number, answer)| *answer == Ok(number as u64)), "{answers:?}");
        assert_eq!(numbers(&writer).len(), 64);
        assert_eq!(writer.shared.commits.load(Ordering::Relaxed), 2, "one alone, and all who came while it waited");
        while writer.shared.queue().is_served {
            yield_now().await;
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn nobody_at_work_has_what_whoever_was_answered_gives_up() {
        for _ in 0..100 {
            let writer = writer();
            writer.write(put(1, "is good")).await.unwrap();
            let database = Arc::downgrade(&writer.database);
            drop(writer);
            assert_eq!(database.strong_count(), 0);
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn who_fails_takes_nobody_with_him() {
        for (worst, failure) in
            [("fails", Failure::Said("DB corrupted: of the test".to_owned())), ("panics", Failure::Panicked)]
        {
            let writer = Arc::new(writer());
            let answers = together(&writer, &["is good", "is good", worst, "is good"]).await;
            assert_eq!(answers, [Ok(0), Ok(1), Err(failure), Ok(3)], "{worst}");
            assert_eq!(numbers(&writer), [0, 1, 3], "{worst}");
        }
    }

    #[tokio::test]
    async fn who_changes_nothing_leaves_nothing_behind() {
        let writer = writer();
        assert_eq!(writer.write(|_| Ok(Ending::Unchanged(7))).await, Ok(7));
        assert_eq!(writer.write(put(1, "is good")).await, Ok(1));
        assert_eq!(numbers(&writer), [1]);
    }

    #[test]
    fn whoever_waits_in_a_process_that_ends_is_told() {
        let writer = Arc::new(writer());
        drop(Turn { shared: Arc::clone(&writer.shared), is_over: false });
        let (answer, answered) = oneshot::channel();
        let write = Box::new(Asked { verb: put(1, "is good"), value: None, answer });
        writer.shared.queue().waiting.push_back(Waiting { write, database: Arc::clone(&writer.database) });
        drop(Turn { shared: Arc::clone(&writer.shared), is_over: false });
        assert!(answered.blocking_recv().is_err());
        assert!(!writer.shared.queue().is_served);
    }
}
