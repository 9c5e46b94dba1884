//! What a run did for its host, done for the final instance.

use async_trait::async_trait;
use comeback_cloud::calls::Action as Call;
use serde_json::Value;

use crate::action::{Action, ActionError, Context};
use crate::step::Step;

/// An action of a run, carried out anew. It has no undo: there is nothing to go back to.
pub(super) struct Anew(pub(super) Box<dyn Action>);

#[async_trait]
impl Action for Anew {
    fn id(&self) -> String {
        format!("readdress/{}", self.0.id())
    }

    fn step(&self) -> Step {
        self.0.step()
    }

    fn title(&self) -> String {
        self.0.title()
    }

    fn calls(&self) -> Vec<&'static Call> {
        self.0.calls()
    }

    async fn apply(&self, context: &Context) -> Result<Value, ActionError> {
        let result = self.0.apply(&context.of_final()).await;
        result.map_err(|error| advise(error, context))
    }
}

/// What a run's action advises is of a run: it cannot be resumed or taken back here.
fn advise(error: ActionError, context: &Context) -> ActionError {
    let goes_on = format!("`comeback finalize {} --keep-private-ip`", context.run);
    match error {
        ActionError::NotProven { what, .. } => ActionError::NotProven {
            what,
            help: format!(
                "{goes_on} looks again; until then the first target is there, without its volumes, and the image starts as the \
                 source did"
            ),
        },
        ActionError::Unexpected { what, help } => ActionError::Unexpected {
            what,
            help: help
                .replace("`comeback resume` or `comeback rollback`", &goes_on)
                .replace("`comeback resume`", &goes_on),
        },
        other => other,
    }
}
