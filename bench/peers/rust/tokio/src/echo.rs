// SPDX-License-Identifier: MIT
//! Servers for bench-load; see bench/weft/echo.c.

use crate::subject::{self, Answer, Args};
use std::io::{Error, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;

fn runtime(args: &Args) -> Result<Runtime, String> {
    let mut builder =
        if args.workers == 1 { Builder::new_current_thread() } else { Builder::new_multi_thread() };
    builder.worker_threads(args.workers).enable_all().build().map_err(|e| e.to_string())
}

async fn echo(mut stream: TcpStream) -> Result<(), Error> {
    let mut buffer = [0; 4096];
    stream.set_nodelay(true)?;
    loop {
        let n = stream.read(&mut buffer).await?;
        if n == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..n]).await?;
    }
}

fn compute(d: Duration) {
    let start = Instant::now();
    while start.elapsed() < d {}
}

async fn hog() -> Result<(), Error> {
    let (mut one, mut other) = UnixStream::pair()?;
    let mut byte = [1];
    loop {
        compute(Duration::from_micros(20));
        one.write_all(&byte).await?;
        other.read_exact(&mut byte).await?;
    }
}

async fn serve(hogs: bool, calls: bool) -> Result<(), Error> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    if hogs {
        if calls {
            tokio::spawn(hog());
        } else {
            tokio::task::spawn_blocking(|| loop {
                compute(Duration::from_secs(1))
            });
        }
    }
    println!("port {}", listener.local_addr()?.port());
    std::io::stdout().flush()?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(echo(stream));
    }
}

pub fn measure(args: &Args) -> Answer {
    let (hogs, calls) = (args.bench.starts_with("hog"), args.case == "calls");
    let server = async move { tokio::spawn(serve(hogs, calls)).await };
    match runtime(args)?.block_on(server) {
        Ok(Err(e)) => Err(e.to_string()),
        _ => Err("the server ended".into()),
    }
}

fn resident() -> Result<f64, String> {
    let text = std::fs::read_to_string("/proc/self/statm").map_err(|e| e.to_string())?;
    let pages = text.split_whitespace().nth(1).and_then(|n| n.parse::<f64>().ok());
    pages.map(|n| n * 4096.0).ok_or_else(|| "statm has no number".into())
}

const TASKS: usize = 100_000;

/// Memory of tasks that wait.
pub fn parked(args: &Args) -> Answer {
    if args.case != "1e5" {
        return subject::no_case(args);
    }
    let all = async {
        let (waiting, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let before = resident()?;
        let tasks: Vec<_> = (0..TASKS)
            .map(|_| {
                let (waiting, gate) = (waiting.clone(), gate.clone());
                tokio::spawn(async move {
                    let opened = gate.notified();
                    waiting.fetch_add(1, Ordering::Relaxed);
                    opened.await
                })
            })
            .collect();
        while waiting.load(Ordering::Relaxed) < TASKS {
            tokio::task::yield_now().await;
        }
        let each = (resident()? - before) / TASKS as f64;
        gate.notify_waiters();
        for task in tasks {
            task.await.map_err(|e| e.to_string())?;
        }
        Ok((each, "B/task"))
    };
    runtime(args)?.block_on(async { tokio::spawn(all).await.map_err(|e| e.to_string())? })
}
