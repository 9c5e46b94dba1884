//! The one thread that writes. Whatever waits when it looks goes into one transaction, so one sync.

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;

use jiff::Timestamp;
use rusqlite::{Connection, params};
use tokio::sync::oneshot;

use super::{Entry, Head, JournalError, sqlite_error};
use crate::run::RunId;

/// Most rows in a transaction.
const BATCH: usize = 1024;

type Answer = oneshot::Sender<Result<(), JournalError>>;

#[derive(Debug)]
enum Write {
    Begin(Box<Head>, String),
    Append(RunId, Timestamp, Entry),
}

/// A handle to the thread; it ends with the last of them.
#[derive(Debug, Clone)]
pub(super) struct Writer {
    path: PathBuf,
    queue: mpsc::Sender<(Write, Answer)>,
}

impl Writer {
    pub(super) fn start(path: &Path, connection: Connection) -> Self {
        let (queue, waiting) = mpsc::channel();
        let of = path.to_owned();
        thread::spawn(move || work(&of, connection, &waiting));
        Self {
            path: path.to_owned(),
            queue,
        }
    }

    pub(super) async fn begin(&self, head: Head, plan: String) -> Result<(), JournalError> {
        self.send(Write::Begin(Box::new(head), plan)).await
    }

    pub(super) async fn append(&self, run: RunId, entry: Entry) -> Result<(), JournalError> {
        self.send(Write::Append(run, Timestamp::now(), entry)).await
    }

    async fn send(&self, write: Write) -> Result<(), JournalError> {
        let closed = || JournalError::Closed {
            path: self.path.clone(),
        };
        let (answer, answered) = oneshot::channel();
        self.queue.send((write, answer)).map_err(|_| closed())?;
        answered.await.map_err(|_| closed())?
    }
}

fn work(path: &Path, mut connection: Connection, waiting: &mpsc::Receiver<(Write, Answer)>) {
    while let Ok(first) = waiting.recv() {
        let batch: Vec<_> = std::iter::once(first)
            .chain(std::iter::from_fn(|| waiting.try_recv().ok()))
            .take(BATCH)
            .collect();
        match write(&mut connection, batch.iter().map(|(write, _)| write)) {
            // Whoever asked may have been cancelled; the row is there all the same.
            Ok(()) => batch.into_iter().for_each(|(_, answer)| drop(answer.send(Ok(())))),
            Err(source) => match <[_; 1]>::try_from(batch) {
                Ok([(_, answer)]) => drop(answer.send(Err(sqlite_error(path, "writing to", source)))),
                // One bad row must not take the others with it.
                Err(batch) => {
                    for (one, answer) in batch {
                        let result = write(&mut connection, std::iter::once(&one));
                        drop(answer.send(result.map_err(|source| sqlite_error(path, "writing to", source))));
                    }
                }
            },
        }
    }
}

fn write<'a>(connection: &mut Connection, writes: impl Iterator<Item = &'a Write>) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    {
        let mut begin = transaction.prepare_cached(
            "INSERT INTO runs (id, created, account, region, instance, plan) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?;
        let mut append = transaction
            .prepare_cached("INSERT INTO entries (run, at, kind, action, data) VALUES (?1, ?2, ?3, ?4, ?5)")?;
        for write in writes {
            match write {
                Write::Begin(head, plan) => begin.execute(params![
                    head.id.as_str(),
                    head.created.to_string(),
                    head.account,
                    head.region,
                    head.instance,
                    plan
                ])?,
                Write::Append(run, at, entry) => append.execute(params![
                    run.as_str(),
                    at.to_string(),
                    entry.kind.name(),
                    entry.action,
                    (!entry.data.is_null()).then(|| entry.data.to_string())
                ])?,
            };
        }
    }
    transaction.commit()
}
