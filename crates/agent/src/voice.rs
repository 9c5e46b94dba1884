//! Says events.

use std::cell::Cell;
use std::io::{self, Write as _};
use std::time::{Duration, Instant};

use comeback_protocol::{Event, Hello, Stage};

/// No more than one line of progress in this time.
const PAUSE: Duration = Duration::from_millis(100);

/// Standard output. A listener that is gone stops nothing: what is done to the disk is worth more than telling of it.
#[derive(Debug)]
pub(crate) struct Voice {
    /// When progress was told of last.
    told: Cell<Option<Instant>>,
}

impl Voice {
    /// Says hello.
    pub(crate) fn new() -> Self {
        line(&Hello::new(env!("CARGO_PKG_VERSION")));
        Voice { told: Cell::new(None) }
    }

    /// Says one event.
    pub(crate) fn say(&self, event: &Event) {
        line(event);
    }

    /// Says what is done from now on.
    pub(crate) fn stage(&self, stage: Stage) {
        self.told.set(None);
        line(&Event::Stage { stage });
    }

    /// Says how far it got: the beginning, the end, and not too often in between.
    pub(crate) fn progress(&self, done: u64, total: u64) {
        let is_due = self.told.get().is_none_or(|told| told.elapsed() >= PAUSE);
        if is_due || done == total {
            self.told.set(Some(Instant::now()));
            line(&Event::Progress { done, total });
        }
    }
}

fn line(value: &impl serde::Serialize) {
    let Ok(mut text) = serde_json::to_vec(value) else {
        return;
    };
    text.push(b'\n');
    let mut out = io::stdout().lock();
    let _ = out.write_all(&text).and_then(|()| out.flush());
}
