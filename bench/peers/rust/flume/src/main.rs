// SPDX-License-Identifier: MIT
//! Peer: flume.

#[path = "../../subject.rs"]
mod subject;

use flume::{bounded, unbounded};
use subject::{Answer, Args};

fn measure(args: &Args) -> Answer {
    let c = subject::channel_parse(args)?;
    subject::channel_measure(&c, || {
        let (tx, rx) = c.capacity.map_or_else(unbounded, bounded);
        let senders = (0..c.senders).map(|_| {
            let tx = tx.clone();
            move |value| tx.send(value).is_ok()
        });
        let receivers = (0..c.receivers).map(|_| {
            let rx = rx.clone();
            move || rx.recv().ok()
        });
        (senders.collect(), receivers.collect())
    })
}

fn main() {
    subject::main(measure);
}
