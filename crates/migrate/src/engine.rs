//! Carries a run out, forward and back.
//!
//! # The theory
//! A run is a list of [actions](Action), the same whenever it is made from the same plan. Before an action begins, an
//! intent goes into the journal; after it has ended, what it gave. Forward goes through the list, skips what the journal
//! has as done, and applies the rest; back goes through it from the end, skips what has neither begun nor is left to be
//! undone, and undoes the rest. As both look at the account before they act, it makes no difference whether a process
//! carries this out in one go or is killed and followed by others.
//!
//! An action that fails for good ends the way forward. Then the run goes back, unless it is told to stop where it is. An undo that fails does not end the way back: everything else is undone first, and
//! the run is *stuck*, with what is left for a person to do. It can be resumed or rolled back again once that person has done it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use jiff::Timestamp;

use crate::action::{Action, ActionError, Context, Retry};
use crate::finalize::{self, Decision, Keep};
use crate::journal::{Advice, Entry, Head, Journal, JournalError, Kind, Progress, Record};
use crate::plan::refuse::Refusal;
use crate::progress::Event;
use crate::run::{RunId, State};

/// What goes on with a run that is being brought to its source's private address.
const READDRESSING: &str = "`comeback finalize RUN --keep-private-ip` goes on with that; as long as the source is not terminated, \
                            `comeback rollback RUN` takes it back";

/// What was asked for when an action fails for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnFailure {
    /// Take everything back.
    #[default]
    RollBack,
    /// Stop there, for a person to look.
    Stop,
}

/// Is asked around every write to the journal. For tests, which never come back from there.
#[async_trait]
pub trait Watch: Send + Sync + std::fmt::Debug {
    /// A row is about to be written.
    async fn before_write(&self);
    /// A row was written.
    async fn after_write(&self);
}

/// Why a run did not go on. What it did is in the journal.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The journal cannot be read or written.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The account cannot be looked at.
    #[error(transparent)]
    Look(ActionError),
    /// The source's private address cannot be kept.
    #[error("the private address of {run} cannot be kept: {}", list(.reasons))]
    Refused {
        /// The run.
        run: RunId,
        /// Why not, all reasons at once.
        reasons: Vec<Refusal>,
    },
    /// The run is in a state in which this cannot be asked of it.
    #[error("run {run} is {state}: {help}")]
    State {
        /// The run.
        run: RunId,
        /// Its state.
        state: State,
        /// What can be done instead.
        help: &'static str,
    },
}

fn list(reasons: &[Refusal]) -> String {
    let each = |refusal: &Refusal| format!("{} ({}; instead: {})", refusal.reason, refusal.id, refusal.instead);
    reasons.iter().map(each).collect::<Vec<_>>().join("; ")
}

/// A run that is being carried out.
#[derive(Debug)]
pub struct Engine {
    journal: Journal,
    context: Context,
    record: Record,
    watch: Option<Arc<dyn Watch>>,
    stutters: bool,
}

impl Engine {
    /// Begins a new run.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn begin(
        journal: Journal,
        context: Context,
        plan: &serde_json::Value,
        watch: Option<Arc<dyn Watch>>,
    ) -> Result<Self, JournalError> {
        let head = Head {
            id: context.run.clone(),
            created: Timestamp::now(),
            account: context.plan.account.to_string(),
            region: context.plan.region.to_string(),
            instance: context.plan.instance().to_string(),
        };
        if let Some(watch) = &watch {
            watch.before_write().await;
        }
        journal.begin(&head, plan).await?;
        if let Some(watch) = &watch {
            watch.after_write().await;
        }
        Self::take_up(journal, context, watch)
    }

    /// Takes up a run that the journal has.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn take_up(journal: Journal, context: Context, watch: Option<Arc<dyn Watch>>) -> Result<Self, JournalError> {
        let record = journal.record(&context.run)?;
        for (action, output) in &record.outputs {
            context.outputs.insert(action.clone(), output.clone());
        }
        Ok(Self {
            journal,
            context,
            record,
            watch,
            stutters: false,
        })
    }

    /// Carries every action and undo out twice from now on. For tests of what [`Action`] promises.
    pub fn stutter(&mut self) {
        self.stutters = true;
    }

    /// The state that the run is in.
    pub const fn state(&self) -> State {
        self.record.state
    }

    /// What its journal adds up to.
    pub const fn record(&self) -> &Record {
        &self.record
    }

    /// What it works with.
    pub const fn context(&self) -> &Context {
        &self.context
    }

    /// Goes forward to the end, or back if that fails and nothing else was asked for. Gives the state that it came to.
    ///
    /// # Errors
    /// [`RunError`]: the run can be taken up where it is.
    pub async fn forward(&mut self, actions: &[Box<dyn Action>], on_failure: OnFailure) -> Result<State, RunError> {
        match self.record.state {
            State::Running | State::Failed => {}
            State::Complete => return Ok(State::Complete),
            State::Stuck | State::RollingBack => {
                return Err(self.refuse("it is on its way back: `comeback rollback` goes on with that"));
            }
            State::RolledBack => return Err(self.refuse("it is over: `comeback migrate` begins a new one")),
            State::Readdressing => return Err(self.refuse(READDRESSING)),
            State::Finalizing | State::Finalized => return Err(self.refuse("`comeback finalize` goes on with that")),
        }
        self.be_in(State::Running).await?;
        for action in actions {
            if let Some(Progress::Done(_)) = self.record.progress(&action.id()) {
                continue;
            }
            if let Err(error) = self.apply(action.as_ref()).await? {
                self.fail(action.as_ref(), &error, Kind::Failed, Vec::new()).await?;
                return match on_failure {
                    OnFailure::Stop => {
                        self.enter(State::Failed).await?;
                        Ok(State::Failed)
                    }
                    OnFailure::RollBack => self.back(actions).await,
                };
            }
        }
        self.enter(State::Complete).await?;
        Ok(State::Complete)
    }

    /// Goes back to the beginning. Gives the state that it came to: rolled back, or stuck.
    ///
    /// # Errors
    /// [`RunError`]: the run can be taken up where it is.
    pub async fn back(&mut self, actions: &[Box<dyn Action>]) -> Result<State, RunError> {
        match self.record.state {
            State::RolledBack => return Ok(State::RolledBack),
            State::Finalizing | State::Finalized => {
                return Err(self.refuse("what a rollback needs was deleted"));
            }
            State::Readdressing => return Err(self.refuse(READDRESSING)),
            _ => {}
        }
        self.be_in(State::RollingBack).await?;
        let mut stuck = false;
        for action in actions.iter().rev() {
            match self.record.progress(&action.id()) {
                None | Some(Progress::Undone) => continue,
                Some(_) => {}
            }
            if let Err(error) = self.undo(action.as_ref()).await? {
                let by_hand = action.by_hand(&self.context);
                self.fail(action.as_ref(), &error, Kind::UndoFailed, by_hand).await?;
                stuck = true;
            }
        }
        let state = if stuck { State::Stuck } else { State::RolledBack };
        self.enter(state).await?;
        Ok(state)
    }

    /// What [`finalize`](Self::finalize) would delete: what was decided, or what is there to be decided about.
    ///
    /// # Errors
    /// [`RunError::State`] when the run is not over; [`RunError::Look`] when the account cannot be read.
    pub async fn decide(&self, keep: Keep) -> Result<Decision, RunError> {
        if let Some(decision) = &self.record.decision {
            return Ok(decision.clone());
        }
        let from = self.record.state;
        match from {
            State::Complete | State::RolledBack => {}
            State::Readdressing if self.is_readdressed() => {}
            State::Readdressing => return Err(self.refuse(READDRESSING)),
            State::Finalizing | State::Finalized => return Err(self.refuse("it is not known what was decided")),
            State::Running | State::Failed => {
                return Err(self.refuse("it is not over: `comeback resume` or `comeback rollback` first"));
            }
            State::RollingBack | State::Stuck => return Err(self.refuse("`comeback rollback` first")),
        }
        let deletions = finalize::list(&self.context, from, self.agreed_to_keep(keep))
            .await
            .map_err(RunError::Look)?;
        Ok(Decision { from, deletions })
    }

    /// Deletes what was decided. Gives the state that it came to.
    ///
    /// # Errors
    /// [`RunError`]: the run can be taken up where it is.
    pub async fn finalize(&mut self, decision: &Decision) -> Result<State, RunError> {
        if self.record.state == State::Finalized {
            return Ok(State::Finalized);
        }
        if self.record.decision.is_none() {
            let data = serde_json::to_value(decision).unwrap_or_default();
            self.write(Entry {
                kind: Kind::Decision,
                action: None,
                data,
            })
            .await?;
        }
        self.be_in(State::Finalizing).await?;
        for action in finalize::actions(decision) {
            if let Some(Progress::Done(_)) = self.record.progress(&action.id()) {
                continue;
            }
            if let Err(error) = self.apply(action.as_ref()).await? {
                self.fail(action.as_ref(), &error, Kind::Failed, Vec::new()).await?;
                return Ok(State::Finalizing);
            }
        }
        self.enter(State::Finalized).await?;
        Ok(State::Finalized)
    }

    pub(crate) async fn apply(&mut self, action: &dyn Action) -> Result<Result<(), ActionError>, RunError> {
        let id = action.id();
        if !matches!(self.record.progress(&id), Some(Progress::Intended)) {
            self.write(Entry::about(Kind::Intent, &id, serde_json::Value::Null))
                .await?;
        }
        let began = self.begins(action, false);
        match self.insist(&id, || action.apply(&self.context)).await {
            Ok(output) => {
                self.context.outputs.insert(id.clone(), output.clone());
                self.write(Entry::about(Kind::Done, &id, output)).await?;
                self.ends(action, false, began);
                Ok(Ok(()))
            }
            Err(error) => Ok(Err(error)),
        }
    }

    pub(crate) async fn undo(&mut self, action: &dyn Action) -> Result<Result<(), ActionError>, RunError> {
        let id = action.id();
        if !matches!(self.record.progress(&id), Some(Progress::Undoing)) {
            self.write(Entry::about(Kind::UndoIntent, &id, serde_json::Value::Null))
                .await?;
        }
        let began = self.begins(action, true);
        match self.insist(&id, || action.undo(&self.context)).await {
            Ok(()) => {
                self.write(Entry::about(Kind::Undone, &id, serde_json::Value::Null))
                    .await?;
                self.ends(action, true, began);
                Ok(Ok(()))
            }
            Err(error) => Ok(Err(error)),
        }
    }

    /// Tries again what may pass by itself, for as long as each kind of failure deserves.
    async fn insist<T, F>(&self, id: &str, mut attempt: impl FnMut() -> F) -> Result<T, ActionError>
    where
        F: Future<Output = Result<T, ActionError>>,
    {
        let patience = &self.context.patience;
        let began = Instant::now();
        let mut pause = patience.pause;
        let mut again = self.stutters;
        loop {
            let error = match attempt().await {
                Ok(_) if again => {
                    again = false;
                    continue;
                }
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            let retry = error.retry();
            if retry == Retry::No || began.elapsed() >= patience.of(retry) {
                return Err(error);
            }
            self.tell(Event::Again {
                action: id.to_owned(),
                error: error.to_string(),
            });
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(patience.pause * 10);
        }
    }

    pub(crate) async fn fail(
        &mut self,
        action: &dyn Action,
        error: &ActionError,
        kind: Kind,
        by_hand: Vec<String>,
    ) -> Result<(), RunError> {
        let help = error.help();
        // For whoever asks later: the account may be out of reach then.
        let advice = serde_json::to_value(Advice {
            help: help.clone(),
            by_hand: by_hand.clone(),
        });
        self.write(Entry::about(Kind::Note, &action.id(), advice.unwrap_or_default()))
            .await?;
        self.tell(Event::Failed {
            step: action.step(),
            action: action.id(),
            error: error.to_string(),
            help,
            by_hand,
        });
        let text = serde_json::Value::String(error.to_string());
        self.write(Entry::about(kind, &action.id(), text)).await
    }

    pub(crate) async fn enter(&mut self, state: State) -> Result<(), RunError> {
        self.write(Entry::state(state)).await?;
        self.tell_state(state);
        Ok(())
    }

    /// As [`enter`](Self::enter); a run that is in the state already, as one that was interrupted, only tells so.
    pub(crate) async fn be_in(&mut self, state: State) -> Result<(), RunError> {
        if self.record.state == state {
            self.tell_state(state);
            return Ok(());
        }
        self.enter(state).await
    }

    fn tell_state(&self, state: State) {
        self.tell(Event::Run {
            run: self.context.run.clone(),
            state,
        });
    }

    pub(crate) async fn write(&mut self, entry: Entry) -> Result<(), RunError> {
        if let Some(watch) = &self.watch {
            watch.before_write().await;
        }
        self.journal.append(&self.context.run, entry.clone()).await?;
        if let Some(watch) = &self.watch {
            watch.after_write().await;
        }
        self.record.add(&entry).map_err(|what| JournalError::Row {
            path: self.journal.path().to_owned(),
            seq: 0,
            what,
        })?;
        Ok(())
    }

    fn begins(&self, action: &dyn Action, undo: bool) -> Instant {
        self.tell(Event::Begins {
            step: action.step(),
            action: action.id(),
            title: action.title(),
            undo,
        });
        Instant::now()
    }

    fn ends(&self, action: &dyn Action, undo: bool, began: Instant) {
        self.tell(Event::Ends {
            step: action.step(),
            action: action.id(),
            undo,
            ms: millis(began.elapsed()),
        });
    }

    fn tell(&self, event: Event) {
        self.context.reporter.tell(event);
    }

    pub(crate) fn refuse(&self, help: &'static str) -> RunError {
        RunError::State {
            run: self.context.run.clone(),
            state: self.record.state,
            help,
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
