//! One harness for kernels over rows: their slices by name, and what all of these kernels promise.
//!
//! A claim says how the slices lie, how they make a kernel and its twin, and what each output may be off by. The rest is
//! here: nothing depends on its position, rows that are not active are not read and keep or lose what is in them, and a
//! wrong length is named.

use std::fmt::Debug;
use std::ops::{Index, IndexMut, Range};
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{assert_agrees, assert_same_bits};
use eligibility_kernels::{Level, Real};
use proptest::prelude::*;

/// What a kernel does with a slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Read,
    /// Written; rows that are not active stay as they are.
    Stepped,
    /// Written; rows that are not active become zero.
    Cleared,
}

/// How a slice lies: for each row or once for all, so many planes of as many elements.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// The name of the kernel's field.
    name: &'static str,
    role: Role,
    per_row: bool,
    planes: usize,
    /// Elements of a plane, whose order does not matter.
    plane: usize,
}

impl Shape {
    /// Read, and the same for all rows.
    pub(crate) fn shared(name: &'static str, planes: usize, plane: usize) -> Self {
        Self { name, role: Role::Read, per_row: false, planes, plane }
    }
    /// Read, for each row.
    pub(crate) fn rows(name: &'static str, planes: usize, plane: usize) -> Self {
        Self { per_row: true, ..Self::shared(name, planes, plane) }
    }
    /// Written for each row that is active.
    pub(crate) fn stepped(name: &'static str, planes: usize, plane: usize) -> Self {
        Self { role: Role::Stepped, ..Self::rows(name, planes, plane) }
    }
    /// Written for each row, zero for those that are not active.
    pub(crate) fn cleared(name: &'static str, planes: usize, plane: usize) -> Self {
        Self { role: Role::Cleared, ..Self::rows(name, planes, plane) }
    }
    /// Written, a sum over the rows.
    pub(crate) fn sum(name: &'static str, planes: usize, plane: usize) -> Self {
        Self { role: Role::Stepped, ..Self::shared(name, planes, plane) }
    }
    fn per_row(&self) -> usize {
        self.planes * self.plane
    }
    fn length(&self, rows: usize) -> usize {
        self.per_row() * if self.per_row { rows } else { 1 }
    }
}

/// Everything a kernel reads and writes; `F` is what is no slice.
#[derive(Clone, Debug)]
pub(crate) struct Case<T, F, const N: usize> {
    pub(crate) form: F,
    pub(crate) active: Vec<bool>,
    shapes: [Shape; N],
    /// In the order of the shapes.
    pub(crate) slices: [Vec<T>; N],
}

/// Where the values of a case come from.
pub(crate) type Draw<T> = fn(usize) -> BoxedStrategy<Vec<T>>;

/// Values of one to three rows, most of them active, in these shapes.
pub(crate) fn cases<T: Real, F: Clone + Debug + 'static, const N: usize>(
    form: F,
    shapes: [Shape; N],
    draw: Draw<T>,
) -> impl Strategy<Value = Case<T, F, N>> {
    prop::collection::vec(prop::bool::weighted(0.8), 1..4).prop_flat_map(move |active| {
        let (form, slices) = (form.clone(), shapes.map(|shape| draw(shape.length(active.len()))));
        slices.prop_map(move |slices| Case { form: form.clone(), active: active.clone(), shapes, slices })
    })
}

/// Runs a kernel at a level, or its twin.
macro_rules! run {
    ($level:expr, $twin:path, $op:expr) => {
        match $level {
            Some(level) => level.run($op),
            None => $twin($op),
        }
    };
}
pub(crate) use run;

/// The tests `in_f32` and `in_f64`: `$check(&case, level)` at every level for cases of `$cases(draw)`, special values among
/// them; or `$check(&case)` for cases of `$cases($argument)`.
macro_rules! in_both_types {
    ($cases:ident($($argument:expr)?), $check:expr) => {
        proptest! {
            #![proptest_config(crate::common::config())]

            #[test]
            fn in_f32(case in $cases::<f32>($($argument)?)) {
                $check(&case);
            }

            #[test]
            fn in_f64(case in $cases::<f64>($($argument)?)) {
                $check(&case);
            }
        }
    };
    ($cases:ident, $check:ident) => {
        in_both_types!($cases(|length| crate::common::values(length).boxed()), |case| {
            for level in crate::common::levels() {
                $check(case, level);
            }
        });
    };
}
pub(crate) use in_both_types;

/// A kernel, or its twin, on a case.
pub(crate) type Run<T, F, const N: usize> = fn(&mut Case<T, F, N>, Option<Level>);

impl<T, F, const N: usize> Case<T, F, N> {
    fn place(&self, name: &str) -> usize {
        self.shapes.iter().position(|shape| shape.name == name).unwrap_or_else(|| panic!("no slice {name}"))
    }
}

impl<T, F, const N: usize> Index<&str> for Case<T, F, N> {
    type Output = Vec<T>;
    fn index(&self, name: &str) -> &Vec<T> {
        &self.slices[self.place(name)]
    }
}

impl<T, F, const N: usize> IndexMut<&str> for Case<T, F, N> {
    fn index_mut(&mut self, name: &str) -> &mut Vec<T> {
        &mut self.slices[self.place(name)]
    }
}

impl<T: Real, F: Clone, const N: usize> Case<T, F, N> {
    /// So many rows, all active, of ones.
    pub(crate) fn ones(form: F, shapes: [Shape; N], rows: usize) -> Self {
        let slices = shapes.map(|shape| vec![T::ONE; shape.length(rows)]);
        Self { form, active: vec![true; rows], shapes, slices }
    }

    /// The same slices in other shapes, for another kernel.
    pub(crate) fn reshaped(&self, shapes: [Shape; N]) -> Self {
        Self { shapes, ..self.clone() }
    }

    /// What the kernel at a level, or its twin, makes of it.
    pub(crate) fn after(&self, run: Run<T, F, N>, level: Option<Level>) -> Self {
        let mut after = self.clone();
        run(&mut after, level);
        after
    }

    /// Runs kernel and twin, and checks what all kernels promise.
    #[track_caller]
    pub(crate) fn outcome(&self, run: Run<T, F, N>, level: Level) -> Outcome<T, F, N> {
        let found = self.after(run, Some(level));
        self.turned().after(run, Some(level)).turned().assert_same("turned", &found);
        found.assert_same("inactive", &found.with_inactive_of(self));
        let mut poisoned = self.clone();
        for (slice, range) in self.inactive() {
            poisoned.slices[slice][range].fill(T::from_f64(f64::NAN));
        }
        poisoned.after(run, Some(level)).assert_same("beside NaN", &found.with_inactive_of(&poisoned));
        Outcome { found, expected: self.after(run, None) }
    }

    /// With the elements of every plane in reverse.
    fn turned(&self) -> Self {
        let mut turned = self.clone();
        for (shape, values) in turned.shapes.iter().zip(&mut turned.slices) {
            values.chunks_mut(shape.plane.max(1)).for_each(<[T]>::reverse);
        }
        turned
    }

    /// The slices and places of rows that are not active.
    fn inactive(&self) -> impl Iterator<Item = (usize, Range<usize>)> {
        let slices = self.shapes.iter().enumerate().filter(|(_, shape)| shape.per_row);
        slices.flat_map(|(slice, shape)| {
            let rows = (0..self.active.len()).filter(|&row| !self.active[row]);
            rows.map(move |row| (slice, row * shape.per_row()..(row + 1) * shape.per_row()))
        })
    }

    /// With what becomes of the rows that are not active: zero, or as they were `before`.
    fn with_inactive_of(&self, before: &Self) -> Self {
        let mut expected = self.clone();
        for (slice, range) in self.inactive() {
            match self.shapes[slice].role {
                Role::Cleared => expected.slices[slice][range].fill(T::ZERO),
                _ => expected.slices[slice][range.clone()].copy_from_slice(&before.slices[slice][range]),
            }
        }
        expected
    }

    /// Every slice, to the bit.
    #[track_caller]
    pub(crate) fn assert_same(&self, what: &str, expected: &Self) {
        for ((shape, found), expected) in self.shapes.iter().zip(&self.slices).zip(&expected.slices) {
            assert_same_bits(&format!("{what} {}", shape.name), found, expected);
        }
    }

    /// Whichever slice lacks an element, the kernel panics and names it; but those of which it takes any length.
    #[track_caller]
    pub(crate) fn assert_lengths_are_named(&self, run: Run<T, F, N>, but: &[&str]) {
        self.after(run, Some(Level::detect()));
        for name in self.shapes.iter().map(|shape| shape.name).filter(|name| !but.contains(name)) {
            let mut short = self.clone();
            short[name].pop().expect("a slice that is not empty");
            let outcome = catch_unwind(AssertUnwindSafe(|| run(&mut short, Some(Level::detect()))));
            let panic = outcome.expect_err(&format!("{name} was too short for nobody"));
            let message = panic.downcast_ref::<String>().expect("a message");
            assert!(message.split(' ').any(|word| word == name), "{name} was too short: {message}");
        }
    }
}

/// What a kernel made of a case, and its twin.
#[derive(Debug)]
pub(crate) struct Outcome<T, F, const N: usize> {
    pub(crate) found: Case<T, F, N>,
    pub(crate) expected: Case<T, F, N>,
}

impl<T: Real, F, const N: usize> Outcome<T, F, N> {
    /// Fails unless both agree in this element within what is `allowed`, however large.
    #[track_caller]
    pub(crate) fn check(&self, name: &str, index: usize, allowed: f64) {
        let (found, expected) = (self.found[name][index], self.expected[name][index]);
        assert_agrees(name, index, found, expected, allowed.min(f64::MAX));
    }
}
