//! `comeback iam-policy`

use anyhow::Result;
use comeback_audit::policy as audit;
use comeback_cloud::policy::{self, Needs};
use comeback_migrate::policy as needed;

use crate::cli::{IamPolicyArguments, PolicyArgument};
use crate::exit::Exit;
use crate::output;

pub(crate) fn run(arguments: &IamPolicyArguments) -> Result<Exit> {
    let actions = match arguments.command {
        PolicyArgument::Audit => audit::audit(),
        PolicyArgument::AuditOrganization => audit::organization(),
        PolicyArgument::Plan => needed::plan(),
        PolicyArgument::Migrate => needed::migrate(),
        PolicyArgument::Finalize => needed::finalize(),
        PolicyArgument::KeepPrivateIp => needed::keep_private_ip(),
        PolicyArgument::Diagnose => comeback_diagnose::policy::diagnose(),
        PolicyArgument::Rescue => [needed::rescue(), comeback_diagnose::policy::diagnose()].concat(),
        PolicyArgument::Postpone => needed::postpone(),
        PolicyArgument::Hold => needed::hold(),
        PolicyArgument::BumpKernel => needed::bump_kernel(),
    };
    let migrates = matches!(
        arguments.command,
        PolicyArgument::Migrate | PolicyArgument::Rescue | PolicyArgument::KeepPrivateIp
    );
    let needs = Needs {
        instance_profile: migrates,
        encrypted_volumes: migrates || arguments.command == PolicyArgument::BumpKernel,
        assumed_roles: match arguments.command {
            PolicyArgument::AuditOrganization => vec![format!("arn:*:iam::*:role/{}", audit::ORGANIZATION_ROLE)],
            _ => Vec::new(),
        },
    };
    output::print(&format!("{}\n", policy::document(actions, &needs)))?;
    Ok(Exit::Done)
}
