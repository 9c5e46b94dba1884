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
        self.0.apply(&context.of_final()).await
    }
}
