//! `comeback-agent revert`

use std::sync::Arc;

use anyhow::{Context, Result};
use comeback_convert::in_place::{self, Reversal};
use comeback_disk::image::{Access, Image};
use comeback_protocol::{Event, Reverted, Span, Stage};

use crate::cli::RevertArguments;
use crate::now;
use crate::voice::Voice;

pub(crate) fn run(arguments: &RevertArguments, voice: &Voice) -> Result<Event> {
    let disk = arguments.disk.display();
    voice.stage(Stage::Opening);
    let image = Image::open(&arguments.disk, Access::Write).with_context(|| format!("opening {disk}"))?;
    voice.stage(Stage::Reverting);
    let mut progress = |done, total| voice.progress(done, total);
    let reversal = in_place::revert(&Arc::new(image), &arguments.keep, arguments.force, now(), &mut progress);
    let end = match reversal.with_context(|| format!("reverting {disk}"))? {
        Reversal::Reverted { reverted, used } => Reverted {
            reverted: true,
            restored: spans(&reverted.restored),
            kept: spans(&reverted.kept),
            used: spans(&used),
            saved: reverted.archived,
        },
        Reversal::Refused { written_to, used } => Reverted {
            reverted: false,
            restored: Vec::new(),
            kept: spans(&written_to),
            used: spans(&used),
            saved: Some(arguments.keep.clone()),
        },
    };
    Ok(Event::Reverted(end))
}

fn spans(spans: &[comeback_disk::saved::Span]) -> Vec<Span> {
    spans
        .iter()
        .map(|span| Span {
            offset: span.offset,
            len: span.len,
        })
        .collect()
}
