//! Snapshots.

use super::filter::{Filters, SIZES, maybe, one, page};
use super::{Answer, Call, done, owner, tag_set};
use crate::engine::Region;
use crate::engine::instance::State;
use crate::engine::volume::{Snapshot, Volume, VolumeState};
use crate::fault::FaultKind;
use crate::wire::{ApiError, Xml, iso};

/// Holds a running instance's processors still while `act` copies its volumes, so that the copies are of one moment.
pub(super) fn frozen<T>(call: &mut Call<'_>, instance: Option<&str>, act: impl FnOnce(&mut Call<'_>) -> T) -> T {
    let running = instance.filter(|id| {
        let instance = call.region.instances.get(*id);
        call.world.files.exist() && instance.is_some_and(|instance| instance.state == State::Running)
    });
    let freeze = |call: &Call<'_>, frozen: bool| {
        if let Some(Err(error)) = running.map(|id| call.world.backend.freeze(id, frozen)) {
            crate::log(format_args!("{error}"));
        }
    };
    freeze(call, true);
    let done = act(call);
    freeze(call, false);
    done
}

/// Takes a snapshot of a volume as it is now. Whoever calls this holds its instance still.
pub(super) fn take(call: &mut Call<'_>, volume: &Volume, description: &str) -> Result<String, ApiError> {
    let id = call.world.id("snap");
    let failed = call.strikes(&FaultKind::SnapshotError, &[&id, &volume.id]);
    let files = &call.world.files;
    if files.exist() && !failed {
        files
            .copy(&files.path(&volume.id), &id, volume.size)
            .map_err(|error| ApiError::internal(error.to_string()))?;
    }
    let snapshot = Snapshot {
        id: id.clone(),
        volume: volume.id.clone(),
        size: volume.size,
        description: description.to_owned(),
        encrypted: volume.encrypted,
        key: volume.key.clone(),
        started: call.now,
        due: Some(call.world.after(call.world.timings.snapshot)),
        error: failed.then(|| "the lab was told to let it fail".to_owned()),
        guest: None,
        owner_alias: None,
        product_codes: volume.product_codes.clone(),
    };
    call.region.snapshots.insert(id.clone(), snapshot);
    Ok(id)
}

fn ready(volume: &Volume) -> Result<(), ApiError> {
    if volume.state == VolumeState::Ready {
        return Ok(());
    }
    Err(ApiError::new(
        "IncorrectState",
        format!("The volume '{}' is in the '{}' state.", volume.id, volume.status()),
    ))
}

pub(super) fn create(call: &mut Call<'_>) -> Answer {
    let volume = call.region.volume(call.params.required("VolumeId")?)?.clone();
    ready(&volume)?;
    let description = call.params.get("Description").unwrap_or_default();
    let id = frozen(call, volume.instance(), |call| take(call, &volume, description))?;
    call.tag_new("snapshot", &id);
    let mut xml = Xml::new();
    show(&mut xml, call.region, call.region.snapshot(&id)?);
    Ok(xml)
}

/// All volumes of an instance, of one moment.
pub(super) fn create_all(call: &mut Call<'_>) -> Answer {
    let specification = call.params.sub("InstanceSpecification");
    let instance = call.region.instance(specification.required("InstanceId")?)?;
    let without_root = specification.is_set("ExcludeBootVolume")?;
    let excluded = specification.list("ExcludeDataVolumeId");
    let root = call.region.root_of(instance).map(|volume| volume.id.clone());
    let volumes: Vec<Volume> = call
        .region
        .volumes_of(&instance.id)
        .filter(|volume| !(without_root && Some(&volume.id) == root.as_ref()))
        .filter(|volume| !excluded.contains(&volume.id.as_str()))
        .cloned()
        .collect();
    for volume in &volumes {
        ready(volume)?;
    }
    let copied = call.params.one_of("CopyTagsFromSource", &["volume"])?.is_some();
    let description = call.params.get("Description").unwrap_or_default();
    let instance = instance.id.clone();
    let made: Result<Vec<String>, ApiError> = frozen(call, Some(&instance), |call| {
        volumes.iter().map(|volume| take(call, volume, description)).collect()
    });
    let made = made?;
    for (id, volume) in made.iter().zip(&volumes) {
        if let Some(tags) = call.region.tags.get(&volume.id).cloned().filter(|_| copied) {
            call.region.tags.insert(id.clone(), tags);
        }
        call.tag_new("snapshot", id);
    }
    let mut xml = Xml::new();
    let made = made.iter().filter_map(|id| call.region.snapshots.get(id));
    xml.list("snapshotSet", made, |xml, snapshot| {
        xml.text("description", &snapshot.description);
        tag_set(xml, call.region, &snapshot.id);
        xml.text("encrypted", snapshot.encrypted)
            .text("volumeId", &snapshot.volume)
            .text("state", snapshot.state())
            .text("volumeSize", snapshot.size)
            .text("startTime", iso(snapshot.started))
            .text("progress", progress(snapshot))
            .text("ownerId", &call.region.account)
            .text("snapshotId", &snapshot.id);
    });
    Ok(xml)
}

pub(super) fn delete(call: &mut Call<'_>) -> Answer {
    let id = call.params.required("SnapshotId")?.to_owned();
    let snapshot = call.region.snapshot(&id)?;
    if snapshot.owner_alias.is_some() {
        return Err(ApiError::new(
            "UnauthorizedOperation",
            format!("You are not authorized to delete snapshot '{id}'"),
        ));
    }
    let image = call.region.images.values().find(|image| {
        image
            .mappings
            .iter()
            .any(|mapping| mapping.snapshot.as_deref() == Some(&id))
    });
    if let Some(image) = image {
        return Err(ApiError::new(
            "InvalidSnapshot.InUse",
            format!("The snapshot {id} is currently in use by {}", image.id),
        ));
    }
    call.world
        .files
        .remove(&id)
        .map_err(|error| ApiError::internal(error.to_string()))?;
    call.region.snapshots.remove(&id);
    call.region.tags.remove(&id);
    done()
}

fn progress(snapshot: &Snapshot) -> &'static str {
    match snapshot.state() {
        "completed" => "100%",
        "pending" => "40%",
        _ => "0%",
    }
}

fn owner<'a>(region: &'a Region, snapshot: &Snapshot) -> &'a str {
    if snapshot.owner_alias.is_some() {
        owner::AMAZON
    } else {
        &region.account
    }
}

fn show(xml: &mut Xml, region: &Region, snapshot: &Snapshot) {
    xml.text("snapshotId", &snapshot.id)
        .text("volumeId", &snapshot.volume)
        .text("status", snapshot.state())
        .opt("statusMessage", snapshot.error.as_ref())
        .text("startTime", iso(snapshot.started))
        .text("progress", progress(snapshot))
        .text("ownerId", owner(region, snapshot))
        .opt("ownerAlias", owner::alias(snapshot.owner_alias.as_ref()))
        .text("volumeSize", snapshot.size)
        .text("description", &snapshot.description);
    tag_set(xml, region, &snapshot.id);
    xml.text("encrypted", snapshot.encrypted)
        .opt("kmsKeyId", snapshot.key.as_ref())
        .text("storageTier", "standard");
}

pub(super) fn describe(call: &mut Call<'_>) -> Answer {
    let ids = call.params.list("SnapshotId");
    for id in &ids {
        call.region.snapshot(id)?;
    }
    let owners = call.params.list("Owner");
    let filters = Filters::parse(call.params)?;
    let region = &*call.region;
    let mut found = Vec::new();
    for snapshot in region.snapshots.values() {
        let owned = owners.iter().any(|&wanted| {
            wanted == owner(region, snapshot)
                || (wanted == "self" && snapshot.owner_alias.is_none())
                || Some(wanted) == snapshot.owner_alias.as_deref()
        });
        let keep = filters.keep(|name| match name {
            "description" => one(&snapshot.description),
            "encrypted" => one(snapshot.encrypted),
            "owner-alias" => maybe(owner::alias(snapshot.owner_alias.as_ref())),
            "owner-id" => one(owner(region, snapshot)),
            "progress" => one(progress(snapshot)),
            "snapshot-id" => one(&snapshot.id),
            "start-time" => one(iso(snapshot.started)),
            "status" => one(snapshot.state()),
            "storage-tier" => one("standard"),
            "volume-id" => one(&snapshot.volume),
            "volume-size" => one(snapshot.size),
            _ => call.tag_filter(&snapshot.id, name),
        })?;
        if keep && (owned || owners.is_empty()) && (ids.is_empty() || ids.contains(&snapshot.id.as_str())) {
            found.push(snapshot);
        }
    }
    let (found, next) = page(call.params, found, |snapshot| &snapshot.id, SIZES)?;
    let mut xml = Xml::new();
    xml.list("snapshotSet", found, |xml, snapshot| show(xml, region, snapshot));
    xml.opt("nextToken", next);
    Ok(xml)
}
