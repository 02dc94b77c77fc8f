// SPDX-License-Identifier: MIT
//! Peer: parking_lot's Mutex.

#[path = "../../subject.rs"]
mod subject;

use parking_lot::Mutex;
use subject::{Guarded, Lock};

#[derive(Default)]
struct ParkingLot(Mutex<Guarded>);

impl Lock for ParkingLot {
    #[inline(always)]
    fn with(&self, f: impl FnOnce(&mut Guarded)) {
        f(&mut self.0.lock());
    }
}

fn main() {
    subject::main(subject::mutex_measure::<ParkingLot>);
}
