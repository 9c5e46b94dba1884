//! After the proof: what leads to the source is moved to the target. All of it can be moved back.

use async_trait::async_trait;
use comeback_cloud::AddressUse;
use comeback_cloud::calls::{Action as Call, actions as calls};
use comeback_cloud::ids::{AllocationId, InstanceId, InterfaceId};
use comeback_cloud::model::{Address, AttachState, Interface, InterfaceState, Target};
use serde_json::Value;

use super::host::{host, launched};
use crate::action::{Action, ActionError, Context, Seat};
use crate::plan::{Plan, Registration};
use crate::step::Step;

/// What moves, in order: private addresses before the Elastic IPs in front of them, load balancers last, when the target
/// is reached by everything else.
pub(crate) fn all(plan: &Plan) -> Vec<Box<dyn Action>> {
    let mut actions = private_addresses(plan);
    actions.extend(interfaces(plan));
    actions.extend(elastic_ips(plan));
    actions.extend(balancers(plan));
    actions
}

/// Those that move the secondary private addresses of the primary interface.
pub(crate) fn private_addresses(plan: &Plan) -> Vec<Box<dyn Action>> {
    if further_addresses(plan).is_empty() {
        return Vec::new();
    }
    vec![Box::new(PrivateAddresses)]
}

/// Those that move interfaces.
pub(crate) fn interfaces(plan: &Plan) -> Vec<Box<dyn Action>> {
    let moving = plan.moving_interfaces();
    let action = |(interface, index): (&InterfaceId, u32)| -> Box<dyn Action> {
        Box::new(MoveInterface {
            interface: interface.clone(),
            index,
        })
    };
    moving.map(action).collect()
}

/// Those that move Elastic IPs.
pub(crate) fn elastic_ips(plan: &Plan) -> Vec<Box<dyn Action>> {
    let moving = plan.moving_addresses();
    let action = |(allocation, address): (&AllocationId, &Address)| -> Box<dyn Action> {
        Box::new(ElasticIp {
            allocation: allocation.clone(),
            was: address.clone(),
        })
    };
    moving.map(action).collect()
}

/// Those that take places in target groups.
pub(crate) fn balancers(plan: &Plan) -> Vec<Box<dyn Action>> {
    let registrations = plan.source.registrations.iter();
    let action = |registration: &Registration| -> Box<dyn Action> {
        Box::new(LoadBalancer {
            registration: registration.clone(),
        })
    };
    registrations.map(action).collect()
}

/// The calls of every action that moves something.
pub(crate) fn calls() -> Vec<&'static Call> {
    vec![
        &calls::DESCRIBE_NETWORK_INTERFACES,
        &calls::ASSIGN_PRIVATE_IP_ADDRESSES,
        &calls::DETACH_NETWORK_INTERFACE,
        &calls::ATTACH_NETWORK_INTERFACE,
        &calls::MODIFY_NETWORK_INTERFACE_ATTRIBUTE,
        &calls::DESCRIBE_ADDRESSES,
        &calls::ASSOCIATE_ADDRESS,
        &calls::REGISTER_TARGETS,
        &calls::DEREGISTER_TARGETS,
    ]
}

/// Private addresses of the source's primary interface that are not its first.
fn further_addresses(plan: &Plan) -> Vec<std::net::Ipv4Addr> {
    let primary = plan.source.instance.primary_interface();
    let addresses = primary
        .map(|interface| interface.addresses.as_slice())
        .unwrap_or_default();
    addresses
        .iter()
        .filter(|address| !address.primary)
        .map(|address| address.private)
        .collect()
}

/// The source's primary interface.
pub(crate) fn source_interface(plan: &Plan) -> Result<InterfaceId, ActionError> {
    let primary = plan.source.instance.primary_interface();
    primary
        .map(|interface| interface.id.clone())
        .ok_or_else(|| ActionError::unexpected("the plan names no primary interface", "make a new plan"))
}

/// Secondary private addresses of the primary interface.
pub(crate) struct PrivateAddresses;

impl PrivateAddresses {
    async fn give(&self, context: &Context, to: &InterfaceId) -> Result<(), ActionError> {
        let now = context.region.interfaces(std::slice::from_ref(to)).await?;
        let has = |address: &std::net::Ipv4Addr| {
            now.iter()
                .flat_map(|interface| &interface.addresses)
                .any(|has| has.private == *address)
        };
        let mut wanted = further_addresses(&context.plan);
        wanted.retain(|address| !has(address));
        if !wanted.is_empty() {
            context.region.assign_private_addresses(to, &wanted, true).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl Action for PrivateAddresses {
    fn id(&self) -> String {
        "move/private-addresses".to_owned()
    }

    fn step(&self) -> Step {
        Step::Move
    }

    fn title(&self) -> String {
        "move the secondary private addresses".to_owned()
    }

    fn calls(&self) -> Vec<&'static Call> {
        vec![&calls::DESCRIBE_NETWORK_INTERFACES, &calls::ASSIGN_PRIVATE_IP_ADDRESSES]
    }

    async fn apply(&self, context: &Context) -> Result<Value, ActionError> {
        self.give(context, &launched(context)?.interface).await?;
        Ok(Value::Null)
    }

    async fn undo(&self, context: &Context) -> Result<(), ActionError> {
        self.give(context, &source_interface(&context.plan)?).await
    }

    fn by_hand(&self, context: &Context) -> Vec<String> {
        let addresses: Vec<_> = further_addresses(&context.plan)
            .iter()
            .map(ToString::to_string)
            .collect();
        let assign = |interface| {
            format!(
                "aws ec2 assign-private-ip-addresses --region {} --network-interface-id {interface} \
                 --private-ip-addresses {} --allow-reassignment",
                context.plan.region,
                addresses.join(" ")
            )
        };
        source_interface(&context.plan).map(assign).into_iter().collect()
    }
}

/// An interface as it is now.
pub(crate) async fn look(context: &Context, interface: &InterfaceId) -> Result<Interface, ActionError> {
    let found = context.region.interfaces(std::slice::from_ref(interface)).await?;
    found
        .into_iter()
        .next()
        .ok_or_else(|| ActionError::unexpected(format!("{interface} is gone"), "find out who deleted it"))
}

/// Waits until an interface is as it should be.
pub(crate) async fn until(
    context: &Context,
    interface: &InterfaceId,
    what: &str,
    is: impl Fn(&Interface) -> bool,
) -> Result<Interface, ActionError> {
    let until = tokio::time::Instant::now() + context.patience.change;
    loop {
        let now = look(context, interface).await?;
        if is(&now) {
            return Ok(now);
        }
        if tokio::time::Instant::now() >= until {
            return Err(ActionError::unexpected(
                format!("{interface} should be {what} by now, and is {}", now.state),
                "a guest that hangs does not let go of it: detach it by force, then go on",
            ));
        }
        tokio::time::sleep(context.patience.pause).await;
    }
}

/// A secondary network interface, with all of its addresses.
pub(crate) struct MoveInterface {
    interface: InterfaceId,
    index: u32,
}

impl MoveInterface {
    /// Takes the interface from one instance to the other. A guest that runs sees it go, and come.
    async fn bring(&self, context: &Context, from: &InstanceId, to: &InstanceId) -> Result<(), ActionError> {
        let now = look(context, &self.interface).await?;
        if let Some(attachment) = &now.attachment {
            let holder = attachment.instance.as_ref();
            if holder == Some(to) && attachment.state != AttachState::Detaching {
                return self.attached(context, to).await;
            }
            if holder.is_some_and(|holder| holder != from && holder != to) {
                return Err(ActionError::unexpected(
                    format!("{} is at {}", self.interface, holder.map_or("", InstanceId::as_str)),
                    "detach it there if that is right, then go on",
                ));
            }
            if attachment.state != AttachState::Detaching {
                context.region.detach_interface(&attachment.id, false).await?;
            }
        }
        until(context, &self.interface, "free", |now| {
            now.state == InterfaceState::Available
        })
        .await?;
        context.region.attach_interface(&self.interface, to, self.index).await?;
        self.attached(context, to).await
    }

    async fn attached(&self, context: &Context, to: &InstanceId) -> Result<(), ActionError> {
        let there = |now: &Interface| {
            let attachment = now.attachment.as_ref();
            attachment.is_some_and(|attachment| {
                attachment.instance.as_ref() == Some(to) && attachment.state == AttachState::Attached
            })
        };
        let now = until(context, &self.interface, "attached", there).await?;
        // EC2 forgets this when an interface is attached again.
        let was = context.plan.source.instance.interfaces.iter();
        let wanted = was
            .filter(|interface| interface.id == self.interface)
            .map(|interface| interface.delete_on_termination)
            .next()
            .unwrap_or(false);
        if let Some(attachment) = now
            .attachment
            .filter(|attachment| attachment.delete_on_termination != wanted)
        {
            context
                .region
                .set_interface_delete_on_termination(&self.interface, &attachment.id, wanted)
                .await?;
        }
        Ok(())
    }
}

#[async_trait]
impl Action for MoveInterface {
    fn id(&self) -> String {
        format!("move/{}", self.interface)
    }

    fn step(&self) -> Step {
        Step::Move
    }

    fn title(&self) -> String {
        format!("move {} (number {})", self.interface, self.index)
    }

    fn calls(&self) -> Vec<&'static Call> {
        vec![
            &calls::DESCRIBE_NETWORK_INTERFACES,
            &calls::DETACH_NETWORK_INTERFACE,
            &calls::ATTACH_NETWORK_INTERFACE,
            &calls::MODIFY_NETWORK_INTERFACE_ATTRIBUTE,
        ]
    }

    async fn apply(&self, context: &Context) -> Result<Value, ActionError> {
        let target = launched(context)?.instance;
        let from = match context.seat {
            Seat::Host => context.plan.instance().clone(),
            Seat::Final => host(context)?.instance,
        };
        self.bring(context, &from, &target).await?;
        Ok(Value::Null)
    }

    async fn undo(&self, context: &Context) -> Result<(), ActionError> {
        let target = launched(context)?.instance;
        self.bring(context, &target, context.plan.instance()).await
    }

    fn by_hand(&self, context: &Context) -> Vec<String> {
        vec![format!(
            "aws ec2 attach-network-interface --region {} --network-interface-id {} --instance-id {} --device-index {}",
            context.plan.region,
            self.interface,
            context.plan.instance(),
            self.index
        )]
    }
}

/// An Elastic IP in front of the primary interface.
pub(crate) struct ElasticIp {
    allocation: AllocationId,
    was: Address,
}

impl ElasticIp {
    async fn lead_to(
        &self,
        context: &Context,
        interface: &InterfaceId,
        private: Option<std::net::Ipv4Addr>,
    ) -> Result<(), ActionError> {
        let now = context.region.addresses(std::slice::from_ref(&self.allocation)).await?;
        let there = now.iter().any(|address| {
            address.interface.as_ref() == Some(interface) && (private.is_none() || address.private == private)
        });
        if !there {
            let to = AddressUse {
                interface: interface.clone(),
                private,
                reassociate: true,
            };
            context.region.associate_address(&self.allocation, &to).await?;
        }
        Ok(())
    }

    /// The private address behind it, where that moves with it.
    fn further(&self, context: &Context) -> Option<std::net::Ipv4Addr> {
        let further = further_addresses(&context.plan);
        self.was.private.filter(|address| further.contains(address))
    }
}

#[async_trait]
impl Action for ElasticIp {
    fn id(&self) -> String {
        format!("move/{}", self.allocation)
    }

    fn step(&self) -> Step {
        Step::Move
    }

    fn title(&self) -> String {
        format!("move the Elastic IP {}", self.was.public)
    }

    fn calls(&self) -> Vec<&'static Call> {
        vec![&calls::DESCRIBE_ADDRESSES, &calls::ASSOCIATE_ADDRESS]
    }

    async fn apply(&self, context: &Context) -> Result<Value, ActionError> {
        let private = self.further(context);
        self.lead_to(context, &launched(context)?.interface, private).await?;
        Ok(Value::Null)
    }

    async fn undo(&self, context: &Context) -> Result<(), ActionError> {
        self.lead_to(context, &source_interface(&context.plan)?, self.was.private)
            .await
    }

    fn by_hand(&self, context: &Context) -> Vec<String> {
        let associate = |interface| {
            format!(
                "aws ec2 associate-address --region {} --allocation-id {} --network-interface-id {interface} \
                 --allow-reassociation",
                context.plan.region, self.allocation
            )
        };
        source_interface(&context.plan).map(associate).into_iter().collect()
    }
}

/// A place in a target group, beside the source's.
pub(crate) struct LoadBalancer {
    registration: Registration,
}

impl LoadBalancer {
    fn target(&self, instance: &InstanceId) -> Target {
        Target {
            id: instance.to_string(),
            ..self.registration.target.clone()
        }
    }
}

#[async_trait]
impl Action for LoadBalancer {
    fn id(&self) -> String {
        let port = self.registration.target.port.unwrap_or_default();
        format!("move/{}/{port}", self.registration.group)
    }

    fn step(&self) -> Step {
        Step::Move
    }

    fn title(&self) -> String {
        let arn = self.registration.group.as_str();
        let name = arn.split('/').nth(1).unwrap_or(arn);
        format!("take the place in target group {name}")
    }

    fn calls(&self) -> Vec<&'static Call> {
        vec![&calls::REGISTER_TARGETS, &calls::DEREGISTER_TARGETS]
    }

    /// The source keeps its place: stopped, it gets no traffic, and an instance that is stopped could not be given it back
    /// (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-register-targets.html>). It loses it
    /// when it is terminated.
    async fn apply(&self, context: &Context) -> Result<Value, ActionError> {
        let target = self.target(&launched(context)?.instance);
        context
            .region
            .register_target(&self.registration.group, &target)
            .await?;
        Ok(Value::Null)
    }

    async fn undo(&self, context: &Context) -> Result<(), ActionError> {
        let target = self.target(&launched(context)?.instance);
        context
            .region
            .deregister_target(&self.registration.group, &target)
            .await?;
        Ok(())
    }

    fn by_hand(&self, context: &Context) -> Vec<String> {
        let deregister = |host: super::host::Launched| {
            format!(
                "aws elbv2 deregister-targets --region {} --target-group-arn {} --targets Id={}",
                context.plan.region, self.registration.group, host.instance
            )
        };
        launched(context).map(deregister).into_iter().collect()
    }
}
