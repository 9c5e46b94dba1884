//! `comeback diagnose`

use std::sync::Arc;

use anyhow::{Context as _, Result};
use comeback_cloud::{InstanceId, Region};
use comeback_convert::conversion;
use comeback_diagnose::{Diagnosis, Disk, Health, Seen, judge, look};
use comeback_disk::image::Access;
use comeback_disk::io::ReadAt;
use comeback_disk::view::View;
use comeback_guest::kernels::KernelReader;

use crate::cli::DiskArguments;
use crate::cli::rescue::{CopyArguments, DiagnoseArguments};
use crate::disk::{now, open};
use crate::exit::Exit;
use crate::{account, diagnosis_text, output};

pub(crate) fn run(arguments: &DiagnoseArguments) -> Result<Exit> {
    // What is on the disk is read before anybody is asked: a file that is not there is a mistake that needs no network.
    let disk = disk(&arguments.disk)?;
    account::wait(async {
        let region = account::region(&arguments.account).await?;
        let id = account::instance(&region, &arguments.instance).await?;
        let seen = see(&region, &id, disk).await?;
        let diagnosis = judge(&seen);
        if arguments.json {
            output::json(&diagnosis)?;
        } else {
            output::print(&diagnosis_text::diagnosis(&diagnosis))?;
        }
        Ok(exit(&diagnosis))
    })
}

/// 0 where nothing is wrong. One that is on its way up is not wrong.
fn exit(diagnosis: &Diagnosis) -> Exit {
    match diagnosis.health {
        Health::Well | Health::Coming => Exit::Done,
        Health::Wrong => Exit::Blocked,
    }
}

/// Looks at an instance, as of now.
pub(crate) async fn see(region: &Region, id: &InstanceId, disk: Option<Disk>) -> Result<Seen> {
    let mut seen = look(region, id, jiff::Timestamp::now())
        .await
        .map_err(account::explained)?;
    seen.disk = disk;
    Ok(seen)
}

/// What is on the disk that was named.
pub(crate) fn disk(arguments: &CopyArguments) -> Result<Option<Disk>> {
    let Some(path) = &arguments.disk else {
        return Ok(None);
    };
    let arguments = DiskArguments {
        disk: path.clone(),
        format: arguments.format,
    };
    let image = open(&arguments, Access::Read)?;
    let view = Arc::new(View::new(Arc::new(image) as Arc<dyn ReadAt>));
    let (_, inspection) = conversion::inspect(&view, &mut KernelReader::default(), now())
        .with_context(|| format!("inspecting {}", path.display()))?;
    Ok(Some(Disk {
        name: path.display().to_string(),
        assessment: inspection.assessment,
    }))
}
