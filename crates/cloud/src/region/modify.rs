//! Changing what an instance is set to. One call sets one attribute.

use super::{Region, texts};
use crate::{
    calls::{actions, caller::Ask},
    convert,
    error::CloudError,
    ids::{EventId, GroupId, InstanceId, KernelId},
    model::{AutoRecovery, RebootMigration, ShutdownBehavior, UserData},
    request::MetadataChange,
};
use aws_sdk_ec2::{
    operation::modify_instance_attribute::builders::ModifyInstanceAttributeFluentBuilder,
    types::{
        AttributeBooleanValue, AttributeValue, BlobAttributeValue, EbsInstanceBlockDeviceSpecification,
        InstanceBlockDeviceMappingSpecification,
    },
};
use aws_smithy_types::Blob;
use jiff::Timestamp;

fn text(value: &str) -> AttributeValue {
    AttributeValue::builder().value(value).build()
}

fn flag(value: bool) -> AttributeBooleanValue {
    AttributeBooleanValue::builder().value(value).build()
}

impl Region {
    async fn modify(
        &self,
        id: &InstanceId,
        what: &str,
        set: impl Fn(ModifyInstanceAttributeFluentBuilder) -> ModifyInstanceAttributeFluentBuilder,
    ) -> Result<(), CloudError> {
        let ask = Ask::new(&actions::MODIFY_INSTANCE_ATTRIBUTE, format!("{id} {what}"));
        self.caller
            .call(ask, || {
                set(self.ec2.modify_instance_attribute().instance_id(id.as_str())).send()
            })
            .await
            .map(drop)
    }

    /// Sets the user data. The instance has to be stopped.
    ///
    /// # Errors
    /// [`ErrorKind::IncorrectState`](crate::ErrorKind::IncorrectState) when it is not; what a call can fail with.
    pub async fn set_user_data(&self, id: &InstanceId, data: &UserData) -> Result<(), CloudError> {
        let value = BlobAttributeValue::builder().value(Blob::new(data.as_bytes())).build();
        self.modify(id, "user data", |request| request.user_data(value.clone()))
            .await
    }

    /// Sets whether termination is refused.
    ///
    /// # Errors
    /// What a call can fail with.
    pub async fn set_termination_protection(&self, id: &InstanceId, on: bool) -> Result<(), CloudError> {
        self.modify(id, "termination protection", |request| {
            request.disable_api_termination(flag(on))
        })
        .await
    }

    /// Sets whether stopping is refused.
    ///
    /// # Errors
    /// What a call can fail with.
    pub async fn set_stop_protection(&self, id: &InstanceId, on: bool) -> Result<(), CloudError> {
        self.modify(id, "stop protection", |request| request.disable_api_stop(flag(on)))
            .await
    }

    /// Sets what a shutdown from inside does.
    ///
    /// # Errors
    /// What a call can fail with.
    pub async fn set_shutdown_behavior(&self, id: &InstanceId, behavior: &ShutdownBehavior) -> Result<(), CloudError> {
        self.modify(id, "shutdown behaviour", |request| {
            request.instance_initiated_shutdown_behavior(text(behavior.as_str()))
        })
        .await
    }

    /// Sets whether packets that are not for the instance are dropped. For an instance with one interface only.
    ///
    /// # Errors
    /// What a call can fail with.
    pub async fn set_source_dest_check(&self, id: &InstanceId, on: bool) -> Result<(), CloudError> {
        self.modify(id, "source/dest check", |request| request.source_dest_check(flag(on)))
            .await
    }

    /// Sets the security groups. For an instance with one interface only.
    ///
    /// # Errors
    /// What a call can fail with.
    pub async fn set_security_groups(&self, id: &InstanceId, groups: &[GroupId]) -> Result<(), CloudError> {
        self.modify(id, "security groups", |request| request.set_groups(Some(texts(groups))))
            .await
    }

    /// Sets whether the volume at a device name is deleted with the instance.
    ///
    /// # Errors
    /// What a call can fail with.
    pub async fn set_delete_on_termination(
        &self,
        id: &InstanceId,
        device: &str,
        delete: bool,
    ) -> Result<(), CloudError> {
        let ebs = EbsInstanceBlockDeviceSpecification::builder()
            .delete_on_termination(delete)
            .build();
        let mapping = InstanceBlockDeviceMappingSpecification::builder()
            .device_name(device)
            .ebs(ebs)
            .build();
        self.modify(id, &format!("{device} delete on termination"), |request| {
            request.block_device_mappings(mapping.clone())
        })
        .await
    }

    /// Sets the kernel image of a paravirtual instance. It has to be stopped.
    ///
    /// # Errors
    /// [`ErrorKind::IncorrectState`](crate::ErrorKind::IncorrectState) when it is not; what a call can fail with.
    pub async fn set_kernel(&self, id: &InstanceId, kernel: &KernelId) -> Result<(), CloudError> {
        self.modify(id, "kernel", |request| request.kernel(text(kernel.as_str())))
            .await
    }

    /// Sets the type. The instance has to be stopped.
    ///
    /// # Errors
    /// [`ErrorKind::IncorrectState`](crate::ErrorKind::IncorrectState) when it is not; what a call can fail with.
    pub async fn set_instance_type(&self, id: &InstanceId, name: &str) -> Result<(), CloudError> {
        self.modify(id, "type", |request| request.instance_type(text(name)))
            .await
    }

    /// Sets what AWS may do with the instance by itself; nothing leaves it as it is.
    ///
    /// # Errors
    /// What a call can fail with.
    pub async fn set_maintenance_options(
        &self,
        id: &InstanceId,
        auto_recovery: Option<&AutoRecovery>,
        reboot_migration: Option<&RebootMigration>,
    ) -> Result<(), CloudError> {
        let ask = Ask::new(&actions::MODIFY_INSTANCE_MAINTENANCE_OPTIONS, id.as_str());
        self.caller
            .call(ask, || {
                self.ec2
                    .modify_instance_maintenance_options()
                    .instance_id(id.as_str())
                    .set_auto_recovery(auto_recovery.map(|recovery| recovery.as_str().into()))
                    .set_reboot_migration(reboot_migration.map(|migration| migration.as_str().into()))
                    .send()
            })
            .await
            .map(drop)
    }

    /// Sets up the metadata service.
    ///
    /// # Errors
    /// What a call can fail with.
    pub async fn set_metadata_options(&self, id: &InstanceId, change: &MetadataChange) -> Result<(), CloudError> {
        let ask = Ask::new(&actions::MODIFY_INSTANCE_METADATA_OPTIONS, id.as_str());
        self.caller
            .call(ask, || {
                self.ec2
                    .modify_instance_metadata_options()
                    .instance_id(id.as_str())
                    .set_http_tokens(change.tokens.as_ref().map(|tokens| tokens.as_str().into()))
                    .set_http_endpoint(change.endpoint.as_ref().map(|endpoint| endpoint.as_str().into()))
                    .set_http_put_response_hop_limit(change.hop_limit)
                    .set_http_protocol_ipv6(change.ipv6.as_ref().map(|ipv6| ipv6.as_str().into()))
                    .set_instance_metadata_tags(change.tags.as_ref().map(|tags| tags.as_str().into()))
                    .send()
            })
            .await
            .map(drop)
    }

    /// Puts a scheduled event off. EC2 wants it to be at least an hour ahead, and before the event's deadline.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidParameter`](crate::ErrorKind::InvalidParameter) when the event cannot be put off to that time; what
    /// a call can fail with.
    pub async fn set_event_start(
        &self,
        id: &InstanceId,
        event: &EventId,
        not_before: Timestamp,
    ) -> Result<(), CloudError> {
        let ask = Ask::new(&actions::MODIFY_INSTANCE_EVENT_START_TIME, format!("{event} of {id}"));
        self.caller
            .call(ask, || {
                self.ec2
                    .modify_instance_event_start_time()
                    .instance_id(id.as_str())
                    .instance_event_id(event.as_str())
                    .not_before(convert::time_to_sdk(not_before))
                    .send()
            })
            .await
            .map(drop)
    }

    /// Switches detailed monitoring on or off.
    ///
    /// # Errors
    /// What a call can fail with.
    pub async fn set_monitoring(&self, id: &InstanceId, on: bool) -> Result<(), CloudError> {
        if on {
            let ask = Ask::new(&actions::MONITOR_INSTANCES, id.as_str());
            self.caller
                .call(ask, || self.ec2.monitor_instances().instance_ids(id.as_str()).send())
                .await
                .map(drop)
        } else {
            let ask = Ask::new(&actions::UNMONITOR_INSTANCES, id.as_str());
            self.caller
                .call(ask, || self.ec2.unmonitor_instances().instance_ids(id.as_str()).send())
                .await
                .map(drop)
        }
    }
}
