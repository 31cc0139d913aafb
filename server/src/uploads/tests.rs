//! The same behaviour of every store that needs nothing beside this process. The stream of a cluster is tested by its nodes.

use bytes::Bytes;

use super::{Extent, LocalUploads, MemoryUploads, UploadError, UploadId, UploadKey, Uploads};
use crate::base::limits::UPLOAD_CHUNK_BYTES;

const BYTES_MAX: u64 = 4 << 20;

fn key(chance: u64) -> UploadKey {
    UploadKey::of(0, "chat", "imports", UploadId::new(1_764_000_000_000, chance))
}

fn full(byte: u8) -> Bytes {
    Bytes::from(vec![byte; UPLOAD_CHUNK_BYTES])
}

/// Has both stores do the same.
async fn in_each<F: AsyncFn(&dyn Uploads)>(story: F) {
    story(&MemoryUploads::new(BYTES_MAX)).await;
    let folder = tempfile::tempdir().unwrap();
    story(&LocalUploads::open(folder.path(), BYTES_MAX).unwrap()).await;
}

#[tokio::test]
async fn chunks_in_any_order_are_a_whole_payload() {
    in_each(async |uploads| {
        let key = key(1);
        assert_eq!(uploads.extent(&key).await, Ok(Extent::Nothing));
        uploads.put(&key, 1, Bytes::from_static(b"end")).await.unwrap();
        assert_eq!(uploads.extent(&key).await, Ok(Extent::Broken), "the first is missing");
        uploads.put(&key, 0, full(7)).await.unwrap();
        assert_eq!(uploads.extent(&key).await, Ok(Extent::Whole(UPLOAD_CHUNK_BYTES as u64 + 3)));
        assert_eq!(uploads.get(&key, 0).await, Ok(Some(full(7))));
        assert_eq!(uploads.get(&key, 1).await, Ok(Some(Bytes::from_static(b"end"))));
        assert_eq!(uploads.get(&key, 2).await, Ok(None));
    })
    .await;
}

#[tokio::test]
async fn a_short_chunk_before_the_last_is_no_payload() {
    in_each(async |uploads| {
        let key = key(1);
        uploads.put(&key, 0, Bytes::from_static(b"short")).await.unwrap();
        uploads.put(&key, 1, Bytes::from_static(b"end")).await.unwrap();
        assert_eq!(uploads.extent(&key).await, Ok(Extent::Broken));
    })
    .await;
}

#[tokio::test]
async fn a_chunk_that_is_said_again_is_stored_once_and_another_one_is_refused() {
    in_each(async |uploads| {
        let key = key(1);
        for _ in 0..2 {
            uploads.put(&key, 0, Bytes::from_static(b"one")).await.unwrap();
        }
        assert_eq!(uploads.put(&key, 0, Bytes::from_static(b"two")).await, Err(UploadError::Taken));
        assert_eq!(uploads.get(&key, 0).await, Ok(Some(Bytes::from_static(b"one"))));
    })
    .await;
}

#[tokio::test]
async fn what_is_beyond_the_bound_is_refused_until_something_is_forgotten() {
    in_each(async |uploads| {
        let few = BYTES_MAX / UPLOAD_CHUNK_BYTES as u64 - 1;
        for chance in 0..few {
            uploads.put(&key(chance), 0, full(1)).await.unwrap();
        }
        uploads.put(&key(few), 0, full(1)).await.ok();
        assert_eq!(uploads.put(&key(few + 1), 0, full(1)).await, Err(UploadError::Full));
        assert_eq!(uploads.extent(&key(few + 1)).await, Ok(Extent::Nothing));
        uploads.remove(&key(0)).await.unwrap();
        uploads.remove(&key(1)).await.unwrap();
        assert_eq!(uploads.extent(&key(0)).await, Ok(Extent::Nothing));
        uploads.put(&key(few + 1), 0, full(1)).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn what_is_there_is_listed_until_it_is_forgotten() {
    in_each(async |uploads| {
        for chance in [1, 2] {
            uploads.put(&key(chance), chance as u32, full(1)).await.unwrap();
        }
        let mut listed = uploads.list(0).await.unwrap();
        listed.sort_unstable();
        let mut expected = vec![key(1), key(2)];
        expected.sort_unstable();
        assert_eq!(listed, expected);
        uploads.remove(&key(1)).await.unwrap();
        uploads.remove(&key(1)).await.unwrap();
        assert_eq!(uploads.list(0).await, Ok(vec![key(2)]));
    })
    .await;
}

#[tokio::test]
async fn what_was_stored_is_there_when_the_folder_is_opened_again_and_counts() {
    let folder = tempfile::tempdir().unwrap();
    let before = LocalUploads::open(folder.path(), BYTES_MAX).unwrap();
    before.put(&key(1), 0, full(3)).await.unwrap();
    drop(before);
    let after = LocalUploads::open(folder.path(), UPLOAD_CHUNK_BYTES as u64 + 8).unwrap();
    assert_eq!(after.get(&key(1), 0).await, Ok(Some(full(3))));
    assert_eq!(after.put(&key(2), 0, full(3)).await, Err(UploadError::Full));
}

#[tokio::test]
async fn what_a_crash_has_left_half_written_is_no_chunk_and_what_was_changed_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let uploads = LocalUploads::open(folder.path(), BYTES_MAX).unwrap();
    uploads.put(&key(1), 0, Bytes::from_static(b"whole")).await.unwrap();
    let upload = folder.path().join(key(1).name());
    std::fs::write(upload.join(".tmpAbCd"), b"half").unwrap();
    assert_eq!(uploads.extent(&key(1)).await, Ok(Extent::Whole(5)));
    std::fs::write(upload.join("0"), b"whale\0\0\0\0").unwrap();
    assert!(matches!(uploads.get(&key(1), 0).await, Err(UploadError::Damaged { index: 0, .. })));
}
