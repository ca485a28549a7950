//! Collectors that hang, fail or are not there, and daemons that send nothing.

use tokio::time::{Duration, Instant};

use crate::collector::{Collector, Reply};
use crate::ground::PATIENCE;
use crate::process::{Daemon, Said};

/// What the daemon counts under this name.
async fn count(daemon: &Daemon, sample: &str) -> u64 {
    let metrics = daemon.get("/metrics").await.text;
    let line = metrics.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {sample} in {metrics}")).parse().unwrap()
}

/// Waits until the daemon counts as many under this name.
async fn counted(daemon: &Daemon, sample: &str, least: u64) -> u64 {
    let mut ticks = tokio::time::interval(Duration::from_millis(50));
    let waiting = async {
        loop {
            let now = count(daemon, sample).await;
            if now >= least {
                return now;
            }
            ticks.tick().await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("{sample} stays below {least}"))
}

const SENT: &str = "minimcp_traces_spans_sent_total";
const BY_COLLECTOR: &str = "minimcp_traces_spans_dropped_total{reason=\"collector\"}";
const BY_QUEUE: &str = "minimcp_traces_spans_dropped_total{reason=\"queue\"}";

fn warnings(daemon: &Daemon) -> usize {
    daemon.log().matches("spans of traces are dropped").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_setting_nothing_is_sent_whatever_the_environment_says() {
    let collector = Collector::start(Reply::Take).await;
    let url = collector.url();
    let all = format!("{url}/v1/traces");
    let environment = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", all.as_str()),
        ("OTEL_TRACES_SAMPLER", "always_on"),
    ];
    let mut daemon = Daemon::with(&[], &environment).await;
    daemon.faulty("plain", &["ok"]).await;
    daemon.running("plain", "x").await;
    assert_eq!(count(&daemon, SENT).await, 0);
    assert_eq!(count(&daemon, BY_QUEUE).await, 0, "no span was made");
    assert!(daemon.terminate().await.success());
    assert!(collector.arrived().is_empty());
    assert!(!daemon.log().contains("traces are sent"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_environment_of_other_programs_changes_nothing_of_what_is_sent() {
    let collector = Collector::start(Reply::Take).await;
    let environment = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-other=1"),
        ("OTEL_TRACES_SAMPLER", "always_off"),
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "1"),
        ("OTEL_RESOURCE_ATTRIBUTES", "other=1"),
        ("OTEL_SERVICE_NAME", "other"),
        ("HTTP_PROXY", "http://127.0.0.1:9"),
    ];
    let daemon = Daemon::with(&[&collector.setting()], &environment).await;
    let span = collector.until("a request", |span| span.name == "GET /readyz").await;
    assert!(!span.says("http.response.status_code").is_empty(), "{span:#?}");
    let arrived = collector.arrived().remove(0);
    assert!(!arrived.headers.contains_key("x-other"));
    assert_eq!(arrived.resource["service.name"], "minimcp");
    assert!(!arrived.resource.contains_key("other"), "{:?}", arrived.resource);
    counted(&daemon, SENT, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_hangs_delays_neither_requests_nor_the_end_and_what_it_costs_is_counted() {
    let collector = Collector::start(Reply::Hang).await;
    let mut daemon = Daemon::with(&[&collector.setting(), "traces.timeout=30s"], &[]).await;
    collector.requests(1).await;
    // More than may wait, while the first batch is still under way.
    let begun = Instant::now();
    let caller = daemon.caller();
    let all = (0..16).map(|_| {
        let caller = caller.clone();
        tokio::spawn(async move {
            for _ in 0..160 {
                assert_eq!(caller.send("GET", "/healthz", None).await.unwrap().status, 200);
            }
        })
    });
    for one in futures::future::join_all(all).await {
        one.unwrap();
    }
    assert!(begun.elapsed() < Duration::from_secs(25), "the collector was waited for: {:?}", begun.elapsed());
    assert_eq!(collector.arrived().len(), 1, "the first batch is under way all the time");
    let dropped = counted(&daemon, BY_QUEUE, 300).await;
    assert!(dropped < 1_600, "{dropped}");
    let begun = Instant::now();
    assert!(daemon.terminate().await.success());
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert!(daemon.log().contains("spans of traces were not sent before the end"), "{}", daemon.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_collector_refuses_is_counted_and_told_of_once_and_it_goes_on_when_the_collector_does() {
    let collector = Collector::start(Reply::Status(500)).await;
    let daemon = Daemon::with(&[&collector.setting()], &[]).await;
    let first = counted(&daemon, BY_COLLECTOR, 1).await;
    // What was asked meanwhile is refused as well.
    counted(&daemon, BY_COLLECTOR, first + 1).await;
    daemon.logged("the collector answered 500").await;
    assert_eq!(warnings(&daemon), 1, "{}", daemon.log());
    assert_eq!(count(&daemon, SENT).await, 0);
    collector.answer(Reply::Take);
    counted(&daemon, SENT, 1).await;
    daemon.logged("the collector takes traces again").await;
    assert_eq!(count(&daemon, BY_QUEUE).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_for_a_moment_gets_the_same_batch_again() {
    let collector = Collector::start(Reply::Status(503)).await;
    let daemon = Daemon::with(&[&collector.setting()], &[]).await;
    collector.requests(1).await;
    collector.answer(Reply::Take);
    collector.requests(2).await;
    let arrived = collector.arrived();
    assert_eq!(arrived[0].raw, arrived[1].raw);
    counted(&daemon, SENT, 1).await;
    assert_eq!(count(&daemon, BY_COLLECTOR).await, 0);
    assert_eq!(warnings(&daemon), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_without_its_collector_serves_says_so_and_ends() {
    let mut daemon = Daemon::with(&["traces.endpoint=http://127.0.0.1:9"], &[]).await;
    counted(&daemon, BY_COLLECTOR, 1).await;
    daemon.logged("the collector cannot be reached").await;
    assert!(daemon.terminate().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_will_not_do_is_told_with_one_that_would() {
    let daemon = Daemon::unstarted(&[], &[]);
    let said: Said =
        daemon.cli(&["serve", "--print-config", "--set", "traces.endpoint=localhost:4317"]).await;
    said.refused(2, &["traces.endpoint", "http://127.0.0.1:4318"]);
    let headers = [("MINIMCP_TRACES_HEADERS", "authorization=hush")];
    let arguments = ["serve", "--print-config", "--set", "traces.endpoint=http://192.0.2.1:4318"];
    let said = daemon.cli_with(&headers, &arguments).await;
    assert!(!said.err.contains("hush"), "{said:?}");
    said.refused(2, &["traces.headers (environment MINIMCP_TRACES_HEADERS)", "https"]);
}
