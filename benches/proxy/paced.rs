//! Requests at a fixed rate, each at a time of its own, and how long after that time its answer was there.
//!
//! `h2load --rps` has all of its clients ask at once, every ten milliseconds: what it measures is how long a burst takes.
//! Here the connections take turns, evenly. What is late because the answer before it was late counts from its own time.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::client::Dialer;
use crate::load::Pace;
use crate::place::Place;

/// For connecting, before the first request is due.
const CONNECTING: Duration = Duration::from_millis(500);
/// Asked, but not counted.
const WARMING: Duration = Duration::from_secs(1);

/// Latencies in microseconds, in order, of one token's request at so many a second.
///
/// # Errors
///
/// An answer was not a 200.
pub fn latencies(place: &Place, to: SocketAddr, token: &str, rate: f64, pace: Pace) -> Result<Vec<u64>, String> {
    let dialer = Dialer::new(place, to);
    let begin = Instant::now() + CONNECTING;
    let counted = begin + WARMING;
    let end = counted + Duration::from_secs(pace.seconds);
    let step = Duration::from_secs_f64(1.0 / rate);
    let period = step * u32::try_from(pace.connections).map_err(|error| error.to_string())?;
    let converse = |first: Instant| -> Result<Vec<u64>, String> {
        let mut client = dialer.connect().map_err(|error| format!("it does not accept: {error}"))?;
        let (mut due, mut latencies) = (first, Vec::new());
        while due < end {
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let answer = client.ask(Some(token)).map_err(|error| format!("it does not answer: {error}"))?;
            if answer.status != 200 {
                return Err(format!("at a fixed rate: {answer:?}"));
            }
            if due >= counted {
                latencies.push(u64::try_from(due.elapsed().as_micros()).unwrap_or(u64::MAX));
            }
            due += period;
        }
        Ok(latencies)
    };
    let converse = &converse;
    let conversations = std::thread::scope(|scope| {
        let firsts = (0..pace.connections).scan(begin, |first, _| Some(std::mem::replace(first, *first + step)));
        let running: Vec<_> = firsts.map(|first| scope.spawn(move || converse(first))).collect();
        running.into_iter().map(|one| one.join().expect("a client does not panic")).collect::<Result<Vec<_>, _>>()
    });
    let mut latencies: Vec<u64> = conversations?.into_iter().flatten().collect();
    latencies.sort_unstable();
    Ok(latencies)
}
