//! Draws runs on a terminal, live. What has to stay readable goes above them, and the bars themselves stay when all is over.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use comeback_migrate::action::Action;
use comeback_migrate::journal::Record;
use comeback_migrate::progress::{Event, Reporter};
use comeback_migrate::run::State;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use crate::board::{self, Board, Mark};
use crate::output::{self, printable};

/// How often what goes on is drawn anew.
const TICK: Duration = Duration::from_millis(120);

/// Width of the longest title of a step.
pub(crate) const TITLE: usize = 54;

/// The runs of this process.
#[derive(Debug, Clone)]
pub(crate) struct Bars {
    multi: MultiProgress,
    /// One run, a line for each step; else several, a line for each run.
    alone: bool,
    /// Width of the longest name of a run.
    width: usize,
    watched: Arc<Mutex<Vec<Arc<Watched>>>>,
}

/// A run that is drawn.
#[derive(Debug)]
pub(crate) struct Watched {
    multi: MultiProgress,
    /// What it is told by.
    name: String,
    alone: bool,
    width: usize,
    drawn: Mutex<Option<Drawn>>,
}

#[derive(Debug)]
struct Drawn {
    board: Board,
    bars: Vec<(ProgressBar, Shape)>,
    began: Instant,
    /// Nothing is drawn any more.
    rests: bool,
}

/// What a bar was last drawn as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    New,
    Moves,
    Rests(Mark),
}

impl Bars {
    /// Bars for runs with these names.
    pub(crate) fn new(names: &[String]) -> Self {
        Self::on(MultiProgress::new(), names)
    }

    fn on(multi: MultiProgress, names: &[String]) -> Self {
        Self {
            multi,
            alone: names.len() == 1,
            width: names.iter().map(|name| name.chars().count()).max().unwrap_or_default(),
            watched: Arc::default(),
        }
    }

    /// Whoever tells of a run.
    pub(crate) fn watch(&self, name: &str) -> Arc<Watched> {
        let watched = Arc::new(Watched {
            multi: self.multi.clone(),
            name: name.to_owned(),
            alone: self.alone,
            width: self.width,
            drawn: Mutex::new(None),
        });
        lock(&self.watched).push(Arc::clone(&watched));
        watched
    }

    /// As [`rest`](Self::rest), on Ctrl-C. The terminal has moved the cursor by showing that, so nothing may be drawn once more.
    pub(crate) fn interrupt(&self) {
        self.multi.set_draw_target(ProgressDrawTarget::hidden());
        self.rest();
        output::say("\n");
    }

    /// Leaves everything on the screen as it is. What is told from now on is told in lines.
    pub(crate) fn rest(&self) {
        for watched in lock(&self.watched).iter() {
            watched.rest();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Watched {
    /// Draws a run with these actions from now on, as far as the journal has it.
    pub(crate) fn show(&self, actions: &[Box<dyn Action>], record: &Record) {
        let board = Board::new(if self.alone { "" } else { &self.name }, actions, record);
        let count = if self.alone { board.rows.len() + 1 } else { 1 };
        let bars = (0..count)
            .map(|_| (self.multi.add(ProgressBar::no_length()), Shape::New))
            .collect();
        let mut drawn = Drawn {
            board,
            bars,
            began: Instant::now(),
            rests: false,
        };
        self.draw(&mut drawn);
        // What was drawn before stays above as it ended.
        let before = lock(&self.drawn).replace(drawn);
        for (bar, _) in before.iter().flat_map(|before| &before.bars) {
            bar.disable_steady_tick();
            bar.abandon();
        }
    }

    fn rest(&self) {
        let mut drawn = lock(&self.drawn);
        let Some(drawn) = drawn.as_mut() else {
            return;
        };
        drawn.rests = true;
        for (bar, _) in &drawn.bars {
            bar.disable_steady_tick();
            bar.abandon();
        }
    }

    fn draw(&self, drawn: &mut Drawn) {
        let Drawn { board, bars, began, .. } = drawn;
        if self.alone {
            for (row, bar) in board.rows.iter().zip(bars.iter_mut().skip(1)) {
                let title = format!("{} {:<TITLE$}", row.step.number(), row.step.title());
                if let Mark::Goes { .. } = row.mark {
                    let template = "{spinner:.cyan} {prefix} {time}\n      {wide_msg:.dim}";
                    moves(
                        bar,
                        template,
                        &format!("{title} {:<10}", row.mark.word()),
                        row.since,
                        &row.doing,
                    );
                } else {
                    let took = row.took.map(board::time).unwrap_or_default();
                    rests(bar, &title, row.mark, &format!("{:<10} {took:>8}", row.mark.word()));
                }
            }
        }
        let Some(head) = bars.first_mut() else {
            return;
        };
        let name = format!("{:<width$}", self.name, width = self.width);
        let Some((run, state)) = &board.run else {
            return rests(head, &name, Mark::Waits, "");
        };
        let is_over = !state.goes_on();
        if is_over {
            let mark = match state {
                State::Complete | State::Finalized => Mark::Done,
                State::RolledBack => Mark::Back,
                _ => Mark::Failed,
            };
            let text = format!("run {run} is {state}, after {}", board::time(began.elapsed()));
            return rests(head, &name, mark, &text);
        }
        if self.alone {
            return moves(
                head,
                "  {prefix}  {msg}  {time}",
                &name,
                Some(*began),
                &format!("run {run} is {state}"),
            );
        }
        let doing = match board.current.and_then(|index| board.rows.get(index)) {
            Some(row) => format!(
                "{}{}: {}",
                if row.mark == (Mark::Goes { undo: true }) {
                    "undo "
                } else {
                    ""
                },
                row.step,
                row.doing
            ),
            None => state.to_string(),
        };
        moves(
            head,
            "{spinner:.cyan} {prefix} {time}  {wide_msg}",
            &name,
            Some(*began),
            doing.trim_end_matches(": "),
        );
    }
}

/// Changes the form of a bar where it has another.
fn shape((bar, was): &mut (ProgressBar, Shape), is: Shape, template: &str) -> bool {
    if *was == is {
        return false;
    }
    *was = is;
    // A template that cannot be read is a mistake of ours, and no reason to stop a migration.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(
            style.with_key("time", |state: &ProgressState, out: &mut dyn std::fmt::Write| {
                let _ = write!(out, "{:>8}", board::time(state.elapsed()));
            }),
        );
    }
    true
}

fn moves(bar: &mut (ProgressBar, Shape), template: &str, title: &str, since: Option<Instant>, doing: &str) {
    let is_new = shape(bar, Shape::Moves, template);
    if is_new {
        bar.0
            .set_elapsed(since.map(|since| since.elapsed()).unwrap_or_default());
    }
    bar.0.set_prefix(printable(title));
    bar.0.set_message(printable(doing));
    if is_new {
        bar.0.enable_steady_tick(TICK);
    }
}

fn rests(bar: &mut (ProgressBar, Shape), title: &str, mark: Mark, text: &str) {
    let template = match mark {
        Mark::Waits | Mark::Goes { .. } => "  {prefix:.dim} {msg}",
        Mark::Done | Mark::Before => "  {prefix} {msg:.green}",
        Mark::Back => "  {prefix} {msg:.yellow}",
        Mark::Failed | Mark::Stuck => "  {prefix} {msg:.red}",
    };
    if shape(bar, Shape::Rests(mark), template) {
        bar.0.disable_steady_tick();
    }
    bar.0.set_prefix(printable(title));
    bar.0.set_message(printable(text));
    bar.0.tick();
}

impl Reporter for Watched {
    fn tell(&self, event: Event) {
        let mut drawn = lock(&self.drawn);
        let Some(drawn) = drawn.as_mut() else {
            return;
        };
        let lines = drawn.board.tell(&event, Instant::now());
        if !lines.is_empty() {
            let mut text = String::new();
            for line in lines {
                let _ = writeln!(text, "{}", printable(&line));
            }
            if drawn.rests {
                output::say(&text);
            } else {
                self.multi.suspend(|| output::say(&text));
            }
        }
        if !drawn.rests {
            self.draw(drawn);
        }
    }
}
