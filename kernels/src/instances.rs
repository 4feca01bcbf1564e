//! Every kernel for `f32` and `f64`, compiled with this crate and not again in every crate that runs one.
//!
//! A kernel is generic over its elements, and generic code is compiled where it is used: three levels of two types, minutes in
//! all. Only a type's own methods are compiled with it, so each kernel is run by a method of its element type.

use crate::activation::{Exp, Nonlinear, Sigmoid, SinCos, Tanh};
use crate::affine::Affine;
use crate::elstm::Elstm;
use crate::gru_gates::{GruGates, GruGatesBackward};
use crate::level::Level;
use crate::lstm_gates::{LstmGates, LstmGatesBackward};
use crate::min_gru::MinGru;
use crate::pair_cell::PairCell;
use crate::row_dot::RowDot;
use crate::trace::pair::{
    PairTraceBlock, PairTraceBlockContract, PairTraceContract, PairTraceFactors, PairTraceStep,
    PairTraceStepContract,
};
use crate::trace::{
    TraceBlock, TraceBlockContract, TraceContract, TraceFactors, TraceStep, TraceStepContract,
    TraceSumFactors,
};
use crate::unit_back::UnitBackward;
use crate::unit_trace::{UnitTraceContract, UnitTraceStep};
use crate::update::{Adam, OuterUpdate, PairTraceUpdate, RmsProp, Sgd, Store, TraceUpdate};

/// In an implementation of [`Kernel`](crate::Kernel): that the method of its element type runs it.
macro_rules! run_by {
    ($method:ident) => {
        #[inline]
        fn at(self, level: crate::Level) {
            T::$method(self, level);
        }
    };
}

/// In an implementation of [`Update`](crate::update::Update): what runs the kernels fused with it.
macro_rules! fused_by {
    ($traces:ident, $pairs:ident, $outer:ident) => {
        #[inline]
        fn traces(kernel: TraceUpdate<'_, T, Self>, level: crate::Level) {
            T::$traces(kernel, level);
        }
        #[inline]
        fn pairs(kernel: PairTraceUpdate<'_, T, Self>, level: crate::Level) {
            T::$pairs(kernel, level);
        }
        #[inline]
        fn outer(kernel: OuterUpdate<'_, T, Self>, level: crate::Level) {
            T::$outer(kernel, level);
        }
    };
}

pub(crate) use {fused_by, run_by};

/// The trait with a method for each kernel, and for each kernel fused with an update.
macro_rules! instances {
    ($($method:ident $kernel:ident)* ; $($fused:ident $fusing:ident $update:ident)*) => {
        /// Runs each kernel of this crate.
        pub trait Instances: Sized {
            $(fn $method(kernel: $kernel<'_, Self>, level: Level);)*
            $(fn $fused(kernel: $fusing<'_, Self, $update<'_, Self>>, level: Level);)*
        }
        instances! { f32 $($method $kernel)* ; $($fused $fusing $update)* }
        instances! { f64 $($method $kernel)* ; $($fused $fusing $update)* }
    };
    ($element:ident $($method:ident $kernel:ident)* ; $($fused:ident $fusing:ident $update:ident)*) => {
        impl Instances for $element {
            $(fn $method(kernel: $kernel<'_, Self>, level: Level) {
                level.compile(kernel);
            })*
            $(fn $fused(kernel: $fusing<'_, Self, $update<'_, Self>>, level: Level) {
                level.compile(kernel);
            })*
        }
    };
}

instances! {
    adam Adam
    affine Affine
    elstm Elstm
    exp Exp
    gru_gates GruGates
    gru_gates_backward GruGatesBackward
    lstm_gates LstmGates
    lstm_gates_backward LstmGatesBackward
    min_gru MinGru
    nonlinear Nonlinear
    pair_cell PairCell
    pair_trace_block PairTraceBlock
    pair_trace_block_contract PairTraceBlockContract
    pair_trace_contract PairTraceContract
    pair_trace_factors PairTraceFactors
    pair_trace_step PairTraceStep
    pair_trace_step_contract PairTraceStepContract
    rms_prop RmsProp
    row_dot RowDot
    sgd Sgd
    sigmoid Sigmoid
    sin_cos SinCos
    tanh Tanh
    trace_block TraceBlock
    trace_block_contract TraceBlockContract
    trace_contract TraceContract
    trace_factors TraceFactors
    trace_step TraceStep
    trace_step_contract TraceStepContract
    trace_sum_factors TraceSumFactors
    unit_backward UnitBackward
    unit_trace_contract UnitTraceContract
    unit_trace_step UnitTraceStep
    ;
    sgd_traces TraceUpdate Sgd
    sgd_pairs PairTraceUpdate Sgd
    sgd_outer OuterUpdate Sgd
    rms_prop_traces TraceUpdate RmsProp
    rms_prop_pairs PairTraceUpdate RmsProp
    rms_prop_outer OuterUpdate RmsProp
    adam_traces TraceUpdate Adam
    adam_pairs PairTraceUpdate Adam
    adam_outer OuterUpdate Adam
    store_traces TraceUpdate Store
    store_pairs PairTraceUpdate Store
    store_outer OuterUpdate Store
}
