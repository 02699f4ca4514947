//! The x87's functions. No two designs of processors agree on the last bit of all their results: ours are the exact ones rounded once, which
//! `functions.txt` holds for 480 operands in the four ways of rounding (computed with 700 bits; those of angles by the pi of 66 bits that
//! processors reduce by), and the processor's are next to them. How often they are the same is printed.

use crate::case::*;
use crate::rng::Rng;
use crate::{near, ours, prepare, put_code, put_memory, real, ALONE};
use std::collections::BTreeMap;

const CODES: [(&str, u8); 7] =
    [("f2xm1", 0xf0), ("fyl2x", 0xf1), ("fptan", 0xf2), ("fpatan", 0xf3), ("fyl2xp1", 0xf9), ("fsin", 0xfe), ("fcos", 0xff)];

/// The case of a function of ST(0) = x and ST(1) = y; where the result is.
fn case(code: u8, x: u128, y: u128, rounding: u16) -> (Case, usize) {
    let mut state = State { pc: CODE + 0x400, fcw: 0x37f | rounding << 10, ftw: 3, ..State::default() };
    (state.x87[0], state.x87[1]) = (x, y);
    let two = matches!(code, 0xf1 | 0xf3 | 0xf9);
    state.ftw = if two { 3 } else { 1 };
    let memory = Box::new([0; WINDOW_BYTES]);
    (Case { pc: state.pc, code: vec![0xd9, code], state, memory, ignored: 0, ignored_at_fault: 0, readonly: None }, two as usize)
}

/// The processor's result and ours.
fn both(slow: &mut ours::Slow, code: u8, x: u128, y: u128, rounding: u16) -> (u128, u128) {
    let (case, at) = case(code, x, y, rounding);
    put_code(&case);
    put_memory(&case.memory);
    let theirs = real::run(&case).1.x87[at];
    (theirs, slow.run(&case).expect("it can be interpreted").1.x87[at])
}

#[test]
fn x87_functions_are_rounded_once() {
    let _alone = ALONE.lock().unwrap_or_else(|e| e.into_inner());
    prepare();
    let mut slow = ours::Slow::new();
    for line in include_str!("functions.txt").lines() {
        let mut words = line.split(' ');
        let name = words.next().expect("a name");
        let code = CODES.iter().find(|c| c.0 == name).expect("a function").1;
        let n: Vec<u128> = words.map(|w| u128::from_str_radix(w, 16).expect("a number")).collect();
        for (rounding, &want) in n[2..].iter().enumerate() {
            let (theirs, got) = both(&mut slow, code, n[0], n[1], rounding as u16);
            assert!(got == want, "{line}, rounding {rounding}: {got:020x}, not {want:020x}");
            assert!(near(theirs, want), "{line}, rounding {rounding}: the CPU has {theirs:020x}");
        }
    }
}

#[test]
fn x87_functions_are_next_to_the_processors() {
    let _alone = ALONE.lock().unwrap_or_else(|e| e.into_inner());
    prepare();
    let mut slow = ours::Slow::new();
    let mut same: BTreeMap<&str, [u32; 2]> = BTreeMap::new();
    let r = &mut Rng(87);
    for _ in 0..500 {
        for (name, code) in CODES {
            let x = if matches!(name, "f2xm1" | "fyl2xp1") { r.fraction() } else { r.extended() };
            let (y, rounding) = (r.extended(), r.below(4) as u16);
            let (theirs, got) = both(&mut slow, code, x, y, rounding);
            assert!(near(theirs, got), "{name} {x:020x} {y:020x}: {got:020x}, the CPU: {theirs:020x}");
            let count = same.entry(name).or_default();
            count[0] += (theirs == got) as u32;
            count[1] += 1;
        }
    }
    println!("the same as the CPU's: {same:?}");
}
