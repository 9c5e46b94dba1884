//! The actions of EC2 (API version 2016-11-15, Query protocol): one function per action, grouped by what they are about.

mod addresses;
mod attachments;
mod attributes;
mod console;
mod describe_instances;
mod filter;
mod images;
mod interfaces;
mod keys;
mod launch;
mod lifecycle;
mod network;
mod owner;
mod snapshots;
mod status;
mod tags;
mod types;
mod volumes;

use jiff::Timestamp;

use crate::engine::{Region, World};
use crate::fault::{FaultKind, Subject};
use crate::wire::{ApiError, Params, Xml};

pub(crate) use describe_instances::reservation;

/// A request that is being carried out, on a region that nobody else looks at.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) world: &'a World,
    pub(crate) region: &'a mut Region,
    pub(crate) params: &'a Params,
    pub(crate) action: &'a str,
    pub(crate) now: Timestamp,
}

/// The inside of an answer.
pub(crate) type Answer = Result<Xml, ApiError>;

type Handler = fn(&mut Call<'_>) -> Answer;

/// The actions. Those whose names begin with Describe or Get change nothing.
const ACTIONS: &[(&str, Handler)] = &[
    ("AllocateAddress", addresses::allocate),
    ("AssignPrivateIpAddresses", interfaces::assign),
    ("AssociateAddress", addresses::associate),
    ("AttachNetworkInterface", interfaces::attach),
    ("AttachVolume", attachments::attach),
    ("AuthorizeSecurityGroupIngress", network::authorize_ingress),
    ("CreateImage", images::create),
    ("CreateKeyPair", keys::create),
    ("CreateNetworkInterface", interfaces::create),
    ("CreateSecurityGroup", network::create_group),
    ("CreateSnapshot", snapshots::create),
    ("CreateSnapshots", snapshots::create_all),
    ("CreateTags", tags::create),
    ("CreateVolume", volumes::create),
    ("DeleteKeyPair", keys::delete),
    ("DeleteNetworkInterface", interfaces::delete),
    ("DeleteSecurityGroup", network::delete_group),
    ("DeleteSnapshot", snapshots::delete),
    ("DeleteTags", tags::delete),
    ("DeleteVolume", volumes::delete),
    ("DeregisterImage", images::deregister),
    ("DescribeAccountAttributes", network::describe_account),
    ("DescribeAddresses", addresses::describe),
    ("DescribeAvailabilityZones", network::describe_zones),
    ("DescribeImages", images::describe),
    ("DescribeInstanceAttribute", attributes::describe),
    ("DescribeInstanceStatus", status::describe),
    ("DescribeInstanceTypeOfferings", types::describe_offerings),
    ("DescribeInstanceTypes", types::describe),
    ("DescribeInstances", describe_instances::describe),
    ("DescribeKeyPairs", keys::describe),
    ("DescribeNetworkInterfaces", interfaces::describe),
    ("DescribeRegions", network::describe_regions),
    ("DescribeSecurityGroups", network::describe_groups),
    ("DescribeSnapshots", snapshots::describe),
    ("DescribeSubnets", network::describe_subnets),
    ("DescribeTags", tags::describe),
    ("DescribeVolumeStatus", volumes::describe_status),
    ("DescribeVolumes", volumes::describe),
    ("DescribeVpcs", network::describe_vpcs),
    ("DetachNetworkInterface", interfaces::detach),
    ("DetachVolume", attachments::detach),
    ("DisassociateAddress", addresses::disassociate),
    ("GetConsoleOutput", console::output),
    ("GetConsoleScreenshot", console::screenshot),
    ("ImportKeyPair", keys::import),
    ("ModifyInstanceAttribute", attributes::modify),
    ("ModifyInstanceEventStartTime", status::modify_event),
    ("ModifyInstanceMaintenanceOptions", attributes::modify_maintenance),
    ("ModifyInstanceMetadataOptions", attributes::modify_metadata),
    ("ModifyNetworkInterfaceAttribute", interfaces::modify),
    ("MonitorInstances", lifecycle::monitor),
    ("RebootInstances", lifecycle::reboot),
    ("RegisterImage", images::register),
    ("ReleaseAddress", addresses::release),
    ("RunInstances", launch::run),
    ("StartInstances", lifecycle::start),
    ("StopInstances", lifecycle::stop),
    ("TerminateInstances", lifecycle::terminate),
    ("UnassignPrivateIpAddresses", interfaces::unassign),
    ("UnmonitorInstances", lifecycle::unmonitor),
];

/// What carries an action out.
pub(crate) fn handler(action: &str) -> Option<Handler> {
    ACTIONS
        .iter()
        .find(|(name, _)| *name == action)
        .map(|&(_, handler)| handler)
}

/// Whether an action leaves everything as it is.
pub(crate) fn is_read(action: &str) -> bool {
    action.starts_with("Describe") || action.starts_with("Get")
}

impl Call<'_> {
    /// Whether a fault strikes this call, or something that it is about to do to `resources`.
    pub(crate) fn strikes(&self, kind: &FaultKind, resources: &[&str]) -> bool {
        let subject = Subject {
            action: self.action,
            region: &self.region.name,
            resources,
        };
        self.world.faults.strike(&subject, |each| each == kind).is_some()
    }

    /// Puts the tags of `TagSpecification` for a kind of resource on a new one.
    pub(crate) fn tag_new(&mut self, kind: &str, id: &str) {
        for (key, value) in tags::specified(self.params, kind) {
            self.region.tags.entry(id.to_owned()).or_default().insert(key, value);
        }
    }

    /// Values of the filters that everything with tags has: `tag:KEY`, `tag-key`, `tag-value`.
    pub(crate) fn tag_filter(&self, id: &str, filter: &str) -> Option<Vec<String>> {
        let tags = self.region.tags.get(id);
        let tags = tags.into_iter().flatten();
        if let Some(wanted) = filter.strip_prefix("tag:") {
            return Some(
                tags.filter(|(key, _)| *key == wanted)
                    .map(|(_, value)| value.clone())
                    .collect(),
            );
        }
        match filter {
            "tag-key" => Some(tags.map(|(key, _)| key.clone()).collect()),
            "tag-value" => Some(tags.map(|(_, value)| value.clone()).collect()),
            _ => None,
        }
    }
}

/// `<tagSet>`
pub(crate) fn tag_set(xml: &mut Xml, region: &Region, id: &str) {
    xml.list("tagSet", region.tags_of(id), |xml, (key, value)| {
        xml.text("key", key).text("value", value);
    });
}

/// `<return>true</return>`
pub(crate) fn done() -> Answer {
    let mut xml = Xml::new();
    xml.text("return", true);
    Ok(xml)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_sorted_and_known_once() {
        assert!(ACTIONS.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert!(handler("DescribeInstances").is_some());
        assert!(handler("DescribeElephants").is_none());
    }
}
