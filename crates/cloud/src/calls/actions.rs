//! Every call that this crate makes.

use super::action::{Action, Rate};

macro_rules! actions {
    ($($(#[$doc:meta])* $constant:ident = $name:literal, $changes:literal, $repeatable:literal, $rate:ident;)+) => {
        $(
            $(#[$doc])*
            pub static $constant: Action =
                Action { name: $name, changes: $changes, repeatable: $repeatable, rate: Rate::$rate };
        )+

        /// All of them, in the order of this file.
        pub static ALL: &[&Action] = &[$(&$constant),+];
    };
}

// The columns: whether it changes anything, whether twice is as good as once, and its rate.
actions! {
    /// Whose credentials these are. Needs no permission.
    GET_CALLER_IDENTITY = "sts:GetCallerIdentity", false, true, Other;
    /// Takes on a role, of another account too. The SDK makes this call by itself, when credentials are needed: observers
    /// do not see it.
    ASSUME_ROLE = "sts:AssumeRole", false, true, Other;
    /// Accounts of the organization.
    LIST_ACCOUNTS = "organizations:ListAccounts", false, true, Other;
    /// Regions of the account.
    DESCRIBE_REGIONS = "ec2:DescribeRegions", false, true, Read;
    /// Instances.
    DESCRIBE_INSTANCES = "ec2:DescribeInstances", false, true, Read;
    /// One attribute of an instance.
    DESCRIBE_INSTANCE_ATTRIBUTE = "ec2:DescribeInstanceAttribute", false, true, Read;
    /// Status checks and scheduled events.
    DESCRIBE_INSTANCE_STATUS = "ec2:DescribeInstanceStatus", false, true, Read;
    /// Instance types.
    DESCRIBE_INSTANCE_TYPES = "ec2:DescribeInstanceTypes", false, true, Read;
    /// Which types a zone offers.
    DESCRIBE_INSTANCE_TYPE_OFFERINGS = "ec2:DescribeInstanceTypeOfferings", false, true, Read;
    /// Credits of burstable instances.
    DESCRIBE_INSTANCE_CREDIT_SPECIFICATIONS = "ec2:DescribeInstanceCreditSpecifications", false, true, Read;
    /// Volumes.
    DESCRIBE_VOLUMES = "ec2:DescribeVolumes", false, true, Read;
    /// Snapshots.
    DESCRIBE_SNAPSHOTS = "ec2:DescribeSnapshots", false, true, Read;
    /// Images of machines and kernels.
    DESCRIBE_IMAGES = "ec2:DescribeImages", false, true, Read;
    /// Elastic IP addresses.
    DESCRIBE_ADDRESSES = "ec2:DescribeAddresses", false, true, Read;
    /// Network interfaces.
    DESCRIBE_NETWORK_INTERFACES = "ec2:DescribeNetworkInterfaces", false, true, Read;
    /// Subnets.
    DESCRIBE_SUBNETS = "ec2:DescribeSubnets", false, true, Read;
    /// Security groups.
    DESCRIBE_SECURITY_GROUPS = "ec2:DescribeSecurityGroups", false, true, Read;
    /// What the guest wrote to its console.
    GET_CONSOLE_OUTPUT = "ec2:GetConsoleOutput", false, true, Read;
    /// A parameter, such as the newest image of a distribution.
    GET_PARAMETER = "ssm:GetParameter", false, true, Other;
    /// Target groups of load balancers.
    DESCRIBE_TARGET_GROUPS = "elasticloadbalancing:DescribeTargetGroups", false, true, Other;
    /// Targets of a group and how they do.
    DESCRIBE_TARGET_HEALTH = "elasticloadbalancing:DescribeTargetHealth", false, true, Other;
    /// How instances stand in their Auto Scaling groups.
    DESCRIBE_AUTO_SCALING_INSTANCES = "autoscaling:DescribeAutoScalingInstances", false, true, Other;
    /// Starts an instance.
    START_INSTANCES = "ec2:StartInstances", true, true, Launch;
    /// Stops an instance.
    STOP_INSTANCES = "ec2:StopInstances", true, true, Change;
    /// Reboots an instance.
    REBOOT_INSTANCES = "ec2:RebootInstances", true, false, Change;
    /// Terminates an instance.
    TERMINATE_INSTANCES = "ec2:TerminateInstances", true, true, Bulk;
    /// Launches an instance. Repeatable with its token.
    RUN_INSTANCES = "ec2:RunInstances", true, false, Launch;
    /// Snapshots of all volumes of an instance, of the same moment.
    CREATE_SNAPSHOTS = "ec2:CreateSnapshots", true, false, Bulk;
    /// A snapshot of one volume.
    CREATE_SNAPSHOT = "ec2:CreateSnapshot", true, false, Bulk;
    /// Deletes a snapshot.
    DELETE_SNAPSHOT = "ec2:DeleteSnapshot", true, true, Change;
    /// Makes a volume. Repeatable with its token.
    CREATE_VOLUME = "ec2:CreateVolume", true, false, Bulk;
    /// Deletes a volume.
    DELETE_VOLUME = "ec2:DeleteVolume", true, true, Change;
    /// Attaches a volume.
    ATTACH_VOLUME = "ec2:AttachVolume", true, false, Change;
    /// Takes a volume off.
    DETACH_VOLUME = "ec2:DetachVolume", true, false, Change;
    /// Sets one attribute of an instance.
    MODIFY_INSTANCE_ATTRIBUTE = "ec2:ModifyInstanceAttribute", true, true, Change;
    /// Sets what AWS may do with an instance by itself.
    MODIFY_INSTANCE_MAINTENANCE_OPTIONS = "ec2:ModifyInstanceMaintenanceOptions", true, true, Change;
    /// Sets up the metadata service of an instance.
    MODIFY_INSTANCE_METADATA_OPTIONS = "ec2:ModifyInstanceMetadataOptions", true, true, Change;
    /// Puts a scheduled event off.
    MODIFY_INSTANCE_EVENT_START_TIME = "ec2:ModifyInstanceEventStartTime", true, true, Change;
    /// Switches detailed monitoring on.
    MONITOR_INSTANCES = "ec2:MonitorInstances", true, true, Change;
    /// Switches detailed monitoring off.
    UNMONITOR_INSTANCES = "ec2:UnmonitorInstances", true, true, Change;
    /// Sets tags.
    CREATE_TAGS = "ec2:CreateTags", true, true, Tag;
    /// Removes tags.
    DELETE_TAGS = "ec2:DeleteTags", true, true, Change;
    /// Puts an Elastic IP in front of an interface.
    ASSOCIATE_ADDRESS = "ec2:AssociateAddress", true, true, Change;
    /// Takes an Elastic IP away.
    DISASSOCIATE_ADDRESS = "ec2:DisassociateAddress", true, true, Change;
    /// Attaches a network interface.
    ATTACH_NETWORK_INTERFACE = "ec2:AttachNetworkInterface", true, false, Change;
    /// Takes a network interface off.
    DETACH_NETWORK_INTERFACE = "ec2:DetachNetworkInterface", true, false, Change;
    /// Sets one attribute of a network interface.
    MODIFY_NETWORK_INTERFACE_ATTRIBUTE = "ec2:ModifyNetworkInterfaceAttribute", true, true, Change;
    /// Gives an interface further private addresses.
    ASSIGN_PRIVATE_IP_ADDRESSES = "ec2:AssignPrivateIpAddresses", true, true, Change;
    /// Takes private addresses from an interface.
    UNASSIGN_PRIVATE_IP_ADDRESSES = "ec2:UnassignPrivateIpAddresses", true, true, Change;
    /// Makes an image of a snapshot.
    REGISTER_IMAGE = "ec2:RegisterImage", true, false, Change;
    /// Removes an image; its snapshots stay.
    DEREGISTER_IMAGE = "ec2:DeregisterImage", true, true, Bulk;
    /// Adds targets to a group.
    REGISTER_TARGETS = "elasticloadbalancing:RegisterTargets", true, true, Other;
    /// Takes targets out of a group.
    DEREGISTER_TARGETS = "elasticloadbalancing:DeregisterTargets", true, true, Other;
}
