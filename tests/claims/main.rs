//! What the library claims, one file per claim. One binary, because every learner is compiled anew for each.

mod common;

mod a_batch_may_be_smaller_than_the_capacity;
mod a_frozen_layer_stays_frozen;
mod a_fused_update_is_a_gradient_and_an_update;
mod a_learner_remembers_nothing;
mod a_loss_of_ones_own;
mod a_masked_target_is_not_there;
mod a_stream_goes_on_where_it_was_saved;
mod a_stream_is_a_sequence_fed_by_hand;
mod adaptive_feedback_comes_to_meet_the_readout;
mod architecture;
mod bad_input_is_an_error;
mod bptt_gradient_is_that_of_the_loss;
mod comparison_rejects_nan;
mod eprop_gradient_is_that_of_frozen_recurrence;
mod golden;
mod networks_compose;
mod resets_and_lengths;
mod rtrl_is_exact;
mod schedules_are_the_same_sum;
mod scores;
mod settings_are_those_of_the_type;
mod subnormal_inputs_are_silence;
mod threads_do_not_change_a_bit;
mod truncated_bptt_is_exact_for_its_last_steps;
mod what_is_exact;
mod what_no_signal_refers_to_takes_no_part;
