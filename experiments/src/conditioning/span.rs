//! Ranges of steps, as typed and printed.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// A longer interval, or pulse, is taken for a typing error.
pub(crate) const LONGEST: u64 = 10_000;

/// A range of whole numbers of steps, both ends included: `14-26`, or `20` for 20 alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) first: u64,
    pub(crate) last: u64,
}

impl Span {
    /// From m - floor(m / 3) to m + floor(m / 3).
    pub(crate) fn around(middle: u64) -> Self {
        Self { first: middle - middle / 3, last: middle + middle / 3 }
    }

    /// For a generator.
    pub(super) fn range(self) -> RangeInclusive<u64> {
        self.first..=self.last
    }
}

impl FromStr for Span {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        match (first.parse(), last.parse()) {
            (Ok(first @ 1..=LONGEST), Ok(last @ 1..=LONGEST)) if first <= last => Ok(Self { first, last }),
            _ => Err(format!("expected a range of steps such as 14-26, each from 1 to {LONGEST}")),
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_reads_as_it_is_written() {
        assert_eq!("14-26".parse(), Ok(Span::around(20)));
        assert_eq!("100".parse(), Ok(Span { first: 100, last: 100 }));
        assert_eq!(Span::around(10).to_string(), "7-13");
        for wrong in ["", "0", "5-4", "1-10001", "-3", "a-b"] {
            assert!(wrong.parse::<Span>().is_err(), "{wrong}");
        }
    }
}
