//! Claim: an optimiser in `f32` does what it does in `f64`, with every setting that it accepts: what is near 1 or near 0 is formed
//! in `f64` and rounded once, and what would become 0, 1 or infinite is an error. Clipping knows no largest gradient.

use eligibility::{
    Adam, Error, Loss, Lstm, Network, Optimizer, Readout, RmsProp, Scalar, Sgd, clip_global_norm,
};
use proptest::prelude::*;

fn network<T: Scalar>() -> Network<T> {
    Network::zeros(Lstm::new(1, 1).unwrap(), Readout::new(1, Loss::SquaredError).unwrap()).unwrap()
}

/// A weight that begins at zero, after some updates along always the same gradient.
fn weight<T: Scalar>(optimizer: &mut dyn Optimizer<T>, updates: usize, gradient: f64) -> f64 {
    let mut network = network::<T>();
    let mut along = network.zero_gradient();
    along[0] = T::from_f64(gradient);
    for _ in 0..updates {
        optimizer.update(network.parameters_mut(), &along).unwrap();
    }
    network.parameters()[0].to_f64()
}

fn adam<T: Scalar>(mean: f64, square: f64) -> Result<Adam<T>, Error> {
    Adam::new(&network::<T>(), 1e-3)?.with_decays(mean, square)
}

fn rms_prop<T: Scalar>(decay: f64) -> Result<RmsProp<T>, Error> {
    RmsProp::new(&network::<T>(), 1e-3)?.with_decay(decay)
}

fn close(found: f64, expected: f64) -> bool {
    (found - expected).abs() <= 1e-5 * expected.abs()
}

/// Adam goes the learning rate at a step, if the gradient stays as it is.
#[test]
fn a_decay_of_almost_one() {
    let found = weight(&mut adam::<f32>(0.9, 0.999_999).unwrap(), 10, 0.5);
    assert!(close(found, -1e-2), "{found}");
    for decay in [0.999_999, 0.999_999_9] {
        let expected = weight(&mut rms_prop::<f64>(decay).unwrap(), 10, 0.5);
        let found = weight(&mut rms_prop::<f32>(decay).unwrap(), 10, 0.5);
        assert!(close(found, expected), "{decay}: {found} and {expected}");
    }
}

/// What a checkpoint has: the rate as it is, the updates, the averages.
#[test]
fn a_restored_optimizer_goes_the_same_way() {
    let mut network = network::<f64>();
    let mut gradient = network.zero_gradient();
    gradient[0] = 0.5;
    let mut one = Adam::new(&network, 1e-3).unwrap();
    one.update(network.parameters_mut(), &gradient).unwrap();
    Optimizer::<f64>::set_learning_rate(&mut one, 1e-2).unwrap();
    let mut other = Adam::new(&network, Optimizer::<f64>::learning_rate(&one)).unwrap();
    let (updates, averages) = other.averages_mut();
    *updates = one.updates();
    for ((_, target), (_, source)) in averages.into_iter().zip(one.averages()) {
        target.copy_from_slice(source);
    }
    let mut again = network.clone();
    one.update(network.parameters_mut(), &gradient).unwrap();
    other.update(again.parameters_mut(), &gradient).unwrap();
    assert_eq!(network, again);
}

#[test]
fn what_becomes_something_else_in_the_type_is_an_error() {
    let refused = |error: Option<Error>| {
        let error = error.expect("an error").to_string();
        assert!(error.contains("in the network's type"), "{error}");
    };
    refused(adam::<f32>(0.9, 0.999_999_99).err());
    refused(adam::<f32>(0.999_999_99, 0.9).err());
    refused(rms_prop::<f32>(0.999_999_99).err());
    refused(rms_prop::<f32>(0.9).unwrap().with_epsilon(1e-46).err());
    refused(adam::<f32>(0.9, 0.9).unwrap().with_epsilon(1e39).err());
    let network = network::<f32>();
    refused(Adam::new(&network, 1e39).err());
    refused(RmsProp::new(&network, 1e39).err());
    refused(Sgd::new(&network, 1e39).err());
    let mut sgd = Sgd::new(&network, 0.1).unwrap();
    refused(Optimizer::<f32>::set_learning_rate(&mut sgd, 1e39).err());
    // What `f64` can tell from 0 and 1.
    assert!(adam::<f64>(0.9, 0.999_999_99).unwrap().with_epsilon(1e-46).is_ok());
}

proptest! {
    #[test]
    fn for_any_decays(mean in 0.0..0.999_f64, above in -15.0..0.0_f64, gradient in 0.1..2.0_f64) {
        let square = 1.0 - above.exp2();
        let expected = weight(&mut adam::<f64>(mean, square).unwrap(), 20, gradient);
        let found = weight(&mut adam::<f32>(mean, square).unwrap(), 20, gradient);
        prop_assert!(close(found, expected), "{} and {}", found, expected);
    }

    /// Of numbers whose squares leave the range of the type, at either end, as of their mantissas.
    #[test]
    fn clipping_at_every_scale(elements in prop::collection::vec(-1.0..1.0_f64, 1..9), exponent in -300..300_i32) {
        let scale = 10.0_f64.powi(exponent);
        let norm = elements.iter().map(|g| g * g).sum::<f64>().sqrt();
        prop_assume!(norm > 0.0);
        let mut gradient: Vec<f64> = elements.iter().map(|g| g * scale).collect();
        let found = clip_global_norm(&mut gradient, scale * norm / 4.0).unwrap();
        prop_assert!((found - norm * scale).abs() <= 1e-12 * found, "{} and {}", found, norm * scale);
        for (found, element) in gradient.iter().zip(&elements) {
            prop_assert!((found * 4.0 - element * scale).abs() <= 1e-12 * element.abs() * scale);
        }
    }
}

#[test]
fn clipping_in_f32_and_of_what_is_not_finite() {
    let mut largest = [f32::MAX; 3];
    clip_global_norm(&mut largest, 1.0).unwrap();
    assert!(largest.iter().all(|g| (g * 3.0_f32.sqrt() - 1.0).abs() < 1e-6), "{largest:?}");
    let mut largest = [f64::MAX; 3];
    clip_global_norm(&mut largest, 1.0).unwrap();
    assert!(largest.iter().all(|g| (g * 3.0_f64.sqrt() - 1.0).abs() < 1e-12), "{largest:?}");
    for bad in [f64::NAN, f64::INFINITY] {
        let mut gradient = [1.0, bad, 1e200];
        assert!(!clip_global_norm(&mut gradient, 1.0).unwrap().is_finite());
        assert_eq!((gradient[0], gradient[2]), (1.0, 1e200));
    }
    assert_eq!(clip_global_norm(&mut [0.0_f64; 3], 1.0).unwrap(), 0.0);
    assert_eq!(clip_global_norm::<f32>(&mut [], 1.0).unwrap(), 0.0);
}
