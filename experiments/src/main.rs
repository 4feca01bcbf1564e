//! The `experiments` binary; everything it does is in the library beside it.

use std::process::ExitCode;

use peak_alloc::PeakAlloc;

/// Counts live bytes, for the memory column of the summaries.
#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

fn main() -> ExitCode {
    experiments::main()
}
