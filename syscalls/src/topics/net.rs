//! Sockets need no handler: addresses, `struct msghdr`, `struct mmsghdr`, control messages (SCM_RIGHTS too), socket options and their numbers
//! are the same on all architectures that concern us, which follow the generic 64-bit little-endian layouts.

#[cfg(test)]
mod tests {
    use crate::table::Run;

    #[test]
    fn every_socket_call_passes() {
        let (arm64, amd64) = ((198..=212).chain([242, 243, 269]), (41..=55).chain([288, 299, 307]));
        let rows = arm64.map(|nr| crate::arm64::ABI.table.row(nr)).chain(amd64.map(|nr| crate::amd64::ABI.table.row(nr)));
        for row in rows.flatten() {
            assert!(matches!(row.run, Run::Pass(_)), "{}", row.name);
        }
    }
}
