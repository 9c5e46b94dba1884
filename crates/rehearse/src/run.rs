//! One rehearsal from start to verdict.

use std::{fs, ops::ControlFlow, sync::atomic::Ordering, time::Duration};

use comeback_console::judge::{End, Judge, Judgement, News, Source};

use crate::{
    Accelerator, Event, Outcome, ProbeOutput, Rehearsal, RehearseError, Stage,
    machine::{Machine, Start, kvm_usable},
    probe,
    streams::Output,
    transcript::Transcript,
};

/// How often the machine is looked at when it says nothing.
const POLL: Duration = Duration::from_millis(100);
/// How often the text on the screen is read.
const SCREEN_EVERY: Duration = Duration::from_secs(1);
/// Silence of the serial port after which the screen is worth reading once the kernel runs.
const SCREEN_AFTER: Duration = Duration::from_secs(4);
/// A machine that KVM cannot run ends within this time.
const KVM_CRASHES_WITHIN: Duration = Duration::from_secs(2);
/// The wait may be extended to this many times what was asked for.
const MOST_PATIENCE: u32 = 4;

/// Runs a rehearsal; see [`Rehearsal::run`].
pub fn run(rehearsal: &Rehearsal, mut on_event: impl FnMut(Event)) -> Result<Outcome, RehearseError> {
    let accelerator = if kvm_usable() {
        Accelerator::Kvm
    } else {
        Accelerator::Tcg
    };
    let mut start = Start {
        accelerator,
        sandbox: true,
    };
    loop {
        let reason = match Machine::start(rehearsal, start) {
            Ok(machine) => match Watch::new(rehearsal, start, machine, &mut on_event).run()? {
                ControlFlow::Break(outcome) => return Ok(*outcome),
                ControlFlow::Continue(reason) => reason,
            },
            Err(RehearseError::QemuFailed { stderr, .. }) if start.sandbox && stderr.contains("sandbox") => {
                start.sandbox = false;
                on_event(Event::Note(
                    "this QEMU is built without seccomp; the machine runs without its sandbox".into(),
                ));
                continue;
            }
            Err(RehearseError::QemuFailed { stderr, .. }) if start.accelerator == Accelerator::Kvm => stderr,
            Err(error) => return Err(error),
        };
        on_event(Event::Note(format!(
            "KVM failed ({reason}); emulating instead, which is slower"
        )));
        start.accelerator = Accelerator::Tcg;
    }
}

/// A machine under observation.
struct Watch<'a, F> {
    rehearsal: &'a Rehearsal,
    start: Start,
    machine: Machine,
    on_event: &'a mut F,
    judge: Judge,
    transcript: Transcript,
    deadline: Duration,
    restarts: u32,
    screen_at: Duration,
    cpu_at: Duration,
    disk_reads: u64,
}

impl<'a, F: FnMut(Event)> Watch<'a, F> {
    fn new(rehearsal: &'a Rehearsal, start: Start, machine: Machine, on_event: &'a mut F) -> Self {
        on_event(Event::Started {
            accelerator: start.accelerator,
            qemu: machine.version(),
        });
        Self {
            rehearsal,
            start,
            machine,
            on_event,
            judge: Judge::new(rehearsal.platform.origin()),
            transcript: Transcript::new(Outcome::CONSOLE_LIMIT),
            deadline: rehearsal.timeout,
            restarts: 0,
            screen_at: Duration::ZERO,
            cpu_at: Duration::ZERO,
            disk_reads: 0,
        }
    }

    /// Continues with a reason when KVM failed.
    fn run(mut self) -> Result<ControlFlow<Box<Outcome>, String>, RehearseError> {
        let judgement = loop {
            self.check_cancelled()?;
            self.read(POLL);
            match self.look()? {
                Some(Look::Judged(judgement)) => break judgement,
                Some(Look::KvmFailed(reason)) => return Ok(ControlFlow::Continue(reason)),
                None => {}
            }
        };
        self.tell_news();
        let mut probed = Vec::new();
        if let Some(probe) = self.rehearsal.probe.as_ref().filter(|_| judgement.login) {
            probed = self.probe(probe)?;
        }
        self.outcome(judgement, probed)
            .map(|outcome| ControlFlow::Break(Box::new(outcome)))
    }

    fn now(&self) -> Duration {
        self.machine.started.elapsed()
    }

    fn check_cancelled(&self) -> Result<(), RehearseError> {
        match &self.rehearsal.cancel {
            Some(cancel) if cancel.load(Ordering::Relaxed) => Err(RehearseError::Cancelled),
            _ => Ok(()),
        }
    }

    /// Takes what comes out of the machine, waiting for it. Returns the serial bytes.
    fn read(&mut self, patience: Duration) -> Vec<u8> {
        let Output { serial, firmware } = self.machine.output.take(patience);
        let now = self.now();
        self.judge.feed(Source::Firmware, &firmware, now);
        if !serial.is_empty() {
            self.transcript.push(&serial);
            self.judge.feed(Source::Serial, &serial, now);
            (self.on_event)(Event::Console(serial.clone()));
        }
        serial
    }

    /// Reads what has already come out of the machine, for a moment.
    fn drain(&mut self) {
        let until = self.now() + Duration::from_millis(300);
        while self.now() < until && self.judge.decision().is_none() {
            self.read(Duration::from_millis(50));
        }
    }

    /// Looks at everything that is not output.
    fn look(&mut self) -> Result<Option<Look>, RehearseError> {
        if self.machine.qmp.reports.no_space.load(Ordering::Relaxed) {
            return Err(RehearseError::ScratchFull {
                path: self.machine.scratch().to_owned(),
            });
        }
        if self.machine.qmp.reports.stopped.swap(false, Ordering::Relaxed) && self.machine.internal_error() {
            return self.failed("internal error".to_owned()).map(Some);
        }
        if let Some(status) = self.machine.ended()? {
            self.drain();
            if !self.machine.qmp.reports.powered_off.load(Ordering::Relaxed) {
                return self.failed(status.to_string()).map(Some);
            }
            let judgement = self.judge.finish(End::PowerOff, self.now());
            return Ok(Some(Look::Judged(judgement)));
        }
        let restarts = self.machine.qmp.reports.restarts.load(Ordering::Relaxed);
        if restarts > self.restarts {
            self.restarts = restarts;
            // The last words before the restart are on their way.
            self.drain();
            let now = self.now();
            if !self.judge.restart(now) {
                return Ok(Some(Look::Judged(self.judge.finish(End::Restart, now))));
            }
            (self.on_event)(Event::Note("the guest restarts, as it announced".to_owned()));
        }
        self.judge.tick(self.now());
        self.look_at_screen();
        self.tell_news();
        if let Some(judgement) = self.judge.decision() {
            return Ok(Some(Look::Judged(judgement.clone())));
        }
        let now = self.now();
        Ok((now >= self.deadline).then(|| Look::Judged(self.judge.finish(End::Timeout, now))))
    }

    /// QEMU ended or stands still by itself.
    fn failed(&self, status: String) -> Result<Look, RehearseError> {
        let early = self.now() < KVM_CRASHES_WITHIN || self.judge.stage() < Stage::Kernel;
        if self.start.accelerator == Accelerator::Kvm && early {
            return Ok(Look::KvmFailed(format!("{status}: {}", self.machine.stderr())));
        }
        Err(RehearseError::QemuFailed {
            status,
            stderr: self.machine.stderr(),
        })
    }

    fn look_at_screen(&mut self) {
        let now = self.now();
        let silent = now.saturating_sub(self.judge.last_serial()) >= SCREEN_AFTER;
        if now < self.screen_at || (self.judge.stage() > Stage::BootLoader && !silent) {
            return;
        }
        self.screen_at = now + SCREEN_EVERY;
        // A machine that does not answer is a machine that ends; that is seen elsewhere.
        if let Ok(rows) = self.machine.screen() {
            self.judge.screen(rows, now);
        }
        if self.judge.stage() == Stage::BootLoader
            && let Ok(reads) = self.machine.disk_reads()
            && reads != self.disk_reads
        {
            self.disk_reads = reads;
            self.judge.disk_was_read(now);
        }
        if self.judge.loader_is_silent(now) && now >= self.cpu_at {
            self.cpu_at = now + Duration::from_secs(10);
            if let Ok(mode) = self.machine.cpu_mode() {
                self.judge.cpu(mode, now);
            }
        }
    }

    fn tell_news(&mut self) {
        for news in self.judge.take_news() {
            let event = match news {
                News::Stage(reached) => Event::Stage(reached),
                News::Sign(at, finding) => Event::Sign { at, finding },
                News::Wait(finding) => {
                    let most = self.rehearsal.timeout * MOST_PATIENCE;
                    self.deadline = self.deadline.max(self.now() + self.rehearsal.timeout).min(most);
                    Event::Waiting {
                        finding,
                        until: self.deadline,
                    }
                }
            };
            (self.on_event)(event);
        }
    }

    fn probe(&mut self, probe: &crate::LoginProbe) -> Result<Vec<ProbeOutput>, RehearseError> {
        probe::run(probe, self)
    }

    fn outcome(mut self, judgement: Judgement, probe: Vec<ProbeOutput>) -> Result<Outcome, RehearseError> {
        let elapsed = self.now();
        let ended = self.machine.ended()?.is_some();
        let mut screenshot = None;
        if let Some(path) = self.rehearsal.screenshot.as_ref().filter(|_| !ended) {
            match self.machine.picture(path) {
                Ok(()) => screenshot = Some(path.clone()),
                Err(error) => {
                    let path = path.display();
                    (self.on_event)(Event::Note(format!("no picture of the screen in {path}: {error}")));
                }
            }
        }
        let qemu = self.machine.version();
        self.machine.quit();
        let console_truncated = self.transcript.truncated();
        let console = self.transcript.into_bytes();
        if let Some(path) = &self.rehearsal.console {
            fs::write(path, &console).map_err(|source| RehearseError::Save {
                path: path.clone(),
                source,
            })?;
        }
        let mut findings = self.judge.findings();
        findings.retain(|finding| Some(finding) != judgement.signature.as_ref());
        Ok(Outcome {
            verdict: judgement.verdict,
            platform: self.rehearsal.platform,
            signature: judgement.signature,
            findings,
            evidence: judgement.evidence,
            timeline: self.judge.timeline().to_vec(),
            elapsed,
            accelerator: self.start.accelerator,
            qemu,
            console,
            console_file: self.rehearsal.console.clone(),
            console_truncated,
            screen: self.judge.screen_rows().to_vec(),
            screenshot,
            probe,
        })
    }
}

/// What a look at the machine has shown.
enum Look {
    Judged(Judgement),
    KvmFailed(String),
}

impl<F: FnMut(Event)> probe::Wire for Watch<'_, F> {
    fn send(&mut self, text: &str) -> Result<(), RehearseError> {
        use std::io::Write;
        let failed = |source| RehearseError::Io {
            doing: "typing at the serial port",
            source,
        };
        self.machine
            .keyboard
            .write_all(text.as_bytes())
            .and_then(|()| self.machine.keyboard.flush())
            .map_err(failed)
    }

    fn receive(&mut self, patience: Duration) -> Result<Vec<u8>, RehearseError> {
        self.check_cancelled()?;
        if let Some(status) = self.machine.ended()? {
            return Err(RehearseError::QemuFailed {
                status: status.to_string(),
                stderr: self.machine.stderr(),
            });
        }
        Ok(self.read(patience))
    }

    fn about_to_run(&mut self, command: &str) {
        (self.on_event)(Event::Probe(command.to_owned()));
    }
}
