// SPDX-License-Identifier: MIT
//! Peers: rayon's par_sort and par_sort_unstable, and with one worker those of the standard
//! library. The inputs and checks are those of bench/subject_sort.h.

#[path = "../../subject.rs"]
mod subject;

use rayon::prelude::*;
use std::time::{Duration, Instant};
use subject::{Answer, Args};

fn mix(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

fn value(shape: &str, i: u64, n: u64) -> u64 {
    let x = mix((i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    match shape {
        "sorted" => i,
        "reversed" => n - i,
        "few" => mix(x % 16),
        "zipf" => n / (x % n + 1),
        _ => x,
    }
}

#[derive(Clone, Copy)]
struct Item {
    key: u64,
    value: u64,
}

fn measure_of<T: Send>(
    n: u64,
    fill: impl Fn(u64) -> T,
    less: impl Fn(&T, &T) -> bool + Sync,
    bits: impl Fn(&T) -> u64,
    stable: bool,
    alone: bool,
) -> Answer {
    use std::cmp::Ordering::{Greater, Less};
    let order = |a: &T, b: &T| {
        if less(a, b) {
            Less
        } else if less(b, a) {
            Greater
        } else {
            std::cmp::Ordering::Equal
        }
    };
    let sum = |x: &[T]| x.iter().fold(0u64, |s, v| s.wrapping_add(mix(bits(v))));
    let (mut took, mut rounds) = (Duration::ZERO, 0);
    for i in 0..1000 {
        let mut x: Vec<T> = (0..n).map(&fill).collect();
        let want = if i < 2 { sum(&x) } else { 0 };
        let start = Instant::now();
        match (stable, alone) {
            (false, false) => x.par_sort_unstable_by(order),
            (true, false) => x.par_sort_by(order),
            (false, true) => x.sort_unstable_by(order),
            (true, true) => x.sort_by(order),
        }
        if i > 0 {
            took += start.elapsed();
            rounds += 1;
        }
        if i < 2 && (sum(&x) != want || x.windows(2).any(|w| less(&w[1], &w[0]))) {
            return Err("a sort gave a wrong result".into());
        }
        if took.as_nanos() > 250_000_000 {
            break;
        }
    }
    Ok((subject::nanos(took) / (n as f64 * rounds as f64), "ns/element"))
}

fn measure(args: &Args) -> Answer {
    rayon::ThreadPoolBuilder::new()
        .num_threads(args.workers)
        .build_global()
        .map_err(|e| e.to_string())?;
    let mut words = args.case.split('_');
    let kind = words.next().unwrap_or("");
    let n = words.next().and_then(|n| n.parse::<f64>().ok()).unwrap_or(0.0) as u64;
    let shape = words.next().unwrap_or("");
    let (stable, alone) = (args.bench == "sort_stable", args.workers == 1);
    if n < 2 {
        return subject::no_case(args);
    }
    let v = |i: u64| value(shape, i, n);
    match kind {
        "u32" => {
            let fill = |i| if shape.is_empty() { (v(i) >> 32) as u32 } else { v(i) as u32 };
            measure_of(n, fill, |a, b| a < b, |x| *x as u64, stable, alone)
        }
        "u64" => measure_of(n, v, |a, b| a < b, |x| *x, stable, alone),
        "f64" => {
            let fill = |i| v(i) as i64 as f64 / 3.0;
            measure_of(n, fill, |a: &f64, b: &f64| a < b, |x| x.to_bits(), stable, alone)
        }
        "structs" => measure_of(
            n,
            |i| Item { key: v(i), value: i },
            |a, b| a.key < b.key,
            |x| x.key.wrapping_add(x.value),
            stable,
            alone,
        ),
        "strings" => {
            let bits = |s: &String| s.parse::<u64>().unwrap_or(0);
            measure_of(n, |i| v(i).to_string(), |a, b| a < b, bits, stable, alone)
        }
        _ => subject::no_case(args),
    }
}

fn main() {
    subject::main(measure);
}
