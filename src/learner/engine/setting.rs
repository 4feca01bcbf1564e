//! A learner in one sentence: how time is walked, and whether the way back passes the recurrent weights.
//!
//! | learner | run | cut |
//! |---|---|---|
//! | e-prop, RTRL | a step, a block of K, or the whole | at the recurrent weights |
//! | BPTT | the whole | none |
//! | truncated BPTT | a window of L | none |
//!
//! RTRL is e-prop of cells with no recurrent weights to cut.

use eligibility_kernels::Level;

use crate::error::{Error, check_nonempty};
use crate::extensions::Extensions;
use crate::prepared::Purpose;
use crate::schedule::Schedule;

/// How time is walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Run {
    /// Forward only.
    Forward,
    /// So many steps at a time, with traces for what came before them.
    Block(usize),
    /// All steps, at most so many, at once.
    Whole(usize),
    /// So many steps back from each target.
    Window(usize),
}

impl Run {
    /// What a schedule is for traces.
    pub(crate) fn of(schedule: Schedule) -> Self {
        match schedule {
            Schedule::Streaming => Self::Block(1),
            Schedule::Blocked(steps) => Self::Block(steps),
            Schedule::WholeSequence { max_steps } => Self::Whole(max_steps),
        }
    }
}

/// Where the way back ends that does not end with the steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Nowhere.
    None,
    /// At the recurrent weights: only what a unit keeps of its own state goes on, and the layer below hears of each step
    /// alone.
    Recurrence,
}

/// All that decides what an engine is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Setting {
    pub(crate) run: Run,
    pub(crate) cut: Cut,
    pub(crate) extensions: Extensions,
    pub(crate) input_gradient: bool,
    pub(crate) authors_theta_gradient: bool,
    pub(crate) level: Level,
    /// Whether it is fed a step at a time, and weights may change between any two.
    pub(crate) stream: bool,
}

/// Places whose signals and weight gradients are one matrix product: enough for its full rate, few enough to stay in L2.
const PLACES: usize = 256;
/// The same where a step is not gone back over, or every step has a way back of its own.
const PLACES_OF_STEPS: usize = 16;

impl Setting {
    pub(crate) fn new(run: Run, cut: Cut, level: Option<Level>) -> Result<Self, Error> {
        match run {
            Run::Forward => {}
            Run::Block(steps) => check_nonempty("block of steps", steps)?,
            Run::Whole(steps) => check_nonempty("number of steps", steps)?,
            Run::Window(steps) => check_nonempty("number of steps back", steps)?,
        }
        Ok(Self {
            run,
            cut,
            extensions: Extensions::default(),
            input_gradient: false,
            authors_theta_gradient: false,
            level: level.map_or_else(Level::from_env, Ok)?,
            stream: false,
        })
    }
    /// Whether there is a way back at all.
    pub(crate) fn learns(&self) -> bool {
        self.run != Run::Forward
    }
    /// Whether traces are carried.
    pub(crate) fn traces(&self) -> bool {
        self.cut == Cut::Recurrence && matches!(self.run, Run::Block(_))
    }
    /// Whether places are gone back over more than once, so that their factors have to stay.
    pub(crate) fn revisits(&self) -> bool {
        matches!(self.run, Run::Window(_))
    }
    /// Whether what ways back leave is added up until a slot leaves the tape.
    pub(crate) fn adds_up(&self) -> bool {
        self.revisits() && !self.stream
    }
    /// What the weights are prepared for.
    pub(crate) fn purpose(&self, rows: usize) -> Purpose {
        Purpose {
            level: self.level,
            rows,
            change: self.stream,
            back: self.learns() && self.cut == Cut::None,
            trace_decay: self.extensions.scaling.decay,
            authors_theta_gradient: self.authors_theta_gradient,
        }
    }
    /// Slots that go forward together, and over which signals go back together.
    pub(crate) fn chunk(&self, rows: usize) -> usize {
        match self.run {
            Run::Block(steps) => steps,
            Run::Forward => PLACES_OF_STEPS.div_ceil(rows),
            Run::Whole(steps) => steps.min(PLACES.div_ceil(rows)),
            Run::Window(steps) if self.stream => steps.min(PLACES.div_ceil(rows)),
            Run::Window(steps) => PLACES_OF_STEPS.div_ceil(rows).min(steps.div_ceil(4)),
        }
    }
    /// Slots of the tape.
    pub(crate) fn slots(&self, rows: usize) -> usize {
        let chunk = self.chunk(rows);
        match self.run {
            Run::Block(steps) | Run::Whole(steps) => steps,
            Run::Forward => chunk,
            // A few more, so that the window moves back seldom.
            Run::Window(steps) if self.stream => steps.saturating_add((steps - 1).div_ceil(8)),
            // What goes forward together never overwrites what a way back may still want.
            Run::Window(steps) => (steps - 1).saturating_add(chunk).next_multiple_of(chunk),
        }
    }
    /// Slots of what only the way back reads.
    pub(crate) fn factor_slots(&self, rows: usize) -> usize {
        if self.learns() { self.slots(rows) } else { 1 }
    }
}
