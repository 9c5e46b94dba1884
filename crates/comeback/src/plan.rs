//! `comeback plan`

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use comeback_cloud::Region;
use comeback_migrate::plan::target::Wanted;
use comeback_migrate::plan::{Plan, Platform, Reach, VERSION, Verify, Volumes, drift, gather};
use comeback_migrate::plan::{PlanError, Wishes, make};
use serde::{Deserialize, Serialize};

use crate::cli::{OnArgument, PlanArguments, ReachArgument, TargetArgument, WishArguments};
use crate::exit::{Exit, Expected};
use crate::{account, evidence, input, output, plan_text};

/// The most bytes that a file of plans may have: a plan takes some KiB.
const MOST: u64 = 64 << 20;

/// A file of plans.
#[derive(Debug, Serialize, Deserialize)]
struct Saved {
    /// [`VERSION`] of the plans in it.
    version: u32,
    plans: Vec<Plan>,
}

pub(crate) fn run(arguments: &PlanArguments) -> Result<Exit> {
    if arguments.disk.disk.is_some() && arguments.instances.len() > 1 {
        return Err(
            Expected::Usage("--disk is the root of one instance: plan the others on their own".to_owned()).into(),
        );
    }
    // What is on the disk is read before anybody is asked: a file that is not there is a mistake that needs no network.
    let disk = evidence::of(&arguments.disk)?;
    account::wait(async {
        let region = account::region(&arguments.account).await?;
        let ids = account::instances(&region, &arguments.instances).await?;
        let wishes = Wishes {
            disk,
            ..wishes(&arguments.wishes)
        };
        let made = make(&region, &ids, &wishes).await?;
        if let Some(path) = &arguments.output {
            save(path, &made.plans)?;
        }
        if arguments.json {
            output::json(
                &serde_json::json!({ "version": VERSION, "plans": made.plans, "refused": made.refused_json() }),
            )?;
        } else {
            for plan in &made.plans {
                output::print(&plan_text::plan(plan))?;
            }
        }
        made.tell_refused();
        if let Some(path) = arguments.output.as_ref().filter(|_| !made.plans.is_empty()) {
            output::say(&format!("Saved. Carry it out: comeback migrate {}\n", path.display()));
        }
        Ok(if made.refused.is_empty() {
            Exit::Done
        } else {
            Exit::Blocked
        })
    })
}

/// Plans, and what there is none for.
pub(crate) struct Made {
    pub(crate) plans: Vec<Plan>,
    pub(crate) refused: Vec<PlanError>,
}

impl Made {
    /// Says why there is no plan for some.
    pub(crate) fn tell_refused(&self) {
        for error in &self.refused {
            output::say(&plan_text::refusal(error));
        }
    }

    fn refused_json(&self) -> Vec<serde_json::Value> {
        let one = |error: &PlanError| match error {
            PlanError::Refused { instance, reasons } => serde_json::json!({ "instance": instance, "reasons": reasons }),
            other => serde_json::json!({ "error": other.to_string() }),
        };
        self.refused.iter().map(one).collect()
    }
}

/// Makes plans.
pub(crate) async fn make(region: &Region, ids: &[comeback_cloud::InstanceId], wishes: &Wishes) -> Result<Made> {
    let mut made = Made {
        plans: Vec::new(),
        refused: Vec::new(),
    };
    for result in make::make(region, ids, wishes).await.map_err(explained)? {
        match result {
            Ok(plan) => made.plans.push(plan),
            Err(error) => made.refused.push(error),
        }
    }
    Ok(made)
}

fn explained(error: PlanError) -> anyhow::Error {
    match error {
        PlanError::Cloud(error) => account::explained(error),
        other => other.into(),
    }
}

/// What was asked for on the command line.
pub(crate) fn wishes(arguments: &WishArguments) -> Wishes {
    Wishes {
        target: Wanted {
            instance_type: arguments.instance_type.clone(),
            platform: match arguments.target {
                TargetArgument::Auto => None,
                TargetArgument::XenHvm => Some(Platform::XenHvm),
                TargetArgument::Nitro => Some(Platform::Nitro),
            },
        },
        volumes: match arguments.on {
            OnArgument::Original => Volumes::Original,
            OnArgument::Copy => Volumes::Copy,
        },
        host_image: arguments.host_image.clone(),
        host_user: arguments.host_user.clone(),
        verify: Verify {
            ports: arguments.verify_ports.clone(),
            command: arguments.verify_command.clone(),
            within_s: arguments.verify_within,
            reach: match arguments.reach {
                ReachArgument::Public => Reach::Public,
                ReachArgument::Private => Reach::Private,
            },
            ssh_port: arguments.ssh_port,
        },
        disk: None,
    }
}

/// Saves plans in a new file that only its owner can read, as user data may hold secrets.
fn save(path: &Path, plans: &[Plan]) -> Result<()> {
    let text = serde_json::to_vec_pretty(&Saved {
        version: VERSION,
        plans: plans.to_vec(),
    })?;
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("creating {} (a plan is not written over another)", path.display()))?;
    file.write_all(&text)
        .and_then(|()| file.sync_all())
        .with_context(|| format!("writing {}", path.display()))
}

/// Loads plans that were saved.
pub(crate) fn load(path: &Path) -> Result<Vec<Plan>> {
    let text = input::read(path, MOST, "a file of plans")?;
    let version = serde_json::from_slice::<serde_json::Value>(&text)
        .ok()
        .and_then(|value| value.get("version").and_then(serde_json::Value::as_u64));
    match version {
        Some(version) if version == u64::from(VERSION) => {}
        Some(version) => {
            return Err(Expected::Refused(format!(
                "{}: plans of version {version}, expected {VERSION}; make them again with this program",
                path.display()
            ))
            .into());
        }
        None => {
            return Err(Expected::Refused(format!(
                "{} is no file of `comeback plan --output`, or only a part of one",
                path.display()
            ))
            .into());
        }
    }
    let saved: Saved =
        serde_json::from_slice(&text).with_context(|| format!("reading the plans in {}", path.display()))?;
    Ok(saved.plans)
}

/// Refuses plans whose sources have changed since, and names each field.
pub(crate) async fn refuse_stale(region: &Region, plans: &[Plan]) -> Result<()> {
    let ids: Vec<_> = plans.iter().map(|plan| plan.instance().clone()).collect();
    for plan in plans {
        if region.account() != Some(&plan.account) || *region.name() != plan.region {
            return Err(Expected::Refused(format!(
                "the plan of {} is for account {} and region {}, and these credentials are for {} and {}",
                plan.instance(),
                plan.account,
                plan.region,
                region.account().map_or("an unknown one", |account| account.as_str()),
                region.name()
            ))
            .into());
        }
    }
    let now = gather::gather(region, &ids).await.map_err(account::explained)?;
    let mut stale = Vec::new();
    for (plan, now) in plans.iter().zip(now) {
        let Some(now) = now else {
            return Err(Expected::Refused(format!("{} is no longer there", plan.instance())).into());
        };
        for drift in drift::between(&plan.source, &now) {
            stale.push(format!(
                "{} {}: was {}, is {}",
                plan.instance(),
                drift.field,
                drift.was,
                drift.is
            ));
        }
    }
    if !stale.is_empty() {
        return Err(Expected::Refused(format!(
            "the plan is stale; make it again with `comeback plan`. What has changed since: {}",
            stale.join("; ")
        ))
        .into());
    }
    Ok(())
}
