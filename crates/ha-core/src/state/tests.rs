//! Rules of applying.
