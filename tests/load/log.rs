//! `rialto-load log`: how many records a second the log makes durable, each appender waiting for its own before it
//! appends the next few, and beside it how long one bare sync of the same disk takes.

use std::{fs::File, io::Write as _, os::unix::fs::FileExt, path::Path, sync::Arc, thread, time::Duration};

use hdrhistogram::Histogram;
use rialto_server::log::{
    Log, LogError,
    local::{LocalLog, LocalOptions},
};
use tokio::time::Instant;

use crate::{Failure, say};

const RECORD_BYTES: usize = 256;
const SYNCS: u64 = 500;

/// Measures in `folder`, `seconds` for each number of appenders.
pub(crate) fn run(folder: &Path, seconds: u64) -> Result<(), Failure> {
    let folder = tempfile::tempdir_in(folder)?;
    say(&format!("one write of {RECORD_BYTES} bytes and fdatasync: {}", bare_syncs(folder.path())?))?;
    for (appenders, window) in [(1, 1), (1, 1024), (64, 1), (64, 64), (64, 1024)] {
        let path = folder.path().join(format!("{appenders}-{window}"));
        say(&cell(&path, Duration::from_secs(seconds), (appenders, window))?)?;
        std::fs::remove_dir_all(&path)?;
    }
    Ok(())
}

pub(crate) fn bare_syncs(folder: &Path) -> Result<String, Failure> {
    let path = folder.join("bare");
    let mut file = File::create(&path)?;
    file.write_all(&vec![0; 1 << 20])?;
    file.sync_all()?;
    let mut times = Histogram::<u64>::new(3)?;
    for n in 0..SYNCS {
        let begin = Instant::now();
        file.write_all_at(&[1; RECORD_BYTES], n * RECORD_BYTES as u64)?;
        file.sync_data()?;
        times.record(begin.elapsed().as_micros() as u64)?;
    }
    std::fs::remove_file(&path)?;
    Ok(percentiles(&times))
}

/// Each appender has at most `window` records that are not durable.
fn cell(folder: &Path, time: Duration, (appenders, window): (usize, usize)) -> Result<String, Failure> {
    let log = Arc::new(LocalLog::open(folder, &LocalOptions::default())?);
    let begin = Instant::now();
    let threads: Vec<_> = (0..appenders)
        .map(|_| {
            let log = Arc::clone(&log);
            thread::spawn(move || appender(&log, begin + time, window))
        })
        .collect();
    let mut times = Histogram::<u64>::new(3)?;
    for thread in threads {
        times.add(thread.join().map_err(|_| "an appender panicked")??)?;
    }
    let seconds = begin.elapsed().as_secs_f64();
    let records = times.len() * window as u64;
    let rate = records as f64 / seconds;
    let megabytes = rate * RECORD_BYTES as f64 / 1e6;
    Ok(format!(
        "{appenders:2} appenders, {window:4} at once: {rate:9.0} records/s, {megabytes:5.1} MB/s, durable after {}",
        percentiles(&times)
    ))
}

fn appender(log: &LocalLog, end: Instant, window: usize) -> Result<Histogram<u64>, Failure> {
    let record = [7; RECORD_BYTES];
    let mut times = Histogram::new(3)?;
    while Instant::now() < end {
        let begin = Instant::now();
        for _ in 0..window {
            while let Err(error) = log.append(&record) {
                match error {
                    LogError::Busy => log.flush()?,
                    error => return Err(error.into()),
                };
            }
        }
        log.flush()?;
        times.record(begin.elapsed().as_micros() as u64)?;
    }
    Ok(times)
}

pub(crate) fn percentiles(times: &Histogram<u64>) -> String {
    let at = |quantile| times.value_at_quantile(quantile) as f64 / 1e3;
    format!("p50 {:.2} ms, p99 {:.2} ms", at(0.5), at(0.99))
}
