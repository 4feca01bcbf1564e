//! The data of a block of steps, and its check against as many steps of the scalar twin.

use eligibility::Buffer;
use eligibility::Scalar;
use eligibility::kernels::Strided;
use eligibility::kernels::trace::{TraceBlock, TraceBlockContract, TraceContract, TraceFactors, TraceStep};
use eligibility::kernels::{Level, reference};

use super::{assert_close, random};

pub(crate) const HIDDEN: usize = 128;
/// Gates that have a trace.
pub(crate) const GATES: usize = 3;
/// Presynaptic inputs: one input, the hidden state and the bias.
pub(crate) const COLUMNS: usize = 130;
/// Elements of a trace row, with padding.
pub(crate) const ROW: usize = 144;
const TRACES: usize = GATES * HIDDEN;

/// A block of steps of the traces of one batch row.
#[derive(Clone)]
pub(crate) struct Blocks<T: Scalar> {
    steps: usize,
    decay: Buffer<T>,
    influence: Buffer<T>,
    presynaptic: Buffer<T>,
    carried_signal: Buffer<T>,
    factors: Buffer<T>,
    trace: Buffer<T>,
    gradient: Buffer<T>,
}

impl<T: Scalar> Blocks<T> {
    fn new(steps: usize) -> Self {
        Self {
            steps,
            decay: random(steps * HIDDEN, 0.5..1.0),
            influence: random(steps * TRACES, 0.0..1.0),
            presynaptic: random(steps * ROW, 0.0..1.0),
            carried_signal: random(HIDDEN, -1.0..1.0),
            factors: Buffer::zeros((steps + 1) * TRACES),
            trace: random(TRACES * ROW, 0.0..1.0),
            gradient: Buffer::zeros(TRACES * ROW),
        }
    }
    /// Of the rank-K update.
    pub(crate) fn flops(steps: usize, columns: usize) -> usize {
        2 * TRACES * steps * columns
    }
    pub(crate) fn run(&mut self, level: Level, contract: bool) {
        let Self { steps, ref decay, ref influence, ref presynaptic, .. } = *self;
        level.run(TraceFactors {
            steps,
            units: HIDDEN,
            decay: Strided { data: decay, stride: HIDDEN },
            influence: Strided { data: influence, stride: TRACES },
            factors: &mut self.factors,
        });
        let presynaptic = Strided { data: presynaptic, stride: ROW };
        let (factors, trace) = (&self.factors, &mut self.trace);
        let block = TraceBlock { steps, columns: COLUMNS, presynaptic, factors, trace };
        if contract {
            let (carried_signal, gradient) = (&self.carried_signal, &mut self.gradient);
            level.run(TraceBlockContract { block, carried_signal, gradient });
        } else {
            level.run(block);
        }
    }
    /// What `run` is to do, by the twins of the contraction and of the single steps.
    fn run_step_by_step(&mut self, contract: bool) {
        if contract {
            reference::trace_contract(TraceContract {
                active: &[true],
                columns: ROW,
                signal: &self.carried_signal,
                trace: &self.trace,
                gradient: &mut self.gradient,
            });
        }
        let steps = self.decay.chunks_exact(HIDDEN).zip(self.influence.chunks_exact(TRACES));
        for ((decay, influence), presynaptic) in steps.zip(self.presynaptic.chunks_exact(ROW)) {
            let trace = &mut self.trace;
            reference::trace_step(TraceStep { active: &[true], decay, influence, presynaptic, trace });
        }
    }

    /// Data of which one run was compared with the twins.
    pub(crate) fn checked(level: Level, steps: usize, contract: bool) -> Self {
        let (mut found, mut expected) = (Self::new(steps), Self::new(steps));
        found.run(level, contract);
        expected.run_step_by_step(contract);
        let pairs = [(&found.trace, &expected.trace), (&found.gradient, &expected.gradient)];
        for (found, expected) in pairs {
            for (found, expected) in found.chunks_exact(ROW).zip(expected.chunks_exact(ROW)) {
                for (&found, expected) in found[..COLUMNS].iter().zip(&expected[..COLUMNS]) {
                    // At most K + 1 terms below 1, factors and sums with at most K roundings each: values below K.
                    let ulps = (4 * steps * steps) as f64;
                    assert_close(found, expected.to_f64(), ulps, "block");
                }
            }
        }
        found
    }
}
