//! Constants of exp, sigmoid and tanh in which the two element types differ.
//!
//! ```text
//! (3) e^y = 2^n (1 + p),  n = round(y log2 e),  r = y - n ln 2,  p = r + r^2 g(r),  |r| <= ln(2)/2
//! ```
//!
//! g is a polynomial, ln 2 a sum of two parts; how they are used is in the file `activation`.

/// What the activations need to know of an element type.
///
/// Computed on 2026-11-21 with mpmath at 200 bits by `tests/activation_coefficients.py`.
#[derive(Clone, Copy, Debug)]
pub struct Coefficients<T: 'static> {
    /// `g(r) = (e^r - 1 - r) / r^2` for exp and sigmoid, lowest power first; the first is exactly 1/2.
    ///
    /// Least squares on 200 Chebyshev nodes of `|r| <= 0.3467` (`f32`) or `0.34658` (`f64`), a little more than
    /// `ln(2)/2`, weighted for the relative error of `e^r`; coefficients rounded from the lowest power up, the others
    /// refitted after each. Relative error of `e^r`: 2^-27.9 (`f32`), 2^-57.0 (`f64`).
    pub expm1_tail: &'static [T],
    /// The same for tanh, one power more.
    ///
    /// Weighted for the relative error of `e^r - 1` where `r < 0` (there `n` may be 0, and `tanh` is small), else by
    /// `2 r^2`. Largest weighted error: 2^-31.5 (`f32`), 2^-61.8 (`f64`).
    pub tanh_tail: &'static [T],
    /// `log2(e)`, nearest.
    pub log2_e: T,
    /// `ln 2` to 16 bits (`f32`) or 42 bits (`f64`): its product with any `n` is exact.
    pub ln_2_high: T,
    /// `ln 2 - ln_2_high`, nearest.
    pub ln_2_low: T,
    /// 1.5 times 2 to the number of mantissa bits: adding and subtracting it rounds to the nearest integer.
    pub rounder: T,
    /// Exponent bias of the format: 127 or 1023.
    pub bias: T,
    /// At and below it, `e^y` rounds to 0.
    pub exp_zero: T,
    /// At and above it, `e^y` rounds to infinity.
    pub exp_infinite: T,
    /// At and below this value of `-2|x|`, `tanh |x|` rounds to 1.
    pub tanh_one: T,
    /// Exponent of the power of two by which a scale below the normal range is raised while it is made.
    pub raise: T,
    /// `2^-raise`.
    pub lower: T,
}

impl Coefficients<f32> {
    /// For `f32`.
    pub const F32: Self = Self {
        expm1_tail: &[0.5, 0.166_665_18, 0.041_666_843, 0.008_368_95, 0.001_389_990_3],
        tanh_tail: &[0.5, 0.166_666_64, 0.041_666_46, 0.008_333_86, 0.001_393_541_9, 0.000_196_026_35],
        log2_e: core::f32::consts::LOG2_E,
        ln_2_high: 0.693_145_75,
        ln_2_low: 1.428_606_8e-6,
        rounder: 12_582_912.0,
        bias: 127.0,
        exp_zero: -104.0,
        exp_infinite: 89.0,
        tanh_one: -20.0,
        raise: 64.0,
        lower: f32::from_bits((127 - 64) << 23),
    };
}

impl Coefficients<f64> {
    /// For `f64`.
    pub const F64: Self = Self {
        expm1_tail: &[
            0.5,
            0.166_666_666_666_662_44,
            0.041_666_666_666_601_95,
            0.008_333_333_333_610_958,
            0.001_388_888_892_752_442_3,
            0.000_198_412_692_419_334_8,
            2.480_150_784_406_989e-5,
            2.755_783_058_553_633e-6,
            2.762_549_662_351_486e-7,
            2.492_094_197_285_41e-8,
        ],
        tanh_tail: &[
            0.5,
            0.166_666_666_666_666_74,
            0.041_666_666_666_666_37,
            0.008_333_333_333_322_791,
            0.001_388_888_888_904_449_6,
            0.000_198_412_698_842_764_99,
            2.480_158_701_958_780_7e-5,
            2.755_724_543_102_006_4e-6,
            2.755_752_011_081_565e-7,
            2.510_875_334_645_266_6e-8,
            2.084_303_305_884_437_7e-9,
        ],
        log2_e: core::f64::consts::LOG2_E,
        ln_2_high: 0.693_147_180_559_890_3,
        ln_2_low: 5.497_923_018_708_371e-14,
        rounder: 6_755_399_441_055_744.0,
        bias: 1023.0,
        exp_zero: -746.0,
        exp_infinite: 710.0,
        tanh_one: -40.0,
        raise: 128.0,
        lower: f64::from_bits((1023 - 128) << 52),
    };
}
