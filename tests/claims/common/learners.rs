//! Every learner there is.

use eligibility::{
    Bptt, Eprop, EpropOptions, Learner, Level, ReadoutOnly, Rtrl, RtrlOptions, Scalar, Schedule,
    TruncatedBptt,
};

use super::problem::Problem;

pub type Named<T> = (String, Box<dyn Learner<T> + Send>);

/// Step by step, in blocks that end inside and at the ends of short sequences, in blocks longer than those, and whole.
pub fn schedules(steps: usize) -> [Schedule; 5] {
    let whole = Schedule::WholeSequence { max_steps: steps };
    [Schedule::Streaming, Schedule::Blocked(2), Schedule::Blocked(5), Schedule::Blocked(33), whole]
}

/// E-prop, perhaps with random feedback, and RTRL, whichever can train the network.
pub fn scheduled<T: Scalar>(
    problem: &Problem<T>,
    schedule: Schedule,
    random: bool,
    level: Option<Level>,
) -> Vec<Named<T>> {
    let (network, batch) = (&problem.network, problem.form.batch);
    let mut learners: Vec<Named<T>> = Vec::new();
    if let Ok(eprop) = Eprop::new(network, batch, EpropOptions { schedule, level, ..problem.options(random) })
    {
        learners.push((format!("e-prop, {schedule}"), Box::new(eprop)));
    }
    if let Ok(rtrl) = Rtrl::new(network, batch, RtrlOptions { schedule, level, ..RtrlOptions::default() }) {
        learners.push((format!("RTRL, {schedule}"), Box::new(rtrl)));
    }
    learners
}

/// Every learner that can train the problem's network.
pub fn learners<T: Scalar>(problem: &Problem<T>) -> Vec<Named<T>> {
    let (network, batch, steps) = (&problem.network, problem.form.batch, problem.form.steps);
    let mut learners: Vec<Named<T>> = vec![
        ("BPTT".into(), Box::new(Bptt::new(network, batch, steps).unwrap())),
        ("truncated BPTT".into(), Box::new(TruncatedBptt::new(network, batch, 3).unwrap())),
        ("readout only".into(), Box::new(ReadoutOnly::new(network, batch).unwrap())),
    ];
    let scheduled = |schedule| scheduled(problem, schedule, false, None);
    learners.extend(schedules(steps).into_iter().flat_map(scheduled));
    learners
}
