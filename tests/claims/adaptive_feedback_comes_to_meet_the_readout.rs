//! Claim: adaptive feedback weights and the readout's weights differ by (1 - decay)^n of what they differed by at first,
//! after n updates by any optimiser.

use eligibility::{
    Adam, Bptt, BpttOptions, Eprop, EpropOptions, EpropStream, Feedback, Learner, Network, OnlineStream,
    Optimizer, RmsProp, Sgd, Stream,
};
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::common::cells::lstm;
use crate::common::compare::assert_close;
use crate::common::problem::{Form, Problem};

const DECAY: f64 = 0.1;
const UPDATES: i32 = 30;

fn difference(network: &Network<f64>, feedback: &Feedback<f64>) -> Vec<f64> {
    let Feedback::Adaptive(feedback) = feedback else { panic!("not adaptive") };
    let weights = network.layout().readout_parts()[0].read(network.parameters());
    weights.iter().zip(feedback.matrix()).map(|(w, b)| w - b).collect()
}

fn optimizers(network: &Network<f64>) -> Vec<Box<dyn Optimizer<f64>>> {
    vec![
        Box::new(Sgd::new(network, 0.5).unwrap()),
        Box::new(RmsProp::new(network, 0.01).unwrap()),
        Box::new(Adam::new(network, 0.01).unwrap()),
    ]
}

#[test]
fn over_batches() {
    let problem = Problem::<f64>::new(Form::full(lstm(3, 11)));
    for mut optimizer in optimizers(&problem.network) {
        let mut network = problem.network.clone();
        let feedback = Feedback::adaptive(&network, DECAY, &mut StdRng::seed_from_u64(1)).unwrap();
        let first = difference(&network, &feedback);
        let options = EpropOptions { feedback, ..EpropOptions::default() };
        let mut eprop = Eprop::new(&network, problem.form.batch, options).unwrap();
        let mut gradient = network.zero_gradient();
        for _ in 0..UPDATES {
            eprop.gradient(&network, &problem.sequences(), &mut gradient).unwrap();
            optimizer.update(network.parameters_mut(), &gradient).unwrap();
            eprop.after_update(&mut network).unwrap();
        }
        let expected: Vec<f64> = first.iter().map(|d| d * (1.0 - DECAY).powi(UPDATES)).collect();
        assert_close("W - B", &difference(&network, eprop.feedback()), &expected, 1e-10, 1e-6);
        // Without a gradient in between there is nothing to mirror.
        let before = network.clone();
        eprop.after_update(&mut network).unwrap();
        assert_eq!(network, before);
    }
}

#[test]
fn in_a_stream() {
    let problem = Problem::<f64>::new(Form { batch: 1, steps: UPDATES as usize, ..Form::plain(lstm(2, 5)) });
    for mut optimizer in optimizers(&problem.network) {
        let networks = [false, true].map(|fused| {
            let mut network = problem.network.clone();
            let feedback = Feedback::adaptive(&network, DECAY, &mut StdRng::seed_from_u64(1)).unwrap();
            let first = difference(&network, &feedback);
            let options = EpropOptions { feedback, ..EpropOptions::default() };
            let mut stream = EpropStream::new(&network, 1, options).unwrap();
            optimizer.averages_mut().1.into_iter().for_each(|(_, average)| average.fill(0.0));
            *optimizer.averages_mut().0 = 0;
            for t in 0..problem.form.steps {
                stream.step(&network, problem.step(t).0, &[false]).unwrap();
                if fused {
                    stream.learn_and_update(&mut network, &problem.targets(t), optimizer.as_mut()).unwrap();
                } else {
                    let mut gradient = network.zero_gradient();
                    stream.learn(&network, &problem.targets(t), &mut gradient).unwrap();
                    optimizer.update(network.parameters_mut(), &gradient).unwrap();
                    stream.after_update(&mut network).unwrap();
                }
            }
            let expected: Vec<f64> = first.iter().map(|d| d * (1.0 - DECAY).powi(UPDATES)).collect();
            assert_close("W - B", &difference(&network, stream.feedback()), &expected, 1e-10, 1e-6);
            network
        });
        assert_eq!(networks[0], networks[1]);
    }
}

#[test]
fn other_learners_and_other_feedback_change_nothing() {
    let mut problem = Problem::<f64>::new(Form::plain(lstm(2, 5)));
    let before = problem.network.clone();
    let learners: [Box<dyn Learner<f64>>; 2] = [
        Box::new(Bptt::new(&before, 2, 6, BpttOptions::default()).unwrap()),
        Box::new(Eprop::new(&before, 2, problem.options(true)).unwrap()),
    ];
    for mut learner in learners {
        problem.learn(&mut *learner);
        learner.after_update(&mut problem.network).unwrap();
        assert_eq!(problem.network, before);
    }
}
