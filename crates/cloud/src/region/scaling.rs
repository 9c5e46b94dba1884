//! Members of Auto Scaling groups.

use super::{Region, incomplete, next_page};
use crate::{
    calls::{actions, caller::Ask},
    convert,
    error::CloudError,
    ids::InstanceId,
    model::ScalingMember,
};

/// Most instances of one call, which is also the largest page
/// (<https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DescribeAutoScalingInstances.html>).
const MOST: usize = 50;

impl Region {
    /// How these instances stand in their Auto Scaling groups. One that is in no group is left out.
    ///
    /// # Errors
    /// What a call can fail with.
    pub async fn scaling_members(&self, ids: &[InstanceId]) -> Result<Vec<ScalingMember>, CloudError> {
        let action = &actions::DESCRIBE_AUTO_SCALING_INSTANCES;
        let mut found = Vec::new();
        for some in ids.chunks(MOST) {
            let names: Vec<String> = some.iter().map(ToString::to_string).collect();
            let mut next: Option<String> = None;
            loop {
                let answer = self
                    .caller
                    .call(Ask::new(action, ""), || {
                        self.scaling
                            .describe_auto_scaling_instances()
                            .set_instance_ids(Some(names.clone()))
                            .set_next_token(next.clone())
                            .send()
                    })
                    .await?;
                for member in answer.auto_scaling_instances.unwrap_or_default() {
                    found.push(convert::scaling_member(member).ok_or_else(|| incomplete(action, "", "a member"))?);
                }
                next = next_page(answer.next_token);
                if next.is_none() {
                    break;
                }
            }
        }
        Ok(found)
    }
}
