//! How many units a budget allows.

use super::options;
use crate::conditioning::build::Size;
use crate::failure::Failure;

/// What conditions have in common.
#[derive(Clone, Copy, Debug)]
pub(super) enum Budget {
    /// As near as can be, from either side.
    RecurrentParameters(u64),
    /// At most, per step.
    Flops(u64),
}

impl Budget {
    fn limit(self) -> u64 {
        match self {
            Self::RecurrentParameters(limit) | Self::Flops(limit) => limit,
        }
    }

    fn of(self, size: Size) -> u64 {
        match self {
            Self::RecurrentParameters(_) => size.recurrent_parameters as u64,
            Self::Flops(_) => size.flops,
        }
    }
}

/// The options of a predictor with `--hidden` so that it fits the budget.
pub(super) fn fit(words: &str, budget: Budget) -> Result<String, Failure> {
    let options = options(words)?;
    let of = |hidden: usize| -> Result<u64, Failure> {
        let mut predictor = options.predictor;
        predictor.hidden = hidden;
        Ok(budget.of(predictor.size(options.protocol.inputs())?))
    };
    let limit = budget.limit();
    if of(1)? > limit {
        return Err(Failure::new(format!(
            "--budget {limit} is too small: one unit of `{words}` takes {}",
            of(1)?
        )));
    }
    // More units take more of everything: `low` fits, `high` does not.
    let (mut low, mut high) = (1, 2);
    while of(high)? <= limit {
        (low, high) = (high, 2 * high);
    }
    while high - low > 1 {
        let middle = low.midpoint(high);
        if of(middle)? <= limit { low = middle } else { high = middle }
    }
    let hidden = match budget {
        Budget::RecurrentParameters(_) if of(high)? - limit < limit - of(low)? => high,
        _ => low,
    };
    Ok(format!("{words} --hidden {hidden}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_the_nearest_or_the_largest_that_fit() {
        // With 12 inputs an RTU has 26 parameters a unit.
        for (budget, expected) in [(260, 10), (272, 10), (274, 11), (26, 1)] {
            let words = fit("--cell rtu", Budget::RecurrentParameters(budget)).unwrap();
            assert_eq!(words, format!("--cell rtu --hidden {expected}"), "{budget}");
        }
        for words in ["--cell rtu", "--cell gru --truncation 5", "--cell lru --learner truncated"] {
            let fitting = fit(words, Budget::Flops(20_000)).unwrap();
            let flops = |words: &str| {
                let options = options(words).unwrap();
                let mut predictor = options.predictor;
                let now = predictor.size(12).unwrap().flops;
                predictor.hidden += 1;
                (now, predictor.size(12).unwrap().flops)
            };
            let (now, next) = flops(&fitting);
            assert!(now <= 20_000 && 20_000 < next, "{fitting}: {now}, {next}");
        }
    }

    #[test]
    fn a_budget_for_less_than_a_unit_is_a_sentence() {
        let failure = fit("--cell gru --truncation 40", Budget::Flops(100)).unwrap_err().to_string();
        assert!(failure.contains("--budget 100 is too small"), "{failure}");
    }
}
