//! `rialto data` as an operator uses it: what is stored is checked and shown, damage has an exit code of its own, and
//! nothing is changed.

use std::{fs, path::Path};

use rialto_server::log::{
    Log,
    local::{LocalLog, LocalOptions},
};
use rialto_tests::program::run;

fn store(folder: &Path) {
    let log =
        LocalLog::open(folder, &LocalOptions { segment_bytes: 8192, ..LocalOptions::default() }).unwrap();
    log.append(b"first").unwrap();
    log.append(&[0xff, 0x00]).unwrap();
    log.flush().unwrap();
    let next = log.bounds().1;
    log.snapshot(next, &mut [bytes::Bytes::from("state")].into_iter()).unwrap();
    log.append("dritte Zeile\nund eine vierte".as_bytes()).unwrap();
}

#[tokio::test]
async fn what_is_stored_is_checked_and_shown() {
    let folder = tempfile::tempdir().unwrap();
    store(folder.path());
    let path = folder.path().to_str().unwrap();

    let checked = run(&["data", "check", path]).await;
    assert_eq!(checked.code, 0, "{checked:?}");
    assert!(checked.out.contains("records   3, from position 528"), "{checked:?}");
    assert!(checked.out.contains("1 chunk, 5 bytes"), "{checked:?}");
    let checked = run(&["data", "check", path, "--json"]).await;
    let summary: serde_json::Value = serde_json::from_str(&checked.out).unwrap();
    assert_eq!((&summary["whole"], &summary["records"]), (&true.into(), &3.into()), "{summary}");

    let dumped = run(&["data", "dump", path]).await;
    let lines: Vec<_> = dumped.out.lines().collect();
    assert_eq!(lines[..2], ["528 5 \"first\"", "541 2 ff00"], "{dumped:?}");
    assert!(lines[2].ends_with("\"dritte Zeile\\nund eine vierte\""), "{dumped:?}");
    let dumped = run(&["data", "dump", path, "--from", "541", "--json"]).await;
    let first: serde_json::Value = serde_json::from_str(dumped.out.lines().next().unwrap()).unwrap();
    assert_eq!(first, serde_json::json!({"position": 541, "bytes": 2, "base64": "/wA="}));
}

#[tokio::test]
async fn damage_is_named_with_file_and_byte_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    store(folder.path());
    let path = folder.path().to_str().unwrap();
    let segment = folder.path().join("segment-0000000000000000.log");
    let mut contents = fs::read(&segment).unwrap();
    contents[530] ^= 4;
    fs::write(&segment, &contents).unwrap();

    for command in ["check", "dump"] {
        let refused = run(&["data", command, path]).await;
        assert_eq!((refused.code, refused.out.as_str()), (1, ""), "{refused:?}");
        assert!(refused.err.contains("segment-0000000000000000.log"), "{refused:?}");
        assert!(refused.err.contains("at byte 512"), "{refused:?}");
    }
    let refused = run(&["data", "check", path, "--json"]).await;
    let said: serde_json::Value = serde_json::from_str(&refused.out).unwrap();
    assert_eq!((&said["whole"], &said["byte"]), (&false.into(), &512.into()), "{refused:?}");
    assert_eq!(fs::read(&segment).unwrap(), contents);
}

#[tokio::test]
async fn a_log_in_use_and_a_folder_without_one_are_said_to_be_that() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let empty = run(&["data", "check", path]).await;
    assert_eq!(empty.code, 1, "{empty:?}");
    assert!(empty.err.contains("there is no log here"), "{empty:?}");

    let log = LocalLog::open(folder.path(), &LocalOptions::default()).unwrap();
    let busy = run(&["data", "dump", path]).await;
    assert_eq!(busy.code, 1, "{busy:?}");
    assert!(busy.err.contains("in use"), "{busy:?}");
    drop(log);
}
