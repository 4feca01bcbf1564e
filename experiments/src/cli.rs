//! The command line.

use clap::{Parser, Subcommand};

use crate::failure::Failure;
use crate::run_mnist::{MnistArgs, PermutedArgs};
use crate::run_tca::TcaArgs;
use crate::scaling::ScalingArgs;
use crate::time::TimeArgs;
use crate::tour::TourArgs;

/// Forward-in-time training of LSTMs: the papers' tasks, tables and figures.
///
/// Without a command: a tour of at most two minutes.
#[derive(Debug, Parser)]
#[command(name = "experiments", version, args_conflicts_with_subcommands = true, args_override_self = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    tour: TourArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Temporal credit assignment: which side won more often, told after a delay
    Tca(Box<TcaArgs>),
    /// Sequential MNIST: one pixel per step
    Smnist(Box<MnistArgs>),
    /// Permuted sequential MNIST: the pixels in one fixed random order
    Psmnist(Box<PermutedArgs>),
    /// Time cases such as b32_t784_i1_h128_f32: one JSON object a line
    Time(TimeArgs),
    /// Time and memory over the number of steps, e-prop and BPTT, as SVG
    Scaling(ScalingArgs),
}

/// Parses the arguments and does what they say.
pub(crate) fn run() -> Result<(), Failure> {
    let cli = Cli::parse();
    match cli.command {
        None => cli.tour.run(),
        Some(Command::Tca(args)) => args.run(),
        Some(Command::Smnist(args)) => args.run(),
        Some(Command::Psmnist(args)) => args.run(),
        Some(Command::Time(args)) => args.run(),
        Some(Command::Scaling(args)) => args.run(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
