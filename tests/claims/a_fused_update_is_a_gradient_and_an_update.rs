//! Claim: learning and updating in one sweep gives the same bits as a gradient followed by an update.

use eligibility::{
    Adam, EpropOptions, EpropStream, Error, FusedOptimizer, Network, RmsProp, Scalar, Sgd, Target,
};

use crate::common::cells::lstm;
use crate::common::problem::{Form, Problem};

fn form(batch: usize) -> Form {
    Form { steps: 40, batch, ..Form::plain(lstm(3, 11)) }
}

fn check<T: Scalar, O: FusedOptimizer<T> + Clone>(
    problem: &Problem<T>,
    make: impl Fn(&Network<T>) -> Result<O, Error>,
) {
    let mut networks = [problem.network.clone(), problem.network.clone()];
    let stream = EpropStream::new(&networks[0], 1, EpropOptions::default()).unwrap();
    let (mut apart, mut fused) = (stream.clone(), stream);
    let mut optimizer = make(&networks[0]).unwrap();
    let mut fused_optimizer = optimizer.clone();
    let mut gradient = networks[0].zero_gradient();
    for step in 0..problem.form.steps {
        let (input, targets, is_first) = (problem.step(step).0, problem.targets(step), [step % 11 == 0]);
        apart.step(&networks[0], input, &is_first).unwrap();
        fused.step(&networks[1], input, &is_first).unwrap();
        if step % 3 == 1 {
            continue; // a step without a learning signal: the trace waits
        }
        gradient.fill(T::ZERO);
        let score = apart.learn(&networks[0], &targets, &mut gradient).unwrap();
        optimizer.update(networks[0].parameters_mut(), &gradient).unwrap();
        let other = fused.learn_and_update(&mut networks[1], &targets, &mut fused_optimizer).unwrap();
        assert_eq!(score, other);
        assert_eq!(networks[0], networks[1], "step {step}");
        assert_eq!(optimizer.averages(), fused_optimizer.averages());
        assert_eq!(optimizer.updates(), fused_optimizer.updates());
    }
    assert_ne!(networks[0], problem.network);
}

fn with_any_optimizer<T: Scalar>() {
    let problem = Problem::<T>::new(form(1));
    check(&problem, |network| Sgd::new(network, 0.1));
    check(&problem, |network| RmsProp::new(network, 0.01));
    check(&problem, |network| Adam::new(network, 0.01));
}

#[test]
fn with_any_optimizer_and_precision() {
    with_any_optimizer::<f32>();
    with_any_optimizer::<f64>();
}

#[test]
fn what_it_cannot_do_is_an_error_and_changes_nothing() {
    let problem = Problem::<f64>::new(form(2));
    let mut network = problem.network.clone();
    let mut sgd = Sgd::new(&network, 0.1).unwrap();
    let targets = [Target::Class(0)];
    let input = &problem.step(0).0[..3];

    let mut two = EpropStream::new(&network, 2, EpropOptions::default()).unwrap();
    let error = two.learn_and_update(&mut network, &[Target::Class(0); 2], &mut sgd).unwrap_err();
    assert!(error.to_string().contains("2 needed, but 1"), "{error}");

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
