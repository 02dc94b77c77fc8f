// SPDX-License-Identifier: MIT
//! Peer: the standard library of Rust - mpsc channels, which have a single
//! receiver, and Mutex.

#[path = "../../subject.rs"]
mod subject;

use std::sync::{mpsc, Mutex};
use subject::{Answer, Args, Channel, Guarded, Lock};

#[derive(Default)]
struct Std(Mutex<Guarded>);

impl Lock for Std {
    #[inline(always)]
    fn with(&self, f: impl FnOnce(&mut Guarded)) {
        f(&mut self.0.lock().unwrap());
    }
}

fn bounded(c: &Channel, capacity: usize) -> Answer {
    subject::channel_measure(c, || {
        let (tx, rx) = mpsc::sync_channel(capacity);
        let senders = (0..c.senders).map(|_| {
            let tx = tx.clone();
            move |value| tx.send(value).is_ok()
        });
        (senders.collect(), vec![move || rx.recv().ok()])
    })
}

fn unbounded(c: &Channel) -> Answer {
    subject::channel_measure(c, || {
        let (tx, rx) = mpsc::channel();
        let senders = (0..c.senders).map(|_| {
            let tx = tx.clone();
            move |value| tx.send(value).is_ok()
        });
        (senders.collect(), vec![move || rx.recv().ok()])
    })
}

fn measure(args: &Args) -> Answer {
    if args.bench == "mutex" {
        return subject::mutex_measure::<Std>(args);
    }
    let c = subject::channel_parse(args)?;
    if c.receivers != 1 {
        return subject::no_case(args);
    }
    match c.capacity {
        Some(capacity) => bounded(&c, capacity),
        None => unbounded(&c),
    }
}

fn main() {
    subject::main(measure);
}
