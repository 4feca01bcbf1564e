//! The command line.

use clap::{Parser, Subcommand};

use crate::conditioning::args::{ConditioningArgs, Options};
use crate::depth::DepthArgs;
use crate::failure::Failure;
use crate::progress::Terminal;
use crate::run_dir::Identity;
use crate::run_mnist::{MnistArgs, PermutedArgs};
use crate::run_tca::TcaArgs;
use crate::run_three_state::ThreeStateArgs;
use crate::scaling::ScalingArgs;
use crate::tables::study::StudyArgs;
use crate::tables::{self, MnistTableArgs, TcaTableArgs};
use crate::time::TimeArgs;
use crate::tour::TourArgs;

/// Forward-in-time training of recurrent networks: the papers' tasks, tables and figures.
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
    /// Trace conditioning: how soon the unconditioned stimulus comes, predicted and learned at every step
    TraceConditioning(Box<ConditioningArgs>),
    /// The paper's table 1: sequential MNIST, e-prop and its extensions, BPTT
    Table1(Box<MnistTableArgs>),
    /// The paper's table 2: temporal credit assignment, extended e-prop and BPTT at four delays
    Table2(Box<TcaTableArgs>),
    /// The paper's table 3: temporal credit assignment, the extensions one by one
    Table3(Box<TcaTableArgs>),
    /// The paper's figure 1: curves of table 1, symmetric feedback, 120 epochs
    Figure1(Box<MnistTableArgs>),
    /// The paper's figure 2: permuted sequential MNIST
    Figure2(Box<MnistTableArgs>),
    /// The paper's figure 3: curves of table 2
    Figure3(Box<TcaTableArgs>),
    /// The paper's figure 4: curves of table 3
    Figure4(Box<TcaTableArgs>),
    /// What is compared on trace conditioning, study by study: cells, learners, sizes, learning rates
    ConditioningTable(Box<StudyArgs>),
    /// The three-state chain: a vanilla RNN, and whether its recurrent matrix is a rotation
    ThreeState(ThreeStateArgs),
    /// How far e-prop's gradient is from BPTT's in stacks of layers
    Depth(DepthArgs),
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
        Some(Command::TraceConditioning(args)) => args.run(),
        Some(Command::Table1(args)) => args.run(&tables::TABLE1),
        Some(Command::Table2(args)) => args.run(&tables::TABLE2),
        Some(Command::Table3(args)) => args.run(&tables::TABLE3),
        Some(Command::Figure1(args)) => args.run(&tables::FIGURE1),
        Some(Command::Figure2(args)) => args.run(&tables::FIGURE2),
        Some(Command::Figure3(args)) => args.run(&tables::FIGURE3),
        Some(Command::Figure4(args)) => args.run(&tables::FIGURE4),
        Some(Command::ConditioningTable(args)) => args.run(),
        Some(Command::ThreeState(args)) => args.run(),
        Some(Command::Depth(args)) => args.run(),
        Some(Command::Time(args)) => args.run(),
        Some(Command::Scaling(args)) => args.run(),
    }
}

/// One run of a task, given as the words one would type: what a table is made of.
pub(crate) struct TaskRun(Task);

enum Task {
    Tca(Box<TcaArgs>),
    Smnist(Box<MnistArgs>),
    Psmnist(Box<PermutedArgs>),
    TraceConditioning(Box<ConditioningArgs>),
}

impl TaskRun {
    /// Parses the words after the program's name.
    pub(crate) fn parse(words: &[String]) -> Result<Self, Failure> {
        let words = std::iter::once("experiments").chain(words.iter().map(String::as_str));
        let cli = Cli::try_parse_from(words).map_err(|error| Failure::new(error.to_string()))?;
        match cli.command {
            Some(Command::Tca(args)) => Ok(Self(Task::Tca(args))),
            Some(Command::Smnist(args)) => Ok(Self(Task::Smnist(args))),
            Some(Command::Psmnist(args)) => Ok(Self(Task::Psmnist(args))),
            Some(Command::TraceConditioning(args)) => Ok(Self(Task::TraceConditioning(args))),
            _ => Err(Failure::new("a table is made of runs of tca, smnist, psmnist or trace-conditioning")),
        }
    }

    /// What the run is, data left aside.
    pub(crate) fn identity(&self) -> Result<Identity, Failure> {
        match &self.0 {
            Task::Tca(args) => args.identity(),
            Task::Smnist(args) => args.identity(),
            Task::Psmnist(args) => args.identity(),
            Task::TraceConditioning(args) => args.identity(),
        }
    }

    /// The options of a run of trace conditioning.
    pub(crate) fn conditioning(&self) -> Result<Options, Failure> {
        match &self.0 {
            Task::TraceConditioning(args) => args.resolve(),
            _ => Err(Failure::new("a study is made of runs of trace-conditioning")),
        }
    }

    /// Runs, and reports to `terminal`.
    pub(crate) fn run(mut self, terminal: Terminal) -> Result<(), Failure> {
        match &mut self.0 {
            Task::Tca(args) => args.run.terminal = terminal,
            Task::Smnist(args) => args.run.terminal = terminal,
            Task::Psmnist(args) => args.mnist.run.terminal = terminal,
            Task::TraceConditioning(args) => args.run.terminal = terminal,
        }
        match &self.0 {
            Task::Tca(args) => args.run(),
            Task::Smnist(args) => args.run(),
            Task::Psmnist(args) => args.run(),
            Task::TraceConditioning(args) => args.run(),
        }
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

    #[test]
    fn the_line_of_a_run_of_conditioning_asks_for_the_same_run() {
        for typed in ["", "--isi 30", "--isi-range 24-36 --optimizer rmsprop --clip 1 --type f64 --lambda 0"]
        {
            let words = |line: &str| -> Vec<String> {
                format!("trace-conditioning {line}").split_whitespace().map(str::to_owned).collect()
            };
            let first = TaskRun::parse(&words(typed)).unwrap().identity().unwrap();
            let second = TaskRun::parse(&words(&first.line())).unwrap().identity().unwrap();
            assert_eq!(first.options, second.options, "{typed}");
        }
    }
}
