// SPDX-License-Identifier: MIT
//! Peer: rayon on its global pool - join, and parallel iterators over slices.

#[path = "../../subject.rs"]
mod subject;
mod trees;

use rayon::prelude::*;
use subject::{Answer, Args};

fn fib(n: u32) -> u64 {
    if n < 2 {
        return n as u64;
    }
    let (a, b) = rayon::join(|| fib(n - 1), || fib(n - 2));
    a + b
}

/// The elements of one piece: enough to hide what the iterator costs, and
/// enough pieces to balance.
fn piece(n: usize) -> usize {
    (n / 64).clamp(1 << 10, 1 << 16)
}

fn scale(x: &mut [f64], factor: f64) {
    let piece = piece(x.len());
    x.par_chunks_mut(piece).for_each(|p| subject::scale(p, factor));
}

fn sum(x: &[f64]) -> f64 {
    x.par_chunks(piece(x.len())).map(subject::sum).sum()
}

/// Twice over the array: rayon has no scan.
fn scan(x: &[f64], y: &mut [f64]) {
    let piece = piece(x.len());
    let mut before: Vec<f64> = x.par_chunks(piece).map(subject::sum).collect();
    let mut sum = 0.0;
    for b in &mut before {
        sum += std::mem::replace(b, sum);
    }
    x.par_chunks(piece)
        .zip(y.par_chunks_mut(piece))
        .zip(before)
        .for_each(|((x, y), before)| subject::scan(x, y, before));
}

fn filter(x: &[f64], y: &mut Vec<f64>) {
    y.clear();
    y.par_extend(x.par_iter().copied().filter(subject::keep));
}

/// The array on large pages, as in bench/subject.h. It is never freed.
fn doubles(n: usize) -> Result<&'static mut [f64], String> {
    const HUGE: usize = 2 << 20;
    let bytes = (n * 8 + HUGE - 1) / HUGE * HUGE;
    let layout = std::alloc::Layout::from_size_align(bytes, HUGE).map_err(|e| e.to_string())?;
    let x = unsafe {
        let memory = std::alloc::alloc(layout);
        if memory.is_null() {
            return Err(format!("no memory for {} doubles", n));
        }
        libc::madvise(memory.cast(), bytes, libc::MADV_HUGEPAGE);
        for i in 0..n {
            memory.cast::<f64>().add(i).write((i % 1000 + 1) as f64);
        }
        std::slice::from_raw_parts_mut(memory.cast::<f64>(), n)
    };
    Ok(x)
}

fn measure(args: &Args) -> Answer {
    rayon::ThreadPoolBuilder::new()
        .num_threads(args.workers)
        .build_global()
        .map_err(|e| e.to_string())?;
    match args.bench.as_str() {
        "fork_join" => subject::fib_measure(args, fib),
        // From a thread outside the pool, as the others: the call goes in once.
        "trees" => rayon::scope(|_| trees::measure(args)),
        "par_for" | "par_reduce" => {
            let x = doubles(subject::par_n(args)?)?;
            // From a thread outside the pool each call would cost a wake-up.
            rayon::scope(|_| subject::par_measure(args, x, scale, sum))
        }
        "par_scan" | "par_filter" => {
            let x = doubles(subject::par_n(args)?)?;
            rayon::scope(|_| {
                subject::order_measure(args, x, |x, y| match args.bench.as_str() {
                    "par_scan" => scan(x, y),
                    _ => filter(x, y),
                })
            })
        }
        _ => subject::no_case(args),
    }
}

fn main() {
    subject::main(measure);
}
