//! The account that a command works in.

use anyhow::{Context as _, Result};
use comeback_cloud::{CloudError, Filter, InstanceId, Options, Region, Session};

use comeback_migrate::action::TAG_RUN;

use crate::cli::AccountArguments;
use crate::exit::Expected;

/// Runs something that waits for the network.
pub(crate) fn wait<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("starting threads for the network")?
        .block_on(work)
}

/// Refuses a share of the rates that is none.
pub(crate) fn check_share(share: f64) -> Result<()> {
    if share > 0.0 && share <= 1.0 {
        return Ok(());
    }
    Err(Expected::Usage(format!("--rate-share {share}: expected more than 0 and at most 1")).into())
}

/// The region, of the account that the credentials are of.
pub(crate) async fn region(arguments: &AccountArguments) -> Result<Region> {
    check_share(arguments.rate_share)?;
    let session = Session::load(Options {
        profile: arguments.profile.clone(),
        region: arguments.region.clone(),
        role_arn: arguments.role_arn.clone(),
        share: arguments.rate_share,
        ..Options::default()
    })
    .await
    .map_err(explained)?;
    let Some(name) = session.default_region() else {
        return Err(Expected::Usage("no region is named: take --region, or set AWS_REGION".to_owned()).into());
    };
    Ok(session.region(&name))
}

/// An error with what to do about it.
pub(crate) fn explained(error: CloudError) -> anyhow::Error {
    let help = error.help();
    anyhow::anyhow!("{error}; {help}")
}

/// Finds instances by their ids, or by their names.
pub(crate) async fn instances(region: &Region, names: &[String]) -> Result<Vec<InstanceId>> {
    let mut ids = Vec::new();
    for name in names {
        let id = instance(region, name).await?;
        if ids.contains(&id) {
            return Err(Expected::Usage(format!("{id} is named twice")).into());
        }
        ids.push(id);
    }
    Ok(ids)
}

/// One instance, by its id or its name.
pub(crate) async fn instance(region: &Region, name: &str) -> Result<InstanceId> {
    match name.parse::<InstanceId>() {
        Ok(id) => Ok(id),
        Err(_) => by_name(region, name).await,
    }
}

async fn by_name(region: &Region, name: &str) -> Result<InstanceId> {
    // `*` and `?` are for EC2's filters, not for names.
    let escaped: String = name
        .chars()
        .flat_map(|c| matches!(c, '*' | '?' | '\\').then_some('\\').into_iter().chain([c]))
        .collect();
    let named = [
        Filter::new("tag:Name", [escaped]),
        Filter::new("instance-state-name", ["pending", "running", "stopping", "stopped"]),
    ];
    let mut found = region.instances_where(&named).await.map_err(explained)?;
    // A run's host bears its source's name from the start; until the run is finalized the name means the source.
    if found.iter().any(|instance| !instance.tags.contains_key(TAG_RUN)) {
        found.retain(|instance| !instance.tags.contains_key(TAG_RUN));
    }
    match found.len() {
        0 => Err(Expected::Refused(format!("{name}: no instance of {} has this id or name", region.name())).into()),
        1 => Ok(found.remove(0).id),
        _ => {
            let ids: Vec<String> = found.iter().map(|instance| instance.id.to_string()).collect();
            let ids = ids.join(", ");
            Err(Expected::Refused(format!("{name} is the name of several instances: {ids}; take the id")).into())
        }
    }
}
