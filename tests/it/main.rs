//! One test binary for all tests that need no outside program.

