//! `comeback rehearse`

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use comeback_disk::image::{Access, Format};
use comeback_rehearse::{Accelerator, DiskFormat, Event, Outcome, Platform, Rehearsal, Verdict};
use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::{MachineArgument, RehearseArguments};
use crate::disk::open;
use crate::exit::Exit;
use crate::output::{self, printable};

pub(crate) fn run(arguments: &RehearseArguments) -> Result<Exit> {
    // Opened only to know the format, and to refuse what is no disk in our own words.
    let image = open(&arguments.disk, Access::Read)?;
    let format = match image.format() {
        Format::Raw | Format::BlockDevice => DiskFormat::Raw,
        Format::Qcow2 => DiskFormat::Qcow2,
    };
    let path = image.path().to_owned();
    drop(image);
    let platform = match arguments.platform {
        MachineArgument::XenHvm => Platform::XenHvm,
        MachineArgument::Nitro => Platform::Nitro,
    };
    let mut rehearsal = Rehearsal::new(&path, format, platform);
    rehearsal.timeout = Duration::from_secs(arguments.timeout);
    rehearsal.screenshot.clone_from(&arguments.screenshot);
    rehearsal.console.clone_from(&arguments.console);
    let cancel = Arc::new(AtomicBool::new(false));
    rehearsal.cancel = Some(Arc::clone(&cancel));
    ctrlc::set_handler(move || cancel.store(true, Ordering::Relaxed)).context("watching for Ctrl-C")?;
    let timeline = Timeline::new();
    let result = rehearsal.run(|event| timeline.event(&event));
    timeline.bar.finish_and_clear();
    let outcome = result.with_context(|| format!("rehearsing {}", path.display()))?;
    if arguments.json {
        output::json(&outcome)?;
    } else {
        output::print(&summary(&outcome))?;
    }
    Ok(match outcome.verdict {
        Verdict::Boots => Exit::Done,
        Verdict::DoesNotBoot | Verdict::Unknown => Exit::Blocked,
    })
}

/// The time line, printed to standard error while the machine runs.
struct Timeline {
    bar: ProgressBar,
}

impl Timeline {
    fn new() -> Self {
        let bar = if std::io::stderr().is_terminal() {
            ProgressBar::new_spinner()
        } else {
            ProgressBar::hidden()
        };
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed_precise}  waiting after: {msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        Timeline { bar }
    }

    fn line(&self, text: &str) {
        self.bar.suspend(|| output::say(&format!("{text}\n")));
    }

    fn event(&self, event: &Event) {
        match event {
            Event::Started { accelerator, qemu } => {
                self.line(&format!(
                    "   0.0 s  machine      QEMU {}, {}",
                    printable(qemu),
                    accelerator_name(*accelerator)
                ));
            }
            Event::Stage(reached) => {
                self.bar.set_message(reached.stage.as_str());
                let line = printable(&reached.line);
                self.line(&format!(
                    "{:>6.1} s  {:<12} {line}",
                    reached.at.as_secs_f64(),
                    reached.stage.as_str()
                ));
            }
            Event::Sign { at, finding } => {
                let line = printable(&finding.line);
                self.line(&format!("{:>6.1} s  ! {}  {line}", at.as_secs_f64(), finding.id));
            }
            Event::Note(note) => self.line(&format!("          {}", printable(note))),
            Event::Console(_) | Event::Probe(_) => {}
            Event::Waiting { finding, until } => {
                self.line(&format!(
                    "          {}: waiting up to {} s",
                    finding.title,
                    until.as_secs()
                ));
            }
        }
    }
}

fn accelerator_name(accelerator: Accelerator) -> &'static str {
    match accelerator {
        Accelerator::Kvm => "KVM",
        Accelerator::Tcg => "software emulation",
    }
}

fn summary(outcome: &Outcome) -> String {
    let seconds = outcome.elapsed.as_secs_f64();
    let platform = match outcome.platform {
        Platform::XenHvm => "xen-hvm",
        Platform::Nitro => "nitro",
    };
    let verdict = match outcome.verdict {
        Verdict::Boots => "boots",
        Verdict::DoesNotBoot => "does not boot",
        Verdict::Unknown => "unknown",
    };
    let mut text = format!("{platform}: {verdict} (after {seconds:.1} s)\n");
    if let Some(evidence) = &outcome.evidence {
        text.push_str(&format!("  seen       {}\n", printable(evidence)));
    }
    if let Some(sign) = &outcome.signature {
        text.push_str(&format!(
            "  {:<10} {}\n  on         {}\n",
            sign.id,
            sign.title,
            printable(&sign.line)
        ));
        if !sign.remedy.is_empty() {
            text.push_str(&format!("  remedy     {}\n", sign.remedy));
        }
    }
    for (name, path) in [("console", &outcome.console_file), ("picture", &outcome.screenshot)] {
        if let Some(path) = path {
            text.push_str(&format!("  {name:<10} {}\n", path.display()));
        }
    }
    text
}
