//! A run as people watch it: one row per step, with how it stands, how long it took and what goes on in it.
//!
//! Nothing is drawn here; that is [`bars`](crate::bars).

use std::time::{Duration, Instant};

use comeback_migrate::action::Action;
use comeback_migrate::journal::{Progress, Record};
use comeback_migrate::progress::Event;
use comeback_migrate::run::State;
use comeback_migrate::step::Step;

/// How a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    /// It has not begun.
    Waits,
    /// It goes on, forward or back.
    Goes {
        /// Whether it is taken back.
        undo: bool,
    },
    /// All of it is done.
    Done,
    /// It was done when this process took the run up.
    Before,
    /// It failed for good.
    Failed,
    /// It was taken back.
    Back,
    /// It could not be taken back.
    Stuck,
}

impl Mark {
    /// The word for it.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Waits | Self::Goes { undo: false } => "",
            Self::Goes { undo: true } => "undo",
            Self::Done => "done",
            Self::Before => "earlier",
            Self::Failed => "failed",
            Self::Back => "taken back",
            Self::Stuck => "stuck",
        }
    }
}

/// How an action stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stand {
    Open,
    Begun,
    Done,
    Failed,
    Back,
    Stuck,
}

/// A step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    /// Which.
    pub(crate) step: Step,
    /// How it stands.
    pub(crate) mark: Mark,
    /// When this process began with it, or with taking it back.
    pub(crate) since: Option<Instant>,
    /// How long that took.
    pub(crate) took: Option<Duration>,
    /// What goes on in it.
    pub(crate) doing: String,
    actions: Vec<(String, Stand)>,
}

/// A run.
#[derive(Debug, Clone)]
pub(crate) struct Board {
    /// What it is told by, where several runs talk at once.
    name: String,
    /// The run and its state, as soon as they were told.
    pub(crate) run: Option<(String, State)>,
    /// Its steps, in order.
    pub(crate) rows: Vec<Row>,
    /// The step that goes on, or was the last to.
    pub(crate) current: Option<usize>,
}

impl Board {
    /// The board of a run with these actions, as far as the journal has them.
    pub(crate) fn new(name: &str, actions: &[Box<dyn Action>], record: &Record) -> Self {
        let known = actions
            .iter()
            .map(|action| (action.step(), action.id(), record.progress(&action.id())));
        Self::of(name, known)
    }

    fn of<'a>(name: &str, actions: impl Iterator<Item = (Step, String, Option<&'a Progress>)>) -> Self {
        let mut rows: Vec<Row> = Vec::new();
        for (step, id, progress) in actions {
            let stand = match progress {
                None => Stand::Open,
                Some(Progress::Intended | Progress::Undoing) => Stand::Begun,
                Some(Progress::Done(_)) => Stand::Done,
                Some(Progress::Failed(_)) => Stand::Failed,
                Some(Progress::Undone) => Stand::Back,
                Some(Progress::UndoFailed(_)) => Stand::Stuck,
            };
            match rows.iter_mut().find(|row| row.step == step) {
                Some(row) => row.actions.push((id, stand)),
                None => rows.push(Row {
                    step,
                    mark: Mark::Waits,
                    since: None,
                    took: None,
                    doing: String::new(),
                    actions: vec![(id, stand)],
                }),
            }
        }
        for row in &mut rows {
            row.mark = row.stands(Mark::Before);
        }
        Self {
            name: name.to_owned(),
            run: None,
            rows,
            current: None,
        }
    }

    /// Takes in what happened. Gives what has to stay readable when the board is gone.
    pub(crate) fn tell(&mut self, event: &Event, now: Instant) -> Vec<String> {
        match event {
            Event::Run { run, state } => return self.enters(run.to_string(), *state),
            Event::Begins {
                step,
                action,
                title,
                undo,
            } => {
                self.current = self.rows.iter().position(|row| row.step == *step);
                if let Some(row) = self.current_row() {
                    if row.mark != (Mark::Goes { undo: *undo }) {
                        row.since = Some(now);
                    }
                    row.mark = Mark::Goes { undo: *undo };
                    row.set(action, Stand::Begun);
                    row.doing.clone_from(title);
                    if let Some(count) = row.count(action).filter(|_| !undo) {
                        row.doing.push_str(&count);
                    }
                }
            }
            Event::Goes { what, .. } => {
                if let Some(row) = self.current_row() {
                    row.doing.clone_from(what);
                }
            }
            Event::Again { error, .. } => {
                if let Some(row) = self.current_row() {
                    row.doing = format!("again: {error}");
                }
            }
            Event::Ends { step, action, undo, .. } => {
                if let Some(row) = self.rows.iter_mut().find(|row| row.step == *step) {
                    row.set(action, if *undo { Stand::Back } else { Stand::Done });
                    match row.stands(Mark::Done) {
                        Mark::Waits | Mark::Goes { .. } => {}
                        mark => row.ends(mark, now),
                    }
                }
            }
            Event::Failed {
                step,
                action,
                error,
                help,
                by_hand,
            } => {
                if let Some(row) = self.rows.iter_mut().find(|row| row.step == *step) {
                    let undo = row.mark == Mark::Goes { undo: true };
                    row.set(action, if undo { Stand::Stuck } else { Stand::Failed });
                    row.ends(if undo { Mark::Stuck } else { Mark::Failed }, now);
                }
                let mut lines = vec![
                    self.named(&format!("! {step}: {error}")),
                    self.named(&format!("  {help}")),
                ];
                lines.extend(
                    by_hand
                        .iter()
                        .map(|command| self.named(&format!("  by hand: {command}"))),
                );
                return lines;
            }
            Event::Note { text } => return vec![self.named(text)],
        }
        Vec::new()
    }

    /// The end of a run is on the board, and in what is said after it; its name and a change of direction may be needed while it
    /// goes on.
    fn enters(&mut self, run: String, state: State) -> Vec<String> {
        let line = state.goes_on().then(|| self.named(&format!("run {run} is {state}")));
        self.run = Some((run, state));
        line.into_iter().collect()
    }

    fn current_row(&mut self) -> Option<&mut Row> {
        self.current.and_then(|index| self.rows.get_mut(index))
    }

    fn named(&self, text: &str) -> String {
        if self.name.is_empty() {
            text.to_owned()
        } else {
            format!("{}  {text}", self.name)
        }
    }
}

impl Row {
    fn set(&mut self, action: &str, stand: Stand) {
        if let Some(known) = self.actions.iter_mut().find(|(id, _)| id == action) {
            known.1 = stand;
        }
    }

    fn ends(&mut self, mark: Mark, now: Instant) {
        self.mark = mark;
        self.took = self.since.map(|since| now.duration_since(since));
        self.doing.clear();
    }

    /// What its actions add up to; `done` where all are done.
    fn stands(&self, done: Mark) -> Mark {
        let all = |stand| self.actions.iter().all(|(_, is)| *is == stand);
        let any = |stand| self.actions.iter().any(|(_, is)| *is == stand);
        if all(Stand::Done) {
            done
        } else if any(Stand::Begun) || any(Stand::Done) {
            self.mark
        } else if any(Stand::Stuck) {
            Mark::Stuck
        } else if any(Stand::Failed) {
            Mark::Failed
        } else if any(Stand::Back) {
            Mark::Back
        } else {
            Mark::Waits
        }
    }

    /// Which of its actions this is, where there are several.
    fn count(&self, action: &str) -> Option<String> {
        let place = self.actions.iter().position(|(id, _)| id == action)?;
        (self.actions.len() > 1).then(|| format!(" ({} of {})", place + 1, self.actions.len()))
    }
}

/// A time as it fits a column: `4.2 s`, `3m 07s`, `1h 02m`.
pub(crate) fn time(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{:.1} s", time.as_secs_f64()),
        60..3600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h {:02}m", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use comeback_migrate::progress::Event;
    use serde_json::Value;

    use super::*;

    /// Two actions of step 1, one of step 2.
    fn board(known: [Option<Progress>; 3]) -> Board {
        let [a, b, c] = &known;
        let actions = [
            (Step::Stop, "stop/a", a),
            (Step::Stop, "stop/b", b),
            (Step::Detach, "detach/c", c),
        ];
        let actions = actions.map(|(step, id, progress)| (step, id.to_owned(), progress.as_ref()));
        Board::of("shop", actions.into_iter())
    }

    fn begins(step: Step, action: &str, undo: bool) -> Event {
        Event::Begins {
            step,
            action: action.to_owned(),
            title: format!("do {action}"),
            undo,
        }
    }

    fn ends(step: Step, action: &str, undo: bool) -> Event {
        Event::Ends {
            step,
            action: action.to_owned(),
            undo,
            ms: 0,
        }
    }

    fn failed(step: Step, action: &str) -> Event {
        Event::Failed {
            step,
            action: action.to_owned(),
            error: "it is gone".to_owned(),
            help: "look for it".to_owned(),
            by_hand: vec!["aws ec2 start-instances".to_owned()],
        }
    }

    /// Tells events, a second between each two.
    fn told(board: &mut Board, events: &[Event]) -> Vec<String> {
        let began = Instant::now();
        (0..)
            .zip(events)
            .flat_map(|(second, event)| board.tell(event, began + Duration::from_secs(second)))
            .collect()
    }

    fn shown(board: &Board) -> Vec<(Mark, Option<u64>, &str)> {
        let row = |row: &'_ Row| (row.mark, row.took.map(|took| took.as_secs()));
        board
            .rows
            .iter()
            .map(|one| (row(one).0, row(one).1, one.doing.as_str()))
            .collect()
    }

    #[test]
    fn a_step_is_done_when_all_of_it_is() {
        let mut board = board([None, None, None]);
        let first = [
            begins(Step::Stop, "stop/a", false),
            ends(Step::Stop, "stop/a", false),
            begins(Step::Stop, "stop/b", false),
        ];
        assert_eq!(told(&mut board, &first), [""; 0]);
        assert_eq!(
            shown(&board),
            [
                (Mark::Goes { undo: false }, None, "do stop/b (2 of 2)"),
                (Mark::Waits, None, "")
            ]
        );
        told(&mut board, &first);
        let began = board.rows[0].since.unwrap();
        board.tell(&ends(Step::Stop, "stop/b", false), began + Duration::from_secs(7));
        assert_eq!(shown(&board), [(Mark::Done, Some(7), ""), (Mark::Waits, None, "")]);
    }

    #[test]
    fn what_was_done_before_is_no_news() {
        let done = || Some(Progress::Done(Value::Null));
        let board = board([done(), done(), Some(Progress::Intended)]);
        assert_eq!(shown(&board), [(Mark::Before, None, ""), (Mark::Waits, None, "")]);
    }

    #[test]
    fn a_way_back_takes_back_what_had_begun() {
        let mut board = board([None, None, None]);
        let lines = told(
            &mut board,
            &[
                begins(Step::Stop, "stop/a", false),
                ends(Step::Stop, "stop/a", false),
                begins(Step::Stop, "stop/b", false),
                failed(Step::Stop, "stop/b"),
            ],
        );
        assert_eq!(
            lines,
            [
                "shop  ! 1 stop the source: it is gone",
                "shop    look for it",
                "shop    by hand: aws ec2 start-instances"
            ]
        );
        assert_eq!(shown(&board), [(Mark::Failed, Some(3), ""), (Mark::Waits, None, "")]);
        told(
            &mut board,
            &[
                begins(Step::Stop, "stop/b", true),
                ends(Step::Stop, "stop/b", true),
                begins(Step::Stop, "stop/a", true),
            ],
        );
        assert_eq!(board.rows[0].mark, Mark::Goes { undo: true });
        told(&mut board, &[ends(Step::Stop, "stop/a", true)]);
        assert_eq!(board.rows[0].mark, Mark::Back);
        assert_eq!(board.rows[1].mark, Mark::Waits);
    }

    #[test]
    fn what_cannot_be_taken_back_stays_stuck() {
        let done = || Some(Progress::Done(Value::Null));
        let mut board = board([done(), done(), None]);
        told(
            &mut board,
            &[
                begins(Step::Stop, "stop/b", true),
                failed(Step::Stop, "stop/b"),
                begins(Step::Stop, "stop/a", true),
                ends(Step::Stop, "stop/a", true),
            ],
        );
        assert_eq!(board.rows[0].mark, Mark::Stuck);
    }

    #[test]
    fn the_name_of_a_run_and_its_turn_stay_readable() {
        let mut board = board([None, None, None]);
        let run: comeback_migrate::run::RunId = serde_json::from_value("20170104-abcde".into()).unwrap();
        let states = [State::Running, State::RollingBack, State::RolledBack];
        let events = states.map(|state| Event::Run {
            run: run.clone(),
            state,
        });
        assert_eq!(
            told(&mut board, &events),
            [
                "shop  run 20170104-abcde is running",
                "shop  run 20170104-abcde is rolling-back"
            ]
        );
    }

    #[test]
    fn times_fit_their_column() {
        for (seconds, text) in [
            (0, "0.0 s"),
            (59, "59.0 s"),
            (60, "1m 00s"),
            (3599, "59m 59s"),
            (3600, "1h 00m"),
            (90_000, "25h 00m"),
        ] {
            assert_eq!(time(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn titles_fit_their_column() {
        let longest = Step::ALL
            .iter()
            .chain([&Step::Readdress, &Step::Finalize])
            .map(|step| step.title().chars().count())
            .max();
        assert_eq!(longest, Some(crate::bars::TITLE));
    }
}
