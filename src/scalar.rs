//! The element types of networks, and what other crates need of them.

use eligibility_kernels::Real;

/// No signature outside shows this trait, nor those of other crates in it.
mod sealed {
    use bytemuck::Pod;
    use faer::traits::ComplexField;

    pub trait Sealed: Pod + ComplexField {
        /// 64 aligned bytes of elements: the memory behind a [`Buffer`](crate::Buffer).
        type CacheLine: Pod + Send + Sync;
    }
    impl Sealed for f32 {
        type CacheLine = wide::f32x16;
    }
    impl Sealed for f64 {
        type CacheLine = wide::f64x8;
    }
}

/// The element types of networks: `f32` and `f64`, nothing else (the trait is sealed).
pub trait Scalar: Real + sealed::Sealed {}

impl Scalar for f32 {}
impl Scalar for f64 {}
