//! Every learner there is, and every stream.

use eligibility::{
    Bptt, BpttOptions, Eprop, EpropOptions, EpropStream, EvaluatorOptions, Learner, Level, ReadoutOnly, Rtrl,
    RtrlOptions, RtrlStream, Scalar, Schedule, Stream, TruncatedBptt, TruncatedStream,
};

use super::problem::Problem;

pub type Named<T> = (String, Box<dyn Learner<T> + Send>);
pub type NamedStream<T> = (String, Box<dyn Stream<T>>);

/// How learners are to be made.
#[derive(Clone, Copy, Debug, Default)]
pub struct Setup {
    /// Random feedback for e-prop.
    pub random: bool,
    pub input_gradient: bool,
    pub level: Option<Level>,
}

impl Setup {
    pub fn eprop<T: Scalar>(self, problem: &Problem<T>, schedule: Schedule) -> EpropOptions<T> {
        let Self { random, input_gradient, level } = self;
        EpropOptions { schedule, input_gradient, level, ..problem.options(random) }
    }
    pub fn rtrl(self, schedule: Schedule) -> RtrlOptions {
        let Self { input_gradient, level, .. } = self;
        RtrlOptions { schedule, input_gradient, level, ..RtrlOptions::default() }
    }
    pub fn bptt(self) -> BpttOptions {
        BpttOptions { input_gradient: self.input_gradient, level: self.level }
    }
}

/// Step by step, in blocks that end inside and at the ends of short sequences, in blocks longer than those, and whole.
pub fn schedules(steps: usize) -> [Schedule; 5] {
    let whole = Schedule::WholeSequence { max_steps: steps };
    [Schedule::Streaming, Schedule::Blocked(2), Schedule::Blocked(5), Schedule::Blocked(33), whole]
}

/// E-prop, and RTRL if it can train the network.
pub fn scheduled<T: Scalar>(problem: &Problem<T>, schedule: Schedule, setup: Setup) -> Vec<Named<T>> {
    let (network, batch) = (&problem.network, problem.form.batch);
    let eprop = Eprop::new(network, batch, setup.eprop(problem, schedule)).unwrap();
    let mut learners: Vec<Named<T>> = vec![(format!("e-prop, {schedule}"), Box::new(eprop))];
    if let Ok(rtrl) = Rtrl::new(network, batch, setup.rtrl(schedule)) {
        learners.push((format!("RTRL, {schedule}"), Box::new(rtrl)));
    }
    learners
}

/// Truncated BPTT of so many steps back.
pub fn windows<T: Scalar>(problem: &Problem<T>, windows: &[usize], setup: Setup) -> Vec<Named<T>> {
    let window = |&steps: &usize| -> Named<T> {
        let options = setup.bptt();
        let learner = TruncatedBptt::new(&problem.network, problem.form.batch, steps, options).unwrap();
        (format!("{steps} steps back"), Box::new(learner))
    };
    windows.iter().map(window).collect()
}

/// Every learner of layers that can train the problem's network.
pub fn learners_of_layers<T: Scalar>(problem: &Problem<T>, setup: Setup) -> Vec<Named<T>> {
    let (network, batch, steps) = (&problem.network, problem.form.batch, problem.form.steps);
    let bptt = Bptt::new(network, batch, steps, setup.bptt()).unwrap();
    let mut learners: Vec<Named<T>> = vec![("BPTT".into(), Box::new(bptt))];
    learners.extend(windows(problem, &[1, 3, steps], setup));
    let scheduled = |schedule| scheduled(problem, schedule, setup);
    learners.extend(schedules(steps).into_iter().flat_map(scheduled));
    learners
}

/// Every learner that can train the problem's network.
pub fn learners<T: Scalar>(problem: &Problem<T>) -> Vec<Named<T>> {
    let setup = Setup::default();
    let mut learners = learners_of_layers(problem, setup);
    let options = EvaluatorOptions { level: setup.level };
    if let Ok(learner) = ReadoutOnly::new(&problem.network, problem.form.batch, options) {
        learners.push(("readout only".into(), Box::new(learner)));
    }
    learners
}

/// Every stream that can train the problem's network, of so many rows.
pub fn streams<T: Scalar>(problem: &Problem<T>, rows: usize, setup: Setup) -> Vec<NamedStream<T>> {
    let network = &problem.network;
    let eprop = EpropStream::new(network, rows, setup.eprop(problem, Schedule::default())).unwrap();
    let mut streams: Vec<NamedStream<T>> = vec![("e-prop".into(), Box::new(eprop))];
    if let Ok(rtrl) = RtrlStream::new(network, rows, setup.rtrl(Schedule::default())) {
        streams.push(("RTRL".into(), Box::new(rtrl)));
    }
    for steps in [1, 3, 7] {
        let truncated = TruncatedStream::new(network, rows, steps, setup.bptt()).unwrap();
        streams.push((format!("{steps} steps back"), Box::new(truncated)));
    }
    streams
}
