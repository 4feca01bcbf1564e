//! Schedules: how e-prop's (and RTRL's) sum over time is evaluated.
//!
//! ```text
//! sum over t of l_t . E_t        E_t = A_t E_{t-1} + u_t z_t^T        step by step, K steps at a time, or backwards over all
//! ```

/// How the sum over time is evaluated: the same gradient, up to rounding.
///
/// | schedule | memory | bound by |
/// |---|---|---|
/// | streaming | traces | memory: every trace is read and written at every step |
/// | blocked | traces and a block of steps | arithmetic |
/// | whole sequence | all steps, no traces | arithmetic, a quarter less of it |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schedule {
    /// A trace per weight, carried forward step by step.
    Streaming,
    /// A trace per weight, carried forward over so many steps at a time: a small matrix product with the trace in
    /// registers. Fastest where memory must not grow with the steps.
    Blocked(usize),
    /// No traces: one scan back over a tape of at most `max_steps` steps. Memory grows with the steps, as for BPTT,
    /// but nothing is propagated through the recurrent weights. The oracle for the other schedules.
    WholeSequence {
        /// Steps to reserve memory for.
        max_steps: usize,
    },
}

impl Default for Schedule {
    /// Blocks of 32 steps.
    ///
    /// Of 8, 16, 32, 48 and 64 steps, 32 was the fastest or within a few per cent of it for 32 to 256 units and batches of
    /// 1 to 128. Shorter blocks read and write the traces more often; longer ones leave the caches (eight rows of 128
    /// units and 32 steps leave 0.9 MB of factors) and need more memory.
    fn default() -> Self {
        Self::Blocked(DEFAULT_BLOCK)
    }
}

/// Steps of a block unless told otherwise.
const DEFAULT_BLOCK: usize = 32;

impl std::fmt::Display for Schedule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Streaming => write!(f, "streaming"),
            Self::Blocked(steps) => write!(f, "blocked:{steps}"),
            Self::WholeSequence { .. } => write!(f, "whole"),
        }
    }
}
