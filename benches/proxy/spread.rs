//! Several measurements of one thing: the median and how far they lie apart.

use std::fmt;

/// Median, lowest and highest.
#[derive(Clone, Copy, Debug)]
pub struct Spread {
    pub median: f64,
    lowest: f64,
    highest: f64,
}

impl Spread {
    /// Of all that were measured; nothing of nothing.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = values.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let (lowest, highest) = (*sorted.first()?, *sorted.last()?);
        let upper = sorted[sorted.len() / 2];
        let median =
            if sorted.len().is_multiple_of(2) { f64::midpoint(sorted[sorted.len() / 2 - 1], upper) } else { upper };
        Some(Self { median, lowest, highest })
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places = formatter.precision().unwrap_or(2);
        let Self { median, lowest, highest } = self;
        write!(formatter, "{median:.places$} ({lowest:.places$} to {highest:.places$})")
    }
}
