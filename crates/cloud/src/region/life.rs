//! Launching, starting, stopping, rebooting and terminating; tags.

use super::{Region, incomplete};
use crate::{
    calls::{actions, caller::Ask},
    convert,
    error::CloudError,
    ids::InstanceId,
    model::{Instance, Tags},
    request::RunRequest,
};
use aws_sdk_ec2::types::Tag;

/// Most things that are tagged in one call.
const TAGGED_PER_CALL: usize = 1000;

impl Region {
    /// Launches an instance.
    ///
    /// # Errors
    /// [`ErrorKind::Capacity`](crate::ErrorKind::Capacity) when the zone has no room for the type;
    /// [`ErrorKind::AlreadyExists`](crate::ErrorKind::AlreadyExists) when the token was used for a different request; what a
    /// call can fail with.
    pub async fn run_instance(&self, request: &RunRequest) -> Result<Instance, CloudError> {
        let action = &actions::RUN_INSTANCES;
        let resource = format!("{} as {}", request.image, request.instance_type);
        let answer = self
            .caller
            .call(
                Ask::new(action, resource.as_str()).token(&request.token).instances(1),
                || convert::run_request(self.ec2.run_instances(), request).send(),
            )
            .await?;
        answer
            .instances
            .unwrap_or_default()
            .into_iter()
            .next()
            .and_then(convert::instance)
            .ok_or_else(|| incomplete(action, resource, "an instance"))
    }

    /// Starts an instance. One that runs already is left alone.
    ///
    /// # Errors
    /// [`ErrorKind::IncorrectState`](crate::ErrorKind::IncorrectState) while it stops;
    /// [`ErrorKind::Capacity`](crate::ErrorKind::Capacity) when there is no room for it; what a call can fail with.
    pub async fn start(&self, id: &InstanceId) -> Result<(), CloudError> {
        let ask = Ask::new(&actions::START_INSTANCES, id.as_str());
        self.caller
            .call(ask, || self.ec2.start_instances().instance_ids(id.as_str()).send())
            .await
            .map(drop)
    }

    /// Stops an instance. One that is stopped is left alone. `force` does not wait for the guest, whose file systems are
    /// then not clean.
    ///
    /// # Errors
    /// [`ErrorKind::IncorrectState`](crate::ErrorKind::IncorrectState) while it starts, or when stopping is refused for it;
    /// what a call can fail with.
    pub async fn stop(&self, id: &InstanceId, force: bool) -> Result<(), CloudError> {
        let ask = Ask::new(&actions::STOP_INSTANCES, id.as_str());
        self.caller
            .call(ask, || {
                let request = self.ec2.stop_instances().instance_ids(id.as_str());
                if force { request.force(true) } else { request }.send()
            })
            .await
            .map(drop)
    }

    /// Reboots an instance. While a `system-reboot` event is due, that moves it to another host.
    ///
    /// # Errors
    /// What a call can fail with.
    pub async fn reboot(&self, id: &InstanceId) -> Result<(), CloudError> {
        let ask = Ask::new(&actions::REBOOT_INSTANCES, id.as_str());
        self.caller
            .call(ask, || self.ec2.reboot_instances().instance_ids(id.as_str()).send())
            .await
            .map(drop)
    }

    /// Terminates an instance, with the volumes and interfaces that are deleted with it.
    ///
    /// # Errors
    /// [`ErrorKind::IncorrectState`](crate::ErrorKind::IncorrectState) when termination is refused for it;
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) when it is long gone; what a call can fail with.
    pub async fn terminate(&self, id: &InstanceId) -> Result<(), CloudError> {
        let ask = Ask::new(&actions::TERMINATE_INSTANCES, id.as_str());
        self.caller
            .call(ask, || self.ec2.terminate_instances().instance_ids(id.as_str()).send())
            .await
            .map(drop)
    }

    /// Sets tags of things of any kind. Other tags of theirs stay.
    ///
    /// # Errors
    /// What a call can fail with.
    pub async fn create_tags<I: AsRef<str>>(&self, resources: &[I], tags: &Tags) -> Result<(), CloudError> {
        if tags.is_empty() {
            return Ok(());
        }
        for resources in resources.chunks(TAGGED_PER_CALL) {
            let ids = super::texts(resources);
            self.caller
                .call(Ask::new(&actions::CREATE_TAGS, super::named(&ids)), || {
                    self.ec2
                        .create_tags()
                        .set_resources(Some(ids.clone()))
                        .set_tags(Some(convert::tags_to_sdk(tags)))
                        .send()
                })
                .await?;
        }
        Ok(())
    }

    /// Removes tags by their keys, whatever their values.
    ///
    /// # Errors
    /// What a call can fail with.
    pub async fn delete_tags<I: AsRef<str>>(&self, resources: &[I], keys: &[&str]) -> Result<(), CloudError> {
        // Without keys, EC2 would remove all of them.
        if keys.is_empty() {
            return Ok(());
        }
        let tags: Vec<Tag> = keys.iter().map(|key| Tag::builder().key(*key).build()).collect();
        for resources in resources.chunks(TAGGED_PER_CALL) {
            let ids = super::texts(resources);
            self.caller
                .call(Ask::new(&actions::DELETE_TAGS, super::named(&ids)), || {
                    self.ec2
                        .delete_tags()
                        .set_resources(Some(ids.clone()))
                        .set_tags(Some(tags.clone()))
                        .send()
                })
                .await?;
        }
        Ok(())
    }
}
