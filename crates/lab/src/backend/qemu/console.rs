//! What is known of one boot: its console, and how far it is.

use std::time::{Duration, Instant};

use comeback_console::judge::{Judge, Source};
use comeback_console::{Origin, Verdict};

use super::super::{Condition, Platform};

/// How much of a console is kept, in bytes; its end counts.
const KEPT: usize = 256 << 10;
/// The longest line that is shown as a reason.
const LONGEST_LINE: usize = 300;

/// One boot.
#[derive(Debug)]
pub(super) struct Boot {
    console: Vec<u8>,
    judge: Judge,
    started: Instant,
    dead: Option<String>,
}

impl Boot {
    /// A boot that begins now; `said` is on its console already.
    pub(super) fn new(platform: Platform, said: &str) -> Self {
        let origin = match platform {
            Platform::Nitro => Origin::Real,
            // A paravirtual guest's stand-in disks have their right names.
            Platform::XenHvm | Platform::PvGrub { .. } | Platform::OtherKernel => Origin::StandIn,
        };
        Self {
            console: said.as_bytes().to_vec(),
            judge: Judge::new(origin),
            started: Instant::now(),
            dead: None,
        }
    }

    /// Bytes from the serial port.
    pub(super) fn serial(&mut self, bytes: &[u8]) {
        self.console.extend_from_slice(bytes);
        let surplus = self.console.len().saturating_sub(KEPT);
        self.console.drain(..surplus);
        self.judge.feed(Source::Serial, bytes, self.started.elapsed());
    }

    /// Bytes from the firmware's log.
    pub(super) fn firmware(&mut self, bytes: &[u8]) {
        self.judge.feed(Source::Firmware, bytes, self.started.elapsed());
    }

    /// Lets time pass; after `patience` a boot that shows nothing clear counts as dead.
    pub(super) fn tick(&mut self, patience: Duration) {
        let decided = self.judge.tick(self.started.elapsed());
        if !decided && self.dead.is_none() && self.started.elapsed() > patience {
            let line = self.last_line();
            self.dead(line.unwrap_or_else(|| "nothing on the console".to_owned()));
        }
    }

    /// It will not come up, and this shows it.
    pub(super) fn dead(&mut self, line: String) {
        self.dead = Some(line);
    }

    pub(super) fn console(&self) -> Vec<u8> {
        self.console.clone()
    }

    pub(super) fn condition(&self) -> Condition {
        if let Some(line) = &self.dead {
            return Condition::Dead { line: line.clone() };
        }
        match self.judge.decision() {
            None => Condition::Booting,
            Some(judgement) if judgement.verdict == Verdict::Boots => Condition::Up,
            // "Unknown" is said of a root that this machine does not have: here it does not come up.
            Some(judgement) => {
                let line = judgement.signature.as_ref().map(|finding| finding.line.clone());
                let line = line.filter(|line| !line.is_empty()).or_else(|| self.last_line());
                Condition::Dead {
                    line: line.unwrap_or_default(),
                }
            }
        }
    }

    fn last_line(&self) -> Option<String> {
        let text = String::from_utf8_lossy(&self.console);
        let line = text.lines().rev().map(str::trim).find(|line| !line.is_empty())?;
        Some(line.chars().take(LONGEST_LINE).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_prompt_is_up_and_a_panic_is_dead() {
        let mut boot = Boot::new(Platform::Nitro, "GNU GRUB\n");
        assert_eq!(boot.condition(), Condition::Booting);
        boot.serial(b"[    0.000000] Linux version 6.1.0\r\n\r\nDebian GNU/Linux 12 host ttyS0\r\n\r\nhost login: ");
        std::thread::sleep(Duration::from_millis(900));
        boot.tick(Duration::from_secs(60));
        assert_eq!(boot.condition(), Condition::Up);
        assert!(boot.console().starts_with(b"GNU GRUB\n[    0.000000]"));

        let mut boot = Boot::new(Platform::Nitro, "");
        let panic = "[    2.1] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)";
        boot.serial(format!("{panic}\r\n").as_bytes());
        let Condition::Dead { line } = boot.condition() else {
            panic!("{:?}", boot.condition())
        };
        assert!(line.contains("Unable to mount root fs"), "{line}");
    }

    #[test]
    fn silence_is_dead_after_a_while() {
        let mut boot = Boot::new(Platform::XenHvm, "");
        boot.serial(b"Loading...\r\n");
        boot.tick(Duration::from_secs(60));
        assert_eq!(boot.condition(), Condition::Booting);
        boot.tick(Duration::ZERO);
        let line = "Loading...".to_owned();
        assert_eq!(boot.condition(), Condition::Dead { line });
    }

    #[test]
    fn a_flood_keeps_its_end() {
        let mut boot = Boot::new(Platform::XenHvm, "");
        boot.serial(&vec![b'x'; 2 * KEPT]);
        boot.serial(b"end");
        assert_eq!(boot.console().len(), KEPT);
        assert!(boot.console().ends_with(b"xend"));
    }
}
