//! Accuracy, limits, symmetry and position independence of exp, sigmoid and tanh on every level.
//!
//! Error in ULP: `|computed - exact| / ulp(exact)`, where `ulp` is the spacing at the binade of the exact value and never
//! less than the smallest subnormal. Reference: f64 (std) for `f32`, double-double for `f64`.

use eligibility_kernels::activation::{Exp, Sigmoid, Tanh};
use eligibility_kernels::{Level, Real};
use reference::{Scaled, exact_f64};

/// The bound that the documentation promises.
const BOUND: f64 = 1.5;
const BLOCK: usize = 4096;
const FUNCTIONS: [Function; 3] = [Function::Exp, Function::Sigmoid, Function::Tanh];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Function {
    Exp,
    Sigmoid,
    Tanh,
}

impl Function {
    fn fill<T: Real>(self, level: Level, input: &[T], output: &mut [T]) {
        match self {
            Self::Exp => level.run(Exp { input, output }),
            Self::Sigmoid => level.run(Sigmoid { input, output }),
            Self::Tanh => level.run(Tanh { input, output }),
        }
    }
    fn of<T: Real>(self, level: Level, input: &[T]) -> Vec<T> {
        let mut output = vec![T::ZERO; input.len()];
        self.fill(level, input, &mut output);
        output
    }
}

mod reference {
    use super::Function;

    /// An unevaluated sum, high part first.
    type Double = (f64, f64);

    /// `(high + low) * 2^exponent`.
    pub(super) struct Scaled(pub(super) Double, pub(super) i32);

    fn sum(a: Double, b: Double) -> Double {
        let s = a.0 + b.0;
        let v = s - a.0;
        let low = (a.0 - (s - v)) + (b.0 - v) + (a.1 + b.1);
        let high = s + low;
        (high, low - (high - s))
    }
    fn product(a: Double, b: Double) -> Double {
        let p = a.0 * b.0;
        let low = a.0.mul_add(b.0, -p) + a.0.mul_add(b.1, a.1 * b.0);
        let high = p + low;
        (high, low - (high - p))
    }
    fn quotient(a: Double, b: Double) -> Double {
        let first = a.0 / b.0;
        let rest = sum(a, product((-first, 0.0), b));
        let second = rest.0 / b.0;
        let rest = sum(rest, product((-second, 0.0), b));
        sum((first, second), (rest.0 / b.0, 0.0))
    }
    pub(super) fn power_of_two(n: i32) -> f64 {
        2.0_f64.powi(n / 2) * 2.0_f64.powi(n - n / 2)
    }
    /// `(e, n)` with `exp(y) = 2^n (1 + e)`; relative error of `e` about 2^-98.
    fn expm1(y: f64) -> (Double, i32) {
        // ln 2 in 42 + 53 + 53 bits.
        let ln_2 = [0.693_147_180_559_890_3, 5.497_923_018_708_371e-14, LN_2_LAST];
        let n = (y * std::f64::consts::LOG2_E).round();
        let r = sum((y - n * ln_2[0], 0.0), product((-n, 0.0), (ln_2[1], ln_2[2])));
        let r = (r.0 / 256.0, r.1 / 256.0);
        let mut e = (1.0, 0.0);
        for k in (2..14).rev() {
            e = sum((1.0, 0.0), product(e, quotient(r, (f64::from(k), 0.0))));
        }
        e = product(e, r);
        for _ in 0..8 {
            e = product(e, sum((2.0, 0.0), e));
        }
        (e, n as i32)
    }
    /// `ln 2` less its first 95 bits.
    const LN_2_LAST: f64 = 1.947_045_092_380_75e-31;

    pub(super) fn exact_f64(function: Function, x: f64) -> Scaled {
        let one = (1.0, 0.0);
        match function {
            Function::Exp => {
                let (e, n) = expm1(x);
                Scaled(sum(one, e), n)
            }
            Function::Sigmoid => {
                let (e, n) = expm1(-x.abs().min(800.0));
                let t = sum(one, e);
                let scale = power_of_two(n.max(-200));
                let denominator = sum(one, (t.0 * scale, t.1 * scale));
                if x < 0.0 {
                    Scaled(quotient(t, denominator), n)
                } else {
                    Scaled(quotient(one, denominator), 0)
                }
            }
            Function::Tanh if x.abs() < 1e-100 => Scaled((x, 0.0), 0),
            Function::Tanh => {
                let (e, n) = expm1(-2.0 * x.abs().min(100.0));
                let scale = power_of_two(n);
                let m = sum(sum((scale, 0.0), (-1.0, 0.0)), (e.0 * scale, e.1 * scale));
                let t = quotient(m, sum((2.0, 0.0), m));
                Scaled(if x < 0.0 { t } else { (-t.0, -t.1) }, 0)
            }
        }
    }
}

/// What the tests need of an element type beyond [`Real`].
trait Tested: Real {
    /// Error in ULP; infinite where NaN, overflow or underflow is wrong.
    fn error(function: Function, x: Self, computed: Self) -> f64;
    fn next_up(self) -> Self;
    fn bits(self) -> u64;
}

impl Tested for f32 {
    fn error(function: Function, x: f32, computed: f32) -> f64 {
        let x = f64::from(x);
        let exact = match function {
            Function::Exp => x.exp(),
            Function::Sigmoid => 1.0 / (1.0 + (-x).exp()),
            Function::Tanh => x.tanh(),
        };
        // Beyond the middle between the largest number and the next power of two, infinity is the right rounding.
        if exact >= f64::from(f32::MAX) * (1.0 + f64::powi(2.0, -25)) || computed.is_infinite() {
            let right = computed.is_infinite() && exact > f64::from(f32::MAX);
            return if right { 0.0 } else { f64::INFINITY };
        }
        // 2^(exponent - 23), made of the bits of the exponent: the scan of every float spends its time here.
        let biased = (exact.to_bits() >> 52 & 0x7ff).max(1023 - 126);
        let error = (f64::from(computed) - exact).abs() / f64::from_bits((biased - 23) << 52);
        if error.is_nan() { f64::INFINITY } else { error }
    }
    fn next_up(self) -> Self {
        f32::next_up(self)
    }
    fn bits(self) -> u64 {
        u64::from(self.to_bits())
    }
}

impl Tested for f64 {
    fn error(function: Function, x: f64, computed: f64) -> f64 {
        let saturated = match function {
            Function::Exp if x > 709.782_712_893_384 => Some(f64::INFINITY),
            Function::Exp | Function::Sigmoid if x < -745.2 => Some(0.0),
            _ => None,
        };
        if let Some(value) = saturated {
            return if computed == value { 0.0 } else { f64::INFINITY };
        }
        let Scaled((high, low), exponent) = exact_f64(function, x);
        let on_edge = high.to_bits().trailing_zeros() >= 52 && low * high < 0.0;
        let binade = (high.to_bits() >> 52 & 0x7ff) as i32 - 1023 - i32::from(on_edge);
        let ulp = (binade + exponent - 52).max(-1074) - exponent;
        let half = -exponent / 2;
        let scaled = computed * reference::power_of_two(half) * reference::power_of_two(-exponent - half);
        let error = ((scaled - high) - low).abs() / reference::power_of_two(ulp);
        if error.is_nan() { f64::INFINITY } else { error }
    }
    fn next_up(self) -> Self {
        f64::next_up(self)
    }
    fn bits(self) -> u64 {
        self.to_bits()
    }
}

/// Splitmix64.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The `index`-th `f32` in the order of the reals (then positive NaN; negative NaN come first).
fn ordered(index: u32) -> f32 {
    f32::from_bits(if index >> 31 == 1 { index ^ (1 << 31) } else { !index })
}

#[derive(Clone, Copy, Debug, Default)]
struct Found {
    error: f64,
    at: f64,
    /// Neighbours in the wrong order.
    backwards: u64,
}

/// Scans blocks of arguments in ascending order (neighbouring only if the caller means to count `backwards`).
fn scan<T: Tested>(function: Function, level: Level, blocks: impl Iterator<Item = Vec<T>>) -> Found {
    let mut found = Found::default();
    let mut previous = None;
    for input in blocks {
        for (&x, y) in input.iter().zip(function.of(level, &input)) {
            if x.to_f64().is_nan() {
                assert!(y.to_f64().is_nan(), "{function:?} on {level}: NaN gave {y}");
                continue;
            }
            assert!(!y.to_f64().is_nan(), "{function:?} on {level}: {x} gave NaN");
            let error = T::error(function, x, y);
            if error > found.error {
                (found.error, found.at) = (error, x.to_f64());
            }
            if let Some((before, result)) = previous {
                found.backwards += u64::from(before <= x && result > y);
            }
            previous = Some((x, y));
        }
    }
    found
}

fn scan_f32(function: Function, level: Level, range: std::ops::Range<u64>, step: usize) -> Found {
    let end = range.end;
    let block = |start: u64| (start..end).step_by(step).take(BLOCK).map(|i| ordered(i as u32)).collect();
    scan(function, level, range.step_by(BLOCK * step).map(block))
}

#[test]
fn f32_error_is_bounded_on_a_dense_sample() {
    for level in Level::available() {
        for function in FUNCTIONS {
            let found = scan_f32(function, level, 0..1 << 32, 257);
            assert!(found.error <= BOUND && found.backwards == 0, "{function:?} {level} {found:?}");
        }
    }
}

#[test]
#[ignore = "6 to 10 minutes: `cargo test --release -p eligibility-kernels -- --ignored every_f32 --nocapture`"]
fn every_f32_is_accurate_and_monotone() {
    for level in Level::available() {
        for function in FUNCTIONS {
            // The halves meet at 0, which both scan.
            let lower = std::thread::spawn(move || scan_f32(function, level, 0..(1 << 31) + 1, 1));
            let upper = scan_f32(function, level, (1 << 31) - 1..1 << 32, 1);
            let lower = lower.join().expect("the scan of the negative half");
            println!("f32 {level} {function:?}: {lower:?} {upper:?}");
            assert!(lower.error.max(upper.error) <= BOUND && lower.backwards + upper.backwards == 0);
        }
    }
}

/// Pairs of neighbours: random magnitudes of all binades, the range where the functions bend, and the places where
/// the reduced argument jumps.
fn f64_arguments(count: usize) -> Vec<f64> {
    let mut state = 2026;
    let mut arguments = Vec::with_capacity(2 * count);
    for i in 0..count {
        let bits = random(&mut state);
        let unit = (bits >> 11) as f64 / f64::powi(2.0, 52) - 1.0;
        let jump = (f64::from((bits >> 32) as u8) - 127.5) * std::f64::consts::LN_2;
        let jump = jump * if bits & 1 == 0 { 0.5 } else { 1.0 };
        arguments.push(match i % 8 {
            0 => f64::from_bits(bits),
            1 => f64::from_bits(bits & !(0x1f << 58) | 0x0f << 58),
            2 => 745.2 * unit,
            3 => f64::from_bits((jump.to_bits() + (bits >> 56)).wrapping_sub(128)),
            4 | 5 => 20.0 * unit,
            // Where tanh has its largest errors.
            6 => (0.19 + 0.07 * unit).copysign(jump),
            _ => unit,
        });
    }
    arguments.retain(|x| !x.is_nan());
    arguments.iter().flat_map(|&x| [x, x.next_up()]).collect()
}

#[test]
fn f64_error_is_bounded_on_a_sample() {
    let arguments = f64_arguments(200_000);
    for level in Level::available() {
        for function in FUNCTIONS {
            let found = scan(function, level, arguments.chunks(BLOCK).map(<[f64]>::to_vec));
            println!("f64 {level} {function:?}: {found:?}");
            assert!(found.error <= BOUND && found.backwards == 0, "{function:?} {level} {found:?}");
        }
    }
}

fn limits_hold<T: Tested>(smallest: T, largest: T) {
    let infinity = T::ONE / T::ZERO;
    let nan = infinity * T::ZERO;
    let (zero, one) = (T::ZERO, T::ONE);
    let half = T::from_f64(0.5);
    let input = [-infinity, -largest, -smallest, -zero, zero, smallest, largest, infinity, nan, -nan];
    let expected: [(Function, [T; 8]); 3] = [
        (Function::Exp, [zero, zero, one, one, one, one, infinity, infinity]),
        (Function::Sigmoid, [zero, zero, half, half, half, half, one, one]),
        (Function::Tanh, [-one, -one, -smallest, -zero, zero, smallest, one, one]),
    ];
    for level in Level::available() {
        for (function, results) in expected {
            let output = function.of(level, &input);
            for ((x, y), result) in input.iter().zip(&output).zip(results) {
                assert_eq!(y.bits(), result.bits(), "{function:?}({x}) on {level} is {y}");
            }
            assert!(output[8..].iter().all(|y| y.to_f64().is_nan()), "{function:?} on {level}: {output:?}");
        }
        // All subnormals and the next binades are their own tanh.
        let tiny: Vec<T> = std::iter::successors(Some(smallest), |&x| Some(x + x)).take(100).collect();
        let tiny: Vec<T> = tiny.iter().flat_map(|&x| [x, -x, x.next_up(), -x.next_up()]).collect();
        assert_eq!(Function::Tanh.of(level, &tiny), tiny);
        let x: Vec<T> = f64_arguments(20_000).into_iter().map(T::from_f64).collect();
        let negated: Vec<T> = x.iter().map(|&x| -x).collect();
        for (a, b) in Function::Tanh.of(level, &x).into_iter().zip(Function::Tanh.of(level, &negated)) {
            assert_eq!(a.bits(), (-b).bits());
        }
    }
}

#[test]
fn limits_nan_and_odd_symmetry() {
    limits_hold(f32::from_bits(1), f32::MAX);
    limits_hold(f64::from_bits(1), f64::MAX);
}

fn position_does_not_matter<T: Tested>() {
    for level in Level::available() {
        let width = level.width::<T>();
        for length in [0, 1, width - 1, width, width + 1, 2 * width + 3] {
            let x: Vec<T> = f64_arguments(64).into_iter().map(T::from_f64).take(length).collect();
            for function in FUNCTIONS {
                let whole = function.of(level, &x);
                for shift in 0..length {
                    let mut turned = x.clone();
                    turned.rotate_left(shift);
                    let mut result = function.of(level, &turned);
                    result.rotate_right(shift);
                    let same = whole.iter().zip(&result).all(|(a, b)| a.bits() == b.bits());
                    assert!(same, "{function:?} {level} length {length} shift {shift}");
                }
            }
        }
    }
}

#[test]
fn permuting_positions_permutes_results() {
    position_does_not_matter::<f32>();
    position_does_not_matter::<f64>();
}

#[test]
fn the_f64_reference_matches_mpmath() {
    // High and low part, computed with mpmath at 400 bits.
    let values = [
        (Function::Exp, 0.3, 1.349_858_807_576_003_2, -9.447_314_673_432_387e-17),
        (Function::Exp, -1.75, 0.173_773_943_450_445_14, -1.299_940_996_804_482_1e-17),
        (Function::Exp, -36.5, 1.406_861_712_446_146_7e-16, 9.766_993_906_537_611e-33),
        (Function::Exp, 1.0e-09, 1.000_000_001, -8.224_037_093_664_211e-17),
        (Function::Exp, -9.0, 0.000_123_409_804_086_679_56, -1.171_665_918_417_464_4e-20),
        (Function::Sigmoid, 0.3, 0.574_442_516_811_659, -4.745_648_257_343_697_5e-17),
        (Function::Sigmoid, -1.75, 0.148_047_198_031_689_48, -5.633_149_329_174_93e-18),
        (Function::Sigmoid, -36.5, 1.406_861_712_446_146_7e-16, -1.002_560_487_293_143_3e-32),
        (Function::Sigmoid, 1.0e-09, 0.500_000_000_25, -2.068_509_273_422_303e-17),
        (Function::Sigmoid, -9.0, 0.000_123_394_575_986_231_72, 6.023_289_106_126_069e-21),
        (Function::Tanh, 0.3, 0.291_312_612_451_590_9, -6.460_265_658_646_958_6e-18),
        (Function::Tanh, -1.75, -0.941_375_538_497_287_4, 2.736_933_596_553_663e-17),
        (Function::Tanh, -36.5, -1.0, 3.958_519_755_893_809e-32),
        (Function::Tanh, 1.0e-09, 1.0e-09, -3.333_333_333_333_333_8e-28),
        (Function::Tanh, -9.0, -0.999_999_969_540_041, 2.599_156_256_266_002_6e-17),
    ];
    for (function, x, high, low) in values {
        let Scaled(exact, exponent) = exact_f64(function, x);
        let scale = reference::power_of_two(exponent);
        let difference = (exact.0 * scale - high) + (exact.1 * scale - low);
        assert!(difference.abs() <= f64::powi(2.0, -90) * high.abs(), "{function:?}({x}): {difference:e}");
    }
}

#[test]
#[should_panic(expected = "Sigmoid: 2 inputs for 3 outputs")]
fn unequal_lengths_panic() {
    Level::detect().run(Sigmoid { input: &[0.0_f32; 2], output: &mut [0.0; 3] });
}
