//! `rialto import`: the worker of the chat's imports. Takes CSV files from a queue, checks each row, keeps those that are right, and
//! says which are not and why. A row that is wrong never ends an import.
//!
//! `rows` reads, `columns` checks, `tally` counts and remembers, `store` keeps.

mod columns;
mod rows;
mod store;
mod tally;

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use clap::Args;
use rialto_client::{Assignment, NotDone, Payload};
use tokio::sync::watch;

use self::{
    columns::{Columns, Rejection},
    rows::{Place, Row, Rows, delimiter},
    store::Store,
    tally::{Checkpoint, Tally},
};
use super::{connection::ConnectionArgs, failure::Failure, news::Interrupt, output::Output};
use crate::base::clock::{self, Instant};

/// How often something is left for the next attempt.
const LEFT_EVERY: Duration = Duration::from_secs(2);
/// A mark that some programs put before UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

const FILES: &str = "\
The first row of a file names its columns; commas, semicolons, tabs or bars separate them. What must hold in a column follows from a
word in its name:
  id, name                                       not empty
  email, mail                                    an address
  amount, price, total, quantity, count, age     a number, or empty
  date, birthday, timestamp, ..._at              a date like 2026-11-30, or empty
Rows with another number of fields, with what is not UTF-8, or of more than 1 MiB are rejected too.

The result of the job is a JSON object: rows, accepted, rejected, seconds, and of the first 100 rejected rows line, column and reason.
Rows that were accepted are put into FOLDER/JOB.jsonl, one object a line; while that goes on it is called JOB.part.";

/// Import the CSV files that are handed over in the chat.
///
/// Ends by Ctrl-C or SIGTERM: gives back what it has, and whoever takes it goes on there. So does one that is paused and resumed.
#[derive(Debug, Args)]
#[command(after_help = FILES)]
pub(super) struct ImportArgs {
    #[command(flatten)]
    connection: ConnectionArgs,
    /// The queue
    #[arg(long, short, value_name = "QUEUE", default_value = "imports")]
    queue: String,
    /// Where rows go that are right [default: they are only counted]
    #[arg(long, value_name = "FOLDER")]
    into: Option<PathBuf>,
    /// So many files at once
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=100))]
    concurrency: u32,
    /// What the worker is called, for people
    #[arg(long, value_name = "NAME", default_value = "rialto import")]
    name: String,
}

impl ImportArgs {
    /// Which server.
    pub(super) fn connection(&self) -> &ConnectionArgs {
        &self.connection
    }
}

/// Runs it to its end.
pub(super) async fn run(args: ImportArgs, output: &Output) -> Result<(), Failure> {
    let mut interrupt = Interrupt::new()?;
    let client = args.connection.client()?;
    let worker = client.worker(&args.name).queue(&args.connection.namespace, &args.queue);
    let rows = args.into.as_ref().map_or_else(String::new, |into| format!("; rows go to {}", into.display()));
    output.note(&format!("importing from {}/{}{rows}", args.connection.namespace, args.queue));
    let (stopping, stopped) = watch::channel(false);
    let stop = async {
        interrupt.came().await;
        stopping.send_replace(true);
        output.note("giving back what is not done");
    };
    let into: Option<Arc<PathBuf>> = args.into.map(Arc::new);
    let import = |job: Assignment| {
        let (into, stopped) = (into.clone(), stopped.clone());
        async move {
            tokio::select! {
                biased;
                _ = job.cancelled() => Err(NotDone::failed("the job was cancelled, or its lease was lost")),
                done = import(&job, into.as_deref(), stopped) => done,
            }
        }
    };
    worker.concurrency(args.concurrency).run_until(stop, import).await?;
    Ok(())
}

/// A file that is being imported.
struct Import {
    rows: Rows,
    /// Known from the first row on.
    columns: Option<Columns>,
    /// What is wrong with the first row.
    wrong: Option<String>,
    delimiter: u8,
    tally: Tally,
    store: Option<Store>,
}

/// Imports the file of a job.
async fn import(
    job: &Assignment,
    into: Option<&PathBuf>,
    mut stopped: watch::Receiver<bool>,
) -> Result<Payload, NotDone> {
    let began = clock::now();
    let (mut import, before) = begin(job, into).await?;
    let mut payload = job.read(import.rows.behind_rows().at);
    let bytes = payload.bytes();
    let elapsed =
        |now: Instant| u64::try_from(now.duration_since(began).as_millis()).unwrap_or(u64::MAX) + before;
    let mut left = began;
    loop {
        let piece = tokio::select! {
            biased;
            () = job.to_pause() => None,
            Ok(_) = stopped.wait_for(|stops| *stops) => None,
            piece = payload.next() => Some(piece.map_err(|error| NotDone::failed(error.to_string()))?),
        };
        let gives_back = piece.is_none();
        match piece.flatten() {
            Some(piece) => import.read(&piece).map_err(NotDone::permanent)?,
            None if !gives_back => break,
            None => {}
        }
        let written = import.write().await.map_err(unwritten)?;
        job.progress(import.rows.behind_rows().at, bytes, import.tally.words());
        let now = clock::now();
        if gives_back || now.duration_since(left) >= LEFT_EVERY {
            left = now;
            import.sync().await.map_err(unwritten)?;
            let checkpoint = import.checkpoint(written, elapsed(now));
            if let Some(checkpoint) = checkpoint {
                job.checkpoint(checkpoint.to_bytes()).map_err(|error| NotDone::failed(error.to_string()))?;
            }
        }
        if gives_back {
            return Err(NotDone::Released(Duration::ZERO));
        }
    }
    import.end().map_err(NotDone::permanent)?;
    job.progress(bytes, bytes, import.tally.words());
    if let Some(store) = import.store {
        store.finish().await.map_err(unwritten)?;
    }
    let result = import.tally.result(elapsed(clock::now()));
    Ok(Payload::from(result).of_type("application/json"))
}

fn unwritten(error: io::Error) -> NotDone {
    NotDone::failed(format!("cannot keep the rows: {error}"))
}

/// Goes on where the attempt before has left off, if it has and what it has written is here; and the time that this took.
async fn begin(job: &Assignment, into: Option<&PathBuf>) -> Result<(Import, u64), NotDone> {
    if let Some(checkpoint) = Checkpoint::parse(job.last_checkpoint()) {
        let store = open(job, into, checkpoint.written).await?;
        if store.is_some() == into.is_some() {
            let millis = checkpoint.millis;
            return Ok((Import::resume(checkpoint, store), millis));
        }
    }
    let first = job.read(0).next().await.map_err(|error| NotDone::failed(error.to_string()))?;
    let store = open(job, into, 0).await?;
    Ok((Import::begin(&first.unwrap_or_default(), store).map_err(NotDone::permanent)?, 0))
}

async fn open(job: &Assignment, into: Option<&PathBuf>, written: u64) -> Result<Option<Store>, NotDone> {
    let Some(folder) = into else { return Ok(None) };
    Store::open(folder, job.id(), written).await.map_err(unwritten)
}

impl Import {
    /// At the beginning of a file that begins so.
    fn begin(first: &Bytes, store: Option<Store>) -> Result<Self, String> {
        if first.starts_with(b"\xff\xfe") || first.starts_with(b"\xfe\xff") {
            return Err("the file is UTF-16: save it as UTF-8".to_owned());
        }
        let mark = if first.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
        let delimiter = delimiter(&first[mark..]);
        let rows = Rows::new(delimiter, Place { at: mark as u64, line: 1 });
        Ok(Self { rows, columns: None, wrong: None, delimiter, tally: Tally::default(), store })
    }

    fn resume(checkpoint: Checkpoint, store: Option<Store>) -> Self {
        Self {
            rows: Rows::new(checkpoint.delimiter, checkpoint.place()),
            columns: Some(Columns::named(checkpoint.columns)),
            wrong: None,
            delimiter: checkpoint.delimiter,
            tally: checkpoint.tally,
            store,
        }
    }

    /// What the next attempt goes on with, once the columns are known.
    fn checkpoint(&self, written: u64, millis: u64) -> Option<Checkpoint> {
        let Place { at, line } = self.rows.behind_rows();
        let columns = self.columns.as_ref()?.names().to_vec();
        Some(Checkpoint {
            at,
            line,
            delimiter: self.delimiter,
            columns,
            tally: self.tally.clone(),
            written,
            millis,
        })
    }

    /// Reads on. Fails when the first row makes no sense.
    fn read(&mut self, piece: &[u8]) -> Result<(), String> {
        let Self { rows, columns, wrong, tally, store, .. } = self;
        rows.read(piece, |row| take(row, columns, wrong, (tally, store)));
        self.wrong.take().map_or(Ok(()), Err)
    }

    fn end(&mut self) -> Result<(), String> {
        let Self { rows, columns, wrong, tally, store, .. } = self;
        rows.end(|row| take(row, columns, wrong, (tally, store)));
        if let Some(wrong) = self.wrong.take() {
            return Err(wrong);
        }
        if self.columns.is_none() { Err("the file is empty".to_owned()) } else { Ok(()) }
    }

    async fn write(&mut self) -> io::Result<u64> {
        match &mut self.store {
            Some(store) => store.write().await,
            None => Ok(0),
        }
    }

    async fn sync(&mut self) -> io::Result<()> {
        match &mut self.store {
            Some(store) => store.sync().await,
            None => Ok(()),
        }
    }
}

/// Takes a row: the first one names the columns.
fn take(
    row: Row<'_>,
    columns: &mut Option<Columns>,
    wrong: &mut Option<String>,
    (tally, store): (&mut Tally, &mut Option<Store>),
) {
    let too_long = || Rejection {
        column: String::new(),
        reason: "is too long: is a quotation mark not closed?".to_owned(),
    };
    let Some(known) = columns else {
        let named = row.fields.ok_or_else(|| "the header is too long".to_owned()).and_then(Columns::of);
        match named {
            Ok(named) => *columns = Some(named),
            Err(what) => *wrong = wrong.take().or(Some(what)),
        }
        return;
    };
    match row.fields.ok_or_else(too_long).and_then(|fields| known.check(fields)) {
        Ok(values) => {
            tally.take();
            store.iter_mut().for_each(|store| store.take(row.line, known.names(), &values));
        }
        Err(rejection) => tally.reject(row.line, rejection),
    }
}
