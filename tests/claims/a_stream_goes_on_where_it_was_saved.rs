//! Claim: a row of a stream that was saved and restored, into whatever stream and row, goes on to the same bits, also with other
//! weights; and the other rows of that stream do not notice.

use eligibility::{Carry, Echo, Network, Stream, TraceScaling};

use crate::common::cells::{alone, mixed_stacks, recurrent_cells};
use crate::common::learners::{Setup, streams};
use crate::common::problem::{Form, Problem};

const ROWS: usize = 3;

/// Takes steps `from..to` of the problem's row `data`, in row `row` (the other rows take others), and learns from some
/// of them. Outputs, and gradients of errors in row `row` alone.
fn go_on(
    problem: &Problem<f64>,
    network: &Network<f64>,
    stream: &mut dyn Stream<f64>,
    (data, row): (usize, usize),
    steps: std::ops::Range<usize>,
) -> Vec<f64> {
    let (input, output, mut gradient) = (problem.form.input(), problem.form.output, network.zero_gradient());
    let mut found = Vec::new();
    for t in steps {
        let (all, first) = problem.step(t);
        let of_row = |k: usize| (data + k + ROWS - row) % ROWS;
        let inputs: Vec<f64> = (0..ROWS).flat_map(|k| all[of_row(k) * input..][..input].to_vec()).collect();
        let is_first: Vec<bool> = (0..ROWS).map(|k| first[of_row(k)]).collect();
        let y = stream.step(network, &inputs, &is_first).unwrap();
        found.extend_from_slice(&y[row * output..(row + 1) * output]);
        if t % 3 != 1 {
            let mut error = vec![0.0; ROWS * output];
            let of_row = error[row * output..].iter_mut().take(output).enumerate();
            of_row.for_each(|(k, error)| *error = 0.5 - 0.3 * k as f64);
            stream.learn_from_error(network, &error, &mut gradient).unwrap();
            found.extend_from_slice(&gradient);
            found.extend_from_slice(&stream.input_gradient()[row * input..(row + 1) * input]);
        }
    }
    found
}

/// What a file would hold of it.
fn through_a_file(carry: &Carry<f64>, mut empty: Carry<f64>) -> Carry<f64> {
    for ((name, from), (other, to)) in carry.slices().zip(empty.slices_mut()) {
        assert_eq!(name, other);
        to.copy_from_slice(from);
    }
    empty
}

fn check(form: Form, setup: Setup, kinds: fn(&str) -> bool) {
    let problem = Problem::<f64>::new(Form { steps: 30, batch: ROWS, shortest: 1.0, resets: 0.08, ..form });
    let other_weights = Problem::<f64>::new(Form { seed: 99, ..problem.form.clone() }).network;
    let all = streams(&problem, ROWS, setup).into_iter().enumerate();
    for which in all.filter(|(_, (name, _))| kinds(name)).map(|(which, _)| which) {
        let new = || streams(&problem, ROWS, setup).swap_remove(which);
        for (saved_after, used_for) in [(0, 5), (1, 0), (2, 4), (11, 0), (11, 3), (12, 9)] {
            let (name, mut stream) = new();
            let what = format!("{name}, {:?}, saved after {saved_after}, used for {used_for}", problem.form);
            go_on(&problem, &problem.network, &mut *stream, (0, 0), 0..saved_after);
            let mut carry = stream.carry();
            stream.save(0, &mut carry).unwrap();
            let (_, mut other) = new();
            let (_, mut undisturbed) = new();
            for stream in [&mut other, &mut undisturbed] {
                go_on(&problem, &problem.network, &mut **stream, (2, 1), 10..10 + used_for);
            }
            let carry = through_a_file(&carry, other.carry());
            other.restore(2, &carry).unwrap();
            let mut again = other.carry();
            other.save(2, &mut again).unwrap();
            assert_eq!(again, carry, "{what}");
            let rest = saved_after..25;
            for network in [&problem.network, &other_weights] {
                let expected = go_on(&problem, network, &mut *stream, (0, 0), rest.clone());
                let found = go_on(&problem, network, &mut *other, (0, 2), rest.clone());
                assert!(found == expected, "{what}: row 2 goes on otherwise");
                // Anew from the same place, now with the other weights.
                stream.restore(0, &carry).unwrap();
                other.restore(2, &carry).unwrap();
            }
            if used_for > 0 {
                let (_, mut other) = new();
                go_on(&problem, &problem.network, &mut *other, (2, 1), 10..10 + used_for);
                other.restore(2, &carry).unwrap();
                let [found, expected] = [&mut other, &mut undisturbed].map(|stream| {
                    go_on(&problem, &problem.network, &mut **stream, (2, 1), 10 + used_for..25)
                });
                assert!(found == expected, "{what}: row 1 was disturbed");
            }
        }
    }
}

#[test]
fn of_every_cell_with_traces() {
    for layers in [alone(recurrent_cells, 2, 5), mixed_stacks()].concat() {
        let setup = Setup { input_gradient: true, ..Setup::default() };
        check(Form::plain(layers), setup, |name| !name.ends_with("steps back"));
    }
}

#[test]
fn of_every_cell_with_windows() {
    for layers in [alone(recurrent_cells, 2, 5), mixed_stacks()].concat() {
        let setup = Setup { input_gradient: true, ..Setup::default() };
        check(Form::plain(layers), setup, |name| name.ends_with("steps back"));
    }
}

#[test]
fn with_the_extensions_of_eprop() {
    let scaling = TraceScaling { output: 0.5, decay: 0.9 };
    for layers in mixed_stacks() {
        for echo in [Echo::Modulated { alpha: 0.1 }, Echo::Literal { alpha: 0.1 }] {
            let form = Form { echo, scaling, ..Form::plain(layers.clone()) };
            let setup = Setup { random: true, input_gradient: true, ..Setup::default() };
            check(form, setup, |name| name == "e-prop");
        }
    }
}

#[test]
fn what_is_no_such_carry_is_an_error() {
    let [problem, other] = [2, 3]
        .map(|units| Problem::<f64>::new(Form::plain(vec![eligibility::Gru::new(2, units).unwrap().into()])));
    let of = |problem| streams(problem, 2, Setup::default());
    for ((_, mut stream), (_, other)) in of(&problem).into_iter().zip(of(&other)) {
        let mut carry = stream.carry();
        assert!(stream.save(2, &mut carry).unwrap_err().to_string().contains("row"));
        assert!(stream.restore(2, &carry).is_err());
        let mut wrong = other.carry();
        assert!(stream.save(0, &mut wrong).unwrap_err().to_string().contains("carry"));
        assert!(stream.restore(0, &wrong).is_err());
    }
}
