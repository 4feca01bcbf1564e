//! Claim: a level is one this CPU has; others, and unknown names, are errors that list the valid ones.

use eligibility_kernels::lanes::Lanes;
use eligibility_kernels::{Kernel, Level, LevelError};

#[test]
fn detect_gives_the_best_available() {
    let levels: Vec<Level> = crate::common::levels();
    assert_eq!(levels.first(), Some(&Level::portable()));
    assert_eq!(levels.last(), Some(&Level::detect()));
    println!("levels here: {levels:?}");
}

#[test]
fn names_lead_back_to_levels() {
    for level in crate::common::levels() {
        assert_eq!(Level::named(level.name()), Ok(level));
    }
}

#[test]
fn errors_list_what_there_is() {
    let unknown = Level::named("mmx").unwrap_err();
    assert_eq!(unknown, LevelError::Unknown);
    for level in crate::common::levels() {
        assert!(unknown.to_string().contains(level.name()), "{unknown}");
    }
    for name in ["avx2", "avx512"] {
        if let Err(error) = Level::named(name) {
            assert_eq!(error, LevelError::Unavailable(name));
            assert!(error.to_string().contains("portable") && error.to_string().contains(name), "{error}");
        }
    }
}

struct Width;

impl Kernel<f32> for Width {
    type Output = usize;
    #[inline(always)]
    fn run<V: Lanes<Element = f32>>(self, _: V::Token) -> usize {
        V::WIDTH
    }
}

#[test]
fn a_kernel_runs_with_the_vectors_of_its_level() {
    for level in crate::common::levels() {
        let expected = match level.name() {
            "avx512" => 16,
            "avx2" => 8,
            _ => level.width::<f32>(),
        };
        assert_eq!(level.run(Width), expected);
        assert_eq!(level.width::<f64>() * 2, level.width::<f32>());
    }
}
