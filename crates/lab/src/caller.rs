//! Who asks for what, and whether they may.

use crate::accounts::Key;
use crate::engine::Region;
use crate::fault::Subject;
use crate::permission::asked;
use crate::policy::Asked;
use crate::wire::{ApiError, Params};

/// Who asks for what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caller<'a> {
    pub(crate) key: &'a Key,
    pub(crate) region: &'a str,
    pub(crate) service: &'a str,
    pub(crate) action: &'a str,
    pub(crate) params: &'a Params,
}

impl Caller<'_> {
    pub(crate) fn subject<'a>(&'a self, values: &'a [&'a str]) -> Subject<'a> {
        Subject {
            action: self.action,
            region: self.region,
            resources: values,
        }
    }

    pub(crate) fn dry_run(&self) -> Result<(), ApiError> {
        if self.params.is_set("DryRun")? {
            return Err(ApiError::new(
                "DryRunOperation",
                "Request would have succeeded, but DryRun flag is set.",
            )
            .with_status(412));
        }
        Ok(())
    }

    /// Whether the key's policies let it do this.
    pub(crate) fn permit(&self, region: Option<&Region>) -> Result<(), ApiError> {
        self.permit_on(region, None)
    }

    /// The same for `resource`, which the parameters do not tell.
    pub(crate) fn permit_on(&self, region: Option<&Region>, resource: Option<&str>) -> Result<(), ApiError> {
        if self.key.policies.is_empty() {
            return Ok(());
        }
        for mut asked in asked(
            self.service,
            self.action,
            self.region,
            self.params,
            region,
            &self.key.account,
        ) {
            if let Some(resource) = resource {
                asked.resources = vec![resource.to_owned()];
            }
            if !self.key.policies.iter().all(|policy| policy.allows(&asked)) {
                return Err(self.denied(&asked));
            }
        }
        Ok(())
    }

    fn denied(&self, asked: &Asked) -> ApiError {
        let resource = asked.resources.first().map_or("*", String::as_str);
        let message = format!(
            "User: {} is not authorized to perform: {} on resource: {resource} because no identity-based policy allows it",
            self.key.arn, asked.action
        );
        match self.service {
            "ec2" => ApiError::new(
                "UnauthorizedOperation",
                format!("You are not authorized to perform this operation. {message}"),
            )
            .with_status(403),
            "ssm" | "organizations" => ApiError::new("AccessDeniedException", message),
            _ => ApiError::new("AccessDenied", message).with_status(403),
        }
    }
}
