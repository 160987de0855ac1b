//! Which address a request goes to, and when it is tried again: a clock that stands still, and
//! addresses that do as they are told.

use std::sync::Mutex;

use inference_api::{Context, InferTask, ModelSelector, Task};

use super::*;

/// What an address does with each request, how long it takes, and how often it was asked.
#[derive(Debug, Default)]
struct Script {
    takes: Vec<Mutex<Duration>>,
    fails: Vec<Mutex<Option<Blame>>>,
    asked: Vec<Mutex<u32>>,
    /// What a look at any of them finds.
    sick: Mutex<bool>,
}

impl Script {
    fn of(count: usize) -> Arc<Self> {
        Arc::new(Self {
            takes: (0..count)
                .map(|_| Mutex::new(Duration::from_millis(10)))
                .collect(),
            fails: (0..count).map(|_| Mutex::default()).collect(),
            asked: (0..count).map(|_| Mutex::default()).collect(),
            sick: Mutex::default(),
        })
    }

    fn asked(&self) -> Vec<u32> {
        self.asked
            .iter()
            .map(|count| *count.lock().unwrap())
            .collect()
    }

    fn fail(&self, address: usize, blame: Option<Blame>) {
        *self.fails[address].lock().unwrap() = blame;
    }
}

/// Speaks as the script says.
#[derive(Debug)]
struct Scripted(Arc<Script>);

impl Speaker for Scripted {
    fn ask(
        &self,
        address: usize,
        _request: InferenceRequest,
        _model: Arc<str>,
    ) -> BoxFuture<'static, Result<Reply, Failure>> {
        *self.0.asked[address].lock().unwrap() += 1;
        let takes = *self.0.takes[address].lock().unwrap();
        let fails = *self.0.fails[address].lock().unwrap();
        Box::pin(async move {
            tokio::time::sleep(takes).await;
            match fails {
                None => Ok(Reply::Whole(Output::Tensors(Vec::new()), Usage::default())),
                Some(blame) => Err(Failure {
                    blame,
                    ..Failure::of_address("as the script says")
                }),
            }
        })
    }

    fn look(&self, _address: usize) -> BoxFuture<'static, Result<(), String>> {
        let well = !*self.0.sick.lock().unwrap();
        Box::pin(async move { if well { Ok(()) } else { Err("sick".into()) } })
    }
}

fn handle(script: &Arc<Script>, more: &str) -> Handle {
    let urls: Vec<String> = (0..script.asked.len())
        .map(|index| format!("http://127.0.0.1:{}", 9000 + index))
        .collect();
    let config: UpstreamConfig = serde_yaml::from_str(&format!(
        "{{name: far, kind: oip, urls: {urls:?}, boundary: cloud, models: [{{name: m, firstTokenMs: 10}}]{more}}}"
    ))
    .unwrap();
    Handle {
        upstream: Upstream::open(&config, Arc::new(Scripted(script.clone()))),
        target: Arc::new(Target::new(&config.models[0]).unwrap()),
    }
}

/// Never looked at again: what is learned comes from requests alone.
const UNWATCHED: &str = ", timeouts: {healthMs: 4000000000}";

async fn run(handle: &Handle) -> Result<(), InferenceError> {
    let task = Task::Infer(InferTask {
        inputs: Vec::new(),
        outputs: Vec::new(),
    });
    let context = Context::new(Instant::now() + Duration::from_secs(60));
    let request = InferenceRequest::new(ModelSelector::Auto, task, context);
    handle.run(request).await?.finish().await.map(drop)
}

#[tokio::test(start_paused = true)]
async fn requests_go_where_they_are_expected_to_be_answered_first() {
    let script = Script::of(3);
    *script.takes[1].lock().unwrap() = Duration::from_millis(500);
    let handle = handle(&script, UNWATCHED);
    for _ in 0..60 {
        run(&handle).await.unwrap();
    }
    let asked = script.asked();
    assert!(asked[1] < 5 && asked[0] + asked[2] > 55, "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn requests_at_a_time_are_spread() {
    let script = Script::of(2);
    let handle = handle(&script, UNWATCHED);
    let all = (0..16).map(|_| run(&handle));
    assert!(
        futures::future::join_all(all)
            .await
            .iter()
            .all(Result::is_ok)
    );
    let asked = script.asked();
    assert!(asked.iter().all(|count| *count >= 6), "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn what_fails_at_one_address_is_tried_at_another() {
    let script = Script::of(2);
    script.fail(0, Some(Blame::Address));
    let handle = handle(&script, UNWATCHED);
    for _ in 0..20 {
        run(&handle).await.unwrap();
    }
    let asked = script.asked();
    assert!(
        asked[0] <= FAILURES_BEFORE_CLOSED && asked[1] == 20,
        "{asked:?}"
    );
    // Time passes, it is well again, and is asked again.
    script.fail(0, None);
    tokio::time::advance(Duration::from_secs(5)).await;
    for _ in 0..20 {
        run(&handle).await.unwrap();
    }
    assert!(script.asked()[0] > asked[0]);
}

const FAILURES_BEFORE_CLOSED: u32 = 5;

#[tokio::test(start_paused = true)]
async fn a_request_that_fails_anywhere_is_tried_once() {
    let script = Script::of(2);
    script.fail(0, Some(Blame::Request));
    script.fail(1, Some(Blame::Request));
    let handle = handle(&script, UNWATCHED);
    assert!(run(&handle).await.is_err());
    assert_eq!(script.asked().iter().sum::<u32>(), 1);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_asked_while_all_are_closed_and_it_says_so_at_once() {
    let script = Script::of(1);
    script.fail(0, Some(Blame::Throttled(Duration::from_secs(30))));
    let handle = handle(&script, UNWATCHED);
    assert!(run(&handle).await.is_err());
    assert!(
        handle
            .unavailable()
            .unwrap()
            .contains("left alone for 30 s")
    );
    let before = Instant::now();
    for _ in 0..100 {
        assert!(run(&handle).await.is_err());
    }
    assert_eq!(
        (script.asked(), before.elapsed()),
        (vec![1], Duration::ZERO)
    );
    tokio::time::advance(Duration::from_secs(31)).await;
    script.fail(0, None);
    run(&handle).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn tries_are_a_fifth_of_the_requests_and_ten_a_second_at_most() {
    let script = Script::of(2);
    script.fail(0, Some(Blame::Throttled(Duration::ZERO)));
    script.fail(1, Some(Blame::Throttled(Duration::ZERO)));
    *script.takes[0].lock().unwrap() = Duration::ZERO;
    *script.takes[1].lock().unwrap() = Duration::ZERO;
    let handle = handle(&script, UNWATCHED);
    for _ in 0..2000 {
        assert!(run(&handle).await.is_err());
    }
    let tries = script.asked().iter().sum::<u32>() - 2000;
    // Ten seconds' worth of the least, and a fifth.
    assert!(tries <= 100 + 400, "{tries}");
}

#[tokio::test(start_paused = true)]
async fn a_sick_address_is_found_by_looking_and_found_well_again() {
    let script = Script::of(1);
    *script.sick.lock().unwrap() = true;
    let handle = handle(&script, ", timeouts: {healthMs: 1000}");
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(handle.unavailable().as_deref(), Some("sick"));
    *script.sick.lock().unwrap() = false;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(handle.unavailable(), None);
}

#[tokio::test(start_paused = true)]
async fn no_more_are_under_way_than_may_be_and_no_more_wait() {
    let script = Script::of(1);
    *script.takes[0].lock().unwrap() = Duration::from_secs(1);
    let handle = handle(
        &script,
        ", concurrency: 2, timeouts: {healthMs: 4000000000}",
    );
    let before = Instant::now();
    let all = futures::future::join_all((0..12).map(|_| run(&handle))).await;
    let refused = all.iter().filter(|one| one.is_err()).count();
    assert_eq!((refused, before.elapsed().as_secs()), (2, 5));
}

#[test]
fn what_is_expected_follows_what_is_measured() {
    let pace = Pace::new(1.0, 0.1);
    let usage = |tokens| Usage {
        completion_tokens: tokens,
        ..Usage::default()
    };
    let mut now = Instant::now();
    for _ in 0..40 {
        now += Duration::from_secs(1);
        pace.flowed(Duration::from_millis(200), Duration::from_secs(1), 101, now);
    }
    let learned = pace.measured();
    assert!((learned.fixed_seconds - 0.2).abs() < 0.02, "{learned:?}");
    assert!(
        (learned.per_answer_token_seconds - 0.01).abs() < 0.002,
        "{learned:?}"
    );
    // Three times slower: told so within half a minute.
    for _ in 0..30 {
        now += Duration::from_secs(1);
        pace.whole(Duration::from_millis(3600), usage(100), now);
    }
    let slower = pace.measured();
    let expected = slower.fixed_seconds + 100.0 * slower.per_answer_token_seconds;
    assert!((expected - 3.6).abs() < 0.4, "{slower:?}");
}
