//! Addresses, interfaces, subnets and security groups.

use super::{Filter, IDS_PER_CALL, Query, Region, in_batches, incomplete, next_page, pages, texts};
use crate::{
    calls::{actions, caller::Ask},
    convert,
    error::CloudError,
    ids::{AllocationId, AssociationId, AttachmentId, GroupId, InstanceId, InterfaceId, SubnetId},
    model::{Address, Interface, SecurityGroup, Subnet},
    request::AddressUse,
};
use aws_sdk_ec2::types::{AttributeBooleanValue, NetworkInterfaceAttachmentChanges};
use std::net::Ipv4Addr;

/// Elements of one page.
const PAGE: i32 = 500;

impl Region {
    /// Elastic IP addresses that pass all filters, such as `instance-id`. Without filters, all.
    ///
    /// # Errors
    /// What a call can fail with.
    pub async fn addresses_where(&self, filters: &[Filter]) -> Result<Vec<Address>, CloudError> {
        let action = &actions::DESCRIBE_ADDRESSES;
        let query = Query::Filters(filters.to_vec());
        // This one answer has no pages.
        let answer = self
            .caller
            .call(Ask::new(action, query.resource()), || {
                self.ec2.describe_addresses().set_filters(query.filters()).send()
            })
            .await?;
        answer
            .addresses
            .unwrap_or_default()
            .into_iter()
            .map(|address| convert::address(address).ok_or_else(|| incomplete(action, query.resource(), "an address")))
            .collect()
    }

    /// Elastic IP addresses by their names. Those that are not there are left out.
    ///
    /// # Errors
    /// What a call can fail with.
    pub async fn addresses(&self, ids: &[AllocationId]) -> Result<Vec<Address>, CloudError> {
        let mut found = Vec::new();
        for ids in ids.chunks(super::VALUES_PER_FILTER) {
            found.extend(
                self.addresses_where(&[Filter::new("allocation-id", texts(ids))])
                    .await?,
            );
        }
        Ok(found)
    }

    /// Network interfaces by their names. Those that are not there are left out.
    ///
    /// # Errors
    /// What a call can fail with.
    pub async fn interfaces(&self, ids: &[InterfaceId]) -> Result<Vec<Interface>, CloudError> {
        in_batches(texts(ids), IDS_PER_CALL, "network-interface-id", async |query| {
            self.all_interfaces(query).await
        })
        .await
    }

    /// Network interfaces that pass all filters, such as `attachment.instance-id`.
    ///
    /// # Errors
    /// What a call can fail with.
    pub async fn interfaces_where(&self, filters: &[Filter]) -> Result<Vec<Interface>, CloudError> {
        self.all_interfaces(Query::Filters(filters.to_vec())).await
    }

    async fn all_interfaces(&self, query: Query) -> Result<Vec<Interface>, CloudError> {
        Ok(pages!(
            *self,
            &actions::DESCRIBE_NETWORK_INTERFACES,
            query,
            PAGE,
            "an interface",
            network_interfaces,
            convert::interface,
            |ec2| ec2.describe_network_interfaces().set_network_interface_ids(query.ids())
        ))
    }

    /// Subnets by their names. Those that are not there are left out.
    ///
    /// # Errors
    /// What a call can fail with.
    pub async fn subnets(&self, ids: &[SubnetId]) -> Result<Vec<Subnet>, CloudError> {
        in_batches(texts(ids), IDS_PER_CALL, "subnet-id", async |query| {
            self.all_subnets(query).await
        })
        .await
    }

    /// Subnets that pass all filters.
    ///
    /// # Errors
    /// What a call can fail with.
    pub async fn subnets_where(&self, filters: &[Filter]) -> Result<Vec<Subnet>, CloudError> {
        self.all_subnets(Query::Filters(filters.to_vec())).await
    }

    async fn all_subnets(&self, query: Query) -> Result<Vec<Subnet>, CloudError> {
        Ok(pages!(
            *self,
            &actions::DESCRIBE_SUBNETS,
            query,
            PAGE,
            "a subnet",
            subnets,
            convert::subnet,
            |ec2| ec2.describe_subnets().set_subnet_ids(query.ids())
        ))
    }

    /// Security groups by their names. Those that are not there are left out.
    ///
    /// # Errors
    /// What a call can fail with.
    pub async fn security_groups(&self, ids: &[GroupId]) -> Result<Vec<SecurityGroup>, CloudError> {
        in_batches(texts(ids), IDS_PER_CALL, "group-id", async |query| {
            self.all_groups(query).await
        })
        .await
    }

    /// Security groups that pass all filters.
    ///
    /// # Errors
    /// What a call can fail with.
    pub async fn security_groups_where(&self, filters: &[Filter]) -> Result<Vec<SecurityGroup>, CloudError> {
        self.all_groups(Query::Filters(filters.to_vec())).await
    }

    async fn all_groups(&self, query: Query) -> Result<Vec<SecurityGroup>, CloudError> {
        Ok(pages!(
            *self,
            &actions::DESCRIBE_SECURITY_GROUPS,
            query,
            PAGE,
            "a security group",
            security_groups,
            convert::group,
            |ec2| ec2.describe_security_groups().set_group_ids(query.ids())
        ))
    }

    /// Puts an Elastic IP in front of an interface, and tells what ties the two together.
    ///
    /// # Errors
    /// [`ErrorKind::InUse`](crate::ErrorKind::InUse) when it is elsewhere and may not be taken away from there; what a call
    /// can fail with.
    pub async fn associate_address(
        &self,
        address: &AllocationId,
        to: &AddressUse,
    ) -> Result<AssociationId, CloudError> {
        let action = &actions::ASSOCIATE_ADDRESS;
        let resource = format!("{address} to {}", to.interface);
        let answer = self
            .caller
            .call(Ask::new(action, resource.as_str()), || {
                self.ec2
                    .associate_address()
                    .allocation_id(address.as_str())
                    .network_interface_id(to.interface.as_str())
                    .set_private_ip_address(to.private.map(|private| private.to_string()))
                    .allow_reassociation(to.reassociate)
                    .send()
            })
            .await?;
        answer
            .association_id
            .map(AssociationId::from_api)
            .ok_or_else(|| incomplete(action, resource, "an association"))
    }

    /// Takes an Elastic IP away from where it is.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) when the association is gone already; what a call can fail with.
    pub async fn disassociate_address(&self, association: &AssociationId) -> Result<(), CloudError> {
        let ask = Ask::new(&actions::DISASSOCIATE_ADDRESS, association.as_str());
        self.caller
            .call(ask, || {
                self.ec2
                    .disassociate_address()
                    .association_id(association.as_str())
                    .send()
            })
            .await
            .map(drop)
    }

    /// Begins to attach an interface.
    ///
    /// # Errors
    /// [`ErrorKind::InUse`](crate::ErrorKind::InUse) when it is attached already; what a call can fail with.
    pub async fn attach_interface(
        &self,
        interface: &InterfaceId,
        instance: &InstanceId,
        device_index: u32,
    ) -> Result<AttachmentId, CloudError> {
        let action = &actions::ATTACH_NETWORK_INTERFACE;
        let resource = format!("{interface} to {instance} as number {device_index}");
        let answer = self
            .caller
            .call(Ask::new(action, resource.as_str()), || {
                self.ec2
                    .attach_network_interface()
                    .network_interface_id(interface.as_str())
                    .instance_id(instance.as_str())
                    .device_index(convert::count(device_index))
                    .send()
            })
            .await?;
        answer
            .attachment_id
            .map(AttachmentId::from_api)
            .ok_or_else(|| incomplete(action, resource, "an attachment"))
    }

    /// Begins to take an interface off. The primary one cannot be.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) when the attachment is gone already; what a call can fail with.
    pub async fn detach_interface(&self, attachment: &AttachmentId, force: bool) -> Result<(), CloudError> {
        let ask = Ask::new(&actions::DETACH_NETWORK_INTERFACE, attachment.as_str());
        self.caller
            .call(ask, || {
                let request = self.ec2.detach_network_interface().attachment_id(attachment.as_str());
                if force { request.force(true) } else { request }.send()
            })
            .await
            .map(drop)
    }

    /// Sets whether an interface is deleted with the instance it is attached to.
    ///
    /// # Errors
    /// What a call can fail with.
    pub async fn set_interface_delete_on_termination(
        &self,
        interface: &InterfaceId,
        attachment: &AttachmentId,
        delete: bool,
    ) -> Result<(), CloudError> {
        let change = NetworkInterfaceAttachmentChanges::builder()
            .attachment_id(attachment.as_str())
            .delete_on_termination(delete)
            .build();
        let ask = Ask::new(
            &actions::MODIFY_NETWORK_INTERFACE_ATTRIBUTE,
            format!("{interface} {attachment}"),
        );
        self.caller
            .call(ask, || {
                self.ec2
                    .modify_network_interface_attribute()
                    .network_interface_id(interface.as_str())
                    .attachment(change.clone())
                    .send()
            })
            .await
            .map(drop)
    }

    /// Sets the security groups of an interface.
    ///
    /// # Errors
    /// What a call can fail with.
    pub async fn set_interface_groups(&self, interface: &InterfaceId, groups: &[GroupId]) -> Result<(), CloudError> {
        let ask = Ask::new(
            &actions::MODIFY_NETWORK_INTERFACE_ATTRIBUTE,
            format!("{interface} groups"),
        );
        self.caller
            .call(ask, || {
                self.ec2
                    .modify_network_interface_attribute()
                    .network_interface_id(interface.as_str())
                    .set_groups(Some(texts(groups)))
                    .send()
            })
            .await
            .map(drop)
    }

    /// Sets whether packets that are not for an interface are dropped.
    ///
    /// # Errors
    /// What a call can fail with.
    pub async fn set_interface_source_dest_check(&self, interface: &InterfaceId, on: bool) -> Result<(), CloudError> {
        let ask = Ask::new(
            &actions::MODIFY_NETWORK_INTERFACE_ATTRIBUTE,
            format!("{interface} source/dest check"),
        );
        let value = AttributeBooleanValue::builder().value(on).build();
        self.caller
            .call(ask, || {
                self.ec2
                    .modify_network_interface_attribute()
                    .network_interface_id(interface.as_str())
                    .source_dest_check(value.clone())
                    .send()
            })
            .await
            .map(drop)
    }

    /// Gives an interface further private addresses, taking them from another interface of the subnet where allowed.
    ///
    /// # Errors
    /// What a call can fail with.
    pub async fn assign_private_addresses(
        &self,
        interface: &InterfaceId,
        addresses: &[Ipv4Addr],
        reassign: bool,
    ) -> Result<(), CloudError> {
        let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        let ask = Ask::new(
            &actions::ASSIGN_PRIVATE_IP_ADDRESSES,
            format!("{} to {interface}", addresses.join(", ")),
        );
        self.caller
            .call(ask, || {
                self.ec2
                    .assign_private_ip_addresses()
                    .network_interface_id(interface.as_str())
                    .set_private_ip_addresses(Some(addresses.clone()))
                    .allow_reassignment(reassign)
                    .send()
            })
            .await
            .map(drop)
    }

    /// Takes private addresses from an interface. The primary one cannot be.
    ///
    /// # Errors
    /// What a call can fail with.
    pub async fn unassign_private_addresses(
        &self,
        interface: &InterfaceId,
        addresses: &[Ipv4Addr],
    ) -> Result<(), CloudError> {
        let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        let ask = Ask::new(
            &actions::UNASSIGN_PRIVATE_IP_ADDRESSES,
            format!("{} from {interface}", addresses.join(", ")),
        );
        self.caller
            .call(ask, || {
                self.ec2
                    .unassign_private_ip_addresses()
                    .network_interface_id(interface.as_str())
                    .set_private_ip_addresses(Some(addresses.clone()))
                    .send()
            })
            .await
            .map(drop)
    }
}
