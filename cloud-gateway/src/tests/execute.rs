//! Requests that do not run: each is told why, the boundary before anything else.

use tideline_proto::tideline::admin::v1::{GetServedRequest, ServedCount};
use tideline_proto::tideline::inference::v1 as wire;
use tideline_proto::tideline::policy::v1 as policy;
use tonic::{Code, Status};
use wire::execute_request::Task;

use super::running::Running;
use crate::config::SiteBoundary;

fn request(boundary: policy::Boundary, task: Option<Task>) -> wire::ExecuteRequest {
    let context = wire::Context {
        boundary: boundary.into(),
        ..wire::Context::default()
    };
    wire::ExecuteRequest {
        context: Some(context),
        model: "minilm".into(),
        task,
        ..wire::ExecuteRequest::default()
    }
}

fn text() -> Task {
    let input = wire::EmbeddingInput {
        input: Some(wire::embedding_input::Input::Text("heliotrope".into())),
    };
    Task::Embedding(wire::Embedding {
        inputs: vec![input],
        dimensions: 0,
    })
}

async fn refused(running: &Running, request: wire::ExecuteRequest) -> Status {
    let mut client = running.inference();
    let status = client.execute(request).await.err().unwrap();
    assert!(
        !format!("{status:?}").contains("heliotrope"),
        "content stands in no error: {status:?}"
    );
    status
}

async fn served(running: &Running) -> Vec<ServedCount> {
    let mut client = running.admin();
    let asked = client.get_served(GetServedRequest {});
    let answer: tonic::Response<_> = asked.await.unwrap();
    answer.into_inner().counts
}

#[tokio::test]
async fn what_may_not_travel_this_far_is_refused_before_anything_else_and_counted() {
    let running = Running::start().await;
    for boundary in [
        policy::Boundary::Unspecified,
        policy::Boundary::Device,
        policy::Boundary::Private,
    ] {
        for task in [Some(text()), None] {
            let status = refused(&running, request(boundary, task)).await;
            assert_eq!(status.code(), Code::PermissionDenied, "{boundary:?}");
        }
    }
    let nothing_said = wire::ExecuteRequest::default();
    assert_eq!(
        refused(&running, nothing_said).await.code(),
        Code::PermissionDenied
    );
    let counts: Vec<_> = served(&running)
        .await
        .iter()
        .map(|count| (count.boundary(), count.requests, count.refused))
        .collect();
    assert_eq!(
        counts,
        [
            (policy::Boundary::Unspecified, 0, 3),
            (policy::Boundary::Device, 0, 2),
            (policy::Boundary::Private, 0, 2)
        ]
    );
}

#[tokio::test]
async fn a_private_site_takes_what_is_private_and_nothing_narrower() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start_in(folder, SiteBoundary::Private).await;
    let code = async |boundary| {
        refused(&running, request(boundary, Some(text())))
            .await
            .code()
    };
    assert_eq!(code(policy::Boundary::Device).await, Code::PermissionDenied);
    for reaching in [policy::Boundary::Private, policy::Boundary::Cloud] {
        assert_eq!(
            code(reaching).await,
            Code::NotFound,
            "the model, not the boundary"
        );
    }
}

#[tokio::test]
async fn requests_that_make_no_sense_get_typed_errors() {
    let running = Running::start().await;
    let check = async |change: fn(&mut wire::ExecuteRequest), expected: Code| {
        let mut request = request(policy::Boundary::Cloud, Some(text()));
        change(&mut request);
        let status = refused(&running, request).await;
        assert_eq!(status.code(), expected, "{status:?}");
        assert!(!status.message().is_empty());
    };
    check(|_| {}, Code::NotFound).await;
    check(|request| request.task = None, Code::InvalidArgument).await;
    check(|request| request.model.clear(), Code::InvalidArgument).await;
    check(
        |request| request.model = "m'; DROP TABLE devices; --".into(),
        Code::InvalidArgument,
    )
    .await;
    check(
        |request| request.task = Some(Task::Chat(wire::Chat::default())),
        Code::InvalidArgument,
    )
    .await;
    check(
        |request| request.task = Some(Task::Embedding(wire::Embedding::default())),
        Code::InvalidArgument,
    )
    .await;
    check(
        |request| {
            let inputs = vec![wire::EmbeddingInput { input: None }];
            request.task = Some(Task::Embedding(wire::Embedding {
                inputs,
                dimensions: 0,
            }));
        },
        Code::InvalidArgument,
    )
    .await;
    check(
        |request| {
            let tensor = wire::Tensor {
                name: "input".into(),
                datatype: "FP32".into(),
                shape: vec![i64::MAX, 9],
                data: vec![0; 4].into(),
            };
            request.task = Some(Task::Infer(wire::TensorInference {
                inputs: vec![tensor],
                outputs: Vec::new(),
            }));
        },
        Code::InvalidArgument,
    )
    .await;
    running.still_serves().await;
}

#[tokio::test]
async fn a_deadline_that_is_over_is_over_here_too() {
    let running = Running::start().await;
    for (seconds, nanos) in [(0, 0), (-5, 0), (0, -1)] {
        let mut late = request(policy::Boundary::Cloud, Some(text()));
        let context = late.context.as_mut().unwrap();
        context.remaining = Some(prost_types::Duration { seconds, nanos });
        assert_eq!(
            refused(&running, late).await.code(),
            Code::DeadlineExceeded,
            "{seconds} s {nanos} ns"
        );
    }
}

#[tokio::test]
async fn split_models_say_that_they_are_not_served_here() {
    let running = Running::start().await;
    let mut client = running.inference();
    let split = client.split(tokio_stream::empty()).await;
    assert_eq!(split.err().unwrap().code(), Code::Unimplemented);
}
