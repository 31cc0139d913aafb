//! Payloads that are too large for a message: uploaded in chunks, named by a job, read by its worker, and forgotten.

use std::{path::Path, time::Duration};

use bytes::Bytes;
use futures_util::future::join_all;
use rialto_client::{Client, Error, Jobs, NewJob, NotDone, Payload, RefusalCode, Uploaded};
use rialto_proto::v1::{
    self, JobBody, JobState, UploadedPayload, job_body::Body, job_service_client::JobServiceClient,
};
use rialto_server::auth::Right;
use rialto_tests::{
    PATIENCE,
    access::{AN_HOUR, demand_tokens, grant, token},
    eventually,
    histories::folder,
    inspect::assert_status,
    jobs::{NAMESPACE, Producer, TestWorker, completed, failed_for_good, job},
    node::TestNode,
    within,
};
use tonic::{Code, Status, transport::Channel};

const QUEUE: &str = "imports";
/// Bytes of a chunk.
const CHUNK: usize = 512 << 10;

/// Bytes that are the same for the same number, and others at each place.
fn bytes(count: usize) -> Vec<u8> {
    (0..count).map(|n| (n % 251) as u8 ^ (n >> 16) as u8).collect()
}

fn jobs(node: &TestNode) -> Jobs {
    Client::new(node.url()).expect("a URL").jobs(NAMESPACE, QUEUE)
}

async fn upload(node: &TestNode, bytes: &[u8]) -> Uploaded {
    jobs(node).upload(bytes, |_| ()).await.expect("an upload")
}

async fn read(node: &TestNode, uploaded: &Uploaded, offset: u64) -> Result<Vec<u8>, Error> {
    let (mut all, mut reader) = (Vec::new(), jobs(node).read(uploaded, offset));
    while let Some(bytes) = within("some bytes", reader.next()).await? {
        all.extend_from_slice(&bytes);
    }
    Ok(all)
}

/// What a worker finds.
async fn result(node: &TestNode, id: &str, work: impl Future<Output = Result<(), Error>>) -> String {
    let jobs = jobs(node);
    let ended = tokio::select! {
        ended = work => panic!("the worker has ended: {ended:?}"),
        job = within("the end", jobs.wait(id, PATIENCE)) => job.expect("it ends"),
    };
    let result = ended.result.map(Payload::from).expect("a result");
    result.text().expect("text").to_owned()
}

fn code<T: std::fmt::Debug>(outcome: Result<T, Error>) -> RefusalCode {
    outcome.expect_err("a refusal").refusal().expect("a refusal").code
}

/// A stub that says single chunks.
struct Uploader(JobServiceClient<Channel>);

impl Uploader {
    async fn new(node: &TestNode) -> Self {
        Self(JobServiceClient::new(node.channel().await))
    }

    async fn begin(&self) -> String {
        let request = v1::BeginUploadRequest { namespace: NAMESPACE.to_owned(), queue: QUEUE.to_owned() };
        self.0.clone().begin_upload(request).await.expect("an upload").into_inner().upload_id
    }

    async fn chunk(&self, upload_id: &str, index: u32, data: &[u8]) -> Result<(), Status> {
        let request = v1::UploadChunkRequest {
            namespace: NAMESPACE.to_owned(),
            queue: QUEUE.to_owned(),
            upload_id: upload_id.to_owned(),
            index,
            data: Bytes::copy_from_slice(data),
        };
        self.0.clone().upload_chunk(request).await.map(drop)
    }
}

/// A job that names an upload, as it is put in.
fn naming(id: &str, upload_id: &str, bytes: u64) -> v1::NewJob {
    let uploaded = Body::Uploaded(UploadedPayload { upload_id: upload_id.to_owned(), bytes });
    v1::NewJob { body: Some(JobBody { body: Some(uploaded), ..JobBody::default() }), ..job(id, "") }
}

#[tokio::test]
async fn a_large_payload_comes_to_its_worker_byte_for_byte() {
    let node = TestNode::start().await;
    let client = Client::new(node.url()).unwrap();
    for size in [1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 3 * CHUNK + 77] {
        let uploaded = upload(&node, &bytes(size)).await;
        assert_eq!(uploaded.bytes(), size as u64);
        let put = jobs(&node).enqueue(NewJob::uploaded(uploaded.of_type("text/csv"))).await.unwrap();
        let worker = client.worker("w").queue(NAMESPACE, QUEUE);
        let work = worker.run(async |job| {
            let (mut all, mut payload) = (Vec::new(), job.read(0));
            while let Some(bytes) =
                payload.next().await.map_err(|error| NotDone::failed(error.to_string()))?
            {
                all.extend_from_slice(&bytes);
            }
            assert_eq!(job.uploaded().map(Uploaded::content_type), Some("text/csv"));
            let same = all == bytes(all.len());
            Ok(Payload::from(format!("{} {same}", all.len())))
        });
        assert_eq!(result(&node, &put.id, work).await, format!("{size} true"));
    }
}

#[tokio::test]
async fn a_payload_that_came_with_its_job_is_read_in_the_same_way() {
    let node = TestNode::start().await;
    let client = Client::new(node.url()).unwrap();
    let put = jobs(&node).enqueue(NewJob::new("hello")).await.unwrap();
    let work = client.worker("w").queue(NAMESPACE, QUEUE).run(async |job| {
        let rest = job.read(2).next().await.unwrap().unwrap();
        Ok(Payload::from(rest.to_vec()))
    });
    assert_eq!(result(&node, &put.id, work).await, "llo");
}

#[tokio::test]
async fn a_payload_is_read_from_any_byte_on() {
    let node = TestNode::start().await;
    let all = bytes(2 * CHUNK + 5);
    let uploaded = upload(&node, &all).await;
    for offset in [0, 1, CHUNK - 1, CHUNK, 2 * CHUNK + 4, 2 * CHUNK + 5] {
        assert!(read(&node, &uploaded, offset as u64).await.unwrap() == all[offset..], "from {offset}");
    }
}

#[tokio::test]
async fn chunks_come_in_any_order_through_any_node_and_one_said_again_is_taken_once() {
    let node = TestNode::start().await;
    let (one, other) = (Uploader::new(&node).await, Uploader::new(&node).await);
    let (id, all) = (one.begin().await, bytes(3 * CHUNK + 9));
    let chunks: Vec<&[u8]> = all.chunks(CHUNK).collect();
    let said = [3, 1, 0, 2, 1, 3].map(|index| {
        let uploader = if index % 2 == 0 { &one } else { &other };
        uploader.chunk(&id, index, chunks[index as usize])
    });
    for stored in join_all(said).await {
        stored.unwrap();
    }
    let taken = one.chunk(&id, 1, b"something else").await.and(other.chunk(&id, 3, b"something else").await);
    assert_status(&taken.unwrap_err(), Code::AlreadyExists, "ALREADY_EXISTS");
    let producer = Producer::new(&node, QUEUE).await;
    producer.enqueue(naming("whole", &id, all.len() as u64)).await;
    let lease = TestWorker::start(&node, QUEUE, 1).await.next().await;
    let uploaded = Uploaded::of(&lease.body.unwrap()).unwrap();
    assert!(read(&node, &uploaded, 0).await.unwrap() == all);
}

#[tokio::test]
async fn a_job_cannot_name_what_was_not_uploaded_for_its_queue_or_not_whole() {
    let node = TestNode::start().await;
    let (uploader, producer) = (Uploader::new(&node).await, Producer::new(&node, QUEUE).await);
    let id = uploader.begin().await;
    assert_eq!(
        producer.try_enqueue(naming("a", &id, 9)).await,
        Err(RefusalCode::NotFound),
        "nothing is there"
    );
    uploader.chunk(&id, 1, b"the end").await.unwrap();
    let bytes = (CHUNK + 7) as u64;
    assert_eq!(producer.try_enqueue(naming("a", &id, bytes)).await, Err(RefusalCode::NotFound), "not all is");
    uploader.chunk(&id, 0, &vec![1; CHUNK]).await.unwrap();
    assert_eq!(producer.try_enqueue(naming("a", &id, bytes - 1)).await, Err(RefusalCode::Invalid));
    assert_eq!(producer.try_enqueue(naming("a", "../../jobs/lock", bytes)).await, Err(RefusalCode::Invalid));
    let elsewhere = Producer::new(&node, "exports").await;
    assert_eq!(elsewhere.try_enqueue(naming("a", &id, bytes)).await, Err(RefusalCode::NotFound));
    producer.enqueue(naming("a", &id, bytes)).await;
    assert!(producer.enqueue(naming("a", &id, bytes)).await.duplicate);
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let node = TestNode::with(|config| config.limits.node.upload_bytes_max = (CHUNK + 1) as u64).await;
    let (uploader, producer) = (Uploader::new(&node).await, Producer::new(&node, QUEUE).await);
    let id = uploader.begin().await;
    assert_status(&uploader.chunk(&id, 0, b"").await.unwrap_err(), Code::InvalidArgument, "INVALID");
    let long = uploader.chunk(&id, 0, &vec![0; CHUNK + 1]).await.unwrap_err();
    assert_status(&long, Code::InvalidArgument, "INVALID");
    let beyond = uploader.chunk(&id, 1, b"12").await.unwrap_err();
    assert_status(&beyond, Code::ResourceExhausted, "PAYLOAD_TOO_LARGE");
    let far = uploader.chunk(&id, u32::MAX, b"1").await.unwrap_err();
    assert_status(&far, Code::ResourceExhausted, "PAYLOAD_TOO_LARGE");
    assert_status(&uploader.chunk("nothing", 0, b"1").await.unwrap_err(), Code::InvalidArgument, "INVALID");
    // It says that it was begun in decades, and would not be forgotten for as long.
    let later = format!("00001{}", &id[5..]);
    assert_ne!(later, id);
    let invented = uploader.chunk(&later, 0, b"1").await.unwrap_err();
    assert_status(&invented, Code::NotFound, "NOT_FOUND");
    assert_eq!(code(jobs(&node).upload(&[][..], |_| ()).await), RefusalCode::Invalid);
    // In results, chains and schedules no upload can be named.
    uploader.chunk(&id, 0, b"1").await.unwrap();
    let chained = v1::ChainedJob { job: Some(naming("", &id, 1)), ..v1::ChainedJob::default() };
    let chain = v1::NewJob { chain: vec![chained], ..job("a", "") };
    assert_eq!(producer.try_enqueue(chain).await, Err(RefusalCode::Invalid));
}

#[tokio::test]
async fn who_may_enqueue_uploads_and_who_may_work_reads() {
    let node = TestNode::with(demand_tokens).await;
    let of = |can: Right| {
        let token = token("ann", AN_HOUR, vec![grant(NAMESPACE, &[QUEUE], &[can])]);
        Client::builder(node.url()).token(token).build().unwrap().jobs(NAMESPACE, QUEUE)
    };
    assert_eq!(code(of(Right::Work).upload(&b"1"[..], |_| ()).await), RefusalCode::Forbidden);
    let uploaded = of(Right::Enqueue).upload(&b"1"[..], |_| ()).await.unwrap();
    assert_eq!(of(Right::Work).read(&uploaded, 0).next().await.unwrap(), Some(Bytes::from_static(b"1")));
    assert_eq!(code(of(Right::Emit).read(&uploaded, 0).next().await), RefusalCode::Forbidden);
}

#[tokio::test]
async fn an_upload_is_forgotten_when_no_job_has_named_it_in_time() {
    let node = TestNode::with(|config| config.limits.node.uploads_kept = Duration::from_secs(2)).await;
    let forgotten = upload(&node, b"nobody wants this").await;
    let named = upload(&node, b"somebody does").await;
    let producer = Producer::new(&node, QUEUE).await;
    producer.enqueue(naming("a", named.id(), named.bytes())).await;
    eventually("it is gone", async || read(&node, &forgotten, 0).await.is_err()).await;
    assert_eq!(code(read(&node, &forgotten, 0).await), RefusalCode::NotFound);
    let late = producer.try_enqueue(naming("b", named.id(), named.bytes())).await;
    assert_eq!(late, Err(RefusalCode::NotFound), "no other job can name it any more");
    assert!(producer.enqueue(naming("a", named.id(), named.bytes())).await.duplicate);
    assert_eq!(read(&node, &named, 0).await.unwrap(), b"somebody does");
    let mut worker = TestWorker::start(&node, QUEUE, 1).await;
    let lease = worker.next().await;
    worker.settle(&lease.token, failed_for_good()).await;
    assert_eq!(producer.ended("a").await.state(), JobState::Dead);
    // It can be redriven, and needs its payload then.
    let second = upload(&node, b"as long as this").await;
    eventually("it is gone", async || read(&node, &second, 0).await.is_err()).await;
    assert_eq!(read(&node, &named, 0).await.unwrap(), b"somebody does");
    let redrive = v1::RedriveJobsRequest {
        namespace: NAMESPACE.to_owned(),
        queue: QUEUE.to_owned(),
        ..v1::RedriveJobsRequest::default()
    };
    producer.stub.clone().redrive_jobs(redrive).await.unwrap();
    let lease = worker.next().await;
    worker.settle(&lease.token, completed("done")).await;
    eventually("it is gone", async || read(&node, &named, 0).await.is_err()).await;
}

/// How many uploads are in a data directory.
fn stored(data: &Path) -> usize {
    std::fs::read_dir(data.join("uploads")).expect("a folder").count()
}

#[tokio::test]
async fn an_upload_and_its_job_are_there_after_a_restart() {
    if !rialto_tests::node::is_alone() {
        return;
    }
    let data = folder();
    let node = TestNode::keeping(data.path()).await;
    let all = bytes(CHUNK + 3);
    let uploaded = upload(&node, &all).await;
    jobs(&node).enqueue(NewJob::uploaded(uploaded.clone()).id("a")).await.unwrap();
    assert_eq!(stored(data.path()), 1);
    node.stop().await;
    let node = TestNode::keeping_with(data.path(), |config| {
        config.limits.node.uploads_kept = Duration::from_secs(1);
    })
    .await;
    assert!(read(&node, &uploaded, 0).await.unwrap() == all);
    let mut worker = TestWorker::start(&node, QUEUE, 1).await;
    let lease = worker.next().await;
    worker.settle(&lease.token, completed("done")).await;
    eventually("it is gone", async || stored(data.path()) == 0).await;
    node.stop().await;
}

#[tokio::test]
async fn what_the_node_has_no_space_for_is_refused_until_there_is_some() {
    if !rialto_tests::node::is_alone() {
        // Of several nodes it is refused a second later.
        return;
    }
    let node = TestNode::with(|config| {
        config.limits.node.uploads_bytes_max = (2 * CHUNK) as u64;
        config.limits.node.uploads_kept = Duration::from_secs(1);
    })
    .await;
    upload(&node, &bytes(2 * CHUNK)).await;
    // The client waits for space, so a stub asks.
    let uploader = Uploader::new(&node).await;
    let full = uploader.chunk(&uploader.begin().await, 0, &bytes(9)).await;
    assert_eq!(code(full.map_err(Error::from)), RefusalCode::StorageFull);
    eventually("there is space", async || jobs(&node).upload(&b"9"[..], |_| ()).await.is_ok()).await;
}
