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
        PolicyArgument::Diagnose => comeback_diagnose::policy::diagnose(),
    };
    let needs = Needs {
        instance_profile: arguments.command == PolicyArgument::Migrate,
        encrypted_volumes: arguments.command == PolicyArgument::Migrate,
        assumed_roles: match arguments.command {
            PolicyArgument::AuditOrganization => vec![format!("arn:*:iam::*:role/{}", audit::ORGANIZATION_ROLE)],
            _ => Vec::new(),
        },
    };
    output::print(&format!("{}\n", policy::document(actions, &needs)))?;
    Ok(Exit::Done)
}
