//! What surrounds instances and is no part of them: what AWS has scheduled, and who is let in by their security groups. It
//! changes from hour to hour, so a plan does not go stale by it.

use std::collections::{BTreeMap, BTreeSet};

use comeback_cloud::ids::{GroupId, InstanceId};
use comeback_cloud::model::{Event, GroupName, SecurityGroup};
use comeback_cloud::{CloudError, Region};

use super::Source;

/// The port that a host's SSH listens at, wherever it is reached from here.
const SSH: u16 = 22;

/// What surrounds some instances.
#[derive(Debug, Clone, Default)]
pub struct Outlook {
    events: BTreeMap<InstanceId, Vec<Event>>,
    groups: BTreeMap<GroupId, SecurityGroup>,
}

impl Outlook {
    /// Looks at what surrounds these instances, in two calls.
    ///
    /// # Errors
    /// What a describe can fail with.
    pub async fn look<'a>(
        region: &Region,
        sources: impl Iterator<Item = &'a Source> + Clone,
    ) -> Result<Self, CloudError> {
        let ids: Vec<InstanceId> = sources.clone().map(|source| source.instance.id.clone()).collect();
        let groups: BTreeSet<GroupId> = sources
            .flat_map(|source| source.instance.security_groups.iter().map(|group| group.id.clone()))
            .collect();
        let groups: Vec<GroupId> = groups.into_iter().collect();
        let mut outlook = Self::default();
        if !ids.is_empty() {
            for status in region.statuses(&ids).await? {
                let due = status.due_events().cloned().collect();
                outlook.events.insert(status.instance, due);
            }
        }
        if !groups.is_empty() {
            let groups = region.security_groups(&groups).await?;
            outlook.groups = groups.into_iter().map(|group| (group.id.clone(), group)).collect();
        }
        Ok(outlook)
    }

    /// What is still going to happen to an instance.
    pub(super) fn events(&self, instance: &InstanceId) -> &[Event] {
        self.events.get(instance).map_or(&[], Vec::as_slice)
    }

    /// Who is let in by SSH, by these groups: address ranges, groups and prefix lists. `port` is where SSH is reached from here,
    /// which a forwarder may have changed.
    pub(super) fn let_in(&self, groups: &[GroupName], port: u16) -> BTreeSet<String> {
        let rules = groups
            .iter()
            .filter_map(|group| self.groups.get(&group.id))
            .flat_map(|group| &group.ingress)
            .filter(|rule| rule.covers_tcp(SSH) || rule.covers_tcp(port));
        let mut who = BTreeSet::new();
        for rule in rules {
            who.extend(rule.ranges.iter().cloned());
            who.extend(rule.groups.iter().map(ToString::to_string));
            who.extend(rule.prefix_lists.iter().cloned());
        }
        who
    }
}

#[cfg(test)]
mod tests {
    use comeback_cloud::model::{IngressRule, Tags};

    use super::*;

    #[test]
    fn only_who_reaches_the_port_is_let_in() {
        let id: GroupId = "sg-00000001".parse().expect("a group's id");
        let rule = |protocol: &str, ports: Option<(i32, i32)>, range: &str| IngressRule {
            protocol: protocol.to_owned(),
            from_port: ports.map(|(from, _)| from),
            to_port: ports.map(|(_, to)| to),
            ranges: vec![range.to_owned()],
            groups: Vec::new(),
            prefix_lists: Vec::new(),
        };
        let group = SecurityGroup {
            id: id.clone(),
            name: "web".to_owned(),
            description: String::new(),
            vpc: None,
            ingress: vec![
                rule("tcp", Some((20, 25)), "10.0.0.0/8"),
                rule("tcp", Some((2222, 2222)), "192.0.2.7/32"),
                rule("tcp", Some((443, 443)), "0.0.0.0/0"),
                rule("udp", Some((22, 22)), "198.51.100.0/24"),
                rule("-1", None, "203.0.113.0/24"),
            ],
            tags: Tags::default(),
        };
        let outlook = Outlook {
            events: BTreeMap::new(),
            groups: BTreeMap::from([(id.clone(), group)]),
        };
        let named = GroupName {
            id,
            name: "web".to_owned(),
        };
        let who = |port| {
            outlook
                .let_in(std::slice::from_ref(&named), port)
                .into_iter()
                .collect::<Vec<_>>()
        };
        assert_eq!(who(22), ["10.0.0.0/8", "203.0.113.0/24"]);
        assert_eq!(who(2222), ["10.0.0.0/8", "192.0.2.7/32", "203.0.113.0/24"]);
        assert_eq!(outlook.let_in(&[], 22), BTreeSet::new());
    }
}
