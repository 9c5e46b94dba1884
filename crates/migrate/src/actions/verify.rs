//! Is it back? Status checks, the console's login, the ports that the source had open, and a command of the operator's.
//! Nothing that leads to the source is moved before all of them have passed. Looking changes nothing, so none has an undo.

use std::net::Ipv4Addr;
use std::process::Stdio;
use std::time::Duration;

use async_trait::async_trait;
use comeback_cloud::calls::{Action as Call, actions as calls};
use comeback_cloud::model::{CheckState, Status};
use comeback_console::{Says, reading};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use super::host::{door, launched};
use crate::action::{Action, ActionError, Context};
use crate::plan::Plan;
use crate::progress::Event;
use crate::step::Step;

/// How long one try to connect to a port may take.
const CONNECT: Duration = Duration::from_secs(5);

/// What proves a plan's target, in order.
pub(crate) fn all(plan: &Plan) -> Vec<Box<dyn Action>> {
    let mut actions: Vec<Box<dyn Action>> = vec![Box::new(Checks), Box::new(Login)];
    if !plan.verify.ports.is_empty() {
        actions.push(Box::new(Ports));
    }
    if plan.verify.command.is_some() {
        actions.push(Box::new(Command));
    }
    actions
}

/// The calls of all of these.
pub(crate) fn calls() -> Vec<&'static Call> {
    let every: [&dyn Action; 4] = [&Checks, &Login, &Ports, &Command];
    every.iter().flat_map(|action| action.calls()).collect()
}

fn within(context: &Context) -> Duration {
    Duration::from_secs(context.plan.verify.within_s)
}

/// EC2's own status checks.
pub(crate) struct Checks;

#[async_trait]
impl Action for Checks {
    fn id(&self) -> String {
        "verify/checks".to_owned()
    }

    fn step(&self) -> Step {
        Step::Verify
    }

    fn title(&self) -> String {
        "wait for both status checks".to_owned()
    }

    fn calls(&self) -> Vec<&'static Call> {
        vec![&calls::DESCRIBE_INSTANCE_STATUS]
    }

    async fn apply(&self, context: &Context) -> Result<Value, ActionError> {
        let target = launched(context)?.instance;
        let passed = |status: &Status| status.is_ok().then_some(());
        match context
            .region
            .status_when(&target, within(context).max(context.patience.change), passed)
            .await
        {
            Ok(()) => Ok(Value::Null),
            Err(error) if error.kind == comeback_cloud::ErrorKind::Late => {
                let says = match context.region.statuses(std::slice::from_ref(&target)).await?.first() {
                    Some(status) if status.guest.state == CheckState::Impaired => {
                        "the guest does not answer: its console tells why"
                    }
                    Some(status) if status.system.state == CheckState::Impaired => "its host has a fault of its own",
                    _ => "they have not come to a result",
                };
                Err(ActionError::NotProven {
                    what: format!(
                        "the status checks of {target} have not passed: {says} ({})",
                        error.message
                    ),
                    help: format!(
                        "`comeback status {}` shows the console; `comeback resume` looks again",
                        context.run
                    ),
                })
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// A login prompt, or what else ends a boot, on the console.
pub(crate) struct Login;

#[async_trait]
impl Action for Login {
    fn id(&self) -> String {
        "verify/login".to_owned()
    }

    fn step(&self) -> Step {
        Step::Verify
    }

    fn title(&self) -> String {
        "look for a login on the console".to_owned()
    }

    fn calls(&self) -> Vec<&'static Call> {
        vec![&calls::GET_CONSOLE_OUTPUT]
    }

    /// EC2 shows the console of Xen types minutes late, and some guests say nothing on it. So a known failure is one, and
    /// silence is not.
    async fn apply(&self, context: &Context) -> Result<Value, ActionError> {
        let target = launched(context)?.instance;
        let latest = context.plan.target.platform == crate::plan::Platform::Nitro;
        let until = Instant::now() + within(context);
        loop {
            let bytes = context.region.console_output(&target, latest).await?;
            let console = reading::read(&bytes);
            match console.says {
                Says::Login(line) => return Ok(json!({ "login": line })),
                Says::Failure(finding) => {
                    return Err(ActionError::NotProven {
                        what: format!("the console of {target}: {}: {}", finding.title, finding.line),
                        help: format!(
                            "roll back; then: {}; `comeback inspect` on a snapshot's disk says more",
                            finding.remedy
                        ),
                    });
                }
                Says::Working(_) | Says::Nothing => {}
            }
            if Instant::now() >= until {
                let seen = match (&console.says, console.signs.last()) {
                    (Says::Working(finding), _) | (_, Some(finding)) => format!(" ({})", finding.title),
                    _ => String::new(),
                };
                let text = format!("the console of {target} shows no login yet{seen}; the other checks decide");
                context.reporter.tell(Event::Note { text });
                return Ok(json!({ "login": null }));
            }
            sleep(context.patience.pause.min(until - Instant::now())).await;
        }
    }
}

/// Ports that the source had open.
pub(crate) struct Ports;

#[async_trait]
impl Action for Ports {
    fn id(&self) -> String {
        "verify/ports".to_owned()
    }

    fn step(&self) -> Step {
        Step::Verify
    }

    fn title(&self) -> String {
        "connect to the ports that the source had open".to_owned()
    }

    fn calls(&self) -> Vec<&'static Call> {
        vec![&calls::DESCRIBE_INSTANCES]
    }

    async fn apply(&self, context: &Context) -> Result<Value, ActionError> {
        let until = Instant::now() + within(context);
        let address = door(context).await?.address;
        for &port in &context.plan.verify.ports {
            while let Err(why) = connect(address, port).await {
                if Instant::now() >= until {
                    return Err(ActionError::NotProven {
                        what: format!("port {port} of the target ({address}) does not answer: {why}"),
                        help: "see whether its service runs; `comeback resume` looks again".to_owned(),
                    });
                }
                sleep(context.patience.pause).await;
            }
            context.reporter.tell(Event::Goes {
                action: self.id(),
                what: format!("port {port} answers"),
            });
        }
        Ok(json!({ "ports": context.plan.verify.ports }))
    }
}

async fn connect(address: Ipv4Addr, port: u16) -> Result<(), String> {
    match timeout(CONNECT, TcpStream::connect((address, port))).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer in {} s", CONNECT.as_secs())),
    }
}

/// A command of the operator's, on the operator's machine.
pub(crate) struct Command;

#[async_trait]
impl Action for Command {
    fn id(&self) -> String {
        "verify/command".to_owned()
    }

    fn step(&self) -> Step {
        Step::Verify
    }

    fn title(&self) -> String {
        "run the operator's check".to_owned()
    }

    fn calls(&self) -> Vec<&'static Call> {
        vec![&calls::DESCRIBE_INSTANCES]
    }

    async fn apply(&self, context: &Context) -> Result<Value, ActionError> {
        let Some(command) = &context.plan.verify.command else {
            return Ok(Value::Null);
        };
        let until = Instant::now() + within(context);
        let door = door(context).await?;
        let target = launched(context)?.instance;
        loop {
            // Killed with us: what it does is nobody's business then.
            let mut shell = tokio::process::Command::new("sh");
            shell
                .args(["-c", command])
                .env("COMEBACK_ADDRESS", door.address.to_string())
                .env("COMEBACK_SSH_PORT", door.port.to_string())
                .env("COMEBACK_INSTANCE", target.as_str())
                .stdin(Stdio::null())
                .kill_on_drop(true);
            let said = match timeout(until.saturating_duration_since(Instant::now()), shell.output()).await {
                Ok(Ok(output)) if output.status.success() => return Ok(json!({ "command": command })),
                Ok(Ok(output)) => format!("{}: {}", output.status, last_line(&output.stderr, &output.stdout)),
                Ok(Err(error)) => format!("it cannot be started: {error}"),
                Err(_) => "it has not ended".to_owned(),
            };
            if Instant::now() + context.patience.pause >= until {
                return Err(ActionError::NotProven {
                    what: format!("the check `{command}` does not pass: {said}"),
                    help: "run it by hand; `comeback resume` runs it again".to_owned(),
                });
            }
            sleep(context.patience.pause).await;
        }
    }
}

/// The last thing that a command said, of its errors if it had any.
fn last_line(errors: &[u8], output: &[u8]) -> String {
    let last = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        text.lines()
            .rev()
            .find(|line| !line.trim().is_empty())
            .map(str::to_owned)
    };
    last(errors)
        .or_else(|| last(output))
        .unwrap_or_else(|| "it said nothing".to_owned())
}
