//! What of a gradient is exact: a property of the cells, of the cut, and of how far and how deep the way back goes.
//!
//! | way back | a layer's gradient is exact if |
//! |---|---|
//! | not cut, over all steps | always |
//! | not cut, over L steps | there is no path longer than L: no layer with a state from this one up |
//! | cut at the recurrent weights | the layer's units do not read each other, and no layer with a state lies above it |

use std::fmt;

use super::engine::{Cut, Run, Setting};
use crate::cells::Cell;
use crate::layout::Layout;

/// Whether a layer's gradient is that of the loss.
///
/// ```
/// use eligibility::{Bptt, BpttOptions, Eprop, EpropOptions, Exactness, Learner};
/// # use eligibility::{Loss, Lstm, Network, Readout, Rtu};
/// # let network = Network::<f32>::stacked(&[Lstm::new(1, 4)?], Readout::new(1, Loss::SquaredError)?)?;
/// let eprop = Eprop::new(&network, 1, EpropOptions::default())?;
/// assert!(matches!(eprop.exactness(0), Exactness::Approximate(_)));
/// assert_eq!(Bptt::new(&network, 1, 9, BpttOptions::default())?.exactness(0), Exactness::Exact);
/// # Ok::<(), eligibility::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Exactness {
    /// It is.
    Exact,
    /// It is not; what it drops.
    Approximate(&'static str),
}

impl fmt::Display for Exactness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact => f.pad("exact"),
            Self::Approximate(drops) => write!(f, "approximate: drops {drops}"),
        }
    }
}

/// Of layer `index`, for learning signals through the readout's own weights and without extensions; the readout is exact.
pub(super) fn exactness(layout: &Layout, index: usize, setting: &Setting) -> Exactness {
    let mut from_here = layout.layers().iter().skip(index).map(|layer| layer.cell);
    let Some(cell) = from_here.next() else { return Exactness::Exact };
    let has_state = |cell: Cell| cell.state_parts().len() > 0;
    let (state, above) = (has_state(cell), from_here.any(has_state));
    match (setting.run, setting.cut) {
        (Run::Forward, _) => Exactness::Approximate("all of it: the layer is frozen"),
        (Run::Window(_), Cut::None) if above || state => {
            Exactness::Approximate("the paths of more than L steps")
        }
        (_, Cut::None) => Exactness::Exact,
        (_, Cut::Recurrence) => match (cell.has_dense_recurrence(), above) {
            (false, false) => Exactness::Exact,
            (true, false) => Exactness::Approximate("the paths through the recurrent weights"),
            (false, true) => Exactness::Approximate("the paths through later steps of the layers above"),
            (true, true) => Exactness::Approximate(
                "the paths through the recurrent weights and through later steps of the layers above",
            ),
        },
    }
}
