//! `comeback-agent inspect`

use std::sync::Arc;

use anyhow::{Context, Result};
use comeback_convert::conversion::{self, Inspection};
use comeback_convert::verdict::Assessment;
use comeback_disk::image::{Access, Image};
use comeback_disk::io::ReadAt;
use comeback_disk::view::View;
use comeback_guest::kernels::KernelReader;
use comeback_protocol::{Event, Inspected, Stage, Verdict};

use crate::cli::InspectArguments;
use crate::now;
use crate::voice::Voice;

pub(crate) fn run(arguments: &InspectArguments, voice: &Voice) -> Result<Event> {
    let path = arguments.disk.display();
    voice.stage(Stage::Opening);
    let image = Arc::new(Image::open(&arguments.disk, Access::Read).with_context(|| format!("opening {path}"))?);
    voice.stage(Stage::Inspecting);
    let view = Arc::new(View::new(Arc::clone(&image) as Arc<dyn ReadAt>));
    let (_, Inspection { guest, assessment }) = conversion::inspect(&view, &mut KernelReader::default(), now())
        .with_context(|| format!("inspecting {path}"))?;
    Ok(Event::Inspected(Box::new(Inspected {
        size: image.size(),
        users: image.users().to_vec(),
        verdicts: verdicts(&assessment),
        findings: serde_json::to_value(&assessment.findings)?,
        guest: serde_json::to_value(&guest)?,
    })))
}

/// Verdicts in the words of the protocol.
pub(crate) fn verdicts(assessment: &Assessment) -> Vec<Verdict> {
    assessment
        .verdicts
        .iter()
        .map(|verdict| Verdict {
            platform: verdict.platform.name().to_owned(),
            outcome: verdict.outcome.to_string().replace(' ', "-"),
            decided_by: verdict.decided_by.iter().map(|id| (*id).to_owned()).collect(),
        })
        .collect()
}
