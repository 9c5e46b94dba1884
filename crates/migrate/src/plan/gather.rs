//! Everything that belongs to instances, in few calls for all of them together.

use std::collections::BTreeMap;

use comeback_cloud::ids::{InstanceId, InterfaceId, VolumeId};
use comeback_cloud::model::{Instance, ScalingMember, TargetType, Volume};
use comeback_cloud::{CloudError, Filter, Region};

use super::{Registration, Source};

/// Most values of one filter.
const VALUES: usize = 200;

/// What is there of each instance, in the order in which they were asked for; nothing where one is not there.
///
/// # Errors
/// What a describe can fail with.
pub async fn gather(region: &Region, ids: &[InstanceId]) -> Result<Vec<Option<Source>>, CloudError> {
    let mut instances: BTreeMap<_, _> = region
        .instances(ids)
        .await?
        .into_iter()
        .map(|mut instance| {
            // EC2 promises no order, and another order is no change.
            instance.security_groups.sort();
            instance.block_devices.sort_by(|a, b| a.device.cmp(&b.device));
            (instance.id.clone(), instance)
        })
        .collect();
    let volume_ids: Vec<VolumeId> = instances
        .values()
        .flat_map(|instance| instance.block_devices.iter().map(|device| device.volume.clone()))
        .collect();
    let interface_ids: Vec<InterfaceId> = instances
        .values()
        .flat_map(|instance| instance.interfaces.iter().map(|interface| interface.id.clone()))
        .collect();
    let volumes: BTreeMap<_, _> = match volume_ids.as_slice() {
        [] => BTreeMap::new(),
        ids => region
            .volumes(ids)
            .await?
            .into_iter()
            .map(|volume| (volume.id.clone(), volume))
            .collect(),
    };
    let interfaces = match interface_ids.as_slice() {
        [] => Vec::new(),
        ids => region.interfaces(ids).await?,
    };
    let mut addresses = Vec::new();
    for some in interface_ids.chunks(VALUES) {
        let filter = Filter::new("network-interface-id", some.iter().map(InterfaceId::as_str));
        addresses.extend(region.addresses_where(&[filter]).await?);
    }
    addresses.sort_by_key(|address| address.public);
    let registrations = registrations(region, &instances.keys().cloned().collect::<Vec<_>>()).await?;

    let members = scaling(region, instances.values()).await?;

    let mut sources = Vec::new();
    for id in ids {
        let Some(instance) = instances.remove(id) else {
            sources.push(None);
            continue;
        };
        let attributes = region.attributes(id).await?;
        let root = instance.root().map(|device| device.volume.clone());
        let mut own: Vec<Volume> = instance
            .block_devices
            .iter()
            .filter_map(|device| volumes.get(&device.volume).cloned())
            .collect();
        own.sort_by_key(|volume| {
            let device = instance.device_of(&volume.id).map(|device| device.device.clone());
            (Some(&volume.id) != root.as_ref(), device)
        });
        let is_own = |interface: &InterfaceId| instance.interfaces.iter().any(|own| own.id == *interface);
        let mut own_interfaces: Vec<_> = interfaces.iter().filter(|found| is_own(&found.id)).cloned().collect();
        own_interfaces.sort_by_key(|interface| interface.attachment.as_ref().map(|there| there.device_index));
        sources.push(Some(Source {
            volumes: own,
            addresses: addresses
                .iter()
                .filter(|address| address.interface.as_ref().is_some_and(is_own))
                .cloned()
                .collect(),
            interfaces: own_interfaces,
            registrations: registrations
                .iter()
                .filter(|registration| registration.target.id == id.as_str())
                .cloned()
                .collect(),
            scaling: members.iter().find(|member| member.instance == *id).cloned(),
            attributes,
            instance,
        }));
    }
    Ok(sources)
}

/// How instances stand in their Auto Scaling groups. Only members are asked for, so that nobody needs the permission who has none.
///
/// # Errors
/// What the describe can fail with.
pub async fn scaling(
    region: &Region,
    instances: impl Iterator<Item = &Instance>,
) -> Result<Vec<ScalingMember>, CloudError> {
    let grouped: Vec<InstanceId> = instances
        .filter(|instance| instance.auto_scaling_group().is_some())
        .map(|instance| instance.id.clone())
        .collect();
    match grouped.as_slice() {
        [] => Ok(Vec::new()),
        ids => region.scaling_members(ids).await,
    }
}

/// The places of instances in target groups. Elastic Load Balancing cannot be asked by instance: it is one call a group.
async fn registrations(region: &Region, ids: &[InstanceId]) -> Result<Vec<Registration>, CloudError> {
    let mut found = Vec::new();
    if ids.is_empty() {
        return Ok(found);
    }
    for group in region.target_groups().await? {
        if group.target_type != TargetType::Instance {
            continue;
        }
        let health = match region.target_health(&group).await {
            Ok(health) => health,
            // Deleted meanwhile.
            Err(error) if error.is_not_found() => continue,
            Err(error) => return Err(error),
        };
        found.extend(health.into_iter().filter_map(|health| {
            let is_ours = ids.iter().any(|id| health.target.id == id.as_str());
            is_ours.then(|| Registration {
                group: group.arn.clone(),
                target: health.target,
            })
        }));
    }
    found.sort_by(|a, b| (&a.group, &a.target).cmp(&(&b.group, &b.target)));
    Ok(found)
}
