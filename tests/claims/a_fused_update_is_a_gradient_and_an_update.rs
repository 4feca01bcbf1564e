//! Claim: learning and updating in one sweep gives the same bits as a gradient followed by an update, for any stack, stream
//! and optimiser.

use eligibility::{
    Adam, Echo, EpropOptions, EpropStream, Error, Network, OnlineStream, Optimizer, RmsProp, RtrlOptions,
    RtrlStream, Scalar, Sgd, Stream, Target, TraceScaling,
};

use crate::common::cells::{alone, is_diagonal, lstm, mixed_stacks, recurrent_cells};
use crate::common::problem::{Form, Problem};

fn form(layers: Vec<eligibility::Cell>) -> Form {
    Form { steps: 40, batch: 1, ..Form::plain(layers) }
}

fn optimizers<T: Scalar>(network: &Network<T>) -> [Box<dyn Optimizer<T>>; 3] {
    [
        Box::new(Sgd::new(network, 0.02).unwrap()),
        Box::new(RmsProp::new(network, 0.01).unwrap()),
        Box::new(Adam::new(network, 0.01).unwrap()),
    ]
}

fn check<T: Scalar, S: OnlineStream<T> + Clone>(problem: &Problem<T>, stream: &S) {
    let pairs = optimizers(&problem.network).into_iter().zip(optimizers(&problem.network));
    for (mut optimizer, mut fused_optimizer) in pairs {
        let (mut apart, mut fused) = (stream.clone(), stream.clone());
        let mut networks = [problem.network.clone(), problem.network.clone()];
        let mut gradient = problem.network.zero_gradient();
        for step in 0..problem.form.steps {
            let (mut input, targets) = (problem.step(step).0.to_vec(), problem.targets(step));
            if step == 20 || step == 21 {
                input.fill(T::from_f64(f64::NAN)); // until the next reset, and nothing refers to it
            }
            let is_first = [step % 11 == 0];
            let y = apart.step(&networks[0], &input, &is_first).unwrap();
            let bits = |y: &[T]| y.iter().map(|y| y.to_f64().to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(y), bits(fused.step(&networks[1], &input, &is_first).unwrap()));
            if step % 3 == 1 {
                continue; // a step without a learning signal: the trace waits
            }
            let targets = if [5, 12, 20, 21].contains(&step) { vec![Target::Absent] } else { targets };
            let score = apart.learn(&networks[0], &targets, &mut gradient).unwrap();
            optimizer.update(networks[0].parameters_mut(), &gradient).unwrap();
            let other = fused.learn_and_update(&mut networks[1], &targets, fused_optimizer.as_mut()).unwrap();
            assert_eq!(score, other);
            assert_eq!(networks[0], networks[1], "{:?}, step {step}", problem.form.layers);
            assert!(networks[0].parameters().iter().all(|w| w.to_f64().is_finite()));
            assert_eq!(optimizer.averages(), fused_optimizer.averages());
            assert_eq!(optimizer.updates(), fused_optimizer.updates());
        }
        assert_ne!(networks[0], problem.network);
    }
}

fn of_any_stack<T: Scalar>() {
    let layers = [lstm(3, 11)].into_iter().chain(alone(recurrent_cells, 2, 5)).chain(mixed_stacks());
    for layers in layers {
        let problem = Problem::<T>::new(form(layers.clone()));
        for scaling in [TraceScaling::default(), TraceScaling { output: 0.5, decay: 0.9 }] {
            let options = EpropOptions { scaling, ..problem.options(true) };
            check(&problem, &EpropStream::new(&problem.network, 1, options).unwrap());
        }
        check(&problem, &EpropStream::new(&problem.network, 1, problem.options(false)).unwrap());
        if layers.iter().all(is_diagonal) {
            check(&problem, &RtrlStream::new(&problem.network, 1, RtrlOptions::default()).unwrap());
        }
    }
}

#[test]
fn of_any_stack_in_any_precision() {
    of_any_stack::<f32>();
    of_any_stack::<f64>();
}

#[test]
fn what_it_cannot_do_is_an_error_and_changes_nothing() {
    let problem = Problem::<f64>::new(Form { batch: 2, ..form(lstm(3, 11)) });
    let mut network = problem.network.clone();
    let mut sgd = Sgd::new(&network, 0.1).unwrap();
    let targets = [Target::Class(0)];
    let input = &problem.step(0).0[..3];

    let mut two = EpropStream::new(&network, 2, EpropOptions::default()).unwrap();
    let error = two.learn_and_update(&mut network, &[Target::Class(0); 2], &mut sgd).unwrap_err();
    assert!(error.to_string().contains("2 needed, but 1"), "{error}");
    let options = EpropOptions { echo: Echo::Modulated { alpha: 0.1 }, ..EpropOptions::default() };
    let mut echo = EpropStream::new(&network, 1, options).unwrap();
    echo.step(&network, input, &[true]).unwrap();
    let error = echo.learn_and_update(&mut network, &targets, &mut sgd).unwrap_err();
    assert!(matches!(error, Error::NotFused { .. }), "{error}");

    let mut one = EpropStream::new(&network, 1, EpropOptions::default()).unwrap();
    assert_eq!(one.learn_and_update(&mut network, &targets, &mut sgd).unwrap_err(), Error::NoStep);
    one.step(&network, input, &[true]).unwrap();
    let other = Problem::<f64>::new(Form::plain(lstm(3, 5)));
    let mut of_another_size = Sgd::new(&other.network, 0.1).unwrap();
    assert!(one.learn_and_update(&mut network, &targets, &mut of_another_size).is_err());
    assert!(one.learn_and_update(&mut network, &[Target::Class(99)], &mut sgd).is_err());
    assert_eq!(network, problem.network);
    one.learn_and_update(&mut network, &targets, &mut sgd).unwrap();
    let again = one.learn_and_update(&mut network, &targets, &mut sgd).unwrap_err();
    assert_eq!(again, Error::AlreadyLearned);
}
