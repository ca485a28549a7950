use proptest::prelude::*;

use super::*;

fn any_point() -> impl Strategy<Value = Point> {
    let latency =
        (1u32..100, 0u32..1_000_000).prop_map(|(samples, us)| Latency { samples, mean_us: us, max_us: us });
    (0i64..100_000, 1u32..100, 0f32..400.0, 0u32..4_000_000, 0u32..50, proptest::option::of(latency))
        .prop_map(|(at, samples, cpu, memory, processes, health)| Point {
            at,
            samples,
            cpu_percent: cpu,
            cpu_percent_max: cpu,
            memory_kib: memory,
            memory_kib_max: memory,
            processes,
            health,
        })
}

fn close(one: f64, two: f64) -> bool {
    (one - two).abs() <= 1.0 + 1e-3 * one.abs().max(two.abs())
}

proptest! {
    #[test]
    fn coarser_points_say_the_same_of_the_whole(points in proptest::collection::vec(any_point(), 0..80)) {
        for seconds in [60, 900] {
            let coarse = downsample(&points, seconds);
            prop_assert!(coarse.windows(2).all(|pair| pair[0].at < pair[1].at), "in order, one for each step");
            prop_assert!(coarse.iter().all(|point| point.at % seconds == 0));
            let sum = |points: &[Point], of: fn(&Point) -> f64| points.iter().map(|p| of(p) * f64::from(p.samples)).sum::<f64>();
            let count = |points: &[Point]| points.iter().map(|point| u64::from(point.samples)).sum::<u64>();
            prop_assert_eq!(count(&coarse), count(&points));
            let whole = count(&points).max(1) as f64;
            for of in [|p: &Point| f64::from(p.cpu_percent), |p: &Point| f64::from(p.memory_kib)] as [fn(&Point) -> f64; 2] {
                let (one, two) = (sum(&points, of) / whole, sum(&coarse, of) / whole);
                prop_assert!(close(one, two), "{one} {two}");
            }
            for (of, name) in [
                ((|p: &Point| f64::from(p.cpu_percent_max)) as fn(&Point) -> f64, "cpu"),
                (|p: &Point| f64::from(p.memory_kib_max), "memory"),
                (|p: &Point| f64::from(p.processes), "processes"),
                (|p: &Point| p.health.map_or(-1.0, |health| f64::from(health.max_us)), "latency"),
            ] {
                let most = |points: &[Point]| points.iter().map(of).fold(-1.0, f64::max);
                prop_assert_eq!(most(&coarse), most(&points), "{}", name);
            }
            for point in &coarse {
                prop_assert!(f64::from(point.cpu_percent) <= f64::from(point.cpu_percent_max) * 1.001 + 0.001);
                prop_assert!(point.memory_kib <= point.memory_kib_max);
                prop_assert!(point.health.is_none_or(|health| health.mean_us <= health.max_us));
            }
        }
    }

    #[test]
    fn by_way_of_minutes_a_quarter_is_what_it_is_at_once(points in proptest::collection::vec(any_point(), 0..80)) {
        let (at_once, by_way) = (downsample(&points, 900), downsample(&downsample(&points, 60), 900));
        prop_assert_eq!(at_once.len(), by_way.len());
        for (one, two) in at_once.iter().zip(&by_way) {
            prop_assert_eq!((one.at, one.samples, one.processes), (two.at, two.samples, two.processes));
            prop_assert!(close(one.cpu_percent.into(), two.cpu_percent.into()));
            prop_assert!(close(one.memory_kib.into(), two.memory_kib.into()));
            let mean = |point: &Point| point.health.map_or(-1.0, |health| f64::from(health.mean_us));
            // Each merge rounds to whole microseconds.
            prop_assert!((mean(one) - mean(two)).abs() <= 80.0);
        }
        prop_assert_eq!(downsample(&at_once, 900), at_once);
    }

    #[test]
    fn points_read_back_as_they_were_written(points in proptest::collection::vec(any_point(), 0..100), cut in 1usize..43) {
        let bytes = encode(&points);
        prop_assert_eq!(decode(&bytes), Some(points.clone()));
        if !points.is_empty() {
            prop_assert_eq!(decode(&bytes[..bytes.len() - cut]), None);
        }
        let mut other = bytes;
        other[0] = 9;
        prop_assert_eq!(decode(&other), None);
    }
}

#[test]
fn a_row_holds_whole_steps_and_what_is_kept_is_whole_rows() {
    for step in Step::ALL {
        assert_eq!(step.row_seconds() % step.seconds(), 0);
        assert_eq!(step.kept_seconds() % step.row_seconds(), 0);
    }
    assert_eq!(
        Step::Minute.row_seconds() % Step::Quarter.seconds(),
        0,
        "the minutes of a quarter are in one row"
    );
    assert_eq!((begin(61, 60), begin(60, 60), begin(-1, 60)), (60, 60, -60));
}
