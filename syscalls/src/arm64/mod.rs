//! The arm64 guest's Linux: its table and its layouts.

pub mod abi;
mod rows_fs;
mod rows_io;
mod rows_ipc;
mod rows_mem;
mod rows_net;
mod rows_proc;
mod rows_signal;
mod rows_task;
mod rows_time;

use crate::table::Row;

/// Size of the table: numbers at or above are unknown.
pub const NR_MAX: usize = 512;

const TOPICS: [&[Row]; 9] = [
    rows_fs::ROWS,
    rows_io::ROWS,
    rows_net::ROWS,
    rows_ipc::ROWS,
    rows_mem::ROWS,
    rows_time::ROWS,
    rows_signal::ROWS,
    rows_task::ROWS,
    rows_proc::ROWS,
];

const fn index() -> [Option<&'static Row>; NR_MAX] {
    let mut table = [None; NR_MAX];
    let mut t = 0;
    while t < TOPICS.len() {
        let mut i = 0;
        while i < TOPICS[t].len() {
            let row = &TOPICS[t][i];
            assert!(table[row.nr as usize].is_none(), "a system call has two rows");
            table[row.nr as usize] = Some(row);
            i += 1;
        }
        t += 1;
    }
    table
}

const TABLE_BY_NR: [Option<&'static Row>; NR_MAX] = index();

/// The table, by number.
pub static TABLE: [Option<&'static Row>; NR_MAX] = TABLE_BY_NR;

/// For each number what [`crate::dispatch()`] has to know to pass the call on.
pub(crate) static PASS: [u8; NR_MAX] = {
    let mut bytes = [0; NR_MAX];
    let mut nr = 0;
    while nr < NR_MAX {
        if let Some(row) = TABLE_BY_NR[nr] {
            bytes[nr] = crate::dispatch::pass(row);
        }
        nr += 1;
    }
    bytes
};
