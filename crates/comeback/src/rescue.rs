//! `comeback rescue`: the shortest safe way back of a dead instance, with one confirmation.

use std::time::Duration;

use anyhow::{Result, bail};
use comeback_cloud::{InstanceId, Region};
use comeback_console::Stage;
use comeback_diagnose::{Diagnosis, Disk, Health, Way, judge};
use comeback_migrate::action::Patience;
use comeback_migrate::engine::OnFailure;
use comeback_migrate::plan::Plan;
use comeback_migrate::plan::Wishes;
use comeback_migrate::stopgap::Watched;
use comeback_migrate::stopgap::kernel::{self, Start};

use crate::cli::rescue::{RescueArguments, WayArgument};
use crate::diagnose::{self, see};
use crate::exit::Exit;
use crate::{account, ask, diagnosis_text, evidence, migrate, narrator, output, plan, plan_text, runs, stopgap};

/// Pause between two looks at one that is waited for.
const LOOK: Duration = Duration::from_secs(5);
/// How long a guest that never booted may take to shut down. It cannot; and what a cut of the power could lose was lost when it died.
const DEAD_SHUTDOWN: Duration = Duration::from_secs(60);

pub(crate) fn run(arguments: &RescueArguments) -> Result<Exit> {
    let disk = diagnose::disk(&arguments.disk)?;
    account::wait(async {
        let region = account::region(&arguments.account).await?;
        let id = account::instance(&region, &arguments.instance).await?;
        narrator::begin(arguments.carry.json)?;
        let rescue = Rescue {
            arguments,
            region,
            id,
            disk,
        };
        rescue.run().await
    })
}

struct Rescue<'a> {
    arguments: &'a RescueArguments,
    region: Region,
    id: InstanceId,
    disk: Option<Disk>,
}

/// What is done to an instance, in its order.
enum Works {
    Nothing,
    Wait,
    /// A newer PV-GRUB; and the nine steps, if that does not bring it up.
    Kernel(Box<kernel::Plan>, Option<Box<Plan>>),
    Migrate(Box<Plan>),
    /// Only a person can.
    Person,
}

impl Rescue<'_> {
    async fn look(&self) -> Result<Diagnosis> {
        Ok(judge(&see(&self.region, &self.id, self.disk.clone()).await?))
    }

    fn tell(&self, diagnosis: &Diagnosis) -> Result<()> {
        if self.arguments.carry.json {
            return output::print(&format!(
                "{}\n",
                serde_json::json!({ "event": "diagnosis", "instance": self.id, "diagnosis": diagnosis })
            ));
        }
        output::print(&diagnosis_text::diagnosis(diagnosis))
    }

    async fn run(&self) -> Result<Exit> {
        let mut diagnosis = self.look().await?;
        self.tell(&diagnosis)?;
        let mut works = self.choose(&diagnosis).await?;
        if matches!(works, Works::Wait) && !self.goes_on(&diagnosis) {
            output::say("\nThere is nothing to wait for: it has come to its end. Take another way with --way.\n");
            return Ok(Exit::Blocked);
        }
        if matches!(works, Works::Wait) {
            output::say("\nWaiting. Nothing is changed meanwhile; Ctrl-C ends it.\n");
            diagnosis = self.wait(diagnosis).await?;
            self.tell(&diagnosis)?;
            works = match (diagnosis.health, self.arguments.way) {
                (Health::Well, _) => Works::Nothing,
                (_, Some(WayArgument::Wait)) => Works::Person,
                _ => self.choose(&diagnosis).await?,
            };
        }
        match works {
            Works::Nothing => Ok(Exit::Done),
            Works::Wait | Works::Person => Ok(Exit::Blocked),
            Works::Kernel(plan, next) => self.bump(*plan, next, &diagnosis).await,
            Works::Migrate(plan) => {
                self.show(&plan);
                let question = format!("Rescue {} by these nine steps?", self.id);
                if !ask::agreed(self.arguments.carry.yes, &question)? {
                    return ask::nothing_done();
                }
                self.migrate(*plan, &diagnosis).await
            }
        }
    }

    /// The way, and what it needs.
    async fn choose(&self, diagnosis: &Diagnosis) -> Result<Works> {
        let way = match self.arguments.way {
            Some(WayArgument::Wait) if diagnosis.health == Health::Well => Way::Nothing,
            Some(WayArgument::Wait) => Way::Wait,
            Some(WayArgument::Kernel) => Way::BumpKernel,
            Some(WayArgument::Migrate) => Way::NineSteps,
            None => diagnosis.advice.way,
        };
        if self.arguments.way.is_some() {
            output::say(&format!("\nThe way that was asked for: {}\n", way.title()));
        }
        Ok(match way {
            Way::Nothing => Works::Nothing,
            Way::Wait => Works::Wait,
            Way::BumpKernel => {
                let records = stopgap::records(&self.arguments.state)?;
                let bump = kernel::plan(&self.region, &records, &self.id, Start::Always)
                    .await
                    .map_err(stopgap::explained)?;
                // It is agreed to now, as there is one confirmation. What stands against it stands not against the kernel image.
                let next = match self.arguments.way {
                    Some(WayArgument::Kernel) => None,
                    _ => self.plan().await.unwrap_or_else(|error| {
                        output::error(&error.context("the nine steps could not follow"));
                        None
                    }),
                };
                let next = next.map(Box::new);
                Works::Kernel(Box::new(bump), next)
            }
            Way::NineSteps => match self.plan().await? {
                Some(plan) => Works::Migrate(Box::new(plan)),
                None => Works::Person,
            },
            Way::Start | Way::StopStart | Way::Reboot | Way::LookInside | Way::NotOurs => {
                output::say("\nThis is not done by itself: see above what to do. --way takes another way.\n");
                Works::Person
            }
        })
    }

    /// The nine steps as they would be; nothing where something stands against them, which is told.
    async fn plan(&self) -> Result<Option<Plan>> {
        let wishes = Wishes {
            disk: evidence::of(&self.arguments.disk)?,
            ..plan::wishes(&self.arguments.wishes)
        };
        let mut made = plan::make(&self.region, std::slice::from_ref(&self.id), &wishes).await?;
        made.tell_refused();
        // What the steps will miss is better missed now than when the source is stopped.
        if !made.plans.is_empty() {
            comeback_migrate::ssh::check_payload()?;
        }
        Ok(made.plans.pop())
    }

    fn show(&self, plan: &Plan) {
        output::say("\n");
        output::say(&plan_text::plan(plan));
        output::say("\n");
    }

    /// Whether there is something to wait for. Who asked to wait does so until the latest time that anything can still come.
    fn goes_on(&self, diagnosis: &Diagnosis) -> bool {
        let forced = self.arguments.way == Some(WayArgument::Wait);
        diagnosis.waiting.right || forced && diagnosis.waiting.until.is_some_and(|until| diagnosis.at < until)
    }

    /// Looks until it is up, or waiting is no longer right.
    async fn wait(&self, mut diagnosis: Diagnosis) -> Result<Diagnosis> {
        let mut told = String::new();
        loop {
            if diagnosis.health == Health::Well || !self.goes_on(&diagnosis) {
                return Ok(diagnosis);
            }
            let says = diagnosis
                .problem
                .as_ref()
                .map_or_else(|| "it is on its way up".to_owned(), |problem| problem.title.clone());
            if says != told {
                output::say(&format!("  {}\n", output::printable(&says)));
                told = says;
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                _ = tokio::signal::ctrl_c() => bail!("interrupted; nothing was changed"),
            }
            diagnosis = self.look().await?;
        }
    }

    fn patience(&self, diagnosis: &Diagnosis) -> Option<Duration> {
        let booted = diagnosis.reached.is_some_and(|stage| stage >= Stage::Init);
        (!booted && diagnosis.health == Health::Wrong).then_some(DEAD_SHUTDOWN)
    }

    async fn bump(&self, bump: kernel::Plan, next: Option<Box<Plan>>, diagnosis: &Diagnosis) -> Result<Exit> {
        output::say("\n");
        output::say(&stopgap::plan_text(&self.region, &bump));
        let question = match &next {
            Some(plan) => {
                output::say("\nIf it does not come up with that, it is migrated:\n");
                self.show(plan);
                format!("Rescue {} by a newer PV-GRUB, and else by the nine steps?", self.id)
            }
            None => format!("Rescue {} by a newer PV-GRUB?", self.id),
        };
        if !ask::agreed(self.arguments.carry.yes, &question)? {
            return ask::nothing_done();
        }
        let records = stopgap::records(&self.arguments.state)?;
        let mut patience = Patience::default();
        patience.shutdown = self.patience(diagnosis).unwrap_or(patience.shutdown);
        let within = Duration::from_secs(self.arguments.wishes.verify_within);
        let done = stopgap::carry_out(&self.region, &records, &bump, patience, within).await;
        let failed = match done {
            Ok(done) => {
                let exit = if self.arguments.carry.json {
                    let up = done.watched == Some(Watched::Up);
                    let kernel =
                        serde_json::json!({ "event": "kernel", "instance": self.id, "kernel": bump.to.0, "up": up });
                    output::print(&format!("{kernel}\n"))?;
                    if up { Exit::Done } else { Exit::Blocked }
                } else {
                    stopgap::tell(&self.region, &bump, &done)?
                };
                if exit == Exit::Done {
                    return Ok(exit);
                }
                None
            }
            Err(error) => Some(error),
        };
        let Some(_) = next else {
            return failed.map_or(Ok(Exit::Blocked), Err);
        };
        if let Some(error) = failed {
            output::error(&error);
        }
        output::say("\nThat did not bring it back. It is migrated now, as was agreed.\n");
        // The kernel image has changed, and with it what a plan is made from.
        let Some(plan) = self.plan().await? else {
            return Ok(Exit::Blocked);
        };
        let diagnosis = self.look().await?;
        self.migrate(plan, &diagnosis).await
    }

    async fn migrate(&self, plan: Plan, diagnosis: &Diagnosis) -> Result<Exit> {
        let store = runs::store(&self.arguments.state)?;
        // A question can wait for hours, and what was agreed to must still be so.
        if !self.arguments.carry.yes {
            plan::refuse_stale(&self.region, std::slice::from_ref(&plan)).await?;
        }
        let shutdown = self.patience(diagnosis);
        let carry = &self.arguments.carry;
        migrate::carry_out(&store, &self.region, vec![plan], carry, OnFailure::RollBack, shutdown).await
    }
}
