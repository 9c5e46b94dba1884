//! Tells what a run does: live on a terminal, as lines elsewhere, or as JSON for programs.

use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use comeback_migrate::action::Action;
use comeback_migrate::journal::Record;
use comeback_migrate::progress::{Event, Reporter};
use comeback_migrate::step::Step;

use crate::bars::{Bars, Watched};
use crate::output::{self, printable};

/// Counts up when the events change their form.
const VERSION: u32 = 1;

/// Below this many lines a terminal has no room for the bars of a run.
const LEAST: u16 = 20;

/// Where programs look, the first line of all.
pub(crate) fn begin(json: bool) -> anyhow::Result<()> {
    if !json {
        return Ok(());
    }
    output::print(&format!(
        "{}\n",
        serde_json::json!({ "event": "version", "version": VERSION, "program": env!("CARGO_PKG_VERSION") })
    ))
}

/// How runs are told of.
#[derive(Debug)]
pub(crate) enum Narrator {
    /// Live, on a terminal.
    Bars(Bars),
    /// In lines, with the names of the runs where there are several.
    Lines {
        /// Whether there is one run only.
        alone: bool,
    },
    /// As events for a program.
    Json,
}

impl Narrator {
    /// The one for runs of these names, where people or programs look.
    pub(crate) fn new(json: bool, names: &[String]) -> Self {
        if json {
            return Self::Json;
        }
        let alone = names.len() == 1;
        let room = if alone {
            LEAST
        } else {
            u16::try_from(names.len()).unwrap_or(u16::MAX)
        };
        if output::rows().is_some_and(|rows| room < rows) {
            Self::Bars(Bars::new(names))
        } else {
            Self::Lines { alone }
        }
    }

    /// Whoever tells of the run of an instance. `name` is what people know it by.
    pub(crate) fn teller(&self, instance: &str, name: &str) -> Teller {
        match self {
            Self::Bars(bars) => Teller::Bars(bars.watch(name)),
            Self::Lines { alone } => Teller::Plain(Arc::new(Lines::new(name, *alone))),
            Self::Json => Teller::Plain(Arc::new(Json::new(instance))),
        }
    }

    /// As [`rest`](Self::rest), on Ctrl-C.
    pub(crate) fn interrupt(&self) {
        if let Self::Bars(bars) = self {
            bars.interrupt();
        }
    }

    /// Ends what moves on the screen, and leaves it there.
    pub(crate) fn rest(&self) {
        if let Self::Bars(bars) = self {
            bars.rest();
        }
    }
}

/// Who tells of one run.
#[derive(Debug)]
pub(crate) enum Teller {
    /// Live.
    Bars(Arc<Watched>),
    /// As it happens.
    Plain(Arc<dyn Reporter>),
}

impl Teller {
    /// For the run.
    pub(crate) fn reporter(&self) -> Arc<dyn Reporter> {
        match self {
            Self::Bars(watched) => Arc::clone(watched) as Arc<dyn Reporter>,
            Self::Plain(reporter) => Arc::clone(reporter),
        }
    }

    /// What the run consists of, and how far it is. Before this nothing moves on the screen, so that a question can be asked.
    pub(crate) fn begins(&self, actions: &[Box<dyn Action>], record: &Record) {
        if let Self::Bars(watched) = self {
            watched.show(actions, record);
        }
    }
}

/// Tells it as lines.
#[derive(Debug)]
struct Lines {
    began: Instant,
    /// Before each line, where several runs talk at once.
    name: String,
    step: Mutex<Option<Step>>,
}

impl Lines {
    fn new(name: &str, alone: bool) -> Self {
        Self {
            began: Instant::now(),
            name: if alone { String::new() } else { format!("{name}  ") },
            step: Mutex::new(None),
        }
    }

    fn line(&self, text: &str) {
        output::say(&format!(
            "{:7.1} s  {}{}\n",
            self.began.elapsed().as_secs_f64(),
            printable(&self.name),
            printable(text)
        ));
    }
}

impl Reporter for Lines {
    fn tell(&self, event: Event) {
        match event {
            Event::Begins { step, title, undo, .. } => {
                let mut now = self.step.lock().unwrap_or_else(PoisonError::into_inner);
                if *now != Some(step) && !undo {
                    self.line(&step.to_string());
                }
                *now = Some(step);
                self.line(&format!("      {}{title}", if undo { "undo: " } else { "" }));
            }
            Event::Goes { what, .. } => self.line(&format!("        {what}")),
            Event::Again { error, .. } => self.line(&format!("        again: {error}")),
            Event::Failed {
                error, help, by_hand, ..
            } => {
                self.line(&format!("  ! {error}"));
                self.line(&format!("    {help}"));
                for command in by_hand {
                    self.line(&format!("    by hand: {command}"));
                }
            }
            Event::Run { run, state } => self.line(&format!("run {run} is {state}")),
            Event::Note { text } => self.line(&format!("        {text}")),
            Event::Ends { .. } => {}
        }
    }
}

/// Tells it as JSON, one event a line, to standard output.
#[derive(Debug)]
struct Json {
    instance: String,
}

impl Json {
    fn new(instance: &str) -> Self {
        Self {
            instance: instance.to_owned(),
        }
    }
}

impl Reporter for Json {
    fn tell(&self, event: Event) {
        let Ok(serde_json::Value::Object(mut line)) = serde_json::to_value(&event) else {
            return;
        };
        line.insert("instance".to_owned(), self.instance.clone().into());
        line.insert("at".to_owned(), jiff::Timestamp::now().to_string().into());
        let mut out = std::io::stdout().lock();
        // A reader that is gone does not stop a migration.
        let _ = writeln!(out, "{}", serde_json::Value::Object(line)).and_then(|()| out.flush());
    }
}
