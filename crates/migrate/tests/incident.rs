//! The incident, with machines that boot: a paravirtual instance in Tokyo does not survive its reboot; the nine steps bring it
//! back as HVM, with its data, its address and its tags. A second one is migrated too and rolled back, and runs as PV again.
//!
//! It takes minutes, so it is ignored by a plain `cargo test`; `cargo xtask test` runs it, and names the guests in
//! `COMEBACK_GUESTS`, one `name=path` a line, the key that they let in in `COMEBACK_SSH_KEY`, and what is sent to hosts in
//! `COMEBACK_AGENT` and `COMEBACK_BOOT_ASSETS`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use comeback_cloud::ids::InstanceId;
use comeback_cloud::model::{CheckState, InstanceState, Virtualization};
use comeback_cloud::{Filter, Keys, Options, Polling, Region, Session};
use comeback_lab::backend::qemu::{Qemu, Settings};
use comeback_lab::{Lab, Scenario, Serving};
use comeback_migrate::action::Context;
use comeback_migrate::actions;
use comeback_migrate::engine::{Engine, OnFailure};
use comeback_migrate::finalize::Keep;
use comeback_migrate::plan::Plan;
use comeback_migrate::plan::{Wishes, make};
use comeback_migrate::progress::{Event, Reporter};
use comeback_migrate::run::{RunId, State};
use comeback_migrate::ssh::SshHosts;
use comeback_migrate::store::Store;

const SSH_PORT: u16 = 2222;
/// How long a guest may take to its login under emulation, on a machine that has other work.
const BOOT: Duration = Duration::from_secs(400);

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("run by `cargo xtask test`, which sets {name}"))
}

/// Prints what happens as it happens, with the time.
#[derive(Debug)]
struct Printer(Instant);

impl Reporter for Printer {
    fn tell(&self, event: Event) {
        let at = self.0.elapsed().as_secs_f64();
        match event {
            Event::Begins { step, title, undo, .. } => {
                println!(
                    "{at:7.1} s  {} {}{title}",
                    step.number(),
                    if undo { "undo: " } else { "" }
                );
            }
            Event::Goes { what, .. } => println!("{at:7.1} s      {what}"),
            Event::Failed { error, help, .. } => println!("{at:7.1} s  ! {error} ({help})"),
            Event::Again { error, .. } => println!("{at:7.1} s      again: {error}"),
            Event::Run { state, .. } => println!("{at:7.1} s  {state}"),
            Event::Ends { .. } | Event::Note { .. } => {}
        }
    }
}

struct Incident {
    lab: Lab,
    _serving: Serving,
    folder: tempfile::TempDir,
    region: Region,
    started: Instant,
}

impl Incident {
    async fn new() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("comeback-")
            .tempdir_in("/var/tmp")
            .unwrap();
        let guests = folder.path().join("guests");
        std::fs::create_dir(&guests).unwrap();
        for line in variable("COMEBACK_GUESTS").lines() {
            let (name, path) = line.split_once('=').unwrap();
            std::os::unix::fs::symlink(path, guests.join(format!("{name}.img"))).unwrap();
        }
        let qemu = Qemu::new(Settings {
            ssh_port: SSH_PORT,
            ..Settings::new(folder.path().join("machines"))
        });
        let lab = Lab::builder()
            .scenario(Scenario::load("tokyo").unwrap())
            .state(folder.path().join("lab"))
            .guests(&guests)
            .backend(Arc::new(qemu.unwrap()))
            .build()
            .unwrap();
        let serving = lab.serve(0).unwrap();
        let keys = lab.keys().remove(0);
        let session = Session::load(Options {
            region: Some("ap-northeast-1".parse().unwrap()),
            share: 1.0,
            polling: Polling {
                first: Duration::from_millis(500),
                longest: Duration::from_secs(2),
                grace: Duration::from_secs(5),
            },
            endpoint: Some(serving.url()),
            keys: Some(Keys {
                access_key: keys.access_key,
                secret_key: keys.secret_key,
            }),
            ..Options::default()
        });
        let session = session.await.unwrap();
        Self {
            region: session.region(&session.default_region().unwrap()),
            lab,
            _serving: serving,
            folder,
            started: Instant::now(),
        }
    }

    async fn id(&self, name: &str) -> InstanceId {
        let named = [
            Filter::new("tag:Name", [name]),
            Filter::new("instance-state-name", ["running", "stopped"]),
        ];
        self.region.instances_where(&named).await.unwrap().remove(0).id
    }

    /// Waits until the guest's own status check says so.
    async fn until(&self, id: &InstanceId, wanted: CheckState) {
        let is = |status: &comeback_cloud::model::Status| (status.guest.state == wanted).then_some(());
        let waited = self.region.status_when(id, BOOT, is).await;
        let console = self.lab.console(id.as_str()).unwrap_or_default();
        waited.unwrap_or_else(|error| panic!("{error}\n{}", String::from_utf8_lossy(&console)));
        println!("{:7.1} s  {id}: {wanted}", self.started.elapsed().as_secs_f64());
    }

    fn ssh(&self, address: Ipv4Addr) -> String {
        format!(
            "ssh -F none -o BatchMode=yes -o ConnectTimeout=5 -o LogLevel=ERROR -o IdentitiesOnly=yes \
             -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -i {} -p {SSH_PORT} root@{address}",
            variable("COMEBACK_SSH_KEY")
        )
    }

    fn run(&self, address: Ipv4Addr, command: &str) -> Option<String> {
        let said = Command::new("sh")
            .args(["-c", &format!("{} '{command}'", self.ssh(address))])
            .output()
            .unwrap();
        said.status
            .success()
            .then(|| String::from_utf8_lossy(&said.stdout).into_owned())
    }

    /// The checksums of the guest's data, by its own reckoning, and whether they are those that it was built with.
    fn data(&self, address: Ipv4Addr) -> String {
        let command = "cd /srv/data && sha256sum --quiet -c SHA256SUMS && cat SHA256SUMS";
        let until = Instant::now() + BOOT;
        loop {
            match self.run(address, command) {
                Some(said) => return said,
                None => assert!(Instant::now() < until, "{address} does not answer"),
            }
            std::thread::sleep(Duration::from_secs(1));
        }
    }

    async fn plan(&self, id: &InstanceId) -> Plan {
        let mut wishes = Wishes::default();
        wishes.verify.ssh_port = SSH_PORT;
        wishes.verify.ports = vec![8080];
        wishes.verify.within_s = BOOT.as_secs();
        let ssh = self.ssh(Ipv4Addr::UNSPECIFIED).replace("0.0.0.0", "$COMEBACK_ADDRESS");
        wishes.verify.command = Some(format!("{ssh} 'cd /srv/data && sha256sum --quiet -c SHA256SUMS'"));
        make::make(&self.region, std::slice::from_ref(id), &wishes)
            .await
            .unwrap()
            .remove(0)
            .unwrap()
    }

    async fn begin(&self, store: &Store, plan: &Plan) -> (Engine, PathBuf) {
        let run = RunId::new(jiff::civil::date(2017, 12, 29));
        let hosts = Arc::new(SshHosts { answers: BOOT });
        let folder = store.hold(&run).unwrap().folder;
        let mut context = Context::new(run, plan.clone(), self.region.clone(), hosts, folder.clone());
        context.reporter = Arc::new(Printer(self.started));
        context.start_source = true;
        let value = serde_json::to_value(plan).unwrap();
        let engine = Engine::begin(store.journal().clone(), context, &value, None).await;
        (engine.unwrap(), folder)
    }
}

fn assert_saved(folder: &Path) {
    for name in ["undo.qcow2", "patch.qcow2", "journal.json"] {
        assert!(folder.join("saved").join(name).is_file(), "{name} was not brought back");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "boots machines for minutes: cargo xtask test"]
async fn the_incident() {
    let incident = Incident::new().await;
    let region = &incident.region;
    let (shop, second) = (incident.id("shop").await, incident.id("shop-2").await);
    for id in [&shop, &second] {
        incident.until(id, CheckState::Ok).await;
    }
    let source = region.instance(&shop).await.unwrap();
    assert_eq!(source.virtualization, Virtualization::Paravirtual);
    let address = source.public_ip.unwrap();
    let data = incident.data(address);

    // AWS reboots it, and it does not come back.
    incident.lab.fire(shop.as_str()).unwrap();
    incident.until(&shop, CheckState::Impaired).await;
    assert_eq!(region.instance(&shop).await.unwrap().state, InstanceState::Running);
    assert_eq!(incident.run(address, "true"), None, "SSH is dead");
    let console = String::from_utf8_lossy(&incident.lab.console(shop.as_str()).unwrap()).into_owned();
    assert!(console.contains("unknown compression format"), "{console}");

    // The nine steps.
    let store = Store::open(&incident.folder.path().join("state")).unwrap();
    let plan = incident.plan(&shop).await;
    let (mut engine, folder) = incident.begin(&store, &plan).await;
    let state = engine.forward(&actions::all(&plan), OnFailure::Stop).await.unwrap();
    assert_eq!(state, State::Complete);
    assert_saved(&folder);
    let ours = [Filter::new("tag:comeback:run", [engine.context().run.as_str()])];
    let target = region.instances_where(&ours).await.unwrap().remove(0);
    assert_eq!(target.virtualization, Virtualization::Hvm);
    assert_eq!(target.public_ip, Some(address), "the Elastic IP leads to the target");
    assert_eq!(target.security_groups, source.security_groups);
    for (key, value) in &source.tags {
        assert_eq!(target.tag(key), Some(value.as_str()), "{key}");
    }
    assert_eq!(target.root().unwrap().volume, source.root().unwrap().volume);
    assert_eq!(incident.data(address), data, "the data are the same");
    let decision = engine.decide(Keep::default()).await.unwrap();
    let finalized = engine.finalize(&decision).await;
    assert_eq!(finalized.unwrap(), State::Finalized);
    assert_eq!(incident.data(address), data, "and still are");
    region.stop(&target.id, true).await.unwrap();

    // The second one goes there and back, without its disk being reverted.
    let source = region.instance(&second).await.unwrap();
    let address = source.public_ip.unwrap();
    let plan = incident.plan(&second).await;
    let (mut engine, _) = incident.begin(&store, &plan).await;
    let actions = actions::all(&plan);
    assert_eq!(
        engine.forward(&actions, OnFailure::Stop).await.unwrap(),
        State::Complete
    );
    assert_eq!(engine.back(&actions).await.unwrap(), State::RolledBack);
    incident.until(&second, CheckState::Ok).await;
    let now = region.instance(&second).await.unwrap();
    assert_eq!(now.block_devices, source.block_devices);
    assert_eq!(now.public_ip, Some(address));
    assert_eq!(incident.data(address), data, "it runs as PV again, with its data");
    incident.lab.power_off();
}
