//! The way of log lines to stderr: collected by whoever has something to say, written by a thread of its own.
//!
//! A line a request would be a system call a request, and a reader that stalls for a moment would stall requests. Lines that
//! come while others are being written leave together. None is lost but by a process that is killed: whoever finds the pipe
//! full waits, and [`LinePipe::finish`] writes what is left.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// How many bytes may wait: some ten thousand lines.
const MOST: usize = 4 << 20;
/// How much memory is kept for the lines to come.
const KEPT: usize = 64 << 10;
/// How long lines are collected after some were written.
const COLLECTING: Duration = Duration::from_millis(2);

/// Where lines are collected; cheap to share.
#[derive(Clone, Debug)]
pub(super) struct LinePipe(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// There is something to write, or nothing will come any more.
    more: Condvar,
    /// There is room again, or everything is written.
    room: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lines: Vec<u8>,
    /// Whether the writing thread waits for lines.
    is_waiting: bool,
    /// Whether lines are being written that are no longer in `lines`.
    is_writing: bool,
    is_finishing: bool,
}

impl LinePipe {
    /// A pipe whose lines go to `end`, by a thread that lives as long as the process.
    ///
    /// # Errors
    ///
    /// What the system says where no thread can be had.
    pub(super) fn new(end: impl io::Write + Send + 'static) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let writer = Arc::clone(&shared);
        thread::Builder::new().name("log".to_owned()).spawn(move || writer.write_to(end))?;
        Ok(Self(shared))
    }

    /// Returns once everything that was said is written, or nobody has read it for so long.
    pub(super) fn finish(&self, patience: Duration) {
        let mut state = self.0.state();
        state.is_finishing = true;
        self.0.more.notify_one();
        let is_left = |state: &mut State| !state.lines.is_empty() || state.is_writing;
        let waited = self.0.room.wait_timeout_while(state, patience, is_left);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.is_finishing = false;
    }
}

impl Shared {
    fn add(&self, line: &[u8]) {
        let mut state = self.state();
        while !state.lines.is_empty() && state.lines.len() + line.len() > MOST {
            state = self.room.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.lines.extend_from_slice(line);
        if std::mem::take(&mut state.is_waiting) {
            self.more.notify_one();
        }
    }

    fn write_to(&self, mut end: impl io::Write) {
        let mut batch = Vec::new();
        loop {
            let mut state = self.state();
            state.is_writing = false;
            self.room.notify_all();
            while state.lines.is_empty() {
                state.is_waiting = true;
                state = self.more.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            state.is_waiting = false;
            state.is_writing = true;
            std::mem::swap(&mut state.lines, &mut batch);
            let is_finishing = state.is_finishing;
            drop(state);
            self.room.notify_all();
            // Nobody is left to be told that nobody reads.
            let _ = end.write_all(&batch);
            let _ = end.flush();
            batch.clear();
            // A burst is over some time; its memory is given back.
            batch.shrink_to(KEPT);
            if !is_finishing {
                thread::sleep(COLLECTING);
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl io::Write for &LinePipe {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.add(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for LinePipe {
    type Writer = &'w Self;

    fn make_writer(&'w self) -> &'w Self {
        self
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::mpsc;

    use super::*;

    /// An end that hands on what is written, and waits for leave to go on.
    struct Gated {
        written: mpsc::Sender<Vec<u8>>,
        leave: mpsc::Receiver<()>,
    }

    impl io::Write for Gated {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.leave.recv();
            let _ = self.written.send(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn gated() -> (LinePipe, mpsc::Receiver<Vec<u8>>, mpsc::Sender<()>) {
        let ((written, read), (give, leave)) = (mpsc::channel(), mpsc::channel());
        (LinePipe::new(Gated { written, leave }).unwrap(), read, give)
    }

    #[test]
    fn lines_that_come_while_others_are_written_leave_together() {
        let (pipe, read, leave) = gated();
        writeln!(&pipe, "first").unwrap();
        // The thread has taken it once nothing is left to take.
        while !pipe.0.state().lines.is_empty() {
            thread::yield_now();
        }
        for line in ["second", "third"] {
            writeln!(&pipe, "{line}").unwrap();
        }
        leave.send(()).unwrap();
        assert_eq!(read.recv().unwrap(), b"first\n");
        leave.send(()).unwrap();
        assert_eq!(read.recv().unwrap(), b"second\nthird\n");
    }

    #[test]
    fn a_full_pipe_waits_for_its_reader_and_loses_nothing() {
        let (pipe, read, leave) = gated();
        let line = vec![b'x'; MOST / 2];
        let sender = thread::spawn({
            let pipe = pipe.clone();
            move || (0..5).for_each(|_| (&pipe).write_all(&line).unwrap())
        });
        (0..6).for_each(|_| leave.send(()).unwrap());
        sender.join().unwrap();
        pipe.finish(Duration::MAX);
        let total: usize = read.try_iter().map(|bytes| bytes.len()).sum();
        assert_eq!(total, MOST / 2 * 5);
    }

    #[test]
    fn nothing_is_left_once_it_has_finished() {
        let (pipe, read, leave) = gated();
        leave.send(()).unwrap();
        writeln!(&pipe, "last words").unwrap();
        pipe.finish(Duration::MAX);
        assert_eq!(read.try_recv().unwrap(), b"last words\n");
    }

    #[test]
    fn a_reader_that_reads_no_more_is_not_waited_for_for_ever() {
        let (pipe, read, _leave) = gated();
        writeln!(&pipe, "unread").unwrap();
        pipe.finish(Duration::from_millis(1));
        assert!(read.try_recv().is_err());
    }
}
