//! Instances and types for tests of this module.

use comeback_cloud::model::{
    Architecture, AttachState, AutoRecovery, BlockDevice, Hypervisor, Instance, InstanceState, InstanceType, Lifecycle,
    MaintenanceOptions, Monitoring, Placement, RootDeviceType, Support, Tags, Tenancy, Virtualization,
};

/// A type as AWS tells of it, in what decides here.
pub(crate) fn kind(name: &str) -> InstanceType {
    let both = || vec![Architecture::I386, Architecture::X86_64];
    let (vcpus, memory_mib, architectures) = match name {
        "m3.medium" => (1, 3840, vec![Architecture::X86_64]),
        "m1.small" => (1, 1740, both()),
        "c1.medium" => (2, 1740, both()),
        "t2.small" => (1, 2048, both()),
        "t2.medium" => (2, 4096, both()),
        "t2.xlarge" => (4, 16384, vec![Architecture::X86_64]),
        "m4.xlarge" | "m3.xlarge" => (4, 16384, vec![Architecture::X86_64]),
        "m4.large" | "m5.large" => (2, 8192, vec![Architecture::X86_64]),
        other => panic!("no type {other} here"),
    };
    let nitro = name.starts_with("m5");
    let old = ["m1", "m3", "c1"].iter().any(|family| name.starts_with(family));
    let support = |is: bool| if is { Support::Required } else { Support::Unsupported };
    let mut virtualization = vec![Virtualization::Hvm];
    virtualization.extend(old.then_some(Virtualization::Paravirtual));
    InstanceType {
        name: name.to_owned(),
        virtualization,
        architectures,
        vcpus,
        memory_mib,
        hypervisor: Some(if nitro { Hypervisor::Nitro } else { Hypervisor::Xen }),
        ena: support(nitro),
        nvme: support(nitro),
        current_generation: !old,
        burstable: name.starts_with("t2"),
        instance_store_gb: if old { 4 } else { 0 },
        max_interfaces: 2,
        addresses_per_interface: 6,
        bare_metal: false,
        root_device_types: vec![RootDeviceType::Ebs],
        usage_classes: vec!["on-demand".to_owned()],
        boot_modes: ["legacy-bios", "uefi"][..if nitro { 2 } else { 1 }]
            .iter()
            .map(|&mode| mode.to_owned())
            .collect(),
        auto_recovery: true,
    }
}

/// A PV instance of a type, with nothing but its root.
pub(crate) fn instance(instance_type: &str) -> Instance {
    Instance {
        id: "i-00000001".parse().expect("an instance's id"),
        state: InstanceState::Running,
        instance_type: instance_type.to_owned(),
        virtualization: Virtualization::Paravirtual,
        architecture: Architecture::X86_64,
        hypervisor: Some("xen".to_owned()),
        kernel: Some("aki-44992845".parse().expect("a kernel's id")),
        ramdisk: None,
        image: None,
        root_device_name: Some("/dev/sda1".to_owned()),
        root_device_type: RootDeviceType::Ebs,
        block_devices: vec![BlockDevice {
            device: "/dev/sda1".to_owned(),
            volume: "vol-00000001".parse().expect("a volume's id"),
            delete_on_termination: true,
            state: AttachState::Attached,
        }],
        subnet: None,
        vpc: None,
        zone: "ap-northeast-1a".to_owned(),
        private_ip: None,
        private_dns: None,
        public_ip: None,
        public_dns: None,
        key_name: None,
        security_groups: Vec::new(),
        interfaces: Vec::new(),
        iam_profile: None,
        tags: Tags::new(),
        monitoring: Monitoring::Disabled,
        placement: Placement {
            tenancy: Tenancy::Default,
            group: None,
            host: None,
            affinity: None,
            partition: None,
        },
        lifecycle: Lifecycle::Normal,
        product_codes: Vec::new(),
        platform_details: None,
        windows: false,
        launch_time: None,
        metadata_options: None,
        maintenance_options: MaintenanceOptions {
            auto_recovery: AutoRecovery::Default,
            reboot_migration: None,
        },
        ebs_optimized: false,
        ena_support: false,
        sriov: None,
        source_dest_check: None,
        hibernation: false,
        enclave: false,
        state_reason: None,
        state_transition_reason: None,
        boot_mode: None,
        client_token: None,
    }
}
