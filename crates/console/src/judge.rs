//! Reads a console and says what it shows.
//!
//! The judge does no I/O and has no clock: bytes and times are given to it. It holds one unfinished line per source and a
//! bounded list of findings, whatever it is fed. How the bytes are cut into chunks makes no difference, because lines are
//! judged when they end, and a line without an end only when nothing has come for a while ([`Judge::tick`]): that is what
//! a prompt is.
//!
//! ```
//! use comeback_console::{Origin, Verdict, judge::{End, Judge, Source}};
//! use std::time::Duration;
//!
//! let mut judge = Judge::new(Origin::StandIn);
//! judge.feed(Source::Serial, b"error: no such partition.\r\ngrub rescue> ", Duration::from_secs(1));
//! let judgement = judge.finish(End::Timeout, Duration::from_secs(60));
//! assert_eq!(judgement.verdict, Verdict::DoesNotBoot);
//! assert_eq!(judgement.signature.unwrap().id, "grub-no-such-partition");
//! ```

use std::{sync::LazyLock, time::Duration};

use regex::bytes::RegexSet;

use crate::{
    Finding, Origin, Reached, Stage, Verdict,
    lines::Lines,
    signatures::{self, Signature, Weight},
};

/// Silence after which a line without an end is taken for a prompt.
const PROMPT_AFTER: Duration = Duration::from_millis(800);
/// How long to wait for a login prompt in silence after init said that the boot is finished; with output, four times this.
const LOGIN_AFTER: Duration = Duration::from_secs(15);
/// Silence of a boot loader after which it is taken to hang, or to wait for somebody.
const LOADER_HANGS_AFTER: Duration = Duration::from_secs(45);
/// The most findings that are kept; there are hardly more kinds.
const MOST_FINDINGS: usize = 32;
/// The longest line in a finding, in bytes.
const LONGEST_EVIDENCE: usize = 400;

/// Where bytes come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// SeaBIOS's debug log.
    Firmware,
    /// The first serial port.
    Serial,
}

/// Why there is nothing more to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The time is over.
    Timeout,
    /// The guest restarted.
    Restart,
    /// The guest switched itself off.
    PowerOff,
}

/// What the processor was doing when a boot loader had been silent for long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CpuMode {
    /// 16 bits: boot sectors and BIOS calls.
    Real,
    /// 32 bits: GRUB, or an i386 kernel.
    Protected,
    /// 64 bits: an operating system.
    Long,
}

/// What the judge has to say while it reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// A stage was reached.
    Stage(Reached),
    /// A sign was seen for the first time.
    Sign(Duration, Finding),
    /// A sign that the guest is at work; the wait should be extended.
    Wait(Finding),
}

/// The result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// The answer.
    pub verdict: Verdict,
    /// The sign that decides or best explains it.
    pub signature: Option<Finding>,
    /// The line that proves a success.
    pub evidence: Option<String>,
    /// Whether `evidence` is a login prompt on the serial port.
    pub login: bool,
}

/// The state of judging one boot.
#[derive(Debug)]
pub struct Judge {
    origin: Origin,
    serial: Lines,
    firmware: Lines,
    screen: Vec<String>,
    timeline: Vec<Reached>,
    stage: Stage,
    findings: Vec<(Weight, Finding)>,
    /// When and where init said that the boot is finished, or a login prompt was seen on the screen.
    finished: Option<(Duration, String)>,
    last_output: Duration,
    last_change: Duration,
    prompt_seen: bool,
    restarts_expected: u8,
    decision: Option<Judgement>,
    news: Vec<News>,
}

impl Judge {
    /// A judge of a machine that was just switched on.
    pub fn new(origin: Origin) -> Self {
        let start = Reached {
            stage: Stage::Firmware,
            at: Duration::ZERO,
            line: String::new(),
        };
        Self {
            origin,
            serial: Lines::new(),
            firmware: Lines::new(),
            screen: Vec::new(),
            timeline: vec![start.clone()],
            stage: Stage::Firmware,
            findings: Vec::new(),
            finished: None,
            last_output: Duration::ZERO,
            last_change: Duration::ZERO,
            prompt_seen: false,
            restarts_expected: 0,
            decision: None,
            news: vec![News::Stage(start)],
        }
    }

    /// Judges a whole console, for instance one that was fetched from EC2.
    pub fn console(origin: Origin, bytes: &[u8]) -> (Judgement, Vec<Finding>) {
        let mut judge = Self::new(origin);
        judge.feed(Source::Serial, bytes, Duration::ZERO);
        let judgement = judge.finish(End::Timeout, Duration::ZERO);
        (judgement, judge.findings())
    }

    /// Takes bytes that came at a time. Returns whether the answer is clear; what follows it is not read.
    pub fn feed(&mut self, source: Source, bytes: &[u8], at: Duration) -> bool {
        if !bytes.is_empty() && self.decision.is_none() {
            self.last_change = at;
            if source == Source::Serial {
                self.last_output = at;
                self.prompt_seen = false;
            }
        }
        for byte in bytes {
            if self.decision.is_some() {
                break;
            }
            let lines = match source {
                Source::Serial => &mut self.serial,
                Source::Firmware => &mut self.firmware,
            };
            if let Some(line) = lines.push(*byte) {
                self.line(source, &line, at);
            }
        }
        self.decision.is_some()
    }

    /// Takes the rows that are on the screen. Only rows that were not there before are judged, and a prompt only when the
    /// screen has not changed since the last time.
    pub fn screen(&mut self, rows: Vec<String>, at: Duration) -> bool {
        if self.decision.is_some() {
            return true;
        }
        let before = std::mem::take(&mut self.screen);
        if rows == before {
            if let Some(last) = rows.last() {
                self.screen_prompt(last.as_bytes(), at);
            }
        } else {
            self.last_change = at;
            for row in rows.iter().filter(|row| !before.contains(row)) {
                let row = row.as_bytes();
                self.advance(row, at);
                if self.decision.is_none()
                    && let Some(signature) = self.match_line(row, |weight| weight != Weight::Prompt)
                {
                    self.sign(signature, row, at);
                }
            }
        }
        self.screen = rows;
        self.decision.is_some()
    }

    /// Takes note that the machine has read from its disk: a boot loader that loads a large initramfs through an emulated
    /// BIOS is silent for minutes, and does not hang.
    pub fn disk_was_read(&mut self, at: Duration) {
        if self.stage == Stage::BootLoader {
            self.last_change = at;
        }
    }

    /// Lets time pass without output. Returns whether the answer is clear.
    pub fn tick(&mut self, at: Duration) -> bool {
        if self.decision.is_none() && !self.prompt_seen && at.saturating_sub(self.last_output) >= PROMPT_AFTER {
            self.prompt_seen = true;
            self.prompt(at);
        }
        if self.decision.is_none()
            && let Some((since, line)) = &self.finished
            && (at.saturating_sub(self.last_output.max(*since)) >= LOGIN_AFTER
                || at.saturating_sub(*since) >= LOGIN_AFTER * 4)
        {
            let line = line.clone();
            self.boots(line, false, at);
        }
        if self.decision.is_none()
            && self.loader_is_silent(at)
            && let Some(finding) = self.explanation(Stage::BootLoader)
        {
            self.decide(Verdict::DoesNotBoot, Some(finding));
        }
        self.decision.is_some()
    }

    /// Whether a boot loader was started and nothing has been seen of it for so long that one should look at the
    /// processor and tell [`Judge::cpu`].
    pub fn loader_is_silent(&self, at: Duration) -> bool {
        self.decision.is_none()
            && self.stage == Stage::BootLoader
            && at.saturating_sub(self.last_change) >= LOADER_HANGS_AFTER
    }

    /// Takes what the processor does while the boot loader is silent.
    pub fn cpu(&mut self, mode: CpuMode, at: Duration) -> bool {
        if !self.loader_is_silent(at) {
            return self.decision.is_some();
        }
        match mode {
            CpuMode::Real => {
                let line = self.screen.last().cloned().unwrap_or_default();
                let id = if line.starts_with("GRUB") {
                    "grub-hang"
                } else {
                    "boot-loader-hang"
                };
                self.silence(id, line);
            }
            CpuMode::Long => {
                self.reach(Stage::Kernel, "", at);
                self.note("silent-kernel", at);
            }
            CpuMode::Protected => self.note("silent-boot-loader", at),
        }
        self.decision.is_some()
    }

    /// The guest restarted. Returns whether that was announced, so that the next boot is to be judged.
    pub fn restart(&mut self, at: Duration) -> bool {
        if self.decision.is_some() || self.restarts_expected == 0 {
            return false;
        }
        self.restarts_expected -= 1;
        self.serial = Lines::new();
        self.firmware = Lines::new();
        self.screen.clear();
        self.finished = None;
        self.stage = Stage::Firmware;
        self.last_output = at;
        self.last_change = at;
        true
    }

    /// Nothing more will come. Returns the answer, the one that was clear before if there was one.
    pub fn finish(&mut self, end: End, at: Duration) -> Judgement {
        if self.decision.is_none() {
            // A line without an end is all there will be of it.
            let partial = self.serial.partial().to_vec();
            self.line(Source::Serial, &partial, at);
        }
        if self.decision.is_none() {
            self.prompt(at);
        }
        if self.decision.is_none()
            && let Some((_, line)) = self.finished.clone()
        {
            self.boots(line, false, at);
        }
        if let Some(judgement) = &self.decision {
            return judgement.clone();
        }
        let telling = self.last_explanation();
        match (end, telling) {
            (_, Some(finding)) => self.decide(Verdict::DoesNotBoot, Some(finding)),
            (End::Restart, None) => self.silence("guest-restarts", String::new()),
            (End::PowerOff, None) => self.silence("guest-powers-off", String::new()),
            (End::Timeout, None) => {
                if self.stage == Stage::BootLoader {
                    self.note("silent-boot-loader", at);
                }
                let hint = self.findings.iter().rev().find(|(weight, _)| *weight == Weight::Hint);
                let hint = hint.or(self.findings.last()).map(|(_, finding)| finding.clone());
                self.decide(Verdict::Unknown, hint);
            }
        }
        self.decision.clone().unwrap_or(Judgement {
            verdict: Verdict::Unknown,
            signature: None,
            evidence: None,
            login: false,
        })
    }

    /// The answer, once it is clear.
    pub fn decision(&self) -> Option<&Judgement> {
        self.decision.as_ref()
    }

    /// The stage that was reached.
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// When something was last seen, on any source.
    pub fn last_change(&self) -> Duration {
        self.last_change
    }

    /// When the serial port last said something.
    pub fn last_serial(&self) -> Duration {
        self.last_output
    }

    /// When each stage was first seen.
    pub fn timeline(&self) -> &[Reached] {
        &self.timeline
    }

    /// All signs that were seen, oldest first, each once.
    pub fn findings(&self) -> Vec<Finding> {
        self.findings.iter().map(|(_, finding)| finding.clone()).collect()
    }

    /// The rows that were last on the screen.
    pub fn screen_rows(&self) -> &[String] {
        &self.screen
    }

    /// What there is to say since this was last called.
    pub fn take_news(&mut self) -> Vec<News> {
        std::mem::take(&mut self.news)
    }

    fn line(&mut self, source: Source, line: &[u8], at: Duration) {
        if source == Source::Firmware {
            // The debug port is the firmware's alone until a guest writes to it; nothing later than the boot loader
            // is believed from there.
            if BOOTING.is_match(line) {
                self.reach(Stage::BootLoader, &text(line), at);
            }
            let signature = signatures::find(line, |signature| signature.stage == Stage::Firmware);
            if let Some(signature) = signature.filter(|_| self.stage <= Stage::BootLoader) {
                self.sign(signature, line, at);
            }
            return;
        }
        self.advance(line, at);
        if SUCCESS.login_line(line) {
            self.boots(text(line), true, at);
        } else if let Some(signature) = self.match_line(line, |_| true) {
            self.sign(signature, line, at);
        }
    }

    /// Looks at the end of the serial console, which has no line end.
    fn prompt(&mut self, at: Duration) {
        let line = self.serial.partial().to_vec();
        if SUCCESS.login_prompt(&line) {
            self.boots(text(&line), true, at);
        } else if let Some(signature) = self.match_line(&line, |weight| weight == Weight::Prompt) {
            self.advance(&line, at);
            self.sign(signature, &line, at);
        }
    }

    fn screen_prompt(&mut self, row: &[u8], at: Duration) {
        if SUCCESS.login_prompt(row) {
            self.note("no-login-on-serial", at);
            self.finished.get_or_insert((at, text(row)));
        } else if let Some(signature) = self.match_line(row, |weight| weight == Weight::Prompt) {
            self.sign(signature, row, at);
        }
    }

    fn match_line(&self, line: &[u8], wanted: impl Fn(Weight) -> bool) -> Option<&'static Signature> {
        signatures::find(line, |signature| {
            wanted(signature.weight)
                && (signature.stage > Stage::BootLoader || self.stage <= Stage::BootLoader)
                && (signature.weight != Weight::StandIn || self.origin == Origin::StandIn)
        })
    }

    /// Sees whether the line shows a later stage.
    fn advance(&mut self, line: &[u8], at: Duration) {
        if self.stage < Stage::Login && SUCCESS.finished(line) && self.finished.is_none() {
            self.finished = Some((at, text(line)));
            self.reach(Stage::Init, &text(line), at);
        }
        if let Some(stage) = stage_of(line).filter(|stage| *stage > self.stage) {
            self.reach(stage, &text(line), at);
        }
    }

    fn reach(&mut self, stage: Stage, line: &str, at: Duration) {
        if stage <= self.stage {
            return;
        }
        self.stage = stage;
        if stage > Stage::BootLoader {
            // What might have explained a boot loader that stands still explains nothing any more.
            self.findings
                .retain(|(weight, finding)| *weight != Weight::Hint || finding.stage > Stage::BootLoader);
        }
        if self.timeline.iter().all(|reached| reached.stage != stage) {
            let reached = Reached {
                stage,
                at,
                line: line.to_owned(),
            };
            self.timeline.push(reached.clone());
            self.news.push(News::Stage(reached));
        }
    }

    fn sign(&mut self, signature: &'static Signature, line: &[u8], at: Duration) {
        let finding = signature.at(text(line));
        match signature.weight {
            Weight::Harmless => return,
            Weight::Wait => self.news.push(News::Wait(finding.clone())),
            Weight::WillRestart => {
                self.news.push(News::Wait(finding.clone()));
                if self.findings.iter().all(|(_, known)| known.id != finding.id) {
                    self.restarts_expected += 1;
                }
            }
            _ => {}
        }
        self.remember(signature.weight, finding.clone(), at);
        match signature.weight {
            Weight::Fatal => self.decide(Verdict::DoesNotBoot, Some(finding)),
            Weight::Prompt => {
                let cause = self.explanation(signature.stage).unwrap_or(finding);
                self.decide(Verdict::DoesNotBoot, Some(cause));
            }
            Weight::StandIn => self.decide(Verdict::Unknown, Some(finding)),
            _ => {}
        }
    }

    fn remember(&mut self, weight: Weight, finding: Finding, at: Duration) {
        let known = self.findings.iter().any(|(_, known)| known.id == finding.id);
        if !known && self.findings.len() < MOST_FINDINGS {
            self.findings.push((weight, finding.clone()));
            if weight != Weight::Hint {
                self.news.push(News::Sign(at, finding));
            }
        }
    }

    /// The first telling sign of a stage; what the kernel says explains what init complains about.
    fn explanation(&self, stage: Stage) -> Option<Finding> {
        let fits = |finding: &Finding| match stage {
            Stage::Firmware | Stage::BootLoader => finding.stage <= Stage::BootLoader,
            Stage::Kernel | Stage::Init | Stage::Login => finding.stage >= Stage::Kernel,
        };
        let telling = self.findings.iter().filter(|(weight, _)| *weight == Weight::Telling);
        let fitting: Vec<_> = telling
            .map(|(_, finding)| finding)
            .filter(|finding| fits(finding))
            .collect();
        fitting
            .iter()
            .find(|finding| finding.stage == stage)
            .or(fitting.first())
            .map(|finding| (*finding).clone())
    }

    /// The first telling sign of the stage that was reached.
    fn last_explanation(&self) -> Option<Finding> {
        self.explanation(self.stage)
    }

    fn boots(&mut self, line: String, login: bool, at: Duration) {
        if login {
            self.reach(Stage::Login, &line, at);
        } else {
            self.note("no-login-on-serial", at);
        }
        let signature = self
            .findings
            .iter()
            .find(|(_, finding)| finding.id == "no-login-on-serial");
        let signature = signature.filter(|_| !login).map(|(_, finding)| finding.clone());
        self.decision = Some(Judgement {
            verdict: Verdict::Boots,
            signature,
            evidence: Some(line),
            login,
        });
    }

    fn silence(&mut self, id: &str, line: String) {
        let finding = signatures::by_id(id).map(|signature| signature.at(line));
        self.decide(Verdict::DoesNotBoot, finding);
    }

    fn note(&mut self, id: &str, at: Duration) {
        if let Some(signature) = signatures::by_id(id) {
            self.remember(Weight::Hint, signature.at(String::new()), at);
        }
    }

    fn decide(&mut self, verdict: Verdict, signature: Option<Finding>) {
        self.decision = Some(Judgement {
            verdict,
            signature,
            evidence: None,
            login: false,
        });
    }
}

/// A line as evidence: its beginning, as text.
pub(crate) fn text(line: &[u8]) -> String {
    let line = line.get(..LONGEST_EVIDENCE).unwrap_or(line);
    String::from_utf8_lossy(line).trim().to_owned()
}

/// Whether a line is a login prompt, with or without what came after it. `Last login: ` greets who is already in.
pub(crate) fn is_login(line: &[u8]) -> bool {
    static PROMPT: LazyLock<RegexSet> = LazyLock::new(|| set(&[r"^[\w.:-]+ (?:console )?login:(?:\s|$)"]));
    (PROMPT.is_match(line) || SUCCESS.login_prompt(line) || SUCCESS.login_line(line)) && !line.starts_with(b"Last ")
}

/// SeaBIOS jumps to what it has read.
static BOOTING: LazyLock<RegexSet> = LazyLock::new(|| set(&[r"^Booting from [0-9a-fA-F]{4}:[0-9a-fA-F]{4}"]));

static SUCCESS: LazyLock<Success> = LazyLock::new(|| Success {
    login_prompt: set(&[r"^(?:[\w.:-]+ )?login: *$", r"^[\w.-]+ console login: *$"]),
    login_line: set(&[
        // The kernel writes over the prompt; or nobody has to type a name.
        r"^[\w.:-]+ login: *\[ *\d+\.\d+\]",
        r"^[\w.:-]+ login: .*\(automatic login\)",
    ]),
    finished: set(&[
        r"Reached target (?:multi-user\.target|graphical\.target|Multi-User|Graphical Interface)",
        r"Startup finished in .*\(user",
        r"[Cc]loud-init v\. .* finished at",
        r"[Cc]loud-init.* boot finished",
        r"^-----END SSH HOST KEY KEYS-----",
    ]),
});

#[derive(Debug)]
struct Success {
    login_prompt: RegexSet,
    login_line: RegexSet,
    finished: RegexSet,
}

impl Success {
    fn login_prompt(&self, line: &[u8]) -> bool {
        self.login_prompt.is_match(line)
    }

    fn login_line(&self, line: &[u8]) -> bool {
        self.login_line.is_match(line)
    }

    fn finished(&self, line: &[u8]) -> bool {
        self.finished.is_match(line)
    }
}

/// The signs of the stages, in the order of [`STAGE_OF`].
static STAGES: LazyLock<RegexSet> = LazyLock::new(|| set(&STAGE_OF.map(|(_, pattern)| pattern)));

const STAGE_OF: [(Stage, &str); 6] = [
    (
        Stage::BootLoader,
        r"^GRUB\b|Welcome to GRUB!|GNU GRUB|^(?:grub rescue|grub|grubdom)>|^(?:SYS|EXT|ISO|PXE)LINUX|^LILO",
    ),
    (
        Stage::BootLoader,
        r"^ *Booting [`'‘]|^Loading (?:Linux|initial ramdisk)|Xen Minimal OS!|keys to select which entry is highlighted",
    ),
    (
        Stage::Kernel,
        r"Linux version \d|^\[ +0\.0{6}\]|^(?:Decompressing Linux|Booting the kernel|Probing EDD)|Uncompressing Linux",
    ),
    (
        Stage::Kernel,
        r"^Command line: |Kernel command line: |VFS: |Kernel panic",
    ),
    (
        Stage::Init,
        r"Run /\S*init as init process|Loading, please wait|^Begin: |systemd\[1\]: |^INIT: |^Welcome to .*(?:!|\))|dracut(?:-\S+)?(?:\[\d+\])?: |Starting udev|^\(initramfs\)|^dracut:/",
    ),
    (
        Stage::Init,
        r"^\[ {0,2}(?:OK|FAILED|DEPEND|TIME|\*+) *\]|cloud-init\[\d+\]|^mountall: |^init: |Mounting local filesystems|Setting the system clock|^fsck(?:\.\w+)? ",
    ),
];

/// The stage that a line shows.
pub(crate) fn stage_of(line: &[u8]) -> Option<Stage> {
    if line.windows(15).any(|window| window == b"Welcome to GRUB") {
        return Some(Stage::BootLoader);
    }
    STAGES
        .matches(line)
        .into_iter()
        .filter_map(|index| STAGE_OF.get(index))
        .map(|(stage, _)| *stage)
        .max()
}

/// Patterns that are written in this crate.
pub(crate) fn set(patterns: &[&str]) -> RegexSet {
    RegexSet::new(patterns).expect("the patterns are written in this file")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn rows(rows: &[&str]) -> Vec<String> {
        rows.iter().map(|row| (*row).to_owned()).collect()
    }

    fn judge_in_boot_loader() -> Judge {
        let mut judge = Judge::new(Origin::StandIn);
        judge.feed(
            Source::Firmware,
            b"Booting from Hard Disk...\nBooting from 0000:7c00\n",
            at(1),
        );
        assert_eq!(judge.stage(), Stage::BootLoader);
        judge
    }

    fn id(judge: &Judge) -> &'static str {
        judge
            .decision()
            .and_then(|judgement| judgement.signature.as_ref())
            .map_or("-", |finding| finding.id)
    }

    #[test]
    fn a_prompt_is_a_line_that_stands_still() {
        let mut judge = Judge::new(Origin::StandIn);
        judge.feed(Source::Serial, b"host login: ", at(10));
        assert!(!judge.tick(at(10)), "more may follow");
        judge.feed(Source::Serial, b"was at noon\n", at(10));
        assert!(!judge.tick(at(20)), "it was no prompt");
        judge.feed(Source::Serial, b"host login: ", at(21));
        assert!(judge.tick(at(22)));
        assert!(judge.decision().is_some_and(|judgement| judgement.login));
    }

    #[test]
    fn a_finished_boot_waits_for_its_login_prompt() {
        let finished = b"[  OK  ] Reached target multi-user.target - Multi-User System.\n";
        let mut judge = Judge::new(Origin::StandIn);
        judge.feed(Source::Serial, finished, at(10));
        assert!(!judge.tick(at(12)));
        judge.feed(Source::Serial, b"host login: ", at(13));
        assert!(judge.tick(at(14)));
        assert_eq!(
            judge.finish(End::Timeout, at(15)).evidence.as_deref(),
            Some("host login:")
        );

        let mut judge = Judge::new(Origin::StandIn);
        judge.feed(Source::Serial, finished, at(10));
        assert!(judge.tick(at(10) + LOGIN_AFTER));
        let judgement = judge.finish(End::Timeout, at(60));
        assert_eq!(
            (judgement.verdict, judgement.login, id(&judge)),
            (Verdict::Boots, false, "no-login-on-serial")
        );
    }

    #[test]
    fn a_boot_sector_that_hangs_is_told_by_the_processor() {
        for (screen, mode, verdict, wanted) in [
            (
                "Booting from Hard Disk...",
                CpuMode::Real,
                Some(Verdict::DoesNotBoot),
                "boot-loader-hang",
            ),
            ("GRUB ", CpuMode::Real, Some(Verdict::DoesNotBoot), "grub-hang"),
            ("Loading Linux ...", CpuMode::Long, None, "-"),
            ("", CpuMode::Protected, None, "-"),
        ] {
            let mut judge = judge_in_boot_loader();
            judge.screen(rows(&[screen]), at(2));
            assert!(!judge.loader_is_silent(at(10)));
            assert!(!judge.cpu(mode, at(10)), "too early to say");
            judge.cpu(mode, at(60));
            assert_eq!(judge.decision().map(|judgement| judgement.verdict), verdict, "{screen}");
            assert_eq!(id(&judge), wanted, "{screen}");
        }
    }

    #[test]
    fn a_boot_loader_that_still_reads_does_not_hang() {
        let mut judge = judge_in_boot_loader();
        judge.screen(rows(&["Loading initial ramdisk ..."]), at(2));
        judge.disk_was_read(at(50));
        judge.cpu(CpuMode::Real, at(60));
        assert_eq!(judge.decision(), None);
        judge.cpu(CpuMode::Real, at(120));
        assert_eq!(
            judge.decision().map(|judgement| judgement.verdict),
            Some(Verdict::DoesNotBoot)
        );
    }

    #[test]
    fn a_kernel_without_console_is_unknown() {
        let mut judge = judge_in_boot_loader();
        judge.cpu(CpuMode::Long, at(60));
        let judgement = judge.finish(End::Timeout, at(300));
        assert_eq!(
            (judgement.verdict, id(&judge), judge.stage()),
            (Verdict::Unknown, "silent-kernel", Stage::Kernel)
        );
    }

    #[test]
    fn an_error_of_the_boot_loader_decides_when_nothing_follows() {
        let mut judge = judge_in_boot_loader();
        judge.feed(Source::Serial, b"error: you need to load the kernel first.\n", at(2));
        assert!(!judge.tick(at(10)), "the menu may have a fallback");
        assert!(judge.tick(at(60)));
        assert_eq!(id(&judge), "grub-no-kernel-loaded");
    }

    #[test]
    fn the_screen_shows_what_the_serial_port_does_not() {
        let mut judge = judge_in_boot_loader();
        let screen = rows(&[
            "error: no such device: 1234.",
            "Entering rescue mode...",
            "grub rescue> ",
        ]);
        assert!(!judge.screen(screen.clone(), at(2)), "it may still be changing");
        assert!(judge.screen(screen, at(3)));
        assert_eq!(id(&judge), "grub-no-such-device");
    }

    #[test]
    fn a_login_prompt_on_the_screen_alone_is_a_boot_without_serial_console() {
        let mut judge = judge_in_boot_loader();
        let screen = rows(&["Debian GNU/Linux 7 host tty1", "host login:"]);
        judge.screen(screen.clone(), at(20));
        judge.screen(screen, at(21));
        assert!(!judge.tick(at(22)));
        assert!(judge.tick(at(21) + LOGIN_AFTER));
        let judgement = judge.finish(End::Timeout, at(60));
        assert_eq!(
            (judgement.verdict, judgement.evidence.as_deref()),
            (Verdict::Boots, Some("host login:"))
        );
        assert_eq!(id(&judge), "no-login-on-serial");
    }

    #[test]
    fn a_restart_is_a_failure_unless_it_was_announced() {
        let mut judge = judge_in_boot_loader();
        assert!(!judge.restart(at(5)));
        assert_eq!(judge.finish(End::Restart, at(5)).verdict, Verdict::DoesNotBoot);
        assert_eq!(id(&judge), "guest-restarts");

        let mut judge = judge_in_boot_loader();
        let relabel = b"*** Warning -- SELinux targeted policy relabel is required.\n";
        judge.feed(Source::Serial, &relabel.repeat(3), at(20));
        assert!(judge.take_news().iter().any(|news| matches!(news, News::Wait(_))));
        assert!(judge.restart(at(90)));
        assert!(!judge.restart(at(95)), "it was announced once");

        let mut judge = judge_in_boot_loader();
        assert_eq!(
            judge.finish(End::PowerOff, at(5)).signature.map(|finding| finding.id),
            Some("guest-powers-off")
        );
    }

    #[test]
    fn nothing_of_the_boot_loader_is_believed_once_the_kernel_runs() {
        let mut judge = judge_in_boot_loader();
        judge.feed(
            Source::Serial,
            b"[    0.000000] Linux version 6.1\r\ngrub rescue> ",
            at(5),
        );
        assert!(!judge.tick(at(10)));
        judge.feed(Source::Firmware, b"No bootable device.\n", at(11));
        assert!(judge.decision().is_none());
    }
}
