// SPDX-License-Identifier: MIT
//! What the Rust peers have in common: the same protocol, rules and arithmetic
//! as bench/subject.h, which explains them. Written for Rust 1.63 and later.
#![allow(dead_code)]

use std::time::{Duration, Instant};

pub type Answer = Result<(f64, &'static str), String>;

const RUN_NS: f64 = 250e6;

pub struct Args {
    pub bench: String,
    pub case: String,
    pub workers: usize,
}

/// Runs `measure` for the command line and prints the one line of the answer.
pub fn main(measure: fn(&Args) -> Answer) {
    let args: Vec<String> = std::env::args().collect();
    let workers = args.get(3).and_then(|w| w.parse().ok()).unwrap_or(0);
    if args.len() != 4 || workers == 0 {
        println!("bad usage: SUBJECT BENCH CASE WORKERS");
        return;
    }
    let args = Args { bench: args[1].clone(), case: args[2].clone(), workers };
    match measure(&args) {
        Ok((value, unit)) => println!("ok {} {}", value, unit),
        Err(sentence) => println!("bad {}", sentence),
    }
}

pub fn no_case<T>(args: &Args) -> Result<T, String> {
    Err(format!("there is no case {}/{}", args.bench, args.case))
}

pub fn nanos(d: Duration) -> f64 {
    d.as_nanos() as f64
}

pub fn count(done: u64, took: Duration, most: u64, step: u64) -> u64 {
    let want = RUN_NS * done as f64 / nanos(took).max(1.0);
    let n = if want >= most as f64 { most } else { want as u64 };
    let n = n.max(most / 40);
    (n - n % step).max(step)
}

// fork_join

fn fib_by_steps(n: u32) -> u64 {
    (0..n).fold((0, 1), |(a, b), _| (b, a + b)).0
}

pub fn fib_measure(args: &Args, fib: fn(u32) -> u64) -> Answer {
    let n = match args.case.strip_prefix("fib").and_then(|n| n.parse::<u32>().ok()) {
        Some(n) if (10..=60).contains(&n) => n,
        _ => return no_case(args),
    };
    let small = fib(n - 8);
    let start = Instant::now();
    let got = fib(n);
    let took = start.elapsed();
    if small != fib_by_steps(n - 8) || got != fib_by_steps(n) {
        return Err(format!("fib({}) came out as {} and not {}", n, got, fib_by_steps(n)));
    }
    Ok((nanos(took) / (fib_by_steps(n + 1) - 1) as f64, "ns/fork"))
}

// channel

pub struct Channel {
    pub capacity: Option<usize>,
    pub senders: usize,
    pub receivers: usize,
    pub most: u64,
}

pub fn channel_parse(args: &Args) -> Result<Channel, String> {
    let mut words = args.case.split('_');
    let capacity = words.next().unwrap_or("");
    let shape = words.next().and_then(|s| s.split_once("to"));
    let capacity = match capacity.strip_prefix("cap").map(|c| c.parse()) {
        Some(Ok(c)) => Some(c),
        None if capacity == "unbounded" => None,
        _ => return no_case(args),
    };
    let most = if capacity.unwrap_or(128) < 16 { 400_000 } else { 4_000_000 };
    match shape.map(|(s, r)| (s.parse(), r.parse())) {
        Some((Ok(senders), Ok(receivers))) => Ok(Channel { capacity, senders, receivers, most }),
        _ => no_case(args),
    }
}

/// Sends 1 .. n through a fresh channel: each sender a block, each end on a
/// thread of its own and dropped when its block is through.
fn channel_run<S, R>(n: u64, (senders, receivers): (Vec<S>, Vec<R>)) -> Result<Duration, String>
where
    S: FnMut(u64) -> bool + Send,
    R: FnMut() -> Option<u64> + Send,
{
    let block = n / senders.len() as u64;
    let start = Instant::now();
    let (seen, sum) = std::thread::scope(|scope| {
        for (i, mut send) in senders.into_iter().enumerate() {
            let first = i as u64 * block + 1;
            scope.spawn(move || {
                for value in first..first + block {
                    if !send(value) {
                        return;
                    }
                }
            });
        }
        let receivers: Vec<_> = receivers
            .into_iter()
            .map(|mut receive| {
                scope.spawn(move || {
                    let (mut seen, mut sum) = (0u64, 0u64);
                    while let Some(value) = receive() {
                        seen += 1;
                        sum = sum.wrapping_add(value);
                    }
                    (seen, sum)
                })
            })
            .collect();
        receivers.into_iter().fold((0u64, 0u64), |(seen, sum), r| {
            let (more, add) = r.join().expect("a receiver panicked");
            (seen + more, sum.wrapping_add(add))
        })
    });
    let took = start.elapsed();
    if seen != n || sum != (n as u128 * (n as u128 + 1) / 2) as u64 {
        return Err(format!("{} messages with sum {} arrived of {} sent", seen, sum, n));
    }
    Ok(took)
}

/// `open` makes the ends of a fresh channel.
pub fn channel_measure<S, R>(c: &Channel, open: impl Fn() -> (Vec<S>, Vec<R>)) -> Answer
where
    S: FnMut(u64) -> bool + Send,
    R: FnMut() -> Option<u64> + Send,
{
    let step = c.senders as u64;
    let small = c.most / 50 / step * step;
    let took = channel_run(small, open())?;
    let n = count(small, took, c.most, step);
    let took = channel_run(n, open())?;
    Ok((nanos(took) / n as f64, "ns/message"))
}

// mutex

#[derive(Default)]
pub struct Guarded {
    pub count: u64,
    pub mix: u64,
}

const MUTEX_MOST_ALONE: u64 = 20_000_000;
const MUTEX_MOST: u64 = 4_000_000;

fn mutex_seed(thread: u64) -> u64 {
    (thread + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[inline(always)]
fn mutex_work(mut x: u64) -> u64 {
    for _ in 0..8 {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
    }
    x
}

/// A lock around `Guarded`, seen as the one thing that the bench does with it.
pub trait Lock: Sync + Default {
    fn with(&self, f: impl FnOnce(&mut Guarded));
}

fn mutex_alone<L: Lock>(lock: &L, n: u64) -> Duration {
    let start = Instant::now();
    for _ in 0..n {
        lock.with(|g| g.count += 1);
    }
    start.elapsed()
}

fn mutex_together<L: Lock>(lock: &L, threads: u64, each: u64) -> Result<Duration, String> {
    let start = Instant::now();
    std::thread::scope(|scope| {
        for t in 0..threads {
            scope.spawn(move || {
                let mut x = mutex_seed(t);
                for _ in 0..each {
                    lock.with(|g| {
                        g.count += 1;
                        g.mix ^= x;
                    });
                    x = mutex_work(x);
                }
            });
        }
    });
    let took = start.elapsed();
    let mut want = Guarded { count: threads * each, mix: 0 };
    for t in 0..threads {
        let mut x = mutex_seed(t);
        for _ in 0..each {
            want.mix ^= x;
            x = mutex_work(x);
        }
    }
    let mut good = false;
    lock.with(|g| good = g.count == want.count && g.mix == want.mix);
    if good { Ok(took) } else { Err("the count or the mix under the lock is wrong".into()) }
}

pub fn mutex_measure<L: Lock>(args: &Args) -> Answer {
    if args.case == "uncontended" {
        let lock = L::default();
        let small = MUTEX_MOST_ALONE / 50;
        let n = count(small, mutex_alone(&lock, small), MUTEX_MOST_ALONE, 1);
        let took = mutex_alone(&lock, n);
        let mut good = false;
        lock.with(|g| good = g.count == small + n);
        return if good {
            Ok((nanos(took) / n as f64, "ns/lock"))
        } else {
            Err("the count under the lock is wrong".into())
        };
    }
    let threads = match args.case.strip_prefix("threads").and_then(|t| t.parse::<u64>().ok()) {
        Some(t) if t > 0 && t <= 64 => t,
        _ => return no_case(args),
    };
    let each = MUTEX_MOST / 50 / threads;
    let took = mutex_together(&L::default(), threads, each)?;
    let n = count(each * threads, took, MUTEX_MOST, threads);
    let took = mutex_together(&L::default(), threads, n / threads)?;
    Ok((nanos(took) / n as f64, "ns/lock"))
}

// par_for and par_reduce

#[inline(always)]
pub fn scale(x: &mut [f64], factor: f64) {
    for v in x {
        *v *= factor;
    }
}

#[inline(always)]
pub fn sum(x: &[f64]) -> f64 {
    let mut s = [0.0; 8];
    let blocks = x.chunks_exact(8);
    let rest: f64 = blocks.remainder().iter().sum();
    for block in blocks {
        for k in 0..8 {
            s[k] += block[k];
        }
    }
    ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7])) + rest
}

pub fn par_n(args: &Args) -> Result<usize, String> {
    match args.case.parse::<f64>() {
        Ok(n) if (1.0..=1e9).contains(&n) => Ok(n as usize),
        _ => no_case(args),
    }
}

/// `x` holds 1 .. 1000 over and over. `large` is whether one pass is long
/// enough to be measured on its own.
pub fn par_measure(
    args: &Args,
    x: &mut [f64],
    scale: impl Fn(&mut [f64], f64),
    sum: impl Fn(&[f64]) -> f64,
) -> Answer {
    let n = x.len();
    let reduce = args.bench == "par_reduce";
    let rest = (n % 1000) as f64;
    let want = (n / 1000) as f64 * 500_500.0 + rest * (rest + 1.0) / 2.0;
    let mut good = true;
    let mut pass = |x: &mut [f64], passes: u64| {
        let start = Instant::now();
        for i in 0..passes {
            if reduce {
                good &= sum(x) == want;
            } else {
                scale(x, if i % 2 == 0 { 2.0 } else { 0.5 });
            }
        }
        start.elapsed()
    };
    let large = n >= 10_000_000;
    let most = if large { 5 } else { 400_000_000 / n as u64 };
    let rehearse = if large { 2 } else { most / 50 / 2 * 2 };
    let took = pass(x, rehearse);
    let passes = if large { most } else { count(rehearse, took, most, 2) - 1 };
    let took = pass(x, passes);
    let factor = if reduce { 1.0 } else { 2.0 };
    good &= x.iter().enumerate().all(|(i, v)| *v == (i % 1000 + 1) as f64 * factor);
    if !good {
        return Err(format!("{} over {} doubles gave a wrong result", args.bench, n));
    }
    Ok((nanos(took) / (n as f64 * passes as f64), "ns/element"))
}

// par_scan and par_filter

#[inline(always)]
pub fn keep(x: &f64) -> bool {
    (unsafe { x.to_int_unchecked::<i32>() } as u32).wrapping_mul(2654435761) >> 31 != 0
}

/// The sums of one range behind `before`.
#[inline(always)]
pub fn scan(x: &[f64], y: &mut [f64], before: f64) {
    let mut sum = before;
    for (y, x) in y.iter_mut().zip(x) {
        sum += x;
        *y = sum;
    }
}

/// `pass(x, y)` fills y, which it may make as long as it likes.
pub fn order_measure(
    args: &Args,
    x: &[f64],
    mut pass: impl FnMut(&[f64], &mut Vec<f64>),
) -> Answer {
    let n = x.len();
    let scanning = args.bench == "par_scan";
    let mut y = vec![0.0; n];
    let large = n >= 10_000_000;
    let most = if large { 5 } else { 400_000_000 / n as u64 };
    let rehearse = if large { 1 } else { most / 50 };
    let mut run = |y: &mut Vec<f64>, passes: u64| {
        let start = Instant::now();
        for _ in 0..passes {
            pass(x, y);
        }
        start.elapsed()
    };
    let took = run(&mut y, rehearse);
    let passes = if large { most } else { count(rehearse, took, most, 1) };
    y.iter_mut().for_each(|y| *y = -1.0);
    let took = run(&mut y, passes);
    let good = if scanning {
        let mut sum = 0.0;
        y.len() == n
            && x.iter().zip(&y).all(|(x, y)| {
                sum += x;
                *y == sum
            })
    } else {
        x.iter().filter(|x| keep(x)).eq(y.iter())
    };
    if !good {
        return Err(format!("{} over {} doubles gave a wrong result", args.bench, n));
    }
    Ok((nanos(took) / (n as f64 * passes as f64), "ns/element"))
}
