//! A machine with an SSH server.

use std::fs;
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use comeback_remote::{KeyPair, Limits, Login, Payload, SshConverter};
use tempfile::TempDir;

const SSHD: &str = "/usr/sbin/sshd";

/// OpenSSH's server on a port of its own, with keys of its own.
#[derive(Debug)]
pub struct Server {
    pub folder: TempDir,
    pub address: SocketAddr,
    pub user: KeyPair,
    pub host: KeyPair,
    child: Option<Child>,
}

impl Server {
    /// A server that is not started yet; none, with a word about it, where it could not be.
    pub fn prepared() -> Option<Server> {
        if !Path::new(SSHD).exists() {
            return skip("an SSH server: openssh-server is not installed");
        }
        let id = Command::new("id").arg("-u").output().unwrap();
        if id.stdout != b"0\n" {
            return skip("an SSH server: it lets others in only if root starts it");
        }
        // Its folder for processes without rights; packages make it when the machine starts.
        fs::create_dir_all("/run/sshd").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (user, host) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        host.save(&folder.path().join("host")).unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        let config = format!(
            "ListenAddress {address}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile {}\nStrictModes no\nUsePAM no\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n",
            at("host"),
            at("authorized_keys"),
            at("pid"),
        );
        fs::write(folder.path().join("config"), config).unwrap();
        let server = Server {
            folder,
            address,
            user,
            host,
            child: None,
        };
        server.let_in(&server.user);
        Some(server)
    }

    pub fn started() -> Option<Server> {
        let mut server = Server::prepared()?;
        server.start();
        Some(server)
    }

    pub fn start(&mut self) {
        let child = Command::new(SSHD)
            .arg("-D")
            .arg("-f")
            .arg(self.folder.path().join("config"))
            .arg("-E")
            .arg(self.folder.path().join("log"))
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        self.child = Some(child);
    }

    /// Gives the server a host key of another kind, before it starts.
    pub fn replace_host_key(&self, kind: &str) {
        let path = self.folder.path().join("host");
        fs::remove_file(&path).unwrap();
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", kind, "-N", "", "-f"])
            .arg(&path)
            .status()
            .unwrap();
        assert!(made.success());
    }

    /// Lets this key in and no other.
    pub fn let_in(&self, key: &KeyPair) {
        let line = format!("{}\n", key.public().to_openssh().unwrap());
        fs::write(self.folder.path().join("authorized_keys"), line).unwrap();
    }

    pub fn login(&self) -> Login {
        self.login_by(self.address)
    }

    /// By a detour.
    pub fn login_by(&self, address: SocketAddr) -> Login {
        Login {
            address,
            user: "root".to_owned(),
            key: self.user.clone(),
            host_key: self.host.public(),
        }
    }

    /// The folder that stands for the one on the other machine.
    pub fn there(&self) -> PathBuf {
        self.folder.path().join("there")
    }

    pub async fn converter(&self, address: SocketAddr, payload: Payload) -> SshConverter {
        SshConverter::connect_in(
            self.login_by(address),
            payload,
            limits(),
            self.there().to_str().unwrap(),
        )
        .await
        .unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Short ones, but not too short for a machine that does much else.
pub fn limits() -> Limits {
    Limits {
        connect: Duration::from_secs(30),
        attempt: Duration::from_secs(15),
        refused: Duration::from_secs(2),
        command: Duration::from_secs(30),
        transfer: Duration::from_secs(30),
        convert: Duration::from_secs(120),
        keepalive: Duration::from_secs(1),
    }
}

/// An agent that is a script, and boot code that is none.
pub fn payload(folder: &Path, script: &str) -> Payload {
    let agent = folder.join("agent.sh");
    fs::write(&agent, format!("#!/bin/sh\n{script}\n")).unwrap();
    payload_of(folder, &agent)
}

/// With boot code that is none of GRUB's, but looks like it.
pub fn payload_of(folder: &Path, agent: &Path) -> Payload {
    let mut boot = vec![0x90; 512];
    boot[0x80..0x85].copy_from_slice(b"GRUB ");
    boot[510..].copy_from_slice(&[0x55, 0xaa]);
    let mut core: Vec<u8> = (0..30_000_u32)
        .map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    core[..512].fill(0);
    core[0x1f4..0x200].copy_from_slice(&[2, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0x20, 0x08]);
    core[0x218..0x21c].copy_from_slice(&[0xff, 0xff, 0xff, 0]);
    fs::write(folder.join("boot.img"), boot).unwrap();
    fs::write(folder.join("core.img"), core).unwrap();
    Payload::load(agent, folder).unwrap()
}

/// The agent that is sent to other machines where it was built, else the one that Cargo made beside this test.
pub fn agent() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("COMEBACK_AGENT").filter(|path| !path.is_empty()) {
        return Some(PathBuf::from(path));
    }
    let beside = std::env::current_exe()
        .unwrap()
        .parent()?
        .parent()?
        .join("comeback-agent");
    if beside.exists() {
        return Some(beside);
    }
    skip("the agent: build it (cargo build -p comeback-agent), or name it in COMEBACK_AGENT")
}

/// Says that a test could not be made here. Printed past the test's capture, as nobody looks for what was not tested.
pub fn skip<T>(why: &str) -> Option<T> {
    let _ = writeln!(std::io::stderr(), "SKIPPED: {why}");
    None
}
