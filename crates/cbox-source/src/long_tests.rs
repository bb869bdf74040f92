//! How long random and repeated tests may take: `make test-long` sets `CBOX_LONG`.

#[expect(
    clippy::disallowed_methods,
    reason = "the one variable that tests read"
)]
pub(crate) fn is_long() -> bool {
    std::env::var_os("CBOX_LONG").is_some()
}
