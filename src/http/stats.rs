//! What an instance used over time, at the resolution that fits.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::call::{Answer, Call, id, ok};
use crate::api::problem::ProblemDocument;
use crate::api::stats::{InstanceStats, Sample};
use crate::instances::view::milliseconds;
use crate::problem::Problem;
use crate::trends;
use crate::trends::series::{Point, Step, downsample};

/// What it used over time. Without `since`, the last minutes as they were measured; with it, at the finest resolution that
/// reaches back so far: as measured for about ten minutes, by the minute for a day, by the quarter of an hour for 30 days.
#[utoipa::path(get, path = "/v1/instances/{id}/stats", tag = "instances", security(("token" = ["owner"]), ("token" = ["operator"]), ("token" = ["admin"])),
    params(("id" = Uuid, Path), ("since" = Option<DateTime<Utc>>, Query)),
    responses((status = 200, body = InstanceStats), (status = 404, body = ProblemDocument)))]
pub(super) async fn show(text: String, call: Call) -> Answer {
    let own = call.caller()?.reads();
    let mut query = call.query();
    let since: Option<DateTime<Utc>> = query.parse("since", "a time such as 2030-01-31T12:00:00Z")?;
    query.end()?;
    let parts = call.parts();
    let id = parts.store.instance(id(&text)?, own).await?.id;
    let measured = parts.supervision.registry().trend(id, None);
    let oldest = measured.first().map(|sample| sample.at);
    let (samples, resolution_seconds) = match trends::fitting(since, oldest, Utc::now()) {
        None => {
            let wanted = measured.into_iter().filter(|sample| since.is_none_or(|since| sample.at >= since));
            (wanted.map(as_measured).collect(), parts.settings.sample_interval.as_secs_f64())
        }
        Some(step) => {
            let points = with_newest(&call, id, step, since.unwrap_or_default(), measured).await?;
            (points.iter().map(as_point).collect(), step.seconds() as f64)
        }
    };
    let route = parts.supervision.routes().get(id);
    ok(&InstanceStats {
        instance_id: id,
        samples,
        resolution_seconds,
        requests: route.as_ref().map_or(0, |route| route.requests()),
        in_flight: route.as_ref().map_or(0, |route| route.in_flight()),
    })
}

/// What the store has, and behind it what is measured and not written yet.
async fn with_newest(
    call: &Call,
    id: Uuid,
    step: Step,
    since: DateTime<Utc>,
    measured: Vec<minimcp_actors::snapshot::Sample>,
) -> Result<Vec<Point>, Problem> {
    let store = &call.parts().store;
    let minutes = store.trend(id, Step::Minute, since).await?;
    let written = minutes.last().map_or(i64::MIN, |minute| minute.at + Step::Minute.seconds());
    let fresh =
        measured.into_iter().map(Point::from).filter(|point| point.at >= written.max(since.timestamp()));
    let mut points = match step {
        Step::Minute => minutes,
        Step::Quarter => store.trend(id, step, since).await?,
    };
    points.extend(fresh);
    Ok(downsample(&points, step.seconds()))
}

fn as_measured(sample: minimcp_actors::snapshot::Sample) -> Sample {
    let latency = sample.health_latency_us.map(milliseconds);
    Sample {
        at: sample.at,
        cpu_percent: sample.usage.cpu_percent,
        cpu_percent_max: sample.usage.cpu_percent,
        memory_bytes: sample.usage.memory_bytes,
        memory_bytes_max: sample.usage.memory_bytes,
        processes: sample.usage.processes,
        health_latency_ms: latency,
        health_latency_ms_max: latency,
    }
}

fn as_point(point: &Point) -> Sample {
    Sample {
        at: DateTime::from_timestamp(point.at, 0).unwrap_or_default(),
        cpu_percent: point.cpu_percent,
        cpu_percent_max: point.cpu_percent_max,
        memory_bytes: u64::from(point.memory_kib) << 10,
        memory_bytes_max: u64::from(point.memory_kib_max) << 10,
        processes: point.processes,
        health_latency_ms: point.health.map(|health| milliseconds(health.mean_us.into())),
        health_latency_ms_max: point.health.map(|health| milliseconds(health.max_us.into())),
    }
}
