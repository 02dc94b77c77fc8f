// SPDX-License-Identifier: MIT
//! Peer: tokio.

#[path = "../../subject.rs"]
mod subject;

mod echo;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use subject::{Answer, Args};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::{channel, Receiver, Sender};
use tokio::time::{sleep, timeout};

const SLEEPERS: u64 = 1_000_000;
const ROUNDS_MOST: u64 = 20_000_000;

fn on_workers(workers: usize) -> Result<Runtime, String> {
    Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_time()
        .build()
        .map_err(|e| e.to_string())
}

fn on_one() -> Result<Runtime, String> {
    Builder::new_current_thread().enable_time().build().map_err(|e| e.to_string())
}

/// Whether it woke early.
async fn sleeper(i: u64) -> bool {
    let until = Instant::now() + Duration::from_millis(i % 1000 + 1);
    sleep(until.saturating_duration_since(Instant::now())).await;
    Instant::now() < until
}

/// The peak of the process's resident memory, in MiB.
fn peak() -> Result<f64, String> {
    let status = std::fs::read_to_string("/proc/self/status").map_err(|e| e.to_string())?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:")).ok_or("no VmHWM")?;
    let kib = line.split_whitespace().nth(1).and_then(|n| n.parse::<f64>().ok());
    kib.map(|k| k / 1024.0).ok_or_else(|| "VmHWM is no number".into())
}

fn sleepers(args: &Args) -> Answer {
    if args.case != "1e6" {
        return subject::no_case(args);
    }
    let runtime = on_workers(args.workers)?;
    let start = Instant::now();
    let early = runtime.block_on(async {
        tokio::spawn(async {
            let tasks: Vec<_> = (0..SLEEPERS).map(|i| tokio::spawn(sleeper(i))).collect();
            let mut early = 0;
            for task in tasks {
                early += task.await.map_or(1, u64::from);
            }
            early
        })
        .await
        .unwrap_or(SLEEPERS)
    });
    let took = start.elapsed();
    if early > 0 {
        return Err(format!("{} woke early", early));
    }
    match args.bench.as_str() {
        "sleepers" => Ok((subject::nanos(took) / 1e6, "ms")),
        _ => Ok((peak()?, "MiB")),
    }
}

async fn receive(rx: &mut Receiver<u64>, timed: bool) -> Option<u64> {
    if timed {
        timeout(Duration::from_millis(1000), rx.recv()).await.ok()?
    } else {
        rx.recv().await
    }
}

async fn answer(mut rx: Receiver<u64>, tx: Sender<u64>, rounds: u64, timed: bool) -> Option<()> {
    for _ in 0..rounds {
        let value = receive(&mut rx, timed).await?;
        tx.send(value + 1).await.ok()?;
    }
    Some(())
}

async fn ask(rounds: u64, timed: bool) -> Option<u64> {
    let (there, there_rx) = channel(1);
    let (back, mut back_rx) = channel(1);
    let other = tokio::spawn(answer(there_rx, back, rounds, timed));
    let mut value = 0;
    for _ in 0..rounds {
        there.send(value).await.ok()?;
        value = receive(&mut back_rx, timed).await?;
    }
    other.await.ok()??;
    Some(value)
}

fn play(runtime: &Runtime, rounds: u64, timed: bool) -> Result<Duration, String> {
    let start = Instant::now();
    let game = async move { tokio::spawn(ask(rounds, timed)).await.ok().flatten() };
    match runtime.block_on(game) {
        Some(value) if value == rounds => Ok(start.elapsed()),
        _ => Err("a message was lost, or came too late".into()),
    }
}

fn timers(args: &Args) -> Answer {
    let timed = match args.case.as_str() {
        "recv_timeout" => true,
        "recv_plain" => false,
        _ => return subject::no_case(args),
    };
    let runtime = on_one()?;
    let small = ROUNDS_MOST / 50;
    let rounds = subject::count(small, play(&runtime, small, timed)?, ROUNDS_MOST, 1);
    let took = play(&runtime, rounds, timed)?;
    Ok((subject::nanos(took) / rounds as f64, "ns/round"))
}

// What a task costs.

static DONE: AtomicU64 = AtomicU64::new(0);

async fn count_one() {
    DONE.fetch_add(1, Ordering::Relaxed);
}

fn spawn(runtime: &Runtime, n: u64) -> Result<Duration, String> {
    DONE.store(0, Ordering::Relaxed);
    let start = Instant::now();
    let all = async move {
        let tasks: Vec<_> = (0..n).map(|_| tokio::spawn(count_one())).collect();
        for task in tasks {
            task.await.ok();
        }
    };
    runtime.block_on(async { tokio::spawn(all).await }).map_err(|e| e.to_string())?;
    match DONE.load(Ordering::Relaxed) {
        ran if ran == n => Ok(start.elapsed()),
        ran => Err(format!("{} of {} ran", ran, n)),
    }
}

async fn yielder(n: u64) {
    for _ in 0..n {
        tokio::task::yield_now().await;
    }
}

fn yields(runtime: &Runtime, n: u64) -> Result<Duration, String> {
    let start = Instant::now();
    let both = async move {
        let (one, two) = (tokio::spawn(yielder(n / 2)), tokio::spawn(yielder(n / 2)));
        one.await.and(two.await)
    };
    runtime.block_on(both).map_err(|e| e.to_string())?;
    Ok(start.elapsed())
}

fn pingpong(runtime: &Runtime, n: u64) -> Result<Duration, String> {
    play(runtime, n, false)
}

type Run = fn(&Runtime, u64) -> Result<Duration, String>;

fn fibers(args: &Args) -> Answer {
    let (run, most, unit): (Run, u64, &'static str) = match args.case.as_str() {
        "spawn" | "spawn_handles" => (spawn, 0, "ns"),
        "yield" => (yields, 200_000_000, "ns"),
        "pingpong" => (pingpong, ROUNDS_MOST, "ns"),
        _ => return subject::no_case(args),
    };
    let runtime = if args.workers == 1 { on_one()? } else { on_workers(args.workers)? };
    let mut n = if most > 0 { most / 50 } else { 1_000_000 };
    let took = run(&runtime, n)?;
    if most > 0 {
        n = subject::count(n, took, most, 2);
    }
    Ok((subject::nanos(run(&runtime, n)?) / n as f64, unit))
}

fn measure(args: &Args) -> Answer {
    match args.bench.as_str() {
        "fibers" => fibers(args),
        "sleepers" | "sleepers_memory" => sleepers(args),
        "timers" => timers(args),
        "parked" => echo::parked(args),
        "echo" | "echo_cpu" | "hog_p50" | "hog_p99" | "idle_cpu" | "idle_memory" => {
            echo::measure(args)
        }
        _ => subject::no_case(args),
    }
}

fn main() {
    subject::main(measure);
}
