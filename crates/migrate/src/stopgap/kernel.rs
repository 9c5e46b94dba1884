//! A newer PV-GRUB for a paravirtual instance: the stop-gap that AWS documents
//! (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/UserProvidedKernels.html>): stop, set the kernel image, start.
//!
//! Its own risk: the stop and the start are the boot that may not come up, on another host. So snapshots of all volumes are complete
//! before it stops, the old kernel image is on record, and `undo` goes the same way back. Whether a newer PV-GRUB starts the guest
//! is only known when it has.

use std::time::Duration;

use comeback_cloud::ids::{InstanceId, KernelId, SnapshotId, VolumeId};
use comeback_cloud::kernels::{Kernel, Successor};
use comeback_cloud::model::{AddressOwner, Instance, InstanceState, Snapshot, Volume};
use comeback_cloud::{CloudError, ErrorKind, Region};
use jiff::{SignedDuration, Timestamp};
use tokio::time::{Instant, sleep};

use super::record::{Bumped, Kept};
use super::watch::{Watched, watch};
use super::{Records, StopgapError};
use crate::action::{ActionError, Patience, Retry, TAG_ACTION, TAG_RUN};
use crate::actions::power;
use crate::lease;
use crate::plan::Source;
use crate::plan::gather::scaling;
use crate::plan::refuse;
use crate::run::RunId;
use crate::snapshots;

/// The action of the snapshots, in their tag.
const SNAPSHOTS: &str = "bump-kernel/snapshots";

/// Reasons against a migration that are reasons against this, too.
const REASONS: &[&str] = &[
    "not-paravirtual",
    "in-transition",
    "terminated",
    "instance-store-root",
    "no-root-volume",
    "not-on-demand",
    "auto-scaling",
    "kernel-not-on-disk",
    "stop-protected",
    "hibernation",
    "volume-state",
    "volumes-unreadable",
];

/// What would be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The instance.
    pub instance: InstanceId,
    /// The kernel image that it has, and what that is.
    pub from: (KernelId, String),
    /// The kernel image that it gets, and what that is.
    pub to: (KernelId, String),
    /// Volumes that are snapshotted first, and their sizes in GiB.
    pub volumes: Vec<(VolumeId, u32)>,
    /// Where the instance is in its life.
    pub state: InstanceState,
    /// Whether it is started at the end.
    pub start: bool,
    /// Whether this puts the old kernel image back.
    pub undo: bool,
    /// The name of the change, by which its snapshots are known.
    pub run: RunId,
    /// Whether it was begun earlier, and is taken up.
    pub resumed: bool,
    /// What may go wrong, or is lost.
    pub risks: Vec<String>,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// Snapshots that were taken. They are kept.
    pub snapshots: Vec<SnapshotId>,
    /// How it came up; nothing where it was not to be started.
    pub watched: Option<Watched>,
}

/// When the instance is started at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// If it was running.
    AsItWas,
    /// In any case.
    Always,
}

/// Makes the plan of giving an instance the newest PV-GRUB that starts the same guests, looked up live.
///
/// # Errors
/// [`StopgapError::Refused`] with all reasons; what a call can fail with.
pub async fn plan(region: &Region, records: &Records, id: &InstanceId, start: Start) -> Result<Plan, StopgapError> {
    let kept = records.take(region.name(), region.account(), id)?;
    let (instance, volumes) = gather(region, id, &kept).await?;
    let Some(from) = instance.kernel.clone() else {
        return Err(StopgapError::refused(
            format!("{id} has no kernel image"),
            "only a paravirtual instance on PV-GRUB can be given a newer one",
        ));
    };
    let earlier = kept.record.kernel.as_ref().filter(|earlier| !earlier.done);
    if let Some(earlier) = earlier.filter(|earlier| earlier.to != earlier.from) {
        let to = (earlier.to.clone(), "as it was begun".to_owned());
        let from = (earlier.from.clone(), "as it was begun".to_owned());
        return Ok(made(&instance, volumes, from, to, Some(earlier), earlier.start, false));
    }
    let (kernel, successor) = region.loader(&from).await?;
    let (
        from_is,
        Successor {
            kernel: to, version, ..
        },
    ) = match (kernel, successor) {
        (Kernel::PvGrub { version, .. }, Some(next)) => (format!("PV-GRUB {version}"), next),
        (Kernel::PvGrub { version, .. }, None) => {
            return Err(StopgapError::refused(
                format!(
                    "{id} has PV-GRUB {version}, and {} has no newer one for it",
                    region.name()
                ),
                format!("`comeback plan {id}`: only HVM is left"),
            ));
        }
        (Kernel::Other { .. } | Kernel::Unknown, _) => {
            return Err(StopgapError::refused(
                format!(
                    "the kernel image of {id}, {from}, is not known to be PV-GRUB: its kernel may not be on its disk"
                ),
                "install a kernel and a boot menu first, then set the kernel image by hand",
            ));
        }
    };
    let starts = start == Start::Always || instance.state == InstanceState::Running;
    let to = (to, format!("PV-GRUB {version}"));
    Ok(made(&instance, volumes, (from, from_is), to, None, starts, false))
}

/// Makes the plan of putting back what there was before the first bump.
///
/// # Errors
/// [`StopgapError::Refused`] when nothing is on record here, and as [`plan`].
pub async fn plan_undo(region: &Region, records: &Records, id: &InstanceId) -> Result<Plan, StopgapError> {
    let kept = records.take(region.name(), region.account(), id)?;
    let Some(bumped) = kept.record.kernel.clone() else {
        return Err(StopgapError::refused(
            format!("no other kernel image of {id} is on record here"),
            format!(
                "where it is known: aws ec2 modify-instance-attribute --region {} --instance-id {id} --kernel aki-…, while it is stopped",
                region.name()
            ),
        ));
    };
    let (instance, volumes) = gather(region, id, &kept).await?;
    let is = instance.kernel.clone().unwrap_or_else(|| bumped.to.clone());
    let earlier = Some(&bumped).filter(|earlier| !earlier.done);
    let starts = instance.state == InstanceState::Running || earlier.is_some_and(|earlier| earlier.start);
    let undoing = earlier.filter(|earlier| earlier.to == earlier.from);
    let to = (bumped.from.clone(), "as it was before".to_owned());
    Ok(made(
        &instance,
        volumes,
        (is, "as it is".to_owned()),
        to,
        undoing,
        starts,
        true,
    ))
}

fn made(
    instance: &Instance,
    volumes: Vec<Volume>,
    from: (KernelId, String),
    to: (KernelId, String),
    earlier: Option<&Bumped>,
    start: bool,
    undo: bool,
) -> Plan {
    let mut risks = Vec::new();
    if instance.state == InstanceState::Running || start {
        risks.push(
            "the stop and start are themselves what it may not come back from: it starts on another host".to_owned(),
        );
    }
    if start {
        risks.push(format!(
            "EC2 may have no room for {} when it is started: then it stays stopped, with all of its volumes",
            instance.instance_type
        ));
    }
    if !undo {
        risks.push("it stays paravirtual: this buys time, and only a migration ends it".to_owned());
        risks.push(format!("that {} starts this guest is only known when it has", to.1));
    }
    let lent = instance
        .primary_interface()
        .and_then(|interface| interface.addresses.first())
        .filter(|address| address.owner == Some(AddressOwner::Amazon))
        .and_then(|address| address.public);
    if let Some(lent) = lent {
        risks.push(format!(
            "the public address {lent} is lent, and lost as soon as it stops"
        ));
    }
    Plan {
        instance: instance.id.clone(),
        from,
        to,
        volumes: volumes.into_iter().map(|volume| (volume.id, volume.size_gib)).collect(),
        state: instance.state.clone(),
        start,
        undo,
        run: earlier.map_or_else(|| RunId::new(jiff::Zoned::now().date()), |earlier| earlier.run.clone()),
        resumed: earlier.is_some(),
        risks,
    }
}

/// The instance and its volumes, if nothing stands against it.
async fn gather(region: &Region, id: &InstanceId, kept: &Kept) -> Result<(Instance, Vec<Volume>), StopgapError> {
    let instance = region.instance(id).await?;
    let ids: Vec<_> = instance
        .block_devices
        .iter()
        .map(|device| device.volume.clone())
        .collect();
    let volumes = match ids.as_slice() {
        [] => Vec::new(),
        ids => region.volumes(ids).await?,
    };
    let scaling = scaling(region, std::iter::once(&instance)).await?.pop();
    let source = Source {
        attributes: region.attributes(id).await?,
        instance,
        volumes,
        interfaces: Vec::new(),
        addresses: Vec::new(),
        registrations: Vec::new(),
        scaling,
    };
    let now = Timestamp::now();
    let mut reasons: Vec<_> = refuse::reasons(&source, now)
        .into_iter()
        .filter(|reason| REASONS.contains(&reason.id.as_str()))
        .map(|reason| (reason.reason, reason.instead))
        .collect();
    let ours = kept.record.kernel.as_ref().map(|bumped| &bumped.run);
    let holder = match ours {
        Some(run) => lease::held_by_another(&source.instance, run, now),
        None => lease::held_by(&source.instance, now),
    };
    reasons.extend(holder.map(|run| {
        (
            format!("run {run} has it"),
            "finish that run: comeback status, resume, rollback or finalize".to_owned(),
        )
    }));
    if reasons.is_empty() {
        return Ok((source.instance, source.volumes));
    }
    let (what, instead): (Vec<_>, Vec<_>) = reasons.into_iter().unzip();
    Err(StopgapError::refused(
        format!("{id}: {}", what.join("; ")),
        instead.join("; "),
    ))
}

/// Something that is done with an instance, and what it needs.
struct Change<'a> {
    region: &'a Region,
    plan: &'a Plan,
    patience: &'a Patience,
    tell: &'a (dyn Fn(&str) + Send + Sync),
}

/// Carries it out: snapshots, stop, kernel image, start; and watches it come up for as long as `within`.
///
/// It can be called again after it failed or was killed, with a new [`plan`]: what is done is not done again.
///
/// # Errors
/// [`StopgapError`]; the record stays, so that it can be taken up or undone.
pub async fn carry_out(
    region: &Region,
    records: &Records,
    plan: &Plan,
    patience: &Patience,
    within: Duration,
    tell: &(dyn Fn(&str) + Send + Sync),
) -> Result<Done, StopgapError> {
    let change = Change {
        region,
        plan,
        patience,
        tell,
    };
    let mut kept = records.take(region.name(), region.account(), &plan.instance)?;
    // The first one is what an undo goes back to.
    let first = kept.record.kernel.take();
    let bumped = Bumped {
        at: Timestamp::now(),
        from: first
            .as_ref()
            .map_or_else(|| plan.from.0.clone(), |first| first.from.clone()),
        run: plan.run.clone(),
        to: plan.to.0.clone(),
        start: plan.start,
        done: false,
        snapshots: first.map(|first| first.snapshots).unwrap_or_default(),
    };
    kept.record.kernel = Some(bumped);
    kept.write()?;

    let before = region.console_output(&plan.instance, false).await.unwrap_or_default();
    let worked = change.all(&mut kept).await;
    // Nobody is kept away from an instance that is not worked on.
    let released = change.release().await;
    let snapshots = worked?;
    released?;
    match plan.undo {
        true => kept.record.kernel = None,
        false => {
            if let Some(bumped) = &mut kept.record.kernel {
                bumped.done = true;
            }
        }
    }
    kept.write()?;
    drop(kept);
    if !plan.start {
        return Ok(Done {
            snapshots,
            watched: None,
        });
    }
    (change.tell)("watching it come up");
    let watched = watch(region, &plan.instance, &before, within, patience.pause, |says| {
        (change.tell)(says)
    })
    .await?;
    Ok(Done {
        snapshots,
        watched: Some(watched),
    })
}

impl Change<'_> {
    async fn all(&self, kept: &mut Kept) -> Result<Vec<SnapshotId>, StopgapError> {
        self.lease().await?;
        let instance = self.now().await?;
        let set = instance.kernel.as_ref() == Some(&self.plan.to.0);
        let mut snapshots = Vec::new();
        if !set {
            snapshots = self.snapshots().await?;
            if let Some(bumped) = &mut kept.record.kernel {
                bumped.snapshots.extend(snapshots.iter().cloned());
                bumped.snapshots.sort();
                bumped.snapshots.dedup();
                kept.write()?;
            }
            self.stop().await?;
            (self.tell)(&format!(
                "setting its kernel image to {} ({})",
                self.plan.to.0, self.plan.to.1
            ));
            self.patiently(async || self.region.set_kernel(&self.plan.instance, &self.plan.to.0).await)
                .await?;
        }
        if self.plan.start {
            self.start().await?;
        }
        Ok(snapshots)
    }

    async fn now(&self) -> Result<Instance, CloudError> {
        self.region.instance_now(&self.plan.instance).await
    }

    /// A tag that keeps other operators' runs away.
    async fn lease(&self) -> Result<(), StopgapError> {
        let id = &self.plan.instance;
        let time = SignedDuration::try_from(self.patience.lease).unwrap_or(SignedDuration::MAX);
        let until = Timestamp::now().checked_add(time).unwrap_or(Timestamp::MAX);
        let tags = [(lease::TAG.to_owned(), lease::value(&self.plan.run, until))].into();
        let taken = |instance: &Instance| match lease::held_by_another(instance, &self.plan.run, Timestamp::now()) {
            Some(run) => Err(StopgapError::refused(
                format!("{id} is held by run {run}"),
                "finish that run: comeback status, resume, rollback or finalize",
            )),
            None => Ok(()),
        };
        taken(&self.now().await?)?;
        self.region.create_tags(&[id.as_str()], &tags).await?;
        // Of two who wrote at the same time, one reads the other's name.
        sleep(self.patience.pause).await;
        taken(&self.now().await?)
    }

    async fn release(&self) -> Result<(), StopgapError> {
        if lease::is_ours(&self.now().await?, &self.plan.run) {
            self.region
                .delete_tags(&[self.plan.instance.as_str()], &[lease::TAG])
                .await?;
        }
        Ok(())
    }

    /// Snapshots of all volumes, complete.
    async fn snapshots(&self) -> Result<Vec<SnapshotId>, StopgapError> {
        let (region, plan) = (self.region, self.plan);
        let mut found = snapshots::taken(region, &plan.run, SNAPSHOTS).await?;
        if found.is_empty() {
            (self.tell)("taking snapshots of all of its volumes");
            let tags = [
                (TAG_RUN.to_owned(), plan.run.to_string()),
                (TAG_ACTION.to_owned(), SNAPSHOTS.to_owned()),
            ];
            let what = format!("comeback bump-kernel {}: {}", plan.run, plan.instance);
            found = region
                .create_snapshots(&plan.instance, false, &what, &tags.into())
                .await?;
        }
        for (volume, _) in &plan.volumes {
            if !found.iter().any(|snapshot| snapshot.volume.as_ref() == Some(volume)) {
                return Err(StopgapError::failed(
                    format!("the snapshots have none of {volume}"),
                    "was it attached a moment ago? Run the same command again",
                ));
            }
        }
        for snapshot in &found {
            self.complete(snapshot).await?;
        }
        Ok(found.into_iter().map(|snapshot| snapshot.id).collect())
    }

    async fn complete(&self, snapshot: &Snapshot) -> Result<(), StopgapError> {
        let tell = |what: String| (self.tell)(&what);
        let outcome = snapshots::complete(self.region, &snapshot.id, self.patience.snapshot, tell).await?;
        outcome.map_err(|message| {
            StopgapError::failed(
                format!("snapshot {} failed: {message}", snapshot.id),
                "nothing was stopped. Run the same command again",
            )
        })
    }

    async fn stop(&self) -> Result<(), StopgapError> {
        let (region, id) = (self.region, &self.plan.instance);
        let stopped = |now: &Instance| (now.state == InstanceState::Stopped).then_some(());
        match self.now().await?.state {
            InstanceState::Stopped => return Ok(()),
            InstanceState::Stopping => {}
            _ => {
                (self.tell)("stopping it");
                self.patiently(async || region.stop(id, false).await).await?;
            }
        }
        match region.instance_when(id, self.patience.shutdown, stopped).await {
            Err(error) if error.kind == ErrorKind::Late => {}
            other => return Ok(other?),
        }
        (self.tell)(&format!(
            "it has not shut down in {} s; its power is taken away now",
            self.patience.shutdown.as_secs()
        ));
        region.stop(id, true).await?;
        Ok(region.instance_when(id, self.patience.change, stopped).await?)
    }

    async fn start(&self) -> Result<(), StopgapError> {
        let (region, id) = (self.region, &self.plan.instance);
        if self.now().await?.state != InstanceState::Running {
            (self.tell)("starting it");
            let started = self.patiently(async || region.start(id).await).await;
            started.map_err(|error| match error.kind {
                ErrorKind::Capacity => StopgapError::failed(
                    format!("{id} is stopped, and EC2 has no room to start it: {}", error.message),
                    format!("its volumes are all there. Run the same command again later, or `comeback rescue {id} --way migrate`"),
                ),
                _ => error.into(),
            })?;
        }
        let outcome = power::comes_up(region, id, self.patience.change).await?;
        outcome.map_err(|reason| {
            StopgapError::failed(
                format!("{id} does not start: {reason}"),
                "the reason is EC2's own; a key that may not be used and a volume that is gone are the usual ones",
            )
        })
    }

    /// Makes a call again for as long as what it fails with may pass.
    async fn patiently(&self, call: impl AsyncFn() -> Result<(), CloudError>) -> Result<(), CloudError> {
        let begun = Instant::now();
        loop {
            let error = match call().await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            let retry = ActionError::from(error.clone()).retry();
            if retry == Retry::No || begun.elapsed() >= self.patience.of(retry) {
                return Err(error);
            }
            sleep(self.patience.pause).await;
        }
    }
}
