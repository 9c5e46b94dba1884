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
        let line = matches!(state, State::Running | State::RollingBack | State::Finalizing)
            .then(|| self.named(&format!("run {run} is {state}")));
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
