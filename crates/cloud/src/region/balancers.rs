//! Target groups of load balancers.

use super::{Region, incomplete, next_page};
use crate::{
    calls::{actions, caller::Ask},
    convert,
    error::CloudError,
    ids::{InstanceId, TargetGroupArn},
    model::{Target, TargetGroup, TargetHealth, TargetType},
};

/// Groups of one page: Elastic Load Balancing allows no more.
const PAGE: i32 = 400;

impl Region {
    /// All target groups.
    ///
    /// # Errors
    /// What a call can fail with.
    pub async fn target_groups(&self) -> Result<Vec<TargetGroup>, CloudError> {
        let action = &actions::DESCRIBE_TARGET_GROUPS;
        let mut found = Vec::new();
        let mut next: Option<String> = None;
        loop {
            let answer = self
                .caller
                .call(Ask::new(action, ""), || {
                    self.elb
                        .describe_target_groups()
                        .page_size(PAGE)
                        .set_marker(next.clone())
                        .send()
                })
                .await?;
            for group in answer.target_groups.unwrap_or_default() {
                found.push(convert::target_group(group).ok_or_else(|| incomplete(action, "", "a target group"))?);
            }
            next = next_page(answer.next_marker);
            if next.is_none() {
                return Ok(found);
            }
        }
    }

    /// How the targets of a group do.
    ///
    /// # Errors
    /// What a call can fail with.
    pub async fn target_health(&self, group: &TargetGroup) -> Result<Vec<TargetHealth>, CloudError> {
        let action = &actions::DESCRIBE_TARGET_HEALTH;
        let arn = group.arn.as_str();
        let answer = self
            .caller
            .call(Ask::new(action, arn), || {
                self.elb.describe_target_health().target_group_arn(arn).send()
            })
            .await?;
        answer
            .target_health_descriptions
            .unwrap_or_default()
            .into_iter()
            .map(|target| convert::target_health(group, target).ok_or_else(|| incomplete(action, arn, "a target")))
            .collect()
    }

    /// The groups that an instance is a target of, by its name or one of its private addresses (`addresses`), each with
    /// how it does. One call for each target group of the region, as Elastic Load Balancing cannot be asked the other way
    /// round.
    ///
    /// # Errors
    /// What a call can fail with. A group that is deleted meanwhile is left out.
    pub async fn targets_of(
        &self,
        instance: &InstanceId,
        addresses: &[std::net::Ipv4Addr],
    ) -> Result<Vec<TargetHealth>, CloudError> {
        let mut names: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        names.push(instance.to_string());
        let mut found = Vec::new();
        for group in self.target_groups().await? {
            if !matches!(group.target_type, TargetType::Instance | TargetType::Ip) {
                continue;
            }
            match self.target_health(&group).await {
                Ok(targets) => found.extend(targets.into_iter().filter(|t| names.contains(&t.target.id))),
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    /// Adds a target to a group.
    ///
    /// # Errors
    /// What a call can fail with.
    pub async fn register_target(&self, group: &TargetGroupArn, target: &Target) -> Result<(), CloudError> {
        let ask = Ask::new(&actions::REGISTER_TARGETS, format!("{} in {group}", target.id));
        self.caller
            .call(ask, || {
                self.elb
                    .register_targets()
                    .target_group_arn(group.as_str())
                    .targets(convert::target_description(target))
                    .send()
            })
            .await
            .map(drop)
    }

    /// Takes a target out of a group. It is let go slowly, by the group's own time.
    ///
    /// # Errors
    /// What a call can fail with.
    pub async fn deregister_target(&self, group: &TargetGroupArn, target: &Target) -> Result<(), CloudError> {
        let ask = Ask::new(&actions::DEREGISTER_TARGETS, format!("{} in {group}", target.id));
        self.caller
            .call(ask, || {
                self.elb
                    .deregister_targets()
                    .target_group_arn(group.as_str())
                    .targets(convert::target_description(target))
                    .send()
            })
            .await
            .map(drop)
    }
}
