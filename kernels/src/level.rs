//! The instruction-set level: detected once, can be forced, runs a kernel.
//!
//! A kernel is a struct of borrowed slices that implements [`Kernel`]; [`Level::run`] picks the backend and runs the
//! whole of it inside one function that has the instructions enabled. Dispatch costs a few nanoseconds, so it wraps
//! a whole step or block, never a row.

use core::fmt;

use crate::lanes::Lanes;
use crate::real::Real;

/// A kernel over elements `T`, written once for all vectors.
///
/// Implementations and everything they call must be `#[inline(always)]`: a function that is not inlined is compiled
/// without the level's instructions.
pub trait Kernel<T: Real>: Sized {
    /// What [`Level::run`] returns.
    type Output;
    /// Runs with vectors `V`.
    fn run<V: Lanes<Element = T>>(self, token: V::Token) -> Self::Output;
    /// What [`Level::run`] calls. Compiles the kernel where it is called; those of this crate are compiled with it instead.
    #[inline]
    fn at(self, level: Level) -> Self::Output {
        level.compile(self)
    }
}

/// An instruction-set level that this CPU has.
///
/// A value of this type is the proof: there is no way to name a level the CPU lacks.
///
/// | level | x86-64 | elsewhere |
/// |---|---|---|
/// | `portable` | what the build targets: SSE2 by default | NEON, wasm simd128, scalar |
/// | `avx2` | AVX2 + FMA (x86-64-v3) | - |
/// | `avx512` | AVX-512 as of Ice Lake and Zen 4 | - |
///
/// ```
/// use eligibility_kernels::Level;
/// let level = Level::detect();
/// assert!(Level::available().any(|other| other == level));
/// assert_eq!(Level::named("portable").unwrap(), Level::portable());
/// assert!(Level::named("sse9").unwrap_err().to_string().contains("portable"));
/// ```
#[derive(Clone, Copy)]
pub struct Level(Backend);

#[derive(Clone, Copy)]
enum Backend {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2(fearless_simd::x86::Avx2),
    #[cfg(target_arch = "x86_64")]
    Avx512(fearless_simd::x86::Avx512),
}

/// The environment variable that forces a level.
pub const LEVEL_VARIABLE: &str = "ELIGIBILITY_LEVEL";

/// Every name a level can have, best last.
const NAMES: [&str; 3] = ["portable", "avx2", "avx512"];

impl Level {
    /// The level that every machine has.
    #[must_use]
    pub fn portable() -> Self {
        Self(Backend::Portable)
    }

    /// The best level of this CPU. Without the feature `std` (nothing to ask) it is [`Level::portable`].
    #[must_use]
    pub fn detect() -> Self {
        Self::available().last().unwrap_or(Self::portable())
    }

    /// The levels this CPU has, best last.
    pub fn available() -> impl Iterator<Item = Self> {
        NAMES.iter().filter_map(|name| Self::find(name))
    }

    /// The level called `name`.
    ///
    /// # Errors
    ///
    /// If there is no such level or this CPU lacks it; the error lists the ones it has.
    pub fn named(name: &str) -> Result<Self, LevelError> {
        let known = NAMES.iter().find(|&&known| known == name);
        Self::find(name).ok_or(match known {
            Some(known) => LevelError::Unavailable(known),
            None => LevelError::Unknown,
        })
    }

    /// The level that the variable `ELIGIBILITY_LEVEL` names, or the detected one if it is unset or empty.
    ///
    /// # Errors
    ///
    /// As [`Level::named`].
    #[cfg(feature = "std")]
    pub fn from_env() -> Result<Self, LevelError> {
        extern crate std;
        match std::env::var(LEVEL_VARIABLE) {
            Ok(name) if !name.is_empty() => Self::named(&name),
            Ok(_) | Err(std::env::VarError::NotPresent) => Ok(Self::detect()),
            Err(std::env::VarError::NotUnicode(_)) => Err(LevelError::Unknown),
        }
    }

    fn find(name: &str) -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        {
            let detected = fearless_simd::Level::try_detect();
            match name {
                "avx2" => return detected?.as_avx2().map(|token| Self(Backend::Avx2(token))),
                "avx512" => return detected?.as_avx512().map(|token| Self(Backend::Avx512(token))),
                _ => {}
            }
        }
        (name == "portable").then(Self::portable)
    }

    /// "portable", "avx2" or "avx512".
    #[must_use]
    pub fn name(self) -> &'static str {
        match self.0 {
            Backend::Portable => NAMES[0],
            #[cfg(target_arch = "x86_64")]
            Backend::Avx2(_) => NAMES[1],
            #[cfg(target_arch = "x86_64")]
            Backend::Avx512(_) => NAMES[2],
        }
    }

    /// Elements of `T` in one vector of this level.
    #[must_use]
    pub fn width<T: Real>(self) -> usize {
        match self.0 {
            Backend::Portable => T::Portable::WIDTH,
            #[cfg(target_arch = "x86_64")]
            Backend::Avx2(_) => T::Avx2::WIDTH,
            #[cfg(target_arch = "x86_64")]
            Backend::Avx512(_) => T::Avx512::WIDTH,
        }
    }

    /// Runs `kernel` with this level's vectors.
    #[inline]
    pub fn run<T: Real, K: Kernel<T>>(self, kernel: K) -> K::Output {
        kernel.at(self)
    }

    /// The same, with code of its own for `kernel` for every level.
    #[inline]
    pub(crate) fn compile<T: Real, K: Kernel<T>>(self, kernel: K) -> K::Output {
        #[cfg(target_arch = "x86_64")]
        use fearless_simd::Simd;
        match self.0 {
            Backend::Portable => kernel.run::<T::Portable>(()),
            #[cfg(target_arch = "x86_64")]
            Backend::Avx2(token) => token.vectorize(
                #[inline(always)]
                || kernel.run::<T::Avx2>(token),
            ),
            #[cfg(target_arch = "x86_64")]
            Backend::Avx512(token) => token.vectorize(
                #[inline(always)]
                || kernel.run::<T::Avx512>(token),
            ),
        }
    }
}

impl PartialEq for Level {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Level {}

impl fmt::Debug for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Level({})", self.name())
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// No such level here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LevelError {
    /// The name is not one of a level.
    Unknown,
    /// A level of that name exists, but this CPU (or target) lacks it.
    Unavailable(&'static str),
}

impl fmt::Display for LevelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => write!(f, "unknown instruction-set level; this machine has")?,
            Self::Unavailable(name) => {
                write!(f, "instruction-set level \"{name}\" is not available; this machine has")?;
            }
        }
        for (index, level) in Level::available().enumerate() {
            write!(f, "{} \"{level}\"", if index == 0 { "" } else { "," })?;
        }
        write!(f, " (set {LEVEL_VARIABLE} to one of them, or unset it for the best)")
    }
}

impl core::error::Error for LevelError {}
