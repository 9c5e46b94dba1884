//! Tells what a run does: as lines for people, or as JSON for programs.

use std::io::{IsTerminal as _, Write as _};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use comeback_migrate::progress::{Event, Reporter};
use indicatif::{ProgressBar, ProgressStyle};

use crate::output::{self, printable};

/// Counts up when the events change their form.
const VERSION: u32 = 1;

/// Tells it as lines.
#[derive(Debug)]
pub(crate) struct Lines {
    began: Instant,
    /// Before each line, where several runs talk at once.
    name: String,
    /// What is going on, where somebody looks.
    spinner: Option<ProgressBar>,
    step: Mutex<Option<comeback_migrate::step::Step>>,
}

impl Lines {
    pub(crate) fn new(name: &str, alone: bool) -> Self {
        let spinner = (alone && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed:>4}  {msg}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        Self {
            began: Instant::now(),
            name: if alone { String::new() } else { format!("{name}  ") },
            spinner,
            step: Mutex::new(None),
        }
    }

    fn line(&self, text: &str) {
        let line = format!(
            "{:7.1} s  {}{}",
            self.began.elapsed().as_secs_f64(),
            self.name,
            printable(text)
        );
        match &self.spinner {
            Some(bar) => bar.suspend(|| output::say(&format!("{line}\n"))),
            None => output::say(&format!("{line}\n")),
        }
    }
}

impl Reporter for Lines {
    fn tell(&self, event: Event) {
        match event {
            Event::Begins { step, title, undo, .. } => {
                if let Some(bar) = &self.spinner {
                    bar.set_message(title.clone());
                }
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

impl Drop for Lines {
    fn drop(&mut self) {
        if let Some(bar) = &self.spinner {
            bar.finish_and_clear();
        }
    }
}

/// Tells it as JSON, one event a line, to standard output.
#[derive(Debug)]
pub(crate) struct Json {
    instance: String,
}

impl Json {
    /// The first line of all.
    pub(crate) fn begin() -> anyhow::Result<()> {
        output::print(&format!(
            "{}\n",
            serde_json::json!({ "event": "version", "version": VERSION, "program": env!("CARGO_PKG_VERSION") })
        ))
    }

    pub(crate) fn new(instance: &str) -> Self {
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
