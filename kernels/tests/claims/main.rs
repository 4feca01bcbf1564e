//! What the kernels claim, one file per claim.

mod common;

mod activation_accuracy;
mod activations_agree_with_their_twins;
mod gates_agree_with_their_twin;
mod levels;
mod traces_agree_with_their_twin;
mod updates_agree_with_their_twin;
