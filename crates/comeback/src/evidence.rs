//! What a copy of an instance's root says for its plan: the disk is converted in memory, and nothing is written.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use comeback_convert::conversion;
use comeback_convert::finding::{Finding, Level};
use comeback_convert::plan::Target;
use comeback_convert::platform::Platform;
use comeback_convert::refusal;
use comeback_convert::verdict::Outcome;
use comeback_disk::boot::assets::Assets;
use comeback_disk::image::Access;
use comeback_disk::io::ReadAt;
use comeback_migrate::plan::disk::DiskSeen;
use comeback_migrate::plan::{self, Notice};

use crate::cli::DiskArguments;
use crate::cli::rescue::CopyArguments;
use crate::disk;

/// Reads the copy that was named, if one was.
pub(crate) fn of(arguments: &CopyArguments) -> Result<Option<DiskSeen>> {
    let Some(path) = &arguments.disk else {
        return Ok(None);
    };
    let open = DiskArguments {
        disk: path.clone(),
        format: arguments.format,
    };
    let image = disk::open(&open, Access::Read)?;
    disk::tell_users(&image);
    let assets = Assets::find().context("finding boot code")?;
    let name = path.display().to_string();
    let converted = conversion::convert(Arc::new(image) as Arc<dyn ReadAt>, Target::Auto, &assets, disk::now());
    let seen = match converted {
        Ok(conversion) => {
            let after = &conversion.after.assessment;
            let boots = [
                (Platform::XenHvm, plan::Platform::XenHvm),
                (Platform::Nitro, plan::Platform::Nitro),
            ]
            .into_iter()
            .filter(|(platform, _)| after.outcome(*platform) == Outcome::Boots)
            .map(|(_, its)| its)
            .collect();
            DiskSeen {
                name,
                boots,
                refused: None,
                findings: after
                    .findings
                    .iter()
                    .filter(|finding| matters(finding))
                    .map(notice)
                    .collect(),
            }
        }
        Err(error) if refusal::is_refusal(&error) => DiskSeen {
            name,
            boots: Vec::new(),
            findings: refusal::findings(&error).iter().map(notice).collect(),
            refused: Some(error.to_string()),
        },
        Err(error) => return Err(error).with_context(|| format!("converting {name} in memory")),
    };
    Ok(Some(seen))
}

/// Whether a finding is left after the conversion, and is more than good to know. What is said of PV alone is not.
fn matters(finding: &Finding) -> bool {
    let hvm = [Platform::XenHvm, Platform::Nitro];
    finding.level > Level::Info
        && (finding.effects.is_empty() || hvm.iter().any(|platform| finding.effect(*platform).is_some()))
}

fn notice(finding: &Finding) -> Notice {
    Notice {
        id: finding.id.to_owned(),
        level: match finding.level {
            Level::Info => plan::Level::Info,
            Level::Warning | Level::Blocker => plan::Level::Warning,
        },
        text: finding.title.clone(),
        remedy: (!finding.remedy.is_empty()).then(|| finding.remedy.clone()),
    }
}
