// SPDX-License-Identifier: MIT
//! The trees of work of bench/trees.h, by rayon's join: of several children by halves.

use crate::subject::{self, Answer, Args};
use std::time::Instant;

const QUEENS: u32 = 12;
const MATRIX: usize = 512;
const ROWS: u32 = 512;
const UNEQUAL: u32 = 300;

fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e3779b97f4a7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58476d1ce4e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d049bb133111eb);
    x ^ (x >> 31)
}

/// The sum of `f` over all nodes.
fn children<T: Sync, F: Fn(&T) -> u64 + Sync>(nodes: &[T], f: &F) -> u64 {
    match nodes.len() {
        0 => 0,
        1 => f(&nodes[0]),
        n => {
            let (a, b) = nodes.split_at(n / 2);
            let (a, b) = rayon::join(|| children(a, f), || children(b, f));
            a.wrapping_add(b)
        }
    }
}

#[derive(Clone, Copy, Default)]
struct Board {
    depth: u32,
    taken: u32,
    left: u32,
    right: u32,
}

fn queens(n: &Board) -> u64 {
    if n.depth == QUEENS {
        return 1;
    }
    let mut free = ((1 << QUEENS) - 1) & !(n.taken | n.left | n.right);
    let mut next = [Board::default(); QUEENS as usize];
    let mut count = 0;
    while free != 0 {
        let bit = free & free.wrapping_neg();
        next[count] = Board {
            depth: n.depth + 1,
            taken: n.taken | bit,
            left: (n.left | bit) << 1,
            right: (n.right | bit) >> 1,
        };
        count += 1;
        free &= free - 1;
    }
    children(&next[..count], &queens)
}

#[derive(Clone, Copy, Default)]
struct Node {
    depth: u32,
    state: u64,
    binomial: bool,
}

fn width(n: &Node) -> u64 {
    let unit = (mix(n.state) >> 11) as f64 / 9007199254740992.0;
    if n.binomial {
        return match n.depth {
            0 => 2000,
            _ if unit < 0.1245 => 8,
            _ => 0,
        };
    }
    if n.depth >= 10 {
        return 0;
    }
    ((1.0 - unit).ln() / (1.0f64 - 1.0 / 5.0).ln()) as u64
}

fn unbalanced(n: &Node) -> u64 {
    let width = width(n);
    let mut total = 1;
    let mut first = 0;
    while first < width {
        let count = (width - first).min(16);
        let mut next = [Node::default(); 16];
        for i in 0..count {
            next[i as usize] = Node {
                depth: n.depth + 1,
                state: mix(n.state.wrapping_mul(2000).wrapping_add(first + i)),
                binomial: n.binomial,
            };
        }
        total += children(&next[..count as usize], &unbalanced);
        first += count;
    }
    total
}

fn insert(x: &mut [u64]) {
    for p in 1..x.len() {
        let v = x[p];
        let mut q = p;
        while q > 0 && x[q - 1] > v {
            x[q] = x[q - 1];
            q -= 1;
        }
        x[q] = v;
    }
}

fn sort(x: &mut [u64]) {
    let n = x.len();
    if n <= 32 {
        return insert(x);
    }
    let pivot = x[n / 2];
    let (mut i, mut j) = (0isize, n as isize - 1);
    while i <= j {
        while x[i as usize] < pivot {
            i += 1;
        }
        while x[j as usize] > pivot {
            j -= 1;
        }
        if i <= j {
            x.swap(i as usize, j as usize);
            i += 1;
            j -= 1;
        }
    }
    let (low, rest) = x.split_at_mut((j + 1) as usize);
    let high = &mut rest[(i - j - 1) as usize..];
    if n > 512 {
        rayon::join(|| sort(low), || sort(high));
    } else {
        sort(low);
        sort(high);
    }
}

/// A block of a matrix; those of `c` that are written at a time do not overlap.
#[derive(Clone, Copy)]
struct Block {
    a: *const f64,
    b: *const f64,
    c: *mut f64,
    size: usize,
}
unsafe impl Sync for Block {}

fn matrix(n: &Block) -> u64 {
    if n.size <= 32 {
        for i in 0..n.size {
            for k in 0..n.size {
                for j in 0..n.size {
                    unsafe {
                        *n.c.add(i * MATRIX + j) +=
                            *n.a.add(i * MATRIX + k) * *n.b.add(k * MATRIX + j);
                    }
                }
            }
        }
        return 0;
    }
    let half = n.size / 2;
    for k in 0..2 {
        let quarter = |q: usize| {
            let (i, j) = (q / 2 * half, q % 2 * half);
            unsafe {
                Block {
                    a: n.a.add(i * MATRIX + k * half),
                    b: n.b.add(k * half * MATRIX + j),
                    c: n.c.add(i * MATRIX + j),
                    size: half,
                }
            }
        };
        children(&[quarter(0), quarter(1), quarter(2), quarter(3)], &matrix);
    }
    0
}

fn mandelbrot(row: u32) -> u64 {
    let mut steps = 0;
    for column in 0..ROWS {
        let cx = -2.0 + 2.5 * column as f64 / ROWS as f64;
        let cy = -1.25 + 2.5 * row as f64 / ROWS as f64;
        let (mut x, mut y, mut i) = (0.0, 0.0, 0);
        while i < 500 && x * x + y * y <= 4.0 {
            let next = x * x - y * y + cx;
            y = 2.0 * x * y + cy;
            x = next;
            i += 1;
        }
        steps += i;
    }
    steps
}

fn unequal(place: u32) -> u64 {
    let steps = if place % 50 != 0 { 5000 } else { 500000 };
    (0..steps).fold(place as u64, |x, _| mix(x))
}

fn rows(low: u32, high: u32, leaf: fn(u32) -> u64) -> u64 {
    if high - low == 1 {
        return leaf(low);
    }
    let middle = low + (high - low) / 2;
    let (a, b) = rayon::join(|| rows(low, middle, leaf), || rows(middle, high, leaf));
    a.wrapping_add(b)
}

/// Runs a case once: nanoseconds, and what came out.
fn once(args: &Args) -> Result<(f64, u64), String> {
    let node = Node { depth: 0, state: 19, binomial: false };
    let timed = |f: &mut dyn FnMut() -> u64| {
        let start = Instant::now();
        let result = f();
        (subject::nanos(start.elapsed()), result)
    };
    Ok(match args.case.as_str() {
        "queens12" => timed(&mut || queens(&Board::default())),
        "uts_geometric" => timed(&mut || unbalanced(&node)),
        "uts_binomial" => timed(&mut || unbalanced(&Node { state: 42, binomial: true, ..node })),
        "mandelbrot" => timed(&mut || rows(0, ROWS, mandelbrot)),
        "unequal" => timed(&mut || rows(0, UNEQUAL, unequal)),
        "quicksort" => {
            let mut x: Vec<u64> = (0..2000000).map(mix).collect();
            let (took, _) = timed(&mut || {
                sort(&mut x);
                0
            });
            (took, x.windows(2).filter(|w| w[0] > w[1]).count() as u64)
        }
        "matrix512" => {
            let m = MATRIX * MATRIX;
            let x: Vec<f64> = (0..2 * m).map(|i| (i % 7) as f64).collect();
            let mut c = vec![0.0; m];
            let root = Block { a: x.as_ptr(), b: x[m..].as_ptr(), c: c.as_mut_ptr(), size: MATRIX };
            let (took, _) = timed(&mut || matrix(&root));
            let sum = c.iter().enumerate().map(|(i, c)| *c as u64 * (i % 1021) as u64).sum();
            (took, sum)
        }
        _ => return subject::no_case(args),
    })
}

pub fn measure(args: &Args) -> Answer {
    let want = match args.case.as_str() {
        "queens12" => 14200,
        "uts_geometric" => 1994694,
        "uts_binomial" => 713545,
        "matrix512" => 615605819371,
        "mandelbrot" => 33250246,
        "unequal" => 3618372551942541386,
        _ => 0,
    };
    let mut took = 0.0;
    for _ in 0..2 {
        let (ns, got) = once(args)?;
        if got != want {
            return Err(format!("{} came out as {} and not {}", args.case, got, want));
        }
        took = ns;
    }
    Ok((took / 1e6, "ms"))
}
