//! What there is to go by.

use comeback_cloud::ids::{InstanceId, RegionName};
use comeback_cloud::kernels::{self, Kernel, Successor, Version};
use comeback_cloud::model::{Instance, Status, Virtualization, Volume};
use comeback_cloud::prices::{self, Price};
use comeback_cloud::{CloudError, ErrorKind, Region};
use comeback_convert::verdict::Assessment;
use jiff::Timestamp;

/// Everything that was seen of an instance.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Its region.
    pub region: RegionName,
    /// The instance.
    pub instance: Instance,
    /// Its status checks and events; nothing where EC2 has none.
    pub status: Option<Status>,
    /// Its console, as EC2 has it; nothing where it could not be read.
    pub console: Option<Vec<u8>>,
    /// Its volumes, as far as they could be read.
    pub volumes: Vec<Volume>,
    /// What its kernel image is; nothing for HVM.
    pub kernel: Option<Kernel>,
    /// A newer PV-GRUB that starts the same guests.
    pub successor: Option<Successor>,
    /// What an hour of it costs.
    pub hourly: Option<Price>,
    /// What is on its disk, or on a copy of it.
    pub disk: Option<Disk>,
    /// The time at which it is judged.
    pub now: Timestamp,
    /// What could not be read, and why.
    pub unread: Vec<String>,
}

/// A disk that was inspected.
#[derive(Debug, Clone)]
pub struct Disk {
    /// What it is, for people: a path.
    pub name: String,
    /// What was found on it.
    pub assessment: Assessment,
}

impl Seen {
    /// Whether it is paravirtual.
    pub fn is_pv(&self) -> bool {
        self.instance.virtualization == Virtualization::Paravirtual
    }

    /// How a command of this program is typed for it.
    pub(crate) fn command(&self, verb: &str) -> String {
        format!("comeback {verb} {} --region {}", self.instance.id, self.region)
    }

    /// The version of its PV-GRUB, if that is what loads its kernel.
    pub fn pv_grub(&self) -> Option<Version> {
        match self.kernel.as_ref()? {
            Kernel::PvGrub { version, .. } => Some(*version),
            Kernel::Other { .. } | Kernel::Unknown => None,
        }
    }
}

/// Looks at an instance; at most eight calls, and none changes anything.
///
/// # Errors
/// When the instance, or its status, cannot be read. What else cannot is told in [`Seen::unread`].
pub async fn look(region: &Region, id: &InstanceId, now: Timestamp) -> Result<Seen, CloudError> {
    let instance = region.instance(id).await?;
    let status = region.statuses(std::slice::from_ref(id)).await?.into_iter().next();
    let mut unread = Vec::new();
    let mut read =
        |what: &str, error: CloudError| unread.push(format!("{what} could not be read: {error}; {}", error.help()));
    let console = match console(region, &instance).await {
        Ok(bytes) => Some(bytes),
        Err(error) => {
            read("the console", error);
            None
        }
    };
    let ids: Vec<_> = instance
        .block_devices
        .iter()
        .map(|device| device.volume.clone())
        .collect();
    let volumes = match ids.as_slice() {
        [] => Vec::new(),
        ids => region.volumes(ids).await.unwrap_or_else(|error| {
            read("its volumes", error);
            Vec::new()
        }),
    };
    let (kernel, successor) = match &instance.kernel {
        Some(id) if instance.virtualization == Virtualization::Paravirtual => match region.loader(id).await {
            Ok((kernel, successor)) => (Some(kernel), successor),
            Err(error) => {
                read("images of kernels", error);
                (Some(kernels::identify(region.name(), id, None)), None)
            }
        },
        _ => (None, None),
    };
    Ok(Seen {
        region: region.name().clone(),
        hourly: prices::hourly(&instance.instance_type, region.name()),
        instance,
        status,
        console,
        volumes,
        kernel,
        successor,
        disk: None,
        now,
        unread,
    })
}

/// What is on the console: right now where EC2 can tell, else as of minutes ago.
async fn console(region: &Region, instance: &Instance) -> Result<Vec<u8>, CloudError> {
    if instance.virtualization == Virtualization::Paravirtual {
        return region.console_output(&instance.id, false).await;
    }
    match region.console_output(&instance.id, true).await {
        Err(error) if matches!(error.kind, ErrorKind::Unsupported | ErrorKind::InvalidParameter) => {
            region.console_output(&instance.id, false).await
        }
        other => other,
    }
}
