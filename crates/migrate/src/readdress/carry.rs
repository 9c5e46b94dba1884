//! Carries it out.

use super::image::{registered, way_back};
use super::{Way, actions, agreed, free, refusals};
use crate::action::{Action, ActionError};
use crate::engine::{Engine, RunError};
use crate::finalize::Keep;
use crate::journal::{Kind, Progress};
use crate::run::State;

impl Engine {
    /// Brings the target to the source's primary private address. What fails before the point of no return is taken back.
    /// Gives the state that it came to: [`State::Complete`] if all was taken back; [`State::Readdressing`] if all is done, as
    /// [`is_readdressed`](Self::is_readdressed) says, or if a person has to do something before it can go on.
    ///
    /// # Errors
    /// [`RunError`]: the run can be taken up where it is.
    pub async fn readdress(&mut self, way: &Way) -> Result<State, RunError> {
        match self.state() {
            State::Readdressing => {}
            State::Complete => {
                let reasons = refusals(self.context()).await.map_err(RunError::Look)?;
                if !reasons.is_empty() {
                    return Err(RunError::Refused {
                        run: self.context().run.clone(),
                        reasons,
                    });
                }
            }
            state @ (State::Finalizing | State::Finalized) if self.is_readdressed() => return Ok(state),
            State::Finalizing | State::Finalized => {
                return Err(self.refuse("the source is deleted, and its private address with it"));
            }
            State::Running | State::Failed => {
                return Err(self.refuse("it is not over: `comeback resume` or `comeback rollback` first"));
            }
            State::RollingBack | State::Stuck => return Err(self.refuse("`comeback rollback` first")),
            State::RolledBack => return Err(self.refuse("the source has its private address")),
        }
        self.be_in(State::Readdressing).await?;
        for action in &way.before {
            if let Err(error) = self.unless_done(action.as_ref()).await? {
                self.fail(action.as_ref(), &error, Kind::Failed, Vec::new()).await?;
                return self.take_back(way).await;
            }
        }
        let point = way.point.as_ref();
        if let Err(error) = self.unless_done(point).await? {
            // Nobody may be left without the source and without the target for a permission that is missing.
            let back = free::Terminate::was_not_begun(self.context()).await;
            let by_hand = if back { Vec::new() } else { self.without_source() };
            self.fail(point, &error, Kind::Failed, by_hand).await?;
            if back {
                return self.take_back(way).await;
            }
            return Ok(State::Readdressing);
        }
        for action in &way.after {
            if let Err(error) = self.unless_done(action.as_ref()).await? {
                let by_hand = self.without_source();
                self.fail(action.as_ref(), &error, Kind::Failed, by_hand).await?;
                return Ok(State::Readdressing);
            }
        }
        Ok(State::Readdressing)
    }

    /// Takes back what was begun and interrupted, as long as the source is there. Gives the state that it came to: complete, as
    /// before, or still readdressing where something could not be undone. A run that is in another state stays as it is.
    ///
    /// # Errors
    /// As [`can_be_withdrawn`](Self::can_be_withdrawn); other [`RunError`]s: it can be taken up where it is.
    pub async fn withdraw(&mut self, way: &Way) -> Result<State, RunError> {
        let state = self.state();
        if state != State::Readdressing {
            return Ok(state);
        }
        self.can_be_withdrawn().await?;
        self.be_in(State::Readdressing).await?;
        self.take_back(way).await
    }

    /// Looks whether what was begun can be taken back: the source is there.
    ///
    /// # Errors
    /// [`RunError::State`] when it is not, or nobody can tell.
    pub async fn can_be_withdrawn(&self) -> Result<(), RunError> {
        if free::Terminate::was_not_begun(self.context()).await {
            return Ok(());
        }
        Err(self
            .refuse("the source is terminated, or cannot be seen: `comeback finalize RUN --keep-private-ip` goes on"))
    }

    /// Whether all of it is done.
    pub fn is_readdressed(&self) -> bool {
        let is_done = |id: String| matches!(self.record().progress(&id), Some(Progress::Done(_)));
        actions(&self.context().plan).iter().all(|action| is_done(action.id()))
    }

    /// What `finalize` keeps afterwards: what was agreed to when it began, or, where it has not begun, what is wished now.
    pub fn agreed_to_keep(&self, wished: Keep) -> Keep {
        match agreed(self.context()) {
            Some(agreed) if self.state() == State::Readdressing => Keep {
                snapshots: agreed.keep_snapshots,
                source: false,
            },
            _ => wished,
        }
    }

    async fn unless_done(&mut self, action: &dyn Action) -> Result<Result<(), ActionError>, RunError> {
        match self.record().progress(&action.id()) {
            Some(Progress::Done(_)) => Ok(Ok(())),
            _ => self.apply(action).await,
        }
    }

    /// Takes back what was begun before the point of no return. Where that fails, going on is what is left.
    async fn take_back(&mut self, way: &Way) -> Result<State, RunError> {
        let mut stuck = false;
        for action in way.before.iter().rev() {
            match self.record().progress(&action.id()) {
                None | Some(Progress::Undone) => continue,
                Some(_) => {}
            }
            if let Err(error) = self.undo(action.as_ref()).await? {
                let by_hand = action.by_hand(self.context());
                self.fail(action.as_ref(), &error, Kind::UndoFailed, by_hand).await?;
                stuck = true;
            }
        }
        if stuck {
            return Ok(State::Readdressing);
        }
        self.enter(State::Complete).await?;
        Ok(State::Complete)
    }

    /// What a person types who cannot wait.
    fn without_source(&self) -> Vec<String> {
        let context = self.context();
        registered(context)
            .map(|registered| way_back(&context.plan, &registered.image))
            .into_iter()
            .collect()
    }
}
