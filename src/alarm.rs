//! An alarm that is set for every wait and rings at almost none.
//!
//! To move one of tokio's timers takes a lock and the clock, and most waits end long before their time. So the timer stays where
//! it is while the alarm is set to later times, and moves only when it goes off too early: once a period, not once a wait.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// An alarm for one wait after the other.
#[derive(Debug, Default)]
pub struct Alarm {
    /// How long the wait may last, and until when, once something was waited for.
    patience: Option<Duration>,
    end: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Alarm {
    /// Sets the alarm for a wait that has not begun; without `patience` it never rings. The time runs from the first
    /// [`poll_rings`](Self::poll_rings), so that what is there at once needs no clock.
    pub fn set(&mut self, patience: Option<Duration>) {
        (self.patience, self.end) = (patience, None);
    }

    /// What is waited for, if it comes in time. Like a wait of tokio's, but that its timer is kept.
    pub async fn within<F: Future>(&mut self, patience: Duration, awaited: F) -> Option<F::Output> {
        self.set(Some(patience));
        let mut awaited = pin!(awaited);
        poll_fn(|context| match awaited.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => self.poll_rings(context).map(|()| None),
        })
        .await
    }

    /// Ready once the wait has lasted too long.
    pub fn poll_rings(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(patience) = self.patience else {
            return Poll::Pending;
        };
        let end = *self.end.get_or_insert_with(|| Instant::now() + patience);
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(end)));
        if timer.deadline() > end {
            timer.as_mut().reset(end);
        }
        while timer.as_mut().poll(context).is_ready() {
            if timer.deadline() >= end {
                return Poll::Ready(());
            }
            timer.as_mut().reset(end);
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{sleep, timeout};

    use super::*;

    async fn rings(alarm: &mut Alarm) {
        poll_fn(|context| alarm.poll_rings(context)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn each_wait_has_its_own_time() {
        let (mut alarm, begun) = (Alarm::default(), Instant::now());
        for (patience, rest) in [(60, 1), (60, 59), (10, 3), (100, 0)] {
            let before = Instant::now();
            alarm.set(Some(Duration::from_secs(patience)));
            sleep(Duration::from_secs(rest)).await;
            rings(&mut alarm).await;
            assert_eq!(before.elapsed().as_secs(), rest + patience);
        }
        assert_eq!(begun.elapsed().as_secs(), 60 + 1 + 60 + 59 + 10 + 3 + 100);
    }

    #[tokio::test(start_paused = true)]
    async fn a_timer_that_is_too_early_is_moved_and_one_that_is_too_late_too() {
        let mut alarm = Alarm::default();
        for (patience, waited) in [(60, 50), (60, 50), (5, 4), (60, 59)] {
            alarm.set(Some(Duration::from_secs(patience)));
            assert!(timeout(Duration::from_secs(waited), rings(&mut alarm)).await.is_err());
        }
        let before = Instant::now();
        rings(&mut alarm).await;
        assert_eq!(before.elapsed().as_secs(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_in_time_is_had() {
        let mut alarm = Alarm::default();
        let second = Duration::from_secs(1);
        assert_eq!(alarm.within(second, async { 7 }).await, Some(7));
        assert_eq!(alarm.within(second * 2, sleep(second)).await, Some(()));
        assert_eq!(alarm.within(second, sleep(second * 2)).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_rings_without_patience() {
        let mut alarm = Alarm::default();
        assert!(timeout(Duration::from_secs(86_400), rings(&mut alarm)).await.is_err());
        alarm.set(Some(Duration::from_secs(1)));
        alarm.set(None);
        assert!(timeout(Duration::from_secs(86_400), rings(&mut alarm)).await.is_err());
    }
}
