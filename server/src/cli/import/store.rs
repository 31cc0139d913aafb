//! Where rows go that were taken: one file of JSON lines for each job, which has its name only once all are in it.
//!
//! What is written follows from the file that is imported alone. So an attempt that goes on from a checkpoint writes the same bytes in
//! the same places as another one that does not know yet that it is over: each row is there once, whoever has written it.

use std::{
    io::{self, ErrorKind, SeekFrom},
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use tokio::{
    fs::{self, File, OpenOptions},
    io::{AsyncSeekExt, AsyncWriteExt},
};

/// Rows of one import.
pub(super) struct Store {
    file: File,
    part: PathBuf,
    path: PathBuf,
    /// Rows that are not in the file yet.
    waiting: Vec<u8>,
    written: u64,
}

impl Store {
    /// The rows of a job, of which so many bytes are there; `None` when they are not.
    pub(super) async fn open(folder: &Path, job: &str, written: u64) -> io::Result<Option<Self>> {
        fs::create_dir_all(folder).await?;
        let name = file_name(job);
        let (part, path) = (folder.join(format!("{name}.part")), folder.join(format!("{name}.jsonl")));
        let mut file = OpenOptions::new().write(true).create(true).truncate(false).open(&part).await?;
        if file.metadata().await?.len() < written {
            return Ok(None);
        }
        file.seek(SeekFrom::Start(written)).await?;
        Ok(Some(Self { file, part, path, waiting: Vec::new(), written }))
    }

    /// Takes a row.
    pub(super) fn take(&mut self, line: u64, names: &[String], values: &[&str]) {
        let mut row = Map::new();
        row.insert("line".to_owned(), line.into());
        let fields = names.iter().zip(values).map(|(name, value)| (name.clone(), Value::from(*value)));
        row.insert("row".to_owned(), Value::Object(fields.collect()));
        self.waiting.extend_from_slice(Value::Object(row).to_string().as_bytes());
        self.waiting.push(b'\n');
    }

    /// Writes what was taken, and returns how many bytes there are.
    pub(super) async fn write(&mut self) -> io::Result<u64> {
        self.file.write_all(&self.waiting).await?;
        self.written += self.waiting.len() as u64;
        self.waiting.clear();
        Ok(self.written)
    }

    /// Makes durable what was written.
    pub(super) async fn sync(&mut self) -> io::Result<()> {
        self.file.flush().await?;
        self.file.sync_data().await
    }

    /// All rows are there.
    pub(super) async fn finish(mut self) -> io::Result<()> {
        self.write().await?;
        self.file.flush().await?;
        // What an attempt before has written beyond, with a file that was another one.
        self.file.set_len(self.written).await?;
        self.file.sync_all().await?;
        match fs::rename(&self.part, &self.path).await {
            // Another attempt was quicker, with the same rows.
            Err(error) if error.kind() == ErrorKind::NotFound && fs::try_exists(&self.path).await? => {}
            renamed => renamed?,
        }
        match self.path.parent() {
            Some(folder) => File::open(folder).await?.sync_all().await,
            None => Ok(()),
        }
    }
}

/// The name of the job, where that can be the name of a file anywhere; otherwise a digest of it.
fn file_name(job: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_');
    if !job.is_empty() && job.len() <= 100 && job.chars().all(plain) {
        return job.to_owned();
    }
    Sha256::digest(job).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_job_is_named_out_of_the_folder() {
        assert_eq!(file_name("import-7_a"), "import-7_a");
        for job in ["", "..", "../../etc/passwd", "a/b", "a.jsonl", "ü"] {
            let name = file_name(job);
            assert!(name.len() == 64 && !name.contains(['.', '/']), "{job} is {name}");
        }
    }

    #[tokio::test]
    async fn rows_are_there_once_whichever_attempt_has_written_them() {
        let folder = tempfile::tempdir().unwrap();
        let names = ["name".to_owned()];
        let mut first = Store::open(folder.path(), "job", 0).await.unwrap().unwrap();
        first.take(2, &names, &["ann"]);
        let written = first.write().await.unwrap();
        first.sync().await.unwrap();
        first.take(3, &names, &["bob"]);
        first.write().await.unwrap();
        let mut second = Store::open(folder.path(), "job", written).await.unwrap().unwrap();
        second.take(3, &names, &["bob"]);
        second.finish().await.unwrap();
        let rows = std::fs::read_to_string(folder.path().join("job.jsonl")).unwrap();
        assert_eq!(
            rows,
            "{\"line\":2,\"row\":{\"name\":\"ann\"}}\n{\"line\":3,\"row\":{\"name\":\"bob\"}}\n"
        );
        assert!(
            Store::open(folder.path(), "other", 1).await.unwrap().is_none(),
            "what was written is not here"
        );
    }
}
