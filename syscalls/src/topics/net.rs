//! Sockets need no handler: addresses, `struct msghdr`, `struct mmsghdr`, control messages (SCM_RIGHTS too), socket options and their numbers
//! are the same on arm64 and amd64, both of which follow the generic 64-bit little-endian layouts.

#[cfg(test)]
mod tests {
    use crate::arm64::TABLE;
    use crate::table::Run;

    #[test]
    fn every_socket_call_passes() {
        for nr in (198..=212).chain([242, 243, 269]) {
            let row = TABLE[nr].unwrap();
            assert!(matches!(row.run, Run::Pass(_)), "{}", row.name);
        }
    }
}
