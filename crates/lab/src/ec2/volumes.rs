//! Volumes.

use super::filter::{Filters, SIZES, maybe, one, page};
use super::{Answer, Call, done, tag_set};
use crate::engine::Region;
use crate::engine::volume::{Attachment, Snapshot, Volume, VolumeState};
use crate::fault::FaultKind;
use crate::wire::{ApiError, Params, Xml, iso};

/// What a volume is made from and how.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    pub(super) snapshot: Option<String>,
    pub(super) size: Option<u32>,
    pub(super) kind: Option<String>,
    pub(super) iops: Option<u32>,
    pub(super) throughput: Option<u32>,
    pub(super) encrypted: Option<bool>,
    pub(super) key: Option<String>,
}

/// The kinds, and the most GiB of each.
const KINDS: &[(&str, u32)] = &[
    ("standard", 1024),
    ("gp2", 16_384),
    ("gp3", 65_536),
    ("io1", 16_384),
    ("io2", 65_536),
    ("st1", 16_384),
    ("sc1", 16_384),
];

impl Wanted {
    /// `size` is the name of the parameter with the size.
    pub(super) fn parse(params: &Params, size: &str) -> Result<Self, ApiError> {
        let kinds: Vec<&str> = KINDS.iter().map(|&(kind, _)| kind).collect();
        Ok(Self {
            snapshot: params.text("SnapshotId").map(str::to_owned),
            size: params.parsed(size)?,
            kind: params.one_of("VolumeType", &kinds)?.map(str::to_owned),
            iops: params.parsed("Iops")?,
            throughput: params.parsed("Throughput")?,
            encrypted: params.flag("Encrypted")?,
            key: params.text("KmsKeyId").map(str::to_owned),
        })
    }
}

/// Whether such a volume can be made: everything that can be wrong is found here, before anything is changed.
pub(super) fn check(call: &Call<'_>, wanted: &Wanted) -> Result<(), ApiError> {
    let snapshot = wanted
        .snapshot
        .as_deref()
        .map(|id| call.region.snapshot(id))
        .transpose()?;
    if let Some(snapshot) = snapshot.filter(|snapshot| snapshot.state() != "completed") {
        return Err(ApiError::new(
            "IncorrectState",
            format!("Snapshot is in invalid state - {}", snapshot.state()),
        ));
    }
    let least = snapshot.map_or(1, |snapshot| snapshot.size);
    let Some(size) = wanted.size.or(snapshot.map(|snapshot| snapshot.size)) else {
        return Err(ApiError::new(
            "MissingParameter",
            "The request must contain the parameter size/snapshot",
        ));
    };
    if size < least {
        return Err(ApiError::new(
            "InvalidParameterValue",
            format!(
                "Volume of size {size}GB is smaller than snapshot '{}', expect size >= {least}GB",
                wanted.snapshot.as_deref().unwrap_or_default()
            ),
        ));
    }
    let kind = wanted.kind.as_deref().unwrap_or("gp2");
    if KINDS.iter().any(|&(name, most)| name == kind && size > most) {
        return Err(ApiError::new(
            "InvalidParameterValue",
            format!("Volume of {size}GiB is too large for volume type {kind}"),
        ));
    }
    if matches!(kind, "io1" | "io2") && wanted.iops.is_none() {
        return Err(ApiError::missing("iops"));
    }
    if wanted.throughput.is_some() && kind != "gp3" {
        return Err(ApiError::combination(format!(
            "Throughput is not supported for volume type {kind}"
        )));
    }
    Ok(())
}

/// Makes a volume whose wish was checked. Its file is a copy of the snapshot's, or blank.
pub(super) fn make(
    call: &mut Call<'_>,
    wanted: &Wanted,
    zone: &str,
    attachment: Option<Attachment>,
) -> Result<String, ApiError> {
    let snapshot = wanted
        .snapshot
        .as_deref()
        .map(|id| call.region.snapshot(id))
        .transpose()?
        .cloned();
    let size = wanted
        .size
        .or(snapshot.as_ref().map(|snapshot| snapshot.size))
        .unwrap_or(1);
    let kind = wanted.kind.clone().unwrap_or_else(|| "gp2".to_owned());
    let encrypted = wanted.encrypted.unwrap_or(false)
        || wanted.key.is_some()
        || snapshot.as_ref().is_some_and(|snapshot| snapshot.encrypted);
    let inherited = snapshot.as_ref().and_then(|snapshot| snapshot.key.clone());
    let key = wanted.key.clone().or(inherited).filter(|_| encrypted);
    let id = call.world.id("vol");
    let refused = encrypted && call.strikes(&FaultKind::Kms, &[&id, key.as_deref().unwrap_or("aws/ebs")]);
    let files = &call.world.files;
    if files.exist() && !refused {
        let made = match &snapshot {
            Some(snapshot) => source(call, snapshot).and_then(|path| {
                files
                    .copy(&path, &id, size)
                    .map_err(|error| ApiError::internal(error.to_string()))
            }),
            None => files
                .blank(&id, size)
                .map_err(|error| ApiError::internal(error.to_string())),
        };
        made?;
    }
    let default_iops = match kind.as_str() {
        "gp3" => Some(3000),
        "gp2" => Some((size * 3).clamp(100, 16_000)),
        _ => None,
    };
    let volume = Volume {
        id: id.clone(),
        size,
        iops: wanted.iops.or(default_iops),
        throughput: wanted.throughput.or((kind == "gp3").then_some(125)),
        kind,
        encrypted,
        key: encrypted.then(|| key.unwrap_or_else(|| default_key(call.region))),
        zone: zone.to_owned(),
        snapshot: wanted.snapshot.clone(),
        created: call.now,
        state: if refused {
            VolumeState::Error
        } else {
            VolumeState::Creating
        },
        due: Some(call.world.after(call.world.timings.volume)),
        attachment,
        product_codes: snapshot.map(|snapshot| snapshot.product_codes).unwrap_or_default(),
    };
    call.region.volumes.insert(id.clone(), volume);
    call.tag_new("volume", &id);
    Ok(id)
}

fn default_key(region: &Region) -> String {
    format!(
        "arn:aws:kms:{}:{}:key/00000000-0000-4000-8000-0000000000eb",
        region.name, region.account
    )
}

/// The file that has a snapshot's bytes.
fn source(call: &Call<'_>, snapshot: &Snapshot) -> Result<std::path::PathBuf, ApiError> {
    match &snapshot.guest {
        Some(guest) => call
            .world
            .files
            .guest(guest)
            .map_err(|error| ApiError::internal(error.to_string())),
        None => Ok(call.world.files.path(&snapshot.id)),
    }
}

pub(super) fn create(call: &mut Call<'_>) -> Answer {
    let zone = call.params.required("AvailabilityZone")?.to_owned();
    if !call.region.zones.contains(&zone) {
        return Err(ApiError::new(
            "InvalidZone.NotFound",
            format!("The zone '{zone}' does not exist."),
        ));
    }
    let wanted = Wanted::parse(call.params, "Size")?;
    check(call, &wanted)?;
    let id = make(call, &wanted, &zone, None)?;
    let mut xml = Xml::new();
    show(&mut xml, call.region, call.region.volume(&id)?);
    Ok(xml)
}

pub(super) fn delete(call: &mut Call<'_>) -> Answer {
    let id = call.params.required("VolumeId")?.to_owned();
    let volume = call.region.volume(&id)?;
    if let Some(instance) = volume.instance() {
        return Err(ApiError::new(
            "VolumeInUse",
            format!("Volume {id} is currently attached to {instance}"),
        ));
    }
    call.world
        .files
        .remove(&id)
        .map_err(|error| ApiError::internal(error.to_string()))?;
    call.region.volumes.remove(&id);
    call.region.tags.remove(&id);
    done()
}

pub(super) fn show(xml: &mut Xml, region: &Region, volume: &Volume) {
    xml.text("volumeId", &volume.id)
        .text("size", volume.size)
        .text("snapshotId", volume.snapshot.as_deref().unwrap_or_default())
        .text("availabilityZone", &volume.zone)
        .text("status", volume.status())
        .text("createTime", iso(volume.created));
    xml.list("attachmentSet", &volume.attachment, |xml, at| {
        show_attachment(xml, volume, at)
    });
    tag_set(xml, region, &volume.id);
    xml.text("volumeType", &volume.kind)
        .opt("iops", volume.iops)
        .opt("throughput", volume.throughput)
        .text("encrypted", volume.encrypted)
        .opt("kmsKeyId", volume.key.as_ref())
        .text("multiAttachEnabled", false);
}

pub(super) fn show_attachment(xml: &mut Xml, volume: &Volume, at: &Attachment) {
    xml.text("volumeId", &volume.id)
        .text("instanceId", &at.instance)
        .text("device", &at.device)
        .text("status", at.state.name())
        .text("attachTime", iso(at.since))
        .text("deleteOnTermination", at.delete_on_termination);
}

fn value(call: &Call<'_>, volume: &Volume, name: &str) -> Option<Vec<String>> {
    let at = volume.attachment.as_ref();
    match name {
        "attachment.attach-time" => maybe(at.map(|at| iso(at.since))),
        "attachment.delete-on-termination" => maybe(at.map(|at| at.delete_on_termination)),
        "attachment.device" => maybe(at.map(|at| &at.device)),
        "attachment.instance-id" => maybe(at.map(|at| &at.instance)),
        "attachment.status" => maybe(at.map(|at| at.state.name())),
        "availability-zone" => one(&volume.zone),
        "create-time" => one(iso(volume.created)),
        "encrypted" => one(volume.encrypted),
        "multi-attach-enabled" => one(false),
        "size" => one(volume.size),
        "snapshot-id" => maybe(volume.snapshot.as_ref()),
        "status" => one(volume.status()),
        "volume-id" => one(&volume.id),
        "volume-type" => one(&volume.kind),
        _ => call.tag_filter(&volume.id, name),
    }
}

fn select<'a>(call: &'a Call<'_>) -> Result<Vec<&'a Volume>, ApiError> {
    let ids = call.params.list("VolumeId");
    for id in &ids {
        call.region.volume(id)?;
    }
    let filters = Filters::parse(call.params)?;
    let mut found = Vec::new();
    for volume in call.region.volumes.values() {
        if (ids.is_empty() || ids.contains(&volume.id.as_str())) && filters.keep(|name| value(call, volume, name))? {
            found.push(volume);
        }
    }
    Ok(found)
}

pub(super) fn describe(call: &mut Call<'_>) -> Answer {
    let (found, next) = page(call.params, select(call)?, |volume| &volume.id, SIZES)?;
    let mut xml = Xml::new();
    xml.list("volumeSet", found, |xml, volume| show(xml, call.region, volume));
    xml.opt("nextToken", next);
    Ok(xml)
}

pub(super) fn describe_status(call: &mut Call<'_>) -> Answer {
    let (found, next) = page(call.params, select(call)?, |volume| &volume.id, SIZES)?;
    let mut xml = Xml::new();
    xml.list("volumeStatusSet", found, |xml, volume| {
        let status = if volume.state == VolumeState::Error {
            "impaired"
        } else {
            "ok"
        };
        xml.text("volumeId", &volume.id)
            .text("availabilityZone", &volume.zone)
            .element("volumeStatus", |xml| {
                xml.text("status", status);
                xml.list("details", ["io-enabled"], |xml, name| {
                    xml.text("name", name)
                        .text("status", if status == "ok" { "passed" } else { "failed" });
                });
            });
        xml.element("eventsSet", |_| {}).element("actionsSet", |_| {});
    });
    xml.opt("nextToken", next);
    Ok(xml)
}
