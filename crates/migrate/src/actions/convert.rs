//! Step 5: what HVM needs is put on the root.

use async_trait::async_trait;
use comeback_cloud::calls::{Action as Call, actions as calls};
use serde_json::Value;

use super::attach::{self, root};
use super::{detach, host, place};
use crate::action::{Action, ActionError, Context, given};
use crate::hosts::Job;
use crate::progress::Event;
use crate::step::Step;

/// Converts the root, on the host.
pub(crate) struct Root;

#[async_trait]
impl Action for Root {
    fn id(&self) -> String {
        "convert/root".to_owned()
    }

    fn step(&self) -> Step {
        Step::Convert
    }

    fn title(&self) -> String {
        "convert the root for HVM".to_owned()
    }

    fn calls(&self) -> Vec<&'static Call> {
        vec![&calls::DESCRIBE_INSTANCES, &calls::DESCRIBE_VOLUMES]
    }

    async fn apply(&self, context: &Context) -> Result<Value, ActionError> {
        let volume = detach::volume(context, root(&context.plan)?)?;
        let size = u64::from(place::look(context, &volume).await?.size_gib) << 30;
        let job = Job {
            volume,
            size,
            device: context.output(attach::Root::ID)?,
            known: context.output(host::Answer::ID)?,
            target: context.plan.target.platform,
        };
        let door = host::door(context).await?;
        let host = context.hosts.open(&door, &context.folder).await?;
        let (id, reporter) = (self.id(), context.reporter.clone());
        let progress = move |what: String| {
            reporter.tell(Event::Goes {
                action: id.clone(),
                what,
            });
        };
        given(&host.convert(&job, &context.folder, &progress).await?)
    }

    // No undo: the disk still boots as PV, and the patch is saved.
}
