//! Claim: a score counts what it says: classes are hit or missed, values are neither, and beside NaN nothing is hit.

use eligibility::{EpropOptions, EpropStream, Loss, Lstm, Network, Readout, Stream, Target};

fn score(loss: Loss, bias: [f64; 2], target: Target<'_, f64>) -> eligibility::Score {
    let readout = Readout::new(2, loss).unwrap();
    let mut network = Network::<f64>::zeros(Lstm::new(1, 1).unwrap(), readout).unwrap();
    let part =
        network.layout().readout_parts().into_iter().find(|part| part.name() == "readout.bias").unwrap();
    for (index, bias) in part.indices().zip(bias) {
        network.parameters_mut()[index] = bias;
    }
    let mut stream = EpropStream::new(&network, 1, EpropOptions::default()).unwrap();
    stream.step(&network, &[0.0], &[true]).unwrap();
    let mut gradient = network.zero_gradient();
    stream.learn(&network, &[target], &mut gradient).unwrap()
}

#[test]
fn of_classes_and_values() {
    let hit = score(Loss::CrossEntropy, [1.0, 0.0], Target::Class(0));
    assert_eq!((hit.targets, hit.classes, hit.correct, hit.error_rate()), (1, 1, 1, 0.0));
    let missed = score(Loss::CrossEntropy, [1.0, 0.0], Target::Class(1));
    assert_eq!((missed.classes, missed.correct, missed.error_rate()), (1, 0, 1.0));
    let values = score(Loss::SquaredError, [1.0, 0.0], Target::Values(&[1.0, 0.0]));
    assert_eq!((values.targets, values.classes), (1, 0));
    assert!(values.error_rate().is_nan());
}

#[test]
fn nan_is_no_hit() {
    for bias in [[1.0, f64::NAN], [f64::NAN, 1.0], [f64::INFINITY, 1.0]] {
        for class in 0..2 {
            let found = score(Loss::CrossEntropy, bias, Target::Class(class));
            assert!(found.loss.is_nan());
            assert_eq!((found.classes, found.correct), (1, 0), "{bias:?}, {class}");
        }
    }
}
