//! What the kernels claim, one file per claim.

mod common;

mod activation_accuracy;
mod activations_agree_with_their_twins;
mod affine_agrees_with_its_twin;
mod fused_updates_are_their_parts;
mod gates_agree_with_their_twin;
mod gru_gates_agree_with_their_twin;
mod levels;
mod nonlinearities_agree_with_their_twin;
mod pair_blocks_agree_with_their_twin;
mod pair_cells_agree_with_their_twin;
mod pair_traces_agree_with_their_twin;
mod row_dots_agree_with_their_twin;
mod sines_and_cosines_agree_with_their_twin;
mod trace_blocks_agree_with_their_twin;
mod traces_agree_with_their_twin;
mod unit_cells_agree_with_their_twins;
mod unit_steps_back_agree_with_their_twin;
mod unit_traces_agree_with_their_twins;
mod updates_agree_with_their_twin;
